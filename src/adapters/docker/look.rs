//! What Docker shows: one listing a kind whatever the size of the fleet, and an inspection of each container that was
//! asked about. Nothing is changed here, but leftovers of a look that was cut short.

use super::client::call;
use super::container::{self, Inspected};
use super::hardening::{self, Ties};
use super::labels::{self, Labels};
use super::{Docker, config_file, image, network, on_disk};
use crate::edges::{Ask, EdgeError};
use crate::model::live::{ConfigLive, EngineLive, JobLive, JobState, ServiceLive};
use crate::model::name::{InstanceName, Resources};
use crate::model::service::{Component, Owner};
use bollard::models::{ContainerState, ContainerSummary, ContainerSummaryStateEnum as State};
use bollard::query_parameters::ListContainersOptionsBuilder;
use futures::{StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// One inspection takes the engine about 1 ms; more at once only queue up inside it.
const INSPECTIONS_AT_ONCE_MAX: usize = 16;
/// Ends of the job containers' names, of [`crate::model::service::JobWork::component`].
const JOBS: [&str; 2] = ["install", "setup"];
/// Nano-cores in a thousandth of a core.
const NANOS_PER_MILLI: i64 = 1_000_000;

/// Looks at everything of ours and at whatever stands on a name of `ask`.
pub(super) async fn look(docker: &Docker, ask: &Ask) -> Result<EngineLive, EdgeError> {
    // Images first: that an image's user is known is part of judging a container.
    let images = image::look(docker, &ask.images).await?;
    let asked = Asked::of(ask);
    let (listed, network, volumes, configs) = futures::future::try_join4(
        list(docker),
        network::look(docker),
        network::volumes(docker, |name| asked.volumes.contains(name)),
        read_configs(docker, ask),
    )
    .await?;
    image::remove_stale_probes(docker, &listed).await;
    let parts: Vec<_> =
        listed.iter().filter_map(|summary| Some((summary, Part::of(docker, &asked, summary)?))).collect();
    let wanted =
        parts.iter().filter(|(_, part)| part.is_inspected(ask)).map(|(summary, _)| owned_id(summary)).collect();
    let inspected = inspect_all(docker, wanted).await?;
    let ports_in_use = ports_in_use(docker, &listed).await?;
    let mut live =
        EngineLive { images, network: network.live, volumes, configs, ports_in_use, ..EngineLive::default() };
    for (summary, part) in parts {
        let seen = inspected.get(id(summary));
        if part.is_inspected(ask) && seen.is_none() {
            continue; // It went away between the listing and the inspection.
        }
        match part.kind {
            Kind::Service => {
                let service = service_live(docker, summary, seen, part.owner, network.id.as_deref()).await;
                live.services.insert(part.name, service);
            }
            Kind::Job => {
                live.jobs.insert(part.name, job_live(seen, part.owner));
            }
        }
    }
    Ok(live)
}

/// The names of `ask`, for a quick answer whether one is among them.
struct Asked<'a> {
    services: BTreeSet<&'a str>,
    jobs: BTreeSet<String>,
    volumes: BTreeSet<&'a str>,
}

impl<'a> Asked<'a> {
    fn of(ask: &'a Ask) -> Self {
        let all = || ask.instances.values();
        let jobs = |resources: &Resources| JOBS.map(|job| format!("{}{job}", resources.job_prefix));
        Self {
            services: all().map(|resources| resources.container.as_str()).collect(),
            jobs: all().flat_map(jobs).collect(),
            volumes: all().map(|resources| resources.volume.as_str()).collect(),
        }
    }
}

/// What a listed container is to us.
struct Part {
    name: String,
    kind: Kind,
    owner: Owner,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Service,
    Job,
}

impl Part {
    /// None for a container that is neither ours nor on a name that was asked for.
    fn of(docker: &Docker, asked: &Asked, summary: &ContainerSummary) -> Option<Self> {
        let name = name(summary)?;
        let owner = summary.labels.as_ref().map(|labels| labels::owner(&docker.installation, labels));
        let owner = owner.unwrap_or_else(|| Owner::Foreign("no Innkeeper label".into()));
        let on_name = if asked.services.contains(name) {
            Some(Kind::Service)
        } else {
            asked.jobs.contains(name).then_some(Kind::Job)
        };
        let by_mark = owner.tag().and_then(|tag| match tag.component {
            Component::Service => Some(Kind::Service),
            component => container::is_job(component).then_some(Kind::Job),
        });
        let kind = on_name.or(by_mark)?;
        // One of ours on the name of another part can do that part's work for nobody: the name is taken.
        let owner = match owner {
            Owner::Ours(tag) if by_mark != Some(kind) => {
                Owner::Foreign(format!("the {} of instance {}", labels::component_text(tag.component), tag.instance))
            }
            owner => owner,
        };
        Some(Self { name: name.to_owned(), kind, owner })
    }

    /// Services of the instances that were asked about, and all jobs: there are few.
    fn is_inspected(&self, ask: &Ask) -> bool {
        self.kind == Kind::Job || self.owner.tag().is_some_and(|tag| ask.instances.contains_key(&tag.instance))
    }
}

pub(super) async fn list(docker: &Docker) -> Result<Vec<ContainerSummary>, EdgeError> {
    let engine = docker.client.docker().await?;
    let options = ListContainersOptionsBuilder::default().all(true).build();
    call("could not list Docker's containers", engine.list_containers(Some(options))).await
}

/// Inspects many at once; one that went away in between is not in the answer.
async fn inspect_all(docker: &Docker, ids: Vec<String>) -> Result<HashMap<String, Inspected>, EdgeError> {
    let inspect = async |id: String| Ok(container::inspect(docker, &id).await?.map(|seen| (id, seen)));
    let found: Vec<Option<(String, Inspected)>> =
        futures::stream::iter(ids).map(inspect).buffer_unordered(INSPECTIONS_AT_ONCE_MAX).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn service_live(
    docker: &Docker,
    summary: &ContainerSummary,
    seen: Option<&Inspected>,
    owner: Owner,
    network_id: Option<&str>,
) -> ServiceLive {
    let mut live = from_summary(summary, owner);
    let (Some(seen), Owner::Ours(tag)) = (seen, &live.owner) else {
        return live;
    };
    let config_dir = docker.directory(&tag.instance);
    let volume = Resources::of(&tag.instance).volume;
    let ties = Ties { network: &docker.network, config_dir: &config_dir.to_string_lossy(), volume: &volume };
    let user = image::user_text(docker, &live.image_id).await;
    let missing = hardening::missing(seen, &ties, network_id, user.as_deref());
    if !missing.is_empty() {
        tracing::info!(container = name(summary), ?missing, "a container is not as hardened as we make it");
    }
    live.hardened = missing.is_empty();
    live.restarts = seen.restart_count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default();
    live.running = container::is_running(seen.state.as_ref());
    live.restarting = container::is_restarting(seen.state.as_ref());
    live.killed_for_memory = seen.state.as_ref().and_then(|state| state.oom_killed).unwrap_or(false);
    live.started_at = container::started_at(seen.state.as_ref());
    if let Some(host) = &seen.host_config {
        live.ports = hardening::ports(host);
        live.cpu_millis =
            host.nano_cpus.and_then(|nanos| u32::try_from(nanos / NANOS_PER_MILLI).ok()).unwrap_or_default();
        live.memory_bytes = host.memory.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or_default();
    }
    live
}

/// What the listing alone tells, for containers that nobody asked about: limits and ports stay unknown.
fn from_summary(summary: &ContainerSummary, owner: Owner) -> ServiceLive {
    let label = |name: &str| summary.labels.as_ref().and_then(|labels: &Labels| labels.get(name)).cloned();
    ServiceLive {
        owner,
        id: id(summary).to_owned(),
        image_id: summary.image_id.clone().unwrap_or_default(),
        image: label(labels::IMAGE).or_else(|| summary.image.clone()).unwrap_or_default(),
        running: is_up(summary),
        restarting: summary.state == Some(State::RESTARTING),
        killed_for_memory: false,
        restarts: 0,
        started_at: None,
        cpu_millis: 0,
        memory_bytes: 0,
        ports: None,
        hardened: true,
    }
}

fn job_live(seen: Option<&Inspected>, owner: Owner) -> JobLive {
    let state = seen.and_then(|seen| seen.state.as_ref());
    JobLive { owner, state: state.map_or(JobState::Created, job_state), started_at: container::started_at(state) }
}

/// How a job stands, by its container's state.
pub(super) fn job_state(state: &ContainerState) -> JobState {
    if container::is_running(Some(state)) {
        JobState::Running
    } else if container::is_new(Some(state)) {
        JobState::Created
    } else {
        JobState::Ended(state.exit_code.unwrap_or_default())
    }
}

/// Ports of the host that any container publishes. The listing tells those of running ones; those of stopped ones are
/// inspected once and kept, for a container's ports never change.
async fn ports_in_use(docker: &Docker, listed: &[ContainerSummary]) -> Result<BTreeSet<u16>, EdgeError> {
    let up = listed.iter().flat_map(|summary| summary.ports.iter().flatten());
    let mut ports: BTreeSet<u16> = up.filter_map(|port| port.public_port).collect();
    let stopped: Vec<String> = listed.iter().filter(|summary| !is_up(summary)).map(owned_id).collect();
    let mut known = docker.stopped_ports();
    let unknown = stopped.iter().filter(|id| !known.contains_key(*id)).cloned().collect();
    for (id, seen) in inspect_all(docker, unknown).await? {
        known.insert(id, seen.host_config.as_ref().map(hardening::published).unwrap_or_default());
    }
    let stopped: BTreeSet<String> = stopped.into_iter().collect();
    known.retain(|id, _| stopped.contains(id));
    ports.extend(known.values().flatten());
    docker.keep_stopped_ports(known);
    Ok(ports)
}

async fn read_configs(docker: &Docker, ask: &Ask) -> Result<BTreeMap<InstanceName, ConfigLive>, EdgeError> {
    let places: Vec<_> = ask.instances.keys().map(|name| (name.clone(), docker.directory(name))).collect();
    let look = |(name, directory): (InstanceName, PathBuf)| Some((name, config_file::look(&directory)?));
    let read = move || Ok(places.into_iter().filter_map(look).collect());
    on_disk(read).await
}

/// The container's own name. Names with a further slash are other containers' links to it.
fn name(summary: &ContainerSummary) -> Option<&str> {
    let names = summary.names.iter().flatten();
    names.filter_map(|name| name.strip_prefix('/')).find(|name| !name.contains('/'))
}

fn id(summary: &ContainerSummary) -> &str {
    summary.id.as_deref().unwrap_or_default()
}

fn owned_id(summary: &ContainerSummary) -> String {
    id(summary).to_owned()
}

fn is_up(summary: &ContainerSummary) -> bool {
    matches!(summary.state, Some(State::RUNNING | State::PAUSED))
}
