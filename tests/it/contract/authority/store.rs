//! Files on disk: placeholders, and certificates that must not be used.

use super::bench::{Bench, look, order};
use super::pebble::Issuer;
use innkeeper::adapters::acme::PLACEHOLDER_ISSUER;
use innkeeper::edges::{Authority, ErrorKind};
use openssl::x509::X509;
use std::fs;

const NAME: &str = "acme.innkeeper.test";

fn bench() -> Bench {
    Bench::new("http://127.0.0.1:1/dir".to_owned())
}

/// Key, leaf and root of a certificate for [`NAME`], each as PEM.
fn sound() -> [Vec<u8>; 3] {
    let issuer = Issuer::new("an authority");
    let (key, leaf) = issuer.issue(&[NAME], -1, 89);
    [key.private_key_to_pem_pkcs8().unwrap(), leaf.to_pem().unwrap(), issuer.certificate.to_pem().unwrap()]
}

#[tokio::test]
async fn a_placeholder_is_served_but_never_shown_as_a_certificate() {
    let bench = bench();
    let acme = bench.acme();
    acme.ensure_placeholder(&order(NAME)).await.unwrap();
    let written = fs::read(bench.file(NAME)).unwrap();
    let placeholder = X509::from_pem(&written).unwrap();
    let issuer = placeholder.issuer_name().entries().next().unwrap().data().to_string().unwrap();
    assert_eq!(issuer, PLACEHOLDER_ISSUER);
    assert_eq!(placeholder.subject_alt_names().unwrap()[0].dnsname(), Some(NAME));
    assert!(look(&acme).await.is_empty());

    acme.ensure_placeholder(&order(NAME)).await.unwrap();
    assert_eq!(fs::read(bench.file(NAME)).unwrap(), written, "the second call found the work done");
}

#[tokio::test]
async fn a_placeholder_never_replaces_a_stored_certificate_sound_or_not() {
    let [key, leaf, root] = sound();
    for parts in [vec![key, leaf.clone(), root], vec![leaf], vec![b"rubbish".to_vec()]] {
        let bench = bench();
        bench.put(NAME, &parts);
        bench.acme().ensure_placeholder(&order(NAME)).await.unwrap();
        assert_eq!(fs::read(bench.file(NAME)).unwrap(), parts.concat());
    }
}

/// Stores `parts` and says what `look` finds wrong with them.
async fn check_fault(parts: &[Vec<u8>]) -> Option<String> {
    let bench = bench();
    bench.put(NAME, parts);
    look(&bench.acme()).await.remove(NAME).expect("what is stored is shown, sound or not").fault
}

#[tokio::test]
async fn a_stored_file_that_must_not_be_used_has_a_fault() {
    let [key, leaf, root] = sound();
    let [other_key, _, other_root] = sound();
    let fault = async |parts: &[&Vec<u8>]| {
        let parts: Vec<Vec<u8>> = parts.iter().map(|part| (*part).clone()).collect();
        check_fault(&parts).await.unwrap_or_default()
    };
    assert_eq!(fault(&[&key, &leaf, &root]).await, "");
    assert_eq!(fault(&[&other_key, &leaf, &root]).await, "its private key belongs to another certificate");
    let broken = "its chain is broken: a certificate in it is not signed by the next one";
    assert_eq!(fault(&[&key, &leaf, &other_root]).await, broken);
    assert_eq!(fault(&[&leaf, &root]).await, "the file holds no private key in PEM form");
    assert_eq!(fault(&[&key]).await, "the file holds no certificate in PEM form");
    assert_eq!(fault(&[&key, &leaf[..leaf.len() / 2].to_vec()]).await, "the file holds no certificate in PEM form");
    assert_eq!(fault(&[&Vec::new()]).await, "the file holds no certificate in PEM form");
    assert_eq!(fault(&[&vec![b'x'; 1 << 20]]).await, "the file is too large for a certificate");
}

#[tokio::test]
async fn a_look_shows_what_is_stored_now() {
    let bench = bench();
    let acme = bench.acme();
    assert!(look(&acme).await.is_empty(), "no directory is no certificate");
    let [key, leaf, root] = sound();
    let parts = [key, leaf, root];
    bench.put(NAME, &parts);
    bench.put("_wildcard.innkeeper.test", &parts);
    fs::write(bench.store().join(".new-abc.pem"), "half written").unwrap();
    fs::write(bench.store().join("README"), "nothing of ours").unwrap();
    assert_eq!(look(&acme).await.into_keys().collect::<Vec<_>>(), ["*.innkeeper.test", NAME]);

    let before = look(&acme).await.remove(NAME).unwrap();
    bench.put(NAME, &sound());
    let after = look(&acme).await.remove(NAME).unwrap();
    assert_ne!(after.fingerprint, before.fingerprint, "the replaced file was not read again");
    fs::remove_file(bench.file(NAME)).unwrap();
    assert_eq!(look(&acme).await.into_keys().collect::<Vec<_>>(), ["*.innkeeper.test"]);
}

#[tokio::test]
async fn a_store_that_cannot_be_listed_is_an_error_and_not_an_empty_one() {
    let bench = bench();
    fs::create_dir_all(bench.store().parent().unwrap()).unwrap();
    fs::write(bench.store(), "a file").unwrap();
    let seen = bench.acme().look(&innkeeper::edges::Ask::default()).await;
    assert!(seen.is_err(), "{seen:?}");
}

#[tokio::test]
async fn a_name_that_is_no_name_reaches_no_file_and_no_program() {
    for name in ["../../outside", "a/b.innkeeper.test", "*.*.innkeeper.test", "a b.innkeeper.test", "--all", ""] {
        let bench = bench();
        let acme = bench.acme();
        let refused = [
            acme.ensure_placeholder(&order(name)).await.unwrap_err(),
            acme.obtain(&order(name)).await.map(|_| ()).unwrap_err(),
        ];
        assert!(refused.iter().all(|error| error.kind == ErrorKind::Refused), "{name}: {refused:?}");
        assert!(!bench.directory.path().join("secrets").exists(), "{name} left something behind");
    }
}
