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
}

/// What an instance used at one moment, or over the time up to the next point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UsagePoint {
    /// When.
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
