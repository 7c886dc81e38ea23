//! The account: its key on disk, its thumbprint, and the account that the authority knows by it. Nothing is asked of
//! the authority before the first order.

use super::problem;
use super::store::PASSAGE_MODE;
use crate::disk::{self, WriteOptions};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::settings::AcmeSettings;
use crate::model::time::Timestamp;
use acme2::{Account, AccountBuilder, Directory, DirectoryBuilder, Error as AcmeError};
use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, Id, PKey, Private};
use openssl::rsa::{Rsa, RsaRef};
use openssl::x509::X509;
use reqwest::header::RETRY_AFTER;
use sha2::{Digest, Sha256};
use std::error::Error;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Size of the account's RSA key. It signs requests for its owner only and can be replaced at any time, so the size
/// that every authority takes and that is made at once is enough (NIST SP 800-57: 2048 bits at least).
pub const ACCOUNT_KEY_BITS: u32 = 2_048;
/// Only this process's user reads the account's key.
const KEY_MODE: u32 = 0o600;
/// How long a connection to the authority may take to stand.
const CONNECT_S_MAX: u64 = 10;
/// Where a key whose account the authority closed is put, so that nothing is lost.
const CLOSED_ENDING: &str = "closed";

/// The account of this host.
pub(super) struct Accounts {
    directory: String,
    contact: Vec<String>,
    ca_file: Option<PathBuf>,
    key_file: PathBuf,
    request_limit: Duration,
    now: fn() -> Timestamp,
    key: Mutex<Option<PKey<Private>>>,
    known: tokio::sync::Mutex<Option<Arc<Account>>>,
}

impl Accounts {
    pub(super) fn new(
        settings: &AcmeSettings,
        key_file: PathBuf,
        request_limit: Duration,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            directory: settings.directory.clone(),
            contact: settings.contact.clone(),
            ca_file: settings.ca_file.clone(),
            key_file,
            request_limit,
            now,
            key: Mutex::default(),
            known: tokio::sync::Mutex::default(),
        }
    }

    /// The thumbprint of the account's key, which is made when there is none.
    pub(super) fn thumbprint(&self) -> Result<String, EdgeError> {
        let key = self.key()?;
        key.rsa()
            .and_then(|rsa| thumbprint(&rsa))
            .map_err(|e| failed("could not use the account key", &self.key_file, e))
    }

    /// The account at the authority: looked up by its key, created where the authority does not know it.
    pub(super) async fn get(&self) -> Result<Arc<Account>, EdgeError> {
        let mut known = self.known.lock().await;
        if let Some(account) = known.as_ref() {
            return Ok(account.clone());
        }
        let account = self.find_or_create().await?;
        *known = Some(account.clone());
        Ok(account)
    }

    /// Forgets what the authority said, so that the next order asks again: the account may be gone.
    pub(super) async fn forget(&self) {
        *self.known.lock().await = None;
    }

    async fn find_or_create(&self) -> Result<Arc<Account>, EdgeError> {
        let client = self.client()?;
        self.ask_directory(&client).await?;
        let doing = format!("could not read the directory {}", self.directory);
        let directory = DirectoryBuilder::new(self.directory.clone()).http_client(client).build().await;
        let directory = directory.map_err(|e| problem::edge_error(&doing, e, (self.now)()))?;
        match self.register(&directory).await? {
            // RFC 8555, section 7.3.6: the account was closed. Its key opens no other one.
            Err(e) if problem::code(&e) == "unauthorized" => {
                self.put_key_aside()?;
                self.register(&directory).await?
            }
            other => other,
        }
        .map_err(|e| problem::edge_error("could not open an account at the authority", e, (self.now)()))
    }

    async fn register(&self, directory: &Arc<Directory>) -> Result<Result<Arc<Account>, AcmeError>, EdgeError> {
        let key = self.key()?;
        let call = || {
            let mut builder = AccountBuilder::new(directory.clone());
            builder.contact(self.contact.clone()).terms_of_service_agreed(true).private_key(key.clone());
            async move { builder.build().await }
        };
        Ok(problem::patient(call).await)
    }

    /// Reads the directory once by ourselves, for `acme2` tells neither the status nor Retry-After of an answer that
    /// is not ACME.
    async fn ask_directory(&self, client: &reqwest::Client) -> Result<(), EdgeError> {
        let doing = format!("could not read the directory {}", self.directory);
        let answer = client.get(&self.directory).send().await.map_err(|e| problem::request(&doing, e))?;
        if answer.status().is_success() {
            return Ok(());
        }
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Err(problem::status(&doing, answer.status().as_u16(), retry_after, (self.now)()))
    }

    fn client(&self) -> Result<reqwest::Client, EdgeError> {
        let mut client = reqwest::Client::builder()
            .use_native_tls()
            .user_agent(concat!("innkeeper/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(CONNECT_S_MAX))
            .timeout(self.request_limit);
        for root in self.roots()? {
            client = client.add_root_certificate(root);
        }
        client.build().map_err(|e| problem::request("could not make the client for the directory", e))
    }

    /// The roots of `[acme] ca_file`, trusted besides the system's.
    fn roots(&self) -> Result<Vec<reqwest::Certificate>, EdgeError> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        let doing = format!("could not read the authority's root from {} ([acme] ca_file)", path.display());
        let unusable = |e: Box<dyn Error + Send + Sync>| EdgeError::new(Edge::Authority, ErrorKind::Failed, &doing, e);
        let pem = fs::read(path).map_err(|e| unusable(e.into()))?;
        let roots = X509::stack_from_pem(&pem).map_err(|e| unusable(e.into()))?;
        let trusted = |root: &X509| {
            let der = root.to_der().map_err(|e| unusable(e.into()))?;
            reqwest::Certificate::from_der(&der).map_err(|e| unusable(e.into()))
        };
        roots.iter().map(trusted).collect()
    }

    fn key(&self) -> Result<PKey<Private>, EdgeError> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none() {
            *kept = Some(read_or_make(&self.key_file)?);
        }
        kept.clone().ok_or_else(|| failed("could not keep the account key", &self.key_file, "it is lost"))
    }

    fn put_key_aside(&self) -> Result<(), EdgeError> {
        let mut kept = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let aside = disk::set_aside(&self.key_file, &self.key_file.with_extension(CLOSED_ENDING))
            .map_err(|e| failed("could not put aside the closed account's key", &self.key_file, e))?;
        tracing::warn!(aside = %aside.display(), "the authority closed the ACME account: a new key is made for a new one");
        *kept = None;
        Ok(())
    }
}

/// The thumbprint of an RSA key (RFC 7638, section 3), which nginx puts behind each http-01 token.
///
/// # Errors
/// When OpenSSL cannot encode it.
pub fn thumbprint(key: &RsaRef<impl HasPublic>) -> Result<String, ErrorStack> {
    let (e, n) = (base64url(&key.e().to_vec()), base64url(&key.n().to_vec()));
    // The required members in alphabetical order, without white space.
    let jwk = format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#);
    Ok(base64url(&Sha256::digest(jwk.as_bytes())))
}

/// RFC 4648, section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    openssl::base64::encode_block(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_")
}

fn read_or_make(path: &Path) -> Result<PKey<Private>, EdgeError> {
    match fs::read(path) {
        Ok(pem) => parse(path, &pem),
        Err(e) if e.kind() == io::ErrorKind::NotFound => make(path),
        Err(e) => Err(failed("could not read the account key", path, e)),
    }
}

fn parse(path: &Path, pem: &[u8]) -> Result<PKey<Private>, EdgeError> {
    let key = PKey::private_key_from_pem(pem);
    match key {
        Ok(key) if key.id() == Id::RSA => Ok(key),
        Ok(_) => Err(failed("could not use the account key", path, "it is not an RSA key: restore the one made here")),
        Err(_) => Err(failed("could not use the account key", path, "it is not a private key in PEM form")),
    }
}

fn make(path: &Path) -> Result<PKey<Private>, EdgeError> {
    let doing = "could not make the account key";
    let made = Rsa::generate(ACCOUNT_KEY_BITS).and_then(PKey::from_rsa);
    let pem = made.and_then(|key| key.private_key_to_pem_pkcs8()).map_err(|e| failed(doing, path, e))?;
    let created =
        disk::make_parent(path, PASSAGE_MODE).and_then(|()| disk::create_new(path, &pem, WriteOptions::mode(KEY_MODE)));
    match created {
        // Another process was faster: its key counts.
        Ok(()) => {}
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(failed(doing, path, e)),
    }
    parse(path, &fs::read(path).map_err(|e| failed(doing, path, e))?)
}

fn failed(doing: &str, path: &Path, error: impl Into<Box<dyn Error + Send + Sync>>) -> EdgeError {
    EdgeError::new(Edge::Authority, ErrorKind::Failed, format!("{doing} {}", path.display()), error)
}
