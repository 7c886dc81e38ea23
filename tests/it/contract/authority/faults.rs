//! Authorities that misbehave: small servers of the test.

use super::bench::{Bench, nginx, order, told};
use super::now;
use super::web::{Reply, Web};
use innkeeper::adapters::acme::{Acme, Patience};
use innkeeper::edges::{Authority, EdgeError, ErrorKind};
use jiff::ToSpan;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const NAME: &str = "localhost.localdomain";

/// An adapter at an authority of the test, and the servers that it needs. The name is answered by the loopback.
struct Misbehaving {
    bench: Bench,
    acme: Arc<Acme>,
    authority: Web,
    _site: Web,
    _dns: super::pebble::Pebble,
}

/// `answer` gets the method and the path: `/dir`, `/nonce`, `/account`, `/order`.
async fn misbehaving(
    patience: Patience,
    answer: impl Fn(&str, &str) -> Option<Reply> + Send + Sync + 'static,
) -> Misbehaving {
    let dns = super::pebble::Pebble::start(0).await;
    let authority = Web::serve("127.0.0.1:0", answer).await;
    let mut bench = Bench::with(&dns);
    bench.settings.directory = format!("http://{}/dir", authority.address);
    bench.patience = patience;
    let acme = Arc::new(bench.acme());
    let thumbprint = acme.thumbprint().unwrap();
    let site = Web::serve(&format!("127.0.0.1:{}", bench.http_port), move |_, path| nginx(path, &thumbprint)).await;
    Misbehaving { bench, acme, authority, _site: site, _dns: dns }
}

impl Misbehaving {
    async fn error(&self) -> EdgeError {
        self.acme.obtain(&order(NAME)).await.unwrap_err()
    }
}

/// An authority that works as far as its newOrder, which `order` answers.
fn up_to_order(path: &str, base: &str, order: impl FnOnce() -> Reply) -> Option<Reply> {
    let url = |path: &str| format!("{base}{path}");
    let reply = match path {
        "/dir" => Reply::json(
            200,
            &json!({"newNonce": url("/nonce"), "newAccount": url("/account"), "newOrder": url("/order"), "revokeCert": url("/revoke")}),
        ),
        "/nonce" => Reply::text(200, "")?,
        "/account" => Reply::json(201, &json!({"status": "valid"})).with("Location", url("/account/1")),
        _ => order(),
    };
    Some(reply.with("Replay-Nonce", "once"))
}

fn problem(status: u16, code: &str, detail: &str) -> Reply {
    Reply::json(status, &json!({"type": format!("urn:ietf:params:acme:error:{code}"), "detail": detail}))
}

/// The error of an order that the authority answers with `reply`.
async fn check_order(reply: impl Fn() -> Reply + Send + Sync + 'static) -> EdgeError {
    let base = Arc::new(std::sync::OnceLock::<String>::new());
    let known = base.clone();
    let world = misbehaving(Patience::default(), move |_, path| {
        up_to_order(path, known.get().map_or("", String::as_str), &reply)
    })
    .await;
    base.set(format!("http://{}", world.authority.address)).unwrap();
    let error = world.error().await;
    assert!(world.authority.count("POST /order") > 0, "{}", told(&error));
    error
}

fn waits_s(error: &EdgeError) -> u64 {
    match error.kind {
        ErrorKind::Limited { retry_after_s } => retry_after_s,
        other => panic!("not limited but {other:?}: {}", told(error)),
    }
}

#[tokio::test]
async fn too_many_orders_wait_until_the_time_in_the_authoritys_words() {
    let until = now().checked_add(3.hours()).unwrap().strftime("%Y-%m-%d %H:%M:%S").to_string();
    let detail = format!(
        "too many new orders (300) from this account in the last 3h0m0s, retry after {until} UTC: see https://letsencrypt.org/docs/rate-limits/"
    );
    let said = detail.clone();
    let error = check_order(move || problem(429, "rateLimited", &said).with("Retry-After", "10800")).await;
    assert!((10_700..=10_800).contains(&waits_s(&error)), "{:?}", error.kind);
    assert_eq!(told(&error), format!("could not order the certificate {NAME}: {detail} (rateLimited)"));
}

#[tokio::test]
async fn too_many_orders_without_a_time_wait_an_hour() {
    let error = check_order(|| problem(429, "rateLimited", "slow down")).await;
    assert_eq!(waits_s(&error), 3_600);
    let error = check_order(|| problem(429, "rateLimited", "retry after 9999-01-01 00:00:00 UTC")).await;
    assert_eq!(waits_s(&error), 7 * 86_400, "a wrong clock there does not stop us for good");
    let error = check_order(|| problem(429, "rateLimited", "retry after 1999-01-01 00:00:00 UTC")).await;
    assert!(waits_s(&error) >= 1);
}

#[tokio::test]
async fn a_refused_name_is_told_in_the_authoritys_own_words() {
    let words = "Cannot issue for \"localhost.localdomain\": Domain name does not end with a valid public suffix (TLD)";
    let error = check_order(move || problem(400, "rejectedIdentifier", words)).await;
    assert_eq!(error.kind, ErrorKind::Failed);
    assert_eq!(told(&error), format!("could not order the certificate {NAME}: {words} (rejectedIdentifier)"));
}

#[tokio::test]
async fn an_authority_that_fails_inside_is_unreachable() {
    let error = check_order(|| problem(500, "serverInternal", "The service is down for maintenance")).await;
    assert_eq!(error.kind, ErrorKind::Unreachable, "{}", told(&error));
    let error = check_order(|| Reply::text(503, "<html><h1>Sorry</h1></html>").unwrap()).await;
    assert_eq!(error.kind, ErrorKind::Unreachable, "{}", told(&error));
    assert!(told(&error).contains("its answer is not ACME"), "{}", told(&error));
}

#[tokio::test]
async fn a_directory_that_answers_with_a_page_is_unreachable_or_says_when() {
    let world = misbehaving(Patience::default(), |_, _| Reply::text(503, "<html><h1>Sorry</h1></html>")).await;
    let error = world.error().await;
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(told(&error).ends_with("/dir: it answered with status 503"), "{}", told(&error));
    assert!(world.bench.memory.orders.lock().unwrap().is_empty(), "no order was made, none is counted");

    let world =
        misbehaving(Patience::default(), |_, _| Some(Reply::text(503, "later")?.with("Retry-After", "120"))).await;
    assert_eq!(waits_s(&world.error().await), 120);
    let at = now().checked_add(10.minutes()).unwrap();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
    let world = misbehaving(Patience::default(), move |_, _| {
        Some(Reply::text(429, "later")?.with("Retry-After", date.clone()))
    })
    .await;
    assert!((590..=600).contains(&waits_s(&world.error().await)));
    let world = misbehaving(Patience::default(), |_, _| Reply::text(200, "<html>Welcome</html>")).await;
    assert_eq!(world.error().await.kind, ErrorKind::Unreachable);
}

#[tokio::test]
async fn a_hanging_authority_ends_by_the_deadline() {
    let request = Patience { request: Duration::from_millis(300), ..Patience::default() };
    let error = misbehaving(request, |_, _| None).await.error().await;
    assert_eq!(error.kind, ErrorKind::Timeout, "{}", told(&error));

    let order = Patience { order: Duration::from_millis(300), ..Patience::default() };
    let error = misbehaving(order, |_, _| None).await.error().await;
    assert_eq!(error.kind, ErrorKind::Timeout, "{}", told(&error));
    assert!(told(&error).contains("the order did not end within"), "{}", told(&error));
}

#[tokio::test]
async fn an_account_that_the_authority_closed_is_replaced_by_one_with_a_new_key() {
    let base = Arc::new(std::sync::OnceLock::<String>::new());
    let (known, asked) = (base.clone(), AtomicUsize::new(0));
    let world = misbehaving(Patience::default(), move |_, path| {
        if path == "/account" && asked.fetch_add(1, Ordering::SeqCst) == 0 {
            let refusal = problem(403, "unauthorized", "Account is not valid, has status \"deactivated\"");
            return Some(refusal.with("Replay-Nonce", "once"));
        }
        up_to_order(path, known.get().map_or("", String::as_str), || problem(429, "rateLimited", "enough"))
    })
    .await;
    base.set(format!("http://{}", world.authority.address)).unwrap();
    let before = (world.acme.thumbprint().unwrap(), std::fs::read(world.bench.account_key()).unwrap());

    waits_s(&world.error().await);

    assert_eq!(world.authority.count("POST /account"), 2);
    assert_ne!(world.acme.thumbprint().unwrap(), before.0);
    assert_eq!(
        std::fs::read(world.bench.account_key().with_extension("closed")).unwrap(),
        before.1,
        "it is kept aside"
    );
}

#[tokio::test]
async fn an_account_key_that_is_not_ours_to_use_is_told_and_kept() {
    let bench = Bench::new("http://127.0.0.1:1/dir".to_owned());
    std::fs::create_dir_all(bench.account_key().parent().unwrap()).unwrap();
    let group = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1).unwrap();
    let key = openssl::pkey::PKey::from_ec_key(openssl::ec::EcKey::generate(&group).unwrap()).unwrap();
    for pem in [key.private_key_to_pem_pkcs8().unwrap(), b"rubbish".to_vec(), Vec::new()] {
        std::fs::write(bench.account_key(), &pem).unwrap();
        let error = bench.acme().thumbprint().unwrap_err();
        assert!(told(&error).starts_with("could not use the account key"), "{}", told(&error));
        assert_eq!(std::fs::read(bench.account_key()).unwrap(), pem);
    }
}
