//! `start` and `stop`: set `state` in instances' files, show the difference, wake the daemon, and say at once where the guard
//! against mass changes holds what was asked for.

use super::asked::{self, Told};
use super::context::Context;
use super::each::{Outcomes, each};
use super::failure::{Exit, Failure, Trouble};
use super::render::diff;
use super::selection::{list, typed};
use super::{files, fleet, selection};
use crate::model::name::InstanceName;
use crate::model::wanted::WantedState;
use crate::spec::{self, EditError, Fleet, Reader};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it
    #[arg(required = true, value_name = "NAME|FILTER")]
    names: Vec<String>,
    /// Print the difference and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask when a filter chose several
    #[arg(long, short)]
    yes: bool,
}

/// What became of one file.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    instance: InstanceName,
    state: &'static str,
    /// The file is another one now, or would be.
    changed: bool,
    dry_run: bool,
    file: PathBuf,
    diff: String,
    /// Why the guard holds what the file asks for; null where it does not, and where no daemon could say so yet.
    held: Option<String>,
}

pub(crate) fn run(cx: &Context, args: &Args, state: WantedState) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let chosen = selection::of(cx, &fleet, &args.names)?;
    if state == WantedState::Stopped && !args.dry_run {
        selection::confirm(cx, "stop", &chosen, args.yes)?;
    }
    let not_done = if state == WantedState::Stopped { "stopped" } else { "started" };
    let outcomes = each(&chosen.names, |name| set(cx, &fleet, name, state, args.dry_run));
    finish(cx, &fleet, outcomes, not_done)
}

/// Sets `state` in the instance's file; with `dry_run` only says what would become of the file.
pub(crate) fn set(
    cx: &Context,
    fleet: &Fleet,
    name: &InstanceName,
    state: WantedState,
    dry_run: bool,
) -> Result<Row, Failure> {
    let file = fleet::file_of(cx, name);
    let (former, changed) = edited(&file, state)?;
    let already = fleet
        .instances
        .get(name)
        .is_some_and(|instance| instance.valid && instance.wanted.as_ref().is_some_and(|wanted| wanted.state == state));
    let text = if already { former.clone() } else { changed };
    let changed = former != text;
    if changed && !dry_run {
        files::replace(&file, &text)?;
    }
    if !cx.json && changed && (dry_run || !cx.quiet) {
        cx.say(&diff::render(&file, &former, &text))?;
    } else if !cx.json && !changed {
        cx.notice(&format!("{name} is wanted {} already; {} stays as it is", state.as_str(), file.display()));
    }
    let diff = if changed { diff::plain(&file, &former, &text) } else { String::new() };
    Ok(Row { instance: name.clone(), state: state.as_str(), changed, dry_run, file, diff, held: None })
}

/// Wakes the daemon for those whose files were changed, and tells whom the guard holds, and whose file is not in force.
pub(crate) fn finish(
    cx: &Context,
    fleet: &Fleet,
    mut outcomes: Outcomes<Row>,
    not_done: &str,
) -> Result<Exit, Failure> {
    if outcomes.done().any(|(_, row)| row.dry_run) {
        cx.notice("nothing is written: --dry-run");
        return outcomes.answer(cx, not_done, None);
    }
    let faulty = faulty(cx, fleet, &outcomes);
    let not_in_force = (!faulty.is_empty()).then(|| not_in_force(&faulty, not_done));
    let changed = outcomes.done().filter(|(name, row)| row.changed && !faulty.contains(name));
    let changed: Vec<InstanceName> = changed.map(|(name, _)| name.clone()).collect();
    if changed.is_empty() {
        return outcomes.answer(cx, not_done, not_in_force);
    }
    let state = outcomes.done().next().map_or("", |(_, row)| row.state);
    let held = match asked::tell(cx, &fleet.settings, &changed) {
        Told::Nobody => {
            let typed = typed(&changed);
            cx.notice(&format!(
                "no daemon answers here: it is done by the next `innkeeper run`, or by `innkeeper apply {typed}`"
            ));
            return outcomes.answer(cx, not_done, not_in_force);
        }
        Told::Held(held) => held,
    };
    for (name, row) in outcomes.done_mut() {
        row.held = held.get(name).cloned();
    }
    let goal = match state {
        "absent" => " --for retired",
        "stopped" => " --for stopped",
        _ => "",
    };
    let free: Vec<InstanceName> = changed.iter().filter(|name| !held.contains_key(*name)).cloned().collect();
    if !free.is_empty() {
        let typed = typed(&free);
        cx.notice(&format!(
            "the daemon is told; `innkeeper wait {typed}{goal}` blocks until it is done, or says why it is not"
        ));
    }
    let names: Vec<InstanceName> = held.keys().cloned().collect();
    let after = held.values().next().map(|why| guarded(&names, why));
    outcomes.answer(cx, not_done, not_in_force.or(after))
}

/// Those whose files have problems besides, as they are now.
fn faulty(cx: &Context, fleet: &Fleet, outcomes: &Outcomes<Row>) -> Vec<InstanceName> {
    let mut reader = Reader::new(cx.fleet_dir.clone(), cx.settings_file.clone());
    fleet::remember(cx, &fleet.settings, &mut reader);
    let now = fleet::read_again(cx, &fleet.settings, &mut reader);
    let has_problems = |name: &InstanceName| now.instances.get(name).is_some_and(|it| !it.problems.is_empty());
    outcomes.done().map(|(name, _)| name).filter(|name| has_problems(name)).cloned().collect()
}

/// The files ask for it, and nothing that they say is in force.
fn not_in_force(names: &[InstanceName], not_done: &str) -> Failure {
    let (verb, so) = match names {
        [_] => ("is", "its file has other problems, so what it says is not in force"),
        _ => ("are", "their files have other problems, so what they say is not in force"),
    };
    Failure::new(Trouble::InvalidFiles, format!("{} {verb} not {not_done}: {so}", list(names)))
        .hint(format!("correct what `innkeeper check {}` tells; then it is done by itself", typed(names)))
}

/// The file asks for it, and the guard holds it.
fn guarded(names: &[InstanceName], why: &str) -> Failure {
    let (who, asks) = (list(names), if names.len() == 1 { "its file asks" } else { "their files ask" });
    let message = format!("the guard holds {who}, although {asks} for it now: {why}");
    let confirm: String = names.iter().map(|name| format!(" {name}")).collect();
    Failure::new(Trouble::Guarded, message)
        .hint(format!("if it is meant: innkeeper apply --max-destroy {} --confirm{confirm}", names.len()))
}

/// The file's text, and what it becomes.
pub(crate) fn edited(file: &Path, state: WantedState) -> Result<(String, String), Failure> {
    let former = files::text_of(file).map_err(|e| unreadable(file, &e))?;
    let text = spec::set_state(&former, state).map_err(|e| refused(file, &e))?;
    Ok((former, text))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::of_file(file, "read", error);
    match error.kind() {
        std::io::ErrorKind::NotFound => failure.hint("the instance runs on without its file: put the file back first"),
        _ => failure,
    }
}

fn refused(file: &Path, error: &EditError) -> Failure {
    Failure::new(Trouble::InvalidFiles, format!("could not change {}: {error}", file.display())).file(file)
}
