//! Reading an output: only lines that hold a text, copied, and written into a file.

use super::desk::open;
use super::fixtures::fleet;
use super::panels::{LOOK, press, screen, told};
use super::stage::Stage;
use crate::world::now;
use innkeeper::tui::state::State;
use innkeeper::tui::update::{Effect, Msg, update};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The output of acme, with ten lines of which every other is a warning.
fn reading() -> State {
    let mut state = told((100, 30), 24);
    press(&mut state, &["l"]);
    let of = state.logs.of.clone().unwrap();
    let line = |nth: u32| {
        let level = if nth.is_multiple_of(2) { "INFO" } else { "WARNING" };
        format!("2026-03-01 12:00:{nth:02},000 21 {level} acme odoo: line {nth}")
    };
    update(&mut state, Msg::Log { of, lines: (0..10).map(line).collect(), dropped: 0 }, now());
    state
}

#[test]
fn only_lines_that_hold_a_text_are_shown_while_it_is_typed() {
    let mut state = reading();
    press(&mut state, &["&", "L", "I", "N", "E", "space", "7"]);
    let shown = screen(&state, LOOK);
    assert!(shown.contains("only lines with: LINE 7") && shown.contains("odoo: line 7"), "{shown}");
    assert!(!shown.contains("odoo: line 6"), "{shown}");
    press(&mut state, &["enter"]);
    assert!(screen(&state, LOOK).contains("only: line 7"), "what is left out is said in the title");
    press(&mut state, &["&", "backspace", "esc"]);
    assert_eq!(state.logs.filter.as_deref(), Some("line 7"), "esc keeps what was in force");
    press(&mut state, &["&", "ctrl-u", "enter"]);
    assert_eq!(state.logs.filter, None);
    assert!(screen(&state, LOOK).contains("odoo: line 6"));
}

#[test]
fn the_search_finds_only_what_is_shown() {
    let mut state = reading();
    press(&mut state, &["&", "w", "a", "r", "n", "enter", "/", "l", "i", "n", "e", "enter"]);
    assert_eq!(state.logs.hit, Some(9));
    press(&mut state, &["n"]);
    assert_eq!(state.logs.hit, Some(7), "the line between is left out");
}

#[test]
fn visible_lines_are_copied_and_all_that_pass_are_written() {
    let mut state = reading();
    state.size = (100, 9);
    let effects = press(&mut state, &["Y"]);
    let [Effect::Copy(text)] = effects.as_slice() else { panic!("{effects:?}") };
    let visible = screen(&state, LOOK).matches("odoo: line").count();
    assert_eq!(text.lines().count(), visible, "what is seen, no more and no less:\n{text}");
    assert!(text.ends_with("line 9\n"), "{text}");
    press(&mut state, &["L", "L"]);
    let effects = press(&mut state, &["W"]);
    let [Effect::Write { file, text }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(file, "acme-odoo-20260301T120000Z.log");
    assert_eq!(text.lines().count(), 5, "all warnings, those too for which there is no room:\n{text}");
    update(&mut state, Msg::Written(Ok(PathBuf::from("logs/acme.log"))), now());
    assert!(screen(&state, LOOK).contains("written to logs/acme.log"));
    update(&mut state, Msg::Written(Err("acme.log could not be written here: full".to_owned())), now());
    assert!(screen(&state, LOOK).contains("could not be written here"));
}

#[test]
fn nothing_is_not_written() {
    let mut state = told((100, 30), 24);
    press(&mut state, &["l"]);
    assert_eq!(press(&mut state, &["W"]), []);
    assert!(screen(&state, LOOK).contains("there is no line to write"));
}

#[test]
fn the_shipped_program_writes_them_for_its_user_alone() {
    let dir = super::pty::fleet_dir();
    let _stage = Stage::open(&dir.path().join("state"), fleet(24), 3);
    // A terminal begins in its user's home.
    let home = dir.path().to_str().unwrap().to_owned();
    let mut desk = open(dir, (140, 30), &[], &[("HOME", &home), ("XDG_CONFIG_HOME", "")]);
    desk.until_shown("brightside");
    desk.press("l");
    desk.until_shown("line 2");
    desk.press("W");
    desk.until_shown("written to ");
    let files = std::fs::read_dir(desk.dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let logs: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "log")).collect();
    let [log] = logs.as_slice() else { panic!("{logs:?}") };
    assert!(log.file_name().unwrap().to_str().unwrap().starts_with("acme-odoo-"), "{log:?}");
    assert_eq!(std::fs::metadata(log).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 3);
    desk.press("\x1bq");
    assert!(desk.ended().success());
}
