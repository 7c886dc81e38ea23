//! What holds of every key, every size and every fleet: no key does two things, nothing panics, the selection is one of
//! the rows, and nothing that needs asking is done unasked.

use super::fixtures::{fleet, instance, lines, nth_name, state_of};
use super::panels::{LOOK, key_of, press, screen, told};
use crate::world::{name, now};
use innkeeper::control::LogOf;
use innkeeper::control::view::{UsageView, VIEW_INSTANCES_MAX, View};
use innkeeper::model::status::State as Stands;
use innkeeper::tui::keymap::Keymap;
use innkeeper::tui::keys::{CONTEXTS, TABLE_OF_ACTIONS, Tier, entry};
use innkeeper::tui::logs::{BYTES_MAX, LINES_MAX, Logs};
use innkeeper::tui::state::{Help, Link, Overlay, State};
use innkeeper::tui::update::{Effect, Msg, update};
use proptest::prelude::*;
use std::collections::BTreeSet;

#[test]
fn no_two_actions_share_a_key_in_one_context() {
    for context in CONTEXTS {
        let mut keys = BTreeSet::new();
        for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context)) {
            for key in entry.keys {
                assert!(keys.insert(*key), "{key} does two things in {context:?}, one of them {}", entry.name);
            }
        }
        assert!(keys.len() > 20, "{context:?} has only {} keys", keys.len());
    }
}

#[test]
fn every_key_of_the_table_reaches_its_action() {
    for context in CONTEXTS {
        for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context)) {
            for key in entry.keys {
                assert_eq!(Keymap::default().action(context, key), Some(entry.action), "{key} in {context:?}");
            }
        }
    }
}

#[test]
fn help_lists_every_action_of_the_view() {
    for keys in [&["1"][..], &["2"], &["3"], &["4"], &["5"], &["6"], &["1", "enter"], &["1", "l"]] {
        let mut state = told((120, 80), 24);
        press(&mut state, keys);
        let context = state.context();
        state.overlay = Some(Overlay::Help(Help::default()));
        let shown = screen(&state, LOOK);
        for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context)) {
            assert!(
                shown.contains(entry.name) && shown.contains(entry.text),
                "{context:?} lacks {}:\n{shown}",
                entry.name
            );
        }
    }
}

#[test]
fn what_leads_to_an_outage_or_loss_has_no_key_of_its_own() {
    for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.tier >= Tier::Outage) {
        assert!(entry.keys.is_empty(), "{} is one key away", entry.name);
    }
}

/// One thing that may happen to a dashboard.
#[derive(Debug, Clone)]
enum Happening {
    Key(&'static str),
    Size(u16, u16),
    Fleet(usize),
    Lost,
    Remove(usize),
    Stop(usize),
    Log,
}

const KEYS: [&str; 62] = [
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "enter",
    "esc",
    "?",
    ":",
    ".",
    "/",
    "n",
    "N",
    "j",
    "k",
    "g",
    "G",
    "down",
    "up",
    "pgdn",
    "pgup",
    "home",
    "end",
    "[",
    "]",
    "tab",
    "space",
    "v",
    "u",
    "o",
    "O",
    "z",
    "y",
    "m",
    "ctrl-l",
    "l",
    "d",
    "e",
    "r",
    "T",
    "c",
    "a",
    "f",
    "L",
    "w",
    "left",
    "right",
    "backspace",
    "s",
    "t",
    "p",
    "i",
    "x",
    "<",
    "9",
    "ctrl-w",
    "ctrl-u",
    "h",
    "Y",
    "ctrl-n",
    "!",
];

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        30 => proptest::sample::select(&KEYS[..]).prop_map(Happening::Key),
        2 => (0_u16..300, 0_u16..100).prop_map(|(columns, rows)| Happening::Size(columns, rows)),
        1 => (0_usize..60).prop_map(Happening::Fleet),
        1 => Just(Happening::Lost),
        2 => (0_usize..30).prop_map(Happening::Remove),
        2 => (0_usize..30).prop_map(Happening::Stop),
        1 => Just(Happening::Log),
    ]
}

fn happen(state: &mut State, happening: &Happening) -> Vec<Effect> {
    match happening {
        Happening::Key(key) => return update(state, Msg::Key(key_of(key)), now()),
        Happening::Size(columns, rows) => drop(update(state, Msg::Resized(*columns, *rows), now())),
        Happening::Fleet(0) => {
            let view = View { whole: true, ..View::nothing(now()) };
            update(state, Msg::View(Box::new(view)), now());
        }
        Happening::Fleet(count) => {
            for view in fleet(*count) {
                update(state, Msg::View(Box::new(view)), now());
            }
        }
        Happening::Lost => drop(update(state, Msg::Lost("nobody listens".to_owned()), now())),
        Happening::Remove(nth) => {
            let view = View { removed: vec![nth_name(*nth)], ..View::nothing(now()) };
            update(state, Msg::View(Box::new(view)), now());
        }
        Happening::Stop(nth) => {
            let stopped = instance(&nth_name(*nth), innkeeper::model::status::State::Stopped, *nth);
            let view = View { instances: vec![stopped], ..View::nothing(now()) };
            update(state, Msg::View(Box::new(view)), now());
        }
        Happening::Log => {
            if let Some(of) = state.logs.of.clone() {
                let lines = (0..50).map(|nth| format!("2026-03-01 12:00:00,1 1 INFO acme odoo: line {nth} \x1b[31m魚"));
                update(state, Msg::Log { of, lines: lines.collect(), dropped: 1 }, now());
            }
        }
    }
    Vec::new()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nothing_is_done_unasked(happenings in proptest::collection::vec(happening(), 1..80)) {
        let mut state = told((80, 24), 24);
        for happening in &happenings {
            let asked = state.overlay.clone();
            let effects = happen(&mut state, happening);
            for effect in effects.iter().filter(|effect| effect.acts()) {
                let free = matches!(effect, Effect::Errand(_, innkeeper::model::errand::ErrandKind::Retry));
                let by_dialog = matches!(&asked, Some(Overlay::Dialog(dialog)) if entry(dialog.action).tier > Tier::Free);
                prop_assert!(free || by_dialog, "{effect:?} after {happening:?} without a dialog");
            }
            let rows = state.list.rows.len();
            prop_assert!(state.list.at < rows.max(1), "row {} of {rows}", state.list.at);
            prop_assert!(state.list.offset <= state.list.at, "the selected row is above what is visible");
            if state.size.0 > 0 && state.size.1 > 0 {
                screen(&state, LOOK);
            }
        }
    }
}

#[test]
fn the_selection_stays_with_its_instance_when_the_order_changes() {
    let mut state = told((80, 24), 24);
    press(&mut state, &["j", "j", "j"]);
    let selected = state.current().unwrap().clone();
    let failed: Vec<_> =
        (4..12).map(|nth| instance(&nth_name(nth), innkeeper::model::status::State::Failed, nth)).collect();
    update(&mut state, Msg::View(Box::new(View { instances: failed, ..View::nothing(now()) })), now());
    assert_eq!(state.current(), Some(&selected));
    assert_ne!(state.list.at, 3, "it was to move");
}

#[test]
fn until_a_row_is_chosen_the_first_one_is_selected() {
    let mut state = told((80, 24), 24);
    let worst = instance(&nth_name(11), innkeeper::model::status::State::Failed, 11);
    let mended = instance(&nth_name(0), innkeeper::model::status::State::Ready, 0);
    let view = View { instances: vec![worst, mended], ..View::nothing(now()) };
    update(&mut state, Msg::View(Box::new(view)), now());
    assert_eq!((state.list.at, state.current()), (0, Some(&nth_name(11))), "it does not go down with what was first");
    press(&mut state, &["j", "k"]);
    let mended = instance(&nth_name(11), innkeeper::model::status::State::Ready, 11);
    update(&mut state, Msg::View(Box::new(View { instances: vec![mended], ..View::nothing(now()) })), now());
    assert_eq!(state.list.at, 0, "and the first row is chosen as little");
}

#[test]
fn a_bad_filter_keeps_the_rows_and_says_why() {
    let mut state = told((100, 24), 146);
    press(&mut state, &["/", "p", "l", "a", "n", ":", "g", "o", "l", "d"]);
    assert_eq!(state.list.rows.len(), 48);
    press(&mut state, &["space", "|"]);
    assert_eq!(state.list.rows.len(), 48, "what was understood last is in force");
    assert!(screen(&state, LOOK).contains("has nothing on one side of \"|\""), "{}", screen(&state, LOOK));
    press(&mut state, &["enter"]);
    assert!(matches!(state.overlay, Some(Overlay::Prompt(_))), "enter does not accept it");
    press(&mut state, &["esc"]);
    assert_eq!((state.list.rows.len(), state.filter.is_none()), (146, true));
}

#[test]
fn a_daemon_that_goes_and_comes_back_is_told_and_its_fleet_stays() {
    let mut state = told((100, 24), 24);
    update(&mut state, Msg::Lost("nobody listens".to_owned()), now());
    let shown = screen(&state, LOOK);
    assert!(
        shown.contains("daemon DOWN") && shown.contains("trying again; shown is what was known last: nobody listens"),
        "{shown}"
    );
    assert!(shown.contains("brightside"), "what was known stays:\n{shown}");
    for view in fleet(12) {
        update(&mut state, Msg::View(Box::new(view)), now());
    }
    assert_eq!((state.link.clone(), state.fleet.items.len()), (Link::Live, 12));
}

#[test]
fn a_view_in_parts_is_shown_when_it_is_whole() {
    let mut state = told((100, 24), 24);
    let instances: Vec<_> = (0..600).map(|nth| instance(&nth_name(nth), state_of(nth), nth)).collect();
    let views = lines(View::nothing(now()), instances);
    let (last, first) = views.split_last().unwrap();
    assert_eq!(first.len(), 600_usize.div_ceil(VIEW_INSTANCES_MAX));
    for view in first {
        update(&mut state, Msg::View(Box::new(view.clone())), now());
        assert_eq!(state.fleet.items.len(), 24, "half a fleet is not shown");
    }
    update(&mut state, Msg::View(Box::new(last.clone())), now());
    assert_eq!(state.fleet.items.len(), 600);
}

#[test]
fn a_fleet_that_is_told_again_keeps_its_samples_and_forgets_who_is_gone() {
    let mut state = told((100, 24), 24);
    let samples = |state: &State| state.fleet.get(&name("cobalt")).unwrap().samples.len();
    let usage = |busy: usize| {
        let view = instance(&name("cobalt"), Stands::Ready, busy);
        vec![UsageView { instance: name("cobalt"), usage: view.status.usage.clone() }]
    };
    for busy in 0..10 {
        update(&mut state, Msg::View(Box::new(View { usage: usage(busy), ..View::nothing(now()) })), now());
    }
    assert_eq!(samples(&state), 11);
    for view in fleet(12) {
        update(&mut state, Msg::View(Box::new(view)), now());
    }
    assert_eq!(state.fleet.items.len(), 12, "twelve of them were not told again");
    assert!(state.fleet.items.is_sorted_by(|one, other| one.name() < other.name()));
    // What it uses now is not what was sampled last.
    assert_eq!(samples(&state), 12);
}

#[test]
fn an_output_of_long_lines_takes_no_more_memory_than_one_of_short_lines() {
    let mut logs = Logs::default();
    logs.open(name("acme"), Vec::new(), LogOf::Odoo);
    for nth in 0..2 * LINES_MAX {
        logs.take(vec![format!("INFO line {nth} {}", "x".repeat(if nth < 5_000 { 4_000 } else { 10 }))], 0);
        let bytes: usize =
            if nth % 500 == 0 { logs.lines.iter().map(|line| line.text.len()).sum() } else { logs.bytes };
        assert!(bytes == logs.bytes && bytes <= BYTES_MAX, "{bytes} bytes after line {nth}");
    }
    assert_eq!(logs.lines.len(), LINES_MAX, "lines of a usual length are kept by number");
    assert!(logs.line(logs.first).unwrap().text.starts_with(&format!("INFO line {LINES_MAX} ")));
}
