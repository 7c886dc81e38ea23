//! The figures of the dashboard, one line each: `name value unit`. The program itself, in a terminal of its own, on a
//! stage that tells 5,000 instances.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails where it stands")]
#![expect(clippy::print_stdout, reason = "its figures are its answer")]

#[path = "../tests/it/world.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod world;

#[path = "../tests/it/tui/desk.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod desk;
#[path = "../tests/it/tui/fixtures.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod fixtures;
#[path = "../tests/it/tui/stage.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod stage;

use desk::{Desk, memory_of, open, open_slow, row_of};
use fixtures::{fleet, instance, nth_name, state_of};
use innkeeper::control::view::{UsageView, View};
use innkeeper::model::event::Level;
use innkeeper::model::status::UsageStatus;
use innkeeper::spec::{example_plans, example_settings};
use innkeeper::tui::look::{COLOURS, Look, UNICODE};
use innkeeper::tui::state::{Options, State};
use innkeeper::tui::update::{Msg, update};
use innkeeper::tui::view;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use stage::Stage;
use std::hint::black_box;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use world::now;

/// Customers.
const INSTANCES: usize = 5_000;
/// Frames drawn.
const FRAMES: usize = 1_000;
/// Keys pressed in the terminal.
const KEYS: usize = 200;
/// Lines of the output that floods, and how many the dashboard keeps.
const LOG_LINES: u64 = 1_000_000;
const LOG_LINES_KEPT: u64 = 20_000;
/// Starts without a daemon.
const STARTS: usize = 21;
/// A slow line, and the keys that are pressed while it is behind.
const SLOW_LINE_BYTES_PER_S: usize = 20_000;
const SLOW_KEYS: usize = 200;
const SLOW_KEY_EVERY: Duration = Duration::from_millis(5);
/// Nothing happens for so long.
const IDLE: Duration = Duration::from_secs(20);
/// Refreshes of all figures: one would come every fifteen seconds, two seconds are the goal's.
const REFRESHES: usize = 10;
const REFRESH_EVERY_S: f64 = 2.0;
/// Samples of each instance.
const SAMPLES: u64 = 60;

fn main() {
    drawing((140, 40));
    drawing((240, 80));
    first_text();
    keys_in_a_flood();
    leaving_over_a_slow_line();
    idling();
    refreshing();
    memory();
}

fn tell(name: &str, value: f64, unit: &str) {
    println!("{name} {value:.2} {unit}");
}

fn part(times: &mut [Duration], of_hundred: usize) -> f64 {
    times.sort_unstable();
    times[(times.len() * of_hundred / 100).min(times.len() - 1)].as_secs_f64() * 1_000.0
}

/// A key and the frame after it, in this process: all but the writing.
fn drawing(size: (u16, u16)) {
    let mut state = State::new(Options { read_only: false, clock: true, rehearsal: false }, size, now());
    for view in fleet(INSTANCES) {
        update(&mut state, Msg::View(Box::new(view)), now());
    }
    let look = Look { theme: COLOURS, glyphs: &UNICODE };
    let mut times = Vec::new();
    for _ in 0..FRAMES {
        let began = Instant::now();
        update(&mut state, Msg::Key(KeyEvent::from(KeyCode::Char('j'))), now());
        let mut buffer = Buffer::empty(Rect::new(0, 0, size.0, size.1));
        view::draw(&state, look, &mut buffer);
        black_box(&buffer);
        times.push(began.elapsed());
    }
    let name = format!("dashboard_draw_{}x{}_{INSTANCES}_instances", size.0, size.1);
    tell(&format!("{name}_p50"), part(&mut times, 50), "ms");
    tell(&format!("{name}_p99"), part(&mut times, 99), "ms");
}

fn fleet_dir() -> TempDir {
    let dir = TempDir::new().unwrap();
    let state = dir.path().join("state");
    std::fs::create_dir_all(dir.path().join("instances.d")).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    let settings = example_settings().replace("[fleet]", &format!("[fleet]\nstate_dir = {state:?}"));
    std::fs::write(dir.path().join("innkeeper.toml"), settings).unwrap();
    std::fs::write(dir.path().join("plans.toml"), example_plans()).unwrap();
    dir
}

/// From the start of the program to the first text, with nobody to talk to.
fn first_text() {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let dir = fleet_dir();
        let began = Instant::now();
        let desk = open(dir, (140, 40), &[], &[]);
        desk.until_shown("Instances");
        times.push(began.elapsed());
    }
    tell("dashboard_first_text_daemon_down_median", part(&mut times, 50), "ms");
}

/// A dashboard that shows 5,000 instances and follows an output that never pauses.
fn flooded(log_lines: u64) -> (Stage, Desk) {
    let dir = fleet_dir();
    let stage = Stage::open(&dir.path().join("state"), fleet(INSTANCES), log_lines);
    let desk = open(dir, (140, 40), &["--no-clock"], &[]);
    desk.until_shown(&format!("{INSTANCES} instances"));
    (stage, desk)
}

/// From a key to the first byte of the frame that shows what it did, while lines pour in.
fn keys_in_a_flood() {
    let (stage, mut desk) = flooded(LOG_LINES);
    desk.press("l");
    desk.until_shown("lines");
    let flood = stage.flood("acme");
    let mut times = Vec::new();
    for nth in 0..KEYS {
        // The level is named in the title: each press of the key changes it, whatever the lines do.
        let shown = ["level: info", "level: warning", "level: error", "level: all"][nth % 4];
        let began = Instant::now();
        desk.press("L");
        desk.until_shown(shown);
        times.push(began.elapsed());
    }
    drop(flood);
    tell("dashboard_key_to_screen_in_a_flood_p50", part(&mut times, 50), "ms");
    tell("dashboard_key_to_screen_in_a_flood_p95", part(&mut times, 95), "ms");
    tell("dashboard_key_to_screen_in_a_flood_p99", part(&mut times, 99), "ms");
}

/// From `q` to the terminal as it was, on a line that is seconds behind.
fn leaving_over_a_slow_line() {
    let dir = fleet_dir();
    let _stage = Stage::open(&dir.path().join("state"), fleet(INSTANCES), 0);
    let mut desk = open_slow(dir, (140, 40), &["--no-clock"], SLOW_LINE_BYTES_PER_S);
    desk.until_shown(&format!("{INSTANCES} instances"));
    for _ in 0..SLOW_KEYS {
        desk.press("j");
        std::thread::sleep(SLOW_KEY_EVERY);
    }
    let read = desk.seen.0.lock().unwrap().raw.len();
    let behind = (desk.written("painter").1 - read) as f64 / SLOW_LINE_BYTES_PER_S as f64;
    let began = Instant::now();
    desk.press("q");
    assert!(desk.ended().success());
    tell("dashboard_slow_line_behind_before_q", behind, "s");
    tell("dashboard_slow_line_q_to_shell", began.elapsed().as_secs_f64(), "s");
}

/// What a dashboard costs that nobody uses and for which nothing changes.
fn idling() {
    let dir = fleet_dir();
    // Without a running step, whose time goes on.
    let _stage = Stage::open(&dir.path().join("state"), fleet(12), 0);
    let mut desk = open(dir, (140, 40), &["--no-clock"], &[]);
    desk.until_shown("12 instances");
    desk.press("j");
    desk.until("the second row", |seen| row_of(seen, "baker-sons").contains('▸'));
    let bytes = || desk.seen.0.lock().unwrap().raw.len();
    let (before, (spent, woken)) = (bytes(), desk.effort());
    std::thread::sleep(IDLE);
    let (spent, woken) = (desk.effort().0 - spent, desk.effort().1 - woken);
    tell("dashboard_idle_cpu", 100.0 * spent.as_secs_f64() / IDLE.as_secs_f64(), "percent");
    tell("dashboard_idle_wakeups_per_s", woken as f64 / IDLE.as_secs_f64(), "1/s");
    tell("dashboard_idle_bytes", (bytes() - before) as f64, "bytes");
}

/// The nth refresh of everybody's figures.
fn usage(nth: u64) -> View {
    let figures: Vec<UsageView> = (0..INSTANCES)
        .map(|at| {
            let name = nth_name(at);
            let busy = (at as u64 + nth) * 37 % 97;
            let usage = UsageStatus {
                at: now(),
                cpu_percent: busy as f64,
                memory_bytes: (busy * 20) << 20,
                memory_limit_bytes: 2 << 30,
                database_bytes: (busy * 90) << 20,
                filestore_bytes: (busy * 30) << 20,
            };
            UsageView { instance: name, usage: Some(usage) }
        })
        .collect();
    View { usage: figures, ..View::nothing(now()) }
}

/// Bytes of a full picture, and of new figures in all rows.
fn refreshing() {
    let dir = fleet_dir();
    let stage = Stage::open(&dir.path().join("state"), fleet(24), 0);
    let mut desk = open(dir, (140, 40), &["--no-clock"], &[]);
    desk.until_shown("24 instances");
    let refresh = |nth: usize| {
        let usage = |at: usize| {
            let view = instance(&nth_name(at), state_of(at), at + nth);
            UsageView { instance: view.status.name.clone(), usage: view.status.usage.clone() }
        };
        View { usage: (0..24).map(usage).collect(), ..View::nothing(now()) }
    };
    let mut bytes = 0;
    for nth in 1..=REFRESHES {
        let cpu = format!("{}%", 1 + (4 + nth) * 37 % 97);
        let told = || stage.say(refresh(nth));
        bytes += desk.bytes_until("the figures", told, |seen| row_of(seen, "cobalt").contains(&cpu));
    }
    tell("dashboard_refresh_140x40", bytes as f64 / REFRESHES as f64 / REFRESH_EVERY_S, "bytes/s");
    // Drawn anew.
    let painted = |desk: &mut Desk| {
        let before = desk.seen.0.lock().unwrap().raw.len();
        desk.press("\x0c");
        desk.until("the picture", |seen| {
            let new = &seen.raw[before..];
            new.windows(4).any(|bytes| bytes == b"\x1b[2J") && new.ends_with(b"\x1b[?2026l")
        });
        desk.seen.0.lock().unwrap().raw.len() - before
    };
    tell("dashboard_full_paint_140x40", painted(&mut desk) as f64, "bytes");
}

/// Resident memory with the fleet, an hour's samples at one a minute, and as many lines as are kept; then after a daemon
/// that was restarted told everything once more.
fn memory() {
    let (stage, mut desk) = flooded(0);
    (1..=SAMPLES).for_each(|nth| stage.say(usage(nth)));
    desk.press("\r");
    desk.until_shown(&format!("{SAMPLES} samples"));
    desk.press("l");
    desk.until_shown("no line yet");
    let flood = stage.flood("acme");
    desk.until_shown(&format!("{LOG_LINES_KEPT} lines"));
    drop(flood);
    let name = "dashboard_memory_5000_instances_60_samples_20000_lines";
    let megabytes = |desk: &Desk, key: &str| memory_of(desk.pid(), key) as f64 / 1e6;
    tell(name, megabytes(&desk, "VmRSS"), "MB");
    tell(&format!("{name}_of_it_own"), megabytes(&desk, "RssAnon"), "MB");
    fleet(INSTANCES).into_iter().for_each(|view| stage.say(view));
    stage.say(View {
        events: vec![fixtures::event(99, 0, None, Level::Info, "Again", "told again")],
        ..View::nothing(now())
    });
    desk.press("\x1b");
    desk.until_shown("told again");
    tell(&format!("{name}_told_again"), megabytes(&desk, "VmRSS"), "MB");
    tell(&format!("{name}_peak"), megabytes(&desk, "VmHWM"), "MB");
}
