//! What is to be done in the fleet, the riskiest first, and what waits; below, the selected instance's steps.

use super::pen::{Line, Pen};
use super::steps;
use super::table::padded;
use crate::model::step::Risk;
use crate::tui::fleet::Item;
use crate::tui::layout;
use crate::tui::state::{Row, State};
use ratatui::layout::Rect;

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
    let title = vec![
        ("Plan".to_owned(), theme.title),
        (format!("  {steps_all} steps to do, {holds} instances wait for something"), theme.faint),
    ];
    super::outline::list(state, list, &title, "RISK     INSTANCE            WHAT", pen, |row, pen| {
        item_of(state, row).map(|item| line(item, pen))
    });
    let Some(below) = below else { return };
    match state.row().and_then(|row| item_of(state, row)) {
        Some(item) => {
            let inner = pen.frame(below, &[(item.name().to_string(), theme.title)], "enter opens it");
            let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
            pen.lines(inner, &steps::lines(state, item, pen), 0);
        }
        None => {
            let inner = pen.frame(below, &[], "");
            let text = "Nothing is to be done and nothing waits: the fleet is as its files ask.";
            pen.text(inner.x + 1, inner.y, inner.width.saturating_sub(1), text, theme.faint);
        }
    }
}

fn item_of(state: &State, row: Row) -> Option<&Item> {
    match row {
        Row::Item(at) => state.fleet.items.get(at as usize),
        _ => None,
    }
}

fn line(item: &Item, pen: &Pen<'_>) -> Line {
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
    vec![(padded(word, 9), style), (padded(item.name().as_str(), 20), theme.strong), (what, theme.plain)]
}
