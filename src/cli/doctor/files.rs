//! Whether the fleet's files can be obeyed.

use super::Finding;
use crate::cli::context::Context;
use crate::cli::failure::Failure;
use crate::cli::render::text::count;
use crate::cli::templates;
use crate::model::settings::Settings;
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
pub(super) fn check(cx: &Context, fleet: &Fleet) -> Vec<Finding> {
    let read = format!(
        "{} on {}",
        count(fleet.instances.len(), "instance", "instances"),
        count(fleet.plans.len(), "plan", "plans")
    );
    let problems = [fleet.problems.clone(), templates::problems(cx, fleet)].concat();
    if problems.is_empty() {
        return vec![Finding::ok("files", read)];
    }
    let files: BTreeSet<_> = problems.iter().map(|problem| &problem.file).collect();
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let message = format!("{} in {}", count(problems.len(), "problem", "problems"), names.join(", "));
    vec![Finding::fail("files", message, "`innkeeper check` shows each with its line and what to do")]
}

/// What `init` writes and nobody can mean: names that belong to the makers of examples (RFC 2606).
pub(super) fn examples(settings: &Settings) -> Vec<Finding> {
    let is_example = |name: &str| ["example.com", "example.net", "example.org"].iter().any(|it| name.ends_with(it));
    let mut findings = Vec::new();
    if is_example(settings.fleet.base_domain.as_str()) {
        let message = format!("`fleet.base_domain` is still {}", settings.fleet.base_domain);
        findings.push(Finding::warn("settings", message, "write the domain below which your customers live"));
    }
    if let Some(contact) = settings.acme.contact.iter().find(|contact| is_example(contact)) {
        let message = format!("`acme.contact` is still {contact}, and Let's Encrypt takes no account for it");
        findings.push(Finding::warn("settings", message, "write an address at which you are reached"));
    }
    findings
}
