//! Our own budgets, so that a loop of ours ends here and never at the authority's limits, which lock out the whole
//! host for days. The figures are Let's Encrypt's of 2026 (letsencrypt.org/docs/rate-limits), which are the strictest
//! of the public authorities. Nothing here talks to the authority.

use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::live::CertificateLive;
use crate::model::name::Domain;
use crate::model::site::CertificateName;
use crate::model::step::CertificateOrder;
use crate::model::time::{Seconds, Timestamp};
use std::error::Error;

/// Failed validations that Let's Encrypt allows a name in [`NAME_WINDOW_S`]. An attempt counts, whatever became of it:
/// a name whose certificate came needs none again for weeks.
pub const ATTEMPTS_PER_NAME_MAX: usize = 5;
/// The rolling window of [`ATTEMPTS_PER_NAME_MAX`].
pub const NAME_WINDOW_S: i64 = 3_600;
/// Orders that Let's Encrypt allows an account in [`ACCOUNT_WINDOW_S`].
pub const ORDERS_PER_ACCOUNT_MAX: usize = 300;
/// The rolling window of [`ORDERS_PER_ACCOUNT_MAX`].
pub const ACCOUNT_WINDOW_S: i64 = 3 * 3_600;
/// New certificates that Let's Encrypt allows a registered domain in [`DOMAIN_WINDOW_S`]; renewals are not counted
/// there, and not here.
pub const CERTIFICATES_PER_DOMAIN_MAX: usize = 50;
/// The rolling window of [`CERTIFICATES_PER_DOMAIN_MAX`].
pub const DOMAIN_WINDOW_S: i64 = 7 * 86_400;

/// The memory of orders made, which must outlive the process: a daemon that restarts in a loop may not burn the
/// authority's limits.
pub trait Attempts: Send + Sync {
    /// Keeps that an order for `name` is about to be made. It is on disk when this returns.
    ///
    /// # Errors
    /// When it could not be kept; then no order is made.
    fn attempt(&self, name: &CertificateName) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// When orders were about to be made since `since`, for `name`, or for any name.
    ///
    /// # Errors
    /// When the memory cannot be read; then no order is made.
    fn since(
        &self,
        name: Option<&CertificateName>,
        since: Timestamp,
    ) -> Result<Vec<Timestamp>, Box<dyn Error + Send + Sync>>;
}

/// Says whether the budgets allow `order` at `now`. `stored` are the certificates on disk.
pub(super) fn allow(
    order: &CertificateOrder,
    attempts: &dyn Attempts,
    stored: &[CertificateLive],
    base_domain: &Domain,
    now: Timestamp,
) -> Result<(), EdgeError> {
    let remembered = |name, window_s| {
        attempts.since(name, ago(now, window_s)).map_err(|e| {
            EdgeError::new(Edge::Authority, ErrorKind::Failed, "could not read the memory of certificate orders", e)
        })
    };
    let own = remembered(Some(&order.name), NAME_WINDOW_S)?;
    within(&own, ATTEMPTS_PER_NAME_MAX, NAME_WINDOW_S, now, &format!("orders for {}", order.name))?;
    let all = remembered(None, ACCOUNT_WINDOW_S)?;
    within(&all, ORDERS_PER_ACCOUNT_MAX, ACCOUNT_WINDOW_S, now, "orders of this account")?;
    if order.renewal {
        return Ok(());
    }
    for domain in order.names.iter().map(|name| registered_domain(name, base_domain)) {
        let issued = issued_under(&domain, stored, base_domain, ago(now, DOMAIN_WINDOW_S));
        let what = format!("new certificates under {domain}");
        within(&issued, CERTIFICATES_PER_DOMAIN_MAX, DOMAIN_WINDOW_S, now, &what)?;
    }
    Ok(())
}

/// Keeps the attempt; an error when it could not be kept.
pub(super) fn keep(attempts: &dyn Attempts, name: &CertificateName) -> Result<(), EdgeError> {
    let doing = "could not note the certificate order on disk, so it was not made";
    attempts.attempt(name).map_err(|e| EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, e))
}

fn ago(now: Timestamp, span_s: i64) -> Timestamp {
    now.checked_sub(jiff::SignedDuration::from_secs(span_s)).unwrap_or(Timestamp::MIN)
}

fn within(times: &[Timestamp], max: usize, window_s: i64, now: Timestamp, what: &str) -> Result<(), EdgeError> {
    let Some(wait_s) = wait_s(times, max, window_s, now) else { return Ok(()) };
    let window = Seconds(window_s.unsigned_abs());
    let text = format!(
        "there were {} {what} within {window}, and {max} are allowed; the next one may be made in {}",
        times.len(),
        Seconds(wait_s)
    );
    Err(EdgeError::plain(Edge::Authority, ErrorKind::Limited { retry_after_s: wait_s }, text))
}

/// Seconds until one more fits into the window; none when it fits now.
fn wait_s(times: &[Timestamp], max: usize, window_s: i64, now: Timestamp) -> Option<u64> {
    let mut times = times.to_vec();
    times.sort_unstable();
    // The one whose leaving makes room.
    let blocking = *times.get(times.len().checked_sub(max)?)?;
    let free_at_s = blocking.as_second().saturating_add(window_s);
    Some(u64::try_from(free_at_s.saturating_sub(now.as_second())).unwrap_or(0).max(1))
}

fn issued_under(domain: &str, stored: &[CertificateLive], base: &Domain, since: Timestamp) -> Vec<Timestamp> {
    let under = |certificate: &&CertificateLive| {
        certificate.not_before >= since && certificate.names.iter().any(|name| registered_domain(name, base) == domain)
    };
    stored.iter().filter(under).map(|certificate| certificate.not_before).collect()
}

/// The domain under which the authority counts `name`. Without the public suffix list this is a guess, which errs
/// towards counting too little: the authority still counts rightly.
fn registered_domain(name: &str, base: &Domain) -> String {
    let name = name.strip_prefix("*.").unwrap_or(name);
    if name == base.as_str() || name.strip_suffix(base.as_str()).is_some_and(|host| host.ends_with('.')) {
        return base.to_string();
    }
    let labels: Vec<&str> = name.rsplit('.').collect();
    // "com.vn", "co.uk": a short label under a country's is a public suffix.
    let suffix = if labels.len() > 2 && labels[0].len() == 2 && labels[1].len() <= 3 { 3 } else { 2 };
    let kept = labels.len().min(suffix);
    labels[..kept].iter().rev().copied().collect::<Vec<_>>().join(".")
}
