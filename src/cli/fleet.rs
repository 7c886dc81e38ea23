//! Reading the fleet for a command, and finding what a name on the command line means.

use super::context::Context;
use super::failure::{Failure, Trouble};
use super::render::text::harmless;
use crate::journal::{Journal, JournalError};
use crate::model::name::InstanceName;
use crate::model::problem::Problem;
use crate::model::settings::Settings;
use crate::model::status::chain;
use crate::model::wanted::Wanted;
use crate::spec::{Fleet, FleetInstance, INSTANCES_DIR, Reader, Remembered, SpecError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Names less alike than this are not suggested (Jaro-Winkler, 1 is equal).
const LIKENESS_MIN: f64 = 0.8;
/// So many problems of plans and settings are told by a command that goes on all the same.
const PROBLEMS_TOLD_MAX: usize = 2;

/// Reads the settings alone: fast, whatever the size of the fleet.
pub(crate) fn settings(cx: &Context) -> Result<Arc<Settings>, Failure> {
    must_exist(cx)?;
    let mut reader = Reader::new(cx.fleet_dir.clone(), cx.settings_file.clone());
    reader.read_settings().map_err(|e| Failure::of_problems(e.problems, "the settings cannot be read"))
}

/// The same for who only shows what the daemon and the journal know: settings with a fault will do, as long as it is sure
/// where the state is. The daemon goes on with those of before.
pub(crate) fn settings_at_hand(cx: &Context) -> Result<Arc<Settings>, Failure> {
    settings(cx).or_else(|failure| {
        let mut reader = Reader::new(cx.fleet_dir.clone(), cx.settings_file.clone());
        reader.read_settings_with_faults().ok_or(failure)
    })
}

fn must_exist(cx: &Context) -> Result<(), Failure> {
    if !cx.settings_file.exists() {
        let message = format!("there is no fleet here: {} does not exist", cx.settings_file.display());
        return Err(Failure::new(Trouble::NoFleet, message)
            .file(&cx.settings_file)
            .hint("go to the fleet's directory, name it with --fleet DIR or $INNKEEPER_FLEET, or begin one with `innkeeper init DIR`"));
    }
    Ok(())
}

/// Reads all files as they are now.
pub(crate) fn read(cx: &Context) -> Result<Fleet, Failure> {
    read_to_check(cx)?.map_err(|e| Failure::of_problems(e.problems, "the fleet cannot be read"))
}

/// The same to tell all that is wrong: also of files that can only be judged by what faulty plans or settings say.
pub(crate) fn read_to_check(cx: &Context) -> Result<Result<Fleet, SpecError>, Failure> {
    must_exist(cx)?;
    let mut reader = Reader::new(cx.fleet_dir.clone(), cx.settings_file.clone());
    if let Ok(settings) = reader.read_settings() {
        remember(cx, &settings, &mut reader);
    }
    Ok(reader.read_now())
}

/// The same for commands that show what the daemon and the journal know, or are about single instances: on a bad day, when
/// the plans or the settings have faults, what was in force before will do, as it does for the daemon.
pub(crate) fn read_or_remember(cx: &Context) -> Result<Fleet, Failure> {
    let error = match read_to_check(cx)? {
        Ok(fleet) => return Ok(fleet),
        Err(error) => error,
    };
    let Ok(settings) = settings_at_hand(cx) else {
        return Err(Failure::of_problems(error.problems, "the fleet cannot be read"));
    };
    warn(cx, &error.problems);
    Ok(of_before(cx, &settings, error.rest))
}

/// Reads once more, for who waits or has changed a file: plans or settings that have faults meanwhile end nothing.
pub(crate) fn read_again(cx: &Context, settings: &Arc<Settings>, reader: &mut Reader) -> Fleet {
    reader.read_now().unwrap_or_else(|error| of_before(cx, settings, error.rest))
}

/// Says what keeps the fleet from being read, and what counts meanwhile.
fn warn(cx: &Context, problems: &[Problem]) {
    let alone = |problem: &&Problem| problem.file.parent() != Some(Path::new(INSTANCES_DIR));
    let problems: Vec<&Problem> = problems.iter().filter(alone).collect();
    for problem in problems.iter().take(PROBLEMS_TOLD_MAX) {
        cx.notice(&harmless(&problem.to_line()));
    }
    let files: BTreeSet<String> = problems.iter().map(|problem| problem.file.display().to_string()).collect();
    cx.notice(&format!(
        "{} cannot be read, so what was in force before counts; `innkeeper check` tells all problems",
        files.into_iter().collect::<Vec<_>>().join(" and ")
    ));
}

/// An instance's file, as it is told: relative to the fleet's directory.
pub(crate) fn shown_file(name: &InstanceName) -> PathBuf {
    Path::new(INSTANCES_DIR).join(format!("{name}.toml"))
}

/// What counts while plans or settings have faults: each instance as it was in force, in the state that its own file asks for
/// where nothing is wrong with that.
fn of_before(cx: &Context, settings: &Arc<Settings>, rest: Option<Box<Fleet>>) -> Fleet {
    let known = journal(cx, settings).ok().and_then(|journal| journal.known().ok()).unwrap_or_default();
    let instances = match rest {
        Some(rest) => {
            let before = |name: &InstanceName| known.get(name).and_then(|known| known.last_good.clone());
            rest.instances
                .into_iter()
                .map(|(name, instance)| (name.clone(), as_before(instance, before(&name))))
                .collect()
        }
        None => known.into_iter().map(|(name, known)| (name.clone(), remembered(&name, known.last_good))).collect(),
    };
    Fleet {
        settings: Arc::clone(settings),
        plans: BTreeMap::new(),
        instances,
        problems: Vec::new(),
        strays: Vec::new(),
        complete: false,
        renames: BTreeMap::new(),
        kept: BTreeMap::new(),
    }
}

fn as_before(instance: FleetInstance, before: Option<Wanted>) -> FleetInstance {
    let valid = instance.problems.is_empty() && instance.wanted.is_some();
    let wanted = match (before.map(Arc::new), instance.wanted) {
        (Some(before), Some(said)) if valid => {
            Some(Arc::new(Wanted { state: said.state, protected: said.protected, ..Wanted::clone(&before) }))
        }
        (None, said) if valid => said,
        (before, _) => before,
    };
    FleetInstance { wanted, valid, ..instance }
}

fn remembered(name: &InstanceName, last_good: Option<Wanted>) -> FleetInstance {
    FleetInstance {
        template: last_good.as_ref().and_then(|wanted| wanted.template.clone()),
        wanted: last_good.map(Arc::new),
        valid: false,
        problems: Vec::new(),
        file: shown_file(name).into(),
        digest: "".into(),
        settled: true,
        listed: false,
    }
}

/// Tells the reader what the journal knows: who has a domain already, and the last good version of a file that has
/// problems now. It must know before it reads the files: who is in force comes before a newcomer. Without a journal, or where it
/// cannot be read, the files alone count.
pub(crate) fn remember(cx: &Context, settings: &Settings, reader: &mut Reader) {
    let known = journal(cx, settings).ok().and_then(|journal| journal.known().ok()).unwrap_or_default();
    let last_good: BTreeMap<InstanceName, Arc<Wanted>> =
        known.into_iter().filter_map(|(name, known)| Some((name, Arc::new(known.last_good?)))).collect();
    reader.remember(Remembered { last_good });
    let tombstones = journal(cx, settings).ok().and_then(|journal| journal.tombstones().ok()).unwrap_or_default();
    reader.reserve(tombstones.into_iter().map(|(name, tombstone)| (name, tombstone.hosts)).collect());
}

/// The file of an instance.
pub(crate) fn file_of(cx: &Context, name: &InstanceName) -> PathBuf {
    cx.within(INSTANCES_DIR).join(format!("{name}.toml"))
}

/// All names that mean something: those with a file, and those that the journal remembers where it can be read.
pub(crate) fn known(cx: &Context, fleet: &Fleet) -> BTreeSet<InstanceName> {
    let mut names: BTreeSet<InstanceName> = fleet.instances.keys().cloned().collect();
    if let Ok(remembered) = journal(cx, &fleet.settings).and_then(|journal| journal.known().map_err(|e| of_journal(&e)))
    {
        names.extend(remembered.into_keys());
    }
    names
}

/// The journal, for reading.
pub(crate) fn journal(cx: &Context, settings: &Settings) -> Result<Journal, Failure> {
    Journal::open_read_only(&settings.fleet.state_dir, cx.now).map_err(|e| of_journal(&e))
}

/// The journal, for writing. It is there once an installation was begun.
pub(crate) fn journal_to_write(cx: &Context, settings: &Settings, name: &InstanceName) -> Result<Journal, Failure> {
    // Before the first start there is no state directory, and none is made for a remark.
    if journal(cx, settings)?.known_of(name).map_err(|e| of_journal(&e))?.is_none() {
        return Err(never_seen(name));
    }
    Journal::open(&settings.fleet.state_dir, cx.now).map_err(|e| of_journal(&e))
}

/// The failure of an instance that has a file and nothing else yet.
pub(crate) fn never_seen(name: &InstanceName) -> Failure {
    Failure::new(Trouble::NeverSeen, format!("{name} was never brought up, so there is nothing of it but its file"))
        .hint(format!("start `innkeeper run`, or bring it up once with `innkeeper apply {name}`"))
}

/// A failure of the journal, with what to do when it may be a matter of permissions.
pub(crate) fn of_journal(error: &JournalError) -> Failure {
    let text = chain(error);
    let denied = match error {
        JournalError::File { source, .. } => source.kind() == std::io::ErrorKind::PermissionDenied,
        JournalError::Database { .. } => text.contains("unable to open") || text.contains("readonly"),
        JournalError::Newer { .. } | JournalError::Unmet(_) => false,
    };
    match denied {
        true => Failure::new(Trouble::Forbidden, text)
            .hint("the journal belongs to the user that the daemon runs as, usually root: try it as that user"),
        false => Failure::new(Trouble::Files, text),
    }
}

/// The instance that was named.
pub(crate) fn one(given: &str, known: &BTreeSet<InstanceName>) -> Result<InstanceName, Failure> {
    match known.iter().find(|name| name.as_str() == given) {
        Some(name) => Ok(name.clone()),
        None => Err(unknown(given, known)),
    }
}

/// The instances that were named.
pub(crate) fn many(given: &[String], known: &BTreeSet<InstanceName>) -> Result<Vec<InstanceName>, Failure> {
    given.iter().map(|name| one(name, known)).collect()
}

fn unknown(given: &str, known: &BTreeSet<InstanceName>) -> Failure {
    let failure =
        Failure::new(Trouble::NoSuchInstance, format!("there is no instance {:?}", crate::model::name::shorten(given)));
    match nearest(given, known.iter().map(InstanceName::as_str)) {
        Some(near) => failure.hint(format!("did you mean {near:?}?")),
        None if known.is_empty() => {
            failure.hint("the fleet has no instances yet: `innkeeper new NAME …` writes the first")
        }
        None => failure.hint("`innkeeper status` lists all instances"),
    }
}

/// The candidate that is most like `given`, when any is like it at all.
pub(crate) fn nearest<'a>(given: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    candidates
        .map(|candidate| (strsim::jaro_winkler(&given, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
