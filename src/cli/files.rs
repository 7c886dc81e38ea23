//! Files that operators wrote: read without waiting for anybody, written so that nobody ever sees half of one.

use super::failure::{Failure, Trouble};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The text of a file. A pipe that somebody left there is none, and is not waited for.
pub(crate) fn text_of(path: &Path) -> std::io::Result<String> {
    match std::fs::metadata(path)?.is_file() {
        true => std::fs::read_to_string(path),
        false => Err(std::io::Error::new(ErrorKind::InvalidInput, "it is not a regular file")),
    }
}

/// Makes a file that must not exist yet. The mode is what the user's umask leaves of 0666.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let beside = write_beside(path, text)?;
    // A link, unlike a rename, refuses to replace what stands there.
    let linked = std::fs::hard_link(&beside, path);
    let _ = std::fs::remove_file(&beside);
    match linked {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(exists(path)),
        Err(error) => Err(Failure::of_file(path, "write", &error)),
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
    let beside = write_beside(&target, text)?;
    let moved = std::fs::set_permissions(&beside, former.permissions())
        .and_then(|()| keep_owner(&beside, &former))
        .and_then(|()| std::fs::rename(&beside, &target));
    moved.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Failure::of_file(path, "replace", &error)
    })
}

fn keep_owner(path: &Path, former: &std::fs::Metadata) -> std::io::Result<()> {
    let written = std::fs::metadata(path)?;
    if (written.uid(), written.gid()) == (former.uid(), former.gid()) {
        return Ok(());
    }
    std::os::unix::fs::chown(path, Some(former.uid()), Some(former.gid()))
}

/// Writes the whole text to a hidden neighbour, which no scan of the fleet reads.
fn write_beside(path: &Path, text: &str) -> Result<PathBuf, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = OpenOptions::new().write(true).create_new(true).open(&beside).and_then(|file| fill(file, text));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        Failure::of_file(path, "write", &error)
    })?;
    Ok(beside)
}

fn fill(mut file: File, text: &str) -> std::io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
