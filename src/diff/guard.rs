//! Reasons to wait although something is to be done: a full disk, a step that failed before, a wish to leave it alone.

use super::case::{Case, Draft};
use crate::model::changes::HoldReason;
use crate::model::secret::digest;
use crate::model::size::Bytes;
use crate::model::step::Action;

/// A new database, its modules and a first filestore need about 200 MiB; PostgreSQL stops for good on a full disk.
const DISK_FREE_BYTES_MIN: u64 = 1 << 30;

/// Nothing is made on a disk that is nearly full.
pub(super) fn disk(case: &Case<'_>, draft: &mut Draft) {
    let Some(free) = case.facts.disk_free_bytes.filter(|free| *free < DISK_FREE_BYTES_MIN) else { return };
    let before = draft.steps().len();
    draft.changes_mut().remove_with_dependents(|step| {
        matches!(step.action, Action::CreateDatabase(_) | Action::CreateVolume { .. } | Action::RunJob(_))
    });
    if draft.steps().len() < before {
        let message = format!(
            "only {} are free where Docker and PostgreSQL keep their data, and {} are wanted before anything is made: free some space",
            Bytes(free),
            Bytes(DISK_FREE_BYTES_MIN)
        );
        draft.hold(HoldReason::DiskFull, message);
    }
}

/// A step that failed is not tried again before its time, or before its input changed; what comes after it waits too.
pub(super) fn failures(case: &Case<'_>, draft: &mut Draft) {
    let mut holds = Vec::new();
    draft.changes_mut().remove_with_dependents(|step| {
        let Some(failure) = case.instance.failures.get(step.key()) else { return false };
        let same_input = failure.input == digest(&step.action);
        if failure.permanent && same_input {
            let message = format!(
                "{}: {}; it is tried again when its file changes or by `innkeeper retry {}`",
                step.action.kind(),
                failure.message,
                case.name
            );
            holds.push((HoldReason::Failed, message));
            return true;
        }
        let waits = failure.generation == case.instance.generation && same_input;
        match failure.next_try.filter(|next_try| waits && *next_try > case.facts.now) {
            Some(next_try) => {
                let message = format!(
                    "{}: {}; attempt {} failed, the next is due at {next_try}",
                    step.action.kind(),
                    failure.message,
                    failure.attempts
                );
                holds.push((HoldReason::BackOff, message));
                true
            }
            None => false,
        }
    });
    for (reason, message) in holds {
        draft.hold(reason, message);
    }
}

/// `suspended = true`: what would be done is told and not done.
pub(super) fn suspended(draft: &mut Draft) {
    let kinds: Vec<&str> = draft.steps().iter().map(|step| step.action.kind()).collect();
    let message = match kinds.len() {
        0 => "suspended = true: it is looked at and left alone".to_owned(),
        _ => format!("suspended = true: not done are {}", kinds.join(", ")),
    };
    draft.changes_mut().steps.clear();
    draft.hold(HoldReason::Suspended, message);
}
