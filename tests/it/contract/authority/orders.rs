//! Orders by http-01.

use super::bench::{Bench, look, nginx, order, site, told};
use super::pebble::{Issuer, Pebble};
use super::web::{Reply, Web};
use innkeeper::adapters::acme::account::thumbprint;
use innkeeper::adapters::acme::check::{CHALLENGE_PATH, CHECK_TOKEN};
use innkeeper::edges::{Authority, ErrorKind};
use openssl::bn::BigNum;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::stack::Stack;
use openssl::x509::store::X509StoreBuilder;
use openssl::x509::{X509, X509StoreContext};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// True when the stored file's leaf chains to `root` by the rest of the file, and its key is in the file.
fn chains_to(pem: &[u8], root: &X509) -> bool {
    let chain = X509::stack_from_pem(pem).unwrap();
    let key = PKey::private_key_from_pem(pem).unwrap();
    assert!(chain[0].public_key().unwrap().public_eq(&key), "the key is another certificate's");
    let mut trusted = X509StoreBuilder::new().unwrap();
    trusted.add_cert(root.clone()).unwrap();
    let mut between = Stack::new().unwrap();
    chain[1..].iter().for_each(|certificate| between.push(certificate.clone()).unwrap());
    let mut context = X509StoreContext::new().unwrap();
    context.init(&trusted.build(), &chain[0], &between, |context| context.verify_cert()).unwrap()
}

#[tokio::test]
async fn an_order_ends_with_a_certificate_that_chains_to_the_authority_and_covers_its_name() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let _site = site(bench.http_port, &acme).await;

    let got = acme.obtain(&order("acme.innkeeper.test")).await.unwrap();

    assert_eq!(got.names, ["acme.innkeeper.test".to_owned()].into());
    assert_eq!(got.fault, None);
    assert!(got.issuer.starts_with("Pebble Intermediate CA"), "{}", got.issuer);
    let pem = fs::read(bench.file("acme.innkeeper.test")).unwrap();
    assert!(chains_to(&pem, &pebble.root().await));
    let digest = X509::from_pem(&pem).unwrap().digest(MessageDigest::sha256()).unwrap();
    assert_eq!(got.fingerprint, digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    assert_eq!(look(&acme).await, [("acme.innkeeper.test".to_owned(), got)].into());
    assert!(bench.memory.orders.lock().unwrap().iter().all(|(_, attempt)| attempt.succeeded));
}

#[tokio::test]
async fn several_names_and_names_longer_than_a_common_name_are_covered() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let _site = site(bench.http_port, &acme).await;
    let long = format!("{}.{}.innkeeper.test", "a".repeat(63), "b".repeat(63));
    let mut wanted = order("shop.innkeeper.test");
    wanted.names.insert(long.clone());

    let got = acme.obtain(&wanted).await.unwrap();

    assert_eq!(got.names, wanted.names);
}

/// Ten orders, one after the other, each at an authority that refuses so many good nonces.
async fn check_refused_nonces(percent: u32) {
    let pebble = Pebble::start(percent).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let _site = site(bench.http_port, &acme).await;
    for number in 0..10 {
        let name = format!("n{number}.innkeeper.test");
        acme.obtain(&order(&name)).await.unwrap_or_else(|e| panic!("{name}: {}", told(&e)));
    }
    assert_eq!(pebble.orders(), 10, "no order is made twice because of a nonce");
    let sent = ["/order-plz", "/finalize-order/", "/certZ/"].map(|path| pebble.logged(&format!("POST {path}")));
    assert!(sent.iter().sum::<usize>() > 30 || percent <= 5, "what was sent again: {sent:?}");
}

#[tokio::test]
async fn ten_orders_succeed_where_five_per_cent_of_the_nonces_are_refused() {
    check_refused_nonces(5).await;
}

#[tokio::test]
async fn ten_orders_succeed_where_thirty_per_cent_of_the_nonces_are_refused() {
    check_refused_nonces(30).await;
}

#[tokio::test]
async fn a_name_that_points_elsewhere_makes_no_order() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let _site = site(bench.http_port, &acme).await;
    let stranger = format!("127.0.0.2:{}", bench.http_port);
    let _stranger = Web::serve(&stranger, |_, _| Reply::text(200, "the old shop")).await;
    pebble.point("shop.example.com", &["127.0.0.2"]).await;
    pebble.point("dead.example.com", &["127.0.0.3"]).await;
    pebble.point("half.example.com", &["127.0.0.1", "127.0.0.2"]).await;

    for (name, said) in [
        ("shop.example.com", "resolves to 127.0.0.2, where GET http://shop.example.com"),
        ("shop.example.com", "200 OK \"the old shop\""),
        ("dead.example.com", "resolves to 127.0.0.3, but GET http://dead.example.com"),
        ("half.example.com", "resolves to 127.0.0.2, where"),
    ] {
        let error = acme.obtain(&order(name)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Failed);
        assert!(told(&error).contains(said), "{}", told(&error));
    }
    assert_eq!(pebble.orders(), 0);
    assert!(bench.memory.orders.lock().unwrap().is_empty(), "what was not ordered is not counted");
}

#[tokio::test]
async fn a_name_that_the_dns_does_not_know_makes_no_order() {
    let pebble = Pebble::start(5).await;
    let mut bench = Bench::with(&pebble);
    // The system's DNS: it does not know names under "test" (RFC 6761, section 6.2).
    bench.settings.resolver = None;
    let error = bench.acme().obtain(&order("acme.innkeeper.test")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    assert!(told(&error).contains("asked of this host's DNS"), "{}", told(&error));
    assert_eq!(pebble.orders(), 0);
}

#[tokio::test]
async fn a_site_that_answers_with_another_accounts_thumbprint_makes_no_order() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let site = format!("127.0.0.1:{}", bench.http_port);
    let _site = Web::serve(&site, |_, path| nginx(path, "of-another-account")).await;
    let error = bench.acme().obtain(&order("acme.innkeeper.test")).await.unwrap_err();
    assert!(told(&error).contains("innkeeper-check.of-another-account"), "{}", told(&error));
    assert_eq!(pebble.orders(), 0);
}

#[tokio::test]
async fn a_failed_challenge_is_told_in_the_authoritys_own_words() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let thumbprint = acme.thumbprint().unwrap();
    let site = format!("127.0.0.1:{}", bench.http_port);
    let _site = Web::serve(&site, move |_, path| match path.strip_prefix(CHALLENGE_PATH) {
        Some(token) if token != CHECK_TOKEN => Reply::text(200, "a page of the customer's own"),
        _ => nginx(path, &thumbprint),
    })
    .await;

    let error = acme.obtain(&order("acme.innkeeper.test")).await.unwrap_err();

    assert_eq!(error.kind, ErrorKind::Failed);
    let text = told(&error);
    assert!(text.starts_with("the authority could not verify acme.innkeeper.test by http-01: "), "{text}");
    assert!(text.contains("key authorization") && text.ends_with("(unauthorized)"), "{text}");
    assert!(!bench.file("acme.innkeeper.test").exists());
    assert_eq!(bench.memory.orders.lock().unwrap().len(), 1, "it was noted");
}

#[tokio::test]
async fn a_stored_certificate_is_reused_without_any_network() {
    let mut pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let site = site(bench.http_port, &acme).await;
    let first = acme.obtain(&order("acme.innkeeper.test")).await.unwrap();
    let asked = site.count("GET");
    pebble.stop();

    // After a restart as well, and when a turn that looked too early asks for a renewal.
    let again = bench.acme();
    assert_eq!(again.obtain(&order("acme.innkeeper.test")).await.unwrap(), first);
    let renewal = innkeeper::model::step::CertificateOrder { renewal: true, ..order("acme.innkeeper.test") };
    assert_eq!(again.obtain(&renewal).await.unwrap(), first);
    assert_eq!(site.count("GET"), asked, "not even the name was checked");

    // The same authority that does not answer is noticed as soon as it is needed.
    let error = again.obtain(&order("other.innkeeper.test")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unreachable, "{}", told(&error));
}

#[tokio::test]
async fn a_certificate_that_is_due_is_renewed_with_a_new_key() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let _site = site(bench.http_port, &acme).await;
    let former = Issuer::new("a former authority");
    let (key, leaf) = former.issue(&["acme.innkeeper.test"], -80, 10);
    let parts = [key.private_key_to_pem_pkcs8().unwrap(), leaf.to_pem().unwrap(), former.certificate.to_pem().unwrap()];
    bench.put("acme.innkeeper.test", &parts);

    let kept = acme.obtain(&order("acme.innkeeper.test")).await.unwrap();
    assert_eq!(kept.issuer, "a former authority", "it is valid, and no renewal was asked for");
    let renewal = innkeeper::model::step::CertificateOrder { renewal: true, ..order("acme.innkeeper.test") };
    let renewed = acme.obtain(&renewal).await.unwrap();

    assert!(renewed.issuer.starts_with("Pebble"), "{}", renewed.issuer);
    let pem = fs::read(bench.file("acme.innkeeper.test")).unwrap();
    assert!(!PKey::private_key_from_pem(&pem).unwrap().public_eq(&key), "the old key was used again");
}

#[tokio::test]
async fn keys_are_readable_only_by_those_they_are_for() {
    let pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let _site = site(bench.http_port, &acme).await;
    acme.obtain(&order("acme.innkeeper.test")).await.unwrap();

    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(format!("{:o}", mode(bench.account_key())), "600");
    assert_eq!(format!("{:o}", mode(bench.file("acme.innkeeper.test"))), "640");
    let directory = mode(bench.store());
    assert_eq!(directory & 0o007, directory & 0o001, "the store is listed by others: {directory:o}");
    let groups = fs::read_to_string("/etc/group").unwrap();
    let www_data: Option<u32> =
        groups.lines().find_map(|line| line.strip_prefix("www-data:x:")?.split(':').next()?.parse().ok());
    if let (Some(group), 0) = (www_data, fs::metadata(bench.store()).unwrap().uid()) {
        assert_eq!(fs::metadata(bench.file("acme.innkeeper.test")).unwrap().gid(), group);
        assert_eq!(fs::metadata(bench.store()).unwrap().gid(), group);
        assert_eq!(format!("{directory:o}"), "750");
    }
    let names: Vec<_> = fs::read_dir(bench.store()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["acme.innkeeper.test.pem"], "a temporary file was left behind");
}

#[tokio::test]
async fn the_account_survives_a_restart_and_is_made_anew_where_the_authority_forgot_it() {
    let mut pebble = Pebble::start(5).await;
    let bench = Bench::with(&pebble);
    let acme = bench.acme();
    let _site = site(bench.http_port, &acme).await;
    acme.obtain(&order("one.innkeeper.test")).await.unwrap();
    let again = bench.acme();
    assert_eq!(again.thumbprint().unwrap(), acme.thumbprint().unwrap());
    again.obtain(&order("two.innkeeper.test")).await.unwrap();
    assert_eq!(pebble.logged("accounts in memory"), 1, "the second start made another account");

    pebble.restart(5).await;
    // This adapter still holds the account of before.
    again.obtain(&order("three.innkeeper.test")).await.unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(pebble.logged("accounts in memory"), 2);
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    // RFC 7638, section 3.1.
    let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj\
             hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM\
             QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJz\
             KnqDKgw";
    let standard = n.replace('-', "+").replace('_', "/");
    let padded = format!("{standard}{}", "=".repeat((4 - standard.len() % 4) % 4));
    let n = BigNum::from_slice(&openssl::base64::decode_block(&padded).unwrap()).unwrap();
    let key = Rsa::from_public_components(n, BigNum::from_u32(65_537).unwrap()).unwrap();
    assert_eq!(thumbprint(&key).unwrap(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
}
