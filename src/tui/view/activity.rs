//! What happened, the newest first.

use super::pen::{Line, Pen, wrapped};
use super::problems::{Room, lines_of};
use super::table::padded;
use crate::model::event::Event;
use crate::model::name::InstanceName;
use crate::tui::format::moment;
use crate::tui::state::State;
use ratatui::layout::Rect;

/// Columns of a time beside an event; the rows that go on begin behind them.
const TIME: usize = 9;
/// Columns of a reason, with the blank behind the longest one, `NotCertificateReady`.
pub(super) const REASON_COLUMNS: usize = 21;
/// Rows of one event in the pane: the whole of it is in the instance's own tab.
const ROWS_MAX: usize = 3;

/// The pane beside the table.
pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let inner = pen.frame(area, &[("Activity".to_owned(), theme.title)], "");
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let mut lines: Vec<Line> = Vec::new();
    for event in state.fleet.events.iter().rev() {
        if lines.len() >= usize::from(inner.height) {
            break;
        }
        let whose = event.instance.as_ref().map_or("host", |name| name.as_str());
        let mut line = vec![(padded(&when(event, state), TIME), theme.faint), (format!("{whose} "), theme.strong)];
        line.extend(said(event, &deed(event), pen));
        let mut rows = wrapped(&line, usize::from(inner.width), TIME);
        if rows.len() > ROWS_MAX {
            rows.truncate(ROWS_MAX);
            rows.last_mut().into_iter().for_each(|row| row.push((pen.glyphs().more.to_owned(), theme.faint)));
        }
        lines.extend(rows);
    }
    if lines.is_empty() {
        pen.text(inner.x, inner.y, inner.width, "nothing has happened yet", theme.faint);
    }
    pen.lines(inner, &lines, 0);
}

/// The time of today, else the day.
fn when(event: &Event, state: &State) -> String {
    let moment = moment(event.at, state.now, state.fleet.zone.as_ref());
    match moment.rsplit_once(' ') {
        Some((day, _)) => day.to_owned(),
        None => moment,
    }
}

/// The last events of one instance that say how it came to stand as it does: who knows of its alerts is in their view.
pub(super) fn last_of(state: &State, name: &InstanceName, count: usize, pen: &Pen<'_>) -> Vec<Line> {
    let own = state.fleet.events.iter().rev().filter(|event| event.instance.as_ref() == Some(name));
    own.filter(|event| event.kind != "alert").take(count).map(|event| line(state, event, pen)).collect()
}

/// One event in one row.
pub(super) fn line(state: &State, event: &Event, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let time = moment(event.at, state.now, state.fleet.zone.as_ref());
    let mut line =
        vec![(padded(&time, 14), theme.faint), (padded(&event.reason, REASON_COLUMNS), theme.of_level(event.level))];
    line.extend(said(event, &event.message, pen));
    if let Some(cause) = &event.cause {
        line.push((format!("  ({cause})"), theme.faint));
    }
    line
}

/// All that there is to say about an event.
pub(super) fn whole(state: &State, event: &Event, room: Room, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let zone = state.fleet.zone.as_ref();
    let at = format!("{} {}", moment(event.at, state.now, zone), crate::tui::format::zone_abbreviation(event.at, zone));
    let mut lines = vec![vec![(event.reason.clone(), theme.of_level(event.level)), (format!("   {at}"), theme.faint)]];
    let told = lines_of(&event.message, event.instance.as_ref(), room, pen);
    let (first, more) = told.split_first().map_or(("", &[][..]), |(first, more)| (first.as_str(), more));
    lines.push(said(event, first, pen));
    lines.extend(more.iter().map(|line| vec![(line.clone(), theme.of_level(event.level))]));
    for (word, text) in [("step", &event.step), ("cause", &event.cause)] {
        if let Some(text) = text {
            lines.push(vec![(format!("{word}: "), theme.faint), (text.clone(), theme.plain)]);
        }
    }
    lines.extend(advice(state, &event.reason, event.instance.as_ref(), pen));
    lines
}

/// What a reason means and what to do about it, with a blank row before it.
pub(super) fn advice(state: &State, reason: &str, name: Option<&InstanceName>, pen: &Pen<'_>) -> Vec<Line> {
    let Some(text) = (state.explain)(reason) else { return Vec::new() };
    let text = name.map_or_else(|| text.clone(), |name| text.replace("NAME", name.as_str()));
    vec![Vec::new(), vec![(text, pen.theme().plain)]]
}

/// What was done and to what. A step's message begins with the object, which mostly repeats the instance's name: its own
/// name says more.
fn deed(event: &Event) -> String {
    let step = event.step.as_ref().and_then(|step| step.split_once('/')).map(|(_, key)| key.replace(':', " "));
    let behind = event.message.split_once(": ").map(|(_, rest)| rest);
    match (event.kind.as_str(), step, behind) {
        ("step", Some(step), Some(why)) if event.reason == "StepFailed" => format!("{step} FAILED: {why}"),
        ("step" | "drift", Some(step), Some(why)) => format!("{step}: {why}"),
        _ => event.message.clone(),
    }
}

fn said(event: &Event, text: &str, pen: &Pen<'_>) -> Line {
    let mut line = vec![(text.to_owned(), pen.theme().of_level(event.level))];
    if event.count > 1 {
        line.push((format!("  {} times", event.count), pen.theme().faint));
    }
    line
}
