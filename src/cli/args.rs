//! What can be typed. What it means is decided by each command's own file.

use super::failure::Exit;
use crate::model::time::Seconds;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Stands below the help of the program.
fn exit_codes() -> String {
    let line = |(exit, title): &(Exit, &str)| format!("{:>4}  {title}\n", *exit as u8);
    format!(
        "Exit codes:\n{}\nA fleet is a directory with innkeeper.toml, plans.toml, instances.d/ and nginx-templates/.\n\
         Begin with: innkeeper init DIR",
        Exit::ALL.iter().map(line).collect::<String>()
    )
}

/// What `--color` is when it is not given.
const COLOR_VARIABLE: &str = "INNKEEPER_COLOR";

/// Keeps one Odoo for each customer, exactly as a file asks for it
#[derive(Debug, Parser)]
#[command(name = "innkeeper", version = super::VERSION, after_help = exit_codes(), max_term_width = 100)]
#[command(arg_required_else_help = true, subcommand_required = true, infer_subcommands = false)]
#[command(disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Globals {
    /// The fleet's directory, when it is not the present one
    #[arg(long, global = true, value_name = "DIR", env = "INNKEEPER_FLEET", hide_env_values = true)]
    pub(crate) fleet: Option<PathBuf>,
    /// The settings file, when it is not DIR/innkeeper.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Answer with one JSON document on stdout; events and followed output are JSON lines
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        env = COLOR_VARIABLE,
        default_value = "auto",
        value_enum,
        hide_env_values = true
    )]
    pub(crate) color: Color,
    /// Say nothing but the answer and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Tell times in UTC instead of the fleet's time zone
    #[arg(long, global = true)]
    pub(crate) utc: bool,
    /// Never show a long answer in a pager ($INNKEEPER_PAGER, $PAGER, less)
    #[arg(long, global = true)]
    pub(crate) no_pager: bool,
    /// Do not show how the work goes; the same as INNKEEPER_NO_PROGRESS=1
    #[arg(long, global = true)]
    pub(crate) no_progress: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set or TERM=dumb; FORCE_COLOR and CLICOLOR_FORCE force it
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented fleet to begin with
    Init(super::init::Args),
    /// Write a checked instance file for a new customer
    New(super::new::Args),
    /// Validate files, or instances by name, and print all problems
    Check(super::check::Args),
    /// List service plans with limits, modules, used and free places
    Plans,
    /// Show what would change and why; changes nothing
    Plan(super::plan::Args),
    /// Make the world as the files ask, once
    Apply(super::apply::Args),
    /// Run the daemon in the foreground
    Run(super::run::Args),
    /// Show the fleet as a table
    Status(super::status::Args),
    /// Show one instance in full
    Info(super::info::Args),
    /// Say whether instances run: 0 yes, 3 no
    IsRunning(super::is::Args),
    /// Say whether instances are ready, proven through the proxy: 0 yes, 3 no
    IsHealthy(super::is::Args),
    /// Wait until instances are ready, stopped or retired
    Wait(super::wait::Args),
    /// Show what happened
    Events(super::events::Args),
    /// Show the output of an instance's container or job
    Logs(super::logs::Args),
    /// Set state = "running" in instances' files
    Start(super::switch::Args),
    /// Set state = "stopped" in instances' files
    Stop(super::switch::Args),
    /// Set state = "absent" in instances' files: their end, data kept for a while
    Retire(super::retire::Args),
    /// List open alerts, and who knows of them
    Alerts(super::alerts::Args),
    /// Acknowledge alerts: somebody knows, until they are over
    Ack(super::alerts::OfArgs),
    /// Silence alerts for a while
    Silence(super::alerts::SilenceArgs),
    /// Have silenced alerts ask for attention again
    Unsilence(super::alerts::OfArgs),
    /// List the backups that there are
    Backups(super::backups::Args),
    /// Restart instances' containers
    Restart(super::errands::Args),
    /// Forget instances' failures and try again now
    Retry(super::errands::Args),
    /// Open the dashboard
    Top(super::top::Args),
    /// Show the first administrator's login and password
    Credentials(super::credentials::Args),
    /// Check this host, one line a check, with the fix
    Doctor(super::doctor::Args),
    /// Print the JSON Schema of a file, for editors
    Schema(super::schema::Args),
    /// Explain any word or code that is shown: states, reasons, conditions, steps
    Explain(super::explain::Args),
    /// Print the script that completes commands and instances in a shell
    Completions(super::completions::Args),
    /// Write manual pages for the commands and the files
    Man(super::man::Args),
    /// Show the help of the program or of a command
    Help(super::help::Args),
    /// Show this program's version, and the daemon's
    Version,
}

/// Reads `10m`, `90s`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Seconds, String> {
    text.parse::<Seconds>().map_err(|e| e.to_string())
}

/// What must be known before the arguments are parsed, because parsing may fail: taken from the raw words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Early {
    /// `--json` stands among them.
    pub(crate) json: bool,
    /// `--color`, as far as it can be read.
    pub(crate) color: Color,
}

impl Early {
    /// Looks through the words up to `--`.
    pub(crate) fn scan(words: &[std::ffi::OsString]) -> Self {
        let of_environment = std::env::var(COLOR_VARIABLE).map_or(Color::Auto, |text| color(&text));
        let mut early = Self { json: false, color: of_environment };
        let mut words = words.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
        while let Some(word) = words.next() {
            match word.as_ref() {
                "--json" => early.json = true,
                "--color" => early.color = color(&words.next().unwrap_or_default()),
                other => {
                    if let Some(value) = other.strip_prefix("--color=") {
                        early.color = color(value);
                    }
                }
            }
        }
        early
    }
}

impl Color {
    /// The same for the parser's own texts.
    pub(crate) fn choice(self) -> clap::ColorChoice {
        match self {
            Self::Auto => clap::ColorChoice::Auto,
            Self::Always => clap::ColorChoice::Always,
            Self::Never => clap::ColorChoice::Never,
        }
    }
}

fn color(text: &str) -> Color {
    Color::from_str(text, false).unwrap_or(Color::Auto)
}
