//! The files `status/<name>.json`: which of them are read at a start, and when one is worth writing anew.

use crate::model::name::InstanceName;
use crate::model::status::{InstanceStatus, UsageStatus};
use std::path::{Path, PathBuf};

/// A document in which only the usage changed is written again after this time at the earliest.
const USAGE_WRITTEN_EVERY_S: i64 = 300;

/// True when a document's usage is worth writing anew: it is some minutes old, and off by more than an eye would pass over.
pub(super) fn is_news(written: &UsageStatus, now: &UsageStatus) -> bool {
    let old = now.at.as_second().saturating_sub(written.at.as_second()) >= USAGE_WRITTEN_EVERY_S;
    let differs = |before: u64, after: u64, whole: u64| before.abs_diff(after).saturating_mul(20) > whole;
    let disk = |usage: &UsageStatus| usage.database_bytes.saturating_add(usage.filestore_bytes);
    let moved = (written.cpu_percent - now.cpu_percent).abs() > 5.0
        || written.memory_limit_bytes != now.memory_limit_bytes
        || differs(written.memory_bytes, now.memory_bytes, now.memory_limit_bytes)
        || differs(disk(written), disk(now), disk(now));
    old && moved
}

pub(super) fn documents(dir: &Path) -> Vec<InstanceStatus> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let read = |path: PathBuf| {
        let name = InstanceName::parse(path.file_name()?.to_str()?.strip_suffix(".json")?).ok()?;
        let status: InstanceStatus = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (status.name == name).then_some(status)
    };
    entries.filter_map(|entry| read(entry.ok()?.path())).collect()
}
