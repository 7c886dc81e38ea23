//! What a person should know: open alerts, at the end those of which somebody knows, with who and until when.

use super::activity::{self, REASON_COLUMNS};
use super::outline::{in_name_column, name_columns};
use super::pen::{Line, Pen, all_wrapped};
use super::table::padded;
use crate::model::silence::Quiet;
use crate::model::status::Alert;
use crate::tui::format::{age, moment, zone_abbreviation};
use crate::tui::keys::Action;
use crate::tui::layout;
use crate::tui::state::{Row, State};
use ratatui::layout::Rect;

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let all = state.fleet.facts.as_ref().map_or(0, |facts| facts.alerts.len());
    let quiet =
        state.fleet.facts.as_ref().map_or(0, |facts| facts.alerts.iter().filter(|it| it.silence.is_some()).count());
    let known = if quiet > 0 { format!(", {quiet} of them known") } else { String::new() };
    let title = vec![("Alerts".to_owned(), theme.title), (format!("  {all} open{known}"), theme.faint)];
    let (area, below) = layout::halves(state);
    super::outline::list(
        state,
        area,
        &title,
        &format!("SINCE  {}{}MESSAGE", padded("INSTANCE", name_columns(state)), padded("REASON", REASON_COLUMNS)),
        pen,
        |row, pen| alert_of(state, row).map(|alert| line(state, alert, pen)),
    );
    if all == 0 {
        pen.text(3, area.y + 3, area.width.saturating_sub(4), "No alert is open.", theme.good);
    }
    let Some(below) = below else { return };
    let Some(alert) = state.row().and_then(|row| alert_of(state, row)) else {
        pen.frame(below, &[], "");
        return;
    };
    let (open, ack) = (state.keymap.hint(Action::Open), state.keymap.hint(Action::Acknowledge));
    let keys = format!("{open} reads all   {ack} says that you know");
    let title = vec![(whose(alert).to_owned(), theme.title), (format!("  {}", alert.reason), theme.warn)];
    let inner = pen.frame(below, &title, &keys);
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    pen.lines(inner, &all_wrapped(whole(state, alert, pen), inner.width, 0), 0);
}

/// All that there is to say about an alert: what is wrong, since when, and what to do.
pub(super) fn whole(state: &State, alert: &Alert, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let zone = state.fleet.zone.as_ref();
    let since = format!("since {} {}", moment(alert.since, state.now, zone), zone_abbreviation(alert.since, zone));
    let known = alert.silence.as_ref().map(|quiet| known(state, quiet)).unwrap_or_default();
    let mut lines = vec![vec![(alert.message.clone(), theme.plain)]];
    lines.push(vec![(format!("{since} ({})   ", age(alert.since, state.now)), theme.faint), (known, theme.accent)]);
    lines.extend(activity::advice(state, &alert.reason, alert.instance.as_ref(), pen));
    lines
}

/// The alert that is selected.
pub(super) fn selected(state: &State) -> Option<&Alert> {
    alert_of(state, state.row()?)
}

/// Whose it is, for people.
pub(super) fn whose(alert: &Alert) -> &str {
    alert.instance.as_ref().map_or("host", |name| name.as_str())
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
    let known = alert.silence.as_ref().map(|quiet| known(state, quiet)).unwrap_or_default();
    vec![
        (padded(&age(alert.since, state.now), 7), theme.faint),
        (in_name_column(state, whose(alert), pen), strong),
        (padded(&alert.reason, REASON_COLUMNS), warn),
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
