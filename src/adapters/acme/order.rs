//! One order, from its request to the certificate in hand (RFC 8555, section 7.4). Each runs in a task of its own
//! under a deadline, so that whatever happens inside `acme2` ends that one order and nothing else.

use super::account::Accounts;
use super::hook::{Hook, Record};
use super::limits::{self, Attempts};
use super::{Patience, certificate, problem};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::step::CertificateOrder;
use crate::model::time::Timestamp;
use acme2::{
    Account, Authorization, AuthorizationStatus, Challenge, Csr, Error as AcmeError, Order, OrderBuilder, OrderStatus,
};
use openssl::pkey::{PKeyRef, Private};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::task::AbortOnDropHandle;

/// The longest pause between two questions whether the authority is done; Let's Encrypt asks for 3 s or more.
const POLL_MS_MAX: u64 = 5_000;
const HTTP_01: &str = "http-01";
const DNS_01: &str = "dns-01";

/// Makes orders.
pub(super) struct Orders {
    pub(super) accounts: Accounts,
    pub(super) attempts: Arc<dyn Attempts>,
    pub(super) hook: Hook,
    pub(super) patience: Patience,
    pub(super) now: fn() -> Timestamp,
}

/// What came of an order: not judged, not stored yet.
pub(super) struct Issued {
    /// Private key and full chain.
    pub(super) pem: Vec<u8>,
    /// The order's number in the memory of orders.
    pub(super) number: u64,
}

/// DNS records that may have been published, to be taken back whatever happens.
type Presented = Arc<Mutex<Vec<Record>>>;

impl Orders {
    /// Makes the order and sees it through.
    pub(super) async fn place(self: &Arc<Self>, order: &CertificateOrder) -> Result<Issued, EdgeError> {
        let presented = Presented::default();
        let (orders, wanted, records) = (self.clone(), order.clone(), presented.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(async move { orders.carry_out(&wanted, &records).await }));
        let outcome = tokio::time::timeout(self.patience.order, task).await;
        for record in taken(&presented) {
            self.hook.clean_up(&record).await;
        }
        let doing = format!("could not get the certificate {}", order.name);
        match outcome {
            Ok(Ok(result)) => result,
            Ok(Err(broken)) => Err(EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, broken)),
            Err(_) => {
                let limit = format!("the order did not end within {} s", self.patience.order.as_secs());
                Err(EdgeError::new(Edge::Authority, ErrorKind::Timeout, doing, limit))
            }
        }
    }

    async fn carry_out(&self, wanted: &CertificateOrder, presented: &Presented) -> Result<Issued, EdgeError> {
        let (order, number) = self.begin(wanted).await?;
        self.prove(&order, presented).await?;
        let order = self.wait_while(order, &[OrderStatus::Pending]).await?;
        let doing = "could not make the key of the certificate";
        let own = |e| EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, e);
        let key = certificate::new_key().map_err(own)?;
        let order = self.finalize(order, &key, &wanted.names).await?;
        let doing = "could not fetch the certificate";
        let chain = problem::patient(|| order.certificate()).await.map_err(|e| self.failed(doing, e))?;
        let chain = chain.ok_or_else(|| EdgeError::plain(Edge::Authority, ErrorKind::Failed, doing))?;
        Ok(Issued { pem: certificate::to_pem(&key, &chain).map_err(own)?, number })
    }

    /// Asks for the order. An account that the authority no longer knows is asked for anew, once.
    async fn begin(&self, wanted: &CertificateOrder) -> Result<(Order, u64), EdgeError> {
        let account = self.accounts.get().await?;
        let number = limits::begin(self.attempts.as_ref(), &wanted.name)?;
        let order = match new_order(&account, &wanted.names).await {
            Err(e) if matches!(problem::code(&e), "accountDoesNotExist" | "unauthorized") => {
                tracing::warn!(error = %e, "the authority does not know the account any more: it is asked for anew");
                self.accounts.forget().await;
                let account = self.accounts.get().await?;
                new_order(&account, &wanted.names).await
            }
            other => other,
        };
        let doing = format!("could not order the certificate {}", wanted.name);
        Ok((order.map_err(|e| self.failed(&doing, e))?, number))
    }

    /// Proves every name of the order that is not proven yet.
    async fn prove(&self, order: &Order, presented: &Presented) -> Result<(), EdgeError> {
        let authorizations = self.authorizations(order).await?;
        let mut challenges = Vec::new();
        let mut unseen = BTreeSet::new();
        for authorization in authorizations.iter().filter(|a| a.status == AuthorizationStatus::Pending) {
            let challenge = chosen(authorization)?;
            if let Some(record) = self.record_for(authorization, &challenge)? {
                presented.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
                self.hook.present(&record).await?;
                if !self.hook.wait_visible(&record).await {
                    tracing::warn!(record = record.name, dns = %self.hook.dns(), "the DNS record is not visible yet");
                    unseen.insert(authorization.identifier.value.clone());
                }
            }
            challenges.push(challenge);
        }
        for challenge in &challenges {
            let asked = problem::patient(|| challenge.validate()).await;
            asked.map_err(|e| self.failed("could not ask the authority to verify a name", e))?;
        }
        self.wait_proven(order, &unseen).await
    }

    async fn wait_proven(&self, order: &Order, unseen: &BTreeSet<String>) -> Result<(), EdgeError> {
        let mut pauses = self.pauses();
        loop {
            let authorizations = self.authorizations(order).await?;
            let open = |a: &&Authorization| a.status != AuthorizationStatus::Valid;
            match authorizations.iter().find(|a| open(a) && a.status != AuthorizationStatus::Pending) {
                Some(refused) => return Err(self.unproven(refused, unseen)),
                None if authorizations.iter().any(|a| open(&a)) => pauses.rest().await,
                None => return Ok(()),
            }
        }
    }

    /// The authority's own words about a name that it could not verify.
    fn unproven(&self, authorization: &Authorization, unseen: &BTreeSet<String>) -> EdgeError {
        let name = shown(authorization);
        let challenge = authorization.challenges.iter().find(|challenge| challenge.error.is_some());
        let way = challenge.map_or("no challenge", |challenge| challenge.r#type.as_str());
        let mut doing = format!("the authority could not verify {name} by {way}");
        if unseen.contains(&authorization.identifier.value) {
            let text = format!(" (its TXT record was not visible in {} before that)", self.hook.dns());
            doing.push_str(&text);
        }
        match challenge.and_then(|challenge| challenge.error.as_ref()) {
            Some(error) => problem::said(&doing, error, (self.now)()),
            None => {
                let state = format!("it says only that the authorization is {:?}", authorization.status);
                EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, state.to_lowercase())
            }
        }
    }

    /// The DNS record that the challenge asks for; none when it is answered by nginx, which knows the thumbprint.
    fn record_for(&self, authorization: &Authorization, challenge: &Challenge) -> Result<Option<Record>, EdgeError> {
        if challenge.r#type != DNS_01 {
            return Ok(None);
        }
        let doing = "could not make the value of the DNS record";
        let value = challenge.key_authorization_encoded().map_err(|e| self.failed(doing, e))?;
        let value = value.ok_or_else(|| EdgeError::plain(Edge::Authority, ErrorKind::Failed, doing))?;
        Ok(Some(Record { name: format!("_acme-challenge.{}", authorization.identifier.value), value }))
    }

    async fn finalize(
        &self,
        order: Order,
        key: &PKeyRef<Private>,
        names: &BTreeSet<String>,
    ) -> Result<Order, EdgeError> {
        let doing = "the authority refused the request for the certificate";
        let call = || async {
            let request = certificate::request(key, names)?;
            order.finalize(Csr::Custom(request)).await
        };
        let order = problem::patient(call).await.map_err(|e| self.failed(doing, e))?;
        let order =
            self.wait_while(order, &[OrderStatus::Pending, OrderStatus::Ready, OrderStatus::Processing]).await?;
        match (&order.status, &order.error) {
            (OrderStatus::Valid, _) => Ok(order),
            (_, Some(error)) => Err(problem::said(doing, error, (self.now)())),
            _ => Err(EdgeError::plain(Edge::Authority, ErrorKind::Failed, doing)),
        }
    }

    async fn wait_while(&self, mut order: Order, statuses: &[OrderStatus]) -> Result<Order, EdgeError> {
        let mut pauses = self.pauses();
        while statuses.contains(&order.status) {
            pauses.rest().await;
            let asked = problem::patient(|| order.poll()).await;
            order = asked.map_err(|e| self.failed("could not ask how the order stands", e))?;
        }
        Ok(order)
    }

    /// Always fetched anew: `acme2` panics on the challenges of one that it polled.
    async fn authorizations(&self, order: &Order) -> Result<Vec<Authorization>, EdgeError> {
        let fetched = problem::patient(|| order.authorizations()).await;
        fetched.map_err(|e| self.failed("could not ask which names are to be proven", e))
    }

    fn pauses(&self) -> Pauses {
        Pauses(self.patience.poll)
    }

    fn failed(&self, doing: &str, error: AcmeError) -> EdgeError {
        problem::edge_error(doing, error, (self.now)())
    }
}

/// Pauses that double. Only the order's deadline ends them.
struct Pauses(Duration);

impl Pauses {
    async fn rest(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(Duration::from_millis(POLL_MS_MAX));
    }
}

async fn new_order(account: &Arc<Account>, names: &BTreeSet<String>) -> Result<Order, AcmeError> {
    problem::patient(|| {
        let mut builder = OrderBuilder::new(account.clone());
        for name in names {
            builder.add_dns_identifier(name.clone());
        }
        async move { builder.build().await }
    })
    .await
}

/// dns-01 for a wildcard, for which nothing else is allowed; http-01 for every other name.
fn chosen(authorization: &Authorization) -> Result<Challenge, EdgeError> {
    let way = if authorization.wildcard == Some(true) { DNS_01 } else { HTTP_01 };
    authorization.get_challenge(way).ok_or_else(|| {
        let doing = format!("could not prove {}", shown(authorization));
        EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, format!("the authority does not offer {way} for it"))
    })
}

fn shown(authorization: &Authorization) -> String {
    let prefix = if authorization.wildcard == Some(true) { "*." } else { "" };
    format!("{prefix}{}", authorization.identifier.value)
}

fn taken(presented: &Presented) -> Vec<Record> {
    std::mem::take(&mut *presented.lock().unwrap_or_else(PoisonError::into_inner))
}
