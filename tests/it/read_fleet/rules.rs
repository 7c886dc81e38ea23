//! The rules across files: one domain, one instance; a plan takes as many as it may.

use super::{PLANS, Place, instance_text, name, of, read, told, wanted};
use expect_test::{Expect, expect};
use innkeeper::spec::{Fleet, Reader, Remembered};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands against a fleet of new files.
fn check(files: &[(&str, &str)], expected: Expect) {
    let files: Vec<(&str, String)> = files.iter().map(|(name, more)| (*name, instance_text(more))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    expected.assert_eq(&told(&read(&files)));
}

fn valid(fleet: &Fleet) -> Vec<&str> {
    fleet.instances.iter().filter(|(_, instance)| instance.valid).map(|(name, _)| name.as_str()).collect()
}

/// Writes each file, reads once, and gives the reader for what comes next.
fn begin(files: &[(&str, &str)]) -> (Place, Reader) {
    let place = Place::new();
    files.iter().for_each(|(name, more)| place.put_instance(name, &instance_text(more)));
    let mut reader = place.reader();
    assert_eq!(told(&reader.read().expect("a fleet")), "");
    (place, reader)
}

#[test]
fn among_new_files_the_first_by_name_gets_the_domain() {
    check(
        &[
            ("b", "domains = [\"erp.a.com\"]"),
            ("a", "domains = [\"x.a.com\",\n  \"erp.a.com\"]"),
            ("c", "domains = [\"c.com\"]"),
        ],
        expect![[r#"
            instances.d/b.toml:2:12: domain "erp.a.com" is used by instances.d/a.toml [IK0128]
              hint: remove it here or there
        "#]],
    );
    check(
        &[("shop", ""), ("acme", "subdomain = \"shop\""), ("zeta", "subdomain = \"shop\"")],
        expect![[r#"
            instances.d/shop.toml: subdomain "shop" is used by instances.d/acme.toml [IK0128]
              hint: choose another: subdomain = "…"
            instances.d/zeta.toml:2:13: subdomain "shop" is used by instances.d/acme.toml [IK0128]
              hint: choose another: subdomain = "…"
        "#]],
    );
}

#[test]
fn every_domain_that_is_taken_is_told() {
    check(
        &[
            ("a", "domains = [\"one.com\", \"two.com\"]"),
            ("b", "subdomain = \"a\"\ndomains = [\"two.com\", \"one.com\"]"),
        ],
        expect![[r#"
            instances.d/b.toml:2:13: subdomain "a" is used by instances.d/a.toml [IK0128]
              hint: choose another: subdomain = "…"
            instances.d/b.toml:3:12: domain "two.com" is used by instances.d/a.toml [IK0128]
              hint: remove it here or there
            instances.d/b.toml:3:23: domain "one.com" is used by instances.d/a.toml [IK0128]
              hint: remove it here or there
        "#]],
    );
}

#[test]
fn the_present_owner_keeps_its_domain() {
    let (place, mut reader) = begin(&[("zeta", "domains = [\"erp.com\"]")]);
    place.put_instance("acme", &instance_text("domains = [\"erp.com\"]"));
    let fleet = reader.read().expect("a fleet");
    assert_eq!(valid(&fleet), ["zeta"]);
    assert!(of(&fleet, "acme").wanted.is_none(), "it has no version that was ever good");
    // Its own file turns bad: the domain stays its.
    place.put_instance("zeta", "plan = ");
    assert_eq!(valid(&reader.read().expect("a fleet")), [""; 0]);
    // It gives the domain up: the other gets it.
    place.put_instance("zeta", &instance_text(""));
    let fleet = reader.read().expect("a fleet");
    assert_eq!((valid(&fleet), told(&fleet).as_str()), (vec!["acme", "zeta"], ""));
}

#[test]
fn an_instance_without_a_file_keeps_its_domain() {
    let (place, mut reader) = begin(&[("zeta", "domains = [\"erp.com\"]")]);
    std::fs::remove_file(place.path("instances.d/zeta.toml")).expect("removed");
    place.put_instance("acme", &instance_text("domains = [\"erp.com\"]"));
    let fleet = reader.read().expect("a fleet");
    assert_eq!(valid(&fleet), [""; 0]);
    assert!(told(&fleet).contains("by the instance zeta, whose file is missing"), "{}", told(&fleet));
    reader.remember(Remembered::default());
    assert_eq!(valid(&reader.read().expect("a fleet")), ["acme"], "until the journal forgets it");
}

#[test]
fn a_restart_does_not_change_the_owner() {
    let (place, mut reader) = begin(&[("zeta", "domains = [\"erp.com\"]")]);
    let good = Arc::clone(wanted(&reader.read().expect("a fleet"), "zeta"));
    place.put_instance("acme", &instance_text("domains = [\"erp.com\"]"));
    let mut restarted = place.reader();
    restarted.remember(Remembered { last_good: BTreeMap::from([(name("zeta"), good)]) });
    assert_eq!(valid(&restarted.read().expect("a fleet")), ["zeta"]);
}

#[test]
fn two_instances_may_swap_their_domains_in_one_change() {
    let (place, mut reader) = begin(&[("a", "domains = [\"one.com\"]"), ("b", "domains = [\"two.com\"]")]);
    place.put_instance("a", &instance_text("domains = [\"two.com\"]"));
    place.put_instance("b", &instance_text("domains = [\"one.com\"]"));
    let fleet = reader.read().expect("a fleet");
    assert_eq!((valid(&fleet), told(&fleet).as_str()), (vec!["a", "b"], ""));
}

#[test]
fn whoever_is_refused_keeps_what_it_had_and_that_refuses_others() {
    let (place, mut reader) = begin(&[
        ("a", "domains = [\"one.com\"]"),
        ("b", "domains = [\"two.com\"]"),
        ("c", "domains = [\"three.com\"]"),
    ]);
    // a wants b's, b wants c's, c keeps its own: nobody moves, each keeps its own.
    place.put_instance("a", &instance_text("domains = [\"two.com\"]"));
    place.put_instance("b", &instance_text("domains = [\"three.com\"]"));
    let fleet = reader.read().expect("a fleet");
    assert_eq!(valid(&fleet), ["c"], "{}", told(&fleet));
    for (instance, domain) in [("a", "one.com"), ("b", "two.com"), ("c", "three.com")] {
        let domains: Vec<_> = wanted(&fleet, instance).domains.iter().map(|domain| domain.as_str()).collect();
        assert_eq!(domains, [domain]);
    }
}

#[test]
fn the_newest_file_waits_when_a_plan_is_full() {
    let place = Place::new();
    for (age, name) in ["zeta", "mike", "acme"].into_iter().enumerate() {
        place.put_instance(name, &instance_text("plan = \"small\""));
        let modified = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000 + age as u64);
        let file = std::fs::File::open(place.path(format!("instances.d/{name}.toml"))).expect("opened");
        file.set_modified(modified).expect("its time is set");
    }
    let mut reader = place.reader();
    let fleet = reader.read().expect("a fleet");
    assert_eq!(valid(&fleet), ["mike", "zeta"]);
    expect![[r#"
        instances.d/acme.toml:1:8: plan "small" is full: it takes 2 instances [IK0130]
          hint: raise max_instances in plans.toml, or choose another plan
    "#]]
    .assert_eq(&told(&fleet));
    // A place becomes free by an instance that is to be retired.
    place.put_instance("zeta", &instance_text("plan = \"small\"\nstate = \"absent\""));
    assert_eq!(valid(&reader.read().expect("a fleet")), ["acme", "mike", "zeta"]);
}

#[test]
fn those_on_a_plan_stay_when_it_is_made_smaller() {
    let (place, mut reader) = begin(&[("a", "plan = \"small\""), ("b", "plan = \"small\"")]);
    place.put("plans.toml", PLANS.replace("max_instances = 2", "max_instances = 1"));
    place.put_instance("c", &instance_text("plan = \"small\""));
    assert_eq!(valid(&reader.read().expect("a fleet")), ["a", "b"]);
}

#[test]
fn an_instance_that_cannot_change_its_plan_stays_on_the_old_one() {
    let (place, mut reader) = begin(&[("a", "plan = \"small\""), ("b", "plan = \"small\""), ("c", "")]);
    place.put_instance("c", &instance_text("plan = \"small\"\nsubdomain = \"elsewhere\""));
    // It keeps its host as well, so nobody else gets that.
    place.put_instance("aa", &instance_text("subdomain = \"c\""));
    let fleet = reader.read().expect("a fleet");
    assert_eq!(valid(&fleet), ["a", "b"], "{}", told(&fleet));
    assert_eq!((wanted(&fleet, "c").plan.as_str(), wanted(&fleet, "c").subdomain.as_str()), ("starter", "c"));
}

#[test]
fn a_quarrel_does_not_depend_on_the_order_of_reading() {
    let files =
        [("b", "domains = [\"x.com\"]"), ("c", "domains = [\"x.com\", \"y.com\"]"), ("d", "domains = [\"y.com\"]")];
    let first = begin(&[]).0;
    let mut orders = Vec::new();
    for rotation in 0..files.len() {
        for (name, more) in files.iter().cycle().skip(rotation).take(files.len()) {
            first.put_instance(name, &instance_text(more));
        }
        orders.push(told(&first.reader().read().expect("a fleet")));
    }
    assert!(orders.windows(2).all(|pair| pair[0] == pair[1]), "{orders:?}");
    assert!(orders[0].contains("c.toml:2:12") && !orders[0].contains("instances.d/d.toml:"), "{}", orders[0]);
}

#[test]
fn a_file_is_refused_only_for_what_it_names() {
    let (place, mut reader) = begin(&[("beta", "")]);
    // Retired, and its site had the name when its own file had given it up already.
    let host = |text: &str| innkeeper::model::name::Domain::parse(text).expect("a domain");
    reader.reserve(BTreeMap::from([(name("acme"), [host("acme.example.com"), host("beta.example.com")].into())]));
    place.put_instance("acme", &instance_text(""));
    let fleet = reader.read().expect("a fleet");
    assert_eq!((told(&fleet).as_str(), valid(&fleet)), ("", vec!["acme", "beta"]));
    // What a retired instance keeps is refused to whoever comes later.
    place.put_instance("citrus", &instance_text("subdomain = \"acme\""));
    std::fs::remove_file(place.path("instances.d/acme.toml")).expect("removed");
    let fleet = reader.read().expect("a fleet");
    assert!(told(&fleet).contains("instances.d/citrus.toml:2:13: subdomain \"acme\" is used by"), "{}", told(&fleet));
}

#[test]
fn a_retired_instance_that_is_wanted_again_under_other_names_gives_up_its_former_ones() {
    let (place, mut reader) = begin(&[("acme", "subdomain = \"beta\""), ("beta", "subdomain = \"acme\"")]);
    let host = |text: &str| innkeeper::model::name::Domain::parse(text).expect("a domain");
    place.put_instance("acme", &instance_text("subdomain = \"beta\"\nstate = \"absent\""));
    reader.reserve(BTreeMap::from([(name("acme"), [host("beta.example.com")].into())]));
    assert_eq!(told(&reader.read().expect("a fleet")), "");
    // While its end is wanted its names are kept.
    place.put_instance("beta", &instance_text(""));
    let fleet = reader.read().expect("a fleet");
    assert!(told(&fleet).contains("is used by the retired instance acme"), "{}", told(&fleet));
    // Each file with its own name at last: nothing of acme's is beta's any more.
    place.put_instance("acme", &instance_text(""));
    let fleet = reader.read().expect("a fleet");
    assert_eq!((told(&fleet).as_str(), valid(&fleet)), ("", vec!["acme", "beta"]));
}
