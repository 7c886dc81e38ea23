//! The fleet as the daemon told it: kept by name, changed by what a view says, never asked for.

use crate::control::view::{EdgeView, FleetView, InstanceView, PendingStep, RunView, View};
use crate::model::changes::HoldReason;
use crate::model::event::Event;
use crate::model::filter::Filter;
use crate::model::name::{InstanceName, ModuleName};
use crate::model::status::{InstanceStatus, State, UsageStatus};
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Samples kept for graphs: an hour at one every 15 s would be 240, the widest graph is a little wider.
pub const SAMPLES_MAX: usize = 240;
/// Events kept.
const EVENTS_MAX: usize = 2_000;
/// Steps kept, running and ended.
const RUNS_MAX: usize = 400;

/// All that is known.
#[derive(Debug, Default)]
pub struct Fleet {
    /// By name, sorted.
    pub items: Vec<Item>,
    /// What belongs to no single instance; none before the first view.
    pub facts: Option<FleetView>,
    /// Steps by their id.
    pub runs: BTreeMap<u64, RunView>,
    /// Oldest first.
    pub events: VecDeque<Event>,
    /// Events that were left out because this client was too slow.
    pub events_missed: u64,
    /// When the newest view was made.
    pub at: Option<Timestamp>,
    /// The fleet's time zone.
    pub zone: Option<TimeZone>,
    /// While a whole view comes in lines: instances in it that were not known. Those that were are changed in their
    /// places, so that a fleet is never held twice.
    coming: Option<Vec<Item>>,
    /// Counts whole views: whoever was not told in the newest one is gone.
    round: u32,
    /// Columns of the longest name and of the longest name of a plan.
    pub widest: (u16, u16),
    /// Sets of modules, each kept once: instances on one plan have the same.
    sets: BTreeSet<Arc<BTreeSet<ModuleName>>>,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Item {
    /// As the daemon told it.
    pub view: InstanceView,
    /// What it used, oldest first.
    pub samples: VecDeque<Sample>,
    /// The whole view in which it was told last.
    round: u32,
}

/// What an instance used at one time, as fine as a graph shows it: thousands of instances have hundreds of samples each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Tenths of a per cent of one core: at most 65 cores.
    cpu: u16,
    /// Memory in units of [`SAMPLE_MEMORY_UNIT_BYTES`]: at most 256 GiB.
    memory: u16,
}

/// A graph has eight levels a row: nobody sees less.
const SAMPLE_MEMORY_UNIT_BYTES: u64 = 4 << 20;

impl Sample {
    fn of(usage: &UsageStatus) -> Self {
        Self {
            // Saturates: a negative number is 0.
            cpu: (usage.cpu_percent * 10.0).round() as u16,
            memory: u16::try_from(usage.memory_bytes / SAMPLE_MEMORY_UNIT_BYTES).unwrap_or(u16::MAX),
        }
    }

    /// Per cent of one core.
    pub fn cpu_percent(self) -> f64 {
        f64::from(self.cpu) / 10.0
    }

    /// Memory in bytes.
    pub fn memory_bytes(self) -> u64 {
        u64::from(self.memory) * SAMPLE_MEMORY_UNIT_BYTES
    }
}

/// How many instances are in which state, for the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// As asked.
    pub good: usize,
    /// On their way.
    pub moving: usize,
    /// Wait for a person, do not serve as they should, or serve although their file has problems.
    pub warn: usize,
    /// Failed.
    pub bad: usize,
    /// Nothing is known of them but that a system does not answer.
    pub unseen: usize,
}

/// What an instance is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// As asked.
    Good,
    /// On its way.
    Moving,
    /// Waits for a person, does not serve as it should, or serves although its file has problems.
    Warn,
    /// Failed.
    Bad,
}

impl Standing {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Good, Self::Moving, Self::Warn, Self::Bad];

    /// Of an instance in that state.
    pub fn of(state: State) -> Self {
        match state {
            State::Ready | State::Stopped | State::Retired => Self::Good,
            State::Provisioning | State::Updating => Self::Moving,
            State::Held | State::Orphaned | State::Degraded | State::Invalid => Self::Warn,
            State::Failed => Self::Bad,
        }
    }

    /// The word of the header.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Moving => "moving",
            Self::Warn => "warn",
            Self::Bad => "FAILED",
        }
    }

    /// What it says.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Good => "as its file asks",
            Self::Moving => "being made or changed",
            Self::Warn => "somebody should look",
            Self::Bad => "a step failed",
        }
    }
}

impl Item {
    fn new(view: InstanceView, round: u32) -> Self {
        let mut item = Self { view, samples: VecDeque::new(), round };
        item.sample();
        item
    }

    /// Takes in what the daemon told of it now.
    fn renew(&mut self, view: InstanceView, round: u32) {
        let sampled = self.view.status.usage != view.status.usage;
        (self.view, self.round) = (view, round);
        if sampled {
            self.sample();
        }
    }

    /// Its name.
    pub fn name(&self) -> &InstanceName {
        &self.view.status.name
    }

    /// How it stands.
    pub fn status(&self) -> &InstanceStatus {
        &self.view.status
    }

    /// The customer's company, where it is known.
    pub fn company(&self) -> Option<&str> {
        self.view.wanted.as_ref().map(|wanted| wanted.company.name.as_str())
    }

    /// Whether the filter lets it pass.
    pub fn passes(&self, filter: &Filter, now: Timestamp) -> bool {
        filter.matches(self.status(), self.company(), now)
    }

    /// True when it waits for nothing but a look: whoever knows that a system is away knows why.
    pub fn is_unseen(&self) -> bool {
        let status = self.status();
        let mut holds = status.holds.iter();
        status.state == State::Held && !status.holds.is_empty() && holds.all(|it| it.reason == HoldReason::Unseen)
    }

    fn sample(&mut self) {
        let Some(usage) = &self.view.status.usage else { return };
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample::of(usage));
    }
}

impl Fleet {
    /// Takes in what the daemon told. True when the picture is complete again.
    pub fn take(&mut self, view: View) -> bool {
        self.at = Some(view.at);
        if view.whole {
            self.coming = Some(Vec::new());
            self.round += 1;
            self.widest = (0, 0);
            (self.runs, self.events, self.events_missed) = (BTreeMap::new(), VecDeque::new(), 0);
        }
        for instance in view.instances {
            self.put(instance);
        }
        for usage in view.usage {
            self.put_usage(&usage.instance, usage.usage);
        }
        for name in &view.removed {
            if let Ok(at) = self.find(name) {
                self.items.remove(at);
            }
        }
        if view.runs_whole {
            self.runs.clear();
        }
        self.runs.extend(view.runs.into_iter().map(|run| (run.id, run)));
        self.forget_runs();
        self.events_missed += view.events_missed;
        for event in view.events {
            self.tell(event);
        }
        if let Some(facts) = view.fleet {
            if self.facts.as_ref().is_none_or(|before| before.timezone != facts.timezone) {
                self.zone = TimeZone::get(&facts.timezone).ok();
            }
            self.facts = Some(facts);
        }
        if view.more {
            return false;
        }
        if let Some(new) = self.coming.take() {
            self.complete(new);
        }
        true
    }

    /// Shows what the last daemon wrote, as far as nothing newer is known.
    pub fn take_documents(&mut self, documents: Vec<InstanceStatus>) {
        let view = |status| InstanceView { status: Arc::new(status), wanted: None, steps: Arc::new([]) };
        let steps_gone = self.items.is_empty();
        for status in documents {
            match self.find(&status.name) {
                Ok(at) => self.items[at].view.status = Arc::new(status),
                Err(at) => self.items.insert(at, Item::new(view(status), self.round)),
            }
        }
        if steps_gone {
            self.runs.clear();
        }
    }

    /// The instance of that name.
    pub fn get(&self, name: &InstanceName) -> Option<&Item> {
        self.find(name).ok().map(|at| &self.items[at])
    }

    /// Its place, or where it would be.
    pub fn find(&self, name: &InstanceName) -> Result<usize, usize> {
        self.items.binary_search_by(|item| item.name().cmp(name))
    }

    /// The steps that run now, the oldest first.
    pub fn running(&self) -> impl DoubleEndedIterator<Item = &RunView> {
        self.runs.values().filter(|run| run.ended.is_none())
    }

    /// The step's last run, if it had one.
    pub fn run_of(&self, step: &PendingStep, name: &InstanceName) -> Option<&RunView> {
        self.runs.values().rev().find(|run| run.step == step.id && run.instance.as_ref() == Some(name))
    }

    /// The systems that do not answer.
    pub fn lost(&self) -> impl Iterator<Item = &EdgeView> {
        self.facts.iter().flat_map(|facts| &facts.host.edges).filter(|edge| edge.lost.is_some())
    }

    /// The step that runs for an instance: the one that was begun last.
    pub fn run_for(&self, name: &InstanceName) -> Option<&RunView> {
        self.running().rev().find(|run| run.instance.as_ref() == Some(name))
    }

    /// How many are in which state.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let away = self.lost().next().is_some();
        for item in &self.items {
            match Standing::of(item.status().state) {
                _ if away && item.is_unseen() => counts.unseen += 1,
                Standing::Good => counts.good += 1,
                Standing::Moving => counts.moving += 1,
                Standing::Warn => counts.warn += 1,
                Standing::Bad => counts.bad += 1,
            }
        }
        counts
    }

    fn put(&mut self, mut instance: InstanceView) {
        self.pack(&mut instance);
        let columns = |text: &str| u16::try_from(text.len()).unwrap_or(u16::MAX);
        let plan = instance.status.plan.as_ref().map_or(0, |plan| columns(plan.as_str()));
        self.widest = (self.widest.0.max(columns(instance.status.name.as_str())), self.widest.1.max(plan));
        match (self.find(&instance.status.name), &mut self.coming) {
            (Ok(at), _) => self.items[at].renew(instance, self.round),
            (Err(_), Some(new)) => new.push(Item::new(instance, self.round)),
            (Err(at), None) => self.items.insert(at, Item::new(instance, self.round)),
        }
    }

    /// Makes it as small as it can be: lists that were read from a line have room to grow, and most sets are known.
    fn pack(&mut self, instance: &mut InstanceView) {
        // Just read: nobody else holds them.
        if let Some(status) = Arc::get_mut(&mut instance.status) {
            status.conditions.shrink_to_fit();
            status.holds.shrink_to_fit();
            status.urls.shrink_to_fit();
            self.share(&mut status.modules.wanted);
            self.share(&mut status.modules.installed);
        }
    }

    fn share(&mut self, set: &mut Arc<BTreeSet<ModuleName>>) {
        match self.sets.get(set) {
            Some(known) => *set = Arc::clone(known),
            None => drop(self.sets.insert(Arc::clone(set))),
        }
    }

    /// A whole view is complete: whoever was not in it is gone.
    fn complete(&mut self, new: Vec<Item>) {
        let round = self.round;
        self.items.retain(|item| item.round == round);
        self.items.extend(new);
        self.items.sort_by(|a, b| a.name().cmp(b.name()));
        self.items.shrink_to_fit();
        self.sets.retain(|set| Arc::strong_count(set) > 1);
    }

    /// Keeps as many as are allowed: those that run before those that ended, the newer before the older.
    fn forget_runs(&mut self) {
        while self.runs.len() > RUNS_MAX {
            let ended = self.runs.iter().find(|(_, run)| run.ended.is_some()).map(|(id, _)| *id);
            match ended {
                Some(id) => drop(self.runs.remove(&id)),
                None => drop(self.runs.pop_first()),
            }
        }
    }

    fn put_usage(&mut self, name: &InstanceName, usage: Option<UsageStatus>) {
        if let Ok(at) = self.find(name) {
            let item = &mut self.items[at];
            Arc::make_mut(&mut item.view.status).usage = usage;
            item.sample();
        }
    }

    fn tell(&mut self, event: Event) {
        if let Some(known) = self.events.iter_mut().rev().find(|known| known.seq == event.seq) {
            *known = event;
            return;
        }
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }
}
