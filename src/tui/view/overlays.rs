//! What lies above everything: dialogs, menu, palette, prompts, text. The help has a file of its own.

use super::help;
use super::pen::{Line, Pen, all_wrapped, wrapped};
use super::table::padded;
use crate::model::text::{width, wrap};
use crate::tui::format::moment;
use crate::tui::input::Input;
use crate::tui::keys::{self, Tier};
use crate::tui::layout;
use crate::tui::look::Theme;
use crate::tui::state::{Asked, Dialog, Menu, Overlay, Palette, Prompt, SilenceMenu, State, Text};
use crate::tui::update::{Offer, palette_entries, spans};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Columns of a dialog.
const DIALOG_COLUMNS: u16 = 72;
/// Columns of the palette: the longest text of an action fits.
const PALETTE_COLUMNS: u16 = 92;
/// Columns of keys and names in the menu.
const MENU_KEY_COLUMNS: usize = 6;
const MENU_NAME_COLUMNS: usize = 10;
/// Names that a dialog lists one by one.
const NAMES_MAX: usize = 12;

pub(super) fn draw(state: &State, pen: &mut Pen<'_>) {
    match &state.overlay {
        Some(Overlay::Dialog(it)) => dialog(state, it, pen),
        Some(Overlay::Menu(it)) => menu(state, it, pen),
        Some(Overlay::Palette(it)) => palette(state, it, pen),
        Some(Overlay::Help(it)) => help::draw(state, it, pen),
        Some(Overlay::Prompt(it)) => prompt(state, it, pen),
        Some(Overlay::Text(it)) => text(state, it, pen),
        Some(Overlay::Silence(it)) => silence(state, it, pen),
        None => {}
    }
}

/// An empty box in the middle, two columns and rows larger than what is written into it.
pub(super) fn boxed(
    state: &State,
    columns: u16,
    rows: usize,
    title: &str,
    below: &str,
    style: Style,
    pen: &mut Pen<'_>,
) -> Rect {
    let rows = u16::try_from(rows).unwrap_or(u16::MAX).saturating_add(2);
    let area = layout::overlay(state.size, columns, rows);
    pen.clear(area);
    let inner = pen.frame(area, &[(title.to_owned(), style)], below);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}

fn dialog(state: &State, dialog: &Dialog, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let entry = keys::entry(dialog.action);
    let columns = usize::from(layout::overlay(state.size, DIALOG_COLUMNS, 3).width).saturating_sub(4);
    let names: Vec<&str> = dialog.targets.iter().take(NAMES_MAX).map(|name| name.as_str()).collect();
    let more = dialog.targets.len().saturating_sub(names.len());
    let mut listed = names.join(", ");
    if more > 0 {
        listed.push_str(&format!(" and {more} more"));
    }
    let mut lines: Vec<Line> =
        wrap(&listed, Some(columns)).into_iter().map(|line| vec![(line, theme.strong)]).collect();
    lines.push(Vec::new());
    for line in &dialog.lines {
        lines.extend(wrap(line, Some(columns)).into_iter().map(|line| vec![(line, theme.plain)]));
    }
    lines.push(Vec::new());
    if dialog.tier == Tier::Loss {
        lines.push(vec![(format!("To go on, type {} and press enter:", dialog.word()), theme.warn)]);
        let mut typed = vec![("  ".to_owned(), theme.plain)];
        typed.extend(with_cursor(&dialog.typed, pen));
        lines.push(typed);
    } else {
        let (cancel, yes) = if dialog.on_yes { (theme.faint, theme.selected) } else { (theme.selected, theme.faint) };
        lines.push(vec![
            ("   ".to_owned(), theme.plain),
            (" Cancel ".to_owned(), cancel),
            ("    ".to_owned(), theme.plain),
            (format!(" y: {} ", entry.name), yes),
        ]);
    }
    let style = if dialog.tier >= Tier::Outage { theme.bad } else { theme.warn };
    let count = dialog.targets.len();
    let title = format!(
        "{} {}?",
        entry.name,
        if count == 1 { "this instance".to_owned() } else { format!("{count} instances") }
    );
    let inner = boxed(state, DIALOG_COLUMNS, lines.len(), &title, "esc cancels", style, pen);
    // The question itself is at the end: where room lacks, the beginning is left out.
    pen.lines(inner, &lines, lines.len().saturating_sub(usize::from(inner.height)));
}

fn menu(state: &State, menu: &Menu, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let targets = state.targets();
    let title = match targets.as_slice() {
        [] => "actions".to_owned(),
        [one] => format!("actions on {one}"),
        several => format!("actions on {} instances", several.len()),
    };
    let columns = usize::from(layout::overlay(state.size, DIALOG_COLUMNS, 3).width).saturating_sub(4);
    let mut rows: Vec<(usize, Line)> = Vec::new();
    for (at, (action, why)) in menu.entries.iter().enumerate() {
        let entry = keys::entry(*action);
        let key = state.keymap.keys(entry).first().copied().unwrap_or_default();
        let (strong, text) = match why {
            None => ((theme.strong), (entry.text.to_owned(), theme.plain)),
            Some(why) => (theme.faint, (format!("not now: {why}"), theme.faint)),
        };
        let line = [(padded(key, MENU_KEY_COLUMNS), theme.key), (padded(entry.name, MENU_NAME_COLUMNS), strong), text];
        let wrapped = wrapped(&line, columns, MENU_KEY_COLUMNS + MENU_NAME_COLUMNS);
        rows.extend(wrapped.into_iter().map(|row| (at, row)));
    }
    let inner = boxed(state, DIALOG_COLUMNS, rows.len(), &title, "enter does it, esc closes", theme.title, pen);
    let end = rows.iter().rposition(|(at, _)| *at == menu.at).map_or(0, |last| last + 1);
    let scroll = end.saturating_sub(usize::from(inner.height));
    for (y, (at, row)) in (inner.y..inner.bottom()).zip(rows.iter().skip(scroll)) {
        pen.line(inner.x, y, inner.width, row);
        if *at == menu.at {
            pen.highlight(Rect { y, height: 1, ..inner }, theme.selected);
        }
    }
}

fn palette(state: &State, palette: &Palette, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let offers = palette_entries(state, palette);
    let rows = usize::from(state.size.1).saturating_sub(8).clamp(3, 18);
    let inner = boxed(state, PALETTE_COLUMNS, rows + 1, "commands and instances", "enter does it", theme.title, pen);
    let mut first = vec![(": ".to_owned(), theme.key)];
    first.extend(with_cursor(&palette.input, pen));
    pen.line(inner.x, inner.y, inner.width, &first);
    let list = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    let scroll = (palette.at + 1).saturating_sub(usize::from(list.height));
    for (y, (at, offer)) in (list.y..list.bottom()).zip(offers.iter().enumerate().skip(scroll)) {
        let line: Line = match offer {
            Offer::Action(action) => {
                let entry = keys::entry(*action);
                let keys = state.keymap.keys(entry).join(" ");
                vec![
                    (padded(&keys, 11), theme.key),
                    (padded(entry.name, 16), theme.strong),
                    (entry.text.to_owned(), theme.faint),
                ]
            }
            Offer::Instance(name) => {
                let state_word = state.fleet.get(name).map_or("", |item| item.status().state.as_str());
                vec![
                    (padded("", 11), theme.key),
                    (padded(name.as_str(), 30), theme.strong),
                    (state_word.to_owned(), theme.faint),
                ]
            }
        };
        pen.line(list.x, y, list.width, &line);
        if at == palette.at {
            pen.highlight(Rect { y, height: 1, ..list }, theme.selected);
        }
    }
    if offers.is_empty() {
        pen.text(list.x, list.y, list.width, "nothing is called that", theme.faint);
    }
}

fn prompt(state: &State, prompt: &Prompt, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let parts = layout::parts(state.size);
    let row = Rect { height: 1, ..parts.status };
    pen.clear(row);
    let word = match prompt.asked {
        Asked::Filter => " filter: ",
        Asked::Search => " search: ",
        Asked::Lines => " only lines with: ",
    };
    let mut line = vec![(word.to_owned(), theme.key)];
    line.extend(with_cursor(&prompt.input, pen));
    pen.line(row.x, row.y, row.width, &line);
    if let Some(error) = &prompt.error {
        let used = u16::try_from(width(word) + width(prompt.input.text()) + 3).unwrap_or(u16::MAX).min(row.width);
        let beside = Rect { x: row.x + used, width: row.width - used, ..row };
        match width(error) <= usize::from(beside.width) {
            true => drop(pen.text(beside.x, beside.y, beside.width, error, theme.bad)),
            // Above it, in as many rows as it takes.
            false => pen.sentence_up(Rect { y: row.y.saturating_sub(1), ..row }, error, theme.bad),
        }
    } else if prompt.asked == Asked::Filter {
        let count = format!("{} of {} ", state.list.rows.len(), state.fleet.items.len());
        pen.text_right(row.x, row.y, row.width, &count, theme.faint);
    }
}

/// Columns of a text that is read.
const TEXT_COLUMNS: u16 = 100;

/// The rows of a text that is read.
pub(super) fn text_lines(state: &State, text: &Text, theme: Theme) -> Vec<Line> {
    let columns = layout::overlay(state.size, TEXT_COLUMNS, u16::MAX).width.saturating_sub(4);
    let style = |line: &str| match line.chars().next() {
        _ if !text.difference => theme.plain,
        _ if line.starts_with("---") || line.starts_with("+++") => theme.faint,
        Some('+') => theme.good,
        Some('-') => theme.bad,
        Some('@') => theme.faint,
        _ => theme.plain,
    };
    let lines = text.lines.iter().map(|line| vec![(line.clone(), style(line))]).collect();
    all_wrapped(lines, columns, if text.difference { 2 } else { 0 })
}

fn text(state: &State, text: &Text, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let lines = text_lines(state, text, theme);
    let below = match &text.about {
        Some(name) => format!("enter opens {name}, esc closes"),
        None => "esc closes".to_owned(),
    };
    let inner = boxed(state, TEXT_COLUMNS, lines.len(), &text.title, &below, theme.title, pen);
    pen.lines_scrolled(inner, &lines, text.scroll, true);
}

fn silence(state: &State, menu: &SilenceMenu, pen: &mut Pen<'_>) {
    let theme = pen.theme();
    let (instance, reason) = &menu.alert;
    let whose = instance.as_ref().map_or("the host", |name| name.as_str());
    let spans = spans(state);
    let below = "enter does it, esc closes";
    let inner =
        boxed(state, DIALOG_COLUMNS, spans.len() + 2, &format!("silence alerts of {whose}"), below, theme.title, pen);
    for (y, (at, (label, until))) in (inner.y..inner.bottom()).zip(spans.iter().enumerate()) {
        let until = format!("until {}", moment(*until, state.now, state.fleet.zone.as_ref()));
        pen.line(inner.x, y, inner.width, &[(padded(label, 26), theme.strong), (until, theme.faint)]);
        if at == menu.at {
            pen.highlight(Rect { y, height: 1, ..inner }, theme.selected);
        }
    }
    let (one, all) = if menu.all { (theme.faint, theme.selected) } else { (theme.selected, theme.faint) };
    let line: Line = vec![
        ("tab  ".to_owned(), theme.key),
        (format!(" only {reason} "), one),
        ("  ".to_owned(), theme.plain),
        (format!(" all of {whose} "), all),
    ];
    let y = inner.y + u16::try_from(spans.len()).unwrap_or(u16::MAX) + 1;
    if y < inner.bottom() {
        pen.line(inner.x, y, inner.width, &line);
    }
}

/// The terminal's own cursor stays hidden: a cell turned round shows the place.
pub(super) fn with_cursor(input: &Input, pen: &Pen<'_>) -> Line {
    let plain = pen.theme().plain;
    let (before, behind) = input.halves();
    let mut rest = behind.chars();
    let here = rest.next().map_or_else(|| " ".to_owned(), |c| c.to_string());
    vec![(before.to_owned(), plain), (here, plain.add_modifier(Modifier::REVERSED)), (rest.as_str().to_owned(), plain)]
}
