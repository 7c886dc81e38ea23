//! The mark that a role or a database of ours carries: a `COMMENT` of JSON.
//!
//! A role's comment can be written only by a role with CREATEROLE; a database's by its owner, who was its tenant in earlier
//! versions. So a database's comment alone never permits anything that would hurt another instance: it must fit the
//! database's name.

use crate::model::name::{InstallationId, InstanceName, Resources, Uid};
use crate::model::service::{Component, Owner, Tag};
use serde::{Deserialize, Serialize};

/// The version of the comment that this program writes and understands.
const COMMENT_VERSION: u32 = 1;

/// What a comment of ours says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Comment {
    innkeeper: u32,
    installation: InstallationId,
    instance: InstanceName,
    /// The instance's identity.
    pub(super) uid: Uid,
    component: Component,
    /// On a role: the mark of its password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mark: Option<String>,
    /// On a database: an instance was set up in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) provisioned: bool,
}

/// Enough of any version's comment to say whose it is.
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "innkeeper")]
    _version: u32,
    installation: InstallationId,
}

impl Comment {
    /// The comment of a role.
    pub(super) fn of_role(installation: &InstallationId, instance: &InstanceName, uid: Uid, mark: &str) -> Self {
        let mut comment = Self::new(installation, instance, uid, Component::Role);
        comment.mark = Some(mark.to_owned());
        comment
    }

    /// The comment of a database.
    pub(super) fn of_database(
        installation: &InstallationId,
        instance: &InstanceName,
        uid: Uid,
        provisioned: bool,
    ) -> Self {
        let mut comment = Self::new(installation, instance, uid, Component::Database);
        comment.provisioned = provisioned;
        comment
    }

    /// The instance as a role's or database's tag.
    pub(super) fn tag(&self) -> Tag {
        Tag { instance: self.instance.clone(), uid: self.uid, component: self.component, digest: String::new() }
    }

    /// As it stands in the catalog.
    pub(super) fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"))
    }

    /// Reads the comment of the `component` called `name`. It is ours only when every part of it fits; otherwise the
    /// error says whose the thing is, as far as is known.
    pub(super) fn read(
        text: Option<&str>,
        component: Component,
        name: &str,
        installation: &InstallationId,
    ) -> Result<Self, String> {
        let envelope = text.and_then(|text| serde_json::from_str::<Envelope>(text).ok());
        let (Some(text), Some(envelope)) = (text, envelope) else {
            return Err("no Innkeeper comment".to_owned());
        };
        if envelope.installation != *installation {
            return Err(format!("Innkeeper installation {}", crate::model::name::shorten(&envelope.installation.0)));
        }
        match serde_json::from_str::<Self>(text) {
            Ok(comment) if comment.innkeeper != COMMENT_VERSION => {
                Err(format!("a comment of another Innkeeper version ({})", comment.innkeeper))
            }
            Ok(comment) if comment.component != component || Resources::of(&comment.instance).database != name => {
                Err(format!("an Innkeeper comment that belongs to another object of {}", comment.instance))
            }
            Ok(comment) => Ok(comment),
            Err(_) => Err("an Innkeeper comment that cannot be read".to_owned()),
        }
    }

    fn new(installation: &InstallationId, instance: &InstanceName, uid: Uid, component: Component) -> Self {
        Self {
            innkeeper: COMMENT_VERSION,
            installation: installation.clone(),
            instance: instance.clone(),
            uid,
            component,
            mark: None,
            provisioned: false,
        }
    }
}

/// Whose a thing with such a comment is.
pub(super) fn owner(read: &Result<Comment, String>) -> Owner {
    match read {
        Ok(comment) => Owner::Ours(comment.tag()),
        Err(whose) => Owner::Foreign(whose.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const UID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    fn check(text: &str, expected: Expect) {
        let text = text.replace("UID", UID);
        let installation = InstallationId("0123456789ab".to_owned());
        let read = Comment::read(Some(&text), Component::Database, "odoo_my_company", &installation);
        let shown = match read {
            Ok(comment) => format!("ours: {} {} {}", comment.instance, comment.uid, comment.provisioned),
            Err(whose) => whose,
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn only_a_comment_that_fits_in_every_part_is_ours() {
        check(
            r#"{"innkeeper":1,"installation":"0123456789ab","instance":"my-company","uid":"UID","component":"database","provisioned":true}"#,
            expect!["ours: my-company 01890a5d-ac96-774b-bcce-b302099a8057 true"],
        );
        check("", expect!["no Innkeeper comment"]);
        check("customer 12, see wiki", expect!["no Innkeeper comment"]);
        check(r#"{"innkeeper":1}"#, expect!["no Innkeeper comment"]);
        check(
            r#"{"innkeeper":1,"installation":"ffffffffffff","instance":"my-company","uid":"UID","component":"database"}"#,
            expect!["Innkeeper installation ffffffffffff"],
        );
        check(
            r#"{"innkeeper":1,"installation":"0123456789ab","instance":"my-company","uid":"x","component":"database"}"#,
            expect!["an Innkeeper comment that cannot be read"],
        );
        check(
            r#"{"innkeeper":1,"installation":"0123456789ab","instance":"My Company","uid":"UID","component":"database"}"#,
            expect!["an Innkeeper comment that cannot be read"],
        );
        check(
            r#"{"innkeeper":2,"installation":"0123456789ab","instance":"my-company","uid":"UID","component":"database"}"#,
            expect!["a comment of another Innkeeper version (2)"],
        );
        check(
            r#"{"innkeeper":1,"installation":"0123456789ab","instance":"my-company","uid":"UID","component":"role"}"#,
            expect!["an Innkeeper comment that belongs to another object of my-company"],
        );
        check(
            r#"{"innkeeper":1,"installation":"0123456789ab","instance":"other","uid":"UID","component":"database"}"#,
            expect!["an Innkeeper comment that belongs to another object of other"],
        );
    }

    #[test]
    fn what_is_written_is_read_again() {
        let installation = InstallationId("0123456789ab".to_owned());
        let instance = InstanceName::parse("acme").unwrap();
        let comment = Comment::of_role(&installation, &instance, UID.parse().unwrap(), "00ff");
        let text = comment.to_text();
        expect![[r#"{"innkeeper":1,"installation":"0123456789ab","instance":"acme","uid":"01890a5d-ac96-774b-bcce-b302099a8057","component":"role","mark":"00ff"}"#]].assert_eq(&text);
        assert_eq!(Comment::read(Some(&text), Component::Role, "odoo_acme", &installation), Ok(comment));
    }
}
