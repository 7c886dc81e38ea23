//! The fleet as the daemon told it: kept by name, changed by what a view says, never asked for.

use crate::control::view::{FleetView, InstanceView, PendingStep, RunView, View};
use crate::model::event::Event;
use crate::model::filter::Filter;
use crate::model::name::InstanceName;
use crate::model::status::{InstanceStatus, State, UsageStatus};
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, VecDeque};
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
    /// Lines of a view that is not complete yet.
    coming: Option<Vec<Item>>,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Item {
    /// As the daemon told it.
    pub view: InstanceView,
    /// What it used, oldest first.
    pub samples: VecDeque<Sample>,
}

/// What an instance used at one time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Per cent of one core.
    pub cpu_percent: f32,
    /// Memory in MiB.
    pub memory_mib: u32,
}

/// How many instances are in which state, for the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// As asked.
    pub good: usize,
    /// On their way.
    pub moving: usize,
    /// Wait for a person, or do not serve as they should.
    pub warn: usize,
    /// Failed.
    pub bad: usize,
}

impl Item {
    fn new(view: InstanceView) -> Self {
        let mut item = Self { view, samples: VecDeque::new() };
        item.sample();
        item
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

    fn sample(&mut self) {
        let Some(usage) = &self.view.status.usage else { return };
        let sample = Sample {
            cpu_percent: usage.cpu_percent as f32,
            memory_mib: u32::try_from(usage.memory_bytes >> 20).unwrap_or(u32::MAX),
        };
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }
}

impl Fleet {
    /// Takes in what the daemon told. True when the picture is complete again.
    pub fn take(&mut self, view: View) -> bool {
        self.at = Some(view.at);
        if view.whole {
            self.coming = Some(Vec::new());
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
        self.runs.extend(view.runs.into_iter().map(|run| (run.id, run)));
        while self.runs.len() > RUNS_MAX {
            self.runs.pop_first();
        }
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
        if let Some(mut whole) = self.coming.take() {
            self.keep_samples(&mut whole);
            self.items = whole;
            self.items.sort_by(|a, b| a.name().cmp(b.name()));
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
                Err(at) => self.items.insert(at, Item::new(view(status))),
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

    /// How many are in which state.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for item in &self.items {
            match item.status().state {
                State::Ready | State::Stopped | State::Retired => counts.good += 1,
                State::Provisioning | State::Updating => counts.moving += 1,
                State::Held | State::Orphaned | State::Degraded => counts.warn += 1,
                State::Failed | State::Invalid => counts.bad += 1,
            }
        }
        counts
    }

    fn put(&mut self, instance: InstanceView) {
        if let Some(coming) = &mut self.coming {
            return coming.push(Item::new(instance));
        }
        match self.find(&instance.status.name) {
            Ok(at) => {
                let item = &mut self.items[at];
                let sampled = item.view.status.usage != instance.status.usage;
                item.view = instance;
                if sampled {
                    item.sample();
                }
            }
            Err(at) => self.items.insert(at, Item::new(instance)),
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

    /// A daemon that came back tells everything anew: what was sampled before stays.
    fn keep_samples(&mut self, whole: &mut [Item]) {
        for item in whole {
            if let Ok(at) = self.find(item.name()) {
                let mut samples = std::mem::take(&mut self.items[at].samples);
                samples.extend(item.samples.iter().copied());
                item.samples = samples;
            }
        }
    }
}
