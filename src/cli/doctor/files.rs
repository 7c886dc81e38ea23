//! Whether the fleet's files can be obeyed.

use super::Finding;
use crate::cli::failure::Failure;
use crate::cli::render::text::count;
use crate::spec::Fleet;
use std::collections::BTreeSet;

/// Settings or plans that cannot be read at all: nothing else can be checked.
pub(super) fn unreadable(failure: &Failure) -> Finding {
    match failure.problems.first() {
        Some(problem) => Finding::fail(
            "files",
            problem.to_string().replace("\n  hint:", ";"),
            "`innkeeper check` shows all problems",
        ),
        None => {
            let fix = failure.hint.clone().unwrap_or_else(|| "see `innkeeper check`".to_owned());
            Finding::fail("files", failure.message.clone(), fix)
        }
    }
}

/// All files together.
pub(super) fn check(fleet: &Fleet) -> Vec<Finding> {
    let read = format!(
        "{} on {}",
        count(fleet.instances.len(), "instance", "instances"),
        count(fleet.plans.len(), "plan", "plans")
    );
    if fleet.problems.is_empty() {
        return vec![Finding::ok("files", read)];
    }
    let files: BTreeSet<_> = fleet.problems.iter().map(|problem| &problem.file).collect();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let message = format!("{} in {}", count(fleet.problems.len(), "problem", "problems"), names.join(", "));
    vec![Finding::fail("files", message, "`innkeeper check` shows each with its line and what to do")]
}
