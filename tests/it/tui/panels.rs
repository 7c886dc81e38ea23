//! What each panel looks like: at five sizes, on fleets of every size, without colours, in plain characters.

use super::fixtures::{event, fleet, instance, nth_name, state_of};
use crate::world::{name, now};
use expect_test::expect_file;
use innkeeper::control::view::{UsageView, View};
use innkeeper::model::event::Level;
use innkeeper::model::status::{State as Stands, UsageStatus};
use innkeeper::tui::look::{ASCII, COLOURS, Look, NO_COLOURS, UNICODE};
use innkeeper::tui::state::{Options, State};
use innkeeper::tui::update::{Msg, update};
use innkeeper::tui::view;
use jiff::SignedDuration;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use std::fmt::Write;

pub(crate) const OPTIONS: Options = Options { read_only: false, clock: true, rehearsal: false };
/// One of each kind of room.
const SIZES: [(u16, u16); 5] = [(40, 15), (60, 20), (80, 24), (140, 40), (240, 60)];
pub(crate) const LOOK: Look = Look { theme: COLOURS, glyphs: &UNICODE };

/// A dashboard of that size that was told a fleet of `count`.
pub(crate) fn told(size: (u16, u16), count: usize) -> State {
    let mut state = State::new(OPTIONS, size, now());
    for view in fleet(count) {
        update(&mut state, Msg::View(Box::new(view)), now());
    }
    state
}

/// Presses keys as they are named in the table.
pub(crate) fn press(state: &mut State, keys: &[&str]) -> Vec<innkeeper::tui::update::Effect> {
    keys.iter().flat_map(|key| update(state, Msg::Key(key_of(key)), now())).collect()
}

pub(crate) fn key_of(key: &str) -> KeyEvent {
    let (code, modifiers) = match key {
        "enter" => (KeyCode::Enter, KeyModifiers::NONE),
        "esc" => (KeyCode::Esc, KeyModifiers::NONE),
        "space" => (KeyCode::Char(' '), KeyModifiers::NONE),
        "tab" => (KeyCode::Tab, KeyModifiers::NONE),
        "backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
        "up" => (KeyCode::Up, KeyModifiers::NONE),
        "down" => (KeyCode::Down, KeyModifiers::NONE),
        "left" => (KeyCode::Left, KeyModifiers::NONE),
        "right" => (KeyCode::Right, KeyModifiers::NONE),
        "home" => (KeyCode::Home, KeyModifiers::NONE),
        "end" => (KeyCode::End, KeyModifiers::NONE),
        "pgup" => (KeyCode::PageUp, KeyModifiers::NONE),
        "pgdn" => (KeyCode::PageDown, KeyModifiers::NONE),
        key => match key.strip_prefix("ctrl-") {
            Some(key) => (KeyCode::Char(key.chars().next().unwrap()), KeyModifiers::CONTROL),
            None => (KeyCode::Char(key.chars().next().unwrap()), KeyModifiers::NONE),
        },
    };
    KeyEvent::new(code, modifiers)
}

/// The screen as text.
pub(crate) fn screen(state: &State, look: Look) -> String {
    let mut terminal = Terminal::new(TestBackend::new(state.size.0, state.size.1)).unwrap();
    terminal.draw(|frame| view::draw(state, look, frame.buffer_mut())).unwrap();
    let text = terminal.backend().to_string();
    // Behind a row with wide characters the backend tells which cells they hide.
    let rows =
        text.lines().map(|row| row[1..].rsplit_once("\" Hidden by").map_or(&row[1..row.len() - 1], |(row, _)| row));
    rows.collect::<Vec<_>>().join("\n")
}

/// Holds a screen to the picture of that name in `panels/`.
pub(crate) fn same(name: &str, state: &State, look: Look) {
    let file = format!("{}/tests/it/tui/panels/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    expect_file![file].assert_eq(&format!("{}\n", screen(state, look)));
}

#[test]
fn the_table_at_every_size_for_fleets_of_every_size() {
    for (columns, rows) in SIZES {
        for count in [0, 1, 146, 5_000] {
            same(&format!("table-{columns}x{rows}-{count}"), &told((columns, rows), count), LOOK);
        }
    }
}

#[test]
fn every_view_and_tab() {
    let views: [(&str, &[&str]); 17] = [
        ("plan", &["2"]),
        ("jobs", &["3"]),
        ("alerts", &["4"]),
        ("backups", &["5"]),
        ("host", &["6"]),
        ("summary", &["j", "j", "j", "j", "j", "enter"]),
        ("events", &["enter", "]"]),
        ("logs", &["l"]),
        ("containers", &["enter", "]", "]", "]"]),
        ("backups-of-one", &["G", "enter", "]", "]", "]", "]"]),
        ("diff", &["d"]),
        ("file", &["enter", "["]),
        ("menu", &["."]),
        ("palette", &[":", "b", "r"]),
        ("help", &["?"]),
        ("restart", &["j", "r"]),
        ("retire", &[":", "r", "e", "t", "i", "r", "e", "enter", "a", "c"]),
    ];
    for size in SIZES {
        for (name, keys) in views {
            let mut state = told(size, 146);
            press(&mut state, keys);
            fill(&mut state, name);
            same(&format!("{name}-{}x{}", size.0, size.1), &state, LOOK);
        }
    }
}

/// The views but the first, an opened instance and a dialog, as they look for such a dashboard: one below the other.
fn same_elsewhere(name: &str, look: Look, told: impl Fn() -> State) {
    let views: [&[&str]; 8] = [&["2"], &["3"], &["4"], &["5"], &["6"], &["enter"], &["d"], &["r"]];
    let mut shown = String::new();
    for keys in views {
        let mut state = told();
        press(&mut state, keys);
        writeln!(shown, "{}", keys.join(" ")).unwrap();
        for row in screen(&state, look).lines() {
            writeln!(shown, "{}", row.trim_end()).unwrap();
        }
    }
    let file = format!("{}/tests/it/tui/panels/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    expect_file![file].assert_eq(&shown);
}

#[test]
fn every_view_of_a_fleet_that_is_empty_or_has_one() {
    for size in SIZES {
        for count in [0, 1] {
            same_elsewhere(&format!("elsewhere-{}x{}-{count}", size.0, size.1), LOOK, || told(size, count));
        }
    }
}

/// What a view shows that comes from elsewhere than the fleet.
fn fill(state: &mut State, view: &str) {
    if view == "logs" {
        let of = state.logs.of.clone().expect("an output is read");
        let lines = [
            "2026-03-01 11:59:58,201 21 INFO acme werkzeug: 203.0.113.8 - - \"GET /web HTTP/1.0\" 200 - 4 0.002 0.081",
            "2026-03-01 11:59:59,002 21 WARNING acme odoo.sql_db: slow query 1.9s SELECT sale_order",
            "2026-03-01 12:00:00,018 21 ERROR acme odoo.http: could not serialize access due to concurrent update",
            "Traceback (most recent call last):",
            "  File \"/usr/lib/python3/dist-packages/odoo/http.py\", line 1820, in _transactioning",
            "\x1b[1;31mpsycopg2.errors.SerializationFailure\x1b[0m: could not serialize \x1b]0;title\x07access",
            "2026-03-01 12:00:00,120 21 INFO acme odoo.service: 再試行 1 / 5 \u{202e}reversed",
        ];
        let lines = lines.map(str::to_owned).into();
        update(state, Msg::Log { of, lines, dropped: 12 }, now());
    }
    if view == "file" {
        let text = "# Baker & Sons, since 2026\nplan = \"pro\"\n\n[customer]\nname = \"John Doe\"\n";
        let result = Ok(text.to_owned());
        update(state, Msg::File { name: name("acme"), result }, now());
    }
}

#[test]
fn graphs_are_drawn_from_what_was_sampled() {
    let mut state = told((140, 40), 24);
    for nth in 0..90_u64 {
        let wave = if nth < 60 { nth / 3 } else { 95 };
        let usage = UsageStatus {
            at: now(),
            cpu_percent: wave as f64,
            memory_bytes: (200 + wave * 8) << 20,
            memory_limit_bytes: 1 << 30,
            database_bytes: 3 << 30,
            filestore_bytes: 800 << 20,
        };
        let usage = vec![UsageView { instance: name("cobalt"), usage: Some(usage) }];
        update(&mut state, Msg::View(Box::new(View { usage, ..View::nothing(now()) })), now());
    }
    press(&mut state, &["/", "c", "o", "b", "a", "l", "t", "enter"]);
    same("graphs-card-140x40", &state, LOOK);
    press(&mut state, &["enter"]);
    same("graphs-summary-140x40", &state, LOOK);
    same("graphs-summary-ascii-140x40", &state, Look { glyphs: &ASCII, ..LOOK });
}

/// A dashboard whose second row has names of other scripts and lengths; it is selected.
fn with_odd_names(size: (u16, u16)) -> State {
    let mut state = told(size, 24);
    let mut changed = instance(&name(&"a".repeat(40)), Stands::Degraded, 3);
    let wanted = std::sync::Arc::make_mut(changed.wanted.as_mut().unwrap());
    wanted.company.name = "株式会社ベーカー・アンド・サンズ 🥖👩‍🍳 \u{202e}evil".to_owned();
    let status = std::sync::Arc::make_mut(&mut changed.status);
    let text = "応答がありません：ログインページ 🥖 は 12 分間応答していません。Die Anmeldeseite antwortet nicht.";
    for condition in &mut status.conditions {
        condition.message = text.to_owned();
    }
    status.urls = vec!["https://パン屋.example.com".to_owned(), format!("https://{}.example.com", "long-".repeat(30))];
    let of = status.name.clone();
    let mut view = View { instances: vec![changed], ..View::nothing(now()) };
    view.events = vec![event(7, 20, Some(of.as_str()), Level::Error, "NotAnswering", text)];
    let facts = state.fleet.facts.as_mut().unwrap();
    facts.alerts[0].message = text.to_owned();
    facts.alerts[0].instance = Some(of);
    update(&mut state, Msg::View(Box::new(view)), now());
    press(&mut state, &["j"]);
    state
}

#[test]
fn names_of_any_script_and_length_stay_in_their_columns() {
    for (columns, rows) in SIZES {
        let mut state = with_odd_names((columns, rows));
        same(&format!("names-{columns}x{rows}"), &state, LOOK);
        press(&mut state, &["enter"]);
        same(&format!("names-summary-{columns}x{rows}"), &state, LOOK);
        same_elsewhere(&format!("elsewhere-{columns}x{rows}-names"), LOOK, || with_odd_names((columns, rows)));
    }
}

/// A dashboard that never heard of a daemon, and read what the last one wrote.
fn down(size: (u16, u16)) -> State {
    let mut state = State::new(OPTIONS, size, now());
    let why = "no daemon runs for this fleet (nobody listens on /var/lib/innkeeper/control.sock)";
    update(&mut state, Msg::Lost(why.to_owned()), now());
    let documents = (0..5).map(|nth| (*instance(&nth_name(nth), state_of(nth), nth).status).clone()).collect();
    update(&mut state, Msg::Documents(documents), now());
    state
}

/// A dashboard whose daemon has been silent for a minute and a half.
fn stale(size: (u16, u16)) -> State {
    let mut state = told(size, 24);
    update(&mut state, Msg::Tick, now().checked_add(SignedDuration::from_secs(90)).unwrap());
    state
}

#[test]
fn a_daemon_that_is_down_or_silent_is_told_at_every_size() {
    for size in SIZES {
        let name = |what: &str| format!("{what}-{}x{}", size.0, size.1);
        same(&name("first"), &State::new(OPTIONS, size, now()), LOOK);
        same(&name("down"), &down(size), LOOK);
        same(&name("stale"), &stale(size), LOOK);
        same_elsewhere(&format!("{}-down", name("elsewhere")), LOOK, || down(size));
        same_elsewhere(&format!("{}-stale", name("elsewhere")), LOOK, || stale(size));
    }
}

#[test]
fn plain_characters_are_enough() {
    let look = Look { glyphs: &ASCII, ..LOOK };
    for (columns, rows) in SIZES {
        let state = told((columns, rows), 146);
        same(&format!("ascii-{columns}x{rows}"), &state, look);
        for keys in [&["2"][..], &["3"], &["4"], &["5"], &["6"], &["enter"], &["l"], &["."], &[":"], &["?"], &["r"]] {
            let mut state = told((columns, rows), 146);
            press(&mut state, keys);
            let shown = screen(&state, look);
            assert!(shown.is_ascii(), "{keys:?} at {columns}x{rows} shows {:?}", shown.chars().find(|c| !c.is_ascii()));
        }
    }
}

/// Cells of the screen.
fn cells(state: &State, look: Look) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, state.size.0, state.size.1));
    view::draw(state, look, &mut buffer);
    buffer
}

/// The styles of a screen below its text, a row each: `2 │ 0-9 Green BOLD`. A backend for tests prints text alone.
fn same_with_styles(name: &str, state: &State, look: Look) {
    let buffer = cells(state, look);
    let mut shown = format!("{}\n", screen(state, look));
    for y in 0..buffer.area.height {
        let style = |x: u16| (buffer[(x, y)].fg, buffer[(x, y)].bg, buffer[(x, y)].modifier);
        let mut from = 0;
        for x in 1..=buffer.area.width {
            if x < buffer.area.width && style(x) == style(from) {
                continue;
            }
            let (fg, bg, modifier) = style(from);
            if (fg, bg, modifier) != (Color::Reset, Color::Reset, Modifier::empty()) {
                writeln!(shown, "{y} │ {from}-{} {fg:?} on {bg:?} {modifier:?}", x - 1).unwrap();
            }
            from = x;
        }
    }
    let file = format!("{}/tests/it/tui/panels/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    expect_file![file].assert_eq(&shown);
}

#[test]
fn what_matters_stands_out_with_colours_and_without() {
    for size in SIZES {
        let without = Look { theme: NO_COLOURS, glyphs: &UNICODE };
        same_with_styles(&format!("no-colours-{}x{}", size.0, size.1), &told(size, 24), without);
    }
    same_with_styles("colours-80x24", &told((80, 24), 24), LOOK);
}

#[test]
fn without_colours_there_is_none_and_the_selected_row_is_whole() {
    let look = Look { theme: NO_COLOURS, glyphs: &UNICODE };
    for keys in [&[][..], &["2"], &["3"], &["4"], &["6"], &["enter"], &["d"], &["r"], &["."], &["?"]] {
        let mut state = told((140, 40), 146);
        press(&mut state, keys);
        let buffer = cells(&state, look);
        let coloured = buffer.content().iter().find(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        assert_eq!(coloured, None, "{keys:?}");
    }
    let buffer = cells(&told((140, 40), 146), look);
    let reversed: Vec<u16> = (0..140).filter(|x| buffer[(*x, 4)].modifier.contains(Modifier::REVERSED)).collect();
    assert_eq!(reversed, (1..91).collect::<Vec<u16>>(), "from border to border");
}

#[test]
fn bad_states_stand_out_by_colour_word_and_sign() {
    let buffer = cells(&told((140, 40), 146), LOOK);
    // The first row is selected; the second is degraded.
    let row = |y: u16| (0..91).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    assert!(row(5).contains("▲ baker-sons") && row(5).contains("degraded"), "{}", row(5));
    assert_eq!(buffer[(4, 5)].fg, Color::Yellow);
    assert_eq!(buffer[(4, 10)].fg, Color::Green, "{}", row(10));
}
