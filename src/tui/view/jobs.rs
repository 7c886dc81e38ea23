//! Steps on their way, with how long such steps take here, and those that ended; below, all steps of the instance.

use super::pen::{Line, Pen, all_wrapped};
use super::table::padded;
use super::{outline, steps};
use crate::control::view::RunView;
use crate::tui::format::{at_work, milliseconds, moment, taken};
use crate::tui::keys::Action;
use crate::tui::layout::{self, Room};
use crate::tui::state::{Row, State};
use ratatui::layout::Rect;

/// Columns of a bar.
const BAR: usize = 20;
const BAR_NARROW: usize = 8;
/// Columns of a step's kind.
const STEP_COLUMNS: usize = 22;
/// Columns of when a step began, and from which width of the screen on it has a column.
const BEGAN_COLUMNS: usize = 14;
const BEGAN_SCREEN_COLUMNS_MIN: u16 = 100;

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let (list, below) = layout::halves(state);
    let running = state.fleet.running().count();
    let failed = state.fleet.runs.values().filter(|run| run.error.is_some()).count();
    let mut title = vec![
        ("Jobs".to_owned(), theme.title),
        (format!("  {running} run, {} ended", state.fleet.runs.len() - running), theme.faint),
    ];
    if failed > 0 {
        title.push((format!(", {failed} failed"), theme.bad));
    }
    if let Some(facts) = &state.fleet.facts {
        let host = &facts.host;
        title.push((format!("   {}", at_work(host.turns_running, host.turns_waiting)), theme.faint));
    }
    let took = format!("{:>8}   ", "TOOK");
    let name = padded("INSTANCE", outline::name_columns(state));
    let began = if shows_began(state) { padded("BEGAN", BEGAN_COLUMNS) } else { String::new() };
    let head = format!("{took}{name}{began}{}PROGRESS", padded("STEP", STEP_COLUMNS));
    outline::list(state, list, &title, &head, pen, |row, pen| run_of(state, row).map(|run| line(state, run, pen)));
    let Some(below) = below else { return };
    let Some(run) = state.row().and_then(|row| run_of(state, row)) else {
        let inner = pen.frame(below, &[], "");
        outline::remark(inner, "No step has run since the daemon started.", pen);
        return;
    };
    let inner = pen.frame(below, &[(run.step.to_string(), theme.title)], "enter opens the instance");
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    pen.lines(inner, &all_wrapped(about(state, run, pen), inner.width, 4), 0);
}

/// With little room it is told of the selected one alone.
fn shows_began(state: &State) -> bool {
    state.size.0 >= BEGAN_SCREEN_COLUMNS_MIN
}

fn run_of(state: &State, row: Row) -> Option<&RunView> {
    match row {
        Row::Run(id) => state.fleet.runs.get(&id),
        _ => None,
    }
}

fn line(state: &State, run: &RunView, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let whose = run.instance.as_ref().map_or("host", |name| name.as_str());
    let mut line =
        vec![steps::word(state, run, pen), (format!("  {}", outline::in_name_column(state, whose, pen)), theme.strong)];
    if shows_began(state) {
        let began = moment(run.since, state.now, state.fleet.zone.as_ref());
        line.push((padded(&began, BEGAN_COLUMNS), theme.faint));
    }
    line.push((padded(&run.kind, STEP_COLUMNS), theme.plain));
    match (&run.error, run.ended) {
        (Some(error), _) => line.push((error.clone(), theme.bad)),
        (None, Some(_)) => line.push((run.reason.clone(), theme.faint)),
        (None, None) => {
            let bar = if layout::room(state.size) < Room::Panes { BAR_NARROW } else { BAR };
            line.extend(steps::progress(state, run, bar, pen));
        }
    }
    line
}

fn about(state: &State, run: &RunView, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let zone = state.fleet.zone.as_ref();
    let began = moment(run.since, state.now, zone);
    let expected = run.expected_ms.map_or_else(
        || "how long such a step takes is not known yet".to_owned(),
        |expected| format!("such steps took {}", taken(expected)),
    );
    let spent = taken(milliseconds(run.since, run.ended.unwrap_or(state.now)));
    let so_far = if run.ended.is_some() { "took" } else { "runs for" };
    let mut lines = vec![vec![
        (run.reason.clone(), theme.plain),
        (format!("   began {began}, {so_far} {spent}; {expected}"), theme.faint),
    ]];
    if let Some(progress) = run.progress.as_ref().filter(|_| run.ended.is_none()) {
        lines.push(vec![(format!("Odoo is at {progress}"), theme.moving)]);
    }
    if let Some(error) = &run.error {
        lines.push(vec![(error.clone(), theme.bad)]);
        let retry = state.keymap.hint(Action::Retry);
        lines.push(vec![(format!("{retry} forgets the back-off and tries again now"), theme.faint)]);
    }
    lines.push(Vec::new());
    let item = run.instance.as_ref().and_then(|name| state.fleet.get(name));
    match item.filter(|item| !item.view.steps.is_empty()) {
        Some(item) => lines.extend(steps::lines(state, item, pen)),
        None => lines.push(vec![("Nothing more is to be done for it.".to_owned(), theme.faint)]),
    }
    lines
}
