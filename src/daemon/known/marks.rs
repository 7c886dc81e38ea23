//! When each part of the board changed last, as revisions that only grow: a watcher that knows revision 7 is told what
//! is marked with more. Nothing is queued, so a slow watcher costs nothing.

use crate::model::name::InstanceName;
use std::collections::{BTreeMap, BTreeSet};

/// Removals that are remembered. A watcher that missed more is told the whole fleet.
const REMOVALS_KEPT_MAX: usize = 1_000;

/// Revisions of the instances, of their usage, and of what belongs to none.
#[derive(Debug, Default)]
pub(super) struct Marks {
    revision: u64,
    instances: Order,
    usage: Order,
    removals: Order,
    fleet: u64,
    /// The newest removal that was forgotten.
    forgotten: u64,
}

/// Names by the revision at which they changed last.
#[derive(Debug, Default)]
struct Order {
    of: BTreeMap<InstanceName, u64>,
    by: BTreeSet<(u64, InstanceName)>,
}

impl Marks {
    /// The newest one.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The one at which what belongs to no instance changed. That includes every alert, and so every instance.
    pub(super) fn fleet(&self) -> u64 {
        self.fleet
    }

    /// The instance changed, or is new.
    pub(super) fn changed(&mut self, name: &InstanceName) {
        self.revision += 1;
        self.usage.take(name);
        self.removals.take(name);
        self.instances.put(name, self.revision);
        self.fleet = self.revision;
    }

    /// Only what it uses changed.
    pub(super) fn used(&mut self, name: &InstanceName) {
        self.revision += 1;
        self.usage.put(name, self.revision);
    }

    /// It is gone.
    pub(super) fn removed(&mut self, name: &InstanceName) {
        self.revision += 1;
        self.instances.take(name);
        self.usage.take(name);
        self.removals.put(name, self.revision);
        self.fleet = self.revision;
        if self.removals.by.len() > REMOVALS_KEPT_MAX
            && let Some((revision, oldest)) = self.removals.by.first().cloned()
        {
            self.removals.take(&oldest);
            self.forgotten = revision;
        }
    }

    /// What belongs to no instance changed.
    pub(super) fn fleet_changed(&mut self) {
        self.revision += 1;
        self.fleet = self.revision;
    }

    /// False: something was removed after `since` and is forgotten.
    pub(super) fn reach_back_to(&self, since: u64) -> bool {
        self.forgotten <= since
    }

    pub(super) fn changed_since(&self, since: u64) -> impl Iterator<Item = &InstanceName> {
        self.instances.since(since)
    }

    /// Those that changed themselves after `since` are told whole and are not among them.
    pub(super) fn used_since(&self, since: u64) -> impl Iterator<Item = &InstanceName> {
        self.usage.since(since).filter(move |name| self.instances.of.get(*name).is_none_or(|at| *at <= since))
    }

    pub(super) fn removed_since(&self, since: u64) -> impl Iterator<Item = &InstanceName> {
        self.removals.since(since)
    }
}

impl Order {
    fn put(&mut self, name: &InstanceName, revision: u64) {
        if let Some(before) = self.of.insert(name.clone(), revision) {
            self.by.remove(&(before, name.clone()));
        }
        self.by.insert((revision, name.clone()));
    }

    fn take(&mut self, name: &InstanceName) {
        if let Some(before) = self.of.remove(name) {
            self.by.remove(&(before, name.clone()));
        }
    }

    fn since(&self, since: u64) -> impl Iterator<Item = &InstanceName> {
        self.by.iter().rev().take_while(move |(revision, _)| *revision > since).map(|(_, name)| name)
    }
}
