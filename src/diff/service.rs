//! Decisions over the network, the volume and the application's container.

use super::backup;
use super::case::{Case, Draft, Why, changed, new_field};
use super::guard::Disruption;
use crate::model::changes::HoldReason;
use crate::model::errand::ErrandKind;
use crate::model::live::ServiceLive;
use crate::model::name::OdooVersion;
use crate::model::service::{Component, SERVICE_ENVIRONMENT, ServiceSpec, Tag};
use crate::model::site::SitePage;
use crate::model::size::Bytes;
use crate::model::step::{Action, FieldChange, Origin, Risk};
use crate::model::step_kind::StepKind;
use crate::model::wanted::WantedState;

/// Everything that must be there before a container of this instance starts.
const BEFORE_CONTAINERS: [StepKind; 6] = [
    StepKind::CreateNetwork,
    StepKind::CreateVolume,
    StepKind::CreateDatabase,
    StepKind::SetRole,
    StepKind::WriteConf,
    StepKind::MarkProvisioned,
];

/// The field of a container that was made before it had an environment of ours.
const ENVIRONMENT: &str = "environment";

/// The installation's network, on which containers cannot reach each other.
pub(super) fn network(case: &Case<'_>, draft: &mut Draft) {
    let Some(engine) = case.engine else { return };
    match &engine.network {
        None => {
            let why = Why { reason: "no container of the fleet has a network yet", origin: Origin::Intended, risk: Risk::None, fields: Vec::new(), after: &[] };
            draft.step(Action::CreateNetwork, why);
        }
        Some(network) if !network.ours => draft.hold(
            HoldReason::Conflict,
            "a foreign network stands on the name of the installation's network; it is left untouched: remove or rename it",
        ),
        Some(network) if !network.isolated => draft.hold(
            HoldReason::Conflict,
            "the installation's network lets containers reach each other (enable_icc); it cannot be changed in place: \
             stop the instances, remove the network, and it is made anew",
        ),
        Some(_) => {}
    }
}

/// The filestore's volume: made once, after the database, and never again.
pub(super) fn volume(case: &Case<'_>, draft: &mut Draft) {
    let Some(engine) = case.engine else { return };
    let volume = &case.resources.volume;
    if let Some(owner) = engine.volumes.get(volume) {
        case.owns_data(owner, &format!("volume {volume}"), draft);
        return;
    }
    // The volume is made before anything is installed: where something is, one that is not there was lost.
    let evidence = match case.odoo() {
        _ if case.is_provisioned() => Some("it was set up before"),
        Some(odoo) => (!odoo.is_empty()).then_some("modules are installed in its database"),
        // Without a look into the database nothing is made.
        None => return,
    };
    if let Some(evidence) = evidence {
        let way_out = backup::way_out(case);
        let message = format!("volume {volume} is gone although {evidence}; it is not made anew: {way_out}");
        return draft.hold(HoldReason::DataMissing, message);
    }
    if blocked(draft) {
        return;
    }
    let tag = case.tag(Component::Volume, String::new());
    let why = Why {
        reason: "new instance",
        origin: Origin::Intended,
        risk: Risk::None,
        fields: Vec::new(),
        after: &[StepKind::CreateDatabase],
    };
    draft.step(Action::CreateVolume { volume: volume.clone(), tag }, why);
}

/// Another Odoo release than the database belongs to is an upgrade, which a changed file alone does not start: nothing of
/// the other release touches the database.
pub(super) fn release(case: &Case<'_>, draft: &mut Draft) {
    // One that was never started says what a file asked for when it was made, and nothing of the database.
    let ran = |service: &&ServiceLive| case.is_own(&service.owner) && service.started_at.is_some();
    let of_container = || release_of_image(case, case.service().filter(ran)?);
    let is_other = |release: &OdooVersion| *release != case.wanted.odoo;
    if case.odoo().is_some_and(|odoo| odoo.modules.is_empty()) {
        // Nothing is in it that belongs to any release, whatever a container was made of through which it was read.
        return;
    }
    let Some(release) = release_of_database(case).or_else(of_container).filter(is_other) else { return };
    draft.hold(
        HoldReason::UpgradeNeeded,
        format!(
            "the file asks for Odoo {} and the database belongs to {release}: upgrading between releases is not done by \
             editing the file; write odoo = \"{release}\" again",
            case.wanted.odoo
        ),
    );
}

fn release_of_database(case: &Case<'_>) -> Option<OdooVersion> {
    let version = case.odoo()?.base_version.clone()?;
    let (major, _) = version.split_once('.')?;
    OdooVersion::parse(&format!("{major}.0")).ok()
}

fn release_of_image(case: &Case<'_>, live: &ServiceLive) -> Option<OdooVersion> {
    let mut images = case.facts.settings.odoo.images.iter();
    images.find(|(_, image)| **image == live.image).map(|(release, _)| release.clone())
}

/// The container: the cheapest effect that makes it right.
pub(super) fn container(case: &Case<'_>, draft: &mut Draft) {
    if case.engine.is_none() {
        return;
    }
    if blocked(draft) {
        return stop_alone(case, draft);
    }
    let Some(spec) = service_spec(case, draft) else { return };
    let of_other_release = draft.has_hold(HoldReason::UpgradeNeeded);
    let Some(live) = case.service() else {
        if !of_other_release {
            create(case, spec, draft);
        }
        return;
    };
    if !case.owns(&live.owner, &spec.container, draft) {
        return;
    }
    if of_other_release {
        let fits = release_of_database(case).is_none_or(|release| release_of_image(case, live) == Some(release));
        if fits {
            // It runs on as it is.
            power(case, live, &spec.tag, draft);
        }
        return;
    }
    let fields = recreation_fields(live, &spec);
    if !fields.is_empty() && case.odoo().is_some() {
        let why = Why {
            reason: "a new container is needed for this",
            origin: if fields.iter().all(is_of_this_version) { Origin::ToolUpgrade } else { case.origin() },
            risk: Risk::Interruption,
            fields,
            after: &BEFORE_CONTAINERS,
        };
        let start = is_to_be_up(case) && may_begin(case, draft);
        return draft.step(Action::RecreateService { spec, start }, why);
    }
    limits(case, live, &spec, draft);
    power(case, live, &spec.tag, draft);
}

/// True when something stands in the way of touching containers at all.
pub(super) fn blocked(draft: &Draft) -> bool {
    draft.has_hold(HoldReason::Conflict) || draft.has_hold(HoldReason::DataMissing)
}

/// True when a container may begin to run on the database: it is set up, or is so by the time that the container is made.
/// Without a look inside nobody knows that, nor of which release it is.
fn may_begin(case: &Case<'_>, draft: &Draft) -> bool {
    case.odoo().is_some() && (case.is_provisioned() || draft.has_step(StepKind::MarkProvisioned))
}

/// True when it is to be up: wanted so, or not to be stopped yet, since then it goes on as before and is started where it
/// died.
fn is_to_be_up(case: &Case<'_>) -> bool {
    let refused = || case.index.and_then(|index| index.guard().refused(case.name));
    case.wanted.state == WantedState::Running || matches!(refused(), Some((Disruption::Stop, _)))
}

/// A container that is never started, through which the volume of an instance without one is read.
pub(super) fn for_reading(case: &Case<'_>, draft: &mut Draft) {
    if blocked(draft) {
        return;
    }
    let Some(spec) = service_spec(case, draft) else { return };
    let why = Why {
        reason: "its volume is read through a container, which is not started",
        origin: Origin::Intended,
        risk: Risk::None,
        fields: Vec::new(),
        after: &[StepKind::CreateNetwork, StepKind::OpenTombstone],
    };
    draft.step(Action::CreateService { spec, start: false }, why);
}

fn service_spec(case: &Case<'_>, draft: &mut Draft) -> Option<ServiceSpec> {
    let image = case.image()?;
    let Some(ports) = case.ports() else {
        // None is chosen before it is seen to which ports others' sites lead.
        case.proxy?;
        let range = &case.facts.settings.docker.ports;
        draft.hold(
            HoldReason::PortsExhausted,
            format!(
                "no two free ports are left in docker.ports = \"{}-{}\": widen the range in innkeeper.toml",
                range.start(),
                range.end()
            ),
        );
        return None;
    };
    let container = case.resources.container.clone();
    let volume = case.resources.volume.clone();
    let digest = ServiceSpec::digest(&container, image.id, &volume, ports);
    Some(ServiceSpec {
        container,
        tag: case.tag(Component::Service, digest),
        image: case.wanted.image.clone(),
        image_id: image.id.to_owned(),
        image_user: image.user,
        volume,
        ports,
        limits: case.wanted.limits.clone(),
    })
}

fn create(case: &Case<'_>, spec: ServiceSpec, draft: &mut Draft) {
    if !may_begin(case, draft) {
        return;
    }
    let fields = vec![
        new_field("image", &spec.image),
        new_field("port", spec.ports.http),
        new_field("cpus", Cpus(spec.limits.cpu_millis)),
        new_field("memory", spec.limits.memory),
    ];
    let (reason, origin) =
        if case.is_provisioned() { ("it was gone", case.origin()) } else { ("new instance", Origin::Intended) };
    let after = [&BEFORE_CONTAINERS[..], &[StepKind::InstallModules, StepKind::SetUp]].concat();
    let why = Why { reason, origin, risk: Risk::None, fields, after: &after };
    draft.step(Action::CreateService { spec, start: is_to_be_up(case) }, why);
}

fn recreation_fields(live: &ServiceLive, spec: &ServiceSpec) -> Vec<FieldChange> {
    let mut fields: Vec<FieldChange> = Vec::new();
    if live.image_id != spec.image_id {
        fields.push(FieldChange {
            field: "image".to_owned(),
            from: Some(image_text(&live.image, &live.image_id)),
            to: Some(image_text(&spec.image, &spec.image_id)),
        });
    }
    if live.ports != Some(spec.ports) {
        let port = live.ports.map_or_else(|| "none".to_owned(), |ports| ports.http.to_string());
        fields.extend(changed("port", port, spec.ports.http.to_string()));
    }
    if !live.hardened {
        fields.push(FieldChange {
            field: "hardening".to_owned(),
            from: Some("incomplete".to_owned()),
            to: Some("complete".to_owned()),
        });
    }
    let digest = live.owner.tag().map_or("", |tag| tag.digest.as_str());
    if fields.is_empty() && digest == spec.digest_without_environment() {
        let environment = SERVICE_ENVIRONMENT.map(|(name, value)| format!("{name}={value}"));
        fields.push(new_field(ENVIRONMENT, environment.join(" ")));
    } else if fields.is_empty() {
        fields.extend(changed("digest", digest, spec.tag.digest.as_str()));
    }
    fields
}

/// True for what a version before this one did not give a container.
fn is_of_this_version(field: &FieldChange) -> bool {
    field.field == ENVIRONMENT
}

fn limits(case: &Case<'_>, live: &ServiceLive, spec: &ServiceSpec, draft: &mut Draft) {
    let fields: Vec<FieldChange> = [
        changed("cpus", Cpus(live.cpu_millis), Cpus(spec.limits.cpu_millis)),
        changed("memory", Bytes(live.memory_bytes), spec.limits.memory),
    ]
    .into_iter()
    .flatten()
    .collect();
    if !fields.is_empty() {
        let action = Action::UpdateLimits {
            container: spec.container.clone(),
            tag: spec.tag.clone(),
            limits: spec.limits.clone(),
        };
        draft.step(
            action,
            Why { reason: "its limits differed", origin: case.origin(), risk: Risk::None, fields, after: &[] },
        );
    }
}

/// Started, stopped, restarted: whichever of them is due.
fn power(case: &Case<'_>, live: &ServiceLive, tag: &Tag, draft: &mut Draft) {
    let (container, tag) = (case.resources.container.clone(), tag.clone());
    let state = |from: &str, to: &str| {
        vec![FieldChange { field: "state".to_owned(), from: Some(from.to_owned()), to: Some(to.to_owned()) }]
    };
    match (case.wanted.state, live.running) {
        (_, false) if is_to_be_up(case) && may_begin(case, draft) => {
            let after = [&BEFORE_CONTAINERS[..], &[StepKind::UpdateLimits]].concat();
            let why = Why {
                reason: "it did not run",
                origin: case.origin(),
                risk: Risk::None,
                fields: state("stopped", "running"),
                after: &after,
            };
            draft.step(Action::StartService { container, tag }, why);
        }
        (WantedState::Running, true) => restart(case, container, tag, draft),
        (_, true) => stop(case, container, tag, draft),
        (_, false) => {}
    }
}

fn stop(case: &Case<'_>, container: String, tag: Tag, draft: &mut Draft) {
    if serves(case) && !draft.has_step(StepKind::PutSite) {
        // While nginx cannot take the page that says so, its users would see an error: it waits for that.
        return;
    }
    let fields = changed("state", "running", "stopped").into_iter().collect();
    let why = Why {
        reason: "state = \"stopped\"",
        origin: case.origin(),
        risk: Risk::Interruption,
        fields,
        after: &[StepKind::PutSite],
    };
    draft.step(Action::StopService { container, tag }, why);
}

/// A container of its own is stopped whatever is wrong with its data: nobody may keep it from being stopped.
fn stop_alone(case: &Case<'_>, draft: &mut Draft) {
    let own = case.service().filter(|live| case.is_own(&live.owner) && live.running);
    let wanted = own.filter(|_| case.wanted.state == WantedState::Stopped);
    if let Some(tag) = wanted.and_then(|live| live.owner.tag()) {
        stop(case, case.resources.container.clone(), tag.clone(), draft);
    }
}

fn serves(case: &Case<'_>) -> bool {
    let site = case.proxy.and_then(|proxy| proxy.sites.get(case.name));
    site.is_some_and(|site| site.row.uid == case.instance.uid && site.row.page == SitePage::Serve)
}

fn restart(case: &Case<'_>, container: String, tag: Tag, draft: &mut Draft) {
    let asked = case.instance.errands.iter().find(|errand| errand.kind == ErrandKind::Restart);
    let (reason, origin) = if let Some(errand) = asked {
        (format!("{} asked for it", errand.by), Origin::Requested)
    } else if draft.has_step(StepKind::WriteConf) || runs_on_an_older_conf(case) {
        ("it runs on an older odoo.conf".to_owned(), case.origin())
    } else {
        return;
    };
    let why = Why { reason: &reason, origin, risk: Risk::Interruption, fields: Vec::new(), after: &BEFORE_CONTAINERS };
    draft.step(Action::RestartService { container, tag }, why);
}

/// True while the container runs on an odoo.conf that is not the one on disk.
pub(super) fn runs_on_an_older_conf(case: &Case<'_>) -> bool {
    let conf = case.engine.and_then(|engine| engine.configs.get(case.name));
    let started_at = case.service().filter(|service| service.running).and_then(|service| service.started_at);
    conf.zip(started_at).is_some_and(|(conf, started_at)| conf.written_at > started_at)
}

/// Thousandths of a cpu, shown as cpus; 0 is no limit.
#[derive(PartialEq)]
struct Cpus(u32);

impl std::fmt::Display for Cpus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => f.pad("unlimited"),
            millis => (f64::from(millis) / 1000.0).fmt(f),
        }
    }
}

/// `odoo:19.0 (0123456789ab)`
fn image_text(reference: &str, id: &str) -> String {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    format!("{reference} ({})", hex.get(..12).unwrap_or(hex))
}
