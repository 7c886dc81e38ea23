//! What was measured of each instance, until it is kept in the journal. Plain arithmetic: time is handed in.

use crate::health::{Strain, Vitals, Warning};
use crate::model::name::InstanceName;
use crate::model::service_plan::Limits;
use crate::model::size::Bytes;
use crate::model::status::UsageStatus;
use crate::model::time::Timestamp;
use crate::model::usage::{Resolution, ServiceUsage, UsageHistory, UsagePoint};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// All instances that are measured.
#[derive(Default)]
pub(crate) struct Gauges {
    inner: Mutex<BTreeMap<InstanceName, Gauge>>,
}

/// One instance.
#[derive(Default)]
struct Gauge {
    /// Processor time as counted last, and when: a rate needs two.
    counted: Option<(Instant, Duration)>,
    /// None until it was counted twice.
    cpu_percent: Option<f64>,
    service: ServiceUsage,
    /// Processes that were killed for want of memory since the last reading.
    kills: u64,
    /// How many the engine counted last; none before the first count, which says nothing of when they were.
    kills_counted: Option<u64>,
    database: Size,
    filestore: Size,
    /// Not yet in the journal.
    unkept: Vec<UsagePoint>,
    vitals: Vitals,
}

/// A size that is measured now and then.
#[derive(Default)]
struct Size {
    /// None while there is nothing to measure.
    bytes: Option<u64>,
    tried: Option<Instant>,
}

/// What is measured seldom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Database,
    Filestore,
}

/// What one round brought for an instance.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reading {
    pub(crate) usage: UsageStatus,
    pub(crate) warnings: Vec<Warning>,
    /// Of `warnings`, those that are new.
    pub(crate) begun: Vec<Warning>,
    /// Those that are over.
    pub(crate) ended: Vec<Warning>,
}

impl Gauges {
    /// Takes in what the engine counted at `at`. Whoever is not in `counted` runs nothing; whoever is not in `names` is
    /// measured no more.
    pub(crate) fn count(
        &self,
        names: &BTreeSet<InstanceName>,
        counted: &BTreeMap<InstanceName, ServiceUsage>,
        at: Instant,
    ) {
        let mut gauges = self.inner();
        gauges.retain(|name, _| names.contains(name));
        for name in names {
            gauges.entry(name.clone()).or_default().count(counted.get(name).copied(), at);
        }
    }

    /// Whose part was measured longest ago, at most `max` of them, none sooner than `every` after the last time.
    pub(crate) fn due(&self, part: Part, every: Duration, max: usize, now: Instant) -> BTreeSet<InstanceName> {
        let gauges = self.inner();
        let tried = |gauge: &Gauge| gauge.size(part).tried;
        let mut due: Vec<_> = gauges
            .iter()
            .filter(|(_, gauge)| tried(gauge).is_none_or(|at| now.duration_since(at) >= every))
            .map(|(name, gauge)| (tried(gauge), name))
            .collect();
        due.sort();
        due.into_iter().take(max).map(|(_, name)| name.clone()).collect()
    }

    /// Takes in a size; none where there is nothing to measure.
    pub(crate) fn measure(&self, part: Part, name: &InstanceName, bytes: Option<u64>, at: Instant) {
        if let Some(gauge) = self.inner().get_mut(name) {
            // What is not there yet is looked for again at the next round.
            let tried = bytes.is_some().then_some(at);
            *gauge.size_mut(part) = Size { bytes, tried };
        }
    }

    /// A size could not be measured: what is known of it stays, and it is not tried again at once.
    pub(crate) fn missed(&self, part: Part, name: &InstanceName, at: Instant) {
        if let Some(gauge) = self.inner().get_mut(name) {
            gauge.size_mut(part).tried = Some(at);
        }
    }

    /// What is known of everybody now, and a point of it for the history. Left out is whoever was not measured in full
    /// yet.
    pub(crate) fn read(
        &self,
        limits: &BTreeMap<InstanceName, Limits>,
        now: Timestamp,
    ) -> BTreeMap<InstanceName, Reading> {
        let mut gauges = self.inner();
        let read =
            |(name, gauge): (&InstanceName, &mut Gauge)| Some((name.clone(), gauge.read(limits.get(name)?, now)?));
        gauges.iter_mut().filter_map(read).collect()
    }

    /// Its main process was killed for want of memory, and the engine's count went with it.
    pub(crate) fn note_kills(&self, name: &InstanceName, times: u64) {
        if let Some(gauge) = self.inner().get_mut(name) {
            gauge.kills = gauge.kills.saturating_add(times);
        }
    }

    /// An instance's filestore as last measured.
    pub(crate) fn filestore_bytes(&self, name: &InstanceName) -> Option<u64> {
        self.inner().get(name)?.filestore.bytes
    }

    /// Takes what is not in the journal yet.
    pub(crate) fn take_unkept(&self) -> Vec<(InstanceName, Vec<UsagePoint>)> {
        let mut gauges = self.inner();
        let taken = gauges.iter_mut().map(|(name, gauge)| (name.clone(), std::mem::take(&mut gauge.unkept)));
        taken.filter(|(_, points)| !points.is_empty()).collect()
    }

    /// A history with what is not in the journal yet.
    pub(crate) fn with_unkept(&self, name: &InstanceName, mut kept: UsageHistory) -> UsageHistory {
        let gauges = self.inner();
        kept.hour.extend(gauges.get(name).into_iter().flat_map(|gauge| gauge.unkept.iter().copied()));
        kept
    }

    fn inner(&self) -> MutexGuard<'_, BTreeMap<InstanceName, Gauge>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gauge {
    fn count(&mut self, usage: Option<ServiceUsage>, at: Instant) {
        let Some(usage) = usage else {
            self.kills_counted = Some(0);
            (self.counted, self.cpu_percent, self.service) = (None, Some(0.0), ServiceUsage::default());
            return;
        };
        let new_kills = match self.kills_counted.replace(usage.memory_kills) {
            None => 0,
            // Less than before: the container was started anew, and counts from nothing.
            Some(before) => usage.memory_kills.checked_sub(before).unwrap_or(usage.memory_kills),
        };
        self.kills = self.kills.saturating_add(new_kills);
        // Less than before: it is another run of the container, which has to be counted twice again.
        let before = self.counted.filter(|(_, cpu_time)| *cpu_time <= usage.cpu_time);
        if let Some((then, cpu_time)) = before {
            let passed = at.duration_since(then).as_secs_f64();
            let used = (usage.cpu_time - cpu_time).as_secs_f64();
            self.cpu_percent = (passed > 0.0).then(|| (used * 1_000.0 / passed).round() / 10.0);
        }
        (self.counted, self.service) = (Some((at, usage.cpu_time)), usage);
    }

    fn read(&mut self, limits: &Limits, now: Timestamp) -> Option<Reading> {
        let usage = UsageStatus {
            at: now,
            cpu_percent: self.cpu_percent?,
            memory_bytes: self.service.memory_bytes,
            memory_limit_bytes: match self.service.memory_limit_bytes {
                0 => limits.memory.0,
                limit => limit,
            },
            database_bytes: self.database.bytes?,
            filestore_bytes: self.filestore.bytes?,
        };
        self.unkept.push(point(&usage));
        let surplus = self.unkept.len().saturating_sub(Resolution::Sampled.points_max() as usize);
        self.unkept.drain(..surplus);
        let before = self.vitals.warnings();
        self.vitals = self.vitals.after(&usage, limits);
        let kills = std::mem::take(&mut self.kills);
        if kills > 0 {
            self.vitals = self.vitals.after_kills(kills, Bytes(usage.memory_limit_bytes), now);
        }
        let warnings = self.vitals.warnings();
        let without = |of: &[Warning], others: &[Warning]| {
            let other = |it: &&Warning| !others.iter().any(|other| other.strain == it.strain);
            of.iter().filter(other).cloned().collect()
        };
        let (mut begun, ended): (Vec<Warning>, Vec<Warning>) =
            (without(&warnings, &before), without(&before, &warnings));
        // Each is told, also while the last one is.
        let again = warnings.iter().filter(|it| kills > 0 && it.strain == Strain::Kills && !begun.contains(it));
        let again: Vec<Warning> = again.cloned().collect();
        begun.extend(again);
        Some(Reading { usage, warnings, begun, ended })
    }

    fn size(&self, part: Part) -> &Size {
        match part {
            Part::Database => &self.database,
            Part::Filestore => &self.filestore,
        }
    }

    fn size_mut(&mut self, part: Part) -> &mut Size {
        match part {
            Part::Database => &mut self.database,
            Part::Filestore => &mut self.filestore,
        }
    }
}

fn point(usage: &UsageStatus) -> UsagePoint {
    UsagePoint {
        // As the journal keeps it, so that it is the same point before and after.
        at: Timestamp::from_microsecond(usage.at.as_microsecond()).unwrap_or(usage.at),
        cpu_percent: usage.cpu_percent as f32,
        memory_bytes: usage.memory_bytes,
        database_bytes: usage.database_bytes,
        filestore_bytes: usage.filestore_bytes,
    }
}
