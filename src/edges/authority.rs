//! The edge of certificates: ordering them, storing them, and reading what is stored.

use super::{Ask, EdgeError};
use crate::model::live::{AuthorityLive, CertificateLive};
use crate::model::step::CertificateOrder;
use async_trait::async_trait;

/// What is said of a name that does not lead to this host: without that no authority gives a certificate for it.
pub fn points_elsewhere(name: &str) -> String {
    format!(
        "{name} does not point here, so no certificate was ordered for it: its DNS record (A, AAAA or CNAME) must lead to \
         this host"
    )
}

/// The certificate authority and the store of its certificates. See the module documentation of [`super`] for the rules
/// of every method.
#[async_trait]
pub trait Authority: Send + Sync {
    /// Reads the stored certificates. Needs no network.
    async fn look(&self, ask: &Ask) -> Result<AuthorityLive, EdgeError>;

    /// Puts a self-signed placeholder where no certificate is stored yet, so that the site can be served before its
    /// certificate came; a stored certificate is never replaced by it.
    async fn ensure_placeholder(&self, order: &CertificateOrder) -> Result<(), EdgeError>;

    /// Checks that each name points here, orders the certificate, checks what came and switches to it. A valid stored
    /// one that covers the names and is not to be renewed is reused.
    async fn obtain(&self, order: &CertificateOrder) -> Result<CertificateLive, EdgeError>;
}
