//! `restart` and `retry`: what is asked for once, besides what the files ask for. The daemon does it; without one it is
//! noted in the journal and done by the next one.

use super::context::Context;
use super::each::each;
use super::failure::{Exit, Failure, Trouble};
use super::selection::{list, typed};
use super::{fleet, selection, world};
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::settings::Settings;
use crate::model::status::{ConditionType, InstanceStatus, NO_CONTAINER};
use crate::model::tombstone::Tombstone;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it
    #[arg(required = true, value_name = "NAME|FILTER")]
    names: Vec<String>,
    /// Do not ask when a filter chose several
    #[arg(long, short)]
    yes: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    instance: InstanceName,
    errand: ErrandKind,
    id: u64,
    /// A daemon runs and is at it.
    daemon: bool,
}

pub(crate) fn run(cx: &Context, args: &Args, kind: ErrandKind) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let chosen = selection::of(cx, &fleet, &args.names)?;
    if kind == ErrandKind::Restart {
        selection::confirm(cx, word(kind), &chosen, args.yes)?;
    }
    let tombstones = fleet::journal(cx, &fleet.settings)?.tombstones().unwrap_or_default();
    let outcomes = each(&chosen.names, |name| ask(cx, &fleet.settings, &tombstones, name, kind));
    let (asked, noted): (Vec<_>, Vec<_>) =
        outcomes.done().map(|(name, row)| (name.clone(), row.daemon)).partition(|it| it.1);
    let names = |some: Vec<(InstanceName, bool)>| some.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let (asked, noted) = (names(asked), names(noted));
    if !asked.is_empty() && !cx.json {
        let (word, who, typed) = (word(kind), list(&asked), typed(&asked));
        cx.notice(&format!("{word} of {who} is asked for; see how it goes: innkeeper events {typed} -f"));
    }
    if !noted.is_empty() && !cx.json {
        let (word, who, typed) = (word(kind), list(&noted), typed(&noted));
        let next = format!("done by the next `innkeeper run` or `innkeeper apply {typed}`");
        cx.notice(&format!("no daemon runs here: {word} of {who} is noted, and {next}"));
    }
    outcomes.answer(cx, done_word(kind), None)
}

fn word(kind: ErrandKind) -> &'static str {
    match kind {
        ErrandKind::Restart => "restart",
        ErrandKind::Retry => "retry",
    }
}

fn done_word(kind: ErrandKind) -> &'static str {
    match kind {
        ErrandKind::Restart => "asked to restart",
        ErrandKind::Retry => "asked to try again",
    }
}

fn ask(
    cx: &Context,
    settings: &Settings,
    tombstones: &BTreeMap<InstanceName, Tombstone>,
    name: &InstanceName,
    kind: ErrandKind,
) -> Result<Row, Failure> {
    if kind == ErrandKind::Restart
        // Whose data were being deleted is taken into service by this, once a person restored them.
        && let Some(tombstone) = tombstones.get(name).filter(|tombstone| !tombstone.purging)
    {
        let kept = tombstone.purge_after;
        let message = format!("{name} is retired and its data is kept until {kept:.0}: there is nothing to restart");
        let hint = format!("write state = \"running\" into its file to bring it back, or see `innkeeper info {name}`");
        return Err(Failure::new(Trouble::WillNotCome, message).hint(hint));
    }
    let has_no_container =
        |status: &InstanceStatus| status.condition(ConditionType::AppReady).is_some_and(|it| it.reason == NO_CONTAINER);
    if kind == ErrandKind::Restart
        && !tombstones.contains_key(name)
        && let Some(status) = world::document(settings, name)?.filter(has_no_container)
    {
        let message =
            format!("{name} has no container, so there is nothing to restart: it is {}", status.state.as_str());
        return Err(Failure::new(Trouble::WillNotCome, message).hint(format!("innkeeper info {name}")));
    }
    let told = world::block_on(tell_daemon(settings, name, kind))??;
    let id = match told {
        Some(id) => id,
        None => note(cx, settings, name, kind)?,
    };
    Ok(Row { instance: name.clone(), errand: kind, id, daemon: told.is_some() })
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
