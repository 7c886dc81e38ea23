//! What PostgreSQL's errors mean here. Branches on SQLSTATE, never on the server's words, which are translated.

use crate::edges::{Edge, EdgeError, ErrorKind};
use std::error::Error as StdError;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// The server at this address cannot be used now.
#[derive(Debug, thiserror::Error)]
#[error("PostgreSQL at {address} {how}")]
struct NoAnswer {
    /// `host:port`, or the path of a socket.
    address: Arc<str>,
    how: &'static str,
    source: Box<dyn StdError + Send + Sync>,
}

#[derive(Debug, thiserror::Error)]
#[error("could not read the password from {}", file.display())]
struct PasswordFile {
    file: PathBuf,
    source: std::io::Error,
}

/// A statement failed on a connection that stood.
pub(super) fn statement(address: &Arc<str>, doing: &str, error: tokio_postgres::Error) -> EdgeError {
    match kind(&error) {
        ErrorKind::Unreachable => no_answer(address, doing, "does not answer", cause(error)),
        kind => EdgeError::new(Edge::Database, kind, doing, cause(error)),
    }
}

/// No connection came about. Whatever the reason, a wrong password among them, it is tried again: it may be put right
/// without any input of ours changing.
pub(super) fn connect(address: &Arc<str>, doing: &str, error: tokio_postgres::Error) -> EdgeError {
    let how = if error.as_db_error().is_some() { "refuses the connection" } else { "does not answer" };
    no_answer(address, doing, how, cause(error))
}

/// No connection came about within `limit`.
pub(super) fn connect_deadline(address: &Arc<str>, doing: &str, limit: Duration) -> EdgeError {
    no_answer(address, doing, "does not answer", format!("nothing came within {} s", limit.as_secs()).into())
}

/// A thing on the name that is not ours: stays as it is.
pub(super) fn conflict(doing: &str, what: &str, whose: &str) -> EdgeError {
    let text = format!("{what} stands on this name and is not this instance's ({whose}); it is left as it is");
    EdgeError::new(Edge::Database, ErrorKind::Conflict, doing, text)
}

/// Refused for a reason that a person must remove.
pub(super) fn refused(doing: &str, text: impl Into<String>) -> EdgeError {
    EdgeError::new(Edge::Database, ErrorKind::Refused, doing, text.into())
}

/// The password could not be read, so no connection was tried.
pub(super) fn password_file(address: &Arc<str>, doing: &str, file: &Path, source: std::io::Error) -> EdgeError {
    let source = PasswordFile { file: file.to_owned(), source };
    no_answer(address, doing, "cannot be asked", source.into())
}

fn no_answer(address: &Arc<str>, doing: &str, how: &'static str, source: Box<dyn StdError + Send + Sync>) -> EdgeError {
    let no_answer = NoAnswer { address: address.clone(), how, source };
    EdgeError::new(Edge::Database, ErrorKind::Unreachable, doing, no_answer)
}

/// What the server said, in one line. tokio-postgres itself would say "db error" and spread the rest over several.
fn cause(error: tokio_postgres::Error) -> Box<dyn StdError + Send + Sync> {
    let Some(said) = error.as_db_error() else {
        return Box::new(error);
    };
    let mut text = said.message().to_owned();
    for more in [said.detail(), said.hint()].into_iter().flatten() {
        text.push_str(&format!(" ({})", more.trim_end_matches('.')));
    }
    text.replace(['\n', '\r'], " ").into()
}

fn kind(error: &tokio_postgres::Error) -> ErrorKind {
    let Some(code) = error.code() else {
        return if is_connection_lost(error) { ErrorKind::Unreachable } else { ErrorKind::Failed };
    };
    let closing = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
    ];
    if closing.contains(code) || code.code().starts_with("08") {
        ErrorKind::Unreachable
    } else if *code == SqlState::QUERY_CANCELED || *code == SqlState::LOCK_NOT_AVAILABLE {
        ErrorKind::Timeout
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        ErrorKind::Refused
    } else {
        ErrorKind::Failed
    }
}

/// tokio-postgres also wraps what it cannot encode or parse in an `io::Error`, of another kind.
fn is_connection_lost(error: &tokio_postgres::Error) -> bool {
    let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    error.is_closed() || io.is_some_and(|io| io.kind() != std::io::ErrorKind::InvalidInput)
}
