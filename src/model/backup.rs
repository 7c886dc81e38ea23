//! A backup: what it is called, what it consists of, and what its manifest says. The first version of the archive format.
//!
//! A backup is a directory with one file a part and a `manifest.json`. The manifest is written last, so a directory that
//! has one is whole; what reading it back came to is a mark of its own (`verified.json`: `at`, `tool`, and where files are
//! missing `missing`, a [`MissingFiles`], all of which stand in `missing-files.txt`), because it becomes true later.

use super::database::Access;
use super::name::{InstallationId, InstanceName, ModuleName, NameError, Uid};
use super::service::Tag;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Version of the manifest and of the layout of a backup that this program writes and understands.
pub const FORMAT: u32 = 1;
/// An instance's name, a time and a piece of its identity fit well into this.
const ID_BYTES_MAX: usize = 100;

/// The name of a backup, which is the name of its directory: instance, time of its beginning, end of the instance's uid.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BackupId(Box<str>);

impl BackupId {
    /// The id of the backup that is begun for this instance at this moment: the same in, the same out.
    pub fn of(instance: &InstanceName, uid: Uid, begun_at: Timestamp) -> Self {
        let time = begun_at.strftime("%Y%m%dT%H%M%SZ");
        let uid = uid.0.simple().to_string();
        Self(format!("{instance}-{time}-{}", &uid[uid.len() - 8..]).into())
    }

    /// Takes `text` when it can be the name of a directory and nothing else.
    ///
    /// # Errors
    /// [`NameError`] with the rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let valid = (1..=ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-');
        match valid {
            true => Ok(Self(text.into())),
            false => Err(NameError {
                what: "backup id",
                given: super::name::shorten(text),
                rule: "1 to 100 letters, digits and hyphens, no hyphen at the beginning",
            }),
        }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for BackupId {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<BackupId> for String {
    fn from(id: BackupId) -> String {
        id.0.into()
    }
}

/// Why a backup is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupCause {
    /// The instance is retired: without this one, verified, its data are never deleted.
    Final,
}

/// One file of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// `pg_dump` in its custom format.
    Database,
    /// The instance's volume (filestore and sessions) as a tar archive.
    Filestore,
}

impl Part {
    /// The file's name in the backup's directory.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Database => "database.dump",
            Self::Filestore => "filestore.tar",
        }
    }
}

/// A backup to take: database first, filestore second, so that every file which the dump names is still there when the
/// filestore is read (Odoo's files are content-addressed and never changed in place).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSpec {
    /// What it will be called.
    pub id: BackupId,
    /// Of which instance.
    pub instance: InstanceName,
    /// That instance's identity.
    pub uid: Uid,
    /// What it was taken for.
    pub cause: BackupCause,
    /// The database to dump, connected to as its own role; none when there is none.
    pub database: Option<DumpSpec>,
    /// The container whose volume is read, which must not run; none when there is no volume.
    pub filestore: Option<FilestoreSpec>,
    /// The Odoo release that the database belongs to, such as `19.0.1.3`, as far as it is known.
    pub odoo: Option<String>,
    /// Modules that are installed in it, as far as they are known.
    pub modules: BTreeSet<ModuleName>,
}

/// A database to dump.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpSpec {
    /// Its name, and that of the role that owns it.
    pub database: String,
    /// With which of the role's passwords it is connected to.
    pub access: Access,
    /// Generation of the role's password.
    pub password_generation: u32,
}

/// A volume to read through a container that mounts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilestoreSpec {
    /// The container.
    pub container: String,
    /// The mark that it must carry.
    pub tag: Tag,
}

/// What a backup's `manifest.json` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`]
    pub format: u32,
    /// The backup.
    pub id: BackupId,
    /// By which installation it was taken.
    pub installation: InstallationId,
    /// Of which instance.
    pub instance: InstanceName,
    /// That instance's identity.
    pub uid: Uid,
    /// Why it was taken.
    pub cause: BackupCause,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When its last part was written.
    pub ended_at: Timestamp,
    /// The database's name; none when there was none.
    pub database: Option<String>,
    /// The Odoo release that the database belongs to, as far as it was known.
    pub odoo: Option<String>,
    /// Modules that were installed, as far as they were known.
    pub modules: BTreeSet<ModuleName>,
    /// Each part with its sum.
    pub parts: BTreeMap<Part, PartSum>,
    /// The program that took it: `innkeeper 0.1.0`.
    pub tool: String,
}

impl Manifest {
    /// What a whole backup of a customer has and this one has not, in words; none for one with everything.
    pub fn lacks(&self) -> Option<&'static str> {
        let has = |part| self.parts.contains_key(&part);
        // One that was never set up may have had no volume yet.
        let was_set_up = self.odoo.is_some() || !self.modules.is_empty();
        match () {
            () if !has(Part::Database) => Some("no database"),
            () if !has(Part::Filestore) && was_set_up => Some("no filestore"),
            () => None,
        }
    }

    /// All parts together, in bytes.
    pub fn bytes(&self) -> u64 {
        self.parts.values().map(|part| part.bytes).sum()
    }
}

/// One part, as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSum {
    /// Its size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// Files that a backup's database names and that it does not have: its filestore was not whole when it was taken, or the
/// disk could not give them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MissingFiles {
    /// How many; 0 is a backup with everything.
    pub count: u64,
    /// The first of them, at most [`Self::TOLD_MAX`], as the database names them (`ab/ab12…`).
    pub first: Vec<String>,
}

impl MissingFiles {
    /// So many are named where all of them would be too many.
    pub const TOLD_MAX: usize = 5;

    /// What is told of all these.
    pub fn of(names: &BTreeSet<String>) -> Self {
        Self { count: names.len() as u64, first: names.iter().take(Self::TOLD_MAX).cloned().collect() }
    }

    /// True for a backup that has everything.
    pub fn is_none(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for MissingFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more = if self.count > self.first.len() as u64 { ", …" } else { "" };
        let files =
            if self.count == 1 { "file that its database names is" } else { "files that its database names are" };
        write!(f, "{} {files} not in it ({}{more})", self.count, self.first.join(", "))
    }
}

/// What every list of backups says, so that nobody believes in what is not taken.
pub const NOT_SCHEDULED: &str =
    "this version takes no backup on a schedule: it takes one at an instance's end, before its data is deleted";

/// A backup that stands in the archive, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupLive {
    /// What its manifest says.
    pub manifest: Manifest,
    /// When it was read back whole, its sums compared and its dump read by `pg_restore`; none before that.
    pub verified_at: Option<Timestamp>,
    /// What was found missing when it was read back.
    pub missing: MissingFiles,
    /// Where it stands, for people.
    pub place: String,
}

/// What the archive shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ArchiveLive {
    /// Whole backups of the instances that were asked about, by id.
    pub backups: BTreeMap<InstanceName, BTreeMap<BackupId, BackupLive>>,
    /// Bytes that are free where backups are written; none when not known.
    pub free_bytes: Option<u64>,
}

impl ArchiveLive {
    /// That backup of that very instance.
    pub fn find(&self, instance: &InstanceName, uid: Uid, id: &BackupId) -> Option<&BackupLive> {
        let backup = self.backups.get(instance)?.get(id)?;
        (backup.manifest.uid == uid && backup.manifest.instance == *instance).then_some(backup)
    }

    /// The newest backup of an instance.
    pub fn newest(&self, instance: &InstanceName, uid: Uid) -> Option<&BackupLive> {
        let own = self.backups.get(instance)?.values().filter(|backup| backup.manifest.uid == uid);
        own.max_by_key(|backup| backup.manifest.begun_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_directory_and_nothing_else() {
        let name = InstanceName::parse("acme").unwrap();
        let uid: Uid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let id = BackupId::of(&name, uid, "2026-03-01T12:00:00Z".parse().unwrap());
        assert_eq!(id.as_str(), "acme-20260301T120000Z-099a8057");
        assert_eq!(BackupId::parse(id.as_str()), Ok(id));
        for text in ["", "..", "a/b", "-rf", "a.partial", "a b", "\u{e9}"] {
            assert!(BackupId::parse(text).is_err(), "{text}");
        }
    }
}
