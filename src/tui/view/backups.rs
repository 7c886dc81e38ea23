//! The newest backup of each instance, the oldest first: those without one are on top.

use super::pen::{Line, Pen};
use super::table::padded;
use super::{card, outline};
use crate::tui::layout;
use crate::tui::state::{Row, State};

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let with = state.fleet.items.iter().filter(|item| item.status().last_backup.is_some()).count();
    let title = vec![
        ("Backups".to_owned(), theme.title),
        (format!("  {with} of {} instances have one", state.fleet.items.len()), theme.faint),
    ];
    let area = layout::parts(state.size).body;
    outline::list(state, area, &title, "INSTANCE            SCHEDULE          NEWEST", pen, |row, pen| {
        line(state, row, pen)
    });
}

fn line(state: &State, row: Row, pen: &Pen<'_>) -> Option<Line> {
    let theme = pen.theme();
    let Row::Item(at) = row else { return None };
    let item = state.fleet.items.get(at as usize)?;
    let schedule = item.view.wanted.as_ref().map_or("-", |wanted| wanted.backup.schedule.as_str());
    Some(vec![
        (padded(item.name().as_str(), 20), theme.strong),
        (padded(schedule, 18), theme.faint),
        card::backup(state, item.status(), pen),
    ])
}
