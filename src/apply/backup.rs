//! Taking a backup and reading it back.

use super::{Context, StepFault};
use crate::edges::ErrorKind;
use crate::edges::archive::Soundness;
use crate::model::backup::{BackupId, BackupSpec, FORMAT, Manifest, Part};
use crate::model::name::InstanceName;
use crate::model::status::chain;
use std::collections::BTreeMap;

/// The database first, the filestore second, the manifest last. `false`: a shutdown cut it short; what it left counts for
/// nothing and is thrown away at the next start. What a failure left is thrown away at once: it takes room that is perhaps
/// the reason for it.
pub(super) async fn take(spec: &BackupSpec, context: &Context) -> Result<bool, StepFault> {
    let taken = tokio::select! {
        () = context.stopping.cancelled() => return Ok(false),
        taken = write(spec, context) => taken,
    };
    if taken.is_err()
        && let Err(error) = context.edges.archive.discard(&spec.instance, &spec.id).await
    {
        tracing::warn!(error = %chain(&error), "a half-made backup is left until it is begun again");
    }
    taken.map(|()| true)
}

async fn write(spec: &BackupSpec, context: &Context) -> Result<(), StepFault> {
    let edges = &context.edges;
    let (instance, id) = (&spec.instance, &spec.id);
    let begun_at = (context.now)();
    edges.archive.begin(instance, id).await?;
    let mut parts = BTreeMap::new();
    if let Some(dump) = &spec.database {
        let password = context.key.derive(dump.access.password(), spec.uid, dump.password_generation);
        let bytes = edges.database.dump(&dump.database, &dump.database, &password).await?;
        parts.insert(Part::Database, edges.archive.write(instance, id, Part::Database, bytes).await?);
    }
    if let Some(filestore) = &spec.filestore {
        let bytes = edges.engine.read_volume(&filestore.container, &filestore.tag).await?;
        parts.insert(Part::Filestore, edges.archive.write(instance, id, Part::Filestore, bytes).await?);
    }
    let manifest = Manifest {
        format: FORMAT,
        id: id.clone(),
        installation: context.key.id(),
        instance: instance.clone(),
        uid: spec.uid,
        cause: spec.cause,
        begun_at,
        ended_at: (context.now)(),
        database: spec.database.as_ref().map(|dump| dump.database.clone()),
        odoo: spec.odoo.clone(),
        modules: spec.modules.clone(),
        parts,
        tool: concat!("innkeeper ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    Ok(edges.archive.publish(&manifest).await?)
}

/// Reads it back whole. One that is not sound goes out of the way, so that the next turn takes another while the data stand.
pub(super) async fn verify(instance: &InstanceName, id: &BackupId, context: &Context) -> Result<bool, StepFault> {
    let archive = &context.edges.archive;
    let soundness = tokio::select! {
        () = context.stopping.cancelled() => return Ok(false),
        soundness = archive.verify(instance, id) => soundness?,
    };
    match soundness {
        Soundness::Sound => {
            super::ending::tell_kept(instance, id, context);
            Ok(true)
        }
        Soundness::Partial(missing) => {
            super::ending::tell_partial(instance, id, &missing, context);
            Ok(true)
        }
        Soundness::Unsound(why) => {
            let message = match archive.reject(instance, id).await? {
                None => format!("the backup {id} could not be read back and was thrown away: {why}"),
                Some(aside) => {
                    super::ending::tell_damaged(instance, id, (&why, &aside), context);
                    format!("the backup {id} was sound once and is damaged ({why}): it is kept as {aside}")
                }
            };
            Err(StepFault { message, kind: ErrorKind::Failed })
        }
    }
}
