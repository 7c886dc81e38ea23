//! `man`: a page for the program, one for each command and one for each kind of file, made from the same tables as the help
//! and the schemas.

mod page;

use super::args::Cli;
use super::context::Context;
use super::failure::{Exit, Failure};
use crate::model::status::SCHEMA;
use crate::spec::FileKind;
use clap::CommandFactory;
use serde_json::json;
use std::path::{Path, PathBuf};

/// The pages of files: name, what it is, kind.
const FILES: [(&str, &str, FileKind); 3] = [
    ("innkeeper.toml", "the settings of an Innkeeper fleet", FileKind::Settings),
    ("innkeeper-plans.toml", "the service plans of an Innkeeper fleet (plans.toml)", FileKind::Plans),
    ("innkeeper-instance.toml", "a customer of an Innkeeper fleet (instances.d/NAME.toml)", FileKind::Instance),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
  innkeeper man /usr/local/share/man/man1 && man innkeeper-plan && man innkeeper.toml

Pages of files belong to section 5: where DIR is called man1 they go to man5 beside it. Pages of an earlier version that
stand there are replaced.")]
pub(crate) struct Args {
    /// Where to: made when it is not there
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let of_files = match args.dir.file_name().is_some_and(|name| name == "man1") {
        true => args.dir.with_file_name("man5"),
        false => args.dir.clone(),
    };
    let mut written = Vec::new();
    for (page, text) in pages_of_commands() {
        written.push(write(&args.dir, &page, &text)?);
    }
    for (name, title, kind) in FILES {
        written.push(write(&of_files, &format!("{name}.5"), page::of_file(name, title, kind).as_bytes())?);
    }
    match cx.json {
        true => {
            let names = written.iter().filter_map(|file| file.file_name()).map(|name| name.to_string_lossy());
            let names: Vec<_> = names.collect();
            cx.document(&json!({"schema": SCHEMA, "directory": args.dir, "files": names}))?;
        }
        false => cx.say(&written.iter().map(|file| format!("{}\n", file.display())).collect::<String>())?,
    }
    Ok(Exit::Done)
}

fn write(dir: &Path, name: &str, text: &[u8]) -> Result<PathBuf, Failure> {
    std::fs::create_dir_all(dir).map_err(|e| Failure::of_file(dir, "make", &e))?;
    let file = dir.join(name);
    std::fs::write(&file, text).map_err(|e| Failure::of_file(&file, "write", &e))?;
    Ok(file)
}

/// The program's page first.
fn pages_of_commands() -> Vec<(String, Vec<u8>)> {
    let mut program = Cli::command();
    // From here on a command knows the flags that all have, and its usage has the program's name in front.
    program.build();
    let of_commands =
        program.get_subcommands().map(|sub| (format!("innkeeper-{}.1", sub.get_name()), page::of_command(sub)));
    std::iter::once(("innkeeper.1".to_owned(), page::of_command(&program))).chain(of_commands).collect()
}
