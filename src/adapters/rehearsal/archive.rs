//! The rehearsed archive. Promises as `adapters::directory` keeps them: what was begun and not published counts for
//! nothing, a manifest comes last, and a verified backup is never thrown away.

use super::world::{StoredBackup, Volume};
use super::{Rehearsal, World, failed};
use crate::edges::archive::Soundness;
use crate::edges::{Archive, Ask, ByteStream, Edge, EdgeError};
use crate::model::backup::{ArchiveLive, BackupId, BackupLive, Manifest, MissingFiles, Part, PartSum};
use crate::model::name::InstanceName;
use crate::model::secret::hex;
use crate::model::time::Timestamp;
use async_trait::async_trait;
use futures::TryStreamExt;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

const EDGE: Edge = Edge::Archive;

#[async_trait]
impl Archive for Rehearsal {
    async fn look(&self, ask: &Ask) -> Result<ArchiveLive, EdgeError> {
        Rehearsal::look(self, EDGE, "look", |world, _| Ok(world.archive_live(ask))).await
    }

    async fn instances(&self) -> Result<BTreeSet<InstanceName>, EdgeError> {
        let names = |world: &World, _: Timestamp| {
            let manifests = world.archive.values().filter_map(|backup| backup.manifest.as_ref());
            Ok(manifests.map(|manifest| manifest.instance.clone()).collect())
        };
        Rehearsal::look(self, EDGE, "instances", names).await
    }

    async fn tidy(&self) -> Result<(), EdgeError> {
        let tidy = |world: &mut World, _: Timestamp| {
            world.archive.retain(|_, backup| backup.manifest.is_some());
            Ok(())
        };
        self.effect(EDGE, "tidy", "", &[&tidy]).await
    }

    async fn begin(&self, _instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let begin = |world: &mut World, _: Timestamp| {
            let begun = world.archive.entry(id.clone()).or_default();
            if begun.manifest.is_none() {
                *begun = StoredBackup::default();
            }
            Ok(())
        };
        self.effect(EDGE, "begin", id.as_str(), &[&begin]).await
    }

    async fn write(
        &self,
        _instance: &InstanceName,
        id: &BackupId,
        part: Part,
        bytes: ByteStream,
    ) -> Result<PartSum, EdgeError> {
        let bytes: Vec<u8> = bytes.try_concat().await?;
        let write = |world: &mut World, upto: usize| {
            let backup = world.archive.get_mut(id).filter(|backup| backup.manifest.is_none());
            let backup = backup.ok_or_else(|| failed(EDGE, format!("the backup {id} was not begun")))?;
            backup.parts.insert(part, bytes[..upto].to_vec());
            Ok(())
        };
        let (half, whole) = (bytes.len() / 2, bytes.len());
        let moments: [super::Moment<'_>; 2] = [&|world, _| write(world, half), &|world, _| write(world, whole)];
        self.effect(EDGE, "write", &format!("{id}/{}", part.file_name()), &moments).await?;
        Ok(sum(&bytes))
    }

    async fn publish(&self, manifest: &Manifest) -> Result<(), EdgeError> {
        let publish = |world: &mut World, _: Timestamp| {
            let id = &manifest.id;
            let backup = world.archive.get_mut(id).ok_or_else(|| failed(EDGE, format!("{id} was not begun")))?;
            backup.manifest.get_or_insert_with(|| manifest.clone());
            Ok(())
        };
        self.effect(EDGE, "publish", manifest.id.as_str(), &[&publish]).await
    }

    async fn verify(&self, _instance: &InstanceName, id: &BackupId) -> Result<Soundness, EdgeError> {
        let told = Mutex::new(Soundness::Sound);
        let verify = |world: &mut World, now: Timestamp| {
            let backup = world.archive.get_mut(id).filter(|backup| backup.manifest.is_some());
            let backup = backup.ok_or_else(|| failed(EDGE, format!("there is no backup {id}")))?;
            match backup.fault() {
                Some(fault) => {
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Soundness::Unsound(fault);
                }
                None => {
                    let missing = backup.missing();
                    backup.verified_at = Some(now);
                    if !missing.is_none() {
                        *told.lock().unwrap_or_else(PoisonError::into_inner) = Soundness::Partial(missing);
                    }
                }
            }
            Ok(())
        };
        self.effect(EDGE, "verify", id.as_str(), &[&verify]).await?;
        Ok(told.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn reject(&self, _instance: &InstanceName, id: &BackupId) -> Result<Option<String>, EdgeError> {
        let aside = Mutex::new(None);
        let reject = |world: &mut World, _: Timestamp| {
            let rejected = world.archive.remove(id).filter(|backup| backup.verified_at.is_some());
            if let Some(rejected) = rejected {
                world.unsound.push(rejected);
                *aside.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(format!("rehearsed archive, {id}.unsound"));
            }
            Ok(())
        };
        self.effect(EDGE, "reject", id.as_str(), &[&reject]).await?;
        Ok(aside.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn discard(&self, _instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let discard = |world: &mut World, _: Timestamp| {
            if world.archive.get(id).is_some_and(|backup| backup.verified_at.is_none()) {
                world.archive.remove(id);
            }
            Ok(())
        };
        self.effect(EDGE, "discard", id.as_str(), &[&discard]).await
    }
}

impl World {
    fn archive_live(&self, ask: &Ask) -> ArchiveLive {
        let mut live = ArchiveLive { free_bytes: self.archive_free_bytes, ..ArchiveLive::default() };
        for (id, backup) in &self.archive {
            let Some(manifest) = &backup.manifest else { continue };
            if ask.instances.contains_key(&manifest.instance) {
                let place = format!("rehearsed archive, {id}");
                let verified_at = backup.verified_at;
                let missing = verified_at.map(|_| backup.missing()).unwrap_or_default();
                let shown = BackupLive { manifest: manifest.clone(), verified_at, missing, place };
                live.backups.entry(manifest.instance.clone()).or_default().insert(id.clone(), shown);
            }
        }
        live
    }

    /// What a dump of this database holds, when role and password let somebody in.
    pub(super) fn dump(
        &self,
        database: &str,
        role: &str,
        password: &crate::model::secret::SecretString,
    ) -> Result<Vec<u8>, EdgeError> {
        use crate::model::secret::ExposeSecret;
        let refuse = |why: &str| Err(failed(Edge::Database, format!("pg_dump of {database} failed: {why}")));
        let Some(found) = self.databases.get(database).filter(|it| it.valid) else { return refuse("no such database") };
        let Some(role) = self.roles.get(role) else { return refuse("no such role") };
        match role.login && role.password.expose_secret() == password.expose_secret() {
            true => Ok(stored("database", found.serial, found.content)),
            false => refuse("the role may not log in"),
        }
    }
}

/// The word before the number of files that are missing in a volume.
const MISSING: &str = " missing=";

/// What a part of a backup holds: enough to tell whether it is of this very object, and how much was in it.
pub(super) fn stored(what: &str, serial: u64, content: u64) -> Vec<u8> {
    format!("{what} serial={serial} content={content}").into_bytes()
}

/// The same of a volume in which so many files are missing that its database names.
pub(super) fn stored_volume(volume: &Volume) -> Vec<u8> {
    let mut bytes = stored("volume", volume.serial, volume.content);
    if volume.missing > 0 {
        bytes.extend_from_slice(format!("{MISSING}{}", volume.missing).as_bytes());
    }
    bytes
}

impl StoredBackup {
    /// The files that its database names and its filestore does not have.
    fn missing(&self) -> MissingFiles {
        let text = self.parts.get(&Part::Filestore).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let count = text.split_once(MISSING).and_then(|(_, count)| count.parse().ok()).unwrap_or(0_u64);
        MissingFiles::of(&(0..count).map(|number| format!("ab/{number}")).collect())
    }

    /// Why it is not what its manifest says.
    fn fault(&self) -> Option<String> {
        let manifest = self.manifest.as_ref()?;
        let differs =
            |(part, expected): &(&Part, &PartSum)| self.parts.get(*part).is_none_or(|bytes| sum(bytes) != **expected);
        let part = manifest.parts.iter().find(differs)?;
        Some(format!("{} differs", part.0.file_name()))
    }
}

fn sum(bytes: &[u8]) -> PartSum {
    PartSum { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
}
