//! The rehearsed archive. Promises as `adapters::directory` keeps them: what was begun and not published counts for
//! nothing, a manifest comes last, and a verified backup is never thrown away.

use super::world::{StoredBackup, stored};
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
            let published = world.archive.values().filter(|backup| backup.manifest.is_some());
            Ok(published.filter_map(|backup| backup.instance.clone()).collect())
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

    async fn begin(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let begin = |world: &mut World, _: Timestamp| {
            let begun = world.archive.entry(id.clone()).or_default();
            if begun.manifest.is_none() {
                *begun = StoredBackup { instance: Some(instance.clone()), ..StoredBackup::default() };
            }
            Ok(())
        };
        self.effect(EDGE, "begin", id.as_str(), &[&begin]).await
    }

    async fn write(
        &self,
        instance: &InstanceName,
        id: &BackupId,
        part: Part,
        bytes: ByteStream,
    ) -> Result<PartSum, EdgeError> {
        let bytes: Vec<u8> = bytes.try_concat().await?;
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let write = |world: &mut World, piece: &[u8], is_first: bool| {
            let backup = world.backup(instance, id).filter(|backup| backup.manifest.is_none());
            let backup = backup.ok_or_else(|| failed(EDGE, format!("the backup {id} was not begun")))?;
            if is_first && backup.parts.contains_key(&part) {
                return Err(failed(EDGE, format!("{} of {id} is there already", part.file_name())));
            }
            backup.parts.entry(part).or_default().extend(piece);
            Ok(())
        };
        let moments: [super::Moment<'_>; 2] =
            [&|world, _| write(world, first, true), &|world, _| write(world, second, false)];
        self.effect(EDGE, "write", &format!("{id}/{}", part.file_name()), &moments).await?;
        Ok(sum(&bytes))
    }

    async fn publish(&self, manifest: &Manifest) -> Result<(), EdgeError> {
        let publish = |world: &mut World, _: Timestamp| {
            let backup = world.backup(&manifest.instance, &manifest.id);
            let backup = backup.ok_or_else(|| failed(EDGE, format!("{} was not begun", manifest.id)))?;
            backup.manifest.get_or_insert_with(|| manifest.clone());
            Ok(())
        };
        self.effect(EDGE, "publish", manifest.id.as_str(), &[&publish]).await
    }

    async fn verify(&self, instance: &InstanceName, id: &BackupId) -> Result<Soundness, EdgeError> {
        let told = Mutex::new(Soundness::Sound);
        let verify = |world: &mut World, now: Timestamp| {
            let backup = world.backup(instance, id).filter(|backup| backup.manifest.is_some());
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

    async fn reject(&self, instance: &InstanceName, id: &BackupId) -> Result<Option<String>, EdgeError> {
        let aside = Mutex::new(None);
        let reject = |world: &mut World, _: Timestamp| {
            if world.backup(instance, id).is_none() {
                return Ok(());
            }
            if let Some(rejected) = world.archive.remove(id).filter(|backup| backup.verified_at.is_some()) {
                world.unsound.push(rejected);
                *aside.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(format!("rehearsed archive, {id}.unsound"));
            }
            Ok(())
        };
        self.effect(EDGE, "reject", id.as_str(), &[&reject]).await?;
        Ok(aside.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    async fn discard(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError> {
        let discard = |world: &mut World, _: Timestamp| {
            if world.backup(instance, id).is_some_and(|backup| backup.verified_at.is_none()) {
                world.archive.remove(id);
            }
            Ok(())
        };
        self.effect(EDGE, "discard", id.as_str(), &[&discard]).await
    }
}

impl World {
    /// The backup of that id, begun or published, on that instance's shelf.
    fn backup(&mut self, instance: &InstanceName, id: &BackupId) -> Option<&mut StoredBackup> {
        self.archive.get_mut(id).filter(|backup| backup.instance.as_ref() == Some(instance))
    }

    fn archive_live(&self, ask: &Ask) -> ArchiveLive {
        let mut live = ArchiveLive { free_bytes: self.archive_free_bytes, ..ArchiveLive::default() };
        for (id, backup) in &self.archive {
            // One that says of itself that it is another one was put there by somebody.
            let Some(manifest) = backup.manifest.as_ref().filter(|manifest| manifest.id == *id) else { continue };
            if ask.instances.contains_key(&manifest.instance) {
                let place = format!("rehearsed archive, {id}");
                let verified_at = backup.verified_at.filter(|_| backup.is_whole());
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
            true => Ok(stored(Part::Database, found.serial, found.content)),
            false => refuse("the role may not log in"),
        }
    }
}

impl StoredBackup {
    /// The files that its database names and its filestore does not have.
    fn missing(&self) -> MissingFiles {
        let count = self.missing_count();
        MissingFiles::of(&(0..count).map(|number| format!("ab/{number}")).collect())
    }

    /// Why it is not what its manifest says.
    fn fault(&self) -> Option<String> {
        let manifest = self.manifest.as_ref()?;
        let differs =
            |(part, expected): &(&Part, &PartSum)| self.parts.get(*part).is_none_or(|bytes| sum(bytes) != **expected);
        if let Some((part, _)) = manifest.parts.iter().find(differs) {
            return Some(format!("{} differs", part.file_name()));
        }
        let torn = manifest.parts.keys().find(|part| !self.is_restorable(**part))?;
        Some(format!("{} breaks off", torn.file_name()))
    }
}

fn sum(bytes: &[u8]) -> PartSum {
    PartSum { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(bytes)) }
}
