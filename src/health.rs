//! What an instance uses, held against what its customer bought: what a person should know about. Pure, and slow to change
//! its mind: a strain is told when it has lasted, and is over only when it is well below where it began.

use crate::model::event::Reason;
use crate::model::service_plan::Limits;
use crate::model::size::Bytes;
use crate::model::status::UsageStatus;
use crate::model::time::{Seconds, Timestamp};
use std::collections::BTreeMap;

/// Measurements further apart than this say nothing about the time between them.
const GAP_S_MAX: i64 = 120;

/// What can be too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strain {
    /// Database and filestore fill the plan's disk.
    Disk,
    /// Memory is at its limit, where Linux begins to take pages away and then kills.
    Memory,
    /// The processors are used up.
    Cpu,
    /// Memory was used up, and the kernel killed processes.
    Kills,
}

/// When a strain is told, and when it is over.
#[derive(Debug, Clone, Copy)]
struct Rule {
    strain: Strain,
    /// CamelCase word.
    reason: Reason,
    /// Per cent of the limit from which on it is one.
    begins_percent: u64,
    /// Per cent of the limit below which it is over.
    ends_percent: u64,
    /// It is told after so long.
    lasts_s: u64,
}

/// Installing modules or a month's end keep processors busy for minutes, and Odoo's workers are recycled at their memory
/// limit: only what lasts longer is worth a person's time. A disk fills slowly and does not empty by itself.
const RULES: [Rule; 3] = [
    Rule { strain: Strain::Disk, reason: Reason::DiskNearlyFull, begins_percent: 90, ends_percent: 85, lasts_s: 0 },
    Rule { strain: Strain::Memory, reason: Reason::MemoryAtLimit, begins_percent: 95, ends_percent: 85, lasts_s: 600 },
    Rule { strain: Strain::Cpu, reason: Reason::CpuBusy, begins_percent: 90, ends_percent: 70, lasts_s: 900 },
];

/// After so long without another one, processes that were killed are told no more.
const KILLS_TOLD_S: i64 = 3_600;

/// Processes that were killed because memory was used up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Kills {
    since: Timestamp,
    last: Timestamp,
    count: u64,
    limit: Bytes,
}

/// One strain as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Course {
    since: Timestamp,
    told: bool,
    message: String,
}

/// How an instance bears its load, from one measurement to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vitals {
    courses: BTreeMap<Strain, Course>,
    measured: Option<Timestamp>,
    kills: Option<Kills>,
}

/// A strain that a person should know about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What is strained.
    pub strain: Strain,
    /// CamelCase word.
    pub reason: Reason,
    /// A sentence.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

impl Vitals {
    /// How it stands after another measurement.
    #[must_use]
    pub fn after(&self, usage: &UsageStatus, limits: &Limits) -> Self {
        let now = usage.at;
        let unbroken = self.measured.is_some_and(|at| now.as_second().abs_diff(at.as_second()) <= GAP_S_MAX as u64);
        let mut courses = BTreeMap::new();
        for rule in &RULES {
            let before = self.courses.get(&rule.strain).filter(|course| unbroken || course.told || rule.lasts_s == 0);
            courses.extend(rule.course(before, usage, limits).map(|course| (rule.strain, course)));
        }
        let kills = self.kills.clone().filter(|kills| now.as_second() - kills.last.as_second() < KILLS_TOLD_S);
        Self { courses, measured: Some(now), kills }
    }

    /// How it stands after the kernel killed so many of its processes, because they used up `limit` together.
    #[must_use]
    pub fn after_kills(&self, count: u64, limit: Bytes, now: Timestamp) -> Self {
        let (since, before) = self.kills.as_ref().map_or((now, 0), |kills| (kills.since, kills.count));
        Self { kills: Some(Kills { since, last: now, count: before.saturating_add(count), limit }), ..self.clone() }
    }

    /// What a person should know.
    pub fn warnings(&self) -> Vec<Warning> {
        let told = RULES.iter().filter_map(|rule| {
            let course = self.courses.get(&rule.strain).filter(|course| course.told)?;
            let (message, since) = (course.message.clone(), course.since);
            Some(Warning { strain: rule.strain, reason: rule.reason, message, since })
        });
        let kills = self.kills.iter().map(|kills| Warning {
            strain: Strain::Kills,
            reason: Reason::OutOfMemory,
            message: kills.message(),
            since: kills.since,
        });
        told.chain(kills).collect()
    }
}

impl Kills {
    fn message(&self) -> String {
        let Self { count, limit, .. } = self;
        let processes =
            if *count == 1 { "one of its processes".to_owned() } else { format!("{count} of its processes") };
        format!(
            "Linux killed {processes}, because together they used up the {limit} of its container: whoever waited for an answer \
             saw an error, and what was being done is lost. Agree on a larger plan, or raise [limits] memory; `innkeeper logs` \
             shows what ran"
        )
    }
}

impl Rule {
    fn course(&self, before: Option<&Course>, usage: &UsageStatus, limits: &Limits) -> Option<Course> {
        let (used, limit) = self.strain.measure(usage, limits)?;
        let bound = if before.is_some() { self.ends_percent } else { self.begins_percent };
        if u128::from(used) * 100 < u128::from(limit) * u128::from(bound) {
            return None;
        }
        let since = before.map_or(usage.at, |course| course.since);
        let lasted_s = u64::try_from(usage.at.as_second() - since.as_second()).unwrap_or_default();
        let told = before.is_some_and(|course| course.told) || lasted_s >= self.lasts_s;
        Some(Course { since, told, message: self.strain.message(used, limit, self) })
    }
}

impl Strain {
    /// What is used and what may be; none where there is no limit.
    fn measure(self, usage: &UsageStatus, limits: &Limits) -> Option<(u64, u64)> {
        let (used, limit) = match self {
            Self::Disk => (usage.database_bytes.saturating_add(usage.filestore_bytes), limits.disk.0),
            Self::Memory => (usage.memory_bytes, usage.memory_limit_bytes),
            // Per cent of a core and thousandths of one, both as thousandths.
            Self::Cpu => ((usage.cpu_percent.max(0.0) * 10.0) as u64, u64::from(limits.cpu_millis)),
            // Counted, not measured.
            Self::Kills => return None,
        };
        (limit > 0).then_some((used, limit))
    }

    fn message(self, used: u64, limit: u64, rule: &Rule) -> String {
        match self {
            Self::Disk if used >= limit => format!(
                "database and files take {} of the {} that were bought: nothing is refused yet, but backups and upgrades \
                 need room; agree on a larger plan, or raise [limits] disk",
                Bytes(used),
                Bytes(limit)
            ),
            Self::Disk => format!("database and files take {} of the {} that were bought", Bytes(used), Bytes(limit)),
            Self::Memory => format!(
                "its memory has been above {} % of {} for {}: workers will be killed; agree on a larger plan, or raise \
                 [limits] memory",
                rule.ends_percent,
                Bytes(limit),
                Seconds(rule.lasts_s)
            ),
            Self::Cpu => format!(
                "it has used more than {} % of its {} for {}: pages are slow; `innkeeper logs` says what it does",
                rule.ends_percent,
                cores(limit),
                Seconds(rule.lasts_s)
            ),
            Self::Kills => String::new(),
        }
    }
}

fn cores(millis: u64) -> String {
    match (millis / 1_000, millis % 1_000 / 100) {
        (1, 0) => "1 core".to_owned(),
        (whole, 0) => format!("{whole} cores"),
        (whole, tenths) => format!("{whole}.{tenths} cores"),
    }
}
