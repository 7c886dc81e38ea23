//! Outputs of several instances as one: in the order of their times, with names, and never more than is kept.

use super::desk::open;
use super::fixtures::{fleet, nth_name};
use super::panels::{LOOK, press, same, screen, told};
use super::stage::Stage;
use crate::world::now;
use innkeeper::control::{LogOf, LogRequest};
use innkeeper::model::name::InstanceName;
use innkeeper::tui::logs::LINES_MAX;
use innkeeper::tui::merge::Merge;
use innkeeper::tui::state::State;
use innkeeper::tui::update::{Effect, Msg, update};
use proptest::prelude::*;

fn line(milliseconds: u64, text: &str) -> String {
    let (seconds, rest) = (milliseconds / 1_000, milliseconds % 1_000);
    format!("2026-03-01 12:{:02}:{:02},{rest:03} 21 INFO x odoo: {text}", seconds / 60, seconds % 60)
}

#[test]
fn lines_are_put_in_the_order_of_their_times_and_tracebacks_stay_together() {
    let mut merge = Merge::of(2);
    assert!(!merge.all_heard());
    let failed = [line(5, "failed"), "Traceback".to_owned(), "  File".to_owned(), line(9, "after")];
    merge.take(0, failed.clone());
    assert!(!merge.all_heard());
    merge.take(1, ["before any time".to_owned(), line(1, "first"), line(7, "between")]);
    assert!(merge.all_heard());
    let merged = merge.drain();
    let expected = [
        (1, "before any time".to_owned()),
        (1, line(1, "first")),
        (0, failed[0].clone()),
        (0, failed[1].clone()),
        (0, failed[2].clone()),
        (1, line(7, "between")),
        (0, failed[3].clone()),
    ];
    assert_eq!(merged, expected);
    assert!(merge.is_empty());
    // What comes later without a time belongs to the line before it.
    merge.take(0, ["goes on".to_owned()]);
    merge.take(1, [line(8, "older")]);
    assert_eq!(merge.drain(), [(1, line(8, "older")), (0, "goes on".to_owned())]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_each_output_keeps_its_own_order(
        lines in proptest::collection::vec((0_u8..4, proptest::option::of(0_u64..50)), 0..120)
    ) {
        let mut merge = Merge::of(4);
        let texts: Vec<(u8, String)> = lines
            .iter()
            .enumerate()
            .scan([0_u64; 4], |clocks, (nth, (source, later))| {
                let clock = &mut clocks[usize::from(*source)];
                Some((*source, match later {
                    Some(later) => { *clock += later; line(*clock, &format!("line {nth}")) }
                    None => format!("  at line {nth}"),
                }))
            })
            .collect();
        texts.iter().for_each(|(source, text)| merge.take(usize::from(*source), [text.clone()]));
        let merged = merge.drain();
        prop_assert_eq!(merged.len(), texts.len());
        for source in 0..4 {
            let of = |all: &[(u8, String)]| all.iter().filter(|(from, _)| *from == source).cloned().collect::<Vec<_>>();
            prop_assert_eq!(of(&merged), of(&texts));
        }
        let stamps: Vec<&str> = merged.iter().filter(|(_, text)| text.starts_with('2')).map(|(_, text)| &text[..23]).collect();
        prop_assert!(stamps.is_sorted(), "{:?}", stamps);
    }
}

/// So many instances are marked, from the top of the names.
fn marked(count: usize, size: (u16, u16)) -> State {
    let mut state = told(size, 146);
    press(&mut state, &["o", "g"]);
    (0..count).for_each(|_| drop(press(&mut state, &["space"])));
    assert_eq!(state.marks.len(), count);
    state
}

fn tell(state: &mut State, lines: Vec<(u8, String)>) {
    let (of, also) = (state.logs.of.clone().unwrap(), state.logs.also.clone());
    update(state, Msg::Merged { of, also, lines, dropped: 0 }, now());
}

#[test]
fn what_is_marked_is_read_as_one() {
    let mut state = marked(3, (140, 40));
    let names: Vec<InstanceName> = state.marks.iter().cloned().collect();
    let request = |name: &InstanceName, source| LogRequest { instance: name.clone(), source, tail: Some(333) };
    let effects = press(&mut state, &["l"]);
    assert_eq!(effects, [Effect::Logs(names.iter().map(|name| request(name, LogOf::Odoo)).collect())]);
    let effects = press(&mut state, &["tab"]);
    assert_eq!(effects, [Effect::Logs(names.iter().map(|name| request(name, LogOf::Job)).collect())]);
    assert_eq!(state.targets(), names, "what is done here is done to all whose lines are shown");
    assert_eq!(press(&mut state, &["]"]), []);
    assert!(screen(&state, LOOK).contains("tabs belong to one instance"));
    assert_eq!(press(&mut state, &["esc"]), [Effect::Logs(Vec::new())]);
    assert_eq!(state.marks.len(), 3, "they are marked still");
    // One that is marked is read alone, and so is the selected one when none is.
    let effects = press(&mut state, &["u", "l"]);
    assert!(matches!(effects.as_slice(), [Effect::Logs(requests)] if requests.len() == 1));
    assert!(state.logs.also.is_empty());
}

#[test]
fn more_than_the_daemon_has_room_for_are_refused() {
    let mut state = marked(16, (140, 40));
    assert_eq!(press(&mut state, &["l"]).len(), 1);
    let mut state = marked(17, (140, 40));
    assert_eq!(press(&mut state, &["l"]), []);
    let shown = screen(&state, LOOK);
    assert!(shown.contains("17 are marked, and 16 outputs at most are read as one"), "{shown}");
    assert!(state.detail.is_none());
}

#[test]
fn each_line_says_whose_it_is() {
    for size in [(60, 20), (80, 24), (140, 40)] {
        let mut state = marked(3, size);
        press(&mut state, &["l"]);
        let lines = vec![
            (0, line(1, "the first of acme")),
            (2, line(2, "of another")),
            (1, line(3, "and one that is a little longer than the screen is wide, so that its end has no room in it")),
            (1, "  without a time".to_owned()),
            (0, "2026-03-01 12:00:09,000 21 ERROR x odoo: it failed".to_owned()),
            (2, "2026-03-01 12:00:09,001 21 INFO x odoo: not this one".to_owned()),
            (0, "Traceback (most recent call last):".to_owned()),
        ];
        tell(&mut state, lines);
        same(&format!("merged-{}x{}", size.0, size.1), &state, LOOK);
        press(&mut state, &["L", "L", "L"]);
        let shown = screen(&state, LOOK);
        assert!(
            shown.contains("it fail") && shown.contains("Traceback"),
            "a traceback is as bad as its own error:\n{shown}"
        );
        assert!(!shown.contains("not this one"), "{shown}");
    }
}

#[test]
fn lines_of_a_reading_that_is_over_are_not_taken() {
    let mut state = marked(2, (100, 30));
    press(&mut state, &["l"]);
    let (of, also) = (state.logs.of.clone().unwrap(), vec![nth_name(9)]);
    update(&mut state, Msg::Merged { of, also, lines: vec![(0, "of other marks".to_owned())], dropped: 0 }, now());
    assert!(state.logs.lines.is_empty());
}

#[test]
fn no_more_lines_are_kept_than_of_one() {
    let mut state = marked(16, (100, 30));
    press(&mut state, &["l"]);
    for batch in 0..30 {
        let lines = (0..1_000_u64).map(|nth| ((nth % 16) as u8, line(batch * 1_000 + nth, "pours in")));
        tell(&mut state, lines.collect());
    }
    assert_eq!(state.logs.lines.len(), LINES_MAX);
    assert_eq!(state.logs.first, 10_000);
}

#[test]
fn over_the_socket_two_outputs_become_one_that_is_followed() {
    let dir = super::pty::fleet_dir();
    let stage = Stage::open(&dir.path().join("state"), fleet(24), 0);
    let mut desk = open(dir, (140, 30), &["--no-clock"], &[]);
    desk.until_shown("brightside");
    // By name: acme and the one behind it.
    desk.press("og  l");
    desk.until_shown("no line yet");
    desk.until_shown("acme, ");
    stage.write("2026-03-01 12:00:00,001 21 INFO x odoo: written to all");
    desk.until("the line of each, with its name", |seen| {
        let rows: Vec<String> = seen.parser.screen().rows(0, 140).collect();
        let of =
            |name: &str| rows.iter().any(|row| row.contains(&format!("{name} ")) && row.contains("written to all"));
        of("acme") && of("acme-001") | of("baker-sons")
    });
    desk.press("\x1bq");
    assert!(desk.ended().success());
}
