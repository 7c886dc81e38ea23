//! `info`: one instance in full.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::{fleet, moment, render, world};
use crate::journal::EventFilter;
use crate::model::event::{Event, Level};
use crate::model::name::InstanceName;
use crate::spec::Fleet;

/// As many events as `systemctl status` shows lines.
const EVENTS_SHOWN: usize = 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance
    name: String,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let name = fleet::one(&args.name, &fleet::known(cx, &fleet))?;
    let status = world::status_of(cx, &fleet, &name)?;
    let Some(status) = status else {
        return Err(Failure::new(Trouble::NoSuchInstance, format!("nothing is known of {name} yet")));
    };
    if cx.json {
        cx.document(&status)?;
        return Ok(Exit::Done);
    }
    let zone = moment::zone(&fleet.settings.fleet.timezone);
    let mut text = render::info::render(&status, &events(cx, &fleet, &name), (cx.now)(), &zone, cx.columns());
    let problems = fleet.instances.get(&name).map(|instance| instance.problems.as_slice()).unwrap_or_default();
    if !problems.is_empty() {
        text.push_str("\nProblems of its file\n");
        text.extend(problems.iter().map(|problem| render::problems::render(problem, None)));
    }
    cx.say(&text)?;
    Ok(Exit::Done)
}

/// The last events; none where the journal cannot be read, which is no reason to say nothing about the instance.
fn events(cx: &Context, fleet: &Fleet, name: &InstanceName) -> Vec<Event> {
    let filter = EventFilter {
        names: [name.clone()].into(),
        min_level: Level::Info,
        limit: EVENTS_SHOWN,
        ..EventFilter::default()
    };
    let found = fleet::journal(cx, &fleet.settings)
        .and_then(|journal| journal.events(&filter).map_err(|e| fleet::of_journal(&e)));
    found.unwrap_or_default()
}
