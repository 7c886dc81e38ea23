//! Decisions over final backups: what is taken before an instance's data may go, who may still log in meanwhile, and whether
//! what was taken is enough.

use super::case::{Case, Draft, Why, new_field};
use super::{database, odoo, service};
use crate::model::backup::{BackupCause, BackupLive, BackupSpec, DumpSpec, FilestoreSpec, Part};
use crate::model::changes::HoldReason;
use crate::model::database::Access;
use crate::model::live::Seen;
use crate::model::secret::PASSWORD_GENERATION;
use crate::model::service::{Component, Owner};
use crate::model::step::{Action, Origin, Risk};
use crate::model::step_kind::StepKind;
use crate::model::tombstone::Tombstone;

/// Data are deleted at most so long after their backup was read back, in seconds.
const FRESH_S: i64 = 86_400;

/// The final backup, taken once and read back. The same retirement never takes a second one: it is called after the
/// tombstone.
pub(super) fn back_up(case: &Case<'_>, tombstone: &Tombstone, draft: &mut Draft) {
    let (Some(archive), Some(database), Some(engine)) = (case.archive, case.database, case.engine) else { return };
    let id = tombstone.backup();
    let taken = archive.find(case.name, case.instance.uid, &id);
    if draft.has_hold(HoldReason::Conflict) {
        return;
    }
    if let Some(taken) = taken {
        close(case, draft);
        if taken.verified_at.is_some() {
            return;
        }
    } else {
        let own = |owner: &Owner| owner.tag().is_some_and(|tag| tag.uid == case.instance.uid);
        let object = database.databases.get(&case.resources.database).filter(|it| own(&it.owner) && it.valid);
        let volume = engine.volumes.get(&case.resources.volume).filter(|owner| own(owner));
        if let Some(thing) = unmarked(case) {
            let message = format!(
                "{thing} stands where its data were and does not carry its mark, so it cannot be backed up as its own: put the \
                 mark back (docs/OPERATING.md, \"Data that were restored by hand\"), or remove it if it is somebody else's"
            );
            return draft.hold(HoldReason::Conflict, message);
        }
        if object.is_none() && volume.is_none() {
            return;
        }
        odoo::still_runs(case, &[], draft);
        if draft.has_hold(HoldReason::JobRunning) {
            return;
        }
        if let Some(object) = object {
            database::privileges(case, object, draft);
            let why = Why {
                reason: "its final backup is taken: nobody else writes from now on",
                origin: Origin::Intended,
                risk: Risk::None,
                fields: Vec::new(),
                after: &[StepKind::OpenTombstone, StepKind::StopContainer],
            };
            database::role_for(case, Access::Backup, why, draft);
        }
        if volume.is_some() && case.service().is_none() {
            service::network(case, draft);
            service::for_reading(case, draft);
            if !draft.has_step(StepKind::CreateContainer) {
                if case.image().is_none() {
                    let image = &case.wanted.image;
                    let message = format!(
                        "its volume is read through a container, and image {image} is not on this host: docker pull {image}"
                    );
                    draft.hold(HoldReason::ImageMissing, message);
                }
                return;
            }
        }
        take(case, tombstone, (object.is_some(), volume.is_some()), draft);
    }
    let why = Why {
        reason: "its data is never deleted before it was read back whole",
        origin: Origin::Intended,
        risk: Risk::None,
        fields: Vec::new(),
        after: &[StepKind::BackUp],
    };
    draft.step(Action::VerifyBackup { instance: case.name.clone(), backup: id }, why);
}

/// Once the backup stands nobody logs in any more: nothing may be written that it does not have.
fn close(case: &Case<'_>, draft: &mut Draft) {
    let role = case.database.and_then(|database| database.roles.get(&case.resources.database));
    let own = role.filter(|role| role.owner.tag().is_some_and(|tag| tag.uid == case.instance.uid));
    // Whatever else it may do by somebody's mistake, it does nothing with it.
    if own.is_none_or(|role| !role.login) {
        return;
    }
    let why = Why {
        reason: "it is retired: nobody logs in",
        // At first it is the retirement itself; later somebody opened it.
        origin: case.origin(),
        risk: Risk::None,
        fields: Vec::new(),
        after: &[],
    };
    database::role_for(case, Access::Nobody, why, draft);
}

fn take(case: &Case<'_>, tombstone: &Tombstone, (object, volume): (bool, bool), draft: &mut Draft) {
    let odoo = case.inside().and_then(Seen::known);
    let tag = case.service().and_then(|service| service.owner.tag()).cloned();
    let spec = BackupSpec {
        id: tombstone.backup(),
        instance: case.name.clone(),
        uid: case.instance.uid,
        cause: BackupCause::Final,
        database: object.then(|| DumpSpec {
            database: case.resources.database.clone(),
            access: Access::Backup,
            password_generation: PASSWORD_GENERATION,
        }),
        filestore: volume.then(|| FilestoreSpec {
            container: case.resources.container.clone(),
            tag: tag.unwrap_or_else(|| case.tag(Component::Service, String::new())),
        }),
        odoo: odoo.and_then(|odoo| odoo.base_version.clone()),
        modules: odoo.into_iter().flat_map(|odoo| odoo.modules.keys().filter(|it| odoo.has(it))).cloned().collect(),
    };
    let parts = match (object, volume) {
        (true, false) => "the database alone: there is no volume",
        (false, _) => "the filestore alone: there is no database",
        (true, true) => "database and filestore",
    };
    let why = Why {
        reason: "nothing changes in it any more",
        origin: Origin::Intended,
        risk: Risk::None,
        fields: vec![new_field("parts", parts), new_field("directory", case.facts.settings.backup.directory.display())],
        after: &[
            StepKind::OpenTombstone,
            StepKind::StopContainer,
            StepKind::SetRole,
            StepKind::SetPrivileges,
            StepKind::CreateContainer,
        ],
    };
    draft.step(Action::BackUp(spec), why);
}

/// What a person does about data that are gone, as half a sentence.
pub(super) fn way_out(case: &Case<'_>) -> String {
    match case.is_provisioned() {
        true => format!("restore it from {}", newest(case)),
        false => "it was never in service; unless a person brings data, begin anew under another name, and end this one with \
                  state = \"absent\""
            .to_owned(),
    }
}

/// What its data can be restored from, as half a sentence.
pub(super) fn newest(case: &Case<'_>) -> String {
    let newest = case.archive.and_then(|archive| archive.newest(case.name, case.instance.uid));
    newest.map_or("a backup".to_owned(), |backup| format!("the backup {}", backup.manifest.id))
}

/// The final backup of this retirement, verified and with a part for everything that the world still shows.
pub(super) fn final_backup<'a>(case: &Case<'a>) -> Option<&'a BackupLive> {
    let tombstone = case.instance.ending.tombstone.as_ref()?;
    let backup = case.archive?.find(case.name, case.instance.uid, &tombstone.backup())?;
    backup.verified_at.is_some().then_some(backup)
}

/// True when the final backup has this part.
pub(super) fn is_kept(case: &Case<'_>, part: Part) -> bool {
    final_backup(case).is_some_and(|backup| backup.manifest.parts.contains_key(&part))
}

/// Why nothing of it may be deleted: something stands where its data are and is not in its final backup.
pub(super) fn unkept(case: &Case<'_>) -> Option<&'static str> {
    let volume = case.engine.is_some_and(|engine| engine.volumes.contains_key(&case.resources.volume));
    // What an interrupted CREATE DATABASE left holds nothing.
    let database = case.database_object().is_some_and(|it| it.valid || case.is_provisioned());
    if unmarked(case).is_some() {
        Some("something without its mark stands where its data were")
    } else if database && !is_kept(case, Part::Database) {
        Some("no backup of its database was read back")
    } else if volume && !is_kept(case, Part::Filestore) {
        Some("no backup of its filestore was read back")
    } else {
        None
    }
}

/// A database or a volume on its name that lost its mark, where it had one once: restored by hand, say.
fn unmarked(case: &Case<'_>) -> Option<String> {
    let resources = &case.resources;
    let foreign = |owner: &Owner| owner.tag().is_none_or(|tag| tag.uid != case.instance.uid);
    let volume = case.engine.and_then(|engine| engine.volumes.get(&resources.volume));
    let database = case.database_object().filter(|it| foreign(&it.owner));
    let had_data = case.is_provisioned() || volume.is_some_and(|owner| !foreign(owner));
    if database.is_some() && had_data {
        Some(format!("database {}", resources.database))
    } else if volume.is_some_and(foreign) && case.is_provisioned() {
        Some(format!("volume {}", resources.volume))
    } else {
        None
    }
}

/// Why the data stay until a person says that they may go: what the backup does not have is gone with them. Files that the
/// customer was missing all along look the same, so somebody must be able to say so.
pub(super) fn unconfirmed(case: &Case<'_>, backup: &BackupLive) -> Option<String> {
    let permitted = case.facts.guard.permitted.contains(case.name);
    (!backup.missing.is_none() && !permitted).then(|| {
        format!(
            "its grace period is over, but its final backup {} is partial: {}; its data is kept. Put the files back into volume \
             {}, bring it back and retire it anew; or, if they were missing all along: innkeeper apply --max-destroy 1 \
             --confirm {}",
            backup.manifest.id, backup.missing, case.resources.volume, case.name
        )
    })
}

/// Data of a customer that are gone and in no final backup, as the name of what is gone. None once a person said that they
/// may be forgotten, and once the deletion of the rest began.
pub(super) fn lost(case: &Case<'_>) -> Option<String> {
    let purging = case.instance.ending.tombstone.as_ref().is_some_and(|tombstone| tombstone.purging);
    if !case.is_provisioned() || purging || case.facts.guard.permitted.contains(case.name) {
        return None;
    }
    let own = |owner: &Owner| case.is_own(owner);
    let no_database = case.database.is_some() && !case.database_object().is_some_and(|it| own(&it.owner) && it.valid);
    let no_volume = case.engine.is_some_and(|it| !it.volumes.get(&case.resources.volume).is_some_and(own));
    // Without a look at the backups nobody knows whether it is in one.
    let is_lost = |gone: bool, part| gone && case.archive.is_some() && !is_kept(case, part);
    let things = [
        is_lost(no_database, Part::Database).then(|| format!("database {}", case.resources.database)),
        is_lost(no_volume, Part::Filestore).then(|| format!("volume {}", case.resources.volume)),
    ];
    let things: Vec<String> = things.into_iter().flatten().collect();
    (!things.is_empty()).then(|| things.join(" and "))
}

/// Data that are gone are no less gone because their instance is retired: they stay told until somebody says that they may
/// be forgotten.
pub(super) fn lost_data(case: &Case<'_>, draft: &mut Draft) {
    let Some(lost) = lost(case) else { return };
    let backup = match final_backup(case) {
        Some(backup) => format!("so they are not in its final backup {}", backup.manifest.id),
        None => "so no backup of them is taken".to_owned(),
    };
    let message = format!(
        "{lost} was gone before it was retired, {backup}; nothing that is left of it is deleted by itself. Bring the data back \
         (docs/OPERATING.md, \"Data that were restored by hand\"), or accept the loss once its grace period is over: \
         innkeeper apply --max-destroy 1 --confirm {}",
        case.name
    );
    draft.hold(HoldReason::DataMissing, message);
}

/// Why what is left of one whose data are gone is kept after its grace period.
pub(super) fn unaccepted(case: &Case<'_>, lost: &str) -> String {
    format!(
        "its grace period is over, but {lost} was gone before it was retired and is in no final backup; what is left is kept. \
         If the loss is accepted: innkeeper apply --max-destroy 1 --confirm {}",
        case.name
    )
}

/// True for a backup that was read back since the grace period ended, and within [`FRESH_S`]: what was read long ago may be
/// damaged by now. A time that lies ahead was noted before somebody set the clock back.
pub(super) fn is_fresh(case: &Case<'_>, backup: &BackupLive) -> bool {
    let ended = case.instance.ending.tombstone.as_ref().map(|tombstone| tombstone.purge_after);
    backup.verified_at.is_some_and(|at| {
        let age_s = case.facts.now.as_second() - at.as_second();
        ended.is_none_or(|ended| at >= ended) && (0..FRESH_S).contains(&age_s)
    })
}
