//! What a person should know: open alerts, at the end those of which somebody knows, with who and until when.

use super::pen::{Line, Pen};
use super::table::padded;
use crate::model::silence::Quiet;
use crate::model::status::Alert;
use crate::tui::format::{age, moment};
use crate::tui::layout;
use crate::tui::state::{Row, State};

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let all = state.fleet.facts.as_ref().map_or(0, |facts| facts.alerts.len());
    let quiet =
        state.fleet.facts.as_ref().map_or(0, |facts| facts.alerts.iter().filter(|it| it.silence.is_some()).count());
    let known = if quiet > 0 { format!(", {quiet} of them known") } else { String::new() };
    let title = vec![("Alerts".to_owned(), theme.title), (format!("  {all} open{known}"), theme.faint)];
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
    let (strong, warn, plain) = match alert.silence {
        Some(_) => (theme.faint, theme.faint, theme.faint),
        None => (theme.strong, theme.warn, theme.plain),
    };
    let whose = alert.instance.as_ref().map_or("host", |name| name.as_str());
    let known = alert.silence.as_ref().map(|quiet| known(state, quiet)).unwrap_or_default();
    vec![
        (padded(&age(alert.since, state.now), 7), theme.faint),
        (padded(whose, 20), strong),
        (padded(&alert.reason, 18), warn),
        (known, theme.accent),
        (alert.message.clone(), plain),
    ]
}

/// `silenced until 18:00 by ana  `, `seen by ana  `
fn known(state: &State, quiet: &Quiet) -> String {
    match quiet.until {
        Some(until) => {
            let until = moment(until, state.now, state.fleet.zone.as_ref());
            format!("silenced until {until} by {}  ", quiet.by)
        }
        None => format!("seen by {}  ", quiet.by),
    }
}
