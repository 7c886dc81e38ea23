//! What rehearsed instances use: processor time that grows while a container runs, memory below its limit, and sizes that
//! follow what customers stored.

use super::World;
use super::database::{CONTENT_BYTES, EMPTY_BYTES};
use super::world::{Container, ContainerState};
use crate::model::name::InstanceName;
use crate::model::service::{Component, Owner, Tag};
use crate::model::time::Timestamp;
use crate::model::usage::ServiceUsage;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What a customer stores at once, in files.
const FILES_BYTES: u64 = 256 << 10;
/// An Odoo that nobody uses: two workers and its scheduler.
const IDLE: Load = Load { cpu_percent: 1, memory_bytes: 280 << 20 };

/// How busy an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Per cent of one core.
    pub cpu_percent: u32,
    /// Memory in use.
    pub memory_bytes: u64,
}

/// Processor time of a container, counted up to a moment.
#[derive(Debug, Clone, Copy)]
pub struct CpuTime {
    counted_to: Timestamp,
    used: Duration,
}

impl World {
    /// Lets running services use processor time up to `now`.
    pub(super) fn burn(&mut self, now: Timestamp) {
        let Self { containers, cpu_times, loads, .. } = self;
        if cpu_times.len() > containers.len() {
            let ids: BTreeSet<&str> = containers.values().map(|container| container.id.as_str()).collect();
            cpu_times.retain(|id, _| ids.contains(id.as_str()));
        }
        for container in containers.values() {
            let Some(name) = service_of(container) else { continue };
            let time = cpu_times.entry(container.id.clone());
            let time = time.or_insert(CpuTime { counted_to: now, used: Duration::ZERO });
            let passed = Duration::try_from(now.duration_since(time.counted_to)).unwrap_or_default();
            if container.state == ContainerState::Running {
                time.used += passed * load(loads, name).cpu_percent / 100;
            }
            time.counted_to = now;
        }
    }

    pub(super) fn usage(&self) -> BTreeMap<InstanceName, ServiceUsage> {
        let running = self.containers.values().filter(|container| container.state == ContainerState::Running);
        let usage = |container: &Container| {
            let name = service_of(container)?;
            let used = self.cpu_times.get(&container.id).map_or(Duration::ZERO, |time| time.used);
            let limit = if container.memory_bytes == 0 { u64::MAX } else { container.memory_bytes };
            let usage = ServiceUsage {
                cpu_time: used,
                memory_bytes: load(&self.loads, name).memory_bytes.min(limit),
                memory_limit_bytes: container.memory_bytes,
                memory_kills: container.memory_kills,
            };
            Some((name.clone(), usage))
        };
        running.filter_map(usage).collect()
    }

    pub(super) fn volume_bytes(&self, volume: &str, tag: &Tag) -> Option<u64> {
        let volume = self.volumes.get(volume)?;
        let ours = volume.owner.tag().is_some_and(|owner| owner.uid == tag.uid);
        ours.then_some(volume.content * FILES_BYTES)
    }

    pub(super) fn sizes(&self, names: &BTreeSet<String>) -> BTreeMap<String, u64> {
        let asked = self.databases.iter().filter(|(name, database)| names.contains(*name) && database.valid);
        let ours = asked.filter(|(_, database)| matches!(database.owner, Owner::Ours(_)));
        ours.map(|(name, database)| (name.clone(), EMPTY_BYTES + database.content * CONTENT_BYTES)).collect()
    }
}

fn load(loads: &BTreeMap<InstanceName, Load>, name: &InstanceName) -> Load {
    loads.get(name).copied().unwrap_or(IDLE)
}

/// The instance whose service a container is.
fn service_of(container: &Container) -> Option<&InstanceName> {
    container.owner.tag().filter(|tag| tag.component == Component::Service).map(|tag| &tag.instance)
}
