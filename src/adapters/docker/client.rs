//! The connection to the engine: made at first use, every call under a deadline, every failure told by kind.
//! It never decides anything about containers.

use crate::edges::{Edge, EdgeError, ErrorKind};
use bollard::errors::Error as BollardError;
use std::error::Error;
use std::future::Future;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The newest version of the engine's API that this adapter speaks; an older engine is met on its own (1.41 is Docker 20.10).
const API_VERSION_MAX: &bollard::ClientVersion = bollard::API_DEFAULT_VERSION;
/// A call that only reads or writes the engine's own state. An engine under load was seen to need 10 s.
pub(super) const CALL_DEADLINE_S_MAX: u64 = 60;
/// The HTTP client's own limit until the head of an answer comes: above every deadline of ours, which decide.
const HEAD_DEADLINE_S_MAX: u64 = 600;

/// The engine at one address.
pub(super) struct Client {
    address: String,
    connection: OnceCell<bollard::Docker>,
}

impl Client {
    /// Takes the address; nothing is connected yet.
    ///
    /// # Errors
    /// `Refused` for an address that is neither a unix socket nor TCP.
    pub(super) fn new(address: &str) -> Result<Self, EdgeError> {
        if !["unix://", "tcp://", "http://"].iter().any(|scheme| address.starts_with(scheme)) {
            return Err(EdgeError::plain(
                Edge::Engine,
                ErrorKind::Refused,
                format!("cannot use {address:?} as Docker's address: write \"unix:///var/run/docker.sock\""),
            ));
        }
        Ok(Self { address: address.to_owned(), connection: OnceCell::new() })
    }

    /// The connection, made and agreed on an API version at first use.
    ///
    /// # Errors
    /// `Unreachable` when no engine answers at the address.
    pub(super) async fn docker(&self) -> Result<&bollard::Docker, EdgeError> {
        self.connection.get_or_try_init(|| self.connect()).await
    }

    /// Agrees on the API version again: the engine behind the socket may have been replaced by another release.
    pub(super) async fn agree_again(&self) -> Result<(), EdgeError> {
        let agreed = self.docker().await?.clone().negotiate_version();
        within(Duration::from_secs(CALL_DEADLINE_S_MAX), "could not agree on an API version with Docker", agreed)
            .await
            .map(drop)
    }

    async fn connect(&self) -> Result<bollard::Docker, EdgeError> {
        let doing = format!("no answer from Docker at {}", self.address);
        let docker = if self.address.starts_with("unix://") {
            bollard::Docker::connect_with_unix(&self.address, HEAD_DEADLINE_S_MAX, API_VERSION_MAX)
        } else {
            bollard::Docker::connect_with_http(&self.address, HEAD_DEADLINE_S_MAX, API_VERSION_MAX)
        }
        .map_err(|error| failure(doing.as_str(), error))?;
        within(Duration::from_secs(CALL_DEADLINE_S_MAX), doing, docker.negotiate_version()).await
    }
}

/// Awaits one call under the deadline of calls that only touch the engine's own state.
pub(super) async fn call<T>(
    doing: impl Into<String>,
    call: impl Future<Output = Result<T, BollardError>>,
) -> Result<T, EdgeError> {
    within(Duration::from_secs(CALL_DEADLINE_S_MAX), doing, call).await
}

/// Awaits one call under `deadline`.
pub(super) async fn within<T>(
    deadline: Duration,
    doing: impl Into<String>,
    call: impl Future<Output = Result<T, BollardError>>,
) -> Result<T, EdgeError> {
    match tokio::time::timeout(deadline, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(failure(doing, error)),
        Err(_) => Err(EdgeError::new(
            Edge::Engine,
            ErrorKind::Timeout,
            doing,
            format!("Docker gave no answer within {} s", deadline.as_secs()),
        )),
    }
}

/// Tells a failure by its kind, with the root of the cause alone: the layers of the HTTP client repeat each other.
pub(super) fn failure(doing: impl Into<String>, error: BollardError) -> EdgeError {
    let kind = kind_of(&error);
    let cause = match error {
        BollardError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        other => root_of(&other).to_string(),
    };
    EdgeError::new(Edge::Engine, kind, doing, cause)
}

/// The failure of something that Docker was not asked for, or that it answered in an unexpected way.
pub(super) fn failed(doing: impl Into<String>) -> EdgeError {
    EdgeError::plain(Edge::Engine, ErrorKind::Failed, doing)
}

/// A foreign object stands on the name.
pub(super) fn conflict(doing: impl Into<String>) -> EdgeError {
    EdgeError::plain(Edge::Engine, ErrorKind::Conflict, doing)
}

/// Only another input helps.
pub(super) fn refused(doing: impl Into<String>) -> EdgeError {
    EdgeError::plain(Edge::Engine, ErrorKind::Refused, doing)
}

/// The answer, or none where Docker knows no such object.
pub(super) fn found<T>(answer: Result<T, BollardError>) -> Result<Option<T>, BollardError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(BollardError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn kind_of(error: &BollardError) -> ErrorKind {
    match error {
        BollardError::SocketNotFoundError(_)
        | BollardError::HyperLegacyError { .. }
        | BollardError::HyperResponseError { .. }
        | BollardError::IOError { .. } => ErrorKind::Unreachable,
        BollardError::RequestTimeoutError => ErrorKind::Timeout,
        BollardError::DockerResponseServerError { status_code: 400 | 403, .. } => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    }
}

fn root_of(error: &dyn Error) -> &dyn Error {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(status_code: u16) -> BollardError {
        BollardError::DockerResponseServerError { status_code, message: "no".into() }
    }

    #[test]
    fn a_refusal_is_told_apart_from_a_failure_and_from_silence() {
        assert_eq!(kind_of(&answered(400)), ErrorKind::Refused);
        assert_eq!(kind_of(&answered(500)), ErrorKind::Failed);
        assert_eq!(kind_of(&BollardError::RequestTimeoutError), ErrorKind::Timeout);
        assert_eq!(kind_of(&BollardError::SocketNotFoundError("/x".into())), ErrorKind::Unreachable);
    }

    #[tokio::test]
    async fn a_missing_socket_is_unreachable_and_says_where() {
        let client = Client::new("unix:///nonexistent/docker.sock").unwrap();
        let error = client.docker().await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::Unreachable);
        let text = crate::model::status::chain(&error);
        assert!(text.contains("unix:///nonexistent/docker.sock"), "{text}");
        assert!(!text.contains("negotiate"), "{text}");
    }

    #[tokio::test]
    async fn a_call_without_an_answer_is_a_timeout() {
        let never = std::future::pending::<Result<(), BollardError>>();
        let error = within(Duration::from_millis(1), "could not do it", never).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Timeout);
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        assert_eq!(Client::new("ssh://host").err().unwrap().kind, ErrorKind::Refused);
    }
}
