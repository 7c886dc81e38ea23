//! Long work in containers of its own, which outlive the daemon that started them.
//!
//! A job has a fixed name. Whoever finds it running with the digest that is wanted waits for it; a lost connection, a
//! dropped future or a restarted daemon are not its end.

use super::client::failed;
use super::container::{self, Inspected, create as make, ours};
use super::hardening::{self, CONFIG_TARGET, Ties};
use super::odoo_log::{odoo_message, refusals};
use super::{Docker, config_file, labels, logs, look, network, on_disk, service};
use crate::edges::engine::JobEnd;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::live::JobState;
use crate::model::secret::SecretString;
use crate::model::service::{JobSpec, JobWork, Tag};
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::WaitContainerOptionsBuilder;
use futures::StreamExt;
use std::time::Duration;

/// The script that a set-up job runs.
const SETUP_SCRIPT: &str = include_str!("setup.py");
const SETUP_SCRIPT_NAME: &str = "setup.py";
/// What the script makes true and the first password; the caller writes it before each set-up job.
const SETUP_FILE: &str = "setup.json";
/// Releases up to this one install demo data unless told otherwise, and take `all` as the word for it.
const DEMO_BY_DEFAULT_MAJOR_MAX: u32 = 18;
/// A job has no requests to end.
const STOP_GRACE_S: i64 = 10;
/// After a lost connection the engine is asked again in steps of this length.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Options that every job has: no server, no scheduled actions, and memory limited by the container alone, for the
/// limits of `odoo.conf` are those of the workers. What a job says is read: it says it whatever `odoo.conf` asks of the log.
const NO_SERVER: [&str; 6] = [
    "--no-http",
    "--workers=0",
    "--max-cron-threads=0",
    "--limit-memory-hard=0",
    "--log-level=info",
    "--log-handler=:INFO",
];

/// Runs the job to its end, or waits for the one that runs.
pub(super) async fn run(docker: &Docker, spec: &JobSpec) -> Result<JobEnd, EdgeError> {
    let id = match running(docker, spec).await? {
        Some(id) => id,
        None => begin(docker, spec).await?,
    };
    let limit = Duration::from_secs(spec.deadline_s);
    let Some(exit_code) = tokio::time::timeout(limit, ended(docker, &id, spec)).await.unwrap_or(Ok(None))? else {
        return Err(stop_late(docker, &id, spec).await);
    };
    forget_setup_file(docker, spec).await;
    let log_tail = logs::tail(docker, &id).await?;
    let refused = if matches!(spec.work, JobWork::SetUp { .. }) { refusals(&log_tail) } else { Vec::new() };
    let end = JobEnd { exit_code, message: odoo_message(&log_tail), refused, log_tail };
    if end.exit_code == 0 {
        container::remove(docker, &id).await?;
    }
    Ok(end)
}

/// Removes an ended job, whatever its work was. Absent is success.
pub(super) async fn remove(docker: &Docker, name: &str, tag: &Tag) -> Result<(), EdgeError> {
    let Some(found) = ours(docker, name, tag).await? else {
        return Ok(());
    };
    if container::is_running(found.state.as_ref()) {
        return Err(failed(format!("the job {name} still runs")));
    }
    container::remove(docker, container::id(&found)).await
}

/// The id of a job that runs with the wanted digest. One that does not run is removed on the way.
async fn running(docker: &Docker, spec: &JobSpec) -> Result<Option<String>, EdgeError> {
    let Some(found) = ours(docker, &spec.container, &spec.tag).await? else {
        return Ok(None);
    };
    let id = container::id(&found);
    if !container::is_running(found.state.as_ref()) {
        container::remove(docker, id).await?;
        return Ok(None);
    }
    if container::digest(docker, &found) != spec.tag.digest {
        return Err(failed(format!("the job {} still runs with other work: it is waited for", spec.container)));
    }
    tracing::info!(job = spec.container, "waits for a job that already runs");
    Ok(Some(id.to_owned()))
}

async fn begin(docker: &Docker, spec: &JobSpec) -> Result<String, EdgeError> {
    network::require_volume(docker, &spec.volume, &spec.tag).await?;
    service::prepare_directory(docker, &spec.tag.instance, spec.image_user).await?;
    if matches!(spec.work, JobWork::SetUp { .. }) {
        put_script(docker, spec).await?;
    }
    let id = match make(docker, &spec.container, body(docker, spec)).await {
        Ok(id) => id,
        Err(error) => return Err(service::explain(docker, &spec.image_id, error).await),
    };
    container::start(docker, &id).await?;
    Ok(id)
}

async fn put_script(docker: &Docker, spec: &JobSpec) -> Result<(), EdgeError> {
    let directory = docker.directory(&spec.tag.instance);
    let owner = spec.image_user;
    on_disk(move || config_file::write(&directory, SETUP_SCRIPT_NAME, "", &SecretString::from(SETUP_SCRIPT), owner))
        .await
}

/// The first password of the administrator stands in that file: the application's container, which sees the same
/// directory, shall not find it there.
async fn forget_setup_file(docker: &Docker, spec: &JobSpec) {
    if !matches!(spec.work, JobWork::SetUp { .. }) {
        return;
    }
    let directory = docker.directory(&spec.tag.instance);
    let removed = on_disk(move || config_file::remove(&directory, SETUP_FILE)).await;
    if let Err(error) = removed {
        tracing::warn!(job = spec.container, "{}", crate::model::status::chain(&error));
    }
}

/// The job's exit code once it ended, whatever happens to the connection meanwhile; none at its deadline, which counts
/// from the job's own start, however often it was waited for.
async fn ended(docker: &Docker, id: &str, spec: &JobSpec) -> Result<Option<i64>, EdgeError> {
    let mut left = Duration::from_secs(spec.deadline_s);
    while !left.is_zero() {
        match container::inspect(docker, id).await {
            Ok(None) => return Err(gone(spec)),
            Ok(Some(found)) => match exit_code(&found) {
                Some(exit_code) => return Ok(Some(exit_code)),
                None => left = time_left(&found, spec),
            },
            Err(error) => tracing::warn!(job = spec.container, "{}", crate::model::status::chain(&error)),
        }
        let told = tokio::time::timeout(left, wait(docker, id)).await;
        if told != Ok(true) {
            tokio::time::sleep(ASK_AGAIN.min(left)).await;
        }
    }
    Ok(None)
}

/// True when Docker says that the container ended; false when the connection broke.
async fn wait(docker: &Docker, id: &str) -> bool {
    let Ok(engine) = docker.client.docker().await else { return false };
    let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
    let told = engine.wait_container(id, Some(options)).next().await;
    // bollard tells an exit code other than 0 as an error.
    matches!(told, Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. })))
}

fn exit_code(found: &Inspected) -> Option<i64> {
    match look::job_state(found.state.as_ref()?) {
        JobState::Ended(exit_code) => Some(exit_code),
        JobState::Created | JobState::Running => None,
    }
}

fn time_left(found: &Inspected, spec: &JobSpec) -> Duration {
    let started_s = container::started_at(found.state.as_ref()).map_or(i64::MAX, |time| time.as_second());
    let spent_s = u64::try_from(super::now().as_second().saturating_sub(started_s)).unwrap_or_default();
    Duration::from_secs(spec.deadline_s.saturating_sub(spent_s))
}

/// Stops a job whose deadline passed, and tells so with the last that Odoo said.
async fn stop_late(docker: &Docker, id: &str, spec: &JobSpec) -> EdgeError {
    let doing = format!("the job {} did not end within {} s and was stopped", spec.container, spec.deadline_s);
    if let Err(error) = container::stop(docker, id, STOP_GRACE_S).await {
        return EdgeError::new(
            Edge::Engine,
            ErrorKind::Timeout,
            doing.replace("was stopped", "could not be stopped"),
            error,
        );
    }
    forget_setup_file(docker, spec).await;
    let said = logs::tail(docker, id).await.ok().and_then(|tail| odoo_message(&tail));
    match said {
        Some(said) => EdgeError::new(Edge::Engine, ErrorKind::Timeout, doing, format!("Odoo said last: {said}")),
        None => EdgeError::plain(Edge::Engine, ErrorKind::Timeout, doing),
    }
}

fn gone(spec: &JobSpec) -> EdgeError {
    failed(format!("the job container {} was removed while it was waited for", spec.container))
}

fn body(docker: &Docker, spec: &JobSpec) -> ContainerCreateBody {
    let config_dir = docker.directory(&spec.tag.instance);
    let ties = Ties { network: &docker.network, config_dir: &config_dir.to_string_lossy(), volume: &spec.volume };
    let mut body = hardening::body(&ties, &spec.image_id, command(&spec.work), spec.memory_bytes);
    let mut labels = labels::of_tag(&docker.installation, &spec.tag);
    labels.insert(labels::IMAGE.into(), spec.image.clone());
    body.labels = Some(labels);
    body
}

/// What the container runs, word by word; nothing but the set-up's redirection goes through a shell, and no word of ours
/// is part of the shell's text.
fn command(work: &JobWork) -> Vec<String> {
    let conf = format!("{CONFIG_TARGET}/{}", config_file::ODOO_CONF);
    let words: Vec<&str> = match work {
        JobWork::Install { modules, database, version } => {
            let modules = modules.iter().map(|module| module.as_str()).collect::<Vec<_>>().join(",");
            let demo = (version.major() <= DEMO_BY_DEFAULT_MAJOR_MAX).then_some("--without-demo=all");
            let install = ["odoo", "-c", &conf, "-d", database, "-i", &modules, "--stop-after-init"];
            return owned(install.into_iter().chain(demo).chain(NO_SERVER));
        }
        // `odoo shell` runs what it reads from standard input, in every release.
        JobWork::SetUp { database, .. } => {
            let script = "exec odoo shell \"$@\" < /etc/odoo/setup.py";
            vec!["/bin/sh", "-c", script, "sh", "-c", &conf, "-d", database]
        }
    };
    owned(words.into_iter().chain(NO_SERVER))
}

fn owned<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(str::to_owned).collect()
}
