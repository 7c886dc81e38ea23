//! The output of an instance: the lines up to the anchor, the newest at the bottom.

use super::pen::{Line, Pen, Piece};
use crate::control::LogOf;
use crate::model::text::wrap;
use crate::tui::keys::Action;
use crate::tui::layout::{self, Room};
use crate::tui::logs::{LogLevel, Logs};
use crate::tui::look::Theme;
use crate::tui::state::State;
use ratatui::layout::Rect;

/// Columns of a name in front of a line.
const NAME_MAX: usize = 20;

pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let logs = &state.logs;
    let tiny = layout::room(state.size) <= Room::Tiny;
    let inner = if tiny { area } else { pen.frame(area, &title(state, pen.theme()), &below(logs)) };
    if logs.lines.is_empty() {
        let text = logs.ended.clone().unwrap_or_else(|| "no line yet".to_owned());
        let style = if logs.ended.is_some() { pen.theme().warn } else { pen.theme().faint };
        pen.text(inner.x + 1, inner.y, inner.width.saturating_sub(1), &text, style);
        return;
    }
    let names = Names::of(logs, inner.width);
    let text_columns = usize::from(inner.width).saturating_sub(names.columns);
    let mut y = inner.bottom();
    'lines: for (number, line) in logs.visible() {
        let rows = match logs.wrap {
            true => wrapped(&line.text, text_columns),
            false => vec![line.text.to_string()],
        };
        for (nth, row) in rows.iter().enumerate().rev() {
            if y == inner.y {
                break 'lines;
            }
            y -= 1;
            let mut pieces: Line = names.piece(line.owner, nth == 0, pen.theme()).into_iter().collect();
            pieces.extend(colored(row, line.level, logs, pen.theme()));
            pen.line(inner.x, y, inner.width, &pieces);
        }
        if logs.hit == Some(number) {
            pen.highlight(Rect { y, height: 1, ..inner }, pen.theme().selected);
        }
    }
}

/// The names in front of lines of several instances.
struct Names<'a> {
    names: Vec<&'a str>,
    /// With the blank behind it; 0 when one output is read alone.
    columns: usize,
}

impl<'a> Names<'a> {
    fn of(logs: &'a Logs, width_of_pane: u16) -> Self {
        if logs.also.is_empty() {
            return Self { names: Vec::new(), columns: 0 };
        }
        let names: Vec<&str> = logs.owners().map(|name| name.as_str()).collect();
        let longest = names.iter().map(|name| name.len()).max().unwrap_or_default();
        Self { names, columns: longest.min(NAME_MAX).min(usize::from(width_of_pane) / 3) + 1 }
    }

    /// The name of the line's instance, in its colour; blanks in front of rows that go on.
    fn piece(&self, owner: u8, first: bool, theme: Theme) -> Option<Piece> {
        let name = self.names.get(usize::from(owner))?;
        let shown: String = name.chars().take(self.columns - 1).collect();
        let text = if first { format!("{shown:<0$}", self.columns) } else { " ".repeat(self.columns) };
        Some((text, theme.names[usize::from(owner) % theme.names.len()]))
    }
}

fn title(state: &State, theme: Theme) -> Line {
    let logs = &state.logs;
    let source = match &logs.of {
        Some((_, LogOf::Odoo)) => "[odoo] job",
        Some((_, LogOf::Job)) => "odoo [job]",
        None => "",
    };
    let mut title = vec![
        ("logs".to_owned(), theme.title),
        (format!("  source: {source}   level: {}", logs.level.title()), theme.faint),
    ];
    title.push(match logs.anchor {
        None => ("   follows".to_owned(), theme.good),
        Some(_) => (format!("   stands still, {} follows", state.keymap.hint(Action::Follow)), theme.warn),
    });
    if let Some(word) = &logs.filter {
        title.push((format!("   only: {word}"), theme.warn));
    }
    if let Some(word) = &logs.search {
        title.push((format!("   search: {word}"), theme.accent));
    }
    title
}

fn below(logs: &Logs) -> String {
    let count = |level| logs.lines.iter().filter(|line| line.level == level).count();
    let ended = logs.ended.as_ref().map_or_else(String::new, |why| format!("{why}   "));
    format!(
        "{ended}{} lines  {} errors  {} warnings  {} dropped",
        logs.lines.len(),
        count(LogLevel::Error),
        count(LogLevel::Warning),
        logs.dropped
    )
}

/// The line in the colour of its level, with what is searched for made visible.
fn colored(text: &str, level: LogLevel, logs: &Logs, theme: Theme) -> Line {
    let style = match level {
        LogLevel::Error => theme.bad,
        LogLevel::Warning => theme.warn,
        LogLevel::Info => theme.plain,
        LogLevel::Debug => theme.plain,
    };
    let lower = text.to_lowercase();
    // Small letters of some scripts take other bytes than the capitals: then nothing is marked.
    let place = logs
        .search
        .as_ref()
        .filter(|_| lower.len() == text.len())
        .and_then(|word| lower.find(word.as_str()).map(|at| (at, at + word.len())));
    match place {
        Some((from, to)) if text.is_char_boundary(from) && text.is_char_boundary(to) => vec![
            (text[..from].to_owned(), style),
            (text[from..to].to_owned(), theme.selected),
            (text[to..].to_owned(), style),
        ],
        _ => vec![(text.to_owned(), style)],
    }
}

fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut rows = Vec::new();
    for row in wrap(text, Some(columns.max(1))) {
        let mut rest = row.as_str();
        // A word that is longer than the screen is cut.
        while rest.chars().count() > columns {
            let at = rest.char_indices().nth(columns.max(1)).map_or(rest.len(), |(at, _)| at);
            rows.push(rest[..at].to_owned());
            rest = &rest[at..];
        }
        rows.push(rest.to_owned());
    }
    rows
}
