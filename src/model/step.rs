//! One effect on one edge, with every detail chosen.

use super::backup::{BackupId, BackupSpec};
use super::database::{DatabaseSpec, ExtensionsSpec, RoleSpec};
use super::name::{Domain, InstanceName, Uid};
use super::service::{ImageUser, JobSpec, JobWork, OdooConf, ServiceSpec, Tag};
use super::service_plan::Limits;
use super::site::{CertificateName, SiteRow};
use super::step_kind::StepKind;
use super::tombstone::Tombstone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One effect on one edge, a reason, an origin, a risk and what must be done before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Unique among the changes: `acme/create-database`.
    pub id: StepId,
    /// The effect.
    pub action: Action,
    /// Why, as half a sentence: "the container is gone".
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

/// Identity of a step among the changes of one decision.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub String);

impl std::fmt::Display for StepId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Step {
    /// What it acts on and why, as a sentence: `database odoo_acme: new instance`. What the reason names is not named twice.
    pub fn sentence(&self) -> String {
        let resource = self.action.resource();
        match self.reason.starts_with(&resource) {
            true => self.reason.clone(),
            false => format!("{resource}: {}", self.reason),
        }
    }

    /// The same once it was done: `certificate acme.example.com issued: none was stored (name acme.example.com)`.
    pub fn done(&self) -> String {
        let fields: Vec<String> = self.fields.iter().map(FieldChange::became).filter(|text| !text.is_empty()).collect();
        let fields = if fields.is_empty() { String::new() } else { format!(" ({})", fields.join(", ")) };
        format!("{} {}: {}{fields}", self.action.resource(), self.action.kind().done(), self.reason)
    }

    /// What it is among its instance's steps: the id without the instance. The key of its back-off.
    pub fn key(&self) -> &str {
        self.id.0.split_once('/').map_or(self.id.0.as_str(), |(_, key)| key)
    }

    /// Digest of what a failure of it belongs to: another input is tried at once. All rendering is the same action, so
    /// there it is the reason for it.
    pub fn input(&self) -> String {
        match &self.action {
            Action::RenderSites => super::secret::digest(&(&self.reason, &self.fields)),
            // What is left to install becomes less with each attempt: that is no other input.
            Action::RunJob(job) => super::secret::digest(&(&job.tag.digest, &job.image_id, job.memory_bytes)),
            action => super::secret::digest(action),
        }
    }
}

/// What brought a step up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A file asks for something new.
    Intended,
    /// The world was changed behind our back.
    Drift,
    /// A person asked for it once.
    Requested,
    /// Its time came.
    Schedule,
    /// This version of Innkeeper wants it otherwise.
    ToolUpgrade,
}

/// What the customer notices, worst case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// Nothing.
    None,
    /// A short interruption, or the outage that was asked for.
    Interruption,
    /// Data are deleted.
    Data,
}

/// One field's change, for people and for JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field: `memory`.
    pub field: String,
    /// What it is; none when the thing does not exist yet.
    pub from: Option<String>,
    /// What it becomes; none when it goes away.
    pub to: Option<String>,
}

impl FieldChange {
    /// Half a sentence about something that was changed behind our back: what it is, and what it should be. Empty where the
    /// step's reason says it all.
    pub fn differs(&self) -> String {
        let connections = |text: &str| match text {
            "-1" => "any number of connections".to_owned(),
            "1" => "1 connection".to_owned(),
            count => format!("{count} connections"),
        };
        let field = self.field.replace('_', " ");
        match (self.field.as_str(), self.from.as_deref(), self.to.as_deref()) {
            (_, Some("edited by hand"), _) | ("generation", ..) => String::new(),
            ("edited by hand", Some(what), None) => what.to_owned(),
            ("connection_limit", Some(from), Some(to)) => {
                format!("it may hold {} instead of {to}", connections(from))
            }
            ("login", Some("true"), _) => "it may log in and should not".to_owned(),
            ("login", Some(_), _) => "it may not log in and should".to_owned(),
            ("privilege", Some(what), None) => format!("it has {what}, which it should not have"),
            ("connect", Some(role), None) => format!("{role} may connect to it and should not"),
            ("password", _, _) => "its password is not the one it was given".to_owned(),
            ("hardening", Some(_), _) => "its hardening is incomplete".to_owned(),
            ("not_after", Some(end), None) => format!("its validity ends {end}"),
            ("state", Some(from), Some(to)) => format!("it is {from} and should be {to}"),
            (_, Some(from), Some(to)) => format!("its {field} is {from} instead of {to}"),
            (_, None, Some(to)) => format!("its {field} should be {to}"),
            (_, Some(from), None) => format!("its {field} is {from} and should not be"),
            (_, None, None) => field,
        }
    }

    /// The same once it was done: `memory 1 GiB → 2 GiB`.
    pub fn became(&self) -> String {
        let field = self.field.replace('_', " ");
        match (self.from.as_deref(), self.to.as_deref()) {
            (Some("edited by hand"), _) => String::new(),
            _ if self.field == "generation" => String::new(),
            (Some(what), None) if self.field == "edited by hand" => what.to_owned(),
            (Some(from), Some(to)) => format!("{field} {from} → {to}"),
            (None, Some(to)) => format!("{field} {to}"),
            (Some(end), None) if self.field == "not_after" => format!("the last one ended {end}"),
            (Some(from), None) => format!("{field} {from} taken back"),
            (None, None) => field,
        }
    }
}

/// Every effect that Innkeeper has. `apply` matches on it and has nothing left to choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Action {
    /// Makes the installation's network.
    CreateNetwork,
    /// Makes the role with its password, or gives an existing one of ours the attributes and the password it should have.
    SetRole(RoleSpec),
    /// Makes the database: owned by Innkeeper's role, open to its own role alone.
    CreateDatabase(DatabaseSpec),
    /// Takes back privileges that others got on the database, and gives its own role those that it needs.
    SetPrivileges(DatabaseSpec),
    /// Makes extensions in the database, as its own role.
    AddExtensions(ExtensionsSpec),
    /// Writes into the database's comment that an instance lives there: from then on it is never created anew.
    MarkProvisioned(DatabaseSpec),
    /// Makes the filestore's volume.
    CreateVolume {
        /// Its name.
        volume: String,
        /// The mark it carries.
        tag: Tag,
    },
    /// Writes odoo.conf.
    WriteConf {
        /// What it says.
        conf: OdooConf,
        /// Who may read it.
        owner: ImageUser,
    },
    /// Runs a job container to its end, or waits for the one that already runs.
    RunJob(JobSpec),
    /// Stops a job container that runs for longer than any of its kind may.
    StopJob {
        /// Its name.
        container: String,
        /// The mark it must carry.
        tag: Tag,
    },
    /// Removes a job container that is no longer needed.
    RemoveJob {
        /// Its name.
        container: String,
        /// The mark it must carry.
        tag: Tag,
    },
    /// Makes the application's container and starts it where wanted.
    CreateService {
        /// The container.
        spec: ServiceSpec,
        /// Start it.
        start: bool,
    },
    /// Removes the container and makes it anew; volume and database stay.
    RecreateService {
        /// The container.
        spec: ServiceSpec,
        /// Start it.
        start: bool,
    },
    /// Changes limits of the running container.
    UpdateLimits {
        /// Container's name.
        container: String,
        /// Its mark.
        tag: Tag,
        /// The new limits.
        limits: Limits,
    },
    /// Starts the container.
    StartService {
        /// Container's name.
        container: String,
        /// Its mark.
        tag: Tag,
    },
    /// Stops the container.
    StopService {
        /// Container's name.
        container: String,
        /// Its mark.
        tag: Tag,
    },
    /// Restarts the container.
    RestartService {
        /// Container's name.
        container: String,
        /// Its mark.
        tag: Tag,
    },
    /// Puts the site's row into the proxy's next generation.
    PutSite(SiteRow),
    /// Renders the proxy's current rows anew: templates changed, or files edited by hand.
    RenderSites,
    /// Gets a certificate from the authority, or renews it.
    ObtainCertificate(CertificateOrder),
    /// Notes that the instance is being retired, since when and until when its data are kept.
    OpenTombstone(Tombstone),
    /// Takes the tombstone away: the instance is wanted again.
    CloseTombstone {
        /// The instance that is wanted again.
        instance: InstanceName,
        /// Its final backup, thrown away unless it was read back already.
        backup: BackupId,
    },
    /// Takes the final backup, after which nothing changes any more.
    BackUp(BackupSpec),
    /// Reads a backup back whole and notes that it is sound.
    VerifyBackup {
        /// The instance that the backup is of.
        instance: InstanceName,
        /// The backup that is read back.
        backup: BackupId,
    },
    /// Notes that the data are being deleted from now on.
    BeginPurge {
        /// The instance that loses its data.
        instance: InstanceName,
    },
    /// Takes the site out of the proxy's next generation.
    RemoveSite {
        /// The instance that is no longer served.
        instance: InstanceName,
        /// That instance's identity.
        uid: Uid,
    },
    /// Removes the container for good; the volume stays.
    RemoveService {
        /// Its name.
        container: String,
        /// The mark it must carry.
        tag: Tag,
    },
    /// Ends the database's sessions and drops it.
    DropDatabase(DatabaseSpec),
    /// Drops the role.
    DropRole {
        /// Its name.
        role: String,
        /// Whose it is.
        instance: InstanceName,
        /// That instance's identity.
        uid: Uid,
    },
    /// Removes the filestore's volume.
    RemoveVolume {
        /// Its name.
        volume: String,
        /// The mark it must carry.
        tag: Tag,
    },
    /// Removes odoo.conf and whatever stands beside it.
    RemoveConf {
        /// The instance whose files go.
        instance: InstanceName,
    },
    /// Forgets the instance and gives its names free: nothing of it is left.
    EndPurge {
        /// The instance that is forgotten.
        instance: InstanceName,
    },
}

impl Action {
    /// The step's kind.
    pub fn kind(&self) -> StepKind {
        match self {
            Self::CreateNetwork => StepKind::CreateNetwork,
            Self::SetRole(_) => StepKind::SetRole,
            Self::CreateDatabase(_) => StepKind::CreateDatabase,
            Self::SetPrivileges(_) => StepKind::SetPrivileges,
            Self::AddExtensions(_) => StepKind::AddExtensions,
            Self::MarkProvisioned(_) => StepKind::MarkProvisioned,
            Self::CreateVolume { .. } => StepKind::CreateVolume,
            Self::WriteConf { .. } => StepKind::WriteConf,
            Self::RunJob(JobSpec { work: JobWork::Install { .. }, .. }) => StepKind::InstallModules,
            Self::RunJob(JobSpec { work: JobWork::SetUp { .. }, .. }) => StepKind::SetUp,
            Self::StopJob { .. } => StepKind::StopJob,
            Self::RemoveJob { .. } => StepKind::RemoveJob,
            Self::CreateService { .. } => StepKind::CreateContainer,
            Self::RecreateService { .. } => StepKind::RecreateContainer,
            Self::UpdateLimits { .. } => StepKind::UpdateLimits,
            Self::StartService { .. } => StepKind::StartContainer,
            Self::StopService { .. } => StepKind::StopContainer,
            Self::RestartService { .. } => StepKind::RestartContainer,
            Self::PutSite(_) => StepKind::PutSite,
            Self::RenderSites => StepKind::RenderSites,
            Self::ObtainCertificate(_) => StepKind::ObtainCertificate,
            Self::OpenTombstone(_) => StepKind::OpenTombstone,
            Self::CloseTombstone { .. } => StepKind::CloseTombstone,
            Self::BackUp(_) => StepKind::BackUp,
            Self::VerifyBackup { .. } => StepKind::VerifyBackup,
            Self::BeginPurge { .. } => StepKind::BeginPurge,
            Self::RemoveSite { .. } => StepKind::RemoveSite,
            Self::RemoveService { .. } => StepKind::RemoveContainer,
            Self::DropDatabase(_) => StepKind::DropDatabase,
            Self::DropRole { .. } => StepKind::DropRole,
            Self::RemoveVolume { .. } => StepKind::RemoveVolume,
            Self::RemoveConf { .. } => StepKind::RemoveConf,
            Self::EndPurge { .. } => StepKind::EndPurge,
        }
    }

    /// The thing it acts on, for people and for `plan --json`: `database odoo_acme`.
    pub fn resource(&self) -> String {
        match self {
            Self::CreateNetwork => "network".to_owned(),
            Self::SetRole(spec) => format!("role {}", spec.role),
            Self::CreateDatabase(spec) | Self::SetPrivileges(spec) | Self::MarkProvisioned(spec) => {
                format!("database {}", spec.database)
            }
            Self::AddExtensions(spec) => format!("database {}", spec.database.database),
            Self::DropDatabase(spec) => format!("database {}", spec.database),
            Self::DropRole { role, .. } => format!("role {role}"),
            Self::CreateVolume { volume, .. } | Self::RemoveVolume { volume, .. } => format!("volume {volume}"),
            Self::WriteConf { .. } | Self::RemoveConf { .. } => "odoo.conf".to_owned(),
            Self::RunJob(job) => format!("job {}", job.container),
            Self::StopJob { container, .. } | Self::RemoveJob { container, .. } => format!("job {container}"),
            Self::CreateService { spec, .. } | Self::RecreateService { spec, .. } => {
                format!("container {}", spec.container)
            }
            Self::UpdateLimits { container, .. }
            | Self::StartService { container, .. }
            | Self::StopService { container, .. }
            | Self::RestartService { container, .. }
            | Self::RemoveService { container, .. } => format!("container {container}"),
            Self::PutSite(row) => {
                format!("site {}", row.hosts.keys().next().map_or_else(|| row.instance.to_string(), Domain::to_string))
            }
            Self::RemoveSite { instance, .. } => format!("site of {instance}"),
            Self::RenderSites => "sites".to_owned(),
            Self::ObtainCertificate(order) => format!("certificate {}", order.name),
            // Times and ids made of them are not in it: a plan that was saved a moment ago is still the same.
            Self::OpenTombstone(Tombstone { instance, .. })
            | Self::CloseTombstone { instance, .. }
            | Self::BeginPurge { instance }
            | Self::EndPurge { instance } => format!("instance {instance}"),
            Self::BackUp(BackupSpec { instance, .. }) | Self::VerifyBackup { instance, .. } => {
                format!("final backup of {instance}")
            }
        }
    }

    /// Which long work it is; none for what is done within seconds. Long work takes up to hours and is never waited for in a
    /// turn. Actions with the same text are the same work, also where what is left of it has become less.
    pub fn work(&self) -> Option<String> {
        match self {
            Self::RunJob(job) => Some(job.tag.digest.clone()),
            Self::ObtainCertificate(order) => Some(super::secret::digest(order)),
            Self::BackUp(spec) => Some(spec.id.to_string()),
            Self::VerifyBackup { backup, .. } => Some(backup.to_string()),
            _ => None,
        }
    }
}

/// A certificate to get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateOrder {
    /// Under which name it is stored.
    pub name: CertificateName,
    /// DNS names it must cover.
    pub names: BTreeSet<String>,
    /// True: one stands there and is to be replaced in time.
    pub renewal: bool,
}
