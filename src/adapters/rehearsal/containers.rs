//! What the rehearsed engine does to its containers, volumes and network; each function is one moment of a call.

use super::jobs::{REFUSED, duration_s};
use super::world::{Container, ContainerState, KILLED, NO_LABEL, Volume, Work};
use super::{World, claim, conflict, failed, refused};
use crate::edges::engine::JobEnd;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::live::NetworkLive;
use crate::model::service::{Component, ImageUser, JobSpec, Owner, ServiceSpec, Tag};
use crate::model::time::Timestamp;

const EDGE: Edge = Edge::Engine;

impl World {
    pub(super) fn ensure_network(&mut self) -> Result<(), EdgeError> {
        match self.network.get_or_insert(NetworkLive { ours: true, isolated: true }) {
            NetworkLive { ours: false, .. } => Err(conflict(EDGE, "the network", NO_LABEL)),
            NetworkLive { isolated: false, .. } => Err(refused(EDGE, "containers on the network can reach each other")),
            _ => Ok(()),
        }
    }

    pub(super) fn ensure_volume(&mut self, name: &str, tag: &Tag) -> Result<(), EdgeError> {
        if !self.volumes.contains_key(name) {
            let volume = Volume { owner: Owner::Ours(tag.clone()), serial: self.next_serial(), content: 0, missing: 0 };
            self.volumes.insert(name.to_owned(), volume);
        }
        self.require_volume(name, tag)
    }

    fn require_volume(&self, name: &str, tag: &Tag) -> Result<(), EdgeError> {
        let Some(volume) = self.volumes.get(name) else {
            return Err(refused(
                EDGE,
                format!("the volume {name} does not exist: an empty one is not made in its place"),
            ));
        };
        let tag = Tag { component: Component::Volume, ..tag.clone() };
        claim(&volume.owner, &tag, EDGE, &format!("volume {name}"))
    }

    /// The container of that name when it is the one that `tag` names; none when the name is free.
    pub(super) fn ours(&mut self, name: &str, tag: &Tag) -> Result<Option<&mut Container>, EdgeError> {
        let Some(container) = self.containers.get_mut(name) else { return Ok(None) };
        claim(&container.owner, tag, EDGE, &format!("container {name}"))?;
        Ok(Some(container))
    }

    pub(super) fn present(&mut self, name: &str, tag: &Tag) -> Result<&mut Container, EdgeError> {
        self.ours(name, tag)?.ok_or_else(|| failed(EDGE, format!("there is no container {name}")))
    }

    pub(super) fn create_service(&mut self, spec: &ServiceSpec) -> Result<(), EdgeError> {
        if let Some(found) = self.ours(&spec.container, &spec.tag)? {
            let same = found.owner.tag().is_some_and(|tag| tag.digest == spec.tag.digest);
            return match same {
                true => Ok(()),
                false => Err(failed(
                    EDGE,
                    format!("the container {} was made for another image, volume or ports", spec.container),
                )),
            };
        }
        self.prepare(&spec.image_id, &spec.volume, &spec.tag, spec.image_user)?;
        let made = Container {
            ports: Some(spec.ports),
            cpu_millis: spec.limits.cpu_millis,
            memory_bytes: spec.limits.memory.0,
            ..self.new_container(&spec.tag, &spec.image, &spec.image_id, &spec.volume)
        };
        self.containers.insert(spec.container.clone(), made);
        Ok(())
    }

    pub(super) fn create_job(&mut self, spec: &JobSpec) -> Result<(), EdgeError> {
        if let Some(found) = self.ours(&spec.container, &spec.tag)? {
            let same = found.owner.tag().is_some_and(|tag| tag.digest == spec.tag.digest);
            match found.state {
                ContainerState::Running if same => return Ok(()),
                ContainerState::Running => {
                    return Err(failed(EDGE, format!("the job {} still runs with other work", spec.container)));
                }
                _ => drop(self.containers.remove(&spec.container)),
            }
        }
        self.prepare(&spec.image_id, &spec.volume, &spec.tag, spec.image_user)?;
        let made = Container {
            memory_bytes: spec.memory_bytes,
            work: Some(Work { work: spec.work.clone(), ends_at: None, log: String::new() }),
            ..self.new_container(&spec.tag, &spec.image, &spec.image_id, &spec.volume)
        };
        self.containers.insert(spec.container.clone(), made);
        Ok(())
    }

    fn prepare(&mut self, image_id: &str, volume: &str, tag: &Tag, user: ImageUser) -> Result<(), EdgeError> {
        if !self.images.values().any(|image| image.id == image_id) {
            return Err(refused(EDGE, format!("the image {image_id} is not on this host")));
        }
        if self.network.is_none() {
            return Err(failed(EDGE, "the network does not exist"));
        }
        self.require_volume(volume, tag)?;
        for ((_, _), file) in
            self.files.iter_mut().filter(|((instance, _), file)| *instance == tag.instance && file.intact)
        {
            file.owner = user;
        }
        Ok(())
    }

    fn new_container(&mut self, tag: &Tag, image: &str, image_id: &str, volume: &str) -> Container {
        Container {
            owner: Owner::Ours(tag.clone()),
            id: format!("c{}", self.next_serial()),
            image: image.to_owned(),
            image_id: image_id.to_owned(),
            state: ContainerState::Created,
            started_at: None,
            booted: false,
            restarts: 0,
            killed_for_memory: false,
            memory_kills: 0,
            cpu_millis: 0,
            memory_bytes: 0,
            ports: None,
            hardened: true,
            volume: Some(volume.to_owned()),
            conf: None,
            work: None,
        }
    }

    pub(super) fn start(&mut self, name: &str, tag: &Tag, now: Timestamp) -> Result<(), EdgeError> {
        let conf = self.files.get(&(tag.instance.clone(), "odoo.conf".to_owned())).cloned();
        let (state, ports) = {
            let container = self.present(name, tag)?;
            (container.state, container.ports)
        };
        if state == ContainerState::Running {
            return Ok(());
        }
        let taken =
            |other: &Container| other.state == ContainerState::Running && other.ports.is_some() && other.ports == ports;
        let held = ports
            .is_some_and(|ports| [ports.http, ports.gevent()].iter().any(|port| self.foreign_ports.contains(port)));
        if held || self.containers.values().any(taken) {
            return Err(failed(EDGE, format!("could not start the container {name}: port is already allocated")));
        }
        let container = self.present(name, tag)?;
        (container.state, container.started_at, container.booted) = (ContainerState::Running, Some(now), false);
        // What a person or Innkeeper starts is counted from nothing again.
        (container.restarts, container.memory_kills, container.killed_for_memory) = (0, 0, false);
        container.conf = conf;
        Ok(())
    }

    pub(super) fn start_job(&mut self, spec: &JobSpec, now: Timestamp) -> Result<(), EdgeError> {
        if self.present(&spec.container, &spec.tag)?.state == ContainerState::Running {
            return Ok(());
        }
        self.start(&spec.container, &spec.tag, now)?;
        let takes_s = if self.hurried { 0 } else { duration_s(&spec.work) };
        let ends_at = Timestamp::from_second(now.as_second() + takes_s).unwrap_or(Timestamp::MAX);
        if let Some(work) = &mut self.present(&spec.container, &spec.tag)?.work {
            work.ends_at = Some(ends_at);
        }
        Ok(())
    }

    pub(super) fn stop(&mut self, name: &str, tag: &Tag) -> Result<(), EdgeError> {
        if let Some(container) = self.ours(name, tag)?
            && container.state == ContainerState::Running
        {
            // Odoo ends its requests and says 0; a job is cut off in the middle of its work (128 + SIGTERM).
            container.state = ContainerState::Exited(if container.work.is_some() { 143 } else { 0 });
        }
        Ok(())
    }

    /// Everything in the volume of a container that does not run.
    pub(super) fn read_volume(&self, name: &str, tag: &Tag) -> Result<Vec<u8>, EdgeError> {
        let container =
            self.containers.get(name).ok_or_else(|| failed(EDGE, format!("there is no container {name}")))?;
        claim(&container.owner, tag, EDGE, &format!("container {name}"))?;
        if container.state == ContainerState::Running {
            return Err(refused(EDGE, format!("the container {name} runs: its volume is not read")));
        }
        let volume = container.volume.as_ref().and_then(|volume| self.volumes.get(volume));
        let volume = volume.ok_or_else(|| failed(EDGE, format!("the container {name} has no volume")))?;
        Ok(super::world::stored_volume(volume))
    }

    pub(super) fn remove_volume(&mut self, name: &str, tag: &Tag) -> Result<(), EdgeError> {
        let Some(volume) = self.volumes.get(name) else { return Ok(()) };
        claim(&volume.owner, tag, EDGE, &format!("volume {name}"))?;
        if self.containers.values().any(|container| container.volume.as_deref() == Some(name)) {
            return Err(failed(EDGE, format!("the volume {name} is mounted by a container")));
        }
        self.volumes.remove(name);
        Ok(())
    }

    /// Removes one of ours; a volume stays.
    pub(super) fn remove(&mut self, name: &str, tag: &Tag) -> Result<(), EdgeError> {
        if self.ours(name, tag)?.is_some() {
            self.containers.remove(name);
        }
        Ok(())
    }

    /// Seconds until the job ends; none when it ended. Its deadline counts from its own start.
    pub(super) fn job_left_s(&mut self, spec: &JobSpec, now: Timestamp) -> Result<Option<u64>, EdgeError> {
        let gone = || failed(EDGE, format!("the job container {} was removed while it was waited for", spec.container));
        let Some(job) = self.ours(&spec.container, &spec.tag)? else { return Err(gone()) };
        if job.state != ContainerState::Running {
            return Ok(None);
        }
        let spent_s = now.as_second() - job.started_at.map_or(now.as_second(), Timestamp::as_second);
        let spent_s = u64::try_from(spent_s).unwrap_or_default();
        let late = spent_s >= spec.deadline_s;
        if late {
            job.state = ContainerState::Exited(KILLED);
            let text = format!("the job {} did not end within {} s and was stopped", spec.container, spec.deadline_s);
            return Err(EdgeError::plain(EDGE, ErrorKind::Timeout, text));
        }
        let ends_at = job.work.as_ref().and_then(|work| work.ends_at).unwrap_or(Timestamp::MAX);
        let left_s = (ends_at.as_second() - now.as_second()).unsigned_abs();
        Ok(Some(left_s.min(spec.deadline_s - spent_s)))
    }

    /// How the job ended; one that ended well is removed.
    pub(super) fn end_job(&mut self, spec: &JobSpec) -> Result<JobEnd, EdgeError> {
        let job = self.present(&spec.container, &spec.tag)?;
        let ContainerState::Exited(exit_code) = job.state else {
            return Err(failed(EDGE, format!("the job {} did not end", spec.container)));
        };
        let log_tail = job.work.as_ref().map(|work| work.log.clone()).unwrap_or_default();
        if exit_code == 0 {
            self.containers.remove(&spec.container);
        }
        let refused = log_tail.lines().filter_map(|line| line.strip_prefix(REFUSED)).map(str::to_owned).collect();
        let message = (!log_tail.is_empty()).then(|| log_tail.clone());
        Ok(JobEnd { exit_code, log_tail, message, refused })
    }
}
