//! Does a name point here? Asked before every order through the name itself, so that the authority is never asked to
//! prove what cannot be proven: it allows few failed validations. Changes nothing.

use super::Patience;
use super::dns::Dns;
use crate::edges::{Edge, EdgeError, ErrorKind, points_elsewhere};
use crate::model::name::{InstallationId, shorten};
use reqwest::redirect::Policy;
use std::net::{IpAddr, SocketAddr};

/// Where nginx answers every name with this installation's id.
pub const CHECK_PATH: &str = "/.well-known/innkeeper-check";
/// Where nginx answers every token with the token and the account's thumbprint (RFC 8555, section 8.3).
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";
/// A token of our own; the authority's have 22 characters at least.
pub const CHECK_TOKEN: &str = "innkeeper-check";
/// The ports that an authority follows redirects to (Boulder, and so Let's Encrypt).
const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;
/// An answer of ours is far shorter; more is not read.
const ANSWER_BYTES_MAX: usize = 1_024;

/// Asks names whether they point here.
pub(super) struct Check {
    pub(super) dns: Dns,
    pub(super) http_port: u16,
    pub(super) installation: InstallationId,
    pub(super) patience: Patience,
}

/// What an address answered.
enum Answered {
    /// What was expected.
    Ours,
    /// Nothing.
    Silent(String),
    /// Something else: which address, asked for what, answered how.
    Foreign(String),
}

impl Check {
    /// Fails when `name` does not point here, with what it points to and what answered there.
    pub(super) async fn points_here(&self, name: &str, thumbprint: &str) -> Result<(), EdgeError> {
        let refused = |why: String| EdgeError::new(Edge::Authority, ErrorKind::Failed, points_elsewhere(name), why);
        let found = self.dns.addresses(name).await;
        let addresses = found.map_err(|e| refused(format!("{e} (asked of {})", self.dns)))?;
        let mut ours = 0;
        let mut silent = None;
        for address in addresses {
            match self.ask(name, address, thumbprint).await {
                Answered::Ours => ours += 1,
                Answered::Foreign(what) => return Err(refused(what)),
                // The authority tries IPv4 when IPv6 is silent, and so may we; this host may have no IPv6 at all.
                Answered::Silent(what) if address.is_ipv6() => silent = Some(what),
                Answered::Silent(what) => return Err(refused(what)),
            }
        }
        match silent {
            Some(what) if ours == 0 => Err(refused(what)),
            _ => Ok(()),
        }
    }

    async fn ask(&self, name: &str, address: IpAddr, thumbprint: &str) -> Answered {
        match self.get(name, address, CHECK_PATH, &self.installation.0).await {
            Answered::Ours => {}
            other => return other,
        }
        let path = format!("{CHALLENGE_PATH}{CHECK_TOKEN}");
        self.get(name, address, &path, &format!("{CHECK_TOKEN}.{thumbprint}")).await
    }

    /// Asks over plain http; where the name sends everybody to another address of its own, there: a proxy of somebody
    /// else's in front of it may do so, and the authority follows too (RFC 8555, section 8.3).
    async fn get(&self, name: &str, address: IpAddr, path: &str, expected: &str) -> Answered {
        let url = format!("http://{name}:{}{path}", self.http_port);
        let asked = format!("it resolves to {address}, where GET {url}");
        let answer = match self.fetch(name, address, &url).await {
            Ok(answer) => answer,
            Err(why) => return Answered::Silent(format!("it resolves to {address}, but GET {url} there: {why}")),
        };
        if answer.is(expected) {
            return Answered::Ours;
        }
        let Some(to) = answer.location.as_deref().and_then(|to| self.of_same_name(name, &url, to)) else {
            return Answered::Foreign(format!("{asked} was answered with {answer} and not by this installation"));
        };
        match self.fetch(name, address, &to).await {
            Ok(second) if second.is(expected) => Answered::Ours,
            Ok(second) => Answered::Foreign(format!(
                "{asked} was answered with {answer}, and that with {second} and not by this installation"
            )),
            Err(why) => Answered::Foreign(format!("{asked} was answered with {answer}, and there: {why}")),
        }
    }

    /// The address that a redirect leads to, when it is one of `name` and on a port that the authority follows to: the one
    /// that was asked, or that of https.
    fn of_same_name(&self, name: &str, asked: &str, to: &str) -> Option<String> {
        let to = reqwest::Url::parse(asked).ok()?.join(to).ok()?;
        let port_fits = match to.scheme() {
            "http" => to.port_or_known_default() == Some(self.http_port),
            // Where plain http is on another port than the authority's, nobody knows where https is.
            "https" => self.http_port != HTTP_PORT || to.port_or_known_default() == Some(HTTPS_PORT),
            _ => false,
        };
        (port_fits && to.host_str() == Some(name) && to.as_str() != asked).then(|| to.to_string())
    }

    async fn fetch(&self, name: &str, address: IpAddr, url: &str) -> Result<Said, String> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            // The authority accepts any certificate too: the first one is only being asked for.
            .danger_accept_invalid_certs(true)
            .timeout(self.patience.check)
            .resolve(name, SocketAddr::new(address, 0));
        let why = |e: reqwest::Error| if e.is_timeout() { "did not answer in time".to_owned() } else { root_cause(&e) };
        let mut answer = client.build().map_err(why)?.get(url).send().await.map_err(why)?;
        let location = answer.headers().get(reqwest::header::LOCATION).and_then(|to| to.to_str().ok());
        let location = location.filter(|_| answer.status().is_redirection()).map(str::to_owned);
        Ok(Said { status: answer.status(), location, body: body_of(&mut answer).await.map_err(why)? })
    }
}

/// One answer.
struct Said {
    status: reqwest::StatusCode,
    /// Where it redirects to.
    location: Option<String>,
    body: String,
}

impl Said {
    fn is(&self, expected: &str) -> bool {
        self.status.is_success() && self.body.trim() == expected
    }
}

impl std::fmt::Display for Said {
    /// `301 Moved Permanently to "https://…"`, `200 OK "its text"`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.location {
            Some(to) => write!(f, "{} to {:?}", self.status, shorten(to)),
            None => write!(f, "{} {:?}", self.status, shorten(self.body.trim())),
        }
    }
}

async fn body_of(answer: &mut reqwest::Response) -> Result<String, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_BYTES_MAX {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// "Connection refused" and not "error sending request for url".
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
