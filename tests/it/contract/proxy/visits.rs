//! What a visitor's browser would see, asked through a real nginx of an Odoo that does what Odoos do.

use super::bench::{BASE, Bench, ReservedPorts, row};
use innkeeper::edges::Proxy;
use innkeeper::edges::proxy::{Channel, Visit};
use innkeeper::model::live::Answer;
use innkeeper::model::name::Domain;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc;
use std::time::Duration;

const LOGIN_PAGE: &str = "<form><input name=\"csrf_token\"/><input name=\"login\"/></form>";

/// What an Odoo answers to a request's head; none closes the connection.
type Says = fn(&str) -> Option<String>;

fn page(body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()))
}

fn redirect(place: &str, more: &str) -> Option<String> {
    Some(format!("HTTP/1.1 303 See Other\r\nLocation: {place}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n"))
}

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    let line = head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name));
    line.map_or("", |(_, value)| value)
}

/// Serves on `port`; what it was asked comes out of the other end.
fn serve(port: u16, says: Says) -> mpsc::Receiver<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let (asked, heads) = mpsc::channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let answer = says(&head);
            let _ = asked.send(head);
            if let Some(answer) = answer {
                let _ = stream.write_all(answer.as_bytes());
            }
        }
    });
    heads
}

/// A site whose Odoo says this, with a gevent process that says that.
async fn visit(http: Says, gevent: Option<Says>, visit: &Visit) -> (Answer, Vec<String>) {
    let (bench, ports) = (Bench::start(), ReservedPorts::new());
    let asked = serve(ports.port(0), http);
    let asked_gevent = gevent.map(|says| serve(ports.port(1), says));
    let host = format!("acme.{BASE}");
    let row = row("acme", &[&host], ports.port(0));
    bench.certify(&row);
    assert_eq!(bench.put(&[row]).await, Vec::<String>::new());
    let answer = bench.proxy.ask_host(&Domain::parse(&host).unwrap(), visit).await.unwrap();
    let heads = asked.try_iter().chain(asked_gevent.iter().flat_map(mpsc::Receiver::try_iter)).collect();
    (answer, heads)
}

fn vietnamese(channel: Channel) -> Visit {
    Visit { language: Some("vi_VN".parse().unwrap()), channel }
}

fn opens(_: &str) -> Option<String> {
    Some("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n".to_owned())
}

#[tokio::test]
async fn a_redirect_on_the_same_host_is_followed_with_its_cookie() {
    let says: Says = |head| match head {
        head if head.starts_with("GET /web/login ") => {
            redirect("/en/web/login", "Set-Cookie: frontend_lang=en_US; Path=/\r\n")
        }
        head if head.starts_with("GET /en/web/login ") && header(head, "Cookie").contains("frontend_lang=en_US") => {
            page(LOGIN_PAGE)
        }
        _ => page("lost"),
    };
    let (answer, asked) = visit(says, None, &Visit::default()).await;
    assert_eq!((answer.status, answer.login_page, answer.leads_to), (200, true, None));
    assert_eq!(asked.len(), 2);
    assert!(!answer.fingerprint.is_empty());
}

#[tokio::test]
async fn the_visitor_asks_in_the_companys_language_and_says_who_it_is() {
    let (answer, asked) = visit(|_| page(LOGIN_PAGE), None, &vietnamese(Channel::Same)).await;
    assert!(answer.login_page);
    assert_eq!(header(&asked[0], "Accept-Language"), "vi-VN,vi;q=0.9");
    assert_eq!(header(&asked[0], "User-Agent"), concat!("innkeeper/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn another_host_is_not_followed_and_a_circle_ends() {
    let (answer, asked) = visit(|_| redirect("https://login.example/web", ""), None, &Visit::default()).await;
    assert_eq!((answer.status, answer.leads_to.as_deref()), (303, Some("https://login.example/web")));
    assert_eq!(asked.len(), 1);
    let (answer, asked) = visit(|_| redirect("/web/login", ""), None, &Visit::default()).await;
    assert_eq!((answer.status, answer.login_page, asked.len()), (303, false, 6));
    assert!(answer.leads_to.unwrap().ends_with("/web/login"));
}

#[tokio::test]
async fn a_websocket_is_opened_where_pages_need_one_and_a_dead_gevent_process_is_told() {
    let websocket = vietnamese(Channel::Websocket);
    let (answer, asked) = visit(|_| page(LOGIN_PAGE), Some(opens), &websocket).await;
    assert_eq!(answer.websocket_fault, None);
    let upgrade = asked.iter().find(|head| head.starts_with("GET /websocket")).unwrap();
    assert_eq!(header(upgrade, "Upgrade"), "websocket");
    assert!(header(upgrade, "Origin").starts_with(&format!("https://acme.{BASE}")), "{upgrade}");
    let (answer, _) = visit(|_| page(LOGIN_PAGE), None, &websocket).await;
    let told = answer.websocket_fault.unwrap();
    assert!(answer.login_page && told.contains("/websocket answers 50"), "{told}");
    let (answer, _) = visit(|_| page(LOGIN_PAGE), Some(|_| page("{}")), &websocket).await;
    assert_eq!(answer.websocket_fault.as_deref(), Some("/websocket answers 200"));
    let (answer, _) = visit(|_| page(LOGIN_PAGE), None, &vietnamese(Channel::Same)).await;
    assert_eq!(answer.websocket_fault, None, "none was asked for");
}

#[tokio::test]
async fn long_polling_of_older_releases_is_asked_for_too() {
    let refuses: Says =
        |_| Some("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned());
    let (answer, _) = visit(|_| page(LOGIN_PAGE), Some(refuses), &vietnamese(Channel::LongPolling)).await;
    assert_eq!(answer.websocket_fault, None);
    let (answer, _) = visit(|_| page(LOGIN_PAGE), None, &vietnamese(Channel::LongPolling)).await;
    assert!(answer.websocket_fault.unwrap().contains("/longpolling/poll answers 50"));
}
