//! `wait`: blocks until instances are as asked, for scripts that drop a file and go on when the customer is served.
//!
//! It looks at the status documents that the daemon writes, so it works before the daemon runs, and for users who may not
//! talk to it. A document counts only when it was made from the file as it is now, and after a look that began after this
//! command did: right after an edit, a `retry` or a `restart`, what was known before is no answer.

use super::asked::{Request, is_of_the_file};
use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::progress::Shown;
use super::{args, fleet, selection, world};
use crate::model::changes::HoldReason;
use crate::model::name::InstanceName;
use crate::model::problem::Problem;
use crate::model::settings::Settings;
use crate::model::status::{ConditionStatus, ConditionType, InstanceStatus, SCHEMA, State};
use crate::model::time::{Seconds, Timestamp};
use crate::model::wanted::WantedState;
use crate::spec::{Fleet, Reader};
use clap::ValueEnum;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A file that has problems in so many looks in a row is not just being written.
const INVALID_LOOKS_MAX: u32 = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it
    #[arg(required = true, value_name = "NAME|FILTER")]
    names: Vec<String>,
    /// What to wait for
    #[arg(long = "for", value_enum, value_name = "STATE", default_value = "ready")]
    goal: Goal,
    /// How long at most
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = args::duration)]
    timeout: Seconds,
}

/// What can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Goal {
    /// It serves, as its file asks
    Ready,
    /// It is stopped, as its file asks
    Stopped,
    /// It is out of service and its data is kept
    Retired,
}

impl Goal {
    fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Stopped => "stopped",
            Self::Retired => "retired",
        }
    }

    fn state(self) -> State {
        match self {
            Self::Ready => State::Ready,
            Self::Stopped => State::Stopped,
            Self::Retired => State::Retired,
        }
    }

    /// What the file must ask for, or it can never come.
    fn wanted(self) -> WantedState {
        match self {
            Self::Ready => WantedState::Running,
            Self::Stopped => WantedState::Stopped,
            Self::Retired => WantedState::Absent,
        }
    }
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    #[serde(rename = "for")]
    goal: &'static str,
    waited_s: Seconds,
    instances: Vec<&'a InstanceStatus>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let names = selection::of(cx, &fleet, &args.names)?.names;
    let begun = (cx.now)();
    let mut waiting = Waiting::new(cx, args.goal, &fleet.settings, names);
    let shown = Shown::new(cx);
    loop {
        if waiting.look()? {
            shown.said();
        }
        shown.draw_word(&waiting.word());
        if waiting.is_over() {
            drop(shown);
            return answer(cx, args.goal, &waiting, begun);
        }
        if super::render::text::between(begun, (cx.now)()) >= args.timeout {
            drop(shown);
            return Err(waiting.timed_out(args.timeout));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn answer(cx: &Context, goal: Goal, waiting: &Waiting<'_>, begun: Timestamp) -> Result<Exit, Failure> {
    let instances: Vec<&InstanceStatus> = waiting.reached.values().collect();
    if cx.json {
        let waited_s = super::render::text::between(begun, (cx.now)());
        cx.document(&Document { schema: SCHEMA, goal: goal.word(), waited_s, instances })?;
        return Ok(Exit::Done);
    }
    for status in instances {
        let url = status.url.as_ref().filter(|_| goal == Goal::Ready).map(|url| format!("  {url}")).unwrap_or_default();
        cx.say(&format!("{} is {}{url}\n", status.name, goal.word()))?;
    }
    Ok(Exit::Done)
}

/// Of when a document tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Of a former version of the file.
    FormerFile,
    /// Of a look before this command, and whatever was asked before it.
    Before,
    /// Of now.
    Now,
}

/// What is still waited for, and what was seen of it last.
struct Waiting<'a> {
    cx: &'a Context,
    goal: Goal,
    settings: &'a Arc<Settings>,
    reader: Reader,
    left: Vec<InstanceName>,
    /// What was asked before this began must have been looked at.
    request: Request,
    reached: BTreeMap<InstanceName, InstanceStatus>,
    seen: BTreeMap<InstanceName, String>,
    /// What runs for it, and how far that is.
    doing: BTreeMap<InstanceName, String>,
    invalid_looks: BTreeMap<InstanceName, u32>,
}

impl<'a> Waiting<'a> {
    /// For whom, in a few words.
    fn word(&self) -> String {
        let words = |name: &InstanceName| {
            self.doing.get(name).or(self.seen.get(name)).map_or_else(|| name.to_string(), |it| format!("{name}: {it}"))
        };
        match self.left.as_slice() {
            [] => String::new(),
            [name] => format!("waiting for {}", words(name)),
            [name, others @ ..] => format!("waiting for {} and {} more", words(name), others.len()),
        }
    }

    fn new(cx: &'a Context, goal: Goal, settings: &'a Arc<Settings>, left: Vec<InstanceName>) -> Self {
        Self {
            cx,
            goal,
            settings,
            reader: Reader::new(cx.fleet_dir.clone(), cx.settings_file.clone()),
            left,
            request: Request::default(),
            reached: BTreeMap::new(),
            seen: BTreeMap::new(),
            doing: BTreeMap::new(),
            invalid_looks: BTreeMap::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Looks once; true when there was something to tell.
    fn look(&mut self) -> Result<bool, Failure> {
        let fleet = fleet::read_again(self.cx, self.settings, &mut self.reader);
        let seen_before = self.seen.clone();
        self.request.follow(self.settings, &self.left);
        for name in self.left.clone() {
            self.check_file(&fleet, &name)?;
            // Asked before the document is read: what it says then is newer than the look.
            let answered = self.request.is_answered(self.cx, self.settings, &name);
            let document = world::document(self.settings, &name)?;
            let of_the_file = |status| is_of_the_file(self.cx, self.settings, &fleet, status);
            let seen = match &document {
                Some(status) if !of_the_file(status) => Seen::FormerFile,
                Some(_) if answered => Seen::Now,
                _ => Seen::Before,
            };
            self.tell(&name, document.as_ref(), seen);
            let Some(status) = document.filter(|_| seen == Seen::Now) else { continue };
            if status.state == self.goal.state() && self.is_carried_out(&status) {
                self.left.retain(|left| *left != name);
                self.reached.insert(name, status);
            } else {
                self.check_hopeless(&status)?;
            }
        }
        Ok(self.seen != seen_before)
    }

    /// Whether the world was brought to that version of the file.
    fn is_carried_out(&self, status: &InstanceStatus) -> bool {
        status.generation == status.observed_generation || self.goal == Goal::Retired
    }

    /// Ends the waiting when the file asks for something else, or has problems and keeps having them.
    fn check_file(&mut self, fleet: &Fleet, name: &InstanceName) -> Result<(), Failure> {
        let Some(instance) = fleet.instances.get(name) else { return Ok(()) };
        if !instance.valid {
            let looks = self.invalid_looks.entry(name.clone()).or_default();
            *looks += 1;
            return if *looks >= INVALID_LOOKS_MAX { Err(invalid(&instance.problems)) } else { Ok(()) };
        }
        self.invalid_looks.remove(name);
        match &instance.wanted {
            Some(wanted) if wanted.state != self.goal.wanted() => {
                let message = format!(
                    "{name} will not become {}: its file asks for state = {:?}",
                    self.goal.word(),
                    wanted.state.as_str()
                );
                Err(Failure::new(Trouble::WillNotCome, message).file(&instance.file))
            }
            _ => Ok(()),
        }
    }

    /// Ends the waiting when nothing moves until a person acts.
    fn check_hopeless(&self, status: &InstanceStatus) -> Result<(), Failure> {
        let stalled = status
            .conditions
            .iter()
            .find(|condition| condition.kind == ConditionType::Stalled && condition.status == ConditionStatus::True);
        if let Some(hold) = status.holds.iter().find(|hold| hold.reason == HoldReason::Guard) {
            let message = format!("the guard holds {}: {}", status.name, hold.message);
            return Err(Failure::new(Trouble::Guarded, message));
        }
        if status.state == State::Orphaned {
            let message =
                format!("{} is orphaned: its file is gone, so nothing moves until somebody acts", status.name);
            let hint = format!("put {} back", super::fleet::shown_file(&status.name).display());
            return Err(Failure::new(Trouble::WillNotCome, message).hint(hint));
        }
        let Some(stalled) = stalled else { return Ok(()) };
        let why = match status.note() {
            text if text.is_empty() => stalled.message.clone(),
            text => text,
        };
        let message =
            format!("{} is {} and nothing moves until somebody acts: {why}", status.name, status.state.as_str());
        Err(Failure::new(Trouble::WillNotCome, message).hint(format!("innkeeper info {}", status.name)))
    }

    /// Says what was seen, when it is something new.
    fn tell(&mut self, name: &InstanceName, status: Option<&InstanceStatus>, document: Seen) {
        let seen = match status {
            None if !world::daemon_runs(self.settings) => "not seen yet, and no daemon runs here".to_owned(),
            None => "not seen by the daemon yet".to_owned(),
            Some(status) if document == Seen::FormerFile => {
                format!("{}, the daemon has not seen the file's newest version yet", status.state.as_str())
            }
            // Work that goes on is told as it is. Whatever else was known before is no answer, and a look takes but a moment.
            Some(status)
                if document == Seen::Before && !matches!(status.state, State::Provisioning | State::Updating) =>
            {
                if !self.seen.contains_key(name) && world::daemon_runs(self.settings) {
                    return;
                }
                format!("{} when it was looked at last, before this was asked", status.state.as_str())
            }
            Some(status) => match (&status.operation, status.note()) {
                (Some(operation), _) => format!("{}, {} runs", status.state.as_str(), operation.kind),
                (None, text) if text.is_empty() => status.state.as_str().to_owned(),
                (None, text) => format!("{}, {text}", status.state.as_str()),
            },
        };
        match status.and_then(|status| status.doing((self.cx.now)())) {
            Some(doing) => drop(self.doing.insert(name.clone(), doing)),
            None => drop(self.doing.remove(name)),
        }
        if self.seen.get(name) != Some(&seen) {
            self.cx.notice(&format!("{name}: {}", super::render::text::harmless(&seen)));
            self.seen.insert(name.clone(), seen);
        }
    }

    fn timed_out(&self, timeout: Seconds) -> Failure {
        let parts: Vec<String> = self
            .left
            .iter()
            .map(|name| format!("{name} ({})", self.seen.get(name).map_or("nothing seen", String::as_str)))
            .collect();
        let message = format!("after {timeout} not yet {}: {}", self.goal.word(), parts.join("; "));
        let failure = Failure::new(Trouble::TimedOut, message);
        match world::daemon_runs(self.settings) {
            true => failure.hint("`innkeeper info NAME` says what it waits for; where the work goes on, wait again"),
            false => failure.hint("no daemon runs here: start `innkeeper run`, or do it once with `innkeeper apply`"),
        }
    }
}

fn invalid(problems: &[Problem]) -> Failure {
    Failure::of_problems(problems.to_vec(), "it cannot become what is waited for")
}
