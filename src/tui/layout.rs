//! What fits where, for a size of the terminal: one answer for drawing and for scrolling.

use super::state::{Overlay, Page, State};
use ratatui::layout::Rect;

/// From this width on the table has panes beside it.
const PANES_COLUMNS_MIN: u16 = 120;
/// From this width on addresses are shown.
const WIDE_COLUMNS_MIN: u16 = 160;
/// From this width on there is room for the whole table.
const NORMAL_COLUMNS_MIN: u16 = 80;
/// From this width on there are borders.
const FRAMED_COLUMNS_MIN: u16 = 60;
/// Less is one line.
const LEAST: (u16, u16) = (40, 8);
/// Lower screens have no borders.
const FRAMED_ROWS_MIN: u16 = 15;
/// Columns of the panes beside the table, and from which width on they are the wider ones.
const PANE_COLUMNS: (u16, u16) = (40, 48);
const WIDER_PANES_COLUMNS_MIN: u16 = 136;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// One line.
    Line,
    /// Name, state, note, and no borders.
    Tiny,
    /// A few columns.
    Narrow,
    /// The whole table.
    Normal,
    /// With panes.
    Panes,
    /// With panes and addresses.
    Wide,
}

/// The parts of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// Who and how.
    pub header: Rect,
    /// Views or tabs.
    pub tabs: Rect,
    /// The view.
    pub body: Rect,
    /// Filter, marks, age.
    pub status: Rect,
    /// Keys.
    pub footer: Rect,
}

/// How much room `size` is.
pub fn room(size: (u16, u16)) -> Room {
    match size {
        (columns, rows) if columns < LEAST.0 || rows < LEAST.1 => Room::Line,
        (columns, rows) if columns < FRAMED_COLUMNS_MIN || rows < FRAMED_ROWS_MIN => Room::Tiny,
        (columns, _) if columns < NORMAL_COLUMNS_MIN => Room::Narrow,
        (columns, _) if columns < PANES_COLUMNS_MIN => Room::Normal,
        (columns, _) if columns < WIDE_COLUMNS_MIN => Room::Panes,
        _ => Room::Wide,
    }
}

/// The parts of a screen that is not one line.
pub fn parts(size: (u16, u16)) -> Parts {
    let (width, height) = size;
    let row = |y: u16| Rect::new(0, y.min(height.saturating_sub(1)), width, 1.min(height));
    let tiny = room(size) <= Room::Tiny;
    let below = if tiny { 1 } else { 2 };
    let body = Rect::new(0, 2, width, height.saturating_sub(2 + below));
    Parts {
        header: row(0),
        tabs: row(1),
        body,
        status: row(height.saturating_sub(below)),
        footer: row(height.saturating_sub(1)),
    }
}

/// The list, and the panes beside it: a card above, the activity below.
pub fn split(state: &State) -> (Rect, Option<(Rect, Rect)>) {
    let body = parts(state.size).body;
    if room(state.size) < Room::Panes || state.zoomed || state.page != Page::Instances {
        return (body, None);
    }
    let pane = if body.width < WIDER_PANES_COLUMNS_MIN { PANE_COLUMNS.0 } else { PANE_COLUMNS.1 };
    let list = Rect { width: body.width - pane, ..body };
    let card = Rect { x: list.right(), width: pane, height: body.height / 2, ..body };
    let activity = Rect { y: card.bottom(), height: body.height - card.height, ..card };
    (list, Some((card, activity)))
}

/// Lower bodies have no room for details below a list.
const HALVES_ROWS_MIN: u16 = 12;
/// Rows of the details below a list: enough to read a few sentences, the rest is the list's.
const DETAILS_ROWS: (u16, u16) = (6, 14);

/// A list above and details below; none where there is no room for them.
pub fn halves(state: &State) -> (Rect, Option<Rect>) {
    let body = parts(state.size).body;
    if body.height < HALVES_ROWS_MIN {
        return (body, None);
    }
    let details = (body.height * 2 / 5).clamp(DETAILS_ROWS.0, DETAILS_ROWS.1);
    let list = Rect { height: body.height - details, ..body };
    (list, Some(Rect { y: list.bottom(), height: details, ..body }))
}

/// Rows of the list that are visible at once.
pub fn list_rows(state: &State) -> usize {
    let area = match state.page {
        Page::Instances => split(state).0,
        Page::Plan | Page::Jobs | Page::Alerts => halves(state).0,
        Page::Backups => backups(state).1,
        Page::Host => parts(state.size).body,
    };
    let frame = if room(state.size) > Room::Tiny { 2 } else { 0 };
    usize::from(area.height.saturating_sub(frame + 1))
}

/// Columns on which the remark about backups needs one row.
const REMARK_COLUMNS: u16 = 124;

/// The remark about backups, and their list below it.
pub fn backups(state: &State) -> (Rect, Rect) {
    let body = parts(state.size).body;
    let rows = if body.width >= REMARK_COLUMNS { 1 } else { 2 }.min(body.height / 3);
    (Rect { height: rows, ..body }, Rect { y: body.y + rows, height: body.height - rows, ..body })
}

/// Rows of text in an opened instance or overlay.
pub fn text_rows(state: &State) -> usize {
    let body = parts(state.size).body;
    let frame = if room(state.size) > Room::Tiny { 2 } else { 0 };
    match &state.overlay {
        Some(Overlay::Text(_) | Overlay::Help(_)) => overlay_rows(state),
        _ => {
            let entries = state.detail.as_ref().is_some_and(|detail| detail.tab.has_entries());
            let area = if entries { halves(state).0 } else { body };
            usize::from(area.height.saturating_sub(frame))
        }
    }
}

/// Rows of text in the largest box in the middle.
pub fn overlay_rows(state: &State) -> usize {
    usize::from(overlay(state.size, u16::MAX, u16::MAX).height).saturating_sub(2)
}

/// A box in the middle, of at most that size.
pub fn overlay(size: (u16, u16), width: u16, height: u16) -> Rect {
    let width = width.min(size.0.saturating_sub(4)).max(size.0.min(20));
    let height = height.min(size.1.saturating_sub(2)).max(size.1.min(3));
    Rect::new((size.0 - width) / 2, (size.1 - height) / 2, width, height)
}
