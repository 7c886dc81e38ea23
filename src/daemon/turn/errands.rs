//! What people asked for once: forgetting failures before a turn decides, and the end of what a turn carried out.

use super::after::{holds, is_tried_again};
use crate::apply::Outcome;
use crate::daemon::known::keeper::{Keeper, event};
use crate::diff::facts::Facts;
use crate::journal::JournalError;
use crate::model::changes::{HoldReason, InstanceChanges};
use crate::model::errand::ErrandKind;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::{InstanceName, Resources};
use crate::model::step_kind::StepKind;
use crate::model::wanted::WantedState;

/// Forgets failures where somebody asked for that.
pub(super) fn retry(keeper: &Keeper, name: &InstanceName) -> Result<(), JournalError> {
    for errand in keeper.journal.errands(name)?.into_iter().filter(|errand| errand.kind == ErrandKind::Retry) {
        keeper.journal.clear_failures(name)?;
        // Only whoever is kept waiting goes on alone. Who has the change, or failed with it, tries again for all others.
        if keeper.board().get(name).is_some_and(|status| status.holds.iter().any(|it| it.reason == HoldReason::RollOut))
        {
            keeper.journal.leave_roll_out(name)?;
        }
        keeper.journal.end_errand(errand.id)?;
        if let Some(entry) = keeper.register().entries.get_mut(name) {
            (entry.restless, entry.unhealthy) = (0, 0);
        }
        let told = event(
            Level::Info,
            Some(name),
            Reason::Retried,
            "failures and their waiting times are forgotten: it is tried again now",
        );
        keeper.tell(&NewEvent { cause: Some(format!("asked by {}", errand.by)), ..told });
    }
    Ok(())
}

/// Ends restarts that were carried out, and those for which there is nothing to do.
pub(super) fn end(
    keeper: &Keeper,
    name: &InstanceName,
    facts: &Facts,
    changes: &InstanceChanges,
    outcome: &Outcome,
) -> Result<(), JournalError> {
    let Some(instance) = facts.instances.get(name) else { return Ok(()) };
    let starts =
        [StepKind::RestartContainer, StepKind::CreateContainer, StepKind::RecreateContainer, StepKind::StartContainer];
    let started =
        changes.steps.iter().any(|step| starts.contains(&step.action.kind()) && outcome.done.contains(&step.id));
    let waits = [HoldReason::Unseen, HoldReason::JobRunning, HoldReason::NotHealthy];
    let waits = waits.iter().any(|reason| holds(changes, *reason)) || is_tried_again(changes);
    let is_starting = changes.steps.iter().any(|step| starts.contains(&step.action.kind()));
    // Whose data were being deleted gets a container by this, in one of the next turns.
    let comes_back = instance.ending.tombstone.is_some();
    let nothing_there = has_no_container(name, facts) && !is_starting && !comes_back;
    let dropped = nothing_there || (changes.steps.is_empty() && !waits);
    // Another try that was asked for meanwhile is the next turn's.
    let restarts = instance.errands.iter().filter(|errand| errand.kind == ErrandKind::Restart);
    for errand in restarts.filter(|_| started || dropped) {
        keeper.journal.end_errand(errand.id)?;
        let running = instance.wanted.as_ref().is_some_and(|wanted| wanted.state == WantedState::Running);
        let told = match (started, running) {
            (true, _) => event(Level::Info, Some(name), Reason::ErrandDone, "its container was started anew"),
            (false, true) if nothing_there => event(
                Level::Warning,
                Some(name),
                Reason::ErrandDropped,
                "it was not restarted: it has no container, and is started when it gets one",
            ),
            (false, false) => event(
                Level::Warning,
                Some(name),
                Reason::ErrandDropped,
                "it was not restarted: its file says that it is stopped",
            ),
            (false, true) => event(
                Level::Warning,
                Some(name),
                Reason::ErrandDropped,
                "it was not restarted: something holds it, see `innkeeper info`",
            ),
        };
        keeper.tell(&NewEvent { cause: Some(format!("asked by {}", errand.by)), ..told });
    }
    Ok(())
}

/// Its container is not there, as far as that could be seen.
fn has_no_container(name: &InstanceName, facts: &Facts) -> bool {
    facts.live.engine.known().is_some_and(|engine| !engine.services.contains_key(&Resources::of(name).container))
}
