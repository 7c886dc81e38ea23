//! `top`: the dashboard. It talks to the daemon over the control socket; files and the editor are in the hands it is
//! given here.

use super::args::Color;
use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use super::render::diff;
use super::{explain, files, fleet, rehearse, switch, world};
use crate::daemon::known::board::Board;
use crate::disk::{self, WriteOptions};
use crate::model::name::{InstanceName, Resources};
use crate::model::problem::Problem;
use crate::model::status::InstanceStatus;
use crate::model::wanted::WantedState;
use crate::tui::look::{ASCII, Look, NO_COLOURS, Theme, UNICODE};
use crate::tui::preferences::{self, Fault, Preferences};
use crate::tui::state::Options;
use crate::tui::{self, Ending, Hands, Setup};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// Where neither $VISUAL nor $EDITOR is set.
const EDITOR: &str = "vi";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys are those of the help (?), and others for those who write them down by the names of actions:
  theme = \"night\"          # terminal (its own 16 colours), night, day
  [keys]
  restart = \"R\"
  next-tab = [\"]\", \"right\"]
  mouse = []               # none: from the palette only")]
pub(crate) struct Args {
    /// Offer nothing that changes anything
    #[arg(long)]
    read_only: bool,
    /// Use plain characters only; the default on terminals whose locale is not UTF-8
    #[arg(long)]
    ascii: bool,
    /// Show no time of day: an idle screen is then not written to
    #[arg(long)]
    no_clock: bool,
    /// Your keys and theme, when they are not in $XDG_CONFIG_HOME/innkeeper/top.toml
    #[arg(long, value_name = "FILE", env = "INNKEEPER_TOP", hide_env_values = true)]
    preferences: Option<PathBuf>,
}

/// Files of the fleet.
struct Files {
    cx: Context,
    state_dir: PathBuf,
    /// Docker's address.
    docker: String,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let settings = fleet::settings_at_hand(cx)?;
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        let message = "the dashboard needs a terminal; for scripts there is `innkeeper status --json`";
        return Err(Failure::new(Trouble::Usage, message));
    }
    let state_dir = settings.fleet.state_dir.clone();
    let preferences = preferences(args)?;
    let setup = Setup {
        hands: Arc::new(Files { cx: cx.clone(), state_dir: state_dir.clone(), docker: settings.docker.host.clone() }),
        state_dir,
        look: look(cx, args, preferences.theme),
        keymap: preferences.keymap,
        options: Options {
            read_only: args.read_only,
            clock: !args.no_clock,
            rehearsal: rehearse::is_rehearsal(&settings),
        },
        explain: explain::text,
        now: cx.now,
    };
    // One thread for the loop and the conversations: keys and painting have their own.
    let ended = world::block_on_this_thread(tui::run(setup))?;
    match ended {
        Ok(Ending::Quit | Ending::HungUp | Ending::Terminated) => Ok(Exit::Done),
        Err(error) => Err(Failure::new(Trouble::Failed, format!("could not use the terminal: {error}"))),
    }
}

/// What the user wrote down; nobody has to.
fn preferences(args: &Args) -> Result<Preferences, Failure> {
    let file = match &args.preferences {
        Some(file) => file.clone(),
        None => match own_file().filter(|file| file.exists()) {
            Some(file) => file,
            None => return Ok(Preferences::default()),
        },
    };
    let text = std::fs::read_to_string(&file).map_err(|error| Failure::of_file(&file, "read", &error))?;
    preferences::read(&text).map_err(|faults| {
        let problem = |fault: Fault| Problem {
            file: file.clone(),
            line: fault.line,
            column: fault.column,
            code: Trouble::Preferences.code().to_owned(),
            message: fault.message,
            hint: fault.hint,
        };
        Failure::of_problems(faults.into_iter().map(problem).collect(), "the dashboard was not opened")
    })
}

/// Where programs keep what their users prefer (XDG Base Directory Specification).
fn own_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(config.join("innkeeper/top.toml"))
}

/// Colours and characters that this terminal shows.
fn look(cx: &Context, args: &Args, theme: Theme) -> Look {
    let colours = match cx.color() {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    Look {
        theme: if colours { theme } else { NO_COLOURS },
        glyphs: if args.ascii || !shows_unicode() { &ASCII } else { &UNICODE },
    }
}

/// The locale is UTF-8 and the terminal is not the console, whose font has no such characters.
fn shows_unicode() -> bool {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
    let console = set("TERM").is_some_and(|term| term == "linux" || term == "dumb");
    !console && (locale.contains("utf-8") || locale.contains("utf8"))
}

impl Hands for Files {
    fn set_state(&self, name: &InstanceName, state: WantedState) -> Result<String, String> {
        let file = fleet::file_of(&self.cx, name);
        let (former, text) = switch::edited(&file, state).map_err(|failure| failure.message)?;
        if former == text {
            return Ok(format!("{} says so already", file.display()));
        }
        files::replace(&file, &text).map_err(|failure| failure.message)?;
        Ok(diff::plain(&file, &former, &text))
    }

    fn file(&self, name: &InstanceName) -> Result<String, String> {
        let file = fleet::file_of(&self.cx, name);
        std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn write(&self, file: &str, text: &str) -> Result<PathBuf, String> {
        let refused = |error: std::io::Error| format!("{file} could not be written here: {error}");
        let path = std::env::current_dir().map_err(refused)?.join(file);
        // What customers' programs write is nobody else's to read.
        disk::create_new(&path, text.as_bytes(), WriteOptions::mode(0o600)).map_err(refused)?;
        Ok(path)
    }

    fn editor(&self, name: &InstanceName) -> Command {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let words = set("VISUAL").or_else(|| set("EDITOR")).unwrap_or_else(|| EDITOR.to_owned());
        let mut words = words.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or(EDITOR));
        command.args(words).arg(fleet::file_of(&self.cx, name));
        command
    }

    fn shell(&self, name: &InstanceName) -> Command {
        let mut command = Command::new("docker");
        command.env("DOCKER_HOST", &self.docker).args(["exec", "-it", &Resources::of(name).container, "bash"]);
        command
    }

    fn documents(&self) -> Vec<InstanceStatus> {
        let board = Board::read_only(&self.state_dir);
        board.names().iter().filter_map(|name| board.get(name)).map(|status| InstanceStatus::clone(&status)).collect()
    }
}
