//! `events`: what happened.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::event;
use super::{fleet, moment};
use crate::journal::{EventFilter, Journal};
use crate::model::event::{Event, Level};
use clap::ValueEnum;
use jiff::tz::TimeZone;
use std::time::Duration;

/// How often the journal is asked for more with `-f`.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// Events read at once while following.
const FOLLOW_LINES_MAX: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances; without any, the whole fleet
    names: Vec<String>,
    /// Go on as events come
    #[arg(short, long)]
    follow: bool,
    /// The last so many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100)]
    lines: usize,
    /// Only since then: "2h", "today", "2026-03-01 14:00", RFC 3339
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only this level and above
    #[arg(short = 'p', long = "priority", value_name = "LEVEL", value_enum, default_value = "info")]
    level: LevelArg,
}

/// Levels as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelArg {
    Debug,
    Info,
    Warning,
    Error,
    Critical,
}

impl LevelArg {
    fn level(self) -> Level {
        match self {
            Self::Debug => Level::Debug,
            Self::Info => Level::Info,
            Self::Warning => Level::Warning,
            Self::Error => Level::Error,
            Self::Critical => Level::Critical,
        }
    }
}

/// `logs --source events`
pub(crate) fn of_one(cx: &Context, name: &str, follow: bool, lines: u64, since: Option<&str>) -> Result<Exit, Failure> {
    let args = Args {
        names: vec![name.to_owned()],
        follow,
        lines: usize::try_from(lines).unwrap_or(usize::MAX),
        since: since.map(str::to_owned),
        level: LevelArg::Info,
    };
    run(cx, &args)
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let names = fleet::many(&args.names, &fleet::known(cx, &fleet))?;
    let zone = moment::zone(&fleet.settings.fleet.timezone);
    let since = args.since.as_deref().map(|text| moment::parse(text, (cx.now)(), &zone)).transpose();
    let mut filter = EventFilter {
        names: names.into_iter().collect(),
        since: since.map_err(|text| Failure::new(Trouble::Usage, text))?,
        min_level: args.level.level(),
        after_seq: None,
        limit: args.lines,
    };
    let journal = fleet::journal(cx, &fleet.settings)?;
    let newest = newest(&journal, &filter)?;
    print(cx, &journal, &filter, &zone)?;
    if !args.follow {
        return Ok(Exit::Done);
    }
    drop(journal);
    filter.limit = FOLLOW_LINES_MAX;
    filter.after_seq = Some(newest);
    loop {
        std::thread::sleep(FOLLOW_EVERY);
        // Opened anew each time: the daemon may make the file only now, or move a broken one aside.
        let journal = fleet::journal(cx, &fleet.settings)?;
        filter.after_seq = print(cx, &journal, &filter, &zone)?.or(filter.after_seq);
    }
}

/// The place of the newest event that the filter finds, from which following begins.
fn newest(journal: &Journal, filter: &EventFilter) -> Result<u64, Failure> {
    let newest = journal.events(&EventFilter { limit: 1, ..filter.clone() }).map_err(|e| fleet::of_journal(&e))?;
    Ok(newest.last().map_or(0, |event| event.seq))
}

/// Prints what the filter finds and returns the place of the last one.
fn print(cx: &Context, journal: &Journal, filter: &EventFilter, zone: &TimeZone) -> Result<Option<u64>, Failure> {
    let events: Vec<Event> = journal.events(filter).map_err(|e| fleet::of_journal(&e))?;
    for found in &events {
        match cx.json {
            true => cx.json_line(found)?,
            false => cx.say(&event::render(found, zone))?,
        }
    }
    Ok(events.last().map(|event| event.seq))
}
