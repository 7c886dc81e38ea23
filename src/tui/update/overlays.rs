//! Keys for what lies above everything: dialogs, menu, palette, help, prompts, text.

use super::{Effect, actions, alerts, guard, rows};
use crate::model::filter::{Filter, in_order};
use crate::model::name::InstanceName;
use crate::tui::keys::{self, Action, Entry, TABLE_OF_ACTIONS, Tier};
use crate::tui::layout;
use crate::tui::state::{Asked, Dialog, Help, Menu, Overlay, Palette, Prompt, State, Tab, Text};

/// Instances that the palette offers at once.
const PALETTE_INSTANCES_MAX: usize = 50;

/// Something that the palette offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Do it.
    Action(Action),
    /// Open it.
    Instance(InstanceName),
}

pub(super) fn press(state: &mut State, key: &str) -> Vec<Effect> {
    match state.overlay.take() {
        Some(Overlay::Dialog(dialog)) => in_dialog(state, dialog, key),
        Some(Overlay::Menu(menu)) => in_menu(state, menu, key),
        Some(Overlay::Palette(palette)) => in_palette(state, palette, key),
        Some(Overlay::Help(help)) => in_help(state, help, key),
        Some(Overlay::Prompt(prompt)) => in_prompt(state, prompt, key),
        Some(Overlay::Text(text)) => in_text(state, text, key),
        Some(Overlay::Silence(menu)) => alerts::press(state, menu, key),
        None => Vec::new(),
    }
}

pub(super) fn paste(state: &mut State, text: &str) -> Vec<Effect> {
    match &mut state.overlay {
        Some(Overlay::Palette(palette)) => palette.input.paste(text),
        Some(Overlay::Help(help)) if help.searching => help.input.paste(text),
        Some(Overlay::Prompt(prompt)) => {
            prompt.input.paste(text);
            judge_prompt(state);
        }
        // A name is typed, not pasted: that is what it is asked for.
        _ => {}
    }
    Vec::new()
}

fn in_dialog(state: &mut State, mut dialog: Dialog, key: &str) -> Vec<Effect> {
    let typed_right = dialog.typed.text() == dialog.word();
    match key {
        "esc" => return Vec::new(),
        key if dialog.tier == Tier::Loss => match key {
            "enter" if typed_right => return accept(state, dialog),
            "enter" => {}
            key => drop(dialog.typed.press(key)),
        },
        // Cancel has the focus at first: whatever opened it, this closes it.
        "enter" if !dialog.on_yes => return Vec::new(),
        key if key == dialog.opened_by => {}
        "y" => return accept(state, dialog),
        "n" | "q" => return Vec::new(),
        "left" | "right" | "tab" | "backtab" | "h" | "l" => dialog.on_yes = !dialog.on_yes,
        "enter" => return accept(state, dialog),
        _ => {}
    }
    state.overlay = Some(Overlay::Dialog(dialog));
    Vec::new()
}

/// What was possible when the dialog was opened must be possible still.
fn accept(state: &mut State, dialog: Dialog) -> Vec<Effect> {
    state.overlay = Some(Overlay::Dialog(dialog));
    guard::drop_lost_dialog(state);
    match state.overlay.take() {
        Some(Overlay::Dialog(dialog)) => actions::carry_out(state, dialog.action, dialog.targets),
        other => {
            state.overlay = other;
            Vec::new()
        }
    }
}

pub(super) fn open_menu(state: &mut State) -> Vec<Effect> {
    let targets = state.targets();
    let mut entries: Vec<(Action, Option<String>)> = Vec::new();
    for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.on_instance) {
        let why = match targets.is_empty() {
            true => Some("nothing is selected".to_owned()),
            false => {
                let hidden = guard::hidden_marks(state, guard::tier(entry.action, targets.len()), targets.len());
                targets.iter().find_map(|name| guard::refusal(state, entry.action, name)).or(hidden)
            }
        };
        entries.push((entry.action, why));
    }
    let at = entries.iter().position(|(_, why)| why.is_none()).unwrap_or_default();
    state.overlay = Some(Overlay::Menu(Menu { entries, at }));
    Vec::new()
}

fn in_menu(state: &mut State, mut menu: Menu, key: &str) -> Vec<Effect> {
    let last = menu.entries.len().saturating_sub(1);
    match key {
        "esc" | "q" | "." => return Vec::new(),
        "down" | "j" => menu.at = if menu.at == last { 0 } else { menu.at + 1 },
        "up" | "k" => menu.at = if menu.at == 0 { last } else { menu.at - 1 },
        "home" | "g" => menu.at = 0,
        "end" | "G" => menu.at = last,
        "enter" => {
            if let Some((action, None)) = menu.entries.get(menu.at) {
                return actions::begin(state, *action, key);
            }
        }
        key => {
            let has_key = |action: Action| state.keymap.keys(keys::entry(action)).contains(&key);
            let by_key = menu.entries.iter().find(|(action, _)| has_key(*action));
            if let Some((action, None)) = by_key {
                return actions::begin(state, *action, key);
            }
        }
    }
    state.overlay = Some(Overlay::Menu(menu));
    Vec::new()
}

/// What the palette offers for what was typed, the best first. Actions first, then instances.
pub fn palette_entries(state: &State, palette: &Palette) -> Vec<Offer> {
    let typed = palette.input.text().trim().to_lowercase();
    let context = state.context();
    let mut seen: Vec<Action> = Vec::new();
    let mut offered: Vec<(u8, Offer)> = Vec::new();
    for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context)) {
        if !seen.contains(&entry.action)
            && let Some(rank) = rank(&typed, entry.name).or_else(|| rank_text(&typed, entry))
        {
            seen.push(entry.action);
            offered.push((rank, Offer::Action(entry.action)));
        }
    }
    offered.sort_by_key(|(rank, _)| *rank);
    let mut names: Vec<(u8, &InstanceName)> = match typed.is_empty() {
        true => Vec::new(),
        false => {
            state.fleet.items.iter().filter_map(|it| Some((rank(&typed, it.name().as_str())?, it.name()))).collect()
        }
    };
    names.sort_by_key(|(rank, _)| *rank);
    let names = names.into_iter().take(PALETTE_INSTANCES_MAX).map(|(_, name)| Offer::Instance(name.clone()));
    offered.into_iter().map(|(_, offer)| offer).chain(names).collect()
}

/// How well the text fits: begins with it, holds it, has its letters in order.
fn rank(typed: &str, text: &str) -> Option<u8> {
    match () {
        () if text.starts_with(typed) => Some(0),
        () if text.contains(typed) => Some(1),
        () if in_order(typed, text) => Some(2),
        () => None,
    }
}

fn rank_text(typed: &str, entry: &Entry) -> Option<u8> {
    (typed.len() > 2 && entry.text.contains(typed)).then_some(3)
}

fn in_palette(state: &mut State, mut palette: Palette, key: &str) -> Vec<Effect> {
    let offers = palette_entries(state, &palette);
    let last = offers.len().saturating_sub(1);
    match key {
        "esc" => return Vec::new(),
        "down" | "tab" | "ctrl-n" => palette.at = if palette.at >= last { 0 } else { palette.at + 1 },
        "up" | "backtab" | "ctrl-p" => palette.at = if palette.at == 0 { last } else { palette.at - 1 },
        "enter" => match offers.get(palette.at) {
            Some(Offer::Action(action)) => return actions::begin(state, *action, key),
            Some(Offer::Instance(name)) => return super::open(state, name.clone(), Tab::Summary),
            None => {}
        },
        key => {
            if palette.input.press(key) {
                palette.at = 0;
            }
        }
    }
    state.overlay = Some(Overlay::Palette(palette));
    Vec::new()
}

fn in_help(state: &mut State, mut help: Help, key: &str) -> Vec<Effect> {
    match key {
        "esc" if help.searching => help = Help::default(),
        "esc" => return Vec::new(),
        "q" | "?" if !help.searching => return Vec::new(),
        "/" if !help.searching => help.searching = true,
        "enter" => help.searching = false,
        "down" => help.scroll += 1,
        "up" => help.scroll = help.scroll.saturating_sub(1),
        "pgdn" => help.scroll += layout::overlay_rows(state).max(1),
        "pgup" => help.scroll = help.scroll.saturating_sub(layout::overlay_rows(state).max(1)),
        "j" if !help.searching => help.scroll += 1,
        "k" if !help.searching => help.scroll = help.scroll.saturating_sub(1),
        key if help.searching => {
            help.input.press(key);
            help.scroll = 0;
        }
        _ => {}
    }
    let searches = help.searching || !help.input.text().is_empty();
    let page = layout::overlay_rows(state).saturating_sub(usize::from(searches)).max(1);
    help.scroll = help.scroll.min(crate::tui::view::help_rows(state, &help).saturating_sub(page));
    state.overlay = Some(Overlay::Help(help));
    Vec::new()
}

pub(super) fn open_prompt(state: &mut State, asked: Asked) -> Vec<Effect> {
    let before = match asked {
        Asked::Search => state.logs.search.clone(),
        Asked::Lines => state.logs.filter.clone(),
        Asked::Filter => state.filter.as_ref().map(|(_, text)| text.clone()),
    };
    let input = crate::tui::input::Input::of(before.as_deref().unwrap_or_default());
    state.overlay = Some(Overlay::Prompt(Prompt { asked, input, error: None, before }));
    Vec::new()
}

fn in_prompt(state: &mut State, mut prompt: Prompt, key: &str) -> Vec<Effect> {
    match key {
        "esc" => {
            let before = prompt.before.unwrap_or_default();
            let _ = put_in_force(state, prompt.asked, &before);
            return Vec::new();
        }
        "enter" if prompt.error.is_none() => {
            if prompt.asked == Asked::Search {
                state.logs.hit = None;
                state.logs.find(true);
            }
            return Vec::new();
        }
        "down" | "up" if prompt.asked == Asked::Filter => {
            drop(actions::scroll(state, if key == "down" { 1 } else { -1 }))
        }
        key => drop(prompt.input.press(key)),
    }
    state.overlay = Some(Overlay::Prompt(prompt));
    judge_prompt(state);
    Vec::new()
}

/// Puts what is typed in force as far as it is understood: a bad expression keeps the rows that were there before.
fn judge_prompt(state: &mut State) {
    let Some(Overlay::Prompt(mut prompt)) = state.overlay.take() else { return };
    prompt.error = put_in_force(state, prompt.asked, prompt.input.text()).err();
    state.overlay = Some(Overlay::Prompt(prompt));
}

fn put_in_force(state: &mut State, asked: Asked, text: &str) -> Result<(), String> {
    let text = text.trim();
    let word = || (!text.is_empty()).then(|| text.to_lowercase());
    match asked {
        Asked::Search => {
            state.logs.search = word();
            return Ok(());
        }
        Asked::Lines => {
            state.logs.filter = word();
            return Ok(());
        }
        Asked::Filter => {}
    }
    if state.filter.as_ref().map_or("", |(_, text)| text.as_str()) == text {
        return Ok(());
    }
    state.filter = match text.is_empty() {
        true => None,
        false => Some((Filter::parse(text)?, text.to_owned())),
    };
    rows::refresh(state);
    Ok(())
}

fn in_text(state: &mut State, mut text: Text, key: &str) -> Vec<Effect> {
    let page = layout::overlay_rows(state).max(1);
    match key {
        "enter" => return text.about.map_or_else(Vec::new, |name| super::open(state, name, Tab::Summary)),
        "esc" | "q" => return Vec::new(),
        "down" | "j" => text.scroll += 1,
        "up" | "k" => text.scroll = text.scroll.saturating_sub(1),
        "pgdn" | "space" => text.scroll += page,
        "pgup" => text.scroll = text.scroll.saturating_sub(page),
        _ => {}
    }
    text.scroll = text.scroll.min(crate::tui::view::read_rows(state, &text).saturating_sub(page));
    state.overlay = Some(Overlay::Text(text));
    Vec::new()
}
