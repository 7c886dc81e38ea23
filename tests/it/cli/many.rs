//! Several names and filters for every verb: each is told, the exit code stands for all of them, and whatever is held or cannot
//! come is said at once.

use super::fleet::{Fleet, Ran};
use super::rehearse::Rehearsal;
use serde_json::{Value, json};
use std::process::{Command, Stdio};

/// A fleet of these customers.
fn fleet_of(names: &[&str]) -> Fleet {
    let fleet = Fleet::new();
    for name in names {
        fleet.run(&["new", name, "--plan", "starter", "--company", name, "--admin-email", "a@b.example"]).ended(0);
    }
    fleet
}

/// It rehearsed, once all of them serve.
fn ready(fleet: &Fleet, names: &[&str]) -> Rehearsal {
    let rehearsal = Rehearsal::start(&["--fleet", fleet.root().to_str().unwrap()]);
    run(&rehearsal, &[&["wait", "--timeout", "2m"], names].concat()).ended(0);
    rehearsal
}

fn run(rehearsal: &Rehearsal, words: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
    command.arg("--fleet").arg(&rehearsal.fleet).args(words).stdin(Stdio::null());
    command.output().unwrap().into()
}

fn names(document: &Value) -> Vec<&str> {
    let rows = document["instances"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    rows.iter().map(|row| row["instance"].as_str().unwrap()).collect()
}

#[test]
fn every_verb_takes_several_names_and_the_filters_of_status() {
    let fleet = fleet_of(&["anna", "bert", "carl"]);
    let rehearsal = ready(&fleet, &["anna", "bert", "carl"]);
    let ask = |words: &[&str]| run(&rehearsal, &[words, &["--json"]].concat()).ended(0).json();

    assert_eq!(names(&ask(&["restart", "anna", "bert"])), ["anna", "bert"]);
    assert_eq!(names(&ask(&["retry", "plan:starter"])), ["anna", "bert", "carl"]);
    assert_eq!(names(&ask(&["retry", "plan:starter", "carl", "bert"])), ["bert", "carl"], "both must hold");
    assert_eq!(names(&ask(&["credentials", "carl", "anna", "carl"])), ["carl", "anna"], "each once, as typed");
    assert_eq!(names(&ask(&["is-running", "state:!stopped"])), ["anna", "bert", "carl"]);
    let waited = ask(&["wait", "plan:starter"]);
    assert_eq!(waited["instances"].as_array().unwrap().len(), 3);
    let silenced = ask(&["silence", "anna", "bert", "CpuBusy", "--for", "1h"]);
    assert_eq!(silenced["silences"].as_array().unwrap().len(), 2, "{silenced:#}");
    assert_eq!(ask(&["unsilence", "anna", "bert"])["ended"], 2);
    for line in rehearsal.told(&["events", "anna", "state:ready", "--json", "-n", "50"]).lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["instance"], "anna");
    }
    let plan = run(&rehearsal, &["plan", "plan:starter"]).ended(0);
    assert!(plan.stdout.contains("No changes"), "{}", plan.stdout);

    // One answer keeps its former shape beside the list.
    let one = ask(&["restart", "anna"]);
    assert_eq!((one["instance"].clone(), one["errand"].clone()), (json!("anna"), json!("restart")));

    for verb in ["stop", "start", "restart", "retry", "is-running", "wait", "events", "credentials", "apply", "plan"] {
        let nobody = run(&rehearsal, &[verb, "state:retired"]).ended(4);
        assert!(nobody.stderr.contains("no instance matches state:retired"), "{verb}: {}", nobody.stderr);
        let unknown = run(&rehearsal, &[verb, "anna", "bret"]).ended(4);
        assert!(unknown.stderr.contains("did you mean \"bert\"?"), "{verb}: {}", unknown.stderr);
    }
    rehearsal.end();
}

#[test]
fn what_a_filter_finds_is_confirmed_before_anybody_is_stopped_or_retired() {
    let fleet = fleet_of(&["anna", "bert", "carl"]);
    let rehearsal = ready(&fleet, &["anna", "bert", "carl"]);
    let refused = run(&rehearsal, &["stop", "plan:starter"]).ended(8);
    assert!(refused.stderr.contains("stop 3 instances: anna, bert and carl"), "{}", refused.stderr);
    let refused = run(&rehearsal, &["retire", "plan:starter"]).ended(8);
    assert!(refused.stderr.contains("--confirm-all 3"), "{}", refused.stderr);
    run(&rehearsal, &["retire", "plan:starter", "--confirm-all", "2"]).ended(8);
    let refused = run(&rehearsal, &["retire", "anna", "bert", "--confirm", "anna"]).ended(8);
    assert!(refused.stderr.contains("bert would be taken out of service"), "{}", refused.stderr);
    assert!(refused.stderr.contains("innkeeper retire anna bert --confirm anna --confirm bert"), "{}", refused.stderr);
    assert!(run(&rehearsal, &["status", "state:ready", "-o", "name"]).ended(0).stdout.lines().count() == 3);
    let both =
        run(&rehearsal, &["retire", "anna", "bert", "--confirm", "anna", "--confirm", "bert", "--json"]).ended(0);
    assert_eq!(names(&both.json()), ["anna", "bert"]);
    run(&rehearsal, &["wait", "anna", "bert", "--for", "retired", "--timeout", "2m"]).ended(0);
    let restart = run(&rehearsal, &["restart", "anna", "carl"]).ended(7);
    assert!(restart.stderr.contains("! anna: anna is retired"), "{}", restart.stderr);
    assert!(restart.stderr.contains("1 of 2 instances was not asked to restart"), "{}", restart.stderr);
    rehearsal.end();
}

#[test]
fn the_guard_is_told_at_the_command_once_and_only_of_whom_was_named() {
    let fleet = fleet_of(&["anna", "bert", "carl"]);
    let rehearsal = ready(&fleet, &["anna", "bert", "carl"]);
    run(&rehearsal, &["stop", "anna", "bert"]).ended(0);
    run(&rehearsal, &["wait", "anna", "bert", "--for", "stopped", "--timeout", "2m"]).ended(0);

    let held = run(&rehearsal, &["stop", "carl"]).ended(8);
    for part in [
        "the guard holds carl",
        "within an hour (1 now, 2 before), and the guard allows 2",
        "innkeeper apply --max-destroy 1 --confirm carl",
    ] {
        assert!(held.stderr.contains(part), "{part}: {}", held.stderr);
    }
    let waited = run(&rehearsal, &["wait", "carl", "--for", "stopped", "--timeout", "2m"]).ended(8);
    assert!(waited.stderr.contains("the guard holds carl"), "{}", waited.stderr);
    let alerts = rehearsal.ask(&["alerts"]);
    let told: Vec<_> = alerts["alerts"].as_array().unwrap().iter().map(|it| (&it["instance"], &it["reason"])).collect();
    assert_eq!(told, [(&Value::Null, &json!("GuardClosed"))], "one guard is one alert");
    assert!(alerts["alerts"][0]["message"].as_str().unwrap().starts_with("carl is held: "), "{alerts:#}");
    // It began with the command, whatever its conditions were before.
    let since: jiff::Timestamp = alerts["alerts"][0]["since"].as_str().unwrap().parse().unwrap();
    let asked = rehearsal.told(&["events", "carl", "--json"]);
    let mut changes = asked.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let changed = changes.rfind(|event| event["reason"] == "FileChanged").unwrap();
    assert!(since >= changed["at"].as_str().unwrap().parse().unwrap(), "{alerts:#}");

    run(&rehearsal, &["apply", "--max-destroy", "1", "--confirm", "carl", "--yes", "--timeout", "1m"]).ended(0);
    run(&rehearsal, &["wait", "carl", "--for", "stopped", "--timeout", "1m"]).ended(0);
    rehearsal.until("the guard to open", |it| it.ask(&["alerts"])["alerts"].as_array().unwrap().is_empty());
    rehearsal.end();
}

#[test]
fn wait_answers_only_after_a_look_that_began_after_what_was_asked() {
    let fleet = Fleet::new();
    let module = ["--module", "website_salle"];
    let new = ["new", "anna", "--plan", "starter", "--company", "A", "--admin-email", "a@b.example"];
    fleet.run(&[&new[..], &module].concat()).ended(0);
    let settings = std::fs::read_to_string(fleet.path("innkeeper.toml")).unwrap();
    std::fs::write(fleet.path("innkeeper.toml"), settings).unwrap();
    let rehearsal = Rehearsal::start(&["--fleet", fleet.root().to_str().unwrap()]);
    rehearsal.until("the module that is not there", |it| it.count("failed") == 1);
    let told = |reason: &str| {
        let events = rehearsal.told(&["events", "anna", "--json", "-n", "1000"]);
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["reason"] == reason).map(|event| event["count"].as_u64().unwrap()).sum::<u64>()
    };
    for time in 1..=3 {
        let failures = told("StepFailed");
        run(&rehearsal, &["retry", "anna"]).ended(0);
        run(&rehearsal, &["wait", "anna", "--timeout", "2m"]).ended(1);
        assert_eq!(told("Retried"), time, "it answered before the daemon had heard of the retry");
        assert!(told("StepFailed") > failures, "it answered with the failure of before");
    }
    rehearsal.end();
}

#[test]
fn a_hold_that_opens_an_alert_leaves_its_begin_and_its_end_among_the_events() {
    let fleet = fleet_of(&["anna"]);
    let rehearsal = ready(&fleet, &["anna"]);
    let file = rehearsal.fleet.join("instances.d/anna.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let told = |reason: &str| {
        let events = rehearsal.told(&["events", "anna", "--json", "-n", "1000"]);
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["reason"] == reason).map(|it| it["message"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(told("AlertOpened"), [""; 0], "nothing was wrong with it");
    std::fs::write(&file, format!("odoo = \"17.0\"\n{text}")).unwrap();
    rehearsal.until("the other release to be held", |it| it.count("held") == 1);
    let opened = told("AlertOpened");
    assert!(opened.len() == 1 && opened[0].contains("UpgradeNeeded: "), "{opened:?}");
    std::fs::write(&file, text).unwrap();
    rehearsal.until("anna to be ready again", |it| it.count("ready") == 1);
    assert_eq!(told("AlertClosed"), ["\"UpgradeNeeded: this is over\""]);
    rehearsal.end();
}
