//! Colours and characters. State is never told by colour alone: there is a word and a character for it too.

use crate::model::event::Level;
use crate::model::status::State;
use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Colours and weights.
    pub theme: Theme,
    /// Characters.
    pub glyphs: &'static Glyphs,
}

/// Colours and weights. Only the 16 colours of every terminal: its user has chosen them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Theme {
    pub plain: Style,
    pub strong: Style,
    pub faint: Style,
    pub good: Style,
    pub warn: Style,
    pub bad: Style,
    pub moving: Style,
    pub accent: Style,
    pub border: Style,
    pub title: Style,
    pub key: Style,
    pub selected: Style,
}

const fn fg(color: Color) -> Style {
    Style::new().fg(color)
}

/// With colours.
pub const COLOURS: Theme = Theme {
    plain: Style::new(),
    strong: Style::new().add_modifier(Modifier::BOLD),
    faint: fg(Color::DarkGray),
    good: fg(Color::Green),
    warn: fg(Color::Yellow),
    bad: fg(Color::Red).add_modifier(Modifier::BOLD),
    moving: fg(Color::Cyan),
    accent: fg(Color::Cyan),
    border: fg(Color::DarkGray),
    title: Style::new().add_modifier(Modifier::BOLD),
    key: fg(Color::Cyan),
    selected: Style::new().add_modifier(Modifier::REVERSED),
};

/// Without any colour, for NO_COLOR: attributes alone.
pub const NO_COLOURS: Theme = Theme {
    plain: Style::new(),
    strong: Style::new().add_modifier(Modifier::BOLD),
    faint: Style::new().add_modifier(Modifier::DIM),
    good: Style::new(),
    warn: Style::new().add_modifier(Modifier::BOLD),
    bad: Style::new().add_modifier(Modifier::BOLD),
    moving: Style::new(),
    accent: Style::new().add_modifier(Modifier::BOLD),
    border: Style::new().add_modifier(Modifier::DIM),
    title: Style::new().add_modifier(Modifier::BOLD),
    key: Style::new().add_modifier(Modifier::BOLD),
    selected: Style::new().add_modifier(Modifier::REVERSED),
};

impl Theme {
    /// The colour of a state.
    pub fn of_state(&self, state: State) -> Style {
        match state {
            State::Ready => self.good,
            State::Provisioning | State::Updating => self.moving,
            State::Held | State::Orphaned | State::Degraded => self.warn,
            State::Failed | State::Invalid => self.bad,
            State::Stopped | State::Retired => self.faint,
        }
    }

    /// The colour of an event.
    pub fn of_level(&self, level: Level) -> Style {
        match level {
            Level::Debug => self.faint,
            Level::Info => self.plain,
            Level::Warning => self.warn,
            Level::Error | Level::Critical => self.bad,
        }
    }
}

/// Characters.
#[derive(Debug)]
#[expect(missing_docs, reason = "each is what its name says")]
pub struct Glyphs {
    pub horizontal: &'static str,
    pub vertical: &'static str,
    pub corners: [&'static str; 4],
    pub pointer: &'static str,
    pub mark: &'static str,
    pub more: &'static str,
    pub arrow: &'static str,
    pub up: &'static str,
    pub down: &'static str,
    pub dot: &'static str,
    pub done: &'static str,
    pub runs: &'static str,
    pub waits: &'static str,
    pub broken: &'static str,
    /// From nothing to full.
    pub levels: [&'static str; 9],
    pub full: &'static str,
    pub empty: &'static str,
    states: [&'static str; 10],
}

/// For terminals that show Unicode.
pub static UNICODE: Glyphs = Glyphs {
    horizontal: "─",
    vertical: "│",
    corners: ["╭", "╮", "╰", "╯"],
    pointer: "▸",
    mark: "◉",
    more: "…",
    arrow: "→",
    up: "▲",
    down: "▼",
    dot: "·",
    done: "✓",
    runs: "▶",
    waits: "·",
    broken: "✗",
    levels: [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    full: "█",
    empty: "░",
    states: ["●", "◐", "◐", "▲", "○", "◆", "✗", "✗", "◇", "·"],
};

/// For all others.
pub static ASCII: Glyphs = Glyphs {
    horizontal: "-",
    vertical: "|",
    corners: ["+", "+", "+", "+"],
    pointer: ">",
    mark: "x",
    more: "~",
    arrow: "->",
    up: "^",
    down: "v",
    dot: "-",
    done: "ok",
    runs: ">>",
    waits: "..",
    broken: "!!",
    levels: [" ", "_", ".", "-", ":", "=", "+", "*", "#"],
    full: "#",
    empty: ".",
    states: ["*", ">", ">", "!", "-", "=", "!", "!", "=", "-"],
};

impl Glyphs {
    /// One character that says the same as the colour.
    pub fn of_state(&self, state: State) -> &'static str {
        self.states[state as usize]
    }

    /// The character for `part` of 1.
    pub fn level(&self, part: f64) -> &'static str {
        let eighth = (part.clamp(0.0, 1.0) * 8.0).round() as usize;
        // Something is never shown as nothing.
        self.levels[if part > 0.0 { eighth.max(1) } else { 0 }]
    }
}
