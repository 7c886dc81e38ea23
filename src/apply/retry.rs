//! When a failed step is tried again: back-off, kept over restarts in the journal.

use super::{Context, StepFailure, StepFault, failure_row, report};
use crate::edges::ErrorKind;
use crate::model::backoff;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::step::{Action, Step};
use crate::model::time::Timestamp;
use std::time::Duration;

/// The longest wait of the host's steps: templates that were corrected look the same to a decision as before.
const HOST_WAIT_MAX: Duration = Duration::from_mins(1);
/// Waits between certificate orders: 1, 10, 100 minutes, then daily. A failed validation counts against the
/// authority's limits (Let's Encrypt: five failures an hour for a name).
const CERTIFICATE_BACK_OFF_S: [u64; 4] = [60, 600, 6_000, 86_400];

/// Writes the failure down and tells it.
pub(super) fn note_failure(step: &Step, fault: StepFault, context: &Context) -> StepFailure {
    // Nobody can ask for the host's steps anew, so they are tried again whatever was said.
    let permanent = fault.kind == ErrorKind::Refused && context.instance.is_some();
    let attempts = attempts_before(step, context) + 1;
    let longest = if context.instance.is_some() { Duration::MAX } else { HOST_WAIT_MAX };
    let wait = wait(&step.action, fault.kind, attempts, (context.chance)()).min(longest);
    let next_try = (!permanent).then(|| (context.now)().checked_add(wait).unwrap_or(Timestamp::MAX));
    let row = failure_row(step, &fault.message, attempts, permanent, next_try, context.generation);
    let written = context.journal.set_failure(context.instance.as_ref(), step.key(), &row);
    let noted = written.is_ok();
    report(written, "could not note a failure");
    let event = NewEvent {
        level: if permanent { Level::Error } else { Level::Warning },
        instance: context.instance.clone(),
        reason: Reason::StepFailed,
        message: format!("{}: {}", step.action.resource(), fault.message),
        step: Some(step.id.to_string()),
        cause: context.cause.clone(),
    };
    report(context.journal.record(&event).map(drop), "could not record an event");
    tracing::warn!(step = %step.id, attempts, permanent, error = %fault.message, "step failed");
    StepFailure { step: step.id.clone(), message: fault.message, noted }
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

/// Until the next try. `chance` from 0 to 1 spreads those that failed together. An authority's limits count what was tried,
/// so there it only ever adds, up to a quarter.
fn wait(action: &Action, kind: ErrorKind, attempts: u32, chance: f64) -> Duration {
    match (kind, action) {
        (ErrorKind::Limited { retry_after_s }, _) => Duration::from_secs(retry_after_s.max(1)),
        // Nothing was ordered when the authority or a name could not be reached.
        (ErrorKind::Failed, Action::ObtainCertificate(_)) => {
            let nth = (attempts.saturating_sub(1) as usize).min(CERTIFICATE_BACK_OFF_S.len() - 1);
            Duration::from_secs(CERTIFICATE_BACK_OFF_S[nth]).mul_f64(1.0 + chance.clamp(0.0, 1.0) / 4.0)
        }
        _ => backoff::wait(attempts, chance),
    }
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

    fn seconds(action: &Action, kind: ErrorKind, chance: f64) -> Vec<u64> {
        (1..=12).map(|attempt| wait(action, kind, attempt, chance).as_secs()).collect()
    }

    #[test]
    fn waits_double_and_none_is_longer_than_ten_minutes() {
        let all = seconds(&Action::RenderSites, ErrorKind::Failed, 0.0);
        assert_eq!(all, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600]);
        assert!(seconds(&Action::RenderSites, ErrorKind::Failed, 1.0).iter().all(|wait_s| *wait_s <= 600));
    }

    #[test]
    fn certificates_wait_longer_and_the_authority_has_the_last_word() {
        assert_eq!(seconds(&order(), ErrorKind::Failed, 0.0)[..5], [60, 600, 6_000, 86_400, 86_400]);
        assert_eq!(seconds(&order(), ErrorKind::Failed, 1.0)[..2], [75, 750], "never earlier");
        assert_eq!(seconds(&order(), ErrorKind::Limited { retry_after_s: 7_200 }, 1.0)[0], 7_200);
        assert_eq!(seconds(&order(), ErrorKind::Unreachable, 0.0)[0], 1, "nothing was ordered");
    }
}
