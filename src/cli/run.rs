//! `run`: the daemon, in the foreground. It logs to stderr; stdout stays empty.

use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::{fleet, log_lines, rehearse, world};
use crate::daemon::{self, Conduct, RunError};
use crate::model::status::chain;
use clap::ValueEnum;
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;

/// Sets what is logged, as `tracing` writes it: `innkeeper=debug`.
const LOG_VARIABLE: &str = "INNKEEPER_LOG";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How lines are written
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Run on a world in memory: to try Innkeeper without Docker, PostgreSQL, nginx and root
    ///
    /// Without --fleet it brings sixty customers of its own, to whom things happen. With --fleet DIR it plays on a
    /// copy of the files there. Everything else is in a directory that is removed at the end.
    #[arg(long)]
    rehearse: bool,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    if args.rehearse {
        // Sixty customers have much to tell, and how to look at them would be off the screen before it is read.
        let level = if cx.verbose == 0 { "warn" } else { level(cx) };
        return rehearse::run(cx, || log_to_stderr(cx, args.log_format, level));
    }
    // Files that cannot be used at all are told as every command tells them, before anything is logged.
    fleet::read(cx)?;
    log_to_stderr(cx, args.log_format, level(cx));
    let keeper = world::keeper(cx, Conduct::Keep)?;
    world::block_on(async {
        let signals = daemon::signals()
            .map_err(|e| Failure::new(Trouble::Failed, format!("could not listen to signals: {e}")))?;
        daemon::run(keeper, signals).await.map_err(|e| of_run(&e))
    })??;
    Ok(Exit::Done)
}

pub(super) fn of_run(error: &RunError) -> Failure {
    match error {
        RunError::Held(_) => Failure::new(Trouble::Locked, chain(error)),
        RunError::Socket(_) => Failure::new(Trouble::Files, chain(error)),
        RunError::Journal(error) => fleet::of_journal(error),
    }
}

fn level(cx: &Context) -> &'static str {
    match (cx.quiet, cx.verbose) {
        (true, _) => "warn",
        (false, 0) => "info",
        (false, 1) => "innkeeper=debug,info",
        (false, _) => "innkeeper=trace,debug",
    }
}

/// For `-v`: what the command does, on stderr beside what it says.
pub(super) fn log_what_is_done(cx: &Context) {
    log_to_stderr(cx, LogFormat::Text, level(cx));
}

fn log_to_stderr(cx: &Context, format: LogFormat, level: &str) {
    let filter = EnvFilter::try_from_env(LOG_VARIABLE).unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A subscriber that is set already (there is none in the program) stays.
    let zone = fleet::settings_at_hand(cx).map_or(TimeZone::UTC, |settings| cx.zone(&settings));
    let _ = match format {
        LogFormat::Text => {
            let lines = log_lines::Lines { now: cx.now, zone };
            builder.with_ansi(cx.paints(&std::io::stderr())).event_format(lines).try_init()
        }
        LogFormat::Json => builder.json().try_init(),
    };
}
