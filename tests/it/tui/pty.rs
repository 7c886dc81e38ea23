//! The shipped program in a real terminal. Nothing here sleeps: a test waits until the screen says what it should.

use super::desk::{Desk, modes, open, row_of, start};
use super::fixtures::{fleet, instance, nth_name};
use super::stage::Stage;
use crate::read_fleet::{PLANS, SETTINGS, instance_text};
use crate::world::{name, now};
use innkeeper::control::view::{UsageView, View};
use innkeeper::model::status::State as Stands;
use portable_pty::CommandBuilder;
use rustix::process::Signal;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A fleet with the files of some instances.
pub(crate) fn fleet_dir() -> TempDir {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir_all(dir.path().join("instances.d")).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    let settings = SETTINGS.replace("[fleet]", &format!("[fleet]\nstate_dir = {state:?}"));
    std::fs::write(dir.path().join("innkeeper.toml"), settings).unwrap();
    std::fs::write(dir.path().join("plans.toml"), PLANS).unwrap();
    let text = format!("# Cobalt Print, since 2024\n{}", instance_text("state = \"running\" # paid until June"));
    std::fs::write(dir.path().join("instances.d/cobalt.toml"), text).unwrap();
    dir
}

/// A dashboard on a stage with 24 instances, which it shows.
fn on_stage(size: (u16, u16), arguments: &[&str], variables: &[(&str, &str)]) -> (Stage, Desk) {
    on_stage_with(24, size, arguments, variables)
}

fn on_stage_with(count: usize, size: (u16, u16), arguments: &[&str], variables: &[(&str, &str)]) -> (Stage, Desk) {
    let dir = fleet_dir();
    let stage = Stage::open(&dir.path().join("state"), fleet(count), 0);
    let desk = open(dir, size, arguments, variables);
    desk.until_shown("brightside");
    (stage, desk)
}

#[test]
fn who_quits_gets_the_terminal_back() {
    let (_stage, mut desk) = on_stage((100, 30), &[], &[]);
    assert_ne!(modes(desk.master.as_ref()), desk.before, "it was taken");
    desk.press("m?");
    desk.until_shown("keys of this view");
    desk.press("\x1bq");
    assert!(desk.ended().success());
}

#[test]
fn who_ends_it_by_a_signal_gets_the_terminal_back() {
    for signal in [Signal::TERM, Signal::INT] {
        let (_stage, desk) = on_stage((80, 24), &[], &[]);
        desk.signal(signal);
        assert!(desk.ended().success(), "{signal:?}");
    }
    let (_stage, mut desk) = on_stage((80, 24), &[], &[]);
    desk.signal(Signal::HUP);
    // The terminal is gone: nothing is written to it, and its modes are as they were.
    desk.child.wait().unwrap();
    assert_eq!(modes(desk.master.as_ref()), desk.before);
}

#[test]
fn who_suspends_it_gets_the_terminal_until_it_goes_on() {
    let (_stage, mut desk) = on_stage((80, 24), &[], &[]);
    let taken = modes(desk.master.as_ref());
    desk.press("j\x1a");
    desk.until("the other screen to be left", |seen| !seen.parser.screen().alternate_screen());
    let options = rustix::process::WaitOptions::UNTRACED;
    let stopped = rustix::process::waitpid(Some(desk.pid()), options).unwrap().unwrap();
    assert!(stopped.1.stopped(), "it stands still");
    desk.assert_given_back();
    desk.signal(Signal::CONT);
    desk.until("the dashboard", |seen| {
        seen.parser.screen().alternate_screen() && seen.parser.screen().contents().contains("brightside")
    });
    assert_eq!(modes(desk.master.as_ref()), taken);
    desk.press("\r");
    desk.until_shown("wanted and live");
    desk.press("qq");
    assert!(desk.ended().success());
}

#[test]
fn an_editor_has_the_terminal_as_the_shell_had_it() {
    let dir = fleet_dir();
    let editor = dir.path().join("editor");
    let script = "#!/bin/sh\nstty -g > \"$(dirname \"$0\")/modes\"\necho edited by hand\nread line\necho \"# $line\" >> \"$1\"\n";
    std::fs::write(&editor, script).unwrap();
    std::fs::set_permissions(&editor, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let stage = Stage::open(&dir.path().join("state"), fleet(24), 0);
    let mut desk = open(dir, (100, 30), &[], &[("EDITOR", editor.to_str().unwrap()), ("VISUAL", "")]);
    desk.until_shown("brightside");
    desk.press("/cobalt\re");
    desk.until("the editor", |seen| {
        !seen.parser.screen().alternate_screen() && seen.parser.screen().contents().contains("edited by hand")
    });
    desk.assert_given_back();
    // Keys are the editor's now.
    desk.press("qqq\n");
    desk.until_shown("Instances 24");
    let text = std::fs::read_to_string(desk.dir.path().join("instances.d/cobalt.toml")).unwrap();
    assert!(text.ends_with("# qqq\n") && text.starts_with("# Cobalt Print"), "{text}");
    desk.until_shown("the daemon looks now");
    assert_eq!(*stage.script.asked.lock().unwrap(), ["wake cobalt"]);
    desk.press("q");
    assert!(desk.ended().success());
}

#[test]
fn a_shell_has_the_terminal_until_it_ends() {
    let dir = fleet_dir();
    let docker = dir.path().join("docker");
    std::fs::write(&docker, "#!/bin/sh\necho \"$DOCKER_HOST $*\"\nread line\nexit 3\n").unwrap();
    std::fs::set_permissions(&docker, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", dir.path().display(), std::env::var("PATH").unwrap());
    let _stage = Stage::open(&dir.path().join("state"), fleet(24), 0);
    let mut desk = open(dir, (100, 30), &[], &[("PATH", &path)]);
    desk.until_shown("brightside");
    desk.press("/cobalt\rx");
    desk.until("the shell", |seen| {
        let screen = seen.parser.screen();
        !screen.alternate_screen() && screen.contents().contains("docker.sock exec -it ik-cobalt bash")
    });
    desk.assert_given_back();
    desk.press("qqq\n");
    desk.until_shown("the shell ended with exit status: 3");
    desk.press("q");
    assert!(desk.ended().success());
}

#[test]
fn a_storm_of_sizes_ends_in_the_last_one() {
    let (_stage, mut desk) = on_stage((80, 24), &[], &[]);
    for nth in 0..60_u16 {
        desk.resize(20 + nth * 3, 6 + nth % 50);
    }
    desk.resize(100, 30);
    desk.until("the last size", |seen| {
        let rows: Vec<String> = seen.parser.screen().rows(0, 100).collect();
        rows[2].trim_end().ends_with('╮')
            && rows[2].chars().count() == 100
            && rows[27].contains("1/24 ─╯")
            && rows[29].contains("q quit")
    });
    desk.press("q");
    assert!(desk.ended().success());
}

#[test]
fn nothing_is_asked_of_the_terminal() {
    let (_stage, mut desk) = on_stage((140, 40), &[], &[]);
    desk.press("\r]]l\x1b23456:\x1b?\x1b.\x1b");
    desk.until_shown("innkeeper doctor");
    desk.press("qq");
    let seen = Arc::clone(&desk.seen);
    assert!(desk.ended().success());
    let raw = String::from_utf8_lossy(&seen.0.lock().unwrap().raw).into_owned();
    for question in
        ["\x1b[6n", "\x1b[5n", "\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[>0c", "$p", "\x1b[?u", "\x1b[18t", "\x1b[14t"]
    {
        assert!(!raw.contains(question), "it asked {question:?}");
    }
    assert!(!raw.contains("\x1b]"), "no title, no colour, no clipboard was touched");
    assert_eq!(
        raw.matches("\x1b[?2026h").count() + 1,
        raw.matches("\x1b[?2026l").count(),
        "each frame ends, and so does the last"
    );
}

#[test]
fn an_idle_dashboard_writes_nothing() {
    // Without a running step, whose time goes on.
    let (_stage, mut desk) = on_stage_with(12, (140, 40), &["--no-clock"], &[]);
    desk.press("j");
    desk.until("the second row", |seen| seen.parser.screen().contents().contains("▸  ▲ baker-sons"));
    let seen = desk.seen.0.lock().unwrap();
    let before = seen.raw.len();
    let (seen, waited) =
        desk.seen.1.wait_timeout_while(seen, Duration::from_secs(10), |seen| seen.raw.len() == before).unwrap();
    let more = String::from_utf8_lossy(&seen.raw[before..]).into_owned();
    drop(seen);
    assert!(waited.timed_out(), "it wrote {more:?}");
}

#[test]
fn new_figures_in_every_row_cost_less_than_a_kilobyte_a_second() {
    let (stage, desk) = on_stage((140, 40), &["--no-clock"], &[]);
    let refresh = |nth: u64| {
        let usage = |at: usize| {
            let view = instance(&nth_name(at), Stands::Ready, at + nth as usize);
            UsageView { instance: view.status.name.clone(), usage: view.status.usage.clone() }
        };
        View { usage: (0..24).map(usage).collect(), ..View::nothing(now()) }
    };
    stage.say(refresh(1));
    desk.until("the first figures", |seen| row_of(seen, "acme").contains("38%"));
    // Sampled every 15 s; two seconds would be generous.
    let bytes = desk.bytes_until("the figures", || stage.say(refresh(2)), |seen| row_of(seen, "acme").contains("75%"));
    assert!(bytes <= 2 * 1024, "{bytes} bytes for one refresh");
}

#[test]
fn a_hundred_keys_are_few_frames() {
    let (_stage, mut desk) = on_stage((140, 40), &["--no-clock"], &[]);
    let text = "j".repeat(100);
    let before = desk.seen.0.lock().unwrap().raw.len();
    desk.press(&text);
    desk.until_shown("24/24");
    let seen = desk.seen.0.lock().unwrap();
    let frames = String::from_utf8_lossy(&seen.raw[before..]).matches("\x1b[?2026h").count();
    // The terminal hands the keys over in pieces; a frame for each key would be a hundred.
    assert!(frames <= 12, "{frames} frames");
}

#[test]
fn without_a_daemon_the_last_state_is_shown_until_it_is_back() {
    let dir = fleet_dir();
    let status = dir.path().join("state/status");
    std::fs::create_dir_all(&status).unwrap();
    let document = instance(&name("cobalt"), Stands::Degraded, 4).status;
    std::fs::write(status.join("cobalt.json"), serde_json::to_vec(&*document).unwrap()).unwrap();
    let state = dir.path().join("state");
    let mut desk = open(dir, (120, 30), &[], &[]);
    desk.until_shown("daemon DOWN");
    desk.until_shown("shown is what was known last: no daemon runs for this fleet");
    desk.until_shown("cobalt");
    desk.press("r");
    desk.until_shown("restart: the daemon does not answer");
    let _stage = Stage::open(&state, fleet(24), 0);
    desk.until_shown("daemon ok");
    desk.until_shown("brightside");
    desk.press("q");
    assert!(desk.ended().success());
}

#[test]
fn a_stop_edits_the_file_and_keeps_its_comments() {
    let (stage, mut desk) = on_stage((100, 30), &[], &[]);
    desk.press("/cobalt\r:stop\r");
    desk.until_shown("stop this instance?");
    desk.press("\r");
    desk.until("the dialog to close", |seen| !seen.parser.screen().contents().contains("stop this instance?"));
    let file = desk.dir.path().join("instances.d/cobalt.toml");
    let former = std::fs::read_to_string(&file).unwrap();
    assert!(former.contains("state = \"running\" # paid until June"), "enter kept Cancel");
    desk.press(":stop\r");
    desk.until_shown("stop this instance?");
    desk.press("y");
    desk.until_shown("+state = \"stopped\" # paid until June");
    desk.until_shown("cobalt is wanted stopped");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), former.replace("\"running\"", "\"stopped\""));
    assert_eq!(*stage.script.asked.lock().unwrap(), ["wake cobalt"]);
    desk.press("\x1bq");
    assert!(desk.ended().success());
}

#[test]
fn an_output_that_floods_is_followed_and_counted() {
    let dir = fleet_dir();
    let _stage = Stage::open(&dir.path().join("state"), fleet(24), 30_000);
    let mut desk = open(dir, (120, 30), &["--no-clock"], &[]);
    desk.until_shown("brightside");
    desk.press("l");
    desk.until_shown("line 29999");
    desk.until_shown("2000 lines  0 errors  0 warnings  28000 dropped");
    desk.press("/line 29990\r");
    desk.until("the line that is searched for", |seen| {
        let screen = seen.parser.screen();
        (0..30).any(|row| {
            screen.cell(row, 60).is_some_and(|cell| cell.inverse())
                && screen.rows(0, 120).nth(row.into()).unwrap().contains("line 29990")
        })
    });
    desk.press("\x1bq");
    assert!(desk.ended().success());
}

#[test]
fn keys_are_heard_while_lines_pour_in() {
    let (stage, mut desk) = on_stage((120, 30), &["--no-clock"], &[]);
    desk.press("l");
    desk.until_shown("no line yet");
    let flood = stage.flood("acme");
    desk.until_shown("follows");
    for level in ["info", "warning", "error", "all"] {
        desk.press("L");
        desk.until_shown(&format!("level: {level}"));
    }
    // Whoever scrolls back stays where he is, while the buffer fills and wraps.
    desk.press("kk");
    desk.until_shown("stands still, f follows");
    desk.until_shown("20000 lines");
    drop(flood);
    desk.press("\x1b\x1bq");
    assert!(desk.ended().success());
}

#[test]
fn without_colours_the_selected_row_is_turned_round_from_border_to_border() {
    let (_stage, mut desk) = on_stage((100, 30), &["--no-clock"], &[("NO_COLOR", "1")]);
    desk.press("j");
    desk.until("the second row", |seen| seen.parser.screen().contents().contains("▸  ▲ baker-sons"));
    let seen = desk.seen.0.lock().unwrap();
    let screen = seen.parser.screen();
    for column in 0..100 {
        let cell = screen.cell(5, column).unwrap();
        assert_eq!(cell.inverse(), (1..99).contains(&column), "column {column}");
        assert_eq!((cell.fgcolor(), cell.bgcolor()), (vt100::Color::Default, vt100::Color::Default));
    }
}

/// Runs only inside [`a_panic_gives_the_terminal_back_before_it_is_told`].
const PANICS: &str = "INNKEEPER_TEST_PANICS_IN";

/// Hands whose editor cannot even be named.
struct Clumsy;

impl innkeeper::tui::Hands for Clumsy {
    fn set_state(
        &self,
        _: &innkeeper::model::name::InstanceName,
        _: innkeeper::model::wanted::WantedState,
    ) -> Result<String, String> {
        Err(String::new())
    }

    fn file(&self, _: &innkeeper::model::name::InstanceName) -> Result<String, String> {
        Err(String::new())
    }

    fn write(&self, _: &str, _: &str) -> Result<std::path::PathBuf, String> {
        Err(String::new())
    }

    fn editor(&self, _: &innkeeper::model::name::InstanceName) -> std::process::Command {
        panic!("these hands drop everything")
    }

    fn shell(&self, name: &innkeeper::model::name::InstanceName) -> std::process::Command {
        self.editor(name)
    }

    fn documents(&self) -> Vec<innkeeper::model::status::InstanceStatus> {
        vec![(*instance(&name("cobalt"), Stands::Ready, 4).status).clone()]
    }
}

#[test]
fn the_dashboard_that_panics() {
    let Some(state_dir) = std::env::var_os(PANICS) else { return };
    let setup = innkeeper::tui::Setup {
        state_dir: state_dir.into(),
        hands: Arc::new(Clumsy),
        look: super::panels::LOOK,
        options: super::panels::OPTIONS,
        keymap: innkeeper::tui::keymap::Keymap::default(),
        now,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let ending = runtime.block_on(innkeeper::tui::run(setup));
    panic!("it ended otherwise: {ending:?}");
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    let dir = fleet_dir();
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", "tui::pty::the_dashboard_that_panics", "--nocapture"]);
    let state = dir.path().join("state");
    // A backtrace would push the text that is waited for off the screen.
    let variables = [(PANICS, state.to_str().unwrap()), ("RUST_BACKTRACE", "0")];
    let mut desk = start(dir, (100, 30), command, &variables);
    desk.until_shown("cobalt");
    desk.press("e");
    desk.until("the panic's text", |seen| {
        !seen.parser.screen().alternate_screen()
            && seen.parser.screen().contents().contains("these hands drop everything")
    });
    assert!(!desk.ended().success());
}
