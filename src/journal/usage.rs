//! What instances used, ever coarser with age: see [`Resolution`]. It is the only thing here that grows while nothing
//! happens, so its writer brings minutes of it at once, and its rows are bounded: about 1,250 an instance, 80 KB.

use super::{Journal, JournalError, moment, signed, unsigned};
use crate::model::name::InstanceName;
use crate::model::time::Timestamp;
use crate::model::usage::{Resolution, UsageHistory, UsagePoint};
use rusqlite::{Row, Transaction, params};
use std::sync::atomic::Ordering;

const MICROS_PER_S: i64 = 1_000_000;

/// Makes one coarser point of the finer ones of each span: the mean of what the processor did, the largest of the rest.
const THIN: &str = "
INSERT OR REPLACE INTO usage
SELECT instance, ?2, at - at % ?3, avg(cpu_percent), max(memory), max(database), max(filestore)
  FROM usage WHERE instance = ?1 AND step_s = ?4 AND at >= ?5 - ?5 % ?3
 GROUP BY at - at % ?3";

impl Journal {
    /// Keeps measured points (of any number of instances, each oldest first), thins them out and drops what is too old.
    ///
    /// # Errors
    /// SQLite refused; then nothing was kept.
    pub fn keep_usage(&self, measured: &[(InstanceName, Vec<UsagePoint>)]) -> Result<(), JournalError> {
        let now = self.now();
        let written = self.transaction("keep the usage", |transaction| {
            let before = changes(transaction)?;
            for (name, points) in measured {
                keep(transaction, name, points, now)?;
            }
            Ok(changes(transaction)? - before)
        })?;
        self.inner.usage_rows.fetch_add(written, Ordering::Relaxed);
        Ok(())
    }

    /// What an instance used, as far as it was kept.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn usage(&self, name: &InstanceName) -> Result<UsageHistory, JournalError> {
        let points = |resolution: Resolution| {
            let since = self.now().as_microsecond() - i64::from(resolution.kept_s()) * MICROS_PER_S;
            let sql = "SELECT at, cpu_percent, memory, database, filestore FROM usage
                        WHERE instance = ?1 AND step_s = ?2 AND at >= ?3 ORDER BY at";
            self.query("read the usage", sql, params![name.as_str(), resolution.step_s(), since], point)
        };
        Ok(UsageHistory {
            hour: points(Resolution::Sampled)?,
            day: points(Resolution::Minutes)?,
            month: points(Resolution::Hours)?,
        })
    }
}

fn keep(
    transaction: &Transaction<'_>,
    name: &InstanceName,
    points: &[UsagePoint],
    now: Timestamp,
) -> rusqlite::Result<()> {
    let Some(first) = points.first() else { return Ok(()) };
    let mut insert = transaction.prepare_cached("INSERT OR REPLACE INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    for point in points {
        insert.execute(params![
            name.as_str(),
            Resolution::Sampled.step_s(),
            point.at.as_microsecond(),
            f64::from(point.cpu_percent),
            signed(point.memory_bytes),
            signed(point.database_bytes),
            signed(point.filestore_bytes),
        ])?;
    }
    for pair in Resolution::ALL.windows(2) {
        let (fine, coarse) = (pair[0].step_s(), pair[1].step_s());
        let span = i64::from(coarse) * MICROS_PER_S;
        // Spans that a new point falls into are made anew; what they were made of is still there, for it is kept longer.
        let parameters = params![name.as_str(), coarse, span, fine, first.at.as_microsecond()];
        transaction.prepare_cached(THIN)?.execute(parameters)?;
    }
    for resolution in Resolution::ALL {
        let oldest = now.as_microsecond() - i64::from(resolution.kept_s()) * MICROS_PER_S;
        let sql = "DELETE FROM usage WHERE instance = ?1 AND step_s = ?2 AND at < ?3";
        transaction.prepare_cached(sql)?.execute(params![name.as_str(), resolution.step_s(), oldest])?;
    }
    Ok(())
}

fn changes(transaction: &Transaction<'_>) -> rusqlite::Result<u64> {
    transaction.query_row("SELECT total_changes()", [], |row| unsigned(row, 0))
}

fn point(row: &Row<'_>) -> rusqlite::Result<UsagePoint> {
    Ok(UsagePoint {
        at: moment(row, 0)?,
        cpu_percent: row.get::<_, f64>(1)? as f32,
        memory_bytes: unsigned(row, 2)?,
        database_bytes: unsigned(row, 3)?,
        filestore_bytes: unsigned(row, 4)?,
    })
}
