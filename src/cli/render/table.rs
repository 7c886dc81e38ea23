//! Tables that fit the terminal: columns are dropped by priority, the last one is clipped, nothing wraps.

use super::style::{STRONG, paint};
use super::text::{clip, width};
use anstyle::Style;

/// Blanks between two columns.
const GAP: usize = 2;
/// A last column narrower than this says nothing and is dropped.
const LAST_COLUMNS_MIN: usize = 12;

/// One column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// Its heading.
    pub(crate) title: &'static str,
    /// Columns with a higher number are dropped first; 0 stays.
    pub(crate) priority: u8,
    /// Numbers stand right.
    pub(crate) right: bool,
}

/// A column of text.
pub(crate) const fn text(title: &'static str, priority: u8) -> Column {
    Column { title, priority, right: false }
}

/// A column of numbers.
pub(crate) const fn number(title: &'static str, priority: u8) -> Column {
    Column { title, priority, right: true }
}

/// One cell.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text in a style; it must be [`super::text::harmless`].
    pub(crate) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, super::style::PLAIN)
    }
}

/// The table as text, a line each. `columns_max` is the terminal's width; none prints everything in full.
pub(crate) fn render(columns: &[Column], rows: &[Vec<Cell>], columns_max: Option<usize>) -> String {
    let widths: Vec<usize> = (0..columns.len()).map(|at| natural_width(columns, rows, at)).collect();
    let shown = choose(columns, &widths, columns_max);
    let mut lines = vec![line(columns, &shown, columns_max, &widths, |at| Cell::new(columns[at].title, STRONG))];
    lines.extend(rows.iter().map(|row| line(columns, &shown, columns_max, &widths, |at| row[at].clone())));
    lines.concat()
}

fn natural_width(columns: &[Column], rows: &[Vec<Cell>], at: usize) -> usize {
    rows.iter().map(|row| width(&row[at].text)).max().unwrap_or_default().max(width(columns[at].title))
}

/// Which columns are shown. The last one of the table may be clipped, so it counts with its least width.
fn choose(columns: &[Column], widths: &[usize], columns_max: Option<usize>) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let Some(columns_max) = columns_max else {
        return shown;
    };
    let needed = |shown: &[usize]| {
        let least = |at: &usize| if at + 1 == columns.len() { widths[*at].min(LAST_COLUMNS_MIN) } else { widths[*at] };
        shown.iter().map(least).sum::<usize>() + GAP * shown.len().saturating_sub(1)
    };
    while needed(&shown) > columns_max {
        let Some(place) = (0..shown.len())
            .filter(|at| columns[shown[*at]].priority > 0)
            .max_by_key(|at| columns[shown[*at]].priority)
        else {
            break;
        };
        shown.remove(place);
    }
    shown
}

fn line(
    columns: &[Column],
    shown: &[usize],
    columns_max: Option<usize>,
    widths: &[usize],
    cell: impl Fn(usize) -> Cell,
) -> String {
    let mut out = String::new();
    let mut used = 0;
    for (place, at) in shown.iter().enumerate() {
        let last = place + 1 == shown.len();
        let Cell { text, style } = cell(*at);
        let room = columns_max.map_or(usize::MAX, |max| max.saturating_sub(used));
        let text = clip(&text, room);
        let blanks = " ".repeat(widths[*at].saturating_sub(width(&text)));
        used += widths[*at] + GAP;
        match (columns[*at].right, last) {
            (true, _) => out.push_str(&format!("{blanks}{}", paint(style, &text))),
            (false, true) => out.push_str(&paint(style, &text)),
            (false, false) => out.push_str(&format!("{}{blanks}", paint(style, &text))),
        }
        if !last {
            out.push_str(&" ".repeat(GAP));
        }
    }
    format!("{}\n", out.trim_end())
}
