//! A Pebble of the test's own, with the DNS that it asks, on ports of their own: the test decides how the authority
//! behaves, and nobody else's orders are in its log.

use crate::contract::proxy::bench::ReservedPorts;
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const START_S_MAX: u64 = 20;

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The authority and its DNS.
pub(crate) struct Pebble {
    directory: tempfile::TempDir,
    authority_port: u16,
    management_port: u16,
    /// Where it asks for http-01.
    pub(crate) http_port: u16,
    /// DNS: 127.0.0.1 for every name that was not set otherwise.
    pub(crate) dns_port: u16,
    /// The DNS's management.
    pub(crate) dns_management_port: u16,
    process: Option<Ended>,
    _dns: Ended,
    /// Given back when nobody listens on them any more.
    _reserved: ReservedPorts,
}

impl Pebble {
    /// Starts both, and waits until they answer.
    pub(crate) async fn start(refused_nonces_percent: u32) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let reserved = ReservedPorts::new();
        let [authority_port, management_port, http_port, dns_port, dns_management_port] =
            [0, 1, 2, 3, 4].map(|nth| reserved.port(nth));
        make_server_certificate(directory.path());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{authority_port}"),
            "managementListenAddress": format!("127.0.0.1:{management_port}"),
            "certificate": directory.path().join("server.pem"),
            "privateKey": directory.path().join("server.key"),
            "httpPort": http_port,
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": 7_776_000,
        }});
        fs::write(directory.path().join("pebble.json"), config.to_string()).unwrap();
        let dns = Command::new("pebble-challtestsrv")
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns_port}")])
            .args(["-management", &format!("127.0.0.1:{dns_management_port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("pebble-challtestsrv is needed: apt-get install pebble");
        let mut pebble = Self {
            directory,
            authority_port,
            management_port,
            http_port,
            dns_port,
            dns_management_port,
            process: None,
            _dns: Ended(dns),
            _reserved: reserved,
        };
        pebble.restart(refused_nonces_percent).await;
        pebble.wait_for(&format!("http://127.0.0.1:{dns_management_port}/")).await;
        pebble
    }

    /// Starts the authority anew: it has forgotten every account and has a new root.
    pub(crate) async fn restart(&mut self, refused_nonces_percent: u32) {
        self.process = None;
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let process = Command::new("pebble")
            .arg("-config")
            .arg(self.directory.path().join("pebble.json"))
            .args(["-dnsserver", &format!("127.0.0.1:{}", self.dns_port)])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", refused_nonces_percent.to_string())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("pebble is needed: apt-get install pebble");
        self.process = Some(Ended(process));
        self.wait_for(&self.directory_url()).await;
    }

    /// Ends the authority.
    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    pub(crate) fn directory_url(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.authority_port)
    }

    /// The root of the authority's own TLS.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// The root of the certificates that it issues.
    pub(crate) async fn root(&self) -> X509 {
        let url = format!("https://127.0.0.1:{}/roots/0", self.management_port);
        let pem = self.client().get(url).send().await.unwrap().bytes().await.unwrap();
        X509::from_pem(&pem).unwrap()
    }

    /// How many lines of the authority's log hold `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        fs::read_to_string(self.log_file()).unwrap().lines().filter(|line| line.contains(text)).count()
    }

    /// How many orders it took.
    pub(crate) fn orders(&self) -> usize {
        self.logged("Added order")
    }

    /// Makes the DNS answer `addresses` for `name`.
    pub(crate) async fn point(&self, name: &str, addresses: &[&str]) {
        let body = serde_json::json!({ "host": name, "addresses": addresses }).to_string();
        let url = format!("http://127.0.0.1:{}/add-a", self.dns_management_port);
        let answer = self.client().post(url).body(body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("pebble.log")
    }

    fn client(&self) -> reqwest::Client {
        let pem = fs::read(self.ca_file()).unwrap();
        let root = reqwest::Certificate::from_pem(&pem).unwrap();
        reqwest::Client::builder().no_proxy().use_native_tls().add_root_certificate(root).build().unwrap()
    }

    async fn wait_for(&self, url: &str) {
        let client = self.client();
        let answers = async {
            while client.get(url).send().await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(START_S_MAX), answers).await;
        waited.unwrap_or_else(|_| panic!("{url} did not answer within {START_S_MAX} s"));
    }
}

/// A root and, signed by it, the certificate of the authority's own server.
fn make_server_certificate(directory: &Path) {
    let ca = Issuer::new("the test's own root");
    let (key, leaf) = ca.issue(&["localhost"], -1, 1);
    fs::write(directory.join("ca.pem"), ca.certificate.to_pem().unwrap()).unwrap();
    fs::write(directory.join("server.pem"), leaf.to_pem().unwrap()).unwrap();
    fs::write(directory.join("server.key"), key.private_key_to_pem_pkcs8().unwrap()).unwrap();
}

/// Issues certificates without any protocol.
pub(crate) struct Issuer {
    key: PKey<Private>,
    pub(crate) certificate: X509,
}

impl Issuer {
    pub(crate) fn new(name: &str) -> Self {
        let key = new_key();
        let certificate = build(name, &key, None, &[], -400, 400);
        Self { key, certificate }
    }

    /// A key and a certificate for `names`, valid from and until so many days from now, and for 127.0.0.1.
    pub(crate) fn issue(&self, names: &[&str], from_days: i64, until_days: i64) -> (PKey<Private>, X509) {
        let key = new_key();
        let leaf = build(names[0], &key, Some(self), names, from_days, until_days);
        (key, leaf)
    }
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn build(
    subject: &str,
    key: &PKey<Private>,
    issuer: Option<&Issuer>,
    names: &[&str],
    from_days: i64,
    until_days: i64,
) -> X509 {
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_nid(Nid::COMMONNAME, subject).unwrap();
    let name = name.build();
    let at = |days: i64| Asn1Time::from_unix(super::now().as_second() + days * 86_400).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_version(2).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(issuer.map_or(&name, |issuer| issuer.certificate.subject_name())).unwrap();
    builder.set_not_before(&at(from_days)).unwrap();
    builder.set_not_after(&at(until_days)).unwrap();
    builder.set_pubkey(key).unwrap();
    if issuer.is_none() {
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    } else {
        let mut alternative = SubjectAlternativeName::new();
        names.iter().for_each(|name| {
            alternative.dns(name);
        });
        alternative.ip("127.0.0.1");
        let alternative = alternative.build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(alternative).unwrap();
    }
    builder.sign(issuer.map_or(key, |issuer| &issuer.key), MessageDigest::sha256()).unwrap();
    builder.build()
}
