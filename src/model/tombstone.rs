//! The mark of an instance that is being retired or was: since when, and until when its data are kept.

use super::backup::BackupId;
use super::name::{Domain, InstanceName, Uid};
use super::time::{Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The mark of an instance that is being retired or was. While it stands, names, domains and database stay reserved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// Which instance.
    pub instance: InstanceName,
    /// Its identity.
    pub uid: Uid,
    /// Every name that it answers to, with 410 from now on.
    pub hosts: BTreeSet<Domain>,
    /// When it was opened. The final backup is called after it.
    pub retired_at: Timestamp,
    /// The same moment on the installation's steady clock, in seconds (`journal::Journal::steady`).
    pub retired_steady_s: u64,
    /// Its data are kept at least until then.
    pub purge_after: Timestamp,
    /// Why, as half a sentence: "its file says state = \"absent\"".
    pub why: String,
    /// When its container last started, as far as that was seen: one that ran again after that has newer data than the
    /// final backup.
    pub last_start: Option<Timestamp>,
    /// The purge began: what began goes on.
    pub purging: bool,
    /// Its database or its volume was about to be deleted: from here on they cannot be counted upon.
    #[serde(default = "unknown")]
    pub deleting: bool,
}

/// A version that did not note it may have begun.
fn unknown() -> bool {
    true
}

/// How far the grace period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// It is not over.
    Running,
    /// It is over by the clock, but so much of it was not seen to pass: the clock was moved, or the host was off.
    Unwitnessed(Seconds),
    /// It is over.
    Over,
}

impl Tombstone {
    /// The final backup's name.
    pub fn backup(&self) -> BackupId {
        BackupId::of(&self.instance, self.uid, self.retired_at)
    }

    /// How far the grace period is. It must have passed twice: by the clock, and by the installation's steady clock, which
    /// counts only time that this host was up and which nobody can set.
    pub fn grace(&self, now: Timestamp, steady_s: u64) -> Grace {
        let whole_s = u64::try_from(self.purge_after.as_second() - self.retired_at.as_second()).unwrap_or(0);
        let witnessed_s = steady_s.saturating_sub(self.retired_steady_s);
        match () {
            () if now < self.purge_after => Grace::Running,
            () if witnessed_s < whole_s => Grace::Unwitnessed(Seconds(whole_s - witnessed_s)),
            () => Grace::Over,
        }
    }
}
