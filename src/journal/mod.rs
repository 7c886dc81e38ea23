//! What happened and what was promised, on disk: identities, ports, file versions, intents, failures, errands, silences,
//! events.
//!
//! One SQLite file, `<state_dir>/journal.db`. Everything here is short and synchronous; callers on an async thread may
//! call it directly. It decides nothing, holds no secret, and may be deleted: the marks on the live objects are enough
//! to converge again without a change (only counters and grace periods begin anew).

mod attempts;
mod errands;
mod events;
mod instances;
mod repairs;
mod roll_outs;
mod silences;
mod steps;
mod store;
mod tombstones;
mod usage;

pub use attempts::{ATTEMPT_AGE_D_MAX, Attempt};
pub use events::{EVENT_AGE_D_MAX, EVENTS_PER_INSTANCE_MAX, EventFilter};
pub use instances::{FileSeen, Known};
pub use repairs::Repairs;
pub use roll_outs::RollOutRow;
pub use steps::{FailureRow, Intent};
pub use tombstones::{GUARD_WINDOW_S, Tick};

use crate::model::event::Event;
use crate::model::name::InstanceName;
use crate::model::step::StepId;
use crate::model::time::Timestamp;
use rusqlite::{Connection, Row};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// The file's name in the state directory.
pub const JOURNAL_FILE: &str = "journal.db";
/// News that a slow follower may be behind before it is told that it missed some.
const NEWS_BACKLOG_MAX: usize = 1_024;

/// The journal of one installation. Clones share one connection.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

struct Inner {
    file: PathBuf,
    connection: Mutex<Connection>,
    now: fn() -> Timestamp,
    /// Writes for which the disk has room, in a rehearsal.
    room: Mutex<Option<u64>>,
    /// Events recorded since the last pruning, by instance.
    since_pruned: Mutex<HashMap<Option<InstanceName>, u32>>,
    /// Rows written by [`Journal::keep_usage`].
    usage_rows: AtomicU64,
    news: broadcast::Sender<News>,
}

/// What a follower of this process hears as it happens. A hint for people's eyes: the journal itself is the truth.
#[derive(Debug, Clone)]
pub enum News {
    /// A step is about to act.
    StepBegan {
        /// Whose; none is the host's.
        instance: Option<InstanceName>,
        /// The step that was begun.
        step: StepId,
        /// Its reason.
        reason: String,
    },
    /// A step ended.
    StepEnded {
        /// Whose; none is the host's.
        instance: Option<InstanceName>,
        /// The step that ended.
        step: StepId,
        /// What went wrong, if anything did.
        error: Option<String>,
    },
    /// An event was recorded, or repeated.
    Recorded(Event),
}

/// The journal could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite refused.
    #[error("could not {doing} in the journal {}", file.display())]
    Database {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        file: PathBuf,
        /// SQLite's reason.
        source: rusqlite::Error,
    },
    /// The file could not be made or moved aside.
    #[error("could not {doing} {}", file.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Written by a later version of Innkeeper.
    #[error(
        "the journal {} was written by a newer Innkeeper (its layout is {found}, this version knows {known}): \
         run that version, or move the file away",
        file.display()
    )]
    Newer {
        /// Which file.
        file: PathBuf,
        /// Its layout.
        found: u32,
        /// The layout that this version writes.
        known: u32,
    },
    /// An instance must be met before anything is written about it.
    #[error("the journal knows no instance {0}: it must be met first")]
    Unmet(InstanceName),
}

impl Journal {
    /// Opens or makes `<state_dir>/journal.db`. A file that cannot be read as a journal is moved aside to
    /// `journal.db.broken-N` and a new one begun, with an event that says so. `now` gives events their time.
    ///
    /// # Errors
    /// The directory does not exist or cannot be written, or the journal is of a newer version.
    pub fn open(state_dir: &Path, now: fn() -> Timestamp) -> Result<Self, JournalError> {
        let file = state_dir.join(JOURNAL_FILE);
        let opened = store::open(&file)?;
        let journal = Self::of(file, opened.connection, now);
        if let Some(aside) = opened.moved_aside {
            journal.record(&events::moved_aside(&aside))?;
        }
        Ok(journal)
    }

    /// Opens the journal for reading, beside a running daemon or without one. A missing file reads as empty. Writing
    /// through it fails.
    ///
    /// # Errors
    /// The file is there and cannot be read, or is of a newer version.
    pub fn open_read_only(state_dir: &Path, now: fn() -> Timestamp) -> Result<Self, JournalError> {
        let file = state_dir.join(JOURNAL_FILE);
        let connection = store::open_read_only(&file)?;
        Ok(Self::of(file, connection, now))
    }

    /// Follows what is written through this journal and its clones from now on.
    pub fn follow(&self) -> broadcast::Receiver<News> {
        self.inner.news.subscribe()
    }

    /// Rows written through this connection since it was opened, without those of [`Journal::keep_usage`], which come
    /// whether anything happens or not: for the test that a settled pass writes nothing.
    ///
    /// # Errors
    /// SQLite refused.
    pub fn rows_written(&self) -> Result<u64, JournalError> {
        self.query_one("count", "SELECT total_changes()", [], |row| unsigned(row, 0))
            .map(|rows| rows.unwrap_or_default().saturating_sub(self.inner.usage_rows.load(Ordering::Relaxed)))
    }

    /// Rehearses a disk that has room for so many more writes; without a number there is room again.
    pub fn rehearse_disk(&self, writes_left: Option<u64>) {
        *self.inner.room.lock().unwrap_or_else(PoisonError::into_inner) = writes_left;
    }

    /// Refuses a write where a rehearsal says that the disk is full.
    fn take_room(&self, doing: &'static str) -> Result<(), JournalError> {
        match &mut *self.inner.room.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(0) => {
                let full = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
                Err(self.failed(doing)(rusqlite::Error::SqliteFailure(full, None)))
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn of(file: PathBuf, connection: Connection, now: fn() -> Timestamp) -> Self {
        let inner = Inner {
            file,
            connection: Mutex::new(connection),
            now,
            room: Mutex::default(),
            since_pruned: Mutex::default(),
            usage_rows: AtomicU64::new(0),
            news: broadcast::Sender::new(NEWS_BACKLOG_MAX),
        };
        Self { inner: Arc::new(inner) }
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A panic elsewhere leaves no half-done work: each method is one statement or one transaction.
        self.inner.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        (self.inner.now)()
    }

    fn tell(&self, news: News) {
        // Nobody listening is no fault.
        let _ = self.inner.news.send(news);
    }

    fn failed(&self, doing: &'static str) -> impl Fn(rusqlite::Error) -> JournalError + '_ {
        move |source| JournalError::Database { doing, file: self.inner.file.clone(), source }
    }

    fn execute(
        &self,
        doing: &'static str,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<usize, JournalError> {
        self.take_room(doing)?;
        let connection = self.connection();
        let run = || connection.prepare_cached(sql)?.execute(parameters);
        run().map_err(self.failed(doing))
    }

    fn query<T>(
        &self,
        doing: &'static str,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, JournalError> {
        let connection = self.connection();
        let run = || connection.prepare_cached(sql)?.query_map(parameters, read)?.collect::<rusqlite::Result<Vec<T>>>();
        run().map_err(self.failed(doing))
    }

    fn query_one<T>(
        &self,
        doing: &'static str,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, JournalError> {
        Ok(self.query(doing, sql, parameters, read)?.into_iter().next())
    }
}

/// A count as SQLite keeps it. Counts here never come near `i64::MAX`.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or_default())
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    let microseconds = row.get::<_, i64>(column)?;
    Timestamp::from_microsecond(microseconds).map_err(|error| unreadable(column, error))
}

fn moment_if_any(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    match row.get::<_, Option<i64>>(column)? {
        Some(_) => moment(row, column).map(Some),
        None => Ok(None),
    }
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get::<_, String>(column)?.parse().map_err(|error| unreadable(column, error))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
