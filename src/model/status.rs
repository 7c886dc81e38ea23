//! How an instance stands, as people and scripts see it. Derived at each look, never stored as truth.

use super::changes::{Hold, HoldReason};
use super::name::{Domain, InstanceName, ModuleName, OdooVersion, PlanName, Uid};
use super::silence::Quiet;
use super::time::Timestamp;
use super::wanted::WantedState;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Version of every JSON document that Innkeeper prints.
pub const SCHEMA: u32 = 1;

/// One derived word for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Serves, as the file asks.
    Ready,
    /// Being made for the first time.
    Provisioning,
    /// Serves; a change is being made.
    Updating,
    /// Wanted running, was set up once, does not serve as it should, and no change explains it.
    Degraded,
    /// Stopped, as the file asks.
    Stopped,
    /// Something waits for a person.
    Held,
    /// The file has problems and there is no good version of it.
    Invalid,
    /// A step failed.
    Failed,
    /// The file is gone; it runs on.
    Orphaned,
    /// Out of service, data kept.
    Retired,
}

impl State {
    /// All of them, as people meet them.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::Provisioning,
        Self::Updating,
        Self::Degraded,
        Self::Stopped,
        Self::Held,
        Self::Invalid,
        Self::Failed,
        Self::Orphaned,
        Self::Retired,
    ];

    /// The word as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Provisioning => "provisioning",
            Self::Updating => "updating",
            Self::Degraded => "degraded",
            Self::Stopped => "stopped",
            Self::Held => "held",
            Self::Invalid => "invalid",
            Self::Failed => "failed",
            Self::Orphaned => "orphaned",
            Self::Retired => "retired",
        }
    }

    /// Sorts what wants a person first.
    pub fn severity(self) -> u8 {
        match self {
            Self::Failed => 0,
            Self::Invalid => 1,
            Self::Degraded => 2,
            Self::Orphaned => 3,
            Self::Held => 4,
            Self::Provisioning => 5,
            Self::Updating => 6,
            Self::Ready => 7,
            Self::Stopped => 8,
            Self::Retired => 9,
        }
    }
}

/// What a condition is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionType {
    /// All of it, proven through the proxy.
    Ready,
    /// The file can be read and obeyed.
    SpecValid,
    /// Role and database are as they should be.
    DatabaseReady,
    /// Every wanted module is `installed`.
    ModulesReady,
    /// Company and administrator are set.
    SetupDone,
    /// The container runs as it should.
    AppReady,
    /// The proxy has loaded the site.
    SiteReady,
    /// Every host has a valid certificate.
    CertificateReady,
    /// Every host shows visitors the login page, with a certificate that browsers take, and opens its websocket. Only of
    /// whoever was set up and is wanted running.
    Serving,
    /// The newest backup was read back whole.
    BackupsHealthy,
    /// The world was changed behind our back and is not repaired yet.
    Drifted,
    /// The file is gone.
    Orphaned,
    /// `suspended = true`.
    Suspended,
    /// `protected = true`.
    Protected,
    /// It is being retired or was: its data are deleted after its grace period.
    RetirePending,
    /// Nothing moves until a person acts.
    Stalled,
}

impl ConditionType {
    /// What [`ConditionType::Ready`] consists of.
    pub const PARTS: [Self; 6] = [
        Self::DatabaseReady,
        Self::ModulesReady,
        Self::SetupDone,
        Self::AppReady,
        Self::SiteReady,
        Self::CertificateReady,
    ];

    /// The reason of what is not true because this is not: `NotAppReady`.
    pub fn unmet(self) -> String {
        match self {
            Self::CertificateReady => HoldReason::NoCertificate.as_str().to_owned(),
            _ => format!("Not{self:?}"),
        }
    }
}

/// True, False or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Could not be looked at.
    Unknown,
}

/// One condition of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// CamelCase word.
    pub reason: String,
    /// A sentence for people; may be empty.
    pub message: String,
    /// Since when the status is what it is.
    pub since: Timestamp,
    /// What it was when it could be seen last; only while it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known: Option<ConditionStatus>,
}

/// The reason of a condition whose system cannot be looked at.
pub const UNSEEN: &str = "Unseen";
/// Why the application is not ready where it has no container.
pub const NO_CONTAINER: &str = "NoContainer";

impl Condition {
    /// True when the system that would tell does not answer. What it was before may hold still.
    pub fn is_unseen(&self) -> bool {
        self.status == ConditionStatus::Unknown && self.reason == UNSEEN
    }
}

/// One instance in full: `I` of the documents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: InstanceName,
    /// Its identity; none before its first sight.
    pub uid: Option<Uid>,
    /// Its plan; none when no good version of the file is known.
    pub plan: Option<PlanName>,
    /// What the file asks for.
    pub wanted: WantedState,
    /// The derived word.
    pub state: State,
    /// Where it answers.
    pub url: Option<String>,
    /// All places where it answers, custom domains too.
    pub urls: Vec<String>,
    /// The Odoo release.
    pub odoo: Option<OdooVersion>,
    /// Loopback port of 8069.
    pub port: Option<u16>,
    /// Database's name.
    pub database: String,
    /// Container's name.
    pub container: String,
    /// Modules.
    pub modules: ModulesStatus,
    /// The certificates of its hosts, taken together; none while any is missing.
    pub certificate: Option<CertificateStatus>,
    /// Conditions, in the order of their types.
    pub conditions: Vec<Condition>,
    /// What waits and why.
    pub holds: Vec<Hold>,
    /// What it uses; none while not sampled.
    pub usage: Option<UsageStatus>,
    /// The newest backup.
    pub last_backup: Option<BackupStatus>,
    /// The step that runs now; none while none does.
    #[serde(default)]
    pub operation: Option<Operation>,
    /// When its data are deleted; none unless retired.
    pub purge_after: Option<Timestamp>,
    /// When a failed step is tried again.
    pub next_try: Option<Timestamp>,
    /// Counts the versions of its file that were seen.
    pub generation: u64,
    /// The version that the world was last brought to; equal to `generation` once a change is done.
    pub observed_generation: u64,
}

impl InstanceStatus {
    /// The condition of this kind; none in a document of a version that had no such kind.
    pub fn condition(&self, kind: ConditionType) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }

    /// The one thing worth saying: why it waits, else what is not as it should be. Empty when all is well. What runs now
    /// is said by [`InstanceStatus::doing`].
    pub fn note(&self) -> String {
        if let Some(hold) = self.holds.first() {
            return format!("{}: {}", hold.reason.as_str(), hold.message);
        }
        if matches!(self.state, State::Ready | State::Stopped | State::Retired) {
            return String::new();
        }
        // What is wrong before what is not known.
        let told = |status: ConditionStatus| {
            let of_it = |it: &&Condition| it.status == status && !it.message.is_empty();
            self.conditions.iter().filter(|it| is_noted(it.kind)).find(of_it)
        };
        let told = told(ConditionStatus::False).or_else(|| told(ConditionStatus::Unknown));
        told.map(|condition| condition.message.clone()).unwrap_or_default()
    }

    /// What runs now, for how long, and how far it is: `install-modules for 44s, module 19 of 65 (mail)`.
    pub fn doing(&self, now: Timestamp) -> Option<String> {
        self.operation.as_ref().map(|operation| operation.sentence(now))
    }

    /// Whether a condition is as it should be for what the file asks: nobody misses the container of who is meant to be
    /// stopped. None where that cannot be told, or where neither is better.
    pub fn is_right(&self, condition: &Condition) -> Option<bool> {
        let normal = match condition.kind {
            ConditionType::Protected => return None,
            ConditionType::Drifted
            | ConditionType::Orphaned
            | ConditionType::RetirePending
            | ConditionType::Stalled
            | ConditionType::Suspended => ConditionStatus::False,
            _ => ConditionStatus::True,
        };
        let rests = self.wanted != WantedState::Running;
        match (condition.kind, condition.status) {
            (ConditionType::RetirePending, ConditionStatus::True) if self.wanted == WantedState::Absent => Some(true),
            (ConditionType::Ready | ConditionType::AppReady | ConditionType::Serving, ConditionStatus::False)
                if rests =>
            {
                Some(true)
            }
            // No backup is taken while it lives, so it lacks none.
            (ConditionType::BackupsHealthy, ConditionStatus::Unknown) if condition.reason == "NoneYet" => None,
            (_, ConditionStatus::Unknown) => None,
            (_, status) => Some(status == normal),
        }
    }
}

/// Conditions whose message says what keeps an instance from serving. A backup that was not taken never does.
fn is_noted(kind: ConditionType) -> bool {
    !matches!(
        kind,
        ConditionType::Ready
            | ConditionType::BackupsHealthy
            | ConditionType::Drifted
            | ConditionType::Orphaned
            | ConditionType::Suspended
            | ConditionType::Protected
            | ConditionType::Stalled
    )
}

/// A step that runs, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// The step's kind: `install-modules`.
    pub kind: String,
    /// Which step: `acme/install-modules`.
    pub id: String,
    /// When it began.
    pub began: Timestamp,
    /// The place of what is being done, counted from 1; none where nothing tells.
    #[serde(default)]
    pub step: Option<u32>,
    /// Of so many.
    #[serde(default)]
    pub of: Option<u32>,
    /// What that place is: the module that Odoo loads.
    #[serde(default)]
    pub module: Option<String>,
    /// From 0 to 1, as far as it is known.
    #[serde(default)]
    pub fraction: Option<f64>,
}

impl Operation {
    /// `install-modules for 44s, module 19 of 65 (mail)`
    pub fn sentence(&self, now: Timestamp) -> String {
        let spent = super::text::between(self.began, now);
        let far = self.progress().map(|far| format!(", {far}")).unwrap_or_default();
        format!("{} for {spent}{far}", self.kind)
    }

    /// `module 19 of 65 (mail)`
    pub fn progress(&self) -> Option<String> {
        let far = super::job_progress::JobProgress {
            module: self.module.clone()?,
            step: self.step.unwrap_or_default(),
            of: self.of.unwrap_or_default(),
        };
        Some(far.to_string())
    }
}

/// Modules of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct ModulesStatus {
    /// What the plan and the file ask for.
    pub wanted: Arc<BTreeSet<ModuleName>>,
    /// What `ir_module_module` says is installed: a hundred names and more, the same for many instances.
    pub installed: Arc<BTreeSet<ModuleName>>,
}

/// Certificates of an instance's hosts, taken together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Names covered.
    pub names: BTreeSet<String>,
    /// The earliest end of validity.
    pub not_after: Timestamp,
    /// Who issued that one.
    pub issuer: String,
}

/// What an instance uses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsageStatus {
    /// When it was measured.
    pub at: Timestamp,
    /// Per cent of one core.
    pub cpu_percent: f64,
    /// Memory in use.
    pub memory_bytes: u64,
    /// Memory limit; 0 is none.
    pub memory_limit_bytes: u64,
    /// Database on disk.
    pub database_bytes: u64,
    /// Filestore on disk.
    pub filestore_bytes: u64,
}

impl UsageStatus {
    /// Whether its container runs. Without one, processor and memory are nothing to tell: not even 0.
    pub fn is_of_a_container(&self) -> bool {
        self.memory_bytes > 0
    }

    /// Database and filestore.
    pub fn disk_bytes(&self) -> u64 {
        self.database_bytes.saturating_add(self.filestore_bytes)
    }
}

/// A backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupStatus {
    /// Its id.
    pub id: String,
    /// When it was taken.
    pub at: Timestamp,
    /// Its size.
    pub bytes: u64,
    /// Read back whole.
    pub verified: bool,
    /// So many files that its database names are not in it.
    #[serde(default)]
    pub missing_files: u64,
    /// A whole part that is not in it: `no database`, `no filestore`.
    #[serde(default)]
    pub lacks: Option<String>,
}

impl BackupStatus {
    /// How good it is, in a word.
    pub fn word(&self) -> &str {
        match self.verified {
            _ if self.lacks.is_some() => self.lacks.as_deref().unwrap_or_default(),
            true if self.missing_files > 0 => "partial",
            true => "verified",
            false => "not verified",
        }
    }

    /// True when it was read back and nothing is missing in it.
    pub fn is_whole(&self) -> bool {
        self.verified && self.missing_files == 0 && self.lacks.is_none()
    }
}

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Whose; none is the host's.
    pub instance: Option<InstanceName>,
    /// CamelCase word.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
    /// Who knows of it already; none while nobody does. It is as open as any other.
    #[serde(default)]
    pub silence: Option<Quiet>,
}

/// The fleet: `status --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetStatus {
    /// Version of this document.
    pub schema: u32,
    /// When it was made.
    pub at: Timestamp,
    /// `fleet.base_domain`
    pub base_domain: Domain,
    /// The daemon.
    pub daemon: DaemonStatus,
    /// Open alerts.
    pub alerts: Vec<Alert>,
    /// All instances, by name.
    pub instances: Vec<InstanceStatus>,
}

/// The daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// It answers on its socket.
    pub running: bool,
    /// Its process id.
    pub pid: Option<u32>,
    /// When it started.
    pub since: Option<Timestamp>,
}

/// An error and its sources in one line: `could not …: connection refused`.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
