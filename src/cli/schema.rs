//! `schema`: the JSON Schema of a kind of file, for editors.

use super::context::Context;
use super::failure::{Exit, Failure};
use crate::spec::{self, FileKind};
use clap::ValueEnum;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which kind of file
    #[arg(value_enum)]
    kind: Kind,
}

/// Kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// instances.d/NAME.toml
    Instance,
    /// plans.toml
    Plans,
    /// innkeeper.toml
    Settings,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let kind = match args.kind {
        Kind::Instance => FileKind::Instance,
        Kind::Plans => FileKind::Plans,
        Kind::Settings => FileKind::Settings,
    };
    cx.document(&spec::schema(kind))?;
    Ok(Exit::Done)
}
