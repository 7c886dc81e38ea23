//! Steps of an instance's end that only the journal knows, and what people are told of them.

use super::{Context, StepFault, report};
use crate::model::backup::{BackupId, MissingFiles};
use crate::model::database::DatabaseSpec;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::service::Tag;
use crate::model::status::chain;
use crate::model::tombstone::Tombstone;

/// Stops the container. The guard counts it before it happens: a crash in between counts one too many, never one too few.
pub(super) async fn stop(container: &str, tag: &Tag, context: &Context) -> Result<(), StepFault> {
    context.journal.note_disruption(&tag.instance, "stop", context.steady_s)?;
    Ok(context.edges.engine.stop_service(container, tag).await?)
}

/// From now on it is being retired, whatever comes in between.
pub(super) async fn open(tombstone: &Tombstone, context: &Context) -> Result<(), StepFault> {
    match context.journal.tombstones()?.get(&tombstone.instance) {
        // It ran again since: what was begun of the former backup is of no use, and the guard has counted it.
        Some(before) => context.edges.archive.discard(&before.instance, &before.backup()).await?,
        None => context.journal.note_disruption(&tombstone.instance, "retire", context.steady_s)?,
    }
    context.journal.open_tombstone(tombstone)?;
    let message = format!("it is being retired: {}", tombstone.why);
    tell(&tombstone.instance, Level::Warning, Reason::Retiring, message, context);
    Ok(())
}

/// It is wanted again.
pub(super) async fn close(instance: &InstanceName, backup: &BackupId, context: &Context) -> Result<(), StepFault> {
    context.journal.close_tombstone(instance)?;
    // A customer does not wait for a disk of backups: what is half-made there counts for nothing anyway.
    if let Err(error) = context.edges.archive.discard(instance, backup).await {
        tracing::warn!(error = %chain(&error), "a half-made backup is left until the next start");
    }
    tell(
        instance,
        Level::Info,
        Reason::CameBack,
        "it is wanted again, and its data is served as it stands".to_owned(),
        context,
    );
    Ok(())
}

/// From now on data go.
pub(super) fn begin_purge(instance: &InstanceName, context: &Context) -> Result<(), StepFault> {
    context.journal.note_disruption(instance, "purge", context.steady_s)?;
    context.journal.begin_purge(instance)?;
    let message = "its grace period is over: its data is being deleted".to_owned();
    tell(instance, Level::Warning, Reason::Purging, message, context);
    Ok(())
}

/// The database goes. That it was about to go is known whatever comes in between.
pub(super) async fn drop_database(spec: &DatabaseSpec, context: &Context) -> Result<(), StepFault> {
    context.journal.begin_deletion(&spec.instance)?;
    Ok(context.edges.database.drop_database(spec).await?)
}

/// The filestore goes, likewise.
pub(super) async fn remove_volume(volume: &str, tag: &Tag, context: &Context) -> Result<(), StepFault> {
    context.journal.begin_deletion(&tag.instance)?;
    Ok(context.edges.engine.remove_volume(volume, tag).await?)
}

/// Nothing is left.
pub(super) fn end_purge(instance: &InstanceName, context: &Context) -> Result<(), StepFault> {
    context.journal.forget(instance)?;
    let message = "nothing of it is left but its final backup: its name and its domains are free again".to_owned();
    tell(instance, Level::Warning, Reason::Purged, message, context);
    Ok(())
}

/// The final backup was read back.
pub(super) fn tell_kept(instance: &InstanceName, backup: &BackupId, context: &Context) {
    tell(instance, Level::Info, Reason::BackupVerified, format!("the backup {backup} was read back whole"), context);
}

/// The final backup was read back, and is not all that there should be.
pub(super) fn tell_partial(instance: &InstanceName, backup: &BackupId, missing: &MissingFiles, context: &Context) {
    let message = format!(
        "the backup {backup} was read back, and it is partial: {missing}; missing-files.txt beside it names all of them. Their \
         data is not deleted before a person confirms that"
    );
    tell(instance, Level::Error, Reason::BackupPartial, message, context);
}

/// A backup that was read back once is damaged now, and was put there.
pub(super) fn tell_damaged(instance: &InstanceName, backup: &BackupId, (why, aside): (&str, &str), context: &Context) {
    let message = format!(
        "the backup {backup} was sound once and is damaged ({why}): it is kept as {aside}, and another one is taken while the \
         data stand; look after the disk that it is on"
    );
    tell(instance, Level::Error, Reason::BackupDamaged, message, context);
}

fn tell(instance: &InstanceName, level: Level, reason: Reason, message: String, context: &Context) {
    let event =
        NewEvent { level, instance: Some(instance.clone()), reason, message, step: None, cause: context.cause.clone() };
    report(context.journal.record(&event).map(drop), "could not record an event");
}
