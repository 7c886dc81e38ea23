//! `check`: all problems of all files, or whether a subdomain is free. Needs no Docker, no PostgreSQL, no daemon.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::documents::{CheckDocument, SubdomainDocument};
use super::render::style::{BAD, GOOD, paint};
use super::render::text::{count, harmless};
use super::{candidate, files, fleet, render, templates};
use crate::connect::TEMPLATES_DIR;
use crate::model::name::InstanceName;
use crate::model::problem::Problem;
use crate::model::status::SCHEMA;
use crate::spec::{Availability, Fleet, INSTANCES_DIR, PLANS_FILE};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Instances or files to tell about; without any, all of the fleet. A file from elsewhere is checked as if it joined it
    #[arg(value_name = "NAME|FILE", conflicts_with = "subdomain")]
    names: Vec<PathBuf>,
    /// Say whether a subdomain is free, reserved, taken or invalid
    #[arg(long, value_name = "SUBDOMAIN", allow_hyphen_values = true)]
    subdomain: Option<String>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    if let Some(subdomain) = &args.subdomain {
        return tell_subdomain(cx, &fleet::read(cx)?, subdomain);
    }
    let (mut problems, rest) = match fleet::read_to_check(cx)? {
        Ok(fleet) => (fleet.problems.clone(), Some(fleet)),
        Err(error) => (error.problems, error.rest.map(|rest| *rest)),
    };
    problems.extend(rest.iter().flat_map(|fleet| templates::problems(cx, fleet)));
    if rest.is_none() {
        let file = cx.settings_file.display();
        cx.notice(&format!(
            "what the other files mean on this host is only known once {file} can be read: check again then"
        ));
    }
    let strays = rest.as_ref().map(|fleet| fleet.strays.clone()).unwrap_or_default();
    match args.names.is_empty() {
        true => tell(cx, &problems, &strays, rest.as_ref()),
        false => tell(cx, &problems_of(cx, &problems, rest.as_ref(), &args.names)?, &[], None),
    }
}

/// The problems of some files only.
fn problems_of(
    cx: &Context,
    all: &[Problem],
    fleet: Option<&Fleet>,
    given: &[PathBuf],
) -> Result<Vec<Problem>, Failure> {
    let mut problems = Vec::new();
    for word in given {
        let file = file_of(cx, fleet, word)?;
        let found = std::fs::canonicalize(&file).map_err(|e| Failure::of_file(&file, "read", &e))?;
        if !found.is_file() {
            let message = format!("{} is not a file", file.display());
            return Err(Failure::new(Trouble::Usage, message).file(&file));
        }
        match inside(cx, &found) {
            Some(place) => problems.extend(all.iter().filter(|problem| problem.file == place).cloned()),
            None if found.extension().is_none_or(|ending| ending != "toml") => {
                let message = format!("{} is not a file that can be checked", file.display());
                let hint =
                    "those are instances' (NAME.toml), plans.toml, innkeeper.toml, and what is in nginx-templates";
                return Err(Failure::new(Trouble::Usage, message).file(&file).hint(hint));
            }
            None => problems.extend(candidate::problems(cx, all, &file)?),
        }
    }
    Ok(problems)
}

/// The file that is meant: an instance's by its name, or the very file.
fn file_of(cx: &Context, fleet: Option<&Fleet>, word: &Path) -> Result<PathBuf, Failure> {
    let name = word.to_str().filter(|word| !word.contains(['/', '.'])).and_then(|word| InstanceName::parse(word).ok());
    let Some(name) = name.filter(|_| !word.exists()) else { return Ok(word.to_owned()) };
    let file = fleet::file_of(cx, &name);
    match (file.symlink_metadata().is_ok(), fleet) {
        (true, _) | (false, None) => Ok(file),
        // Says what name was meant; one that has no file any more has nothing to check.
        (false, Some(fleet)) => fleet::one(name.as_str(), &fleet.instances.keys().cloned().collect()).map(|_| file),
    }
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

/// Tells the problems, and as warnings what is no fault by itself: `strays`.
fn tell(cx: &Context, problems: &[Problem], strays: &[Problem], fleet: Option<&Fleet>) -> Result<Exit, Failure> {
    if !cx.json {
        strays.iter().for_each(|stray| cx.notice(&render::problems::warning(stray)));
    }
    if cx.json {
        cx.document(&CheckDocument::new(problems, strays))?;
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
