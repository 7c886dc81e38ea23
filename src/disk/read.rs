//! Reading a file whole, with a limit.

use rustix::fs::OFlags;
use std::fs::{Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What a file holds, and what the system says of the very file that was read. It may be secret, so it does not print.
pub struct Content {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Mode, owner and times.
    pub metadata: Metadata,
}

/// Reads a regular file of at most `bytes_max` bytes. A pipe in its place is refused and not waited for.
///
/// # Errors
/// Of the kind `FileTooLarge` when it has more bytes, `InvalidInput` when it is not a regular file, or the system's.
pub fn read_limited(path: &Path, bytes_max: u64) -> io::Result<Content> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let too_large = || io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {bytes_max} bytes"));
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow meanwhile, and files of the kernel have no length.
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max { Err(too_large()) } else { Ok(Content { bytes, metadata }) }
}
