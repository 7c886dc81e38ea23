//! `start` and `stop`: set `state` in the instance's file, show the difference, wake the daemon.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::diff;
use super::{files, fleet, world};
use crate::model::name::InstanceName;
use crate::model::status::SCHEMA;
use crate::model::wanted::WantedState;
use crate::spec::{self, EditError, Fleet};
use serde::Serialize;
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The instance
    name: String,
    /// Print the difference and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    instance: &'a InstanceName,
    state: &'static str,
    /// The file is another one now, or would be.
    changed: bool,
    dry_run: bool,
    file: &'a Path,
    diff: String,
}

pub(crate) fn run(cx: &Context, args: &Args, state: WantedState) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let name = fleet::one(&args.name, &fleet::known(cx, &fleet))?;
    set(cx, &fleet, &name, state, args.dry_run)
}

/// Sets `state` in the instance's file and wakes the daemon; with `dry_run` only says what would become of the file.
pub(crate) fn set(
    cx: &Context,
    fleet: &Fleet,
    name: &InstanceName,
    state: WantedState,
    dry_run: bool,
) -> Result<Exit, Failure> {
    let file = fleet::file_of(cx, name);
    let (former, changed) = edited(&file, state)?;
    let already = fleet
        .instances
        .get(name)
        .is_some_and(|instance| instance.valid && instance.wanted.as_ref().is_some_and(|wanted| wanted.state == state));
    let text = if already { former.clone() } else { changed };
    if dry_run {
        cx.notice("nothing is written: --dry-run");
    } else if text != former {
        files::replace(&file, &text)?;
        world::wake(cx, &fleet.settings, name);
    }
    answer(cx, name, state, dry_run, &file, (&former, &text))
}

/// The file's text, and the same with `state` set.
pub(crate) fn edited(file: &Path, state: WantedState) -> Result<(String, String), Failure> {
    let former = files::text_of(file).map_err(|e| unreadable(file, &e))?;
    let text = spec::set_state(&former, state).map_err(|e| refused(file, &e))?;
    Ok((former, text))
}

fn answer(
    cx: &Context,
    name: &InstanceName,
    state: WantedState,
    dry_run: bool,
    file: &Path,
    (former, text): (&str, &str),
) -> Result<Exit, Failure> {
    let changed = former != text;
    if cx.json {
        let diff = if changed { diff::plain(file, former, text) } else { String::new() };
        cx.document(&Document { schema: SCHEMA, instance: name, state: state.as_str(), changed, dry_run, file, diff })?;
    } else if changed {
        cx.say(&diff::render(file, former, text))?;
    } else {
        cx.notice(&format!("{name} is wanted {} already; {} stays as it is", state.as_str(), file.display()));
    }
    Ok(Exit::Done)
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::of_file(file, "read", error);
    match error.kind() {
        std::io::ErrorKind::NotFound => failure.hint("the instance runs on without its file: put the file back first"),
        _ => failure,
    }
}

fn refused(file: &Path, error: &EditError) -> Failure {
    Failure::new(Trouble::InvalidFiles, format!("could not change {}: {error}", file.display())).file(file)
}
