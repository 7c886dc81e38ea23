//! What happened, the newest first.

use super::pen::{Line, Pen};
use super::table::padded;
use crate::model::event::Event;
use crate::model::name::InstanceName;
use crate::tui::format::moment;
use crate::tui::state::State;
use ratatui::layout::Rect;

/// Columns of a name beside an event.
const NAME: usize = 12;

/// The pane beside the table.
pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let inner = pen.frame(area, &[("Activity".to_owned(), theme.title)], "");
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let lines: Vec<Line> = state
        .fleet
        .events
        .iter()
        .rev()
        .take(usize::from(inner.height))
        .map(|event| {
            let whose = event.instance.as_ref().map_or("host", |name| name.as_str());
            let mut line = vec![
                (padded(&when(event, state), 9), theme.faint),
                (padded(&super::pen::fitting(whose, NAME, pen.glyphs().more), NAME + 1), theme.strong),
            ];
            line.extend(said(event, shortened(event), pen));
            line
        })
        .collect();
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

/// Events of one instance, for its tab.
pub(super) fn lines_of(state: &State, name: &InstanceName, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let own = state.fleet.events.iter().rev().filter(|event| event.instance.as_ref() == Some(name));
    let mut lines: Vec<Line> = own
        .map(|event| {
            let time = moment(event.at, state.now, state.fleet.zone.as_ref());
            let mut line =
                vec![(padded(&time, 14), theme.faint), (padded(&event.reason, 18), theme.of_level(event.level))];
            line.extend(said(event, &event.message, pen));
            if let Some(cause) = &event.cause {
                line.push((format!("  ({cause})"), theme.faint));
            }
            line
        })
        .collect();
    if lines.is_empty() {
        lines.push(vec![("nothing of it among the events that are shown here".to_owned(), theme.faint)]);
        lines.push(vec![(format!("older ones: innkeeper events {name}"), theme.faint)]);
    }
    lines
}

/// How many [`lines_of`] has.
pub(super) fn count_of(state: &State, name: &InstanceName) -> usize {
    state.fleet.events.iter().filter(|event| event.instance.as_ref() == Some(name)).count().max(2)
}

/// A step's event begins with what it acted on, which mostly repeats the instance's name: in a small pane that is left out.
fn shortened(event: &Event) -> &str {
    let behind = event.message.split_once(": ").map(|(_, rest)| rest);
    behind.filter(|_| event.kind == "step" || event.kind == "drift").unwrap_or(&event.message)
}

fn said(event: &Event, text: &str, pen: &Pen<'_>) -> Line {
    let mut line = vec![(text.to_owned(), pen.theme().of_level(event.level))];
    if event.count > 1 {
        line.push((format!("  {} times", event.count), pen.theme().faint));
    }
    line
}
