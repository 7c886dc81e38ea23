//! What decisions about ends need besides files and systems: tombstones, the guard's counts, the steady clock.

use crate::daemon::known::keeper::{Bell, Keeper, event};
use crate::daemon::known::register::{Entry, Register};
use crate::diff::facts::{FileState, GuardFacts};
use crate::journal::JournalError;
use crate::model::changes::{Changes, Hold, HoldReason, InstanceChanges};
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::status::InstanceStatus;
use crate::model::tombstone::Tombstone;
use std::collections::BTreeMap;

/// The steady clock is written down this often. What passes between two writings is lost only when the host loses power.
const TICK_EVERY_S: u64 = 60;

impl Keeper {
    /// What the guard counts, and all tombstones.
    pub(crate) fn endings(
        &self,
        register: &Register,
    ) -> Result<(GuardFacts, BTreeMap<InstanceName, Tombstone>), JournalError> {
        let steady_s = self.steady_s()?;
        let mut permitted = self.journal.permitted(steady_s)?;
        // Who confirmed an edit did not confirm the end that a later version of the file asks for.
        permitted.retain(|name, given_for| register.entries.get(name).is_some_and(|entry| basis(entry) == *given_for));
        let guard = GuardFacts {
            steady_s,
            disrupted: self.journal.disrupted(steady_s)?,
            permitted: permitted.into_keys().collect(),
            files_unlisted: !register.fleet.complete,
        };
        Ok((guard, self.journal.tombstones()?))
    }

    /// Writes the steady clock down where somebody's end or the guard depends on it, and tells when the time of day was set.
    pub(crate) fn tick(&self, register: &Register) -> Result<(), JournalError> {
        if !self.acts() || !self.needs_the_clock(register)? {
            return Ok(());
        }
        let uptime = (self.place.uptime)();
        if self.journal.since_tick(&uptime)?.is_some_and(|since_s| since_s < TICK_EVERY_S) {
            return Ok(());
        }
        if let Some(jump_s) = self.journal.tick(&uptime)?.jump_s {
            let message = format!(
                "the clock of this host was set by {jump_s} s; grace periods count the time that was seen to pass, so nothing is \
                 deleted earlier because of that"
            );
            self.tell(&event(Level::Warning, None, Reason::ClockSet, message));
        }
        Ok(())
    }

    fn needs_the_clock(&self, register: &Register) -> Result<bool, JournalError> {
        let ending = register.entries.values().any(Entry::may_end);
        Ok(ending || !self.journal.tombstones()?.is_empty() || self.journal.guard_counts(self.steady_s()?)?)
    }

    /// Lets instances past the guard, once, with what their files say now: a person named them, or their number.
    pub(crate) fn let_through(&self, names: &[InstanceName], cause: Option<&String>) -> Result<(), JournalError> {
        if names.is_empty() {
            return Ok(());
        }
        let permits: Vec<(InstanceName, String)> = {
            let register = self.register();
            let entry = |name: &InstanceName| Some((name.clone(), basis(register.entries.get(name)?)));
            names.iter().filter_map(entry).collect()
        };
        self.journal.permit(&permits, self.steady_s()?)?;
        for (name, _) in &permits {
            let told = event(Level::Warning, Some(name), Reason::LetThrough, "somebody let it past the guard, once");
            self.tell(&NewEvent { cause: cause.cloned(), ..told });
        }
        Ok(())
    }

    /// The same at once, from the turn of one instance: nobody has an alert of its own because of the guard.
    pub(crate) fn tell_guard_of(
        &self,
        name: &InstanceName,
        changes: &InstanceChanges,
        before: Option<&InstanceStatus>,
    ) {
        let by_guard = |holds: &[Hold]| holds.iter().any(|hold| hold.reason == HoldReason::Guard);
        let held = changes.holds.iter().find(|hold| hold.reason == HoldReason::Guard);
        let was_held = before.is_some_and(|status| by_guard(&status.holds));
        match held {
            Some(hold) if !self.board.is_raised("guard") => self.raise_guard(&[name], &hold.message),
            // Who else is held, and whether still anybody is, the look at everything knows.
            _ if held.is_some() != was_held => self.ring(Bell::Fleet),
            _ => {}
        }
    }

    fn raise_guard(&self, held: &[&InstanceName], why: &str) {
        let who = match held {
            [one] => format!("{one} is held"),
            [first, ..] => format!("{} instances are held, {first} among them", held.len()),
            [] => return,
        };
        let message = format!("{who}: {why}");
        let is_new = !self.board.is_raised("guard");
        self.board.raise("guard", Reason::GuardClosed, &message, self.now());
        if is_new {
            self.tell(&event(Level::Critical, None, Reason::GuardClosed, message));
        }
    }

    /// Tells when the guard closes and when it opens again.
    pub(crate) fn tell_guard(&self, changes: &Changes) {
        let holds = changes.instances.iter().flat_map(|(name, changes)| changes.holds.iter().map(move |it| (name, it)));
        let held: BTreeMap<&InstanceName, &Hold> = holds.filter(|(_, hold)| hold.reason == HoldReason::Guard).collect();
        match held.values().next() {
            Some(hold) => self.raise_guard(&held.keys().copied().collect::<Vec<_>>(), &hold.message),
            None => {
                if self.board.lower("guard") {
                    self.tell(&event(Level::Info, None, Reason::GuardOpen, "the guard holds nobody any more"));
                }
            }
        }
    }
}

/// What a permit is given for: this version of the file, there or gone.
fn basis(entry: &Entry) -> String {
    let there = if entry.facts.file == FileState::Missing { "missing" } else { "there" };
    format!("{} {there}", entry.facts.generation)
}
