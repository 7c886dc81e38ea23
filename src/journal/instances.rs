//! What is known of each instance: identity, file versions, ports.

use super::{Journal, JournalError, parsed, signed, unreadable, unsigned};
use crate::model::name::{InstanceName, Uid};
use crate::model::service::Ports;
use crate::model::wanted::{Wanted, WantedState};
use rusqlite::{OptionalExtension, Row, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;

/// The tables whose rows are an instance's own, and go with it.
const OF_INSTANCE: [&str; 10] = [
    "errand",
    "failure",
    "let_through",
    "repair",
    "roll_out",
    "roll_out_late",
    "silence",
    "standing",
    "tombstone",
    "usage",
];

/// What is known of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its identity.
    pub uid: Uid,
    /// Counts the versions of its file; 0 before the first.
    pub generation: u64,
    /// The version that the world was last brought to.
    pub observed_generation: u64,
    /// Digest of the file's bytes as last seen.
    pub file_digest: String,
    /// Ports that it was given; they stay.
    pub ports: Option<Ports>,
    /// It was set up once: its database and volume are never made anew.
    pub provisioned: bool,
    /// The last good version of its file.
    pub last_good: Option<Wanted>,
    /// The last version of its file that did not ask for its end was protected.
    pub was_protected: bool,
    /// Digest of the wish on which it last settled; none before the first time.
    pub wish: Option<String>,
}

/// One file as a scan found it.
#[derive(Debug, Clone, Copy)]
pub struct FileSeen<'a> {
    /// Whose it is.
    pub name: &'a InstanceName,
    /// Digest of its bytes.
    pub digest: &'a str,
    /// What it says, when it is valid.
    pub wanted: Option<&'a Wanted>,
}

const COLUMNS: &str =
    "SELECT name, uid, generation, observed_generation, file_digest, port, provisioned, last_good, protected, wish
       FROM instance LEFT JOIN standing ON standing.instance = instance.name";

impl Journal {
    /// Everything known of all instances. A last good version that this release cannot read any more is left out.
    ///
    /// # Errors
    /// SQLite refused, or a row is not as this version writes it.
    pub fn known(&self) -> Result<BTreeMap<InstanceName, Known>, JournalError> {
        self.query("read the instances", COLUMNS, [], known).map(BTreeMap::from_iter)
    }

    /// Everything known of one instance.
    ///
    /// # Errors
    /// As [`Journal::known`].
    pub fn known_of(&self, name: &InstanceName) -> Result<Option<Known>, JournalError> {
        let sql = format!("{COLUMNS} WHERE name = ?1");
        Ok(self.query_one("read an instance", &sql, [name.as_str()], known)?.map(|(_, known)| known))
    }

    /// Takes note of an instance and its identity. One that is known keeps the identity that it has, which is returned.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn meet(&self, name: &InstanceName, uid: Uid) -> Result<Uid, JournalError> {
        let met = self.meet_all(&[(name.clone(), uid)])?;
        Ok(met.get(name).copied().unwrap_or(uid))
    }

    /// [`Journal::meet`] for many, in one write.
    ///
    /// # Errors
    /// SQLite refused; then none was met.
    pub fn meet_all(&self, met: &[(InstanceName, Uid)]) -> Result<BTreeMap<InstanceName, Uid>, JournalError> {
        self.transaction("meet an instance", |transaction| {
            let mut insert =
                transaction.prepare_cached("INSERT OR IGNORE INTO instance (name, uid) VALUES (?1, ?2)")?;
            let mut select = transaction.prepare_cached("SELECT uid FROM instance WHERE name = ?1")?;
            let mut kept = BTreeMap::new();
            for (name, uid) in met {
                insert.execute(params![name.as_str(), uid.to_string()])?;
                kept.insert(name.clone(), select.query_row([name.as_str()], |row| parsed(row, 0))?);
            }
            Ok(kept)
        })
    }

    /// The instance was made anew under `uid` since this journal was copied: what was noted of its former life is dropped,
    /// and its tombstone, so that its data are safe for a whole grace period again. What people asked for stays.
    ///
    /// # Errors
    /// SQLite refused; then nothing was taken over.
    pub fn take_over(&self, name: &InstanceName, uid: Uid) -> Result<(), JournalError> {
        self.transaction("take over a later identity", |transaction| {
            for table in ["tombstone", "failure", "repair", "roll_out"] {
                transaction.execute(&format!("DELETE FROM {table} WHERE instance = ?1"), [name.as_str()])?;
            }
            let sql = "UPDATE instance SET uid = ?2, port = NULL, provisioned = 0 WHERE name = ?1";
            transaction.execute(sql, params![name.as_str(), uid.to_string()]).map(drop)
        })
    }

    /// Takes note of a file's version and returns the instance's generation, which counts up when `digest` differs from
    /// the one before. `wanted` becomes the last good version.
    ///
    /// # Errors
    /// [`JournalError::Unmet`], or SQLite refused.
    pub fn see_file(&self, name: &InstanceName, digest: &str, wanted: Option<&Wanted>) -> Result<u64, JournalError> {
        let seen = self.see_files(&[FileSeen { name, digest, wanted }])?;
        seen.get(name).copied().ok_or_else(|| JournalError::Unmet(name.clone()))
    }

    /// [`Journal::see_file`] for many, in one write. Instances that were not met are not in the answer.
    ///
    /// # Errors
    /// SQLite refused; then nothing was noted.
    pub fn see_files(&self, files: &[FileSeen<'_>]) -> Result<BTreeMap<InstanceName, u64>, JournalError> {
        self.transaction("note a file", |transaction| {
            let mut generations = BTreeMap::new();
            for file in files {
                if let Some(generation) = see(transaction, file)? {
                    generations.insert(file.name.clone(), generation);
                }
            }
            Ok(generations)
        })
    }

    /// The world was brought to `generation` of the instance's file.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn set_observed(&self, name: &InstanceName, generation: u64) -> Result<(), JournalError> {
        let sql = "UPDATE instance SET observed_generation = ?2 WHERE name = ?1 AND observed_generation <> ?2";
        self.execute("note a settled version", sql, params![name.as_str(), signed(generation)]).map(drop)
    }

    /// Gives the instance its ports for good.
    ///
    /// # Errors
    /// [`JournalError::Unmet`], or SQLite refused.
    pub fn reserve_ports(&self, name: &InstanceName, ports: Ports) -> Result<(), JournalError> {
        let sql = "UPDATE instance SET port = ?2 WHERE name = ?1";
        match self.execute("reserve ports", sql, params![name.as_str(), ports.http])? {
            0 => Err(JournalError::Unmet(name.clone())),
            _ => Ok(()),
        }
    }

    /// The instance was set up: from now on its data are never made anew.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn set_provisioned(&self, name: &InstanceName) -> Result<(), JournalError> {
        let sql = "UPDATE instance SET provisioned = 1 WHERE name = ?1 AND provisioned = 0";
        self.execute("note a set-up", sql, [name.as_str()]).map(drop)
    }

    /// Forgets an instance of which nothing is left, with its tombstone: whoever comes under this name is somebody else, and
    /// inherits nothing. Its events stay, and so does what the guard counts.
    ///
    /// # Errors
    /// SQLite refused; then nothing was forgotten.
    pub fn forget(&self, name: &InstanceName) -> Result<(), JournalError> {
        self.transaction("forget an instance", |transaction| {
            for table in OF_INSTANCE {
                transaction.execute(&format!("DELETE FROM {table} WHERE instance = ?1"), [name.as_str()])?;
            }
            transaction.execute("DELETE FROM instance WHERE name = ?1", [name.as_str()]).map(drop)
        })
    }

    pub(super) fn transaction<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        self.take_room(doing)?;
        let mut connection = self.connection();
        let run = || {
            // Another process may record an event beside the daemon: whoever writes first finishes first.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = work(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(self.failed(doing))
    }
}

/// Writes only what differs, so that a scan that finds nothing new costs no write.
fn see(transaction: &Transaction<'_>, file: &FileSeen<'_>) -> rusqlite::Result<Option<u64>> {
    let mut select =
        transaction.prepare_cached("SELECT generation, file_digest, last_good FROM instance WHERE name = ?1")?;
    let before = select.query_row([file.name.as_str()], |row| {
        Ok((unsigned(row, 0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
    });
    let Some((generation, digest, last_good)) = before.optional()? else {
        return Ok(None);
    };
    let generation = if digest == file.digest { generation } else { generation + 1 };
    let good = file.wanted.map(serde_json::to_string).transpose();
    let good = good.map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    if digest != file.digest || good.as_ref().is_some_and(|good| Some(good) != last_good.as_ref()) {
        let sql = "UPDATE instance SET generation = ?2, file_digest = ?3, last_good = coalesce(?4, last_good) WHERE name = ?1";
        transaction.prepare_cached(sql)?.execute(params![file.name.as_str(), signed(generation), file.digest, good])?;
    }
    if let Some(wanted) = file.wanted.filter(|wanted| wanted.state != WantedState::Absent) {
        // A version that asks for the end changes nothing about it: protection is taken away before, not with it.
        let sql = "INSERT INTO standing (instance, protected) VALUES (?1, ?2)
                   ON CONFLICT (instance) DO UPDATE SET protected = excluded.protected WHERE protected <> excluded.protected";
        transaction.prepare_cached(sql)?.execute(params![file.name.as_str(), wanted.protected])?;
    }
    Ok(Some(generation))
}

fn known(row: &Row<'_>) -> rusqlite::Result<(InstanceName, Known)> {
    let port: Option<i64> = row.get(5)?;
    let ports = port.map(|port| u16::try_from(port).map(|http| Ports { http }));
    let known = Known {
        uid: parsed(row, 1)?,
        generation: unsigned(row, 2)?,
        observed_generation: unsigned(row, 3)?,
        file_digest: row.get(4)?,
        ports: ports.transpose().map_err(|error| unreadable(5, error))?,
        provisioned: row.get(6)?,
        last_good: row.get::<_, Option<String>>(7)?.and_then(|json| serde_json::from_str(&json).ok()),
        was_protected: row.get::<_, Option<bool>>(8)?.unwrap_or(false),
        wish: row.get(9)?,
    };
    Ok((parsed(row, 0)?, known))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Timestamp;
    use std::collections::BTreeSet;

    /// What is told of an instance stays; the guard counts disruptions whoever they were; an intent is closed by its step.
    const KEPT: [&str; 3] = ["disruption", "event", "intent"];

    #[test]
    fn every_table_with_rows_of_instances_is_forgotten_with_them_or_kept_for_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(dir.path(), || Timestamp::UNIX_EPOCH).unwrap();
        let sql = "SELECT DISTINCT m.name FROM sqlite_master m, pragma_table_info(m.name) c
            WHERE m.type = 'table' AND c.name = 'instance'";
        let tables: BTreeSet<String> =
            journal.query("list tables", sql, [], |row| row.get(0)).unwrap().into_iter().collect();
        let named = OF_INSTANCE.iter().chain(&KEPT).map(|table| (*table).to_owned()).collect();
        assert_eq!(tables, named);
    }
}
