//! What happened, one entry each.

use super::name::InstanceName;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For the developer.
    Debug,
    /// As expected.
    Info,
    /// Somebody should look at it this week.
    Warning,
    /// Somebody should look at it today.
    Error,
    /// Somebody should look at it now.
    Critical,
}

/// What events and alerts of the host are about, by kind.
macro_rules! reasons {
    ($($kind:literal: $($name:ident),+;)*) => {
        /// What happened, as one word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[doc = concat!("Of the kind `", $kind, "`.")] $name,)+)*
        }

        impl Reason {
            /// All of them, by kind.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)*];

            /// The word as in JSON.
            pub fn as_str(self) -> &'static str {
                match self { $($(Self::$name => stringify!($name),)+)* }
            }

            /// What it is about; see [`Event::kind`].
            pub fn kind(self) -> &'static str {
                match self { $($(Self::$name => $kind,)+)* }
            }
        }
    };
}

reasons! {
    "step": StepDone, StepFailed, StepInterrupted, DriftRepaired, NotSettling;
    "drift": DriftFound, DriftFight, ContainerDied;
    "file": FileAdded, FileChanged, FileInvalid, FileMended, FileMissing, FileVanished, FilesMended, Forgotten, RestartNeeded, RollOutBegan, SettingsChanged, TemplateBroken, TemplateMended;
    "ending": BackupDamaged, BackupPartial, BackupVerified, CameBack, Purged, Purging, Retiring;
    "guard": GuardClosed, GuardOpen, LetThrough;
    "errand": ErrandDone, ErrandDropped, ErrandNoted, Retried;
    "alert": AlertClosed, AlertOpened, AlertSeen, AlertSilenced, SilenceEnded;
    "usage": CpuBusy, DiskNearlyFull, MemoryAtLimit, OutOfMemory, StrainOver;
    "edge": EdgeBack, EdgeLost;
    "journal": LaterIdentity;
    "daemon": ClockSet, DaemonStarted, DaemonStopped, JournalBroken, LockLost, NotWatching, StateUnwritable;
    "credentials": CredentialsShown;
}

/// One thing that happened. Serializes as a line of `events --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Version of this document.
    pub schema: u32,
    /// Place in the journal, growing; one that repeats gets a new place.
    pub seq: u64,
    /// When it happened last.
    pub at: Timestamp,
    /// How much it matters.
    pub level: Level,
    /// Whose it is; none is the host's.
    pub instance: Option<InstanceName>,
    /// What it is about: `step`, `drift`, `file`, `ending`, `guard`, `errand`, `alert`, `usage`, `edge`, `journal`, `daemon` or
    /// `credentials`.
    pub kind: String,
    /// CamelCase word: `StepDone`, `StepFailed`, `DriftFound`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// The step it belongs to.
    pub step: Option<String>,
    /// What caused it: a commit, a file change, a person.
    pub cause: Option<String>,
    /// How often the very same event came in a row.
    pub count: u64,
}

/// An event before the journal gives it its place and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// See [`Event::level`].
    pub level: Level,
    /// See [`Event::instance`].
    pub instance: Option<InstanceName>,
    /// See [`Event::reason`].
    pub reason: Reason,
    /// See [`Event::message`].
    pub message: String,
    /// See [`Event::step`].
    pub step: Option<String>,
    /// See [`Event::cause`].
    pub cause: Option<String>,
}
