//! Directories and files of the archive: made for root alone, on the disk before they count.

use super::{Backups, MANIFEST, MISSING, PARTIAL, UNSOUND, VERIFIED};
use crate::disk::{self, WriteOptions};
use crate::model::backup::{BackupId, BackupLive, FORMAT, Manifest, MissingFiles};
use crate::model::name::InstanceName;
use crate::model::time::Timestamp;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

const DIRECTORY_MODE: u32 = 0o700;
/// Of each file.
pub(super) const FILE_MODE: u32 = 0o600;
/// A manifest has about 1 KiB.
const MANIFEST_BYTES_MAX: u64 = 1 << 20;

/// What reading a backup back came to.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct Mark {
    pub(super) at: Timestamp,
    pub(super) tool: String,
    #[serde(default, skip_serializing_if = "MissingFiles::is_none")]
    pub(super) missing: MissingFiles,
}

/// Makes the archive's directory, and has the witness name it.
pub(super) fn begin_archive(root: &Path, witness: Option<&Path>) -> io::Result<()> {
    refuse_another_beginning(root, witness)?;
    make_directory(root)?;
    match witness {
        // It is not on the archive's disk, so it is said which file it is.
        Some(witness) if named_by(witness)?.as_deref() != Some(root) => write(witness, root.as_os_str().as_bytes())
            .map_err(|error| io::Error::new(error.kind(), format!("could not write {}: {error}", witness.display()))),
        _ => Ok(()),
    }
}

/// Ends with an error where backups were taken in `root` and it is not there.
pub(super) fn refuse_another_beginning(root: &Path, witness: Option<&Path>) -> io::Result<()> {
    match witness.map(named_by).transpose()?.flatten() {
        Some(named) if named == root && !root.try_exists()? => Err(io::Error::other(format!(
            "{} is not there, and backups were taken in it: mount its disk, or, if they are gone for good, make the directory \
             again",
            root.display()
        ))),
        _ => Ok(()),
    }
}

/// The archive that a witness names.
pub(super) fn named_by(witness: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read(witness) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(PathBuf::from(OsString::from_vec(read?)))),
    }
}

/// The whole backups on one shelf. One that cannot be understood is left out and told in the log; a shelf that cannot be
/// read is an error.
pub(super) fn backups(shelf: &Path, instance: &InstanceName) -> io::Result<Backups> {
    let entries = match fs::read_dir(shelf) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Backups::new()),
        entries => entries?,
    };
    let mut backups = Backups::new();
    for entry in entries {
        let path = entry?.path();
        let Some(id) = path.file_name().and_then(|name| BackupId::parse(name.to_str()?).ok()) else { continue };
        match read(&path, instance, &id) {
            Ok(backup) => drop(backups.insert(id, backup)),
            Err(error) => tracing::warn!(%error, "{} is left out of the backups", path.display()),
        }
    }
    Ok(backups)
}

/// The instances that have a backup on their shelf. One that is only being taken counts for nothing.
pub(super) fn instances(root: &Path) -> io::Result<BTreeSet<InstanceName>> {
    let mut names = BTreeSet::new();
    for name in shelves(root)? {
        if holds_backup(&root.join(name.as_str()))? {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The instances that have a shelf.
pub(super) fn shelves(root: &Path) -> io::Result<BTreeSet<InstanceName>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        names.extend(entry?.file_name().to_str().and_then(|name| InstanceName::parse(name).ok()));
    }
    Ok(names)
}

fn holds_backup(shelf: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(shelf)? {
        if entry?.file_name().to_str().is_some_and(|name| BackupId::parse(name).is_ok()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// One backup, as its manifest and its files show it.
pub(super) fn read(path: &Path, instance: &InstanceName, id: &BackupId) -> io::Result<BackupLive> {
    let manifest: Manifest = manifest(path)?;
    if manifest.format != FORMAT || manifest.id != *id || manifest.instance != *instance {
        return Err(io::Error::other("its manifest is of another backup or another version"));
    }
    let mark = match fs::read(path.join(VERIFIED)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        read => serde_json::from_slice::<Mark>(&read?).ok(),
    };
    // A part that was taken away by hand leaves no backup behind.
    let whole = manifest.parts.iter().all(|(part, sum)| {
        fs::metadata(path.join(part.file_name())).is_ok_and(|file| file.is_file() && file.len() == sum.bytes)
    });
    let mark = mark.filter(|_| whole);
    let (verified_at, missing) = mark.map_or((None, MissingFiles::default()), |mark| (Some(mark.at), mark.missing));
    Ok(BackupLive { manifest, verified_at, missing, place: path.display().to_string() })
}

/// Marks a backup as read back, in one moment.
pub(super) fn mark(place: &Path, mark: &Mark, missing: &BTreeSet<String>) -> io::Result<()> {
    // A killed process may have left a half-written one, and one name is in one turn only.
    disk::sweep(place)?;
    let lines: String = missing.iter().map(|name| format!("{name}\n")).collect();
    match missing.is_empty() {
        true => drop(fs::remove_file(place.join(MISSING))),
        false => write(&place.join(MISSING), lines.as_bytes())?,
    }
    let text = serde_json::to_vec(mark).unwrap_or_else(|error| unreachable!("plain data serializes: {error}"));
    write(&place.join(VERIFIED), &text)
}

/// A backup's manifest.
pub(super) fn manifest(backup: &Path) -> io::Result<Manifest> {
    match disk::read_limited(&backup.join(MANIFEST), MANIFEST_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(io::Error::other("its manifest is too large")),
        read => serde_json::from_slice(&read?.bytes).map_err(io::Error::other),
    }
}

/// Makes a directory and those above it; there already is success.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    disk::make_directory(path, DIRECTORY_MODE)
}

/// Renames a backup so that it is none any more, to the first name that is free: `<id>.unsound`, `<id>.unsound-2`, …
pub(super) fn set_aside(place: &Path) -> io::Result<PathBuf> {
    let mut aside = place.as_os_str().to_owned();
    aside.push(UNSOUND);
    disk::set_aside(place, Path::new(&aside))
}

/// Removes what was begun and not published on one shelf.
pub(super) fn remove_partials(shelf: &Path) -> io::Result<()> {
    for entry in fs::read_dir(shelf)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(PARTIAL));
        if name.is_some_and(|name| BackupId::parse(name).is_ok()) {
            disk::remove_tree(&path)?;
        }
    }
    Ok(())
}

/// Writes a small file whole, in the place of one that may be there.
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    disk::replace(path, text, WriteOptions::mode(FILE_MODE))
}
