//! What comes after a turn: at once while something was done, soon while health is waited for, later after a failure.

use crate::apply::Outcome;
use crate::daemon::known::keeper::{Keeper, event};
use crate::daemon::queue::schedule::Next;
use crate::diff::facts::{Facts, Failure, InstanceFacts};
use crate::model::backoff;
use crate::model::changes::{HoldReason, InstanceChanges};
use crate::model::event::{Level, Reason};
use crate::model::name::InstanceName;
use crate::model::time::Timestamp;
use std::time::Duration;

/// So many turns in a row may do something at once; one that never settles is slowed down after that.
pub(super) const RESTLESS_TURNS_MAX: u32 = 12;
/// An instance that was started is asked again this soon.
const HEALTH_WAIT_FIRST: Duration = Duration::from_secs(1);
/// And this late, when it does not answer for long.
const HEALTH_WAIT_MAX: Duration = Duration::from_secs(30);
/// So many times in a row it is asked that soon: Odoo's first answer takes about 2 s, on a busy host 30.
const HEALTH_SOON_TURNS: u32 = 30;

/// Longer grace periods are found by the looks at everything, one a minute.
const PURGE_WAIT_MAX: Duration = Duration::from_mins(1);
/// The steady clock counts whole seconds.
const PURGE_WAIT_SPARE: Duration = Duration::from_secs(2);

/// What comes after this turn. `work_done` counts the long work that ended well since the turn before.
pub(super) fn next(
    keeper: &Keeper,
    name: &InstanceName,
    facts: &Facts,
    changes: &InstanceChanges,
    outcome: &Outcome,
    work_done: u64,
) -> Next {
    let mut register = keeper.register();
    let Some(entry) = register.entries.get_mut(name) else { return Next::Quiet };
    if !outcome.done.is_empty() || !outcome.failed.is_empty() || work_done > 0 {
        entry.unhealthy = 0;
        entry.restless = entry.restless.saturating_add(1);
        // Look at once at what came of it: the next step, or the reason to wait.
        return match entry.restless.checked_sub(RESTLESS_TURNS_MAX) {
            None | Some(0) => Next::Again(Duration::ZERO),
            Some(surplus) => {
                tell_restless(keeper, name, surplus);
                Next::Again(backoff::wait(surplus, (keeper.place.chance)()))
            }
        };
    }
    if keeper.work.of(name).is_empty() {
        entry.restless = 0;
    }
    if holds(changes, HoldReason::Unseen) {
        return Next::Failed;
    }
    let mut wait: Option<Duration> = None;
    if facts.instances.get(name).is_some_and(|instance| waits_for_health(instance, changes)) || loads(facts) {
        entry.unhealthy = entry.unhealthy.saturating_add(1);
        wait = Some(health_wait(entry.unhealthy));
    } else {
        entry.unhealthy = 0;
    }
    if is_tried_again(changes) {
        wait = wait.into_iter().chain(until_next_try(facts, name)).min();
    }
    wait.into_iter().chain(until_purge(facts, name)).min().map_or(Next::Quiet, Next::Again)
}

/// A grace period that ends before the next look at everything is waited for here.
fn until_purge(facts: &Facts, name: &InstanceName) -> Option<Duration> {
    let purge_after = facts.instances.get(name)?.ending.tombstone.as_ref()?.purge_after;
    let left = Duration::try_from(purge_after.duration_since(facts.now)).ok()?;
    (left > Duration::ZERO && left < PURGE_WAIT_MAX).then_some(left + PURGE_WAIT_SPARE)
}

/// True when nothing but time is needed: a container that starts, a job that an earlier process began. Long work of this
/// process wakes its instance when it has ended.
pub(super) fn waits_for_health(instance: &InstanceFacts, changes: &InstanceChanges) -> bool {
    // What does not answer because of them is not asked again and again.
    let waits_for_a_person =
        |reason: HoldReason| reason.needs_a_person() || matches!(reason, HoldReason::Guard | HoldReason::Suspended);
    let for_a_person = changes.holds.iter().any(|hold| waits_for_a_person(hold.reason));
    let job = holds(changes, HoldReason::JobRunning) && instance.work.is_empty();
    job || holds(changes, HoldReason::NotHealthy) && !for_a_person
}

/// True while nginx loads a generation, somebody else's perhaps: in a moment the site is as this turn left it.
fn loads(facts: &Facts) -> bool {
    facts.live.proxy.known().is_some_and(|proxy| proxy.running && proxy.loaded != proxy.current)
}

/// Something that is done again and again is undone by somebody else, or is a fault of ours.
fn tell_restless(keeper: &Keeper, name: &InstanceName, surplus: u32) {
    if surplus == 1 {
        let message = "it does not come to rest: what is done is undone again; it is slowed down";
        keeper.tell(&event(Level::Warning, Some(name), Reason::NotSettling, message));
    }
}

fn health_wait(turns: u32) -> Duration {
    let late = turns.saturating_sub(HEALTH_SOON_TURNS);
    (HEALTH_WAIT_FIRST * late.saturating_add(1)).min(HEALTH_WAIT_MAX)
}

pub(super) fn until_next_try(facts: &Facts, name: &InstanceName) -> Option<Duration> {
    until(facts.instances.get(name)?.failures.values(), facts.now)
}

/// Until the first of these is tried again.
pub(super) fn until<'a>(failures: impl Iterator<Item = &'a Failure>, now: Timestamp) -> Option<Duration> {
    let next_try = failures.filter_map(|failure| failure.next_try).filter(|next_try| *next_try > now).min()?;
    Duration::try_from(next_try.duration_since(now)).ok()
}

/// Something failed and is tried again at its time.
pub(super) fn is_tried_again(changes: &InstanceChanges) -> bool {
    changes.holds.iter().any(|hold| hold.reason.is_tried_again())
}

pub(super) fn holds(changes: &InstanceChanges, reason: HoldReason) -> bool {
    changes.holds.iter().any(|hold| hold.reason == reason)
}
