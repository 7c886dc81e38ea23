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

impl Problem {
    /// The same as [`Self::to_string`] on one line, for events and alerts.
    pub fn to_line(&self) -> String {
        self.to_string().replace("\n  ", ", ")
    }
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
