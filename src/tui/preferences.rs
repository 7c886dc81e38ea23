//! The user's own file: keys by the names of actions, and the theme. All of its faults are told at once, each with its
//! place.
//!
//! ```toml
//! theme = "night"
//!
//! [keys]
//! restart = "R"
//! "next tab" = ["]", "right"]
//! mouse = []
//! ```

use super::keymap::{Clash, FIXED, Keymap, is_key};
use super::keys::{Entry, TABLE_OF_ACTIONS, Tier};
use super::look::{COLOURS, THEMES, Theme};
use crate::spec::nearest;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What a user prefers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preferences {
    /// Which keys do what.
    pub keymap: Keymap,
    /// The colours; those of the terminal unless another theme was chosen.
    pub theme: Theme,
}

impl Default for Preferences {
    fn default() -> Self {
        Self { keymap: Keymap::default(), theme: COLOURS }
    }
}

/// What is wrong with the file, and where: line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line.
    pub line: u32,
    /// The column, in characters.
    pub column: u32,
    /// A sentence without a full stop.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Reads what a user wrote.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(text: &str) -> Result<Preferences, Vec<Fault>> {
    let mut reading =
        Reading { text, preferences: Preferences::default(), faults: Vec::new(), places: BTreeMap::new() };
    let (tree, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        reading.fault(error.span().unwrap_or_default(), format!("this is not TOML: {}", error.message()), None);
    }
    for (key, value) in tree.get_ref() {
        match key.get_ref().as_ref() {
            "theme" => reading.theme(value),
            "keys" => reading.keys(value),
            other => {
                let hint = nearest(other, ["theme", "keys"]).map_or_else(
                    || "there are `theme` and `[keys]`".to_owned(),
                    |near| format!("did you mean {near:?}?"),
                );
                reading.fault(key.span(), format!("there is no {other:?} here"), Some(hint));
            }
        }
    }
    reading.clashes();
    reading.faults.sort_by_key(|fault| (fault.line, fault.column));
    if reading.faults.is_empty() { Ok(reading.preferences) } else { Err(reading.faults) }
}

/// The name of an action as it is typed: `next-tab`, `next_tab` and `next tab` are the same.
fn entry_called(name: &str) -> Option<&'static Entry> {
    let plain = name.replace(['-', '_'], " ");
    TABLE_OF_ACTIONS.iter().find(|entry| entry.name == plain)
}

struct Reading<'t> {
    text: &'t str,
    preferences: Preferences,
    faults: Vec<Fault>,
    /// Where the keys of each action were given.
    places: BTreeMap<&'static str, Range<usize>>,
}

impl Reading<'_> {
    fn fault(&mut self, at: Range<usize>, message: String, hint: Option<String>) {
        let before = self.text.get(..at.start).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let line = count(before.bytes().filter(|byte| *byte == b'\n').count() + 1);
        let column = count(before[line_start..].chars().count() + 1);
        self.faults.push(Fault { line, column, message, hint });
    }

    fn theme(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::String(name) = value.get_ref() else {
            return self.fault(value.span(), "theme must be text in quotes".to_owned(), None);
        };
        match THEMES.iter().find(|(known, _)| known == name) {
            Some((_, theme)) => self.preferences.theme = *theme,
            None => {
                let names = THEMES.map(|(name, _)| name);
                let hint = nearest(name, names).map_or_else(
                    || format!("there are {}", names.join(", ")),
                    |near| format!("did you mean {near:?}?"),
                );
                self.fault(value.span(), format!("there is no theme {name:?}"), Some(hint));
            }
        }
    }

    fn keys(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = value.get_ref() else {
            return self.fault(value.span(), "keys must be a table: [keys]".to_owned(), None);
        };
        for (name, keys) in table {
            match entry_called(name.get_ref()) {
                Some(entry) if entry.tier >= Tier::Outage => {
                    let message = format!(
                        "{} has no key, on purpose: what a customer would notice is never one key away",
                        entry.name
                    );
                    self.fault(
                        name.span(),
                        message,
                        Some("it is in the menu of actions and in the palette".to_owned()),
                    );
                }
                Some(entry) => self.keys_of(entry, name.span(), keys),
                None => {
                    let plain = name.get_ref().replace(['-', '_'], " ");
                    let names = TABLE_OF_ACTIONS.iter().map(|entry| entry.name);
                    let hint = nearest(&plain, names).map_or_else(
                        || "the help (?) lists the names of all actions".to_owned(),
                        |near| format!("did you mean {near:?}?"),
                    );
                    self.fault(name.span(), format!("there is no action {:?}", name.get_ref()), Some(hint));
                }
            }
        }
    }

    /// One key, or several.
    fn keys_of(&mut self, entry: &'static Entry, place: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let mut keys = Vec::new();
        let single = std::slice::from_ref(value);
        let given = if let DeValue::Array(several) = value.get_ref() { several.as_ref() } else { single };
        for key in given {
            let DeValue::String(name) = key.get_ref() else {
                self.fault(
                    key.span(),
                    format!("the keys of {} are texts", entry.name),
                    Some("\"R\", or [\"R\", \"ctrl-r\"]".to_owned()),
                );
                continue;
            };
            if !is_key(name) {
                let hint = "keys are written as in the help: r, R, ctrl-r, space, enter, pgdn".to_owned();
                self.fault(key.span(), format!("there is no key {name:?}"), Some(hint));
            } else if FIXED.contains(&name.as_ref()) && !entry.keys.contains(&name.as_ref()) {
                self.fault(key.span(), format!("{name} always does the same and cannot be given away"), None);
            } else {
                keys.push(name.to_string());
            }
        }
        self.preferences.keymap.set(entry.name, keys);
        self.places.insert(entry.name, place);
    }

    /// A key that does two things is told at the later of the two places that gave it away.
    fn clashes(&mut self) {
        for Clash { key, context, actions: [one, other] } in self.preferences.keymap.clashes() {
            let place = |name| self.places.get(name).cloned();
            let later = place(one).into_iter().chain(place(other)).max_by_key(|place| place.start);
            // The table itself is free of clashes: a test keeps it.
            let Some(later) = later else { continue };
            let message = format!("{key:?} would do two things in {}: {one} and {other}", context.title());
            let hint = format!("give one of them another key, or none: {} = []", quoted(one));
            self.fault(later, message, Some(hint));
        }
    }
}

fn quoted(name: &str) -> String {
    if name.contains(' ') { format!("{name:?}") } else { name.to_owned() }
}
