//! What an edit does to a file, as a unified diff.

use super::style::{BAD, FAINT, GOOD, paint};
use super::text::harmless;
use similar::{ChangeTag, TextDiff};
use std::path::Path;

/// Unchanged lines shown around a change.
const CONTEXT_LINES: usize = 3;

/// The difference without colours, for documents.
pub(crate) fn plain(file: &Path, old: &str, new: &str) -> String {
    let name = file.display().to_string();
    TextDiff::from_lines(old, new).unified_diff().context_radius(CONTEXT_LINES).header(&name, &name).to_string()
}

/// The difference for people.
pub(crate) fn render(file: &Path, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let name = harmless(&file.display().to_string());
    let mut out = format!("--- {name}\n+++ {name}\n");
    for hunk in diff.unified_diff().context_radius(CONTEXT_LINES).iter_hunks() {
        out.push_str(&format!("{}\n", paint(FAINT, &hunk.header().to_string())));
        for change in hunk.iter_changes() {
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("-", BAD),
                ChangeTag::Insert => ("+", GOOD),
                ChangeTag::Equal => (" ", super::style::PLAIN),
            };
            let text = harmless(change.value().trim_end_matches(['\r', '\n']));
            out.push_str(&format!("{}\n", paint(style, &format!("{sign}{text}"))));
        }
    }
    out
}
