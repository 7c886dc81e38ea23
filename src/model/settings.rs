//! The settings of this host, as read from `innkeeper.toml`. Secrets only by path.

use super::name::{Domain, OdooVersion};
use super::time::Seconds;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// What a vanished instance file means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnMissingFile {
    /// The instance runs on, marked `Orphaned`.
    Hold,
    /// The instance is retired after two complete scans 60 s apart.
    Retire,
}

/// All of `innkeeper.toml`. Relative paths were resolved against the fleet's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `[fleet]`
    pub fleet: FleetSettings,
    /// `[odoo]`
    pub odoo: OdooSettings,
    /// `[docker]`
    pub docker: DockerSettings,
    /// `[postgres]`
    pub postgres: PostgresSettings,
    /// `[nginx]`
    pub nginx: NginxSettings,
    /// `[acme]`
    pub acme: AcmeSettings,
    /// `[backup]`
    pub backup: BackupSettings,
    /// `[guard]`
    pub guard: GuardSettings,
    /// `[operator]`
    #[serde(default)]
    pub operator: OperatorSettings,
}

/// `[fleet]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetSettings {
    /// An instance lives at `<subdomain>.<base_domain>`.
    pub base_domain: Domain,
    /// Added to the built-in list.
    pub reserved_subdomains: BTreeSet<String>,
    /// For plans that set no `max_instances`.
    pub max_instances_per_plan: u32,
    /// What a vanished file means.
    pub on_missing_file: OnMissingFile,
    /// How long a retired instance's data are kept.
    pub retire_grace: Seconds,
    /// Journal, status documents, lock and secrets.
    pub state_dir: PathBuf,
    /// IANA name; schedules and human output use it.
    pub timezone: String,
}

/// `[odoo]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OdooSettings {
    /// For instances that name no release.
    pub default_version: OdooVersion,
    /// Release → image reference.
    pub images: BTreeMap<OdooVersion, String>,
}

/// `[docker]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DockerSettings {
    /// `unix:///var/run/docker.sock`
    pub host: String,
    /// Loopback ports that instances get, two each.
    pub ports: RangeInclusive<u16>,
}

/// `[postgres]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresSettings {
    /// A role with CREATEDB and CREATEROLE, not a superuser, without its password.
    pub url: String,
    /// Where that role's password stands; none means that the server asks for none.
    pub password_file: Option<PathBuf>,
    /// The server's address as containers see it.
    pub instance_host: String,
}

impl PostgresSettings {
    /// PostgreSQL's registered port.
    const PORT_DEFAULT: u16 = 5432;

    /// The server's port, as `url` names it.
    pub fn port(&self) -> u16 {
        let authority = self.url.split_once("://").map_or(self.url.as_str(), |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or_default();
        authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(Self::PORT_DEFAULT)
    }
}

/// `[nginx]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NginxSettings {
    /// The directory that the host's nginx includes as `<config_dir>/current/*.conf`.
    pub config_dir: PathBuf,
    /// The nginx program.
    pub binary: PathBuf,
    /// Its arguments for an nginx of one's own: `["-p", …, "-c", …]`.
    pub arguments: Vec<String>,
    /// Where the master writes its process id.
    pub pid_file: PathBuf,
    /// Port for http.
    pub http_port: u16,
    /// Port for https.
    pub https_port: u16,
}

/// `[acme]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeSettings {
    /// The directory's URL (RFC 8555, section 7.1.1).
    pub directory: String,
    /// Contact URLs of the account, `mailto:…`.
    pub contact: Vec<String>,
    /// A root to trust for the directory's own TLS, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Program and arguments that present and clean up dns-01 records; enables the wildcard certificate.
    pub wildcard_hook: Option<Vec<String>>,
    /// The DNS server (`address` or `address:port`) that is asked where a name points before a certificate is ordered,
    /// and whether a dns-01 record is there; none asks the system's resolver. For hosts whose own DNS answers otherwise
    /// than the world's.
    pub resolver: Option<String>,
}

/// `[backup]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSettings {
    /// Where archives go.
    pub directory: PathBuf,
    /// The program that dumps a database; a bare name is looked for as a shell would.
    pub pg_dump: PathBuf,
    /// The program that a dump is read back with.
    pub pg_restore: PathBuf,
}

/// `[guard]`: the brake on mass changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardSettings {
    /// Instances that may be retired, stopped or purged in one rolling hour, at least.
    pub disruptions_per_hour: u32,
    /// The same as a share of the fleet, in per cent; the larger of both holds.
    pub disruptions_percent: u32,
    /// Share of the fleet, in per cent, that may be updated or re-created at once.
    pub updates_percent: u32,
}

impl Default for GuardSettings {
    fn default() -> Self {
        Self { disruptions_per_hour: 2, disruptions_percent: 10, updates_percent: 30 }
    }
}

/// `[operator]`: whom visitors meet on the pages that stand in for Odoo.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OperatorSettings {
    /// Free text.
    pub name: Option<String>,
    /// An image file.
    pub logo: Option<PathBuf>,
    /// The same for dark screens; none shows `logo` on a light ground there.
    pub logo_dark: Option<PathBuf>,
    /// Where customers find help: `mailto:`, `tel:` and `https://` addresses, in the order in which they are shown.
    pub contact: Vec<String>,
}
