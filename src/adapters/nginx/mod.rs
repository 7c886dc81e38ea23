//! The host's nginx, as the sites' proxy.
//!
//! Sites are rows; rows and the operator's templates become a generation of files below `nginx.config_dir`, and nginx's
//! main file includes `current/*.conf`. nginx itself belongs to the host: it is tested with, signalled and asked, never
//! started, never stopped, and no file outside of the configuration directory is written.
//!
//! While nginx is not running a publication still writes, tests and points `current` at a new generation, so that the
//! next start serves it, and then ends as `Unreachable`: nothing is proven yet. New templates wait until it runs: what
//! passes the test may still keep nginx from starting, on a port that somebody else has.

mod ask;
mod blame;
mod cache;
mod check;
mod draft;
mod generation;
mod host;
mod load;
mod logo;
mod look;
mod names;
mod pages;
mod preview;
mod process;
mod publish;
mod render;
mod sight;
mod syntax;
mod template;
mod texts;

pub use template::{Mistake, TEMPLATE_ENDING};

use crate::edges::proxy::{Refused, SiteChanges, Visit};
use crate::edges::{Ask, Edge, EdgeError, ErrorKind, Proxy};
use crate::model::live::{Answer, ProxyLive};
use crate::model::name::{Domain, InstallationId};
use crate::model::settings::{NginxSettings, OperatorSettings};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The nginx of one host.
pub struct Nginx {
    settings: NginxSettings,
    operator: OperatorSettings,
    places: names::Places,
    templates: PathBuf,
    certificates: PathBuf,
    base_domain: Domain,
    thumbprint: String,
    installation: String,
    program: process::Program,
    asker: ask::Asker,
    cache: cache::Cache,
    reloads: AtomicU64,
    /// Publications are serial; the caller promises it, this keeps it.
    turn: tokio::sync::Mutex<()>,
}

/// The id of the installation whose sites are in this configuration directory; none where there are no sites.
pub fn installation_at(config_dir: &Path) -> Option<String> {
    let places = names::Places { root: config_dir.to_owned() };
    generation::installation(&places)
}

/// The templates that Innkeeper brings along, by their path in `nginx-templates/`: what `init` writes.
pub fn built_in_templates() -> BTreeMap<String, String> {
    template::TemplateSet::built_in().files
}

impl Nginx {
    /// Speaks for the nginx of `settings`. Talks to nobody yet.
    ///
    /// # Errors
    /// A path or name holds a character that nginx would take for syntax, or the TLS library cannot be set up.
    pub fn new(
        settings: &NginxSettings,
        templates: PathBuf,
        certificates: PathBuf,
        base_domain: Domain,
        thumbprint: String,
        installation: InstallationId,
    ) -> Result<Self, EdgeError> {
        for path in [&settings.config_dir, &certificates] {
            check_path(path)?;
        }
        for word in [&thumbprint, &installation.0] {
            if word.is_empty() || !word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
                return Err(unfit(&format!("{word:?}")));
            }
        }
        Ok(Self {
            places: names::Places { root: settings.config_dir.clone() },
            program: process::Program::new(settings, &installation.0)?,
            asker: ask::Asker::new(settings.https_port)?,
            settings: settings.clone(),
            operator: OperatorSettings::default(),
            templates,
            certificates,
            base_domain,
            thumbprint,
            installation: installation.0,
            cache: cache::Cache::default(),
            reloads: AtomicU64::new(0),
            turn: tokio::sync::Mutex::new(()),
        })
    }

    /// The same with pages that name `operator`.
    #[must_use]
    pub fn run_by(self, operator: &OperatorSettings) -> Self {
        Self { operator: operator.clone(), ..self }
    }

    /// How often the running nginx was told to load its configuration anew.
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Proxy for Nginx {
    async fn look(&self, _ask: &Ask) -> Result<ProxyLive, EdgeError> {
        self.look_now().await
    }

    async fn publish(&self, changes: &SiteChanges) -> Result<Refused, EdgeError> {
        let _turn = self.turn.lock().await;
        self.publish_now(changes).await
    }

    async fn draining(&self) -> usize {
        self.program.draining()
    }

    async fn ask_host(&self, host: &Domain, visit: &Visit) -> Result<Answer, EdgeError> {
        self.asker.ask(host, visit).await
    }
}

/// Paths go into nginx's files in quotes, where `$` starts a variable.
fn check_path(path: &Path) -> Result<(), EdgeError> {
    match path.to_str() {
        Some(text) if path.is_absolute() && !text.contains(['"', '$', '\\', '{', '}', ';', '*', '?', '[']) => {
            if text.chars().any(char::is_control) { Err(unfit(&format!("{text:?}"))) } else { Ok(()) }
        }
        _ => Err(unfit(&format!("the path {path:?}"))),
    }
}

fn unfit(what: &str) -> EdgeError {
    let rule = "it must be absolute where it is a path, and hold no character that means something to nginx";
    EdgeError::plain(Edge::Proxy, ErrorKind::Refused, format!("{what} cannot be written into nginx's files: {rule}"))
}
