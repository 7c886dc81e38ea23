//! The ownership mark as Docker labels: how it is written, and whose an object is that carries it or does not.

use crate::model::name::{InstallationId, InstanceName, Uid};
use crate::model::service::{Component, Owner, Tag};
use std::collections::HashMap;

/// Which installation an object belongs to.
pub(super) const INSTALLATION: &str = "io.innkeeper.installation";
/// Which instance.
pub(super) const INSTANCE: &str = "io.innkeeper.instance";
/// That instance's identity.
pub(super) const UID: &str = "io.innkeeper.uid";
/// Which part of it; see [`component_text`].
pub(super) const COMPONENT: &str = "io.innkeeper.component";
/// Digest of what needs re-creation.
pub(super) const DIGEST: &str = "io.innkeeper.digest";
/// The image reference that a container was asked for with: the container itself is made from the image's id.
pub(super) const IMAGE: &str = "io.innkeeper.image";
/// The component of the short-lived containers out of which an image's user is read; no instance has one.
pub(super) const IMAGE_PROBE: &str = "image-probe";

/// The labels of an object as Docker gives them.
pub(super) type Labels = HashMap<String, String>;

/// Every component with its word, as in JSON.
const COMPONENTS: [(Component, &str); 7] = [
    (Component::Network, "network"),
    (Component::Volume, "volume"),
    (Component::Service, "service"),
    (Component::InstallJob, "install-job"),
    (Component::SetupJob, "setup-job"),
    (Component::Role, "role"),
    (Component::Database, "database"),
];

/// The word of a component.
pub(super) fn component_text(component: Component) -> &'static str {
    COMPONENTS.iter().find(|(known, _)| *known == component).map_or("service", |(_, text)| text)
}

/// Labels of an object that belongs to an instance.
pub(super) fn of_tag(installation: &InstallationId, tag: &Tag) -> Labels {
    let mut labels = of_installation(installation, component_text(tag.component));
    labels.insert(INSTANCE.into(), tag.instance.to_string());
    labels.insert(UID.into(), tag.uid.to_string());
    if !tag.digest.is_empty() {
        labels.insert(DIGEST.into(), tag.digest.clone());
    }
    labels
}

/// Labels of an object that belongs to no instance.
pub(super) fn of_installation(installation: &InstallationId, component: &str) -> Labels {
    Labels::from([(INSTALLATION.into(), installation.to_string()), (COMPONENT.into(), component.into())])
}

/// Whose an object with these labels is.
pub(super) fn owner(installation: &InstallationId, labels: &Labels) -> Owner {
    match labels.get(INSTALLATION) {
        None => Owner::Foreign("no Innkeeper label".into()),
        Some(other) if *other != installation.0 => Owner::Foreign(format!("Innkeeper installation {other}")),
        Some(_) => tag(labels)
            .map_or_else(|| Owner::Foreign("labels of this installation that cannot be read".into()), Owner::Ours),
    }
}

/// True when the object carries this installation's label, whatever else it says.
pub(super) fn is_of(installation: &InstallationId, labels: &Labels) -> bool {
    labels.get(INSTALLATION).is_some_and(|found| *found == installation.0)
}

fn tag(labels: &Labels) -> Option<Tag> {
    let component = labels.get(COMPONENT)?;
    Some(Tag {
        instance: InstanceName::parse(labels.get(INSTANCE)?).ok()?,
        uid: labels.get(UID)?.parse::<Uid>().ok()?,
        component: COMPONENTS.iter().find(|(_, text)| text == component)?.0,
        digest: labels.get(DIGEST).cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installation() -> InstallationId {
        InstallationId("0123456789ab".into())
    }

    fn tag_of(component: Component) -> Tag {
        Tag {
            instance: InstanceName::parse("acme").unwrap(),
            uid: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            component,
            digest: "v1:abc".into(),
        }
    }

    #[test]
    fn what_is_written_is_read_back_for_every_component() {
        for (component, text) in COMPONENTS {
            let tag = tag_of(component);
            assert_eq!(owner(&installation(), &of_tag(&installation(), &tag)), Owner::Ours(tag));
            assert_eq!(serde_json::to_string(&component).unwrap(), format!("{text:?}"));
        }
    }

    #[test]
    fn anything_else_is_foreign_and_says_whose() {
        let ours = of_tag(&installation(), &tag_of(Component::Service));
        let other = InstallationId("ffffffffffff".into());
        assert_eq!(owner(&other, &ours), Owner::Foreign("Innkeeper installation 0123456789ab".into()));
        assert_eq!(owner(&other, &Labels::new()), Owner::Foreign("no Innkeeper label".into()));
        let mut torn = ours;
        torn.remove(UID);
        assert!(matches!(owner(&installation(), &torn), Owner::Foreign(_)));
    }
}
