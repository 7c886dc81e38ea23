//! Does a name point here? Asked before every order through the name itself, so that the authority is never asked to
//! prove what cannot be proven: it allows few failed validations. Changes nothing.

use super::Patience;
use super::dns::Dns;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::name::{InstallationId, shorten};
use reqwest::redirect::Policy;
use std::net::{IpAddr, SocketAddr};

/// Where nginx answers every name with this installation's id.
pub const CHECK_PATH: &str = "/.well-known/innkeeper-check";
/// Where nginx answers every token with the token and the account's thumbprint (RFC 8555, section 8.3).
pub const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";
/// A token of our own; the authority's have 22 characters at least.
pub const CHECK_TOKEN: &str = "innkeeper-check";
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
        let refused = |why: String| {
            let doing = format!("{name} does not point here, so no certificate was ordered for it");
            EdgeError::new(Edge::Authority, ErrorKind::Failed, doing, why)
        };
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

    async fn get(&self, name: &str, address: IpAddr, path: &str, expected: &str) -> Answered {
        let url = format!("http://{name}:{}{path}", self.http_port);
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .tls_built_in_root_certs(false)
            .timeout(self.patience.check)
            .resolve(name, SocketAddr::new(address, self.http_port));
        let silent = |e: reqwest::Error| {
            let why = if e.is_timeout() { "did not answer in time".to_owned() } else { root_cause(&e) };
            Answered::Silent(format!("it resolves to {address}, but GET {url} there: {why}"))
        };
        let answer = match client.build() {
            Ok(client) => client.get(&url).send().await,
            Err(e) => return silent(e),
        };
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(e) => return silent(e),
        };
        let status = answer.status();
        let body = match body_of(&mut answer).await {
            Ok(body) => body,
            Err(e) => return silent(e),
        };
        if status.is_success() && body.trim() == expected {
            return Answered::Ours;
        }
        let location = answer.headers().get(reqwest::header::LOCATION).and_then(|to| to.to_str().ok());
        let said = location.map_or_else(|| format!("{:?}", shorten(body.trim())), |to| format!("to {:?}", shorten(to)));
        Answered::Foreign(format!(
            "it resolves to {address}, where GET {url} was answered with {status} {said} and not by this installation"
        ))
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
