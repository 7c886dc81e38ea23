//! What the dashboard knows and where its user is: plain data. Selection, marks and scroll places are held by identity,
//! so that nothing jumps when the fleet changes.

mod overlays;

pub use overlays::{Asked, Dialog, Help, Menu, Overlay, Palette, Prompt, SilenceMenu, Text};

use super::fleet::Fleet;
use super::keymap::Keymap;
use super::keys::Context;
use super::logs::Logs;
use crate::model::filter::Filter;
use crate::model::name::InstanceName;
use crate::model::time::Timestamp;
use std::collections::BTreeSet;

/// How the program was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Nothing that changes anything is offered.
    pub read_only: bool,
    /// Show the time of day.
    pub clock: bool,
    /// The daemon's world is in its memory: there are no containers in which a shell could run.
    pub rehearsal: bool,
}

/// All of it.
#[derive(Debug)]
pub struct State {
    /// What the daemon told.
    pub fleet: Fleet,
    /// Whether it is told still.
    pub link: Link,
    /// The time, as of the last message.
    pub now: Timestamp,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    /// How the program was started.
    pub options: Options,
    /// The view.
    pub page: Page,
    /// The instance that is open above the view.
    pub detail: Option<Detail>,
    /// The rows of the view.
    pub list: List,
    /// Where the user was in each view.
    pub places: [Place; Page::ALL.len()],
    /// Marked instances.
    pub marks: BTreeSet<InstanceName>,
    /// The last one that was marked, from which a range begins.
    pub marked_last: Option<InstanceName>,
    /// The filter in force, and its text.
    pub filter: Option<(Filter, String)>,
    /// The order of the instances.
    pub sort: Sort,
    /// The other way round.
    pub sort_backwards: bool,
    /// The table without its panes.
    pub zoomed: bool,
    /// What lies above everything.
    pub overlay: Option<Overlay>,
    /// The newest remark, and when it goes.
    pub toast: Option<Toast>,
    /// Which keys do what.
    pub keymap: Keymap,
    /// The output that is read.
    pub logs: Logs,
    /// The dashboard has the mouse.
    pub mouse: bool,
    /// Rows scrolled in the view of the host.
    pub host_scroll: usize,
    /// Entries of a tab take as many rows as their text.
    pub wrap: bool,
    /// Alerts of which somebody knew when their view was opened: they are the last. Those that are acknowledged meanwhile
    /// stay where they are.
    pub known_alerts: BTreeSet<(Option<InstanceName>, String)>,
    /// What a reason means and what to do about it.
    pub explain: fn(&str) -> Option<String>,
}

/// Whether the daemon tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Asked for the first time.
    Connecting,
    /// It tells.
    Live,
    /// It does not.
    Down {
        /// What the daemon or the socket said.
        why: String,
        /// Since when.
        since: Timestamp,
    },
}

/// The views.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// All instances.
    Instances,
    /// What is to be done, and what waits.
    Plan,
    /// Steps.
    Jobs,
    /// What a person should know.
    Alerts,
    /// Backups.
    Backups,
    /// The host.
    Host,
}

impl Page {
    /// In the order of their keys.
    pub const ALL: [Self; 6] = [Self::Instances, Self::Plan, Self::Jobs, Self::Alerts, Self::Backups, Self::Host];

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Instances => "Instances",
            Self::Plan => "Plan",
            Self::Jobs => "Jobs",
            Self::Alerts => "Alerts",
            Self::Backups => "Backups",
            Self::Host => "Host",
        }
    }

    /// Which keys it has.
    pub fn context(self) -> Context {
        match self {
            Self::Instances => Context::Instances,
            Self::Plan => Context::Plan,
            Self::Jobs => Context::Jobs,
            Self::Alerts => Context::Alerts,
            Self::Backups => Context::Backups,
            Self::Host => Context::Host,
        }
    }
}

/// An opened instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The instance that it is of.
    pub name: InstanceName,
    /// Which tab.
    pub tab: Tab,
    /// Rows scrolled.
    pub scroll: usize,
    /// On a tab with entries: which one is selected, counted from the first.
    pub at: usize,
    /// The event that is selected; none keeps to the newest.
    pub event: Option<u64>,
    /// Its file as it was read last, or why it could not be.
    pub file: Option<Result<String, String>>,
}

/// The tabs of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Wanted and live side by side.
    Summary,
    /// What happened.
    Events,
    /// What its container writes.
    Logs,
    /// Its container and what belongs to it.
    Containers,
    /// Its backups.
    Backups,
    /// What is to be done.
    Diff,
    /// Its file.
    File,
}

impl Tab {
    /// In order.
    pub const ALL: [Self; 7] =
        [Self::Summary, Self::Events, Self::Logs, Self::Containers, Self::Backups, Self::Diff, Self::File];

    /// True when one of its entries is selected, and told in full below them.
    pub fn has_entries(self) -> bool {
        matches!(self, Self::Events | Self::Diff)
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Summary => "Summary",
            Self::Events => "Events",
            Self::Logs => "Logs",
            Self::Containers => "Containers",
            Self::Backups => "Backups",
            Self::Diff => "Diff",
            Self::File => "File",
        }
    }
}

/// One row of a view, as a place in the data of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// `fleet.items[_]`
    Item(u32),
    /// `fleet.runs[_]`
    Run(u64),
    /// `fleet.facts.alerts[_]`
    Alert(u32),
}

/// What a row stands for, whatever its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Id {
    /// An instance.
    Item(InstanceName),
    /// A step on its way.
    Run(u64),
    /// An alert: whose, and its reason.
    Alert(Option<InstanceName>, String),
}

/// The rows of the view that is shown.
#[derive(Debug, Default)]
pub struct List {
    /// In order.
    pub rows: Vec<Row>,
    /// The place of what is selected; 0 when there is nothing.
    pub at: usize,
    /// The first row that is visible.
    pub offset: usize,
}

/// Where the user was in a view.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// What was selected.
    pub selected: Option<Id>,
    /// The first row that was visible.
    pub offset: usize,
    /// The user chose a row. Until then, and again at the first row, the first row is selected, whatever comes there.
    pub chosen: bool,
}

/// The orders of the instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// What wants a person first.
    Severity,
    /// By name.
    Name,
    /// By plan.
    Plan,
    /// The busiest first.
    Cpu,
    /// The largest first.
    Memory,
    /// The fullest first.
    Disk,
    /// The certificate that ends next first.
    Certificate,
    /// The oldest backup first, those without one before it.
    Backup,
}

impl Sort {
    /// In the order in which `o` goes through them.
    pub const ALL: [Self; 8] =
        [Self::Severity, Self::Name, Self::Plan, Self::Cpu, Self::Memory, Self::Disk, Self::Certificate, Self::Backup];

    /// Whether the smallest comes first, and the earliest.
    pub fn ascends(self) -> bool {
        !matches!(self, Self::Severity | Self::Cpu | Self::Memory | Self::Disk)
    }

    /// For the title of the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Severity => "severity",
            Self::Name => "name",
            Self::Plan => "plan",
            Self::Cpu => "cpu",
            Self::Memory => "mem",
            Self::Disk => "disk",
            Self::Certificate => "cert",
            Self::Backup => "backup",
        }
    }
}

/// A remark that goes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// The sentence, one line.
    pub text: String,
    /// It is bad news.
    pub bad: bool,
    /// When it goes.
    pub until: Timestamp,
}

impl State {
    /// At the start: nothing is known.
    pub fn new(options: Options, size: (u16, u16), now: Timestamp) -> Self {
        Self {
            fleet: Fleet::default(),
            link: Link::Connecting,
            now,
            size,
            options,
            page: Page::Instances,
            detail: None,
            list: List::default(),
            places: Default::default(),
            marks: BTreeSet::new(),
            marked_last: None,
            filter: None,
            sort: Sort::Severity,
            sort_backwards: false,
            zoomed: false,
            overlay: None,
            toast: None,
            keymap: Keymap::default(),
            logs: Logs::default(),
            mouse: false,
            host_scroll: 0,
            wrap: false,
            known_alerts: BTreeSet::new(),
            explain: |_| None,
        }
    }

    /// Which keys are in force, apart from what lies above.
    pub fn context(&self) -> Context {
        match &self.detail {
            Some(detail) if detail.tab == Tab::Logs => Context::Logs,
            Some(_) => Context::Detail,
            None => self.page.context(),
        }
    }

    /// The daemon tells.
    pub fn is_live(&self) -> bool {
        self.link == Link::Live
    }

    /// The identity of a row.
    pub fn id(&self, row: Row) -> Option<Id> {
        Some(match row {
            Row::Item(at) => Id::Item(self.fleet.items.get(at as usize)?.name().clone()),
            Row::Run(id) => Id::Run(id),
            Row::Alert(at) => {
                let alert = self.fleet.facts.as_ref()?.alerts.get(at as usize)?;
                Id::Alert(alert.instance.clone(), alert.reason.clone())
            }
        })
    }

    /// The selected row.
    pub fn row(&self) -> Option<Row> {
        self.list.rows.get(self.list.at).copied()
    }

    /// The instance that is open or selected.
    pub fn current(&self) -> Option<&InstanceName> {
        if let Some(detail) = &self.detail {
            return Some(&detail.name);
        }
        match self.row()? {
            Row::Item(at) => self.fleet.items.get(at as usize).map(super::fleet::Item::name),
            Row::Run(id) => self.fleet.runs.get(&id)?.instance.as_ref(),
            Row::Alert(at) => self.fleet.facts.as_ref()?.alerts.get(at as usize)?.instance.as_ref(),
        }
    }

    /// Whom an action is for: those that are marked in the table or whose outputs are read together, else the current one.
    pub fn targets(&self) -> Vec<InstanceName> {
        if self.detail.is_some() && !self.logs.also.is_empty() {
            return self.logs.owners().cloned().collect();
        }
        match self.detail.is_none() && self.page == Page::Instances && !self.marks.is_empty() {
            true => self.marks.iter().cloned().collect(),
            false => self.current().cloned().into_iter().collect(),
        }
    }

    /// Marked instances that the filter hides.
    pub fn marks_hidden(&self) -> usize {
        let Some((filter, _)) = &self.filter else { return 0 };
        let hidden = |name: &&InstanceName| !self.fleet.get(name).is_some_and(|item| item.passes(filter, self.now));
        self.marks.iter().filter(hidden).count()
    }
}
