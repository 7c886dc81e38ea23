//! `check`: all problems of all files, or whether a subdomain is free. Needs no Docker, no PostgreSQL, no daemon.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::documents::{CheckDocument, SubdomainDocument};
use super::render::style::{BAD, GOOD, paint};
use super::render::text::{count, harmless};
use super::{candidate, files, fleet, render, templates};
use crate::connect::TEMPLATES_DIR;
use crate::model::problem::Problem;
use crate::model::status::SCHEMA;
use crate::spec::{Availability, Fleet, INSTANCES_DIR, PLANS_FILE};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files to tell about; without any, all of the fleet. A file from elsewhere is checked as if it joined the fleet
    #[arg(value_name = "FILE", conflicts_with = "subdomain")]
    files: Vec<PathBuf>,
    /// Say whether a subdomain is free, reserved, taken or invalid
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    subdomain: Option<String>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut fleet = match fleet::read(cx) {
        Ok(fleet) => fleet,
        // The problems are what was asked for: the document is the usual one.
        Err(failure) if !failure.problems.is_empty() && args.subdomain.is_none() => {
            return tell(cx, &failure.problems, None);
        }
        Err(failure) => return Err(failure),
    };
    if let Some(subdomain) = &args.subdomain {
        return tell_subdomain(cx, &fleet, subdomain);
    }
    fleet.problems.extend(templates::problems(cx, &fleet));
    let problems = match args.files.is_empty() {
        true => fleet.problems.clone(),
        false => problems_of(cx, &fleet, &args.files)?,
    };
    tell(cx, &problems, args.files.is_empty().then_some(&fleet))
}

/// The problems of some files only.
fn problems_of(cx: &Context, fleet: &Fleet, files: &[PathBuf]) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    for file in files {
        let found = std::fs::canonicalize(file).map_err(|e| Failure::of_file(file, "read", &e))?;
        if !found.is_file() {
            let message = format!("{} is not a file", file.display());
            return Err(Failure::new(Trouble::Usage, message).file(file));
        }
        match inside(cx, &found) {
            Some(place) => problems.extend(fleet.problems.iter().filter(|problem| problem.file == place).cloned()),
            None if found.extension().is_none_or(|ending| ending != "toml") => {
                let message = format!("{} is not a file that can be checked", file.display());
                let hint =
                    "those are instances' (NAME.toml), plans.toml, innkeeper.toml, and what is in nginx-templates";
                return Err(Failure::new(Trouble::Usage, message).file(file).hint(hint));
            }
            None => problems.extend(candidate::problems(cx, fleet, file)?),
        }
    }
    Ok(problems)
}

/// The file's path within the fleet, when it is one that a reading of the fleet reads.
fn inside(cx: &Context, file: &Path) -> Option<PathBuf> {
    if std::fs::canonicalize(&cx.settings_file).is_ok_and(|settings| settings == file) {
        return Some(cx.settings_file.strip_prefix(&cx.fleet_dir).unwrap_or(&cx.settings_file).to_owned());
    }
    let root = std::fs::canonicalize(&cx.fleet_dir).ok()?;
    let place = file.strip_prefix(root).ok()?;
    let read = place == Path::new(PLANS_FILE)
        || place.parent() == Some(Path::new(INSTANCES_DIR))
        || place.starts_with(TEMPLATES_DIR);
    read.then(|| place.to_owned())
}

fn tell(cx: &Context, problems: &[Problem], fleet: Option<&Fleet>) -> Result<Exit, Failure> {
    if cx.json {
        cx.document(&CheckDocument::new(problems))?;
    } else if !problems.is_empty() {
        cx.say(&listing(cx, problems))?;
    } else if let Some(fleet) = fleet {
        let read = format!(
            "{} on {}",
            count(fleet.instances.len(), "instance", "instances"),
            count(fleet.plans.len(), "plan", "plans")
        );
        cx.say(&format!("{} {read}, no problems\n", paint(GOOD, "ok:")))?;
    } else {
        cx.say(&format!("{} no problems\n", paint(GOOD, "ok:")))?;
    }
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Invalid })
}

fn listing(cx: &Context, problems: &[Problem]) -> String {
    let named: BTreeSet<&PathBuf> = problems.iter().map(|problem| &problem.file).collect();
    let sources: BTreeMap<&PathBuf, String> =
        named.iter().filter_map(|file| Some((*file, files::text_of(&cx.fleet_dir.join(file)).ok()?))).collect();
    let mut text: String = problems
        .iter()
        .map(|problem| render::problems::render(problem, sources.get(&problem.file).map(String::as_str)))
        .collect();
    let totals = format!("{} in {}", count(problems.len(), "problem", "problems"), count(named.len(), "file", "files"));
    text.push_str(&format!("{}\n", paint(BAD, &totals)));
    text
}

fn tell_subdomain(cx: &Context, fleet: &Fleet, subdomain: &str) -> Result<Exit, Failure> {
    let (reason, message, exit) = match fleet.availability(subdomain) {
        Availability::Available => {
            ("free", format!("{subdomain}.{} is free", fleet.settings.fleet.base_domain), Exit::Done)
        }
        Availability::Reserved => ("reserved", format!("{subdomain:?} is reserved for the operator"), Exit::Refused),
        Availability::Taken(name) => ("taken", format!("{subdomain:?} is taken by {name}"), Exit::Refused),
        Availability::Malformed(why) => ("invalid", why, Exit::Invalid),
    };
    let available = exit == Exit::Done;
    match cx.json {
        true => cx.document(&SubdomainDocument { schema: SCHEMA, subdomain, available, reason, message })?,
        false => cx.say(&format!(
            "{} {}\n",
            paint(if available { GOOD } else { BAD }, &format!("{reason}:")),
            harmless(&message)
        ))?,
    }
    Ok(exit)
}
