//! `plan`: what would change and why. It changes nothing, needs no lock, and works beside a running daemon.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::documents::PlanDocument;
use super::render::text::count;
use super::world;
use super::{files, fleet, pager, render, saved, selection};
use crate::daemon::Plan;
use crate::model::changes::HoldReason;
use crate::model::name::InstanceName;
use crate::model::problem::Problem;
use crate::spec::Fleet;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it; without any, the whole fleet
    #[arg(value_name = "NAME|FILTER")]
    names: Vec<String>,
    /// End with 10 when changes are pending, also those that wait (for the guard, for another try)
    #[arg(long)]
    detailed_exitcode: bool,
    /// Save the plan for `apply --plan FILE`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let names = selection::some(cx, &fleet, &args.names)?;
    // A former plan is replaced; anything else is somebody's file.
    if let Some(file) = args.out.as_deref().filter(|file| file.exists() && saved::load(file).is_err()) {
        return Err(files::exists(file));
    }
    let look = world::look(cx, &names)?;
    let problems = problems_of(&look.fleet, &names);
    let failure = world::unseen(&look.facts.live, &look.changes).or_else(|| invalid(&problems));
    let mut failure = failure.map(Failure::answered);
    match cx.json {
        true => cx.document(&PlanDocument::new(&look.changes, &problems, failure.as_ref().map(Failure::member)))?,
        false => pager::show(cx, &for_people(cx, &look, &problems))?,
    }
    // The answer holds them: what is left to say is what they mean.
    failure.as_mut().map(counted);
    if let Some(file) = &args.out {
        save(cx, file, &look, &names, failure.as_ref())?;
    }
    match failure {
        Some(failure) => Err(failure),
        None if args.detailed_exitcode && look.changes.are_pending() => Ok(Exit::Pending),
        None => Ok(Exit::Done),
    }
}

/// The plan, and after it the problems of files of which it does not say that an instance waits for them.
pub(crate) fn for_people(cx: &Context, look: &Plan, problems: &[Problem]) -> String {
    let unseen = world::unseen_edges(&look.facts.live, &look.changes);
    let unseen: Vec<String> = unseen.iter().map(|(edge, _)| edge.to_string()).collect();
    let mut text = render::plan::in_part(&look.changes, &unseen, cx.columns());
    let waits = |name: &InstanceName| {
        let changes = look.changes.instances.get(name);
        changes.is_some_and(|it| it.holds.iter().any(|hold| hold.reason == HoldReason::InvalidFile))
    };
    let told: BTreeSet<&Path> =
        look.fleet.instances.iter().filter(|(name, _)| waits(name)).map(|(_, instance)| &*instance.file).collect();
    let untold: Vec<&Problem> = problems.iter().filter(|problem| !told.contains(&*problem.file)).collect();
    if !untold.is_empty() {
        text.push('\n');
    }
    text.extend(untold.into_iter().map(|problem| render::problems::render(problem, None)));
    text
}

/// Has a failure say how many problems there are instead of each of them once more.
fn counted(failure: &mut Failure) {
    let problems = std::mem::take(&mut failure.problems);
    if problems.is_empty() {
        return;
    }
    let files: BTreeSet<&PathBuf> = problems.iter().map(|problem| &problem.file).collect();
    let totals = format!("{} in {}", count(problems.len(), "problem", "problems"), count(files.len(), "file", "files"));
    failure.message = format!("{totals}: {}", failure.message);
    failure.hint = Some("`innkeeper check` tells each of them with its place".to_owned());
}

/// The problems of the named instances' files and of the files that concern all.
pub(crate) fn problems_of(fleet: &Fleet, names: &[InstanceName]) -> Vec<Problem> {
    let others = |problem: &Problem| {
        fleet.instances.iter().any(|(name, instance)| *instance.file == *problem.file && !names.contains(name))
    };
    fleet.problems.iter().filter(|problem| names.is_empty() || !others(problem)).cloned().collect()
}

/// The failure of files that cannot be obeyed; the plan over all others stands.
fn invalid(problems: &[Problem]) -> Option<Failure> {
    let so = "the plan is over all other files, and over the last good version of these";
    (!problems.is_empty()).then(|| Failure::of_problems(problems.to_vec(), so))
}

/// A plan that did not see everything is not saved: nobody could review what it does not show.
fn save(
    cx: &Context,
    file: &Path,
    look: &Plan,
    names: &[InstanceName],
    failure: Option<&Failure>,
) -> Result<(), Failure> {
    if failure.is_some_and(|failure| failure.exit == Exit::Unreachable) {
        cx.notice(&format!("the plan is not whole and was not saved to {}", file.display()));
        return Ok(());
    }
    let saved = saved::save(&look.fleet, names, &look.changes);
    let text = serde_json::to_string_pretty(&saved).map_err(|e| Failure::new(Trouble::Failed, e.to_string()))?;
    match file.exists() {
        true => files::replace(file, &format!("{text}\n"))?,
        false => files::create(file, &format!("{text}\n"))?,
    }
    cx.notice(&format!("saved; apply it with: innkeeper apply --plan {}", file.display()));
    Ok(())
}
