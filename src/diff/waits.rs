//! Reasons to wait although something is to be done: a full disk, a step that failed before, a wish to leave it alone.

use super::case::{Case, Draft};
use super::ending;
use super::facts::{Failure, FileState};
use super::guard::Disruption;
use crate::model::changes::HoldReason;
use crate::model::site::SitePage;
use crate::model::size::Bytes;
use crate::model::step::{Action, Origin};
use crate::model::step_kind::StepKind;
use crate::model::time::Timestamp;
use std::collections::BTreeMap;

/// A new database, its modules and a first filestore need about 200 MiB; PostgreSQL stops for good on a full disk.
const DISK_FREE_BYTES_MIN: u64 = 1 << 30;

/// No wait is longer, an authority's Retry-After included (Let's Encrypt's longest window is a week).
const WAIT_S_MAX: i64 = 8 * 86_400;
/// The same drift is repaired so often within an hour ([`super::facts::REPAIRS_WITHIN_S`]) before it is a fight: more than
/// somebody's mistakes.
const REPAIRS_MAX: usize = 5;
/// The first wait in a fight, in seconds; it doubles.
const FIGHT_WAIT_S_FIRST: i64 = 60;
/// No wait is longer than half an hour.
const FIGHT_DOUBLINGS_MAX: usize = 5;

/// Nothing is made on a disk that is nearly full.
pub(super) fn disk(case: &Case<'_>, draft: &mut Draft) {
    let Some(free) = case.facts.disk_free_bytes.filter(|free| *free < DISK_FREE_BYTES_MIN) else { return };
    let message = format!(
        "only {} are free where Docker and PostgreSQL keep their data, and {} are wanted before anything is made: free some space",
        Bytes(free),
        Bytes(DISK_FREE_BYTES_MIN)
    );
    draft.hold_back(HoldReason::DiskFull, &message, |step| {
        matches!(step.action, Action::CreateDatabase(_) | Action::CreateVolume { .. } | Action::RunJob(_))
    });
}

/// No final backup is begun that would not fit: where it goes others' data may be, and half a backup helps nobody. A dump is
/// smaller than its database; a filestore that was never measured counts for nothing, and the archive itself stops in time.
pub(super) fn room(case: &Case<'_>, draft: &mut Draft) {
    let Some(free) = case.archive.and_then(|archive| archive.free_bytes) else { return };
    let before = draft.steps().len();
    let mut wanted = 0;
    draft.changes_mut().remove_with_dependents(|step| {
        let Action::BackUp(spec) = &step.action else { return false };
        let database = case.database_object().filter(|_| spec.database.is_some()).map_or(0, |it| it.size_bytes);
        let filestore = case.instance.ending.filestore_bytes.filter(|_| spec.filestore.is_some()).unwrap_or(0);
        wanted = database.saturating_add(filestore).saturating_add(DISK_FREE_BYTES_MIN);
        free < wanted
    });
    if draft.steps().len() < before {
        let message = format!(
            "its final backup may take {}, only {} are free in {}, and {} stay free: free some space; nothing of it is deleted before",
            Bytes(wanted - DISK_FREE_BYTES_MIN),
            Bytes(free),
            case.facts.settings.backup.directory.display(),
            Bytes(DISK_FREE_BYTES_MIN)
        );
        draft.hold(HoldReason::DiskFull, message);
    }
}

/// What the guard against mass changes refuses is held, whole: a stop without its page, or half a purge, helps nobody.
pub(super) fn guard(case: &Case<'_>, draft: &mut Draft) {
    let Some(index) = case.index.filter(|_| !draft.steps().is_empty()) else { return };
    if let Some((disruption, why)) = index.guard().refused(case.name) {
        draft.hold_back(HoldReason::Guard, &why, |step| match disruption {
            Disruption::Retire | Disruption::Purge => true,
            Disruption::Stop => match &step.action {
                Action::StopService { .. } => true,
                Action::PutSite(row) => row.page == SitePage::Stopped,
                _ => false,
            },
        });
    }
    if let Some(why) = index.guard().refused_update(case.name) {
        draft.hold_back(HoldReason::Guard, &why, |step| {
            matches!(
                step.action,
                Action::RecreateService { .. }
                    | Action::RestartService { .. }
                    | Action::UpdateLimits { .. }
                    | Action::WriteConf { .. }
                    | Action::RunJob(_)
            ) && step.origin == Origin::Intended
        });
    }
}

/// What was retired goes no further while nobody can tell whether its file is back.
pub(super) fn unlisted(case: &Case<'_>, draft: &mut Draft) {
    let is_known = case.instance.file != FileState::Missing || case.facts.is_file_gone(case.instance);
    if is_known || draft.steps().is_empty() {
        return;
    }
    draft.changes_mut().steps.clear();
    draft.hold(HoldReason::Guard, ending::UNLISTED);
}

/// What is known of steps that were done or tried before.
pub(super) struct Past<'a> {
    /// Those that failed.
    pub(super) failures: &'a BTreeMap<String, Failure>,
    /// Those that repaired drift.
    pub(super) repairs: &'a BTreeMap<String, Vec<Timestamp>>,
    /// The version of the file now.
    pub(super) generation: u64,
    pub(super) now: Timestamp,
    /// How people ask for another try.
    pub(super) retry: String,
}

/// A step that failed is not tried again before its time, or before its input changed; what comes after it waits too.
pub(super) fn failures(past: &Past<'_>, draft: &mut Draft) {
    let mut holds = Vec::new();
    draft.changes_mut().remove_with_dependents(|step| {
        let Some(failure) = past.failures.get(step.key()) else { return false };
        let same_input = failure.input == step.input();
        if failure.permanent && same_input {
            let message = format!(
                "{}: {} is tried again when its file changes or by `{}`",
                step.action.kind(),
                and_it(&failure.message),
                past.retry
            );
            holds.push((HoldReason::Failed, message));
            return true;
        }
        let waits = failure.generation == past.generation && same_input;
        match failure.next_try.filter(|next_try| waits && is_ahead(*next_try, past.now)) {
            Some(_) if step.action.kind() == StepKind::ObtainCertificate => {
                let message = format!("{} is tried again by itself", and_it(&failure.message));
                holds.push((HoldReason::NoCertificate, message));
                true
            }
            Some(_) => {
                let message = format!(
                    "{}: {} is tried again by itself; attempt {} failed",
                    step.action.kind(),
                    and_it(&failure.message),
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

/// `no disk; it`, and `did you mean "sale"? It`: the beginning of what is said after a message.
fn and_it(message: &str) -> String {
    let ends = message.ends_with(['?', '.', '!']);
    format!("{message}{} {}", if ends { "" } else { ";" }, if ends { "It" } else { "it" })
}

/// A time that is further away than any wait was noted before somebody set the clock back.
fn is_ahead(next_try: Timestamp, now: Timestamp) -> bool {
    (1..=WAIT_S_MAX * 1_000).contains(&(next_try.as_millisecond() - now.as_millisecond()))
}

/// The same drift that comes back again and again is somebody else's doing: it is repaired less and less often.
pub(super) fn fights(past: &Past<'_>, draft: &mut Draft) {
    let mut holds = Vec::new();
    draft.changes_mut().remove_with_dependents(|step| {
        let repairs = past.repairs.get(step.key()).map(Vec::as_slice).unwrap_or_default();
        let surplus = repairs.len().checked_sub(REPAIRS_MAX).filter(|_| step.origin == Origin::Drift);
        let (Some(surplus), Some(last)) = (surplus, repairs.last()) else { return false };
        let wait_s = FIGHT_WAIT_S_FIRST << surplus.min(FIGHT_DOUBLINGS_MAX);
        let rested_s = past.now.as_second() - last.as_second();
        let waits = (0..wait_s).contains(&rested_s);
        if waits {
            let message = format!(
                "{}: {}; this was put right {} times within an hour and is different again: something else changes it. \
                 It is tried again in {} s; find out who does it",
                step.action.resource(),
                step.reason,
                repairs.len(),
                wait_s - rested_s
            );
            holds.push(message);
        }
        waits
    });
    for message in holds {
        draft.hold(HoldReason::DriftFight, message);
    }
}

/// `suspended = true`: what would be done is told and not done.
pub(super) fn suspended(case: &Case<'_>, draft: &mut Draft) {
    if !case.wanted.suspended {
        return;
    }
    let kinds: Vec<&str> = draft.steps().iter().map(|step| step.action.kind().as_str()).collect();
    let message = match kinds.len() {
        0 => "suspended = true: it is looked at and left alone".to_owned(),
        _ => format!("suspended = true: not done are {}", kinds.join(", ")),
    };
    draft.changes_mut().steps.clear();
    draft.hold(HoldReason::Suspended, message);
}
