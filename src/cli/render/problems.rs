//! Faults in files, with the line they stand on.

use super::style::{BAD, FAINT, STRONG, WARN, paint};
use super::text::{clip, harmless};
use crate::model::problem::Problem;

/// A line of a file is shown up to here.
const SOURCE_COLUMNS_MAX: usize = 120;

/// One fault. `source` is the text of its file, when it could be read.
pub(crate) fn render(problem: &Problem, source: Option<&str>) -> String {
    let mut out = paint(STRONG, &harmless(&place(problem)));
    out.push_str(&format!(": {} {}\n", harmless(&problem.message), paint(FAINT, &format!("[{}]", problem.code))));
    if let Some(line) = source.and_then(|text| line_of(text, problem.line)) {
        out.push_str(&excerpt(line, problem.line, problem.column));
    }
    if let Some(hint) = &problem.hint {
        out.push_str(&format!("  hint: {}\n", harmless(hint)));
    }
    out
}

/// One that keeps nothing from going on, on one line.
pub(crate) fn warning(problem: &Problem) -> String {
    format!("{} {}", paint(WARN, "warning:"), harmless(&problem.to_line()))
}

fn place(problem: &Problem) -> String {
    match problem.line {
        0 => problem.file.display().to_string(),
        line => format!("{}:{line}:{}", problem.file.display(), problem.column),
    }
}

fn line_of(text: &str, line: u32) -> Option<&str> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    text.lines().nth(index)
}

/// The line itself and a mark below the column. Left out where the line is too long to show the column.
fn excerpt(line: &str, number: u32, column: u32) -> String {
    let before: String = line.chars().take(column.saturating_sub(1) as usize).collect();
    let blanks = super::text::width(&harmless(&before));
    if blanks >= SOURCE_COLUMNS_MAX {
        return String::new();
    }
    let number = number.to_string();
    let margin = " ".repeat(number.len());
    format!(
        "  {} {}\n  {margin} {} {}{}\n",
        paint(FAINT, &format!("{number} |")),
        clip(&harmless(line), SOURCE_COLUMNS_MAX),
        paint(FAINT, "|"),
        " ".repeat(blanks),
        paint(BAD, "^"),
    )
}
