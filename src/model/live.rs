//! What the world shows. What could not be looked at is [`Seen::Unseen`], which is never the same as absent.

use super::backup::ArchiveLive;
use super::name::{Domain, InstanceName, ModuleName};
use super::service::{ImageUser, Owner, Ports, Setup};
use super::site::{CertificateName, SiteRow};
use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A look's result, or why there was none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen<T> {
    /// What was seen.
    Known(T),
    /// Why nothing was seen; nothing may be concluded from it.
    Unseen(String),
}

impl<T> Seen<T> {
    /// What was seen, if anything.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unseen(_) => None,
        }
    }

    /// Why nothing was seen.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Unseen(why) => Some(why),
        }
    }
}

impl<T, E: std::error::Error> From<Result<T, E>> for Seen<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(error) => Self::Unseen(super::status::chain(&error)),
        }
    }
}

/// The world at one moment, edge by edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Docker.
    pub engine: Seen<EngineLive>,
    /// PostgreSQL.
    pub database: Seen<DatabaseLive>,
    /// nginx.
    pub proxy: Seen<ProxyLive>,
    /// Certificates on disk.
    pub authority: Seen<AuthorityLive>,
    /// Backups.
    pub archive: Seen<ArchiveLive>,
    /// What each host answered through the proxy; only hosts that were asked.
    pub answers: BTreeMap<Domain, Seen<Answer>>,
}

/// What the container engine shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineLive {
    /// Images that were asked for, by reference; one that is missing is not in the map.
    pub images: BTreeMap<String, ImageLive>,
    /// The installation's network; none when it does not exist.
    pub network: Option<NetworkLive>,
    /// Volumes of ours and those on names that were asked for, by name.
    pub volumes: BTreeMap<String, Owner>,
    /// Application containers of ours and whatever container stands on a name that was asked for, by name.
    pub services: BTreeMap<String, ServiceLive>,
    /// Job containers of ours, by name.
    pub jobs: BTreeMap<String, JobLive>,
    /// odoo.conf files, by instance.
    pub configs: BTreeMap<InstanceName, ConfigLive>,
    /// Host ports published by any container, running or not, ours or not.
    pub ports_in_use: BTreeSet<u16>,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLive {
    /// `sha256:…`
    pub id: String,
    /// The user that its `USER` resolves to.
    pub user: ImageUser,
}

/// The installation's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLive {
    /// True when it carries this installation's label.
    pub ours: bool,
    /// True when containers on it cannot reach each other.
    pub isolated: bool,
}

/// An application container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceLive {
    /// Whose it is.
    pub owner: Owner,
    /// The engine's id.
    pub id: String,
    /// The image it was made from, `sha256:…`.
    pub image_id: String,
    /// The image reference it was made from.
    pub image: String,
    /// True while its main process runs, or is about to be started again by the engine.
    pub running: bool,
    /// True while the engine waits to start it again because its main process ended by itself.
    pub restarting: bool,
    /// True when its main process was killed the last time because its memory was used up.
    pub killed_for_memory: bool,
    /// How often the engine restarted it.
    pub restarts: u64,
    /// When its main process last started.
    pub started_at: Option<Timestamp>,
    /// Thousandths of a core; 0 is no limit.
    pub cpu_millis: u32,
    /// Bytes; 0 is no limit.
    pub memory_bytes: u64,
    /// Loopback ports; none when it publishes none or others than we ask for.
    pub ports: Option<Ports>,
    /// False when any of the hardening that every container of ours has is missing: read-only root, no capabilities,
    /// no new privileges, process limit, loopback-only ports, our network alone.
    pub hardened: bool,
}

/// A job container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLive {
    /// Whose it is; the tag's digest is that of its work.
    pub owner: Owner,
    /// How it stands.
    pub state: JobState,
    /// When it started.
    pub started_at: Option<Timestamp>,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Ended with this exit code.
    Ended(i64),
}

/// An odoo.conf file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigLive {
    /// [`super::service::OdooConf::digest`] of what it was written for.
    pub digest: String,
    /// False when its text, owner or mode is no longer as written.
    pub intact: bool,
    /// When it was written; a container started before that runs on an older one.
    pub written_at: Timestamp,
}

/// What PostgreSQL shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatabaseLive {
    /// Server's major version.
    pub major_version: u32,
    /// `max_connections`
    pub connections_max: u32,
    /// The role that Innkeeper logs in as, which owns the databases.
    pub own_role: String,
    /// Those of [`EXTENSIONS`] that this server has the files of.
    pub extensions: BTreeSet<String>,
    /// Roles of ours and those on names that were asked for.
    pub roles: BTreeMap<String, RoleLive>,
    /// Databases of ours and those on names that were asked for.
    pub databases: BTreeMap<String, DatabaseObjectLive>,
    /// What stands inside the databases that were asked for.
    pub inside: BTreeMap<String, Seen<OdooLive>>,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleLive {
    /// Whose it is.
    pub owner: Owner,
    /// Mark of the password it was given ([`super::secret::InstallationKey::mark`]); none when not ours.
    pub password_mark: Option<String>,
    /// May log in.
    pub login: bool,
    /// SUPERUSER, CREATEDB, CREATEROLE, REPLICATION, BYPASSRLS and memberships in other roles that it should not have,
    /// as words for people; empty for a role that is right.
    pub excess: BTreeSet<String>,
    /// CONNECTION LIMIT; -1 is none.
    pub connection_limit: i32,
    /// The server refused the password that its mark stands for: it was changed since. False where nobody asked.
    pub password_refused: bool,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseObjectLive {
    /// Whose it is.
    pub owner: Owner,
    /// The role that owns it.
    pub owner_role: String,
    /// False after an interrupted CREATE or DROP.
    pub valid: bool,
    /// True once an instance was set up in it: from then on it is never created anew.
    pub provisioned: bool,
    /// Roles besides its owner and the instance's own (`PUBLIC` among them) that may CONNECT.
    pub others_may_connect: BTreeSet<String>,
    /// What the instance's own role may not do with it and should: `CONNECT`, `CREATE`, `TEMPORARY`.
    pub lacking: BTreeSet<String>,
    /// Size on disk: measured for databases that were asked for, as last measured for all others, 0 before the first.
    pub size_bytes: u64,
}

/// Extensions that Odoo makes in each database that it creates: it makes trigram indexes only with the first, and finds
/// "Müller" by "muller" only with the second.
pub const EXTENSIONS: [&str; 2] = ["pg_trgm", "unaccent"];

/// What Odoo keeps inside its database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OdooLive {
    /// Modules and their state in `ir_module_module`; only those that are not `uninstalled` or `uninstallable`.
    /// Empty for a database without Odoo's tables.
    pub modules: BTreeMap<ModuleName, String>,
    /// What the last set-up made true; none before the first.
    pub setup: Option<Setup>,
    /// `latest_version` of the module `base`, such as `19.0.1.3`: the release that the database belongs to.
    pub base_version: Option<String>,
    /// What its search works with.
    pub search: SearchLive,
}

/// What searching in a database works with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchLive {
    /// Those of [`EXTENSIONS`] that are there.
    pub extensions: BTreeSet<String>,
    /// What trigram indexes are made with, as one word for comparing: which `pg_trgm` it is, and whether `unaccent()` may
    /// stand in an index. None without `pg_trgm`.
    pub basis: Option<String>,
    /// The basis with which the trigram indexes were last seen to be complete; none before the first time.
    pub indexed: Option<String>,
}

impl SearchLive {
    /// False where trigram indexes may be missing: Odoo leaves them out without a word where `pg_trgm` is missing, and
    /// they go with it.
    pub fn is_indexed(&self) -> bool {
        self.basis.is_none() || self.basis == self.indexed
    }
}

impl OdooLive {
    /// True when Odoo has put nothing into the database.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty() && self.setup.is_none() && self.base_version.is_none()
    }

    /// True when the module's state is `installed`.
    pub fn has(&self, module: &ModuleName) -> bool {
        self.modules.get(module).is_some_and(|state| state == "installed")
    }
}

/// What nginx shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProxyLive {
    /// The master process answers to signals.
    pub running: bool,
    /// Generation that `current` points to; none before the first.
    pub current: Option<String>,
    /// Generation that the running nginx says it has loaded.
    pub loaded: Option<String>,
    /// Rows of the current generation.
    pub sites: BTreeMap<InstanceName, SiteLive>,
    /// False when files of the current generation are no longer as rendered.
    pub intact: bool,
    /// What differs from what was rendered, for people; empty when intact.
    pub edits: Vec<String>,
    /// True when the templates on disk would render the same rows differently.
    pub templates_changed: bool,
    /// Why the templates on disk cannot be used: file, line and reason. The last good ones stay in force.
    pub template_problem: Option<String>,
    /// Server names that nginx serves from files that are not ours.
    pub foreign_hosts: BTreeSet<Domain>,
}

/// One site in the current generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteLive {
    /// The row it was rendered from.
    pub row: SiteRow,
    /// False when this site's own lines were edited by hand.
    pub intact: bool,
}

/// Certificates on disk.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AuthorityLive {
    /// By certificate name. Placeholders are not among them.
    pub certificates: BTreeMap<CertificateName, CertificateLive>,
}

/// A stored certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateLive {
    /// DNS names it covers.
    pub names: BTreeSet<String>,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Common name of the issuer.
    pub issuer: String,
    /// Why it must not be used although it is there (key does not match, chain broken); none when it is sound.
    pub fault: Option<String>,
    /// SHA-256 of the leaf, hexadecimal: what a site that serves it shows.
    pub fingerprint: String,
}

/// What a visitor of a host sees at `/web/login`, through the proxy over TLS; redirects on the same host were followed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Answer {
    /// HTTP status of the last answer.
    pub status: u16,
    /// The body is Odoo's login page with a CSRF token.
    pub login_page: bool,
    /// SHA-256 of the leaf certificate that was shown, hexadecimal.
    pub fingerprint: String,
    /// Where a redirect leads that was not followed: to another host, or one more after many. None where there was none.
    #[serde(default)]
    pub leads_to: Option<String>,
    /// Why no websocket opens; none where one does, or where none was asked for.
    #[serde(default)]
    pub websocket_fault: Option<String>,
}
