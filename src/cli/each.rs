//! One verb for several instances: each is told, and the exit code stands for all of them.

use super::context::Context;
use super::failure::{ErrorMember, Exit, Failure, Trouble};
use super::render::style::{BAD, paint};
use super::render::text::{count, harmless};
use crate::model::name::InstanceName;
use crate::model::status::SCHEMA;
use serde::Serialize;

/// The answer. Of one instance its members stand at the top as well.
#[derive(Debug, Serialize)]
struct Document<'a, R> {
    schema: u32,
    #[serde(flatten)]
    one: Option<&'a R>,
    instances: Vec<Row<'a, R>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorMember<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Row<'a, R> {
    Done(&'a R),
    Failed { instance: &'a InstanceName, error: ErrorMember<'a> },
}

/// What became of each.
pub(crate) struct Outcomes<R> {
    outcomes: Vec<(InstanceName, Result<R, Failure>)>,
}

/// Does it to each, whatever becomes of the others.
pub(crate) fn each<R>(names: &[InstanceName], mut act: impl FnMut(&InstanceName) -> Result<R, Failure>) -> Outcomes<R> {
    Outcomes { outcomes: names.iter().map(|name| (name.clone(), act(name))).collect() }
}

impl<R> Outcomes<R> {
    /// Those to whom it was done.
    pub(crate) fn done(&self) -> impl Iterator<Item = (&InstanceName, &R)> {
        self.outcomes.iter().filter_map(|(name, outcome)| Some((name, outcome.as_ref().ok()?)))
    }

    /// The same, to be changed.
    pub(crate) fn done_mut(&mut self) -> impl Iterator<Item = (&InstanceName, &mut R)> {
        self.outcomes.iter_mut().filter_map(|(name, outcome)| Some((&*name, outcome.as_mut().ok()?)))
    }
}

impl<R: Serialize> Outcomes<R> {
    /// Answers scripts, tells people what did not work, and says how it ends. `not_done` is what was not done to those that
    /// failed: "stopped"; `after` is what is to be said although it was done to all.
    pub(crate) fn answer(mut self, cx: &Context, not_done: &str, after: Option<Failure>) -> Result<Exit, Failure> {
        let is_one = self.outcomes.len() == 1;
        if let (true, Some((_, Err(_)))) = (is_one, self.outcomes.first()) {
            // Told as it is.
            return self.outcomes.pop().map_or(Ok(Exit::Done), |(_, outcome)| outcome.map(|_| Exit::Done));
        }
        let failure = self.failure(not_done).or(after);
        if cx.json {
            let rows = self.outcomes.iter().map(|(instance, outcome)| match outcome {
                Ok(row) => Row::Done(row),
                Err(failure) => Row::Failed { instance, error: failure.member() },
            });
            let one = self.done().next().map(|(_, row)| row).filter(|_| is_one);
            let error = failure.as_ref().map(Failure::member);
            cx.document(&Document { schema: SCHEMA, one, instances: rows.collect(), error })?;
        }
        for (name, failure) in self.failed() {
            let hint = failure.hint.as_ref().map(|hint| format!("\n  hint: {}", harmless(hint))).unwrap_or_default();
            cx.complain(&format!("{} {name}: {}{hint}\n", paint(BAD, "!"), harmless(&in_words(failure))));
        }
        failure.map_or(Ok(Exit::Done), |failure| Err(failure.answered()))
    }

    fn failed(&self) -> impl Iterator<Item = (&InstanceName, &Failure)> {
        self.outcomes.iter().filter_map(|(name, outcome)| Some((name, outcome.as_ref().err()?)))
    }

    /// One for all: partly, where it was done to some; their common kind, where all failed alike.
    fn failure(&self, not_done: &str) -> Option<Failure> {
        let failed = self.failed().count();
        let (_, first) = self.failed().next()?;
        let alike = self.failed().all(|(_, failure)| failure.exit == first.exit);
        let trouble = match (failed < self.outcomes.len(), alike) {
            (true, _) => Trouble::PartlyApplied,
            (false, true) => first.trouble,
            (false, false) => Trouble::Failed,
        };
        let all = count(self.outcomes.len(), "instance", "instances");
        let were = if failed == 1 { "was" } else { "were" };
        Some(Failure::new(trouble, format!("{failed} of {all} {were} not {not_done}")))
    }
}

fn in_words(failure: &Failure) -> String {
    match failure.problems.as_slice() {
        [] => failure.message.clone(),
        [first, ..] => format!("{}: {}", failure.message, first.to_line()),
    }
}
