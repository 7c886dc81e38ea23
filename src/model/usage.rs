//! What instances use of their host, at one moment and over time.

use super::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the processes of a container use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceUsage {
    /// Processor time since the container was started: a rate needs two of them.
    pub cpu_time: Duration,
    /// Memory in use, without files that are only cached.
    pub memory_bytes: u64,
    /// What it may use at most; 0 is no limit.
    pub memory_limit_bytes: u64,
    /// Processes that the kernel killed since the container was started, because its memory was used up; 0 where that cannot
    /// be known.
    pub memory_kills: u64,
}

/// What an instance used at one moment, or over the time up to the next point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UsagePoint {
    /// When it was measured.
    pub at: Timestamp,
    /// Per cent of one core: the mean where several points became one.
    pub cpu_percent: f32,
    /// Memory in use: the largest where several points became one, so that what came near the limit still shows.
    pub memory_bytes: u64,
    /// Database on disk.
    pub database_bytes: u64,
    /// Filestore on disk.
    pub filestore_bytes: u64,
}

/// How far apart the points of a history are, and how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// As they were measured, for an hour.
    Sampled,
    /// Five minutes, for a day.
    Minutes,
    /// An hour, for thirty days.
    Hours,
}

impl Resolution {
    /// All, the finest first.
    pub const ALL: [Self; 3] = [Self::Sampled, Self::Minutes, Self::Hours];

    /// Seconds from one point to the next.
    pub const fn step_s(self) -> u32 {
        match self {
            Self::Sampled => 15,
            Self::Minutes => 300,
            Self::Hours => 3_600,
        }
    }

    /// Seconds after which a point is dropped.
    pub const fn kept_s(self) -> u32 {
        match self {
            Self::Sampled => 3_600,
            Self::Minutes => 86_400,
            Self::Hours => 30 * 86_400,
        }
    }

    /// Points of one instance that are kept at most.
    pub const fn points_max(self) -> u32 {
        self.kept_s() / self.step_s() + 1
    }
}

/// What an instance used, each part oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UsageHistory {
    /// The last hour, as it was measured: see [`Resolution::Sampled`].
    pub hour: Vec<UsagePoint>,
    /// The last day: see [`Resolution::Minutes`].
    pub day: Vec<UsagePoint>,
    /// The last thirty days: see [`Resolution::Hours`].
    pub month: Vec<UsagePoint>,
}

/// Less time than this says nothing about how data grow: one day's import is no trend.
const GROWTH_D_MIN: f64 = 2.0;

impl UsageHistory {
    /// Bytes by which database and filestore grow a day, over all that is known; less than nothing when they shrink. None
    /// while less than two days are known.
    pub fn disk_growth_per_day(&self) -> Option<f64> {
        let points = || self.month.iter().chain(&self.day).chain(&self.hour).filter(|point| point.disk_bytes() > 0);
        let (first, last) = (points().min_by_key(|point| point.at)?, points().max_by_key(|point| point.at)?);
        let days = (last.at.as_second() - first.at.as_second()) as f64 / 86_400.0;
        (days >= GROWTH_D_MIN).then(|| (last.disk_bytes() as f64 - first.disk_bytes() as f64) / days)
    }

    /// Days until data fill so many bytes, if they go on to grow as they did. None when they do not grow, or are over it.
    pub fn days_until_full(&self, disk_bytes: u64) -> Option<u64> {
        let growth = self.disk_growth_per_day().filter(|growth| *growth >= 1.0)?;
        let now =
            [self.hour.last(), self.day.last(), self.month.last()].into_iter().flatten().max_by_key(|it| it.at)?;
        let left = disk_bytes.checked_sub(now.disk_bytes())?;
        Some((left as f64 / growth) as u64)
    }
}

impl UsagePoint {
    /// Database and filestore together.
    pub fn disk_bytes(&self) -> u64 {
        self.database_bytes.saturating_add(self.filestore_bytes)
    }
}
