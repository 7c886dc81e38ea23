//! Certificate orders that were begun: written before the order, so that a restart burns no budget twice.

use super::{Journal, JournalError, moment, signed, unsigned};
use crate::model::time::Timestamp;
use rusqlite::{Row, params};

/// Attempts older than that count in no budget: the longest window of an authority is a week (Let's Encrypt, "Rate
/// Limits"), and a month leaves room to look back.
pub const ATTEMPT_AGE_D_MAX: i64 = 31;

/// One certificate order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Identity, given by the journal.
    pub id: u64,
    /// The certificate's name.
    pub name: String,
    /// When it was begun.
    pub at: Timestamp,
    /// How it ended; none while it runs, and for one whose process died.
    pub succeeded: Option<bool>,
}

impl Journal {
    /// Writes down that an order for the certificate `name` begins at `now`, and returns its id.
    ///
    /// # Errors
    /// SQLite refused: then the order must not be begun.
    pub fn attempt(&self, name: &str, now: Timestamp) -> Result<u64, JournalError> {
        let oldest = now.as_microsecond().saturating_sub(ATTEMPT_AGE_D_MAX * 86_400 * 1_000_000);
        self.transaction("note a certificate order", |transaction| {
            transaction.execute("DELETE FROM certificate_attempt WHERE at < ?1", [oldest])?;
            let sql = "INSERT INTO certificate_attempt (name, at) VALUES (?1, ?2)";
            let id = transaction.prepare_cached(sql)?.insert(params![name, now.as_microsecond()])?;
            Ok(u64::try_from(id).unwrap_or_default())
        })
    }

    /// Writes down how an order ended.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn end_attempt(&self, id: u64, succeeded: bool) -> Result<(), JournalError> {
        let sql = "UPDATE certificate_attempt SET succeeded = ?2 WHERE id = ?1";
        self.execute("end a certificate order", sql, params![signed(id), succeeded]).map(drop)
    }

    /// Orders for one certificate begun at `since` or later, oldest first.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn attempts_since(&self, name: &str, since: Timestamp) -> Result<Vec<Attempt>, JournalError> {
        let sql =
            "SELECT id, name, at, succeeded FROM certificate_attempt WHERE name = ?1 AND at >= ?2 ORDER BY at, id";
        self.query("read the certificate orders", sql, params![name, since.as_microsecond()], attempt)
    }

    /// Orders for any certificate begun at `since` or later, oldest first.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn all_attempts_since(&self, since: Timestamp) -> Result<Vec<Attempt>, JournalError> {
        let sql = "SELECT id, name, at, succeeded FROM certificate_attempt WHERE at >= ?1 ORDER BY at, id";
        self.query("read the certificate orders", sql, params![since.as_microsecond()], attempt)
    }
}

fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt { id: unsigned(row, 0)?, name: row.get(1)?, at: moment(row, 2)?, succeeded: row.get(3)? })
}
