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

/// "in 62d" or "3h ago".
pub(crate) fn relative(at: Timestamp, now: Timestamp) -> String {
    match at >= now {
        true => format!("in {}", between(now, at)),
        false => format!("{} ago", between(at, now)),
    }
}
