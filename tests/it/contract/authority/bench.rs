//! What the tests of this edge stand on: an adapter in a directory of its own, the site that answers for its names,
//! and a memory of orders.

use super::pebble::Pebble;
use super::web::{Reply, Web};
use innkeeper::adapters::acme::check::{CHALLENGE_PATH, CHECK_PATH};
use innkeeper::adapters::acme::{Acme, Attempt, Attempts, AttemptsError, Host, Patience};
use innkeeper::edges::{Ask, Authority, EdgeError};
use innkeeper::model::live::CertificateLive;
use innkeeper::model::name::{Domain, InstallationId};
use innkeeper::model::settings::AcmeSettings;
use innkeeper::model::site::CertificateName;
use innkeeper::model::status::chain;
use innkeeper::model::step::CertificateOrder;
use innkeeper::model::time::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const INSTALLATION: &str = "0123456789ab";
pub(crate) const BASE_DOMAIN: &str = "innkeeper.test";

/// Orders in memory.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) orders: Mutex<Vec<(CertificateName, Attempt)>>,
    /// Makes the next note fail, or panic.
    pub(crate) broken: Mutex<Option<&'static str>>,
}

impl Memory {
    pub(crate) fn remember(&self, name: &str, at: Timestamp, succeeded: bool) {
        self.orders.lock().unwrap().push((CertificateName(name.to_owned()), Attempt { at, succeeded }));
    }
}

impl Attempts for Memory {
    fn begin(&self, name: &CertificateName) -> Result<u64, AttemptsError> {
        match *self.broken.lock().unwrap() {
            Some("panic") => panic!("on purpose"),
            Some(why) => return Err(why.into()),
            None => {}
        }
        let mut orders = self.orders.lock().unwrap();
        orders.push((name.clone(), Attempt { at: super::now(), succeeded: false }));
        Ok(orders.len() as u64 - 1)
    }

    fn succeeded(&self, number: u64) -> Result<(), AttemptsError> {
        self.orders.lock().unwrap()[usize::try_from(number).unwrap()].1.succeeded = true;
        Ok(())
    }

    fn since(&self, name: Option<&CertificateName>, since: Timestamp) -> Result<Vec<Attempt>, AttemptsError> {
        let orders = self.orders.lock().unwrap();
        let asked =
            |(of, attempt): &&(CertificateName, Attempt)| name.is_none_or(|name| name == of) && attempt.at >= since;
        Ok(orders.iter().filter(asked).map(|(_, attempt)| *attempt).collect())
    }
}

/// An adapter in a directory of its own.
pub(crate) struct Bench {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) memory: Arc<Memory>,
    pub(crate) settings: AcmeSettings,
    pub(crate) http_port: u16,
    pub(crate) patience: Patience,
}

impl Bench {
    /// For an authority at `directory_url`.
    pub(crate) fn new(directory_url: String) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            memory: Arc::default(),
            settings: AcmeSettings {
                directory: directory_url,
                contact: vec!["mailto:ops@innkeeper.test".to_owned()],
                ca_file: None,
                wildcard_hook: None,
                resolver: None,
            },
            http_port: 1,
            patience: Patience { order: Duration::from_secs(60), ..Patience::default() },
        }
    }

    /// For `pebble` and its DNS.
    pub(crate) fn with(pebble: &Pebble) -> Self {
        let mut bench = Self::new(pebble.directory_url());
        bench.settings.ca_file = Some(pebble.ca_file());
        bench.settings.resolver = Some(format!("127.0.0.1:{}", pebble.dns_port));
        bench.http_port = pebble.http_port;
        bench
    }

    /// A new adapter over the same files, as after a restart.
    pub(crate) fn acme(&self) -> Acme {
        let host = Host {
            store: self.store(),
            account_key: self.account_key(),
            base_domain: Domain::parse(BASE_DOMAIN).unwrap(),
            http_port: self.http_port,
            installation: InstallationId(INSTALLATION.to_owned()),
            now: super::now,
        };
        Acme::with_patience(&self.settings, host, self.memory.clone(), self.patience).unwrap()
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.directory.path().join("secrets/certificates")
    }

    pub(crate) fn account_key(&self) -> PathBuf {
        self.directory.path().join("secrets/acme-account.pem")
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.store().join(format!("{name}.pem"))
    }

    /// Stores what `pem` parts make up, as the adapter would have.
    pub(crate) fn put(&self, name: &str, parts: &[Vec<u8>]) {
        std::fs::create_dir_all(self.store()).unwrap();
        std::fs::write(self.file(name), parts.concat()).unwrap();
    }
}

/// The order for one host.
pub(crate) fn order(name: &str) -> CertificateOrder {
    CertificateOrder { name: CertificateName(name.to_owned()), names: [name.to_owned()].into(), renewal: false }
}

/// What `look` shows.
pub(crate) async fn look(acme: &Acme) -> BTreeMap<String, CertificateLive> {
    let live = acme.look(&Ask::default()).await.unwrap();
    live.certificates.into_iter().map(|(name, live)| (name.0, live)).collect()
}

/// The error as an operator reads it.
pub(crate) fn told(error: &EdgeError) -> String {
    chain(error)
}

/// A site that answers as nginx does: the check, and each challenge with the thumbprint.
pub(crate) async fn site(http_port: u16, acme: &Acme) -> Web {
    let thumbprint = acme.thumbprint().unwrap();
    Web::serve(&format!("127.0.0.1:{http_port}"), move |_, path| nginx(path, &thumbprint)).await
}

/// nginx's answers.
pub(crate) fn nginx(path: &str, thumbprint: &str) -> Option<Reply> {
    match path.strip_prefix(CHALLENGE_PATH) {
        Some(token) => Reply::text(200, format!("{token}.{thumbprint}")),
        None if path == CHECK_PATH => Reply::text(200, INSTALLATION),
        None => Reply::text(404, "not here"),
    }
}
