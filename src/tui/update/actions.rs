//! What each action does.

use super::{
    Effect, alerts, close, complain, guard, instance_of, open, open_logs_together, overlays, read_logs, remark,
};
use crate::control::LogOf;
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::wanted::WantedState;
use crate::tui::format::many;
use crate::tui::keys::{self, Action, Context, Tier};
use crate::tui::state::{Asked, Help, Id, Overlay, Page, Palette, Sort, State, Tab, Text};
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
        Action::Shell => targets.into_iter().take(1).map(Effect::Shell).collect(),
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
        Action::Filter if state.detail.is_some() => overlays::open_prompt(state, Asked::Search),
        Action::Filter => overlays::open_prompt(state, Asked::Filter),
        Action::FilterLines => overlays::open_prompt(state, Asked::Lines),
        Action::CopyLines => copy_lines(state),
        Action::WriteLines => write_lines(state),
        Action::Down => scroll(state, 1),
        Action::Up => scroll(state, -1),
        Action::PageDown => scroll(state, page_rows(state)),
        Action::PageUp => scroll(state, -page_rows(state)),
        Action::Top => scroll(state, isize::MIN / 2),
        Action::Bottom => scroll(state, isize::MAX / 2),
        Action::Logs => logs(state),
        Action::Diff => on_current(state, |state, name| open(state, name, Tab::Diff)),
        Action::NextTab => turn_tab(state, 1),
        Action::PreviousTab => turn_tab(state, Tab::ALL.len() - 1),
        Action::Acknowledge => alerts::acknowledge(state),
        Action::Silence => alerts::ask_for_how_long(state),
        Action::Unsilence => alerts::unsilence(state),
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
        Action::Follow => (state.logs.anchor, state.logs.hit) = (None, None),
        Action::Level => state.logs.next_level(),
        Action::Wrap if state.context() == Context::Logs => state.logs.wrap = !state.logs.wrap,
        Action::Wrap => state.wrap = !state.wrap,
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
    if state.detail.is_some() || state.page == Page::Alerts {
        return read_selected(state);
    }
    let Some(row) = state.row() else { return Vec::new() };
    let Some(name) = instance_of(state, row) else { return Vec::new() };
    let tab = match state.page {
        Page::Plan => Tab::Diff,
        Page::Backups => Tab::Backups,
        _ => Tab::Summary,
    };
    open(state, name, tab)
}

/// Shows all that there is to say about the selected entry or alert.
fn read_selected(state: &mut State) -> Vec<Effect> {
    let Some(lines) = crate::tui::view::whole(state) else { return Vec::new() };
    // On the tab of an instance it is open already.
    let about = state.current().filter(|_| state.detail.is_none()).cloned();
    let title = state.current().map_or("the host", |name| name.as_str()).to_owned();
    above(state, Overlay::Text(Text { title, lines, difference: false, about, scroll: 0 }))
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
    let is_text = state.detail.is_some() || state.page == Page::Host;
    let rows = if is_text { layout::text_rows(state) } else { layout::list_rows(state) };
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
        Some(detail) if detail.tab.has_entries() => select_entry(state, by),
        Some(_) => {
            let length = crate::tui::view::detail_rows(state);
            let most = length.saturating_sub(rows_shown);
            if let Some(detail) = &mut state.detail {
                detail.scroll = detail.scroll.min(most).saturating_add_signed(by).min(most);
            }
        }
        None if state.page == Page::Host => {
            let most = crate::tui::view::host_rows(state).saturating_sub(rows_shown);
            state.host_scroll = state.host_scroll.min(most).saturating_add_signed(by).min(most);
        }
        None => rows::choose(state, state.list.at.saturating_add_signed(by)),
    }
    Vec::new()
}

/// Selects an entry of the open tab, down when positive, and keeps it in sight.
fn select_entry(state: &mut State, by: isize) {
    let before = crate::tui::view::selection(state);
    let at = before.at.saturating_add_signed(by).min(before.count.saturating_sub(1));
    // At the newest event it keeps to the newest.
    let event = crate::tui::view::event_at(state, at).filter(|_| at > 0);
    if let Some(detail) = &mut state.detail {
        (detail.at, detail.event, detail.scroll) = (at, event, before.scroll);
    }
    let scroll = crate::tui::view::selection(state).scroll;
    if let Some(detail) = &mut state.detail {
        detail.scroll = scroll;
    }
}

/// The output of the current one, or of all that are marked as one.
fn logs(state: &mut State) -> Vec<Effect> {
    let targets = state.targets();
    match targets.len() {
        0 | 1 => on_current(state, |state, name| open(state, name, Tab::Logs)),
        _ if state.detail.is_some() => Vec::new(),
        _ => open_logs_together(state, targets),
    }
}

fn turn_tab(state: &mut State, by: usize) -> Vec<Effect> {
    if !state.logs.also.is_empty() {
        let back = state.keymap.hint(Action::Back).to_owned();
        complain(state, format!("tabs belong to one instance: {back} goes back, where one can be opened"));
        return Vec::new();
    }
    let Some(detail) = &state.detail else { return Vec::new() };
    let at = Tab::ALL.iter().position(|tab| *tab == detail.tab).unwrap_or_default();
    let (name, tab) = (detail.name.clone(), Tab::ALL[(at + by) % Tab::ALL.len()]);
    open(state, name, tab)
}

fn turn_source(state: &mut State) -> Vec<Effect> {
    let also = state.logs.also.clone();
    match state.logs.of.clone() {
        Some((name, LogOf::Odoo)) => read_logs(state, name, also, LogOf::Job),
        Some((name, LogOf::Job)) => read_logs(state, name, also, LogOf::Odoo),
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

fn find(state: &mut State, older: bool) {
    match (&state.logs.search, older) {
        (None, _) => {
            let key = state.keymap.hint(Action::Filter).to_owned();
            complain(state, format!("nothing is searched for: {key} begins"));
        }
        // The newest line is where reading begins, so "next" goes towards older lines, as in a pager read backwards.
        (Some(_), older) => {
            if !state.logs.find(!older) {
                remark(state, "no more matches in that direction".to_owned());
            }
        }
    }
}

fn copy_lines(state: &mut State) -> Vec<Effect> {
    let text = state.logs.text(layout::text_rows(state));
    remark(state, format!("copied {}", many(text.lines().count(), "line")));
    vec![Effect::Copy(text)]
}

/// All lines that pass, not only those that are visible.
fn write_lines(state: &mut State) -> Vec<Effect> {
    let Some((name, source)) = state.logs.of.clone() else { return Vec::new() };
    let text = state.logs.text(usize::MAX);
    if text.is_empty() {
        complain(state, "there is no line to write".to_owned());
        return Vec::new();
    }
    let source = if source == LogOf::Job { "job" } else { "odoo" };
    let more = if state.logs.also.is_empty() { String::new() } else { format!("-and-{}", state.logs.also.len()) };
    let file = format!("{name}{more}-{source}-{}.log", state.now.strftime("%Y%m%dT%H%M%SZ"));
    vec![Effect::Write { file, text }]
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
