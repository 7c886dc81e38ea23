//! `apply`: makes the world as the files ask, once. A running daemon is handed the work; without one it is done here,
//! under the same lock.

use super::context::Context;
use super::failure::{ErrorMember, Exit, Failure, Trouble};
use super::progress::Shown;
use super::render::style::{BAD, STRONG, paint};
use super::render::text::{count, harmless};
use super::signals::Endings;
use super::world;
use super::{args, fleet, plan, saved, selection};
use crate::control::{ApplyRequest, Client, Converged, End, InstanceEnd, Verdict};
use crate::daemon::{self, Conduct, ConvergeError, Plan};
use crate::model::changes::{HoldReason, InstanceChanges};
use crate::model::name::InstanceName;
use crate::model::status::{SCHEMA, chain};
use crate::model::time::Seconds;
use crate::spec::PLANS_FILE;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it; without any, those that are confirmed, else the whole fleet
    #[arg(conflicts_with = "plan", value_name = "NAME|FILTER")]
    names: Vec<String>,
    /// Apply a plan saved by `plan --out FILE`, without asking
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Stay with what fails or does not answer, and try again until the time is over
    #[arg(long)]
    wait: bool,
    /// How long at most
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = args::duration)]
    timeout: Seconds,
    /// Let so many instances past the guard at most, those that are confirmed
    #[arg(long, value_name = "N")]
    max_destroy: Option<usize>,
    /// Names of instances to let past the guard
    #[arg(long, value_name = "NAME", num_args = 1.., requires = "max_destroy", conflicts_with = "confirm_all")]
    confirm: Vec<String>,
    /// Let all past the guard that wait for it, when they are exactly so many
    #[arg(long, value_name = "N", requires = "max_destroy")]
    confirm_all: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    verdict: Verdict,
    instances: BTreeMap<&'a InstanceName, &'a InstanceEnd>,
    host: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorMember<'a>>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx).map_err(|failure| without_plans(cx, failure))?;
    if !fleet.complete {
        let message =
            "instances.d cannot be listed, so nothing was done: a file that is not seen is not a file that is gone";
        return Err(Failure::new(Trouble::Guarded, message).hint("`innkeeper check` says why it cannot be listed"));
    }
    let saved = args.plan.as_deref().map(saved::load).transpose()?;
    let names = match &saved {
        Some(saved) => saved.names.clone(),
        // Who confirms one instance is told of that one, whatever becomes of others meanwhile.
        None if args.names.is_empty() && !args.confirm.is_empty() => {
            selection::some(cx, &fleet, &args.confirm).map_err(nobody_confirmed)?
        }
        None => selection::some(cx, &fleet, &args.names)?,
    };
    let look = world::look(cx, &names)?;
    if let (Some(saved), Some(file)) = (&saved, &args.plan) {
        saved::check(saved, file, &look.fleet, &look.changes)?;
    }
    if let Some(failure) = world::unseen(&look.facts.live, &look.changes).filter(|_| !args.wait) {
        return Err(failure);
    }
    let permits = permits(args, &look)?;
    let problems = plan::problems_of(&look.fleet, &names);
    if !cx.quiet {
        cx.complain(&plan::for_people(cx, &look, &problems));
    }
    if !look.changes.is_settled() {
        confirm(cx, args)?;
    }
    let request = ApplyRequest { names, timeout_s: Some(args.timeout.0), patient: args.wait, permits };
    let converged = carry_out(cx, &look, request)?;
    finish(cx, &converged, &look)
}

/// Without plans no instance has a meaning. Where customers are known, that is refused as the loss of their files would be.
fn without_plans(cx: &Context, failure: Failure) -> Failure {
    let lost =
        failure.problems.iter().any(|problem| problem.file == Path::new(PLANS_FILE)) && !cx.within(PLANS_FILE).exists();
    match lost {
        true => {
            Failure::new(Trouble::Guarded, "plans.toml is gone, so nothing was done: all instances stay as they are")
                .hint("put plans.toml back")
        }
        false => failure,
    }
}

/// Whom the flags let past the guard. The number must be the one that waits: who confirms 3 did not mean 30.
fn permits(args: &Args, look: &Plan) -> Result<Vec<InstanceName>, Failure> {
    let Some(max) = args.max_destroy else { return Ok(Vec::new()) };
    let held_by = |reasons: &[HoldReason]| -> Vec<&InstanceName> {
        let by = |changes: &InstanceChanges| changes.holds.iter().any(|hold| reasons.contains(&hold.reason));
        look.changes.instances.iter().filter(|(_, changes)| by(changes)).map(|(name, _)| name).collect()
    };
    let held = held_by(&[HoldReason::Guard]);
    // A number says that a mass is meant; that files are gone for good is said of one instance, by its name.
    let nameable = held_by(&[HoldReason::Guard, HoldReason::BackupPartial]);
    let waiting = count(held.len(), "instance waits", "instances wait");
    let refuse = |message: String| {
        let failure = Failure::new(Trouble::NotConfirmed, message);
        match (held.len(), nameable.first()) {
            (0, None) => failure,
            (0, Some(name)) => failure.hint(format!("innkeeper apply --max-destroy 1 --confirm {name}")),
            (many, _) => failure.hint(format!("innkeeper apply --max-destroy {many} --confirm-all {many}")),
        }
    };
    let chosen: Vec<InstanceName> = match args.confirm_all {
        Some(number) if number == held.len() => held.iter().map(|name| (*name).clone()).collect(),
        Some(number) => return Err(refuse(format!("{waiting} for the guard, and {number} were confirmed"))),
        None => {
            let strangers =
                args.confirm.iter().find(|name| !nameable.iter().any(|held| held.as_str() == name.as_str()));
            if let Some(stranger) = strangers {
                return Err(refuse(format!("{stranger} waits for nobody's confirmation; {waiting} for the guard")));
            }
            nameable
                .iter()
                .filter(|name| args.confirm.iter().any(|it| it == name.as_str()))
                .map(|it| (*it).clone())
                .collect()
        }
    };
    match chosen.len() <= max {
        true if chosen.is_empty() && !held.is_empty() => {
            Err(refuse(format!("{waiting} for the guard, and none is named")))
        }
        true => Ok(chosen),
        false => Err(refuse(format!("{} were confirmed, and --max-destroy allows {max}", chosen.len()))),
    }
}

/// A name that is not there was confirmed.
fn nobody_confirmed(failure: Failure) -> Failure {
    Failure { trouble: Trouble::NotConfirmed, exit: Exit::Refused, ..failure }
}

/// Asks for `yes`, unless the plan was reviewed before or nobody wants to be asked.
fn confirm(cx: &Context, args: &Args) -> Result<(), Failure> {
    if args.yes || args.plan.is_some() {
        return Ok(());
    }
    if !cx.interactive() {
        let names = args.names.iter().map(|name| format!(" {name}")).collect::<String>();
        return Err(Failure::new(Trouble::NotConfirmed, "there is no terminal on which to ask, so nothing was done")
            .hint(format!("innkeeper apply --yes{names}   (or review it first: innkeeper plan{names} --out FILE; innkeeper apply --plan FILE)")));
    }
    cx.complain(&format!("{} ", paint(STRONG, "Do this? Only \"yes\" is taken for an answer:")));
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    match read.is_ok() && line.trim() == "yes" {
        true => Ok(()),
        false => Err(Failure::new(Trouble::NotConfirmed, "not confirmed, so nothing was done")),
    }
}

fn carry_out(cx: &Context, look: &Plan, request: ApplyRequest) -> Result<Converged, Failure> {
    world::block_on(async {
        let mut endings = Endings::catch()?;
        match world::daemon(&look.fleet.settings).await? {
            Some(client) => hand_over(cx, client, request, &mut endings).await,
            None => converge(cx, &request, &mut endings).await,
        }
    })?
}

/// The daemon does it; this command only watches.
async fn hand_over(
    cx: &Context,
    mut client: Client,
    request: ApplyRequest,
    endings: &mut Endings,
) -> Result<Converged, Failure> {
    cx.notice(&format!("handed over to the daemon (process {})", client.hello().pid));
    let shown = Shown::new(cx);
    let told = |progress| shown.tell(progress);
    tokio::select! {
        converged = client.apply(request, told) => converged.map_err(|e| world::of_control(&e)),
        // Never completes.
        never = shown.draw() => match never {},
        () = endings.next() => Err(Failure::new(Trouble::Unwatched, "no longer watched; the daemon goes on with it")
            .hint("innkeeper events -f")),
    }
}

/// Does it here, under the lock. The first signal lets running steps finish.
async fn converge(cx: &Context, request: &ApplyRequest, endings: &mut Endings) -> Result<Converged, Failure> {
    let keeper = world::keeper(cx, Conduct::ActOnce)?;
    let stop = CancellationToken::new();
    let shown = Shown::new(cx);
    let told = |progress| shown.tell(Some(progress));
    let work = daemon::converge(&keeper, request, stop.clone(), &told);
    tokio::pin!(work);
    loop {
        tokio::select! {
            converged = &mut work => return converged.map_err(|e| of_converge(&e)),
            // Never completes.
            never = shown.draw() => match never {},
            () = endings.next() => {
                if stop.is_cancelled() {
                    let message = "ended in the middle; what was begun is taken up by the next `apply` or `run`";
                    return Err(Failure::new(Trouble::Unwatched, message));
                }
                cx.notice("finishing the steps that run; once more ends at once");
                stop.cancel();
            }
        }
    }
}

fn of_converge(error: &ConvergeError) -> Failure {
    match error {
        ConvergeError::Scan(error) => world::of_scan(error),
        ConvergeError::Locked(error) => Failure::new(Trouble::Locked, chain(error)),
    }
}

/// The answer, and the exit code that the verdict means.
fn finish(cx: &Context, converged: &Converged, look: &Plan) -> Result<Exit, Failure> {
    let failure = failure_of(converged).map(Failure::answered);
    if cx.json {
        cx.document(&Document {
            schema: SCHEMA,
            verdict: converged.verdict,
            instances: converged.instances.iter().collect(),
            host: &converged.host,
            error: failure.as_ref().map(Failure::member),
        })?;
    } else {
        cx.say(&for_people(converged, look.changes.is_settled()))?;
    }
    failure.map_or(Ok(Exit::Done), Err)
}

fn for_people(converged: &Converged, was_settled: bool) -> String {
    let mut text = String::new();
    for (name, end) in converged.instances.iter().filter(|(_, end)| end.end != End::Settled) {
        text.push_str(&format!("{} {name} {}: {}\n", paint(BAD, "!"), word(end), harmless(&why(end))));
    }
    text.extend(converged.host.iter().map(|message| format!("{} host: {}\n", paint(BAD, "!"), harmless(message))));
    let settled = converged.instances.values().filter(|end| end.end == End::Settled).count();
    let steps: u64 = converged.instances.values().map(|end| end.steps_done).sum::<u64>() + converged.host_steps_done;
    let done = match (steps, was_settled) {
        (0, true) => "nothing to do".to_owned(),
        _ => count(usize::try_from(steps).unwrap_or(usize::MAX), "step done", "steps done"),
    };
    let of = converged.instances.len();
    text.push_str(&format!("{settled} of {} as asked; {done}\n", count(of, "instance", "instances")));
    text
}

/// Why an instance is not as asked.
fn why(end: &InstanceEnd) -> String {
    match end.message.is_empty() {
        true => end
            .holds
            .iter()
            .map(|hold| format!("{}: {}", hold.reason.as_str(), hold.message))
            .collect::<Vec<_>>()
            .join("; "),
        false => end.message.clone(),
    }
}

/// As `status` and `plan` call it.
fn word(end: &InstanceEnd) -> &'static str {
    let is_held_by = |reason: HoldReason| end.holds.iter().any(|hold| hold.reason == reason);
    match end.end {
        End::Held if is_held_by(HoldReason::InvalidFile) => "is invalid",
        End::Held if is_held_by(HoldReason::Orphaned) => "is orphaned",
        End::Settled => "is as asked",
        End::Failed => "failed",
        End::Unreachable => "waits for a system",
        End::Held => "is held",
        End::Unfinished => "is not done yet",
    }
}

fn failure_of(converged: &Converged) -> Option<Failure> {
    let of = converged.instances.len();
    let mut open: Vec<_> = converged.instances.iter().filter(|(_, end)| end.end != End::Settled).collect();
    // The guard decides the exit code, so whom it holds is named before others.
    open.sort_by_key(|(_, end)| !end.holds.iter().any(|hold| hold.reason == HoldReason::Guard));
    let summary = match open.as_slice() {
        [(name, end)] => format!("{name} {}: {}", word(end), why(end)),
        [(name, end), ..] => {
            let all = count(of, "instance", "instances");
            format!("{} of {all} are not as asked; {name} {}: {}", open.len(), word(end), why(end))
        }
        [] => converged.host.first().cloned().unwrap_or_else(|| "the host is not as asked".to_owned()),
    };
    let held_by = |reason: HoldReason| {
        let mut open = converged.instances.values().filter(|end| end.end != End::Settled);
        open.any(|end| end.holds.iter().any(|hold| hold.reason == reason))
    };
    let failure = match converged.verdict {
        Verdict::Settled => return None,
        // Another branch that was checked out: its own files were obeyed, and customers of the right one have none.
        Verdict::Partly if held_by(HoldReason::Guard) || held_by(HoldReason::Orphaned) => {
            Failure::new(Trouble::Guarded, summary)
        }
        Verdict::Partly => Failure::new(Trouble::PartlyApplied, summary),
        Verdict::Failed => Failure::new(Trouble::NotApplied, summary),
        Verdict::Unreachable => Failure::new(Trouble::NoSystem, summary),
        Verdict::Held if held_by(HoldReason::InvalidFile) => Failure::new(Trouble::InvalidFiles, summary),
        Verdict::Held => Failure::new(Trouble::Guarded, summary),
        Verdict::TimedOut => Failure::new(Trouble::TimedOut, summary),
        Verdict::Interrupted => Failure::new(Trouble::NotApplied, format!("interrupted: {summary}")),
    };
    Some(failure.hint("`innkeeper info NAME` says more of each"))
}
