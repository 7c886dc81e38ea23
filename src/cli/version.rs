//! `version`: this program's version, and that of the daemon where one runs: after an upgrade they differ until it is restarted.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::{VERSION, fleet, world};
use crate::model::status::SCHEMA;
use serde_json::json;

pub(crate) fn run(cx: &Context) -> Result<Exit, Failure> {
    let daemon = of_the_daemon(cx);
    if cx.json {
        cx.document(&json!({"schema": SCHEMA, "name": "innkeeper", "version": VERSION, "daemon": daemon}))?;
        return Ok(Exit::Done);
    }
    cx.say(&format!("innkeeper {VERSION}\n"))?;
    if let Some(daemon) = daemon.filter(|daemon| daemon != VERSION) {
        cx.notice(&format!("the daemon that runs here is version {daemon}: restart it to use this one"));
    }
    Ok(Exit::Done)
}

/// None where no daemon answers, and outside of a fleet.
fn of_the_daemon(cx: &Context) -> Option<String> {
    let settings = fleet::settings_at_hand(cx).ok()?;
    let client = world::block_on(world::daemon(&settings)).ok()?.ok()??;
    Some(client.hello().version.clone())
}
