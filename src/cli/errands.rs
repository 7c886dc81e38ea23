//! `restart` and `retry`: what is asked for once, besides what the files ask for. The daemon does it; without one it is
//! noted in the journal and done by the next one.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::{fleet, world};
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::settings::Settings;
use crate::model::status::SCHEMA;
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance
    name: String,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    instance: &'a InstanceName,
    errand: ErrandKind,
    id: u64,
    /// A daemon runs and is at it.
    daemon: bool,
}

pub(crate) fn run(cx: &Context, args: &Args, kind: ErrandKind) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let name = fleet::one(&args.name, &fleet::known(cx, &fleet))?;
    if kind == ErrandKind::Restart
        && let Ok(tombstones) = fleet::journal(cx, &fleet.settings)?.tombstones()
        // Whose data were being deleted is taken into service by this, once a person restored them.
        && let Some(tombstone) = tombstones.get(&name).filter(|tombstone| !tombstone.purging)
    {
        let kept = tombstone.purge_after;
        let message = format!("{name} is retired and its data are kept until {kept:.0}: there is nothing to restart");
        let hint = format!("write state = \"running\" into its file to bring it back, or see `innkeeper info {name}`");
        return Err(Failure::new(Trouble::WillNotCome, message).hint(hint));
    }
    let told = world::block_on(tell_daemon(&fleet.settings, &name, kind))??;
    let id = match told {
        Some(id) => id,
        None => note(cx, &fleet.settings, &name, kind)?,
    };
    let word = match kind {
        ErrandKind::Restart => "restart",
        ErrandKind::Retry => "retry",
    };
    match (cx.json, told.is_some()) {
        (true, daemon) => cx.document(&Document { schema: SCHEMA, instance: &name, errand: kind, id, daemon })?,
        (false, true) => cx.notice(&format!("{word} of {name} is asked for; see: innkeeper events {name} -f")),
        (false, false) => {
            let once = format!(
                "no daemon runs here: {word} of {name} is noted, and done by the next `innkeeper run` or `innkeeper apply {name}`"
            );
            cx.notice(&once);
        }
    }
    Ok(Exit::Done)
}

/// The errand's id, when a daemon took it.
async fn tell_daemon(settings: &Settings, name: &InstanceName, kind: ErrandKind) -> Result<Option<u64>, Failure> {
    match world::daemon(settings).await? {
        Some(mut client) => client.errand(name, kind).await.map(Some).map_err(|e| world::of_control(&e)),
        None => Ok(None),
    }
}

fn note(cx: &Context, settings: &Settings, name: &InstanceName, kind: ErrandKind) -> Result<u64, Failure> {
    let journal = fleet::journal_to_write(cx, settings, name)?;
    journal.add_errand(name, kind, &world::user()).map_err(|e| fleet::of_journal(&e))
}
