//! `man`: a page for the program and one for each command, made from the same table as the help.

use super::args::Cli;
use super::context::Context;
use super::failure::{Exit, Failure};
use crate::model::status::SCHEMA;
use clap::CommandFactory;
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
  innkeeper man /usr/local/share/man/man1 && man innkeeper-plan

Pages of an earlier version that stand there are replaced.")]
pub(crate) struct Args {
    /// Where to: made when it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    std::fs::create_dir_all(&args.dir).map_err(|e| Failure::of_file(&args.dir, "make", &e))?;
    let command = Cli::command();
    let pages = command.get_subcommands().map(|sub| format!("innkeeper-{}.1", sub.get_name()));
    let pages: Vec<String> = std::iter::once("innkeeper.1".to_owned()).chain(pages).collect();
    clap_mangen::generate_to(command, &args.dir).map_err(|e| Failure::of_file(&args.dir, "write pages to", &e))?;
    match cx.json {
        true => cx.document(&json!({"schema": SCHEMA, "directory": args.dir, "files": pages}))?,
        false => {
            cx.say(&pages.iter().map(|page| format!("{}\n", args.dir.join(page).display())).collect::<String>())?
        }
    }
    Ok(Exit::Done)
}
