//! How much room a file system has.

use super::directory::or_present;
use super::write::{PRIVATE_MODE, WriteOptions, temporary};
use std::io;
use std::path::Path;

/// The room of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What an ordinary user may still write: what is kept for root alone does not count.
    pub free_bytes: u64,
}

/// The room of the file system that the directory is on.
///
/// # Errors
/// The directory is not there, or the system does not tell.
pub fn space(directory: &Path) -> io::Result<Space> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(Space {
        total_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
        free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
    })
}

/// Bytes that are free in the directory or, when it is not there yet, where it would be made.
///
/// # Errors
/// A directory on the way cannot be looked at, or the system does not tell.
pub fn free_bytes(directory: &Path) -> io::Result<u64> {
    for present in directory.ancestors().map(or_present) {
        if present.try_exists()? {
            return space(present).map(|space| space.free_bytes);
        }
    }
    Err(io::Error::other(format!("nothing stands at {}", directory.display())))
}

/// Fails where a file of so many bytes could not be written now, and leaves nothing behind.
///
/// # Errors
/// As [`super::create_new`] would.
pub fn try_room(directory: &Path, bytes: usize) -> io::Result<()> {
    temporary(directory, &vec![0; bytes], WriteOptions::mode(PRIVATE_MODE))?.close()
}
