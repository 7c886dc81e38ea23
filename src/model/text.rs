//! Text for terminals: widths, cutting, wrapping, and characters that must not reach one.

use super::time::{Seconds, Timestamp};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Shows where text was cut off.
const ELLIPSIS: char = '…';

/// Columns that `text` takes on a terminal.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The beginning of `text` that fits `columns`, with an ellipsis where something is missing.
pub fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut clipped = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or_default();
        if used > columns {
            break;
        }
        clipped.push(c);
    }
    if columns > 0 {
        clipped.push(ELLIPSIS);
    }
    clipped
}

/// `text` in lines of at most `columns`, broken between words; a word that is longer stands alone.
pub fn wrap(text: &str, columns: Option<usize>) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let fits = columns.is_none_or(|columns| width(&line) + 1 + width(word) <= columns);
            if line.is_empty() {
                line = word.to_owned();
            } else if fits {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(std::mem::replace(&mut line, word.to_owned()));
            }
        }
        lines.push(line);
    }
    lines
}

/// `text` on one line, without anything that a terminal would obey: control characters and the marks that turn the
/// direction of writing are shown as `\u{…}`.
pub fn harmless(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '\t' => out.push_str("    "),
            '\n' => out.push_str("\\n"),
            c if c.is_control() || is_direction_mark(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
        out
    })
}

/// The characters by which text can be made to read otherwise than it is (Unicode Technical Report 36, section 3.1).
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{061c}')
}

/// The span from `from` to `to`; zero when it is the wrong way round.
pub fn between(from: Timestamp, to: Timestamp) -> Seconds {
    Seconds(u64::try_from(to.as_second() - from.as_second()).unwrap_or_default())
}
