//! The edge of backups: taking one part by part, reading it back, listing what there is.

use super::{Ask, ByteStream, EdgeError};
use crate::model::backup::{ArchiveLive, BackupId, Manifest, MissingFiles, Part, PartSum};
use crate::model::name::InstanceName;
use async_trait::async_trait;
use std::collections::BTreeSet;

/// Whether a backup is what its manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Soundness {
    /// Every byte was read, every sum is right, and the dump can be restored from. It is marked as verified.
    Sound,
    /// The same, and these files, which its database names, are not in it. It is marked as verified, and so.
    Partial(MissingFiles),
    /// Why not.
    Unsound(String),
}

/// The store of backups. See the module documentation of [`super`] for the rules of every method.
///
/// A backup is begun, gets its parts, and is published; only then a look shows it. One that was begun and not published
/// is a leftover: it counts for nothing and is thrown away when the same one is begun again.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Lists the whole backups of `ask.instances`. One that cannot be read is left out, and told in the log.
    async fn look(&self, ask: &Ask) -> Result<ArchiveLive, EdgeError>;

    /// Instances of which there are backups, whether they still exist or not.
    async fn instances(&self) -> Result<BTreeSet<InstanceName>, EdgeError>;

    /// Throws away what was begun and not published, of every instance: nothing else knows of it. Only for somebody who takes
    /// no backup at this moment.
    async fn tidy(&self) -> Result<(), EdgeError>;

    /// Begins a backup. What an earlier beginning of the same one left is thrown away.
    async fn begin(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError>;

    /// Writes one part of a backup that was begun, to the disk and no less. Ends with an error before the disk is full.
    async fn write(
        &self,
        instance: &InstanceName,
        id: &BackupId,
        part: Part,
        bytes: ByteStream,
    ) -> Result<PartSum, EdgeError>;

    /// Writes the manifest and lets the backup be seen, in one moment. One that is published already stays as it is.
    async fn publish(&self, manifest: &Manifest) -> Result<(), EdgeError>;

    /// Reads a published backup back whole: sizes, sums, the dump by `pg_restore`, and whether
    /// every file that the database names is in it. A sound one is marked so, anew each time.
    async fn verify(&self, instance: &InstanceName, id: &BackupId) -> Result<Soundness, EdgeError>;

    /// Takes a backup that is not sound out of the way, so that another can be taken under its name. One that was sound
    /// once is kept for a person, in the place that is returned; any other is thrown away.
    async fn reject(&self, instance: &InstanceName, id: &BackupId) -> Result<Option<String>, EdgeError>;

    /// Removes a backup that was not read back, published or not. Absent is success, and a verified one stays.
    async fn discard(&self, instance: &InstanceName, id: &BackupId) -> Result<(), EdgeError>;
}
