//! What runs: the container of an instance, its jobs and its configuration, with every detail chosen but no secret.

use super::name::{InstanceName, ModuleName, OdooVersion, Resources, Uid};
use super::odoo_options::OptionValue;
use super::secret::digest;
use super::service_plan::Limits;
use super::wanted::Company;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Which part of an instance an object is; the label `io.innkeeper.component`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// The network that all containers of the installation share, with traffic between them off.
    Network,
    /// The filestore's volume.
    Volume,
    /// The application's container.
    Service,
    /// A job container that installs modules.
    InstallJob,
    /// A job container that sets up company and administrator.
    SetupJob,
    /// The PostgreSQL role.
    Role,
    /// The PostgreSQL database.
    Database,
}

/// The ownership mark that an object of ours carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Whose object it is.
    pub instance: InstanceName,
    /// That instance's identity.
    pub uid: Uid,
    /// Which part of it.
    pub component: Component,
    /// Digest of the fields that need re-creation, `v1:…`; empty for parts that have none.
    pub digest: String,
}

/// Whose an object is that stands on a name we need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Owner {
    /// Ours: it carries this installation's mark.
    Ours(Tag),
    /// Somebody else's: never touched. The text says whose as far as is known ("no Innkeeper label",
    /// "Innkeeper installation 0123456789ab").
    Foreign(String),
}

impl Owner {
    /// The tag, when it is ours.
    pub fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Ours(tag) => Some(tag),
            Self::Foreign(_) => None,
        }
    }
}

/// The two loopback ports of an instance: `http` for Odoo's 8069, `http + 1` for the gevent port 8072.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ports {
    /// The host's port for 8069.
    pub http: u16,
}

impl Ports {
    /// The host's port for 8072 (websocket, long polling).
    pub fn gevent(self) -> u16 {
        self.http + 1
    }
}

/// What the application finds in its environment, by name. None of it is a secret, and none an option of odoo.conf.
///
/// `ODOO_HTTP_SOCKET_TIMEOUT`: seconds that a worker waits for a socket that takes or gives no byte (`WorkerHTTP` in Odoo's
/// `service/server.py`; releases that do not know it ignore it). Of its own it waits two: an nginx whose disk is busy for
/// that long would cost a reader the rest of a download.
pub const SERVICE_ENVIRONMENT: [(&str, &str); 1] = [("ODOO_HTTP_SOCKET_TIMEOUT", "60")];

/// How the application is started: a script of the shell, given a directory as `$0` and Odoo's arguments. Each directory in
/// there stands for a program that Odoo calls, and comes first on the path where the image has that program (see
/// `adapters::docker::programs`).
pub const SERVICE_START: &str = r#"export IMAGE_PATH="$PATH"
for directory in "$0"/*; do
  if PATH=$IMAGE_PATH command -v "${directory##*/}" >/dev/null; then PATH=$directory:$PATH; fi
done
exec odoo "$@""#;

/// The application's container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Container's name.
    pub container: String,
    /// The mark it will carry; its digest is [`ServiceSpec::digest`].
    pub tag: Tag,
    /// Image reference as the settings name it.
    pub image: String,
    /// The image's id (`sha256:…`) as seen when this was decided.
    pub image_id: String,
    /// The user and group that the image's `USER` resolves to.
    pub image_user: ImageUser,
    /// The filestore's volume.
    pub volume: String,
    /// Loopback ports.
    pub ports: Ports,
    /// Applied at creation, changed later without re-creation.
    pub limits: Limits,
}

impl ServiceSpec {
    /// Covers exactly the fields whose change needs a new container. Limits are not among them.
    pub fn digest(container: &str, image_id: &str, volume: &str, ports: Ports) -> String {
        digest(&(container, image_id, volume, ports, SERVICE_ENVIRONMENT, SERVICE_START))
    }

    /// The digest of a container that was made before it had an environment and a start of ours, and is otherwise the same.
    pub fn digest_without_environment(&self) -> String {
        digest(&(&self.container, &self.image_id, &self.volume, self.ports))
    }
}

/// The numeric user of an image: it differs between builds of Odoo's image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageUser {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// `odoo.conf` without its secrets; `apply` adds them when it writes the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OdooConf {
    /// Whose secrets it holds: one that was left by an earlier instance of the name lets nobody in.
    pub uid: Uid,
    /// `db_host`
    pub database_host: String,
    /// `db_port`
    pub database_port: u16,
    /// `db_user` and `db_name`, the only database that it serves. There is no `dbfilter`: with one, Odoo would look for databases
    /// that its role owns, and that owns none.
    pub database: String,
    /// Generation of the role's password.
    pub password_generation: u32,
    /// `workers`
    pub workers: u32,
    /// `db_maxconn`, a process.
    pub connections_per_process: u32,
    /// `db_maxconn_gevent`
    #[serde(default)]
    pub connections_gevent: u32,
    /// `limit_memory_hard`, bytes.
    pub limit_memory_hard: u64,
    /// `limit_memory_soft`, bytes.
    pub limit_memory_soft: u64,
    /// The release, which decides the names of some options.
    pub version: OdooVersion,
    /// What plan and file choose, by the names of the newest release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, OptionValue>,
    /// `smtp_password`, by its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_password: Option<PasswordFile>,
}

/// A password that stands in a file of the operator's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordFile {
    /// Where it stands.
    pub file: PathBuf,
    /// The mark of what stood there when this was decided.
    pub mark: String,
}

impl OdooConf {
    /// Digest of the file's wish; kept in its first line.
    pub fn digest(&self) -> String {
        digest(self)
    }
}

/// A job container: long work that outlives the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Container's name: `ik-acme-job-install`.
    pub container: String,
    /// The mark it carries; its digest is [`JobWork`]'s.
    pub tag: Tag,
    /// Image reference.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// The image's user.
    pub image_user: ImageUser,
    /// The filestore's volume.
    pub volume: String,
    /// Memory limit, bytes: installs need more than some plans give.
    pub memory_bytes: u64,
    /// What it does.
    pub work: JobWork,
    /// After so many seconds the job is stopped and counts as failed.
    pub deadline_s: u64,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobWork {
    /// `odoo -i … --stop-after-init`
    Install {
        /// Modules to install, `base` among them for a new database.
        modules: BTreeSet<ModuleName>,
        /// The database's name.
        database: String,
        /// The release, which decides how demo data are refused.
        version: OdooVersion,
    },
    /// A script in `odoo shell` that sets company, administrator and parameters.
    SetUp {
        /// What it makes true.
        setup: Setup,
        /// The database's name.
        database: String,
    },
}

impl JobWork {
    /// Digest by which a restarted daemon recognises the job as the one it wants.
    pub fn digest(&self) -> String {
        digest(self)
    }

    /// The component label and the end of the container's name.
    pub fn component(&self) -> (Component, &'static str) {
        match self {
            Self::Install { .. } => (Component::InstallJob, "install"),
            Self::SetUp { .. } => (Component::SetupJob, "setup"),
        }
    }

    /// The container's name for an instance.
    pub fn container(&self, resources: &Resources) -> String {
        format!("{}{}", resources.job_prefix, self.component().1)
    }
}

/// What the set-up makes true inside Odoo. Kept as JSON in `ir_config_parameter` under `innkeeper.setup`, so that a
/// change in the file is applied once and what the customer changed inside Odoo is not fought over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The company.
    pub company: Company,
    /// The first administrator's login.
    pub admin_login: String,
    /// `web.base.url`, frozen.
    pub base_url: String,
    /// `report.url`: where the program that prints reports fetches their styles and pictures. Empty in what a version
    /// before it made.
    #[serde(default)]
    pub report_url: String,
    /// The module `website` is wanted: its language is to be the company's from the start.
    #[serde(default)]
    pub website: bool,
}

/// Text of a file that has secrets in it, on its way to the engine.
#[derive(Debug)]
pub struct SecretFile {
    /// File name inside the instance's directory: `odoo.conf`.
    pub file_name: &'static str,
    /// Digest of the wish, kept in the first line.
    pub digest: String,
    /// The whole text, first line excluded.
    pub text: super::secret::SecretString,
    /// Owner of the file, which is 0600.
    pub owner: ImageUser,
}
