//! Long work that goes on while other things are decided: it is not begun twice, what comes after it waits, and what is not
//! asked for any more is ended where that loses nothing.

use super::case::{Case, Draft};
use super::facts::{FileState, LongWork};
use crate::model::changes::HoldReason;
use crate::model::step::{Action, Step};
use crate::model::step_kind::StepKind;
use crate::model::wanted::WantedState;

/// Takes back the steps that are being done, and all that come after them.
pub(super) fn wait(case: &Case<'_>, draft: &mut Draft) {
    for (key, going) in &case.instance.work {
        let drafted = draft.steps().iter().find(|step| step.key() == key);
        if drafted.is_some_and(|step| step.action.work().as_ref() == Some(&going.work)) {
            draft.hold_back(HoldReason::JobRunning, &message(key, going), |step| step.key() == key);
        } else if !going.running {
            draft.changes_mut().let_go.push(key.clone());
        } else {
            other_is_asked_for(case, key, going, draft);
        }
    }
}

/// What runs is not what is asked for now. Nothing else is done beside a backup; that of somebody who is wanted again is ended,
/// since half of one is worth nothing and its customer waits. A job is waited for, because half an installation is worse than
/// none; and so is a certificate, which is used or not.
fn other_is_asked_for(case: &Case<'_>, key: &str, going: &LongWork, draft: &mut Draft) {
    let is = |kind: StepKind| key == kind.as_str();
    if is(StepKind::BackUp) || is(StepKind::VerifyBackup) {
        draft.changes_mut().steps.clear();
        draft.hold(HoldReason::JobRunning, message(key, going));
        // Of whoever ends it may only be that a system could not be looked at now.
        if case.wanted.state != WantedState::Absent && case.instance.file != FileState::Missing {
            draft.changes_mut().let_go.push(key.to_owned());
        }
        return;
    }
    let is_job = is(StepKind::InstallModules) || is(StepKind::SetUp);
    // Two jobs at once would work on the same database.
    let waits = |step: &Step| step.key() == key || is_job && matches!(step.action, Action::RunJob(_));
    draft.hold_back(HoldReason::JobRunning, &message(key, going), waits);
}

fn message(key: &str, going: &LongWork) -> String {
    match going.running {
        true => format!("{key} goes on; it is waited for"),
        false => format!("{key} waits until others have ended: only a few run at once"),
    }
}
