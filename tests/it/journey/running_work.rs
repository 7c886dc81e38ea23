//! A customer at work while sites are changed: a slow download and an open websocket of a real Odoo.

use super::fleet::{Fleet, docker};
use super::odoo::Browser;
use crate::contract::proxy::bench::encrypted;
use openssl::ssl::SslStream;
use rustix::net::sockopt;
use serde_json::json;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

const FILE_MIB: usize = 60;
/// A customer at 12 Mbit/s.
const READ_BYTES_A_SECOND: f64 = 1.5e6;
const CHUNK_BYTES: usize = 64 << 10;
/// What the kernel keeps for a reader who waits.
const SOCKET_BYTES: usize = 128 << 10;
/// The first bytes of frames of a websocket (RFC 6455, section 5.2): whole messages.
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
const CLOSE: u8 = 0x88;
/// Between two pings of ours.
const PING_EVERY: Duration = Duration::from_secs(1);

/// What goes on until it is looked at.
pub(super) struct Work {
    download: JoinHandle<Result<usize, String>>,
    websocket: JoinHandle<Result<usize, String>>,
    over: Arc<AtomicBool>,
}

impl Work {
    /// Begins both at `host`, whose container and database these are, as the user of `browser`.
    pub(super) async fn begin(fleet: &Fleet, browser: &Browser, host: &str, container: &str, database: &str) -> Self {
        let port: u16 = fleet.lab.get("LAB_HTTPS_PORT").parse().unwrap();
        let id = browser.create("ir.attachment", json!({ "name": "film.bin", "datas": "eA==" })).await;
        let stored = browser.read("ir.attachment", json!([["id", "=", id]]), &["store_fname"]).await;
        let stored = stored[0]["store_fname"].as_str().unwrap().to_owned();
        let file = format!("of=/var/lib/odoo/filestore/{database}/{stored}");
        docker(&["exec", container, "dd", "if=/dev/urandom", &file, "bs=1M", &format!("count={FILE_MIB}")]);
        let asked = format!("Host: {host}:{port}\r\nCookie: {}", browser.cookie());
        let over = Arc::new(AtomicBool::new(false));
        let (at, request) = (host.to_owned(), format!("GET /web/content/{id}?download=true HTTP/1.1\r\n{asked}"));
        let download = std::thread::spawn(move || download(port, &at, &request));
        let request = format!("GET /websocket HTTP/1.1\r\n{asked}\r\nOrigin: https://{host}:{port}");
        let (at, until) = (host.to_owned(), Arc::clone(&over));
        let websocket = std::thread::spawn(move || converse(port, &at, &request, &until));
        Self { download, websocket, over }
    }

    /// Waits for the download's end, and looks whether the websocket is still open then.
    pub(super) async fn end(self) {
        let joined = tokio::task::spawn_blocking(move || {
            let downloaded = self.download.join().unwrap();
            self.over.store(true, Ordering::Relaxed);
            (downloaded, self.websocket.join().unwrap())
        });
        let (downloaded, answered) = joined.await.unwrap();
        println!("work_over_reloads_download {downloaded:?} of {} bytes", FILE_MIB << 20);
        println!("work_over_reloads_websocket {answered:?} pongs");
        assert_eq!(downloaded, Ok(FILE_MIB << 20), "the slow reader gets every byte");
        assert!(answered.as_ref().is_ok_and(|pongs| *pongs > 1), "the websocket stays open: {answered:?}");
    }
}

fn ask(stream: &mut SslStream<TcpStream>, request: &str) -> std::io::Result<String> {
    write!(stream, "{request}\r\n\r\n")?;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

/// Bytes of the file that came, at a slow reader's pace.
fn download(port: u16, host: &str, request: &str) -> Result<usize, String> {
    let mut stream = encrypted(port, host)?;
    sockopt::set_socket_recv_buffer_size(stream.get_ref(), SOCKET_BYTES).unwrap();
    let head = ask(&mut stream, &format!("{request}\r\nConnection: close")).map_err(|error| error.to_string())?;
    if !head.starts_with("HTTP/1.1 200") {
        return Err(head);
    }
    let (mut taken, mut chunk, began) = (0, vec![0; CHUNK_BYTES], Instant::now());
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(taken),
            Ok(some) => taken += some,
            Err(error) => return Err(format!("{error} after {taken} bytes")),
        }
        let due = Duration::from_secs_f64(taken as f64 / READ_BYTES_A_SECOND);
        sleep(due.saturating_sub(began.elapsed()));
    }
}

/// Pings Odoo until `over`, and answers its pings; how many answers came.
fn converse(port: u16, host: &str, request: &str, over: &AtomicBool) -> Result<usize, String> {
    let mut stream = encrypted(port, host)?;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    let head = ask(&mut stream, &format!("{request}\r\n{upgrade}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="));
    let head = head.map_err(|error| error.to_string())?;
    if !head.starts_with("HTTP/1.1 101") {
        return Err(head);
    }
    let mut pongs = 0;
    loop {
        let last = over.load(Ordering::Relaxed);
        let answered = speak(&mut stream).map_err(|error| format!("closed after {pongs} pongs: {error}"))?;
        pongs += usize::from(answered);
        if last {
            return Ok(pongs);
        }
        sleep(PING_EVERY);
    }
}

/// One ping, and what comes until its pong.
fn speak(stream: &mut SslStream<TcpStream>) -> std::io::Result<bool> {
    // A client's frames are masked; with a mask of zeros nothing changes, and nothing is inside.
    let send = |stream: &mut SslStream<TcpStream>, kind: u8| stream.write_all(&[kind, 0x80, 0, 0, 0, 0]);
    send(stream, PING)?;
    loop {
        let mut begin = [0; 2];
        stream.read_exact(&mut begin)?;
        let mut payload = vec![0; usize::from(begin[1])];
        stream.read_exact(&mut payload)?;
        match begin[0] {
            PONG => return Ok(true),
            PING => send(stream, PONG)?,
            CLOSE => return Err(std::io::Error::other(format!("Odoo closed it: {payload:?}"))),
            other => return Err(std::io::Error::other(format!("an unexpected frame {other:#x}"))),
        }
    }
}
