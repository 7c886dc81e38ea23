//! Drift that was repaired: how often the same thing was put right lately, so that nobody is fought with for ever.

use super::{Journal, JournalError, moment};
use crate::model::name::InstanceName;
use crate::model::time::Timestamp;
use rusqlite::params;
use std::collections::BTreeMap;

/// Repairs older than that are dropped: decisions look back an hour.
const REPAIR_AGE_H_MAX: i64 = 24;

/// When the steps of each key were done to repair drift.
pub type Repairs = BTreeMap<String, Vec<Timestamp>>;

impl Journal {
    /// Writes down that the step of this key repaired drift; none as instance is the host.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn note_repair(&self, instance: Option<&InstanceName>, key: &str) -> Result<(), JournalError> {
        let now = self.now().as_microsecond();
        let oldest = now.saturating_sub(REPAIR_AGE_H_MAX * 3_600 * 1_000_000);
        self.transaction("note a repair", |transaction| {
            transaction.prepare_cached("DELETE FROM repair WHERE at < ?1")?.execute([oldest])?;
            let insert = "INSERT INTO repair (instance, step, at) VALUES (?1, ?2, ?3)";
            transaction.prepare_cached(insert)?.execute(params![word(instance), key, now]).map(drop)
        })
    }

    /// The repairs of one instance, or of the host, since then; oldest first.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn repairs(&self, instance: Option<&InstanceName>, since: Timestamp) -> Result<Repairs, JournalError> {
        let mut all = self.repairs_where("AND instance = ?2", params![since.as_microsecond(), word(instance)])?;
        Ok(all.remove(word(instance)).unwrap_or_default())
    }

    /// The repairs of all instances since then, by the instance's name; the host's stand under no name.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn all_repairs(&self, since: Timestamp) -> Result<BTreeMap<String, Repairs>, JournalError> {
        self.repairs_where("", params![since.as_microsecond()])
    }

    fn repairs_where(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<BTreeMap<String, Repairs>, JournalError> {
        let sql = format!("SELECT instance, step, at FROM repair WHERE at >= ?1 {condition} ORDER BY at");
        let rows = self.query("read the repairs", &sql, parameters, |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, moment(row, 2)?))
        })?;
        let mut repairs: BTreeMap<String, Repairs> = BTreeMap::new();
        for (instance, step, at) in rows {
            repairs.entry(instance).or_default().entry(step).or_default().push(at);
        }
        Ok(repairs)
    }
}

fn word(instance: Option<&InstanceName>) -> &str {
    instance.map_or("", InstanceName::as_str)
}
