//! Doors that check a password are counted, for each visitor and site; long addresses and large cookies pass.

use super::bench::{BASE, Bench, encrypted, exchange};
use std::process::Command;
use tokio::sync::mpsc;

const HOST: &str = "acme.fleet.test";
/// At once, before anybody is refused: see `_site.conf.tera`.
const LOGINS_AT_ONCE: usize = 60;
const RPC_LOGINS_WAITING: usize = 60;
const RPC_CALLS_WAITING: usize = 200;

/// Two sites that serve, for visitors whose address stands in a header.
async fn serving() -> Bench {
    let bench = Bench::start_with("set_real_ip_from 127.0.0.1;\n  real_ip_header X-Test-Visitor;");
    assert_eq!(bench.put(&[bench.row("acme"), bench.row("other")]).await, super::NOTHING);
    bench
}

fn post(host: &str, visitor: &str, path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nX-Test-Visitor: {visitor}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

async fn post_to(bench: &Bench, host: &str, visitor: &str, path: &str) -> u16 {
    bench.send(host, &post(host, visitor, path)).await.unwrap().status
}

/// How many of so many are refused, one after the other.
async fn refused_in_turn(bench: &Bench, visitor: &str, path: &str, count: usize) -> usize {
    let mut refused = 0;
    for _ in 0..count {
        refused += usize::from(post_to(bench, HOST, visitor, path).await == 429);
    }
    refused
}

/// The same all at once. Those who are refused are told at once, and are all that is waited for: the others are slowed
/// down.
async fn somebody_is_refused(bench: &Bench, path: &str, count: usize) -> bool {
    let (port, request) = (bench.settings.https_port, post(HOST, "127.0.0.1", path));
    let (sender, mut answers) = mpsc::channel(count);
    for _ in 0..count {
        let (sender, request) = (sender.clone(), request.clone());
        std::thread::spawn(move || {
            let reply = encrypted(port, HOST).and_then(|mut stream| exchange(&mut stream, &request));
            // Nobody listens any more once one was refused.
            drop(sender.blocking_send(reply.map(|reply| reply.status)));
        });
    }
    drop(sender);
    while let Some(answer) = answers.recv().await {
        if answer == Ok(429) {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn every_door_for_people_is_counted_under_one_key_in_any_language() {
    let bench = serving().await;
    let refused = refused_in_turn(&bench, "198.51.100.1", "/web/login", LOGINS_AT_ONCE + 10).await;
    assert!((1..=10).contains(&refused), "{refused} were refused");
    for path in [
        "/web/login",
        "/web/login/totp",
        "/web/session/authenticate",
        "/web/session/change_password",
        "/web/reset_password",
        "/web/signup",
        "/my/security",
        "/my/deactivate_account",
        "/auth-timeout/session/check-identity",
        "/base_import_module/login_upload",
        "/web/dataset/call_kw/res.users/change_password",
        "/web/dataset/call_button/res.users.identitycheck/run_check",
    ] {
        for prefix in ["", "/fr", "/pt_BR", "/sr@latin"] {
            let path = format!("{prefix}{path}");
            assert_eq!(post_to(&bench, HOST, "198.51.100.1", &path).await, 429, "{path}");
        }
        for spelling in [path.replacen('/', "//", 1), format!("{path}/"), path.replacen("e", "%65", 1)] {
            assert_eq!(post_to(&bench, HOST, "198.51.100.1", &spelling).await, 429, "{spelling}");
        }
    }
    for path in ["/web/dataset/call_kw", "/web/dataset/call_kw/res.users/read", "/web/loginx", "/my/orders", "/jsonrpc"]
    {
        assert_eq!(post_to(&bench, HOST, "198.51.100.1", path).await, 200, "work is free: {path}");
    }
    assert_eq!(bench.get(HOST, "/web/login").await.status, 200, "looking at the form is free");
    assert_eq!(post_to(&bench, HOST, "198.51.100.2", "/web/login").await, 200, "another visitor");
    let other = format!("other.{BASE}");
    assert_eq!(post_to(&bench, &other, "198.51.100.1", "/web/login").await, 200, "another site");
}

#[tokio::test]
async fn a_line_with_many_ipv6_addresses_is_one_visitor() {
    let bench = serving().await;
    for (network, neighbour) in
        [("2001:db8:1:2", "2001:db8:1:3::1"), ("2001:db8:1:0", "2001:db8:2::1"), ("2001:db8:0:0", "2001:db9::1")]
    {
        for host in 0..LOGINS_AT_ONCE + 2 {
            post_to(&bench, HOST, &format!("{network}:{host:x}:1:1:1"), "/web/login").await;
        }
        assert_eq!(post_to(&bench, HOST, &format!("{network}:abcd:1:1:1"), "/web/login").await, 429, "{network}");
        assert_eq!(post_to(&bench, HOST, neighbour, "/web/login").await, 200, "{neighbour}");
    }
    for host in 1..LOGINS_AT_ONCE + 3 {
        post_to(&bench, HOST, &format!("2001:db8:9::{host:x}"), "/web/login").await;
    }
    assert_eq!(post_to(&bench, HOST, "2001:db8:9::ffff", "/web/login").await, 429);
}

#[tokio::test]
async fn programs_have_keys_of_their_own_and_are_slowed_down_before_they_are_refused() {
    let bench = serving().await;
    assert_eq!(refused_in_turn(&bench, "198.51.100.1", "/jsonrpc", 120).await, 0, "who waits for answers is served");
    assert!(somebody_is_refused(&bench, "/jsonrpc", RPC_CALLS_WAITING + 40).await, "/jsonrpc");
    assert!(somebody_is_refused(&bench, "/xmlrpc/2/common", RPC_LOGINS_WAITING + 30).await, "/xmlrpc/2/common");
    // Who guessed over one door is not let in at its neighbours.
    for path in ["/xmlrpc/common", "/fr/xmlrpc/2/common", "/xmlrpc/2/common/"] {
        assert!(somebody_is_refused(&bench, path, RPC_LOGINS_WAITING + 30).await, "{path}");
    }
    for path in ["/xmlrpc/object", "/xmlrpc/2/object", "/fr/jsonrpc", "/json/2/res.partner/read", "/json/1/contacts"] {
        assert!(somebody_is_refused(&bench, path, RPC_CALLS_WAITING + 40).await, "{path}");
    }
    assert_eq!(post_to(&bench, HOST, "127.0.0.1", "/web/login").await, 200, "people go in by another door");
}

#[tokio::test]
async fn long_addresses_and_large_cookies_pass_over_both_versions_of_http() {
    let bench = serving().await;
    let ids: Vec<String> = (1_000_000..1_004_001).map(|id| id.to_string()).collect();
    let path = format!("/report/html/sale.report_saleorder/{}", ids.join(","));
    let reply = bench.get(HOST, &path).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert!(reply.body.contains(&format!("GET {path} HTTP/1.1")), "the whole address arrives");
    let cookie = "c".repeat(40_000);
    for path in ["/web", "/websocket"] {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nCookie: session_id={cookie}\r\nConnection: close\r\n\r\n");
        let reply = bench.send(HOST, &request).await.unwrap();
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
        assert!(reply.body.contains(&cookie), "{path}: the whole cookie arrives");
    }
    for (path, cookie) in [(path.as_str(), "x"), ("/web", cookie.as_str())] {
        let body = over_http2(&bench, path, cookie);
        assert!(body.contains(path) && body.contains(cookie), "over HTTP/2: {} bytes", body.len());
    }
}

/// What is answered over HTTP/2, which curl speaks.
fn over_http2(bench: &Bench, path: &str, cookie: &str) -> String {
    let port = bench.settings.https_port;
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--insecure",
            "--noproxy",
            "*",
            "--http2",
            "--write-out",
            "\nversion %{http_version}",
        ])
        .args(["--resolve", &format!("{HOST}:{port}:127.0.0.1"), "--header", &format!("Cookie: session_id={cookie}")])
        .arg(format!("https://{HOST}:{port}{path}"))
        .output()
        .unwrap();
    let body = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && body.ends_with("version 2"), "{}", String::from_utf8_lossy(&output.stderr));
    body
}
