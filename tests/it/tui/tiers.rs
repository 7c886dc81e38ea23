//! The tiers of confirmation, each as an operator would get it wrong: esc, enter, a second press of the same key, a
//! target that vanishes, a filter that changed after marking, a dashboard that may only look.

use super::fixtures::{instance, nth_name};
use super::panels::{LOOK, press, screen, told};
use crate::world::{name, now};
use innkeeper::control::view::View;
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::status::State as Stands;
use innkeeper::model::wanted::WantedState;
use innkeeper::tui::state::{Overlay, State};
use innkeeper::tui::update::{Effect, Msg, update};

/// On a ready instance (`cobalt`), with the dialog of that action open. The keys open it.
fn asked(keys: &[&str]) -> State {
    let mut state = told((100, 30), 24);
    press(&mut state, &["/", "c", "o", "b", "a", "l", "t", "enter"]);
    let effects = press(&mut state, keys);
    assert_eq!(effects, [], "opening a dialog does nothing");
    assert!(matches!(state.overlay, Some(Overlay::Dialog(_))), "{}", screen(&state, LOOK));
    state
}

const RESTART: &[&str] = &["r"];
const STOP: &[&str] = &[":", "s", "t", "o", "p", "enter"];
const RETIRE: &[&str] = &[":", "r", "e", "t", "i", "r", "e", "enter"];

fn type_word(state: &mut State, word: &str) -> Vec<Effect> {
    let key = |c: char| if c == ' ' { "space".to_owned() } else { c.to_string() };
    word.chars().flat_map(|c| press(state, &[&key(c)])).collect()
}

fn vanish(state: &mut State) {
    update(state, Msg::View(Box::new(View { removed: vec![name("cobalt")], ..View::nothing(now()) })), now());
}

/// What must hold of each tier; `accept` are the keys that do accept it.
fn never_by_mistake(open: &[&str], accept: &dyn Fn(&mut State) -> Vec<Effect>, does: &Effect) {
    let mut state = asked(open);
    assert_eq!(press(&mut state, &["esc"]), [], "esc does nothing");
    assert_eq!(state.overlay, None, "esc closes it");

    let mut state = asked(open);
    assert_eq!(press(&mut state, &["enter"]), [], "enter keeps Cancel");

    let mut state = asked(open);
    let opener = *open.last().unwrap();
    assert_eq!(press(&mut state, &[opener, opener]), [], "the key that opened it never accepts it");

    let mut state = asked(open);
    vanish(&mut state);
    assert_eq!(state.overlay, None, "a dialog without its target closes by itself");
    assert!(screen(&state, LOOK).contains("was not done: cobalt is gone"), "{}", screen(&state, LOOK));
    assert_eq!(accept(&mut state), [], "and then nothing accepts it");

    let mut state = asked(open);
    assert_eq!(accept(&mut state), std::slice::from_ref(does), "this is how it is done");
    assert_eq!(state.overlay, None);
}

#[test]
fn an_interruption_is_not_done_by_mistake() {
    let does = Effect::Errand(name("cobalt"), ErrandKind::Restart);
    never_by_mistake(RESTART, &|state| press(state, &["y"]), &does);
    let by_focus = |state: &mut State| press(state, &["tab", "enter"]);
    assert_eq!(by_focus(&mut asked(RESTART)), [does]);
}

#[test]
fn an_outage_is_not_done_by_mistake() {
    let does = Effect::SetState(name("cobalt"), WantedState::Stopped);
    never_by_mistake(STOP, &|state| press(state, &["y"]), &does);
    let shown = screen(&asked(STOP), LOOK);
    assert!(shown.contains("cobalt: ready now, newest backup 5h old, verified"), "what it means is told:\n{shown}");
}

#[test]
fn a_loss_is_not_done_by_mistake() {
    let does = Effect::SetState(name("cobalt"), WantedState::Absent);
    let accept = |state: &mut State| {
        type_word(state, "cobalt");
        press(state, &["enter"])
    };
    never_by_mistake(RETIRE, &accept, &does);
    for wrong in ["y", "yes", "cobal", "cobaltt", "COBALT", "retire"] {
        let mut state = asked(RETIRE);
        assert_eq!(type_word(&mut state, wrong), []);
        assert_eq!(press(&mut state, &["enter"]), [], "{wrong:?} is not its name");
        assert!(matches!(state.overlay, Some(Overlay::Dialog(_))), "it asks on");
    }
    let mut state = asked(RETIRE);
    update(&mut state, Msg::Paste("cobalt".to_owned()), now());
    assert_eq!(press(&mut state, &["enter"]), [], "a name is typed, not pasted");
}

#[test]
fn what_harms_nobody_is_not_asked_about() {
    let mut state = told((100, 30), 24);
    let effects = press(&mut state, &["T"]);
    assert_eq!(effects, [Effect::Errand(name("acme"), ErrandKind::Retry)]);
    assert_eq!(state.overlay, None);
}

/// Three are marked, then the filter hides two of them.
fn marked_and_hidden() -> State {
    let mut state = told((100, 30), 24);
    press(&mut state, &["o", "j", "j", "j", "space", "space", "space", "/", "c", "o", "b", "a", "l", "t", "enter"]);
    assert_eq!((state.marks.len(), state.marks_hidden(), state.list.rows.len()), (3, 2, 1));
    state
}

#[test]
fn nothing_is_done_to_what_the_filter_hides() {
    for open in [RESTART, STOP, RETIRE] {
        let mut state = marked_and_hidden();
        assert_eq!(press(&mut state, open), []);
        assert_eq!(state.overlay, None, "no dialog opens for what cannot be seen");
        let shown = screen(&state, LOOK);
        assert!(shown.contains("2 of 3 marked are hidden by the filter"), "{shown}");
        // With all of them in sight it is asked.
        press(&mut state, &["esc"]);
        press(&mut state, open);
        assert!(matches!(&state.overlay, Some(Overlay::Dialog(dialog)) if dialog.targets.len() == 3));
    }
    let mut state = marked_and_hidden();
    press(&mut state, &["."]);
    let Some(Overlay::Menu(menu)) = &state.overlay else { panic!("no menu") };
    let refused = menu.entries.iter().filter(|(_, why)| why.as_ref().is_some_and(|why| why.contains("hidden")));
    assert!(refused.count() >= 2, "the menu says why: {menu:?}");
}

#[test]
fn several_are_counted_and_many_are_an_outage() {
    let mut state = told((100, 40), 24);
    press(&mut state, &["o", "g", "space", "space", "space", "space"]);
    press(&mut state, RETIRE);
    assert!(screen(&state, LOOK).contains("type retire 4 and press enter"), "{}", screen(&state, LOOK));
    press(&mut state, &["enter"]);
    assert_eq!(type_word(&mut state, "retire 4"), []);
    assert_eq!(press(&mut state, &["enter"]).len(), 4);

    let mut state = told((100, 40), 146);
    press(&mut state, &["/", "s", "t", "a", "t", "e", ":", "r", "e", "a", "d", "y", "enter", "g"]);
    press(&mut state, &["space", "space", "space", "space", "space", "space", "r"]);
    let Some(Overlay::Dialog(dialog)) = &state.overlay else { panic!("{}", screen(&state, LOOK)) };
    assert_eq!((dialog.targets.len(), dialog.tier), (6, innkeeper::tui::keys::Tier::Outage));
}

#[test]
fn a_target_that_changed_meanwhile_is_not_acted_on() {
    let mut state = asked(STOP);
    let stopped = instance(&name("cobalt"), Stands::Stopped, 4);
    update(&mut state, Msg::View(Box::new(View { instances: vec![stopped], ..View::nothing(now()) })), now());
    assert_eq!(state.overlay, None, "somebody else stopped it");
    let mut state = asked(RESTART);
    update(&mut state, Msg::Lost("nobody listens".to_owned()), now());
    // The dialog is open still; what it asks for needs a daemon.
    assert_eq!(press(&mut state, &["y"]), []);
    assert!(screen(&state, LOOK).contains("the daemon does not answer"), "{}", screen(&state, LOOK));
}

#[test]
fn a_dashboard_that_only_looks_offers_nothing_else() {
    let mut state = told((110, 30), 24);
    state.options.read_only = true;
    press(&mut state, &["/", "c", "o", "b", "a", "l", "t", "enter"]);
    for keys in [RESTART, STOP, RETIRE, &["e"], &["T"]] {
        assert_eq!(press(&mut state, keys), [], "{keys:?}");
        assert_eq!(state.overlay, None);
    }
    press(&mut state, &["."]);
    let shown = screen(&state, LOOK);
    assert_eq!(shown.matches("not now: this dashboard was opened with --read-only").count(), 7, "{shown}");
    assert_eq!(press(&mut state, &["enter"]).len(), 1, "what only looks is possible: the logs");
}

#[test]
fn a_rehearsal_says_why_it_has_no_shell() {
    let mut state = told((110, 30), 24);
    state.options.rehearsal = true;
    press(&mut state, &["/", "c", "o", "b", "a", "l", "t", "enter"]);
    assert_eq!(press(&mut state, &["x"]), []);
    let shown = screen(&state, LOOK);
    assert!(shown.contains("shell: a rehearsal has no containers"), "{shown}");
}

#[test]
fn who_asks_for_something_hears_what_becomes_of_it() {
    for (kind, word) in [(ErrandKind::Restart, "restart"), (ErrandKind::Retry, "retry")] {
        let mut state = told((110, 30), 24);
        update(&mut state, Msg::Errand { name: name("cobalt"), kind, result: Ok(6) }, now());
        let shown = screen(&state, LOOK);
        assert!(shown.contains(&format!("{word} of cobalt is asked for")) && !shown.contains("errand"), "{shown}");
    }
}

#[test]
fn an_edit_is_shown_as_a_difference() {
    let mut state = told((100, 30), 24);
    let difference =
        "--- instances.d/cobalt.toml\n+++ instances.d/cobalt.toml\n-state = \"running\"\n+state = \"stopped\"";
    let result = Ok(difference.to_owned());
    update(&mut state, Msg::Edited { name: nth_name(4), state: WantedState::Stopped, result }, now());
    let shown = screen(&state, LOOK);
    assert!(
        shown.contains("+state = \"stopped\"") && shown.contains("commit the file when you are content"),
        "{shown}"
    );
    let result = Err("could not replace instances.d/cobalt.toml: read-only file system".to_owned());
    state.overlay = None;
    update(&mut state, Msg::Edited { name: nth_name(4), state: WantedState::Stopped, result }, now());
    assert!(screen(&state, LOOK).contains("read-only file system"));
}
