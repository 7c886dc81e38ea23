//! Help, exit codes, suggestions, explanations.

use super::fleet::Fleet;
use crate::source::files;
use innkeeper::model::event::Reason;
use regex::Regex;
use std::collections::BTreeSet;

/// Every command of this version.
pub(super) const COMMANDS: [&str; 33] = [
    "help",
    "version",
    "init",
    "new",
    "check",
    "plans",
    "plan",
    "apply",
    "run",
    "status",
    "info",
    "wait",
    "events",
    "logs",
    "start",
    "stop",
    "top",
    "restart",
    "retry",
    "credentials",
    "retire",
    "backups",
    "is-running",
    "is-healthy",
    "alerts",
    "ack",
    "silence",
    "unsilence",
    "doctor",
    "schema",
    "explain",
    "completions",
    "man",
];

#[test]
fn help_lists_all_commands_and_all_exit_codes() {
    let help = Fleet::nowhere().run(&["--help"]).ended(0);
    let commands: BTreeSet<&str> = help
        .stdout
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(commands, BTreeSet::from(COMMANDS));
    for code in 0..=10 {
        assert!(help.stdout.contains(&format!("  {code:>2}  ")), "{code} is not in the help");
    }
    assert!(help.stdout.lines().all(|line| line.chars().count() <= 120), "a line is too long");
}

#[test]
fn every_command_has_help_that_says_what_it_does() {
    let fleet = Fleet::nowhere();
    for command in COMMANDS {
        let help = fleet.run(&[command, "--help"]).ended(0);
        let about = help.stdout.lines().next().unwrap_or_default();
        assert!(about.split(' ').count() >= 3 && !about.starts_with("Usage"), "{command}: {}", help.stdout);
        assert!(help.stdout.contains(&format!("Usage: innkeeper {command}")), "{command}: {}", help.stdout);
        assert!(help.stderr.is_empty(), "{command}");
    }
}

#[test]
fn no_arguments_print_help_and_end_with_2() {
    let ran = Fleet::nowhere().run(&[]).ended(2);
    assert!(ran.stdout.is_empty());
    assert!(ran.stderr.contains("Commands:"));
}

#[test]
fn an_unknown_command_suggests_the_one_that_was_meant() {
    let ran = Fleet::nowhere().run(&["statsu"]).ended(2);
    assert!(ran.stderr.contains("'status'"), "{}", ran.stderr);
    let ran = Fleet::nowhere().run(&["--json", "statsu"]).ended(2);
    assert!(ran.json()["error"]["hint"].as_str().unwrap().contains("'status'"), "{}", ran.stdout);
}

#[test]
fn commands_of_later_versions_are_not_there_yet() {
    for command in ["backup", "restore"] {
        Fleet::nowhere().run(&[command]).ended(2);
    }
}

#[test]
fn a_directory_without_a_fleet_says_how_to_get_one() {
    let ran = Fleet::nowhere().run(&["status"]).ended(6);
    assert!(ran.stderr.contains("innkeeper init"), "{}", ran.stderr);
    assert!(ran.stdout.is_empty());
}

#[test]
fn the_fleet_is_the_flag_then_the_variable_then_the_present_directory() {
    let fleet = Fleet::with_acme();
    let elsewhere = Fleet::nowhere();
    let root = fleet.root().to_str().unwrap();
    elsewhere.run(&["check", "--fleet", root]).ended(0);
    elsewhere.run(&["--fleet", root, "check"]).ended(0);
    let by_variable = elsewhere.command(&["check"]).env("INNKEEPER_FLEET", root).output().unwrap();
    assert_eq!(by_variable.status.code(), Some(0));
    let by_flag = elsewhere.command(&["check", "--fleet", "."]).env("INNKEEPER_FLEET", root).output().unwrap();
    assert_eq!(by_flag.status.code(), Some(6));
    fleet.run(&["check"]).ended(0);
}

#[test]
fn the_settings_may_stand_elsewhere() {
    let fleet = Fleet::with_acme();
    let moved = fleet.path("elsewhere.toml");
    std::fs::rename(fleet.path("innkeeper.toml"), &moved).unwrap();
    fleet.run(&["check"]).ended(6);
    fleet.run(&["check", "--config", moved.to_str().unwrap()]).ended(0);
}

#[test]
fn a_name_that_is_not_there_ends_with_4_and_suggests_the_one_that_was_meant() {
    let fleet = Fleet::with_acme();
    for words in [
        &["info", "acm"][..],
        &["start", "acm"],
        &["stop", "acm"],
        &["wait", "acm"],
        &["restart", "acm"],
        &["retry", "acm"],
        &["events", "acm"],
        &["logs", "acm"],
        &["credentials", "acm"],
        &["plan", "acm"],
        &["apply", "acm", "--yes"],
    ] {
        let ran = fleet.run(words).ended(4);
        assert!(ran.stderr.contains("did you mean \"acme\"?"), "{words:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty(), "{words:?}");
    }
}

#[test]
fn every_code_that_is_listed_is_explained_and_every_printed_code_is_listed() {
    let fleet = Fleet::with_acme();
    let listed = fleet.run(&["explain", "--json"]).ended(0).json();
    let codes: BTreeSet<String> =
        listed["codes"].as_array().unwrap().iter().map(|entry| entry["code"].as_str().unwrap().to_owned()).collect();
    assert!(codes.len() > 60, "{}", codes.len());
    for code in &codes {
        let ran = fleet.run(&["explain", code]).ended(0);
        assert!(ran.stdout.lines().count() >= 3, "{code}: {}", ran.stdout);
    }
    std::fs::write(fleet.instance("broken"), "plan = ").unwrap();
    let failing: [&[&str]; 8] = [
        &["info", "x"],
        &["new", "b", "--plan", "x", "--company", "C", "--admin-email", "a@b.example"],
        &["new", "acme", "--plan", "starter", "--company", "C", "--admin-email", "a@b.example"],
        &["init"],
        &["explain", "IK9999"],
        &["frobnicate"],
        &["apply", "--plan", "no-such-file"],
        &["stop", "broken"],
    ];
    for words in failing {
        let ran = fleet.run(&[words, &["--json"]].concat());
        let code = ran.json()["error"]["code"].as_str().unwrap().to_owned();
        assert!(codes.contains(&code), "{words:?} printed {code}");
    }
}

#[test]
fn exit_codes_are_explained() {
    let one = Fleet::nowhere().run(&["explain", "8"]).ended(0).stdout;
    assert!(one.starts_with("8: exit code: refused by a guard") && one.contains("IK0304  the guard"), "{one}");
    let all = Fleet::nowhere().run(&["explain", "exit"]).ended(0).stdout;
    let help = Fleet::nowhere().run(&["--help"]).ended(0).stdout;
    for (code, title) in [(0, "done, or nothing to do"), (10, "changes pending (plan --detailed-exitcode)")] {
        assert!(all.contains(&format!("{code}: exit code: {title}\n")), "{all}");
        assert!(help.contains(&format!("{code:>4}  {title}\n")), "{help}");
    }
}

#[test]
fn usage_shows_no_flag_that_only_the_environment_gives() {
    let fleet = Fleet::nowhere();
    for words in [&["info"][..], &["info", "--json"]] {
        let mut command = fleet.command(words);
        let ran = super::fleet::Ran::from(command.env("INNKEEPER_FLEET", "/srv/fleet").output().unwrap()).ended(2);
        let told = if words.len() == 1 { &ran.stderr } else { &ran.stdout };
        assert!(told.contains("innkeeper info") && told.contains("<NAME>") && !told.contains("--fleet"), "{told}");
    }
}

#[test]
fn reasons_are_explained_too() {
    let ran = Fleet::nowhere().run(&["explain", "datamissing"]).ended(0);
    assert!(ran.stdout.contains("DataMissing"));
    let ran = Fleet::nowhere().run(&["explain", "DataMising"]).ended(4);
    assert!(ran.stderr.contains("\"DataMissing\""), "{}", ran.stderr);
}

/// Words like `NotLoaded` that the source writes as texts: reasons of conditions, which alerts take over.
fn reasons_in_the_source() -> BTreeSet<String> {
    let reason = Regex::new("\"((?:[A-Z][a-z]+){2,})\"").unwrap();
    let told = files("src/diff", ".rs").into_iter();
    let texts = told.map(|(_, text)| text.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
    texts.flat_map(|text| reason.captures_iter(&text).map(|it| it[1].to_owned()).collect::<Vec<_>>()).collect()
}

#[test]
fn what_is_still_to_come_leads_nobody_to_another_command() {
    for word in ["restore", "backup"] {
        let ran = Fleet::nowhere().run(&[word, "acme"]).ended(2);
        assert!(ran.stderr.contains("is not in this version"), "{}", ran.stderr);
        assert!(!ran.stderr.contains("similar"), "{}", ran.stderr);
    }
}

#[test]
fn every_reason_that_is_told_is_explained() {
    let explained = Fleet::nowhere().run(&["explain", "--json"]).json();
    let codes = explained["codes"].as_array().unwrap().iter().map(|code| code["code"].as_str().unwrap().to_owned());
    let codes: Vec<String> = codes.collect();
    let mut reasons = reasons_in_the_source();
    assert!(reasons.contains("NotLoaded"), "{reasons:?}");
    reasons.extend(Reason::ALL.iter().map(|reason| reason.as_str().to_owned()));
    let unknown: Vec<_> = reasons.iter().filter(|it| !codes.contains(it)).collect();
    assert!(unknown.is_empty(), "`innkeeper explain` does not know {unknown:?}");
    let once: BTreeSet<&String> = codes.iter().collect();
    assert_eq!(once.len(), codes.len(), "explained twice");
}

/// The words that an enum of the model prints: the texts in the body of its `as_str`.
fn words_of(file: &str, of: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let start = text.find(&format!("impl {of} {{")).unwrap();
    let body = text[start..].split("\n}\n").next().unwrap();
    let body = body.split("fn as_str").nth(1).unwrap().split("\n    }\n").next().unwrap();
    Regex::new("=> \"([A-Za-z-]+)\"").unwrap().captures_iter(body).map(|it| it[1].to_owned()).collect()
}

/// The variants of an enum of the model.
fn variants_of(file: &str, of: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let body = text.split(&format!("pub enum {of} {{")).nth(1).unwrap().split("\n}\n").next().unwrap();
    Regex::new("(?m)^    ([A-Z][A-Za-z]+)").unwrap().captures_iter(body).map(|it| it[1].to_owned()).collect()
}

#[test]
fn every_word_that_is_shown_is_explained() {
    let fleet = Fleet::nowhere();
    let explained = fleet.run(&["explain", "--json"]).ended(0).json();
    let codes = explained["codes"].as_array().unwrap().iter().map(|code| code["code"].as_str().unwrap().to_owned());
    let codes: BTreeSet<String> = codes.collect();
    let types = variants_of("src/model/status.rs", "ConditionType");
    let words = [
        words_of("src/model/status.rs", "State"),
        words_of("src/model/step_kind.rs", "StepKind"),
        words_of("src/model/changes.rs", "HoldReason"),
        types,
    ];
    assert!(words.iter().all(|words| words.len() >= 10), "{words:?}");
    let unknown: Vec<&String> = words.iter().flatten().filter(|word| !codes.contains(*word)).collect();
    assert!(unknown.is_empty(), "`innkeeper explain` does not know {unknown:?}");
    let held = fleet.run(&["explain", "held"]).ended(0).stdout;
    assert!(held.contains("held: something waits"), "{held}");
    let unmet = fleet.run(&["explain", "NotSiteReady"]).ended(0).stdout;
    assert!(unmet.contains("innkeeper doctor") && unmet.contains("SiteReady in `innkeeper info NAME`"), "{unmet}");
    let both = fleet.run(&["explain", "FAILED"]).ended(0).stdout;
    assert!(both.contains("failed: a step failed") && both.contains("Failed: a step failed for good"), "{both}");
}

#[test]
fn help_and_version_are_commands_too() {
    let fleet = Fleet::nowhere();
    assert_eq!(fleet.run(&["help"]).ended(0).stdout, fleet.run(&["--help"]).ended(0).stdout);
    assert_eq!(fleet.run(&["help", "wait"]).ended(0).stdout, fleet.run(&["wait", "--help"]).ended(0).stdout);
    assert!(fleet.run(&["help", "wiat"]).ended(2).stderr.contains("did you mean \"wait\"?"));
    assert!(fleet.run(&["help", "restore"]).ended(2).stderr.contains("is not in this version"));
    assert_eq!(fleet.run(&["version"]).ended(0).stdout, fleet.run(&["--version"]).ended(0).stdout);
    assert_eq!(fleet.run(&["version", "--json"]).ended(0).json()["name"], "innkeeper");
}

#[test]
fn v_tells_what_a_command_does_beside_what_it_says() {
    let fleet = Fleet::with_acme();
    let plain = fleet.run(&["check"]).ended(0);
    assert_eq!(
        plain.stderr.matches(" debug ").count() + plain.stderr.matches(" trace ").count(),
        0,
        "{}",
        plain.stderr
    );
    let told = fleet.run(&["status", "-vv"]);
    assert!(told.stderr.contains(" debug ") || told.stderr.contains(" trace "), "{}", told.stderr);
}
