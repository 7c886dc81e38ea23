//! Reading a backup back: every byte, every sum, and the dump by `pg_restore` itself.
//!
//! `pg_restore --list` ends with 0 on a dump that was cut short: it reads the table of contents at the beginning. Written
//! out as a script to nowhere, the whole dump is read.

use super::files;
use crate::edges::archive::Soundness;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::backup::{FORMAT, Part, PartSum};
use crate::model::secret::hex;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Reading a dump of 100 GB back takes an hour.
const RESTORE_DEADLINE: Duration = Duration::from_hours(6);
/// Of what `pg_restore` complains about, so much is told.
const COMPLAINT_CHARS_MAX: usize = 2_000;
/// A tar archive ends with two blocks of zeros (POSIX.1-2017, pax, "ustar Interchange Format").
const TAR_END_BYTES: usize = 1_024;

/// Whether the backup at `place` is what its manifest says.
pub(super) async fn verify(place: &Path, pg_restore: &Path, doing: &str) -> Result<Soundness, EdgeError> {
    let (manifest_of, reading) = (place.to_owned(), doing.to_owned());
    let manifest = super::on_disk(reading, move || files::manifest(&manifest_of)).await?;
    if manifest.format != FORMAT {
        return Ok(Soundness::Unsound(format!("its format is {}, this version knows {FORMAT}", manifest.format)));
    }
    for (part, expected) in manifest.parts {
        let file = place.join(part.file_name());
        let read = super::on_disk(doing, move || fault(&file, part, &expected)).await?;
        if let Some(fault) = read {
            return Ok(Soundness::Unsound(format!("{}: {fault}", part.file_name())));
        }
        if part == Part::Database
            && let Some(fault) = restorable(&place.join(part.file_name()), pg_restore, doing).await?
        {
            return Ok(Soundness::Unsound(fault));
        }
    }
    Ok(Soundness::Sound)
}

/// What is wrong with one part.
fn fault(path: &Path, part: Part, expected: &PartSum) -> io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some("it is missing".to_owned())),
        file => file?,
    };
    let (mut hasher, mut bytes) = (Sha256::new(), 0_u64);
    let mut piece = vec![0; 1 << 20];
    let mut tail: Vec<u8> = Vec::new();
    loop {
        let length = file.read(&mut piece)?;
        if length == 0 {
            break;
        }
        hasher.update(&piece[..length]);
        bytes += length as u64;
        tail.extend_from_slice(&piece[..length]);
        tail.drain(..tail.len().saturating_sub(TAR_END_BYTES));
    }
    let sha256 = hex(&hasher.finalize());
    Ok(match () {
        () if bytes != expected.bytes => Some(format!("it has {bytes} bytes instead of {}", expected.bytes)),
        () if sha256 != expected.sha256 => Some("its bytes are not those that were written".to_owned()),
        () if part == Part::Filestore && !is_tar_end(&tail) => Some("the archive breaks off".to_owned()),
        () => None,
    })
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
