//! Writing a file whole: into a temporary one beside it, which then takes its name.

use super::directory::{MODE_BITS, parent_of, sync_directory};
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;
use std::time::SystemTime;
use tempfile::NamedTempFile;

/// How the names of temporary files begin. Hidden, so that no scan of a directory takes one for a file.
const TEMPORARY_PREFIX: &str = ".new-";
/// Until it is whole, a file is its writer's alone.
pub(super) const PRIVATE_MODE: u32 = 0o600;
/// What the umask takes away from.
const UMASK_MODE: u32 = 0o666;

/// For whom a file is written, and how safely.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// None: what the umask leaves.
    mode: Option<u32>,
    owner: Owner,
    synced: bool,
}

#[derive(Debug, Clone, Copy)]
enum Owner {
    Writer,
    Exactly { uid: u32, gid: u32 },
    GroupWhereAllowed(u32),
}

impl WriteOptions {
    /// A file with exactly these bits of permission.
    pub fn mode(mode: u32) -> Self {
        Self { mode: Some(mode), owner: Owner::Writer, synced: true }
    }

    /// A file with what the user's umask leaves of 0666, as an editor makes it.
    pub fn umask() -> Self {
        Self { mode: None, owner: Owner::Writer, synced: true }
    }

    /// A file with the mode, owner and group of another one.
    pub fn like(file: &Metadata) -> Self {
        Self::mode(file.mode() & MODE_BITS).owner(file.uid(), file.gid())
    }

    /// Gives the file to this user and group; where that is not allowed, nothing is written.
    #[must_use]
    pub fn owner(self, uid: u32, gid: u32) -> Self {
        Self { owner: Owner::Exactly { uid, gid }, ..self }
    }

    /// Gives the file to this group, if any, where that is allowed: only root and members of the group may.
    #[must_use]
    pub fn group_where_allowed(self, gid: Option<u32>) -> Self {
        Self { owner: gid.map_or(self.owner, Owner::GroupWhereAllowed), ..self }
    }

    /// Waits for no disk. Other processes still see the old file or the new one; after a power cut it may be either one, or
    /// empty. For what is read by people and made again from what is known.
    #[must_use]
    pub fn unsynced(self) -> Self {
        Self { synced: false, ..self }
    }
}

/// Writes a file in the place of the one that may be there. A symbolic link is replaced, not followed.
///
/// # Errors
/// It cannot be written, and the former file stands; or, when only the last sync failed, the new one.
pub fn replace(path: &Path, bytes: &[u8], options: WriteOptions) -> io::Result<()> {
    let directory = parent_of(path);
    temporary(directory, bytes, options)?.persist(path).map_err(|failed| failed.error)?;
    if options.synced { sync_directory(directory) } else { Ok(()) }
}

/// Writes a file that is not there yet.
///
/// # Errors
/// Of the kind `AlreadyExists` when anything has that name, which stays as it is; or it cannot be written.
pub fn create_new(path: &Path, bytes: &[u8], options: WriteOptions) -> io::Result<()> {
    let directory = parent_of(path);
    temporary(directory, bytes, options)?.persist_noclobber(path).map_err(|failed| failed.error)?;
    if options.synced { sync_directory(directory) } else { Ok(()) }
}

/// Writes a file that is not there yet into a directory which does not count before it is renamed. Only the bytes are synced:
/// many names are on the disk after one [`super::sync_directory`]. A failure leaves a part of the file.
///
/// # Errors
/// As [`create_new`].
pub fn write_new(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    fill(&mut open_new(path, PRIVATE_MODE)?, bytes, WriteOptions::mode(mode))
}

/// Removes what killed processes left half-written in the directory. Only for whoever alone writes there now.
///
/// # Errors
/// The directory cannot be listed, or a file not be removed.
pub fn sweep(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let is_temporary = entry.file_name().as_encoded_bytes().starts_with(TEMPORARY_PREFIX.as_bytes());
        if is_temporary && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Gives the file or directory to the group, where we may: only root and members of the group may. False when it was not
/// given.
///
/// # Errors
/// Another one than that it is not allowed.
pub fn give_to_group(file: &File, gid: Option<u32>) -> io::Result<bool> {
    let Some(gid) = gid else { return Ok(false) };
    if file.metadata()?.gid() == gid {
        return Ok(true);
    }
    match fchown(file, None, Some(gid)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(false),
        Err(error) => Err(error),
    }
}

/// The time that a file gets which is written beside `path` now, by the clock of the file system.
///
/// # Errors
/// None can be written there.
pub fn time_of_a_new_file(path: &Path) -> io::Result<SystemTime> {
    let options = WriteOptions::mode(PRIVATE_MODE).unsynced();
    temporary(parent_of(path), &[], options)?.as_file().metadata()?.modified()
}

/// A temporary file in the directory that holds these bytes and is as it will be. It goes with the value.
pub(super) fn temporary(directory: &Path, bytes: &[u8], options: WriteOptions) -> io::Result<NamedTempFile> {
    let mode = options.mode.map_or(UMASK_MODE, |_| PRIVATE_MODE);
    let mut builder = tempfile::Builder::new();
    let mut file = builder.prefix(TEMPORARY_PREFIX).make_in(directory, |path| open_new(path, mode))?;
    fill(file.as_file_mut(), bytes, options)?;
    Ok(file)
}

fn open_new(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// The mode comes after the owner: nobody reads it who only had it in between, and a new owner takes bits of the mode away.
fn fill(file: &mut File, bytes: &[u8], options: WriteOptions) -> io::Result<()> {
    file.write_all(bytes)?;
    match options.owner {
        Owner::Writer => {}
        Owner::Exactly { uid, gid } => give_to(file, uid, gid)?,
        Owner::GroupWhereAllowed(gid) => drop(give_to_group(file, Some(gid))?),
    }
    if let Some(mode) = options.mode {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    if options.synced { file.sync_all() } else { Ok(()) }
}

/// Not every file system takes an owner, even the one that a file has already.
fn give_to(file: &File, uid: u32, gid: u32) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) == (uid, gid) { Ok(()) } else { fchown(file, Some(uid), Some(gid)) }
}
