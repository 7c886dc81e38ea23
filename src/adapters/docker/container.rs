//! What services and jobs have in common: find one by its exact name, make sure that it is ours, remove it.

use super::client::{call, conflict, failed, found, within};
use super::hardening::STOP_GRACE_S;
use super::{Docker, labels};
use crate::edges::EdgeError;
use crate::model::service::{Component, Owner, Tag};
use crate::model::time::Timestamp;
use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder,
};
use std::time::Duration;

/// Stopping takes as long as the container is given, and then as long as a loaded engine needs to kill it.
const STOP_DEADLINE_S_MAX: u64 = STOP_GRACE_S as u64 + super::client::CALL_DEADLINE_S_MAX;
/// Another removal of the same container is waited for in steps of this length, as often as this.
const REMOVAL_STEP: Duration = Duration::from_millis(200);
const REMOVAL_STEPS_MAX: u32 = 150;

/// A container that an inspection showed.
pub(super) type Inspected = ContainerInspectResponse;

/// Inspects by exact name (or id); none when there is none.
pub(super) async fn inspect(docker: &Docker, name: &str) -> Result<Option<Inspected>, EdgeError> {
    let engine = docker.client.docker().await?;
    let answer = async { found(engine.inspect_container(name, None::<InspectContainerOptions>).await) };
    call(format!("could not inspect the container {name}"), answer).await
}

/// Whose an inspected container is.
pub(super) fn owner(docker: &Docker, container: &Inspected) -> Owner {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    labels.map_or_else(
        || Owner::Foreign("no Innkeeper label".into()),
        |labels| labels::owner(&docker.installation, labels),
    )
}

/// Inspects and compares the mark: the container that `tag` names, or none when the name is free.
///
/// # Errors
/// `Conflict` when anything else stands on the name.
pub(super) async fn ours(docker: &Docker, name: &str, tag: &Tag) -> Result<Option<Inspected>, EdgeError> {
    let Some(container) = inspect(docker, name).await? else {
        return Ok(None);
    };
    let why = match owner(docker, &container) {
        Owner::Ours(found) if is_same(&found, tag) => return Ok(Some(container)),
        Owner::Ours(found) => format!(
            "the {} of instance {} with uid {}",
            labels::component_text(found.component),
            found.instance,
            found.uid
        ),
        Owner::Foreign(why) => why,
    };
    Err(conflict(format!(
        "a container that is not of this instance stands on the name {name} ({why}): rename or remove it"
    )))
}

/// The digest of an inspected container's mark.
pub(super) fn digest(docker: &Docker, container: &Inspected) -> String {
    owner(docker, container).tag().map(|tag| tag.digest.clone()).unwrap_or_default()
}

/// Makes the container, not started, and returns its id. Its image must be there: nothing is ever pulled.
pub(super) async fn create(
    docker: &Docker,
    name: &str,
    body: bollard::models::ContainerCreateBody,
) -> Result<String, EdgeError> {
    let engine = docker.client.docker().await?;
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    let doing = format!("could not create the container {name}");
    let created = call(doing, engine.create_container(Some(options), body)).await?;
    for warning in created.warnings {
        tracing::warn!(container = name, "Docker warns: {warning}");
    }
    Ok(created.id)
}

/// Starts the container; running is success.
pub(super) async fn start(docker: &Docker, name: &str) -> Result<(), EdgeError> {
    let engine = docker.client.docker().await?;
    let doing = format!("could not start the container {name}");
    call(doing, engine.start_container(name, None::<StartContainerOptions>)).await
}

/// Stops the container, killed after `grace_s`; stopped or absent is success.
pub(super) async fn stop(docker: &Docker, name: &str, grace_s: i64) -> Result<(), EdgeError> {
    let engine = docker.client.docker().await?;
    let grace_s = i32::try_from(grace_s).unwrap_or(i32::MAX);
    let options = StopContainerOptionsBuilder::default().t(grace_s).build();
    let stopped = async { found(engine.stop_container(name, Some(options)).await) };
    let doing = format!("could not stop the container {name}");
    within(Duration::from_secs(STOP_DEADLINE_S_MAX), doing, stopped).await.map(drop)
}

/// Removes the container and its anonymous volumes, never a named one; returns when it is gone. Absent is success.
pub(super) async fn remove(docker: &Docker, id: &str) -> Result<(), EdgeError> {
    let engine = docker.client.docker().await?;
    let options = RemoveContainerOptionsBuilder::default().v(true).force(true).build();
    let doing = format!("could not remove the container {id}");
    let removal = async {
        match engine.remove_container(id, Some(options)).await {
            // Somebody else removes it at this moment; the loop below sees it go.
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 409, .. }) => Ok(false),
            answer => found(answer).map(|_| true),
        }
    };
    if call(doing.as_str(), removal).await? {
        return Ok(());
    }
    for _ in 0..REMOVAL_STEPS_MAX {
        if inspect(docker, id).await?.is_none() {
            return Ok(());
        }
        tokio::time::sleep(REMOVAL_STEP).await;
    }
    Err(failed(format!("{doing}: another removal of it does not end")))
}

/// The engine's id of an inspected container.
pub(super) fn id(container: &Inspected) -> &str {
    container.id.as_deref().unwrap_or_default()
}

/// True while the engine waits to start it again; Docker says that it runs meanwhile, too.
pub(super) fn is_restarting(state: Option<&ContainerState>) -> bool {
    state.and_then(|state| state.restarting).unwrap_or(false)
}

/// True while the main process runs, paused or not, and while the engine waits to start it again.
pub(super) fn is_running(state: Option<&ContainerState>) -> bool {
    state.and_then(|state| state.running).unwrap_or(false)
}

/// True for a container that was made and never started.
pub(super) fn is_new(state: Option<&ContainerState>) -> bool {
    state.and_then(|state| state.status) == Some(ContainerStateStatusEnum::CREATED)
}

/// When the main process last started; none when it never did (Docker writes the year 1 then).
pub(super) fn started_at(state: Option<&ContainerState>) -> Option<Timestamp> {
    let text = state?.started_at.as_deref()?;
    text.parse::<Timestamp>().ok().filter(|time| time.as_second() > 0)
}

fn is_same(found: &Tag, wanted: &Tag) -> bool {
    (found.uid, found.component) == (wanted.uid, wanted.component) && found.instance == wanted.instance
}

/// True for the components that are jobs.
pub(super) fn is_job(component: Component) -> bool {
    matches!(component, Component::InstallJob | Component::SetupJob)
}
