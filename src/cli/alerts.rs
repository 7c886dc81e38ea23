//! `alerts`, `ack`, `silence`, `unsilence`: what a person should know, and that somebody knows it. A silenced alert is as
//! open as any other: it is told everywhere, and says who knows of it and until when.

use super::context::Context;
use super::failure::{ErrorMember, Exit, Failure, Trouble};
use super::render::style::{FAINT, PLAIN, STRONG, WARN};
use super::render::table::{Cell, Column, render as table, text};
use super::render::text::{between, harmless, local};
use super::{args, explain, fleet, moment, selection, world};
use crate::control::{Client, SilenceRequest};
use crate::model::filter::is_filter;
use crate::model::name::InstanceName;
use crate::model::settings::Settings;
use crate::model::silence::{AlertsOf, Quiet, Silence};
use crate::model::status::{Alert, SCHEMA};
use crate::model::time::{Seconds, Timestamp};
use crate::spec::Fleet;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it; without any, the whole fleet and the host
    #[arg(value_name = "NAME|FILTER")]
    names: Vec<String>,
}

/// Which alerts are meant.
#[derive(Debug, clap::Args)]
pub(crate) struct OfArgs {
    /// Instances, or a filter as `status` takes it; and, where only alerts of one reason are meant, that reason, such as
    /// DiskNearlyFull
    #[arg(required_unless_present = "host", value_name = "NAME|FILTER|REASON")]
    names: Vec<String>,
    /// The alerts of the host instead of those of instances
    #[arg(long)]
    host: bool,
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("end").args(["lasts", "until"]).required(true))]
#[command(after_help = "\
Without a REASON every alert of the instances is silenced, those that come meanwhile too: for work on it.
--until takes \"tomorrow\" (08:00), \"2026-03-01 14:00\" in the fleet's time zone, or an RFC 3339 time.")]
pub(crate) struct SilenceArgs {
    #[command(flatten)]
    of: OfArgs,
    /// For so long
    #[arg(long = "for", value_name = "DURATION", value_parser = args::duration)]
    lasts: Option<Seconds>,
    /// Until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    at: Timestamp,
    alerts: &'a [Alert],
    silences: &'a [Silence],
}

#[derive(Debug, Serialize)]
struct Noted<'a> {
    schema: u32,
    silences: &'a [Silence],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorMember<'a>>,
}

#[derive(Debug, Serialize)]
struct Ended<'a> {
    schema: u32,
    ended: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorMember<'a>>,
}

const COLUMNS: [Column; 5] =
    [text("SINCE", 2), text("INSTANCE", 0), text("REASON", 0), text("KNOWN", 1), text("MESSAGE", 0)];

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let names = selection::some(cx, &fleet, &args.names)?;
    let status = world::status(cx, &fleet)?;
    let mut silences = fleet::journal(cx, &fleet.settings)?.silences().map_err(|error| fleet::of_journal(&error))?;
    let mut alerts = status.alerts;
    let meant = |of: &Option<InstanceName>| names.is_empty() || of.as_ref().is_some_and(|name| names.contains(name));
    alerts.retain(|alert| meant(&alert.instance));
    silences.retain(|silence| meant(&silence.of.instance) && !silence.is_over(&alerts, status.at));
    if cx.json {
        cx.document(&Document { schema: SCHEMA, at: status.at, alerts: &alerts, silences: &silences })?;
        return Ok(Exit::Done);
    }
    // What nobody knows of first, the newest of it at the top.
    alerts.sort_by_key(|alert| (alert.silence.is_some(), std::cmp::Reverse(alert.since)));
    let zone = cx.zone(&fleet.settings);
    cx.say(&rendered(&alerts, &silences, status.at, &zone, cx.columns()))?;
    Ok(Exit::Done)
}

/// The table, and the silences that cover no alert of the moment.
fn rendered(
    alerts: &[Alert],
    silences: &[Silence],
    now: Timestamp,
    zone: &TimeZone,
    columns_max: Option<usize>,
) -> String {
    let row = |alert: &Alert| {
        let (strong, plain) = if alert.silence.is_some() { (FAINT, FAINT) } else { (STRONG, PLAIN) };
        let warn = if alert.silence.is_some() { FAINT } else { WARN };
        let known = alert.silence.as_ref().map_or_else(String::new, |quiet| known(quiet, zone));
        vec![
            Cell::new(between(alert.since, now).to_string(), FAINT),
            Cell::new(alert.instance.as_ref().map_or("host", |name| name.as_str()), strong),
            Cell::new(harmless(&alert.reason), warn),
            Cell::new(harmless(&known), FAINT),
            Cell::new(harmless(&alert.message), plain),
        ]
    };
    let mut out = match alerts.is_empty() {
        true => "No alert is open.\n".to_owned(),
        false => table(&COLUMNS, &alerts.iter().map(row).collect::<Vec<_>>(), columns_max),
    };
    for silence in silences.iter().filter(|silence| !alerts.iter().any(|alert| silence.covers(alert, now))) {
        let whose = silence.of.instance.as_ref().map_or("host", |name| name.as_str());
        let reason = silence.of.reason.as_deref().unwrap_or("everything");
        out.push_str(&format!("{whose}: {reason} is {}\n", known(&silence.quiet, zone)));
    }
    out
}

/// `silenced until 2026-03-01 18:00 by ana`, `seen by ana`
fn known(quiet: &Quiet, zone: &TimeZone) -> String {
    match quiet.until {
        Some(until) => format!("silenced until {} by {}", local(until, zone), quiet.by),
        None => format!("seen by {}", quiet.by),
    }
}

/// Somebody knows of what is open now.
pub(crate) fn acknowledge(cx: &Context, args: &OfArgs) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    note(cx, &fleet, args, None)
}

/// Somebody knows, for a while.
pub(crate) fn silence(cx: &Context, args: &SilenceArgs) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let until = until(args, (cx.now)(), &cx.zone(&fleet.settings))?;
    note(cx, &fleet, &args.of, Some(until))
}

fn note(cx: &Context, fleet: &Fleet, args: &OfArgs, until: Option<Timestamp>) -> Result<Exit, Failure> {
    let (mut noted, mut refused): (Vec<Silence>, Vec<Failure>) = (Vec::new(), Vec::new());
    let (all, by_filter) = meant(cx, fleet, args)?;
    for of in all {
        let request = SilenceRequest { of, until };
        match world::block_on(ask(&fleet.settings, async |client| client.silence(request).await))? {
            Ok(silences) => noted.extend(silences),
            Err(failure) => refused.push(failure),
        }
    }
    if by_filter && !noted.is_empty() {
        // A filter finds many of whom only some have an alert.
        refused.clear();
    }
    let failure = of_several(noted.len(), refused);
    if cx.json && (failure.is_none() || !noted.is_empty()) {
        cx.document(&Noted { schema: SCHEMA, silences: &noted, error: failure.as_ref().map(Failure::member) })?;
    }
    let zone = cx.zone(&fleet.settings);
    for silence in noted.iter().filter(|_| !cx.json) {
        cx.notice(&format!("{}: {}", words(&silence.of), known(&silence.quiet, &zone)));
    }
    ended(failure, !noted.is_empty())
}

/// It asks for attention again.
pub(crate) fn unsilence(cx: &Context, args: &OfArgs) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let (mut all_ended, mut refused): (u64, Vec<Failure>) = (0, Vec::new());
    let zone = cx.zone(&fleet.settings);
    let (all, by_filter) = meant(cx, &fleet, args)?;
    for of in all {
        let told = words(&of);
        let before = noted(cx, &fleet);
        match world::block_on(ask(&fleet.settings, async |client| client.unsilence(of).await))? {
            Ok(ended) => {
                all_ended += ended;
                if !cx.json {
                    let after = noted(cx, &fleet);
                    let gone = before.iter().filter(|silence| !after.contains(silence));
                    let was = gone.map(|it| format!("{} was {}", words(&it.of), known(&it.quiet, &zone)));
                    cx.notice(&again(&told, &was.collect::<Vec<_>>()));
                }
            }
            Err(failure) => refused.push(failure),
        }
    }
    if by_filter && all_ended > 0 {
        refused.clear();
    }
    let failure = of_several(usize::try_from(all_ended).unwrap_or(usize::MAX), refused);
    if cx.json && (failure.is_none() || all_ended > 0) {
        cx.document(&Ended { schema: SCHEMA, ended: all_ended, error: failure.as_ref().map(Failure::member) })?;
    }
    ended(failure, all_ended > 0)
}

/// What is silenced or acknowledged now; nothing where the journal cannot be read.
fn noted(cx: &Context, fleet: &Fleet) -> Vec<Silence> {
    fleet::journal(cx, &fleet.settings).ok().and_then(|journal| journal.silences().ok()).unwrap_or_default()
}

/// An acknowledgement ends with a silence, so all that ended is said.
fn again(told: &str, was: &[String]) -> String {
    match was {
        [] => format!("{told}: open again"),
        was => format!("{told}: open again; {}", was.join(", ")),
    }
}

/// One failure for those that were refused: partly, where others were not.
fn of_several(done: usize, mut refused: Vec<Failure>) -> Option<Failure> {
    let last = refused.pop()?;
    if refused.is_empty() && done == 0 {
        return Some(last);
    }
    let messages = refused.iter().chain([&last]).map(|failure| failure.message.clone()).collect::<Vec<_>>().join("; ");
    Some(match done {
        0 => Failure { message: messages, ..last },
        _ => Failure::new(Trouble::PartlyApplied, messages),
    })
}

/// The end of the command. `answered`: the document that tells the failure was written.
fn ended(failure: Option<Failure>, answered: bool) -> Result<Exit, Failure> {
    match failure {
        None => Ok(Exit::Done),
        Some(failure) if answered => Err(failure.answered()),
        Some(failure) => Err(failure),
    }
}

/// Alerts are the daemon's: without one there is nobody to silence.
async fn ask<T>(
    settings: &Settings,
    what: impl AsyncFnOnce(&mut Client) -> Result<T, crate::control::ControlError>,
) -> Result<T, Failure> {
    let mut client = Client::connect(&settings.fleet.state_dir).await.map_err(|e| world::of_control(&e))?;
    what(&mut client).await.map_err(|e| world::of_control(&e))
}

fn words(of: &AlertsOf) -> String {
    let whose = of.instance.as_ref().map_or("host", |name| name.as_str());
    format!("{whose} {}", of.reason.as_deref().unwrap_or("(all alerts)"))
}

fn until(args: &SilenceArgs, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, Failure> {
    let usage = |text: String| Failure::new(Trouble::Usage, text);
    match (args.lasts, args.until.as_deref()) {
        (Some(lasts), _) => now
            .checked_add(SignedDuration::try_from(lasts.as_std()).unwrap_or(SignedDuration::MAX))
            .map_err(|_| usage(format!("{lasts} is longer than time is counted"))),
        (None, Some("tomorrow")) => Ok(crate::model::time::tomorrow_morning(now, zone)),
        (None, text) => moment::parse(text.unwrap_or_default(), now, zone).map_err(usage),
    }
}

/// The alerts that are meant: of each instance those of each reason, or all of them. Names are lower case, reasons are not; one
/// that is typed so all the same is a reason where no instance has that name. True: a filter found the instances.
fn meant(cx: &Context, fleet: &Fleet, args: &OfArgs) -> Result<(Vec<AlertsOf>, bool), Failure> {
    let known = fleet::known(cx, fleet);
    let is_name = |word: &String| is_filter(word) || known.iter().any(|name| name.as_str() == word);
    let is_upper = |word: &String| word.starts_with(|c: char| c.is_ascii_uppercase());
    let is_reason =
        |word: &String| args.host || !is_name(word) && (is_upper(word) || reason_typed(cx, fleet, word).is_ok());
    let (reasons, names): (Vec<String>, Vec<String>) = args.names.iter().cloned().partition(is_reason);
    let reasons: Vec<String> =
        reasons.iter().map(|reason| reason_typed(cx, fleet, reason)).collect::<Result<_, Failure>>()?;
    if names.is_empty() && !args.host {
        let message = format!("{} is the reason of an alert: whose alerts are meant?", reasons.join(" "));
        return Err(Failure::new(Trouble::Usage, message).hint("name instances, or say --host"));
    }
    let (instances, by_filter): (Vec<Option<InstanceName>>, bool) = match args.host {
        true => (vec![None], false),
        false => {
            let chosen = selection::of(cx, fleet, &names)?;
            (chosen.names.into_iter().map(Some).collect(), chosen.by_filter)
        }
    };
    let reasons: Vec<Option<String>> =
        if reasons.is_empty() { vec![None] } else { reasons.into_iter().map(Some).collect() };
    let pair = |instance: &Option<InstanceName>, reason: &Option<String>| AlertsOf {
        instance: instance.clone(),
        reason: reason.clone(),
    };
    let pairs = instances.iter().flat_map(|it| reasons.iter().map(move |reason| pair(it, reason)));
    Ok((pairs.collect(), by_filter))
}

/// One that is open, or one that there can be: anything else is a slip of the finger.
fn reason_typed(cx: &Context, fleet: &Fleet, typed: &str) -> Result<String, Failure> {
    let open = world::status(cx, fleet)?.alerts;
    match open.into_iter().find(|alert| alert.reason.eq_ignore_ascii_case(typed)) {
        Some(alert) => Ok(alert.reason),
        None => explain::reason(typed),
    }
}
