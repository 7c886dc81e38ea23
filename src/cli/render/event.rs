//! Events for people, a line each.

use super::log::Form;
use super::style::{FAINT, STRONG, of_level, paint};
use super::text::{harmless, local};
use crate::model::event::{Event, Level};
use jiff::tz::TimeZone;

/// One event in one of the forms of `-o`; JSON is not text and is not made here.
pub(crate) fn render_as(event: &Event, form: Form, zone: &TimeZone) -> String {
    match form {
        Form::Short | Form::Json => render(event, zone),
        Form::Iso => timed(event, &format!("{:.3}", event.at)),
        Form::Cat => format!("{}\n", harmless(&event.message)),
    }
}

/// One event.
pub(crate) fn render(event: &Event, zone: &TimeZone) -> String {
    timed(event, &local(event.at, zone))
}

fn timed(event: &Event, at: &str) -> String {
    let whose = event.instance.as_ref().map_or("host", |name| name.as_str());
    let repeats = if event.count > 1 { format!(" (×{})", event.count) } else { String::new() };
    let cause = event.cause.as_ref().map(|cause| format!(" [{}]", harmless(cause))).unwrap_or_default();
    format!(
        "{} {} {} {}: {}{repeats}{}\n",
        paint(FAINT, at),
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
