//! A tab of entries, events or steps: one of them is selected, and told in full below the list.

use super::pen::{Line, Pen, all_wrapped};
use super::{activity, problems, steps};
use crate::model::event::Event;
use crate::model::name::InstanceName;
use crate::tui::fleet::Item;
use crate::tui::keys::Action;
use crate::tui::layout::{self, Room};
use crate::tui::look::{COLOURS, Look, UNICODE};
use crate::tui::state::{Detail, State, Tab};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns in front of an entry, for the pointer.
const POINTER: u16 = 2;
/// Rows of an entry that go on begin so much further in.
const INDENT: usize = 4;

/// Which entry is selected, of how many, and the first row that is visible because of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Selection {
    /// Entries of the tab.
    pub count: usize,
    /// The place of the selected one.
    pub at: usize,
    /// The first visible row.
    pub scroll: usize,
}

/// What a tab is made of.
enum Entries<'a> {
    /// The newest first, each in one row until they are wrapped.
    Events(Vec<&'a Event>),
    /// Each with the rows that say more of it.
    Steps(Vec<Vec<Line>>),
}

pub(super) fn draw(state: &State, detail: &Detail, item: &Item, title: &str, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let (area, below) = layout::halves(state);
    let entries = Entries::of(state, detail, item, pen);
    let selection = selected(state, detail, &entries, pen);
    let inner = match layout::room(state.size) {
        Room::Line | Room::Tiny => area,
        _ => {
            let wraps = if state.wrap { "one row each" } else { "wraps" };
            let (wrap, open) = (state.keymap.hint(Action::Wrap), state.keymap.hint(Action::Open));
            let place = (selection.at + 1).min(selection.count);
            let keys = format!("{wrap} {wraps}   {open} reads   {place}/{}", selection.count);
            pen.frame(area, &[(title.to_owned(), theme.title)], &keys)
        }
    };
    if selection.count == 0 {
        let name = &detail.name;
        let (first, second) = match detail.tab {
            Tab::Events => {
                ("nothing of it among the events that are shown here", format!("older ones: innkeeper events {name}"))
            }
            _ => ("nothing: it is as its file asks", String::new()),
        };
        pen.text(inner.x + POINTER, inner.y, inner.width.saturating_sub(POINTER), first, theme.faint);
        pen.text(inner.x + POINTER, inner.y + 1, inner.width.saturating_sub(POINTER), &second, theme.faint);
        return;
    }
    rows(state, &entries, selection, inner, pen);
    if let Some(below) = below {
        let inner = pen.frame(below, &[], "");
        let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let whole = entries.whole(state, &detail.name, selection.at, problems::Room::in_pane(inner), pen);
        pen.lines(inner, &all_wrapped(whole, inner.width, 0), 0);
    }
}

/// The rows that are visible.
fn rows(state: &State, entries: &Entries<'_>, selection: Selection, area: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let bottom = selection.scroll + usize::from(area.height);
    let mut row = 0;
    for at in 0..selection.count {
        let (first, length) = (row, entries.rows(state, at, pen));
        row += length;
        if row <= selection.scroll {
            continue;
        }
        for (line, place) in entries.lines(state, at, pen).iter().zip(first..) {
            let Some(y) = place.checked_sub(selection.scroll).filter(|_| place < bottom) else { continue };
            let y = area.y + u16::try_from(y).unwrap_or(u16::MAX);
            pen.line(area.x + POINTER, y, area.width.saturating_sub(POINTER), line);
            if at == selection.at {
                pen.text(area.x, y, 1, pen.glyphs().pointer, theme.accent);
                pen.highlight(Rect { y, height: 1, ..area }, theme.selected);
            }
        }
        if row >= bottom {
            break;
        }
    }
}

impl<'a> Entries<'a> {
    fn of(state: &'a State, detail: &Detail, item: &Item, pen: &Pen<'_>) -> Self {
        match detail.tab {
            Tab::Diff => Self::Steps(steps::entries(state, item, pen)),
            _ => {
                let own = state.fleet.events.iter().rev();
                Self::Events(own.filter(|event| event.instance.as_ref() == Some(&detail.name)).collect())
            }
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Events(events) => events.len(),
            Self::Steps(steps) => steps.len(),
        }
    }

    /// How many rows an entry takes.
    fn rows(&self, state: &State, at: usize, pen: &Pen<'_>) -> usize {
        match self {
            Self::Events(_) if !state.wrap => 1,
            _ => self.lines(state, at, pen).len(),
        }
    }

    fn lines(&self, state: &State, at: usize, pen: &Pen<'_>) -> Vec<Line> {
        let lines = match self {
            Self::Events(events) => events.get(at).map(|event| vec![activity::line(state, event, pen)]),
            Self::Steps(steps) => steps.get(at).cloned(),
        };
        let frame = if layout::room(state.size) > Room::Tiny { 2 } else { 0 };
        let columns = state.size.0.saturating_sub(frame + POINTER);
        let lines = lines.unwrap_or_default();
        if state.wrap { all_wrapped(lines, columns, INDENT) } else { lines }
    }

    /// All that there is to say about an entry.
    fn whole(&self, state: &State, name: &InstanceName, at: usize, room: problems::Room, pen: &Pen<'_>) -> Vec<Line> {
        match self {
            Self::Events(events) => events.get(at).map(|event| activity::whole(state, event, room, pen)),
            Self::Steps(steps) => steps.get(at).map(|step| steps::whole(state, name, at, step, pen)),
        }
        .unwrap_or_default()
    }
}

/// The selected event is followed while others come.
fn selected(state: &State, detail: &Detail, entries: &Entries<'_>, pen: &Pen<'_>) -> Selection {
    let count = entries.count();
    let followed = match entries {
        Entries::Events(events) => detail.event.and_then(|seq| events.iter().position(|event| event.seq == seq)),
        Entries::Steps(_) => None,
    };
    let at =
        followed.unwrap_or(if matches!(entries, Entries::Events(_)) && detail.event.is_none() { 0 } else { detail.at });
    let at = at.min(count.saturating_sub(1));
    let start: usize = (0..at).map(|before| entries.rows(state, before, pen)).sum();
    let end = start + if count > 0 { entries.rows(state, at, pen) } else { 0 };
    let height = layout::text_rows(state).max(1);
    Selection { count, at, scroll: detail.scroll.max(end.saturating_sub(height)).min(start) }
}

/// For a tab that has entries: which one is selected.
pub(super) fn selection(state: &State) -> Selection {
    with_entries(state, selected).unwrap_or_default()
}

/// The event at that place of the tab.
pub(super) fn event_at(state: &State, at: usize) -> Option<u64> {
    with_entries(state, |_, _, entries, _| match entries {
        Entries::Events(events) => events.get(at).map(|event| event.seq),
        Entries::Steps(_) => None,
    })?
}

/// All that there is to say about the selected entry.
pub(super) fn whole(state: &State) -> Option<Vec<Line>> {
    with_entries(state, |state, detail, entries, pen| {
        let at = selected(state, detail, entries, pen).at;
        entries.whole(state, &detail.name, at, problems::Room::All, pen)
    })
    .filter(|lines| !lines.is_empty())
}

/// Looks do not change what there is.
fn with_entries<T>(state: &State, then: impl FnOnce(&State, &Detail, &Entries<'_>, &Pen<'_>) -> T) -> Option<T> {
    let mut none = Buffer::default();
    let pen = Pen::new(&mut none, Look { theme: COLOURS, glyphs: &UNICODE });
    let detail = state.detail.as_ref().filter(|detail| detail.tab.has_entries())?;
    let item = state.fleet.get(&detail.name)?;
    let entries = Entries::of(state, detail, item, &pen);
    Some(then(state, detail, &entries, &pen))
}
