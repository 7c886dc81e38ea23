//! The application's container, from its making to its end.

use super::client::{call, failed, failure, found, refused, within};
use super::container::{self, create as make, ours};
use super::hardening::{self, CONFIG_TARGET, DATA_TARGET, STOP_GRACE_S, Ties};
use super::{Docker, config_file, labels, network, on_disk, programs};
use crate::edges::{ByteStream, EdgeError, ErrorKind};
use crate::model::name::InstanceName;
use crate::model::service::{ImageUser, SERVICE_ENVIRONMENT, ServiceSpec, Tag};
use crate::model::service_plan::Limits;
use bollard::models::{ContainerCreateBody, ContainerUpdateBody, RestartPolicy, RestartPolicyNameEnum};
use bollard::query_parameters::{DownloadFromContainerOptionsBuilder, RestartContainerOptionsBuilder};
use futures::StreamExt;
use std::time::Duration;

/// Nano-cores in a thousandth of a core.
const NANOS_PER_MILLI: i64 = 1_000_000;
/// A restart is a stop with its grace, and a start.
const RESTART_DEADLINE_S_MAX: u64 = STOP_GRACE_S as u64 + 2 * super::client::CALL_DEADLINE_S_MAX;

/// Makes the container, not started; one of ours with the same digest is kept.
pub(super) async fn create(docker: &Docker, spec: &ServiceSpec) -> Result<(), EdgeError> {
    if is_made(docker, spec).await? {
        return Ok(());
    }
    network::require_volume(docker, &spec.volume, &spec.tag).await?;
    prepare_directory(docker, &spec.tag.instance, spec.image_user).await?;
    match make(docker, &spec.container, body(docker, spec)).await {
        // Another hand was quicker: then its container is ours, or it is in the way.
        Err(error) if error.kind == ErrorKind::Failed => match is_made(docker, spec).await? {
            true => Ok(()),
            false => Err(explain(docker, &spec.image_id, error).await),
        },
        answer => answer.map(drop),
    }
}

/// Makes the instance's configuration directory with the scripts in it, and gives its files to the user of the image that will
/// read them.
pub(super) async fn prepare_directory(
    docker: &Docker,
    instance: &InstanceName,
    user: ImageUser,
) -> Result<(), EdgeError> {
    let directory = docker.directory(instance);
    on_disk(move || {
        config_file::ensure_directory(&directory)?;
        programs::ensure(&directory)?;
        config_file::give_to(&directory, user)
    })
    .await
}

/// A container cannot be made from an image that is not there, and trying again does not bring it: only a pull does.
pub(super) async fn explain(docker: &Docker, image_id: &str, error: EdgeError) -> EdgeError {
    let Ok(engine) = docker.client.docker().await else {
        return error;
    };
    match call("could not inspect an image", async { found(engine.inspect_image(image_id).await) }).await {
        Ok(None) => refused(format!("{}: the image {image_id} is not on this host", error.doing)),
        _ => error,
    }
}

/// Stops and removes the container; its volume stays. Absent is success.
pub(super) async fn remove(docker: &Docker, name: &str, tag: &Tag) -> Result<(), EdgeError> {
    let Some(found) = ours(docker, name, tag).await? else {
        return Ok(());
    };
    // By id from here on: the name may be another container's by then.
    container::stop(docker, container::id(&found), STOP_GRACE_S).await?;
    container::remove(docker, container::id(&found)).await
}

/// Changes processor and memory limits of the container as it runs.
pub(super) async fn update_limits(docker: &Docker, name: &str, tag: &Tag, limits: &Limits) -> Result<(), EdgeError> {
    let id = present(docker, name, tag).await?;
    let engine = docker.client.docker().await?;
    let memory = i64::try_from(limits.memory.0).unwrap_or(i64::MAX);
    let update = ContainerUpdateBody {
        nano_cpus: Some(nano_cpus(limits)),
        memory: Some(memory),
        // Both at once: Docker refuses a memory limit above the present sum of memory and swap.
        memory_swap: Some(memory),
        ..ContainerUpdateBody::default()
    };
    call(format!("could not change the limits of the container {name}"), engine.update_container(&id, update)).await
}

/// Starts the container; running is success.
pub(super) async fn start(docker: &Docker, name: &str, tag: &Tag) -> Result<(), EdgeError> {
    let id = present(docker, name, tag).await?;
    container::start(docker, &id).await
}

/// Stops the container; stopped or absent is success.
pub(super) async fn stop(docker: &Docker, name: &str, tag: &Tag) -> Result<(), EdgeError> {
    match ours(docker, name, tag).await? {
        Some(found) => container::stop(docker, container::id(&found), STOP_GRACE_S).await,
        None => Ok(()),
    }
}

/// Restarts the container; a stopped one is started.
pub(super) async fn restart(docker: &Docker, name: &str, tag: &Tag) -> Result<(), EdgeError> {
    let id = present(docker, name, tag).await?;
    let engine = docker.client.docker().await?;
    let options = RestartContainerOptionsBuilder::default().t(STOP_GRACE_S as i32).build();
    let restart = engine.restart_container(&id, Some(options));
    let doing = format!("could not restart the container {name}");
    within(Duration::from_secs(RESTART_DEADLINE_S_MAX), doing, restart).await
}

/// Everything in the volume, as a tar archive, through the container that mounts it and does not run.
pub(super) async fn read_volume(docker: &Docker, name: &str, tag: &Tag) -> Result<ByteStream, EdgeError> {
    let found = ours(docker, name, tag).await?;
    let Some(found) = found else { return Err(failed(format!("there is no container {name}"))) };
    if container::is_running(found.state.as_ref()) {
        return Err(failed(format!("the container {name} runs: its volume is read when it stands still")));
    }
    let engine = docker.client.docker().await?;
    let options = DownloadFromContainerOptionsBuilder::default().path(DATA_TARGET).build();
    let bytes = engine.download_from_container(container::id(&found), Some(options));
    let doing = format!("could not read the volume of the container {name}");
    Ok(bytes
        .map(move |piece| piece.map(|bytes| bytes.to_vec()).map_err(|error| failure(doing.as_str(), error)))
        .boxed())
}

/// The id of the container, which must be there and ours.
async fn present(docker: &Docker, name: &str, tag: &Tag) -> Result<String, EdgeError> {
    let found = ours(docker, name, tag).await?;
    let id = found.as_ref().map(|found| container::id(found).to_owned());
    id.ok_or_else(|| failed(format!("there is no container {name}")))
}

async fn is_made(docker: &Docker, spec: &ServiceSpec) -> Result<bool, EdgeError> {
    let Some(found) = ours(docker, &spec.container, &spec.tag).await? else {
        return Ok(false);
    };
    if container::digest(docker, &found) == spec.tag.digest {
        return Ok(true);
    }
    Err(failed(format!(
        "the container {} exists and was made for another image, volume or ports: it must be re-created",
        spec.container
    )))
}

fn body(docker: &Docker, spec: &ServiceSpec) -> ContainerCreateBody {
    let config_dir = docker.directory(&spec.tag.instance);
    let ties = Ties { network: &docker.network, config_dir: &config_dir.to_string_lossy(), volume: &spec.volume };
    let conf = format!("{CONFIG_TARGET}/{}", config_file::ODOO_CONF);
    let mut body = hardening::body(&ties, &spec.image_id, programs::odoo(&["-c", &conf]), spec.limits.memory.0);
    let mut labels = labels::of_tag(&docker.installation, &spec.tag);
    labels.insert(labels::IMAGE.into(), spec.image.clone());
    body.labels = Some(labels);
    body.env = Some(SERVICE_ENVIRONMENT.map(|(name, value)| format!("{name}={value}")).into());
    if let Some(host) = &mut body.host_config {
        host.nano_cpus = Some(nano_cpus(&spec.limits));
        host.port_bindings = Some(hardening::port_bindings(spec.ports));
        host.restart_policy =
            Some(RestartPolicy { name: Some(RestartPolicyNameEnum::UNLESS_STOPPED), maximum_retry_count: None });
    }
    body
}

fn nano_cpus(limits: &Limits) -> i64 {
    i64::from(limits.cpu_millis) * NANOS_PER_MILLI
}
