//! What is on disk and what runs, seen once: the common ground of a look and of a publication.

use super::Nginx;
use super::generation::{self, Generation};
use super::host::{HostConfig, HostFacts};
use super::pages::Operator;
use super::process::failed;
use super::render::{Environment, HashSizes, Listen};
use super::template::{Candidates, Chosen, TemplateSet};
use crate::edges::{EdgeError, ErrorKind};
use crate::model::name::InstanceName;
use crate::model::site::SiteRow;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Lists the host's IPv6 addresses; empty or absent where there are none.
const IPV6_ADDRESSES: &str = "/proc/net/if_inet6";

/// What is on disk.
pub(super) struct Sight {
    /// The host's own configuration; why not, where it cannot be read.
    pub(super) host: Result<Arc<HostConfig>, String>,
    /// What rows and templates are rendered with.
    pub(super) environment: Environment,
    /// What `current` points to, whether it can be read or not.
    pub(super) current: Option<String>,
    /// Where the present rows are taken from: the current generation, or another one when that is damaged or gone.
    pub(super) base: Option<Arc<Generation>>,
    /// Why the current generation cannot be read.
    pub(super) damage: Option<String>,
    /// Files of the current generation that are not as rendered.
    pub(super) differing: BTreeSet<String>,
    /// The templates in force; why not, where there are none.
    pub(super) templates: Result<Arc<Chosen>, String>,
    /// nginx's master runs.
    pub(super) running: bool,
    /// What the running nginx says it has loaded: generation and stamp.
    pub(super) told: Option<String>,
    /// Why a logo of the operator's is not shown, or is the one before.
    pub(super) logo_problem: Option<String>,
}

/// A set of templates that passed every test and that nginx still did not load.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefusedTemplates {
    /// Their digest.
    pub(super) digest: String,
    /// What nginx said.
    pub(super) problem: String,
}

impl Sight {
    /// The rows in force.
    pub(super) fn rows(&self) -> BTreeMap<InstanceName, SiteRow> {
        self.base.as_ref().map(|base| base.manifest.rows.clone()).unwrap_or_default()
    }

    /// True when the templates or what goes in besides them would give other files.
    pub(super) fn templates_changed(&self) -> bool {
        let (Some(base), Ok(templates)) = (self.in_force(), &self.templates) else { return false };
        base.manifest.templates != templates.digest || base.manifest.environment != self.environment
    }

    /// The generation in force; none when there is none or it cannot be read.
    pub(super) fn in_force(&self) -> Option<&Generation> {
        self.base.as_deref().filter(|_| self.current.is_some() && self.damage.is_none())
    }

    /// False when the current generation cannot be read or is not as it was rendered.
    pub(super) fn is_intact(&self) -> bool {
        self.damage.is_none() && self.differing.is_empty()
    }

    /// The name of the generation that nginx has loaded.
    pub(super) fn loaded_name(&self) -> Option<&str> {
        self.told.as_deref().and_then(|told| told.split(' ').next())
    }

    /// Server names that the host serves itself.
    pub(super) fn foreign_names(&self) -> BTreeSet<String> {
        self.host.as_ref().map(|host| host.facts.server_names.clone()).unwrap_or_default()
    }
}

impl Nginx {
    /// Sees what is on disk.
    ///
    /// # Errors
    /// `Unreachable` when the configuration directory is there and cannot be read.
    pub(super) async fn sight(&self) -> Result<Sight, EdgeError> {
        let host = self.host().await;
        let unreadable = |error| {
            let doing = format!("could not read {}", self.places.root.display());
            failed(ErrorKind::Unreachable, doing, error)
        };
        let current = self.cache.current(&self.places).map_err(unreadable)?;
        let templates = self.templates(current.base.as_deref()).await;
        let running = self.program.master().is_some();
        let shown = current.base.as_ref().map(|base| &base.manifest.environment.operator);
        let (operator, faults) = Operator::read(&self.operator, shown);
        let environment = match (&host, &current.base) {
            // Not seen is not changed.
            (Err(_), Some(base)) => Environment { operator, ..base.manifest.environment.clone() },
            (Err(_), None) => self.environment(&HostFacts::default(), has_ipv6(), operator),
            (Ok(host), _) => self.environment(&host.facts, has_ipv6(), operator),
        };
        Ok(Sight {
            environment,
            logo_problem: faults.first().map(ToString::to_string),
            host,
            running,
            told: if running { self.program.loaded().await } else { None },
            current: current.name,
            base: current.base,
            damage: current.damage,
            differing: current.differing,
            templates,
        })
    }

    async fn host(&self) -> Result<Arc<HostConfig>, String> {
        let main = self.program.main_file().await.map_err(|error| crate::model::status::chain(&error))?;
        self.cache
            .host(&main, &self.places)
            .map_err(|error| format!("could not read nginx's main file {}: {error}", main.display()))
    }

    async fn templates(&self, base: Option<&Generation>) -> Result<Arc<Chosen>, String> {
        let last_good = base.and_then(|base| Some((base.templates().ok()?, base.manifest.built_in)));
        let seen = self.cache.templates_seen();
        let known = seen.as_deref().or(base.map(|base| base.manifest.templates.as_str()));
        let disk = TemplateSet::read_settled(&self.templates, known).await;
        let disk = disk.map_err(|error| format!("could not read the templates: {error}"));
        let refused = self.refused_templates().map(|refused| (refused.digest, refused.problem));
        self.cache.choose(Candidates { disk, last_good, refused })
    }

    fn refused_templates(&self) -> Option<RefusedTemplates> {
        serde_json::from_slice(&std::fs::read(self.places.refused()).ok()?).ok()
    }

    /// What goes into the files besides rows and templates, beside a host's configuration of which `facts` are known.
    pub(super) fn environment(&self, facts: &HostFacts, ipv6: bool, operator: Operator) -> Environment {
        let settings = &self.settings;
        let addresses = |port: u16| {
            let mut addresses = vec![port.to_string()];
            addresses.extend(ipv6.then(|| format!("[::]:{port}")));
            addresses
        };
        let without_default = |port| {
            let mut addresses = addresses(port);
            addresses.retain(|address| !facts.defaults.contains(address));
            addresses
        };
        // nginx fixes the sizes for maps at the first map that it reads: after a map of the host's they cannot be set.
        let open = |directive: &str| !facts.http.contains(directive);
        Environment {
            renderer: Environment::VERSION,
            installation: self.installation.clone(),
            base_domain: self.base_domain.to_string(),
            http_port: settings.http_port,
            https_port: settings.https_port,
            thumbprint: self.thumbprint.clone(),
            certificates: self.certificates.display().to_string(),
            pages: self.places.current().join(super::names::PAGES_DIR).display().to_string(),
            listen: Listen {
                http: addresses(settings.http_port),
                https: addresses(settings.https_port),
                http_default: without_default(settings.http_port),
                https_default: without_default(settings.https_port),
            },
            hash: HashSizes {
                map_bucket: open("map_hash_bucket_size") && open("map"),
                map_max: open("map_hash_max_size") && open("map"),
                names_bucket: open("server_names_hash_bucket_size"),
                names_max: open("server_names_hash_max_size"),
            },
            operator,
        }
    }
}

/// The current generation as it lies on disk.
#[derive(Default, Clone)]
pub(super) struct CurrentSeen {
    /// What `current` points to.
    pub(super) name: Option<String>,
    /// See [`Sight::base`].
    pub(super) base: Option<Arc<Generation>>,
    /// See [`Sight::damage`].
    pub(super) damage: Option<String>,
    /// See [`Sight::differing`].
    pub(super) differing: BTreeSet<String>,
}

/// Reads the current generation, or what can be read of it.
///
/// # Errors
/// The directory is there and cannot be read.
pub(super) fn see_current(places: &super::names::Places) -> std::io::Result<CurrentSeen> {
    let target = match std::fs::read_link(places.current()) {
        // Somebody took the link away: nothing is in force, but the rows are still known.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let base = generation::newest_readable(places).map(Arc::new);
            return Ok(CurrentSeen { base, ..CurrentSeen::default() });
        }
        target => target?,
    };
    let name = Some(file_name(&target));
    match Generation::read(&places.root.join(&target)) {
        Ok(generation) => {
            let differing = generation.differing()?;
            Ok(CurrentSeen { name, base: Some(Arc::new(generation)), damage: None, differing })
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(error),
        Err(error) => Ok(CurrentSeen {
            name,
            base: generation::newest_readable(places).map(Arc::new),
            damage: Some(format!("{} of the current generation cannot be read: {error}", super::names::MANIFEST_FILE)),
            differing: BTreeSet::new(),
        }),
    }
}

fn has_ipv6() -> bool {
    std::fs::read(IPV6_ADDRESSES).is_ok_and(|text| !text.is_empty())
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
