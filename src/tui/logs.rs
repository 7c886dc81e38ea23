//! The output of an instance: the last lines of it, made harmless, with a place that stays where it is while lines come.

use crate::control::LogOf;
use crate::model::name::InstanceName;
use crate::model::text::harmless;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use std::collections::VecDeque;

/// Lines kept.
pub const LINES_MAX: usize = 20_000;
/// Bytes of text kept, so that an output of long lines takes no more than one of short ones: four times as many as such
/// lines usually have.
pub const BYTES_MAX: usize = 8 << 20;

/// What a line of Odoo's begins with.
const STAMP: &str = "2026-03-01 12:00:00,123";

/// The level of the line before is looked for in so many lines.
const BEFORE_MAX: usize = 64;

/// How bad a line is, as the program that wrote it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum LogLevel {
    /// Everything.
    #[default]
    Debug,
    /// As expected.
    Info,
    /// Something to look at.
    Warning,
    /// Something went wrong.
    Error,
}

impl LogLevel {
    /// For the title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Debug => "all",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Debug => Self::Info,
            Self::Info => Self::Warning,
            Self::Warning => Self::Error,
            Self::Error => Self::Debug,
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without anything that a terminal would obey.
    pub text: Box<str>,
    /// How bad it is; lines that do not say it are as bad as the one before.
    pub level: LogLevel,
    /// Whose it is, where several are read together: 0 is the first of them.
    pub owner: u8,
}

/// The output that is read.
#[derive(Debug, Default)]
pub struct Logs {
    /// Whose, and which; none when none is read.
    pub of: Option<(InstanceName, LogOf)>,
    /// Others whose output is read together with that one.
    pub also: Vec<InstanceName>,
    /// Oldest first.
    pub lines: VecDeque<Line>,
    /// Bytes of their text.
    pub bytes: usize,
    /// The number of the first line that is kept, counted from the beginning of reading.
    pub first: u64,
    /// Lines that the daemon left out because this client was too slow.
    pub dropped: u64,
    /// The number of the last visible line; none keeps to the newest.
    pub anchor: Option<u64>,
    /// Only lines of this level and above.
    pub level: LogLevel,
    /// Only lines that hold this, in small letters.
    pub filter: Option<String>,
    /// Wrap long lines.
    pub wrap: bool,
    /// What is searched for, in small letters.
    pub search: Option<String>,
    /// The number of the line that was found last.
    pub hit: Option<u64>,
    /// Why no more lines come; none while they do.
    pub ended: Option<String>,
}

impl Logs {
    /// Begins anew with another output. How it is shown stays.
    pub fn open(&mut self, name: InstanceName, also: Vec<InstanceName>, source: LogOf) {
        let (level, wrap, search, filter) = (self.level, self.wrap, self.search.take(), self.filter.take());
        *self = Self { of: Some((name, source)), also, level, wrap, search, filter, ..Self::default() };
    }

    /// Takes lines in.
    pub fn take(&mut self, lines: Vec<String>, dropped: u64) {
        self.take_merged(lines.into_iter().map(|line| (0, line)), dropped);
    }

    /// Takes lines of several in.
    pub fn take_merged(&mut self, lines: impl IntoIterator<Item = (u8, String)>, dropped: u64) {
        self.dropped += dropped;
        for (owner, text) in lines {
            // Between two lines of one there may be some of others.
            let before = self.lines.iter().rev().take(BEFORE_MAX).find(|line| line.owner == owner);
            let before = before.map(|line| line.level).unwrap_or_default();
            let text = plain(&text);
            let level = level_of(&text).unwrap_or(before);
            self.make_room(text.len());
            self.bytes += text.len();
            self.lines.push_back(Line { text: text.into_boxed_str(), level, owner });
        }
        if self.anchor.is_some_and(|anchor| anchor < self.first) {
            self.anchor = Some(self.first);
        }
    }

    /// Whose lines there are, in the order of [`Line::owner`].
    pub fn owners(&self) -> impl Iterator<Item = &InstanceName> {
        self.of.iter().map(|(name, _)| name).chain(&self.also)
    }

    /// Drops the oldest lines until one of so many bytes may be kept.
    fn make_room(&mut self, bytes: usize) {
        while self.lines.len() >= LINES_MAX || (self.bytes + bytes > BYTES_MAX && !self.lines.is_empty()) {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.text.len());
            self.first += 1;
        }
    }

    /// The line of that number.
    pub fn line(&self, number: u64) -> Option<&Line> {
        self.lines.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// Whether the line is shown.
    fn passes(&self, line: &Line) -> bool {
        line.level >= self.level
            && self.filter.as_ref().is_none_or(|word| line.text.to_lowercase().contains(word.as_str()))
    }

    /// All lines that pass as text, oldest first, each with its instance where there are several.
    pub fn text(&self, lines_max: usize) -> String {
        let names: Vec<&InstanceName> = self.owners().collect();
        let mut lines: Vec<String> = self
            .visible()
            .take(lines_max)
            .map(|(_, line)| {
                let name = names.get(usize::from(line.owner)).filter(|_| names.len() > 1);
                name.map_or_else(|| format!("{}\n", line.text), |name| format!("{name}  {}\n", line.text))
            })
            .collect();
        lines.reverse();
        lines.concat()
    }

    /// Lines that pass level and filter, up to the anchor, the newest first.
    pub fn visible(&self) -> impl Iterator<Item = (u64, &Line)> {
        let last = self.anchor.unwrap_or(u64::MAX);
        let numbered = self.lines.iter().enumerate().map(|(at, line)| (self.first + at as u64, line));
        numbered.rev().filter(move |(number, line)| *number <= last && self.passes(line))
    }

    /// Scrolls: towards newer lines when positive. Behind the newest it keeps to it again.
    pub fn scroll(&mut self, rows: isize) {
        let count = rows.unsigned_abs();
        if rows < 0 {
            let found = self.visible().nth(count).or_else(|| self.visible().last()).map(|(number, _)| number);
            self.anchor = found.or(self.anchor);
            return;
        }
        let Some(anchor) = self.anchor else { return };
        let newer = self.lines.iter().enumerate().map(|(at, line)| (self.first + at as u64, line));
        let mut newer = newer.filter(|(number, line)| *number > anchor && self.passes(line));
        self.anchor = newer.nth(count.saturating_sub(1)).map(|(number, _)| number);
    }

    /// To the oldest line that is kept.
    pub fn to_top(&mut self, rows: usize) {
        let passing = self.lines.iter().enumerate().filter(|(_, line)| self.passes(line));
        let found = passing.map(|(at, _)| self.first + at as u64).take(rows.max(1)).last();
        self.anchor = found.or(self.anchor);
    }

    /// To the next line that holds what is searched for, towards older lines when `back`. False when there is none.
    pub fn find(&mut self, back: bool) -> bool {
        let Some(word) = self.search.clone() else { return false };
        let end = self.first + self.lines.len() as u64;
        let from = self.hit.or(self.anchor).unwrap_or(end);
        let holds = |number: &u64| {
            self.line(*number).is_some_and(|line| self.passes(line) && line.text.to_lowercase().contains(&word))
        };
        let found = match back {
            true => (self.first..from).rev().find(holds),
            false => (from.saturating_add(1)..end).find(holds),
        };
        if let Some(number) = found {
            (self.hit, self.anchor) = (Some(number), Some(number));
        }
        found.is_some()
    }

    /// Shows the next level.
    pub fn next_level(&mut self) {
        self.level = self.level.next();
    }
}

/// A line of Odoo's with its time in the fleet's zone, without fractions of seconds. Odoo writes it in UTC, as the image sets
/// its time zone: `2026-03-01 12:00:00,123 7 INFO …`.
pub fn in_zone(line: String, zone: Option<&TimeZone>) -> String {
    let at = line.split_at_checked(STAMP.len()).and_then(|(stamp, rest)| {
        let is_stamp = rest.starts_with(' ') && stamp.as_bytes()[STAMP.len() - 4] == b',';
        let at = stamp.get(..STAMP.len() - 4).filter(|_| is_stamp)?.parse::<DateTime>().ok()?;
        let at = at.to_zoned(TimeZone::UTC).ok()?.with_time_zone(zone.cloned().unwrap_or(TimeZone::UTC));
        Some(format!("{}{rest}", at.strftime("%Y-%m-%d %H:%M:%S")))
    });
    at.unwrap_or(line)
}

/// `text` without escape sequences and without characters that a terminal obeys.
pub fn plain(text: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']);
    if !text.contains(char::is_control) {
        return harmless(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        match chars.next() {
            // A control sequence ends with a letter or one of @[\]^_`{|}~ (ECMA-48, 5.4).
            Some('[') => while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            // A string ends with BEL or ESC \.
            Some(']' | 'P' | '_' | '^' | 'X') => {
                while let Some(c) = chars.next() {
                    if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    harmless(&out)
}

/// What a line of Odoo, PostgreSQL or Python's logging says of itself, within its first words.
fn level_of(text: &str) -> Option<LogLevel> {
    text.split_ascii_whitespace().take(6).find_map(|word| match word.trim_end_matches(':') {
        "DEBUG" => Some(LogLevel::Debug),
        "INFO" | "LOG" => Some(LogLevel::Info),
        "WARNING" | "WARN" => Some(LogLevel::Warning),
        "ERROR" | "CRITICAL" | "FATAL" | "PANIC" | "Traceback" => Some(LogLevel::Error),
        _ => None,
    })
}
