//! Wanted and live side by side: one row a part, with what the last look said about it.

use super::card;
use super::graph::{self, Figure};
use super::pen::{Line, Pen};
use super::table::padded;
use crate::model::status::{Condition, ConditionStatus, ConditionType, UsageStatus};
use crate::model::text::{harmless, wrap};
use crate::model::wanted::{Wanted, WantedState};
use crate::tui::fleet::Item;
use crate::tui::format::{age, size};
use crate::tui::layout::{self, Room};
use crate::tui::state::State;
use ratatui::layout::Rect;

/// Rows of the graphs below, with their frames.
const GRAPHS_HEIGHT: u16 = 8;
/// Columns of what is wanted and of what is live: the rest is for what is wrong.
const PART_COLUMNS_MAX: usize = 34;
/// With less room only what came of it is told.
const PARTS_WIDE_COLUMNS_MIN: u16 = 56;
/// Events of it that are shown below.
const EVENTS_MAX: usize = 12;

pub(super) fn draw(state: &State, item: &Item, area: Rect, scroll: usize, pen: &mut Pen<'_>) {
    let lines = lines(state, item, area, pen);
    let framed = layout::room(state.size) > Room::Tiny;
    pen.lines_scrolled(area, &lines, scroll, framed);
    // What was sampled has room below the text, or none: nothing that is read is hidden for it.
    let free = area.height.saturating_sub(u16::try_from(lines.len()).unwrap_or(u16::MAX));
    if is_drawn(item) && free >= GRAPHS_HEIGHT {
        let below = Rect { y: area.bottom() - GRAPHS_HEIGHT, height: GRAPHS_HEIGHT, ..area };
        let left = Rect { width: below.width / 2, ..below };
        let right = Rect { x: left.right(), width: below.width - left.width, ..below };
        draw_graph(item, "cpu of its limit", Figure::Cpu, left, pen);
        draw_graph(item, "memory of its limit", Figure::Memory, right, pen);
    }
}

/// Of who has run nothing there is nothing to draw.
fn is_drawn(item: &Item) -> bool {
    item.samples.iter().any(|sample| sample.memory_bytes() > 0)
}

fn draw_graph(item: &Item, title: &str, figure: Figure, area: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let parts = graph::parts(item, figure);
    let newest = parts.last().copied().unwrap_or_default() * 100.0;
    let below = crate::tui::format::many(parts.len(), "sample");
    let inner = pen.frame(area, &[(title.to_owned(), theme.title), (format!("  {newest:.0}%"), theme.plain)], &below);
    graph::block(&parts, inner, if newest >= 90.0 { theme.warn } else { theme.accent }, pen);
}

/// The text of the tab. Where the graphs have room below it, it has as many events as leave them theirs.
pub(super) fn lines(state: &State, item: &Item, area: Rect, pen: &Pen<'_>) -> Vec<Line> {
    let mut lines = about_all(state, item, area.width, pen);
    let free = usize::from(area.height).saturating_sub(lines.len() + 2);
    let beside_graphs = free.checked_sub(usize::from(GRAPHS_HEIGHT)).filter(|count| *count > 0 && is_drawn(item));
    let events = super::activity::last_of(state, item.name(), beside_graphs.unwrap_or(EVENTS_MAX).min(EVENTS_MAX), pen);
    if !events.is_empty() {
        lines.push(Vec::new());
        lines.push(vec![("LAST EVENTS".to_owned(), pen.theme().faint)]);
        lines.extend(events);
    }
    lines
}

fn about_all(state: &State, item: &Item, width: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let status = item.status();
    let wanted = item.view.wanted.as_deref();
    let head = |word: &str| (padded(word, 10), theme.faint);
    let mut lines: Vec<Line> = vec![vec![
        head("state"),
        (format!("{} {}", pen.glyphs().of_state(status.state), status.state.as_str()), theme.of_state(status.state)),
        (format!("     wanted {}", status.wanted.as_str()), theme.plain),
    ]];
    let room = Some(usize::from(width).saturating_sub(12).max(20));
    for (nth, row) in wrap(&super::table::running(state, item).unwrap_or_default(), room).into_iter().enumerate() {
        lines.push(vec![head(if nth == 0 { "now" } else { "" }), (row, theme.moving)]);
    }
    for line in wrap(&super::table::note(item), room) {
        lines.push(vec![head(""), (line, theme.warn)]);
    }
    if let Some(wanted) = wanted {
        lines.extend(about(wanted, pen));
    }
    for (nth, url) in status.urls.iter().enumerate() {
        lines.push(vec![head(if nth == 0 { "urls" } else { "" }), (url.clone(), theme.plain)]);
    }
    lines.push(Vec::new());
    lines.extend(parts(state, item, width, pen));
    lines.push(Vec::new());
    lines.push(match &status.usage {
        Some(usage) => vec![head("usage"), (used(usage), theme.plain)],
        None => vec![head("usage"), ("no sample yet".to_owned(), theme.faint)],
    });
    let same = status.generation == status.observed_generation;
    let version = match same {
        true => format!("version {} is in force", status.generation),
        false => format!("its newest version ({}) is not applied yet", status.generation),
    };
    lines.push(vec![head("file"), (version, if same { theme.plain } else { theme.moving })]);
    if let Some(uid) = status.uid {
        lines.push(vec![head("uid"), (uid.to_string(), theme.faint)]);
    }
    lines
}

/// `cpu 75%   memory 1.5G of 2.0G   database 6.6G   files 2.2G`
fn used(usage: &UsageStatus) -> String {
    let container = match usage.is_of_a_container() {
        true => {
            let (memory, limit) = (size(usage.memory_bytes), size(usage.memory_limit_bytes));
            format!("cpu {:.0}%   memory {memory} of {limit}", usage.cpu_percent)
        }
        false => "cpu -   memory -".to_owned(),
    };
    format!("{container}   database {}   files {}", size(usage.database_bytes), size(usage.filestore_bytes))
}

fn about(wanted: &Wanted, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let head = |word: &str| (padded(word, 10), theme.faint);
    let limits = &wanted.limits;
    let plan = format!(
        "{}: {} cpu, {} memory, {} disk, {} workers     odoo {}",
        wanted.plan,
        f64::from(limits.cpu_millis) / 1_000.0,
        size(limits.memory.0),
        size(limits.disk.0),
        limits.workers,
        wanted.odoo
    );
    let mut lines = vec![
        vec![head("plan"), (plan, theme.plain)],
        vec![
            head("company"),
            (wanted.company.name.clone(), theme.plain),
            (format!("     admin {}", wanted.admin_email), theme.faint),
        ],
    ];
    let mut flags: Vec<&str> = Vec::new();
    flags.extend(wanted.protected.then_some("protected"));
    flags.extend(wanted.suspended.then_some("suspended: looked at, not changed"));
    if !flags.is_empty() {
        lines.push(vec![head(""), (flags.join(", "), theme.warn)]);
    }
    lines
}

/// One part: what is wanted, what is live, and the condition that tells.
struct Part {
    part: &'static str,
    wanted: String,
    live: String,
    told_by: ConditionType,
}

/// Columns of the parts' names, of how long it has been so, and of the longest result, `· not yet right`.
const PART_COLUMNS: usize = 13;
const SINCE_COLUMNS: usize = 7;
const RESULT_COLUMNS: usize = 15;

fn parts(state: &State, item: &Item, width: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let status = item.status();
    let columns = (usize::from(width).saturating_sub(PART_COLUMNS + SINCE_COLUMNS + RESULT_COLUMNS) / 2)
        .clamp(12, PART_COLUMNS_MAX);
    let wide = width >= PARTS_WIDE_COLUMNS_MIN;
    let beside = if wide { padded("WANTED", columns) + &padded("LIVE", columns) } else { String::new() };
    let head = format!("{}{beside}{}RESULT", padded("PART", PART_COLUMNS), padded("SINCE", SINCE_COLUMNS));
    let mut lines = vec![vec![(head, theme.faint)]];
    for part in of(state, item, pen) {
        let condition = status.condition(part.told_by);
        let right = condition.map(|condition| (status.is_right(condition), condition));
        let (mark, style) = match right {
            Some((Some(true), _)) => (format!("{} ok", pen.glyphs().done), theme.good),
            Some((Some(false), _)) => (format!("{} not yet right", pen.glyphs().waits), theme.warn),
            Some((None, condition)) if condition.is_unseen() => ("? not seen".to_owned(), theme.warn),
            Some((None, _)) => ("? not known".to_owned(), theme.faint),
            None => ("-".to_owned(), theme.faint),
        };
        let since = condition.map_or_else(String::new, |condition| age(condition.since, state.now));
        let fit = |text: &str| padded(&super::pen::fitting(text, columns - 1, pen.glyphs().more), columns);
        let mut line = vec![(padded(part.part, PART_COLUMNS), theme.strong)];
        if wide {
            line.extend([(fit(&part.wanted), theme.plain), (fit(&part.live), theme.plain)]);
        }
        line.extend([(padded(&since, SINCE_COLUMNS), theme.faint), (mark, style)]);
        lines.push(line);
        // The rest of it in as many rows as it takes.
        let more = right.map(|(right, condition)| said(state, item, &part, right, condition)).unwrap_or_default();
        let room = usize::from(width).saturating_sub(PART_COLUMNS).max(20);
        lines.extend(
            wrap(&harmless(&more), Some(room))
                .into_iter()
                .map(|row| vec![(" ".repeat(PART_COLUMNS), style), (row, style)]),
        );
    }
    lines
}

/// What there is to say of a part that is not as it should be. Not seen is not gone: what was known last is said.
fn said(state: &State, item: &Item, part: &Part, right: Option<bool>, condition: &Condition) -> String {
    if right == Some(true) {
        return String::new();
    }
    if condition.is_unseen() {
        let was = match (part.told_by, condition.last_known) {
            (ConditionType::ModulesReady | ConditionType::CertificateReady, Some(_)) => part.live.clone(),
            (_, Some(ConditionStatus::True)) => "as it should be".to_owned(),
            (_, Some(_)) => "not as it should be".to_owned(),
            (_, None) => "not known".to_owned(),
        };
        return format!("not seen for {} (was: {was})", age(condition.since, state.now));
    }
    // What the login page waits for is said where it is, and the problems of the file above.
    let is_repeated = match part.told_by {
        ConditionType::Ready => ConditionType::PARTS.iter().any(|kind| {
            item.status().condition(*kind).is_some_and(|it| it.message == condition.message && !it.message.is_empty())
        }),
        ConditionType::SpecValid => item.status().note().contains(&condition.message),
        _ => false,
    };
    match (is_repeated, condition.message.is_empty()) {
        (true, _) => String::new(),
        (false, true) => condition.reason.clone(),
        (false, false) => condition.message.clone(),
    }
}

fn of(state: &State, item: &Item, pen: &Pen<'_>) -> Vec<Part> {
    let status = item.status();
    let wanted = item.view.wanted.as_deref();
    let names = |count: usize| format!("{count} {}", if count == 1 { "name" } else { "names" });
    let running = status.wanted == WantedState::Running;
    // What is not seen now is told as it was.
    let word = |kind: ConditionType, yes: &str, no: &str| match status.condition(kind) {
        Some(it) if it.is_unseen() => "not seen".to_owned(),
        Some(it) if it.status == ConditionStatus::True => yes.to_owned(),
        Some(it) if it.status == ConditionStatus::Unknown => "not known".to_owned(),
        Some(it) if status.is_right(it) == Some(true) => "stopped, as asked".to_owned(),
        _ => no.to_owned(),
    };
    let part = |part, told_by, wanted: String, live: String| Part { part, wanted, live, told_by };
    let installed = status.modules.wanted.intersection(&status.modules.installed).count();
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    vec![
        part(
            "file",
            ConditionType::SpecValid,
            format!("instances.d/{}.toml", status.name),
            word(ConditionType::SpecValid, "read and valid", "has problems"),
        ),
        part(
            "database",
            ConditionType::DatabaseReady,
            status.database.clone(),
            word(ConditionType::DatabaseReady, "present, its role's own", "not as it should be"),
        ),
        part(
            "modules",
            ConditionType::ModulesReady,
            status.modules.wanted.len().to_string(),
            format!("{installed} installed"),
        ),
        part(
            "set-up",
            ConditionType::SetupDone,
            or_dash(wanted.map(|wanted| wanted.company.name.clone())),
            word(ConditionType::SetupDone, "company and administrator are set", "not yet"),
        ),
        part(
            "container",
            ConditionType::AppReady,
            if running { or_dash(wanted.map(|wanted| wanted.image.clone())) } else { "stopped".to_owned() },
            word(ConditionType::AppReady, "runs as it should", "not as it should be"),
        ),
        part(
            "site",
            ConditionType::SiteReady,
            names(status.urls.len()),
            word(ConditionType::SiteReady, "loaded by nginx", "not loaded"),
        ),
        part(
            "certificate",
            ConditionType::CertificateReady,
            names(status.urls.len()),
            card::certificate(state, status, pen).0,
        ),
        part(
            "login page",
            ConditionType::Ready,
            if running { "answers" } else { "does not answer" }.to_owned(),
            word(ConditionType::Ready, "proven through nginx", "not proven"),
        ),
    ]
}
