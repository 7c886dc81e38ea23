//! Faults: their codes, where they stand in a text, how a stranger's text is shown.
//!
//! Nothing here prints a value as it came: what a file holds is quoted, escaped and shortened first.

use super::codes::{Code, SYNTAX, TOO_MANY_PROBLEMS};
use crate::model::name::shorten;
use crate::model::problem::Problem;
use std::collections::BTreeSet;
use std::path::Path;

/// More problems than these in one file are counted, not listed: nobody reads the fiftieth.
const PROBLEMS_PER_FILE_MAX: usize = 20;
/// Suggestions are looked for in this much of a text; names that exist are shorter.
const SUGGEST_BYTES_MAX: usize = 80;

/// Texts of other programs are shown up to here.
const VISIBLE_CHARS_MAX: usize = 200;

/// A place in a file. Line and column count from 1; both are 0 when the place is the whole file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct At {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The place of a fault that is of the whole file.
pub(super) const WHOLE_FILE: At = At { line: 0, column: 0 };

/// Why a value was not taken; where it stands is added by whoever read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: &'static Code,
    pub(super) message: String,
    pub(super) hint: Option<String>,
    /// The message wants the key as its subject: "is blank".
    wants_subject: bool,
}

impl Refusal {
    pub(super) fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, wants_subject: false }
    }

    /// A refusal whose message becomes a sentence with the key in front: "is blank", "must be text".
    pub(super) fn of_key(code: &'static Code, message: impl Into<String>) -> Self {
        Self { wants_subject: true, ..Self::new(code, message) }
    }

    /// The refusal of the value that stands under `key`.
    pub(super) fn under(self, key: &str) -> Self {
        let joint = if self.wants_subject { "" } else { ":" };
        Self { message: format!("{key}{joint} {}", self.message), ..self }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The problem that this refusal is at `at` of `file`.
    pub(super) fn at(self, file: &Path, at: At) -> Problem {
        Problem {
            file: file.to_path_buf(),
            line: at.line,
            column: at.column,
            code: self.code.code.to_owned(),
            message: self.message,
            hint: self.hint,
        }
    }
}

/// A text with faults.
#[derive(Debug)]
pub(super) struct Faulty<T> {
    /// What it says all the same, defaults in place of what could not be read; none when that makes no whole. Good for
    /// saying more about the text, and never in force.
    pub(super) rest: Option<Box<T>>,
    pub(super) problems: Vec<Problem>,
}

/// Collects the faults of one text.
pub(super) struct Faults<'t> {
    file: &'t Path,
    text: &'t str,
    problems: Vec<Problem>,
    left_out: u32,
    first_left_out: At,
    broken_lines: BTreeSet<u32>,
    /// Nothing more is told: it would all follow from what was.
    is_told: bool,
}

impl<'t> Faults<'t> {
    pub(super) fn new(file: &'t Path, text: &'t str) -> Self {
        Self {
            file,
            text,
            problems: Vec::new(),
            left_out: 0,
            first_left_out: WHOLE_FILE,
            broken_lines: BTreeSet::new(),
            is_told: false,
        }
    }

    /// From here on every fault of this text is taken for one that follows from those that were told.
    pub(super) fn ignore_what_follows(&mut self) {
        self.is_told = true;
    }

    /// The place of the byte at `offset`.
    pub(super) fn place(&self, offset: usize) -> At {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        At { line: count(lines + 1), column: count(before[line_start..].chars().count() + 1) }
    }

    /// True while the text can be read as TOML. When it cannot, a key that seems missing may stand in the broken part.
    pub(super) fn syntax_is_sound(&self) -> bool {
        self.broken_lines.is_empty()
    }

    /// True when nothing is wrong.
    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Adds a fault of the syntax. Of several on one line only the first is told: the others follow from it.
    pub(super) fn add_syntax(&mut self, offset: usize, refusal: Refusal) {
        let at = self.place(offset);
        if self.broken_lines.insert(at.line) {
            self.push(at, refusal);
        }
    }

    /// Adds a fault of what stands at `at`, unless the syntax is broken on that line: then it was said there.
    pub(super) fn add(&mut self, at: At, refusal: Refusal) {
        if !self.broken_lines.contains(&at.line) {
            self.push(at, refusal);
        }
    }

    /// Those that were found so far.
    pub(super) fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What was read, sound or with its faults. Without faults it must be whole.
    pub(super) fn judge<T>(self, read: Option<T>) -> Result<T, Faulty<T>> {
        match read {
            Some(sound) if self.is_empty() => Ok(sound),
            rest => Err(Faulty { rest: rest.map(Box::new), problems: self.into_problems() }),
        }
    }

    /// All faults in the order of the text.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        if self.left_out > 0 {
            let message = format!("{} more problems are not listed", self.left_out);
            let refusal = Refusal::new(&TOO_MANY_PROBLEMS, message).hint("correct the first ones and check again");
            self.problems.push(refusal.at(self.file, self.first_left_out));
        }
        self.problems.sort();
        self.problems
    }

    fn push(&mut self, at: At, refusal: Refusal) {
        if self.is_told {
            return;
        }
        if self.problems.len() < PROBLEMS_PER_FILE_MAX {
            self.problems.push(refusal.at(self.file, at));
        } else {
            if self.left_out == 0 {
                self.first_left_out = at;
            }
            self.left_out += 1;
        }
    }
}

/// `text` in double quotes, shortened, with everything escaped that would not print as itself.
pub(super) fn quote(text: &str) -> String {
    format!("{:?}", shorten(text))
}

/// `text` with everything escaped that would not print as itself; for texts that other programs made.
pub(super) fn visible(text: &str) -> String {
    text.chars()
        .take(VISIBLE_CHARS_MAX)
        .flat_map(|c| if c == '"' || c == '\'' { vec![c] } else { c.escape_debug().collect() })
        .collect()
}

/// The one of `known` that `given` was probably meant to be.
pub(crate) fn nearest<'k>(given: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    if given.len() > SUGGEST_BYTES_MAX {
        return None;
    }
    let given = given.to_lowercase();
    let distance_max = (given.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&given, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, name)| name)
}

/// `did you mean "gold"?`
pub(super) fn did_you_mean(name: &str) -> String {
    format!("did you mean {}?", quote(name))
}

/// A fault that the TOML reader found, in words that fit Innkeeper's files.
pub(super) fn syntax_refusal(message: &str) -> Refusal {
    let refusal = Refusal::new(&SYNTAX, format!("this is not TOML: {}", visible(message)));
    if message.starts_with("string values must be quoted") {
        refusal.hint("put text into double quotes: key = \"value\"; true and false are written in lower case")
    } else if message.starts_with("key with no value") {
        refusal.hint("write key = value, and comments behind #")
    } else {
        refusal
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
