//! What a watcher is told: the whole fleet once, then only what became different.
//!
//! Nothing is kept for a client: the daemon marks each part with the revision at which it changed last, and a view is
//! whatever is newer than what that client has. One that reads slowly gets fewer views, and the newest state.

use crate::model::event::Event;
use crate::model::job_progress::JobProgress;
use crate::model::name::{Domain, InstanceName, PlanName};
use crate::model::status::{Alert, DaemonStatus, InstanceStatus, SCHEMA, UsageStatus};
use crate::model::step::{FieldChange, Origin, Risk, Step, StepId};
use crate::model::time::Timestamp;
use crate::model::wanted::Wanted;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Instances in one line of a view: a line is 200 KB, which its reader takes apart within a millisecond or two.
pub const VIEW_INSTANCES_MAX: usize = 64;
/// Events that a watcher is given at first.
pub const EVENTS_KEPT_MAX: usize = 500;
/// Steps that ended and are still shown.
pub const RUNS_KEPT_MAX: usize = 200;

/// How far a watcher has been told. Zero is nothing yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Revision of the instances, alerts and the fleet.
    pub board: u64,
    /// Revision of the steps.
    pub runs: u64,
    /// Events told so far, counted from the daemon's start.
    pub events: u64,
}

/// One line of what a watcher is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Version of this document.
    pub schema: u32,
    /// When it was made.
    pub at: Timestamp,
    /// Forget all that was told before.
    #[serde(default)]
    pub whole: bool,
    /// More lines belong to this view.
    #[serde(default)]
    pub more: bool,
    /// What belongs to no single instance; none when it is as before.
    #[serde(default)]
    pub fleet: Option<FleetView>,
    /// Instances that are new or different.
    #[serde(default)]
    pub instances: Vec<InstanceView>,
    /// Instances of which only the usage is different.
    #[serde(default)]
    pub usage: Vec<UsageView>,
    /// Instances that are gone.
    #[serde(default)]
    pub removed: Vec<InstanceName>,
    /// Steps that began or ended.
    #[serde(default)]
    pub runs: Vec<RunView>,
    /// They are all that are known: forget the others. So it is when some ended that could not be told any more.
    #[serde(default)]
    pub runs_whole: bool,
    /// What happened, oldest first. One with a known `seq` was repeated.
    #[serde(default)]
    pub events: Vec<Event>,
    /// Events left out before those, because the watcher was too slow.
    #[serde(default)]
    pub events_missed: u64,
}

impl View {
    /// One that says that nothing is different.
    pub fn nothing(at: Timestamp) -> Self {
        Self {
            schema: SCHEMA,
            at,
            whole: false,
            more: false,
            fleet: None,
            instances: Vec::new(),
            usage: Vec::new(),
            removed: Vec::new(),
            runs: Vec::new(),
            runs_whole: false,
            events: Vec::new(),
            events_missed: 0,
        }
    }

    /// True when it says nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::nothing(self.at)
    }
}

/// What belongs to no single instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetView {
    /// `fleet.base_domain`
    pub base_domain: Domain,
    /// `fleet.timezone`
    pub timezone: String,
    /// The daemon.
    pub daemon: DaemonStatus,
    /// Its version.
    pub version: String,
    /// Open alerts.
    pub alerts: Vec<Alert>,
    /// Service plans and how full they are.
    pub plans: Vec<PlanView>,
    /// The host.
    pub host: HostView,
}

/// One service plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanView {
    /// Its name.
    pub name: PlanName,
    /// What customers see it called.
    pub title: String,
    /// Instances on it.
    pub used: u32,
    /// Instances that may be on it.
    pub max_instances: u32,
}

/// The host that the daemon runs on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostView {
    /// Its name.
    pub name: String,
    /// Processor cores.
    pub cpus: u32,
    /// Load average over one minute; none when the system does not tell.
    pub load: Option<f64>,
    /// Memory of the host.
    pub memory_bytes: Option<u64>,
    /// Of it, what programs may still have.
    pub memory_available_bytes: Option<u64>,
    /// Size of the file system with the state directory.
    pub disk_bytes: Option<u64>,
    /// Of it, what is free.
    pub disk_free_bytes: Option<u64>,
    /// The systems behind the edges.
    pub edges: Vec<EdgeView>,
    /// Instances that have their turn now.
    pub turns_running: u64,
    /// Instances that wait for one.
    pub turns_waiting: u64,
}

/// One system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeView {
    /// The system, by its name in the settings.
    pub edge: String,
    /// Why it does not answer; none while it does.
    pub lost: Option<String>,
    /// Since when it does not.
    pub since: Option<Timestamp>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceView {
    /// How it stands.
    pub status: Arc<InstanceStatus>,
    /// What its file asks for; none when there never was a good version of it.
    #[serde(default)]
    pub wanted: Option<Arc<Wanted>>,
    /// What is to be done, as `plan` tells it.
    #[serde(default)]
    pub steps: Arc<[PendingStep]>,
}

/// The usage of one instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageView {
    /// The instance that it is about.
    pub instance: InstanceName,
    /// What it uses; none while it is not sampled.
    pub usage: Option<UsageStatus>,
}

/// One step that is to be done: the fields of `plan --json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingStep {
    /// Unique among the changes.
    pub id: StepId,
    /// Its kind.
    pub kind: String,
    /// What it acts on.
    pub resource: String,
    /// Half a sentence: why it would be done.
    pub reason: String,
    /// What brought it up.
    pub origin: Origin,
    /// What the customer notices.
    pub risk: Risk,
    /// What changes, field by field.
    pub fields: Vec<FieldChange>,
    /// Steps that must be done before it.
    pub after: Vec<StepId>,
}

impl From<&Step> for PendingStep {
    fn from(step: &Step) -> Self {
        Self {
            id: step.id.clone(),
            kind: step.action.kind().to_string(),
            resource: step.action.resource(),
            reason: step.reason.clone(),
            origin: step.origin,
            risk: step.risk,
            fields: step.fields.clone(),
            after: step.after.clone(),
        }
    }
}

/// One step on its way, or one that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunView {
    /// Identity, given by the daemon since its start.
    pub id: u64,
    /// Whose; none is the host's.
    pub instance: Option<InstanceName>,
    /// Which step.
    pub step: StepId,
    /// Its kind.
    pub kind: String,
    /// Half a sentence: why it is done.
    pub reason: String,
    /// When it began.
    pub since: Timestamp,
    /// How long such a step took here before: the median, in milliseconds. None when none has been seen.
    pub expected_ms: Option<u64>,
    /// The module that Odoo is at; none where nothing tells.
    #[serde(default)]
    pub progress: Option<JobProgress>,
    /// When it ended; none while it runs.
    pub ended: Option<Timestamp>,
    /// What went wrong, if anything did.
    pub error: Option<String>,
}
