//! Ends of instances: tombstones, what the guard counts, and the installation's steady clock.
//!
//! All of it may be lost: grace periods begin anew then, counted from the day on which the tombstone is opened again, and
//! nothing is deleted earlier than it would have been.

use super::{Journal, JournalError, moment, signed, unreadable, unsigned};
use crate::model::name::InstanceName;
use crate::model::time::{Timestamp, Uptime};
use crate::model::tombstone::Tombstone;
use rusqlite::{Row, params};
use std::collections::{BTreeMap, BTreeSet};

/// The guard counts what happened in so many seconds.
pub const GUARD_WINDOW_S: u64 = 3_600;
/// A clock that ran so much more or less than the host's uptime was set by somebody. NTP slews by less.
const JUMP_S_MIN: i64 = 60;

/// A reading of the steady clock that was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// Seconds that this installation saw pass, in all.
    pub steady_s: u64,
    /// By how much the wall clock was set since the reading before, in seconds; none when it was not.
    pub jump_s: Option<i64>,
}

struct LastTick {
    boot: String,
    uptime_s: u64,
    steady_s: u64,
    at: Timestamp,
}

impl LastTick {
    /// Seconds that passed for sure since then. In another start of the host that is its whole uptime: it all came later.
    /// The time that it was off is not known without trusting a clock, so it does not count.
    fn passed_s(&self, uptime: &Uptime) -> u64 {
        match self.boot == uptime.boot {
            true => uptime.seconds.saturating_sub(self.uptime_s),
            false => uptime.seconds,
        }
    }
}

impl Journal {
    /// The steady clock: seconds that passed since this journal was begun while the host was up. It goes on while no
    /// Innkeeper runs, and whatever is done to the time of day changes nothing about it. Writes nothing.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn steady(&self, uptime: &Uptime) -> Result<u64, JournalError> {
        Ok(self.last_tick()?.map_or(0, |last| last.steady_s + last.passed_s(uptime)))
    }

    /// Writes the steady clock down, so that it goes on from here after the host was started anew. Also tells whether the
    /// time of day was set since.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn tick(&self, uptime: &Uptime) -> Result<Tick, JournalError> {
        let last = self.last_tick()?;
        let steady_s = last.as_ref().map_or(0, |last| last.steady_s + last.passed_s(uptime));
        let jump_s = last.filter(|last| last.boot == uptime.boot).and_then(|last| {
            let clock_s = self.now().as_second() - last.at.as_second();
            let jump_s = clock_s - i64::try_from(last.passed_s(uptime)).unwrap_or(i64::MAX);
            (jump_s.abs() >= JUMP_S_MIN).then_some(jump_s)
        });
        let sql = "INSERT OR REPLACE INTO clock (id, boot, uptime_s, steady_s, at) VALUES (1, ?1, ?2, ?3, ?4)";
        let row = params![uptime.boot, signed(uptime.seconds), signed(steady_s), self.now().as_microsecond()];
        self.execute("note the time", sql, row)?;
        Ok(Tick { steady_s, jump_s })
    }

    /// How long ago the steady clock was written down; none when it never was in this start of the host.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn since_tick(&self, uptime: &Uptime) -> Result<Option<u64>, JournalError> {
        Ok(self.last_tick()?.filter(|last| last.boot == uptime.boot).map(|last| last.passed_s(uptime)))
    }

    /// All tombstones.
    ///
    /// # Errors
    /// SQLite refused, or one is not as this version writes it.
    pub fn tombstones(&self) -> Result<BTreeMap<InstanceName, Tombstone>, JournalError> {
        let rows = self.query("read the tombstones", "SELECT tombstone FROM tombstone", [], |row| {
            let json: String = row.get(0)?;
            serde_json::from_str::<Tombstone>(&json).map_err(|error| unreadable(0, error))
        })?;
        Ok(rows.into_iter().map(|tombstone| (tombstone.instance.clone(), tombstone)).collect())
    }

    /// Opens a tombstone, in place of one that may stand there.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn open_tombstone(&self, tombstone: &Tombstone) -> Result<(), JournalError> {
        let json = serde_json::to_string(tombstone).unwrap_or_else(|error| unreachable!("plain data: {error}"));
        let sql = "INSERT OR REPLACE INTO tombstone (instance, tombstone) VALUES (?1, ?2)";
        self.execute("open a tombstone", sql, [tombstone.instance.as_str(), &json]).map(drop)
    }

    /// Takes a tombstone away: the instance is wanted again.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn close_tombstone(&self, name: &InstanceName) -> Result<(), JournalError> {
        self.execute("close a tombstone", "DELETE FROM tombstone WHERE instance = ?1", [name.as_str()]).map(drop)
    }

    /// From now on data are deleted.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn begin_purge(&self, name: &InstanceName) -> Result<(), JournalError> {
        self.amend_tombstone(name, |tombstone| Tombstone { purging: true, deleting: false, ..tombstone })
    }

    /// The next thing that happens to the instance's data is that some are deleted.
    ///
    /// # Errors
    /// SQLite refused: then nothing may be deleted.
    pub fn begin_deletion(&self, name: &InstanceName) -> Result<(), JournalError> {
        self.amend_tombstone(name, |tombstone| Tombstone { deleting: true, ..tombstone })
    }

    fn amend_tombstone(
        &self,
        name: &InstanceName,
        amend: impl FnOnce(Tombstone) -> Tombstone,
    ) -> Result<(), JournalError> {
        let Some(before) = self.tombstones()?.remove(name) else { return Ok(()) };
        let after = amend(before.clone());
        if after == before { Ok(()) } else { self.open_tombstone(&after) }
    }

    /// Counts an instance that is put out of service or deleted. A permit of its is used up.
    ///
    /// # Errors
    /// SQLite refused: then it must not happen.
    pub fn note_disruption(&self, name: &InstanceName, what: &str, steady_s: u64) -> Result<(), JournalError> {
        let sql = "INSERT OR REPLACE INTO disruption (instance, what, steady_s) VALUES (?1, ?2, ?3)";
        self.execute("count for the guard", sql, params![name.as_str(), what, signed(steady_s)])?;
        let sql = "DELETE FROM disruption WHERE steady_s + ?1 < ?2";
        self.execute("count for the guard", sql, [signed(GUARD_WINDOW_S), signed(steady_s)])?;
        self.execute("use up a permit", "DELETE FROM let_through WHERE instance = ?1", [name.as_str()]).map(drop)
    }

    /// Instances that were put out of service or deleted in the last hour of the steady clock.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn disrupted(&self, steady_s: u64) -> Result<BTreeSet<InstanceName>, JournalError> {
        let sql = "SELECT instance FROM disruption WHERE steady_s + ?1 >= ?2";
        let names = self.query("read what the guard counts", sql, [signed(GUARD_WINDOW_S), signed(steady_s)], name)?;
        Ok(names.into_iter().collect())
    }

    /// Lets these instances past the guard, once each and within an hour, for what their files say now: the text beside
    /// each name, which is compared with what is let through later.
    ///
    /// # Errors
    /// SQLite refused; then none was let through.
    pub fn permit(&self, permits: &[(InstanceName, String)], steady_s: u64) -> Result<(), JournalError> {
        self.transaction("note a permit", |transaction| {
            for (name, basis) in permits {
                let sql = "INSERT OR REPLACE INTO let_through (instance, basis, steady_s) VALUES (?1, ?2, ?3)";
                transaction.execute(sql, params![name.as_str(), basis, signed(steady_s)])?;
            }
            Ok(())
        })
    }

    /// Instances that are let past the guard, and for what. One that was given later than now, as it seems after the host
    /// lost power, counts for nothing.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn permitted(&self, steady_s: u64) -> Result<BTreeMap<InstanceName, String>, JournalError> {
        let sql = "SELECT instance, basis FROM let_through WHERE steady_s + ?1 >= ?2 AND steady_s <= ?2";
        let permits = self.query("read the permits", sql, [signed(GUARD_WINDOW_S), signed(steady_s)], |row| {
            Ok((name(row)?, row.get(1)?))
        })?;
        Ok(permits.into_iter().collect())
    }

    /// True while the guard counts something or lets somebody through: until then the steady clock has to be written down.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn guard_counts(&self, steady_s: u64) -> Result<bool, JournalError> {
        Ok(!self.disrupted(steady_s)?.is_empty() || !self.permitted(steady_s)?.is_empty())
    }

    /// Notes the wish on which the instance settled, by its digest.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn note_wish(&self, name: &InstanceName, wish: &str) -> Result<(), JournalError> {
        let sql = "INSERT INTO standing (instance, wish) VALUES (?1, ?2)
                   ON CONFLICT (instance) DO UPDATE SET wish = excluded.wish WHERE wish IS NOT excluded.wish";
        self.execute("note a settled wish", sql, [name.as_str(), wish]).map(drop)
    }

    fn last_tick(&self) -> Result<Option<LastTick>, JournalError> {
        self.query_one("read the time", "SELECT boot, uptime_s, steady_s, at FROM clock WHERE id = 1", [], |row| {
            let at = moment(row, 3)?;
            Ok(LastTick { boot: row.get(0)?, uptime_s: unsigned(row, 1)?, steady_s: unsigned(row, 2)?, at })
        })
    }
}

fn name(row: &Row<'_>) -> rusqlite::Result<InstanceName> {
    super::parsed(row, 0)
}
