//! `logs`: what instances' containers and jobs wrote, with the letters of journalctl.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::log::{Entry, Form, Reading, grep, render};
use super::render::text::count;
use super::{events, fleet, moment, pager, rehearse, world};
use crate::control::{Client, ControlError, LogOf, LogRequest};
use crate::edges::engine::{LogLines, LogQuery, LogSource};
use crate::edges::{EdgeError, Edges, ErrorKind};
use crate::model::event::Level;
use crate::model::name::InstanceName;
use crate::model::settings::Settings;
use crate::model::status::SCHEMA;
use crate::model::time::Timestamp;
use clap::ValueEnum;
use futures::StreamExt;
use futures::stream::{SelectAll, select_all};
use jiff::tz::TimeZone;
use regex::Regex;
use serde::Serialize;

/// Lines are looked through in this many where only some of them are asked for.
const LINES_SEARCHED_MAX: u64 = 100_000;
/// Fewer entries than these are not sorted again and again.
const ENTRIES_MIN: usize = 1_000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instances; several are told as one, in the order of their times
    #[arg(required_unless_present = "all")]
    names: Vec<String>,
    /// Every instance that has a container
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Whose output
    #[arg(long, value_enum, value_name = "SOURCE", default_value = "odoo")]
    source: Source,
    #[command(flatten)]
    choice: Choice,
    /// Print lines as they are, even what steers a terminal
    #[arg(long)]
    raw: bool,
}

/// Which lines, as journalctl calls it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Choice {
    /// Go on as lines come
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// The last so many
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 100)]
    pub(crate) lines: u64,
    /// Only since then: "2h", "today", "2026-03-01 14:00", RFC 3339
    #[arg(short = 'S', long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Only until then
    #[arg(short = 'U', long, value_name = "TIME", allow_hyphen_values = true, conflicts_with = "follow")]
    pub(crate) until: Option<String>,
    /// Only this level and above
    #[arg(short = 'p', long = "priority", value_name = "LEVEL", value_enum)]
    pub(crate) level: Option<LevelArg>,
    /// Only lines that match this regular expression; without capitals in it, capitals do not matter
    #[arg(short = 'g', long, value_name = "REGEX")]
    pub(crate) grep: Option<String>,
    /// How lines are written
    #[arg(short = 'o', long = "output", value_name = "FORM", value_enum, default_value = "short")]
    pub(crate) form: Form,
}

/// Levels as typed, with journalctl's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LevelArg {
    #[value(alias = "7")]
    Debug,
    #[value(aliases = ["6", "5", "notice"])]
    Info,
    #[value(aliases = ["4", "warn"])]
    Warning,
    #[value(aliases = ["3", "err"])]
    Error,
    #[value(aliases = ["2", "1", "0", "crit", "alert", "emerg"])]
    Critical,
}

impl LevelArg {
    pub(crate) fn level(self) -> Level {
        match self {
            Self::Debug => Level::Debug,
            Self::Info => Level::Info,
            Self::Warning => Level::Warning,
            Self::Error => Level::Error,
            Self::Critical => Level::Critical,
        }
    }
}

/// A choice that was understood.
pub(crate) struct Chosen {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) level: Option<Level>,
    pub(crate) grep: Option<Regex>,
}

impl Choice {
    pub(crate) fn understand(&self, now: Timestamp, zone: &TimeZone) -> Result<Chosen, Failure> {
        let moment = |text: &Option<String>| text.as_deref().map(|text| moment::parse(text, now, zone)).transpose();
        let usage = |text: String| Failure::new(Trouble::Usage, text);
        Ok(Chosen {
            since: moment(&self.since).map_err(usage)?,
            until: moment(&self.until).map_err(usage)?,
            level: self.level.map(LevelArg::level),
            grep: self.grep.as_deref().map(grep).transpose().map_err(usage)?,
        })
    }

    /// True when not every line of those that are read is told.
    pub(crate) fn leaves_out(&self) -> bool {
        self.until.is_some() || self.level.is_some() || self.grep.is_some()
    }
}

impl Chosen {
    fn takes(&self, entry: &Entry) -> bool {
        let early = self.since.is_none_or(|since| entry.at.is_none_or(|at| at >= since));
        let late = self.until.is_none_or(|until| entry.at.is_none_or(|at| at <= until));
        let level = self.level.is_none_or(|least| entry.level.is_some_and(|level| level >= least));
        early && late && level && self.grep.as_ref().is_none_or(|grep| grep.is_match(&entry.line))
    }
}

/// Whose output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// The application's container
    Odoo,
    /// The newest job: module installation or set-up
    Job,
    /// What Innkeeper did
    Events,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    /// The one that was named; null when there were several.
    instance: Option<&'a InstanceName>,
    source: Source,
    lines: Vec<&'a str>,
    entries: &'a [Entry],
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let source = match args.source {
        Source::Events => return events::of(cx, &args.names, &args.choice),
        Source::Odoo => LogSource::Odoo,
        Source::Job => LogSource::Job,
    };
    let fleet = fleet::read_or_remember(cx)?;
    let known = fleet::known(cx, &fleet);
    let names = if args.all { known.into_iter().collect() } else { fleet::many(&args.names, &known)? };
    let zone = cx.zone(&fleet.settings);
    let chosen = args.choice.understand((cx.now)(), &zone)?;
    let rehearsed = rehearse::is_rehearsal(&fleet.settings);
    let edges = if rehearsed { None } else { Some(world::edges(cx)?) };
    let told = Told { cx, args, zone, several: names.len() > 1 };
    let read = world::block_on(async {
        let lines = match &edges {
            Some(edges) => open(cx, edges, &names, source, args, &chosen).await?,
            None => rehearsed_lines(cx, &fleet.settings, &names, source, args).await?,
        };
        match args.choice.follow {
            true => follow(&told, lines, &chosen).await.map(|()| None),
            false => collect(lines, args, &chosen).await.map(Some),
        }
    })??;
    if let Some(entries) = read {
        told.all(&names, &entries)?;
    }
    Ok(Exit::Done)
}

type Lines = SelectAll<futures::stream::BoxStream<'static, (InstanceName, Result<String, crate::edges::EdgeError>)>>;

async fn open(
    cx: &Context,
    edges: &Edges,
    names: &[InstanceName],
    source: LogSource,
    args: &Args,
    chosen: &Chosen,
) -> Result<Lines, Failure> {
    let tail = if args.choice.leaves_out() && !args.choice.follow { LINES_SEARCHED_MAX } else { args.choice.lines };
    let query = LogQuery {
        source,
        follow: args.choice.follow,
        tail: Some(tail),
        since_unix_s: chosen.since.map(|since| since.as_second()),
    };
    let (mut all, mut without) = (Vec::new(), 0);
    for name in names {
        let lines: LogLines = match edges.engine.logs(name, &query).await {
            Ok(lines) => lines,
            // Who asks for all means all that there are.
            Err(error) if args.all && error.kind == ErrorKind::Refused => {
                without += 1;
                continue;
            }
            Err(error) => return Err(unread(&error, name)),
        };
        let name = name.clone();
        all.push(lines.map(move |line| (name.clone(), line)).boxed());
    }
    tell_without(cx, without);
    Ok(select_all(all))
}

/// What containers of a rehearsal wrote: they are in its daemon's memory.
async fn rehearsed_lines(
    cx: &Context,
    settings: &Settings,
    names: &[InstanceName],
    source: LogSource,
    args: &Args,
) -> Result<Lines, Failure> {
    let source = if source == LogSource::Job { LogOf::Job } else { LogOf::Odoo };
    let tail = if args.choice.leaves_out() { LINES_SEARCHED_MAX } else { args.choice.lines };
    let (mut all, mut without) = (Vec::new(), 0);
    for name in names {
        let request = LogRequest { instance: name.clone(), source, tail: Some(tail) };
        let daemon = Client::connect(&settings.fleet.state_dir).await.map_err(|e| world::of_control(&e))?;
        let mut reading = daemon.logs(request).await.map_err(|e| world::of_control(&e))?;
        let mut lines = Vec::new();
        loop {
            match reading.next().await {
                Ok(Some(batch)) => lines.extend(batch.lines),
                Ok(None) => break,
                // Who asks for all means all that there are.
                Err(ControlError::Refused(_)) if args.all => {
                    without += 1;
                    break;
                }
                Err(error) => {
                    let failure = world::of_control(&error);
                    return Err(failure.hint(format!("`innkeeper info {name}` says how far it is")));
                }
            }
        }
        let name = name.clone();
        all.push(futures::stream::iter(lines).map(move |line| (name.clone(), Ok(line))).boxed());
    }
    tell_without(cx, without);
    Ok(select_all(all))
}

fn tell_without(cx: &Context, without: usize) {
    if without > 0 {
        let what = count(without, "instance", "instances");
        cx.notice(&format!("{what} without a container left out"));
    }
}

/// Where there is nothing to read it is said how there will be.
fn unread(error: &EdgeError, name: &InstanceName) -> Failure {
    let failure = world::of_edge(error);
    match error.kind {
        ErrorKind::Refused => {
            failure.hint(format!("`innkeeper info {name}` says how far it is; `innkeeper run` brings it up"))
        }
        _ => failure,
    }
}

async fn follow(told: &Told<'_>, mut lines: Lines, chosen: &Chosen) -> Result<(), Failure> {
    let mut reading = Reading::default();
    while let Some((name, line)) = lines.next().await {
        let entry = reading.take(&name, line.map_err(|e| world::of_edge(&e))?);
        if chosen.takes(&entry) {
            told.one(&entry)?;
        }
    }
    Ok(())
}

/// The last of each instance's lines that are asked for, all of them in the order of their times.
async fn collect(mut lines: Lines, args: &Args, chosen: &Chosen) -> Result<Vec<Entry>, Failure> {
    let mut reading = Reading::default();
    let mut entries = Vec::new();
    let asked_for = usize::try_from(args.choice.lines).unwrap_or(usize::MAX);
    while let Some((name, line)) = lines.next().await {
        let entry = reading.take(&name, line.map_err(|e| world::of_edge(&e))?);
        entries.extend(chosen.takes(&entry).then_some(entry));
        // However many there are and however much they wrote: never more than a few times what is asked for.
        if entries.len() / 4 > asked_for.max(ENTRIES_MIN) {
            keep_newest(&mut entries, asked_for);
        }
    }
    keep_newest(&mut entries, asked_for);
    Ok(entries)
}

fn keep_newest(entries: &mut Vec<Entry>, count: usize) {
    // Lines without a time of their own (tracebacks) have that of the line before them, and stay behind it.
    entries.sort_by(|a, b| (a.at, &a.instance).cmp(&(b.at, &b.instance)));
    entries.drain(..entries.len().saturating_sub(count));
}

/// How it is told.
struct Told<'a> {
    cx: &'a Context,
    args: &'a Args,
    zone: TimeZone,
    several: bool,
}

impl Told<'_> {
    fn all(&self, names: &[InstanceName], entries: &[Entry]) -> Result<(), Failure> {
        if self.cx.json && self.args.choice.form != Form::Json {
            let instance = names.first().filter(|_| !self.several);
            let lines = entries.iter().map(|entry| entry.line.as_str()).collect();
            let source = self.args.source;
            return self.cx.document(&Document { schema: SCHEMA, instance, source, lines, entries });
        }
        if self.args.choice.form == Form::Json {
            return entries.iter().try_for_each(|entry| self.cx.json_line(entry));
        }
        let text: String = entries.iter().map(|entry| self.text(entry)).collect();
        pager::show(self.cx, &text)
    }

    fn one(&self, entry: &Entry) -> Result<(), Failure> {
        match self.cx.json || self.args.choice.form == Form::Json {
            true => self.cx.json_line(entry),
            false => self.cx.say(&self.text(entry)),
        }
    }

    /// On a terminal nothing of the container's may steer it; a pipe gets what was written.
    fn text(&self, entry: &Entry) -> String {
        let harmless = self.cx.columns().is_some() && !self.args.raw;
        render(entry, self.args.choice.form, &self.zone, self.several, harmless)
    }
}
