//! Asks a site for its login page as a browser would, except that it looks for the name on this host.

use super::process::failed;
use crate::edges::{EdgeError, ErrorKind};
use crate::model::live::Answer;
use crate::model::name::Domain;
use crate::model::secret::hex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sha2::{Digest, Sha256};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// A login page was rendered in 0.5 s cold; one that takes this long does not serve.
const ANSWER_S_MAX: u64 = 10;
/// Odoo's login page has about 10 KiB.
const BODY_BYTES_MAX: usize = 256 * 1024;
const LOGIN_PATH: &str = "/web/login";

/// A client for which every name is on this host.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    client: reqwest::Client,
    port: u16,
}

struct ThisHost;

impl Resolve for ThisHost {
    fn resolve(&self, _name: Name) -> Resolving {
        let here: Addrs = Box::new(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))));
        Box::pin(std::future::ready(Ok(here)))
    }
}

impl Asker {
    /// Asks on `port`.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub(super) fn new(port: u16) -> Result<Self, EdgeError> {
        let client = reqwest::Client::builder()
            .dns_resolver(Arc::new(ThisHost))
            .no_proxy()
            // Each question sees the certificate that is served now.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(ANSWER_S_MAX))
            // Whether the certificate is the right one is decided by its fingerprint, not here.
            .danger_accept_invalid_certs(true)
            .tls_info(true)
            .build()
            .map_err(|error| failed(ErrorKind::Failed, "could not set up a client for the sites", error))?;
        Ok(Self { client, port })
    }

    /// Asks `host` for its login page.
    ///
    /// # Errors
    /// `Timeout` after 10 s, `Unreachable` when no TLS connection to `host` is made or it breaks.
    pub(super) async fn ask(&self, host: &Domain) -> Result<Answer, EdgeError> {
        let doing = format!("could not get https://{host}{LOGIN_PATH} through nginx");
        let explain = |error: reqwest::Error| {
            let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unreachable };
            failed(kind, doing.clone(), error.without_url())
        };
        let url = format!("https://{host}:{}{LOGIN_PATH}", self.port);
        let mut answer = self.client.get(url).send().await.map_err(explain)?;
        let leaf = answer.extensions().get::<reqwest::tls::TlsInfo>().and_then(|info| info.peer_certificate());
        let fingerprint = leaf.map(|der| hex(&Sha256::digest(der))).unwrap_or_default();
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(explain)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let login_page = status == 200 && is_login_page(&String::from_utf8_lossy(&body));
        Ok(Answer { status, login_page, fingerprint })
    }
}

/// Odoo's login form with its CSRF token, whichever quotes it is written with.
fn is_login_page(html: &str) -> bool {
    let has = |name: &str| html.contains(&format!("name=\"{name}\"")) || html.contains(&format!("name='{name}'"));
    has("csrf_token") && has("login")
}

#[cfg(test)]
mod tests {
    use super::is_login_page;

    #[test]
    fn a_login_page_has_a_token_and_a_login_field() {
        let form = r#"<form><input type="hidden" name="csrf_token" value="x"/><input name="login"/></form>"#;
        assert!(is_login_page(form));
        assert!(is_login_page(&form.replace('"', "'")));
        assert!(!is_login_page(r#"<input name="login"/>"#));
        assert!(!is_login_page(r#"<input name="csrf_token"/><input name="login_hint"/>"#));
    }
}
