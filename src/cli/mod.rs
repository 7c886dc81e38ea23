//! The command line: one file a command. stdout holds the answer only; everything else goes to stderr.
//!
//! Nothing here decides about the world: commands call `spec`, `daemon`, `control` and `journal`, and print.

mod alerts;
mod apply;
mod args;
mod asked;
mod backups;
mod candidate;
mod check;
mod completions;
mod context;
mod credentials;
mod doctor;
mod each;
mod errands;
mod events;
mod explain;
mod failure;
mod files;
mod fleet;
mod help;
mod info;
mod init;
mod is;
mod log_lines;
mod logs;
mod man;
mod moment;
mod new;
mod pager;
mod plan;
mod plans;
mod progress;
mod rehearse;
pub mod render;
mod retire;
mod run;
mod saved;
mod schema;
mod selection;
mod signals;
mod status;
mod switch;
mod templates;
mod top;
mod version;
mod wait;
mod world;

use crate::model::errand::ErrandKind;
use crate::model::status::SCHEMA;
use crate::model::time::Timestamp;
use crate::model::wanted::WantedState;
use args::{Cli, Command, Early};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use context::{Context, complain, write_raw};
use failure::{Exit, Failure, Trouble};
use render::style::{BAD, FAINT, paint};
use render::text::harmless;
use serde_json::json;
use std::ffi::OsString;

/// What `--version` prints.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs one command and says with which code the program ends.
pub fn run(words: impl IntoIterator<Item = OsString>, now: fn() -> Timestamp) -> u8 {
    let words: Vec<OsString> = words.into_iter().collect();
    if completions::answer(&words) {
        return Exit::Done as u8;
    }
    let early = Early::scan(&words);
    let ended = match parse(&words, early) {
        Ok(cli) => dispatch(&Context::new(&cli.globals, now), cli.command),
        Err(error) if error.use_stderr() => usage(&as_typed(error, &words, early), early),
        Err(error) => usage(&error, early),
    };
    match ended {
        Ok(exit) => exit as u8,
        Err(failure) => report(&failure, early),
    }
}

fn parse(words: &[OsString], early: Early) -> Result<Cli, clap::Error> {
    let mut matches = Cli::command().color(early.color.choice()).try_get_matches_from(words)?;
    Cli::from_arg_matches_mut(&mut matches)
}

/// The same error, its usage without flags that nobody typed: the parser takes for typed what comes from the environment.
fn as_typed(error: clap::Error, words: &[OsString], early: Early) -> clap::Error {
    let nowhere = |arg: clap::Arg| if arg.get_env().is_some() { arg.env("") } else { arg };
    let program = Cli::command().mut_args(nowhere).color(early.color.choice());
    let again = program.try_get_matches_from(words).err();
    again.filter(|again| again.kind() == error.kind()).unwrap_or(error)
}

fn dispatch(cx: &Context, command: Command) -> Result<Exit, Failure> {
    // The daemon logs in any case, and the dashboard has the whole screen.
    if cx.verbose > 0 && !matches!(command, Command::Run(_) | Command::Top(_)) {
        run::log_what_is_done(cx);
    }
    match command {
        Command::Init(args) => init::run(cx, &args),
        Command::New(args) => new::run(cx, &args),
        Command::Check(args) => check::run(cx, &args),
        Command::Plans => plans::run(cx),
        Command::Plan(args) => plan::run(cx, &args),
        Command::Apply(args) => apply::run(cx, &args),
        Command::Run(args) => run::run(cx, &args),
        Command::Status(args) => status::run(cx, &args),
        Command::Info(args) => info::run(cx, &args),
        Command::IsRunning(args) => is::run(cx, &args, is::Question::Running),
        Command::IsHealthy(args) => is::run(cx, &args, is::Question::Healthy),
        Command::Wait(args) => wait::run(cx, &args),
        Command::Events(args) => events::run(cx, &args),
        Command::Logs(args) => logs::run(cx, &args),
        Command::Start(args) => switch::run(cx, &args, WantedState::Running),
        Command::Stop(args) => switch::run(cx, &args, WantedState::Stopped),
        Command::Retire(args) => retire::run(cx, &args),
        Command::Alerts(args) => alerts::run(cx, &args),
        Command::Ack(args) => alerts::acknowledge(cx, &args),
        Command::Silence(args) => alerts::silence(cx, &args),
        Command::Unsilence(args) => alerts::unsilence(cx, &args),
        Command::Backups(args) => backups::run(cx, &args),
        Command::Restart(args) => errands::run(cx, &args, ErrandKind::Restart),
        Command::Retry(args) => errands::run(cx, &args, ErrandKind::Retry),
        Command::Top(args) => top::run(cx, &args),
        Command::Credentials(args) => credentials::run(cx, &args),
        Command::Doctor(args) => doctor::run(cx, &args),
        Command::Schema(args) => schema::run(cx, &args),
        Command::Explain(args) => explain::run(cx, &args),
        Command::Completions(args) => completions::run(cx, &args),
        Command::Man(args) => man::run(cx, &args),
        Command::Help(args) => help::run(cx, &args),
        Command::Version => version::run(cx),
    }
}

/// Help, version, or a command line that cannot be understood.
fn usage(error: &clap::Error, early: Early) -> Result<Exit, Failure> {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayVersion if early.json => {
            write_raw(&json!({"schema": SCHEMA, "name": "innkeeper", "version": VERSION}).to_string())?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelp if early.json => {
            write_raw(&json!({"schema": SCHEMA, "help": text.to_string()}).to_string())?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            error.print().map_err(|e| Failure::of_stdout(&e))?;
            Ok(Exit::Done)
        }
        _ if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand)
            && let Some(failure) = still_to_come(word) =>
        {
            Err(failure)
        }
        _ => {
            complain(early.color, &text.ansi().to_string());
            let mut failure = usage_failure(&text.to_string());
            if early.json {
                write_raw(&to_json(&failure))?;
            }
            failure.silent = true;
            Err(failure)
        }
    }
}

/// What this version cannot do yet: on a bad day nobody shall be led to the command whose name is most like it.
fn still_to_come(word: &str) -> Option<Failure> {
    let hint = match word {
        "backup" => "a backup is taken when an instance is retired; `innkeeper backups` lists them",
        "restore" => {
            "by hand: docs/OPERATING.md, \"Data that were restored by hand\"; `innkeeper backups` lists what there is"
        }
        _ => return None,
    };
    Some(Failure::new(Trouble::Usage, format!("`innkeeper {word}` is not in this version")).hint(hint))
}

/// clap's text in the parts of a failure: the error, and the tip or the usage as its hint.
fn usage_failure(text: &str) -> Failure {
    let paragraph = |start: &str| {
        let from = text.find(start)?;
        let rest = &text[from + start.len()..];
        Some(rest.split("\n\n").next().unwrap_or(rest).split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let message = paragraph("error: ").unwrap_or_else(|| "a command is missing".to_owned());
    let hint = paragraph("  tip: ").or_else(|| paragraph("Usage: ").map(|usage| format!("usage: {usage}")));
    Failure::new(Trouble::Usage, message).hint(hint.unwrap_or_else(|| "innkeeper --help".to_owned()))
}

fn to_json(failure: &Failure) -> String {
    serde_json::to_string_pretty(&failure.document()).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"))
}

/// Tells a failure once: as a document on stdout where documents are asked for, as text on stderr in any case.
fn report(failure: &Failure, early: Early) -> u8 {
    if failure.silent {
        return failure.exit as u8;
    }
    if early.json && !failure.answered && write_raw(&to_json(failure)).is_err() {
        return Exit::Failed as u8;
    }
    let mut text = String::new();
    match failure.problems.is_empty() {
        true => {
            text.push_str(&format!(
                "{} {} {}\n",
                paint(BAD, "error:"),
                failure.message.lines().map(harmless).collect::<Vec<_>>().join("\n"),
                paint(FAINT, &format!("[{}]", failure.trouble.code()))
            ));
            text.extend(failure.hint.iter().map(|hint| format!("  hint: {}\n", harmless(hint))));
        }
        false => {
            text.extend(failure.problems.iter().map(|problem| render::problems::render(problem, None)));
            let faults = render::text::count(failure.problems.len(), "problem", "problems");
            text.push_str(&format!("{} {faults}: {}\n", paint(BAD, "error:"), failure.message));
        }
    }
    complain(early.color, &text);
    failure.exit as u8
}
