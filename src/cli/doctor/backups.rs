//! Backups: where they go, and the programs that take them and read them back.

use super::Finding;
use crate::adapters::directory::away;
use crate::connect::ARCHIVE_WITNESS;
use crate::model::settings::{BackupSettings, Settings};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// `--version` answers at once.
const VERSION_TIMEOUT: Duration = Duration::from_secs(10);

/// The directory, or the nearest one above it that is there.
pub(super) fn directory(settings: &Settings) -> Finding {
    let directory = &settings.backup.directory;
    if let Some(away) = away(&settings.fleet.state_dir.join(ARCHIVE_WITNESS), directory) {
        let message = format!("{} is not there, and backups were taken in it", away.display());
        return Finding::fail(
            "backups",
            message,
            "mount its disk, or, if they are gone for good, make the directory again",
        );
    }
    let Some(present) = directory.ancestors().find(|path| path.exists()) else {
        return Finding::fail(
            "backups",
            format!("nothing stands at {}", directory.display()),
            "correct `backup.directory`",
        );
    };
    let writable = rustix::fs::access(present, rustix::fs::Access::WRITE_OK).is_ok();
    match std::fs::metadata(present) {
        Ok(found) if !found.is_dir() => {
            Finding::fail("backups", format!("{} is not a directory", present.display()), "correct `backup.directory`")
        }
        Ok(_) if !writable => Finding::fail(
            "backups",
            format!("{} cannot be written", present.display()),
            "run the daemon as a user who may, or correct `backup.directory`",
        ),
        Ok(found) if present == directory && found.mode() & 0o007 != 0 => Finding::warn(
            "backups",
            format!("{} can be entered by everybody", directory.display()),
            format!("chmod o-rwx {}", directory.display()),
        ),
        Ok(_) => Finding::ok("backups", format!("go to {}", directory.display())),
        Err(error) => Finding::fail("backups", format!("{}: {error}", present.display()), "see the message"),
    }
}

/// Plans say when customers are backed up, and nothing does it yet: whoever sells that must know.
pub(super) fn schedules() -> Finding {
    Finding::warn(
        "schedules",
        "the backups that plans ask for are not taken by this version: only a retired customer's final one is",
        "back up PostgreSQL and Docker's volumes by other means until then",
    )
}

/// `pg_dump` and `pg_restore`.
pub(super) async fn programs(settings: &BackupSettings) -> Vec<Finding> {
    let (dump, restore) = tokio::join!(
        program("pg_dump", &settings.pg_dump, "backup.pg_dump"),
        program("pg_restore", &settings.pg_restore, "backup.pg_restore")
    );
    vec![dump, restore]
}

async fn program(name: &'static str, path: &Path, setting: &str) -> Finding {
    let mut command = Command::new(path);
    command.arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let fix = format!("install PostgreSQL's client programs (postgresql-client), or correct `{setting}`");
    match tokio::time::timeout(VERSION_TIMEOUT, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Finding::ok(name, String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(Ok(output)) => {
            Finding::fail(name, format!("{} --version ended with {}", path.display(), output.status), fix)
        }
        Ok(Err(error)) => Finding::fail(name, format!("{} cannot be started: {error}", path.display()), fix),
        Err(_) => Finding::fail(name, format!("{} --version does not end", path.display()), fix),
    }
}
