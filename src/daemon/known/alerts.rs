//! Which alert an instance's status amounts to, and which of them the host's alerts tell already.

use crate::diff::DOWN_S;
use crate::model::changes::{Hold, HoldReason};
use crate::model::event::Reason;
use crate::model::status::{Alert, ConditionStatus, ConditionType, InstanceStatus, State};

/// What a person should know about an instance, if anything. What is told of everybody already is nothing about this one.
pub(super) fn alert(status: &InstanceStatus, is_told: impl Fn(&Hold) -> bool) -> Option<Alert> {
    let own = || status.holds.iter().filter(|hold| !is_told(hold));
    if status.state == State::Held && !status.holds.is_empty() && own().next().is_none() {
        return None;
    }
    let about = match status.state {
        State::Held if is_edge_lost(status) && is_false(status, ConditionType::Serving) => ConditionType::Serving,
        State::Failed | State::Held => ConditionType::Stalled,
        State::Orphaned => ConditionType::Orphaned,
        State::Invalid => ConditionType::SpecValid,
        State::Degraded if is_down_during_a_change(status) => ConditionType::Serving,
        State::Degraded => ConditionType::Ready,
        // Its file is broken although a good version is in force.
        _ if is_false(status, ConditionType::SpecValid) => ConditionType::SpecValid,
        _ => return None,
    };
    let condition = status.condition(about).filter(|condition| !condition.message.is_empty());
    let hold = own().find(|hold| hold.reason != HoldReason::NotHealthy).or_else(|| own().next());
    let (reason, message) = match (condition, hold) {
        (Some(condition), _) => (condition.reason.clone(), condition.message.clone()),
        (None, Some(hold)) => (hold.reason.as_str().to_owned(), hold.message.clone()),
        (None, None) => (format!("{about:?}"), status.state.as_str().to_owned()),
    };
    let since = condition.or(status.condition(ConditionType::Ready)).map(|condition| condition.since)?;
    Some(Alert { instance: Some(status.name.clone()), reason, message, since, silence: None })
}

/// The instance's own alert, whatever the host's say.
pub(crate) fn alert_of(status: &InstanceStatus) -> Option<Alert> {
    alert(status, |_| false)
}

/// True when an alert of the host says of everybody why this one is held: one outage is one alert, however many customers
/// there are.
pub(super) fn tells_of_all(host: &Alert, status: &InstanceStatus, hold: &Hold) -> bool {
    // What cannot be seen may be one's own: a database that lets nobody in.
    let is_own = hold.message.contains(&status.database);
    (host.reason == Reason::GuardClosed.as_str() && hold.reason == HoldReason::Guard)
        || (host.reason == Reason::EdgeLost.as_str() && hold.reason == HoldReason::Unseen && !is_own)
}

/// True for one that did not serve long before this alert of the host began: it has a reason of its own.
pub(super) fn was_down_before(host: &Alert, status: &InstanceStatus) -> bool {
    let serving = status.condition(ConditionType::Serving).filter(|it| it.status == ConditionStatus::False);
    serving.is_some_and(|serving| host.since.as_second() - serving.since.as_second() >= DOWN_S)
}

/// Held by nothing but a system that does not answer.
fn is_edge_lost(status: &InstanceStatus) -> bool {
    status.holds.iter().all(|hold| matches!(hold.reason, HoldReason::Unseen | HoldReason::NotHealthy))
}

/// True when the change that is being made says nothing of what visitors meet meanwhile.
fn is_down_during_a_change(status: &InstanceStatus) -> bool {
    let ready = status.condition(ConditionType::Ready);
    let says_why = ready.is_some_and(|ready| ready.status == ConditionStatus::False && ready.reason != "Changing");
    is_false(status, ConditionType::Serving) && !says_why
}

fn is_false(status: &InstanceStatus, kind: ConditionType) -> bool {
    status.condition(kind).is_some_and(|condition| condition.status == ConditionStatus::False)
}
