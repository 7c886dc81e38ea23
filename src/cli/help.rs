//! `help`: the help of the program or of one command, as `--help` prints it.

use super::args::Cli;
use super::context::{Context, write_raw};
use super::failure::{Exit, Failure, Trouble};
use super::fleet::nearest;
use super::still_to_come;
use crate::model::status::SCHEMA;
use clap::CommandFactory;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command; without one, the help of the program
    command: Option<String>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let mut program = Cli::command().color(cx.color_choice());
    // From here on a command's usage has the program's name in front.
    program.build();
    let text = match &args.command {
        None => program.render_long_help(),
        Some(name) => match program.find_subcommand_mut(name) {
            Some(command) => command.render_long_help(),
            None => return Err(still_to_come(name).unwrap_or_else(|| unknown(name))),
        },
    };
    match cx.json {
        true => write_raw(&json!({"schema": SCHEMA, "help": text.to_string()}).to_string())?,
        false => cx.say(&text.ansi().to_string())?,
    }
    Ok(Exit::Done)
}

fn unknown(name: &str) -> Failure {
    let program = Cli::command();
    let failure = Failure::new(Trouble::Usage, format!("there is no command {name:?}"));
    match nearest(name, program.get_subcommands().map(clap::Command::get_name)) {
        Some(near) => failure.hint(format!("did you mean {near:?}? `innkeeper help` lists all")),
        None => failure.hint("`innkeeper help` lists all"),
    }
}
