//! Whether a customer's users are served, and from when on a person has to know that they are not.
//!
//! Judged by what the facts say now and since when it is so, never by the word that was told before: a customer who was
//! down before its file was touched is down afterwards, too.

use super::case::Case;
use super::conditions::{NO_CERTIFICATE, Verdict};
use super::proof;
use crate::model::changes::InstanceChanges;
use crate::model::service::Owner;
use crate::model::status::{Condition, ConditionStatus, ConditionType, InstanceStatus};
use crate::model::step::Origin;
use crate::model::time::Timestamp;
use crate::model::wanted::WantedState;

/// A change that takes longer than this and leaves the customer without an answer is told, whatever is still to be done.
/// Odoo starts within 2 s, on a busy host within 30 s. With the time until somebody looks it makes five minutes at most.
pub const DOWN_S: i64 = 180;
/// What was changed behind our back and is repaired within this time opens no alert: a person who is woken by it finds nothing.
const REPAIR_S: i64 = 60;
/// Within so many seconds these many starts by the engine itself are a loop. The engine waits a minute at most between two.
const LOOP_WITHIN_S: i64 = 300;
const LOOP_STARTS_MIN: usize = 3;

/// Whether visitors are served. None for whom that is not asked: it was never set up, or is not to serve.
pub(super) fn serving(case: &Case<'_>, lacking: &[String], previous: Option<&InstanceStatus>) -> Option<Verdict> {
    let kind = ConditionType::Serving;
    if case.wanted.state != WantedState::Running || !case.is_provisioned() {
        return None;
    }
    let faults = proof::faults(case);
    if !faults.is_empty() {
        return Some(Verdict::new(kind, ConditionStatus::False, "NotHealthy", faults.join("; ")));
    }
    if !lacking.is_empty() {
        let message = format!("browsers warn of its certificate: {}", lacking.join("; "));
        return Some(Verdict::new(kind, ConditionStatus::False, NO_CERTIFICATE, message));
    }
    if proof::is_asked(case) {
        return Some(Verdict::new(kind, ConditionStatus::True, "Proven", ""));
    }
    // A pass over the whole fleet does not ask every host each time: what was seen last holds until it is asked again.
    let before = previous.and_then(|status| status.condition(kind)).filter(|before| before.reason != NO_CERTIFICATE);
    Some(match before {
        Some(before) => Verdict::new(kind, before.status, &before.reason, before.message.clone()),
        None => Verdict::new(kind, ConditionStatus::Unknown, "NotAsked", "its login page was not asked for yet"),
    })
}

/// Why its container does not stay up; none for one that does.
pub(super) fn restart_loop(case: &Case<'_>) -> Option<String> {
    let live = case.service()?;
    let recent = case.instance.crashes.iter().filter(|at| {
        let age_s = case.facts.now.as_second() - at.as_second();
        (0..LOOP_WITHIN_S).contains(&age_s)
    });
    let starts = recent.count();
    (live.restarting || starts >= LOOP_STARTS_MIN).then(|| {
        format!(
            "Odoo ends by itself again and again, and Docker has started it {} times: `innkeeper logs {} -n 100` shows its \
             last words",
            live.restarts, case.name
        )
    })
}

/// True when somebody has to know: it is wanted, was set up, and does not serve, for a reason that no change explains or for
/// longer than any change may take.
pub(super) fn is_degraded(case: &Case<'_>, changes: &InstanceChanges, conditions: &[Condition]) -> bool {
    if case.wanted.state != WantedState::Running || !case.is_provisioned() {
        return false;
    }
    let not_true = |kind: ConditionType| {
        let found = conditions.iter().find(|condition| condition.kind == kind);
        found.filter(|condition| condition.status != ConditionStatus::True)
    };
    let age_s = |condition: &Condition| case.facts.now.as_second() - condition.since.as_second();
    let lasts = |condition: &Condition| age_s(condition) >= DOWN_S;
    let down = not_true(ConditionType::Serving).filter(|it| it.status == ConditionStatus::False);
    let drifted = conditions.iter().find(|it| it.kind == ConditionType::Drifted && it.status == ConditionStatus::True);
    let fails = changes.holds.iter().any(|hold| hold.reason.is_tried_again());
    let is_settled = !case.instance.updating && case.origin() == Origin::Drift;
    match () {
        () if restart_loop(case).is_some() => true,
        () if down.is_some_and(lasts) => true,
        () if fails && (is_settled || not_true(ConditionType::Ready).is_some_and(lasts)) => true,
        () if drifted.is_some_and(|drifted| age_s(drifted) >= REPAIR_S) => true,
        () if drifted.is_some() => false,
        () => is_settled && changes.steps.is_empty() && down.is_some_and(|down| !was_started_for(case, down.since)),
    }
}

/// True when its container was started just before it was first seen not to answer, or since: somebody asked for that, or it was
/// repaired, and it is given the time that a start takes. One that the engine started by itself had ended by itself.
fn was_started_for(case: &Case<'_>, down_since: Timestamp) -> bool {
    let own = |owner: &Owner| owner.tag().is_some_and(|tag| tag.uid == case.instance.uid);
    let Some(live) = case.service().filter(|live| own(&live.owner) && live.restarts == 0) else { return false };
    live.started_at.is_some_and(|at| down_since.as_second() - at.as_second() < DOWN_S)
}
