//! All that Innkeeper can touch, as traits. Nothing above this floor knows which system stands behind one.
//!
//! The rules that every implementation keeps, and that the contract tests hold it to:
//! - Every effect is idempotent: called twice, the second call finds the work done and succeeds.
//! - Before an effect on an object that exists, its ownership mark is compared: ours for the same uid is adopted,
//!   anything else is [`ErrorKind::Conflict`] and stays as it is.
//! - Every call has a deadline of its own and ends with [`ErrorKind::Timeout`] after it.
//! - No error, log line or event holds a secret.

pub mod archive;
pub mod authority;
pub mod database;
pub mod engine;
mod error;
pub mod proxy;

pub use archive::Archive;
pub use authority::{Authority, points_elsewhere};
pub use database::Database;
pub use engine::Engine;
pub use error::{Edge, EdgeError, ErrorKind};
pub use proxy::{Proxy, Visit};

use crate::model::name::{Domain, InstanceName, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The systems of one host.
#[derive(Clone)]
pub struct Edges {
    /// Containers.
    pub engine: Arc<dyn Engine>,
    /// Roles and databases.
    pub database: Arc<dyn Database>,
    /// Sites.
    pub proxy: Arc<dyn Proxy>,
    /// Certificates.
    pub authority: Arc<dyn Authority>,
    /// Backups.
    pub archive: Arc<dyn Archive>,
}

/// Bytes as they come, in pieces; they end at the first error.
pub type ByteStream = futures::stream::BoxStream<'static, Result<Vec<u8>, EdgeError>>;

/// What a look is about. Objects that carry our mark are always listed, all of them; this names what is wanted besides.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Instances whose names are looked at whoever owns them, and whose containers and databases are looked into.
    pub instances: BTreeMap<InstanceName, Resources>,
    /// Images that must be known.
    pub images: BTreeSet<String>,
    /// Hosts to ask for their login page through the proxy, and as whom.
    pub hosts: BTreeMap<Domain, Visit>,
}
