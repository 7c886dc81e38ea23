//! A change that concerns many instances reaches one first, then ever more; where one fails nobody else is begun with.

use super::case::{Case, Draft, Index};
use super::facts::{Facts, FileState, InstanceFacts, RollOut};
use crate::model::changes::{Changes, Hold, HoldReason, InstanceChanges};
use crate::model::name::{InstanceName, Resources};
use crate::model::step::{Origin, Step};
use crate::model::step_kind::StepKind;
use crate::model::wanted::WantedState;

/// So many instances that change together are changed one after the other.
pub const ROLL_OUT_MIN: usize = 4;
/// Steps that an edit of plans or settings gives rise to. All others (a container that died, a certificate) wait for
/// nobody.
const KINDS: [StepKind; 6] = [
    StepKind::WriteConf,
    StepKind::UpdateLimits,
    StepKind::InstallModules,
    StepKind::SetUp,
    StepKind::RecreateContainer,
    StepKind::RestartContainer,
];
/// Those of them that interrupt a customer, or lead to it.
const DISTURBING: [StepKind; 3] = [StepKind::WriteConf, StepKind::RecreateContainer, StepKind::RestartContainer];
/// What shows that a change is not through yet.
const UNDER_WAY: [HoldReason; 8] = [
    HoldReason::RollOut,
    HoldReason::DiskFull,
    HoldReason::Unseen,
    HoldReason::JobRunning,
    HoldReason::NotHealthy,
    HoldReason::Guard,
    HoldReason::ImageMissing,
    HoldReason::PasswordMissing,
];

/// Takes back the steps of a change for which this instance has to wait.
pub(super) fn wait(case: &Case<'_>, draft: &mut Draft) {
    let (facts, name, instance) = (case.facts, case.name, case.instance);
    if !runs(facts, name) {
        // Whoever is down is disturbed by nothing, and comes up whatever becomes of the others.
        return;
    }
    let Some(own) = instance.roll_out.filter(|own| !own.done) else { return announce(case, draft) };
    let of_wave = || {
        let peers = facts.instances.iter().filter(move |(_, it)| it.roll_out.is_some_and(|it| it.wave == own.wave));
        peers.filter(|(_, it)| takes_part(it))
    };
    let is_done = |it: &InstanceFacts| it.roll_out.is_some_and(|it| it.done);
    let is_late = |it: &InstanceFacts| it.roll_out.is_some_and(|it| it.late);
    // Whoever fails tries first: all others wait for that. Whoever did not serve before tries last.
    let pending = || {
        let all = of_wave().filter(|(_, it)| !is_done(it));
        let (late, in_time): (Vec<_>, Vec<_>) = all.partition(|(_, it)| is_late(it));
        let stands = |(name, it): &(&InstanceName, &InstanceFacts)| fault(name, it, case.index).is_some();
        let (failed, others): (Vec<_>, Vec<_>) = in_time.into_iter().partition(stands);
        let (hopeless, late): (Vec<_>, Vec<_>) = late.into_iter().partition(stands);
        failed.into_iter().chain(others).chain(late).chain(hopeless).map(|(name, _)| name)
    };
    // One, then two, then four: each time as many as have it already, and never more than the guard allows at once.
    let most = case.index.map_or(1, |index| index.guard().updates_at_once());
    let at_once = of_wave().filter(|(_, it)| is_done(it)).count().clamp(1, most);
    // Who failed itself keeps its place, whoever failed beside it: two that wait for each other would wait for ever.
    let of_others = || of_wave().filter(|(_, it)| !is_late(it)).find_map(|(other, it)| fault(other, it, case.index));
    let stopped = fault(name, instance, case.index).is_none().then(of_others).flatten();
    let message = match stopped {
        Some(why) => format!("the change of many instances {why}"),
        None if pending().next().is_none() || pending().take(at_once).any(|first| first == name) => return,
        None => {
            let first: Vec<&str> = pending().take(at_once).map(InstanceName::as_str).collect();
            let (first, all) = (first.join(", "), pending().count());
            format!(
                "the change reaches {first} first, of {all} that still wait for it; `innkeeper info` says how they do"
            )
        }
    };
    hold_back(draft, &format!("{message}; `innkeeper retry {name}` does not wait"));
}

/// An image that was pulled anew concerns all whose containers are of the former one: nobody is begun with, whoever has a
/// turn first, before a roll-out began.
fn announce(case: &Case<'_>, draft: &mut Draft) {
    let recreates =
        |step: &Step| step.action.kind() == StepKind::RecreateContainer && is_not_meant(case.instance, step);
    let (Some(engine), Some(image)) = (case.engine, case.image().filter(|_| draft.steps().iter().any(recreates)))
    else {
        return;
    };
    let services = case.facts.instances.iter().filter(|(_, it)| takes_part(it)).filter_map(|(name, it)| {
        it.wanted.as_deref().filter(|wanted| wanted.image == case.wanted.image)?;
        let service = engine.services.get(&Resources::of(name).container).filter(|service| service.running)?;
        // One of another release is upgraded by a person, not by a roll-out.
        let is_former = service.image == case.wanted.image && service.image_id != image.id;
        (is_former && !waits(it)).then_some(())
    });
    let count = services.count();
    if count >= ROLL_OUT_MIN && takes_part(case.instance) {
        let image = &case.wanted.image;
        hold_back(
            draft,
            &format!("image {image} is another one now, for {count} instances: it reaches one of them first"),
        );
    }
}

fn hold_back(draft: &mut Draft, message: &str) {
    let is_of_change = |step: &Step| KINDS.contains(&step.action.kind()) && step.origin != Origin::Requested;
    draft.hold_back(HoldReason::RollOut, message, is_of_change);
}

/// Instances whose containers would be made anew or restarted although their own files did not change: an image that was
/// pulled anew, files that were restored, a new Innkeeper. Those that are part of a roll-out already are not among them.
pub fn disturbed(facts: &Facts, changes: &Changes) -> Vec<InstanceName> {
    let is_concerned = |(name, it): &(&InstanceName, &InstanceChanges)| {
        let Some(instance) = facts.instances.get(*name) else { return false };
        let disturbs = |step: &Step| DISTURBING.contains(&step.action.kind()) && is_not_meant(instance, step);
        let concerned = it.steps.iter().any(disturbs) || awaits_roll_out(it);
        concerned && runs(facts, name) && takes_part(instance) && !waits(instance)
    };
    changes.instances.iter().filter(is_concerned).map(|(name, _)| name.clone()).collect()
}

/// Nobody edited its file or asked for it. That is more than drift: after a lost journal all is new, and nothing is drift.
fn is_not_meant(instance: &InstanceFacts, step: &Step) -> bool {
    !instance.updating && step.origin != Origin::Requested
}

/// True when something waits for a roll-out, one that goes on or one that has to begin.
pub fn awaits_roll_out(changes: &InstanceChanges) -> bool {
    changes.holds.iter().any(|hold| hold.reason == HoldReason::RollOut)
}

/// True when the instance has the change: nothing is left to do, since only then it was asked whether it serves, and it
/// serves. One that did not serve before need not serve now, once another that did has shown that the change is good.
pub fn is_through(facts: &Facts, name: &InstanceName, changes: &InstanceChanges) -> bool {
    let instance = facts.instances.get(name);
    let Some((instance, own)) = instance.and_then(|it| Some((it, it.roll_out?))) else { return true };
    let serves = |it: &RollOut| it.wave == own.wave && it.done && !it.late;
    let is_proof = |it: &InstanceFacts| it.roll_out.as_ref().is_some_and(serves) && takes_part(it);
    let excused = own.late && facts.instances.values().any(is_proof);
    let waits = |hold: &Hold| UNDER_WAY.contains(&hold.reason) && !(excused && hold.reason == HoldReason::NotHealthy);
    let failed = failure(instance).is_some() || facts.has_lost_data(instance, &Resources::of(name));
    changes.steps.is_empty() && !changes.holds.iter().any(waits) && (excused || !failed)
}

/// True when a failure of the step with this key is one that a roll-out stops at.
pub fn stops_at(key: &str) -> bool {
    KINDS.iter().any(|kind| kind.as_str() == key)
}

/// True while it is part of a roll-out and has not had the change.
pub fn waits(instance: &InstanceFacts) -> bool {
    instance.roll_out.is_some_and(|own| !own.done)
}

fn runs(facts: &Facts, name: &InstanceName) -> bool {
    let services = facts.live.engine.known().map(|engine| &engine.services);
    services.and_then(|services| services.get(&Resources::of(name).container)).is_some_and(|service| service.running)
}

/// Who is left alone anyway, or whose file is broken or gone, holds up nobody.
fn takes_part(instance: &InstanceFacts) -> bool {
    let wanted = instance.wanted.as_deref();
    instance.file == FileState::Valid
        && wanted.is_some_and(|wanted| !wanted.suspended && wanted.state == WantedState::Running)
}

/// Why a roll-out stops at this instance, as the end of a sentence about the change: it failed there, or the data are gone,
/// and nobody can tell whether the change did that.
fn fault(name: &InstanceName, instance: &InstanceFacts, index: Option<&Index<'_>>) -> Option<String> {
    if let Some(why) = failure(instance) {
        return Some(format!("failed for {name} and stops here: {why}; `innkeeper retry {name}` tries it again"));
    }
    let lost = index.is_some_and(|index| index.has_lost_data(name));
    lost.then(|| format!("stops at {name}, whose data is gone or not marked as its own: see `innkeeper info {name}`"))
}

fn failure(instance: &InstanceFacts) -> Option<&str> {
    instance.failures.iter().find(|(key, _)| stops_at(key)).map(|(_, failure)| failure.message.as_str())
}
