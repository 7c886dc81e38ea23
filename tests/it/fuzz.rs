//! Hostile input: whatever stands in a file, no reader panics, one file's text harms no other file, and nothing of it
//! leaves its place in nginx's files. The corpus in `tests/fuzz-corpus` is read as it is and mutated.

use crate::nginx_rendering::shipped;
use crate::read_fleet::{PLANS, Place, SETTINGS, instance_text};
use innkeeper::model::name::{Domain, InstanceName, Uid};
use innkeeper::model::service::Ports;
use innkeeper::model::site::{CertificateName, SitePage, SiteRow};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

/// Bytes of the longest piece that is put in.
const PIECE_BYTES_MAX: usize = 64;
/// Hosts that are tried, and how many must come into nginx's files at least. Six of ten are plausible: fewer are no bad
/// luck.
const HOSTS: u32 = 40;
const HOSTS_RENDERED_MIN: u32 = 8;

/// The corpus: any bytes that once were worth keeping, by their file's name.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz-corpus");
    let files = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut corpus: Vec<_> = files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap()))
        .collect();
    corpus.sort();
    assert!(corpus.len() >= 10, "the corpus is gone");
    corpus.extend([SETTINGS, PLANS, &instance_text("")].map(|text| ("good".to_owned(), text.as_bytes().to_vec())));
    corpus
}

/// Puts the bytes in the place of each of the three kinds of files. The others stay in force, and what is told prints.
fn swallow(bytes: &[u8]) {
    let place = Place::new();
    place.put("instances.d/bystander.toml", instance_text(""));
    let mut reader = place.reader();
    reader.read().unwrap();
    for file in ["instances.d/acme.toml", "plans.toml", "innkeeper.toml"] {
        place.put(file, bytes);
        let fleet = reader.read().expect("the last good versions are in force");
        let told: String = fleet.problems.iter().map(|problem| format!("{problem}\n")).collect();
        assert!(!told.chars().any(|c| c.is_control() && c != '\n'), "{told:?}");
        let stranger = |name: &InstanceName| name.as_str() != "acme" && name.as_str() != "bystander";
        assert!(!fleet.instances.keys().any(stranger), "{:?}", fleet.instances.keys());
        let bystander = &fleet.instances[&InstanceName::parse("bystander").unwrap()];
        assert!(bystander.wanted.is_some(), "{told}");
    }
}

#[test]
fn the_corpus_is_swallowed() {
    corpus().iter().for_each(|(_, bytes)| swallow(bytes));
}

/// One of the corpus with a piece cut out, and a piece of another one or any bytes put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let texts: Vec<Vec<u8>> = corpus().into_iter().map(|(_, bytes)| bytes).collect();
    let one = proptest::sample::select(texts);
    let piece = proptest::collection::vec(any::<u8>(), 0..PIECE_BYTES_MAX);
    (one.clone(), one, any::<[proptest::sample::Index; 4]>(), piece, any::<bool>()).prop_map(
        |(text, other, [from, cut, start, length], bytes, random)| {
            let from = from.index(text.len() + 1);
            let to = (from + cut.index(PIECE_BYTES_MAX)).min(text.len());
            let start = start.index(other.len() + 1);
            let end = (start + length.index(PIECE_BYTES_MAX)).min(other.len());
            let piece = if random { &bytes[..] } else { &other[start..end] };
            [&text[..from], piece, &text[to..]].concat()
        },
    )
}

fn row(instance: &str, hosts: BTreeMap<Domain, CertificateName>, page: SitePage) -> SiteRow {
    let instance = InstanceName::parse(instance).unwrap();
    let ports = Ports { http: 20_000 };
    SiteRow {
        instance,
        uid: Uid(uuid::Uuid::nil()),
        hosts,
        ports,
        gevent: true,
        page,
        template: None,
        language: None,
        redirect: None,
    }
}

/// The lines that one customer's row gives, sorted, with his own words taken out.
fn shape(row: SiteRow, words: &[&str]) -> Option<Vec<String>> {
    let name = row.instance.clone();
    let (files, refused) = shipped().preview(&BTreeMap::from([(name.clone(), row)])).unwrap();
    let mut text = files.into_values().collect::<String>();
    for word in words {
        text = text.replace(word, "WORD");
    }
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    (!refused.contains_key(&name)).then_some(lines)
}

/// What somebody might try to write as a host.
fn host() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9-]{1,12}",
        "\\PC{0,8}",
        Just("; root /etc".to_owned()),
        Just("\n}".to_owned()),
        Just("$host".to_owned()),
        Just("{".to_owned()),
        Just("\"".to_owned()),
        Just("~^.*$".to_owned()),
        Just("default".to_owned()),
        Just("*.".to_owned()),
        Just("include".to_owned()),
        Just("xn--".to_owned()),
    ];
    (proptest::collection::vec(piece, 1..5), prop_oneof![Just(""), Just("."), Just(".org")])
        .prop_map(|(pieces, end)| pieces.join(".") + end)
}

/// What a customer has: almost none of what [`host`] makes is a name at all.
fn plausible_host() -> impl Strategy<Value = String> {
    let words = vec!["default", "include", "root", "server", "xn--p1ai"];
    let label = prop_oneof![
        4 => "[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?",
        1 => proptest::sample::select(words).prop_map(str::to_owned),
    ];
    (proptest::collection::vec(label, 1..4), "[a-z][a-z0-9-]{0,6}[a-z0-9]")
        .prop_map(|(labels, last)| format!("{}.{last}", labels.join(".")))
}

/// Compares the lines of a site at that host with those of a plain one. True when the host came into them at all.
fn stays_in_its_place(text: &str, closed: bool) -> Result<bool, TestCaseError> {
    let Ok(domain) = Domain::parse(text) else { return Ok(false) };
    let page = if closed { SitePage::Stopped } else { SitePage::Serve };
    let certified = |host: &Domain| BTreeMap::from([(host.clone(), CertificateName::host(host))]);
    let plain = Domain::parse("plain-customer.example.net").unwrap();
    let expected = shape(row("acme", certified(&plain), page), &[plain.as_str()]);
    prop_assume!(!expected.iter().flatten().any(|line| line.contains(domain.as_str())));
    let found = shape(row("acme", certified(&domain), page), &[domain.as_str()]);
    prop_assert!(found.is_none() || found == expected, "{domain:?}: {found:#?}");
    Ok(found.is_some())
}

#[test]
fn no_host_leaves_its_place() {
    let rendered = Cell::new(0);
    let config = ProptestConfig { cases: HOSTS, failure_persistence: None, ..ProptestConfig::default() };
    let hosts = prop_oneof![6 => plausible_host(), 4 => host()];
    let ran = TestRunner::new(config).run(&(hosts, any::<bool>()), |(text, closed)| {
        rendered.set(rendered.get() + u32::from(stays_in_its_place(&text, closed)?));
        Ok(())
    });
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(rendered.get() >= HOSTS_RENDERED_MIN, "only {} of {HOSTS} hosts were rendered", rendered.get());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_mutation_makes_a_reader_panic_or_harms_another_file(bytes in mutated()) {
        swallow(&bytes);
    }
}

proptest! {
    // Rendering takes its time where nothing is optimized.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_certificates_name_leaves_its_place(text in host(), any_text in "\\PC{0,40}") {
        let host = Domain::parse("acme.example.com").unwrap();
        for name in [text, any_text] {
            let hosts = BTreeMap::from([(host.clone(), CertificateName(name.clone()))]);
            // Any host is a certificate's name; a wildcard is only ours.
            let harmless = Domain::parse(&name).is_ok() || name == "*.example.com";
            let accepted = shape(row("acme", hosts, SitePage::Serve), &[]).is_some();
            prop_assert!(!accepted || harmless, "{name:?} was taken for a certificate of {host}");
        }
    }
}
