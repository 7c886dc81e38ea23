//! The newest backup of each instance, the oldest first: those without one are on top.

use super::pen::{Line, Pen, all_wrapped};
use super::table::padded;
use super::{card, outline};
use crate::model::backup::NOT_SCHEDULED;
use crate::tui::layout;
use crate::tui::state::{Row, State};

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let with = state.fleet.items.iter().filter(|item| item.status().last_backup.is_some()).count();
    let title = vec![
        ("Backups".to_owned(), theme.title),
        (format!("  {with} of {} instances have one", state.fleet.items.len()), theme.faint),
    ];
    let (remark, area) = layout::backups(state);
    let text = vec![(format!(" {} {NOT_SCHEDULED}", pen.glyphs().waits), theme.warn)];
    pen.lines(remark, &all_wrapped(vec![text], remark.width, 3), 0);
    let head = format!("{}NEWEST", padded("INSTANCE", outline::name_columns(state)));
    outline::list(state, area, &title, &head, pen, |row, pen| line(state, row, pen));
}

fn line(state: &State, row: Row, pen: &Pen<'_>) -> Option<Line> {
    let theme = pen.theme();
    let Row::Item(at) = row else { return None };
    let item = state.fleet.items.get(at as usize)?;
    let name = (outline::in_name_column(state, item.name().as_str(), pen), theme.strong);
    Some(vec![name, card::backup(state, item.status(), pen)])
}
