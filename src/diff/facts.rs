//! Everything that a decision may know.

use crate::model::errand::Errand;
use crate::model::live::{Live, Seen};
use crate::model::name::{InstanceName, Resources, Uid};
use crate::model::service::{Owner, Ports};
use crate::model::settings::Settings;
use crate::model::time::Timestamp;
use crate::model::tombstone::Tombstone;
use crate::model::wanted::Wanted;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that a decision may know. The same facts always give the same changes.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The time at which the facts hold.
    pub now: Timestamp,
    /// The zone in which people read the times of messages.
    pub zone: TimeZone,
    /// The host's settings.
    pub settings: Arc<Settings>,
    /// All instances of the fleet: those with a file, those that the journal knows, those that the world shows.
    pub instances: BTreeMap<InstanceName, InstanceFacts>,
    /// The world.
    pub live: Live,
    /// What is known of what belongs to no single instance.
    pub host: HostFacts,
    /// Bytes free where Docker and PostgreSQL keep data; none when not known.
    pub disk_free_bytes: Option<u64>,
    /// What the guard against mass changes counts.
    pub guard: GuardFacts,
}

impl Facts {
    /// True when the instance's file is known to be gone. One that is missing from a list which could not be read whole is
    /// not: nothing may be concluded from that, whoever wrote the facts down.
    pub fn is_file_gone(&self, instance: &InstanceFacts) -> bool {
        instance.file == FileState::Missing && !self.guard.files_unlisted
    }

    /// True when the instance had data, and no database or no volume that is marked as its own is there. What has lost its
    /// mark is in no other instance's look.
    pub(super) fn has_lost_data(&self, instance: &InstanceFacts, resources: &Resources) -> bool {
        let (database, engine) = (self.live.database.known(), self.live.engine.known());
        let is_own = |owner: &Owner| owner.tag().is_some_and(|tag| tag.uid == instance.uid);
        let no_database =
            || database.is_some_and(|it| !it.databases.get(&resources.database).is_some_and(|it| is_own(&it.owner)));
        let no_volume = || engine.is_some_and(|it| !it.volumes.get(&resources.volume).is_some_and(is_own));
        instance.provisioned && (no_database() || no_volume())
    }
}

/// What the guard against mass changes counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GuardFacts {
    /// Seconds on the installation's steady clock, which nobody can set.
    pub steady_s: u64,
    /// Instances that were retired, stopped or purged in the last hour of that clock.
    pub disrupted: BTreeSet<InstanceName>,
    /// Instances that a person let through by name.
    pub permitted: BTreeSet<InstanceName>,
    /// The list of files could not be read: nothing may be concluded from a file that is not there.
    pub files_unlisted: bool,
}

/// What is known of one instance besides what the world shows.
#[derive(Debug, Clone)]
pub struct InstanceFacts {
    /// The last good version of its file; none when there never was one.
    pub wanted: Option<Arc<Wanted>>,
    /// How the file stands now.
    pub file: FileState,
    /// Its identity: from the journal, else from the marks on its objects, else new.
    pub uid: Uid,
    /// The mark that its role's comment should show.
    pub password_mark: String,
    /// The same of the password that the role has from its final backup on.
    pub backup_password_mark: String,
    /// The journal says that it was set up once.
    pub provisioned: bool,
    /// Ports that it was given; they stay.
    pub ports: Option<Ports>,
    /// Counts the versions of its file.
    pub generation: u64,
    /// The version that was last brought into the world.
    pub observed_generation: u64,
    /// Steps that failed, by [`crate::model::step::Step::key`].
    pub failures: BTreeMap<String, Failure>,
    /// The mark of the password for outgoing mail; none when no file with one is named.
    pub smtp_password: Option<Seen<String>>,
    /// What was asked for once.
    pub errands: Vec<Errand>,
    /// Drift that was repaired within [`REPAIRS_WITHIN_S`], by the step's key, oldest first.
    pub repairs: BTreeMap<String, Vec<Timestamp>>,
    /// What is known about its end.
    pub ending: EndingFacts,
    /// It was settled on another wish than the present one (its file, its plan or the settings changed since).
    pub updating: bool,
    /// Its part in a change of many.
    pub roll_out: Option<RollOut>,
    /// Long work that goes on for it now, by [`crate::model::step::Step::key`]. None of it is known after a restart.
    pub work: BTreeMap<String, LongWork>,
    /// When its container was seen to have ended by itself and to have been started again by the engine, the newest last.
    /// Only what this process saw, and of the last minutes.
    pub crashes: Vec<Timestamp>,
}

/// Long work that this process began and that has not ended yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LongWork {
    /// Which work: [`crate::model::step::Action::work`].
    pub work: String,
    /// False while it waits for a place: nothing was done yet.
    pub running: bool,
}

/// An instance's part in a change of many: an edit of `plans.toml` reaches one instance first, then ever more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollOut {
    /// When the change was seen: all that have the same time belong together.
    pub wave: Timestamp,
    /// It has the change.
    pub done: bool,
    /// It did not serve when the change began, or failed before: it comes last and holds up nobody.
    pub late: bool,
}

/// So far back decisions look for repairs.
pub const REPAIRS_WITHIN_S: i64 = 3_600;

/// What is known of the host besides what the world shows.
#[derive(Debug, Clone, Default)]
pub struct HostFacts {
    /// Steps that failed, by [`crate::model::step::Step::key`].
    pub failures: BTreeMap<String, Failure>,
    /// Drift that was repaired within [`REPAIRS_WITHIN_S`], by the step's key, oldest first.
    pub repairs: BTreeMap<String, Vec<Timestamp>>,
}

/// What is known about the end of an instance, besides its file's own word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EndingFacts {
    /// It is being retired, or was.
    pub tombstone: Option<Tombstone>,
    /// Its file was missing in two complete scans that were far enough apart.
    pub vanished: bool,
    /// The instance whose new file has what this one's missing file had.
    pub renamed_to: Option<InstanceName>,
    /// The instance whose missing file had what this one's new file has.
    pub renamed_from: Option<InstanceName>,
    /// Bytes of its filestore as last measured; none when not known.
    pub filestore_bytes: Option<u64>,
    /// The last version of its file that did not ask for its end was protected.
    pub was_protected: bool,
}

/// How an instance's file stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// Read, and in force.
    Valid,
    /// Has problems, each as one line of text; the last good version stays in force.
    Invalid(Vec<String>),
    /// Not there, in a complete scan.
    Missing,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Digest of the action that failed ([`crate::model::secret::digest`]): another input is tried at once.
    pub input: String,
    /// The file's version at that time: a new one is tried at once.
    pub generation: u64,
    /// How often in a row.
    pub attempts: u32,
    /// True: only another input helps.
    pub permanent: bool,
    /// When it is tried again; none when permanent.
    pub next_try: Option<Timestamp>,
    /// What went wrong.
    pub message: String,
}
