//! The user's own keys and theme: what is written there is in force everywhere keys are named, and every fault is told
//! with its place.

use super::desk::open;
use super::fixtures::fleet;
use super::panels::{LOOK, press, screen, told};
use super::stage::Stage;
use innkeeper::tui::keymap::{FIXED, Keymap, is_key};
use innkeeper::tui::keys::{CONTEXTS, Context, TABLE_OF_ACTIONS};
use innkeeper::tui::look::{COLOURS, DAY, NIGHT};
use innkeeper::tui::preferences::{Preferences, read};
use innkeeper::tui::state::{Overlay, State};
use std::collections::BTreeSet;

fn keymap(text: &str) -> Keymap {
    read(text).unwrap_or_else(|faults| panic!("{faults:#?}")).keymap
}

/// A dashboard whose user wrote that down.
fn told_with(text: &str) -> State {
    let mut state = told((120, 30), 24);
    state.keymap = keymap(text);
    state
}

#[test]
fn without_a_file_everything_is_as_the_table_says() {
    assert_eq!(read("").unwrap(), Preferences::default());
    assert_eq!(read("# nothing\n[keys]\n").unwrap(), Preferences::default());
    assert_eq!(Keymap::default().clashes(), []);
}

#[test]
fn a_remapped_action_has_its_new_key_and_not_its_old_one() {
    let mut state = told_with("[keys]\nrestart = \"R\"\n\"next-tab\" = [\"]\", \"right\"]\n");
    assert_eq!(press(&mut state, &["/", "c", "o", "b", "a", "l", "t", "enter", "r"]), []);
    assert_eq!(state.overlay, None, "r does nothing any more");
    press(&mut state, &["R"]);
    assert!(matches!(state.overlay, Some(Overlay::Dialog(_))), "{}", screen(&state, LOOK));
    press(&mut state, &["R", "R"]);
    assert!(matches!(state.overlay, Some(Overlay::Dialog(_))), "the key that opened it never accepts it");
    press(&mut state, &["esc", "enter", "right"]);
    assert_eq!(state.detail.as_ref().unwrap().tab.title(), "Events");
    press(&mut state, &["right"]);
    assert_eq!(state.context(), Context::Logs);
    press(&mut state, &["right"]);
    assert_eq!(state.detail.as_ref().unwrap().tab.title(), "Containers", "in the logs too");
}

#[test]
fn footer_help_menu_and_palette_name_the_keys_in_force() {
    let text = "[keys]\nrestart = \"R\"\nhelp = \"H\"\ncommands = \"ctrl-p\"\nmouse = []\nactions = \",\"\n";
    let mut state = told_with(text);
    let footer = |state: &State| screen(state, LOOK).lines().last().unwrap().trim_end().to_owned();
    assert!(footer(&state).contains("R restart") && footer(&state).contains(", actions"), "{}", footer(&state));
    assert!(footer(&state).ends_with("ctrl-p cmd  H help  q quit"), "{}", footer(&state));
    state.size = (120, 80);
    press(&mut state, &["H"]);
    let help = screen(&state, LOOK);
    let row = |name: &str| {
        help.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}:\n{help}")).to_owned()
    };
    assert!(row("restart its container").contains("R  "), "{help}");
    assert!(row("take the mouse").contains(", or ctrl-p"), "what has no key is reached otherwise:\n{help}");
    press(&mut state, &["esc", ","]);
    let menu = screen(&state, LOOK);
    assert!(menu.lines().any(|line| line.contains("R     restart")), "{menu}");
    press(&mut state, &["esc", "ctrl-p", "r", "e", "s", "t", "a"]);
    let palette = screen(&state, LOOK);
    assert!(palette.lines().any(|line| line.contains("R          restart")), "{palette}");
}

#[test]
fn a_key_of_the_menu_is_the_key_in_force() {
    let mut state = told_with("[keys]\nrestart = \"R\"\n");
    press(&mut state, &["/", "c", "o", "b", "a", "l", "t", "enter", ".", "r"]);
    assert!(matches!(state.overlay, Some(Overlay::Menu(_))), "r is no key of it");
    press(&mut state, &["R"]);
    assert!(matches!(state.overlay, Some(Overlay::Dialog(_))));
}

#[test]
fn every_fault_is_told_at_once_with_its_place_and_a_way_out() {
    let text = "\
theme = \"nihgt\"
colour = 3
[keys]
resart = \"R\"
logs = \"d\"
look = \"f17\"
retry = 7
stop = \"S\"
edit = [\"ctrl-c\"]
\"next tab\" = \"é\"
";
    let told: Vec<String> = read(text)
        .unwrap_err()
        .into_iter()
        .map(|fault| format!("{}:{} {} ({})", fault.line, fault.column, fault.message, fault.hint.unwrap_or_default()))
        .collect();
    expect_test::expect![[r#"
        1:9 there is no theme "nihgt" (did you mean "night"?)
        2:1 there is no "colour" here (there are `theme` and `[keys]`)
        4:1 there is no action "resart" (did you mean "restart"?)
        5:1 "d" would do two things in instances: logs and diff (give one of them another key, or none: logs = [])
        6:8 there is no key "f17" (keys are written as in the help: r, R, ctrl-r, space, enter, pgdn)
        7:9 the keys of retry are texts ("R", or ["R", "ctrl-r"])
        8:1 stop has no key, on purpose: what a customer would notice is never one key away (it is in the menu of actions and in the palette)
        9:9 ctrl-c always does the same and cannot be given away ()"#]].assert_eq(&told.join("\n"));
}

#[test]
fn what_is_not_toml_is_told_where_it_stands() {
    for (text, line, column) in
        [("[keys\n", 1, 6), ("[keys]\nrestart = R\n", 2, 11), ("keys = 3\n", 1, 8), ("theme = []\n", 1, 9)]
    {
        let faults = read(text).unwrap_err();
        assert_eq!((faults[0].line, faults[0].column), (line, column), "{text:?}: {faults:?}");
    }
}

#[test]
fn a_key_may_be_exchanged_between_two_actions() {
    let keymap = keymap("[keys]\nlogs = \"d\"\ndiff = \"l\"\n");
    assert_eq!(keymap.clashes(), []);
    let logs = keymap.action(Context::Instances, "d").unwrap();
    assert_eq!(TABLE_OF_ACTIONS.iter().find(|entry| entry.action == logs).unwrap().name, "logs");
}

#[test]
fn no_choice_of_a_single_key_gives_a_view_two_actions_on_one_key() {
    // Whatever one action is given: either it is refused, or no view has a key that does two things.
    let mut refused = 0;
    for entry in TABLE_OF_ACTIONS {
        for key in ["r", "x", "R", "enter", "ctrl-r", "u"] {
            match read(&format!("[keys]\n\"{}\" = \"{key}\"\n", entry.name)) {
                Err(_) => refused += 1,
                Ok(preferences) => {
                    for context in CONTEXTS {
                        let mut keys = BTreeSet::new();
                        for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context)) {
                            for key in preferences.keymap.keys(entry) {
                                assert!(keys.insert((key.to_owned(), entry.name)), "{key} twice for {}", entry.name);
                            }
                        }
                        let distinct: BTreeSet<&String> = keys.iter().map(|(key, _)| key).collect();
                        assert_eq!(distinct.len(), keys.len(), "{context:?} with {} on {key}", entry.name);
                    }
                }
            }
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn keys_are_those_that_the_table_can_write() {
    for entry in TABLE_OF_ACTIONS {
        entry.keys.iter().for_each(|key| assert!(is_key(key), "{key}"));
    }
    assert!(FIXED.iter().all(|key| is_key(key)));
    for wrong in ["", "rr", "ctrl-", "ctrl-R", "ctrl-enter", "f1", "Enter", " ", "shift-r", "\u{7}"] {
        assert!(!is_key(wrong), "{wrong:?}");
    }
}

#[test]
fn themes_differ_in_colours_alone() {
    assert_eq!(read("theme = \"terminal\"").unwrap().theme, COLOURS);
    assert_eq!(read("theme = \"night\"").unwrap().theme, NIGHT);
    assert_eq!(read("theme = \"day\"").unwrap().theme, DAY);
}

#[test]
fn the_shipped_program_reads_the_users_own_file() {
    let dir = super::pty::fleet_dir();
    std::fs::create_dir_all(dir.path().join("config/innkeeper")).unwrap();
    let file = dir.path().join("config/innkeeper/top.toml");
    std::fs::write(&file, "theme = \"night\"\n[keys]\nquit = \"Q\"\n").unwrap();
    let _stage = Stage::open(&dir.path().join("state"), fleet(24), 0);
    let config = dir.path().join("config");
    let mut desk = open(dir, (100, 30), &[], &[("XDG_CONFIG_HOME", config.to_str().unwrap())]);
    desk.until_shown("Q quit");
    desk.until("the theme's own colours", |seen| {
        let screen = seen.parser.screen();
        (0..30).any(|row| {
            (0..100).any(|column| {
                screen.cell(row, column).is_some_and(|cell| matches!(cell.fgcolor(), vt100::Color::Idx(16..)))
            })
        })
    });
    desk.press("q?");
    desk.until_shown("keys of this view");
    desk.press("\x1bQ");
    assert!(desk.ended().success());
}

#[test]
fn a_file_with_faults_keeps_the_dashboard_closed_and_says_where() {
    let dir = super::pty::fleet_dir();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, "[keys]\nresart = \"R\"\n").unwrap();
    let desk = open(dir, (100, 30), &["--preferences", file.to_str().unwrap()], &[]);
    desk.until_shown("mine.toml:2:1: there is no action \"resart\" [IK0007]");
    desk.until_shown("did you mean \"restart\"?");
}
