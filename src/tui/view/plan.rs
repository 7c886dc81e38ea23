//! What is to be done in the fleet, the riskiest first, and what waits; below, the selected instance's steps.

use super::pen::{Line, Pen, all_wrapped};
use super::table::padded;
use super::{outline, steps};
use crate::model::step::Risk;
use crate::tui::fleet::Item;
use crate::tui::format::many;
use crate::tui::layout;
use crate::tui::state::{Row, State};
use ratatui::layout::Rect;

/// Columns of the risk.
const RISK_COLUMNS: usize = 9;

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let (list, below) = layout::halves(state);
    let (mut steps_all, mut holds) = (0, 0);
    for row in &state.list.rows {
        if let Some(item) = item_of(state, *row) {
            steps_all += item.view.steps.len();
            holds += usize::from(!item.status().holds.is_empty());
        }
    }
    let waiting = if holds == 1 { "1 instance waits".to_owned() } else { format!("{holds} instances wait") };
    let title = vec![
        ("Plan".to_owned(), theme.title),
        (format!("  {} to do, {waiting} for something", many(steps_all, "step")), theme.faint),
    ];
    let head = format!("{}{}WHAT", padded("RISK", RISK_COLUMNS), padded("INSTANCE", outline::name_columns(state)));
    outline::list(state, list, &title, &head, pen, |row, pen| item_of(state, row).map(|item| line(state, item, pen)));
    let Some(below) = below else { return };
    match state.row().and_then(|row| item_of(state, row)) {
        Some(item) => {
            let inner = pen.frame(below, &[(item.name().to_string(), theme.title)], "enter opens it");
            let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
            pen.lines(inner, &all_wrapped(steps::lines(state, item, pen), inner.width, 4), 0);
        }
        None => {
            let inner = pen.frame(below, &[], "");
            outline::remark(inner, "Nothing is to be done and nothing waits: the fleet is as its files ask.", pen);
        }
    }
}

fn item_of(state: &State, row: Row) -> Option<&Item> {
    match row {
        Row::Item(at) => state.fleet.items.get(at as usize),
        _ => None,
    }
}

fn line(state: &State, item: &Item, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let risk = item.view.steps.iter().map(|step| step.risk).max();
    let (word, style) = match risk {
        Some(Risk::Data) => ("DATA", theme.bad),
        Some(Risk::Interruption) => ("restarts", theme.warn),
        Some(Risk::None) => ("none", theme.good),
        None => ("waits", theme.warn),
    };
    let what = match item.view.steps.len() {
        0 => item.status().note(),
        _ => super::table::note_of_steps(item),
    };
    let name = outline::in_name_column(state, item.name().as_str(), pen);
    vec![(padded(word, RISK_COLUMNS), style), (name, theme.strong), (what, theme.plain)]
}
