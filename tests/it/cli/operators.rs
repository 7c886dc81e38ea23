//! What an operator asks of a fleet that runs, and what is asked before anything runs: the exit codes and words that
//! scripts go by.

use super::fleet::{Fleet, Ran};
use super::rehearse::Rehearsal;
use serde_json::Value;
use std::process::{Command, Stdio};

fn run(rehearsal: &Rehearsal, words: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
    command.arg("--fleet").arg(&rehearsal.fleet).args(words).stdin(Stdio::null());
    command.output().unwrap().into()
}

#[test]
fn a_running_fleet_answers_scripts_and_people() {
    let rehearsal = Rehearsal::start(&[]);
    rehearsal.until("58 that are ready", |it| it.count("ready") >= 58);
    rehearsal.until("one that failed", |it| it.count("failed") == 1);
    let status = rehearsal.ask(&["status"]);
    let failed = named(&status, "failed");
    let ready = named(&status, "ready");
    forms_of_status_hold_the_same(&rehearsal, &status, &ready);
    questions_are_answered_by_the_exit_code(&rehearsal, &ready, &failed);
    an_alert_is_acknowledged_silenced_and_opened_again(&rehearsal, &failed);
    what_cannot_be_silenced_is_said(&rehearsal, &failed);
    rehearsal.end();
}

/// The first instance in that state.
fn named(status: &Value, state: &str) -> String {
    let found = status["instances"].as_array().unwrap().iter().find(|it| it["state"] == state).unwrap();
    found["name"].as_str().unwrap().to_owned()
}

fn forms_of_status_hold_the_same(rehearsal: &Rehearsal, status: &Value, ready: &str) {
    let names: Vec<&str> =
        status["instances"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    let told = run(rehearsal, &["status", "-o", "name"]).ended(0).stdout;
    assert_eq!(told.lines().collect::<Vec<_>>(), names);
    let plain = run(rehearsal, &["status", "-o", "plain"]).ended(0).stdout;
    assert_eq!(plain.lines().count(), names.len(), "one record a line");
    for line in plain.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        assert_eq!(fields.len(), 11, "{line:?}");
        assert!(fields.iter().all(|field| !field.is_empty()), "{line:?}");
    }
    let wide = run(rehearsal, &["status", ready, "-o", "wide"]).ended(0).stdout;
    assert!(wide.contains(" StepDone: "), "one that is named ends with what happened to it:\n{wide}");
    assert!(!run(rehearsal, &["status"]).ended(0).stdout.contains(" StepDone: "), "the whole fleet does not");
}

fn questions_are_answered_by_the_exit_code(rehearsal: &Rehearsal, ready: &str, failed: &str) {
    for question in ["is-running", "is-healthy"] {
        assert_eq!(run(rehearsal, &[question, ready]).ended(0).stdout, "ready\n", "{question}");
        run(rehearsal, &[question, "nobody"]).ended(4);
    }
    assert_eq!(run(rehearsal, &["is-healthy", failed]).ended(3).stdout, "failed\n");
    let both = run(rehearsal, &["is-healthy", ready, failed, "--json"]).ended(3).json();
    let told = run(rehearsal, &["is-healthy", ready, failed]).ended(3).stdout;
    assert!(told.contains(&format!("{ready}  ready\n")) && told.contains(&format!("{failed}  failed\n")), "{told}");
    assert_eq!((both["yes"].clone(), both["instances"].as_array().unwrap().len()), (Value::Bool(false), 2));
}

/// The alert of that instance, as `alerts --json` tells it.
fn alert_of(rehearsal: &Rehearsal, name: &str) -> Value {
    let alerts = rehearsal.ask(&["alerts", name]);
    let all = alerts["alerts"].as_array().unwrap();
    assert_eq!(all.len(), 1, "{alerts:#}");
    all[0].clone()
}

fn an_alert_is_acknowledged_silenced_and_opened_again(rehearsal: &Rehearsal, failed: &str) {
    let open = alert_of(rehearsal, failed);
    assert_eq!(open["silence"], Value::Null);
    let reason = open["reason"].as_str().unwrap();

    run(rehearsal, &["ack", failed]).ended(0);
    let seen = alert_of(rehearsal, failed);
    assert_eq!(seen["silence"]["until"], Value::Null, "until it is over: {seen:#}");
    let table = run(rehearsal, &["alerts"]).ended(0).stdout;
    assert!(table.contains("seen by ") && table.contains(reason), "{table}");
    let status = run(rehearsal, &["status"]).ended(0).stdout;
    assert!(status.contains("(seen by "), "it is told on:\n{status}");
    let counted = rehearsal.ask(&["status"]);
    let alerts = counted["alerts"].as_array().unwrap();
    assert!(alerts.iter().any(|it| it["instance"] == failed && it["reason"] == reason), "{counted:#}");

    run(rehearsal, &["silence", failed, reason, "--for", "4h"]).ended(0);
    assert!(alert_of(rehearsal, failed)["silence"]["until"].is_string());
    let silenced = run(rehearsal, &["alerts"]).ended(0).stdout;
    assert!(silenced.contains("silenced until "), "{silenced}");
    let ended = run(rehearsal, &["unsilence", failed, "--json"]).ended(0).json();
    assert_eq!(ended["ended"], 1, "the silence took the place of the acknowledgement");
    assert_eq!(alert_of(rehearsal, failed)["silence"], Value::Null);
    let events = rehearsal.told(&["events", failed, "-n", "30"]);
    for word in ["AlertSeen", "AlertSilenced", "SilenceEnded"] {
        assert!(events.contains(word), "{word} is no event:\n{events}");
    }
    assert!(events.contains("[asked by "), "who asked is told:\n{events}");

    // For work on one of which no alert is open: what comes meanwhile is covered.
    let ready = named(&rehearsal.ask(&["status"]), "ready");
    run(rehearsal, &["silence", &ready, "--until", "tomorrow"]).ended(0);
    let listed = run(rehearsal, &["alerts", &ready]).ended(0).stdout;
    assert!(listed.contains(&format!("{ready}: everything is silenced until ")), "{listed}");
    let ended = run(rehearsal, &["unsilence", &ready]).ended(0).stderr;
    assert!(
        ended.contains(&format!("{ready} (all alerts): open again; {ready} (all alerts) was silenced until ")),
        "{ended}"
    );
}

fn what_cannot_be_silenced_is_said(rehearsal: &Rehearsal, failed: &str) {
    for (words, code, said) in [
        (&["silence", failed][..], 2, "--for"),
        (&["silence", failed, "--for", "soon"], 2, "is not a duration"),
        (&["silence", failed, "--until", "yesterday"], 1, "is over already"),
        (&["silence", failed, "--for", "52w"], 1, "90 days at most"),
        (&["silence", failed, "CpuBussy", "--for", "1h"], 4, "no alert has the reason"),
        (&["silence", "nobody", "--for", "1h"], 4, "there is no instance"),
        (&["ack", "--host"], 1, "the host has no open alert"),
        (&["unsilence", failed], 1, "are not silenced"),
    ] {
        let ran = run(rehearsal, words).ended(code);
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.stderr);
    }
}

#[test]
fn silencing_needs_a_daemon_and_says_so() {
    let fleet = Fleet::with_acme();
    let ran = fleet.run(&["silence", "acme", "--for", "1h"]).ended(5);
    assert!(ran.stderr.contains("start it with `innkeeper run`"), "{}", ran.stderr);
}

#[test]
fn a_dry_run_prints_the_difference_and_changes_nothing() {
    let fleet = Fleet::with_acme();
    let before = fleet.files();
    let stop = fleet.run(&["stop", "acme", "--dry-run"]).ended(0);
    assert!(stop.stdout.contains("+state = \"stopped\""), "{}", stop.stdout);
    assert!(stop.stderr.contains("nothing is written"), "{}", stop.stderr);
    let retire = fleet.run(&["retire", "acme", "--dry-run", "--json"]).ended(0).json();
    assert_eq!((retire["changed"].clone(), retire["dry_run"].clone()), (Value::Bool(true), Value::Bool(true)));
    assert_eq!(fleet.files(), before);
    fleet.run(&["retire", "acme"]).ended(8);
    let done = fleet.run(&["stop", "acme", "--json"]).ended(0).json();
    assert_eq!(done["dry_run"], false);
    assert_ne!(fleet.files(), before);
}

#[test]
fn every_setting_is_listed_with_where_it_comes_from() {
    let fleet = Fleet::with_acme();
    let shown = fleet.run(&["doctor", "--show-config"]).ended(0).stdout;
    let line =
        |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key}:\n{shown}"));
    assert!(line("--fleet").ends_with("default"));
    let settings = std::fs::read_to_string(fleet.path("innkeeper.toml")).unwrap();
    let at = settings.lines().position(|line| line.starts_with("base_domain")).unwrap() + 1;
    assert!(line("fleet.base_domain").contains("\"example.com\""));
    assert!(line("fleet.base_domain").ends_with(&format!("innkeeper.toml:{at}")), "{}", line("fleet.base_domain"));
    assert!(line("fleet.retire_grace").contains("\"14d\"") && line("fleet.retire_grace").ends_with("default"));
    let document = fleet.run(&["doctor", "--show-config", "--json"]).ended(0).json();
    let listed = document["settings"].as_array().unwrap();
    // Every key that the schema knows, and the two that come from the command line.
    let schema = fleet.run(&["schema", "settings"]).ended(0).json();
    let keys: usize = schema["properties"]
        .as_object()
        .unwrap()
        .values()
        .map(|table| table["properties"].as_object().map_or(0, serde_json::Map::len))
        .sum();
    assert_eq!(listed.len(), keys + 2);
    let elsewhere = fleet.command(&["doctor", "--show-config", "--json"]).env("INNKEEPER_FLEET", fleet.root()).output();
    let elsewhere: Value = serde_json::from_slice(&elsewhere.unwrap().stdout).unwrap();
    assert_eq!(elsewhere["settings"][0]["origin"], "environment");
    std::fs::write(fleet.path("innkeeper.toml"), "[fleet]\nbase_domain = 3\n").unwrap();
    fleet.run(&["doctor", "--show-config"]).ended(6);
}

#[test]
fn what_a_newcomer_meets_is_no_alarm_and_no_riddle() {
    let fleet = Fleet::nowhere();
    fleet.run(&["init"]).ended(0);
    assert_eq!(fleet.run(&["plans", "--json"]).ended(0).json()["plans"][0]["used"], 0, "the example is no customer");
    let again = fleet.run(&["init"]).ended(8);
    assert!(again.stderr.contains("\n  plans.toml\n"), "one path a line:\n{}", again.stderr);
    let fleet = Fleet::with_acme();
    let doctor = fleet.run(&["doctor"]).ended(1).stdout;
    let state = doctor.lines().find(|line| line.contains("state_dir")).unwrap();
    assert!(state.starts_with("ok"), "a directory that the daemon makes is nothing to mend: {state}");
    let events = fleet.run(&["events"]).ended(0);
    assert_eq!(events.stdout, "");
    assert!(events.stderr.contains("no event"), "silence is no answer: {:?}", events.stderr);
    assert_eq!(fleet.run(&["events", "--json"]).ended(0).stderr, "");
}
