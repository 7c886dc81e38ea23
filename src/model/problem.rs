//! A fault in a file, pointing at its place.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One fault in one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Problem {
    /// The file, relative to the fleet's directory.
    pub file: PathBuf,
    /// Line, from 1; 0 when the fault is of the whole file.
    pub line: u32,
    /// Column in characters, from 1; 0 when the fault is of the whole file.
    pub column: u32,
    /// Code for `innkeeper explain`: `IK0101`.
    pub code: String,
    /// What is wrong, as a sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The first of a file's problems, given as lines, and how many there are besides it: for rows, alerts and plans, which are no
/// place for twenty. `check` is the command that tells all.
pub fn first_of(lines: &[String], check: &str) -> String {
    match lines {
        [] => String::new(),
        [only] => only.clone(),
        [first, more @ ..] => format!("{first}; and {} more: {check}", more.len()),
    }
}

impl Problem {
    /// The same as [`Self::to_string`] on one line, for events and alerts.
    pub fn to_line(&self) -> String {
        self.to_string().replace("\n  ", ", ")
    }
}

/// Several problems that are told as one message, apart again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told<'a> {
    /// What is said before the first one; may be empty.
    pub before: &'a str,
    /// Each as [`Problem::to_line`] wrote it, in the order of the message.
    pub problems: Vec<&'a str>,
}

impl<'a> Told<'a> {
    /// Takes a message apart; none where it tells of less than two problems.
    pub fn of(message: &'a str) -> Option<Self> {
        let starts = std::iter::once(0).chain(message.match_indices(": ").map(|(at, _)| at + 2));
        let first = starts.into_iter().find(|at| is_placed(&message[*at..]))?;
        let mut problems: Vec<&str> = Vec::new();
        let mut from = first;
        for (at, _) in message[first..].match_indices("; ").map(|(at, it)| (first + at, it)) {
            if is_placed(&message[at + 2..]) {
                problems.push(&message[from..at]);
                from = at + 2;
            }
        }
        problems.push(&message[from..]);
        let before = message[..first].trim_end_matches(": ");
        (problems.len() > 1).then_some(Self { before, problems })
    }

    /// The file of which all of them are; none where they are of several.
    pub fn file(&self) -> Option<&'a str> {
        let first = file_of(self.problems.first()?)?;
        self.problems.iter().all(|problem| file_of(problem) == Some(first)).then_some(first)
    }
}

/// Begins with a file, as [`Problem::to_line`] does: `instances.d/acme.toml:4:8: `.
fn is_placed(text: &str) -> bool {
    file_of(text).is_some()
}

fn file_of(text: &str) -> Option<&str> {
    let (place, _) = text.split_once(": ")?;
    let file = place.split(':').next()?;
    (file.ends_with(".toml") && !file.contains(' ')).then_some(file)
}

impl std::fmt::Display for Problem {
    /// `instances.d/acme.toml:4:8: plan "glod" is not in plans.toml [IK0110]`, and the hint on a line of its own.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {} [{}]", self.message, self.code)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}
