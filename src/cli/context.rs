//! What every command is handed: where the fleet is, how to answer, and a clock.

use super::args::{Color, Globals};
use super::failure::Failure;
use crate::model::settings::Settings;
use crate::model::time::Timestamp;
use crate::spec::SETTINGS_FILE;
use anstream::{AutoStream, ColorChoice};
use jiff::tz::TimeZone;
use serde::Serialize;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Narrower terminals are treated as this wide.
const TERMINAL_COLUMNS_MIN: usize = 20;
/// Back to the beginning of the line, and it is empty (ECMA-48, CR and EL).
const ERASE_LINE: &str = "\r\u{1b}[K";

/// What every command is handed.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// The fleet's directory.
    pub(crate) fleet_dir: PathBuf,
    /// It was named by `--fleet` or the environment.
    pub(crate) names_fleet: bool,
    /// The settings file.
    pub(crate) settings_file: PathBuf,
    /// Answer with documents.
    pub(crate) json: bool,
    /// Say nothing besides the answer.
    pub(crate) quiet: bool,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
    /// The clock.
    pub(crate) now: fn() -> Timestamp,
    /// No bar, no lines about steps.
    pub(crate) no_progress: bool,
    no_pager: bool,
    utc: bool,
    color: Color,
    /// Stderr's terminal shows a line that is drawn over itself: it goes before anything else is written.
    drawn: Arc<AtomicBool>,
}

impl Context {
    /// What the flags mean.
    pub(crate) fn new(globals: &Globals, now: fn() -> Timestamp) -> Self {
        let fleet_dir = globals.fleet.clone().unwrap_or_else(|| PathBuf::from("."));
        Self {
            settings_file: globals.config.clone().unwrap_or_else(|| within(&fleet_dir, SETTINGS_FILE)),
            names_fleet: globals.fleet.is_some(),
            fleet_dir,
            json: globals.json,
            quiet: globals.quiet,
            verbose: globals.verbose,
            now,
            no_progress: globals.no_progress,
            no_pager: globals.no_pager,
            utc: globals.utc,
            color: globals.color,
            drawn: Arc::default(),
        }
    }

    /// The same for another fleet.
    pub(crate) fn at(self, fleet_dir: PathBuf, settings_file: PathBuf) -> Self {
        Self { fleet_dir, settings_file, ..self }
    }

    /// A path in the fleet, as people would write it.
    pub(crate) fn within(&self, path: &str) -> PathBuf {
        within(&self.fleet_dir, path)
    }

    /// Writes text to stdout: the answer for people.
    pub(crate) fn say(&self, text: &str) -> Result<(), Failure> {
        self.erase();
        let stdout = std::io::stdout().lock();
        let choice = choice(self.color, &stdout);
        let mut stream = AutoStream::new(stdout, choice);
        stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).map_err(|e| Failure::of_stdout(&e))
    }

    /// Writes one JSON document to stdout.
    pub(crate) fn document(&self, document: &impl Serialize) -> Result<(), Failure> {
        self.erase();
        let text =
            serde_json::to_string_pretty(document).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
        write_raw(&text)
    }

    /// Writes one line of JSON to stdout.
    pub(crate) fn json_line(&self, document: &impl Serialize) -> Result<(), Failure> {
        self.erase();
        let text = serde_json::to_string(document).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
        write_raw(&text)
    }

    /// A remark for people on stderr; `-q` silences it.
    pub(crate) fn notice(&self, text: &str) {
        if !self.quiet {
            self.complain(&format!("{text}\n"));
        }
    }

    /// Text that belongs on stderr whatever `-q` says.
    pub(crate) fn complain(&self, text: &str) {
        self.erase();
        complain(self.color, text);
    }

    /// Draws `text` over the line that stderr's terminal is in, and stays in it until something else is written.
    pub(crate) fn redraw(&self, text: &str) {
        erase_line();
        self.drawn.store(true, Ordering::Relaxed);
        complain(self.color, text);
    }

    /// Takes away what was drawn.
    pub(crate) fn erase(&self) {
        if self.drawn.swap(false, Ordering::Relaxed) {
            erase_line();
        }
    }

    /// `text` as it goes to stdout's terminal: with its colours, or without.
    pub(crate) fn painted(&self, text: &str) -> String {
        match self.paints(&std::io::stdout()) {
            true => text.to_owned(),
            false => anstream::adapter::strip_str(text).to_string(),
        }
    }

    /// When the parser's own texts have colours.
    pub(crate) fn color_choice(&self) -> clap::ColorChoice {
        self.color.choice()
    }

    /// True when a long answer may go through a pager: somebody sits at a terminal that can do it.
    pub(crate) fn pages(&self) -> bool {
        !self.no_pager && !self.json && std::io::stdout().is_terminal() && !is_dumb()
    }

    /// True when stderr is a terminal on which a line can be drawn over itself.
    pub(crate) fn draws(&self) -> bool {
        std::io::stderr().is_terminal() && !is_dumb()
    }

    /// In which zone times are told.
    pub(crate) fn zone(&self, settings: &Settings) -> TimeZone {
        if self.utc { TimeZone::UTC } else { super::moment::zone(&settings.fleet.timezone) }
    }

    /// Columns to fit the answer in; none when stdout is no terminal.
    pub(crate) fn columns(&self) -> Option<usize> {
        let (width, _) = terminal_size::terminal_size_of(std::io::stdout())?;
        Some(usize::from(width.0).max(TERMINAL_COLUMNS_MIN))
    }

    /// When to use colours.
    pub(crate) fn color(&self) -> Color {
        self.color
    }

    /// True when colours go to `stream`.
    pub(crate) fn paints(&self, stream: &impl anstream::stream::RawStream) -> bool {
        choice(self.color, stream) != ColorChoice::Never
    }

    /// True when a person can be asked.
    pub(crate) fn interactive(&self) -> bool {
        std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
    }
}

/// `path` in the fleet's directory, without a useless `./` in front.
fn within(fleet_dir: &Path, path: &str) -> PathBuf {
    if fleet_dir == Path::new(".") { PathBuf::from(path) } else { fleet_dir.join(path) }
}

/// Goes past the filter of colours, which would take it out.
fn erase_line() {
    let _ = std::io::stderr().lock().write_all(ERASE_LINE.as_bytes());
}

/// Writes to stderr; nothing can be done when that fails.
pub(crate) fn complain(color: Color, text: &str) {
    let stderr = std::io::stderr().lock();
    let choice = choice(color, &stderr);
    let mut stream = AutoStream::new(stderr, choice);
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

/// Writes to stdout without regard to colours.
pub(crate) fn write_raw(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(|e| Failure::of_stdout(&e))
}

fn choice(color: Color, stream: &impl anstream::stream::RawStream) -> ColorChoice {
    match color {
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
        Color::Auto if is_set("FORCE_COLOR") && !is_set("NO_COLOR") => ColorChoice::Always,
        Color::Auto => AutoStream::choice(stream),
    }
}

/// True when a variable says so, as NO_COLOR and its relatives are written: anything but nothing and `0`.
pub(crate) fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// A terminal that can only print.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb")
}
