//! Containers, volumes, jobs and the configuration files that they mount.

use super::{Ask, ByteStream, EdgeError};
use crate::model::live::EngineLive;
use crate::model::name::InstanceName;
use crate::model::service::{JobSpec, SecretFile, ServiceSpec, Tag};
use crate::model::service_plan::Limits;
use crate::model::usage::ServiceUsage;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobEnd {
    /// Exit code; 0 is success.
    pub exit_code: i64,
    /// The last lines of its output, 64 KiB at most, secrets never in them.
    pub log_tail: String,
    /// Odoo's own message: the line of its output that says what went wrong; none when nothing did.
    pub message: Option<String>,
    /// Values of a set-up that Odoo refuses and will refuse again, a sentence each; the others were applied.
    pub refused: Vec<String>,
}

/// Which output is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The application's container.
    Odoo,
    /// The newest job container.
    Job,
}

impl LogSource {
    /// What is said where there is no such output.
    pub fn missing(self, instance: &InstanceName) -> String {
        match self {
            Self::Odoo => format!("{instance} has no container yet"),
            Self::Job => format!(
                "{instance} has no job container: one that ended without an error is removed, and `innkeeper events \
                 {instance}` says what came of it"
            ),
        }
    }
}

/// Which part of an output is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The service's output, or a job's.
    pub source: LogSource,
    /// Go on as lines come.
    pub follow: bool,
    /// The last so many lines; none is all.
    pub tail: Option<u64>,
    /// Only lines since then (Unix time, seconds).
    pub since_unix_s: Option<i64>,
}

/// Lines of output as they come.
pub type LogLines = futures::stream::BoxStream<'static, Result<String, EdgeError>>;

/// The container engine. See the module documentation of [`super`] for the rules of every method.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Lists everything of ours and what `ask` names. One listing a kind, whatever the size of the fleet; containers of
    /// `ask.instances` are inspected.
    async fn look(&self, ask: &Ask) -> Result<EngineLive, EdgeError>;

    /// Completes when something happened to an object of ours: a hint to look, never news. Returns the instance where
    /// the event names one. Adapters list again on reconnect by returning `None`.
    async fn changed(&self) -> Result<Option<InstanceName>, EdgeError>;

    /// Makes the installation's network, on which containers cannot reach each other.
    async fn ensure_network(&self) -> Result<(), EdgeError>;

    /// Makes a volume.
    async fn ensure_volume(&self, volume: &str, tag: &Tag) -> Result<(), EdgeError>;

    /// Writes a file into the directory that the instance's containers mount read-only at `/etc/odoo`: 0600, owned by
    /// the image's user, replaced atomically, its digest in the first line.
    async fn put_file(&self, instance: &InstanceName, file: &SecretFile) -> Result<(), EdgeError>;

    /// Makes the container, not started. One of ours with the same digest is kept.
    async fn create_service(&self, spec: &ServiceSpec) -> Result<(), EdgeError>;

    /// Stops and removes the container. Its volume stays. Absent is success.
    async fn remove_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError>;

    /// Changes the limits of a container without restarting it.
    async fn update_limits(&self, container: &str, tag: &Tag, limits: &Limits) -> Result<(), EdgeError>;

    /// Starts the container; running is success.
    async fn start_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError>;

    /// Stops the container, of an application or of a job, with time for Odoo to end its requests; stopped is success.
    async fn stop_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError>;

    /// Restarts the container.
    async fn restart_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError>;

    /// Runs the job to its end, or waits for one of the same digest that already runs. One that ended before is removed
    /// and run anew. Ends early with [`super::ErrorKind::Timeout`] at the job's deadline, the job stopped.
    /// Dropping the future leaves the job running.
    async fn run_job(&self, spec: &JobSpec) -> Result<JobEnd, EdgeError>;

    /// Removes an ended job container. Absent is success.
    async fn remove_job(&self, container: &str, tag: &Tag) -> Result<(), EdgeError>;

    /// Reads everything in the volume of a container that does not run, as a tar archive. Ends with an error when it
    /// breaks off.
    async fn read_volume(&self, container: &str, tag: &Tag) -> Result<ByteStream, EdgeError>;

    /// Removes a volume and all that is in it. Absent is success; one that a container still mounts is a failure.
    async fn remove_volume(&self, volume: &str, tag: &Tag) -> Result<(), EdgeError>;

    /// Removes the directory of the instance's configuration files with all that is in it. Absent is success.
    async fn remove_files(&self, instance: &InstanceName) -> Result<(), EdgeError>;

    /// Reads output.
    async fn logs(&self, instance: &InstanceName, query: &LogQuery) -> Result<LogLines, EdgeError>;

    /// What the running application containers of ours use, all at once: an instance that is not in the answer runs none.
    async fn usage(&self) -> Result<BTreeMap<InstanceName, ServiceUsage>, EdgeError>;

    /// Bytes on disk of an instance's volume; none when there is no such volume of its. It reads every file's size: for
    /// one volume at a time, and seldom.
    async fn volume_bytes(&self, volume: &str, tag: &Tag) -> Result<Option<u64>, EdgeError>;
}
