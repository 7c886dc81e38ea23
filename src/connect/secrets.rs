//! The directory of secrets in the state directory, and the installation key in it, from which all others are derived.
//!
//! Losing the key is said plainly: a new one would be another installation, to which every container, role and database
//! of the old one is foreign.

use crate::disk::{self, WriteOptions};
use crate::model::secret::{INSTALLATION_KEY_BYTES, InstallationKey, hex};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The directory's name in the state directory.
pub const SECRETS_DIR: &str = "secrets";
/// The installation key: 64 hexadecimal digits, 0600.
pub const KEY_FILE: &str = "installation.key";
/// The installation's public id, beside its key: tells a lost key from a first start.
const ID_FILE: &str = "installation.id";
/// One directory an instance, mounted into its containers.
pub const ODOO_DIR: &str = "odoo";
/// Certificates with their keys.
pub const CERTIFICATES_DIR: &str = "certificates";
const ACCOUNT_KEY_FILE: &str = "acme-account.pem";
/// May be passed through by nginx's workers, and listed by nobody else.
const PASSAGE_MODE: u32 = 0o711;
/// Nobody else gets in.
const CLOSED_MODE: u32 = 0o700;
const KEY_MODE: u32 = 0o600;
const ID_MODE: u32 = 0o644;

/// The secrets could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The key is gone although there was one.
    #[error(
        "the installation key {} is gone, although this state directory was used before: restore it from your backup. \
         With a new key every container, role and database of this fleet would be foreign; to begin a new \
         installation on purpose, use another state_dir",
        .0.display()
    )]
    KeyLost(PathBuf),
    /// There is no key, and an installation has its sites here.
    #[error(
        "{} has no installation key, but {} holds the sites of Innkeeper installation {installation}: is the state directory \
         mounted, and is it the right one? With a new key everything of that installation would be foreign; a new one beside it \
         needs an nginx.config_dir of its own",
        state_dir.display(),
        config_dir.display()
    )]
    StateGone {
        /// Where the key was looked for.
        state_dir: PathBuf,
        /// `nginx.config_dir`
        config_dir: PathBuf,
        /// Whose sites these are.
        installation: String,
    },
    /// The key is not the one that this installation began with.
    #[error(
        "the installation key {} is not the one that this state directory began with ({expected}, not {found}): \
         restore the right one from your backup",
        file.display()
    )]
    KeySwapped {
        /// The key's file.
        file: PathBuf,
        /// The id written down beside it.
        expected: String,
        /// The key's own.
        found: String,
    },
    /// The file does not hold a key.
    #[error("{} does not hold an installation key (64 hexadecimal digits): restore it from your backup", .0.display())]
    KeyMalformed(PathBuf),
    /// A file could not be read or written.
    #[error("could not {doing} {}", file.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// Which file.
        file: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("could not make a key")]
    Chance(#[from] openssl::error::ErrorStack),
}

/// The directory of secrets of one installation.
pub(super) struct Secrets {
    state_dir: PathBuf,
    dir: PathBuf,
}

impl Secrets {
    pub(super) fn of(state_dir: &Path) -> Self {
        Self { state_dir: state_dir.to_owned(), dir: state_dir.join(SECRETS_DIR) }
    }

    pub(super) fn certificates(&self) -> PathBuf {
        self.dir.join(CERTIFICATES_DIR)
    }

    pub(super) fn odoo(&self) -> PathBuf {
        self.dir.join(ODOO_DIR)
    }

    pub(super) fn account_key(&self) -> PathBuf {
        self.dir.join(ACCOUNT_KEY_FILE)
    }

    /// Reads the key; none before the first start. Writes nothing.
    pub(super) fn open(&self) -> Result<Option<InstallationKey>, SecretsError> {
        let file = self.dir.join(KEY_FILE);
        let id_file = self.dir.join(ID_FILE);
        let Some(text) = read(&file)? else {
            let used = id_file.exists() || self.state_dir.join(crate::journal::JOURNAL_FILE).exists();
            return if used { Err(SecretsError::KeyLost(file)) } else { Ok(None) };
        };
        let key = parse(&text).ok_or_else(|| SecretsError::KeyMalformed(file.clone()))?;
        match read(&id_file)? {
            Some(expected) if expected.trim() != key.id().0 => {
                Err(SecretsError::KeySwapped { file, expected: expected.trim().to_owned(), found: key.id().0 })
            }
            _ => Ok(Some(key)),
        }
    }

    /// Reads the key, or makes it at the first start; makes the directories that adapters use, and clears away what a
    /// killed process left half-written. The caller holds the installation's lock, so nobody writes meanwhile.
    pub(super) fn open_or_begin(&self) -> Result<InstallationKey, SecretsError> {
        let key = match self.open()? {
            Some(key) => key,
            None => {
                make_dir(&self.dir)?;
                let key_bytes = random()?;
                // The key before its id: what is cut off in between is a first start again.
                create(&self.dir.join(KEY_FILE), &hex(&key_bytes), KEY_MODE)?;
                InstallationKey::new(key_bytes)
            }
        };
        let id_file = self.dir.join(ID_FILE);
        if read(&id_file)?.is_none() {
            create(&id_file, &key.id().0, ID_MODE)?;
        }
        for dir in [self.certificates(), self.odoo()] {
            make_dir(&dir)?;
        }
        // Docker mounts what is in it as root, and on this host another user may have the number of Odoo's.
        let closed = fs::set_permissions(self.odoo(), Permissions::from_mode(CLOSED_MODE));
        closed.map_err(|source| SecretsError::File { doing: "close", file: self.odoo(), source })?;
        for dir in [&self.state_dir, &self.dir, &self.certificates()] {
            disk::sweep(dir).map_err(|source| SecretsError::File { doing: "clear away", file: dir.clone(), source })?;
        }
        self.sweep_instances();
        Ok(key)
    }

    /// What was half-written of instances' files. A directory that cannot be read holds back its own instance later, and
    /// nobody else now.
    fn sweep_instances(&self) {
        for entry in fs::read_dir(self.odoo()).into_iter().flatten().flatten() {
            let swept = if entry.path().is_dir() { disk::sweep(&entry.path()) } else { Ok(()) };
            if let Err(error) = swept {
                tracing::warn!(%error, "could not clear away what is half-written in {}", entry.path().display());
            }
        }
    }
}

/// A key in a directory that a power cut took away is a lost key: whoever made the directory may have been killed before it
/// was synced.
fn make_dir(dir: &Path) -> Result<(), SecretsError> {
    let synced = disk::make_directory(dir, PASSAGE_MODE).and_then(|()| disk::sync_parent(dir));
    synced.map_err(|source| SecretsError::File { doing: "make", file: dir.to_owned(), source })
}

/// A key that no installation has.
pub(super) fn new_key() -> Result<InstallationKey, SecretsError> {
    Ok(InstallationKey::new(random()?))
}

fn random() -> Result<[u8; INSTALLATION_KEY_BYTES], SecretsError> {
    let mut bytes = [0; INSTALLATION_KEY_BYTES];
    openssl::rand::rand_bytes(&mut bytes)?;
    Ok(bytes)
}

fn parse(text: &str) -> Option<InstallationKey> {
    let digits = text.trim();
    let mut bytes = [0; INSTALLATION_KEY_BYTES];
    if digits.len() != 2 * INSTALLATION_KEY_BYTES || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
    }
    Some(InstallationKey::new(bytes))
}

fn read(file: &Path) -> Result<Option<String>, SecretsError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SecretsError::File { doing: "read", file: file.to_owned(), source }),
    }
}

fn create(file: &Path, line: &str, mode: u32) -> Result<(), SecretsError> {
    disk::create_new(file, format!("{line}\n").as_bytes(), WriteOptions::mode(mode))
        .map_err(|source| SecretsError::File { doing: "write", file: file.to_owned(), source })
}
