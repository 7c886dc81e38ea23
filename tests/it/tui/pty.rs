//! The shipped program in a real terminal. A test waits until the screen says what it should, and sleeps only between
//! two looks at what nobody tells it of.

use super::desk::{Desk, FRAME_BEGINS, memory_of, modes, open, open_slow, row_of};
use super::fixtures::{fleet, instance, nth_name};
use super::stage::Stage;
use crate::read_fleet::{PLANS, SETTINGS, instance_text};
use crate::world::{name, now};
use innkeeper::control::view::{UsageView, View};
use innkeeper::model::status::State as Stands;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A line on which every byte counts.
const SLOW_LINE_BYTES_PER_S: usize = 20_000;
/// What a thread wrote is counted a moment after it was written, and later where others have the processor meanwhile.
const COUNTED_LOOKS_MAX: u32 = 1_000;
const COUNTED_LOOK_EVERY: Duration = Duration::from_millis(10);
/// A window in which nothing happens. Of so many one must be idle: a busy machine may disturb the others.
const IDLE: Duration = Duration::from_secs(10);
const IDLE_WINDOWS_MAX: usize = 3;

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
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let (_stage, desk) = on_stage((80, 24), &[], &[]);
        desk.signal(signal);
        assert!(desk.ended().success(), "{signal:?}");
    }
}

#[test]
fn who_suspends_it_gets_the_terminal_until_it_goes_on() {
    let (_stage, mut desk) = on_stage((80, 24), &[], &[]);
    let taken = modes(desk.master.as_ref());
    desk.press("j\x1a");
    desk.until("the terminal to be given back", |seen| {
        !seen.parser.screen().alternate_screen() && !seen.parser.screen().hide_cursor()
    });
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

/// Each kind of escape sequence in `text`, once: `CSI m`, `CSI ?25 h`. Figures are left out where they are no mode.
fn sequences(text: &str) -> BTreeSet<String> {
    let kind = |rest: &str| match rest.strip_prefix('[') {
        Some(rest) => {
            let end = rest.find(|c: char| ('@'..='~').contains(&c)).unwrap();
            let (parameters, last) = rest.split_at(end);
            let shown = if parameters.starts_with(|c: char| c.is_ascii_digit()) { "" } else { parameters };
            format!("CSI {shown} {}", &last[..1]).replace("  ", " ")
        }
        None => format!("ESC {}", &rest[..1]),
    };
    text.split('\u{1b}').skip(1).map(kind).collect()
}

#[test]
fn the_first_key_after_a_new_size_is_heard() {
    let (_stage, mut desk) = on_stage((100, 30), &["--no-clock"], &[]);
    for (columns, key, shown) in
        [(90, "5", "instances have one"), (80, "6", "innkeeper doctor"), (100, "?", "keys of this view")]
    {
        desk.press("1");
        desk.until("the table", |seen| seen.parser.screen().contents().contains("brightside"));
        desk.resize(columns, 30);
        desk.until("the new size", |seen| {
            let first = seen.parser.screen().rows(0, columns).nth(2).unwrap_or_default();
            first.chars().count() == usize::from(columns) && first.ends_with('╮')
        });
        desk.press(key);
        desk.until_shown(shown);
    }
}

#[test]
fn nothing_is_asked_of_the_terminal() {
    let (_stage, mut desk) = on_stage((140, 40), &[], &[]);
    desk.press("m\r]]l\x1b23456:\x1b?\x1b.\x1b");
    desk.until_shown("innkeeper doctor");
    desk.resize(100, 30);
    desk.until("the new size", |seen| {
        let first = seen.parser.screen().rows(0, 100).nth(2).unwrap_or_default();
        first.chars().count() == 100 && first.ends_with('╮')
    });
    desk.press("\x0cqq");
    let seen = Arc::clone(&desk.seen);
    assert!(desk.ended().success());
    let raw = String::from_utf8_lossy(&seen.0.lock().unwrap().raw).into_owned();
    // Places, colours, erasing, and modes that are set and reset. No question is among them (DSR `n`, DA `c`, DECRQM `$p`,
    // `?u`, `t`), and no title, colour or clipboard (OSC, `]`) is touched.
    let known = [
        "CSI H",
        "CSI J",
        "CSI m",
        "CSI ?1000 h",
        "CSI ?1000 l",
        "CSI ?1006 h",
        "CSI ?1006 l",
        "CSI ?1049 h",
        "CSI ?1049 l",
        "CSI ?2004 h",
        "CSI ?2004 l",
        "CSI ?2026 h",
        "CSI ?2026 l",
        "CSI ?25 h",
        "CSI ?25 l",
    ];
    assert_eq!(sequences(&raw), known.map(str::to_owned).into());
    assert_eq!(
        raw.matches("\x1b[?2026h").count() + 1,
        raw.matches("\x1b[?2026l").count(),
        "each frame ends, and so does the last"
    );
}

#[test]
fn a_frame_is_one_write() {
    let (stage, mut desk) = on_stage_with(1_000, (140, 40), &["--no-clock"], &[]);
    desk.press("\r");
    desk.until_shown("wanted and live");
    desk.press("l");
    desk.until_shown("no line yet");
    let flood = stage.flood("acme");
    desk.until_shown("20000 lines");
    drop(flood);
    desk.press("\x1b\x1b");
    desk.until_shown("Instances 1000");
    desk.resize(240, 60);
    desk.until("the last size", |seen| seen.parser.screen().contents().lines().count() == 60);
    for view in ["2", "3", "4", "5", "6", "?"] {
        desk.press(view);
    }
    desk.until_shown("keys of this view");
    let frames = || {
        let raw = &desk.seen.0.lock().unwrap().raw;
        let begins = raw.windows(FRAME_BEGINS.len()).filter(|bytes| *bytes == FRAME_BEGINS).count();
        let first = raw.windows(FRAME_BEGINS.len()).position(|bytes| bytes == FRAME_BEGINS).unwrap();
        (begins, raw.len() - first)
    };
    let (mut written, mut seen) = (desk.written("painter"), frames());
    for _ in 0..COUNTED_LOOKS_MAX {
        if written == seen {
            break;
        }
        std::thread::sleep(COUNTED_LOOK_EVERY);
        (written, seen) = (desk.written("painter"), frames());
    }
    assert!(seen.0 > 10, "{seen:?}");
    assert_eq!(written, seen, "writes and their bytes, frames and theirs");
}

#[test]
fn whoever_leaves_over_a_slow_line_does_not_wait_for_old_pictures() {
    let dir = fleet_dir();
    let _stage = Stage::open(&dir.path().join("state"), fleet(1_000), 0);
    let mut desk = open_slow(dir, (140, 40), &["--no-clock"], SLOW_LINE_BYTES_PER_S);
    desk.until_shown("brightside");
    let read = |desk: &Desk| desk.seen.0.lock().unwrap().raw.len();
    let waiting = |desk: &Desk| desk.written("painter").1.saturating_sub(read(desk));
    // A key that is held down: each row makes a frame of almost 4 KB, far more than the line carries. What the kernel
    // holds is full then (8 KiB, `pty_common_install`), and a write waits.
    for _ in 0..900 {
        if waiting(&desk) > 6_000 {
            break;
        }
        desk.press("j");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (before, waiting) = (read(&desk), waiting(&desk));
    assert!(waiting > 6_000, "only {waiting} bytes wait");
    desk.press("q");
    let seen = Arc::clone(&desk.seen);
    assert!(desk.ended().success());
    let more = seen.0.lock().unwrap().raw.len() - before;
    assert!(more <= SLOW_LINE_BYTES_PER_S / 2, "{more} bytes came after q: more than half a second of this line");
}

#[test]
fn something_is_shown_before_the_daemon_answered() {
    let dir = fleet_dir();
    // Listens, and never says a word.
    let _silent = std::os::unix::net::UnixListener::bind(dir.path().join("state/control.sock")).unwrap();
    let mut desk = open(dir, (80, 24), &[], &[]);
    desk.until_shown("daemon: asking");
    desk.press("?");
    desk.until_shown("keys of this view");
    desk.press("\x1bq");
    assert!(desk.ended().success());
}

#[test]
fn a_large_fleet_and_its_output_fit_into_twenty_six_megabytes() {
    let (stage, mut desk) = on_stage_with(5_000, (140, 40), &["--no-clock"], &[]);
    desk.until_shown("5000 instances");
    desk.press("l");
    desk.until_shown("no line yet");
    let flood = stage.flood("acme");
    desk.until_shown("20000 lines");
    drop(flood);
    // What the program asked for: a debug build's own pages are twice a release's.
    let bytes = memory_of(desk.pid(), "RssAnon");
    assert!(bytes <= 26_000_000, "{bytes} bytes");
}

#[test]
fn an_idle_dashboard_writes_nothing() {
    // Without a running step, whose time goes on.
    let (_stage, mut desk) = on_stage_with(12, (140, 40), &["--no-clock"], &[]);
    desk.press("j");
    desk.until("the second row", |seen| seen.parser.screen().contents().contains("▸  ▲ baker-sons"));
    let mut windows = Vec::new();
    let is_idle = (0..IDLE_WINDOWS_MAX).any(|_| {
        let (wrote, woken, spent) = left_alone(&desk);
        // 0.2 % of one core; a debug build on a busy machine may take three times as long.
        let idle = wrote.is_empty() && woken <= 100 && spent <= Duration::from_millis(3 * 20);
        windows.push(format!("woken {woken} times, {spent:?} on processors, wrote {wrote:?}"));
        idle
    });
    assert!(is_idle, "in ten seconds each: {windows:#?}");
}

/// What a dashboard does in a window in which nothing happens: what it wrote, how often one of its threads was woken,
/// and its time on processors. The window ends with what is written.
fn left_alone(desk: &Desk) -> (String, u64, Duration) {
    let (spent, woken) = desk.effort();
    let seen = desk.seen.0.lock().unwrap();
    let before = seen.raw.len();
    let (seen, _) = desk.seen.1.wait_timeout_while(seen, IDLE, |seen| seen.raw.len() == before).unwrap();
    let wrote = String::from_utf8_lossy(&seen.raw[before..]).into_owned();
    drop(seen);
    let (spent_now, woken_now) = desk.effort();
    // A thread that ended meanwhile took its figures with it.
    (wrote, woken_now.saturating_sub(woken), spent_now.saturating_sub(spent))
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

/// Less than the stack of one more thread (tokio: 2 MiB), and enough for a message.
const MEMORY_LEFT_BYTES: u64 = 1 << 20;

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_told() {
    // A backtrace would push the text that is waited for off the screen.
    let (_stage, mut desk) = on_stage((100, 30), &["--no-clock"], &[("RUST_BACKTRACE", "0")]);
    // A real one in the shipped program: the system refuses the thread that would read a file.
    starve(desk.pid());
    desk.press("\r[");
    desk.until("the panic's text", |seen| {
        !seen.parser.screen().alternate_screen() && seen.parser.screen().contents().contains("panicked at")
    });
    assert_eq!(desk.ended().exit_code(), 101);
}

/// Takes the memory away that a further thread would need.
pub(crate) fn starve(program: Pid) {
    let max = Some(memory_of(program, "VmSize") + MEMORY_LEFT_BYTES);
    prlimit(Some(program), Resource::As, Rlimit { current: max, maximum: max }).unwrap();
}
