//! The problems of a file are told as one message, which nobody reads as a paragraph: here they are a line each, the first
//! ones first.

use super::pen::{Pen, fitting};
use crate::model::name::InstanceName;
use crate::model::problem::Told;

/// How much room there is for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// They are read: all of them, whole.
    All,
    /// They are told beside other things: so many, each cut to so many columns.
    Some { most: usize, columns: usize },
}

impl Room {
    /// In a pane below a list: half of it, the rest is for what to do.
    pub(super) fn in_pane(area: ratatui::layout::Rect) -> Self {
        Self::Some { most: usize::from(area.height / 2).max(1), columns: usize::from(area.width) }
    }
}

/// The lines of a message: of one that tells of several problems the file once, then a line each, then how many more there
/// are and what tells them all.
pub(super) fn lines_of(message: &str, name: Option<&InstanceName>, room: Room, pen: &Pen<'_>) -> Vec<String> {
    let Some(told) = Told::of(message) else { return vec![message.to_owned()] };
    let count = told.problems.len();
    let (most, columns) = match room {
        Room::All => (usize::MAX, usize::MAX),
        Room::Some { most, columns } => (most, columns),
    };
    let before = if told.before.is_empty() { String::new() } else { format!("{}: ", told.before) };
    let file = told.file().unwrap_or_default();
    let place = if file.is_empty() { String::new() } else { format!(" in {file}") };
    let mut lines = vec![format!("{before}{count} problems{place}")];
    let of = |problem: &&str| {
        let problem = problem.trim_start_matches(file).trim_start_matches([':', ' ']);
        fitting(&format!("  {problem}"), columns, pen.glyphs().more)
    };
    lines.extend(told.problems.iter().take(most).map(of));
    if count > most {
        let of_one = name.map(|name| format!(" {name}")).unwrap_or_default();
        lines.push(format!("  and {} more: innkeeper check{of_one}", count - most));
    }
    lines
}
