//! A large new file, written as its bytes come.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;

/// A file that is being written in its place. It counts only after [`Stream::finish`], so it belongs into a directory that
/// does not count yet.
#[derive(Debug)]
pub struct Stream {
    file: File,
}

impl Stream {
    /// Begins a file that is not there yet, with exactly this mode.
    ///
    /// # Errors
    /// Of the kind `AlreadyExists` when anything has that name, or the system's.
    pub async fn create_new(path: &Path, mode: u32) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path).await?;
        file.set_permissions(Permissions::from_mode(mode)).await?;
        Ok(Self { file })
    }

    /// Appends bytes. An error may be that of an earlier write.
    ///
    /// # Errors
    /// The disk is full or fails.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await
    }

    /// Ends the file; its bytes are on the disk when this returns. Its name is there after [`super::sync_directory`].
    ///
    /// # Errors
    /// An earlier write failed, or the disk fails.
    pub async fn finish(mut self) -> io::Result<()> {
        self.file.flush().await?;
        self.file.sync_all().await
    }
}
