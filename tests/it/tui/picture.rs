//! The README's picture, `docs/dashboard.svg`: the dashboard of a small fleet, drawn cell by cell from the very buffer that a
//! terminal would be sent. So it can be neither torn nor of yesterday. `REDRAW` draws it anew; look at it afterwards.
//!
//! Each word stands at its columns, letter by letter, and is never stretched: whatever font the reader has. Lines and bars are
//! drawn, since fonts leave gaps between them.

use super::fixtures::{event, facts, fleet, instance};
use super::panels::{LOOK, OPTIONS, press};
use crate::source::root;
use crate::world::{name, now};
use innkeeper::control::view::{InstanceView, RunView, View};
use innkeeper::model::changes::{Hold, HoldReason};
use innkeeper::model::event::Level;
use innkeeper::model::job_progress::JobProgress;
use innkeeper::model::status::{Alert, State as Stands};
use innkeeper::model::step::StepId;
use innkeeper::tui::state::State;
use innkeeper::tui::update::{Msg, update};
use innkeeper::tui::view;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;
use std::sync::Arc;

/// Draws the picture anew.
pub(crate) const REDRAW: &str = "UPDATE_EXPECT=1 cargo nextest run --profile check tui::picture";
/// Columns and rows of the terminal.
const SIZE: (u16, u16) = (140, 30);
/// Width and height of a cell, in the picture's own units.
pub(crate) const CELL: (u16, u16) = (8, 18);
/// Room around the screen.
pub(crate) const MARGIN: u16 = 14;
/// From the top of a row to the line that its letters stand on.
pub(crate) const BASE: u16 = 13;
/// What a character of 8 columns needs in the usual fonts, whose letters are 0.6 as wide as high.
const FONT_SIZE: f64 = 13.3;
/// Word of the style sheet, colour by day, colour by night.
const COLOURS: [(&str, Color, &str, &str); 9] = [
    ("ink", Color::Reset, "#1f2328", "#e6e9ee"),
    ("gray", Color::DarkGray, "#66707b", "#848d97"),
    ("red", Color::Red, "#c21f2b", "#ff7b72"),
    ("green", Color::Green, "#1a7a35", "#56c46a"),
    ("yellow", Color::Yellow, "#8f5f00", "#e0b341"),
    ("blue", Color::Blue, "#0a5fc7", "#6cb2ff"),
    ("magenta", Color::Magenta, "#7b46cf", "#c79bff"),
    ("cyan", Color::Cyan, "#0f737b", "#52c9d3"),
    ("bright", Color::LightCyan, "#0b6b8a", "#7fdfff"),
];
const PAPER: (&str, &str) = ("#fbfcfd", "#14171c");

/// Name, company, state.
const CUSTOMERS: &[(&str, &str, Stands)] = &[
    ("willow-bakery", "Willow Bakery", Stands::Failed),
    ("lotus-spa", "Lotus Spa & Hotel", Stands::Degraded),
    ("harbor-fish", "Harbor Fish Co", Stands::Provisioning),
    ("copper-works", "Copper Works", Stands::Updating),
    ("acacia", "Acacia Interiors", Stands::Ready),
    ("bluebird", "Bluebird Cycles", Stands::Ready),
    ("cedar-legal", "Cedar Legal", Stands::Ready),
    ("dunes", "Dunes Travel", Stands::Ready),
    ("eastwind", "Eastwind Trading", Stands::Ready),
    ("fjord", "Fjord Outdoor", Stands::Ready),
    ("granite", "Granite & Sons", Stands::Ready),
    ("iris-studio", "Iris Studio", Stands::Ready),
    ("juniper", "Juniper Books", Stands::Stopped),
    ("kestrel", "Kestrel Drones", Stands::Ready),
    ("lumen", "Lumen Electric", Stands::Ready),
    ("mill-house", "Mill House", Stands::Ready),
    ("northgate", "Northgate Clinic", Stands::Ready),
    ("oakley", "Oakley Timber", Stands::Ready),
    ("pinewood", "Pinewood School", Stands::Ready),
    ("quarry", "Quarry Stone", Stands::Ready),
    ("saffron", "Saffron Kitchen", Stands::Ready),
    ("tidewater", "Tidewater Boats", Stands::Ready),
    ("umber", "Umber Pottery", Stands::Ready),
];
const FAILURE: &str = "modules cannot be installed: delivery_ghn is in no addons directory of the image; take it out of \
                       willow-bakery.toml or add it to the image";
const WARNING: &str = "its certificate is over in 3 days: the name does not lead to this host any more";

fn customer(nth: usize, (of, company, state): (&str, &str, Stands)) -> InstanceView {
    let mut view = instance(&name(of), state, nth + 4);
    Arc::make_mut(view.wanted.as_mut().unwrap()).company.name = company.to_owned();
    let status = Arc::make_mut(&mut view.status);
    // None is taken on a schedule.
    status.last_backup = None;
    for condition in &mut status.conditions {
        if !condition.message.is_empty() {
            condition.message = if state == Stands::Degraded { WARNING.to_owned() } else { String::new() };
        }
    }
    if state == Stands::Failed {
        status.holds = vec![Hold { reason: HoldReason::BackOff, message: FAILURE.to_owned() }];
        view.steps = [].into();
    }
    view
}

/// What goes on, made of what goes on in other tests.
fn runs(like: &[RunView]) -> Vec<RunView> {
    let going =
        like.iter().find(|run| run.ended.is_none() && run.expected_ms.is_some()).expect("a run with a forecast");
    let of = |id, of: &str| RunView {
        id,
        instance: Some(name(of)),
        step: StepId(format!("{of}/{}", going.kind)),
        ..going.clone()
    };
    let progress = Some(JobProgress { module: "mail".to_owned(), step: 19, of: 65 });
    vec![RunView { progress, ..of(1, "harbor-fish") }, of(2, "copper-works")]
}

/// The dashboard in front of that fleet, with the one open that failed.
fn told() -> State {
    let instances: Vec<InstanceView> = CUSTOMERS.iter().enumerate().map(|(nth, it)| customer(nth, *it)).collect();
    let like = fleet(24).pop().unwrap();
    let mut facts = facts(&instances);
    let sentences = [("willow-bakery", FAILURE), ("lotus-spa", WARNING)];
    for (alert, (of, message)) in facts.alerts.iter_mut().zip(sentences) {
        *alert = Alert { instance: Some(name(of)), message: message.to_owned(), ..alert.clone() };
    }
    let events = vec![
        event(1, 5_300, Some("saffron"), Level::Info, "StepDone", "certificate renewed"),
        event(2, 2_400, Some("granite"), Level::Warning, "DriftFound", "its site was edited by hand"),
        event(3, 2_398, Some("granite"), Level::Info, "StepDone", "its site is as wanted again"),
        event(4, 720, Some("lotus-spa"), Level::Warning, "CertificateEnds", WARNING),
        event(5, 300, Some("willow-bakery"), Level::Error, "StepFailed", FAILURE),
        event(6, 190, Some("copper-works"), Level::Info, "FileChanged", "its file asks for crm"),
        event(7, 90, Some("harbor-fish"), Level::Info, "FileAdded", "its file appeared"),
        event(8, 64, Some("harbor-fish"), Level::Info, "StepDone", "database made"),
    ];
    let mut state = State::new(OPTIONS, SIZE, now());
    let runs = runs(&like.runs);
    let view = View { whole: true, fleet: Some(facts), instances, events, runs, ..View::nothing(now()) };
    update(&mut state, Msg::View(Box::new(view)), now());
    press(&mut state, &["home"]);
    state
}

/// The cells of the picture.
pub(crate) fn frame() -> Buffer {
    let state = told();
    let mut buffer = Buffer::empty(Rect::new(0, 0, SIZE.0, SIZE.1));
    view::draw(&state, LOOK, &mut buffer);
    buffer
}

/// True for what is drawn as a shape.
pub(crate) fn is_shape(symbol: &str) -> bool {
    line(symbol, 0, 0).is_some() || level(symbol).is_some()
}

/// A piece of a frame as a path.
fn line(symbol: &str, x: u16, y: u16) -> Option<String> {
    let (middle, centre, right, bottom) = (x + CELL.0 / 2, y + CELL.1 / 2, x + CELL.0, y + CELL.1);
    Some(match symbol {
        "─" => format!("M{x} {centre}H{right}"),
        "│" => format!("M{middle} {y}V{bottom}"),
        "╭" => format!("M{middle} {bottom}V{}Q{middle} {centre} {right} {centre}", centre + 4),
        "╮" => format!("M{x} {centre}Q{middle} {centre} {middle} {}V{bottom}", centre + 4),
        "╰" => format!("M{middle} {y}V{}Q{middle} {centre} {right} {centre}", centre - 4),
        "╯" => format!("M{x} {centre}Q{middle} {centre} {middle} {}V{y}", centre - 4),
        _ => return None,
    })
}

/// Eighths of a cell that a bar fills, and how opaque it is.
fn level(symbol: &str) -> Option<(u16, &'static str)> {
    let eighths = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"].iter().position(|level| *level == symbol);
    match (eighths, symbol) {
        (Some(below), _) => Some((below as u16 + 1, "")),
        (None, "░") => Some((8, " opacity=\".25\"")),
        (None, _) => None,
    }
}

/// Words of the style sheet for the ink and, where it is not the picture's, the paper of a cell.
fn look(cell: &Cell) -> (String, Option<&'static str>) {
    let word = |colour: Color| {
        let known = COLOURS.iter().find(|(_, known, ..)| *known == colour);
        known.unwrap_or_else(|| panic!("{colour:?} has no colour in the picture: give it one in COLOURS")).0
    };
    let reversed = cell.modifier.contains(Modifier::REVERSED);
    let mut ink = if reversed { "paper" } else { word(cell.fg) }.to_owned();
    if cell.modifier.contains(Modifier::BOLD) {
        ink.push_str(" bold");
    }
    if cell.modifier.contains(Modifier::DIM) {
        ink.push_str(" dim");
    }
    let paper = if reversed { Some(word(cell.fg)) } else { (cell.bg != Color::Reset).then(|| word(cell.bg)) };
    (ink, paper)
}

fn style_sheet() -> String {
    let colours = |night: bool| {
        let paper = ("paper", if night { PAPER.1 } else { PAPER.0 });
        let rest = COLOURS.iter().map(|(word, _, day, dark)| (*word, if night { *dark } else { *day }));
        std::iter::once(paper)
            .chain(rest)
            .map(|(word, colour)| format!(".{word}{{color:{colour}}}"))
            .collect::<String>()
    };
    format!(
        "text,rect{{fill:currentColor}}path{{fill:none;stroke:currentColor}}\
         text{{font:{FONT_SIZE}px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,'Liberation Mono',monospace}}\
         .bold{{font-weight:bold}}.dim{{opacity:.65}}\n{}\n@media (prefers-color-scheme:dark){{{}}}",
        colours(false),
        colours(true)
    )
}

fn svg(buffer: &Buffer) -> String {
    let (width, height) = (SIZE.0 * CELL.0 + 2 * MARGIN, SIZE.1 * CELL.1 + 2 * MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         role=\"img\">\n<title>Innkeeper's dashboard</title>\n<style>{}</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\n",
        style_sheet()
    );
    for y in 0..SIZE.1 {
        row(buffer, y, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// Paper first, then shapes, then words: an element for each run of cells that look the same.
fn row(buffer: &Buffer, y: u16, out: &mut String) {
    let top = MARGIN + y * CELL.1;
    let left = |x: u16| MARGIN + x * CELL.0;
    for (x, end) in runs_of(buffer, y, |cell| look(cell).1) {
        if let Some(paper) = look(&buffer[(x, y)]).1 {
            let width = (end - x) * CELL.0;
            let (x, height) = (left(x), CELL.1);
            writeln!(out, "<rect class=\"{paper}\" x=\"{x}\" y=\"{top}\" width=\"{width}\" height=\"{height}\"/>")
                .unwrap();
        }
    }
    for (x, end) in runs_of(buffer, y, |cell| (look(cell).0, kind(cell.symbol()))) {
        let cell = &buffer[(x, y)];
        let ink = look(cell).0;
        match kind(cell.symbol()) {
            Kind::Blank => {}
            Kind::Line => {
                let path: String = (x..end).filter_map(|x| line(buffer[(x, y)].symbol(), left(x), top)).collect();
                writeln!(out, "<path class=\"{ink}\" d=\"{path}\"/>").unwrap();
            }
            Kind::Bar => {
                for x in x..end {
                    let (eighths, opacity) = level(buffer[(x, y)].symbol()).unwrap();
                    let height = f64::from(CELL.1 * eighths) / 8.0;
                    let (x, y, width) = (left(x), f64::from(top + CELL.1) - height, CELL.0);
                    let place = format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
                    writeln!(out, "<rect class=\"{ink}\" {place}{opacity}/>").unwrap();
                }
            }
            Kind::Word => {
                let places: Vec<String> = (x..end).map(|x| left(x).to_string()).collect();
                let word: String = (x..end).map(|x| buffer[(x, y)].symbol()).collect();
                let word = word.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                let (places, base) = (places.join(" "), top + BASE);
                writeln!(out, "<text class=\"{ink}\" x=\"{places}\" y=\"{base}\">{word}</text>").unwrap();
            }
        }
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Blank,
    Line,
    Bar,
    Word,
}

fn kind(symbol: &str) -> Kind {
    match symbol {
        _ if symbol.trim().is_empty() => Kind::Blank,
        _ if line(symbol, 0, 0).is_some() => Kind::Line,
        _ if level(symbol).is_some() => Kind::Bar,
        _ => Kind::Word,
    }
}

/// Runs of cells of a row that have the same `key`: first column, and the one behind the last.
fn runs_of<K: PartialEq>(buffer: &Buffer, y: u16, key: impl Fn(&Cell) -> K) -> Vec<(u16, u16)> {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for x in 0..buffer.area.width {
        match runs.last_mut() {
            Some((first, end)) if key(&buffer[(*first, y)]) == key(&buffer[(x, y)]) => *end = x + 1,
            _ => runs.push((x, x + 1)),
        }
    }
    runs
}

#[test]
fn the_readme_shows_the_dashboard_as_it_is() {
    let file = root().join("docs/dashboard.svg");
    let drawn = svg(&frame());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap();
    assert!(kept == drawn, "docs/dashboard.svg shows another dashboard than the program: `{REDRAW}` draws it anew");
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let image = readme.lines().find(|line| line.ends_with("](docs/dashboard.svg)")).expect("the README shows it");
    let said = image.trim_start_matches("![").split(']').next().unwrap();
    assert!(said.contains("willow-bakery failed"), "the words for those who cannot see it: {said}");
}

#[test]
fn the_picture_tells_of_all_that_can_be() {
    let buffer = frame();
    let text: String = buffer.content().iter().map(Cell::symbol).collect();
    for word in ["ready", "failed", "provisioning", "updating", "degraded", "stopped", "delivery_ghn"] {
        assert!(text.contains(word), "{word} is not to be seen: {text}");
    }
}
