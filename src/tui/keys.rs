//! The one table of actions: what each is called, where it is possible, which keys it has, what it needs and how much
//! it must be confirmed. The dispatcher, the footer, the menu, the palette and the help fold over it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Where keys are pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// The table of all instances.
    Instances,
    /// One instance, on any tab but its logs.
    Detail,
    /// The output of an instance.
    Logs,
    /// What is to be done.
    Plan,
    /// Steps on their way.
    Jobs,
    /// What a person should know.
    Alerts,
    /// Backups.
    Backups,
    /// The host.
    Host,
}

impl Context {
    /// For messages.
    pub fn title(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Detail => "an instance",
            Self::Logs => "logs",
            Self::Plan => "plan",
            Self::Jobs => "jobs",
            Self::Alerts => "alerts",
            Self::Backups => "backups",
            Self::Host => "host",
        }
    }
}

/// All of them.
pub const CONTEXTS: [Context; 8] = [
    Context::Instances,
    Context::Detail,
    Context::Logs,
    Context::Plan,
    Context::Jobs,
    Context::Alerts,
    Context::Backups,
    Context::Host,
];

/// All that can be done from the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described by its text in the table below")]
pub enum Action {
    ViewInstances,
    ViewPlan,
    ViewJobs,
    ViewAlerts,
    ViewBackups,
    ViewHost,
    Open,
    Back,
    Menu,
    Palette,
    Filter,
    Help,
    Quit,
    Down,
    Up,
    PageDown,
    PageUp,
    Top,
    Bottom,
    NextMatch,
    PreviousMatch,
    NextTab,
    PreviousTab,
    Mark,
    MarkRange,
    Unmark,
    Sort,
    SortBackwards,
    Zoom,
    Logs,
    Diff,
    Edit,
    Shell,
    Look,
    Retry,
    Restart,
    Start,
    Stop,
    Retire,
    Acknowledge,
    Silence,
    Unsilence,
    Follow,
    Level,
    Source,
    Wrap,
    FilterLines,
    CopyLines,
    WriteLines,
    Copy,
    Mouse,
    Redraw,
    Suspend,
}

/// How much must be confirmed before an action is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Nothing: it harms nobody.
    Free,
    /// A short interruption: `y` in a dialog whose focus is on Cancel.
    Interruption,
    /// An outage that the customer sees: the same, with what it means.
    Outage,
    /// Data may be lost: the instance's name is typed.
    Loss,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it does.
    pub action: Action,
    /// Its name, for the palette.
    pub name: &'static str,
    /// Its keys; without any it is in the menu and the palette only.
    pub keys: &'static [&'static str],
    /// Where it is possible; empty is everywhere.
    pub contexts: &'static [Context],
    /// What it does.
    pub text: &'static str,
    /// Works on the selected instance, or on those that are marked.
    pub on_instance: bool,
    /// How much it must be confirmed.
    pub tier: Tier,
    /// Two words for the footer; empty is not shown there.
    pub footer: &'static str,
}

const ON_ONE: &[Context] = &[Context::Instances, Context::Detail, Context::Logs, Context::Plan, Context::Jobs];
const ROWS: &[Context] = &[Context::Instances, Context::Plan, Context::Jobs, Context::Alerts, Context::Backups];
const TABS: &[Context] = &[Context::Detail, Context::Logs];
const TABLE: &[Context] = &[Context::Instances];
const ALERTS: &[Context] = &[Context::Alerts];
const LOGS: &[Context] = &[Context::Logs];
const SEARCH: &[Context] = &[Context::Logs];

const fn row(action: Action, name: &'static str, keys: &'static [&'static str], text: &'static str) -> Entry {
    Entry { action, name, keys, contexts: &[], text, on_instance: false, tier: Tier::Free, footer: "" }
}

impl Entry {
    const fn within(self, contexts: &'static [Context]) -> Self {
        Self { contexts, ..self }
    }

    const fn on_instance(self, tier: Tier) -> Self {
        Self { contexts: ON_ONE, on_instance: true, tier, ..self }
    }

    const fn footer(self, footer: &'static str) -> Self {
        Self { footer, ..self }
    }

    /// Possible in `context`.
    pub fn is_in(&self, context: Context) -> bool {
        self.contexts.is_empty() || self.contexts.contains(&context)
    }
}

/// Every action, in the order in which help and footer show them.
pub const TABLE_OF_ACTIONS: &[Entry] = &[
    row(Action::Open, "open", &["enter"], "open what is selected").within(ROWS).footer("open"),
    row(Action::Open, "open", &["enter"], "read the selected event or step in full").within(&[Context::Detail]),
    row(Action::Back, "back", &["esc"], "back; in a list, end the filter"),
    row(Action::NextTab, "next tab", &["]", "tab"], "the next tab").within(&[Context::Detail]).footer("tabs"),
    row(Action::NextTab, "next tab", &["]"], "the next tab").within(LOGS).footer("tabs"),
    row(Action::PreviousTab, "previous tab", &["["], "the tab before").within(TABS),
    row(Action::Logs, "logs", &["l"], "what its container writes").on_instance(Tier::Free).footer("logs"),
    row(Action::Diff, "diff", &["d"], "what is to be done for it, and why").on_instance(Tier::Free).footer("diff"),
    row(Action::Edit, "edit", &["e"], "edit its file in $EDITOR").on_instance(Tier::Free).footer("edit"),
    row(Action::Shell, "shell", &["x"], "a shell in its container").on_instance(Tier::Free),
    row(Action::Restart, "restart", &["r"], "restart its container").on_instance(Tier::Interruption).footer("restart"),
    row(Action::Retry, "retry", &["T"], "forget failures and try again now").on_instance(Tier::Free),
    row(Action::Look, "look", &["c"], "have the daemon check it now").on_instance(Tier::Free),
    row(Action::Start, "start", &[], "set state = \"running\" in its file").on_instance(Tier::Interruption),
    row(Action::Stop, "stop", &[], "set state = \"stopped\" in its file").on_instance(Tier::Outage),
    row(Action::Retire, "retire", &[], "set state = \"absent\" in its file").on_instance(Tier::Loss),
    row(Action::Follow, "follow", &["f"], "keep to the newest line").within(LOGS).footer("follow"),
    row(Action::Source, "source", &["tab"], "the application's output, or the last job's")
        .within(LOGS)
        .footer("source"),
    row(Action::Level, "level", &["L"], "only lines of a level and above").within(LOGS).footer("level"),
    row(Action::Wrap, "wrap", &["w"], "wrap long lines").within(LOGS).footer("wrap"),
    row(Action::Wrap, "wrap", &["w"], "events and steps in as many rows as they take").within(&[Context::Detail]),
    row(Action::FilterLines, "filter lines", &["&"], "only lines that hold a text").within(LOGS),
    row(Action::CopyLines, "copy lines", &["Y"], "copy the visible lines to the clipboard of the terminal")
        .within(LOGS),
    row(Action::WriteLines, "write lines", &["W"], "write the lines that pass into a new file here").within(LOGS),
    row(Action::Acknowledge, "acknowledge", &["a"], "say that you know of it, until it is over")
        .within(ALERTS)
        .footer("ack"),
    row(Action::Acknowledge, "acknowledge", &["a"], "say that you know of its alerts, until they are over")
        .within(&[Context::Instances, Context::Detail]),
    row(Action::Silence, "silence", &["s"], "silence the alert for a while; it stays in sight")
        .within(ALERTS)
        .footer("silence"),
    row(Action::Unsilence, "unsilence", &["u"], "have the alert ask for attention again")
        .within(ALERTS)
        .footer("unsilence"),
    row(Action::Mark, "mark", &["space"], "mark it, or take the mark off").within(TABLE).footer("mark"),
    row(Action::MarkRange, "mark range", &["v"], "mark all from the last mark to here").within(TABLE),
    row(Action::Unmark, "unmark all", &["u"], "take all marks off").within(TABLE),
    row(Action::Menu, "actions", &["."], "what can be done with it").footer("actions"),
    row(Action::Filter, "filter", &["/"], "filter: name, plan:gold, state:!ready, cpu>90, cert<14d")
        .within(ROWS)
        .footer("filter"),
    row(Action::Filter, "search", &["/"], "search in the lines").within(SEARCH).footer("search"),
    row(Action::NextMatch, "next match", &["n"], "the next line that matches").within(SEARCH),
    row(Action::PreviousMatch, "previous match", &["N"], "the line before that matches").within(SEARCH),
    row(Action::Sort, "sort", &["o"], "sort by the next column").within(TABLE).footer("sort"),
    row(Action::SortBackwards, "sort backwards", &["O"], "turn the order round").within(TABLE),
    row(Action::Zoom, "zoom", &["z"], "the table alone, or with its panes").within(TABLE),
    row(Action::ViewInstances, "view instances", &["1"], "all instances"),
    row(Action::ViewPlan, "view plan", &["2"], "what is to be done, and what waits"),
    row(Action::ViewJobs, "view jobs", &["3"], "steps on their way and those that ended"),
    row(Action::ViewAlerts, "view alerts", &["4"], "what a person should know"),
    row(Action::ViewBackups, "view backups", &["5"], "the newest backup of each instance"),
    row(Action::ViewHost, "view host", &["6"], "systems, disk, plans"),
    row(Action::Down, "down", &["j", "down"], "down"),
    row(Action::Up, "up", &["k", "up"], "up"),
    row(Action::PageDown, "page down", &["pgdn", "ctrl-f"], "a page down"),
    row(Action::PageUp, "page up", &["pgup", "ctrl-b"], "a page up"),
    row(Action::Top, "top", &["g", "home"], "to the first"),
    row(Action::Bottom, "bottom", &["G", "end"], "to the last"),
    row(Action::Copy, "copy", &["y"], "copy name or address to the clipboard of the terminal"),
    row(Action::Mouse, "mouse", &["m"], "take the mouse, or leave it to the terminal"),
    row(Action::Redraw, "redraw", &["ctrl-l"], "draw everything anew"),
    row(Action::Suspend, "suspend", &["ctrl-z"], "suspend; `fg` comes back"),
    row(Action::Palette, "commands", &[":"], "every action and instance by name").footer("cmd"),
    row(Action::Help, "help", &["?"], "the keys of this view").footer("help"),
    row(Action::Quit, "quit", &["q", "ctrl-c"], "leave").footer("quit"),
];

/// The first row of an action: its text, needs and tier are the same in all.
pub fn entry(action: Action) -> &'static Entry {
    TABLE_OF_ACTIONS
        .iter()
        .find(|entry| entry.action == action)
        .unwrap_or_else(|| unreachable!("every action has its row: a test keeps it"))
}

/// The key's name as the table writes it; none for those that mean nothing here.
pub fn name_of(key: KeyEvent) -> Option<String> {
    let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
    let name = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) if ctrl => format!("ctrl-{}", c.to_ascii_lowercase()),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::BackTab => "backtab".to_owned(),
        KeyCode::Backspace => "backspace".to_owned(),
        KeyCode::Delete => "delete".to_owned(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        KeyCode::PageUp => "pgup".to_owned(),
        KeyCode::PageDown => "pgdn".to_owned(),
        _ => return None,
    };
    Some(name)
}
