//! What a command ends with.

use super::{Entry, entry};
use crate::cli::failure::{Exit, Trouble};

/// Explains all of them.
pub(super) const WORD: &str = "exit";

/// Each exit code, with the kinds of failure that end with it.
pub(super) fn exits() -> impl Iterator<Item = Entry> {
    Exit::ALL
        .iter()
        .map(|(exit, title)| entry(&(*exit as u8).to_string(), &format!("exit code: {title}"), &text(*exit)))
}

fn text(exit: Exit) -> String {
    let troubles: Vec<String> = Trouble::ALL
        .iter()
        .filter(|trouble| trouble.exit() == exit)
        .map(|trouble| format!("{}  {}", trouble.code(), trouble.title()))
        .collect();
    match (exit, troubles.is_empty()) {
        (Exit::Invalid, _) => {
            "A file has problems. Each is told with its place and a code of its own, IK01xx; `innkeeper check` tells all.".to_owned()
        }
        (_, false) => format!(
            "The error on stderr ends with its code, which says more: innkeeper explain CODE. These end so:\n{}",
            troubles.join("\n")
        ),
        (Exit::Done, true) => "Nothing is to be done about it.".to_owned(),
        (_, true) => "It is an answer and no failure: the answer on stdout says more.".to_owned(),
    }
}
