//! The certificates on disk: one file a certificate, private key and full chain in it, swapped atomically, so that
//! nginx never sees a key beside another's certificate. Nothing here touches the network.

use super::certificate::{self, Held};
use crate::disk::{self, WriteOptions};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::live::CertificateLive;
use crate::model::site::CertificateName;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Of the private key's file: nginx's workers read it through their group.
const FILE_MODE: u32 = 0o640;
/// Of the store, when nginx's group is known.
const DIRECTORY_MODE: u32 = 0o750;
/// Of the store otherwise, and of directories that are missing on the way: passed through by all, listed by nobody else.
pub(super) const PASSAGE_MODE: u32 = 0o711;
/// The groups that nginx's packages run the workers in: Debian's and nginx.org's.
const NGINX_GROUPS: [&str; 2] = ["www-data", "nginx"];
const GROUPS_FILE: &str = "/etc/group";
/// A key and a chain are about 6 KiB; what is larger is not read.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Whoever orders a certificate first makes sure of room for one.
const ROOM_BYTES: usize = 64 * 1024;
const ENDING: &str = ".pem";

/// The directory of certificates.
pub(super) struct Store {
    directory: PathBuf,
    seen: Mutex<BTreeMap<PathBuf, (Stamp, Held)>>,
}

/// What changes whenever a file is replaced or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Store {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory, seen: Mutex::default() }
    }

    /// All stored certificates; placeholders are left out. A file is parsed once, as long as it stays as it is.
    pub(super) fn look(&self) -> Result<BTreeMap<CertificateName, CertificateLive>, EdgeError> {
        let files =
            self.files().map_err(|e| failed("could not list the stored certificates in", &self.directory, e))?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|path, _| files.contains_key(path));
        let mut certificates = BTreeMap::new();
        for (path, name) in files {
            if let Some(Held::Certificate(found)) = read_cached(&mut seen, &path) {
                certificates.insert(name, found);
            }
        }
        Ok(certificates)
    }

    /// What is stored under `name`; none when nothing is.
    pub(super) fn held(&self, name: &CertificateName) -> Option<Held> {
        read_cached(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner), &self.path(name))
    }

    /// Puts `pem` in the place of what is stored under `name`: there is the old file or the new one, never a part.
    pub(super) fn put(&self, name: &CertificateName, pem: &[u8]) -> Result<(), EdgeError> {
        let path = self.path(name);
        let group = NGINX_GROUPS.iter().find_map(|name| group_id(name));
        self.ensure_directory(group)
            .and_then(|()| disk::replace(&path, pem, WriteOptions::mode(FILE_MODE).group_where_allowed(group)))
            .map_err(|e| failed("could not store the certificate", &path, e))
    }

    /// Fails where a certificate could not be stored now: one that comes and cannot be kept is an order burned, of which an
    /// authority gives few.
    pub(super) fn try_room(&self) -> Result<(), EdgeError> {
        disk::make_directory(&self.directory, PASSAGE_MODE)
            .and_then(|()| disk::try_room(&self.directory, ROOM_BYTES))
            .map_err(|e| failed("no certificate is ordered, because it could not be stored in", &self.directory, e))
    }

    fn path(&self, name: &CertificateName) -> PathBuf {
        self.directory.join(name.file_stem() + ENDING)
    }

    fn files(&self) -> io::Result<BTreeMap<PathBuf, CertificateName>> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
            Err(e) => return Err(e),
        };
        let mut files = BTreeMap::new();
        for entry in entries {
            let entry = entry?;
            // Temporary files begin with a dot.
            if let Some(name) = entry.file_name().to_str().filter(|name| !name.starts_with('.')).and_then(name_of) {
                files.insert(entry.path(), name);
            }
        }
        Ok(files)
    }

    fn ensure_directory(&self, group: Option<u32>) -> io::Result<()> {
        disk::make_directory(&self.directory, PASSAGE_MODE)?;
        let directory = File::open(&self.directory)?;
        let given = disk::give_to_group(&directory, group)?;
        // Without the group the workers must get through all the same.
        directory.set_permissions(Permissions::from_mode(if given { DIRECTORY_MODE } else { PASSAGE_MODE }))
    }
}

/// The number of the group, as this host's file of groups has it.
fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string(GROUPS_FILE).ok()?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

fn name_of(file_name: &str) -> Option<CertificateName> {
    let stem = file_name.strip_suffix(ENDING)?;
    let name = stem.strip_prefix("_wildcard").map_or_else(|| stem.to_owned(), |rest| format!("*{rest}"));
    Some(CertificateName(name))
}

fn read_cached(seen: &mut BTreeMap<PathBuf, (Stamp, Held)>, path: &Path) -> Option<Held> {
    let read = stamp(path).and_then(|stamp| match seen.get(path) {
        Some((known, held)) if *known == stamp => Ok((stamp, held.clone())),
        _ => disk::read_limited(path, FILE_BYTES_MAX).map(|pem| (stamp, certificate::read(&pem.bytes))),
    });
    match read {
        Ok((stamp, held)) => {
            seen.insert(path.to_owned(), (stamp, held.clone()));
            Some(held)
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) if e.kind() == io::ErrorKind::FileTooLarge => {
            Some(fault("the file is too large for a certificate".to_owned()))
        }
        Err(e) => Some(fault(format!("the file cannot be read: {e}"))),
    }
}

fn fault(text: String) -> Held {
    Held::Certificate(certificate::unreadable(text))
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let data = fs::metadata(path)?;
    Ok(Stamp {
        inode: data.ino(),
        bytes: data.len(),
        modified: (data.mtime(), data.mtime_nsec()),
        changed: (data.ctime(), data.ctime_nsec()),
    })
}

fn failed(doing: &str, path: &Path, error: io::Error) -> EdgeError {
    EdgeError::new(Edge::Authority, ErrorKind::Failed, format!("{doing} {}", path.display()), error)
}
