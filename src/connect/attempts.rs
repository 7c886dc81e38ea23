//! The journal as the certificate authority's memory of orders.

use crate::adapters::acme::{Attempt, Attempts, AttemptsError};
use crate::journal::Journal;
use crate::model::site::CertificateName;
use crate::model::time::Timestamp;

/// Orders in the journal.
pub(super) struct JournalAttempts {
    journal: Journal,
    now: fn() -> Timestamp,
}

impl JournalAttempts {
    pub(super) fn new(journal: Journal, now: fn() -> Timestamp) -> Self {
        Self { journal, now }
    }
}

impl Attempts for JournalAttempts {
    fn begin(&self, name: &CertificateName) -> Result<u64, AttemptsError> {
        Ok(self.journal.attempt(&name.0, (self.now)())?)
    }

    fn succeeded(&self, number: u64) -> Result<(), AttemptsError> {
        Ok(self.journal.end_attempt(number, true)?)
    }

    fn since(&self, name: Option<&CertificateName>, since: Timestamp) -> Result<Vec<Attempt>, AttemptsError> {
        let rows = match name {
            Some(name) => self.journal.attempts_since(&name.0, since)?,
            None => self.journal.all_attempts_since(since)?,
        };
        Ok(rows.into_iter().map(|row| Attempt { at: row.at, succeeded: row.succeeded == Some(true) }).collect())
    }
}
