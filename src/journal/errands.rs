//! What people asked for once.

use super::{Journal, JournalError, parsed, signed, unreadable, unsigned};
use crate::model::errand::{Errand, ErrandKind};
use crate::model::name::InstanceName;
use rusqlite::{Row, params};
use std::collections::BTreeMap;

const COLUMNS: &str = "SELECT id, instance, kind, by FROM errand";

impl Journal {
    /// Notes an errand and returns its id. One of the same kind that still waits is not doubled: its id is returned.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn add_errand(&self, instance: &InstanceName, kind: ErrandKind, by: &str) -> Result<u64, JournalError> {
        let waiting = "SELECT id FROM errand WHERE instance = ?1 AND kind = ?2";
        let insert = "INSERT INTO errand (instance, kind, by, at) VALUES (?1, ?2, ?3, ?4) RETURNING id";
        let (name, word, at) = (instance.as_str(), word(kind), self.now().as_microsecond());
        if let Some(id) = self.query_one("read the errands", waiting, [name, word], |row| unsigned(row, 0))? {
            return Ok(id);
        }
        self.take_room("note an errand")?;
        let id = self.query_one("note an errand", insert, params![name, word, by, at], |row| unsigned(row, 0))?;
        Ok(id.unwrap_or_default())
    }

    /// Errands that wait for this instance, oldest first.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn errands(&self, name: &InstanceName) -> Result<Vec<Errand>, JournalError> {
        let sql = format!("{COLUMNS} WHERE instance = ?1 ORDER BY id");
        self.query("read the errands", &sql, [name.as_str()], errand)
    }

    /// All errands that wait, oldest first for each instance.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn all_errands(&self) -> Result<BTreeMap<InstanceName, Vec<Errand>>, JournalError> {
        let mut errands: BTreeMap<InstanceName, Vec<Errand>> = BTreeMap::new();
        for errand in self.query("read the errands", &format!("{COLUMNS} ORDER BY id"), [], errand)? {
            errands.entry(errand.instance.clone()).or_default().push(errand);
        }
        Ok(errands)
    }

    /// The errand is done, or cannot be done.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn end_errand(&self, id: u64) -> Result<(), JournalError> {
        self.execute("end an errand", "DELETE FROM errand WHERE id = ?1", [signed(id)]).map(drop)
    }
}

fn word(kind: ErrandKind) -> &'static str {
    match kind {
        ErrandKind::Restart => "restart",
        ErrandKind::Retry => "retry",
    }
}

fn errand(row: &Row<'_>) -> rusqlite::Result<Errand> {
    let kind: String = row.get(2)?;
    let kind = serde_json::from_value(serde_json::Value::String(kind)).map_err(|error| unreadable(2, error))?;
    Ok(Errand { id: unsigned(row, 0)?, instance: parsed(row, 1)?, kind, by: row.get(3)? })
}
