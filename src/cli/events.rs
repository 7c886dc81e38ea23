//! `events`: what happened, with the letters of journalctl.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::logs::{Choice, Chosen};
use super::render::event;
use super::render::log::Form;
use super::{fleet, pager, selection};
use crate::journal::{EventFilter, Journal};
use crate::model::event::{Event, Level};
use jiff::tz::TimeZone;
use std::time::Duration;

/// How often the journal is asked for more with `-f`.
const FOLLOW_EVERY: Duration = Duration::from_millis(250);
/// Events read at once while following.
const FOLLOW_LINES_MAX: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it; without any, the whole fleet
    #[arg(value_name = "NAME|FILTER")]
    names: Vec<String>,
    #[command(flatten)]
    choice: Choice,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    of(cx, &args.names, &args.choice)
}

/// `events`, and `logs --source events`.
pub(crate) fn of(cx: &Context, names: &[String], choice: &Choice) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let names = selection::some(cx, &fleet, names)?;
    let zone = cx.zone(&fleet.settings);
    let chosen = choice.understand((cx.now)(), &zone)?;
    let lines = usize::try_from(choice.lines).unwrap_or(usize::MAX);
    let mut filter = EventFilter {
        names: names.into_iter().collect(),
        since: chosen.since,
        min_level: chosen.level.unwrap_or(Level::Info),
        after_seq: None,
        // Which of them match is known only when they are read.
        limit: if choice.grep.is_some() || choice.until.is_some() { usize::MAX } else { lines },
    };
    let printer = Printer { cx, zone, form: choice.form };
    let journal = fleet::journal(cx, &fleet.settings)?;
    let newest = newest(&journal, &filter)?;
    let mut found = read(&journal, &filter, &chosen)?.0;
    found.drain(..found.len().saturating_sub(lines));
    printer.all(&found, choice.follow)?;
    if !choice.follow {
        if found.is_empty() && !cx.json {
            cx.notice(
                "there is no event yet: the daemon (`innkeeper run`) writes them down; -S, -p and -g leave some out",
            );
        }
        return Ok(Exit::Done);
    }
    drop(journal);
    filter.limit = FOLLOW_LINES_MAX;
    filter.after_seq = Some(newest);
    loop {
        std::thread::sleep(FOLLOW_EVERY);
        // Opened anew each time: the daemon may make the file only now, or move a broken one aside.
        let journal = fleet::journal(cx, &fleet.settings)?;
        let (found, last) = read(&journal, &filter, &chosen)?;
        printer.all(&found, true)?;
        filter.after_seq = last.or(filter.after_seq);
    }
}

/// The place of the newest event that the filter finds, from which following begins.
fn newest(journal: &Journal, filter: &EventFilter) -> Result<u64, Failure> {
    let newest = journal.events(&EventFilter { limit: 1, ..filter.clone() }).map_err(|e| fleet::of_journal(&e))?;
    Ok(newest.last().map_or(0, |event| event.seq))
}

/// What the filter finds and the choice takes, and the place of the last one that was read.
fn read(journal: &Journal, filter: &EventFilter, chosen: &Chosen) -> Result<(Vec<Event>, Option<u64>), Failure> {
    let mut events = journal.events(filter).map_err(|e| fleet::of_journal(&e))?;
    let last = events.last().map(|event| event.seq);
    events.retain(|event| {
        let words = || [Some(&event.reason), Some(&event.message), event.step.as_ref(), event.cause.as_ref()];
        chosen.until.is_none_or(|until| event.at <= until)
            && chosen.grep.as_ref().is_none_or(|grep| words().into_iter().flatten().any(|text| grep.is_match(text)))
    });
    Ok((events, last))
}

struct Printer<'a> {
    cx: &'a Context,
    zone: TimeZone,
    form: Form,
}

impl Printer<'_> {
    fn all(&self, events: &[Event], follow: bool) -> Result<(), Failure> {
        if self.cx.json || self.form == Form::Json {
            return events.iter().try_for_each(|event| self.cx.json_line(event));
        }
        let text: String = events.iter().map(|found| event::render_as(found, self.form, &self.zone)).collect();
        match follow {
            true if text.is_empty() => Ok(()),
            true => self.cx.say(&text),
            false => pager::show(self.cx, &text),
        }
    }
}
