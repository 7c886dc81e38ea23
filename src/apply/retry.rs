//! When a failed step is tried again: doubling with jitter, kept over restarts in the journal.

use super::{Context, StepFailure, StepFault, failure_row, report};
use crate::edges::ErrorKind;
use crate::model::event::{Level, NewEvent};
use crate::model::step::{Action, Step};
use crate::model::time::Timestamp;

/// The first wait.
const BACK_OFF_S_MIN: u64 = 1;
/// The longest wait before its jitter, certificates aside.
const BACK_OFF_S_MAX: u64 = 600;
/// The longest wait of the host's steps: templates that were corrected look the same to a decision as before.
const HOST_BACK_OFF_S_MAX: u64 = 60;
/// Waits between certificate orders: 1, 10, 100 minutes, then daily. A failed validation counts against the
/// authority's limits (Let's Encrypt: five failures an hour for a name).
const CERTIFICATE_BACK_OFF_S: [u64; 4] = [60, 600, 6_000, 86_400];

/// Writes the failure down and tells it.
pub(super) fn note_failure(step: &Step, fault: StepFault, context: &Context) -> StepFailure {
    // Nobody can ask for the host's steps anew, so they are tried again whatever was said.
    let permanent = fault.kind == ErrorKind::Refused && context.instance.is_some();
    let attempts = attempts_before(step, context) + 1;
    let wait_s = wait_s(&step.action, fault.kind, attempts, (context.chance)()).min(longest_s(context));
    let next_try = (!permanent).then(|| later((context.now)(), wait_s));
    let row = failure_row(step, &fault.message, attempts, permanent, next_try, context.generation);
    report(context.journal.set_failure(context.instance.as_ref(), step.key(), &row), "could not note a failure");
    let event = NewEvent {
        level: if permanent { Level::Error } else { Level::Warning },
        instance: context.instance.clone(),
        kind: "step",
        reason: "StepFailed",
        message: format!("{}: {}", step.action.resource(), fault.message),
        step: Some(step.id.to_string()),
        cause: context.cause.clone(),
    };
    report(context.journal.record(&event).map(drop), "could not record an event");
    tracing::warn!(step = %step.id, attempts, permanent, error = %fault.message, "step failed");
    StepFailure {
        step: step.id.clone(),
        kind: step.action.kind(),
        message: fault.message,
        unreachable: matches!(fault.kind, ErrorKind::Unreachable | ErrorKind::Timeout),
        permanent,
        next_try,
    }
}

/// Attempts of the same step with the same input, for the same version of the file.
fn attempts_before(step: &Step, context: &Context) -> u32 {
    let failures = match &context.instance {
        Some(instance) => context.journal.failures(instance),
        None => context.journal.host_failures(),
    };
    let (failures, input) = (failures.unwrap_or_default(), step.input());
    failures
        .get(step.key())
        .filter(|failure| failure.input == input && failure.generation == context.generation)
        .map_or(0, |failure| failure.attempts)
}

/// Seconds until the next try. `chance` from 0 to 1 adds up to a quarter, so that a fleet does not come back in step.
fn wait_s(action: &Action, kind: ErrorKind, attempts: u32, chance: f64) -> u64 {
    let nth = attempts.saturating_sub(1) as usize;
    let wait_s = match (kind, action) {
        (ErrorKind::Limited { retry_after_s }, _) => return retry_after_s.max(BACK_OFF_S_MIN),
        // Nothing was ordered when the authority or a name could not be reached.
        (ErrorKind::Failed, Action::ObtainCertificate(_)) => {
            CERTIFICATE_BACK_OFF_S[nth.min(CERTIFICATE_BACK_OFF_S.len() - 1)]
        }
        _ => BACK_OFF_S_MIN.checked_shl(nth.min(63) as u32).unwrap_or(BACK_OFF_S_MAX).min(BACK_OFF_S_MAX),
    };
    wait_s + (wait_s as f64 * chance.clamp(0.0, 1.0) / 4.0) as u64
}

fn longest_s(context: &Context) -> u64 {
    if context.instance.is_some() { u64::MAX } else { HOST_BACK_OFF_S_MAX }
}

fn later(now: Timestamp, wait_s: u64) -> Timestamp {
    let wait = std::time::Duration::from_secs(wait_s);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::site::CertificateName;
    use crate::model::step::CertificateOrder;
    use std::collections::BTreeSet;

    fn order() -> Action {
        Action::ObtainCertificate(CertificateOrder {
            name: CertificateName("a.test".to_owned()),
            names: BTreeSet::new(),
            renewal: false,
        })
    }

    #[test]
    fn waits_double_and_are_capped() {
        let waits: Vec<u64> =
            (1..=12).map(|attempt| wait_s(&Action::RenderSites, ErrorKind::Failed, attempt, 0.0)).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert_eq!(wait_s(&Action::RenderSites, ErrorKind::Failed, 1_000, 1.0), 750);
    }

    #[test]
    fn certificates_wait_longer_and_the_authority_has_the_last_word() {
        let waits: Vec<u64> = (1..=5).map(|attempt| wait_s(&order(), ErrorKind::Failed, attempt, 0.0)).collect();
        assert_eq!(waits, [60, 600, 6_000, 86_400, 86_400]);
        assert_eq!(wait_s(&order(), ErrorKind::Limited { retry_after_s: 7_200 }, 1, 1.0), 7_200);
        assert_eq!(wait_s(&order(), ErrorKind::Unreachable, 1, 0.0), 1, "nothing was ordered");
    }
}
