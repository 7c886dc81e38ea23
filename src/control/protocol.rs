//! What is said over the socket. Fields are only ever added, each with a default.

use super::view::View;
use crate::model::backup::BackupLive;
use crate::model::changes::{Changes, Hold};
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::silence::{AlertsOf, Silence};
use crate::model::status::FleetStatus;
use crate::model::time::Timestamp;
use crate::model::usage::UsageHistory;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The daemon's first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of this conversation: [`crate::model::status::SCHEMA`].
    pub schema: u32,
    /// The daemon's own version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// When it started.
    pub since: Timestamp,
    /// What it can do besides answering: [`STREAMS`]. A daemon of before says nothing here.
    #[serde(default)]
    pub can: Vec<String>,
}

/// In [`Hello::can`]: it knows [`Request::Watch`] and [`Request::Logs`].
pub const STREAMS: &str = "streams";

/// What may be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Request {
    /// How the fleet stands.
    Status,
    /// Bring instances to what their files ask for, and tell how it goes.
    Apply(ApplyRequest),
    /// Something to be done once.
    Errand {
        /// For which instance.
        instance: InstanceName,
        /// What the daemon is asked to do.
        kind: ErrandKind,
    },
    /// Look at these instances now; at the whole fleet when there is none. Answered before the look.
    Wake {
        /// The instances; none for the whole fleet.
        #[serde(default)]
        names: Vec<InstanceName>,
    },
    /// Which of these instances were looked at since a [`Reply::Woken`]: what is said of the others may be older than what was
    /// asked for.
    Looked {
        /// The number of that answer.
        ticket: u64,
        /// The instances.
        names: Vec<InstanceName>,
    },
    /// Somebody knows of these alerts.
    Silence(SilenceRequest),
    /// These alerts ask for attention again.
    Unsilence(AlertsOf),
    /// What an instance used: see [`UsageHistory`].
    Usage {
        /// The instance whose usage is wanted.
        instance: InstanceName,
    },
    /// What would be done, for these instances or for the whole fleet, by a look of the daemon's own.
    Plan {
        /// The instances; none for the whole fleet.
        #[serde(default)]
        names: Vec<InstanceName>,
    },
    /// The backups of these instances, or of all that have any, by a look of the daemon's own.
    Backups {
        /// The instances; none for all.
        #[serde(default)]
        names: Vec<InstanceName>,
    },
    /// Tell the whole fleet, then whatever becomes different, until the client goes.
    Watch,
    /// Tell what an instance's container or job writes, until the client goes.
    Logs(LogRequest),
}

/// Somebody knows of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRequest {
    /// The alerts that are meant.
    #[serde(flatten)]
    pub of: AlertsOf,
    /// Until then, at most [`crate::model::silence::SILENCE_D_MAX`] days. Without it those that are open are
    /// acknowledged: until each is over.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

/// What would be done, as the daemon sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Planned {
    /// What would be done.
    pub changes: Changes,
    /// Systems that could not be looked at, and why.
    #[serde(default)]
    pub unseen: BTreeMap<String, String>,
}

/// Which output is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRequest {
    /// The instance whose output it is.
    pub instance: InstanceName,
    /// Which of its outputs.
    #[serde(default)]
    pub source: LogOf,
    /// Begin with the last so many lines.
    #[serde(default)]
    pub tail: Option<u64>,
}

/// Which output of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogOf {
    /// The application's container.
    #[default]
    Odoo,
    /// The newest job container.
    Job,
}

/// Bring instances to what their files ask for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// Which; none is all.
    #[serde(default)]
    pub names: Vec<InstanceName>,
    /// At most so many seconds.
    #[serde(default)]
    pub timeout_s: Option<u64>,
    /// Stay with instances that fail, or whose systems are down, and try again until the time is over. Otherwise an
    /// instance is given up at its first failure.
    #[serde(default)]
    pub patient: bool,
    /// Instances that the guard holds and that a person let through, once.
    #[serde(default)]
    pub permits: Vec<InstanceName>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<FleetStatus>),
    /// While an apply goes on.
    Progress(Progress),
    /// The end of an apply.
    Converged(Converged),
    /// To [`Request::Errand`].
    Errand {
        /// The errand's id.
        id: u64,
    },
    /// To [`Request::Wake`].
    Woken {
        /// For [`Request::Looked`]; none of a daemon of before, which counts nothing.
        #[serde(default)]
        ticket: Option<u64>,
    },
    /// To [`Request::Looked`].
    Looked {
        /// Those that were looked at since.
        names: Vec<InstanceName>,
    },
    /// To [`Request::Silence`].
    Silenced {
        /// What was noted.
        silences: Vec<Silence>,
    },
    /// To [`Request::Unsilence`].
    Unsilenced {
        /// So many silences ended.
        count: u64,
    },
    /// To [`Request::Usage`].
    Usage(Box<UsageHistory>),
    /// To [`Request::Plan`].
    Planned(Box<Planned>),
    /// To [`Request::Backups`].
    Backups {
        /// In no order.
        backups: Vec<BackupLive>,
    },
    /// The request was not understood or cannot be done.
    Refused {
        /// Why, as a sentence.
        message: String,
    },
    /// The client was too slow: so many progress lines were left out here.
    Missed {
        /// How many.
        lines: u64,
    },
    /// To [`Request::Watch`], again and again.
    View(Box<View>),
    /// To [`Request::Logs`], again and again.
    Log {
        /// The client was too slow: so many lines were left out before these.
        #[serde(default)]
        dropped: u64,
        /// Lines, oldest first.
        lines: Vec<String>,
    },
    /// The output ended; none when nothing went wrong.
    LogEnd {
        /// Why it could not be read on.
        #[serde(default)]
        error: Option<String>,
    },
}

/// One step of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Whose step; none is the host's.
    pub instance: Option<InstanceName>,
    /// Which step.
    pub step: String,
    /// What became of it.
    pub word: ProgressWord,
    /// Its reason when it begins, the error when it failed.
    pub message: String,
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProgressWord {
    /// It begins.
    Began,
    /// It is done.
    Done,
    /// It failed.
    Failed,
}

/// The end of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Converged {
    /// Over all instances.
    pub verdict: Verdict,
    /// Each instance.
    pub instances: BTreeMap<InstanceName, InstanceEnd>,
    /// What belongs to no single instance and went wrong.
    #[serde(default)]
    pub host: Vec<String>,
    /// Steps that were done for no single instance.
    #[serde(default)]
    pub host_steps_done: u64,
}

/// How an apply ended, over all instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every instance is as its file asks.
    Settled,
    /// Some are, some are not.
    Partly,
    /// None is, and one failed at least.
    Failed,
    /// None is, because a system did not answer.
    Unreachable,
    /// None is, and a person must act first.
    Held,
    /// The time was over.
    TimedOut,
    /// A signal cut it short.
    Interrupted,
}

/// How an apply ended for one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceEnd {
    /// The word.
    pub end: End,
    /// Steps that were done.
    pub steps_done: u64,
    /// What waits, and why.
    pub holds: Vec<Hold>,
    /// Why it is not settled; empty when it is.
    pub message: String,
}

/// The word for one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// As its file asks.
    Settled,
    /// A step failed.
    Failed,
    /// A system did not answer.
    Unreachable,
    /// A person must act first.
    Held,
    /// Still under way when the time was over, or when it was cut short.
    Unfinished,
}

impl Converged {
    /// Folds the ends of all instances into one verdict. `cut` is why it ended early, if it did.
    pub fn of(instances: BTreeMap<InstanceName, InstanceEnd>, host: Vec<String>, cut: Option<Verdict>) -> Self {
        let is = |word: End| instances.values().filter(|instance| instance.end == word).count();
        let settled = is(End::Settled);
        let verdict = if settled == instances.len() && host.is_empty() {
            Verdict::Settled
        } else if let Some(cut) = cut {
            cut
        } else if settled > 0 {
            Verdict::Partly
        } else if is(End::Failed) > 0 || !host.is_empty() {
            Verdict::Failed
        } else if is(End::Unreachable) > 0 {
            Verdict::Unreachable
        } else if is(End::Held) > 0 {
            Verdict::Held
        } else {
            Verdict::TimedOut
        };
        Self { verdict, instances, host, host_steps_done: 0 }
    }
}
