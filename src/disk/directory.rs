//! Directories, and the names in them.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// So many of one name may be set aside. Each is a fault that a person was told of.
const ASIDE_MAX: u32 = 1_000;
/// The permission bits of a mode.
pub(super) const MODE_BITS: u32 = 0o7777;

/// Makes the directory and those above it, each with `mode`. One that is there already is success and stays as it is.
///
/// # Errors
/// Something else has its name, or it cannot be made or synced.
pub fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent_of(path);
    if above != path {
        make_directory(above, mode)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        // Another thread was faster.
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => {}
        made => made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(mode)))?,
    }
    sync_directory(above)
}

/// Makes the directory that `path` is in, as [`make_directory`] does.
///
/// # Errors
/// As [`make_directory`].
pub fn make_parent(path: &Path, mode: u32) -> io::Result<()> {
    make_directory(parent_of(path), mode)
}

/// Makes the directory as [`make_directory`] does; one that is there already gets the mode too.
///
/// # Errors
/// It cannot be made, or it is another user's.
pub fn ensure_directory(path: &Path, mode: u32) -> io::Result<()> {
    make_directory(path, mode)?;
    match fs::metadata(path)?.mode() & MODE_BITS == mode {
        true => Ok(()),
        false => fs::set_permissions(path, Permissions::from_mode(mode)),
    }
}

/// Syncs the names in the directory: what was made, renamed or removed in it.
///
/// # Errors
/// It cannot be opened for reading, or the disk fails.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Syncs the directory that `path` is in.
///
/// # Errors
/// As [`sync_directory`].
pub fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(parent_of(path))
}

/// Renames a file or directory, over a file that has the new name. Both are on the same file system.
///
/// # Errors
/// The system refuses, or a directory cannot be synced.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)?;
    if parent_of(from) == parent_of(to) { Ok(()) } else { sync_parent(from) }
}

/// Renames a file or directory to `aside`, or where that is taken to `aside-2`, `aside-3` and so on. Returns the name that
/// it has then. Only one thread may set the same thing aside.
///
/// # Errors
/// Too many names are taken, or it cannot be renamed.
pub fn set_aside(path: &Path, aside: &Path) -> io::Result<PathBuf> {
    let numbered = (2..=ASIDE_MAX).map(|number| with_suffix(aside, &format!("-{number}")));
    for name in std::iter::once(aside.to_owned()).chain(numbered) {
        match fs::symlink_metadata(&name) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return rename(path, &name).map(|()| name),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::AlreadyExists, format!("{ASIDE_MAX} of that name were put aside already")))
}

/// Removes a file; absent is success. Not synced: after a power cut it may be there again.
///
/// # Errors
/// The system refuses.
pub fn remove_file(path: &Path) -> io::Result<()> {
    absent_is_success(fs::remove_file(path))
}

/// Removes a directory with all that is in it; absent is success. Not synced, as [`remove_file`].
///
/// # Errors
/// The system refuses; a part of it may be gone then.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    absent_is_success(fs::remove_dir_all(path))
}

/// A new directory where the system keeps temporary ones, for this user alone. It goes with the value.
///
/// # Errors
/// It cannot be made; the text names its path.
pub fn temporary_directory(prefix: &str) -> io::Result<TempDir> {
    tempfile::Builder::new().prefix(prefix).tempdir()
}

/// The directory that `path` is in: the present one for a bare name, of which the standard library says `""`.
pub(super) fn parent_of(path: &Path) -> &Path {
    or_present(path.parent().unwrap_or(path))
}

pub(super) fn or_present(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn absent_is_success(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
