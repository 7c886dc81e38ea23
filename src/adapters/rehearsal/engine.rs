//! The rehearsed container engine. Promises as `adapters::docker` keeps them: a container is only made when its volume
//! is there, a job outlives its caller, containers of instances that nobody asked about are told without details.

use super::world::{Ailment, ConfFile, Container, ContainerState};
use super::{Rehearsal, World, failed, jobs, refused};
use crate::edges::engine::{JobEnd, LogLines, LogQuery, LogSource};
use crate::edges::{Ask, ByteStream, Edge, EdgeError, Engine};
use crate::model::live::{ConfigLive, EngineLive, JobLive, JobState, ServiceLive};
use crate::model::name::{InstanceName, Resources};
use crate::model::service::{Component, JobSpec, SecretFile, ServiceSpec, Tag};
use crate::model::service_plan::Limits;
use crate::model::time::Timestamp;
use crate::model::usage::ServiceUsage;
use async_trait::async_trait;
use futures::StreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const EDGE: Edge = Edge::Engine;
/// Ends of the job containers' names, of [`crate::model::service::JobWork::component`].
const JOBS: [&str; 2] = ["install", "setup"];

#[async_trait]
impl Engine for Rehearsal {
    async fn look(&self, ask: &Ask) -> Result<EngineLive, EdgeError> {
        Rehearsal::look(self, EDGE, "look", |world, _| Ok(world.engine_live(ask))).await
    }

    async fn changed(&self) -> Result<Option<InstanceName>, EdgeError> {
        loop {
            let hinted = self.stage.hinted.notified();
            if let Some(hint) = self.direction().hints.pop_front() {
                return Ok(hint);
            }
            hinted.await;
        }
    }

    async fn ensure_network(&self) -> Result<(), EdgeError> {
        self.effect(EDGE, "ensure_network", "network", &[&|world, _| world.ensure_network()]).await
    }

    async fn ensure_volume(&self, volume: &str, tag: &Tag) -> Result<(), EdgeError> {
        self.effect(EDGE, "ensure_volume", volume, &[&|world, _| world.ensure_volume(volume, tag)]).await
    }

    async fn put_file(&self, instance: &InstanceName, file: &SecretFile) -> Result<(), EdgeError> {
        let put = |world: &mut World, now| {
            let (digest, text, owner) = (file.digest.clone(), file.text.clone(), file.owner);
            let key = (instance.clone(), file.file_name.to_owned());
            let stands = world
                .files
                .get(&key)
                .is_some_and(|it| it.intact && it.digest == digest && it.owner == owner && it.written_at <= now);
            if stands {
                // As it would be written: its time says since when a container runs on it.
                return Ok(());
            }
            world.files.insert(key, ConfFile { digest, text, owner, intact: true, written_at: now });
            Ok(())
        };
        self.effect(EDGE, "put_file", &format!("{instance}/{}", file.file_name), &[&put]).await
    }

    async fn create_service(&self, spec: &ServiceSpec) -> Result<(), EdgeError> {
        self.effect(EDGE, "create_service", &spec.container, &[&|world, _| world.create_service(spec)]).await?;
        self.hint(Some(spec.tag.instance.clone()));
        Ok(())
    }

    async fn remove_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        let moments: [super::Moment<'_>; 2] =
            [&|world, _| world.stop(container, tag), &|world, _| world.remove(container, tag)];
        self.effect(EDGE, "remove_service", container, &moments).await
    }

    async fn update_limits(&self, container: &str, tag: &Tag, limits: &Limits) -> Result<(), EdgeError> {
        let update = |world: &mut World, _| {
            let container = world.present(container, tag)?;
            (container.cpu_millis, container.memory_bytes) = (limits.cpu_millis, limits.memory.0);
            Ok(())
        };
        self.effect(EDGE, "update_limits", container, &[&update]).await
    }

    async fn start_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        self.effect(EDGE, "start_service", container, &[&|world, now| world.start(container, tag, now)]).await?;
        self.hint(Some(tag.instance.clone()));
        Ok(())
    }

    async fn stop_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        self.effect(EDGE, "stop_service", container, &[&|world, _| world.stop(container, tag)]).await
    }

    async fn restart_service(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        let stop = |world: &mut World, _| world.present(container, tag).map(drop).and(world.stop(container, tag));
        let moments: [super::Moment<'_>; 2] = [&stop, &|world, now| world.start(container, tag, now)];
        self.effect(EDGE, "restart_service", container, &moments).await
    }

    async fn run_job(&self, spec: &JobSpec) -> Result<JobEnd, EdgeError> {
        let moments: [super::Moment<'_>; 2] =
            [&|world, _| world.create_job(spec), &|world, now| world.start_job(spec, now)];
        self.effect(EDGE, "run_job", &spec.container, &moments).await?;
        self.wait_for_job(spec).await?;
        // Taking the ended job away and telling its end is a call of its own, so that faults can strike after the wait.
        let ended = std::sync::Mutex::new(None);
        let take = |world: &mut World, _: Timestamp| {
            let end = world.end_job(spec)?;
            *ended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(end);
            Ok(())
        };
        self.effect(EDGE, "end_job", &spec.container, &[&take]).await?;
        self.hint(Some(spec.tag.instance.clone()));
        let end = ended.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        end.ok_or_else(|| failed(EDGE, "the job's end was not told"))
    }

    async fn remove_job(&self, container: &str, tag: &Tag) -> Result<(), EdgeError> {
        let remove = |world: &mut World, _| match world.ours(container, tag)? {
            Some(job) if job.state == ContainerState::Running => {
                Err(failed(EDGE, format!("the job {container} still runs")))
            }
            _ => world.remove(container, tag),
        };
        self.effect(EDGE, "remove_job", container, &[&remove]).await
    }

    async fn read_volume(&self, container: &str, tag: &Tag) -> Result<ByteStream, EdgeError> {
        let bytes = Rehearsal::look(self, EDGE, "read_volume", |world, _| world.read_volume(container, tag)).await?;
        Ok(futures::stream::iter([Ok(bytes)]).boxed())
    }

    async fn remove_volume(&self, volume: &str, tag: &Tag) -> Result<(), EdgeError> {
        self.effect(EDGE, "remove_volume", volume, &[&|world, _| world.remove_volume(volume, tag)]).await
    }

    async fn remove_files(&self, instance: &InstanceName) -> Result<(), EdgeError> {
        let remove = |world: &mut World, _| {
            world.files.retain(|(owner, _), _| owner != instance);
            Ok(())
        };
        self.effect(EDGE, "remove_files", instance.as_str(), &[&remove]).await
    }

    async fn logs(&self, instance: &InstanceName, query: &LogQuery) -> Result<LogLines, EdgeError> {
        let resources = Resources::of(instance);
        let lines = Rehearsal::look(self, EDGE, "logs", |world, now| {
            let of_job = |name: &str| query.source == LogSource::Job && name.starts_with(&resources.job_prefix);
            let of_odoo = |name: &str| query.source == LogSource::Odoo && name == resources.container;
            let mut found = world.containers.iter().filter(|(name, _)| of_job(name) || of_odoo(name));
            let Some((_, container)) = found.next_back() else {
                return Err(refused(EDGE, query.source.missing(instance)));
            };
            let mut lines = jobs::said(container, &resources.database, now);
            lines.drain(..lines.len().saturating_sub(query.tail.unwrap_or(u64::MAX) as usize));
            Ok(lines)
        });
        let lines: Vec<Result<String, EdgeError>> = lines.await?.into_iter().map(Ok).collect();
        Ok(futures::stream::iter(lines).boxed())
    }

    async fn usage(&self) -> Result<BTreeMap<InstanceName, ServiceUsage>, EdgeError> {
        Rehearsal::look(self, EDGE, "usage", |world, _| Ok(world.usage())).await
    }

    async fn volume_bytes(&self, volume: &str, tag: &Tag) -> Result<Option<u64>, EdgeError> {
        Rehearsal::look(self, EDGE, "volume_bytes", |world, _| Ok(world.volume_bytes(volume, tag))).await
    }
}

impl Rehearsal {
    /// Waits for the job's end, or stops it at its deadline.
    async fn wait_for_job(&self, spec: &JobSpec) -> Result<(), EdgeError> {
        loop {
            self.alive().await;
            let now = (self.stage.now)();
            let left_s = self.with(|world| world.job_left_s(spec, now))?;
            let Some(left_s) = left_s else { return Ok(()) };
            tokio::time::sleep(Duration::from_secs(left_s.max(1))).await;
        }
    }
}

impl World {
    fn engine_live(&self, ask: &Ask) -> EngineLive {
        let asked: BTreeSet<&str> = ask.instances.values().map(|resources| resources.container.as_str()).collect();
        let asked_jobs: BTreeSet<String> =
            ask.instances.values().flat_map(|it| JOBS.map(|job| format!("{}{job}", it.job_prefix))).collect();
        let asked_volumes: BTreeSet<&str> = ask.instances.values().map(|it| it.volume.as_str()).collect();
        let mut live = EngineLive { network: self.network.clone(), ..EngineLive::default() };
        live.images = self
            .images
            .iter()
            .filter(|(name, _)| ask.images.contains(*name))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let volumes = self
            .volumes
            .iter()
            .filter(|(name, volume)| volume.owner.tag().is_some() || asked_volumes.contains(name.as_str()));
        live.volumes = volumes.map(|(name, volume)| (name.clone(), volume.owner.clone())).collect();
        let published = self.containers.values().filter_map(|container| container.ports);
        live.ports_in_use = published
            .flat_map(|ports| [ports.http, ports.gevent()])
            .chain(self.foreign_ports.iter().copied())
            .collect();
        for (name, container) in &self.containers {
            let component = container.owner.tag().map(|tag| tag.component);
            let is_job = matches!(component, Some(Component::InstallJob | Component::SetupJob));
            if asked_jobs.contains(name) || is_job {
                live.jobs.insert(name.clone(), container.job_live());
            } else if asked.contains(name.as_str()) || component == Some(Component::Service) {
                let details = container.owner.tag().is_none_or(|tag| ask.instances.contains_key(&tag.instance));
                let loops = self.ailment_of(container) == Some(Ailment::Crashes);
                live.services.insert(name.clone(), container.service_live(details, loops));
            }
        }
        let confs = self
            .files
            .iter()
            .filter(|((instance, file), _)| file == "odoo.conf" && ask.instances.contains_key(instance));
        live.configs = confs.map(|((instance, _), file)| (instance.clone(), file.live())).collect();
        live
    }
}

impl Container {
    fn service_live(&self, details: bool, loops: bool) -> ServiceLive {
        ServiceLive {
            owner: self.owner.clone(),
            id: self.id.clone(),
            image_id: self.image_id.clone(),
            image: self.image.clone(),
            running: self.state == ContainerState::Running,
            restarting: loops && self.state == ContainerState::Running,
            killed_for_memory: details && self.killed_for_memory,
            restarts: if details { self.restarts } else { 0 },
            started_at: self.started_at.filter(|_| details),
            cpu_millis: if details { self.cpu_millis } else { 0 },
            memory_bytes: if details { self.memory_bytes } else { 0 },
            ports: self.ports.filter(|_| details),
            hardened: self.hardened || !details,
        }
    }

    fn job_live(&self) -> JobLive {
        let state = match self.state {
            ContainerState::Created => JobState::Created,
            ContainerState::Running => JobState::Running,
            ContainerState::Exited(code) => JobState::Ended(code),
        };
        JobLive { owner: self.owner.clone(), state, started_at: self.started_at }
    }
}

impl ConfFile {
    fn live(&self) -> ConfigLive {
        ConfigLive { digest: self.digest.clone(), intact: self.intact, written_at: self.written_at }
    }
}
