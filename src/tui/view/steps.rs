//! What is to be done for an instance, step by step: what runs, what waits for what, and what each changes.

use super::activity;
use super::pen::{Line, Pen, Piece};
use super::table::padded;
use crate::control::view::{PendingStep, RunView};
use crate::model::name::InstanceName;
use crate::model::step::{Origin, Risk};
use crate::tui::fleet::Item;
use crate::tui::format::{milliseconds, taken};
use crate::tui::keys::Action;
use crate::tui::state::State;

/// Columns of what [`word`] says, with the sign of plain characters.
const WORD: usize = 9;

/// The steps and the holds of one instance, row by row.
pub(super) fn lines(state: &State, item: &Item, pen: &Pen<'_>) -> Vec<Line> {
    let entries = entries(state, item, pen);
    if entries.is_empty() {
        return vec![vec![("nothing: it is as its file asks".to_owned(), pen.theme().faint)]];
    }
    entries.concat()
}

/// The same, each with the rows that say more of it.
pub(super) fn entries(state: &State, item: &Item, pen: &Pen<'_>) -> Vec<Vec<Line>> {
    let theme = pen.theme();
    let mut entries: Vec<Vec<Line>> = Vec::new();
    let any_ran = item.view.steps.iter().any(|step| state.fleet.run_of(step, item.name()).is_some());
    for step in item.view.steps.iter() {
        let run = match state.fleet.run_of(step, item.name()) {
            Some(run) => Some(word(state, run, pen)),
            None => any_ran.then(|| (" ".repeat(WORD), theme.plain)),
        };
        entries.push(of_step(step, run, pen));
    }
    for hold in &item.status().holds {
        entries.push(vec![vec![
            (format!(" {} ", pen.glyphs().waits), theme.warn),
            (format!("{}  ", hold.reason.as_str()), theme.warn),
            (hold.message.clone(), theme.plain),
        ]]);
    }
    if let (Some(next), Some(last)) = (item.status().next_try, entries.last_mut()) {
        let time = crate::tui::format::moment(next, state.now, state.fleet.zone.as_ref());
        let retry = state.keymap.hint(Action::Retry);
        last.push(vec![(format!("   tried again at {time}; {retry} tries now"), theme.faint)]);
    }
    entries
}

/// All that there is to say about one of them: of a hold also what to do about it.
pub(super) fn whole(state: &State, name: &InstanceName, at: usize, entry: &[Line], pen: &Pen<'_>) -> Vec<Line> {
    let mut lines = entry.to_vec();
    let item = state.fleet.get(name);
    let hold = item.and_then(|item| item.status().holds.get(at.checked_sub(item.view.steps.len())?));
    lines.extend(hold.into_iter().flat_map(|hold| activity::advice(state, hold.reason.as_str(), Some(name), pen)));
    lines
}

fn of_step(step: &PendingStep, run: Option<Piece>, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let sign = match step.fields.first() {
        _ if step.risk == Risk::Data => ("-", theme.bad),
        Some(field) if field.from.is_some() => ("~", theme.warn),
        _ => ("+", theme.good),
    };
    let mut first: Line = vec![
        (format!(" {} ", sign.0), sign.1),
        (padded(&step.kind, 20), theme.strong),
        (step.resource.clone(), theme.plain),
        (format!("  {}", step.reason), theme.faint),
    ];
    if let Some(run) = run {
        first.insert(0, run);
    }
    let mut lines = vec![first];
    for field in &step.fields {
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        let change = format!("{} {} {}", side(&field.from), pen.glyphs().arrow, side(&field.to));
        lines.push(vec![(format!("       {}: ", field.field), theme.faint), (change, theme.plain)]);
    }
    let mut more = vec![origin(step.origin).to_owned()];
    if step.risk != Risk::None {
        more.push(if step.risk == Risk::Data { "DELETES DATA" } else { "short interruption" }.to_owned());
    }
    if !step.after.is_empty() {
        let names: Vec<&str> =
            step.after.iter().map(|id| id.0.split_once('/').map_or(id.0.as_str(), |(_, key)| key)).collect();
        more.push(format!("after {}", names.join(", ")));
    }
    let style = if step.risk == Risk::Data { theme.bad } else { theme.faint };
    lines.push(vec![(format!("       {}", more.join("; ")), style)]);
    lines
}

fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Intended => "asked for by the file",
        Origin::Drift => "repairs what was changed by hand",
        Origin::Requested => "asked for by a person",
        Origin::Schedule => "its time came",
        Origin::ToolUpgrade => "this version wants it otherwise",
    }
}

/// How a step's run stands.
pub(super) fn word(state: &State, run: &RunView, pen: &Pen<'_>) -> Piece {
    let (theme, glyphs) = (pen.theme(), pen.glyphs());
    let (sign, style) = match (run.ended, &run.error) {
        (None, _) => (glyphs.runs, theme.moving),
        (Some(_), None) => (glyphs.done, theme.good),
        (Some(_), Some(_)) => (glyphs.broken, theme.bad),
    };
    let spent = taken(milliseconds(run.since, run.ended.unwrap_or(state.now)));
    (format!("{sign:<2}{spent:>6} "), style)
}

/// `######....  58%  ~40s left`, as far as it is known how long such a step takes.
pub(super) fn progress(state: &State, run: &RunView, columns: usize, pen: &Pen<'_>) -> Line {
    let (theme, glyphs) = (pen.theme(), pen.glyphs());
    let bar = |part: f64, style| {
        let full = ((columns as f64) * part.clamp(0.0, 1.0)).round() as usize;
        vec![(glyphs.full.repeat(full), style), (glyphs.empty.repeat(columns - full), theme.faint)]
    };
    let spent = milliseconds(run.since, run.ended.unwrap_or(state.now));
    // What Odoo says of itself is better than what is usual.
    let far = run.progress.as_ref().map(|it| (it.fraction().unwrap_or_default(), it.to_string()));
    match (run.ended, &run.error, run.expected_ms) {
        (Some(_), Some(_), _) => vec![(glyphs.broken.to_owned(), theme.bad)],
        (Some(_), None, _) => bar(1.0, theme.good),
        (None, _, _) if far.is_some() => {
            let (fraction, text) = far.unwrap_or_default();
            let mut line = bar(fraction, theme.moving);
            line.push((format!("  {text}"), theme.moving));
            line
        }
        (None, _, None) => vec![("its time is not known yet".to_owned(), theme.faint)],
        (None, _, Some(expected)) if spent > expected => {
            let mut line = bar(1.0, theme.warn);
            line.push((format!("  longer than {}", taken(expected)), theme.warn));
            line
        }
        (None, _, Some(expected)) => {
            let mut line = bar(spent as f64 / expected.max(1) as f64, theme.moving);
            line.push((format!("  ~{} left", taken(expected - spent)), theme.faint));
            line
        }
    }
}
