//! What nginx promises as the proxy's edge, on an nginx of the test's own.

use super::proxy_bench::{BASE, Bench, INSTALLATION, THUMBPRINT};

#[tokio::test]
async fn a_published_site_serves_and_is_seen() {
    let bench = Bench::start();
    assert_eq!(bench.put(&[bench.row("acme")]).await, Vec::<String>::new());
    let live = bench.look().await;
    assert!(live.running && live.intact && !live.templates_changed, "{live:?}");
    assert_eq!(live.current.as_deref(), Some("gen-1"));
    assert_eq!(live.loaded, live.current);
    assert_eq!(live.sites.len(), 1);
    let reply = bench.get(&format!("acme.{BASE}"), "/web?x=1").await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains(&format!("port: {}\n", bench.upstream.port)), "{}", reply.body);
    assert!(reply.body.contains("GET /web?x=1 "), "{}", reply.body);
}

#[tokio::test]
async fn plain_http_answers_challenges_and_sends_everything_else_to_https() {
    let bench = Bench::start();
    bench.put(&[bench.row("acme")]).await;
    let host = format!("acme.{BASE}");
    let challenge = bench.get_plain(&host, "/.well-known/acme-challenge/tok_en-1").await.unwrap();
    assert_eq!((challenge.status, challenge.body.as_str()), (200, format!("tok_en-1.{THUMBPRINT}").as_str()));
    assert!(challenge.header("content-type").starts_with("text/plain"));
    let own = bench.get_plain(&host, "/.well-known/innkeeper-check").await.unwrap();
    assert_eq!((own.status, own.body.as_str()), (200, INSTALLATION));
    let other = bench.get_plain(&host, "/web?x=1").await.unwrap();
    assert_eq!(other.status, 301);
    assert_eq!(other.header("location"), format!("https://{host}:{}/web?x=1", bench.settings.https_port));
}
