//! What surrounds every view: who and how above, filter, marks, remarks and keys below.

use super::pen::{Line, Pen, Piece, fitting};
use super::table::padded;
use crate::model::name::INSTANCE_NAME_BYTES_MAX;
use crate::model::text::{width, wrap};
use crate::tui::fleet::{Counts, Standing};
use crate::tui::format::{age, clock, many, zone_abbreviation};
use crate::tui::keys::{self, Action, TABLE_OF_ACTIONS};
use crate::tui::layout::{self, Room};
use crate::tui::state::{Link, Page, Row, State, Tab};
use ratatui::layout::Rect;

/// Data older than this are called stale.
const STALE_S: u64 = 25;
/// From this width on the host is named, and running steps are counted.
const HOST_COLUMNS_MIN: u16 = 100;
/// Of instances whose outputs are read together, so many are named besides the first.
const NAMES_MAX: usize = 2;
/// From this width on there is room for the host's figures.
const FIGURES_COLUMNS_MIN: u16 = 136;
/// Actions whose keys are shown at the right end, always.
const ALWAYS: [Action; 3] = [Action::Palette, Action::Help, Action::Quit];

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    let parts = layout::parts(state.size);
    let room = layout::room(state.size);
    header(state, room, parts.header.y, pen);
    tabs(state, room, parts.tabs.y, pen);
    if parts.status.y != parts.footer.y && state.toast.is_none() {
        status(state, room, parts.status.y, pen);
    }
    if parts.status.y != parts.footer.y || state.toast.is_none() {
        footer(state, parts.footer.y, pen);
    }
}

/// The newest remark, above the view where it takes several rows.
pub(super) fn toast(state: &State, pen: &mut Pen<'_>) {
    let Some(toast) = &state.toast else { return };
    let style = if toast.bad { pen.theme().bad } else { pen.theme().good };
    let row = layout::parts(state.size).status;
    pen.sentence_up(Rect { height: 1, ..row }, &toast.text, style);
}

/// Everything on one line, for screens on which nothing else fits.
pub(super) fn one_line(state: &State, pen: &mut Pen<'_>) {
    let mut line = lost(state, pen);
    line.extend(counts(&state.fleet.counts(), true, pen));
    line.push((" - enlarge, or use innkeeper status".to_owned(), pen.theme().faint));
    pen.line(0, 0, state.size.0, &line);
}

fn header(state: &State, room: Room, y: u16, pen: &mut Pen<'_>) {
    let right = health(state, room, pen);
    let columns = state.size.0;
    let left_columns = columns.saturating_sub(columns_of(&right));
    let left = who(state, room, left_columns, pen);
    pen.line(0, y, left_columns, &left);
    pen.line(left_columns, y, columns - left_columns, &right);
}

fn columns_of(line: &[Piece]) -> u16 {
    u16::try_from(line.iter().map(|(text, _)| width(text)).sum::<usize>()).unwrap_or(u16::MAX)
}

/// What is shown, and how it stands. Where that does not fit, the bad news stay.
fn who(state: &State, room: Room, columns: u16, pen: &Pen<'_>) -> Line {
    // The less there is room, the less it says besides: the host's name goes first, then how many steps run.
    for (host, steps) in [(true, true), (false, true), (false, false)] {
        let line = named(state, room, host, steps, pen);
        if columns_of(&line) <= columns || (state.detail.is_some() && !steps) {
            return line;
        }
    }
    let mut line: Line = vec![(" ".to_owned(), pen.theme().plain)];
    line.extend(counts(&state.fleet.counts(), true, pen));
    // From the left: those that are as asked, then those on their way.
    while columns_of(&line) > columns && line.len() > 2 {
        line.remove(1);
        line[1].0 = line[1].0.trim_start().to_owned();
    }
    line
}

fn named(state: &State, room: Room, host: bool, steps: bool, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let mut left: Line = vec![(" innkeeper".to_owned(), theme.title)];
    if let Some(facts) = state.fleet.facts.as_ref().filter(|_| host && state.size.0 >= HOST_COLUMNS_MIN) {
        left.push((format!("  {}", facts.host.name), theme.faint));
    }
    if state.options.read_only {
        left.push(("  read-only".to_owned(), theme.warn));
    }
    match &state.detail {
        Some(detail) => {
            left.push((format!("  {} ", pen.glyphs().arrow), theme.faint));
            left.push((detail.name.to_string(), theme.strong));
            if let (Tab::Logs, also @ 1..) = (detail.tab, state.logs.also.len()) {
                let names: Vec<&str> = state.logs.also.iter().take(NAMES_MAX).map(|name| name.as_str()).collect();
                let more = if also > names.len() { format!(" +{}", also - names.len()) } else { String::new() };
                left.push((format!(", {}{more}", names.join(", ")), theme.strong));
            }
        }
        // Nothing is known yet, not even that there is nothing.
        None if state.fleet.at.is_none() && state.fleet.items.is_empty() => {}
        None => {
            if room >= Room::Panes {
                left.push((format!("   {}:", many(state.fleet.items.len(), "instance")), theme.plain));
            } else if room >= Room::Normal {
                left.push((format!("  {} inst:", state.fleet.items.len()), theme.plain));
            }
            left.push((" ".to_owned(), theme.plain));
            left.extend(counts(&state.fleet.counts(), room < Room::Normal, pen));
        }
    }
    let running = state.fleet.running().count();
    if running > 0 && steps && state.size.0 >= HOST_COLUMNS_MIN {
        let word = if running == 1 { "step runs" } else { "steps run" };
        left.push((format!("   {running} {word}"), theme.moving));
    }
    left
}

/// `139 ok  3 warn  1 FAILED`
fn counts(counts: &Counts, short: bool, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let mut line = vec![(format!("{} {}", counts.good, Standing::Good.word()), theme.good)];
    let mut add = |count: usize, word: &str, style| {
        if count > 0 {
            line.push((format!("  {count} {word}"), style));
        }
    };
    add(counts.moving, if short { "mv" } else { Standing::Moving.word() }, theme.moving);
    add(counts.warn, Standing::Warn.word(), theme.warn);
    add(counts.unseen, if short { "unseen" } else { "not seen" }, theme.warn);
    add(counts.bad, if short { "FAIL" } else { Standing::Bad.word() }, theme.bad);
    line
}

/// `PostgreSQL DOWN 22s`: whatever does not answer, once, wherever one looks. What is not told any more is not known.
fn lost(state: &State, pen: &Pen<'_>) -> Line {
    let told = state.fleet.lost().filter(|_| state.is_live());
    told.map(|edge| {
        let since = edge.since.map_or_else(String::new, |since| format!(" {}", age(since, state.now)));
        (format!("{} DOWN{since}  ", edge.edge.trim_start_matches("the ")), pen.theme().bad)
    })
    .collect()
}

fn health(state: &State, room: Room, pen: &Pen<'_>) -> Line {
    let theme = pen.theme();
    let mut line = vec![("  ".to_owned(), theme.plain)];
    line.extend(lost(state, pen));
    let is_away = line.len() > 1;
    if let Some(facts) =
        state.fleet.facts.as_ref().filter(|_| !is_away && state.size.0 >= FIGURES_COLUMNS_MIN && state.detail.is_none())
    {
        let host = &facts.host;
        let used = |all: Option<u64>, free: Option<u64>| {
            let (all, free) = (all?, free?);
            Some(100 - free.min(all) * 100 / all.max(1))
        };
        if let Some(load) = host.load {
            line.push((format!("load {load:.1}/{}  ", host.cpus), theme.faint));
        }
        if let Some(part) = used(host.memory_bytes, host.memory_available_bytes) {
            line.push((format!("mem {part}%  "), if part >= 90 { theme.warn } else { theme.faint }));
        }
        if let Some(part) = used(host.disk_bytes, host.disk_free_bytes) {
            line.push((format!("disk {part}%  "), if part >= 85 { theme.warn } else { theme.faint }));
        }
    }
    match &state.link {
        Link::Connecting => line.push(("daemon: asking".to_owned(), theme.faint)),
        Link::Live => match stale(state) {
            Some(old) => line.push((format!("daemon silent for {old}"), theme.warn)),
            None if room >= Room::Normal && !is_away => line.push(("daemon ok".to_owned(), theme.good)),
            None => {}
        },
        Link::Down { since, .. } => line.push((format!("daemon DOWN {}", age(*since, state.now)), theme.bad)),
    }
    if state.options.clock && room >= Room::Narrow {
        let zone = state.fleet.zone.as_ref();
        line.push((format!("  {}", clock(state.now, zone)), theme.faint));
        if state.size.0 >= HOST_COLUMNS_MIN {
            // All times on the screen are of this zone.
            line.push((format!(" {}", zone_abbreviation(state.now, zone)), theme.faint));
        }
    }
    line.push((" ".to_owned(), theme.plain));
    line
}

/// How old the data are, when that is more than it should be.
fn stale(state: &State) -> Option<String> {
    let at = state.fleet.at?;
    (crate::model::text::between(at, state.now).0 > STALE_S).then(|| age(at, state.now))
}

fn tabs(state: &State, room: Room, y: u16, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let mut line: Line = vec![(" ".to_owned(), theme.plain)];
    let gap = if room >= Room::Panes { "   " } else { "  " };
    match &state.detail {
        Some(detail) => {
            // Several instances have nothing together but their outputs.
            let alone = state.logs.also.is_empty();
            let mut open = 0;
            for tab in Tab::ALL.into_iter().filter(|tab| alone || *tab == Tab::Logs) {
                if tab == detail.tab {
                    open = line.len();
                    line.push((format!("[{}]", tab.title()), theme.accent));
                } else {
                    line.push((format!(" {} ", tab.title()), theme.faint));
                }
            }
            // The open one is in sight, on a screen that does not have room for all.
            while open > 1 && columns_of(&line[..=open]) >= state.size.0 {
                line.remove(1);
                open -= 1;
            }
        }
        None => {
            for (page, number) in Page::ALL.into_iter().zip(1..) {
                let many = count_of(state, page).filter(|count| *count > 0);
                let title = match (room < Room::Normal, many) {
                    (true, _) if page != state.page => format!("{number}"),
                    (_, Some(many)) => format!("{number} {}({many})", page.title()),
                    (_, None) => format!("{number} {}", page.title()),
                };
                line.push((title, if page == state.page { theme.accent } else { theme.faint }));
                line.push((gap.to_owned(), theme.plain));
            }
        }
    }
    pen.line(0, y, state.size.0, &line);
}

fn count_of(state: &State, page: Page) -> Option<usize> {
    match page {
        Page::Plan => Some(state.fleet.items.iter().filter(|item| !item.view.steps.is_empty()).count()),
        Page::Jobs => Some(state.fleet.running().count()),
        Page::Alerts => {
            state.fleet.facts.as_ref().map(|facts| facts.alerts.iter().filter(|alert| alert.silence.is_none()).count())
        }
        _ => None,
    }
}

fn status(state: &State, room: Room, y: u16, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let mut line: Line = Vec::new();
    if let Link::Down { why, .. } = &state.link {
        let shown = if state.fleet.items.is_empty() { "" } else { "; shown is what was known last" };
        line.push((format!(" trying again{shown}: {why}"), theme.warn));
    } else if state.detail.is_none() && state.page != Page::Host {
        match &state.filter {
            Some((_, text)) => {
                line.push((" filter: ".to_owned(), theme.faint));
                line.push((text.clone(), theme.accent));
                line.push((format!("  {} of {}", state.list.rows.len(), state.fleet.items.len()), theme.faint));
            }
            None if room >= Room::Panes => {
                let grammar = " filter: none  (name, plan:gold, state:!ready, cpu>90, cert<14d, a | b)";
                line.push((grammar.to_owned(), theme.faint));
            }
            None => line.push((" filter: none".to_owned(), theme.faint)),
        }
        if !state.marks.is_empty() {
            let hidden = state.marks_hidden();
            let style = if hidden > 0 { theme.warn } else { theme.plain };
            line.push((format!("     marks: {} ({hidden} hidden by the filter)", state.marks.len()), style));
        }
        if state.fleet.events_missed > 0 && state.page == Page::Instances {
            line.push((format!("     {} events missed", state.fleet.events_missed), theme.warn));
        }
    }
    pen.line(0, y, state.size.0, &line);
}

fn footer(state: &State, y: u16, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let columns = state.size.0;
    let hint = |action: Action| state.keymap.hint(action);
    let always_line: Line = ALWAYS
        .iter()
        .zip(["  ", "  ", " "])
        .flat_map(|(action, gap)| {
            let word = keys::entry(*action).footer;
            [(hint(*action).to_owned(), theme.key), (format!(" {word}{gap}"), theme.faint)]
        })
        .collect();
    let always = always_line.iter().map(|(text, _)| width(text)).sum::<usize>();
    let always = u16::try_from(always).unwrap_or(u16::MAX);
    if columns < always.saturating_add(12) {
        let text = format!(" {} help  {} cmd", hint(Action::Help), hint(Action::Palette));
        pen.text(0, y, columns, &text, theme.faint);
        return;
    }
    let room = usize::from(columns - always - 1);
    let context = state.context();
    let mut line: Line = vec![(" ".to_owned(), theme.plain)];
    let mut used = 1;
    let shown = TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context) && !entry.footer.is_empty());
    for entry in shown.filter(|entry| !ALWAYS.contains(&entry.action)) {
        let Some(key) = state.keymap.keys(entry).first().copied() else { continue };
        let more = width(key) + 1 + width(entry.footer) + 2;
        if used + more > room {
            break;
        }
        used += more;
        line.push((key.to_owned(), theme.key));
        line.push((format!(" {}  ", entry.footer), theme.faint));
    }
    pen.line(0, y, columns - always, &line);
    pen.line(columns - always, y, always, &always_line);
}

/// Columns of an instance's name in a list, with the blank behind it.
pub(super) fn name_columns(state: &State) -> usize {
    match layout::room(state.size) {
        Room::Line | Room::Tiny => 15,
        Room::Narrow | Room::Normal => 20,
        Room::Panes => 26,
        Room::Wide => INSTANCE_NAME_BYTES_MAX + 1,
    }
}

/// A name in its column: one that is longer is cut.
pub(super) fn in_name_column(state: &State, name: &str, pen: &Pen<'_>) -> String {
    let columns = name_columns(state);
    padded(&fitting(name, columns - 1, pen.glyphs().more), columns)
}

/// What an empty panel says, in as many rows as it takes.
pub(super) fn remark(area: Rect, text: &str, pen: &mut Pen<'_>) {
    let area = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..area };
    let style = pen.theme().faint;
    let lines: Vec<Line> =
        wrap(text, Some(usize::from(area.width).max(1))).into_iter().map(|row| vec![(row, style)]).collect();
    pen.lines(area, &lines, 0);
}

/// A list in a box: a head, and the visible rows as `line` makes them.
pub(super) fn list(
    state: &State,
    area: Rect,
    title: &[Piece],
    head: &str,
    pen: &mut Pen<'_>,
    line: impl Fn(Row, &Pen<'_>) -> Option<Line>,
) {
    let theme = pen.theme();
    let inner = match layout::room(state.size) {
        Room::Line | Room::Tiny => area,
        _ => {
            let below = format!("{}/{}", (state.list.at + 1).min(state.list.rows.len()), state.list.rows.len());
            pen.frame(area, title, &below)
        }
    };
    pen.text(inner.x + 2, inner.y, inner.width.saturating_sub(2), head, theme.faint);
    let visible = state.list.rows.iter().enumerate().skip(state.list.offset);
    for (y, (at, row)) in (inner.y + 1..inner.bottom()).zip(visible) {
        let Some(pieces) = line(*row, pen) else { continue };
        pen.line(inner.x + 2, y, inner.width.saturating_sub(2), &pieces);
        if at == state.list.at {
            pen.text(inner.x, y, 1, pen.glyphs().pointer, theme.accent);
            pen.highlight(Rect { y, height: 1, ..inner }, theme.selected);
        }
    }
}
