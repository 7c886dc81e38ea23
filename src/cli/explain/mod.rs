//! `explain`: what a word or a code that is shown means, and what to do about it.

mod conditions;
mod events;
mod exits;
mod holds;
mod states;
mod steps;

use crate::cli::context::Context;
use crate::cli::failure::{Exit, Failure, Trouble};
use crate::cli::fleet::nearest;
use crate::cli::pager;
use crate::cli::render::style::{STRONG, paint};
use crate::cli::render::text::wrap;
use crate::model::status::{ConditionType, SCHEMA};
use crate::spec;
use serde::Serialize;

/// Text is broken here even on a wide terminal.
const TEXT_COLUMNS_MAX: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A code such as IK0201, a state such as held, a reason such as DataMissing, a condition, a kind of step, an exit code
    /// such as 8, or exit for all of those; without one, all are listed
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

impl Entry {
    /// The word itself.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What it means, in a few words.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }
}

pub(crate) fn run(cx: &Context, args: &Args) -> Result<Exit, Failure> {
    let entries = match &args.code {
        None => all(),
        Some(code) => find(code)?,
    };
    if cx.json {
        cx.document(&Document { schema: SCHEMA, codes: entries })?;
    } else if args.code.is_some() {
        let texts: Vec<String> = entries.iter().map(|entry| long(entry, cx.columns())).collect();
        pager::show(cx, &texts.join("\n"))?;
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

/// Those of that word: the very one, or all that differ from it in the case alone (`failed` is a state, `Failed` a reason).
fn find(code: &str) -> Result<Vec<Entry>, Failure> {
    if code.eq_ignore_ascii_case(exits::WORD) {
        return Ok(exits::exits().collect());
    }
    let entries = all();
    let of = |is: &dyn Fn(&Entry) -> bool| entries.iter().filter(|entry| is(entry)).cloned().collect::<Vec<_>>();
    let found = of(&|entry| entry.code.eq_ignore_ascii_case(code));
    if !found.is_empty() {
        let exact = of(&|entry| entry.code == code);
        return Ok(if exact.is_empty() { found } else { exact });
    }
    let failure = Failure::new(Trouble::NoSuchCode, format!("no code, state, reason or step is called {code:?}"));
    Err(match nearest(code, entries.iter().map(|entry| entry.code.as_str())) {
        Some(near) => failure.hint(format!("did you mean {near:?}? `innkeeper explain` lists all")),
        None => failure.hint("`innkeeper explain` lists all"),
    })
}

/// The text about a reason; none for one that is not known.
pub(crate) fn text(reason: &str) -> Option<String> {
    all().into_iter().find(|entry| entry.code == reason).map(|entry| entry.text)
}

/// The word of an alert as it is written, however it was typed.
pub(crate) fn reason(typed: &str) -> Result<String, Failure> {
    let found = all().into_iter().filter(|entry| entry.code.eq_ignore_ascii_case(typed)).find(is_reason);
    found.map(|entry| entry.code).ok_or_else(|| {
        let failure = Failure::new(Trouble::NoSuchCode, format!("no alert has the reason {typed:?}"));
        let all = all();
        let near = nearest(typed, all.iter().filter(|entry| is_reason(entry)).map(|entry| entry.code.as_str()));
        let near = near.map(|near| format!("did you mean {near:?}? ")).unwrap_or_default();
        failure.hint(format!("{near}`innkeeper alerts` lists what is open"))
    })
}

fn is_reason(entry: &Entry) -> bool {
    entry.code.starts_with(|c: char| c.is_ascii_uppercase())
        && !entry.code.starts_with("IK")
        && !states::CONDITIONS.iter().any(|(kind, ..)| format!("{kind:?}") == entry.code && is_type_only(*kind))
}

/// The reasons that alerts can have: those of holds, and the events that want a person.
pub(crate) fn reasons_of_alerts() -> Vec<String> {
    let holds = holds::HOLDS.iter().map(|(reason, ..)| reason.as_str().to_owned());
    let strains = ["CpuBusy", "DiskNearlyFull", "MemoryAtLimit"].map(str::to_owned);
    holds.chain(strains).collect()
}

/// No hold has the same word, which would tell it already.
fn is_type_only(kind: ConditionType) -> bool {
    !holds::HOLDS.iter().any(|(reason, ..)| reason.as_str() == format!("{kind:?}"))
}

/// Every code and every word that the program shows.
pub(crate) fn all() -> Vec<Entry> {
    let own = Trouble::ALL.iter().map(|trouble| entry(trouble.code(), trouble.title(), trouble.text()));
    let files = spec::codes().iter().map(|code| entry(code.code, code.title, code.text));
    let mut entries: Vec<Entry> = own.chain(files).collect();
    entries.sort_by(|a, b| a.code.cmp(&b.code));
    entries.extend(holds::HOLDS.iter().map(|(reason, title, text)| entry(reason.as_str(), title, text)));
    entries.extend(events::EVENTS.iter().map(|(reason, title, text)| entry(reason.as_str(), title, text)));
    entries.extend(conditions::conditions());
    entries.extend(states::STATES.iter().map(|(state, title, text)| entry(state.as_str(), title, text)));
    let types = states::CONDITIONS.iter().filter(|(kind, ..)| is_type_only(*kind));
    entries.extend(types.map(|(kind, title, text)| entry(&format!("{kind:?}"), title, text)));
    entries.extend(steps::STEPS.iter().map(|(kind, title, text)| entry(kind.as_str(), title, text)));
    entries.extend(steps::ORIGINS.iter().map(|(word, title, text)| entry(word, title, text)));
    entries.extend(exits::exits());
    entries
}

fn entry(code: &str, title: &str, text: &str) -> Entry {
    Entry { code: code.to_owned(), title: title.to_owned(), text: text.to_owned() }
}
