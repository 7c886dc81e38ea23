//! Events for people, a line each.

use super::style::{FAINT, STRONG, of_level, paint};
use super::text::{harmless, local};
use crate::model::event::{Event, Level};
use jiff::tz::TimeZone;

/// One event.
pub(crate) fn render(event: &Event, zone: &TimeZone) -> String {
    let whose = event.instance.as_ref().map_or("host", |name| name.as_str());
    let repeats = if event.count > 1 { format!(" (×{})", event.count) } else { String::new() };
    let cause = event.cause.as_ref().map(|cause| format!(" [{}]", harmless(cause))).unwrap_or_default();
    format!(
        "{} {} {} {}: {}{repeats}{}\n",
        paint(FAINT, &local(event.at, zone)),
        paint(of_level(event.level), &format!("{:<8}", word(event.level))),
        paint(STRONG, whose),
        event.reason,
        harmless(&event.message),
        paint(FAINT, &cause),
    )
}

/// The word of a level, as `-p` takes it.
pub(crate) fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}
