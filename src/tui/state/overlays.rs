//! What lies above everything else: questions, menus, help, prompts and texts, each with where its user is in it.

use crate::model::name::InstanceName;
use crate::tui::input::Input;
use crate::tui::keys::{self, Action, Tier};

/// What lies above everything and takes the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Asks whether something is to be done.
    Dialog(Dialog),
    /// What can be done with the selection.
    Menu(Menu),
    /// Everything by name.
    Palette(Palette),
    /// The keys.
    Help(Help),
    /// A filter or a search that is being typed.
    Prompt(Prompt),
    /// Text to read: the difference of an edit.
    Text(Text),
    /// For how long alerts are silenced.
    Silence(SilenceMenu),
}

/// Asks whether something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialog {
    /// What the key or the menu asked for.
    pub action: Action,
    /// For whom; fixed when it was opened.
    pub targets: Vec<InstanceName>,
    /// How much it must be confirmed.
    pub tier: Tier,
    /// The key that opened it never accepts it.
    pub opened_by: String,
    /// What it means.
    pub lines: Vec<String>,
    /// The focus is on Yes; it begins on Cancel.
    pub on_yes: bool,
    /// For [`Tier::Loss`]: what was typed.
    pub typed: Input,
}

impl Dialog {
    /// What must be typed: the name, or `retire 3` for several.
    pub fn word(&self) -> String {
        match self.targets.as_slice() {
            [one] => one.to_string(),
            several => format!("{} {}", keys::entry(self.action).name, several.len()),
        }
    }
}

/// What can be done with the selection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    /// The actions, and why one is not possible now.
    pub entries: Vec<(Action, Option<String>)>,
    /// The selected one.
    pub at: usize,
}

/// Everything by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Palette {
    /// What was typed.
    pub input: Input,
    /// The selected one of what matches.
    pub at: usize,
}

/// The keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Help {
    /// What is searched for.
    pub input: Input,
    /// The letters go to the search.
    pub searching: bool,
    /// Rows scrolled.
    pub scroll: usize,
}

/// What a prompt asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The filter of the instances.
    Filter,
    /// What is searched for in the lines of an output.
    Search,
    /// What the lines of an output must hold to be shown.
    Lines,
}

/// A filter or a search that is being typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// What is asked for.
    pub asked: Asked,
    /// What was typed.
    pub input: Input,
    /// Why it is not understood.
    pub error: Option<String>,
    /// What was in force before.
    pub before: Option<String>,
}

/// For how long alerts are silenced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceMenu {
    /// The alert: whose, and its reason.
    pub alert: (Option<InstanceName>, String),
    /// Not only that one, but all alerts of the same instance, those that come later too.
    pub all: bool,
    /// The selected span.
    pub at: usize,
}

/// Text to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Its title.
    pub title: String,
    /// Its lines, in as many rows as they take.
    pub lines: Vec<String>,
    /// It is a difference: `+` and `-` in front are shown as such.
    pub difference: bool,
    /// Whom the key that opened it opens next.
    pub about: Option<InstanceName>,
    /// Rows scrolled.
    pub scroll: usize,
}
