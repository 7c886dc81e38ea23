//! The edge of sites: rows that are published together, and what a host answers through them.

use super::{Ask, EdgeError};
use crate::model::live::{Answer, ProxyLive};
use crate::model::name::{Domain, InstanceName, Language, Uid};
use crate::model::site::SiteRow;
use async_trait::async_trait;
use std::collections::BTreeMap;

/// A change of the proxy's rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SiteChanges {
    /// Rows to put, by instance.
    pub put: BTreeMap<InstanceName, SiteRow>,
    /// Rows to take away, by instance, with the identity that the row must have. One that is not there is success.
    pub remove: BTreeMap<InstanceName, Uid>,
}

/// As whom a host is asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Visit {
    /// The language that the visitor's browser asks for; none says none.
    pub language: Option<Language>,
    /// How the site's pages talk to Odoo besides.
    pub channel: Channel,
}

/// How pages are told of news: by a process of Odoo's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Channel {
    /// By nothing that can fail apart from the rest.
    #[default]
    Same,
    /// A websocket, from Odoo 16 on.
    Websocket,
    /// Long polling, before.
    LongPolling,
}

/// What became of a publication: instances whose row was refused, with the reason; all others are in force.
pub type Refused = BTreeMap<InstanceName, EdgeError>;

/// nginx. See the module documentation of [`super`] for the rules of every method.
#[async_trait]
pub trait Proxy: Send + Sync {
    /// Reads the current generation, the loaded one and the templates.
    async fn look(&self, ask: &Ask) -> Result<ProxyLive, EdgeError>;

    /// Renders the current rows with `changes` as a new generation, tests it, switches to it and proves that it is
    /// loaded. A row that does not pass is left as it was and named in the answer. Same rows and templates as the
    /// loaded, intact generation: nothing is done. The caller calls it serially.
    async fn publish(&self, changes: &SiteChanges) -> Result<Refused, EdgeError>;

    /// How many former configurations the proxy still keeps for what visitors began under them; each costs memory.
    async fn draining(&self) -> usize;

    /// Asks `host` for its login page through the proxy over TLS, as a visitor's browser would and whatever the public DNS
    /// says: at most five redirects on the same host are followed, none to another one. Where `visit` has a channel, it is
    /// opened once the login page came.
    async fn ask_host(&self, host: &Domain, visit: &Visit) -> Result<Answer, EdgeError>;
}
