//! Settings → edges: the one place that knows which system stands behind which trait.
//!
//! It makes the directory of secrets where that is allowed, opens the journal, and builds the adapters. It talks to no
//! system that may be down: adapters connect at their first use, and a system that is down is `Unseen` then.

mod attempts;
mod secrets;

pub use secrets::{CERTIFICATES_DIR, KEY_FILE, ODOO_DIR, SECRETS_DIR, SecretsError};

use crate::adapters::acme::{self, Acme};
use crate::adapters::directory::Directory;
use crate::adapters::docker::Docker;
use crate::adapters::nginx::{self, Nginx};
use crate::adapters::postgres::Postgres;
use crate::edges::{EdgeError, Edges};
use crate::journal::{Journal, JournalError};
use crate::model::secret::InstallationKey;
use crate::model::settings::Settings;
use crate::model::time::Timestamp;
use attempts::JournalAttempts;
use secrets::Secrets;
use std::path::Path;
use std::sync::Arc;

/// The file in the state directory that says where backups were taken.
pub const ARCHIVE_WITNESS: &str = "archive";
/// The folder of the proxy's templates in the fleet's directory.
pub const TEMPLATES_DIR: &str = "nginx-templates";
/// What stands for the account's thumbprint while there is no account and none may be made: no challenge is answered.
const NO_THUMBPRINT: &str = "none";

/// The systems could not be set up as the settings ask.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The directory of secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A setting that an adapter refuses.
    #[error("the settings cannot be used")]
    Edge(#[from] EdgeError),
}

/// Connects for a program that acts: directories, key and journal are made where they are missing. The caller holds the
/// installation's lock.
///
/// # Errors
/// [`ConnectError`]: a lost key is never papered over.
pub fn connect(
    settings: &Settings,
    fleet_dir: &Path,
    now: fn() -> Timestamp,
) -> Result<(Edges, InstallationKey, Journal), ConnectError> {
    let secrets = Secrets::of(&settings.fleet.state_dir);
    refuse_a_second_beginning(settings, &secrets)?;
    let key = secrets.open_or_begin()?;
    let journal = Journal::open(&settings.fleet.state_dir, now)?;
    let acme = acme(settings, &secrets, &key, &journal, now)?;
    let thumbprint = acme.thumbprint()?;
    Ok((edges(settings, fleet_dir, &secrets, &key, acme, thumbprint)?, key, journal))
}

/// Connects for a program that only looks: nothing is made, nothing is written. Before the first start of an
/// installation its key is a throw-away one, so that everything is new.
///
/// # Errors
/// As [`connect`].
pub fn connect_to_look(
    settings: &Settings,
    fleet_dir: &Path,
    now: fn() -> Timestamp,
) -> Result<(Edges, InstallationKey, Journal), ConnectError> {
    let secrets = Secrets::of(&settings.fleet.state_dir);
    refuse_a_second_beginning(settings, &secrets)?;
    let key = match secrets.open()? {
        Some(key) => key,
        None => secrets::new_key()?,
    };
    let journal = Journal::open_read_only(&settings.fleet.state_dir, now)?;
    let acme = acme(settings, &secrets, &key, &journal, now)?;
    // Asking for it would make the account's key.
    let thumbprint = if secrets.account_key().exists() { acme.thumbprint()? } else { NO_THUMBPRINT.to_owned() };
    Ok((edges(settings, fleet_dir, &secrets, &key, acme, thumbprint)?, key, journal))
}

/// Connects a rehearsal: its edges are handed in, its secrets and its journal are as real as any.
///
/// # Errors
/// As [`connect`].
pub fn connect_rehearsal(
    settings: &Settings,
    edges: Edges,
    now: fn() -> Timestamp,
) -> Result<(Edges, InstallationKey, Journal), ConnectError> {
    let key = Secrets::of(&settings.fleet.state_dir).open_or_begin()?;
    Ok((edges, key, Journal::open(&settings.fleet.state_dir, now)?))
}

/// A state directory without anything looks like a first start, also when a disk is not mounted. Where an installation has
/// its sites it is none.
fn refuse_a_second_beginning(settings: &Settings, secrets: &Secrets) -> Result<(), SecretsError> {
    let config_dir = &settings.nginx.config_dir;
    match nginx::installation_at(config_dir) {
        Some(installation) if secrets.open()?.is_none() => Err(SecretsError::StateGone {
            state_dir: settings.fleet.state_dir.clone(),
            config_dir: config_dir.clone(),
            installation,
        }),
        _ => Ok(()),
    }
}

fn acme(
    settings: &Settings,
    secrets: &Secrets,
    key: &InstallationKey,
    journal: &Journal,
    now: fn() -> Timestamp,
) -> Result<Acme, EdgeError> {
    let host = acme::Host {
        store: secrets.certificates(),
        account_key: secrets.account_key(),
        base_domain: settings.fleet.base_domain.clone(),
        http_port: settings.nginx.http_port,
        installation: key.id(),
        now,
    };
    Acme::new(&settings.acme, host, Arc::new(JournalAttempts::new(journal.clone(), now)))
}

fn edges(
    settings: &Settings,
    fleet_dir: &Path,
    secrets: &Secrets,
    key: &InstallationKey,
    acme: Acme,
    thumbprint: String,
) -> Result<Edges, EdgeError> {
    let nginx = Nginx::new(
        &settings.nginx,
        fleet_dir.join(TEMPLATES_DIR),
        secrets.certificates(),
        settings.fleet.base_domain.clone(),
        thumbprint,
        key.id(),
    )?
    .run_by(&settings.operator);
    Ok(Edges {
        engine: Arc::new(Docker::new(&settings.docker, key.id(), secrets.odoo())?),
        database: Arc::new(Postgres::new(&settings.postgres, key.id())?.dumping_with(&settings.backup.pg_dump)),
        proxy: Arc::new(nginx),
        authority: Arc::new(acme),
        archive: Arc::new(
            Directory::new(&settings.backup, key.id()).witnessed_by(settings.fleet.state_dir.join(ARCHIVE_WITNESS)),
        ),
    })
}
