//! The newest backup of each instance, the oldest first: those without one are on top.

use super::pen::{Line, Pen};
use super::table::padded;
use super::{card, outline};
use crate::tui::layout::{self, Room};
use crate::tui::state::{Row, State};

/// Columns of a schedule.
const SCHEDULE_COLUMNS: usize = 18;

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let with = state.fleet.items.iter().filter(|item| item.status().last_backup.is_some()).count();
    let title = vec![
        ("Backups".to_owned(), theme.title),
        (format!("  {with} of {} instances have one", state.fleet.items.len()), theme.faint),
    ];
    let area = layout::parts(state.size).body;
    let schedule = if has_schedule(state) { padded("SCHEDULE", SCHEDULE_COLUMNS) } else { String::new() };
    let head = format!("{}{schedule}NEWEST", padded("INSTANCE", outline::name_columns(state)));
    outline::list(state, area, &title, &head, pen, |row, pen| line(state, row, pen));
}

fn line(state: &State, row: Row, pen: &Pen<'_>) -> Option<Line> {
    let theme = pen.theme();
    let Row::Item(at) = row else { return None };
    let item = state.fleet.items.get(at as usize)?;
    let mut line = vec![(outline::in_name_column(state, item.name().as_str(), pen), theme.strong)];
    if has_schedule(state) {
        let schedule = item.view.wanted.as_ref().map_or("-", |wanted| wanted.backup.schedule.as_str());
        line.push((padded(schedule, SCHEDULE_COLUMNS), theme.faint));
    }
    line.push(card::backup(state, item.status(), pen));
    Some(line)
}

/// There is room for it beside the newest backup.
fn has_schedule(state: &State) -> bool {
    layout::room(state.size) > Room::Tiny
}
