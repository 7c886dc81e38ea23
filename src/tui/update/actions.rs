//! What each action does.

use super::{Effect, close, complain, guard, instance_of, open, overlays, read_logs, remark};
use crate::control::LogOf;
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::wanted::WantedState;
use crate::tui::keys::{self, Action, Tier};
use crate::tui::state::{Help, Id, Overlay, Page, Palette, Sort, State, Tab};
use crate::tui::{layout, rows};

/// Begins an action: asks first where its tier demands it.
pub(super) fn begin(state: &mut State, action: Action, key: &str) -> Vec<Effect> {
    let entry = keys::entry(action);
    if entry.on_instance && !matches!(action, Action::Logs | Action::Diff) {
        return begin_on_instances(state, action, key);
    }
    take(state, action)
}

fn begin_on_instances(state: &mut State, action: Action, key: &str) -> Vec<Effect> {
    let targets = state.targets();
    if targets.is_empty() {
        complain(state, "nothing is selected".to_owned());
        return Vec::new();
    }
    let why = targets.iter().find_map(|name| guard::refusal(state, action, name));
    if let Some(why) = why {
        complain(state, format!("{}: {why}", keys::entry(action).name));
        return Vec::new();
    }
    let tier = guard::tier(action, targets.len());
    if let Some(why) = guard::hidden_marks(state, tier, targets.len()) {
        complain(state, why);
        return Vec::new();
    }
    match tier {
        Tier::Free => carry_out(state, action, targets),
        _ => {
            state.overlay = Some(Overlay::Dialog(guard::dialog(state, action, targets, tier, key)));
            Vec::new()
        }
    }
}

/// Does it to each: whoever calls has asked what must be asked.
pub(super) fn carry_out(state: &mut State, action: Action, targets: Vec<InstanceName>) -> Vec<Effect> {
    state.marks.clear();
    let each = |effect: fn(InstanceName) -> Effect| targets.iter().cloned().map(effect).collect();
    match action {
        Action::Restart => each(|name| Effect::Errand(name, ErrandKind::Restart)),
        Action::Retry => each(|name| Effect::Errand(name, ErrandKind::Retry)),
        Action::Start => each(|name| Effect::SetState(name, WantedState::Running)),
        Action::Stop => each(|name| Effect::SetState(name, WantedState::Stopped)),
        Action::Retire => each(|name| Effect::SetState(name, WantedState::Absent)),
        Action::Look => vec![Effect::Wake(targets)],
        Action::Edit => targets.into_iter().take(1).map(Effect::Edit).collect(),
        _ => Vec::new(),
    }
}

/// Does what needs no asking.
fn take(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::ViewInstances => view(state, Page::Instances),
        Action::ViewPlan => view(state, Page::Plan),
        Action::ViewJobs => view(state, Page::Jobs),
        Action::ViewAlerts => view(state, Page::Alerts),
        Action::ViewBackups => view(state, Page::Backups),
        Action::ViewHost => view(state, Page::Host),
        Action::Open => open_selected(state),
        Action::Back => back(state),
        Action::Quit => quit(state),
        Action::Menu => overlays::open_menu(state),
        Action::Palette => above(state, Overlay::Palette(Palette::default())),
        Action::Help => above(state, Overlay::Help(Help::default())),
        Action::Filter => overlays::open_prompt(state),
        Action::Down => scroll(state, 1),
        Action::Up => scroll(state, -1),
        Action::PageDown => scroll(state, page_rows(state)),
        Action::PageUp => scroll(state, -page_rows(state)),
        Action::Top => scroll(state, isize::MIN / 2),
        Action::Bottom => scroll(state, isize::MAX / 2),
        Action::Logs => on_current(state, |state, name| open(state, name, Tab::Logs)),
        Action::Diff => on_current(state, |state, name| open(state, name, Tab::Diff)),
        Action::NextTab => turn_tab(state, 1),
        Action::PreviousTab => turn_tab(state, Tab::ALL.len() - 1),
        Action::Copy => copy(state),
        Action::Mouse => {
            state.mouse = !state.mouse;
            vec![Effect::Mouse(state.mouse)]
        }
        Action::Redraw => vec![Effect::Redraw],
        Action::Suspend => vec![Effect::Suspend],
        _ => take_in_place(state, action),
    }
}

/// Actions of one view.
fn take_in_place(state: &mut State, action: Action) -> Vec<Effect> {
    match action {
        Action::Mark => mark(state),
        Action::MarkRange => mark_range(state),
        Action::Unmark => state.marks.clear(),
        Action::Sort => {
            let at = Sort::ALL.iter().position(|sort| *sort == state.sort).unwrap_or_default();
            state.sort = Sort::ALL[(at + 1) % Sort::ALL.len()];
            rows::refresh(state);
        }
        Action::SortBackwards => {
            state.sort_backwards = !state.sort_backwards;
            rows::refresh(state);
        }
        Action::Zoom => {
            state.zoomed = !state.zoomed;
            rows::select(state, state.list.at);
        }
        Action::Seen => mark_as_seen(state),
        Action::Follow => (state.logs.anchor, state.logs.hit) = (None, None),
        Action::Level => state.logs.next_level(),
        Action::Wrap => state.logs.wrap = !state.logs.wrap,
        Action::NextMatch => find(state, false),
        Action::PreviousMatch => find(state, true),
        Action::Source => return turn_source(state),
        _ => {}
    }
    Vec::new()
}

fn above(state: &mut State, overlay: Overlay) -> Vec<Effect> {
    state.overlay = Some(overlay);
    Vec::new()
}

fn on_current(state: &mut State, then: impl Fn(&mut State, InstanceName) -> Vec<Effect>) -> Vec<Effect> {
    match state.current().cloned() {
        Some(name) => then(state, name),
        None => Vec::new(),
    }
}

fn view(state: &mut State, page: Page) -> Vec<Effect> {
    let effects = close(state);
    rows::turn_to(state, page);
    effects
}

fn open_selected(state: &mut State) -> Vec<Effect> {
    let Some(row) = state.row() else { return Vec::new() };
    let Some(name) = instance_of(state, row) else { return Vec::new() };
    let tab = match state.page {
        Page::Plan => Tab::Diff,
        Page::Backups => Tab::Backups,
        _ => Tab::Summary,
    };
    open(state, name, tab)
}

fn back(state: &mut State) -> Vec<Effect> {
    if state.detail.is_some() {
        return close(state);
    }
    if state.filter.take().is_some() {
        rows::refresh(state);
    } else if state.page != Page::Instances {
        return view(state, Page::Instances);
    }
    Vec::new()
}

fn quit(state: &mut State) -> Vec<Effect> {
    match state.detail {
        Some(_) => close(state),
        None => vec![Effect::Quit],
    }
}

fn page_rows(state: &State) -> isize {
    let rows = if state.detail.is_some() { layout::text_rows(state) } else { layout::list_rows(state) };
    isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
}

/// Down when positive.
pub(super) fn scroll(state: &mut State, by: isize) -> Vec<Effect> {
    let rows_shown = layout::text_rows(state);
    match &mut state.detail {
        Some(detail) if detail.tab == Tab::Logs => match by {
            by if by > isize::MAX / 4 => state.logs.anchor = None,
            by if by < isize::MIN / 4 => state.logs.to_top(rows_shown),
            by => state.logs.scroll(by),
        },
        Some(_) => {
            let length = crate::tui::view::detail_rows(state);
            let most = length.saturating_sub(rows_shown);
            if let Some(detail) = &mut state.detail {
                detail.scroll = detail.scroll.min(most).saturating_add_signed(by).min(most);
            }
        }
        None => rows::choose(state, state.list.at.saturating_add_signed(by)),
    }
    Vec::new()
}

fn turn_tab(state: &mut State, by: usize) -> Vec<Effect> {
    let Some(detail) = &state.detail else { return Vec::new() };
    let at = Tab::ALL.iter().position(|tab| *tab == detail.tab).unwrap_or_default();
    let (name, tab) = (detail.name.clone(), Tab::ALL[(at + by) % Tab::ALL.len()]);
    open(state, name, tab)
}

fn turn_source(state: &mut State) -> Vec<Effect> {
    match state.logs.of.clone() {
        Some((name, LogOf::Odoo)) => read_logs(state, name, LogOf::Job),
        Some((name, LogOf::Job)) => read_logs(state, name, LogOf::Odoo),
        None => Vec::new(),
    }
}

fn mark(state: &mut State) {
    let Some(name) = state.current().cloned() else { return };
    if !state.marks.remove(&name) {
        state.marks.insert(name.clone());
        state.marked_last = Some(name);
    }
    rows::choose(state, state.list.at + 1);
}

fn mark_range(state: &mut State) {
    let from = state
        .marked_last
        .clone()
        .and_then(|name| state.list.rows.iter().position(|row| state.id(*row) == Some(Id::Item(name.clone()))));
    let (from, to) = (from.unwrap_or(state.list.at), state.list.at);
    let names: Vec<InstanceName> = state.list.rows[from.min(to)..]
        .iter()
        .take(from.abs_diff(to) + 1)
        .filter_map(|row| instance_of(state, *row))
        .collect();
    state.marked_last = names.last().cloned().or(state.marked_last.take());
    state.marks.extend(names);
}

fn mark_as_seen(state: &mut State) {
    if let Some(Id::Alert(instance, reason)) = state.row().and_then(|row| state.id(row)) {
        let key = (instance, reason);
        if !state.seen.remove(&key) {
            state.seen.insert(key);
        }
        rows::refresh(state);
    }
}

fn find(state: &mut State, older: bool) {
    match (&state.logs.search, older) {
        (None, _) => complain(state, "nothing is searched for: / begins".to_owned()),
        // The newest line is where reading begins, so "next" goes towards older lines, as in a pager read backwards.
        (Some(_), older) => {
            if !state.logs.find(!older) {
                remark(state, "no more matches in that direction".to_owned());
            }
        }
    }
}

fn copy(state: &mut State) -> Vec<Effect> {
    let text = state.current().map(|name| {
        let url = state.fleet.get(name).and_then(|item| item.status().url.clone());
        url.unwrap_or_else(|| name.to_string())
    });
    match text {
        Some(text) => {
            remark(state, format!("copied {text}"));
            vec![Effect::Copy(text)]
        }
        None => Vec::new(),
    }
}
