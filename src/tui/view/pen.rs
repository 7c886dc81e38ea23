//! Writes into the buffer and never outside of it.

use crate::model::text::{harmless, width};
use crate::tui::look::{Glyphs, Look, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use std::borrow::Cow;
use unicode_width::UnicodeWidthChar;

/// A narrower frame has no room for a hint beside how much more there is below.
const BELOW_COLUMNS_MIN: u16 = 50;

/// Writes into a buffer.
pub(super) struct Pen<'a> {
    pub(super) buffer: &'a mut Buffer,
    look: Look,
}

/// A piece of text and its style.
pub(super) type Piece = (String, Style);
/// A line of pieces.
pub(super) type Line = Vec<Piece>;

impl<'a> Pen<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, look: Look) -> Self {
        Self { buffer, look }
    }

    pub(super) fn theme(&self) -> Theme {
        self.look.theme
    }

    pub(super) fn glyphs(&self) -> &'static Glyphs {
        self.look.glyphs
    }

    /// Writes what fits `columns` and returns how many it took.
    pub(super) fn text(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if x >= area.right() || y >= area.bottom() || columns == 0 {
            return 0;
        }
        let columns = columns.min(area.right() - x);
        let text = fitting(text, usize::from(columns), self.look.glyphs.more);
        self.buffer.set_stringn(x, y, text, usize::from(columns), style).0 - x
    }

    /// The same at the right end of `columns`.
    pub(super) fn text_right(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) {
        let wide = u16::try_from(width(text)).unwrap_or(u16::MAX).min(columns);
        self.text(x + columns - wide, y, wide, text, style);
    }

    /// Writes a line of pieces. One that is cut is the last: a wide character may leave a column that another would use.
    pub(super) fn line(&mut self, x: u16, y: u16, columns: u16, line: &[Piece]) {
        let mut at = 0;
        for (text, style) in line {
            let room = columns.saturating_sub(at);
            if room == 0 {
                break;
            }
            at += self.text(x + at, y, room, text, *style);
            if width(&shown(text)) > usize::from(room) {
                break;
            }
        }
    }

    /// The lines from `scroll` on, as many as fit.
    pub(super) fn lines(&mut self, area: Rect, lines: &[Line], scroll: usize) {
        for (y, line) in (area.y..area.bottom()).zip(lines.iter().skip(scroll)) {
            self.line(area.x, y, area.width, line);
        }
    }

    /// The lines from `scroll` on, and how many more there are below: in the frame around `area`, without one on its last row.
    pub(super) fn lines_scrolled(&mut self, area: Rect, lines: &[Line], scroll: usize, framed: bool) {
        let height = usize::from(area.height);
        let scroll = scroll.min(lines.len().saturating_sub(height));
        self.lines(area, lines, scroll);
        let more = lines.len().saturating_sub(scroll + height);
        if more == 0 || area.height == 0 {
            return;
        }
        let (text, style) = (format!(" {more} more below "), self.look.theme.accent);
        if framed && area.width < BELOW_COLUMNS_MIN {
            let bar = self.look.glyphs.horizontal.repeat(usize::from(area.width));
            self.text(area.x, area.bottom(), area.width, &bar, self.look.theme.border);
        }
        match framed {
            true => drop(self.text(area.x + 1, area.bottom(), area.width.saturating_sub(1), &text, style)),
            false => self.text_right(area.x, area.bottom() - 1, area.width, &text, style),
        }
    }

    /// A sentence that ends on `row`, in as many rows above it as it takes.
    pub(super) fn sentence_up(&mut self, row: Rect, text: &str, style: Style) {
        let lines = wrapped(&[(text.to_owned(), style)], usize::from(row.width.saturating_sub(2)), 0);
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(row.y + 1);
        let area = Rect { y: row.y + 1 - height, height, ..row };
        self.clear(area);
        self.lines(Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area }, &lines, 0);
    }

    /// Gives all of a row a style, on top of what is there.
    pub(super) fn highlight(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.buffer.area);
        self.buffer.set_style(area, style);
    }

    /// Makes an area empty.
    pub(super) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.y..area.bottom() {
            for x in area.x..area.right() {
                self.buffer[(x, y)].reset();
            }
        }
    }

    /// A box with a title, and something at its lower right end; returns the room inside.
    pub(super) fn frame(&mut self, area: Rect, title: &[Piece], below: &str) -> Rect {
        let (glyphs, style) = (self.look.glyphs, self.look.theme.border);
        if area.width < 2 || area.height < 2 {
            return area;
        }
        let [top_left, top_right, bottom_left, bottom_right] = glyphs.corners;
        let bar = glyphs.horizontal.repeat(usize::from(area.width) - 2);
        let (last_x, last_y) = (area.right() - 1, area.bottom() - 1);
        self.text(area.x, area.y, area.width, &format!("{top_left}{bar}{top_right}"), style);
        self.text(area.x, last_y, area.width, &format!("{bottom_left}{bar}{bottom_right}"), style);
        for y in area.y + 1..last_y {
            self.text(area.x, y, 1, glyphs.vertical, style);
            self.text(last_x, y, 1, glyphs.vertical, style);
        }
        if !title.is_empty() && area.width > 6 {
            let mut spaced: Line = vec![(" ".to_owned(), style)];
            spaced.extend(title.iter().cloned());
            spaced.push((" ".to_owned(), style));
            self.line(area.x + 1, area.y, area.width - 3, &spaced);
        }
        if !below.is_empty() && area.width > 6 {
            self.text_right(area.x + 2, last_y, area.width - 4, &format!(" {below} "), self.look.theme.faint);
        }
        Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2)
    }
}

/// A line in as many rows as it takes, broken between words; the rows that go on begin `indent` columns further in. A word
/// that is longer than a row is cut into pieces.
pub(super) fn wrapped(line: &[Piece], columns: usize, indent: usize) -> Vec<Line> {
    let columns = columns.max(1);
    let indent = if indent * 2 < columns { indent } else { 0 };
    let mut rows: Vec<Line> = vec![Vec::new()];
    let mut used = 0;
    for (text, style) in line {
        let text = shown(text);
        for word in text.split_inclusive(' ') {
            let mut rest = word;
            let is_full = used + width(word.trim_end()) > columns && used > indent;
            if is_full && !word.trim().is_empty() {
                used = go_on(&mut rows, indent, *style);
            }
            while used + width(rest.trim_end()) > columns {
                let room = columns.saturating_sub(used).max(1);
                let mut taken = 0;
                let end = rest.char_indices().find(|(_, c)| {
                    taken += c.width().unwrap_or_default();
                    taken > room
                });
                let end = end.map_or(rest.len(), |(at, _)| at).max(rest.chars().next().map_or(0, char::len_utf8));
                rows.last_mut().into_iter().for_each(|row| row.push((rest[..end].to_owned(), *style)));
                rest = &rest[end..];
                if rest.is_empty() {
                    break;
                }
                used = go_on(&mut rows, indent, *style);
            }
            // A blank that has no room at the end of a row is none.
            if used + width(rest) > columns {
                rest = rest.trim_end();
            }
            if !rest.is_empty() {
                used += width(rest);
                rows.last_mut().into_iter().for_each(|row| row.push((rest.to_owned(), *style)));
            }
        }
    }
    rows
}

/// Begins a row that goes on; returns how many columns of it are used.
fn go_on(rows: &mut Vec<Line>, indent: usize, style: Style) -> usize {
    rows.push(if indent > 0 { vec![(" ".repeat(indent), style)] } else { Vec::new() });
    indent
}

/// Lines, each in as many rows as it takes.
pub(super) fn all_wrapped(lines: Vec<Line>, columns: u16, indent: usize) -> Vec<Line> {
    let columns = usize::from(columns);
    let fits = |line: &Line| line.iter().map(|(text, _)| width(&shown(text))).sum::<usize>() <= columns;
    lines.into_iter().flat_map(|line| if fits(&line) { vec![line] } else { wrapped(&line, columns, indent) }).collect()
}

/// Harmless.
fn shown(text: &str) -> Cow<'_, str> {
    match text.contains(|c: char| c.is_control() || !c.is_ascii()) {
        true => Cow::Owned(harmless(text)),
        false => Cow::Borrowed(text),
    }
}

/// `text` as far as it fits, harmless, with a sign where something is missing.
pub(super) fn fitting(text: &str, columns: usize, more: &str) -> String {
    let text = shown(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let room = columns.saturating_sub(width(more));
    let mut used = 0;
    let mut out: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or_default();
            used <= room
        })
        .collect();
    out.push_str(more);
    out
}
