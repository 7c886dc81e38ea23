//! Facts → how an instance stands, as conditions and one word. Derived at each look; no decision reads it.

use super::case::Case;
use super::ending::{self, Course};
use super::facts::{Facts, FileState, InstanceFacts};
use super::{odoo, proof, serving, site};
use crate::model::changes::{HoldReason, InstanceChanges};
use crate::model::live::Seen;
use crate::model::name::{InstanceName, Resources};
use crate::model::problem::first_of;
use crate::model::service::Ports;
use crate::model::status::{
    BackupStatus, CertificateStatus, Condition, ConditionStatus, ConditionType, InstanceStatus, ModulesStatus,
    NO_CONTAINER, State, UNSEEN,
};
use crate::model::step::Origin;
use crate::model::step_kind::StepKind;
use crate::model::time::{day, told};
use crate::model::wanted::{Wanted, WantedState};
use std::sync::Arc;

/// A step that failed so often in a row makes its instance `failed`, although it is still tried again.
const ATTEMPTS_BEFORE_FAILED: u32 = 3;
/// One word for a domain without a certificate, whatever tells of it.
pub(super) const NO_CERTIFICATE: &str = HoldReason::NoCertificate.as_str();

/// How `name` stands, after `changes` were decided over `facts`. `previous` gives each condition its `since`, and the
/// answer to "does it serve" where this look did not ask.
pub fn status(
    facts: &Facts,
    name: &InstanceName,
    changes: &InstanceChanges,
    previous: Option<&InstanceStatus>,
) -> Option<InstanceStatus> {
    let (name, instance) = facts.instances.get_key_value(name)?;
    let case = instance.wanted.as_deref().map(|wanted| Case::new(facts, None, name, instance, wanted));
    let verdicts = match &case {
        Some(case) => verdicts(case, changes, previous),
        None => vec![spec_valid(facts, name, instance)],
    };
    let conditions: Vec<Condition> = verdicts.into_iter().map(|verdict| verdict.since(facts, previous)).collect();
    let state = word(facts, instance, case.as_ref(), changes, &conditions);
    let resources = Resources::of(name);
    let urls = case.as_ref().map(urls).unwrap_or_default();
    Some(InstanceStatus {
        name: name.clone(),
        uid: Some(instance.uid),
        plan: instance.wanted.as_ref().map(|wanted| wanted.plan.clone()),
        wanted: instance.wanted.as_ref().map_or(WantedState::Running, |wanted| wanted.state),
        state,
        url: urls.first().cloned(),
        urls,
        odoo: instance.wanted.as_ref().map(|wanted| wanted.odoo.clone()),
        port: case.as_ref().and_then(port),
        database: resources.database,
        container: resources.container,
        modules: case.as_ref().map(|case| modules(case, previous)).unwrap_or_default(),
        certificate: case.as_ref().and_then(|case| match case.authority {
            Some(_) => certificate(case),
            None => previous?.certificate.clone(),
        }),
        conditions,
        holds: changes.holds.clone(),
        usage: None,
        last_backup: case.as_ref().and_then(|case| match case.archive {
            Some(_) => last_backup(case),
            None => previous?.last_backup.clone(),
        }),
        operation: None,
        purge_after: instance.ending.tombstone.as_ref().map(|tombstone| tombstone.purge_after),
        next_try: instance
            .failures
            .values()
            .filter_map(|failure| failure.next_try)
            .filter(|next| *next > facts.now)
            .min(),
        generation: instance.generation,
        observed_generation: instance.observed_generation,
    })
}

/// A condition before it is known since when it holds.
pub(super) struct Verdict {
    kind: ConditionType,
    status: ConditionStatus,
    reason: String,
    message: String,
}

impl Verdict {
    pub(super) fn new(kind: ConditionType, status: ConditionStatus, reason: &str, message: impl Into<String>) -> Self {
        Self { kind, status, reason: reason.to_owned(), message: message.into() }
    }

    fn known(kind: ConditionType, holds: bool, yes: &str, no: &str, message: impl Into<String>) -> Self {
        match holds {
            true => Self::new(kind, ConditionStatus::True, yes, ""),
            false => Self::new(kind, ConditionStatus::False, no, message),
        }
    }

    fn unknown(kind: ConditionType, why: Option<&str>) -> Self {
        Self::new(kind, ConditionStatus::Unknown, UNSEEN, why.unwrap_or_default())
    }

    fn since(self, facts: &Facts, previous: Option<&InstanceStatus>) -> Condition {
        let before = previous.and_then(|status| status.conditions.iter().find(|condition| condition.kind == self.kind));
        let same = before.filter(|condition| condition.status == self.status);
        // A time that lies ahead was noted before somebody set the clock back.
        let since = same.map_or(facts.now, |condition| condition.since.min(facts.now));
        let last_known = before.filter(|_| self.status == ConditionStatus::Unknown).and_then(|before| {
            if before.status == ConditionStatus::Unknown { before.last_known } else { Some(before.status) }
        });
        let Self { kind, status, reason, message } = self;
        Condition { kind, status, reason, message, since, last_known }
    }
}

fn verdicts(case: &Case<'_>, changes: &InstanceChanges, previous: Option<&InstanceStatus>) -> Vec<Verdict> {
    let lacking = lacking_certificates(case);
    let parts = vec![
        database_ready(case, changes),
        modules_ready(case),
        setup_done(case),
        app_ready(case, changes),
        site_ready(case),
        certificate_ready(case, lacking.as_deref()),
    ];
    let ending = is_ending(case);
    let serving = serving::serving(case, lacking.as_deref().unwrap_or_default(), previous).filter(|_| !ending);
    let ready = ready(case, changes, &parts, serving.as_ref(), previous);
    let mut all = vec![ready, spec_valid(case.facts, case.name, case.instance)];
    all.extend(parts);
    all.extend(serving);
    all.push(backups_healthy(case));
    let drift: Vec<&str> = changes
        .steps
        .iter()
        .filter(|step| step.origin == Origin::Drift)
        .map(|step| step.action.kind().as_str())
        .collect();
    all.push(flag(ConditionType::Drifted, !drift.is_empty(), "DriftFound", "AsWanted", drift.join(", ")));
    all.push(orphaned(case, ending));
    all.push(flag(ConditionType::Suspended, case.wanted.suspended, "Suspended", "NotSuspended", "suspended = true"));
    all.push(flag(ConditionType::Protected, case.wanted.protected, "Protected", "NotProtected", "protected = true"));
    all.push(retire_pending(case, ending));
    let stalling = changes.holds.iter().find(|hold| stalls(hold.reason));
    all.push(match stalling {
        Some(hold) => {
            Verdict::new(ConditionType::Stalled, ConditionStatus::True, hold.reason.as_str(), hold.message.clone())
        }
        None => Verdict::new(ConditionType::Stalled, ConditionStatus::False, "Moving", ""),
    });
    all
}

/// Nothing moves because of it, or ever less often.
fn stalls(reason: HoldReason) -> bool {
    reason.needs_a_person() || reason == HoldReason::DriftFight
}

/// Its end is wanted, or began.
fn is_ending(case: &Case<'_>) -> bool {
    matches!(Course::of(case.facts, case.instance, case.wanted), Course::End(_))
}

fn orphaned(case: &Case<'_>, ending: bool) -> Verdict {
    let kind = ConditionType::Orphaned;
    let missing = case.instance.file == FileState::Missing && !ending;
    match missing && !case.facts.is_file_gone(case.instance) {
        true => Verdict::unknown(kind, Some(ending::UNLISTED)),
        false => flag(kind, missing, "FileMissing", "FilePresent", "its file is gone"),
    }
}

fn retire_pending(case: &Case<'_>, ending: bool) -> Verdict {
    let message = match &case.instance.ending.tombstone {
        Some(tombstone) if tombstone.purging => "its data is being deleted".to_owned(),
        Some(tombstone) => format!(
            "retired on {} ({}); its data is deleted after {}",
            day(tombstone.retired_at, &case.facts.zone),
            tombstone.why,
            told(tombstone.purge_after, &case.facts.zone)
        ),
        None => "it is to be retired".to_owned(),
    };
    flag(ConditionType::RetirePending, ending, "Retiring", "NotRetiring", message)
}

/// The newest backup, read back or not.
fn backups_healthy(case: &Case<'_>) -> Verdict {
    let kind = ConditionType::BackupsHealthy;
    let Some(archive) = case.archive else { return Verdict::unknown(kind, case.facts.live.archive.why()) };
    match archive.newest(case.name, case.instance.uid) {
        None => Verdict::new(kind, ConditionStatus::Unknown, "NoneYet", "no backup was taken yet"),
        Some(backup) if backup.manifest.lacks().is_some() => {
            let (id, lacks) = (&backup.manifest.id, backup.manifest.lacks().unwrap_or_default());
            let message = format!("{id} has {lacks}: it was gone when the backup was taken");
            Verdict::new(kind, ConditionStatus::False, "PartMissing", message)
        }
        Some(backup) if !backup.missing.is_none() => {
            let message = format!("{} is partial: {}", backup.manifest.id, backup.missing);
            Verdict::new(kind, ConditionStatus::False, "Partial", message)
        }
        Some(backup) => Verdict::known(
            kind,
            backup.verified_at.is_some(),
            "Verified",
            "NotVerified",
            format!("{} was not read back yet", backup.manifest.id),
        ),
    }
}

/// A condition whose normal status is False.
fn flag(kind: ConditionType, holds: bool, yes: &str, no: &str, message: impl Into<String>) -> Verdict {
    match holds {
        true => Verdict::new(kind, ConditionStatus::True, yes, message),
        false => Verdict::new(kind, ConditionStatus::False, no, ""),
    }
}

fn spec_valid(facts: &Facts, name: &InstanceName, instance: &InstanceFacts) -> Verdict {
    match &instance.file {
        FileState::Valid => Verdict::new(ConditionType::SpecValid, ConditionStatus::True, "Valid", ""),
        FileState::Invalid(problems) => {
            let problems = first_of(problems, &format!("innkeeper check {name}"));
            Verdict::new(ConditionType::SpecValid, ConditionStatus::False, "InvalidFile", problems)
        }
        FileState::Missing if !facts.is_file_gone(instance) => {
            Verdict::unknown(ConditionType::SpecValid, Some(ending::UNLISTED))
        }
        FileState::Missing => {
            Verdict::new(ConditionType::SpecValid, ConditionStatus::False, "FileMissing", "its file is gone")
        }
    }
}

fn database_ready(case: &Case<'_>, changes: &InstanceChanges) -> Verdict {
    let kind = ConditionType::DatabaseReady;
    let Some(database) = case.database else { return Verdict::unknown(kind, case.facts.live.database.why()) };
    let repairs = [StepKind::SetRole, StepKind::CreateDatabase, StepKind::SetPrivileges];
    let kinds = changes.steps.iter().map(|step| step.action.kind()).filter(|kind| repairs.contains(kind));
    let pending: Vec<&str> = kinds.map(StepKind::as_str).collect();
    let ours = case
        .database_object()
        .is_some_and(|live| live.valid && live.owner.tag().is_some_and(|tag| tag.uid == case.instance.uid));
    let role = database.roles.contains_key(&case.resources.database);
    Verdict::known(
        kind,
        ours && role && pending.is_empty(),
        "AsWanted",
        "NotAsWanted",
        match pending.is_empty() {
            true => "role or database are not there, or are not its own".to_owned(),
            false => format!("pending: {}", pending.join(", ")),
        },
    )
}

fn modules_ready(case: &Case<'_>) -> Verdict {
    let kind = ConditionType::ModulesReady;
    let Some(odoo) = case.odoo() else {
        return Verdict::unknown(kind, case.facts.live.database.why().or_else(|| case.inside().and_then(Seen::why)));
    };
    let missing: Vec<String> = odoo::missing_modules(case, &odoo).iter().map(ToString::to_string).collect();
    match case.instance.failures.get(StepKind::InstallModules.as_str()) {
        Some(failure) if !missing.is_empty() => {
            Verdict::new(kind, ConditionStatus::False, "InstallFailed", failure.message.clone())
        }
        _ => Verdict::known(
            kind,
            missing.is_empty(),
            "Installed",
            "NotInstalled",
            format!("not installed: {}", missing.join(", ")),
        ),
    }
}

fn setup_done(case: &Case<'_>) -> Verdict {
    let kind = ConditionType::SetupDone;
    let Some(odoo) = case.odoo() else {
        return Verdict::unknown(kind, case.facts.live.database.why().or_else(|| case.inside().and_then(Seen::why)));
    };
    let done = odoo.setup.as_ref() == Some(&odoo::wanted_setup(case));
    let message = case
        .instance
        .failures
        .get(StepKind::SetUp.as_str())
        .map_or("company and administrator are not set yet", |failure| failure.message.as_str());
    Verdict::known(kind, done, "SetUp", "NotSetUp", message)
}

fn app_ready(case: &Case<'_>, changes: &InstanceChanges) -> Verdict {
    let kind = ConditionType::AppReady;
    if case.engine.is_none() {
        return Verdict::unknown(kind, case.facts.live.engine.why());
    }
    let Some(live) = case.service() else {
        return Verdict::known(kind, false, "", NO_CONTAINER, "the container does not exist");
    };
    if !live.running {
        return Verdict::known(kind, false, "", "Stopped", "the container does not run");
    }
    if let Some(message) = serving::restart_loop(case) {
        return Verdict::new(kind, ConditionStatus::False, "Restarting", message);
    }
    let renewed = changes.steps.iter().any(|step| step.action.kind() == StepKind::RecreateContainer);
    Verdict::known(kind, !renewed, "Running", "NotAsWanted", "the container must be made anew")
}

fn site_ready(case: &Case<'_>) -> Verdict {
    let kind = ConditionType::SiteReady;
    let Some(proxy) = case.proxy else { return Verdict::unknown(kind, case.facts.live.proxy.why()) };
    match proxy.sites.get(case.name) {
        None => Verdict::known(kind, false, "", "NoSite", "nginx has no site for it"),
        Some(_) if !proxy.running => Verdict::known(kind, false, "", "ProxyDown", "nginx is not running"),
        Some(_) if proxy.loaded != proxy.current => {
            Verdict::known(kind, false, "", "NotLoaded", "nginx has not loaded the newest sites")
        }
        Some(site) => Verdict::known(kind, site.intact, "Loaded", "Edited", "the site was edited by hand"),
    }
}

fn certificate_ready(case: &Case<'_>, lacking: Option<&[String]>) -> Verdict {
    let kind = ConditionType::CertificateReady;
    match lacking {
        None => Verdict::unknown(kind, case.facts.live.authority.why()),
        Some(lacking) => Verdict::known(kind, lacking.is_empty(), "Valid", NO_CERTIFICATE, lacking.join("; ")),
    }
}

/// Certificates that are wanted and may not be shown to customers, and why; none where they could not be looked at.
fn lacking_certificates(case: &Case<'_>) -> Option<Vec<String>> {
    let authority = case.authority?;
    let lacking = case
        .hosts
        .values()
        .filter(|name| !authority.certificates.get(*name).is_some_and(|live| site::is_sound(live, case.facts.now)))
        .map(|name| match case.instance.failures.get(&format!("obtain-certificate:{name}")) {
            Some(failure) if failure.message.starts_with(&name.0) => failure.message.clone(),
            Some(failure) => format!("{name}: {}", failure.message),
            None => format!("{name}: none yet"),
        });
    Some(lacking.collect())
}

fn ready(
    case: &Case<'_>,
    changes: &InstanceChanges,
    parts: &[Verdict],
    serving: Option<&Verdict>,
    previous: Option<&InstanceStatus>,
) -> Verdict {
    let kind = ConditionType::Ready;
    if case.wanted.state != WantedState::Running {
        return Verdict::new(
            kind,
            ConditionStatus::False,
            "NotWanted",
            format!("state = \"{}\"", case.wanted.state.as_str()),
        );
    }
    if let Some(part) = parts.iter().find(|part| part.status == ConditionStatus::False) {
        return Verdict::new(kind, ConditionStatus::False, &part.kind.unmet(), part.message.clone());
    }
    if let Some(part) = parts.iter().find(|part| part.status == ConditionStatus::Unknown) {
        return Verdict::new(kind, ConditionStatus::Unknown, UNSEEN, part.message.clone());
    }
    if let Some(hold) = changes.holds.iter().find(|hold| hold.reason == HoldReason::NotHealthy) {
        return Verdict::new(kind, ConditionStatus::False, "NotHealthy", hold.message.clone());
    }
    let asked = proof::is_asked(case);
    if let Some(serving) = serving.filter(|it| !asked && it.status == ConditionStatus::False) {
        return Verdict::new(kind, ConditionStatus::False, "NotHealthy", serving.message.clone());
    }
    let before = previous.and_then(|status| status.condition(kind));
    match before {
        // A pass over the whole fleet does not ask every host each time: what was proven last holds until it is asked again.
        Some(before) if !asked && before.status == ConditionStatus::True => {
            Verdict::new(kind, ConditionStatus::True, "Proven", "")
        }
        _ if asked && changes.steps.is_empty() => Verdict::new(kind, ConditionStatus::True, "Proven", ""),
        _ if asked => Verdict::new(kind, ConditionStatus::False, "Changing", "a change is being made"),
        _ => Verdict::new(kind, ConditionStatus::Unknown, "NotAsked", "its login page was not asked for yet"),
    }
}

/// The one word, most urgent first.
fn word(
    facts: &Facts,
    instance: &InstanceFacts,
    case: Option<&Case<'_>>,
    changes: &InstanceChanges,
    conditions: &[Condition],
) -> State {
    let is_true = |kind| conditions.iter().any(|it| it.kind == kind && it.status == ConditionStatus::True);
    let held = |reason: HoldReason| changes.holds.iter().any(|hold| hold.reason == reason);
    let ending = case.is_some_and(is_ending);
    if instance.file == FileState::Missing && !ending {
        return if facts.is_file_gone(instance) { State::Orphaned } else { State::Held };
    }
    let (FileState::Valid | FileState::Missing, Some(case)) = (&instance.file, case) else { return State::Invalid };
    let often = instance.failures.values().any(|failure| failure.attempts >= ATTEMPTS_BEFORE_FAILED);
    if held(HoldReason::Failed) || (held(HoldReason::BackOff) && often) {
        return State::Failed;
    }
    let waits = [HoldReason::Suspended, HoldReason::Guard, HoldReason::Unseen];
    if changes.holds.iter().any(|hold| stalls(hold.reason) || waits.contains(&hold.reason)) {
        return State::Held;
    }
    if ending {
        let done = changes.steps.is_empty() && changes.holds.is_empty() && ending::is_retired(case);
        return if done { State::Retired } else { State::Updating };
    }
    let running = case.service().is_some_and(|service| service.running);
    if case.wanted.state == WantedState::Stopped && changes.steps.is_empty() && !running && case.is_provisioned() {
        return State::Stopped;
    }
    if is_true(ConditionType::Ready) {
        return State::Ready;
    }
    if !case.is_provisioned() {
        return State::Provisioning;
    }
    match () {
        () if serving::is_degraded(case, changes, conditions) => State::Degraded,
        // It was never as its file asks.
        () if instance.observed_generation == 0 => State::Provisioning,
        () => State::Updating,
    }
}

fn urls(case: &Case<'_>) -> Vec<String> {
    let port = case.facts.settings.nginx.https_port;
    let wanted: &Wanted = case.wanted;
    let main = wanted.main_host();
    let others = wanted.hosts().filter(|host| *host != main);
    std::iter::once(main).chain(others).map(|host| odoo::url(host, port)).collect()
}

fn port(case: &Case<'_>) -> Option<u16> {
    case.service().and_then(|service| service.ports).or(case.instance.ports).map(|Ports { http }| http)
}

/// What could not be looked at is as it was seen last: not seen is not gone.
fn modules(case: &Case<'_>, previous: Option<&InstanceStatus>) -> ModulesStatus {
    let installed = match case.odoo() {
        Some(odoo) => Arc::new(odoo.modules.keys().filter(|module| odoo.has(module)).cloned().collect()),
        None => previous.map(|status| Arc::clone(&status.modules.installed)).unwrap_or_default(),
    };
    ModulesStatus { wanted: Arc::new(case.wanted.modules.clone()), installed }
}

fn last_backup(case: &Case<'_>) -> Option<BackupStatus> {
    let backup = case.archive?.newest(case.name, case.instance.uid)?;
    Some(BackupStatus {
        id: backup.manifest.id.to_string(),
        at: backup.manifest.begun_at,
        bytes: backup.manifest.bytes(),
        verified: backup.verified_at.is_some(),
        missing_files: backup.missing.count,
        lacks: backup.manifest.lacks().map(str::to_owned),
    })
}

fn certificate(case: &Case<'_>) -> Option<CertificateStatus> {
    let authority = case.authority?;
    let live: Vec<_> = case.hosts.values().map(|name| authority.certificates.get(name)).collect::<Option<_>>()?;
    let first = live.iter().min_by_key(|live| live.not_after)?;
    Some(CertificateStatus {
        names: live.iter().flat_map(|live| live.names.iter().cloned()).collect(),
        not_after: first.not_after,
        issuer: first.issuer.clone(),
    })
}
