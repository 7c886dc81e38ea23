//! One daemon, or one `apply`, for each installation on this host: a lock on `<state_dir>/lock`.
//!
//! The file is never removed: a lock on a removed file would exclude nobody. What it says is for people only.

use crate::model::time::Timestamp;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The file's name in the state directory.
pub const LOCK_FILE: &str = "lock";
/// How much of the file is read to name the holder.
const HOLDER_BYTES_MAX: u64 = 200;

/// The lock. It ends with the process, however that ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("another Innkeeper works on {}: {holder}", state_dir.display())]
    Held {
        /// Whose state directory.
        state_dir: PathBuf,
        /// What the holder wrote about itself: `run, pid 123, since …`.
        holder: String,
    },
    /// The file could not be opened.
    #[error("could not lock {}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Lock {
    /// Takes the lock or says who has it. `command` is told to whoever comes later.
    ///
    /// # Errors
    /// [`LockError::Held`], or the file cannot be made.
    pub fn take(state_dir: &Path, command: &str, now: Timestamp) -> Result<Self, LockError> {
        let path = state_dir.join(LOCK_FILE);
        let failed = |source| LockError::File { file: path.clone(), source };
        let mut file =
            OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                // What cannot be read is not worth an error of its own.
                let _ = file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() { "nothing more is known" } else { holder.trim() };
                return Err(LockError::Held { state_dir: state_dir.to_owned(), holder: holder.to_owned() });
            }
            Err(errno) => return Err(failed(errno.into())),
        }
        let pid = std::process::id();
        let text = format!("`innkeeper {command}`, pid {pid}, since {now:.0}\n");
        // Only people read it: a full disk must not keep anybody from working on what makes room.
        let _ = file.set_len(0).and_then(|()| file.write_all(text.as_bytes()));
        Ok(Self { _file: file })
    }
}
