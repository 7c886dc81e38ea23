//! Writes files as a whole, readable by nobody but those they are for. Never leaves a part of one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use tempfile::NamedTempFile;

/// Directories that are missing on the way: passed through by all, listed by nobody else.
pub(super) const PASSAGE_MODE: u32 = 0o711;
const PROBE_MODE: u32 = 0o600;
const GROUPS_FILE: &str = "/etc/group";

/// Writes a new file; an error of the kind `AlreadyExists` when there is one, which stays as it is.
pub(super) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    make_directory(directory)?;
    written(directory, bytes, mode, None)?.persist_noclobber(path).map_err(|e| e.error)?;
    File::open(directory)?.sync_all()
}

/// Writes a file in the place of the one that may be there: readers see the old one or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32, group: Option<u32>) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    written(directory, bytes, mode, group)?.persist(path).map_err(|e| e.error)?;
    File::open(directory)?.sync_all()
}

/// Makes the directory and those above it, on the disk when this returns; there already is success.
pub(super) fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    above.map_or(Ok(()), make_directory)?;
    fs::DirBuilder::new().recursive(true).mode(PASSAGE_MODE).create(path)?;
    File::open(above.unwrap_or(Path::new(".")))?.sync_all()
}

/// Fails where the disk has no room for a file of so many bytes, and leaves nothing behind.
pub(super) fn try_room(directory: &Path, bytes: usize) -> io::Result<()> {
    written(directory, &vec![0; bytes], PROBE_MODE, None)?.close()
}

/// Gives the file to the group, where we may: only root and members of the group may. False when it was not given.
pub(super) fn give_to_group(file: &File, group: Option<u32>) -> io::Result<bool> {
    let Some(group) = group else { return Ok(false) };
    if file.metadata()?.gid() == group {
        return Ok(true);
    }
    match fchown(file, None, Some(group)) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => Ok(false),
        Err(e) => Err(e),
    }
}

/// The number of the group, as this host's file of groups has it.
pub(super) fn group_id(name: &str) -> Option<u32> {
    let groups = fs::read_to_string(GROUPS_FILE).ok()?;
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split(':').nth(2)?.parse().ok()
}

/// The bytes in a temporary file of `directory`, on disk, with its mode and group.
fn written(directory: &Path, bytes: &[u8], mode: u32, group: Option<u32>) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    give_to_group(file.as_file(), group)?;
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    Ok(file)
}
