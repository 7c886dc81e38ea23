//! The rows of each view: which, in which order. Made anew when the data, the filter, the order or the view changed;
//! drawing only reads a window of them.

use super::fleet::Item;
use super::layout;
use super::state::{Id, Page, Row, Sort, State};
use crate::control::view::RunView;
use crate::model::name::InstanceName;
use crate::model::status::UsageStatus;
use std::cmp::{Ordering, Reverse};

/// Makes the rows anew; the selection stays with what was selected, or at its place when that is gone.
pub(super) fn refresh(state: &mut State) {
    let mut rows = match state.page {
        Page::Instances => instances(state),
        Page::Plan => plan(state),
        Page::Jobs => jobs(state),
        Page::Alerts => alerts(state),
        Page::Backups => backups(state),
        Page::Host => Vec::new(),
    };
    rows.shrink_to(rows.len() * 2);
    state.list.rows = rows;
    let place = &state.places[state.page as usize];
    let selected = place.selected.clone().filter(|_| place.chosen);
    let found = if place.chosen { selected.and_then(|id| find(state, &id)) } else { Some(0) };
    state.list.at = found.unwrap_or(state.list.at).min(state.list.rows.len().saturating_sub(1));
    select(state, state.list.at);
}

/// Selects a row because the user wants it.
pub(super) fn choose(state: &mut State, at: usize) {
    select(state, at);
    state.places[state.page as usize].chosen = state.list.at > 0;
}

/// Selects a row and keeps it in sight.
pub(super) fn select(state: &mut State, at: usize) {
    let list = &mut state.list;
    list.at = at.min(list.rows.len().saturating_sub(1));
    keep_in_sight(state);
    let id = state.row().and_then(|row| state.id(row));
    let place = &mut state.places[state.page as usize];
    // With nothing to select, what was selected is remembered: it may come back.
    place.selected = id.or(place.selected.take());
    place.offset = state.list.offset;
}

/// Scrolls as little as is needed to show the selected row, and leaves no empty rows at the end.
pub(super) fn keep_in_sight(state: &mut State) {
    let height = layout::list_rows(state).max(1);
    let list = &mut state.list;
    list.offset = list.offset.min(list.at).max((list.at + 1).saturating_sub(height));
    list.offset = list.offset.min(list.rows.len().saturating_sub(height));
}

/// Goes to another view, to where the user was in it.
pub(super) fn turn_to(state: &mut State, page: Page) {
    state.page = page;
    let alerts = state.fleet.facts.iter().flat_map(|facts| &facts.alerts).filter(|alert| alert.silence.is_some());
    state.known_alerts = alerts.map(|alert| (alert.instance.clone(), alert.reason.clone())).collect();
    state.list.offset = state.places[page as usize].offset;
    state.list.at = 0;
    refresh(state);
}

fn find(state: &State, id: &Id) -> Option<usize> {
    match id {
        // Its place among the items is known, so names need not be compared.
        Id::Item(name) => {
            let at = u32::try_from(state.fleet.find(name).ok()?).ok()?;
            state.list.rows.iter().position(|row| *row == Row::Item(at))
        }
        Id::Run(run) => state.list.rows.iter().position(|row| *row == Row::Run(*run)),
        Id::Alert(..) => state.list.rows.iter().position(|row| state.id(*row).as_ref() == Some(id)),
    }
}

fn passes(state: &State, item: &Item) -> bool {
    state.filter.as_ref().is_none_or(|(filter, _)| item.passes(filter, state.now))
}

/// The places of the items that pass the filter, in the order of their names.
fn passing<'a>(state: &'a State, also: impl Fn(&Item) -> bool + 'a) -> impl Iterator<Item = u32> + 'a {
    let items = state.fleet.items.iter().zip(0_u32..);
    items.filter(move |(item, _)| passes(state, item) && also(item)).map(|(_, at)| at)
}

fn instances(state: &State) -> Vec<Row> {
    let mut places: Vec<u32> = passing(state, |_| true).collect();
    let items = &state.fleet.items;
    let by = |a: &u32, b: &u32| order(state.sort, &items[*a as usize], &items[*b as usize]).then(a.cmp(b));
    places.sort_unstable_by(|a, b| if state.sort_backwards { by(b, a) } else { by(a, b) });
    places.into_iter().map(Row::Item).collect()
}

fn order(sort: Sort, a: &Item, b: &Item) -> Ordering {
    let (one, two) = (a.status(), b.status());
    let usage = |item: &Item, of: fn(&UsageStatus) -> u64| item.status().usage.as_ref().map(of);
    match sort {
        Sort::Severity => one.state.severity().cmp(&two.state.severity()),
        // Items are sorted by name.
        Sort::Name => Ordering::Equal,
        Sort::Plan => one.plan.cmp(&two.plan),
        Sort::Cpu => {
            let cpu = |item: &Item| item.status().usage.as_ref().map_or(-1.0, |usage| usage.cpu_percent);
            cpu(b).total_cmp(&cpu(a))
        }
        Sort::Memory => Reverse(usage(a, |it| it.memory_bytes)).cmp(&Reverse(usage(b, |it| it.memory_bytes))),
        Sort::Disk => {
            let disk = |item: &Item| usage(item, UsageStatus::disk_bytes);
            Reverse(disk(a)).cmp(&Reverse(disk(b)))
        }
        Sort::Certificate => {
            let end = |item: &Item| item.status().certificate.as_ref().map(|it| it.not_after);
            // Those without one are not about to end.
            (end(a).is_none(), end(a)).cmp(&(end(b).is_none(), end(b)))
        }
        Sort::Backup => {
            let at = |item: &Item| item.status().last_backup.as_ref().map(|it| it.at);
            at(a).cmp(&at(b))
        }
    }
}

/// Instances with something to be done, the riskiest first, then those where something waits.
fn plan(state: &State) -> Vec<Row> {
    let mut places: Vec<u32> =
        passing(state, |item| !item.view.steps.is_empty() || !item.status().holds.is_empty()).collect();
    places.sort_by_key(|at| {
        let item = &state.fleet.items[*at as usize];
        Reverse(item.view.steps.iter().map(|step| step.risk as u8 + 1).max().unwrap_or(0))
    });
    places.into_iter().map(Row::Item).collect()
}

/// Running steps, the oldest first; then those that ended, the newest first.
fn jobs(state: &State) -> Vec<Row> {
    let shown = |run: &&RunView| match (&state.filter, &run.instance) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(_), Some(name)) => state.fleet.get(name).is_some_and(|item| passes(state, item)),
    };
    let running = state.fleet.running().filter(shown);
    let ended = state.fleet.runs.values().rev().filter(|run| run.ended.is_some()).filter(shown);
    running.chain(ended).map(|run| Row::Run(run.id)).collect()
}

fn alerts(state: &State) -> Vec<Row> {
    let Some(facts) = &state.fleet.facts else { return Vec::new() };
    let shown = |name: &Option<InstanceName>| match (&state.filter, name) {
        (None, _) | (Some(_), None) => true,
        (Some(_), Some(name)) => state.fleet.get(name).is_some_and(|item| passes(state, item)),
    };
    let mut places: Vec<(usize, u32)> = facts
        .alerts
        .iter()
        .zip(0_u32..)
        .filter(|(alert, _)| shown(&alert.instance))
        .map(|(alert, at)| {
            let known =
                alert.silence.is_some() && state.known_alerts.contains(&(alert.instance.clone(), alert.reason.clone()));
            (usize::from(known), at)
        })
        .collect();
    places.sort_by_key(|(quiet, at)| (*quiet, Reverse(facts.alerts[*at as usize].since)));
    places.into_iter().map(|(_, at)| Row::Alert(at)).collect()
}

/// All instances, the oldest backup first.
fn backups(state: &State) -> Vec<Row> {
    let mut places: Vec<u32> = passing(state, |_| true).collect();
    places.sort_by_key(|at| state.fleet.items[*at as usize].status().last_backup.as_ref().map(|it| it.at));
    places.into_iter().map(Row::Item).collect()
}
