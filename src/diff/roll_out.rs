//! A change that concerns many instances reaches one first, then ever more; where one fails nobody else is begun with.

use super::case::{Case, Draft};
use super::facts::{FileState, InstanceFacts};
use crate::model::changes::{HoldReason, InstanceChanges};
use crate::model::name::InstanceName;
use crate::model::step::Origin;
use crate::model::wanted::WantedState;

/// Steps that an edit of plans or settings gives rise to. All others (a container that died, a certificate) wait for
/// nobody.
const KINDS: [&str; 6] =
    ["write-conf", "update-limits", "install-modules", "set-up", "recreate-container", "restart-container"];
/// What shows that a change is not through yet.
const UNDER_WAY: [HoldReason; 6] = [
    HoldReason::RollOut,
    HoldReason::Unseen,
    HoldReason::JobRunning,
    HoldReason::NotHealthy,
    HoldReason::Guard,
    HoldReason::ImageMissing,
];

/// Takes back the steps of a change for which this instance has to wait.
pub(super) fn wait(case: &Case<'_>, draft: &mut Draft) {
    let (facts, name, instance) = (case.facts, case.name, case.instance);
    let Some(own) = instance.roll_out.filter(|own| !own.done) else { return };
    let of_wave = || {
        let peers = facts.instances.iter().filter(move |(_, it)| it.roll_out.is_some_and(|it| it.wave == own.wave));
        peers.filter(|(_, it)| takes_part(it))
    };
    let is_done = |it: &InstanceFacts| it.roll_out.is_some_and(|it| it.done);
    let pending = || of_wave().filter(|(_, it)| !is_done(it)).map(|(name, _)| name);
    // One, then two, then four: each time as many as have it already.
    let at_once = of_wave().filter(|(_, it)| is_done(it)).count().max(1);
    let failed = of_wave().filter(|(other, _)| *other != name).find(|(_, it)| failure(it).is_some());
    let message = match failed {
        Some((other, it)) => format!(
            "the change of many instances failed for {other} and stops here: {}",
            failure(it).unwrap_or_default()
        ),
        None if pending().take(at_once).any(|first| first == name) => return,
        None => {
            let first: Vec<&str> = pending().take(at_once).map(InstanceName::as_str).collect();
            format!("the change reaches {} first, of {} that still wait for it", first.join(", "), pending().count())
        }
    };
    let before = draft.steps().len();
    let of_change = |kind: &str, origin: Origin| KINDS.contains(&kind) && origin != Origin::Requested;
    draft.changes_mut().remove_with_dependents(|step| of_change(step.action.kind(), step.origin));
    if draft.steps().len() < before {
        draft.hold(HoldReason::RollOut, format!("{message}; `innkeeper retry {name}` does not wait"));
    }
}

/// True when the instance has the change: nothing of it is left to do, and it serves.
pub fn is_through(instance: &InstanceFacts, changes: &InstanceChanges) -> bool {
    let step = changes.steps.iter().any(|step| KINDS.contains(&step.action.kind()));
    let under_way = changes.holds.iter().any(|hold| UNDER_WAY.contains(&hold.reason));
    !step && !under_way && failure(instance).is_none()
}

/// Who is left alone anyway, or whose file is broken or gone, holds up nobody.
fn takes_part(instance: &InstanceFacts) -> bool {
    let wanted = instance.wanted.as_deref();
    instance.file == FileState::Valid
        && wanted.is_some_and(|wanted| !wanted.suspended && wanted.state == WantedState::Running)
}

fn failure(instance: &InstanceFacts) -> Option<&str> {
    let of_change = |key: &str| KINDS.contains(&key);
    instance.failures.iter().find(|(key, _)| of_change(key)).map(|(_, failure)| failure.message.as_str())
}
