//! Nothing is cut without a way to read it: views and tabs scroll and say so, sentences take as many rows as they need, and
//! the problems of a file are a line each.

use super::fixtures::event;
use super::panels::{LOOK, press, screen, told};
use crate::world::{name, now};
use innkeeper::control::view::View;
use innkeeper::model::event::Level;
use innkeeper::model::problem::Told;
use innkeeper::tui::state::State;
use innkeeper::tui::update::{Msg, update};

const SIZES: [(u16, u16); 6] = [(40, 12), (60, 15), (80, 24), (100, 30), (120, 30), (140, 40)];

/// What is seen while it is scrolled to its end, a row at a time.
fn scrolled_through(state: &mut State) -> String {
    let mut seen = screen(state, LOOK);
    for _ in 0..200 {
        press(state, &["j"]);
        seen.push_str(&screen(state, LOOK));
    }
    seen
}

/// The words that are shown, whatever rows they are on.
fn words(shown: &str) -> String {
    let is_frame = |c: char| "│╭╮╰╯─".contains(c);
    shown.replace(is_frame, " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn all_of_the_host_is_reached_and_more_is_said_to_be_below() {
    for size in SIZES {
        let mut state = told(size, 146);
        press(&mut state, &["6"]);
        let first = screen(&state, LOOK);
        let more = !first.contains("GOLD") || !first.contains("PRO");
        assert_eq!(first.contains("more below"), more, "{size:?}:\n{first}");
        let seen = scrolled_through(&mut state);
        for word in ["certificates", "memory", "disk", "3.10 on 16 cores", "BASIC", "GOLD", "PRO"] {
            assert!(words(&seen).contains(word), "{size:?} lacks {word}:\n{seen}");
        }
        let last = screen(&state, LOOK);
        assert!(last.contains("PRO") && !last.contains("more below"), "{size:?}:\n{last}");
        press(&mut state, &["g"]);
        assert_eq!(screen(&state, LOOK), first, "{size:?}");
        press(&mut state, &["pgdn", "pgdn", "pgdn", "pgdn", "pgdn", "pgdn", "pgdn"]);
        assert_eq!(screen(&state, LOOK), last, "{size:?}: by pages too");
    }
}

#[test]
fn the_tabs_of_an_instance_say_that_more_is_below() {
    let mut state = told((80, 15), 24);
    press(&mut state, &["enter"]);
    assert!(screen(&state, LOOK).contains("more below"), "{}", screen(&state, LOOK));
    press(&mut state, &["G"]);
    let last = screen(&state, LOOK);
    assert!(!last.contains("more below") && last.contains("LAST EVENTS"), "{last}");
}

#[test]
fn the_help_is_whole_at_every_size_and_knows_the_words_of_the_header() {
    for size in SIZES {
        let mut state = told(size, 24);
        press(&mut state, &["?"]);
        let seen = scrolled_through(&mut state);
        assert!(!seen.split("keys of this view").nth(1).unwrap().contains("until the…"), "{size:?}:\n{seen}");
        let last = screen(&state, LOOK);
        assert!(
            !last.contains("more below") && words(&last).contains("nothing is known of them now"),
            "{size:?}:\n{last}"
        );
    }
    let mut state = told((80, 24), 24);
    press(&mut state, &["?", "/", "w", "a", "r", "n"]);
    let shown = screen(&state, LOOK);
    for word in ["somebody should look", "held", "orphaned", "degraded", "invalid"] {
        assert!(words(&shown).contains(word), "{word}:\n{shown}");
    }
    // What stands in a row of its own is read there; here the text of one of them, over two rows.
    let mut state = told((80, 24), 24);
    press(&mut state, &["?", "/", "a", "c", "k", "n", "o"]);
    let shown = words(&screen(&state, LOOK));
    assert!(shown.contains("say that you know of its alerts, until they are over"), "{shown}");
}

#[test]
fn a_bad_filter_and_a_refusal_are_told_whole() {
    for size in SIZES {
        let mut state = told(size, 24);
        press(&mut state, &["/", "p", "l", "a", "m", ":", "g"]);
        let shown = words(&screen(&state, LOOK));
        let why = innkeeper::model::filter::Filter::parse("plam:g").unwrap_err();
        assert!(shown.contains(&words(&why)), "{size:?} lacks {why:?}:\n{}", screen(&state, LOOK));
        let mut state = told(size, 24);
        let why = "could not replace instances.d/acme.toml: the file system that it is on is mounted read-only, and it stays \
                   as it was until somebody mounts it anew";
        let result = Err(why.to_owned());
        let wanted = innkeeper::model::wanted::WantedState::Stopped;
        update(&mut state, Msg::Edited { name: name("acme"), state: wanted, result }, now());
        assert!(words(&screen(&state, LOOK)).contains(why), "{size:?}:\n{}", screen(&state, LOOK));
    }
}

#[test]
fn the_menu_says_whole_why_something_is_not_possible() {
    let mut state = told((60, 24), 24);
    press(&mut state, &["j", "."]);
    let shown = screen(&state, LOOK);
    for part in ["not now: the container of baker-sons", "  does not run"] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
}

const PROBLEMS: usize = 12;

fn problems() -> String {
    let of = |nth: usize| format!("instances.d/acme.toml:{nth}:1: unknown key \"key{nth:02}\"; it is ignored [IK0104]");
    (1..=PROBLEMS).map(of).collect::<Vec<_>>().join("; ")
}

#[test]
fn the_problems_of_a_file_are_a_line_each() {
    let message = format!("its file has problems, the last good version stays in force: {}", problems());
    let mut state = told((140, 40), 24);
    let event = event(9, 1, Some("acme"), Level::Error, "FileInvalid", &message);
    update(&mut state, Msg::View(Box::new(View { events: vec![event], ..View::nothing(now()) })), now());
    press(&mut state, &["enter", "]"]);
    // Below the list there is room for the first ones.
    let shown = screen(&state, LOOK);
    let below = shown.split("FileInvalid   ").last().unwrap();
    for line in ["12 problems in instances.d/acme.toml", "1:1: unknown key \"key01\"", "more: innkeeper check acme"] {
        assert!(below.contains(line), "{line}:\n{shown}");
    }
    // Who opens it reads all of them.
    press(&mut state, &["enter"]);
    let shown = screen(&state, LOOK);
    for nth in 1..=PROBLEMS {
        let line = format!("{nth}:1: unknown key \"key{nth:02}\"; it is ignored [IK0104]");
        assert!(shown.lines().any(|row| row.contains(&line)), "{line}:\n{shown}");
    }
}

#[test]
fn problems_in_a_message_are_found_by_their_places() {
    let message = format!("the last good version stays in force: {}", problems());
    let told = Told::of(&message).unwrap();
    assert_eq!((told.before, told.problems.len()), ("the last good version stays in force", PROBLEMS));
    assert_eq!(told.file(), Some("instances.d/acme.toml"));
    assert_eq!(told.problems[0], "instances.d/acme.toml:1:1: unknown key \"key01\"; it is ignored [IK0104]");
    let several = "plans.toml:3:1: unknown key [IK0104]; innkeeper.toml: is not there [IK0001]";
    let told = Told::of(several).unwrap();
    assert_eq!((told.before, told.problems.len(), told.file()), ("", 2, None));
    for one in ["", "a: b; c", "plans.toml:3:1: unknown key; and a half", "no; file: here.txt:1:1: x; y.txt: z"] {
        assert_eq!(Told::of(one), None, "{one:?}");
    }
}

#[test]
fn the_longest_reason_does_not_touch_what_is_behind_it() {
    let mut state = told((140, 40), 24);
    state.fleet.facts.as_mut().unwrap().alerts[0].reason = "NotCertificateReady".to_owned();
    let event = event(9, 1, Some("acme"), Level::Warning, "NotCertificateReady", "its certificate is over");
    update(&mut state, Msg::View(Box::new(View { events: vec![event], ..View::nothing(now()) })), now());
    for keys in [&["4"][..], &["1", "enter", "]"]] {
        press(&mut state, keys);
        let shown = screen(&state, LOOK);
        assert!(shown.contains("NotCertificateReady  "), "{shown}");
    }
}
