//! Lines of Odoo's output: what they say of their time and level, and how they are written.
//!
//! Odoo begins a line with `2026-03-01 12:00:00,123 1 INFO odoo_acme odoo.http: ` in UTC (odoo/netsvc.py, as the image sets
//! its time zone). A line that begins otherwise, as those of a traceback do, belongs to the one before it.

use super::style::{FAINT, STRONG, of_level, paint};
use super::text::{harmless, local};
use crate::model::event::Level;
use crate::model::name::InstanceName;
use crate::model::status::SCHEMA;
use crate::model::time::Timestamp;
use clap::ValueEnum;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use regex::{Regex, RegexBuilder};
use serde::Serialize;
use std::collections::BTreeMap;

/// A pattern that needs more than this for itself is refused.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Time in the fleet's zone, level, text
    Short,
    /// The same with an RFC 3339 time in UTC
    Iso,
    /// A JSON document a line
    Json,
    /// The text alone
    Cat,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    schema: u32,
    pub(crate) instance: InstanceName,
    /// When; none before the first line that says so.
    pub(crate) at: Option<Timestamp>,
    pub(crate) level: Option<Level>,
    /// As it was written.
    pub(crate) line: String,
    /// Where in `line` the text begins, behind time, process and level.
    #[serde(skip)]
    text: usize,
}

/// What the line before said, for each instance.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    before: BTreeMap<InstanceName, (Timestamp, Level)>,
}

impl Reading {
    /// Understands the next line of an instance.
    pub(crate) fn take(&mut self, instance: &InstanceName, line: String) -> Entry {
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        let head = head(&line);
        if let Some((at, level, _)) = head {
            self.before.insert(instance.clone(), (at, level));
        }
        let before = self.before.get(instance).copied();
        let text = head.map_or(0, |(_, _, text)| text);
        Entry {
            schema: SCHEMA,
            instance: instance.clone(),
            at: before.map(|(at, _)| at),
            level: before.map(|(_, level)| level),
            line,
            text,
        }
    }
}

/// Time, level, and where the text begins.
fn head(line: &str) -> Option<(Timestamp, Level, usize)> {
    let (time, rest) = line.split_at_checked("2026-03-01 12:00:00,123".len())?;
    let at = time.replace(',', ".").parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    let (process, rest) = rest.strip_prefix(' ')?.split_once(' ')?;
    process.parse::<u32>().ok()?;
    let (level, text) = rest.split_once(' ')?;
    let level = match level.trim_matches(|c: char| !c.is_ascii_uppercase()) {
        "DEBUG" => Level::Debug,
        "INFO" => Level::Info,
        "WARNING" => Level::Warning,
        "ERROR" => Level::Error,
        "CRITICAL" => Level::Critical,
        _ => return None,
    };
    Some((at, level, line.len() - text.len()))
}

/// A pattern as journalctl takes it: without a capital in it, capitals do not matter.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub(crate) fn grep(pattern: &str) -> Result<Regex, String> {
    let careless = !pattern.chars().any(char::is_uppercase);
    let built = RegexBuilder::new(pattern).case_insensitive(careless).size_limit(PATTERN_BYTES_MAX).build();
    built.map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("{pattern:?} is not a regular expression: {why}")
    })
}

/// One line for people, with its end. `whose` tells the instance in it.
pub(crate) fn render(entry: &Entry, form: Form, zone: &TimeZone, whose: bool, is_terminal: bool) -> String {
    let safe = |text: &str| if is_terminal { harmless(text) } else { text.to_owned() };
    let whose = if whose { format!("{} ", paint(STRONG, entry.instance.as_str())) } else { String::new() };
    let (at, level) = match (entry.at, entry.level) {
        (Some(at), Some(level)) if form != Form::Cat && entry.text > 0 => (at, level),
        _ if form == Form::Cat => return format!("{}\n", safe(&entry.line)),
        _ => return format!("{whose}{}\n", safe(&entry.line)),
    };
    let time = if form == Form::Iso { format!("{at:.3}") } else { local(at, zone) };
    let level = paint(of_level(level), &format!("{:<8}", super::event::word(level)));
    format!("{} {level} {whose}{}\n", paint(FAINT, &time), safe(&entry.line[entry.text..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 4] = [
        "2026-03-01 12:00:00,123 1 INFO odoo_acme odoo.http: GET /web",
        "2026-03-01 12:00:01,000 7 \u{1b}[1;31mERROR\u{1b}[0m odoo_acme odoo.sql_db: bad query",
        "Traceback (most recent call last):",
        "2026-03-01 12:00:02,000 1 SHOUT odoo_acme x: no level of Odoo's",
    ];

    fn entries() -> Vec<Entry> {
        let (mut reading, acme) = (Reading::default(), InstanceName::parse("acme").unwrap());
        LINES.iter().map(|line| reading.take(&acme, format!("{line}\r\n"))).collect()
    }

    #[test]
    fn a_line_says_when_and_how_bad_and_a_traceback_belongs_to_the_line_before() {
        let entries = entries();
        let at = |second: i64| Timestamp::from_millisecond(1_772_366_400_000 + second).unwrap();
        assert_eq!((entries[0].at, entries[0].level), (Some(at(123)), Some(Level::Info)));
        for entry in &entries[1..] {
            assert_eq!((entry.at, entry.level), (Some(at(1_000)), Some(Level::Error)), "{}", entry.line);
        }
        let mut reading = Reading::default();
        let first = reading.take(&InstanceName::parse("acme").unwrap(), "starting".to_owned());
        assert_eq!((first.at, first.level), (None, None));
    }

    #[test]
    fn each_form_writes_the_same_line_its_own_way() {
        let zone = TimeZone::get("Asia/Ho_Chi_Minh").unwrap();
        let plain =
            |form, whose| anstream::adapter::strip_str(&render(&entries()[0], form, &zone, whose, true)).to_string();
        assert_eq!(plain(Form::Short, false), "2026-03-01 19:00:00 info     odoo_acme odoo.http: GET /web\n");
        assert_eq!(plain(Form::Short, true), "2026-03-01 19:00:00 info     acme odoo_acme odoo.http: GET /web\n");
        assert_eq!(plain(Form::Iso, false), "2026-03-01T12:00:00.123Z info     odoo_acme odoo.http: GET /web\n");
        assert_eq!(plain(Form::Cat, true), format!("{}\n", LINES[0]));
    }

    #[test]
    fn nothing_of_a_container_steers_a_terminal_and_a_pipe_gets_it_as_it_is() {
        let hostile = Reading::default().take(&InstanceName::parse("acme").unwrap(), "\u{1b}]0;owned\u{7}x".to_owned());
        let text = |is_terminal| render(&hostile, Form::Short, &TimeZone::UTC, false, is_terminal);
        assert!(!text(true).contains('\u{1b}') && !text(true).contains('\u{7}'), "{:?}", text(true));
        assert_eq!(text(false), "\u{1b}]0;owned\u{7}x\n");
    }

    #[test]
    fn a_pattern_without_capitals_minds_none() {
        assert!(grep("bad query").unwrap().is_match("BAD Query"));
        assert!(!grep("Bad").unwrap().is_match("bad"));
        assert!(grep("(").unwrap_err().contains("is not a regular expression"));
        assert!(grep("(a{1000}){1000}").is_err(), "a pattern that would fill the memory");
    }
}
