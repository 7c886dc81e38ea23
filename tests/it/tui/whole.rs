//! Every text can be read whole: a cursor, the selected one in full below, all of it on enter, and wrapped lines.

use super::fixtures::{event, facts, fleet, instance};
use super::panels::{LOOK, OPTIONS, press, screen, told};
use crate::world::{name, now};
use innkeeper::control::view::View;
use innkeeper::model::event::{Event, Level};
use innkeeper::model::silence::Quiet;
use innkeeper::model::status::State as Stands;
use innkeeper::tui::state::{Overlay, State};
use innkeeper::tui::update::{Effect, Msg, update};
use std::collections::BTreeSet;

/// Forty words, none twice.
fn long_text() -> String {
    (0..40).map(|nth| format!("word{nth:02}")).collect::<Vec<_>>().join(" ")
}

fn words_in(shown: &str) -> usize {
    let text = long_text();
    let words: BTreeSet<&str> = text.split(' ').collect();
    words.into_iter().filter(|word| shown.contains(word)).count()
}

fn events() -> Vec<Event> {
    let long = |seq, ago_s| event(seq, ago_s, Some("acme"), Level::Error, "StepFailed", &long_text());
    let short = |seq, ago_s| event(seq, ago_s, Some("acme"), Level::Info, "FileChanged", "its file changed");
    vec![short(1, 90), long(2, 60), short(3, 30), short(4, 10)]
}

fn tell(state: &mut State, events: Vec<Event>) {
    update(state, Msg::View(Box::new(View { events, ..View::nothing(now()) })), now());
}

/// The events of acme.
fn reading(size: (u16, u16)) -> State {
    let instances = vec![instance(&name("acme"), Stands::Failed, 0)];
    let mut state = State::new(OPTIONS, size, now());
    state.explain = |reason| (reason == "StepFailed").then(|| "see `innkeeper events NAME`".to_owned());
    let last = View { whole: true, fleet: Some(facts(&instances)), instances, ..View::nothing(now()) };
    update(&mut state, Msg::View(Box::new(last)), now());
    tell(&mut state, events());
    press(&mut state, &["enter", "]"]);
    state
}

#[test]
fn an_event_is_read_whole_below_the_list_or_on_enter() {
    for size in [(80, 24), (100, 30), (140, 40)] {
        let mut state = reading(size);
        assert_eq!(words_in(&screen(&state, LOOK)).min(20), words_in(&screen(&state, LOOK)), "one row: it is cut");
        press(&mut state, &["j", "j"]);
        let shown = screen(&state, LOOK);
        assert_eq!(words_in(&shown), 40, "{size:?}:\n{shown}");
    }
    // Where there is no room below, enter opens it, with what to do about it.
    for size in [(40, 12), (60, 15), (80, 24)] {
        let mut state = reading(size);
        press(&mut state, &["j", "j", "enter"]);
        assert!(matches!(state.overlay, Some(Overlay::Text(_))), "{size:?}");
        let mut seen = screen(&state, LOOK);
        for _ in 0..40 {
            press(&mut state, &["j"]);
            seen.push_str(&screen(&state, LOOK));
        }
        assert_eq!(words_in(&seen), 40, "{size:?}:\n{seen}");
        assert!(seen.contains("innkeeper events acme"), "{size:?}:\n{seen}");
        press(&mut state, &["esc"]);
        assert_eq!(state.overlay, None);
    }
}

#[test]
fn lines_are_wrapped_on_demand() {
    let mut state = reading((80, 15));
    assert!(words_in(&screen(&state, LOOK)) < 40);
    press(&mut state, &["w"]);
    let shown = screen(&state, LOOK);
    assert_eq!(words_in(&shown), 40, "{shown}");
    press(&mut state, &["w"]);
    assert!(words_in(&screen(&state, LOOK)) < 40);
}

#[test]
fn the_selected_event_stays_selected_while_others_come() {
    let mut state = reading((100, 30));
    press(&mut state, &["j", "j"]);
    assert_eq!(words_in(&screen(&state, LOOK)), 40);
    let more = (5..60).map(|seq| event(seq, 5, Some("acme"), Level::Info, "FileChanged", "again"));
    tell(&mut state, more.collect());
    let shown = screen(&state, LOOK);
    assert_eq!(words_in(&shown), 40, "{shown}");
    assert!(shown.contains("58/59"), "{shown}");
    press(&mut state, &["g"]);
    tell(&mut state, vec![event(60, 1, Some("acme"), Level::Info, "FileChanged", "the very newest")]);
    assert!(screen(&state, LOOK).contains("the very newest"), "at the top it keeps to the newest");
}

#[test]
fn a_step_of_the_diff_is_selected_and_told_in_full() {
    let mut state = told((100, 30), 24);
    press(&mut state, &["d"]);
    press(&mut state, &["j"]);
    assert!(screen(&state, LOOK).contains("2/"), "{}", screen(&state, LOOK));
    press(&mut state, &["enter"]);
    assert!(
        matches!(&state.overlay, Some(Overlay::Text(text)) if text.lines.iter().any(|line| line.contains("memory")))
    );
}

/// The alerts of a fleet, in which acme's and another one's are open.
fn at_alerts(size: (u16, u16)) -> State {
    let mut state = told(size, 24);
    state.explain = |_| Some("Look at its output: `innkeeper logs NAME`.".to_owned());
    press(&mut state, &["4"]);
    state
}

#[test]
fn an_alert_says_what_to_do() {
    for size in [(80, 24), (100, 30), (140, 40)] {
        let shown = screen(&at_alerts(size), LOOK);
        assert!(shown.contains("innkeeper logs acme"), "{size:?}:\n{shown}");
    }
    let mut state = at_alerts((60, 14));
    press(&mut state, &["enter"]);
    let shown = screen(&state, LOOK);
    assert!(shown.contains("innkeeper logs acme"), "{shown}");
    press(&mut state, &["enter"]);
    assert_eq!(state.detail.as_ref().map(|detail| &detail.name), Some(&name("acme")), "the next enter opens it");
}

#[test]
fn acknowledging_moves_no_row() {
    let mut state = at_alerts((120, 30));
    let acknowledged = |state: &State| {
        let known = state.fleet.facts.as_ref().unwrap().alerts.iter().filter(|alert| alert.silence.is_some());
        known.count()
    };
    let mut asked = Vec::new();
    for _ in 0..2 {
        let effects = press(&mut state, &["a"]);
        let [Effect::Silence(request)] = effects.as_slice() else { panic!("{effects:?}") };
        asked.push(request.of.instance.clone());
        let mut fleet = state.fleet.facts.clone().unwrap();
        let quiet = Quiet { by: "ana".to_owned(), since: now(), until: None };
        let its = fleet.alerts.iter_mut().filter(|alert| alert.instance == request.of.instance);
        its.for_each(|alert| alert.silence = Some(quiet.clone()));
        update(&mut state, Msg::View(Box::new(View { fleet: Some(fleet), ..View::nothing(now()) })), now());
    }
    assert_eq!(asked, [Some(name("acme")), Some(name("acme"))], "the second key means the same alert");
    assert_eq!(acknowledged(&state), 1);
    // Whoever opens the view again finds those first of which nobody knows.
    press(&mut state, &["1", "4", "g"]);
    assert_ne!(state.current(), Some(&name("acme")));
}

#[test]
fn lines_of_an_output_are_told_in_the_fleets_zone() {
    let mut state = State::new(OPTIONS, (120, 30), now());
    fleet(24).into_iter().for_each(|view| drop(update(&mut state, Msg::View(Box::new(view)), now())));
    press(&mut state, &["l"]);
    let of = state.logs.of.clone().unwrap();
    let line = "2026-03-01 20:58:01,123 7 INFO acme odoo: late in the evening there, early in the morning here";
    update(&mut state, Msg::Log { of, lines: vec![line.to_owned(), "  a traceback".to_owned()], dropped: 0 }, now());
    let shown = screen(&state, LOOK);
    assert!(shown.contains("2026-03-02 03:58:01 7 INFO") && !shown.contains("20:58:01"), "{shown}");
    assert!(shown.contains("  a traceback") && shown.contains("+07"), "the zone is named once:\n{shown}");
}
