//! What stands behind the sites: a street of small servers on the ports that the decision chooses from, and certificates
//! that are there as soon as they are asked for.

use crate::contract::proxy::bench::certificate;
use async_trait::async_trait;
use innkeeper::edges::{Ask, Authority, EdgeError};
use innkeeper::model::live::{AuthorityLive, CertificateLive};
use innkeeper::model::site::CertificateName;
use innkeeper::model::step::CertificateOrder;
use innkeeper::model::time::Timestamp;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Below the range that the kernel hands out by itself, and above those of other tests.
const PORTS: RangeInclusive<u16> = 32_000..=32_767;
/// A request's head is shorter.
const HEAD_BYTES_MAX: usize = 8_192;

/// Servers on a range of ports, two for each customer.
pub(super) struct Street {
    pub(super) ports: RangeInclusive<u16>,
    _open: JoinSet<()>,
}

impl Street {
    /// Opens a range that nobody uses.
    pub(super) async fn open(customers: usize) -> Self {
        let wanted = u16::try_from(2 * customers).unwrap();
        for first in PORTS.step_by(usize::from(wanted)) {
            let ports = first..=first + wanted - 1;
            let mut open = Vec::new();
            for port in ports.clone() {
                open.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.ok());
            }
            if open.len() == usize::from(wanted) {
                let mut tasks = JoinSet::new();
                open.into_iter().for_each(|listener| drop(tasks.spawn(serve(listener))));
                return Self { ports, _open: tasks };
            }
        }
        panic!("no {wanted} ports in a row are free in {PORTS:?}");
    }
}

async fn serve(listener: TcpListener) {
    let mut answers = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while answers.try_join_next().is_some() {}
        answers.spawn(answer(stream));
    }
}

/// Odoo's login page, as far as anybody here reads it, and a websocket that opens.
async fn answer(mut stream: TcpStream) {
    let (mut head, mut piece) = (Vec::<u8>::new(), [0; 1_024]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        match stream.read(&mut piece).await {
            Ok(length) if length > 0 => head.extend(&piece[..length]),
            _ => return,
        }
    }
    if head.starts_with(b"GET /websocket") {
        let opened = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
        let _ = stream.write_all(opened.as_bytes()).await;
        return;
    }
    let page = "<form><input name='csrf_token'/><input name='login'/></form>";
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{page}",
        page.len()
    );
    // Whoever asked and has gone notices it himself.
    drop(stream.write_all(answer.as_bytes()).await);
}

/// An authority that signs at once: its certificates are files that nginx reads.
pub(super) struct Paper {
    store: PathBuf,
    certificates: Mutex<BTreeMap<CertificateName, CertificateLive>>,
}

impl Paper {
    pub(super) fn new(store: PathBuf) -> Self {
        Self { store, certificates: Mutex::default() }
    }

    fn write(&self, name: &CertificateName) -> String {
        let (pem, fingerprint) = certificate(&name.0);
        let file = self.store.join(format!("{}.pem", name.file_stem()));
        let new = file.with_extension("new");
        std::fs::write(&new, pem).unwrap();
        std::fs::rename(new, file).unwrap();
        fingerprint
    }
}

#[async_trait]
impl Authority for Paper {
    async fn look(&self, _: &Ask) -> Result<AuthorityLive, EdgeError> {
        Ok(AuthorityLive { certificates: self.certificates.lock().unwrap().clone() })
    }

    async fn ensure_placeholder(&self, order: &CertificateOrder) -> Result<(), EdgeError> {
        if !self.store.join(format!("{}.pem", order.name.file_stem())).exists() {
            self.write(&order.name);
        }
        Ok(())
    }

    async fn obtain(&self, order: &CertificateOrder) -> Result<CertificateLive, EdgeError> {
        let now = super::now();
        let live = CertificateLive {
            names: order.names.clone(),
            not_before: now,
            not_after: Timestamp::from_second(now.as_second() + 90 * 86_400).unwrap(),
            issuer: "paper".to_owned(),
            fault: None,
            fingerprint: self.write(&order.name),
        };
        self.certificates.lock().unwrap().insert(order.name.clone(), live.clone());
        Ok(live)
    }
}
