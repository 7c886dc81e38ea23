//! What a person should know: open alerts, those that were marked as seen at the end.

use super::pen::{Line, Pen};
use super::table::padded;
use crate::model::status::Alert;
use crate::tui::format::age;
use crate::tui::layout;
use crate::tui::state::{Row, State};

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let all = state.fleet.facts.as_ref().map_or(0, |facts| facts.alerts.len());
    let title = vec![("Alerts".to_owned(), theme.title), (format!("  {all} open"), theme.faint)];
    let area = layout::parts(state.size).body;
    super::outline::list(
        state,
        area,
        &title,
        "SINCE  INSTANCE            REASON            MESSAGE",
        pen,
        |row, pen| alert_of(state, row).map(|alert| line(state, alert, pen)),
    );
    if all == 0 {
        pen.text(3, area.y + 3, area.width.saturating_sub(4), "No alert is open.", theme.good);
    }
}

fn alert_of(state: &State, row: Row) -> Option<&Alert> {
    match row {
        Row::Alert(at) => state.fleet.facts.as_ref()?.alerts.get(at as usize),
        _ => None,
    }
}

fn line(state: &State, alert: &Alert, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let seen = state.seen.contains(&(alert.instance.clone(), alert.reason.clone()));
    let (strong, warn, plain) = match seen {
        true => (theme.faint, theme.faint, theme.faint),
        false => (theme.strong, theme.warn, theme.plain),
    };
    let whose = alert.instance.as_ref().map_or("host", |name| name.as_str());
    vec![
        (padded(&age(alert.since, state.now), 7), theme.faint),
        (padded(whose, 20), strong),
        (padded(&alert.reason, 18), warn),
        (alert.message.clone(), plain),
    ]
}
