//! The palette: few colours, each with one meaning.

use crate::model::event::Level;
use crate::model::status::State;
use anstyle::{AnsiColor, Style};

/// As wanted.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Changes, or wants a look this week.
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
/// Wrong, or destroys something.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Headings.
pub(crate) const STRONG: Style = Style::new().bold();
/// What is there for completeness.
pub(crate) const FAINT: Style = Style::new().dimmed();
/// No colour.
pub(crate) const PLAIN: Style = Style::new();

/// `text` in `style`; nothing is added where the style is plain or the text empty.
pub(crate) fn paint(style: Style, text: &str) -> String {
    if style == PLAIN || text.is_empty() { text.to_owned() } else { format!("{style}{text}{style:#}") }
}

/// The colour of a state.
pub(crate) fn of_state(state: State) -> Style {
    match state {
        State::Ready => GOOD,
        State::Provisioning | State::Updating | State::Held | State::Orphaned => WARN,
        State::Degraded | State::Invalid | State::Failed => BAD,
        State::Stopped | State::Retired => FAINT,
    }
}

/// The colour of an event.
pub(crate) fn of_level(level: Level) -> Style {
    match level {
        Level::Debug => FAINT,
        Level::Info => PLAIN,
        Level::Warning => WARN,
        Level::Error | Level::Critical => BAD,
    }
}
