//! Decisions over an instance's end: retiring it, keeping its data for a grace period, coming back within it, deleting
//! its data afterwards.
//!
//! Nothing about an end is remembered but the tombstone: what is left to do shows in the world. What is destroyed here is
//! looked at once more by `check::refuse_destruction`.

use super::case::{Case, Draft, Why, new_field};
use super::facts::{Facts, FileState, InstanceFacts};
use super::{backup, site};
use crate::model::backup::{BackupLive, Part};
use crate::model::changes::HoldReason;
use crate::model::database::DatabaseSpec;
use crate::model::errand::ErrandKind;
use crate::model::name::{Domain, InstanceName};
use crate::model::service::{Owner, Tag};
use crate::model::settings::OnMissingFile;
use crate::model::site::{CertificateName, SitePage, SiteRow};
use crate::model::step::{Action, FieldChange, Origin, Risk};
use crate::model::step_kind::StepKind;
use crate::model::time::{Timestamp, day};
use crate::model::tombstone::{Grace, Tombstone};
use crate::model::wanted::{Wanted, WantedState};

/// Why a vanished file alone changes nothing.
pub(super) const ORPHANED: &str =
    "its file is gone; it runs on as it is: put the file back, or write state = \"absent\" to retire it";

/// Why a file that is missing from a list which could not be read whole changes nothing.
pub(super) const UNLISTED: &str = "instances.d cannot be listed, so nobody knows whether its file is there: it is left as it is until that can be told";

/// Which way an instance goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Course {
    /// It is wanted.
    Live,
    /// It is left as it is, for this reason.
    Held(HoldReason, String),
    /// Its end is wanted, for this reason.
    End(String),
}

impl Course {
    /// What file, tombstone and settings come to. Cheap: the guard asks it of every instance in each decision.
    pub(super) fn of(facts: &Facts, instance: &InstanceFacts, wanted: &Wanted) -> Self {
        let ending = &instance.ending;
        match (&instance.file, &ending.tombstone) {
            (FileState::Missing, Some(tombstone)) => Self::End(tombstone.why.clone()),
            (FileState::Missing, None) if !facts.is_file_gone(instance) => {
                Self::Held(HoldReason::Guard, UNLISTED.to_owned())
            }
            (FileState::Missing, None) => Self::of_missing(facts, instance, wanted),
            _ if wanted.state == WantedState::Absent => match &ending.tombstone {
                None if wanted.protected || ending.was_protected => Self::protected(wanted.protected),
                _ => Self::End("its file says state = \"absent\"".to_owned()),
            },
            _ => match ending.renamed_from.as_ref().filter(|_| !instance.provisioned) {
                Some(old) => Self::Held(HoldReason::Renamed, renamed_from(old)),
                None => Self::Live,
            },
        }
    }

    fn of_missing(facts: &Facts, instance: &InstanceFacts, wanted: &Wanted) -> Self {
        let ending = &instance.ending;
        match facts.settings.fleet.on_missing_file {
            _ if ending.renamed_to.is_some() => {
                let new = ending.renamed_to.as_ref().map(InstanceName::as_str).unwrap_or_default();
                Self::Held(HoldReason::Renamed, renamed_to(new))
            }
            OnMissingFile::Hold => Self::Held(HoldReason::Orphaned, ORPHANED.to_owned()),
            OnMissingFile::Retire if wanted.protected => Self::protected(true),
            OnMissingFile::Retire if ending.vanished => {
                Self::End("its file vanished, and fleet.on_missing_file = \"retire\"".to_owned())
            }
            OnMissingFile::Retire => Self::Held(
                HoldReason::Orphaned,
                "its file is gone; it is retired when the file stays away: put it back to keep the instance".to_owned(),
            ),
        }
    }

    fn protected(still: bool) -> Self {
        let message = match still {
            true => {
                "it is protected and was to be removed: take protected = true out of its file in a change of its own first"
            }
            false => {
                "its last version was protected: protection is taken away in a change of its own, before state = \"absent\" \
                 counts; write state = \"running\" without protected first"
            }
        };
        Self::Held(HoldReason::Protected, message.to_owned())
    }
}

fn renamed_to(new: &str) -> String {
    format!(
        "its file is gone and {new}.toml asks for what it has: a name is an instance's identity and a renamed file would be a \
         new, empty instance, so both are left as they are; name the file as it was, or write state = \"absent\" into \
         a file of the old name first"
    )
}

fn renamed_from(old: &InstanceName) -> String {
    format!(
        "it reads exactly as {old}.toml did, which is gone: a renamed file would be a new, empty instance, so nothing is made; \
         name it {old}.toml again, or change something in it if it is another customer"
    )
}

/// An instance that is wanted again within its grace period: its tombstone goes, and everything else is as for any other.
pub(super) fn come_back(case: &Case<'_>, draft: &mut Draft) {
    let Some(tombstone) = &case.instance.ending.tombstone else { return };
    let reason = format!("it is wanted again, {} after it was retired", since(tombstone, case.facts.now));
    let why = Why { reason: &reason, origin: Origin::Intended, risk: Risk::None, fields: Vec::new(), after: &[] };
    draft.step(Action::CloseTombstone { instance: case.name.clone(), backup: tombstone.backup() }, why);
}

/// True for an instance that is wanted again after its purge began and that cannot simply come back. What is left of it is kept
/// for a person; where nothing is left the name is free, and the file is a new instance's.
pub(super) fn comes_too_late(case: &Case<'_>, draft: &mut Draft) -> bool {
    let Some(tombstone) = case.instance.ending.tombstone.as_ref().filter(|tombstone| tombstone.purging) else {
        return false;
    };
    let restored = has_data(case);
    let asked = case.instance.errands.iter().any(|errand| errand.kind == ErrandKind::Restart);
    match () {
        // Its data were not reached yet, or a person brought them back and says so.
        () if restored && (!tombstone.deleting || asked) => return false,
        // Said already. What was not seen is not told to be missing.
        () if !is_seen_whole(case) => {}
        () if remains(case).is_empty() => forget(case, draft),
        () => draft.hold(HoldReason::DataMissing, too_late(case, restored)),
    }
    true
}

fn too_late(case: &Case<'_>, restored: bool) -> String {
    let (name, resources) = (case.name, &case.resources);
    let end = "or write state = \"absent\" to let the purge end, after which the name is free for a new instance";
    if restored {
        return format!(
            "it is wanted again, but its data were being deleted. Its database and its volume stand, untouched or restored: if \
             they are whole, `innkeeper restart {name}` takes them into service; {end}"
        );
    }
    let backup = match backup::final_backup(case) {
        Some(backup) => format!(
            "restore database {} and volume {} from the backup {}, with their marks (docs/OPERATING.md, \"Data that were restored \
             by hand\"), then `innkeeper restart {name}`",
            resources.database, resources.volume, backup.manifest.id
        ),
        None => "no backup of it was read back: look at what is left before anything is done".to_owned(),
    };
    format!("it is wanted again, but its purge had begun: what is left of it is kept; {backup}; {end}")
}

/// True when its own database and its own volume stand.
fn has_data(case: &Case<'_>) -> bool {
    let volume = case.engine.and_then(|engine| engine.volumes.get(&case.resources.volume));
    case.database_object().is_some_and(|database| database.valid && case.is_own(&database.owner))
        && volume.is_some_and(|owner| case.is_own(owner))
}

/// Out of service, with a final backup that was read back: whatever is missing of that.
pub(super) fn retire(case: &Case<'_>, why: &str, draft: &mut Draft) {
    if !has_anything(case) {
        return;
    }
    let standing = case.instance.ending.tombstone.as_ref();
    let tombstone = match standing.filter(|it| !has_run_since(case, it) && !was_opened_since(case, it)) {
        Some(standing) => standing.clone(),
        None => open(case, why, draft),
    };
    if tombstone.purging {
        return;
    }
    page(case, draft);
    stop(case, draft);
    backup::back_up(case, &tombstone, draft);
}

/// True while the world or the journal shows anything of it.
fn has_anything(case: &Case<'_>) -> bool {
    case.instance.ending.tombstone.is_some() || case.is_provisioned() || !remains(case).is_empty()
}

/// A container that was started after its tombstone was opened may have written what the final backup does not have.
fn has_run_since(case: &Case<'_>, tombstone: &Tombstone) -> bool {
    let started_at = case.service().and_then(|service| service.started_at);
    !tombstone.purging && started_at.is_some() && started_at != tombstone.last_start
}

/// A role that has its instance's password got that after the final backup, for which it has another: whoever knows it may
/// have written what the backup does not have.
fn was_opened_since(case: &Case<'_>, tombstone: &Tombstone) -> bool {
    let role = case.database.and_then(|database| database.roles.get(&case.resources.database));
    let open = role.is_some_and(|role| role.password_mark.as_deref() == Some(&case.instance.password_mark));
    !tombstone.purging
        && open
        && backup::final_backup(case).is_some_and(|it| it.manifest.parts.contains_key(&Part::Database))
}

fn open(case: &Case<'_>, why: &str, draft: &mut Draft) -> Tombstone {
    let grace = case.facts.settings.fleet.retire_grace;
    let now = case.facts.now;
    let served =
        case.proxy.and_then(|proxy| proxy.sites.get(case.name)).into_iter().flat_map(|site| site.row.hosts.keys());
    let hosts = served.chain(case.hosts.keys()).filter(|host| !is_given_up(case, host)).cloned().collect();
    let tombstone = Tombstone {
        instance: case.name.clone(),
        uid: case.instance.uid,
        hosts,
        retired_at: now,
        retired_steady_s: case.facts.guard.steady_s,
        purge_after: now.checked_add(grace.as_std()).unwrap_or(Timestamp::MAX),
        why: why.to_owned(),
        last_start: case.service().and_then(|service| service.started_at),
        purging: false,
        deleting: false,
    };
    let fields = vec![
        new_field("kept", "database, filestore, name, domains, and a final backup that is read back"),
        new_field(
            "data deleted",
            format!("{} at the earliest (after {grace})", day(tombstone.purge_after, &case.facts.zone)),
        ),
        new_field("backup", case.facts.settings.backup.directory.display()),
    ];
    let reason = match case.instance.ending.tombstone {
        Some(_) => "it could be used again since it was retired, so it is retired anew".to_owned(),
        None => why.to_owned(),
    };
    let why = Why { reason: &reason, origin: Origin::Intended, risk: Risk::Interruption, fields, after: &[] };
    draft.step(Action::OpenTombstone(tombstone.clone()), why);
    tombstone
}

/// The site answers 410.
fn page(case: &Case<'_>, draft: &mut Draft) {
    let Some(proxy) = case.proxy else { return };
    let live = proxy.sites.get(case.name).map(|site| &site.row);
    if live.is_some_and(|row| row.uid != case.instance.uid) {
        return draft
            .hold(HoldReason::Conflict, "a site of the same name belongs to another instance; it is left as it is");
    }
    if !proxy.running {
        return draft.hold(HoldReason::Unseen, "nginx is not running: start it; the site's page is put in place then");
    }
    let Some(row) = retired_row(case, live) else { return };
    let fields = match live {
        Some(live) if live.page == row.page && live.hosts == row.hosts => return,
        Some(live) => site::row_fields(live, &row),
        None => vec![new_field("page", site::page_text(row.page))],
    };
    let why = Why {
        reason: "it is retired: its names answer 410",
        origin: Origin::Intended,
        risk: Risk::Interruption,
        fields,
        after: &[StepKind::OpenTombstone],
    };
    draft.step(Action::PutSite(row), why);
}

/// The row of the page that answers 410. Where a site stands only its page changes, so that nothing of an edited file
/// matters any more, and names go that are another's by now; where all of them went, what its file asks for takes their place.
fn retired_row(case: &Case<'_>, live: Option<&SiteRow>) -> Option<SiteRow> {
    let mut row = live.cloned().or_else(|| site::wanted_row(case))?;
    row.hosts.retain(|host, _| !is_given_up(case, host));
    if row.hosts.is_empty() {
        row.hosts = case.hosts.iter().filter(|(host, _)| !is_given_up(case, host)).map(owned).collect();
    }
    row.page = SitePage::Retired;
    (!row.hosts.is_empty()).then_some(row)
}

fn owned((host, certificate): (&Domain, &CertificateName)) -> (Domain, CertificateName) {
    (host.clone(), certificate.clone())
}

/// True for a name that another instance is to be served at: this one's files gave it up before its end.
fn is_given_up(case: &Case<'_>, host: &Domain) -> bool {
    let claimant = case.index.and_then(|index| index.claimant(host));
    claimant.is_some_and(|claimant| claimant != case.name)
}

fn stop(case: &Case<'_>, draft: &mut Draft) {
    let Some(live) = case.service() else { return };
    if !case.owns(&live.owner, &case.resources.container, draft) || !live.running {
        return;
    }
    let Some(tag) = live.owner.tag().cloned() else { return };
    let why = Why {
        reason: "it is retired",
        origin: Origin::Intended,
        risk: Risk::Interruption,
        fields: vec![FieldChange {
            field: "state".to_owned(),
            from: Some("running".to_owned()),
            to: Some("stopped".to_owned()),
        }],
        after: &[StepKind::OpenTombstone, StepKind::PutSite],
    };
    draft.step(Action::StopService { container: case.resources.container.clone(), tag }, why);
}

/// Deletes what is left once the grace period is over, in this order; and when a look says that nothing is left, forgets
/// the instance.
pub(super) fn purge(case: &Case<'_>, draft: &mut Draft) {
    let Some(tombstone) = &case.instance.ending.tombstone else { return };
    if !draft.steps().is_empty() || !is_due(case, tombstone, draft) {
        return;
    }
    if let Some(lost) = backup::lost(case) {
        return draft.hold(HoldReason::BackupPartial, backup::unaccepted(case, &lost));
    }
    if !is_seen_whole(case) || draft.has_hold(HoldReason::Conflict) {
        // Said already: nothing is deleted while any part of the picture is missing.
        return;
    }
    let remains = remains(case);
    if remains.is_empty() {
        return forget(case, draft);
    }
    // Where something is not in the backup at all, `check` says what.
    if !tombstone.purging
        && backup::unkept(case).is_none()
        && let Some(backup) = backup::final_backup(case)
    {
        if let Some(missing) = backup::unconfirmed(case, backup) {
            return draft.hold(HoldReason::BackupPartial, missing);
        }
        if !backup::is_fresh(case, backup) {
            return read_again(case, backup, draft);
        }
    }
    let backup = backup::final_backup(case).map(|backup| backup.place.clone());
    let fields = vec![
        new_field("retired", day(tombstone.retired_at, &case.facts.zone)),
        new_field("kept", backup.unwrap_or_else(|| "nothing: it never had data".to_owned())),
    ];
    if !tombstone.purging {
        let why =
            Why { reason: "its grace period is over", origin: Origin::Schedule, risk: Risk::Data, fields, after: &[] };
        draft.step(Action::BeginPurge { instance: case.name.clone() }, why);
    }
    for action in remains {
        let why = Why {
            reason: "its grace period is over",
            origin: Origin::Schedule,
            risk: Risk::Data,
            fields: Vec::new(),
            after: &PURGE_ORDER,
        };
        draft.step(action, why);
    }
}

/// Reads the backup back once more before data go. What comes of it is looked at by the next decision, which is over the
/// deletion; its risk is that of what follows.
fn read_again(case: &Case<'_>, backup: &BackupLive, draft: &mut Draft) {
    let why = Why {
        reason: "its grace period is over: when its final backup is still sound, its data is deleted",
        origin: Origin::Schedule,
        risk: Risk::Data,
        fields: remains(case).iter().map(|action| new_field(action.kind().as_str(), action.resource())).collect(),
        after: &[],
    };
    let backup = backup.manifest.id.clone();
    draft.step(Action::VerifyBackup { instance: case.name.clone(), backup }, why);
}

fn is_seen_whole(case: &Case<'_>) -> bool {
    case.engine.is_some() && case.database.is_some() && case.proxy.is_some() && case.archive.is_some()
}

fn forget(case: &Case<'_>, draft: &mut Draft) {
    let why = Why {
        reason: "nothing of it is left: its names are free again",
        origin: Origin::Schedule,
        risk: Risk::None,
        fields: Vec::new(),
        after: &[],
    };
    draft.step(Action::EndPurge { instance: case.name.clone() }, why);
}

/// A purge in its order: nothing answers, nothing runs, nothing is connected before data go. odoo.conf goes along with the
/// last of them.
const PURGE_ORDER: [StepKind; 7] = [
    StepKind::BeginPurge,
    StepKind::RemoveSite,
    StepKind::RemoveJob,
    StepKind::RemoveContainer,
    StepKind::DropDatabase,
    StepKind::DropRole,
    StepKind::RemoveVolume,
];

/// What there is of the instance, as steps that remove it, in the order of [`PURGE_ORDER`].
fn remains(case: &Case<'_>) -> Vec<Action> {
    let (name, uid, resources) = (case.name, case.instance.uid, &case.resources);
    let own = |owner: &Owner| owner.tag().filter(|_| case.is_own(owner)).cloned();
    let mut actions = Vec::new();
    if case.proxy.and_then(|proxy| proxy.sites.get(name)).is_some_and(|site| site.row.uid == uid) {
        actions.push(Action::RemoveSite { instance: name.clone(), uid });
    }
    if let Some(engine) = case.engine {
        let jobs = engine.jobs.iter().filter_map(|(container, job)| Some((container.clone(), own(&job.owner)?)));
        actions.extend(jobs.map(|(container, tag)| Action::RemoveJob { container, tag }));
        if let Some(tag) = case.service().and_then(|service| own(&service.owner)) {
            actions.push(Action::RemoveService { container: resources.container.clone(), tag });
        }
    }
    if let Some(database) = case.database {
        if database.databases.get(&resources.database).is_some_and(|it| own(&it.owner).is_some()) {
            let database = resources.database.clone();
            actions.push(Action::DropDatabase(DatabaseSpec {
                database,
                instance: name.clone(),
                uid,
                provisioned: true,
            }));
        }
        if database.roles.get(&resources.database).is_some_and(|it| own(&it.owner).is_some()) {
            actions.push(Action::DropRole { role: resources.database.clone(), instance: name.clone(), uid });
        }
    }
    if let Some(engine) = case.engine {
        if let Some(tag) = engine.volumes.get(&resources.volume).and_then(own) {
            actions.push(Action::RemoveVolume { volume: resources.volume.clone(), tag });
        }
        // The directory may stand without the file: it goes along with anything else.
        if engine.configs.contains_key(name) || !actions.is_empty() {
            actions.push(Action::RemoveConf { instance: name.clone() });
        }
    }
    actions
}

/// True when nothing but the guard keeps its data from being deleted now.
pub(super) fn is_purge_due(case: &Case<'_>) -> bool {
    let Some(tombstone) = case.instance.ending.tombstone.as_ref().filter(|tombstone| !tombstone.purging) else {
        return false;
    };
    let due = is_due(case, tombstone, &mut Draft::default());
    due && backup::unkept(case).is_none()
        && backup::lost(case).is_none()
        && backup::final_backup(case).is_none_or(|backup| backup::unconfirmed(case, backup).is_none())
}

/// True when the data may go; otherwise says why not, where that is not simply a matter of time.
fn is_due(case: &Case<'_>, tombstone: &Tombstone, draft: &mut Draft) -> bool {
    let facts = case.facts;
    match tombstone.grace(facts.now, facts.guard.steady_s) {
        Grace::Running => return false,
        Grace::Unwitnessed(left) => {
            draft.hold(
                HoldReason::ClockMoved,
                format!(
                    "its grace period is over by the clock, but {left} of it were not seen to pass (the clock was moved, or \
                     this host was off); its data is kept for so much longer"
                ),
            );
            return false;
        }
        Grace::Over => {}
    }
    if case.wanted.protected {
        draft.hold(
            HoldReason::Protected,
            "its grace period is over, but its file says protected = true: its data is kept",
        );
        return false;
    }
    // Somebody may be about to bring it back.
    !matches!(case.instance.file, FileState::Invalid(_))
}

/// True when what is to be done for its retirement is done.
pub(super) fn is_retired(case: &Case<'_>) -> bool {
    let running = case.service().is_some_and(|service| service.running);
    let own = |tag: &Tag| tag.uid == case.instance.uid;
    let data = case.database_object().and_then(|it| it.owner.tag()).is_some_and(own);
    !running && (backup::final_backup(case).is_some() || !data)
}

fn since(tombstone: &Tombstone, now: Timestamp) -> crate::model::time::Seconds {
    crate::model::time::Seconds(u64::try_from(now.as_second() - tombstone.retired_at.as_second()).unwrap_or(0))
}
