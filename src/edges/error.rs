//! What can go wrong at an edge. Code branches on the kind, never on the text.

use std::error::Error;
use std::fmt;

/// Which system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Edge {
    /// The container engine.
    Engine,
    /// PostgreSQL.
    Database,
    /// nginx.
    Proxy,
    /// The certificate authority.
    Authority,
    /// The store of backups.
    Archive,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Engine => "Docker",
            Self::Database => "PostgreSQL",
            Self::Proxy => "nginx",
            Self::Authority => "the certificate authority",
            Self::Archive => "the archive",
        })
    }
}

/// What kind of failure it is, which decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The system does not answer: try again with back-off; one-shot commands exit with code 5.
    Unreachable,
    /// Its deadline passed: try again with back-off.
    Timeout,
    /// A foreign object stands on the name: hold.
    Conflict,
    /// The system refused for a reason that only a changed input removes: hold until the input changes.
    Refused,
    /// It failed; another try may succeed.
    Failed,
    /// The authority asks to come back later than this many seconds from now (Retry-After, RFC 8555, section 6.6).
    Limited {
        /// Seconds from now.
        retry_after_s: u64,
    },
}

/// A failure at an edge: what was being done, and why it failed.
#[derive(Debug)]
pub struct EdgeError {
    /// Which system.
    pub edge: Edge,
    /// Which kind.
    pub kind: ErrorKind,
    /// What was being done, as a sentence without its cause: "could not create the container ik-acme".
    pub doing: String,
    /// The cause.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl EdgeError {
    /// A failure with a cause.
    pub fn new(
        edge: Edge,
        kind: ErrorKind,
        doing: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { edge, kind, doing: doing.into(), source: Some(source.into()) }
    }

    /// A failure that its own text explains.
    pub fn plain(edge: Edge, kind: ErrorKind, doing: impl Into<String>) -> Self {
        Self { edge, kind, doing: doing.into(), source: None }
    }
}

impl fmt::Display for EdgeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for EdgeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
