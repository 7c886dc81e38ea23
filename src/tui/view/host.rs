//! The host: systems behind the edges, room on disk and in memory, how full the plans are.

use super::pen::{Line, Pen};
use super::table::padded;
use crate::control::view::{FleetView, HostView};
use crate::tui::format::{age, moment, size};
use crate::tui::layout::{self, Room};
use crate::tui::state::State;
use ratatui::layout::Rect;

/// Columns of a bar.
const BAR: usize = 24;

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let area = layout::parts(state.size).body;
    let title = vec![("Host".to_owned(), pen.theme().title)];
    let inner = match layout::room(state.size) {
        Room::Line | Room::Tiny => area,
        _ => pen.frame(area, &title, "`innkeeper doctor` checks all of it"),
    };
    let inner = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
    match &state.fleet.facts {
        Some(facts) => pen.lines(inner, &lines(state, facts, pen), 0),
        None => drop(pen.text(inner.x, inner.y, inner.width, "nothing is known yet", pen.theme().faint)),
    }
}

fn lines(state: &State, facts: &FleetView, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let host = &facts.host;
    let head = |word: &str| (padded(word, 14), theme.faint);
    let since = facts.daemon.since.map_or_else(
        || "-".to_owned(),
        |since| format!("{} ({})", moment(since, state.now, state.fleet.zone.as_ref()), age(since, state.now)),
    );
    let pid = facts.daemon.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let mut lines = vec![
        vec![head("host"), (host.name.clone(), theme.strong), (format!("   {} cores", host.cpus), theme.faint)],
        vec![head("daemon"), (format!("innkeeper {}, process {pid}, since {since}", facts.version), theme.plain)],
        vec![head("fleet"), (format!("*.{}   times in {}", facts.base_domain, facts.timezone), theme.plain)],
        vec![head("turns"), (format!("{} now, {} wait", host.turns_running, host.turns_waiting), theme.plain)],
        Vec::new(),
    ];
    lines.extend(systems(state, host, pen));
    lines.push(Vec::new());
    lines.extend(room(host, pen));
    lines.push(Vec::new());
    for (nth, plan) in facts.plans.iter().enumerate() {
        let mut line = vec![head(if nth == 0 { "plans" } else { "" }), (padded(plan.name.as_str(), 16), theme.strong)];
        line.extend(bar(f64::from(plan.used) / f64::from(plan.max_instances.max(1)), pen));
        line.push((format!("  {} of {}", plan.used, plan.max_instances), theme.plain));
        line.push((format!("   {}", plan.title), theme.faint));
        lines.push(line);
    }
    lines
}

fn systems(state: &State, host: &HostView, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let line = |(nth, edge): (usize, &crate::control::view::EdgeView)| {
        let head = (padded(if nth == 0 { "systems" } else { "" }, 14), theme.faint);
        let (word, style) = match &edge.lost {
            None => (format!("{} answers", pen.glyphs().done), theme.good),
            Some(why) => {
                let since = edge.since.map_or_else(String::new, |since| format!(" for {}", age(since, state.now)));
                (format!("{}{since}: {why}", pen.glyphs().broken), theme.bad)
            }
        };
        vec![head, (padded(&edge.edge, 28), theme.strong), (word, style)]
    };
    host.edges.iter().enumerate().map(line).collect()
}

fn room(host: &HostView, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let mut lines = Vec::new();
    let mut add = |word: &str, all: Option<u64>, free: Option<u64>| {
        let mut line = vec![(padded(word, 14), theme.faint)];
        match (all, free) {
            (Some(all), Some(free)) => {
                line.extend(bar(1.0 - free as f64 / all.max(1) as f64, pen));
                line.push((format!("  {} of {} free", size(free), size(all)), theme.plain));
            }
            _ => line.push(("not known".to_owned(), theme.faint)),
        }
        lines.push(line);
    };
    add("memory", host.memory_bytes, host.memory_available_bytes);
    add("disk", host.disk_bytes, host.disk_free_bytes);
    let load = host.load.map_or_else(|| "not known".to_owned(), |load| format!("{load:.2} on {} cores", host.cpus));
    lines.push(vec![(padded("load", 14), theme.faint), (load, theme.plain)]);
    lines
}

fn bar(part: f64, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let full = ((BAR as f64) * part.clamp(0.0, 1.0)).round() as usize;
    let style = if part >= 0.9 { theme.warn } else { theme.accent };
    vec![(pen.glyphs().full.repeat(full), style), (pen.glyphs().empty.repeat(BAR - full), theme.faint)]
}
