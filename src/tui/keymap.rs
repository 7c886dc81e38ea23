//! Which keys do what: those of the table of actions, and for some actions those that its user chose instead. The
//! dispatcher, the footer, the menu, the palette and the help ask here.

use super::keys::{Action, CONTEXTS, Context, Entry, TABLE_OF_ACTIONS, entry};
use std::collections::BTreeMap;

/// Keys that must mean the same everywhere, so that nobody is locked in: what the terminal's own keys would do.
pub const FIXED: [&str; 3] = ["ctrl-c", "ctrl-z", "ctrl-l"];

/// The keys of every action.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keymap {
    /// By the name of the action; those that are not in here have the table's.
    own: BTreeMap<&'static str, Vec<String>>,
}

/// A key that would do two things in one view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The key.
    pub key: String,
    /// In which views the two meet.
    pub context: Context,
    /// The names of the two.
    pub actions: [&'static str; 2],
}

impl Keymap {
    /// Gives an action these keys in place of all others; none at all leaves it to menu and palette.
    pub fn set(&mut self, name: &'static str, keys: Vec<String>) {
        self.own.insert(name, keys);
    }

    /// The keys of an action.
    pub fn keys(&self, entry: &Entry) -> Vec<&str> {
        match self.own.get(entry.name) {
            Some(own) => own.iter().map(String::as_str).collect(),
            None => entry.keys.to_vec(),
        }
    }

    /// The key to name in a text: the first one of the action, or how else it is reached.
    pub fn hint(&self, action: Action) -> &str {
        let entry = entry(action);
        match self.own.get(entry.name) {
            Some(own) => own.first().map_or(entry.name, String::as_str),
            None => entry.keys.first().copied().unwrap_or(entry.name),
        }
    }

    /// What the key does in that context.
    pub fn action(&self, context: Context, key: &str) -> Option<Action> {
        let here = TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context));
        here.filter(|entry| self.keys(entry).contains(&key)).map(|entry| entry.action).next()
    }

    /// Keys that do two things in one view, each pair of actions once.
    pub fn clashes(&self) -> Vec<Clash> {
        let mut clashes: Vec<Clash> = Vec::new();
        for context in CONTEXTS {
            let mut taken: BTreeMap<&str, &'static str> = BTreeMap::new();
            for entry in TABLE_OF_ACTIONS.iter().filter(|entry| entry.is_in(context)) {
                for key in self.keys(entry) {
                    let Some(other) = taken.insert(key, entry.name).filter(|other| *other != entry.name) else {
                        continue;
                    };
                    let (key, actions) = (key.to_owned(), [other, entry.name]);
                    if !clashes.iter().any(|known| known.key == key && known.actions == actions) {
                        clashes.push(Clash { key, context, actions });
                    }
                }
            }
        }
        clashes
    }
}

/// True for a key as the table writes it: `r`, `R`, `ctrl-r`, `pgdn`.
pub fn is_key(name: &str) -> bool {
    const NAMED: [&str; 15] = [
        "space",
        "enter",
        "esc",
        "tab",
        "backtab",
        "backspace",
        "delete",
        "up",
        "down",
        "left",
        "right",
        "home",
        "end",
        "pgup",
        "pgdn",
    ];
    let mut chars = name.strip_prefix("ctrl-").unwrap_or(name).chars();
    let (first, more) = (chars.next(), chars.next().is_some());
    let single = !more && first.is_some_and(|c| !c.is_whitespace() && !c.is_control());
    let held = name.starts_with("ctrl-") && name.len() > "ctrl-".len();
    NAMED.contains(&name) || single && (!held || first.is_some_and(|c| c.is_ascii_lowercase()))
}
