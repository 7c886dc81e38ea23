//! An nginx of the test's own on ports of its own, and a small Odoo-like server behind it.

use innkeeper::adapters::nginx::Nginx;
use innkeeper::edges::proxy::{Refused, SiteChanges};
use innkeeper::edges::{Ask, EdgeError, Proxy};
use innkeeper::model::live::ProxyLive;
use innkeeper::model::name::{Domain, InstallationId, InstanceName, TemplateName, Uid};
use innkeeper::model::service::Ports;
use innkeeper::model::settings::NginxSettings;
use innkeeper::model::site::{CertificateName, SitePage, SiteRow};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContextBuilder, SslMethod, SslStream};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The base domain of these tests.
pub(crate) const BASE: &str = "fleet.test";
/// The installation of these tests.
pub(crate) const INSTALLATION: &str = "0123456789ab";
/// The thumbprint of these tests.
pub(crate) const THUMBPRINT: &str = "thumb_print-0";
/// Where tests have their ports: above those of the lab's systems, below those of instances (20000 and up), and below
/// those that the kernel hands out by itself (32768 and up), of which a client could take one before its server did.
const PORTS_FROM: u16 = 16_000;
const PORTS_BLOCK: u16 = 8;
const PORTS_BLOCKS: u16 = 500;
/// No condition of these tests takes longer.
const WAIT_S_MAX: u64 = 20;
/// Longer than nginx takes to answer anything here.
const ANSWER_S_MAX: u64 = 10;

/// An nginx of the test's own.
pub(crate) struct Bench {
    pub(crate) proxy: Nginx,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) settings: NginxSettings,
    pub(crate) upstream: Upstream,
    master: Option<Child>,
    ports: ReservedPorts,
}

/// Neighbouring ports that nobody uses, and that no other test is given as long as this lives: a port that was only
/// looked at could be another's before its server listens.
pub(crate) struct ReservedPorts {
    first: u16,
    /// A name that one process has at a time, and that the kernel takes back from whoever ends. The name of a file
    /// would depend on the directory for temporary files, and a test on a small disk has one of its own.
    _claim: UnixListener,
}

/// A server that tells what it was asked.
pub(crate) struct Upstream {
    pub(crate) port: u16,
}

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

impl Bench {
    /// Starts nginx with Innkeeper's include line.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same with `http_level` in the http block before the include line.
    pub(crate) fn start_with(http_level: &str) -> Self {
        let mut bench = Self::stopped_with(http_level);
        bench.start_nginx();
        bench
    }

    /// Everything but a running nginx.
    pub(crate) fn stopped_with(http_level: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["tmp", "certificates", "nginx-templates"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        let ports = ReservedPorts::new();
        let settings = NginxSettings {
            config_dir: at("innkeeper"),
            binary: PathBuf::from("/usr/sbin/nginx"),
            arguments: vec!["-p".into(), format!("{}/", dir.path().display()), "-c".into(), "nginx.conf".into()],
            pid_file: at("nginx.pid"),
            http_port: ports.port(0),
            https_port: ports.port(1),
        };
        std::fs::write(at("nginx.conf"), main_file(dir.path(), http_level)).unwrap();
        let proxy = adapter(&settings, dir.path());
        Self { proxy, settings, upstream: Upstream::start(ports.port(2)), master: None, dir, ports }
    }

    /// Starts nginx in the foreground, so that it is a child that can be ended by its handle.
    pub(crate) fn start_nginx(&mut self) {
        let child = Command::new(&self.settings.binary)
            .args(&self.settings.arguments)
            .args(["-g", "daemon off;"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.master = Some(child);
        let pid = format!("{}", self.master.as_ref().unwrap().id());
        wait_until("nginx has started", || {
            let children = format!("/proc/{pid}/task/{pid}/children");
            std::fs::read_to_string(&self.settings.pid_file).is_ok_and(|text| text.trim() == pid)
                && std::fs::read_to_string(children).is_ok_and(|children| !children.trim().is_empty())
        });
    }

    /// Ends nginx as a host does, workers and all.
    pub(crate) fn stop_nginx(&mut self) {
        let Some(mut child) = self.master.take() else { return };
        let pid = rustix::process::Pid::from_child(&child);
        let _gone_already = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        child.wait().unwrap();
    }

    /// Another adapter over the same files, as after a restart of the daemon.
    pub(crate) fn restart_adapter(&mut self) {
        self.proxy = adapter(&self.settings, self.dir.path());
    }

    /// A second adapter over the same files, which somebody else may own.
    pub(crate) fn another_adapter(&self) -> Nginx {
        adapter(&self.settings, self.dir.path())
    }

    /// A port of the test's own on which nobody listens.
    pub(crate) fn silent_port(&self) -> u16 {
        self.ports.port(4)
    }

    /// A file or a directory of the test's own.
    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A row for `name` with a certificate that is there.
    pub(crate) fn row(&self, name: &str) -> SiteRow {
        let row = row(name, &[&format!("{name}.{BASE}")], self.upstream.port);
        self.certify(&row);
        row
    }

    /// Makes a certificate for each host of `row`.
    pub(crate) fn certify(&self, row: &SiteRow) {
        for name in row.hosts.values() {
            self.write_certificate(name);
        }
    }

    /// Makes a certificate; returns its fingerprint.
    pub(crate) fn write_certificate(&self, name: &CertificateName) -> String {
        let (pem, fingerprint) = certificate(&name.0);
        std::fs::write(self.at("certificates").join(format!("{}.pem", name.file_stem())), pem).unwrap();
        fingerprint
    }

    pub(crate) async fn look(&self) -> ProxyLive {
        self.proxy.look(&Ask::default()).await.unwrap()
    }

    /// Publishes rows; the text of what was refused, by instance.
    pub(crate) async fn put(&self, rows: &[SiteRow]) -> Vec<String> {
        told(self.publish(rows).await.unwrap())
    }

    pub(crate) async fn publish(&self, rows: &[SiteRow]) -> Result<Refused, EdgeError> {
        let put = rows.iter().map(|row| (row.instance.clone(), row.clone())).collect();
        self.proxy.publish(&SiteChanges { put, ..SiteChanges::default() }).await
    }

    /// `GET path` over https.
    pub(crate) async fn get(&self, host: &str, path: &str) -> Reply {
        self.send(host, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await.unwrap()
    }

    /// Raw bytes over https with `host` as the TLS name. An error when no TLS connection is made.
    pub(crate) async fn send(&self, host: &str, request: &str) -> Result<Reply, String> {
        let (host, request, port) = (host.to_owned(), request.to_owned(), self.settings.https_port);
        tokio::task::spawn_blocking(move || exchange(&mut encrypted(port, &host)?, &request)).await.unwrap()
    }

    /// Raw bytes over plain http.
    pub(crate) async fn send_plain(&self, request: &str) -> Result<Reply, String> {
        let (request, port) = (request.to_owned(), self.settings.http_port);
        tokio::task::spawn_blocking(move || exchange(&mut connect(port), &request)).await.unwrap()
    }

    /// `GET path` over plain http.
    pub(crate) async fn get_plain(&self, host: &str, path: &str) -> Result<Reply, String> {
        self.send_plain(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await
    }

    /// Writes a template into the fleet's folder; the shipped ones are put there first.
    pub(crate) fn write_template(&self, name: &str, text: &str) {
        let folder = self.at("nginx-templates");
        if !folder.join("shared.conf.tera").exists() {
            let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx-templates");
            copy_tree(&shipped, &folder);
        }
        std::fs::write(folder.join(name), text).unwrap();
    }

    /// Changes a template of the fleet's folder.
    pub(crate) fn edit_template(&self, name: &str, from: &str, to: &str) {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx-templates").join(name);
        let own = self.at("nginx-templates").join(name);
        let text = std::fs::read_to_string(if own.exists() { own } else { shipped }).unwrap();
        assert!(text.contains(from), "{name} holds no {from:?}");
        self.write_template(name, &text.replacen(from, to, 1));
    }

    /// The shared file of the current generation.
    pub(crate) fn shared_file(&self) -> PathBuf {
        self.at("innkeeper/current/shared.conf")
    }

    /// Names of the generations on disk.
    pub(crate) fn generations(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.at("innkeeper")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names.retain(|name| name != "current");
        names
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop_nginx();
    }
}

impl Upstream {
    /// Serves on two neighbouring ports: Odoo's http port and its gevent port.
    fn start(port: u16) -> Self {
        for port in [port, port + 1] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    std::thread::spawn(move || answer(stream, port));
                }
            });
        }
        Self { port }
    }
}

/// Tells the port and what was asked; on `/web/login` it is a login page besides. What comes in `X-Answer` is a header of
/// the answer.
fn answer(mut stream: TcpStream, port: u16) {
    let Ok(head) = read_head(&mut stream) else { return };
    let login = match head.starts_with("GET /web/login") {
        true => "<form><input type='hidden' name='csrf_token'/><input name='login'/></form>",
        false => "",
    };
    let body = format!("port: {port}\n{head}{login}");
    let length = body.len();
    let asked = head.lines().find_map(|line| line.strip_prefix("X-Answer: "));
    let asked = asked.map(|header| format!("\r\n{header}")).unwrap_or_default();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nConnection: close{asked}");
    // Who asked may have gone; that is for its own test to notice.
    drop(write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}"));
}

fn read_head(stream: &mut TcpStream) -> std::io::Result<String> {
    stream.set_read_timeout(Some(Duration::from_secs(ANSWER_S_MAX)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let length: u64 = length.and_then(|length| length.parse().ok()).unwrap_or(0);
    std::io::copy(&mut stream.take(length), &mut std::io::sink())?;
    Ok(head)
}

/// A row as the decision makes it.
pub(crate) fn row(name: &str, hosts: &[&str], port: u16) -> SiteRow {
    let hosts = hosts.iter().map(|host| Domain::parse(host).unwrap());
    SiteRow {
        instance: InstanceName::parse(name).unwrap(),
        uid: Uid(uuid::Uuid::nil()),
        hosts: hosts.map(|host| (host.clone(), CertificateName::host(&host))).collect(),
        ports: Ports { http: port },
        gevent: true,
        page: SitePage::Serve,
        template: None,
        language: None,
        redirect: None,
    }
}

/// The same row with a template of its own.
pub(crate) fn dedicated(mut row: SiteRow, template: &str) -> SiteRow {
    row.template = Some(TemplateName::parse(template).unwrap());
    row
}

/// What was refused, one line an instance.
pub(crate) fn told(refused: Refused) -> Vec<String> {
    refused.iter().map(|(name, error)| format!("{name}: {}", innkeeper::model::status::chain(error))).collect()
}

/// Waits for a condition, bounded.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let step = Duration::from_millis(10);
    for _ in 0..WAIT_S_MAX * 100 {
        if holds() {
            return;
        }
        std::thread::sleep(step);
    }
    panic!("waited {WAIT_S_MAX} s in vain until {what}");
}

fn adapter(settings: &NginxSettings, dir: &Path) -> Nginx {
    Nginx::new(
        settings,
        dir.join("nginx-templates"),
        dir.join("certificates"),
        Domain::parse(BASE).unwrap(),
        THUMBPRINT.to_owned(),
        InstallationId(INSTALLATION.to_owned()),
    )
    .unwrap()
}

/// As on a stock Debian: nothing is set that Innkeeper could rely on.
fn main_file(dir: &Path, http_level: &str) -> String {
    let dir = dir.display();
    format!(
        "user root;\nworker_processes 1;\npid {dir}/nginx.pid;\nerror_log {dir}/error.log notice;\n\
         worker_shutdown_timeout 2h;\nevents {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  \
         client_body_temp_path {dir}/tmp/body;\n  proxy_temp_path {dir}/tmp/proxy;\n  fastcgi_temp_path {dir}/tmp/f;\n  \
         uwsgi_temp_path {dir}/tmp/u;\n  scgi_temp_path {dir}/tmp/s;\n  {http_level}\n  \
         include {dir}/innkeeper/current/*.conf;\n}}\n"
    )
}

impl ReservedPorts {
    /// A block of [`PORTS_BLOCK`].
    pub(crate) fn new() -> Self {
        // Each process begins elsewhere: most find a block at once.
        let begin = u16::try_from(std::process::id() % u32::from(PORTS_BLOCKS)).unwrap();
        let mut blocks = (begin..PORTS_BLOCKS).chain(0..begin);
        let found = blocks.find_map(|block| Self::claim(PORTS_FROM + block * PORTS_BLOCK));
        found.unwrap_or_else(|| panic!("no {PORTS_BLOCK} ports in a row are free from {PORTS_FROM} on"))
    }

    fn claim(first: u16) -> Option<Self> {
        let name = SocketAddr::from_abstract_name(format!("innkeeper-test-ports-{first}")).unwrap();
        let claim = UnixListener::bind_addr(&name).ok()?;
        (first..first + PORTS_BLOCK).all(is_free).then_some(Self { first, _claim: claim })
    }

    /// One of them, counted from 0.
    pub(crate) fn port(&self, nth: u16) -> u16 {
        assert!(nth < PORTS_BLOCK, "a block has {PORTS_BLOCK} ports");
        self.first + nth
    }
}

/// Nobody has it, at any address of this host, which may lack IPv6.
fn is_free(port: u16) -> bool {
    let is_taken = |error: std::io::Error| error.kind() == std::io::ErrorKind::AddrInUse;
    [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)].into_iter().all(|address| {
        let (tcp, udp) = (TcpListener::bind((address, port)), UdpSocket::bind((address, port)));
        !tcp.is_err_and(is_taken) && !udp.is_err_and(is_taken)
    })
}

/// A connection to this port of the loopback.
pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(ANSWER_S_MAX))).unwrap();
    stream
}

/// The same with TLS for `host`. An error when no TLS connection is made.
pub(crate) fn encrypted(port: u16, host: &str) -> Result<SslStream<TcpStream>, String> {
    // No roots are loaded and nothing is verified: which certificate is right is not what is tested here.
    let mut tls = Ssl::new(&SslContextBuilder::new(SslMethod::tls_client()).unwrap().build()).unwrap();
    tls.set_hostname(host).unwrap();
    tls.connect(connect(port)).map_err(|error| error.to_string())
}

/// Sends a request and reads its answer. An error when not one byte of it came, or no answer was made of them.
pub(crate) fn exchange(stream: &mut (impl Read + Write), request: &str) -> Result<Reply, String> {
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            Err(error) if bytes.is_empty() => return Err(error.to_string()),
            Err(_) => break,
        }
        // A connection that stays open has said everything once the announced length is there.
        if let Ok(reply) = parse(&bytes)
            && reply.headers.get("content-length").is_some_and(|length| *length == reply.body.len().to_string())
        {
            break;
        }
    }
    if bytes.is_empty() { Err("closed without an answer".to_owned()) } else { parse(&bytes) }
}

fn parse(bytes: &[u8]) -> Result<Reply, String> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let several = |known: &mut String| known.push_str(&format!(", {value}"));
        headers.entry(name.to_ascii_lowercase()).and_modify(several).or_insert_with(|| value.to_owned());
    }
    Ok(Reply { status: status.ok_or_else(|| format!("no status in {head:?}"))?, headers, body: body.to_owned() })
}

/// A certificate with its key in PEM form, and its fingerprint.
pub(crate) fn certificate(name: &str) -> (Vec<u8>, String) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    let issuer = X509NameBuilder::new().unwrap().build();
    builder.set_subject_name(&issuer).unwrap();
    builder.set_issuer_name(&issuer).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(7).unwrap()).unwrap();
    let names = SubjectAlternativeName::new().dns(name).build(&builder.x509v3_context(None, None)).unwrap();
    builder.append_extension(names).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let certificate = builder.build();
    let pem = [key.private_key_to_pem_pkcs8().unwrap(), certificate.to_pem().unwrap()].concat();
    (pem, innkeeper::model::secret::hex(&certificate.digest(MessageDigest::sha256()).unwrap()))
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_tree(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}
