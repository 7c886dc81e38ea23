//! The wildcard by dns-01 and the operator's hook.

use super::bench::{Bench, order, told};
use super::pebble::Pebble;
use innkeeper::edges::{Authority, ErrorKind};
use innkeeper::model::step::CertificateOrder;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A hook that writes its calls down and then runs `script`, with the management of the DNS as `$DNS`.
fn set_hook(bench: &mut Bench, pebble: &Pebble, script: &str) -> PathBuf {
    let (hook, calls) = (bench.directory.path().join("hook"), bench.directory.path().join("calls"));
    let dns = format!("http://127.0.0.1:{}", pebble.dns_management_port);
    let text = format!("echo \"$@\" >>'{}'\nDNS={dns}\n{script}\n", calls.display());
    fs::write(&hook, text).unwrap();
    bench.settings.wildcard_hook =
        Some(vec!["/bin/sh".to_owned(), hook.to_str().unwrap().to_owned(), "--zone=test".to_owned()]);
    calls
}

const PUBLISH: &str = r#"case $2 in
present) curl -sf -X POST -d "{\"host\":\"$3.\",\"value\":\"$4\"}" "$DNS/set-txt" ;;
cleanup) curl -sf -X POST -d "{\"host\":\"$3.\"}" "$DNS/clear-txt" ;;
esac"#;

fn wildcard() -> CertificateOrder {
    order("*.innkeeper.test")
}

#[tokio::test]
async fn a_wildcard_is_proven_by_the_operators_hook() {
    let pebble = Pebble::start(5).await;
    let mut bench = Bench::with(&pebble);
    let calls = set_hook(&mut bench, &pebble, PUBLISH);
    let got = bench.acme().obtain(&wildcard()).await.unwrap_or_else(|e| panic!("{}", told(&e)));

    assert_eq!(got.names, ["*.innkeeper.test".to_owned()].into());
    assert!(bench.file("_wildcard.innkeeper.test").exists());
    let calls = fs::read_to_string(calls).unwrap();
    let words: Vec<Vec<&str>> = calls.lines().map(|line| line.split(' ').collect()).collect();
    assert_eq!(words.len(), 2, "{calls}");
    assert_eq!(words[0][..3], ["--zone=test", "present", "_acme-challenge.innkeeper.test"]);
    assert_eq!(words[1][..3], ["--zone=test", "cleanup", "_acme-challenge.innkeeper.test"]);
    assert_eq!(words[0][3], words[1][3]);
    assert_eq!(words[0][3].len(), 43, "a SHA-256 in base64url");
}

#[tokio::test]
async fn a_wildcard_and_its_base_are_one_certificate() {
    let pebble = Pebble::start(5).await;
    let mut bench = Bench::with(&pebble);
    set_hook(&mut bench, &pebble, PUBLISH);
    let acme = bench.acme();
    let _site = super::bench::site(bench.http_port, &acme).await;
    let mut wanted = wildcard();
    wanted.names.insert("innkeeper.test".to_owned());
    let got = acme.obtain(&wanted).await.unwrap_or_else(|e| panic!("{}", told(&e)));
    assert_eq!(got.names, wanted.names);
}

#[tokio::test]
async fn without_a_hook_a_wildcard_is_refused_plainly() {
    let pebble = Pebble::start(5).await;
    let error = Bench::with(&pebble).acme().obtain(&wildcard()).await.unwrap_err();
    assert!(told(&error).contains("[acme] wildcard_hook: no program is set there"), "{}", told(&error));
}

#[tokio::test]
async fn a_hook_that_fails_is_told_with_what_it_complained_about() {
    let pebble = Pebble::start(5).await;
    let mut bench = Bench::with(&pebble);
    let calls = set_hook(&mut bench, &pebble, "yes noise | head -c 100000 >&2; echo 'zone is locked' >&2; exit 3");
    let error = bench.acme().obtain(&wildcard()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Failed);
    let text = told(&error);
    assert!(text.contains("present the DNS record _acme-challenge.innkeeper.test"), "{text}");
    assert!(text.contains("exit status: 3") && text.ends_with("zone is locked"), "{text}");
    assert!(text.len() < 6_000, "{} bytes", text.len());
    let calls = fs::read_to_string(calls).unwrap();
    assert!(calls.lines().last().unwrap().contains(" cleanup "), "what may have been half done is undone: {calls}");
}

#[tokio::test]
async fn a_hook_that_hangs_is_stopped_with_all_that_it_started() {
    let pebble = Pebble::start(5).await;
    let mut bench = Bench::with(&pebble);
    bench.patience.hook = Duration::from_secs(5);
    let child = bench.directory.path().join("child");
    set_hook(
        &mut bench,
        &pebble,
        &format!("[ $2 = cleanup ] || {{ sleep 600 & echo $! >'{}'; wait; }}", child.display()),
    );
    let error = bench.acme().obtain(&wildcard()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Timeout, "{}", told(&error));
    let pid = fs::read_to_string(child).unwrap();
    let status = PathBuf::from(format!("/proc/{}/stat", pid.trim()));
    let gone = async {
        // Ended, or a zombie that nobody has waited for yet.
        while fs::read_to_string(&status).is_ok_and(|stat| !stat.contains(") Z ")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the hook's child still runs");
}

#[tokio::test]
async fn a_record_that_never_shows_is_told_with_the_authoritys_words() {
    let pebble = Pebble::start(5).await;
    let mut bench = Bench::with(&pebble);
    bench.patience.record = Duration::from_millis(300);
    let calls = set_hook(&mut bench, &pebble, "true");
    let error = bench.acme().obtain(&wildcard()).await.unwrap_err();
    let text = told(&error);
    assert!(text.contains("could not verify *.innkeeper.test by dns-01 (its TXT record was not visible in"), "{text}");
    assert!(text.ends_with("(unauthorized)"), "{text}");
    assert!(fs::read_to_string(calls).unwrap().contains(" cleanup "));
}
