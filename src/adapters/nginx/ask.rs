//! Asks a site for its login page as a visitor's browser would, except that it looks for the name on this host: redirects
//! on the same host are followed, the customer's language is asked for, and a websocket is opened where pages need one.

use super::process::failed;
use crate::edges::proxy::{Channel, Visit};
use crate::edges::{EdgeError, ErrorKind};
use crate::model::live::Answer;
use crate::model::name::{Domain, Language};
use crate::model::secret::hex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{self, HeaderMap};
use reqwest::{Response, StatusCode, Url};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// A login page was rendered in 0.5 s cold; one that takes this long does not serve, with all its redirects.
const ANSWER_S_MAX: u64 = 10;
/// Odoo's login page has about 10 KiB.
const BODY_BYTES_MAX: usize = 256 * 1024;
/// Odoo needs one redirect, to the address that has the language in it. Browsers give up after 20.
const REDIRECTS_MAX: usize = 5;
const LOGIN_PATH: &str = "/web/login";
const WEBSOCKET_PATH: &str = "/websocket";
const LONG_POLLING_PATH: &str = "/longpolling/poll";
/// What Odoo sees. It takes names with `bot`, `curl`, `wget` and the like for robots, and treats those otherwise.
const USER_AGENT: &str = concat!("innkeeper/", env!("CARGO_PKG_VERSION"));
/// The key of RFC 6455, section 1.3: who asks does not look at what comes back for it.
const WEBSOCKET_KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
/// "Normal closure", masked with zeros (RFC 6455, sections 5.2 and 7.4.1), so that Odoo ends the connection in good order.
const CLOSE_FRAME: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

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
            .user_agent(USER_AGENT)
            .http1_only()
            // Each question sees the certificate that is served now.
            .pool_max_idle_per_host(0)
            // They are followed here, where it can be told which were not.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(ANSWER_S_MAX))
            // Whether the certificate is the right one is decided by its fingerprint, not here.
            .danger_accept_invalid_certs(true)
            .tls_info(true)
            .build()
            .map_err(|error| failed(ErrorKind::Failed, "could not set up a client for the sites", error))?;
        Ok(Self { client, port })
    }

    /// Asks `host` for its login page, and for its channel once that came.
    ///
    /// # Errors
    /// `Timeout` when the login page did not come within 10 s, `Unreachable` when no TLS connection to `host` is made or it
    /// breaks.
    pub(super) async fn ask(&self, host: &Domain, visit: &Visit) -> Result<Answer, EdgeError> {
        let doing = || format!("could not get https://{host}{LOGIN_PATH} through nginx");
        let mut visitor = Visitor { client: &self.client, visit, cookies: BTreeMap::new() };
        let url = self.url(host, LOGIN_PATH);
        let page = tokio::time::timeout(Duration::from_secs(ANSWER_S_MAX), visitor.page(&url)).await;
        let mut answer = match page {
            Ok(answer) => answer.map_err(|error| {
                let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Unreachable };
                failed(kind, doing(), error.without_url())
            })?,
            Err(late) => return Err(failed(ErrorKind::Timeout, doing(), late)),
        };
        if answer.login_page {
            answer.websocket_fault = self.channel_fault(host, &visitor).await;
        }
        Ok(answer)
    }

    fn url(&self, host: &Domain, path: &str) -> String {
        format!("https://{host}:{}{path}", self.port)
    }

    /// Why the pages' channel does not work; none where it does.
    async fn channel_fault(&self, host: &Domain, visitor: &Visitor<'_>) -> Option<String> {
        let told = match visitor.visit.channel {
            Channel::Same => return None,
            Channel::Websocket => visitor.open(&self.url(host, WEBSOCKET_PATH), &self.url(host, "")).await,
            Channel::LongPolling => visitor.poll(&self.url(host, LONG_POLLING_PATH)).await,
        };
        told.unwrap_or_else(|error| Some(if error.is_timeout() { late() } else { innermost(&error) }))
    }
}

fn late() -> String {
    format!("no answer within {ANSWER_S_MAX} s")
}

/// One browser, from its first request to its last.
struct Visitor<'a> {
    client: &'a reqwest::Client,
    visit: &'a Visit,
    cookies: BTreeMap<String, String>,
}

impl Visitor<'_> {
    /// The page at `url`, after the redirects that stay on its host.
    async fn page(&mut self, url: &str) -> reqwest::Result<Answer> {
        let mut response = self.get(url).send().await?;
        let fingerprint = fingerprint(&response);
        for _ in 0..REDIRECTS_MAX {
            self.keep_cookies(response.headers());
            let Some(next) = target(&response).filter(|next| is_same_site(next, response.url())) else { break };
            response = self.get(next.as_str()).send().await?;
        }
        self.keep_cookies(response.headers());
        let status = response.status().as_u16();
        let leads_to = target(&response).map(String::from);
        let login_page = status == 200 && is_login_page(&text(response).await?);
        Ok(Answer { status, login_page, fingerprint, leads_to, websocket_fault: None })
    }

    /// Opens a websocket and closes it. Says why it does not open.
    async fn open(&self, url: &str, origin: &str) -> reqwest::Result<Option<String>> {
        let request = self
            .get(url)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, WEBSOCKET_KEY)
            .header(header::ORIGIN, origin);
        let response = request.send().await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Some(format!("{WEBSOCKET_PATH} answers {}", response.status().as_u16())));
        }
        // It did open: whatever happens to it now is no fault.
        if let Ok(mut socket) = response.upgrade().await {
            let _ = socket.write_all(&CLOSE_FRAME).await;
            let _ = socket.shutdown().await;
        }
        Ok(None)
    }

    /// Long polling takes another kind of request; that Odoo refuses this one shows that it is there.
    async fn poll(&self, url: &str) -> reqwest::Result<Option<String>> {
        let status = self.get(url).send().await?.status();
        let is_from_nginx =
            [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT].contains(&status);
        Ok(is_from_nginx.then(|| format!("{LONG_POLLING_PATH} answers {}", status.as_u16())))
    }

    fn get(&self, url: &str) -> reqwest::RequestBuilder {
        let mut request = self.client.get(url);
        if let Some(language) = &self.visit.language {
            request = request.header(header::ACCEPT_LANGUAGE, accept_language(language));
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        request
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        let texts = headers.get_all(header::SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = texts.filter_map(|text| text.split(';').next()?.split_once('='));
        self.cookies.extend(pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())));
    }
}

/// Where a redirect leads; none where the answer is none.
fn target(response: &Response) -> Option<Url> {
    let location = response.headers().get(header::LOCATION).filter(|_| response.status().is_redirection())?;
    response.url().join(location.to_str().ok()?).ok()
}

fn is_same_site(next: &Url, here: &Url) -> bool {
    next.origin() == here.origin()
}

fn fingerprint(response: &Response) -> String {
    let leaf = response.extensions().get::<reqwest::tls::TlsInfo>().and_then(|info| info.peer_certificate());
    leaf.map(|der| hex(&Sha256::digest(der))).unwrap_or_default()
}

async fn text(mut response: Response) -> reqwest::Result<String> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// As a browser of that language writes it: `vi-VN,vi;q=0.9` for `vi_VN`, `sr-Latn` for `sr@latin` (RFC 5646).
fn accept_language(language: &Language) -> String {
    let (place, script) = language.as_str().split_once('@').unwrap_or((language.as_str(), ""));
    let (short, country) = place.split_once('_').unwrap_or((place, ""));
    let script = match script {
        "latin" | "Latn" => "Latn",
        "cyrillic" | "Cyrl" => "Cyrl",
        _ => "",
    };
    let parts: Vec<&str> = [short, script, country].into_iter().filter(|part| !part.is_empty()).collect();
    match parts.len() {
        1 => short.to_owned(),
        _ => format!("{},{short};q=0.9", parts.join("-")),
    }
}

/// What went wrong, without the levels that say that something did.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Odoo's login form with its CSRF token, whichever quotes it is written with.
fn is_login_page(html: &str) -> bool {
    let has = |name: &str| html.contains(&format!("name=\"{name}\"")) || html.contains(&format!("name='{name}'"));
    has("csrf_token") && has("login")
}

#[cfg(test)]
mod tests {
    use super::{Language, accept_language, is_login_page};

    #[test]
    fn a_login_page_has_a_token_and_a_login_field() {
        let form = r#"<form><input type="hidden" name="csrf_token" value="x"/><input name="login"/></form>"#;
        assert!(is_login_page(form));
        assert!(is_login_page(&form.replace('"', "'")));
        assert!(!is_login_page(r#"<input name="login"/>"#));
        assert!(!is_login_page(r#"<input name="csrf_token"/><input name="login_hint"/>"#));
    }

    #[test]
    fn a_language_is_asked_for_as_browsers_do() {
        let asked = |text: &str| accept_language(&Language::parse(text).unwrap());
        assert_eq!(asked("vi_VN"), "vi-VN,vi;q=0.9");
        assert_eq!(asked("en_US"), "en-US,en;q=0.9");
        assert_eq!(asked("es_419"), "es-419,es;q=0.9");
        assert_eq!(asked("sr@latin"), "sr-Latn,sr;q=0.9");
    }
}
