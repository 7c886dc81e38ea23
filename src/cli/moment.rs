//! Points in time as people type them: `2h`, `yesterday`, `2026-03-01 14:00`, RFC 3339.

use crate::model::time::{Seconds, Timestamp};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

/// Understands `text`; what names no zone is meant in the fleet's.
///
/// # Errors
/// A sentence with examples.
pub(crate) fn parse(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let today = now.to_zoned(zone.clone()).date();
    let at = |date: Date| date.to_datetime(Time::midnight()).to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
    let found = match text {
        "now" => Some(now),
        "today" => at(today),
        "yesterday" => today.checked_sub(1.day()).ok().and_then(at),
        _ => ago(text, now)
            .or_else(|| text.parse::<Timestamp>().ok())
            .or_else(|| text.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp()))
            .or_else(|| text.parse::<Date>().ok().and_then(at)),
    };
    found.ok_or_else(|| {
        format!("{text:?} is not a time: write \"2h\" (ago), \"today\", \"yesterday\", \"2026-03-01 14:00\" or an RFC 3339 time")
    })
}

/// `2h`, `-2h`, `2h ago`
fn ago(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim_start_matches('-').trim_end_matches("ago").trim_end();
    let seconds = i64::try_from(text.parse::<Seconds>().ok()?.0).ok()?;
    now.checked_sub(SignedDuration::from_secs(seconds)).ok()
}

/// The fleet's zone; UTC when the system does not know it (which `check` and `doctor` report).
pub(crate) fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or(TimeZone::UTC)
}
