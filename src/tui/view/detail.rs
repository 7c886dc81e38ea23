//! An opened instance: its tabs.

use super::pen::{Line, Pen, all_wrapped};
use super::{card, containers, entries, logs, summary};
use crate::model::backup::NOT_SCHEDULED;
use crate::tui::fleet::Item;
use crate::tui::keys::Action;
use crate::tui::layout::{self, Room};
use crate::tui::look::{COLOURS, Look, UNICODE};
use crate::tui::state::{Detail, State, Tab};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub(super) fn draw(state: &State, detail: &Detail, pen: &mut Pen<'_>) {
    let area = layout::parts(state.size).body;
    if detail.tab == Tab::Logs {
        return logs::draw(state, area, pen);
    }
    if detail.tab.has_entries()
        && let Some(item) = state.fleet.get(&detail.name)
    {
        return entries::draw(state, detail, item, title(detail).as_str(), pen);
    }
    let inner = framed(state, detail, area, pen);
    let Some(item) = state.fleet.get(&detail.name) else {
        pen.text(inner.x, inner.y, inner.width, &format!("{} is gone; esc goes back", detail.name), pen.theme().warn);
        return;
    };
    match detail.tab {
        Tab::Summary => summary::draw(state, item, inner, detail.scroll, pen),
        _ => {
            let lines = lines(state, detail, item, inner, pen);
            pen.lines_scrolled(inner, &lines, detail.scroll, layout::room(state.size) > Room::Tiny);
        }
    }
}

fn framed(state: &State, detail: &Detail, area: Rect, pen: &mut Pen<'_>) -> Rect {
    if layout::room(state.size) > Room::Tiny {
        let edits = || format!("{} edits", state.keymap.hint(Action::Edit));
        let below = if detail.tab == Tab::File { edits() } else { String::new() };
        pen.frame(area, &[(title(detail), pen.theme().title)], &below);
    }
    inside(state, area)
}

/// The room for text in it.
fn inside(state: &State, area: Rect) -> Rect {
    match layout::room(state.size) > Room::Tiny {
        true => Rect::new(area.x + 2, area.y + 1, area.width.saturating_sub(4), area.height.saturating_sub(2)),
        false => area,
    }
}

fn title(detail: &Detail) -> String {
    match detail.tab {
        Tab::Summary => "wanted and live".to_owned(),
        Tab::Diff => "what is to be done".to_owned(),
        Tab::File => format!("instances.d/{}.toml", detail.name),
        other => other.title().to_lowercase(),
    }
}

fn lines(state: &State, detail: &Detail, item: &Item, area: Rect, pen: &Pen<'_>) -> Vec<Line> {
    match detail.tab {
        Tab::Summary => summary::lines(state, item, area, pen),
        Tab::Containers => containers::lines(item, pen),
        Tab::Backups => backups(state, item, area.width, pen),
        Tab::File => file(detail, pen),
        Tab::Events | Tab::Diff | Tab::Logs => Vec::new(),
    }
}

/// Rows of text on the open tab.
pub(super) fn rows(state: &State, detail: &Detail) -> usize {
    // Looks do not change how many rows there are.
    let mut none = Buffer::default();
    let pen = Pen::new(&mut none, Look { theme: COLOURS, glyphs: &UNICODE });
    let area = inside(state, layout::parts(state.size).body);
    state.fleet.get(&detail.name).map_or(0, |item| lines(state, detail, item, area, &pen).len())
}

fn backups(state: &State, item: &Item, width: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let mut lines = vec![vec![("newest    ".to_owned(), theme.faint), card::backup(state, item.status(), pen)]];
    if let Some(backup) = &item.status().last_backup {
        lines.push(vec![("id        ".to_owned(), theme.faint), (backup.id.clone(), theme.plain)]);
    }
    lines.push(vec![("schedule  ".to_owned(), theme.faint), (NOT_SCHEDULED.to_owned(), theme.warn)]);
    if let Some(wanted) = &item.view.wanted {
        let keep = &wanted.backup.keep;
        let text = format!(
            "its file asks for {}, kept: {} daily, {} weekly, {} monthly",
            wanted.backup.schedule, keep.daily, keep.weekly, keep.monthly
        );
        lines.push(vec![(" ".repeat(10), theme.faint), (text, theme.faint)]);
    }
    all_wrapped(lines, width, 10)
}

fn file(detail: &Detail, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    match &detail.file {
        None => vec![vec![("it is being read".to_owned(), theme.faint)]],
        Some(Err(why)) => vec![vec![(why.clone(), theme.bad)]],
        Some(Ok(text)) => text
            .lines()
            .zip(1..)
            .map(|(line, number): (&str, u32)| {
                let comment = line.trim_start().starts_with('#');
                let table = line.trim_start().starts_with('[');
                let style = match () {
                    () if comment => theme.faint,
                    () if table => theme.strong,
                    () => theme.plain,
                };
                vec![(format!("{number:>4}  "), theme.faint), (line.to_owned(), style)]
            })
            .collect(),
    }
}
