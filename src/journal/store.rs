//! The journal's file: opening, its layout, and moving a broken one aside.

use super::JournalError;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Counts the layouts below; a file of a higher one is refused.
const LAYOUT: u32 = 5;
/// A reader beside the daemon waits so long for a write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Statements kept prepared.
const STATEMENTS_CACHED_MAX: usize = 64;
/// Broken journals kept aside, so that a broken disk does not fill itself.
const BROKEN_KEPT_MAX: u32 = 100;

/// Times are microseconds since 1970, texts of closed lists are their words. `instance` is '' for the host, so that
/// a unique index holds it.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS instance (
    name TEXT PRIMARY KEY, uid TEXT NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0, observed_generation INTEGER NOT NULL DEFAULT 0,
    file_digest TEXT NOT NULL DEFAULT '', port INTEGER, provisioned INTEGER NOT NULL DEFAULT 0, last_good TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, level INTEGER NOT NULL, instance TEXT NOT NULL,
    kind TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, step TEXT, cause TEXT,
    count INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX IF NOT EXISTS event_by_instance ON event (instance, seq);
CREATE INDEX IF NOT EXISTS event_by_time ON event (at);
CREATE TABLE IF NOT EXISTS intent (
    instance TEXT NOT NULL, step TEXT NOT NULL, kind TEXT NOT NULL, input TEXT NOT NULL, action TEXT NOT NULL,
    at INTEGER NOT NULL, PRIMARY KEY (instance, step)
) STRICT;
CREATE TABLE IF NOT EXISTS failure (
    instance TEXT NOT NULL, kind TEXT NOT NULL, input TEXT NOT NULL, generation INTEGER NOT NULL,
    attempts INTEGER NOT NULL, permanent INTEGER NOT NULL, next_try INTEGER, message TEXT NOT NULL,
    PRIMARY KEY (instance, kind)
) STRICT;
CREATE TABLE IF NOT EXISTS repair (instance TEXT NOT NULL, step TEXT NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS repair_by_instance ON repair (instance, at);
CREATE TABLE IF NOT EXISTS roll_out (instance TEXT PRIMARY KEY, wave INTEGER NOT NULL, done INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS errand (
    id INTEGER PRIMARY KEY AUTOINCREMENT, instance TEXT NOT NULL, kind TEXT NOT NULL, by TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS certificate_attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, at INTEGER NOT NULL, succeeded INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS certificate_attempt_by_name ON certificate_attempt (name, at);
CREATE INDEX IF NOT EXISTS certificate_attempt_by_time ON certificate_attempt (at);
CREATE TABLE IF NOT EXISTS usage (
    instance TEXT NOT NULL, step_s INTEGER NOT NULL, at INTEGER NOT NULL, cpu_percent REAL NOT NULL,
    memory INTEGER NOT NULL, database INTEGER NOT NULL, filestore INTEGER NOT NULL,
    PRIMARY KEY (instance, step_s, at)
) STRICT, WITHOUT ROWID;
";

/// What layout 2 added. Times on the steady clock are seconds.
const TABLES_2: &str = "
CREATE TABLE IF NOT EXISTS tombstone (instance TEXT PRIMARY KEY, tombstone TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS disruption (instance TEXT PRIMARY KEY, what TEXT NOT NULL, steady_s INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS clock (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, uptime_s INTEGER NOT NULL, steady_s INTEGER NOT NULL, at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS standing (instance TEXT PRIMARY KEY, protected INTEGER NOT NULL DEFAULT 0, wish TEXT) STRICT;
";

/// What layout 3 added: `basis` is what a permit was given for. It replaces layout 2's `permit`, which knew none.
const TABLES_3: &str = "
DROP TABLE IF EXISTS permit;
CREATE TABLE IF NOT EXISTS let_through (
    instance TEXT PRIMARY KEY, basis TEXT NOT NULL, steady_s INTEGER NOT NULL
) STRICT;
";

/// What layout 4 added.
const TABLES_4: &str = "
CREATE TABLE IF NOT EXISTS silence (
    instance TEXT NOT NULL, reason TEXT NOT NULL, by TEXT NOT NULL, since INTEGER NOT NULL, until INTEGER,
    PRIMARY KEY (instance, reason)
) STRICT;
";

/// What layout 5 added: who of a roll-out comes last.
const TABLES_5: &str = "CREATE TABLE IF NOT EXISTS roll_out_late (instance TEXT PRIMARY KEY) STRICT;";

/// The layouts in their order: each adds to those before it.
const LAYOUTS: [&str; LAYOUT as usize] = [TABLES, TABLES_2, TABLES_3, TABLES_4, TABLES_5];

pub(super) struct Opened {
    pub(super) connection: Connection,
    /// Where the former journal went, when it could not be read.
    pub(super) moved_aside: Option<PathBuf>,
}

pub(super) fn open(file: &Path) -> Result<Opened, JournalError> {
    make(file)?;
    match prepare(file) {
        Ok(connection) => Ok(Opened { connection, moved_aside: None }),
        Err(error) if is_broken(&error) => {
            let aside = move_aside(file)?;
            make(file)?;
            Ok(Opened { connection: prepare(file)?, moved_aside: Some(aside) })
        }
        Err(error) => Err(error),
    }
}

pub(super) fn open_read_only(file: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::Database { doing: "read", file: file.to_owned(), source };
    if !file.exists() {
        let connection = Connection::open_in_memory().map_err(failed)?;
        LAYOUTS.iter().try_for_each(|tables| connection.execute_batch(tables)).map_err(failed)?;
        connection.pragma_update(None, "query_only", true).map_err(failed)?;
        return Ok(connection);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Written by an earlier version that was not followed by this one yet: what it lacks reads as empty.
    let found = refuse_newer(&connection, file)?;
    for tables in LAYOUTS.iter().skip(usize::try_from(found).unwrap_or_default().max(1)) {
        // What a layout takes away first is not read any more.
        let (_, tables) = tables.split_once("CREATE").unwrap_or_default();
        let tables = format!("CREATE{tables}").replace("CREATE TABLE", "CREATE TEMP TABLE");
        connection.execute_batch(&tables).map_err(failed)?;
    }
    Ok(connection)
}

/// Makes the file before SQLite would, which gives it the umask's mode: it holds customers' names.
fn make(file: &Path) -> Result<(), JournalError> {
    let made = OpenOptions::new().create(true).append(true).mode(0o640).open(file);
    made.map(drop).map_err(|source| JournalError::File { doing: "open the journal", file: file.to_owned(), source })
}

fn prepare(file: &Path) -> Result<Connection, JournalError> {
    let failed = |doing| move |source| JournalError::Database { doing, file: file.to_owned(), source };
    let connection = Connection::open(file).map_err(failed("begin"))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed("begin"))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED_MAX);
    let verdict: String =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(failed("check the pages"))?;
    if verdict != "ok" {
        let torn = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(failed("check the pages")(rusqlite::Error::SqliteFailure(torn, Some(verdict))));
    }
    refuse_newer(&connection, file)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed("begin"))?;
    // A reservation or an identity that was told to a system must not be forgotten by a power cut.
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed("begin"))?;
    LAYOUTS.iter().try_for_each(|tables| connection.execute_batch(tables)).map_err(failed("lay out"))?;
    connection.pragma_update(None, "user_version", LAYOUT).map_err(failed("lay out"))?;
    Ok(connection)
}

fn refuse_newer(connection: &Connection, file: &Path) -> Result<u32, JournalError> {
    let found: u32 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(|source| JournalError::Database { doing: "read", file: file.to_owned(), source })?;
    if found > LAYOUT {
        return Err(JournalError::Newer { file: file.to_owned(), found, known: LAYOUT });
    }
    Ok(found)
}

/// True when the file is no journal, as against one that cannot be reached now.
fn is_broken(error: &JournalError) -> bool {
    match error {
        JournalError::Database { source, .. } => {
            matches!(source.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        }
        _ => false,
    }
}

fn move_aside(file: &Path) -> Result<PathBuf, JournalError> {
    let broken = |number: u32| file.with_extension(format!("db.broken-{number}"));
    let aside = (1..BROKEN_KEPT_MAX).map(broken).find(|path| !path.exists());
    let aside = aside.unwrap_or_else(|| broken(BROKEN_KEPT_MAX));
    std::fs::rename(file, &aside).map_err(|source| JournalError::File {
        doing: "move aside the broken journal",
        file: file.to_owned(),
        source,
    })?;
    for ending in ["-wal", "-shm"] {
        // They belong to the broken file; where there are none, nothing is left to do.
        let _ = std::fs::rename(with_ending(file, ending), with_ending(&aside, ending));
    }
    Ok(aside)
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
