//! Backups in a directory, behind [`crate::edges::Archive`].
//!
//! `<directory>/<installation>/<instance>/<id>/` holds one file a part, `manifest.json` and, once it was read back,
//! `verified.json`. A backup that is being taken stands in `<id>.partial/`, which is renamed when its manifest is on the
//! disk: what has its name is whole. One that was read back once and is damaged now is renamed `<id>.unsound`, for a person.
//! Directories are 0700 and files 0600: a dump holds everything of a customer.
//!
//! That backups were taken there is remembered elsewhere: a disk that is not mounted looks like an archive without any.
//!
//! Nothing here ever removes a verified backup, and no name of a file comes from anything but an allow-list.

mod attachments;
mod files;
mod gate;
mod verify;

use crate::disk;
use crate::edges::archive::Soundness;
use crate::edges::{Archive, Ask, ByteStream, Edge, EdgeError, ErrorKind};
use crate::model::backup::{ArchiveLive, BackupId, BackupLive, Manifest, MissingFiles, Part, PartSum};
use crate::model::name::{InstallationId, InstanceName};
use crate::model::secret::hex;
use crate::model::settings::BackupSettings;
use crate::model::size::Bytes;
use crate::model::time::Timestamp;
use async_trait::async_trait;
use futures::StreamExt;
use futures::future::BoxFuture;
use gate::Gate;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use verify::Reading;

/// What a backup says of itself.
const MANIFEST: &str = "manifest.json";
/// The mark of a backup that was read back.
const VERIFIED: &str = "verified.json";
/// The files that a backup lacks, one a line; only where it lacks any.
const MISSING: &str = "missing-files.txt";
/// The ending of a backup that is being taken.
const PARTIAL: &str = ".partial";
/// The ending of a backup that was sound once: it is no backup any more, and a person may want what is left of it.
const UNSOUND: &str = ".unsound";
/// Making, renaming and removing some files takes moments; removing a filestore of 100 GB takes seconds.
const ON_DISK_MAX: Duration = Duration::from_mins(2);
/// A part that brings nothing for so long has failed.
const SILENCE_MAX: Duration = Duration::from_mins(15);

/// So much stays free where backups are written: others' data may be on the same disk, and PostgreSQL stops for good on a
/// full one.
const RESERVE_BYTES: u64 = 1 << 30;
/// Free space is asked for again after so much was written.
const ROOM_EVERY_BYTES: u64 = 4 << 20;

/// A directory of backups.
pub struct Directory {
    root: PathBuf,
    /// Names the directory in which backups were taken, once some were.
    witness: Option<PathBuf>,
    pg_restore: PathBuf,
    gate: Gate,
    reserve_bytes: u64,
}

/// The archive that `witness` names, when it is below `directory` and not there: its disk is not mounted.
pub fn away(witness: &Path, directory: &Path) -> Option<PathBuf> {
    let named = files::named_by(witness).ok().flatten()?;
    (named.starts_with(directory) && !named.exists()).then_some(named)
}

impl Directory {
    /// Takes the settings; nothing is made before the first backup.
    pub fn new(settings: &BackupSettings, installation: InstallationId) -> Self {
        Self {
            root: settings.directory.join(installation.0),
            witness: None,
            pg_restore: settings.pg_restore.clone(),
            gate: Gate::default(),
            reserve_bytes: RESERVE_BYTES,
        }
    }

    /// The same, remembering in this file, which is not on the archive's disk, that there is an archive.
    #[must_use]
    pub fn witnessed_by(mut self, file: PathBuf) -> Self {
        self.witness = Some(file);
        self
    }

    /// The same with another patience with a disk that does not answer.
    #[must_use]
    pub fn answering_within(mut self, patience: Duration) -> Self {
        self.gate.patience = patience;
        self
    }

    /// The same with another number of bytes that stay free.
    #[must_use]
    pub fn keeping_free(mut self, bytes: u64) -> Self {
        self.reserve_bytes = bytes;
        self
    }

    /// Ends with an error when less than the reserve is free.
    async fn has_room(&self, doing: &str) -> Result<(), EdgeError> {
        let root = self.root.clone();
        let free = on_disk(doing, move || disk::free_bytes(&root)).await?;
        if free >= self.reserve_bytes {
            return Ok(());
        }
        let text = format!("only {} are free, and {} stay free", Bytes(free), Bytes(self.reserve_bytes));
        Err(EdgeError::new(Edge::Archive, ErrorKind::Failed, doing, text))
    }

    /// Where the backups of an instance are.
    fn shelf(&self, instance: &InstanceName) -> PathBuf {
        self.root.join(instance.as_str())
    }

    fn place(&self, instance: &InstanceName, id: &BackupId) -> PathBuf {
        self.shelf(instance).join(id.as_str())
    }

    fn partial(&self, instance: &InstanceName, id: &BackupId) -> PathBuf {
        self.shelf(instance).join(format!("{id}{PARTIAL}"))
    }
}

#[async_trait]
impl Archive for Directory {
    async fn look(&self, ask: &Ask) -> Result<ArchiveLive, EdgeError> {
        let shelves: Vec<_> = ask.instances.keys().map(|name| (name.clone(), self.shelf(name))).collect();
        let (root, witness) = (self.root.clone(), self.witness.clone());
        let look = move || {
            files::refuse_another_beginning(&root, witness.as_deref())?;
            let mut live = ArchiveLive { free_bytes: Some(disk::free_bytes(&root)?), ..ArchiveLive::default() };
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
        };
        self.gate.pass("could not look at the backups", look).await
    }

    async fn instances(&self) -> Result<BTreeSet<InstanceName>, EdgeError> {
        let (root, witness) = (self.root.clone(), self.witness.clone());
        let list =
            move || files::refuse_another_beginning(&root, witness.as_deref()).and_then(|()| files::instances(&root));
        self.gate.pass("could not list the backups", list).await
    }

    async fn tidy(&self) -> Result<(), EdgeError> {
        let (root, witness) = (self.root.clone(), self.witness.clone());
        on_disk("could not remove half-made backups", move || {
            if root.try_exists()? {
                // Also one of a former version, or of a state directory that was lost.
                files::begin_archive(&root, witness.as_deref())?;
            }
            for shelf in files::shelves(&root)? {
                files::remove_partials(&root.join(shelf.as_str()))?;
            }
            Ok(())
        })
        .await
    }

    async fn begin(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let (place, partial) = (self.place(instance, id), self.partial(instance, id));
        let (instance, name) = (instance.clone(), id.clone());
        let (root, witness) = (self.root.clone(), self.witness.clone());
        on_disk(format!("could not begin the backup {id}"), move || {
            files::begin_archive(&root, witness.as_deref())?;
            disk::remove_tree(&partial)?;
            match place.try_exists()? {
                true if files::read(&place, &instance, &name).is_ok() => Ok(()),
                // No look shows it, so nothing else would ever take it out of the way.
                true => files::set_aside(&place).and_then(|_| files::make_directory(&partial)),
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
        mut bytes: ByteStream,
    ) -> Result<PartSum, EdgeError> {
        let file = self.partial(instance, id).join(part.file_name());
        let doing = format!("could not write {}", file.display());
        let out = disk::Stream::create_new(&file, files::FILE_MODE).await;
        let mut out = out.map_err(|error| failure(&doing, error))?;
        let (mut hasher, mut length, mut asked_at) = (Sha256::new(), 0_u64, None);
        loop {
            if asked_at.is_none_or(|asked_at| length >= asked_at + ROOM_EVERY_BYTES) {
                self.has_room(&doing).await?;
                asked_at = Some(length);
            }
            let piece = tokio::time::timeout(SILENCE_MAX, bytes.next()).await.map_err(|_| {
                let text = format!("nothing came for {} s", SILENCE_MAX.as_secs());
                EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing.as_str(), text)
            })?;
            let Some(piece) = piece.transpose()? else { break };
            hasher.update(&piece);
            length += piece.len() as u64;
            within(&doing, out.write(&piece)).await?;
        }
        within(&doing, out.finish()).await?;
        Ok(PartSum { bytes: length, sha256: hex(&hasher.finalize()) })
    }

    async fn publish(&self, manifest: &Manifest) -> Result<(), EdgeError> {
        let (instance, id) = (&manifest.instance, &manifest.id);
        let (place, partial) = (self.place(instance, id), self.partial(instance, id));
        let text = serde_json::to_vec_pretty(manifest).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
        on_disk(format!("could not publish the backup {id}"), move || {
            if place.try_exists()? {
                return disk::remove_tree(&partial);
            }
            files::write(&partial.join(MANIFEST), &text)?;
            disk::rename(&partial, &place)
        })
        .await
    }

    async fn verify(&self, instance: &InstanceName, id: &BackupId) -> Result<Soundness, EdgeError> {
        let place = self.place(instance, id);
        let doing = format!("could not read back the backup {id}");
        let names = match verify::verify(&place, &self.pg_restore, &doing).await? {
            Reading::Unsound(why) => return Ok(Soundness::Unsound(why)),
            Reading::Sound(missing) => missing,
        };
        let missing = MissingFiles::of(&names);
        let tool = concat!("innkeeper ", env!("CARGO_PKG_VERSION")).to_owned();
        let mark = files::Mark { at: now(), tool, missing: missing.clone() };
        on_disk(doing, move || files::mark(&place, &mark, &names)).await?;
        Ok(if missing.is_none() { Soundness::Sound } else { Soundness::Partial(missing) })
    }

    async fn reject(&self, instance: &InstanceName, id: &BackupId) -> Result<Option<String>, EdgeError> {
        let place = self.place(instance, id);
        let doing = format!("could not take the backup {id} out of the way");
        let aside = on_disk(doing, move || match place.join(VERIFIED).try_exists()? {
            true => files::set_aside(&place).map(Some),
            false => Ok(None),
        });
        match aside.await? {
            Some(aside) => Ok(Some(aside.display().to_string())),
            None => self.discard(instance, id).await.map(|()| None),
        }
    }

    async fn discard(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let (place, partial) = (self.place(instance, id), self.partial(instance, id));
        let doing = format!("could not throw away the backup {id}");
        on_disk(doing, move || {
            disk::remove_tree(&partial)?;
            if !place.try_exists()? || place.join(VERIFIED).try_exists()? {
                return Ok(());
            }
            // In one moment: a backup that is half thrown away must not look whole.
            std::fs::rename(&place, &partial)?;
            disk::remove_tree(&partial)
        })
        .await
    }
}

/// What one shelf holds, by id: read by [`files::backups`].
type Backups = BTreeMap<BackupId, BackupLive>;

/// Runs work on few files where it may block. What hangs keeps its thread, and nobody waits for it.
async fn on_disk<T: Send + 'static>(
    doing: impl Into<String>,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, EdgeError> {
    let doing = doing.into();
    tokio::time::timeout(ON_DISK_MAX, on_disk_for_long(doing.as_str(), work)).await.unwrap_or_else(|_| {
        let text = format!("the disk did not answer for {} s", ON_DISK_MAX.as_secs());
        Err(EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing, text))
    })
}

/// The same for work that takes as long as it takes.
fn on_disk_for_long<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> BoxFuture<'static, Result<T, EdgeError>> {
    let (doing, work) = (doing.to_owned(), tokio::task::spawn_blocking(work));
    Box::pin(async move {
        match work.await {
            Ok(result) => result.map_err(|error| failure(&doing, error)),
            Err(error) => Err(EdgeError::new(Edge::Archive, ErrorKind::Failed, doing, error)),
        }
    })
}

/// One write to a disk that may hang.
async fn within<T>(doing: &str, write: impl Future<Output = io::Result<T>>) -> Result<T, EdgeError> {
    match tokio::time::timeout(SILENCE_MAX, write).await {
        Ok(written) => written.map_err(|error| failure(doing, error)),
        Err(_) => {
            let text = format!("the disk did not answer for {} s", SILENCE_MAX.as_secs());
            Err(EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing, text))
        }
    }
}

fn failure(doing: &str, error: io::Error) -> EdgeError {
    EdgeError::new(Edge::Archive, ErrorKind::Failed, doing, error)
}

/// The time of a mark. A decision compares it with the daemon's clock, which is the same host's.
#[expect(clippy::disallowed_methods, reason = "a mark is of the moment in which it is written")]
fn now() -> Timestamp {
    Timestamp::now()
}
