//! The help: the keys of the view, and the words of the header.

use super::overlays::{boxed, with_cursor};
use super::pen::{Line, Pen, all_wrapped};
use super::table::padded;
use crate::model::status::State as Stands;
use crate::tui::fleet::Standing;
use crate::tui::keys::{Action, TABLE_OF_ACTIONS};
use crate::tui::layout;
use crate::tui::look::Theme;
use crate::tui::state::{Help, State};
use ratatui::layout::Rect;

/// Columns of the box.
const COLUMNS: u16 = 92;
/// Columns of keys, and of what they are called.
const KEYS: usize = 13;
const NAMES: usize = 16;

pub(super) fn draw(state: &State, help: &Help, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let lines = lines(state, help, theme);
    let below = "/ searches, esc closes";
    let searches = help.searching || !help.input.text().is_empty();
    let rows = lines.len() + usize::from(searches);
    let inner = boxed(state, COLUMNS, rows, "keys of this view", below, theme.title, pen);
    let mut text = inner;
    if searches {
        let mut first = vec![("/".to_owned(), theme.key)];
        first.extend(with_cursor(&help.input, pen));
        pen.line(inner.x, inner.y, inner.width, &first);
        text = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    }
    pen.lines_scrolled(text, &lines, help.scroll, true);
}

/// What passes the search, each in as many rows as it takes.
pub(super) fn lines(state: &State, help: &Help, theme: Theme) -> Vec<Line> {
    let typed = help.input.text().trim();
    let passes = |texts: &[&str]| typed.is_empty() || texts.iter().any(|text| text.contains(&typed.to_lowercase()));
    let context = state.context();
    let mut lines: Vec<Line> = Vec::new();
    for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context)) {
        let keys = state.keymap.keys(entry);
        if passes(&[entry.name, entry.text]) || keys.contains(&typed) {
            let keys = if keys.is_empty() { elsewhere(state) } else { keys.join(" ") };
            let head = format!("{}{}", padded(&keys, KEYS), padded(entry.name, NAMES));
            lines.push(vec![(head, theme.key), (entry.text.to_owned(), theme.plain)]);
        }
    }
    let words = words().into_iter().filter(|(word, text)| passes(&[&word.to_lowercase(), text]));
    for (nth, (word, text)) in words.enumerate() {
        if nth == 0 {
            lines.extend([Vec::new(), vec![("words of the header".to_owned(), theme.title)]]);
        }
        lines.push(vec![(padded(word, KEYS + NAMES), theme.key), (text, theme.plain)]);
    }
    let columns = layout::overlay(state.size, COLUMNS, u16::MAX).width.saturating_sub(4);
    all_wrapped(lines, columns, KEYS + NAMES)
}

/// What the header counts, and in which states an instance is counted there.
fn words() -> Vec<(&'static str, String)> {
    let mut words: Vec<(&str, String)> = Standing::ALL
        .into_iter()
        .map(|standing| {
            let states: Vec<&str> =
                Stands::ALL.into_iter().filter(|it| Standing::of(*it) == standing).map(Stands::as_str).collect();
            (standing.word(), format!("{}: {}", standing.meaning(), states.join(", ")))
        })
        .collect();
    words.push(("not seen", "a system does not answer, so nothing is known of them now".to_owned()));
    words
}

/// How an action without a key is reached.
fn elsewhere(state: &State) -> String {
    format!("{} or {}", state.keymap.hint(Action::Menu), state.keymap.hint(Action::Palette))
}
