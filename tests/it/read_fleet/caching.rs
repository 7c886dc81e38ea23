//! What is read again, and what stays in force when a file turns bad.

use super::{PLANS, Place, SETTINGS, instance_text, name, of, told, wanted};
use innkeeper::spec::{Fleet, Remembered};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Enough for several threads.
const FILES: usize = 700;

fn many() -> Place {
    let place = Place::new();
    place.put(
        "plans.toml",
        format!("{PLANS}\n[large]\ncpus = 2\nmemory = \"2 GiB\"\ndisk = \"9 GiB\"\nmax_instances = {FILES}\n"),
    );
    for index in 0..FILES {
        place.put_instance(&format!("c{index:03}"), &instance_text("plan = \"large\""));
    }
    place
}

/// How many instances of both readings are one object in memory.
fn shared(one: &Fleet, other: &Fleet) -> usize {
    let both = one.instances.iter().filter_map(|(name, one)| Some((one, other.instances.get(name)?)));
    both.filter(|(one, other)| match (&one.wanted, &other.wanted) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        _ => false,
    })
    .count()
}

#[test]
fn one_changed_file_costs_one_parse() {
    let place = many();
    let mut reader = place.reader();
    let first = reader.read().expect("a fleet");
    assert_eq!(told(&first), "");
    assert_eq!(reader.parses(), FILES as u64 + 2, "each file once");
    let second = reader.read().expect("a fleet");
    assert_eq!((reader.parses(), shared(&first, &second)), (FILES as u64 + 2, FILES), "nothing changed");
    place.put_instance("c123", &instance_text("plan = \"large\"\nstate = \"stopped\""));
    let third = reader.read().expect("a fleet");
    assert_eq!((reader.parses(), shared(&second, &third)), (FILES as u64 + 3, FILES - 1));
    assert_eq!(wanted(&third, "c123").state.as_str(), "stopped");
    assert_ne!(of(&third, "c123").digest, of(&second, "c123").digest);
}

#[test]
fn a_file_written_in_place_is_noticed() {
    let place = Place::new();
    place.put_instance("acme", &instance_text("state = \"running\""));
    let mut reader = place.reader();
    reader.read().expect("a fleet");
    std::fs::write(place.path("instances.d/acme.toml"), instance_text("state = \"stopped\"")).expect("written");
    let fleet = reader.read().expect("a fleet");
    assert_eq!(wanted(&fleet, "acme").state.as_str(), "stopped");
}

#[test]
fn a_changed_plan_costs_one_parse_and_reaches_its_instances_alone() {
    let place = Place::new();
    place.put_instance("one", &instance_text(""));
    place.put_instance("two", &instance_text("plan = \"small\""));
    let mut reader = place.reader();
    let before = reader.read().expect("a fleet");
    place.put("plans.toml", PLANS.replace("\"1 GiB\"", "\"3 GiB\"").replacen("\"3 GiB\"", "\"4 GiB\"", 1));
    let after = reader.read().expect("a fleet");
    assert_eq!(reader.parses(), 5);
    assert_eq!(wanted(&after, "one").limits.memory.0, 4 << 30);
    assert!(!Arc::ptr_eq(wanted(&before, "one"), wanted(&after, "one")));
    place.put(
        "plans.toml",
        format!("# a comment\n{}", std::fs::read_to_string(place.path("plans.toml")).expect("plans")),
    );
    let commented = reader.read().expect("a fleet");
    assert_eq!(shared(&after, &commented), 2, "a comment changes nothing");
}

#[test]
fn the_last_good_version_stays_in_force_while_a_file_is_bad() {
    let good = instance_text("subdomain = \"first\"");
    let bad: [&[u8]; 7] = [
        b"",
        b"plan = \"star",
        b"plan = \"starter\"\n\x00",
        b"plan = \"gone\"\n[company]\nname = \"x\"\n[admin]\nemail = \"a@b.example\"\n",
        b"plan = \"starter\"\nsubdomain = \"www\"\n[company]\nname = \"x\"\n[admin]\nemail = \"a@b.example\"\n",
        b"plan = 1",
        &[0xFF; 20],
    ];
    for text in bad {
        let place = Place::new();
        place.put_instance("acme", &good);
        place.put_instance("other", &instance_text(""));
        let mut reader = place.reader();
        let before = reader.read().expect("a fleet");
        place.put("instances.d/acme.toml", text);
        place.put_instance("other", &instance_text("state = \"stopped\""));
        let after = reader.read().expect("a fleet");
        let acme = of(&after, "acme");
        assert!(!acme.valid && !acme.problems.is_empty(), "{text:?}");
        assert!(Arc::ptr_eq(wanted(&before, "acme"), wanted(&after, "acme")), "{text:?}");
        assert!(of(&after, "other").valid, "{text:?} touched its neighbour");
        assert_eq!(wanted(&after, "other").state.as_str(), "stopped");
        place.put_instance("acme", &instance_text("subdomain = \"second\""));
        let healed = reader.read().expect("a fleet");
        assert_eq!((told(&healed).as_str(), wanted(&healed, "acme").subdomain.as_str()), ("", "second"));
    }
}

#[test]
fn the_last_good_plans_and_settings_stay_in_force() {
    let cases = [
        ("plans.toml", "[starter"),
        ("plans.toml", ""),
        ("innkeeper.toml", "[fleet]\nbase_domain = 1"),
        ("innkeeper.toml", "\0"),
    ];
    for (file, text) in cases {
        let place = Place::new();
        place.put_instance("acme", &instance_text(""));
        let mut reader = place.reader();
        reader.read().expect("a fleet");
        place.put(file, text);
        place.put_instance("acme", &instance_text("state = \"stopped\""));
        place.put_instance("new", &instance_text(""));
        let fleet = reader.read().expect("the last good version is in force");
        assert!(fleet.problems.iter().all(|problem| problem.file.as_os_str() == file), "{}", told(&fleet));
        assert!(!fleet.problems.is_empty());
        assert_eq!(wanted(&fleet, "acme").state.as_str(), "stopped");
        assert!(of(&fleet, "new").valid && of(&fleet, "acme").valid);
        place.put("innkeeper.toml", SETTINGS);
        place.put("plans.toml", PLANS);
        assert_eq!(told(&reader.read().expect("a fleet")), "");
    }
}

#[test]
fn without_a_good_version_of_plans_every_problem_of_every_file_is_told() {
    let place = Place::new();
    place.put("plans.toml", "[starter]\ncpus = 0\n");
    place.put_instance("acme", "plam = \"starter\"");
    let error = place.reader().read().expect_err("there are no plans");
    let told: String = error.problems.iter().map(|problem| format!("{problem}\n")).collect();
    expect_test::expect![[r#"
        instances.d/acme.toml: admin.email is missing [IK0112]
          hint: add a line such as email = "admin@mycompany.com" to [admin]
        instances.d/acme.toml: company.name is missing [IK0112]
          hint: add a line such as name = "My Company Ltd" to [company]
        instances.d/acme.toml: plan is missing [IK0112]
          hint: add a line such as plan = "starter"
        instances.d/acme.toml:1:1: unknown key "plam" [IK0109]
          hint: did you mean "plan"?
        plans.toml:1:2: disk is missing [IK0112]
          hint: add a line such as disk = "5 GiB"
        plans.toml:1:2: memory is missing [IK0112]
          hint: add a line such as memory = "1 GiB"
        plans.toml:2:8: cpus: 0 is not a number from 0.1 to 64 [IK0115]
    "#]]
    .assert_eq(&told);
    std::fs::remove_file(place.path("innkeeper.toml")).expect("removed");
    let error = place.reader().read().expect_err("there are no settings");
    assert!(error.problems.iter().any(|problem| problem.file.as_os_str() == "innkeeper.toml" && problem.line == 0));
}

#[test]
fn what_the_journal_remembers_survives_a_restart() {
    let place = Place::new();
    place.put_instance("acme", &instance_text("subdomain = \"first\""));
    let good = Arc::clone(wanted(&place.reader().read().expect("a fleet"), "acme"));
    place.put_instance("acme", "plan = \"star");
    let mut reader = place.reader();
    reader.remember(Remembered { last_good: BTreeMap::from([(name("acme"), Arc::clone(&good))]) });
    let fleet = reader.read().expect("a fleet");
    assert!(!of(&fleet, "acme").valid);
    assert!(Arc::ptr_eq(wanted(&fleet, "acme"), &good));
    place.put_instance("acme", &instance_text("subdomain = \"first\""));
    let fleet = reader.read().expect("a fleet");
    assert!(of(&fleet, "acme").valid && Arc::ptr_eq(wanted(&fleet, "acme"), &good), "the same wish is the same object");
}

#[test]
fn a_removed_file_is_gone_and_comes_back_as_the_same_instance() {
    let place = Place::new();
    place.put_instance("acme", &instance_text(""));
    place.put_instance("other", &instance_text(""));
    let mut reader = place.reader();
    let before = reader.read().expect("a fleet");
    std::fs::remove_file(place.path("instances.d/acme.toml")).expect("removed");
    let without = reader.read().expect("a fleet");
    assert!(without.complete && !without.instances.contains_key(&name("acme")));
    assert!(of(&without, "other").valid);
    place.put_instance("acme", "");
    let back = reader.read().expect("a fleet");
    assert!(Arc::ptr_eq(wanted(&back, "acme"), wanted(&before, "acme")), "its last good version was kept");
}

#[test]
fn nothing_is_concluded_from_a_directory_that_is_gone() {
    let place = Place::new();
    place.put_instance("acme", &instance_text(""));
    let mut reader = place.reader();
    let before = reader.read().expect("a fleet");
    std::fs::rename(place.path("instances.d"), place.path("elsewhere")).expect("renamed");
    let without = reader.read().expect("a fleet");
    assert!(!without.complete);
    assert!(of(&without, "acme").valid && shared(&before, &without) == 1);
    assert!(told(&without).starts_with("instances.d: the directory cannot be listed"), "{}", told(&without));
    std::fs::write(place.path("instances.d"), "a file").expect("written");
    assert!(!reader.read().expect("a fleet").complete, "a file is not a directory");
    std::fs::remove_file(place.path("instances.d")).expect("removed");
    std::os::unix::fs::symlink(place.path("elsewhere"), place.path("instances.d")).expect("linked");
    let back = reader.read().expect("a fleet");
    assert!(back.complete && shared(&before, &back) == 1 && reader.parses() == 3);
}

#[test]
fn a_directory_that_is_gone_at_the_start_leaves_what_is_remembered() {
    let place = Place::new();
    place.put_instance("acme", &instance_text(""));
    let good = Arc::clone(wanted(&place.reader().read().expect("a fleet"), "acme"));
    std::fs::rename(place.path("instances.d"), place.path("elsewhere")).expect("renamed");
    let mut reader = place.reader();
    reader.remember(Remembered { last_good: BTreeMap::from([(name("acme"), good)]) });
    let fleet = reader.read().expect("a fleet");
    assert!(!fleet.complete && fleet.instances.contains_key(&name("acme")));
}
