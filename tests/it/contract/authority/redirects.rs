//! Names behind somebody else's proxy: one redirect to the same name is followed, as the authority follows it.

use super::bench::{Bench, nginx, order, told};
use super::pebble::Pebble;
use super::web::{Reply, Web};
use crate::contract::proxy::bench::certificate;
use innkeeper::edges::{Authority, ErrorKind};
use openssl::pkey::PKey;
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::X509;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const NAME: &str = "acme.innkeeper.test";

/// Answers as nginx does over https, with a certificate that nobody trusts. Gives its port back.
fn https_site(thumbprint: String) -> u16 {
    let (pem, _) = certificate(NAME);
    let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
    acceptor.set_private_key(&PKey::private_key_from_pem(&pem).unwrap()).unwrap();
    acceptor.set_certificate(&X509::from_pem(&pem).unwrap()).unwrap();
    let (acceptor, listener) = (acceptor.build(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Ok(mut stream) = acceptor.accept(stream) else { continue };
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|length| length == 1) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let reply = nginx(path, &thumbprint).unwrap();
            let length = reply.body.len();
            let head = format!("HTTP/1.1 {} Said\r\nContent-Length: {length}\r\nConnection: close", reply.status);
            // Whoever asked and has gone notices it himself.
            drop(write!(stream, "{head}\r\n\r\n{}", reply.body));
            drop(stream.shutdown());
        }
    });
    port
}

fn moved(to: String) -> Option<Reply> {
    Some(Reply { status: 301, headers: vec![("Location", to)], body: String::new() })
}

#[tokio::test]
async fn a_name_whose_proxy_sends_everybody_to_https_gets_its_certificate() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let https = https_site(acme.thumbprint().unwrap());
    let proxy = move |_: &str, path: &str| moved(format!("https://{NAME}:{https}{path}"));
    let proxy = Web::serve(&format!("127.0.0.1:{}", bench.http_port), proxy).await;
    let certificate = acme.obtain(&order(NAME)).await.unwrap();
    assert!(certificate.names.contains(NAME), "{certificate:?}");
    assert!(proxy.count("GET /.well-known/innkeeper-check") > 0);
}

#[tokio::test]
async fn a_redirect_to_another_name_or_a_second_one_makes_no_order() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let port = bench.http_port;
    let answer = Arc::new(Mutex::new(String::new()));
    let told_now = Arc::clone(&answer);
    let _proxy = Web::serve(&format!("127.0.0.1:{port}"), move |_, _| moved(told_now.lock().unwrap().clone())).await;
    for (to, said) in [
        ("http://www.acme.innkeeper.test/x".to_owned(), "was answered with 301 Moved Permanently to \"http://www.acme"),
        (format!("http://{NAME}:{port}/again"), "/again\", and that with 301 Moved Permanently"),
        (format!("https://{NAME}:{}/x", port + 1), "and there: "),
        ("ftp://acme.innkeeper.test/".to_owned(), "was answered with 301"),
        ("http://:bad:/".to_owned(), "was answered with 301"),
    ] {
        answer.lock().unwrap().clone_from(&to);
        let error = acme.obtain(&order(NAME)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed, "{to}");
        assert!(told(&error).contains(said), "{to}: {}", told(&error));
    }
    assert_eq!(pebble.orders(), 0);
}
