//! Small graphs of a day, a line each: what an instance used, for those who look at one number and want to know whether it
//! was always so.

use super::style::{FAINT, paint};
use super::text::{local, short_size};
use crate::model::status::InstanceStatus;
use crate::model::time::Timestamp;
use crate::model::usage::{UsageHistory, UsagePoint};
use jiff::tz::TimeZone;

/// Half an hour each.
const COLUMNS: usize = 48;
const DAY_S: i64 = 86_400;
/// Heights of a column, the lowest first. In every font that terminals use, as braille is not.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Nothing was measured.
const NOTHING: char = '·';

/// Three lines and their time; none where nothing was kept.
pub(crate) fn of_a_day(
    status: &InstanceStatus,
    history: &UsageHistory,
    now: Timestamp,
    zone: &TimeZone,
) -> Vec<String> {
    if history.day.is_empty() && history.hour.is_empty() {
        return Vec::new();
    }
    let points: Vec<&UsagePoint> = history.day.iter().chain(&history.hour).collect();
    let limit = status.usage.as_ref().map_or(0, |usage| usage.memory_limit_bytes) as f64;
    let percent = |value: f64| format!("{value:.0}%");
    let size = |value: f64| short_size(value as u64);
    let disk = |point: &UsagePoint| point.database_bytes.saturating_add(point.filestore_bytes) as f64;
    let from = Timestamp::from_second(now.as_second() - DAY_S).unwrap_or(now);
    let time = format!("{} to now, half an hour a column", local(from, zone));
    vec![
        line("cpu", &points, now, |point| f64::from(point.cpu_percent), 100.0, percent),
        line("memory", &points, now, |point| point.memory_bytes as f64, limit, size),
        line("disk", &points, now, disk, 0.0, size),
        format!("  {:<7} {}\n", "", paint(FAINT, &time)),
    ]
}

/// One line: the largest of each half hour against `whole`, or against the largest of all where that is more.
fn line(
    label: &str,
    points: &[&UsagePoint],
    now: Timestamp,
    value: impl Fn(&UsagePoint) -> f64,
    whole: f64,
    shown: impl Fn(f64) -> String,
) -> String {
    let mut columns: [Option<f64>; COLUMNS] = [None; COLUMNS];
    for point in points {
        let age_s = now.as_second() - point.at.as_second();
        let Ok(back) = usize::try_from(age_s.max(0) * COLUMNS as i64 / DAY_S) else { continue };
        let Some(column) = COLUMNS.checked_sub(back + 1) else { continue };
        let value = value(point);
        columns[column] = Some(columns[column].map_or(value, |before| before.max(value)));
    }
    let largest = columns.iter().flatten().copied().fold(0.0, f64::max);
    let top = whole.max(largest);
    let graph: String = columns.iter().map(|column| column.map_or(NOTHING, |value| height(value, top))).collect();
    let label = format!("{label:<7}");
    format!("  {} {graph}  {}\n", paint(FAINT, &label), paint(FAINT, &format!("at most {}", shown(largest))))
}

fn height(value: f64, top: f64) -> char {
    let step = if top > 0.0 { (value / top * HEIGHTS.len() as f64) as usize } else { 0 };
    HEIGHTS[step.min(HEIGHTS.len() - 1)]
}
