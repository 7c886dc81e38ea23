//! `run --rehearse`: the daemon on a world in memory, for trying Innkeeper without Docker, PostgreSQL and nginx, and
//! without root. Nothing outside of one temporary directory is written.

mod life;
mod stage;

pub(crate) use stage::is_rehearsal;

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::run::of_run;
use super::{fleet, world};
use crate::adapters::rehearsal::{Rehearsal, World};
use crate::connect::connect_rehearsal;
use crate::daemon::{self, Conduct};
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
