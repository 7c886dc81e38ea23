//! Our own budgets, and the memory of orders that they count by.

use super::bench::{BASE_DOMAIN, Bench, Memory, order, told};
use super::now;
use super::pebble::{Issuer, Pebble};
use super::web::Web;
use innkeeper::edges::{Authority, EdgeError, ErrorKind};
use innkeeper::model::time::Timestamp;
use jiff::ToSpan;
use openssl::x509::X509;
use std::sync::Arc;
use std::time::Duration;

const NAME: &str = "acme.innkeeper.test";

fn ago(minutes: i64) -> Timestamp {
    now().checked_sub(minutes.minutes()).unwrap()
}

/// Neither an authority nor a DNS answers there.
fn nowhere() -> Bench {
    let mut bench = Bench::new("http://127.0.0.1:1/dir".to_owned());
    bench.settings.resolver = Some("127.0.0.1:1".to_owned());
    bench.patience.question = Duration::from_millis(200);
    bench
}

/// How an order for [`NAME`] ends with that memory; nothing answers to it, so one that is allowed fails at its check.
async fn check_memory(fill: impl FnOnce(&Memory)) -> EdgeError {
    let bench = nowhere();
    fill(&bench.memory);
    bench.acme().obtain(&order(NAME)).await.unwrap_err()
}

fn wait_min(error: &EdgeError) -> u64 {
    match error.kind {
        ErrorKind::Limited { retry_after_s } => retry_after_s.div_ceil(60),
        other => panic!("not limited but {other:?}: {}", told(error)),
    }
}

#[tokio::test]
async fn a_name_that_failed_too_often_waits_until_the_hour_is_over() {
    let error = check_memory(|memory| (0..5).for_each(|n| memory.remember(NAME, ago(50 - n), false))).await;
    assert_eq!(wait_min(&error), 10, "until the oldest of the five leaves the hour");
    let text = told(&error);
    assert!(text.contains("there were 5 failed orders for acme.innkeeper.test within 1h, and 5 are allowed"), "{text}");

    let error = check_memory(|memory| (0..4).for_each(|n| memory.remember(NAME, ago(50 - n), false))).await;
    assert_eq!(error.kind, ErrorKind::Failed, "four are allowed: {}", told(&error));
    let error = check_memory(|memory| (0..9).for_each(|n| memory.remember(NAME, ago(80 - n), false))).await;
    assert_eq!(error.kind, ErrorKind::Failed, "those of the hour before are forgotten: {}", told(&error));
    let error = check_memory(|memory| (0..9).for_each(|n| memory.remember("b.innkeeper.test", ago(n), false))).await;
    assert_eq!(error.kind, ErrorKind::Failed, "another name's failures: {}", told(&error));
}

#[tokio::test]
async fn a_name_whose_certificates_get_lost_does_not_order_for_ever() {
    let error = check_memory(|memory| (0..5).for_each(|n| memory.remember(NAME, ago(1_440 - n), true))).await;
    assert_eq!(wait_min(&error), 6 * 1_440);
}

#[tokio::test]
async fn the_account_makes_no_more_orders_than_it_may() {
    let others = |count: usize| {
        move |memory: &Memory| (0..count).for_each(|n| memory.remember(&format!("n{n}.innkeeper.test"), ago(60), true))
    };
    assert_eq!(wait_min(&check_memory(others(300)).await), 120);
    assert_eq!(check_memory(others(299)).await.kind, ErrorKind::Failed);
}

#[tokio::test]
async fn a_domain_gets_no_more_new_certificates_in_a_week_than_it_may() {
    let bench = nowhere();
    let issuer = Issuer::new("an authority");
    for number in 0..50 {
        let name = format!("n{number}.{BASE_DOMAIN}");
        let (key, leaf) = issuer.issue(&[&name], -1, 89);
        bench.put(&name, &[key.private_key_to_pem_pkcs8().unwrap(), leaf.to_pem().unwrap()]);
    }
    let acme = bench.acme();
    let error = acme.obtain(&order(NAME)).await.unwrap_err();
    assert_eq!(wait_min(&error), 6 * 1_440);
    assert!(told(&error).contains("50 new certificates under innkeeper.test within 7d"), "{}", told(&error));

    let error = acme.obtain(&order("shop.example.com")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed, "another domain has a budget of its own: {}", told(&error));
    let renewal = innkeeper::model::step::CertificateOrder { renewal: true, ..order(NAME) };
    let error = acme.obtain(&renewal).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed, "renewals are not counted: {}", told(&error));
}

/// An adapter and its memory, at an authority and a site that work.
async fn working() -> (Pebble, Bench, Arc<innkeeper::adapters::acme::Acme>, Web) {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = Arc::new(bench.acme());
    let site = super::bench::site(bench.http_port, &acme).await;
    (pebble, bench, acme, site)
}

#[tokio::test]
async fn an_order_that_cannot_be_noted_is_not_made() {
    let (pebble, bench, acme, _site) = working().await;
    *bench.memory.broken.lock().unwrap() = Some("the disk is full");
    let error = acme.obtain(&order(NAME)).await.unwrap_err();
    assert_eq!(told(&error), "could not note the certificate order on disk, so it was not made: the disk is full");
    assert_eq!(pebble.orders(), 0);
}

#[tokio::test]
async fn a_panic_ends_one_order_and_nothing_else() {
    let (_pebble, bench, acme, _site) = working().await;
    *bench.memory.broken.lock().unwrap() = Some("panic");
    let error = acme.obtain(&order(NAME)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(told(&error).contains("panicked"), "{}", told(&error));
    // The test's own lock is poisoned by the panic; a new one stands in for it.
    bench.memory.broken.clear_poison();
    *bench.memory.broken.lock().unwrap() = None;
    acme.obtain(&order(NAME)).await.unwrap_or_else(|e| panic!("the next order: {}", told(&e)));
}

#[tokio::test]
async fn many_who_ask_for_one_certificate_at_once_make_one_order() {
    let (pebble, bench, acme, _site) = working().await;
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let acme = acme.clone();
            tokio::spawn(async move { acme.obtain(&order(NAME)).await.map_err(|e| told(&e)) })
        })
        .collect();
    for answer in asked {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(pebble.orders(), 1);
    assert_eq!(X509::stack_from_pem(&std::fs::read(bench.file(NAME)).unwrap()).unwrap().len(), 2);
}
