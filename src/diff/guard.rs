//! The guard against mass changes: counts, over the whole fleet, who would be put out of service or deleted, and who
//! would be changed, and refuses all of them together when they are too many.
//!
//! It sees the fleet in each decision, also in one over a single instance, so no order of turns lets the first few
//! through. It looks at wishes and at listings alone, never at steps: those of others are not known in such a turn.

use super::case::Case;
use super::ending::{self, Course};
use super::facts::{Facts, FileState, InstanceFacts};
use crate::model::name::{InstanceName, Resources};
use crate::model::site::SitePage;
use crate::model::wanted::WantedState;
use std::collections::{BTreeMap, BTreeSet};

/// In smaller fleets a share means nothing: one of three is a third.
const UPDATES_FLEET_MIN: usize = 10;

/// More are confirmed by their number.
const NAMED_MAX: usize = 3;

/// What would happen to an instance that cannot be taken back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disruption {
    /// Its end begins.
    Retire,
    /// It is stopped.
    Stop,
    /// Its data are deleted.
    Purge,
}

/// The counts over the fleet.
pub(super) struct Guard<'a> {
    facts: &'a Facts,
    fleet: usize,
    /// Not begun yet.
    pending: BTreeMap<&'a InstanceName, Disruption>,
    updating: BTreeSet<&'a InstanceName>,
    /// Customers are known, and not one file says anything.
    no_file: bool,
}

impl<'a> Guard<'a> {
    pub(super) fn of(facts: &'a Facts) -> Self {
        let is_customer = |instance: &InstanceFacts| instance.wanted.is_some() && instance.ending.tombstone.is_none();
        let customers = facts.instances.values().any(is_customer);
        let some_file = facts.instances.values().any(|instance| instance.file == FileState::Valid);
        let pending =
            facts.instances.iter().filter_map(|(name, instance)| Some((name, pending(facts, name, instance)?)));
        let updating = |(name, instance): (&'a InstanceName, &InstanceFacts)| {
            let counts = instance.updating && instance.provisioned && instance.ending.tombstone.is_none();
            (counts && instance.file != FileState::Missing).then_some(name)
        };
        Self {
            facts,
            fleet: facts.instances.values().filter(|instance| instance.wanted.is_some()).count(),
            pending: pending.collect(),
            updating: facts.instances.iter().filter_map(updating).collect(),
            no_file: customers && !some_file,
        }
    }

    /// What would happen to the instance and why it must not, now; none when it may, or when nothing would.
    pub(super) fn refused(&self, name: &InstanceName) -> Option<(Disruption, String)> {
        let disruption = *self.pending.get(name)?;
        let guard = &self.facts.guard;
        if self.no_file {
            let text = "not one file in instances.d is valid while customers are known: nothing is retired, stopped or deleted \
                        because of that, whoever confirms it; put the files back";
            return Some((disruption, text.to_owned()));
        }
        if guard.files_unlisted {
            let text = "instances.d cannot be listed: nothing is retired, stopped or deleted until it can";
            return Some((disruption, text.to_owned()));
        }
        // What was begun goes on.
        if guard.permitted.contains(name) || guard.disrupted.contains(name) {
            return None;
        }
        let waiting = self.pending.keys().filter(|name| !guard.permitted.contains(**name));
        let all: BTreeSet<&InstanceName> = waiting.copied().chain(&guard.disrupted).collect();
        let budget = self.budget();
        (all.len() > budget).then(|| {
            let waiting: Vec<&InstanceName> =
                self.pending.keys().copied().filter(|name| !guard.permitted.contains(*name)).collect();
            let before = match all.len() - all.intersection(&waiting.iter().copied().collect()).count() {
                0 => String::new(),
                before => format!(" ({} now, {before} before)", all.len() - before),
            };
            let text = format!(
                "{} of {} instances would be retired, stopped or purged within an hour{before}, and the guard allows {budget}: \
                 nobody is begun with; if it is meant: {}",
                all.len(),
                self.fleet,
                way_out(&waiting)
            );
            (disruption, text)
        })
    }

    /// Why the instance must not be changed now; none when it may.
    pub(super) fn refused_update(&self, name: &InstanceName) -> Option<String> {
        let guard = &self.facts.guard;
        if !self.updating.contains(name) || guard.permitted.contains(name) || self.fleet < UPDATES_FLEET_MIN {
            return None;
        }
        let waiting: Vec<&InstanceName> =
            self.updating.iter().copied().filter(|name| !guard.permitted.contains(*name)).collect();
        let allowed = share(self.fleet, self.facts.settings.guard.updates_percent);
        (waiting.len() > allowed).then(|| {
            format!(
                "{} of {} instances would be changed at once, and the guard allows {allowed}: all of them wait; if it is meant: {}",
                waiting.len(),
                self.fleet,
                way_out(&waiting)
            )
        })
    }

    /// So many instances may be changed side by side.
    pub(super) fn updates_at_once(&self) -> usize {
        match self.fleet < UPDATES_FLEET_MIN {
            true => usize::MAX,
            false => share(self.fleet, self.facts.settings.guard.updates_percent).max(1),
        }
    }

    fn budget(&self) -> usize {
        let settings = &self.facts.settings.guard;
        share(self.fleet, settings.disruptions_percent).max(settings.disruptions_per_hour as usize)
    }
}

/// The command that lets through those that wait: a few by their names, many by their number.
fn way_out(waiting: &[&InstanceName]) -> String {
    let number = waiting.len();
    match number <= NAMED_MAX {
        true => {
            let names = waiting.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ");
            format!("innkeeper apply --max-destroy {number} --confirm {names}")
        }
        false => format!("innkeeper apply --max-destroy {number} --confirm-all {number}"),
    }
}

/// So many of them, rounded down.
fn share(of: usize, percent: u32) -> usize {
    of.saturating_mul(percent as usize) / 100
}

/// What would happen to the instance, when it is not begun yet.
fn pending(facts: &Facts, name: &InstanceName, instance: &InstanceFacts) -> Option<Disruption> {
    let wanted = instance.wanted.as_deref().filter(|wanted| !wanted.suspended)?;
    let service = facts.live.engine.known().and_then(|engine| engine.services.get(&Resources::of(name).container));
    let service = service.filter(|service| service.owner.tag().is_some_and(|tag| tag.uid == instance.uid));
    match (Course::of(facts, instance, wanted), &instance.ending.tombstone) {
        (Course::End(_), None) => (instance.provisioned || service.is_some()).then_some(Disruption::Retire),
        // Whoever is kept for another reason takes nobody else's place.
        (Course::End(_), Some(_)) => {
            ending::is_purge_due(&Case::new(facts, None, name, instance, wanted)).then_some(Disruption::Purge)
        }
        (Course::Live, None) if wanted.state == WantedState::Stopped => {
            let new = instance.observed_generation < instance.generation;
            // One whose container died, or was not seen, is in service as long as its site says so.
            let site = facts.live.proxy.known().and_then(|proxy| proxy.sites.get(name)).map(|site| &site.row);
            let serves = site.is_some_and(|row| row.uid == instance.uid && row.page == SitePage::Serve);
            (new && (serves || service.is_some_and(|service| service.running))).then_some(Disruption::Stop)
        }
        _ => None,
    }
}
