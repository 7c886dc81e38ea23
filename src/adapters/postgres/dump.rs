//! Dumps of one database, by `pg_dump`: connected as the tenant's own role, so that nothing which a tenant put into the
//! database runs with more rights than the tenant has.
//!
//! The password is in a file that has no name: memory that only this process and its children can open. It is in no
//! argument, in no environment and on no disk, and nothing of it is left when this process is killed.

use super::error;
use super::server::Server;
use crate::edges::{ByteStream, Edge, EdgeError, ErrorKind};
use crate::model::secret::{ExposeSecret, SecretString};
use futures::StreamExt;
use rustix::fs::{MemfdFlags, Mode};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// Pieces of a dump.
const PIECE_BYTES: usize = 1 << 16;
/// `pg_dump` sets the first two itself, a few statements too late.
const OPTIONS: &str = "-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";
/// Of what `pg_dump` complains about, so much is told.
const COMPLAINT_BYTES_MAX: u64 = 4_096;
/// A dump that brings nothing for so long has failed: a large table is compressed and written as it is read.
const SILENCE_MAX: Duration = Duration::from_mins(10);

/// A dump on its way.
struct Dump {
    child: Child,
    /// Closed with the dump: the file is gone then.
    _password: std::fs::File,
    doing: String,
}

/// Starts `pg_dump`.
pub(super) fn begin(
    server: &Server,
    program: &Path,
    database: &str,
    role: &str,
    password: &SecretString,
) -> Result<ByteStream, EdgeError> {
    let doing = format!("could not dump the database {database}");
    let secret = password_file(password).map_err(|error| failed(&doing, error))?;
    let (host, port) = server.place();
    let mut command = Command::new(program);
    command.args(["--format=custom", "--no-password", "--host", &host, "--port", &port.to_string()]);
    command.args(["--username", role, "--dbname", database]);
    // Not the way of the descriptor itself: it is closed in children, and opened anew by this one alone.
    command.env("PGPASSFILE", format!("/proc/{}/fd/{}", std::process::id(), secret.as_raw_fd()));
    command.env("PGCONNECT_TIMEOUT", "10").env("LC_ALL", "C");
    for inherited in ["PGPASSWORD", "PGSERVICE", "PGSERVICEFILE", "PGOPTIONS", "PGDATABASE", "PGHOSTADDR"] {
        command.env_remove(inherited);
    }
    // The role may have been given settings that would end its sessions; what a connection asks for counts more.
    command.env("PGOPTIONS", OPTIONS);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(|error| not_started(&doing, program, error))?;
    let dump = Dump { child, _password: secret, doing };
    Ok(futures::stream::try_unfold(Some(dump), next).boxed())
}

async fn next(dump: Option<Dump>) -> Result<Option<(Vec<u8>, Option<Dump>)>, EdgeError> {
    let Some(mut dump) = dump else { return Ok(None) };
    let mut piece = vec![0; PIECE_BYTES];
    let Some(output) = dump.child.stdout.as_mut() else { return Ok(None) };
    let read = tokio::time::timeout(SILENCE_MAX, output.read(&mut piece)).await;
    match read {
        Err(_) => {
            let text = format!("pg_dump brought nothing for {} s", SILENCE_MAX.as_secs());
            Err(EdgeError::new(Edge::Database, ErrorKind::Timeout, dump.doing, text))
        }
        Ok(Err(error)) => Err(failed(&dump.doing, error)),
        Ok(Ok(0)) => dump.end().await.map(|()| None),
        Ok(Ok(length)) => {
            piece.truncate(length);
            Ok(Some((piece, Some(dump))))
        }
    }
}

impl Dump {
    /// What came is a dump only when the program ended well.
    async fn end(mut self) -> Result<(), EdgeError> {
        let complaint = complaint(self.child.stderr.take()).await;
        let status = self.child.wait().await.map_err(|error| failed(&self.doing, error))?;
        match status.success() {
            true => Ok(()),
            false => Err(failed(&self.doing, format!("pg_dump ended with {status}: {complaint}"))),
        }
    }
}

/// What a program complained about, in one line.
async fn complaint(stderr: Option<impl AsyncRead + Unpin>) -> String {
    let mut text = Vec::new();
    if let Some(stderr) = stderr {
        // What cannot be read is not told.
        let _ = stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text).await;
    }
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A password file as libpq reads it (PostgreSQL, section 34.16), without a name.
fn password_file(password: &SecretString) -> std::io::Result<std::fs::File> {
    let file = rustix::fs::memfd_create("pgpass", MemfdFlags::CLOEXEC)?;
    // libpq passes over a file that others could read.
    rustix::fs::fchmod(&file, Mode::RUSR | Mode::WUSR)?;
    let mut file = std::fs::File::from(file);
    // Derived passwords are hexadecimal digits: nothing in them needs to be escaped.
    writeln!(file, "*:*:*:*:{}", password.expose_secret())?;
    Ok(file)
}

fn failed(doing: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> EdgeError {
    EdgeError::new(Edge::Database, ErrorKind::Failed, doing, cause)
}

fn not_started(doing: &str, program: &Path, cause: std::io::Error) -> EdgeError {
    let why = format!("{} cannot be started ({cause}): see backup.pg_dump in innkeeper.toml", program.display());
    match cause.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::PermissionDenied => error::refused(doing, why),
        _ => failed(doing, why),
    }
}
