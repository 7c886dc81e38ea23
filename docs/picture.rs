//! Draws `docs/dashboard.svg` from the real dashboard on a rehearsed fleet: `cargo run --example picture`.
//!
//! It starts the program twice (`run --rehearse`, and `top` in a terminal of its own), waits until something goes on in
//! the fleet, and writes down what the terminal shows, cell by cell.
#![expect(clippy::unwrap_used, reason = "a script that cannot go on fails where it stands")]
#![expect(clippy::print_stdout, reason = "it says what it wrote")]

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Size of the terminal.
const COLUMNS: u16 = 140;
const ROWS: u16 = 36;
/// Size of a cell in the picture.
const CELL: (f64, f64) = (7.8, 17.0);
/// Room around the screen.
const MARGIN: f64 = 14.0;
const PAPER: &str = "#16181d";
const INK: &str = "#d5d8de";
/// The 16 colours of a terminal.
const COLOURS: [&str; 16] = [
    "#2b2f38", "#e06c75", "#8fc379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#abb2bf", "#6b7280", "#e06c75",
    "#8fc379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#ffffff",
];

/// Ends the rehearsal, which removes its directory.
struct Rehearsal(Child);

impl Drop for Rehearsal {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

fn main() {
    let (_rehearsal, fleet) = rehearse();
    let screen = shown(&fleet);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/dashboard.svg");
    std::fs::write(&file, picture(&screen)).unwrap();
    println!("docs/dashboard.svg");
}

/// The program, built beside this one.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.parent().unwrap().parent().unwrap().join("innkeeper")
}

/// A rehearsal that runs, and where its fleet is.
fn rehearse() -> (Rehearsal, String) {
    let mut command = Command::new(program());
    command.args(["run", "--rehearse", "-q"]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("build it first: cargo build");
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut lines = lines.map_while(Result::ok);
    let fleet = lines.find_map(|line| Some(line.split_once("--fleet ")?.1.split(' ').next()?.to_owned()));
    // Whatever it says later is read, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (Rehearsal(child), fleet.expect("it names its fleet"))
}

/// The dashboard's screen once several instances are ready and something goes on.
fn shown(fleet: &str) -> vt100::Parser {
    let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(program());
    command.args(["--fleet", fleet, "top"]);
    for (name, value) in [("LC_ALL", "C.UTF-8"), ("TERM", "xterm-256color")] {
        command.env(name, value);
    }
    command.env_remove("NO_COLOR");
    let mut child = pair.slave.spawn_command(command).unwrap();
    let mut reader = pair.master.try_clone_reader().unwrap();
    let (rows, columns) = (NonZeroU16::new(ROWS).unwrap(), NonZeroU16::new(COLUMNS).unwrap());
    let mut parser = vt100::Parser::new(rows, columns, 0);
    let mut bytes = [0; 1 << 14];
    loop {
        let count = reader.read(&mut bytes).unwrap();
        assert!(count > 0, "the dashboard ended");
        parser.process(&bytes[..count]);
        let text = parser.screen().contents();
        if text.contains("FAILED") && text.contains("steps run") && text.contains("Jobs(") && is_past_the_start(&text) {
            break;
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    parser
}

/// Most of the fleet is there.
fn is_past_the_start(text: &str) -> bool {
    let good = text.split(" instances: ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
    good.is_some_and(|good| good >= 45)
}

fn picture(parser: &vt100::Parser) -> String {
    let (width, height) = (f64::from(COLUMNS) * CELL.0 + 2.0 * MARGIN, f64::from(ROWS) * CELL.1 + 2.0 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" \
         aria-label=\"The dashboard of a rehearsed fleet\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\n\
         <g font-family=\"'JetBrains Mono','DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"13\" xml:space=\"preserve\">\n"
    );
    for row in 0..ROWS {
        let mut column = 0;
        while column < COLUMNS {
            column = piece(parser, row, column, &mut out);
        }
    }
    out.push_str("</g>\n</svg>\n");
    out
}

/// What a cell looks like: ink, paper where it has one, weight.
fn style(cell: &vt100::Cell) -> (String, Option<String>, bool) {
    let colour = |colour: vt100::Color| match colour {
        vt100::Color::Idx(index) if index < 16 => Some(COLOURS[usize::from(index)].to_owned()),
        vt100::Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        _ => None,
    };
    let (ink, paper) = (colour(cell.fgcolor()), colour(cell.bgcolor()));
    match cell.inverse() {
        true => (paper.unwrap_or_else(|| PAPER.to_owned()), Some(ink.unwrap_or_else(|| INK.to_owned())), cell.bold()),
        false => (ink.unwrap_or_else(|| INK.to_owned()), paper, cell.bold()),
    }
}

/// Draws the cells from `column` on that look the same; returns where the next piece begins.
fn piece(parser: &vt100::Parser, row: u16, column: u16, out: &mut String) -> u16 {
    let screen = parser.screen();
    let look = style(screen.cell(row, column).unwrap());
    let mut text = String::new();
    let mut end = column;
    while end < COLUMNS && style(screen.cell(row, end).unwrap()) == look {
        let contents = screen.cell(row, end).unwrap().contents();
        text.push_str(if contents.is_empty() { " " } else { contents });
        end += 1;
    }
    let (x, y) = (MARGIN + f64::from(column) * CELL.0, MARGIN + f64::from(row) * CELL.1);
    let width = f64::from(end - column) * CELL.0;
    let (ink, paper, bold) = look;
    if let Some(paper) = paper {
        writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{:.1}\" fill=\"{paper}\"/>",
            CELL.1
        )
        .unwrap();
    }
    if !text.trim().is_empty() {
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let base = y + CELL.1 * 0.75;
        writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{base:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{ink}\"{weight}>{text}</text>"
        )
        .unwrap();
    }
    end
}
