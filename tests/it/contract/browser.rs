//! The browser of the tests sees what a person with developer tools would: a journey that finds nothing wrong proves nothing
//! before this is proven.

use super::authority::pebble::Issuer;
use crate::browser::{Browser, PHONE, Scheme};
use crate::source::root;
use openssl::hash::{MessageDigest, hash};
use openssl::ssl::{SslAcceptor, SslMethod, SslStream};
use serde_json::json;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

const HOST: &str = "pages.innkeeper.test";

/// A server of one's own over TLS: some pages, and a websocket that says hello.
struct Pages {
    port: u16,
    directory: TempDir,
}

impl Pages {
    fn serve() -> Self {
        let issuer = Issuer::new("the test's own root");
        let (key, leaf) = issuer.issue(&[HOST], -1, 1);
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.set_certificate(&leaf).unwrap();
        let acceptor = Arc::new(acceptor.build());
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("root.pem"), issuer.certificate.to_pem().unwrap()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // It serves until the test's process ends.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let acceptor = Arc::clone(&acceptor);
                // A browser that trusts nobody cuts the connection while it is made.
                std::thread::spawn(move || acceptor.accept(stream.unwrap()).map(answer));
            }
        });
        Self { port, directory }
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root.pem")
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.port)
    }
}

fn answer(stream: SslStream<TcpStream>) {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).unwrap_or_default() == 0 {
            return;
        }
    }
    let path = head.split(' ').nth(1).unwrap_or_default();
    let stream = stream.get_mut();
    let (status, kind, body) = match path {
        "/hello" => return say_hello(stream, &head),
        "/calm" => ("200 OK", "text/html", CALM),
        "/wrong" => ("200 OK", "text/html", WRONG),
        "/worker.js" => ("200 OK", "text/javascript", WORKER),
        "/file" => ("200 OK", "application/octet-stream", "bytes of a file"),
        "/favicon.ico" => ("204 No Content", "text/plain", ""),
        _ => ("404 Not Found", "text/html", "nothing is here"),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close", body.len());
    // A page that is left reads no further.
    let _ = stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes());
    let _ = stream.shutdown();
}

/// The server's half of RFC 6455 as far as one short text.
fn say_hello(stream: &mut SslStream<TcpStream>, head: &str) {
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = hash(MessageDigest::sha1(), format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes()).unwrap();
    let accept = openssl::base64::encode_block(&accept);
    let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
    stream.write_all(format!("{head}\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes()).unwrap();
    stream.write_all(b"\x81\x05hello").unwrap();
    // Open until the browser ends.
    let _ = stream.read(&mut [0; 64]);
}

const CALM: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Calm</title>
<style>:root { color-scheme: light dark } @media (prefers-color-scheme: dark) { body { background: rgb(1, 2, 3) } }</style>
<body><h1>Calm</h1><input id="name"><input id="file" type="file"><a href="/file" download="name.bin">File</a>
<button onclick="worker = new SharedWorker('/worker.js'); worker.port.onmessage = (m) => heard = m.data">Connect</button>
<button onclick="console.warn('only a warning')">Warn</button></body></html>"#;

const WORKER: &str = "onconnect = (event) => {
    const socket = new WebSocket(`wss://${location.host}/hello`);
    socket.onmessage = (message) => event.ports[0].postMessage(message.data);
};";

const WRONG: &str = r#"<!doctype html><html lang="en"><meta charset="utf-8"><title>Wrong</title>
<body><img src="/missing.png" alt=""><img src="https://elsewhere.example/pixel.gif" alt="">
<script src="http://plain.innkeeper.test/plain.js"></script>
<script>console.error('said', { so: 1 }); setTimeout(() => { throw new Error('thrown') });
new WebSocket(`wss://${location.host}/none`);
new SharedWorker("data:text/javascript,console.error('said by a worker')");</script></body></html>"#;

#[test]
fn only_a_certificate_of_a_trusted_root_is_good() {
    let pages = Pages::serve();
    let mut trusting = Browser::start("contract-trusting", Some(&pages.root()));
    trusting.open(&pages.url("/calm"));
    assert_eq!(trusting.ask("[document.title, isSecureContext]"), json!(["Calm", true]));
    trusting.assert_no_complaints(&[]);

    let mut distrusting = Browser::start("contract-distrusting", None);
    let refused = distrusting.try_open(&pages.url("/calm"));
    assert_eq!(refused, Err("net::ERR_CERT_AUTHORITY_INVALID".to_owned()));
    let other_name = trusting.try_open(&format!("https://other.innkeeper.test:{}/calm", pages.port));
    assert_eq!(other_name, Err("net::ERR_CERT_COMMON_NAME_INVALID".to_owned()));
}

#[test]
fn whatever_is_wrong_with_a_page_is_told() {
    let pages = Pages::serve();
    let mut browser = Browser::start("contract-wrong", Some(&pages.root()));
    browser.open(&pages.url("/wrong"));
    for told in [
        "console.error: said ",
        "console.error: said by a worker",
        "exception: Error: thrown",
        "status of 404",
        "net::ERR_NAME_NOT_RESOLVED https://elsewhere.example/pixel.gif",
        "MixedContentIssue",
        "blocked: mixed-content http://plain.innkeeper.test/plain.js",
        "WebSocket connection to",
    ] {
        browser.until_told(told, |browser| browser.told_so_far().iter().any(|line| line.contains(told)));
    }
    for (path, status) in [("/wrong", 200), ("/missing.png", 404)] {
        let answered = |browser: &Browser| {
            browser.requests().iter().any(|request| request.url.ends_with(path) && request.status == Some(status))
        };
        browser.until_told(path, answered);
    }
    assert!(browser.sockets().iter().all(|socket| socket.status != Some(101)), "{:?}", browser.sockets());

    let allowed = [("said", "the page says so"), ("thrown", "it throws")];
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| browser.assert_no_complaints(&allowed)));
    let refused = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(refused.contains("MixedContentIssue") && !refused.contains("thrown"), "{refused}");
    browser.open(&pages.url("/nowhere"));
    assert!(browser.complaints().iter().any(|line| line.contains("404") && line.contains("/nowhere")));
    let strange = browser.requests().iter().find(|request| request.url.starts_with("chrome"));
    assert!(strange.is_none(), "what Chromium draws for itself is no request of a page: {strange:?}");
}

#[test]
fn a_person_clicks_writes_chooses_files_and_stores_them() {
    let pages = Pages::serve();
    let mut browser = Browser::start("contract-person", Some(&pages.root()));
    browser.languages("vi-VN,vi");
    browser.open(&pages.url("/calm"));
    assert_eq!(browser.ask("navigator.languages"), json!(["vi-VN", "vi"]));
    browser.write("#name", "Åß 'quoted'");
    assert_eq!(browser.ask("document.querySelector('#name').value"), "Åß 'quoted'");

    browser.choose_file("#file", &pages.root());
    let name = browser.until("the file is chosen", "document.querySelector('#file').files[0].text()");
    assert_eq!(name, fs::read_to_string(pages.root()).unwrap());
    let (name, bytes) = browser.download(|browser| browser.click_text("a", "File"));
    assert_eq!((name.as_str(), bytes.as_slice()), ("name.bin", &b"bytes of a file"[..]));

    // In a shared worker, as Odoo has it.
    browser.click_text("button", "Connect");
    assert_eq!(browser.until("the websocket's message", "heard"), "hello");
    let is_open = |browser: &Browser| browser.sockets().iter().any(|it| it.status == Some(101) && it.frames == 1);
    browser.until_told("the websocket", is_open);

    browser.click_text("button", "Warn");
    browser.assert_no_complaints(&[]);
}

#[test]
fn a_picture_has_the_screen_that_was_asked_for() {
    let pages = Pages::serve();
    let mut browser = Browser::start("contract-picture", Some(&pages.root()));
    browser.screen(PHONE, Scheme::Dark);
    browser.open(&pages.url("/calm"));
    assert_eq!(browser.ask("getComputedStyle(document.body).backgroundColor"), "rgb(1, 2, 3)");
    assert_eq!(browser.ask("[innerWidth, innerHeight, devicePixelRatio]"), json!([390, 844, 2]));
    let picture = fs::read(browser.picture("phone-dark")).unwrap();
    // The header of a PNG: width and height stand at bytes 16 to 23.
    assert_eq!(&picture[1..4], b"PNG");
    assert_eq!(picture[16..24], [780_u32.to_be_bytes(), 1688_u32.to_be_bytes()].concat());
    browser.screen(PHONE, Scheme::Light);
    assert_eq!(browser.ask("getComputedStyle(document.body).backgroundColor"), "rgba(0, 0, 0, 0)");
}

/// Whoever listens for addresses of the host has a socket of the routing family; its number is that of its process.
#[test]
fn containers_that_come_and_go_cut_no_request() {
    let listeners = || {
        let sockets = fs::read_to_string("/proc/net/netlink").unwrap();
        let routing = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).filter(|it| it[1] == "0");
        routing.map(|socket| socket[2].to_owned()).collect::<Vec<_>>()
    };
    let pages = Pages::serve();
    let mut browser = Browser::start("contract-deaf", Some(&pages.root()));
    browser.open(&pages.url("/calm"));
    let process = browser.process().to_string();
    assert!(!listeners().contains(&process), "it would cut its requests");
    let log = fs::read_to_string(root().join("target/browser/contract-deaf/chromium.log")).unwrap();
    assert!(log.contains("Could not create NETLINK socket"), "it did not even ask:\n{log}");
}
