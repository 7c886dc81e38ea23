//! `is-running` and `is-healthy`: one question, answered by a word and by the exit code, as by `systemctl is-active`.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::{fleet, selection, world};
use crate::model::name::InstanceName;
use crate::model::status::{ConditionStatus, ConditionType, InstanceStatus, SCHEMA, State};
use serde::Serialize;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances, or a filter as `status` takes it: it is so when it is so of each
    #[arg(required = true, value_name = "NAME|FILTER")]
    names: Vec<String>,
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Its container runs as it should.
    Running,
    /// All of it is as its file asks, proven through the proxy.
    Healthy,
}

#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    /// Of each: that is the exit code.
    yes: bool,
    instances: Vec<Answer>,
}

#[derive(Debug, Serialize)]
struct Answer {
    instance: InstanceName,
    state: State,
    yes: bool,
}

impl Question {
    fn holds(self, status: &InstanceStatus) -> bool {
        let runs = |it: &InstanceStatus| {
            let runs = it.conditions.iter().find(|condition| condition.kind == ConditionType::AppReady);
            runs.is_some_and(|condition| condition.status == ConditionStatus::True)
        };
        match self {
            Self::Running => status.state == State::Ready || status.state != State::Stopped && runs(status),
            Self::Healthy => status.state == State::Ready,
        }
    }
}

pub(crate) fn run(cx: &Context, args: &Args, question: Question) -> Result<Exit, Failure> {
    let fleet = fleet::read_or_remember(cx)?;
    let names = selection::of(cx, &fleet, &args.names)?.names;
    let status = world::status(cx, &fleet)?;
    let asked = status.instances.iter().filter(|it| names.contains(&it.name));
    let instances: Vec<Answer> =
        asked.map(|it| Answer { instance: it.name.clone(), state: it.state, yes: question.holds(it) }).collect();
    // One of which nothing is known yet does not run.
    let yes = names.iter().all(|name| instances.iter().any(|it| it.instance == *name && it.yes));
    // Of one the word alone is the answer.
    let whose = |it: &Answer| if names.len() > 1 { format!("{}  ", it.instance) } else { String::new() };
    let line = |it: &Answer| format!("{}{}\n", whose(it), it.state.as_str());
    match cx.json {
        true => cx.document(&Document { schema: SCHEMA, yes, instances })?,
        false => cx.say(&instances.iter().map(line).collect::<String>())?,
    }
    Ok(if yes { Exit::Done } else { Exit::NotReady })
}
