//! Alerts: acknowledged and silenced from the keyboard, shown with who and until when, never hidden.

use super::fixtures::facts;
use super::panels::{LOOK, press, same, screen, told};
use crate::world::{name, now};
use innkeeper::control::SilenceRequest;
use innkeeper::control::view::View;
use innkeeper::model::silence::{AlertsOf, Quiet, Silence};
use innkeeper::tui::state::{Overlay, State};
use innkeeper::tui::update::{Effect, Msg, update};
use jiff::SignedDuration;

fn of(reason: Option<&str>) -> AlertsOf {
    AlertsOf { instance: Some(name("acme")), reason: reason.map(str::to_owned) }
}

fn in_hours(hours: i64) -> innkeeper::model::time::Timestamp {
    now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

/// The view of alerts, of which acme's is selected.
fn at_alerts(size: (u16, u16)) -> State {
    let mut state = told(size, 24);
    press(&mut state, &["4"]);
    assert_eq!(state.current(), Some(&name("acme")));
    state
}

/// The daemon tells that acme's alert is known.
fn tell_known(state: &mut State, until: Option<i64>) {
    let mut fleet = state.fleet.facts.clone().unwrap();
    let quiet = Quiet { by: "ana".to_owned(), since: now(), until: until.map(in_hours) };
    fleet.alerts.iter_mut().filter(|alert| alert.instance == Some(name("acme"))).for_each(|alert| {
        alert.silence = Some(quiet.clone());
    });
    update(state, Msg::View(Box::new(View { fleet: Some(fleet), ..View::nothing(now()) })), now());
}

#[test]
fn an_alert_is_acknowledged_where_it_is_seen() {
    let mut state = at_alerts((120, 30));
    let request = SilenceRequest { of: of(Some("NotAnswering")), until: None };
    assert_eq!(press(&mut state, &["a"]), [Effect::Silence(request)]);
    // In the table and in the instance it is all that there is of it.
    let all = SilenceRequest { of: of(None), until: None };
    for keys in [&["1", "a"][..], &["1", "enter", "a"]] {
        let effects = press(&mut at_alerts((120, 30)), keys);
        assert_eq!(effects.last(), Some(&Effect::Silence(all.clone())), "{keys:?}");
    }
    let mut state = told((120, 30), 24);
    press(&mut state, &["/", "c", "o", "b", "a", "l", "t", "enter"]);
    assert_eq!(press(&mut state, &["a"]), []);
    assert!(screen(&state, LOOK).contains("no alert of cobalt is open"), "{}", screen(&state, LOOK));
}

#[test]
fn a_silence_has_an_end_that_is_chosen() {
    let choose = |keys: &[&str]| {
        let mut state = at_alerts((120, 30));
        assert_eq!(press(&mut state, &["s"]), [], "it asks first");
        press(&mut state, keys)
    };
    let silence = |reason: Option<&str>, hours| {
        [Effect::Silence(SilenceRequest { of: of(reason), until: Some(in_hours(hours)) })]
    };
    assert_eq!(choose(&["enter"]), silence(Some("NotAnswering"), 1));
    assert_eq!(choose(&["j", "enter"]), silence(Some("NotAnswering"), 4));
    // 12:00 UTC is 19:00 in the fleet's zone: tomorrow at eight is in thirteen hours.
    assert_eq!(choose(&["j", "j", "enter"]), silence(Some("NotAnswering"), 13));
    assert_eq!(choose(&["k", "tab", "enter"]), silence(None, 7 * 24));
    for keys in [&["esc"][..], &["q"], &["j", "esc"]] {
        let mut state = at_alerts((120, 30));
        press(&mut state, &["s"]);
        assert_eq!(press(&mut state, keys), []);
        assert_eq!(state.overlay, None, "{keys:?}");
    }
}

#[test]
fn what_is_known_stays_in_sight_with_who_and_until_when() {
    let mut state = at_alerts((120, 30));
    assert!(screen(&state, LOOK).contains("Alerts(2)"));
    tell_known(&mut state, Some(4));
    let shown = screen(&state, LOOK);
    assert!(shown.contains("silenced until 23:00:00 by ana"), "{shown}");
    assert!(
        shown.contains("2 open, 1 of them known") && shown.contains("Alerts(1)"),
        "it is open all the same:\n{shown}"
    );
    // Nothing moves under whoever works there; who opens the view again finds what nobody knows of first.
    press(&mut state, &["1", "4"]);
    let shown = screen(&state, LOOK);
    let is_row = |line: &&str| line.contains("NotAnswering") && line.contains("12m");
    let rows: Vec<&str> = shown.lines().filter(is_row).collect();
    assert!(rows.last().unwrap().contains("acme"), "what nobody knows of comes first:\n{shown}");
    tell_known(&mut state, None);
    assert!(screen(&state, LOOK).contains("seen by ana"));
    press(&mut state, &["G"]);
    assert_eq!(press(&mut state, &["u"]), [Effect::Unsilence(of(None))]);
    press(&mut state, &["g"]);
    assert_eq!(press(&mut state, &["u"]), [], "the other one asks for attention already");
}

#[test]
fn what_came_of_it_is_said() {
    let mut state = at_alerts((120, 30));
    let quiet = Quiet { by: "ana".to_owned(), since: now(), until: Some(in_hours(4)) };
    let result = Ok(vec![Silence { of: of(Some("NotAnswering")), quiet }]);
    update(&mut state, Msg::Silenced { of: of(Some("NotAnswering")), result }, now());
    assert!(screen(&state, LOOK).contains("acme NotAnswering: silenced until 23:00:00"));
    update(&mut state, Msg::Silenced { of: of(None), result: Err("the daemon says no".to_owned()) }, now());
    assert!(screen(&state, LOOK).contains("the daemon says no"));
    update(&mut state, Msg::Unsilenced { of: of(None), result: Ok(1) }, now());
    assert!(screen(&state, LOOK).contains("alerts of acme: open again"));
}

#[test]
fn who_only_looks_and_who_has_no_daemon_silences_nothing() {
    for (spoil, why) in [
        ((|state| state.options.read_only = true) as fn(&mut State), "--read-only"),
        (|state| drop(update(state, Msg::Lost("nobody listens".to_owned()), now())), "the daemon does not answer"),
    ] {
        let mut state = at_alerts((120, 30));
        tell_known(&mut state, None);
        spoil(&mut state);
        for key in ["a", "s", "u"] {
            assert_eq!(press(&mut state, &[key]), [], "{key}");
            assert!(!matches!(state.overlay, Some(Overlay::Silence(_))));
            assert!(screen(&state, LOOK).contains(why), "{key}: {}", screen(&state, LOOK));
        }
    }
}

#[test]
fn the_question_for_how_long_at_three_sizes() {
    for size in [(60, 20), (80, 24), (140, 40)] {
        let mut state = at_alerts(size);
        press(&mut state, &["s", "j", "j"]);
        same(&format!("silence-{}x{}", size.0, size.1), &state, LOOK);
        press(&mut state, &["esc"]);
        tell_known(&mut state, Some(4));
        same(&format!("silenced-{}x{}", size.0, size.1), &state, LOOK);
    }
}

#[test]
fn a_daemon_of_before_tells_alerts_without_that_word() {
    let json = r#"{"instance":"acme","reason":"CpuBusy","message":"busy","since":"2026-03-01T12:00:00Z"}"#;
    let alert: innkeeper::model::status::Alert = serde_json::from_str(json).unwrap();
    assert_eq!(alert.silence, None);
    assert!(!facts(&[]).alerts.iter().any(|alert| alert.silence.is_some()));
}
