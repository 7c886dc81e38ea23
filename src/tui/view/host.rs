//! The host: systems behind the edges, room on disk and in memory, how full the plans are.

use super::pen::{Line, Pen, all_wrapped};
use super::table::padded;
use crate::control::view::{FleetView, HostView};
use crate::tui::format::{self, age, moment, size};
use crate::tui::layout::{self, Room};
use crate::tui::look::{COLOURS, Look, UNICODE};
use crate::tui::state::{Link, State};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// Columns of a bar, where there is room.
const BAR: usize = 24;
/// Columns of `  45 of 100`, with the blanks behind it.
const PLAN_USED: usize = 16;
/// Columns of the words at the left.
const HEAD: usize = 14;

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let area = layout::parts(state.size).body;
    let title = vec![("Host".to_owned(), pen.theme().title)];
    let framed = is_framed(state);
    let inner = if framed { pen.frame(area, &title, "`innkeeper doctor` checks all of it") } else { area };
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    pen.lines_scrolled(inner, &rows(state, inner.width, pen), state.host_scroll, framed);
}

/// How many rows there are in all.
pub(super) fn count(state: &State) -> usize {
    // Looks do not change it.
    let mut none = Buffer::default();
    let pen = Pen::new(&mut none, Look { theme: COLOURS, glyphs: &UNICODE });
    let columns = state.size.0.saturating_sub(if is_framed(state) { 4 } else { 2 });
    rows(state, columns, &pen).len()
}

fn is_framed(state: &State) -> bool {
    layout::room(state.size) > Room::Tiny
}

/// The lines, each in as many rows as it takes.
fn rows(state: &State, columns: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let mut all: Vec<Line> = match &state.fleet.facts {
        Some(facts) => lines(state, facts, pen),
        None => vec![vec![("nothing is known yet".to_owned(), theme.faint)]],
    };
    // Below the views there is one row for it, which has no room for a long one.
    if let Link::Down { why, .. } = &state.link {
        all.insert(0, vec![(padded("no answer", HEAD), theme.faint), (why.clone(), theme.warn)]);
    }
    all_wrapped(all, columns, HEAD)
}

fn lines(state: &State, facts: &FleetView, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let host = &facts.host;
    let head = |word: &str| (padded(word, HEAD), theme.faint);
    let since = facts.daemon.since.map_or_else(
        || "-".to_owned(),
        |since| format!("{} ({})", moment(since, state.now, state.fleet.zone.as_ref()), age(since, state.now)),
    );
    let pid = facts.daemon.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let mut lines = vec![
        vec![head("host"), (host.name.clone(), theme.strong), (format!("   {} cores", host.cpus), theme.faint)],
        vec![head("daemon"), (format!("innkeeper {}, process {pid}, since {since}", facts.version), theme.plain)],
        vec![head("fleet"), (format!("*.{}   times in {}", facts.base_domain, facts.timezone), theme.plain)],
        vec![head("instances"), (at_work(host), theme.plain)],
        Vec::new(),
    ];
    lines.extend(systems(state, host, pen));
    lines.push(Vec::new());
    lines.extend(room(host, bar_columns(state), pen));
    lines.push(Vec::new());
    let longest = facts.plans.iter().map(|plan| plan.name.as_str().len()).max().unwrap_or_default();
    for (nth, plan) in facts.plans.iter().enumerate() {
        let name = padded(plan.name.as_str(), longest + 2);
        let mut line = vec![head(if nth == 0 { "plans" } else { "" }), (name, theme.strong)];
        line.extend(bar(f64::from(plan.used) / f64::from(plan.max_instances.max(1)), bar_columns(state), pen));
        line.push((padded(&format!("  {} of {}", plan.used, plan.max_instances), PLAN_USED), theme.plain));
        line.push((plan.title.clone(), theme.faint));
        lines.push(line);
    }
    lines
}

/// How many instances there is something to do for.
fn at_work(host: &HostView) -> String {
    let told = format::at_work(host.turns_running, host.turns_waiting);
    if told.is_empty() { "none is worked on".to_owned() } else { told }
}

/// Columns of a bar: as many as leave room for the words behind it.
fn bar_columns(state: &State) -> usize {
    match layout::room(state.size) {
        Room::Line | Room::Tiny => 6,
        Room::Narrow => 12,
        _ => BAR,
    }
}

fn systems(state: &State, host: &HostView, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let longest = host.edges.iter().map(|edge| edge.edge.len()).max().unwrap_or_default();
    let line = |(nth, edge): (usize, &crate::control::view::EdgeView)| {
        let head = (padded(if nth == 0 { "systems" } else { "" }, HEAD), theme.faint);
        let (word, style) = match &edge.lost {
            None => (format!("{} answers", pen.glyphs().done), theme.good),
            Some(why) => {
                let since = edge.since.map_or_else(String::new, |since| format!(" for {}", age(since, state.now)));
                (format!("{}{since}: {why}", pen.glyphs().broken), theme.bad)
            }
        };
        vec![head, (padded(&edge.edge, longest + 2), theme.strong), (word, style)]
    };
    host.edges.iter().enumerate().map(line).collect()
}

fn room(host: &HostView, columns: usize, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let mut lines = Vec::new();
    let mut add = |word: &str, all: Option<u64>, free: Option<u64>| {
        let mut line = vec![(padded(word, HEAD), theme.faint)];
        match (all, free) {
            (Some(all), Some(free)) => {
                // The bar and its words say the same.
                let used = all.saturating_sub(free);
                line.extend(bar(used as f64 / all.max(1) as f64, columns, pen));
                line.push((format!("  {} of {} used", size(used), size(all)), theme.plain));
            }
            _ => line.push(("not known".to_owned(), theme.faint)),
        }
        lines.push(line);
    };
    add("memory", host.memory_bytes, host.memory_available_bytes);
    add("disk", host.disk_bytes, host.disk_free_bytes);
    let load = host.load.map_or_else(|| "not known".to_owned(), |load| format!("{load:.2} on {} cores", host.cpus));
    lines.push(vec![(padded("load", HEAD), theme.faint), (load, theme.plain)]);
    lines
}

fn bar(part: f64, columns: usize, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let full = ((columns as f64) * part.clamp(0.0, 1.0)).round() as usize;
    let style = if part >= 0.9 { theme.warn } else { theme.accent };
    vec![(pen.glyphs().full.repeat(full), style), (pen.glyphs().empty.repeat(columns - full), theme.faint)]
}
