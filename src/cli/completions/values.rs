//! What arguments can be, read from the fleet's files at each tab. Nobody waits for a tab longer than it takes to read them: no
//! system and no daemon is asked, and what cannot be read is not offered.

use crate::cli::args::Cli;
use crate::cli::explain;
use crate::model::filter::{TEXT_KEYS, is_filter};
use crate::model::name::InstanceName;
use crate::model::status::State;
use crate::model::wanted::WantedState;
use crate::spec::{self, COUNTRIES, INSTANCES_DIR, LANGUAGES, PLANS_FILE, SETTINGS_FILE};
use clap::CommandFactory;
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// Lengths of time that people choose.
const DURATIONS: [&str; 8] = ["5m", "10m", "30m", "1h", "4h", "8h", "1d", "1w"];

/// Those that were typed already: what is confirmed is one of them.
pub(super) fn instances_named() -> Vec<CompletionCandidate> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let mut named = instances_in(&fleet());
    named.retain(|name| words.iter().any(|word| word == name.as_str()));
    candidates(named)
}

/// Instances; once a word can only be a filter, filters.
pub(super) fn instances_and_filters(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    if !is_filter(&typed) {
        // Whoever typed nothing yet wants names.
        let keys = TEXT_KEYS.iter().filter(|_| !typed.is_empty()).map(|key| format!("{key}:"));
        return beginning(&typed, instances_in(&fleet()).into_iter().chain(keys));
    }
    let states = State::ALL.iter().flat_map(|state| {
        let word = state.as_str();
        [format!("state:{word}"), format!("state:!{word}")]
    });
    let plans = spec::plan_names(&text_of(PLANS_FILE)).into_iter().map(|plan| format!("plan:{plan}"));
    let modules = spec::module_names(&text_of(PLANS_FILE)).into_iter().map(|module| format!("module:{module}"));
    let wanted = WantedState::ALL.map(|state| format!("wanted:{}", state.as_str()));
    beginning(&typed, states.chain(plans).chain(modules).chain(wanted))
}

/// Instances, filters, and the reasons that alerts can have.
pub(super) fn instances_and_reasons(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let mut all = instances_and_filters(current);
    if typed.is_empty() || typed.starts_with(|c: char| c.is_ascii_uppercase()) {
        all.extend(beginning(&typed, explain::reasons_of_alerts()));
    }
    all
}

/// Instances, and files of any place.
pub(super) fn instances_and_files(current: &OsStr) -> Vec<CompletionCandidate> {
    let names = beginning(&current.to_string_lossy(), instances_in(&fleet()));
    names.into_iter().chain(PathCompleter::any().complete(current)).collect()
}

pub(super) fn plans() -> Vec<CompletionCandidate> {
    candidates(spec::plan_names(&text_of(PLANS_FILE)))
}

pub(super) fn modules() -> Vec<CompletionCandidate> {
    candidates(spec::module_names(&text_of(PLANS_FILE)))
}

pub(super) fn releases() -> Vec<CompletionCandidate> {
    candidates(spec::releases(&text_of(SETTINGS_FILE)))
}

pub(super) fn timezones() -> Vec<CompletionCandidate> {
    candidates(jiff::tz::db().available().map(|name| name.as_str().to_owned()))
}

pub(super) fn countries() -> Vec<CompletionCandidate> {
    candidates(COUNTRIES.iter().copied())
}

pub(super) fn languages() -> Vec<CompletionCandidate> {
    candidates(LANGUAGES.iter().copied())
}

pub(super) fn durations() -> Vec<CompletionCandidate> {
    candidates(DURATIONS)
}

/// Whatever can be explained, with its title.
pub(super) fn words() -> Vec<CompletionCandidate> {
    let all = explain::all().into_iter();
    all.map(|entry| CompletionCandidate::new(entry.code()).help(Some(entry.title().to_owned().into()))).collect()
}

pub(super) fn commands() -> Vec<CompletionCandidate> {
    candidates(Cli::command().get_subcommands().map(|command| command.get_name().to_owned()))
}

fn candidates<T: Into<OsString>>(words: impl IntoIterator<Item = T>) -> Vec<CompletionCandidate> {
    words.into_iter().map(CompletionCandidate::new).collect()
}

fn beginning<T: Into<String>>(typed: &str, words: impl IntoIterator<Item = T>) -> Vec<CompletionCandidate> {
    candidates(words.into_iter().map(Into::into).filter(|word: &String| word.starts_with(typed)))
}

/// The fleet that the words name, or the one that the environment does.
fn fleet() -> PathBuf {
    let words: Vec<OsString> = std::env::args_os().collect();
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let joined = words.iter().find_map(|word| word.strip_prefix("--fleet="));
    let apart = words.windows(2).find(|pair| pair[0] == "--fleet").map(|pair| pair[1]);
    let named = joined.or(apart).map(PathBuf::from);
    named.or_else(|| std::env::var_os("INNKEEPER_FLEET").map(PathBuf::from)).unwrap_or_else(|| PathBuf::from("."))
}

/// Stems of the instances' files.
fn instances_in(fleet: &Path) -> BTreeSet<String> {
    let Ok(files) = std::fs::read_dir(fleet.join(INSTANCES_DIR)) else { return BTreeSet::new() };
    let stem = |file: std::fs::DirEntry| {
        let name = file.file_name().to_str()?.strip_suffix(".toml")?.to_owned();
        InstanceName::parse(&name).is_ok().then_some(name)
    };
    files.filter_map(|file| stem(file.ok()?)).collect()
}

/// The text of a file of the fleet; none where it cannot be read.
fn text_of(file: &str) -> String {
    crate::cli::files::text_of(&fleet().join(file)).unwrap_or_default()
}
