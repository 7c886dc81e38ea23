//! Small pieces of text: counts and times. Widths, wrapping and what must not reach a terminal are in `model::text`.

pub(crate) use crate::model::text::{between, clip, harmless, width, wrap};
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;

/// "1 step", "2 steps".
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// `at` as people of the fleet read it, in its own time zone, without the zone.
pub(crate) fn local(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The zone that times are told in, as people call it.
pub(crate) fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// "in 62d" or "3h ago".
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    match at >= now {
        true => format!("in {}", between(now, at)),
        false => format!("{} ago", between(at, now)),
    }
}

/// A size in a few columns, as tables have them: `980K`, `1.9G`, `18G`.
pub(crate) fn short_size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "K", "M", "G", "T"];
    let mut unit = 0;
    let mut scaled = bytes as f64;
    while scaled >= 999.5 && unit + 1 < UNITS.len() {
        scaled /= 1_024.0;
        unit += 1;
    }
    let digits = if scaled >= 9.95 || unit == 0 { 0 } else { 1 };
    format!("{scaled:.digits$}{}", UNITS[unit])
}
