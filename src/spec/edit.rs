//! Changes one value in a file of the fleet. An instance's file keeps every other byte: comments, order, blanks, line endings.

use crate::model::wanted::WantedState;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// Why a file could not be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not TOML.
    #[error("the file is not TOML ({0}): correct it first, `innkeeper check` tells all that is wrong")]
    Syntax(String),
    /// `state` is there, but as a table.
    #[error("`state` is a table in this file: correct it first")]
    NotAValue,
}

/// `text` with `state` set. Where the key is missing it takes the place of the comment that shows it, or is put below `plan`.
///
/// # Errors
/// [`EditError`] when the text is not TOML, or has something else under that name.
pub fn set_state(text: &str, state: WantedState) -> Result<String, EditError> {
    let changed = splice(text, state)?;
    // What was written is read again: a place that was found wrongly must not get to the disk.
    let tree = parse(&changed)?;
    match tree.get_ref().get("state").map(|node| node.get_ref()) {
        Some(DeValue::String(written)) if written == state.as_str() => Ok(changed),
        _ => Err(EditError::NotAValue),
    }
}

/// The text of settings, with another state directory: for a rehearsal over somebody's fleet.
///
/// # Errors
/// [`EditError`] when the text is not TOML.
pub fn set_state_dir(text: &str, state_dir: &Path) -> Result<String, EditError> {
    let parsed = text.parse::<toml_edit::DocumentMut>();
    let mut document = parsed.map_err(|error| EditError::Syntax(super::problem::visible(error.message())))?;
    let fleet =
        document.entry("fleet").or_insert_with(toml_edit::table).as_table_like_mut().ok_or(EditError::NotAValue)?;
    fleet.insert("state_dir", toml_edit::value(state_dir.to_string_lossy().into_owned()));
    Ok(document.to_string())
}

fn parse(text: &str) -> Result<toml::Spanned<DeTable<'_>>, EditError> {
    DeTable::parse(text).map_err(|error| EditError::Syntax(super::problem::visible(error.message())))
}

fn splice(text: &str, state: WantedState) -> Result<String, EditError> {
    let tree = parse(text)?;
    let value = format!("\"{}\"", state.as_str());
    if let Some(node) = tree.get_ref().get("state") {
        if matches!(node.get_ref(), DeValue::Table(_) | DeValue::Array(_)) {
            return Err(EditError::NotAValue);
        }
        let (before, after) = (&text[..node.span().start], &text[node.span().end..]);
        return Ok(format!("{before}{value}{}", moved(after, node.span().len(), value.len())));
    }
    if let Some(changed) = in_place_of_the_comment(text, &value) {
        return Ok(changed);
    }
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let line = format!("state = {value}");
    Ok(match tree.get_ref().get("plan") {
        Some(plan) => {
            let end = text[plan.span().end..].find('\n').map(|offset| plan.span().end + offset + 1);
            match end {
                Some(end) => format!("{}{line}{newline}{}", &text[..end], &text[end..]),
                None => format!("{text}{newline}{line}{newline}"),
            }
        }
        None => {
            let start = text.len() - text.trim_start_matches('\u{FEFF}').len();
            format!("{}{line}{newline}{}", &text[..start], &text[start..])
        }
    })
}

/// `after`, the text behind a value that had `before` bytes and has `now`, with a comment on that line still in its column.
fn moved(after: &str, before: usize, now: usize) -> String {
    let rest = after.trim_start_matches(' ');
    let blanks = after.len() - rest.len();
    match rest.starts_with('#') && blanks > 0 {
        true => format!("{}{rest}", " ".repeat((blanks + before).saturating_sub(now).max(1))),
        false => after.to_owned(),
    }
}

/// `# state = "running"`, as `innkeeper new` writes it above the first table, made to say `value`; what stands behind it stays in
/// its column. None where there is no such line, or where it is only a part of some text.
fn in_place_of_the_comment(text: &str, value: &str) -> Option<String> {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('[') {
            return None;
        }
        if let Some(length) = commented_state(line) {
            let rest = &text[start + length..];
            let said = format!("state = {value}");
            let width = if rest.starts_with(' ') { length } else { 0 };
            let changed = format!("{}{said:<width$}{rest}", &text[..start]);
            let tree = parse(&changed).ok()?;
            return tree.get_ref().contains_key("state").then_some(changed);
        }
        start += line.len();
    }
    None
}

/// So many bytes of the line are a commented `state = "…"`.
fn commented_state(line: &str) -> Option<usize> {
    let after = line.strip_prefix('#')?.trim_start().strip_prefix("state")?.trim_start().strip_prefix('=')?;
    let (_, rest) = after.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(line.len() - rest.len())
}
