//! Directories and files of the archive: made for root alone, on the disk before they count.

use super::{Backups, MANIFEST, MISSING, PARTIAL, UNSOUND, VERIFIED};
use crate::model::backup::{BackupId, BackupLive, FORMAT, Manifest, MissingFiles};
use crate::model::name::InstanceName;
use crate::model::time::Timestamp;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
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
        Some(witness) if named_by(witness)?.as_deref() != Some(root) => {
            // Two backups may begin at the same time.
            let mut new = tempfile::NamedTempFile::new_in(witness.parent().unwrap_or(Path::new(".")))?;
            new.write_all(root.as_os_str().as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(witness).map_err(|error| error.error)?;
            sync_parent(witness)
        }
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
    let lines: String = missing.iter().map(|name| format!("{name}\n")).collect();
    match missing.is_empty() {
        true => drop(fs::remove_file(place.join(MISSING))),
        false => write(&place.join(MISSING), lines.as_bytes())?,
    }
    let text = serde_json::to_vec(mark).unwrap_or_else(|error| unreachable!("plain data serializes: {error}"));
    let new = place.join(format!("{VERIFIED}.new"));
    write(&new, &text)?;
    fs::rename(&new, place.join(VERIFIED))?;
    sync_directory(place)
}

/// A backup's manifest.
pub(super) fn manifest(backup: &Path) -> io::Result<Manifest> {
    let file = backup.join(MANIFEST);
    if fs::metadata(&file)?.len() > MANIFEST_BYTES_MAX {
        return Err(io::Error::other("its manifest is too large"));
    }
    serde_json::from_slice(&fs::read(file)?).map_err(io::Error::other)
}

/// Makes a directory and those above it, on the disk when this returns; there already is success.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make_directory)?;
    fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path)?;
    sync_directory(above.unwrap_or(Path::new(".")))
}

/// Removes a directory with all that is in it; absent is success.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames a backup so that it is none any more, to the first name that is free: `<id>.unsound`, `<id>.unsound-2`, …
pub(super) fn set_aside(place: &Path) -> io::Result<PathBuf> {
    let name = |number: u32| match number {
        1 => format!("{}{UNSOUND}", place.display()),
        _ => format!("{}{UNSOUND}-{number}", place.display()),
    };
    let mut number = 1;
    while Path::new(&name(number)).try_exists()? {
        number += 1;
    }
    let aside = PathBuf::from(name(number));
    fs::rename(place, &aside)?;
    sync_parent(&aside)?;
    Ok(aside)
}

/// Removes what was begun and not published on one shelf.
pub(super) fn remove_partials(shelf: &Path) -> io::Result<()> {
    for entry in fs::read_dir(shelf)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(PARTIAL));
        if name.is_some_and(|name| BackupId::parse(name).is_ok()) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Bytes that are free in a directory, or where it would be made. What is kept for root alone does not count.
pub(super) fn free_bytes(directory: &Path) -> io::Result<u64> {
    let mut present = directory;
    while !present.try_exists()? {
        let above = present.parent();
        present = above.ok_or_else(|| io::Error::other(format!("nothing stands at {}", directory.display())))?;
    }
    let disk = rustix::fs::statvfs(present)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Opens a file that must not be there yet.
pub(super) async fn new_file(path: &Path) -> io::Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path).await
}

/// Writes a small file whole, to the disk.
pub(super) fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// What was made, renamed or removed in it is on the disk afterwards.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// The same for the directory above.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_directory)
}
