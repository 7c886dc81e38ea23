//! The state directory and the secrets: there, and for nobody else's eyes.

use super::Finding;
use crate::adapters::nginx;
use crate::connect::{KEY_FILE, SECRETS_DIR};
use crate::journal::JOURNAL_FILE;
use crate::model::settings::Settings;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Bits that let others than owner and group in.
const OTHERS: u32 = 0o007;
/// Bits that let anybody but the owner in.
const ANYBODY: u32 = 0o077;
/// Bits that let anybody but the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// Where the installation key stands.
fn key_file(settings: &Settings) -> PathBuf {
    settings.fleet.state_dir.join(SECRETS_DIR).join(KEY_FILE)
}

/// State directory, key, and the password file of PostgreSQL.
pub(super) fn check(settings: &Settings) -> Vec<Finding> {
    if let Some(finding) = not_mounted(settings) {
        return vec![finding];
    }
    let mut findings = vec![directory(&settings.fleet.state_dir)];
    if settings.fleet.state_dir.exists() {
        findings.push(key(settings));
    }
    findings.extend(settings.postgres.password_file.iter().map(|file| password(file)));
    findings
}

/// An installation has its sites here, and its state is elsewhere.
fn not_mounted(settings: &Settings) -> Option<Finding> {
    let installation = nginx::installation_at(&settings.nginx.config_dir).filter(|_| !key_file(settings).exists())?;
    let message = format!(
        "{} has no installation key, but {} holds the sites of installation {installation}",
        settings.fleet.state_dir.display(),
        settings.nginx.config_dir.display()
    );
    Some(Finding::fail("state_dir", message, "mount the state directory, or restore it from your backup"))
}

fn mode(path: &Path) -> std::io::Result<u32> {
    std::fs::metadata(path).map(|metadata| metadata.permissions().mode() & 0o7777)
}

fn directory(path: &Path) -> Finding {
    match mode(path) {
        Ok(mode) if mode & OTHERS_WRITE != 0 => Finding::fail(
            "state_dir",
            format!("{} has mode {mode:04o}: others may write to it", path.display()),
            format!("chmod 0711 {}", path.display()),
        ),
        Ok(_) => Finding::ok("state_dir", path.display().to_string()),
        // Nobody has to do anything about it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::ok(
            "state_dir",
            format!("{} does not exist yet: the first `innkeeper run` makes it", path.display()),
        ),
        Err(error) => Finding::fail(
            "state_dir",
            format!("could not look at {}: {error}", path.display()),
            "run doctor as the user that the daemon runs as, usually root",
        ),
    }
}

fn key(settings: &Settings) -> Finding {
    let file = key_file(settings);
    match mode(&file) {
        Ok(mode) if mode & ANYBODY != 0 => Finding::fail(
            "secrets",
            format!("{} has mode {mode:04o}: whoever reads it knows every password", file.display()),
            format!("chmod 0600 {}", file.display()),
        ),
        Ok(_) => {
            Finding::ok("secrets", format!("{} is readable by its owner alone; keep a backup of it", file.display()))
        }
        Err(error)
            if error.kind() == std::io::ErrorKind::NotFound
                && !settings.fleet.state_dir.join(JOURNAL_FILE).exists() =>
        {
            Finding::warn(
                "secrets",
                "the installation key does not exist yet",
                "the first `innkeeper run` makes it; keep a backup of it",
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::fail(
            "secrets",
            format!("the installation key {} is gone, and every password is derived from it", file.display()),
            "restore it from your backup; a new one would lock every instance out of its database",
        ),
        Err(error) => Finding::fail(
            "secrets",
            format!("could not look at {}: {error}", file.display()),
            "run doctor as the user that the daemon runs as, usually root",
        ),
    }
}

fn password(file: &Path) -> Finding {
    match mode(file) {
        Ok(mode) if mode & OTHERS != 0 => Finding::fail(
            "password",
            format!("{} has mode {mode:04o}: everybody on this host may read it", file.display()),
            format!("chmod 0600 {}", file.display()),
        ),
        Ok(_) => Finding::ok("password", format!("{} is not readable by others", file.display())),
        Err(error) => Finding::fail(
            "password",
            format!("could not look at postgres.password_file {}: {error}", file.display()),
            "make the role as superuser: CREATE ROLE innkeeper LOGIN CREATEDB CREATEROLE PASSWORD '…'; then write that \
             password into the file, mode 0600",
        ),
    }
}
