//! How the daemon's log reads: a sentence a line, with whom it is about in front and the time in the fleet's own zone. What only a
//! developer wants, such as where in the source it was written, is told from `-v` on, and always with `--log-format json`.

use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// One line for one event.
pub(super) struct Lines {
    pub(super) now: fn() -> Timestamp,
    pub(super) zone: TimeZone,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut parts = Parts::default();
        event.record(&mut parts);
        let level = *event.metadata().level();
        write!(writer, "{}  {}  ", time((self.now)(), &self.zone), word(level))?;
        if level >= Level::DEBUG {
            write!(writer, "{}: ", event.metadata().target())?;
        }
        writeln!(writer, "{}", parts.sentence())
    }
}

/// With the offset from UTC, so that programs that read logs understand it.
fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}

/// The words that events have for the same levels.
fn word(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error  ",
        Level::WARN => "warning",
        Level::INFO => "info   ",
        Level::DEBUG => "debug  ",
        Level::TRACE => "trace  ",
    }
}

/// The fields of an event.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts {
    message: String,
    instance: String,
    reason: String,
    /// `error: connection refused`
    others: Vec<String>,
}

impl Parts {
    /// `acme: its file appeared (FileAdded)`
    fn sentence(&self) -> String {
        let whose = if self.instance.is_empty() { String::new() } else { format!("{}: ", self.instance) };
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        let others = if self.others.is_empty() { String::new() } else { format!(" [{}]", self.others.join(", ")) };
        super::render::text::harmless(&format!("{whose}{}{reason}{others}", self.message))
    }

    fn put(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            "instance" => self.instance = text,
            "reason" => self.reason = text,
            "error" => {
                let _ = write!(self.message, ": {text}");
            }
            name => self.others.push(format!("{name} {text}")),
        }
    }
}

impl Visit for Parts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}"));
    }
}
