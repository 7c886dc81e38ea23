//! What the authority and the way to it answered, as errors of the edge. Here alone is it decided which kind a
//! problem is.

use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::time::Timestamp;
use acme2::Error as AcmeError;
use acme2::ServerError;
use std::error::Error;

/// How long is waited when the authority says "too many" without saying until when. An hour is the shortest window
/// of Let's Encrypt's limits.
pub(super) const RETRY_AFTER_UNKNOWN_S: u64 = 3_600;
/// No authority may make us wait longer than its longest window: a wrong clock there must not stop us for good.
pub(super) const RETRY_AFTER_S_MAX: u64 = 7 * 86_400;
/// `acme2` itself sends a request up to four times. Five rounds of it bear an authority that refuses every third nonce.
const NONCE_ROUNDS_MAX: u32 = 5;
/// How much of the authority's text an error repeats.
const DETAIL_CHARS_MAX: usize = 1_000;

const ACME: &str = "urn:ietf:params:acme:error:";

/// What the authority said, in its own words (RFC 8555, section 6.7).
#[derive(Debug, thiserror::Error)]
#[error("{detail} ({code})")]
struct Said {
    code: String,
    detail: String,
}

/// The problem's code without its prefix: `badNonce`; empty when it has none.
pub(super) fn code(error: &AcmeError) -> &str {
    match error {
        AcmeError::Server(problem) => short_code(problem),
        _ => "",
    }
}

/// Repeats a call that ended in badNonce, on which the authority does nothing (RFC 8555, section 6.5).
pub(super) async fn patient<T, F>(call: impl Fn() -> F) -> Result<T, AcmeError>
where
    F: Future<Output = Result<T, AcmeError>>,
{
    for _ in 1..NONCE_ROUNDS_MAX {
        match call().await {
            Err(e) if code(&e) == "badNonce" => tracing::debug!("the authority refused four nonces in a row"),
            other => return other,
        }
    }
    call().await
}

/// The edge's error for a call of `acme2` that failed at `now`.
pub(super) fn edge_error(doing: &str, error: AcmeError, now: Timestamp) -> EdgeError {
    match error {
        AcmeError::Server(problem) => said(doing, &problem, now),
        AcmeError::Transport(error) => transport(doing, error),
        other => EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, other),
    }
}

/// The edge's error for a problem document.
pub(super) fn said(doing: &str, problem: &ServerError, now: Timestamp) -> EdgeError {
    let detail = problem.detail.as_deref().or(problem.title.as_deref()).unwrap_or("it gave no reason");
    let code = match (short_code(problem), problem.status) {
        ("", Some(status)) => format!("status {status}"),
        ("", None) => "no code".to_owned(),
        (code, _) => code.to_owned(),
    };
    let kind = match (short_code(problem), problem.status.unwrap_or_default()) {
        ("rateLimited", _) | (_, 429) => limited(after_in(detail, now)),
        ("serverInternal", _) | (_, 500..) => ErrorKind::Unreachable,
        _ => ErrorKind::Failed,
    };
    let detail = detail.chars().map(|c| if c.is_control() { ' ' } else { c }).take(DETAIL_CHARS_MAX).collect();
    EdgeError::new(Edge::Authority, kind, doing, Said { code, detail })
}

/// The edge's error for a request of our own that got no answer.
pub(super) fn request(doing: &str, error: reqwest::Error) -> EdgeError {
    transport(doing, Box::new(error))
}

/// The edge's error for an answer that is not ACME at all: a proxy's error page, a site under maintenance.
pub(super) fn status(doing: &str, status: u16, retry_after: Option<&str>, now: Timestamp) -> EdgeError {
    let kind = match (retry_after.and_then(|text| header_s(text, now)), status) {
        (Some(seconds), 429 | 503) => limited(Some(seconds)),
        (None, 429) => limited(None),
        _ => ErrorKind::Unreachable,
    };
    EdgeError::new(Edge::Authority, kind, doing, format!("it answered with status {status}"))
}

fn short_code(problem: &ServerError) -> &str {
    let code = problem.r#type.as_deref().unwrap_or_default();
    code.strip_prefix(ACME).unwrap_or(code)
}

fn transport(doing: &str, error: Box<dyn Error + Send + Sync>) -> EdgeError {
    let (timeout, unreadable) = match error.downcast_ref::<reqwest::Error>() {
        Some(error) => (error.is_timeout(), error.is_decode()),
        None => (false, error.is::<serde_json::Error>()),
    };
    if timeout {
        return EdgeError::new(Edge::Authority, ErrorKind::Timeout, doing, error);
    }
    if unreadable {
        let text = format!("its answer is not ACME, perhaps a page that says that it is under maintenance: {error}");
        return EdgeError::new(Edge::Authority, ErrorKind::Unreachable, doing, text);
    }
    EdgeError::new(Edge::Authority, ErrorKind::Unreachable, doing, error)
}

fn limited(seconds: Option<u64>) -> ErrorKind {
    ErrorKind::Limited { retry_after_s: seconds.unwrap_or(RETRY_AFTER_UNKNOWN_S).clamp(1, RETRY_AFTER_S_MAX) }
}

/// The time in "…, retry after 2026-03-01 12:00:00 UTC: see …", as Boulder (the software of Let's Encrypt) writes it.
/// `acme2` drops the header `Retry-After`, so this is where the time still is.
fn after_in(detail: &str, now: Timestamp) -> Option<u64> {
    let lower = detail.to_ascii_lowercase();
    let start = lower.find("retry after ")? + "retry after ".len();
    let text = detail.get(start..)?;
    if let Some(date) = text.get(..19) {
        let until = format!("{}T{}Z", date.get(..10)?, date.get(11..)?).parse::<Timestamp>();
        if let Ok(until) = until {
            return seconds_until(until, now);
        }
    }
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// A `Retry-After` header: seconds, or an HTTP date (RFC 9110, section 10.2.3).
fn header_s(text: &str, now: Timestamp) -> Option<u64> {
    let date = || jiff::fmt::rfc2822::parse(text).ok().and_then(|at| seconds_until(at.timestamp(), now));
    text.trim().parse().ok().or_else(date)
}

fn seconds_until(until: Timestamp, now: Timestamp) -> Option<u64> {
    u64::try_from(until.as_second().saturating_sub(now.as_second())).ok()
}
