//! Reading a backup back: every byte, every sum, the dump by `pg_restore` itself, and whether the filestore has every file
//! that the database names.
//!
//! `pg_restore --list` ends with 0 on a dump that was cut short: it reads the table of contents at the beginning. Written
//! out as a script to nowhere, the whole dump is read. A tar archive that ends well may still lack files: Docker passes over
//! those that it cannot open.

use super::{attachments, files};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::backup::{FORMAT, Part, PartSum};
use crate::model::secret::hex;
use rustix::fs::{Advice, fadvise};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::process::Command;

/// Reading a dump of 100 GB back takes an hour.
const RESTORE_DEADLINE: Duration = Duration::from_hours(6);
/// A part of which not a byte comes for so long has failed: its disk hangs.
const SILENCE_MAX: Duration = Duration::from_mins(2);
/// Of what `pg_restore` complains about, so much is told.
const COMPLAINT_CHARS_MAX: usize = 2_000;
/// A tar archive ends with two blocks of zeros (POSIX.1-2017, pax, "ustar Interchange Format").
const TAR_END_BYTES: usize = 1_024;
/// How much is read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What reading a backup back came to.
pub(super) enum Reading {
    /// It is what its manifest says. These files, which its database names, are not in it.
    Sound(BTreeSet<String>),
    /// Why it is not.
    Unsound(String),
}

/// Whether the backup at `place` is what its manifest says.
pub(super) async fn verify(place: &Path, pg_restore: &Path, doing: &str) -> Result<Reading, EdgeError> {
    let manifest_of = place.to_owned();
    let manifest = super::on_disk(doing, move || files::manifest(&manifest_of)).await?;
    if manifest.format != FORMAT {
        return Ok(Reading::Unsound(format!("its format is {}, this version knows {FORMAT}", manifest.format)));
    }
    let database = manifest.database.unwrap_or_default();
    // The database is the first part: what it names is looked for in the second, and is missing where there is none.
    let mut missing = BTreeSet::new();
    for (part, expected) in manifest.parts {
        let file = place.join(part.file_name());
        let names = format!("filestore/{database}/");
        match read_part(&file, expected, (part, names, missing), doing).await? {
            Ok(left) => missing = left,
            Err(fault) => return Ok(Reading::Unsound(format!("{}: {fault}", part.file_name()))),
        }
        if part == Part::Database {
            if let Some(fault) = restorable(&file, pg_restore, doing).await? {
                return Ok(Reading::Unsound(fault));
            }
            missing = attachments::named(&file, pg_restore, doing).await?;
        }
    }
    Ok(Reading::Sound(missing))
}

/// Reads one part whole: what is wrong with it, or those of the files that were looked for which it does not have.
async fn read_part(
    path: &Path,
    expected: PartSum,
    (part, names, mut missing): (Part, String, BTreeSet<String>),
    doing: &str,
) -> Result<Result<BTreeSet<String>, String>, EdgeError> {
    let (path, progress) = (path.to_owned(), Arc::new(AtomicU64::new(0)));
    let counted = Arc::clone(&progress);
    let mut reading = super::on_disk_for_long(doing, move || {
        let read = || -> io::Result<Option<String>> {
            let mut reader = Reader::open(&path, counted)?;
            let broken = match part {
                Part::Database => None,
                Part::Filestore => strike_off(&mut reader, &names, &mut missing).err(),
            };
            reader.finish()?;
            Ok(reader.fault(part, &expected).or_else(|| broken.map(|error| format!("the archive is broken: {error}"))))
        };
        let fault = match read() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some("it is missing".to_owned()),
            Err(error) if is_disks(&error) => Some(format!("it cannot be read: {error}")),
            read => read?,
        };
        Ok(fault.map_or(Ok(missing), Err))
    });
    let mut before = None;
    loop {
        if let Ok(read) = tokio::time::timeout(SILENCE_MAX, &mut reading).await {
            return read;
        }
        let bytes = Some(progress.load(Ordering::Relaxed));
        if bytes == before {
            let text = format!("not a byte came for {} s", SILENCE_MAX.as_secs());
            return Err(EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing, text));
        }
        before = bytes;
    }
}

/// True when the disk itself cannot give the bytes back. Whatever else goes wrong with reading may be over soon.
fn is_disks(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

/// Takes the files that are in the archive out of `missing`: those below `names`, wherever that is in the volume.
fn strike_off(reader: &mut Reader, names: &str, missing: &mut BTreeSet<String>) -> io::Result<()> {
    for entry in tar::Archive::new(reader).entries()? {
        let entry = entry?;
        if missing.is_empty() || !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if let Some((_, name)) = path.split_once(names) {
            missing.remove(name);
        }
    }
    Ok(())
}

/// A part's bytes as they are read, all of which are counted and summed, whoever reads them.
struct Reader {
    file: File,
    hasher: Sha256,
    bytes: u64,
    /// The last bytes that were read.
    tail: Vec<u8>,
    progress: Arc<AtomicU64>,
}

impl Reader {
    fn open(path: &Path, progress: Arc<AtomicU64>) -> io::Result<Self> {
        let file = File::open(path)?;
        // What was just written is in memory: it is the disk that is asked. Not every file system can be told so.
        let _ = fadvise(&file, 0, None, Advice::DontNeed);
        Ok(Self { file, hasher: Sha256::new(), bytes: 0, tail: Vec::new(), progress })
    }

    /// Reads what nobody read.
    fn finish(&mut self) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        while self.read(&mut piece)? > 0 {}
        Ok(())
    }

    fn fault(&self, part: Part, expected: &PartSum) -> Option<String> {
        let sha256 = hex(&self.hasher.clone().finalize());
        match () {
            () if self.bytes != expected.bytes => {
                Some(format!("it has {} bytes instead of {}", self.bytes, expected.bytes))
            }
            () if sha256 != expected.sha256 => Some("its bytes are not those that were written".to_owned()),
            () if part == Part::Filestore && !is_tar_end(&self.tail) => Some("the archive breaks off".to_owned()),
            () => None,
        }
    }
}

impl Read for Reader {
    fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(piece)?;
        self.hasher.update(&piece[..length]);
        self.bytes += length as u64;
        let last = &piece[length.saturating_sub(TAR_END_BYTES)..length];
        self.tail.extend_from_slice(last);
        self.tail.drain(..self.tail.len().saturating_sub(TAR_END_BYTES));
        self.progress.store(self.bytes, Ordering::Relaxed);
        Ok(length)
    }
}

fn is_tar_end(tail: &[u8]) -> bool {
    tail.len() == TAR_END_BYTES && tail.iter().all(|byte| *byte == 0)
}

/// What `pg_restore` says against the dump.
async fn restorable(dump: &Path, pg_restore: &Path, doing: &str) -> Result<Option<String>, EdgeError> {
    let mut command = Command::new(pg_restore);
    command.arg("--file=/dev/null").arg(dump).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let output = match tokio::time::timeout(RESTORE_DEADLINE, command.output()).await {
        Err(_) => {
            let text = format!("pg_restore took longer than {} s", RESTORE_DEADLINE.as_secs());
            return Err(EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing, text));
        }
        Ok(Err(error)) => {
            let text = format!(
                "{} cannot be started ({error}): see backup.pg_restore in innkeeper.toml",
                pg_restore.display()
            );
            return Err(EdgeError::new(Edge::Archive, ErrorKind::Refused, doing, text));
        }
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(None);
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint: String = complaint.split_whitespace().collect::<Vec<_>>().join(" ");
    let complaint: String = complaint.chars().take(COMPLAINT_CHARS_MAX).collect();
    Ok(Some(format!("pg_restore ended with {}: {complaint}", output.status)))
}
