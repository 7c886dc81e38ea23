//! `run --rehearse`: the daemon on a world in memory, for trying Innkeeper without Docker, PostgreSQL and nginx, and
//! without root. Nothing outside of one temporary directory is written.

mod life;
mod stage;

pub(crate) use stage::is_rehearsal;

use super::context::Context;
use super::doctor::Finding;
use super::failure::{Exit, Failure, Trouble};
use super::run::of_run;
use super::{fleet, world};
use crate::adapters::rehearsal::{Rehearsal, World};
use crate::connect::connect_rehearsal;
use crate::daemon::{self, Conduct};
use crate::model::event::Reason;
use crate::model::settings::Settings;
use crate::spec::Fleet;
use stage::Stage;

pub(crate) fn run(cx: &Context, log: impl FnOnce()) -> Result<Exit, Failure> {
    let stage = Stage::set(cx)?;
    let cx = stage.context(cx);
    let read = fleet::read(&cx)?;
    cx.complain(&stage.greeting(read.instances.len()));
    log();
    let rehearsal = world_of(&cx, &read);
    let edges = rehearsal.edges();
    let keeper = world::open(&cx, Conduct::Keep, |settings| connect_rehearsal(settings, edges, cx.now))?;
    world::block_on(async {
        let signals = daemon::signals()
            .map_err(|e| Failure::new(Trouble::Failed, format!("could not listen to signals: {e}")))?;
        tokio::select! {
            ended = daemon::run(keeper, signals) => ended.map_err(|e| of_run(&e)),
            // Cut with the daemon: it holds nothing.
            never = life::go_on(&rehearsal, &stage, read.instances.keys().cloned().collect()) => match never {},
        }
    })??;
    Ok(Exit::Done)
}

/// `doctor` for a rehearsal: the systems as its daemon plays them.
pub(crate) fn findings(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    const PLAYED: &str = "Docker, PostgreSQL, nginx, the certificate authority and the archive are played in the memory \
                          of the rehearsal: nothing of this host is looked at";
    let told = world::block_on(async {
        match world::daemon(settings).await? {
            Some(mut daemon) => daemon.status().await.map(Some).map_err(|error| world::of_control(&error)),
            None => Ok(None),
        }
    })??;
    let lost = told.iter().flat_map(|status| &status.alerts).filter(|alert| alert.reason == Reason::EdgeLost.as_str());
    let fix = "wait half a minute: in a rehearsal systems are away for a while and come back by themselves";
    let mut findings: Vec<Finding> = lost.map(|alert| Finding::fail("systems", alert.message.clone(), fix)).collect();
    if findings.is_empty() {
        findings.push(Finding::ok("systems", PLAYED));
    }
    Ok(findings)
}

/// An empty host that has the images that the settings name.
fn world_of(cx: &Context, fleet: &Fleet) -> Rehearsal {
    let mut world = World::fresh(fleet.settings.odoo.images.values().map(String::as_str));
    world.unknown_modules.extend(stage::unknown_module());
    world.pointing_elsewhere.extend(stage::elsewhere());
    // Nobody waits half an hour for sixty installations before there is something to see.
    world.hurried = true;
    let seed = (cx.now)().as_microsecond().unsigned_abs();
    Rehearsal::new(seed, world, cx.now)
}
