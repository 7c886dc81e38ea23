//! `completions`: what shells need to complete commands, flags and their values: instances, plans, codes, time zones.
//!
//! bash, zsh and fish ask the program itself at each tab ([`answer`]), so that names are those of this moment. nushell has
//! no such way in the library; its script lists the files of the fleet by itself. No system and no daemon is asked.

mod values;

use super::args::Cli;
use super::context::Context;
use super::failure::{Exit, Failure, Trouble};
use crate::model::status::SCHEMA;
use clap::{Arg, Command, CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter};
use clap_complete::env::{CompleteEnv, Shells};
use clap_complete_nushell::Nushell;
use serde_json::json;
use std::ffi::OsString;

/// Shells set it when they ask.
const VARIABLE: &str = "INNKEEPER_COMPLETE";
/// The program as shells find it.
const PROGRAM: &str = "innkeeper";
/// Arguments that take instances.
const INSTANCE_ARGUMENTS: [&str; 4] = ["name", "names", "words", "confirm"];
/// Commands of which such an argument is a name that is not taken yet.
const COMMANDS_OF_NEW_NAMES: [&str; 1] = ["new"];
/// How nushell lists instances: the files' stems, nothing where there is no fleet.
const NUSHELL_INSTANCES: &str = r#"def "nu-complete innkeeper instances" [] {
  let dir = ($env.INNKEEPER_FLEET? | default "." | path join "instances.d")
  if ($dir | path exists) { ls $dir | get name | where ($it | str ends-with ".toml") | each { path parse | get stem } } else { [] }
}

"#;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
  bash     echo 'source <(innkeeper completions bash)' >> ~/.bashrc
  zsh      echo 'source <(innkeeper completions zsh)' >> ~/.zshrc
  fish     innkeeper completions fish > ~/.config/fish/completions/innkeeper.fish
  nushell  innkeeper completions nushell | save ~/.config/nushell/innkeeper.nu; 'use innkeeper.nu *' in config.nu

Names of instances are those in --fleet DIR, $INNKEEPER_FLEET or the present directory.")]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Shells that are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Nushell,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let script = match args.shell {
        Shell::Bash => registration("bash"),
        Shell::Zsh => registration("zsh"),
        Shell::Fish => registration("fish"),
        Shell::Nushell => Ok(nushell()),
    };
    let script = script.map_err(|e| Failure::new(Trouble::Failed, format!("could not write the script: {e}")))?;
    match cx.json {
        true => cx.document(&json!({"schema": SCHEMA, "script": script}))?,
        false => cx.say(&script)?,
    }
    Ok(Exit::Done)
}

/// Answers a shell that asks what could come next; false when none does.
pub(crate) fn answer(words: &[OsString]) -> bool {
    if std::env::var_os(VARIABLE).is_none() {
        return false;
    }
    let present = std::env::current_dir().ok();
    // A shell that cannot be answered shows nothing, as for a word that nobody knows.
    CompleteEnv::with_factory(command).var(VARIABLE).try_complete(words.to_vec(), present.as_deref()).unwrap_or(true)
}

/// The command line, with what each argument can be.
fn command() -> Command {
    let mut command = Cli::command();
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(&name, |sub| sub.mut_args(|arg| with_values(&name, arg)));
    }
    command
}

/// One argument of a command, with what it can be.
fn with_values(command: &str, arg: Arg) -> Arg {
    let id = arg.get_id().as_str().to_owned();
    match (command, id.as_str()) {
        ("new", "plan") => arg.add(ArgValueCandidates::new(values::plans)),
        ("new", "modules") => arg.add(ArgValueCandidates::new(values::modules)),
        ("new", "odoo") => arg.add(ArgValueCandidates::new(values::releases)),
        ("new", "timezone") => arg.add(ArgValueCandidates::new(values::timezones)),
        ("new", "country") => arg.add(ArgValueCandidates::new(values::countries)),
        ("new", "language") => arg.add(ArgValueCandidates::new(values::languages)),
        ("check", "names") => arg.add(ArgValueCompleter::new(values::instances_and_files)),
        ("explain", "code") => arg.add(ArgValueCandidates::new(values::words)),
        ("help", "command") => arg.add(ArgValueCandidates::new(values::commands)),
        ("ack" | "silence" | "unsilence", "names") => arg.add(ArgValueCompleter::new(values::instances_and_reasons)),
        (_, "timeout" | "lasts") => arg.add(ArgValueCandidates::new(values::durations)),
        ("retire", "confirm") => arg.add(ArgValueCandidates::new(values::instances_named)),
        (command, id) if INSTANCE_ARGUMENTS.contains(&id) && !COMMANDS_OF_NEW_NAMES.contains(&command) => {
            arg.add(ArgValueCompleter::new(values::instances_and_filters))
        }
        _ => arg,
    }
}

fn registration(shell: &str) -> std::io::Result<String> {
    let shells = Shells::builtins();
    let shell = shells.completer(shell).ok_or_else(|| std::io::Error::other("the library does not know this shell"))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    String::from_utf8(script).map_err(std::io::Error::other)
}

/// The library's script, in which arguments that take instances are given the list of them.
fn nushell() -> String {
    let mut script = Vec::new();
    clap_complete::generate(Nushell, &mut Cli::command(), PROGRAM, &mut script);
    let mut out = String::new();
    let mut of_new_names = false;
    for line in String::from_utf8_lossy(&script).lines() {
        if let Some(heading) = line.trim_start().strip_prefix("export extern ") {
            let name = heading.trim_end_matches(" [").trim_matches('"').trim_start_matches(PROGRAM).trim();
            of_new_names = COMMANDS_OF_NEW_NAMES.contains(&name);
        }
        out.push_str(&if of_new_names { line.to_owned() } else { with_instances(line) });
        out.push('\n');
        if line.starts_with("module completions") {
            out.push_str(NUSHELL_INSTANCES);
        }
    }
    out
}

fn with_instances(line: &str) -> String {
    let argument = line.trim_start().trim_start_matches("...");
    let id = argument.split([':', '?']).next().unwrap_or_default();
    match INSTANCE_ARGUMENTS.contains(&id) {
        true => line.replacen(": string", ": string@\"nu-complete innkeeper instances\"", 1),
        false => line.to_owned(),
    }
}
