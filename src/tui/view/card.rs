//! The card beside the table: the selected instance at a glance.

use super::graph::{self, Figure};
use super::pen::{Line, Pen};
use super::table::padded;
use crate::model::status::InstanceStatus;
use crate::tui::fleet::Item;
use crate::tui::format::{age, size, span};
use crate::tui::state::State;
use ratatui::layout::Rect;

/// Columns of the words at the left.
const WORD: usize = 9;

pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let Some(item) = state.current().and_then(|name| state.fleet.get(name)) else {
        pen.frame(area, &[], "");
        return;
    };
    let inner = pen.frame(area, &[(item.name().to_string(), theme.title)], "enter opens");
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    let lines = about(state, item, inner.width, pen);
    // Of who has run nothing there is nothing to draw.
    let graphs = u16::from(item.samples.iter().any(|sample| sample.memory_bytes() > 0)) * 2;
    pen.lines(inner, &lines, 0);
    let below = inner.y + u16::try_from(lines.len()).unwrap_or(u16::MAX).min(inner.height);
    if graphs > 0 && below + graphs <= inner.bottom() {
        usage(item, Rect { y: below, height: 2, ..inner }, pen);
    }
    let rest = below + graphs;
    if rest < inner.bottom() {
        pen.lines(Rect { y: rest, height: inner.bottom() - rest, ..inner }, &troubles(item, inner.width, pen), 0);
    }
}

fn about(state: &State, item: &Item, columns: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let status = item.status();
    let word = |word: &str| (padded(word, WORD), theme.faint);
    let mut lines: Vec<Line> = vec![vec![
        word("state"),
        (format!("{} {}", pen.glyphs().of_state(status.state), status.state.as_str()), theme.of_state(status.state)),
        (format!("   wanted {}", status.wanted.as_str()), theme.plain),
    ]];
    if let Some(running) = super::table::running(state, item) {
        let width = usize::from(columns).saturating_sub(WORD).max(20);
        for (nth, row) in crate::model::text::wrap(&running, Some(width)).into_iter().enumerate() {
            lines.push(vec![word(if nth == 0 { "now" } else { "" }), (row, theme.moving)]);
        }
    }
    let plan = status.plan.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    let odoo = status.odoo.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    lines.push(vec![word("plan"), (format!("{plan}   odoo {odoo}"), theme.plain)]);
    if let Some(company) = item.company() {
        lines.push(vec![word("company"), (company.to_owned(), theme.plain)]);
    }
    for (nth, url) in status.urls.iter().take(3).enumerate() {
        lines.push(vec![word(if nth == 0 { "url" } else { "" }), (url.clone(), theme.plain)]);
    }
    lines.push(vec![word("cert"), certificate(state, status, pen)]);
    lines.push(vec![word("backup"), backup(state, status, pen)]);
    lines
}

pub(super) fn certificate(state: &State, status: &InstanceStatus, pen: &Pen<'_>) -> super::pen::Piece {
    match &status.certificate {
        Some(certificate) => {
            let left = crate::model::text::between(state.now, certificate.not_after).0;
            match left {
                0 => (format!("over, {}", certificate.issuer), pen.theme().bad),
                left => (format!("{} left, {}", span(left), certificate.issuer), pen.theme().plain),
            }
        }
        None => ("none yet".to_owned(), pen.theme().faint),
    }
}

pub(super) fn backup(state: &State, status: &InstanceStatus, pen: &Pen<'_>) -> super::pen::Piece {
    match &status.last_backup {
        Some(backup) => {
            let text = format!("{} ago, {}, {}", age(backup.at, state.now), size(backup.bytes), backup.word());
            (text, if backup.is_whole() { pen.theme().plain } else { pen.theme().warn })
        }
        None => ("none".to_owned(), pen.theme().faint),
    }
}

/// Processor and memory as one row each.
pub(super) fn usage(item: &Item, area: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let usage = super::table::running_usage(item.status());
    let or_dash = |text: Option<String>| format!("{:>6}", text.unwrap_or_else(|| "-".to_owned()));
    let figures = [
        ("cpu", or_dash(usage.map(|usage| format!("{:.0}%", usage.cpu_percent))), Figure::Cpu),
        ("mem", or_dash(usage.map(|usage| size(usage.memory_bytes))), Figure::Memory),
    ];
    for (y, (word, value, figure)) in (area.y..area.bottom()).zip(figures) {
        let parts = graph::parts(item, figure);
        let style = if parts.last().is_some_and(|part| *part >= 0.9) { theme.warn } else { theme.accent };
        pen.line(area.x, y, area.width, &[(padded(word, 4), theme.faint), (value, theme.plain)]);
        let graph = Rect { x: area.x + 12, y, width: area.width.saturating_sub(12), height: 1 };
        graph::row(&parts, graph, style, pen);
    }
}

/// Why it waits, what is wrong, what is to be done.
fn troubles(item: &Item, width: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let mut lines: Vec<Line> = vec![Vec::new()];
    let mut told = |text: &str, style| {
        for line in crate::model::text::wrap(text, Some(usize::from(width))) {
            lines.push(vec![(line, style)]);
        }
    };
    for hold in &item.status().holds {
        told(&format!("{}: {}", hold.reason.as_str(), hold.message), theme.warn);
    }
    if item.status().holds.is_empty() {
        let note = item.status().note();
        if !note.is_empty() {
            told(&note, theme.plain);
        }
    }
    for step in item.view.steps.iter() {
        told(&format!("{} {}: {}", pen.glyphs().arrow, step.resource, step.reason), theme.plain);
    }
    lines
}
