//! The table of all instances: only the visible rows are built.

use super::pen::{Line, Pen};
use crate::model::status::{InstanceStatus, UsageStatus};
use crate::model::text::{between, harmless, width};
use crate::tui::fleet::Item;
use crate::tui::format::{age, milliseconds, size, span, taken};
use crate::tui::layout::{self, Room};
use crate::tui::state::{Row, State};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// A certificate that ends sooner should have been renewed.
const CERTIFICATE_SOON_S: u64 = 7 * 86_400;
/// An older backup is worth a look.
const BACKUP_OLD_S: u64 = 26 * 3_600;
/// More of a core than this is shown as busy.
const CPU_BUSY_PERCENT: f64 = 90.0;

/// Columns of a note; where it has fewer, others go, in the order of [`DROPPED`]. With a card beside the table, the
/// whole of it is there.
const NOTE_MIN: u16 = 20;
const NOTE_BESIDE_CARD_MIN: u16 = 16;
/// Columns of a name and of a plan's name: as many as the longest takes, within these.
const NAME_MIN: u16 = 8;
const PLAN_COLUMNS: (u16, u16) = (5, 16);
const DROPPED: [Column; 6] =
    [Column::Url, Column::Disk, Column::Backup, Column::Certificate, Column::Memory, Column::Plan];

/// The columns, from left to right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    State,
    Plan,
    Odoo,
    Cpu,
    Memory,
    Disk,
    Backup,
    Certificate,
    Url,
    Note,
}

pub(super) fn draw(state: &State, area: Rect, pen: &mut Pen<'_>) {
    let room = layout::room(state.size);
    let inner = match room {
        Room::Line | Room::Tiny => area,
        _ => {
            let below = format!("{}/{}", (state.list.at + 1).min(state.list.rows.len()), state.list.rows.len());
            pen.frame(area, &title(state, pen), &below)
        }
    };
    if inner.height == 0 || inner.width < 8 {
        return;
    }
    let columns = columns(state, room, inner.width);
    heads(&columns, inner, pen);
    if state.list.rows.is_empty() {
        let below = inner.height.min(2);
        let room = Rect { x: inner.x + 3, y: inner.y + below, width: inner.width - 3, height: inner.height - below };
        super::outline::remark(room, &nothing(state), pen);
        return;
    }
    let visible = state.list.rows.iter().enumerate().skip(state.list.offset);
    for (y, (at, row)) in (inner.y + 1..inner.bottom()).zip(visible) {
        let Row::Item(place) = row else { continue };
        let Some(item) = state.fleet.items.get(*place as usize) else { continue };
        let line = Rect { y, height: 1, ..inner };
        draw_row(state, item, &columns, line, pen);
        if at == state.list.at {
            pen.text(inner.x, y, 1, pen.glyphs().pointer, pen.theme().accent);
            pen.highlight(line, pen.theme().selected);
        }
    }
}

fn title(state: &State, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let ascends = state.sort.ascends() != state.sort_backwards;
    let arrow = if ascends { pen.glyphs().up } else { pen.glyphs().down };
    let mut title = vec![(format!("Instances {}", state.fleet.items.len()), theme.title)];
    title.push((format!("  sort: {} {arrow}", state.sort.title()), theme.faint));
    if !state.marks.is_empty() {
        title.push((format!("  {} marked", state.marks.len()), theme.accent));
    }
    title
}

/// Why there are no rows.
fn nothing(state: &State) -> String {
    match (&state.filter, state.is_live(), state.fleet.items.is_empty()) {
        (Some(_), _, false) => "nothing passes the filter: esc ends it".to_owned(),
        (_, true, _) => "no instance yet: `innkeeper new NAME …` writes the first file".to_owned(),
        (_, false, _) => "nothing is known yet".to_owned(),
    }
}

/// The columns that fit, each with its place and width. Figures that nobody has are not shown.
fn columns(state: &State, room: Room, width: u16) -> Vec<(Column, u16, u16)> {
    let any = |test: fn(&Item) -> bool| state.fleet.items.iter().any(test);
    let usage = any(|item| item.status().usage.is_some());
    let (longest_name, longest_plan) = state.fleet.widest;
    let name = |most: u16| longest_name.clamp(NAME_MIN, most);
    let plan = longest_plan.clamp(PLAN_COLUMNS.0, PLAN_COLUMNS.1);
    let mut wanted: Vec<(Column, u16)> = match room {
        Room::Line | Room::Tiny => vec![(Column::Name, name(14))],
        Room::Narrow => vec![(Column::Name, name(14)), (Column::State, 12)],
        Room::Normal => vec![(Column::Name, name(18)), (Column::State, 12), (Column::Plan, plan)],
        Room::Panes => vec![(Column::Name, name(20)), (Column::State, 12), (Column::Plan, plan)],
        Room::Wide => vec![(Column::Name, name(28)), (Column::State, 12), (Column::Plan, plan), (Column::Odoo, 5)],
    };
    let figures = match room {
        Room::Line | Room::Tiny => 0,
        Room::Narrow => 2,
        _ => 3,
    };
    if usage {
        wanted.extend([(Column::Cpu, 4), (Column::Memory, 5), (Column::Disk, 6)].into_iter().take(figures));
    }
    if room >= Room::Normal {
        if any(|item| item.status().last_backup.is_some()) {
            wanted.push((Column::Backup, 4));
        }
        wanted.push((Column::Certificate, 4));
    }
    if room == Room::Wide {
        wanted.push((Column::Url, 34));
    }
    let first = if room <= Room::Tiny { 3 } else { 5 };
    let note = if room == Room::Panes { NOTE_BESIDE_CARD_MIN } else { NOTE_MIN };
    for dropped in DROPPED {
        let used: u16 = first + wanted.iter().map(|(_, columns)| columns + 1).sum::<u16>();
        if used + note <= width {
            break;
        }
        wanted.retain(|(column, _)| *column != dropped);
    }
    let mut x = first;
    let mut placed = Vec::new();
    for (column, columns) in wanted.into_iter().filter(|(_, columns)| *columns < width) {
        placed.push((column, x, columns));
        x += columns + 1;
    }
    if x + 4 <= width {
        placed.push((Column::Note, x + 1, width - x - 1));
    }
    placed
}

fn heads(columns: &[(Column, u16, u16)], area: Rect, pen: &mut Pen<'_>) {
    let style = pen.theme().faint;
    for (column, x, columns) in columns {
        let head = match column {
            Column::Name => "NAME",
            Column::State => "STATE",
            Column::Plan => "PLAN",
            Column::Odoo => "ODOO",
            Column::Cpu => "CPU",
            Column::Memory => "MEM",
            Column::Disk => "DISK",
            Column::Backup => "BKP",
            Column::Certificate => "CERT",
            Column::Url => "URL",
            Column::Note => "NOTE",
        };
        match is_figure(*column) {
            true => pen.text_right(area.x + x, area.y, *columns, head, style),
            false => drop(pen.text(area.x + x, area.y, *columns, head, style)),
        }
    }
}

fn is_figure(column: Column) -> bool {
    matches!(column, Column::Cpu | Column::Memory | Column::Disk | Column::Backup | Column::Certificate)
}

fn draw_row(state: &State, item: &Item, columns: &[(Column, u16, u16)], line: Rect, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let status = item.status();
    let glyph_x = if columns.first().is_some_and(|(_, x, _)| *x == 3) { 1 } else { 3 };
    if state.marks.contains(item.name()) && glyph_x == 3 {
        pen.text(line.x + 1, line.y, 1, pen.glyphs().mark, theme.accent);
    }
    let glyph = if state.marks.contains(item.name()) && glyph_x == 1 {
        pen.glyphs().mark
    } else {
        pen.glyphs().of_state(status.state)
    };
    let style = if is_away(state, item) { theme.faint } else { theme.of_state(status.state) };
    pen.text(line.x + glyph_x, line.y, 1, glyph, style);
    for (column, x, columns) in columns {
        let (text, style) = cell(state, item, *column, pen);
        match is_figure(*column) {
            true => pen.text_right(line.x + x, line.y, *columns, &text, style),
            false => drop(pen.text(line.x + x, line.y, *columns, &text, style)),
        }
    }
}

fn cell(state: &State, item: &Item, column: Column, pen: &Pen<'_>) -> (String, Style) {
    let theme = pen.theme();
    let status = item.status();
    let none = || ("-".to_owned(), theme.faint);
    match column {
        Column::Name => (status.name.to_string(), theme.plain),
        // The header says why, once.
        Column::State if is_away(state, item) => ("not seen".to_owned(), theme.faint),
        Column::State => (status.state.as_str().to_owned(), theme.of_state(status.state)),
        Column::Plan => status.plan.as_ref().map_or_else(none, |plan| (plan.to_string(), theme.plain)),
        Column::Odoo => status.odoo.as_ref().map_or_else(none, |odoo| (odoo.to_string(), theme.faint)),
        Column::Url => status.url.as_ref().map_or_else(none, |url| (url.clone(), theme.faint)),
        Column::Note => match far(state, item).or_else(|| running(state, item)) {
            Some(text) => (text, theme.moving),
            None if is_away(state, item) => (String::new(), theme.faint),
            None => (note(item), if status.state.severity() < 5 { theme.plain } else { theme.faint }),
        },
        Column::Cpu => running_usage(status).map_or_else(none, |usage| {
            let style = if usage.cpu_percent >= CPU_BUSY_PERCENT { theme.warn } else { theme.plain };
            (format!("{:.0}%", usage.cpu_percent), style)
        }),
        Column::Memory => running_usage(status).map_or_else(none, |usage| {
            let full = usage.memory_limit_bytes > 0 && usage.memory_bytes >= usage.memory_limit_bytes / 10 * 9;
            (size(usage.memory_bytes), if full { theme.warn } else { theme.plain })
        }),
        Column::Disk => status.usage.as_ref().map_or_else(none, |usage| {
            let used = usage.disk_bytes();
            let limit = item.view.wanted.as_ref().map(|wanted| wanted.limits.disk.0);
            let full = limit.is_some_and(|limit| used >= limit / 10 * 9);
            (size(used), if full { theme.warn } else { theme.plain })
        }),
        Column::Backup => status.last_backup.as_ref().map_or_else(none, |backup| {
            let old = between(backup.at, state.now).0 > BACKUP_OLD_S;
            (age(backup.at, state.now), if old || !backup.is_whole() { theme.warn } else { theme.plain })
        }),
        Column::Certificate => status.certificate.as_ref().map_or_else(none, |certificate| {
            let left = between(state.now, certificate.not_after).0;
            let text = if left == 0 { "over".to_owned() } else { span(left) };
            (text, if left < CERTIFICATE_SOON_S { theme.warn } else { theme.plain })
        }),
    }
}

/// What its container uses; none where no container runs.
pub(super) fn running_usage(status: &InstanceStatus) -> Option<&UsageStatus> {
    status.usage.as_ref().filter(|usage| usage.is_of_a_container())
}

/// The step that runs for it, for how long, and how far it is.
pub(super) fn running(state: &State, item: &Item) -> Option<String> {
    let run = state.fleet.run_for(item.name())?;
    let spent = taken(milliseconds(run.since, state.now));
    Some(match (&run.progress, run.expected_ms) {
        (Some(progress), _) => format!("{} {spent}, {progress}", run.kind),
        (None, Some(expected)) => format!("{} {spent} of about {}", run.kind, taken(expected)),
        (None, None) => format!("{} {spent}", run.kind),
    })
}

/// The same in few columns, where Odoo says how far it is: `module 19 of 65 (mail), 44s`.
fn far(state: &State, item: &Item) -> Option<String> {
    let run = state.fleet.run_for(item.name())?;
    let spent = taken(milliseconds(run.since, state.now));
    run.progress.as_ref().map(|progress| format!("{progress}, {spent}"))
}

/// Nothing is known of it but that a system is away, which the header says.
fn is_away(state: &State, item: &Item) -> bool {
    item.is_unseen() && state.fleet.lost().next().is_some()
}

/// Why it waits or what is wrong; else what is being done.
pub(super) fn note(item: &Item) -> String {
    let note = item.status().note();
    if note.is_empty() { note_of_steps(item) } else { harmless(&note) }
}

/// The first step that is to be done, and how many more.
pub(super) fn note_of_steps(item: &Item) -> String {
    match item.view.steps.as_ref() {
        [] => String::new(),
        [only] => format!("{}: {}", only.resource, only.reason),
        [first, rest @ ..] => format!("{}: {}, and {} more", first.resource, first.reason, rest.len()),
    }
}

/// Columns that `text` takes: for panels that line things up.
pub(super) fn padded(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}
