//! Changes that concern many instances at once (an edit of `plans.toml`): who is part of one, and who has had it.

use super::{Journal, JournalError, moment, parsed};
use crate::model::name::InstanceName;
use crate::model::time::Timestamp;
use rusqlite::params;
use std::collections::{BTreeMap, BTreeSet};

/// An instance's part in a change of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RollOutRow {
    /// When the change was seen: all that have the same time belong together.
    pub wave: Timestamp,
    /// It has the change.
    pub done: bool,
    /// It comes last and holds up nobody.
    pub late: bool,
}

/// Whoever is part of no roll-out is not late in one either.
const TIDY_LATE: &str = "DELETE FROM roll_out_late WHERE instance NOT IN (SELECT instance FROM roll_out)";

impl Journal {
    /// These instances are to get a change one after the other, those in `late` after all others. A former one that one of
    /// them still waited for is part of this one. Returns each one's part.
    ///
    /// # Errors
    /// SQLite refused; then nothing was noted.
    pub fn begin_roll_out(
        &self,
        names: &[InstanceName],
        late: &BTreeSet<InstanceName>,
    ) -> Result<BTreeMap<InstanceName, RollOutRow>, JournalError> {
        let wave = self.now().as_microsecond();
        self.transaction("begin a roll-out", |transaction| {
            let sql = "INSERT OR REPLACE INTO roll_out (instance, wave, done) VALUES (?1, ?2, 0)";
            let mut insert = transaction.prepare_cached(sql)?;
            names.iter().try_for_each(|name| insert.execute(params![name.as_str(), wave]).map(drop))?;
            names.iter().try_for_each(|name| {
                let sql = match late.contains(name) {
                    true => "INSERT OR IGNORE INTO roll_out_late (instance) VALUES (?1)",
                    false => "DELETE FROM roll_out_late WHERE instance = ?1",
                };
                transaction.execute(sql, [name.as_str()]).map(drop)
            })
        })?;
        let wave = Timestamp::from_microsecond(wave).unwrap_or_default();
        let part = |name: &InstanceName| (name.clone(), RollOutRow { wave, done: false, late: late.contains(name) });
        Ok(names.iter().map(part).collect())
    }

    /// The instance has the change. Once all have it, all is forgotten.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn set_rolled_out(&self, name: &InstanceName) -> Result<(), JournalError> {
        self.transaction("note a roll-out", |transaction| {
            transaction.execute("UPDATE roll_out SET done = 1 WHERE instance = ?1", [name.as_str()])?;
            let over = "DELETE FROM roll_out WHERE wave NOT IN (SELECT wave FROM roll_out WHERE done = 0)";
            transaction.execute(over, [])?;
            transaction.execute(TIDY_LATE, []).map(drop)
        })
    }

    /// The instance waits for no other any more.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn leave_roll_out(&self, name: &InstanceName) -> Result<(), JournalError> {
        self.transaction("leave a roll-out", |transaction| {
            transaction.execute("DELETE FROM roll_out WHERE instance = ?1", [name.as_str()])?;
            transaction.execute(TIDY_LATE, []).map(drop)
        })
    }

    /// Everybody who is part of one.
    ///
    /// # Errors
    /// SQLite refused, or a row is not as this version writes it.
    pub fn roll_outs(&self) -> Result<BTreeMap<InstanceName, RollOutRow>, JournalError> {
        let sql = "SELECT instance, wave, done, instance IN (SELECT instance FROM roll_out_late) FROM roll_out";
        let rows = self.query("read the roll-outs", sql, [], |row| {
            Ok((parsed(row, 0)?, RollOutRow { wave: moment(row, 1)?, done: row.get(2)?, late: row.get(3)? }))
        })?;
        Ok(rows.into_iter().collect())
    }
}
