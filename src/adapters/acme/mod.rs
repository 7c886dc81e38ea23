//! Certificates by ACME (RFC 8555), and the store of them. The authority is asked for nothing that was not checked,
//! counted and noted before; whether a certificate is due is decided elsewhere.
//!
//! Reading order: [`mod@limits`], `check`, `order` with `account`, `hook` and `problem`; then `store`, `certificate`.

pub mod account;
mod certificate;
pub mod check;
mod dns;
mod hook;
pub mod limits;
mod order;
mod problem;
mod store;

pub use certificate::PLACEHOLDER_ISSUER;
pub use limits::{Attempt, Attempts, AttemptsError};

use crate::edges::{Ask, Authority, Edge, EdgeError, ErrorKind};
use crate::model::live::{AuthorityLive, CertificateLive};
use crate::model::name::{Domain, InstallationId};
use crate::model::settings::AcmeSettings;
use crate::model::site::CertificateName;
use crate::model::step::CertificateOrder;
use crate::model::time::Timestamp;
use account::Accounts;
use async_trait::async_trait;
use certificate::Held;
use check::Check;
use dns::Dns;
use hook::Hook;
use order::Orders;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use store::Store;

/// What the authority's adapter knows of this host.
pub struct Host {
    /// Where certificates are stored: `state_dir/secrets/certificates`.
    pub store: PathBuf,
    /// Where the account's key is: `state_dir/secrets/acme-account.pem`. Made at first use.
    pub account_key: PathBuf,
    /// `fleet.base_domain`, under which certificates are counted together.
    pub base_domain: Domain,
    /// The port of plain http, on which names are checked: 80, where the authority will ask.
    pub http_port: u16,
    /// What nginx answers to a check.
    pub installation: InstallationId,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// How long each kind of outer call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// One request to the authority.
    pub request: Duration,
    /// A whole order, the operator's hook included.
    pub order: Duration,
    /// One call of the operator's hook.
    pub hook: Duration,
    /// Until a published DNS record is visible; the order goes on without it then.
    pub record: Duration,
    /// One question to a name whether it points here.
    pub check: Duration,
    /// One question to the DNS.
    pub question: Duration,
    /// The first pause between two questions whether the authority is done; they double.
    pub poll: Duration,
}

impl Default for Patience {
    /// Let's Encrypt answers a request within seconds and an order within one minute; DNS providers take up to two to
    /// publish a record.
    fn default() -> Self {
        Self {
            request: Duration::from_secs(30),
            order: Duration::from_secs(420),
            hook: Duration::from_secs(120),
            record: Duration::from_secs(120),
            check: Duration::from_secs(10),
            question: Duration::from_secs(10),
            poll: Duration::from_millis(200),
        }
    }
}

/// The certificate authority and the store of its certificates.
pub struct Acme {
    store: Arc<Store>,
    orders: Arc<Orders>,
    check: Check,
    base_domain: Domain,
    now: fn() -> Timestamp,
    /// One order at a time: the next one may find the certificate there.
    turn: tokio::sync::Mutex<()>,
}

impl Acme {
    /// The adapter. Nothing is read, written or asked before the first call.
    ///
    /// # Errors
    /// When `[acme] resolver` is not an address.
    pub fn new(settings: &AcmeSettings, host: Host, attempts: Arc<dyn Attempts>) -> Result<Self, EdgeError> {
        Self::with_patience(settings, host, attempts, Patience::default())
    }

    /// The same with other deadlines.
    ///
    /// # Errors
    /// When `[acme] resolver` is not an address.
    pub fn with_patience(
        settings: &AcmeSettings,
        host: Host,
        attempts: Arc<dyn Attempts>,
        patience: Patience,
    ) -> Result<Self, EdgeError> {
        let dns = Dns::parse(settings.resolver.as_deref(), patience.question).ok_or_else(|| {
            let text = "[acme] resolver is not an address: write \"192.0.2.1\" or \"192.0.2.1:53\"";
            EdgeError::plain(Edge::Authority, ErrorKind::Refused, text)
        })?;
        let hook = Hook { command: settings.wildcard_hook.clone(), dns: dns.clone(), patience };
        let accounts = Accounts::new(settings, host.account_key, patience.request, host.now);
        Ok(Self {
            store: Arc::new(Store::new(host.store)),
            orders: Arc::new(Orders { accounts, attempts, hook, patience, now: host.now }),
            check: Check { dns, http_port: host.http_port, installation: host.installation, patience },
            base_domain: host.base_domain,
            now: host.now,
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// The thumbprint of the account's key (RFC 7638), which nginx needs to answer http-01. The key is made when there
    /// is none.
    ///
    /// # Errors
    /// When the key cannot be read, made or used.
    pub fn thumbprint(&self) -> Result<String, EdgeError> {
        self.orders.accounts.thumbprint()
    }

    /// Reads the store, beside the threads that serve everything else.
    async fn stored(&self) -> Result<BTreeMap<CertificateName, CertificateLive>, EdgeError> {
        let store = self.store.clone();
        let looked = tokio::task::spawn_blocking(move || store.look()).await;
        looked.unwrap_or_else(|e| {
            Err(EdgeError::new(Edge::Authority, ErrorKind::Failed, "could not read the stored certificates", e))
        })
    }

    /// What is stored for the order, when it is to be used as it is.
    fn usable(&self, order: &CertificateOrder) -> Option<CertificateLive> {
        let Some(Held::Certificate(stored)) = self.store.held(&order.name) else { return None };
        let now = (self.now)();
        let sound = certificate::objection(&stored, &order.names, now).is_none();
        (sound && !(order.renewal && certificate::is_aged(&stored, now))).then_some(stored)
    }

    /// Everything that must be true before the authority is asked.
    async fn prepare(&self, order: &CertificateOrder) -> Result<(), EdgeError> {
        self.store.try_room()?;
        let stored: Vec<CertificateLive> = self.stored().await?.into_values().collect();
        limits::allow(order, self.orders.attempts.as_ref(), &stored, &self.base_domain, (self.now)())?;
        let thumbprint = self.thumbprint()?;
        for name in order.names.iter().filter(|name| !name.starts_with("*.")) {
            self.check.points_here(name, &thumbprint).await?;
        }
        Ok(())
    }

    /// Switches to what came, when it is what was ordered.
    fn take(&self, order: &CertificateOrder, pem: &[u8]) -> Result<CertificateLive, EdgeError> {
        let doing = format!("the certificate {} came, but cannot be used", order.name);
        let refused = |why: String| EdgeError::new(Edge::Authority, ErrorKind::Failed, &doing, why);
        let Held::Certificate(came) = certificate::read(pem) else {
            return Err(refused("it is a placeholder".to_owned()));
        };
        match certificate::objection(&came, &order.names, (self.now)()) {
            Some(why) => Err(refused(why)),
            None => self.store.put(&order.name, pem).map(|()| came),
        }
    }
}

#[async_trait]
impl Authority for Acme {
    async fn look(&self, _ask: &Ask) -> Result<AuthorityLive, EdgeError> {
        Ok(AuthorityLive { certificates: self.stored().await? })
    }

    async fn ensure_placeholder(&self, order: &CertificateOrder) -> Result<(), EdgeError> {
        well_formed(order)?;
        match self.store.held(&order.name) {
            Some(Held::Certificate(_)) => return Ok(()),
            Some(Held::Placeholder(names)) if names == order.names => return Ok(()),
            _ => {}
        }
        let doing = format!("could not make a placeholder for {}", order.name);
        let pem = certificate::placeholder(&order.names, (self.now)())
            .map_err(|e| EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, e))?;
        self.store.put(&order.name, &pem)
    }

    async fn obtain(&self, order: &CertificateOrder) -> Result<CertificateLive, EdgeError> {
        well_formed(order)?;
        let _turn = self.turn.lock().await;
        if let Some(stored) = self.usable(order) {
            return Ok(stored);
        }
        self.prepare(order).await?;
        let issued = self.orders.place(order).await?;
        let taken = self.take(order, &issued.pem)?;
        if let Err(error) = self.orders.attempts.succeeded(issued.number) {
            tracing::warn!(%error, "could not note on disk that a certificate came");
        }
        Ok(taken)
    }
}

/// The names of an order are plain text. They become a file's name, an URL and arguments of a program here, so they are
/// held to the rule of names once more.
fn well_formed(order: &CertificateOrder) -> Result<(), EdgeError> {
    let all = order.names.iter().chain([&order.name.0]);
    for name in all {
        Domain::parse(name.strip_prefix("*.").unwrap_or(name)).map_err(|e| {
            EdgeError::new(Edge::Authority, ErrorKind::Refused, "could not begin the order of a certificate", e)
        })?;
    }
    Ok(())
}
