//! `info`: one instance in full.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::{fleet, render, world};
use crate::journal::EventFilter;
use crate::model::event::{Event, Level};
use crate::model::name::InstanceName;
use crate::model::status::{InstanceStatus, UsageStatus};
use crate::model::usage::UsageHistory;
use crate::spec::Fleet;

/// As many events as `systemctl status` shows lines.
const EVENTS_SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance
    name: String,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let name = fleet::one(&args.name, &fleet::known(cx, &fleet))?;
    let status = world::status_of(cx, &fleet, &name)?;
    let Some(mut status) = status else {
        return Err(Failure::new(Trouble::NoSuchInstance, format!("nothing is known of {name} yet")));
    };
    let history = world::usage(cx, &fleet, &name);
    bring_up_to_date(&mut status, &history, &fleet);
    if cx.json {
        cx.document(&status)?;
        return Ok(Exit::Done);
    }
    let zone = cx.zone(&fleet.settings);
    let wanted = fleet.instances.get(&name).and_then(|instance| instance.wanted.as_ref());
    let disk = wanted.map(|wanted| wanted.limits.disk);
    let mut text = render::info::render(
        &status,
        (&history, disk),
        &events(cx, &fleet, std::slice::from_ref(&name)),
        (cx.now)(),
        &zone,
        cx.columns(),
    );
    let problems = fleet.instances.get(&name).map(|instance| instance.problems.as_slice()).unwrap_or_default();
    if !problems.is_empty() {
        text.push_str("\nProblems of its file\n");
        text.extend(problems.iter().map(|problem| render::problems::render(problem, None)));
    }
    cx.say(&text)?;
    Ok(Exit::Done)
}

/// The document's usage may be minutes old; the history's last point is not.
fn bring_up_to_date(status: &mut InstanceStatus, history: &UsageHistory, fleet: &Fleet) {
    let Some(last) = history.hour.last() else { return };
    if status.usage.as_ref().is_some_and(|usage| usage.at >= last.at) {
        return;
    }
    let wanted = fleet.instances.get(&status.name).and_then(|instance| instance.wanted.as_ref());
    let bought = wanted.map_or(0, |wanted| wanted.limits.memory.0);
    status.usage = Some(UsageStatus {
        at: last.at,
        cpu_percent: (f64::from(last.cpu_percent) * 10.0).round() / 10.0,
        memory_bytes: last.memory_bytes,
        memory_limit_bytes: status.usage.as_ref().map_or(bought, |usage| usage.memory_limit_bytes),
        database_bytes: last.database_bytes,
        filestore_bytes: last.filestore_bytes,
    });
}

/// The last events; none where the journal cannot be read, which is no reason to say nothing about the instance.
pub(super) fn events(cx: &Context, fleet: &Fleet, names: &[InstanceName]) -> Vec<Event> {
    let filter = EventFilter {
        names: names.iter().cloned().collect(),
        min_level: Level::Info,
        limit: EVENTS_SHOWN,
        ..EventFilter::default()
    };
    let found = fleet::journal(cx, &fleet.settings)
        .and_then(|journal| journal.events(&filter).map_err(|e| fleet::of_journal(&e)));
    found.unwrap_or_default()
}
