//! Docker behind the `Engine` edge: one container an instance, jobs beside it, all of them locked in the same way.
//!
//! - Every object carries this installation's labels (`labels`). Whatever does not is foreign: it is looked at, told as a
//!   conflict where it stands in the way, and never touched. Names are compared exactly, here and not by Docker, whose
//!   filters match substrings. Nothing is ever pruned, and no image is ever pulled.
//! - A named volume is removed only where a purge asks for that very one; a container is only made when its volume is there, because Docker would
//!   silently make an empty one in its place.
//! - No secret is in an environment, an argument or a label: Odoo reads them from its mounted `odoo.conf`
//!   (`config_file`).
//! - `look` lists once a kind. Containers of instances that were not asked about are told as far as the listing goes:
//!   without limits, ports and times, and as if hardened.
//!
//! A job that ended well is removed by `run_job` itself; one that failed stays, for `logs --source job`, until the next
//! run or `remove_job`. A set-up job reads `/etc/odoo/setup.json`, `{"setup": <Setup as JSON>, "admin_password": "…"}`, which
//! the caller puts there before each run; it is removed when the job ended, however it ended.

mod client;
mod config_file;
mod container;
mod events;
mod hardening;
mod image;
mod job;
mod labels;
mod logs;
mod look;
mod network;
mod odoo_log;
mod probe;
mod programs;
mod service;
mod tar;
mod usage;

pub use probe::Bridge;

use crate::edges::engine::{JobEnd, LogLines, LogQuery};
use crate::edges::{Ask, ByteStream, Edge, EdgeError, Engine, ErrorKind};
use crate::model::live::EngineLive;
use crate::model::name::{InstallationId, InstanceName};
use crate::model::service::{JobSpec, SecretFile, ServiceSpec, Tag};
use crate::model::service_plan::Limits;
use crate::model::settings::DockerSettings;
use crate::model::time::Timestamp;
use crate::model::usage::ServiceUsage;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::PoisonError;
use tokio::sync::Mutex;

/// The Docker engine of this host. Nothing is connected before the first call.
pub struct Docker {
    client: client::Client,
    installation: InstallationId,
    /// The installation's network: `ik-` and the installation's id.
    network: String,
    config_dir: PathBuf,
    images: Mutex<BTreeMap<String, image::Known>>,
    making_network: Mutex<()>,
    events: Mutex<Option<events::Events>>,
    stopped_ports: std::sync::Mutex<HashMap<String, BTreeSet<u16>>>,
    groups: usage::Groups,
}

impl Docker {
    /// Takes where the engine is, whose objects are ours, and the directory (absolute, made when needed, for root alone)
    /// under which each instance's configuration directory is.
    ///
    /// # Errors
    /// `Refused` for an address or a directory that cannot be used. Whether an engine answers is not tried.
    pub fn new(
        settings: &DockerSettings,
        installation: InstallationId,
        config_dir: PathBuf,
    ) -> Result<Self, EdgeError> {
        if !config_dir.is_absolute() || config_dir.to_str().is_none() {
            return Err(client::refused(format!(
                "cannot mount configuration from {}: `state_dir` must be an absolute path in UTF-8",
                config_dir.display()
            )));
        }
        Ok(Self {
            client: client::Client::new(&settings.host)?,
            network: format!("ik-{installation}"),
            installation,
            config_dir,
            images: Mutex::default(),
            making_network: Mutex::default(),
            events: Mutex::default(),
            stopped_ports: std::sync::Mutex::default(),
            groups: usage::Groups::default(),
        })
    }

    /// The host's directory that an instance's containers see as `/etc/odoo`.
    fn directory(&self, instance: &InstanceName) -> PathBuf {
        self.config_dir.join(instance.as_str())
    }

    fn stopped_ports(&self) -> HashMap<String, BTreeSet<u16>> {
        self.stopped_ports.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bridge that all containers of the installation are on; none before there is a network.
    ///
    /// # Errors
    /// Docker does not answer, or refuses.
    pub async fn bridge(&self) -> Result<Option<Bridge>, EdgeError> {
        probe::bridge(self).await
    }

    /// Those of `addresses` to which a container on the installation's network can connect: asked by a container of
    /// `image` that lives for seconds.
    ///
    /// # Errors
    /// Docker does not answer, the image is not there, or the probe did not come to its end.
    pub async fn reached(
        &self,
        image: &str,
        addresses: &BTreeSet<SocketAddr>,
    ) -> Result<BTreeSet<SocketAddr>, EdgeError> {
        probe::reached(self, image, addresses).await
    }

    fn keep_stopped_ports(&self, ports: HashMap<String, BTreeSet<u16>>) {
        *self.stopped_ports.lock().unwrap_or_else(PoisonError::into_inner) = ports;
    }

    /// True when the image has the program that Odoo prints reports with, where Odoo looks for it.
    ///
    /// # Errors
    /// Docker's; it was not found out then.
    pub async fn prints_reports(&self, image_id: &str) -> Result<bool, EdgeError> {
        image::has_any(self, image_id, &["/usr/local/bin/wkhtmltopdf", "/usr/bin/wkhtmltopdf", "/bin/wkhtmltopdf"])
            .await
    }
}

/// Runs work on files where it may block.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EdgeError> + Send + 'static,
) -> Result<T, EdgeError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(EdgeError::new(Edge::Engine, ErrorKind::Failed, "work on the configuration files broke off", error))
    })
}

/// The present time, to be compared with times that the engine of the same host wrote.
#[expect(clippy::disallowed_methods, reason = "the age of Docker's objects is told by the host's clock alone")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[async_trait]
impl Engine for Docker {
    async fn look(&self, ask: &Ask) -> Result<EngineLive, EdgeError> {
        look::look(self, ask).await
    }

    async fn changed(&self) -> Result<Option<InstanceName>, EdgeError> {
        events::changed(self).await
    }

    async fn ensure_network(&self) -> Result<(), EdgeError> {
        network::ensure(self).await
    }

    async fn ensure_volume(&self, volume: &str, tag: &Tag) -> Result<(), EdgeError> {
        network::ensure_volume(self, volume, tag).await
    }

    async fn put_file(&self, instance: &InstanceName, file: &SecretFile) -> Result<(), EdgeError> {
        let directory = self.directory(instance);
        let (name, digest, text, owner) = (file.file_name, file.digest.clone(), file.text.clone(), file.owner);
        on_disk(move || config_file::write(&directory, name, &digest, &text, owner)).await
    }

    async fn create_service(&self, spec: &ServiceSpec) -> Result<(), EdgeError> {
        service::create(self, spec).await
    }

    async fn remove_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        service::remove(self, container, tag).await
    }

    async fn update_limits(&self, container: &str, tag: &Tag, limits: &Limits) -> Result<(), EdgeError> {
        service::update_limits(self, container, tag, limits).await
    }

    async fn start_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        service::start(self, container, tag).await
    }

    async fn stop_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        service::stop(self, container, tag).await
    }

    async fn restart_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        service::restart(self, container, tag).await
    }

    async fn run_job(&self, spec: &JobSpec) -> Result<JobEnd, EdgeError> {
        job::run(self, spec).await
    }

    async fn remove_job(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        job::remove(self, container, tag).await
    }

    async fn read_volume(&self, container: &str, tag: &Tag) -> Result<ByteStream, EdgeError> {
        service::read_volume(self, container, tag).await
    }

    async fn remove_volume(&self, volume: &str, tag: &Tag) -> Result<(), EdgeError> {
        network::remove_volume(self, volume, tag).await
    }

    async fn remove_files(&self, instance: &InstanceName) -> Result<(), EdgeError> {
        let directory = self.directory(instance);
        on_disk(move || config_file::remove_directory(&directory)).await
    }

    async fn logs(&self, instance: &InstanceName, query: &LogQuery) -> Result<LogLines, EdgeError> {
        logs::logs(self, instance, query).await
    }

    async fn usage(&self) -> Result<BTreeMap<InstanceName, ServiceUsage>, EdgeError> {
        usage::services(self).await
    }

    async fn volume_bytes(&self, volume: &str, tag: &Tag) -> Result<Option<u64>, EdgeError> {
        usage::volume(self, volume, tag).await
    }
}
