//! Wanted and live side by side: one row a part, with what the last look said about it.

use super::card;
use super::graph::{self, Figure};
use super::pen::{Line, Pen};
use super::table::padded;
use crate::model::status::{Condition, ConditionStatus, ConditionType};
use crate::model::text::wrap;
use crate::model::wanted::Wanted;
use crate::tui::fleet::Item;
use crate::tui::format::{age, size};
use crate::tui::state::State;
use ratatui::layout::Rect;

/// Rows of the graphs below.
const GRAPH_ROWS: u16 = 6;
/// Columns of what is wanted and of what is live: the rest is for what is wrong.
const PART_COLUMNS_MAX: usize = 34;
/// With less room only what came of it is told.
const PARTS_WIDE_COLUMNS_MIN: u16 = 56;
/// Events of it that are shown below.
const EVENTS_MAX: usize = 12;
/// Room for lines above the graphs.
const LINES_MIN: u16 = 18;

pub(super) fn draw(state: &State, item: &Item, area: Rect, scroll: usize, pen: &mut Pen<'_>) {
    let lines = lines(state, item, area.width, pen);
    let graphs = !item.samples.is_empty() && area.height >= LINES_MIN + GRAPH_ROWS + 2;
    let text = if graphs { Rect { height: area.height - GRAPH_ROWS - 2, ..area } } else { area };
    pen.lines(text, &lines, scroll);
    if graphs {
        let below = Rect { y: text.bottom(), height: GRAPH_ROWS + 2, ..area };
        let left = Rect { width: below.width / 2, ..below };
        let right = Rect { x: left.right(), width: below.width - left.width, ..below };
        draw_graph(item, "cpu of its limit", Figure::Cpu, left, pen);
        draw_graph(item, "memory of its limit", Figure::Memory, right, pen);
    }
}

fn draw_graph(item: &Item, title: &str, figure: Figure, area: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let parts = graph::parts(item, figure);
    let newest = parts.last().copied().unwrap_or_default() * 100.0;
    let below = crate::tui::format::many(parts.len(), "sample");
    let inner = pen.frame(area, &[(title.to_owned(), theme.title), (format!("  {newest:.0}%"), theme.plain)], &below);
    graph::block(&parts, inner, if newest >= 90.0 { theme.warn } else { theme.accent }, pen);
}

/// The text of the tab.
pub(super) fn lines(state: &State, item: &Item, width: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let status = item.status();
    let wanted = item.view.wanted.as_deref();
    let head = |word: &str| (padded(word, 10), theme.faint);
    let mut lines: Vec<Line> = vec![vec![
        head("state"),
        (format!("{} {}", pen.glyphs().of_state(status.state), status.state.as_str()), theme.of_state(status.state)),
        (format!("     wanted {}", status.wanted.as_str()), theme.plain),
    ]];
    for line in wrap(&super::table::note(item), Some(usize::from(width).saturating_sub(12).max(20))) {
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
        Some(usage) => vec![
            head("usage"),
            (
                format!(
                    "cpu {:.0}%   memory {} of {}   database {}   files {}",
                    usage.cpu_percent,
                    size(usage.memory_bytes),
                    size(usage.memory_limit_bytes),
                    size(usage.database_bytes),
                    size(usage.filestore_bytes)
                ),
                theme.plain,
            ),
        ],
        None => vec![head("usage"), ("no sample yet".to_owned(), theme.faint)],
    });
    let same = status.generation == status.observed_generation;
    let version = match same {
        true => format!("version {} of its file is in force", status.generation),
        false => format!("version {} of its file, {} in force", status.generation, status.observed_generation),
    };
    lines.push(vec![head("file"), (version, if same { theme.plain } else { theme.moving })]);
    if let Some(uid) = status.uid {
        lines.push(vec![head("uid"), (uid.to_string(), theme.faint)]);
    }
    if state.fleet.events.iter().any(|event| event.instance.as_ref() == Some(item.name())) {
        lines.push(Vec::new());
        lines.push(vec![("LAST EVENTS".to_owned(), theme.faint)]);
        lines.extend(super::activity::lines_of(state, item.name(), pen).into_iter().take(EVENTS_MAX));
    }
    lines
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

fn parts(state: &State, item: &Item, width: u16, pen: &Pen<'_>) -> Vec<Line> {
    let theme = pen.theme();
    let columns = (usize::from(width).saturating_sub(34) / 2).clamp(12, PART_COLUMNS_MAX);
    let wide = width >= PARTS_WIDE_COLUMNS_MIN;
    let beside = if wide { padded("WANTED", columns) + &padded("LIVE", columns) } else { String::new() };
    let head = format!("{}{beside}{}RESULT", padded("PART", 13), padded("SINCE", 7));
    let mut lines = vec![vec![(head, theme.faint)]];
    for part in of(state, item, pen) {
        let condition = item.status().conditions.iter().find(|condition| condition.kind == part.told_by);
        let (word, style) = match condition.map(|condition| condition.status) {
            Some(ConditionStatus::True) => (format!("{} ok", pen.glyphs().done), theme.good),
            Some(ConditionStatus::False) => (said(condition), theme.warn),
            Some(ConditionStatus::Unknown) => (said(condition), theme.faint),
            None => ("-".to_owned(), theme.faint),
        };
        let since = condition.map_or_else(String::new, |condition| age(condition.since, state.now));
        let fit = |text: &str| padded(&super::pen::fitting(text, columns - 1, pen.glyphs().more), columns);
        let mut line = vec![(padded(part.part, 13), theme.strong)];
        if wide {
            line.extend([(fit(&part.wanted), theme.plain), (fit(&part.live), theme.plain)]);
        }
        line.extend([(padded(&since, 7), theme.faint), (word, style)]);
        lines.push(line);
    }
    lines
}

fn said(condition: Option<&Condition>) -> String {
    condition.map_or_else(String::new, |it| if it.message.is_empty() { it.reason.clone() } else { it.message.clone() })
}

fn of(state: &State, item: &Item, pen: &Pen<'_>) -> Vec<Part> {
    let status = item.status();
    let wanted = item.view.wanted.as_deref();
    let names = |count: usize| format!("{count} {}", if count == 1 { "name" } else { "names" });
    let holds = |kind| status.condition(kind).is_some_and(|it| it.status == ConditionStatus::True);
    let word = |good: bool, yes: &str, no: &str| if good { yes.to_owned() } else { no.to_owned() };
    vec![
        Part {
            part: "file",
            wanted: format!("instances.d/{}.toml", status.name),
            live: word(holds(ConditionType::SpecValid), "read and valid", "has problems"),
            told_by: ConditionType::SpecValid,
        },
        Part {
            part: "database",
            wanted: status.database.clone(),
            live: word(holds(ConditionType::DatabaseReady), "present, its role's own", "not as it should be"),
            told_by: ConditionType::DatabaseReady,
        },
        Part {
            part: "modules",
            wanted: status.modules.wanted.len().to_string(),
            live: format!("{} installed", status.modules.wanted.intersection(&status.modules.installed).count()),
            told_by: ConditionType::ModulesReady,
        },
        Part {
            part: "set-up",
            wanted: wanted.map_or_else(|| "-".to_owned(), |wanted| wanted.company.name.clone()),
            live: word(holds(ConditionType::SetupDone), "company and administrator are set", "not yet"),
            told_by: ConditionType::SetupDone,
        },
        Part {
            part: "container",
            wanted: wanted.map_or_else(|| "-".to_owned(), |wanted| wanted.image.clone()),
            live: word(holds(ConditionType::AppReady), "runs as it should", "not as it should be"),
            told_by: ConditionType::AppReady,
        },
        Part {
            part: "site",
            wanted: names(status.urls.len()),
            live: word(holds(ConditionType::SiteReady), "loaded by the proxy", "not loaded"),
            told_by: ConditionType::SiteReady,
        },
        Part {
            part: "certificate",
            wanted: names(status.urls.len()),
            live: card::certificate(state, status, pen).0,
            told_by: ConditionType::CertificateReady,
        },
        Part {
            part: "login page",
            wanted: word(status.wanted == crate::model::wanted::WantedState::Running, "answers", "does not answer"),
            live: word(holds(ConditionType::Ready), "proven through the proxy", "not proven"),
            told_by: ConditionType::Ready,
        },
    ]
}
