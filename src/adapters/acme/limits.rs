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

/// Failed validations that Let's Encrypt allows a name in [`FAILURES_WINDOW_S`]. Every order that did not end in a
/// certificate counts here, whatever ended it.
pub const FAILURES_PER_NAME_MAX: usize = 5;
/// The rolling window of [`FAILURES_PER_NAME_MAX`].
pub const FAILURES_WINDOW_S: i64 = 3_600;
/// Certificates that Let's Encrypt allows for the same set of names in [`SAME_NAMES_WINDOW_S`]: what a loop would burn
/// that loses each certificate after it came.
pub const CERTIFICATES_PER_NAME_MAX: usize = 5;
/// The rolling window of [`CERTIFICATES_PER_NAME_MAX`].
pub const SAME_NAMES_WINDOW_S: i64 = 7 * 86_400;
/// Orders that Let's Encrypt allows an account in [`ACCOUNT_WINDOW_S`].
pub const ORDERS_PER_ACCOUNT_MAX: usize = 300;
/// The rolling window of [`ORDERS_PER_ACCOUNT_MAX`].
pub const ACCOUNT_WINDOW_S: i64 = 3 * 3_600;
/// New certificates that Let's Encrypt allows a registered domain in [`DOMAIN_WINDOW_S`]; renewals are not counted
/// there, and not here.
pub const CERTIFICATES_PER_DOMAIN_MAX: usize = 50;
/// The rolling window of [`CERTIFICATES_PER_DOMAIN_MAX`].
pub const DOMAIN_WINDOW_S: i64 = 7 * 86_400;

/// An order that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// When it was tried.
    pub at: Timestamp,
    /// A certificate came of it. False also while that is not known.
    pub succeeded: bool,
}

/// What an [`Attempts`] may answer with.
pub type AttemptsError = Box<dyn Error + Send + Sync>;

/// The memory of orders made, which must outlive the process: a daemon that restarts in a loop may not burn the
/// authority's limits. Its methods are short.
pub trait Attempts: Send + Sync {
    /// Keeps that an order for `name` is about to be made, and returns its number. It is on disk when this returns.
    ///
    /// # Errors
    /// When it could not be kept; then no order is made.
    fn begin(&self, name: &CertificateName) -> Result<u64, AttemptsError>;

    /// Keeps that a certificate came of the order.
    ///
    /// # Errors
    /// When it could not be kept; then the order counts as failed.
    fn succeeded(&self, number: u64) -> Result<(), AttemptsError>;

    /// The orders made since `since`, for `name`, or for any name.
    ///
    /// # Errors
    /// When the memory cannot be read; then no order is made.
    fn since(&self, name: Option<&CertificateName>, since: Timestamp) -> Result<Vec<Attempt>, AttemptsError>;
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
    let own = remembered(Some(&order.name), SAME_NAMES_WINDOW_S)?;
    let what = format!("failed orders for {}", order.name);
    within(times(&own, |a| !a.succeeded), FAILURES_PER_NAME_MAX, FAILURES_WINDOW_S, now, &what)?;
    let what = format!("certificates for {}", order.name);
    within(times(&own, |a| a.succeeded), CERTIFICATES_PER_NAME_MAX, SAME_NAMES_WINDOW_S, now, &what)?;
    let all = remembered(None, ACCOUNT_WINDOW_S)?;
    within(times(&all, |_| true), ORDERS_PER_ACCOUNT_MAX, ACCOUNT_WINDOW_S, now, "orders of this account")?;
    if order.renewal {
        return Ok(());
    }
    for domain in order.names.iter().map(|name| registered_domain(name, base_domain)) {
        let issued = issued_under(&domain, stored, base_domain);
        let what = format!("new certificates under {domain}");
        within(issued, CERTIFICATES_PER_DOMAIN_MAX, DOMAIN_WINDOW_S, now, &what)?;
    }
    Ok(())
}

/// Keeps that the order is made; an error when that could not be kept.
pub(super) fn begin(attempts: &dyn Attempts, name: &CertificateName) -> Result<u64, EdgeError> {
    let doing = "could not note the certificate order on disk, so it was not made";
    attempts.begin(name).map_err(|e| EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, e))
}

fn times(attempts: &[Attempt], counts: impl Fn(&Attempt) -> bool) -> Vec<Timestamp> {
    attempts.iter().filter(|attempt| counts(attempt)).map(|attempt| attempt.at).collect()
}

fn ago(now: Timestamp, span_s: i64) -> Timestamp {
    now.checked_sub(jiff::SignedDuration::from_secs(span_s)).unwrap_or(Timestamp::MIN)
}

fn within(mut times: Vec<Timestamp>, max: usize, window_s: i64, now: Timestamp, what: &str) -> Result<(), EdgeError> {
    let start = ago(now, window_s);
    times.retain(|time| *time > start);
    times.sort_unstable();
    // The one whose leaving the window makes room.
    let Some(blocking) = times.len().checked_sub(max).and_then(|index| times.get(index)) else { return Ok(()) };
    let wait_s = u64::try_from(blocking.as_second() + window_s - now.as_second()).unwrap_or(0).max(1);
    let text = format!(
        "no certificate was ordered: there were {} {what} within {}, and {max} are allowed; the next order may be made in {}",
        times.len(),
        Seconds(window_s.unsigned_abs()),
        Seconds(wait_s)
    );
    Err(EdgeError::plain(Edge::Authority, ErrorKind::Limited { retry_after_s: wait_s }, text))
}

fn issued_under(domain: &str, stored: &[CertificateLive], base: &Domain) -> Vec<Timestamp> {
    let under =
        |certificate: &&CertificateLive| certificate.names.iter().any(|name| registered_domain(name, base) == domain);
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
