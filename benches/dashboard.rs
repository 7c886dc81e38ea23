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

use desk::{Desk, open};
use fixtures::fleet;
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

fn main() {
    drawing((140, 40));
    drawing((240, 80));
    first_text();
    keys_in_a_flood();
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
    let mut state = State::new(Options { read_only: false, clock: true }, size, now());
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

/// Resident memory with the fleet and as many lines as are kept.
fn memory() {
    let (stage, mut desk) = flooded(0);
    desk.press("l");
    desk.until_shown("no line yet");
    let flood = stage.flood("acme");
    desk.until_shown(&format!("{LOG_LINES_KEPT} lines"));
    drop(flood);
    let status = std::fs::read_to_string(format!("/proc/{}/status", desk.child.process_id().unwrap())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.split_whitespace().next().unwrap().parse().unwrap();
    tell("dashboard_memory_5000_instances_20000_lines", kib / 1024.0, "MiB");
}
