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

/// Colours and weights. Without a choice only the 16 colours of every terminal: its user has chosen those.
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
    /// Of names that stand beside each other: enough to tell neighbours apart.
    pub names: [Style; 6],
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
    names: [
        fg(Color::Cyan),
        fg(Color::Green),
        fg(Color::Magenta),
        fg(Color::Blue),
        fg(Color::Yellow),
        fg(Color::LightCyan),
    ],
};

/// For dark terminals that show 256 colours, for those who choose it: softer, and the same on every machine.
pub const NIGHT: Theme = Theme {
    plain: fg(Color::Indexed(252)),
    strong: fg(Color::Indexed(255)).add_modifier(Modifier::BOLD),
    faint: fg(Color::Indexed(244)),
    good: fg(Color::Indexed(114)),
    warn: fg(Color::Indexed(221)),
    bad: fg(Color::Indexed(210)).add_modifier(Modifier::BOLD),
    moving: fg(Color::Indexed(80)),
    accent: fg(Color::Indexed(110)),
    border: fg(Color::Indexed(240)),
    title: fg(Color::Indexed(255)).add_modifier(Modifier::BOLD),
    key: fg(Color::Indexed(110)),
    selected: Style::new().bg(Color::Indexed(238)),
    names: [
        fg(Color::Indexed(80)),
        fg(Color::Indexed(114)),
        fg(Color::Indexed(176)),
        fg(Color::Indexed(110)),
        fg(Color::Indexed(221)),
        fg(Color::Indexed(216)),
    ],
};

/// For light terminals that show 256 colours.
pub const DAY: Theme = Theme {
    plain: fg(Color::Indexed(236)),
    strong: fg(Color::Indexed(232)).add_modifier(Modifier::BOLD),
    faint: fg(Color::Indexed(242)),
    good: fg(Color::Indexed(28)),
    warn: fg(Color::Indexed(130)),
    bad: fg(Color::Indexed(160)).add_modifier(Modifier::BOLD),
    moving: fg(Color::Indexed(30)),
    accent: fg(Color::Indexed(25)),
    border: fg(Color::Indexed(247)),
    title: fg(Color::Indexed(232)).add_modifier(Modifier::BOLD),
    key: fg(Color::Indexed(25)),
    selected: Style::new().bg(Color::Indexed(252)),
    names: [
        fg(Color::Indexed(30)),
        fg(Color::Indexed(28)),
        fg(Color::Indexed(90)),
        fg(Color::Indexed(25)),
        fg(Color::Indexed(130)),
        fg(Color::Indexed(124)),
    ],
};

/// The themes that can be chosen, by name. Without a choice it is the terminal's own colours.
pub const THEMES: [(&str, Theme); 3] = [("terminal", COLOURS), ("night", NIGHT), ("day", DAY)];

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
    names: [Style::new().add_modifier(Modifier::BOLD); 6],
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
