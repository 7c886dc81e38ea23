//! Files that operators wrote: read without waiting for anybody, written so that nobody ever sees half of one.

use super::failure::{Failure, Trouble};
use crate::disk::{self, WriteOptions};
use std::io::ErrorKind;
use std::path::Path;

/// The text of a file. A pipe that somebody left there is none, and is not waited for.
pub(crate) fn text_of(path: &Path) -> std::io::Result<String> {
    match std::fs::metadata(path)?.is_file() {
        true => std::fs::read_to_string(path),
        false => Err(std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Makes a file that must not exist yet. The mode is what the user's umask leaves of 0666.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    match disk::create_new(path, text.as_bytes(), WriteOptions::umask()) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(path)),
        created => created.map_err(|error| Failure::of_file(path, "write", &error)),
    }
}

/// The failure of a file that is in the way.
pub(crate) fn exists(path: &Path) -> Failure {
    Failure::new(Trouble::Exists, format!("{} exists already and is not overwritten", path.display())).file(path)
}

/// Replaces a file by new text, keeping mode, owner and group. A symbolic link stays one: what it points to is replaced.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let target = path.canonicalize().map_err(|e| Failure::of_file(path, "find", &e))?;
    let former = std::fs::metadata(&target).map_err(|e| Failure::of_file(path, "read", &e))?;
    disk::replace(&target, text.as_bytes(), WriteOptions::like(&former))
        .map_err(|error| Failure::of_file(path, "replace", &error))
}
