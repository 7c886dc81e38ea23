//! `explain`: what a code or a reason means and what to do about it.

mod conditions;
mod events;
mod holds;

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure, Trouble};
use crate::cli::fleet::nearest;
use crate::cli::pager;
use crate::cli::render::style::{STRONG, paint};
use crate::cli::render::text::wrap;
use crate::model::status::SCHEMA;
use crate::spec;
use serde::Serialize;

/// Text is broken here even on a wide terminal.
const TEXT_COLUMNS_MAX: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A code such as IK0201, or a reason such as DataMissing; without one, all are listed
    code: Option<String>,
}

/// One thing that can be explained.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    code: String,
    title: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct Document {
    schema: u32,
    codes: Vec<Entry>,
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let entries = match &args.code {
        None => all(),
        Some(code) => vec![find(code)?],
    };
    if cx.json {
        cx.document(&Document { schema: SCHEMA, codes: entries })?;
    } else if args.code.is_some() {
        pager::show(cx, &entries.iter().map(|entry| long(entry, cx.columns())).collect::<String>())?;
    } else {
        pager::show(
            cx,
            &entries
                .iter()
                .map(|entry| format!("{}  {}\n", paint(STRONG, &format!("{:<16}", entry.code)), entry.title))
                .collect::<String>(),
        )?;
    }
    Ok(Exit::Done)
}

fn long(entry: &Entry, columns: Option<usize>) -> String {
    let room = columns.unwrap_or(TEXT_COLUMNS_MAX).min(TEXT_COLUMNS_MAX);
    let lines = wrap(&entry.text, Some(room)).join("\n");
    format!("{}\n\n{lines}\n", paint(STRONG, &format!("{}: {}", entry.code, entry.title)))
}

fn find(code: &str) -> Result<Entry, Failure> {
    let entries = all();
    if let Some(entry) = entries.iter().find(|entry| entry.code.eq_ignore_ascii_case(code)) {
        return Ok(entry.clone());
    }
    let failure = Failure::new(Trouble::NoSuchCode, format!("there is no code or reason {code:?}"));
    Err(match nearest(code, entries.iter().map(|entry| entry.code.as_str())) {
        Some(near) => failure.hint(format!("did you mean {near:?}? `innkeeper explain` lists all")),
        None => failure.hint("`innkeeper explain` lists all"),
    })
}

/// The word of an alert as it is written, however it was typed.
pub(crate) fn reason(typed: &str) -> Result<String, Failure> {
    let is_word = |entry: &Entry| !entry.code.starts_with("IK");
    find(typed).map_err(|failure| failure.hint("`innkeeper alerts` lists what is open")).and_then(|entry| {
        let no_word = || Failure::new(Trouble::NoSuchCode, format!("{} is no reason of an alert", entry.code));
        if is_word(&entry) { Ok(entry.code) } else { Err(no_word()) }
    })
}

/// Every code that the program prints, and every reason for which something waits.
pub(crate) fn all() -> Vec<Entry> {
    let own = Trouble::ALL.iter().map(|trouble| entry(trouble.code(), trouble.title(), trouble.text()));
    let files = spec::codes().iter().map(|code| entry(code.code, code.title, code.text));
    let mut entries: Vec<Entry> = own.chain(files).collect();
    entries.sort_by(|a, b| a.code.cmp(&b.code));
    entries.extend(holds::HOLDS.iter().map(|(reason, title, text)| entry(reason.as_str(), title, text)));
    entries.extend(events::EVENTS.iter().map(|(reason, title, text)| entry(reason.as_str(), title, text)));
    entries.extend(conditions::conditions());
    entries
}

fn entry(code: &str, title: &str, text: &str) -> Entry {
    Entry { code: code.to_owned(), title: title.to_owned(), text: text.to_owned() }
}
