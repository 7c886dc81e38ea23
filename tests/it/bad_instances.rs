//! Every file of `tests/bad-instances` is refused with exactly the message that stands beside it.
//!
//! `UPDATE_EXPECT=1` writes the messages anew; read the difference before it is committed.

use crate::read_fleet::{Place, instance_text};
use innkeeper::spec::Fleet;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-instances")
}

/// The stems of all files with `ending`.
fn stems(ending: &str) -> BTreeSet<String> {
    let files =
        std::fs::read_dir(folder()).expect("tests/bad-instances").map(|entry| entry.expect("an entry").file_name());
    files.filter_map(|name| name.to_string_lossy().strip_suffix(ending).map(str::to_owned)).collect()
}

/// What the operator is told when the file stands in a fleet, beside a good one.
fn told(stem: &str) -> (String, Fleet) {
    let place = Place::new();
    place.put_instance("bystander", &instance_text(""));
    let text = std::fs::read(folder().join(format!("{stem}.toml"))).expect("the bad file");
    place.put(&format!("instances.d/{stem}.toml"), text);
    let fleet = place.reader().read().expect("settings and plans are good");
    (fleet.problems.iter().map(|problem| format!("{problem}\n")).collect(), fleet)
}

#[test]
fn every_bad_file_is_refused_with_its_message() {
    let mut wrong = Vec::new();
    for stem in stems(".toml") {
        let (told, fleet) = told(&stem);
        let expected_file = folder().join(format!("{stem}.stderr"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&expected_file, &told).expect("the message is written");
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if told != expected || told.is_empty() {
            wrong.push(format!("{stem}.toml\n--- expected\n{expected}--- told\n{told}"));
        }
        let valid: Vec<_> = fleet.instances.iter().filter(|(_, instance)| instance.valid).collect();
        assert_eq!(valid.len(), 1, "{stem}.toml: the bystander alone is valid");
        assert!(valid.iter().all(|(name, _)| name.as_str() == "bystander"), "{stem}.toml touched its neighbour");
    }
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 accepts the new messages\n\n{}", wrong.join("\n"));
}

#[test]
fn every_message_belongs_to_a_file() {
    assert_eq!(stems(".stderr"), stems(".toml"));
    assert!(stems(".toml").len() >= 40, "the collection has shrunk");
}

#[test]
fn no_message_shows_a_character_that_does_not_print() {
    for stem in stems(".toml") {
        let (told, _) = told(&stem);
        let raw = told.chars().find(|c| (c.is_control() && *c != '\n') || "\u{202E}\u{200B}\u{FEFF}".contains(*c));
        assert_eq!(raw, None, "{stem}.toml: {told:?}");
        let longest = told.lines().map(|line| line.chars().count()).max().unwrap_or_default();
        assert!(longest <= 400, "{stem}.toml: a line of {longest} characters");
    }
}
