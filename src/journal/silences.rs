//! Alerts of which somebody knows already. Nothing is decided by them; lost, the alerts ask for attention again.

use super::{Journal, JournalError, moment, moment_if_any, unreadable};
use crate::model::name::InstanceName;
use crate::model::silence::{AlertsOf, Quiet, Silence};
use rusqlite::{Row, params};

impl Journal {
    /// Notes a silence, in place of a former one over the same alerts.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn silence(&self, silence: &Silence) -> Result<(), JournalError> {
        let sql = "INSERT OR REPLACE INTO silence (instance, reason, by, since, until) VALUES (?1, ?2, ?3, ?4, ?5)";
        let quiet = &silence.quiet;
        let until = quiet.until.map(|until| until.as_microsecond());
        let (instance, reason) = key(&silence.of);
        self.execute("note a silence", sql, params![instance, reason, quiet.by, quiet.since.as_microsecond(), until])
            .map(drop)
    }

    /// Forgets the silence over exactly these alerts. True when there was one.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn end_silence(&self, of: &AlertsOf) -> Result<bool, JournalError> {
        let (instance, reason) = key(of);
        let sql = "DELETE FROM silence WHERE instance = ?1 AND reason = ?2";
        self.execute("end a silence", sql, [instance, reason]).map(|rows| rows > 0)
    }

    /// All silences that were noted and not ended, over or not.
    ///
    /// # Errors
    /// SQLite refused, or a row is not as this version writes it.
    pub fn silences(&self) -> Result<Vec<Silence>, JournalError> {
        let sql = "SELECT instance, reason, by, since, until FROM silence ORDER BY instance, reason";
        self.query("read the silences", sql, [], silence)
    }
}

fn key(of: &AlertsOf) -> (&str, &str) {
    (of.instance.as_ref().map_or("", InstanceName::as_str), of.reason.as_deref().unwrap_or_default())
}

fn silence(row: &Row<'_>) -> rusqlite::Result<Silence> {
    let (instance, reason): (String, String) = (row.get(0)?, row.get(1)?);
    let instance = match instance.as_str() {
        "" => None,
        name => Some(InstanceName::parse(name).map_err(|error| unreadable(0, error))?),
    };
    let of = AlertsOf { instance, reason: Some(reason).filter(|reason| !reason.is_empty()) };
    Ok(Silence { of, quiet: Quiet { by: row.get(2)?, since: moment(row, 3)?, until: moment_if_any(row, 4)? } })
}
