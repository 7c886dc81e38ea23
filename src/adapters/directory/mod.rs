//! Backups in a directory, behind [`crate::edges::Archive`].
//!
//! `<directory>/<installation>/<instance>/<id>/` holds one file a part, `manifest.json` and, once it was read back,
//! `verified.json`. A backup that is being taken stands in `<id>.partial/`, which is renamed when its manifest is on the
//! disk: what has its name is whole. Directories are 0700 and files 0600: a dump holds everything of a customer.
//!
//! Nothing here ever removes a verified backup, and no name of a file comes from anything but an allow-list.

mod files;
mod verify;

use crate::edges::archive::Soundness;
use crate::edges::{Archive, Ask, ByteStream, Edge, EdgeError, ErrorKind};
use crate::model::backup::{ArchiveLive, BackupId, BackupLive, Manifest, Part, PartSum};
use crate::model::name::{InstallationId, InstanceName};
use crate::model::secret::hex;
use crate::model::settings::BackupSettings;
use crate::model::time::Timestamp;
use async_trait::async_trait;
use futures::StreamExt;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// What a backup says of itself.
const MANIFEST: &str = "manifest.json";
/// The mark of a backup that was read back.
const VERIFIED: &str = "verified.json";
/// The ending of a backup that is being taken.
const PARTIAL: &str = ".partial";
/// A part that brings nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_mins(15);

/// A directory of backups.
pub struct Directory {
    root: PathBuf,
    pg_restore: PathBuf,
}

impl Directory {
    /// Takes the settings; nothing is made before the first backup.
    pub fn new(settings: &BackupSettings, installation: InstallationId) -> Self {
        Self { root: settings.directory.join(installation.0), pg_restore: settings.pg_restore.clone() }
    }

    /// Where the backups of an instance are.
    fn shelf(&self, instance: &InstanceName) -> PathBuf {
        self.root.join(instance.as_str())
    }

    fn place(&self, instance: &InstanceName, id: &BackupId) -> PathBuf {
        self.shelf(instance).join(id.as_str())
    }

    /// Takes away what was written of a backup that failed: on a full disk it would keep the room that all others need.
    async fn give_back(&self, instance: &InstanceName, id: &BackupId, error: EdgeError) -> EdgeError {
        let partial = self.partial(instance, id);
        // The next attempt begins with the same.
        let _ = on_disk("", move || files::remove(&partial)).await;
        error
    }

    fn partial(&self, instance: &InstanceName, id: &BackupId) -> PathBuf {
        self.shelf(instance).join(format!("{id}{PARTIAL}"))
    }
}

#[async_trait]
impl Archive for Directory {
    async fn look(&self, ask: &Ask) -> Result<ArchiveLive, EdgeError> {
        let shelves: Vec<_> = ask.instances.keys().map(|name| (name.clone(), self.shelf(name))).collect();
        let root = self.root.clone();
        on_disk("could not look at the backups", move || {
            let mut live = ArchiveLive::default();
            // A directory that was never made holds no backup; one that is there and cannot be read is not seen.
            if !root.try_exists()? {
                return Ok(live);
            }
            for (name, shelf) in shelves {
                let backups = files::backups(&shelf, &name)?;
                if !backups.is_empty() {
                    live.backups.insert(name, backups);
                }
            }
            Ok(live)
        })
        .await
    }

    async fn instances(&self) -> Result<BTreeSet<InstanceName>, EdgeError> {
        let root = self.root.clone();
        on_disk("could not list the backups", move || files::shelves(&root)).await
    }

    async fn begin(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let (place, partial) = (self.place(instance, id), self.partial(instance, id));
        on_disk(format!("could not begin the backup {id}"), move || {
            files::remove(&partial)?;
            match place.try_exists()? {
                true => Ok(()),
                false => files::make_directory(&partial),
            }
        })
        .await
    }

    async fn write(
        &self,
        instance: &InstanceName,
        id: &BackupId,
        part: Part,
        bytes: ByteStream,
    ) -> Result<PartSum, EdgeError> {
        match fill(&self.partial(instance, id).join(part.file_name()), bytes).await {
            Ok(sum) => Ok(sum),
            Err(error) => Err(self.give_back(instance, id, error).await),
        }
    }

    async fn publish(&self, manifest: &Manifest) -> Result<(), EdgeError> {
        let (instance, id) = (&manifest.instance, &manifest.id);
        let (place, partial) = (self.place(instance, id), self.partial(instance, id));
        let text = serde_json::to_vec_pretty(manifest).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
        let published = on_disk(format!("could not publish the backup {id}"), move || {
            if place.try_exists()? {
                return files::remove(&partial);
            }
            files::write(&partial.join(MANIFEST), &text)?;
            files::sync_directory(&partial)?;
            std::fs::rename(&partial, &place)?;
            files::sync_parent(&place)
        })
        .await;
        match published {
            Ok(()) => Ok(()),
            Err(error) => Err(self.give_back(instance, id, error).await),
        }
    }

    async fn verify(&self, instance: &InstanceName, id: &BackupId) -> Result<Soundness, EdgeError> {
        let place = self.place(instance, id);
        let doing = format!("could not read back the backup {id}");
        let soundness = verify::verify(&place, &self.pg_restore, &doing).await?;
        if soundness == Soundness::Sound {
            let mark = serde_json::json!({ "at": now(), "tool": concat!("innkeeper ", env!("CARGO_PKG_VERSION")) });
            on_disk(doing, move || {
                let (new, mark) = (place.join(format!("{VERIFIED}.new")), mark.to_string());
                files::write(&new, mark.as_bytes())?;
                std::fs::rename(&new, place.join(VERIFIED))?;
                files::sync_directory(&place)
            })
            .await?;
        }
        Ok(soundness)
    }

    async fn discard(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let (place, partial) = (self.place(instance, id), self.partial(instance, id));
        let doing = format!("could not throw away the backup {id}");
        on_disk(doing, move || {
            files::remove(&partial)?;
            if !place.try_exists()? || place.join(VERIFIED).try_exists()? {
                return Ok(());
            }
            // In one moment: a backup that is half thrown away must not look whole.
            std::fs::rename(&place, &partial)?;
            files::remove(&partial)
        })
        .await
    }
}

/// Writes all of `bytes` into a new file, to the disk.
async fn fill(file: &Path, mut bytes: ByteStream) -> Result<PartSum, EdgeError> {
    let doing = format!("could not write {}", file.display());
    let mut out = files::new_file(file).await.map_err(|error| failure(&doing, error))?;
    let (mut hasher, mut length) = (Sha256::new(), 0_u64);
    loop {
        let piece = tokio::time::timeout(SILENCE_MAX, bytes.next()).await.map_err(|_| {
            let text = format!("nothing came for {} s", SILENCE_MAX.as_secs());
            EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing.as_str(), text)
        })?;
        let Some(piece) = piece.transpose()? else { break };
        hasher.update(&piece);
        length += piece.len() as u64;
        out.write_all(&piece).await.map_err(|error| failure(&doing, error))?;
    }
    out.flush().await.map_err(|error| failure(&doing, error))?;
    out.sync_all().await.map_err(|error| failure(&doing, error))?;
    Ok(PartSum { bytes: length, sha256: hex(&hasher.finalize()) })
}

/// What one shelf holds, by id: read by [`files::backups`].
type Backups = BTreeMap<BackupId, BackupLive>;

/// Runs work on files where it may block.
async fn on_disk<T: Send + 'static>(
    doing: impl Into<String>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, EdgeError> {
    let doing = doing.into();
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| failure(&doing, error)),
        Err(error) => Err(EdgeError::new(Edge::Archive, ErrorKind::Failed, doing, error)),
    }
}

fn failure(doing: &str, error: io::Error) -> EdgeError {
    EdgeError::new(Edge::Archive, ErrorKind::Failed, doing, error)
}

/// The time that a mark tells people; nothing is decided by it.
#[expect(clippy::disallowed_methods, reason = "told to people, never compared")]
fn now() -> Timestamp {
    Timestamp::now()
}
