//! What a visitor of a site meets, on an nginx of the test's own with the shipped templates.

use super::bench::{BASE, Bench, INSTALLATION, Reply, THUMBPRINT, dedicated, row};
use innkeeper::edges::{ErrorKind, Proxy, Visit};
use innkeeper::model::name::Domain;
use innkeeper::model::site::{CertificateName, SitePage};

const HOST: &str = "acme.fleet.test";

/// One site that serves.
async fn serving() -> Bench {
    let bench = Bench::start();
    assert_eq!(bench.put(&[bench.row("acme")]).await, Vec::<String>::new());
    bench
}

/// A header as Odoo got it; the upstream tells all of them.
fn passed_on<'r>(reply: &'r Reply, name: &str) -> Vec<&'r str> {
    let header = |line: &'r str| line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name));
    reply.body.lines().filter_map(header).map(|(_, value)| value).collect()
}

fn upgrade(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
}

#[tokio::test]
async fn plain_http_answers_challenges_and_sends_everything_else_to_https() {
    let bench = serving().await;
    let challenge = bench.get_plain(HOST, "/.well-known/acme-challenge/tok_en-1").await.unwrap();
    assert_eq!((challenge.status, challenge.body), (200, format!("tok_en-1.{THUMBPRINT}")));
    assert!(challenge.headers["content-type"].starts_with("text/plain"));
    let own = bench.get_plain(HOST, "/.well-known/innkeeper-check").await.unwrap();
    assert_eq!((own.status, own.body.as_str()), (200, INSTALLATION));
    // Somebody else's proxy in front of the name may send everybody to https, the authority too.
    let challenge = bench.get(HOST, "/.well-known/acme-challenge/tok_en-1").await;
    assert_eq!((challenge.status, challenge.body), (200, format!("tok_en-1.{THUMBPRINT}")));
    let own = bench.get(HOST, "/.well-known/innkeeper-check").await;
    assert_eq!((own.status, own.body.as_str()), (200, INSTALLATION));
    let other = bench.get_plain(HOST, "/web?x=1").await.unwrap();
    assert_eq!(other.status, 301);
    assert_eq!(other.header("location"), format!("https://{HOST}:{}/web?x=1", bench.settings.https_port));
}

#[tokio::test]
async fn only_tokens_are_answered_below_the_challenge_path() {
    let bench = serving().await;
    for path in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/a/b", "/.well-known/acme-challenge/a%3Cb"]
    {
        assert_eq!(bench.get_plain(HOST, path).await.unwrap().status, 301, "{path}");
        assert!(!bench.get(HOST, path).await.body.contains(THUMBPRINT), "{path}");
    }
}

#[tokio::test]
async fn a_name_that_nobody_has_is_refused_on_both_ports() {
    let bench = serving().await;
    for host in ["other.fleet.test", "fleet.test", "stranger.example", "127.0.0.1"] {
        assert!(bench.get_plain(host, "/").await.is_err(), "{host} over http");
        assert!(bench.send(host, "GET / HTTP/1.1\r\n\r\n").await.is_err(), "{host} over https");
        let fronted = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(bench.send(HOST, &fronted).await.unwrap().status, 421, "{host} through another name");
    }
    let challenge = bench.get_plain("other.fleet.test", "/.well-known/acme-challenge/x").await;
    assert!(challenge.is_err(), "a stranger's challenge is not answered");
}

#[tokio::test]
async fn every_location_passes_on_the_full_set_of_headers() {
    let bench = serving().await;
    let name = format!("{HOST}:{}", bench.settings.https_port);
    for path in
        ["/", "/web/login", "/en/web/login", "/websocket", "/longpolling/poll", "/web/static/x.js", "/my/orders"]
    {
        let reply = bench.get(HOST, path).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(passed_on(&reply, "Host"), [&name], "{path}");
        assert_eq!(passed_on(&reply, "X-Forwarded-Host"), [&name], "{path}");
        assert_eq!(passed_on(&reply, "X-Forwarded-Proto"), ["https"], "{path}");
        assert_eq!(passed_on(&reply, "X-Forwarded-For"), ["127.0.0.1"], "{path}");
        assert_eq!(passed_on(&reply, "X-Real-IP"), ["127.0.0.1"], "{path}");
    }
}

#[tokio::test]
async fn what_a_client_claims_about_itself_does_not_reach_odoo() {
    let bench = serving().await;
    let request = format!(
        "GET https://{HOST}/ HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
         X-Forwarded-Proto: http\r\nX-Real-IP: 6.6.6.6\r\nConnection: close\r\n\r\n"
    );
    let reply = bench.send(HOST, &request).await.unwrap();
    let name = format!("{HOST}:{}", bench.settings.https_port);
    assert_eq!(passed_on(&reply, "Host"), [&name]);
    assert_eq!(passed_on(&reply, "X-Forwarded-Host"), [&name]);
    assert_eq!(passed_on(&reply, "X-Forwarded-Proto"), ["https"]);
    assert_eq!(passed_on(&reply, "X-Real-IP"), ["127.0.0.1"]);
}

#[tokio::test]
async fn websockets_and_long_polling_go_to_the_gevent_port() {
    let bench = serving().await;
    let gevent = format!("port: {}\n", bench.upstream.port + 1);
    for path in ["/websocket", "/websocket/health", "//websocket", "/longpolling/poll"] {
        let reply = bench.send(HOST, &upgrade(path)).await.unwrap();
        assert!(reply.body.starts_with(&gevent), "{path}: {}", reply.body);
        assert_eq!(passed_on(&reply, "Upgrade"), ["websocket"], "{path}");
        assert_eq!(passed_on(&reply, "Connection"), ["upgrade"], "{path}");
    }
    let other = bench.get(HOST, "/websocketry").await;
    assert!(other.body.starts_with(&format!("port: {}\n", bench.upstream.port)), "{}", other.body);
}

#[tokio::test]
async fn without_workers_websockets_go_to_the_http_port() {
    let bench = Bench::start();
    let mut row = bench.row("acme");
    row.gevent = false;
    bench.put(&[row]).await;
    let reply = bench.send(HOST, &upgrade("/websocket")).await.unwrap();
    assert!(reply.body.starts_with(&format!("port: {}\n", bench.upstream.port)), "{}", reply.body);
}

#[tokio::test]
async fn the_database_manager_is_blocked_in_every_spelling() {
    let bench = serving().await;
    for path in [
        "/web/database/manager",
        "/web/database",
        "/web/database/",
        "/en/web/database",
        "/en_US/web/database/selector",
        "/sr@latin/web/database/manager",
        "/any-code-at-all/web/database/manager",
        "//web//database",
        "/web/./database/manager",
        "/web/x/../database/manager",
        "/web/%64atabase/manager",
        "/web%2Fdatabase/manager",
        "/%77eb/database",
        "/WEB/Database/Manager",
        "/web/database?x=1",
        "/xmlrpc/db",
        "/xmlrpc/2/db",
    ] {
        let reply = bench.get(HOST, path).await;
        assert_eq!(reply.status, 404, "{path}: {}", reply.body);
        assert!(!reply.body.contains("port: "), "{path} reached Odoo");
    }
    assert_eq!(bench.get(HOST, "/xmlrpc/2/common").await.status, 200);
    assert_eq!(bench.get(HOST, "/xmlrpc/2/dbx").await.status, 200);
}

#[tokio::test]
async fn every_answer_carries_hsts_even_where_a_location_adds_headers() {
    let bench = serving().await;
    let mut stopped = row("stopped", &["stopped.fleet.test"], bench.upstream.port);
    stopped.page = SitePage::Stopped;
    let down = row("down", &["down.fleet.test"], bench.silent_port());
    bench.certify(&stopped);
    bench.certify(&down);
    bench.put(&[stopped, down]).await;
    for (host, path, status) in [
        (HOST, "/", 200),
        (HOST, "/web/login", 200),
        (HOST, "/web/static/x.css", 200),
        (HOST, "/web/database", 404),
        (HOST, "/websocket", 200),
        ("stopped.fleet.test", "/", 503),
        ("down.fleet.test", "/", 503),
    ] {
        let reply = bench.get(host, path).await;
        assert_eq!(reply.status, status, "{host}{path}");
        assert_eq!(reply.header("strict-transport-security"), "max-age=31536000", "{host}{path}");
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{host}{path}");
        assert_eq!(reply.header("x-frame-options"), "SAMEORIGIN", "{host}{path}");
    }
}

#[tokio::test]
async fn what_odoo_says_about_frames_is_not_said_twice() {
    let bench = serving().await;
    let answered = async |path: &str, header: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Answer: {header}\r\nConnection: close\r\n\r\n");
        bench.send(HOST, &request).await.unwrap().header("x-frame-options").to_owned()
    };
    assert_eq!(answered("/web", "X-Frame-Options: DENY").await, "DENY");
    assert_eq!(answered("/slides/embed/1", "X-Frame-Options: SAMEORIGIN").await, "SAMEORIGIN");
    assert_eq!(answered("/web", "X-Other: x").await, "SAMEORIGIN");
    assert_eq!(answered("/fr/slides/embed/1", "X-Other: x").await, "");
}

#[tokio::test]
async fn files_of_modules_are_kept_by_browsers_and_other_answers_are_not() {
    let bench = serving().await;
    for path in ["/web/static/src/x.js", "/l10n_vn/static/description/icon.png"] {
        assert_eq!(bench.get(HOST, path).await.header("cache-control"), "max-age=604800", "{path}");
    }
    assert_eq!(bench.get(HOST, "/web").await.header("cache-control"), "");
}

#[tokio::test]
async fn closed_sites_show_their_page_with_the_right_code_and_still_answer_challenges() {
    let pages = [
        (SitePage::Preparing, "preparing.fleet.test", 503, "60", "is being prepared"),
        (SitePage::Stopped, "stopped.fleet.test", 503, "60", "is stopped"),
        (SitePage::Maintenance, "maintenance.fleet.test", 503, "60", "is under maintenance"),
        (SitePage::Retired, "retired.fleet.test", 410, "", "is no longer here"),
    ];
    let bench = Bench::start();
    let closed = pages.map(|(page, host, ..)| {
        let mut row = bench.row(host.split('.').next().unwrap());
        row.page = page;
        row
    });
    bench.put(&closed).await;
    for (_, host, status, retry, text) in pages {
        for request in
            ["GET / HTTP/1.1", "GET /web/static/x.js HTTP/1.1", "POST /web/login HTTP/1.1", "PUT /x HTTP/1.1"]
        {
            let request = format!("{request}\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let reply = bench.send(host, &request).await.unwrap();
            assert_eq!((reply.status, reply.header("retry-after")), (status, retry), "{request}");
            assert!(reply.body.contains(text), "{request}: {}", reply.body);
            assert!(reply.header("content-type").starts_with("text/html"), "{request}");
            assert_eq!(reply.header("cache-control"), "no-store", "{request}");
        }
        let challenge = bench.get_plain(host, "/.well-known/acme-challenge/x").await.unwrap();
        assert_eq!(challenge.body, format!("x.{THUMBPRINT}"), "{host}");
    }
}

#[tokio::test]
async fn while_odoo_is_down_its_page_stands_in() {
    let bench = Bench::start();
    let down = row("acme", &[HOST], bench.silent_port());
    bench.certify(&down);
    bench.put(&[down]).await;
    for request in ["GET / HTTP/1.1", "POST /web/login HTTP/1.1"] {
        let request = format!("{request}\r\nHost: {HOST}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let reply = bench.send(HOST, &request).await.unwrap();
        assert_eq!((reply.status, reply.header("retry-after")), (503, "30"), "{request}");
        assert!(reply.body.contains("does not answer right now"), "{}", reply.body);
    }
}

#[tokio::test]
async fn uploads_pass_up_to_odoos_own_limit() {
    let bench = serving().await;
    let post = |length: u64| {
        format!(
            "POST /web/binary/upload HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    assert_eq!(bench.send(HOST, &post(129 << 20)).await.unwrap().status, 413);
    let small = post(20 << 20) + &"x".repeat(20 << 20);
    assert_eq!(bench.send(HOST, &small).await.unwrap().status, 200);
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let bench = serving().await;
    let padding = "x".repeat(2000);
    let request = format!(
        "GET /web/login?{padding} HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(bench.send(HOST, &request).await.unwrap().header("content-encoding"), "gzip");
}

#[tokio::test]
async fn a_certificate_is_taken_without_a_reload_and_a_bad_one_hurts_only_its_own_name() {
    let bench = serving().await;
    let other = row("other", &["other.fleet.test"], bench.upstream.port);
    bench.put(std::slice::from_ref(&other)).await;
    let reloads = bench.proxy.reloads();
    assert!(bench.send("other.fleet.test", "GET / HTTP/1.1\r\n\r\n").await.is_err(), "no certificate yet");
    std::fs::write(bench.at("certificates/other.fleet.test.pem"), "damaged").unwrap();
    assert!(bench.send("other.fleet.test", "GET / HTTP/1.1\r\n\r\n").await.is_err(), "a damaged certificate");
    assert_eq!(bench.get(HOST, "/").await.status, 200, "the neighbour serves on");
    let fingerprint = bench.write_certificate(&CertificateName("other.fleet.test".to_owned()));
    let answer = bench.proxy.ask_host(&Domain::parse("other.fleet.test").unwrap(), &Visit::default()).await.unwrap();
    assert_eq!((answer.status, answer.fingerprint), (200, fingerprint));
    assert_eq!(bench.proxy.reloads(), reloads);
}

#[tokio::test]
async fn a_wildcard_certificate_serves_every_name_that_uses_it() {
    let bench = Bench::start();
    let wildcard = CertificateName::wildcard(&Domain::parse(BASE).unwrap());
    let fingerprint = bench.write_certificate(&wildcard);
    let mut row = row("acme", &[HOST], bench.upstream.port);
    row.hosts.values_mut().for_each(|name| *name = wildcard.clone());
    bench.put(&[row]).await;
    let answer = bench.proxy.ask_host(&Domain::parse(HOST).unwrap(), &Visit::default()).await.unwrap();
    assert_eq!((answer.status, answer.fingerprint), (200, fingerprint));
    assert_eq!(bench.get("nobody.fleet.test", "/").await.status, 421);
}

#[tokio::test]
async fn custom_domains_and_sites_with_a_template_of_their_own_serve_like_the_others() {
    let bench = Bench::start();
    let custom = row("acme", &[HOST, "erp.acme.example"], bench.upstream.port);
    let own =
        dedicated(row("special", &["special.fleet.test", "shop.special.example"], bench.upstream.port), "dedicated");
    bench.certify(&custom);
    bench.certify(&own);
    assert_eq!(bench.put(&[custom, own]).await, Vec::<String>::new());
    for host in [HOST, "erp.acme.example", "special.fleet.test", "shop.special.example"] {
        assert_eq!(bench.get(host, "/").await.status, 200, "{host}");
        assert_eq!(bench.get(host, "/en/web/database").await.status, 404, "{host}");
        let challenge = bench.get_plain(host, "/.well-known/acme-challenge/x").await.unwrap();
        assert_eq!(challenge.body, format!("x.{THUMBPRINT}"), "{host}");
        assert_eq!(bench.get_plain(host, "/").await.unwrap().status, 301, "{host}");
    }
}

#[tokio::test]
async fn a_login_page_is_recognised_through_tls_with_its_certificate() {
    let bench = Bench::start();
    let site = row("acme", &[HOST], bench.upstream.port);
    let fingerprint = bench.write_certificate(&CertificateName(HOST.to_owned()));
    bench.put(&[site]).await;
    let host = Domain::parse(HOST).unwrap();
    let answer = bench.proxy.ask_host(&host, &Visit::default()).await.unwrap();
    assert_eq!((answer.status, answer.login_page), (200, true));
    assert_eq!(answer.fingerprint, fingerprint);
    let stranger =
        bench.proxy.ask_host(&Domain::parse("stranger.example").unwrap(), &Visit::default()).await.unwrap_err();
    assert_eq!(stranger.kind, ErrorKind::Unreachable);
}
