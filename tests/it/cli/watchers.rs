//! What somebody sees who watches: plan, status, info, wait, events, credentials, with every system down and with what a
//! daemon left behind.

use super::fleet::Fleet;
use innkeeper::connect::connect;
use innkeeper::daemon::known::board::Board;
use innkeeper::journal::Journal;
use innkeeper::model::changes::{Hold, HoldReason};
use innkeeper::model::event::{Level, NewEvent, Reason};
use innkeeper::model::name::{InstanceName, Uid};
use innkeeper::model::secret::ExposeSecret;
use innkeeper::model::secret::SecretPurpose;
use innkeeper::model::status::{Condition, ConditionStatus, ConditionType, InstanceStatus, State};
use innkeeper::model::time::Timestamp;
use innkeeper::spec::Reader;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn acme() -> InstanceName {
    InstanceName::parse("acme").unwrap()
}

fn noon() -> Timestamp {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn uid() -> Uid {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

/// What a daemon leaves behind that saw the files as they are now.
struct Left {
    journal: Journal,
    board: Board,
    generation: u64,
}

fn left_in(fleet: &Fleet) -> Left {
    let mut reader = Reader::new(fleet.root().to_owned(), fleet.path("innkeeper.toml"));
    let read = reader.read_now().unwrap();
    std::fs::create_dir_all(&read.settings.fleet.state_dir).unwrap();
    let (_, _, journal) = connect(&read.settings, fleet.root(), noon).unwrap();
    journal.meet(&acme(), uid()).unwrap();
    let instance = &read.instances[&acme()];
    let generation = journal.see_file(&acme(), &instance.digest, instance.wanted.as_deref()).unwrap();
    Left { journal, board: Board::open(&read.settings.fleet.state_dir).unwrap(), generation }
}

fn status(state: State, generation: u64) -> InstanceStatus {
    let mut status: InstanceStatus = serde_json::from_value(serde_json::json!({
        "name": "acme", "uid": uid(), "plan": "starter", "wanted": "running", "state": "ready",
        "url": "https://acme.example.com", "urls": ["https://acme.example.com"], "odoo": "19.0", "port": 20000,
        "database": "odoo_acme", "container": "ik-acme", "modules": {"wanted": ["crm"], "installed": []},
        "certificate": null, "conditions": [], "holds": [], "usage": null, "last_backup": null, "purge_after": null,
        "next_try": null, "generation": generation, "observed_generation": generation
    }))
    .unwrap();
    status.state = state;
    status
}

fn event(level: Level, reason: Reason, message: &str) -> NewEvent {
    let message = message.to_owned();
    NewEvent { level, instance: Some(acme()), reason, message, step: None, cause: None }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_plan_that_did_not_see_everything_shows_what_waits_and_ends_with_5() {
    let fleet = Fleet::with_acme();
    let document = fleet.run(&["plan", "--json"]).ended(5).json();
    assert_eq!(document["changes"][0]["instance"], "acme");
    let holds = document["changes"][0]["holds"].as_array().unwrap();
    assert!(holds.iter().any(|hold| hold["reason"] == "Unseen"), "{document}");
    assert_eq!(document["error"]["code"], "IK0402");
    assert_eq!(document["summary"]["held"], 1);
    let text = fleet.run(&["plan"]).ended(5);
    assert!(text.stdout.contains("waits (Unseen): "), "{}", text.stdout);
    assert!(text.stderr.contains("Docker"), "{}", text.stderr);
    let saved = fleet.run(&["plan", "--out", "p.json"]).ended(5);
    assert!(!fleet.path("p.json").exists(), "{}", saved.stderr);
    assert!(!fleet.path("state").exists(), "plan wrote something");
}

#[test]
fn apply_does_nothing_while_a_system_is_down() {
    let ran = Fleet::with_acme().run(&["apply", "--yes"]).ended(5);
    assert!(ran.stderr.contains("Docker") && ran.stderr.contains("innkeeper doctor"), "{}", ran.stderr);
}

#[test]
fn a_file_that_is_no_plan_is_not_applied() {
    let fleet = Fleet::with_acme();
    std::fs::write(fleet.path("p.json"), "{}").unwrap();
    fleet.run(&["apply", "--plan", "p.json"]).ended(8);
    fleet.run(&["apply", "--plan", "none.json"]).ended(1);
    fleet.run(&["apply", "acme", "--plan", "p.json"]).ended(2);
}

#[test]
fn status_needs_no_daemon_and_check_says_3_for_what_does_not_serve() {
    let fleet = Fleet::with_acme();
    let document = fleet.run(&["status", "--json"]).ended(0).json();
    assert_eq!(document["daemon"]["running"], false);
    assert_eq!(document["base_domain"], "example.com");
    assert_eq!(document["instances"][0]["name"], "acme");
    fleet.run(&["status", "--check"]).ended(3);
    fleet.run(&["status", "acme", "--check"]).ended(3);
    std::fs::remove_dir_all(fleet.instance("acme").parent().unwrap()).unwrap();
    let ran = fleet.run(&["status", "--check"]).ended(6);
    assert!(ran.stderr.contains("instances.d"), "who should be there is not known: {}", ran.stderr);
    fleet.run(&["status", "acm"]).ended(4);
    let text = fleet.run(&["status"]).ended(0);
    assert!(text.stdout.contains("daemon not running"), "{}", text.stdout);
    assert!(!fleet.path("state").exists(), "status wrote something");
}

#[test]
fn status_takes_a_filter_and_says_what_it_does_not_understand() {
    let fleet = Fleet::with_acme();
    let found = |filter: &str| {
        let document = fleet.run(&["status", "--json", filter]).ended(0).json();
        document["instances"].as_array().unwrap().len()
    };
    assert_eq!(found("plan:starter"), 1);
    assert_eq!(found("plan:!starter"), 0);
    assert_eq!(found("plan:business | module:crm"), 1);
    assert_eq!(found("!acme"), 0);
    assert_eq!(found("state:ready"), 0);
    assert_eq!(found("cpu>90"), 0, "what is not known passes no comparison");
    for filter in ["stat:ready", "cpu>much", "a |", "plan<3"] {
        let ran = fleet.run(&["status", filter]).ended(2);
        assert!(ran.stderr.contains("filter"), "{filter}: {}", ran.stderr);
    }
    for (filter, near) in [
        ("plan:starer", "did you mean plan:starter?"),
        ("state:!redy", "did you mean state:ready?"),
        ("wanted:off", "there are absent, running, stopped"),
    ] {
        for command in ["status", "restart"] {
            let ran = fleet.run(&[command, filter]).ended(2);
            assert!(ran.stderr.contains(near), "{filter}: {}", ran.stderr);
        }
    }
}

#[test]
fn info_is_the_same_document_as_in_status() {
    let fleet = Fleet::with_acme();
    let info = fleet.run(&["info", "acme", "--json"]).ended(0).json();
    let status = fleet.run(&["status", "--json"]).ended(0).json();
    let members = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(&info), members(&status["instances"][0]));
    let text = fleet.run(&["info", "acme"]).ended(0);
    assert!(text.stdout.contains("Conditions") && text.stdout.contains("ik-acme"), "{}", text.stdout);
}

#[test]
fn wait_ends_when_the_daemon_wrote_that_it_is_ready() {
    let fleet = Fleet::with_acme();
    let left = left_in(&fleet);
    left.board.put(status(State::Provisioning, left.generation)).unwrap();
    let mut wait = fleet.command(&["wait", "acme", "--json", "--timeout", "30s"]);
    let mut child = wait.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It tells what it saw, so it does wait.
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(told.any(|line| line.starts_with("acme: provisioning")), "it ended and waited for nothing");
    left.board.put(status(State::Ready, left.generation)).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["for"], &document["instances"][0]["state"]), (&Value::from("ready"), &Value::from("ready")));
}

#[test]
fn wait_does_not_take_the_answer_to_the_former_version_of_the_file() {
    let fleet = Fleet::with_acme();
    let left = left_in(&fleet);
    left.board.put(status(State::Ready, left.generation)).unwrap();
    fleet.run(&["wait", "acme", "--timeout", "5s"]).ended(0);
    let text = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    std::fs::write(fleet.instance("acme"), format!("{text}# edited\n")).unwrap();
    let ran = fleet.run(&["wait", "acme", "--timeout", "1s"]).ended(9);
    assert!(ran.stderr.contains("newest version"), "{}", ran.stderr);
}

#[test]
fn wait_says_what_it_saw_last_when_the_time_is_over() {
    let fleet = Fleet::with_acme();
    let ran = fleet.run(&["wait", "acme", "--timeout", "1s"]).ended(9);
    assert!(
        ran.stderr.contains("not seen yet, and no daemon runs here") && ran.stderr.contains("innkeeper run"),
        "{}",
        ran.stderr
    );
    let left = left_in(&fleet);
    let mut seen = status(State::Failed, left.generation);
    seen.holds = vec![Hold { reason: HoldReason::BackOff, message: "no disk".to_owned() }];
    left.board.put(seen).unwrap();
    let ran = fleet.run(&["wait", "acme", "--timeout", "1s", "--json"]).ended(9);
    assert!(ran.json()["error"]["message"].as_str().unwrap().contains("BackOff: no disk"), "{}", ran.stdout);
}

#[test]
fn wait_gives_up_early_only_on_what_cannot_come_by_itself() {
    let fleet = Fleet::with_acme();
    let left = left_in(&fleet);
    let ran = fleet.run(&["wait", "acme", "--for", "stopped", "--timeout", "60s"]).ended(1);
    assert!(ran.stderr.contains("state = \"running\""), "{}", ran.stderr);
    let mut stalled = status(State::Failed, left.generation);
    stalled.conditions = vec![Condition {
        kind: ConditionType::Stalled,
        status: ConditionStatus::True,
        reason: "Failed".to_owned(),
        message: "module nonsense does not exist".to_owned(),
        since: noon(),
        last_known: None,
    }];
    left.board.put(stalled).unwrap();
    let ran = fleet.run(&["wait", "acme", "--timeout", "60s"]).ended(1);
    assert!(ran.stderr.contains("module nonsense does not exist"), "{}", ran.stderr);
    // One that never came into service is waited for as little.
    let mut never = (*left.board.get(&crate::world::name("acme")).unwrap()).clone();
    never.observed_generation = 0;
    left.board.put(never).unwrap();
    let ran = fleet.run(&["wait", "acme", "--timeout", "60s"]).ended(1);
    assert!(ran.stderr.contains("module nonsense does not exist"), "{}", ran.stderr);
    left.board.put(status(State::Orphaned, left.generation)).unwrap();
    let ran = fleet.run(&["wait", "acme", "--timeout", "60s"]).ended(1);
    assert!(
        ran.stderr.contains("its file is gone") && ran.stderr.contains("put instances.d/acme.toml back"),
        "{}",
        ran.stderr
    );
    std::fs::write(fleet.instance("acme"), "plan = \"nonsense\"\n").unwrap();
    fleet.run(&["wait", "acme", "--timeout", "60s"]).ended(6);
}

#[test]
fn events_are_lines_that_follow_filters() {
    let fleet = Fleet::with_acme();
    assert_eq!(fleet.run(&["events", "--json"]).ended(0).stdout, "", "no journal reads as empty");
    let left = left_in(&fleet);
    for nth in 1..=5 {
        left.journal.record(&event(Level::Info, Reason::StepDone, &format!("step {nth}"))).unwrap();
    }
    left.journal.record(&event(Level::Error, Reason::StepFailed, "it broke\u{1b}[2J")).unwrap();
    let all = lines(&fleet.run(&["events", "--json"]).ended(0).stdout);
    assert_eq!(all.len(), 6);
    for member in ["schema", "seq", "at", "level", "instance", "kind", "reason", "message", "step", "cause", "count"] {
        assert!(all[0].get(member).is_some(), "no {member}");
    }
    let count = |words: &[&str]| lines(&fleet.run(&[&["events", "--json"], words].concat()).ended(0).stdout).len();
    assert_eq!(count(&["-n", "2"]), 2);
    assert_eq!(count(&["-p", "error"]), 1);
    assert_eq!(count(&["acme", "-p", "debug"]), 6);
    assert_eq!(count(&["-S", "2026-03-01T12:00:01Z"]), 0);
    assert_eq!(count(&["-S", "2026-03-01"]), 6);
    fleet.run(&["events", "-S", "once upon a time"]).ended(2);
    let text = fleet.run(&["events"]).ended(0).stdout;
    assert!(text.contains("it broke\\u{1b}[2J"), "{text}");
    assert!(text.contains("2026-03-01 19:00:00"), "times are told in the fleet's zone: {text}");
    assert_eq!(fleet.run(&["logs", "acme", "--source", "events"]).ended(0).stdout, text);
    assert_eq!(count(&["-g", "step [12]$"]), 2, "what is searched is not only the last hundred");
    assert_eq!(count(&["-g", "STEP 1"]), 0, "capitals are meant");
    assert_eq!(count(&["-g", "step", "-n", "3"]), 3);
    assert_eq!(count(&["-U", "2026-03-01T11:59:59Z"]), 0);
    assert_eq!(count(&["-U", "2026-03-01T12:00:00Z", "-p", "err"]), 1);
    fleet.run(&["events", "-g", "("]).ended(2);
    fleet.run(&["events", "-f", "-U", "now"]).ended(2);
    let utc = fleet.run(&["events", "--utc"]).ended(0).stdout;
    assert!(utc.contains("2026-03-01 12:00:00"), "{utc}");
    let iso = fleet.run(&["events", "-o", "iso", "-n", "1"]).ended(0).stdout;
    assert!(iso.starts_with("2026-03-01T12:00:00.000Z error"), "{iso}");
    assert_eq!(fleet.run(&["events", "-o", "cat", "-n", "1"]).ended(0).stdout, "it broke\\u{1b}[2J\n");
    let lines_of = |words: &[&str]| lines(&fleet.run(words).ended(0).stdout);
    assert_eq!(lines_of(&["events", "-o", "json"]), lines_of(&["events", "--json"]));
}

#[test]
fn following_events_prints_what_comes_and_no_line_twice() {
    let fleet = Fleet::with_acme();
    let left = left_in(&fleet);
    left.journal.record(&event(Level::Info, Reason::StepDone, "before")).unwrap();
    let mut follow = fleet.command(&["events", "-f", "--json", "-n", "1"]);
    let mut child = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap()["message"].clone();
    // Whoever tells the last event has read where the journal ends: what comes after that is to be followed.
    let before = next();
    left.journal.record(&event(Level::Info, Reason::StepDone, "after")).unwrap();
    let after = next();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!([before, after], ["before", "after"]);
}

#[test]
fn credentials_are_derived_and_that_they_were_shown_is_recorded() {
    let fleet = Fleet::with_acme();
    let ran = fleet.run(&["credentials", "acme"]).ended(1);
    assert!(ran.stderr.contains("never brought up") && ran.stdout.is_empty(), "{}", ran.stderr);
    let left = left_in(&fleet);
    let document = fleet.run(&["credentials", "acme", "--json"]).ended(0).json();
    let mut reader = Reader::new(fleet.root().to_owned(), fleet.path("innkeeper.toml"));
    let (_, key, _) = connect(&reader.read_now().unwrap().settings, fleet.root(), noon).unwrap();
    let password = key.derive(SecretPurpose::AdminPassword, uid(), 1);
    assert_eq!(document["instance"], "acme");
    assert_eq!(document["login"], "admin@acme.example");
    assert_eq!(document["password"], password.expose_secret());
    let events = lines(&fleet.run(&["events", "--json"]).ended(0).stdout);
    assert_eq!(events[0]["reason"], "CredentialsShown");
    assert!(!events[0].to_string().contains(password.expose_secret()));
    let _ = left;
}

#[test]
fn a_lost_key_is_said_plainly_and_nothing_is_made_in_its_place() {
    let fleet = Fleet::with_acme();
    drop(left_in(&fleet));
    let key = fleet.path("state/secrets/installation.key");
    std::fs::remove_file(&key).unwrap();
    for words in [&["credentials", "acme"][..], &["plan"], &["apply", "--yes"]] {
        let ran = fleet.run(words).ended(1);
        assert!(ran.stderr.contains("restore it from your backup"), "{words:?}: {}", ran.stderr);
    }
    assert!(!key.exists());
    let doctor = fleet.run(&["doctor"]).ended(1);
    assert!(doctor.stdout.contains("installation key"), "{}", doctor.stdout);
}

#[test]
fn errands_without_a_daemon_are_noted_for_the_next_one() {
    let fleet = Fleet::with_acme();
    fleet.run(&["restart", "acme"]).ended(1);
    let left = left_in(&fleet);
    let document = fleet.run(&["restart", "acme", "--json"]).ended(0).json();
    assert_eq!((&document["daemon"], &document["errand"]), (&Value::from(false), &Value::from("restart")));
    fleet.run(&["retry", "acme"]).ended(0);
    let bury = |purging: bool| {
        let tombstone = serde_json::json!({
            "instance": "acme", "uid": uid(), "hosts": [], "retired_at": noon(), "retired_steady_s": 0,
            "purge_after": noon(), "why": "a test", "last_start": null, "purging": purging, "deleting": purging
        });
        left.journal.open_tombstone(&serde_json::from_value(tombstone).unwrap()).unwrap();
    };
    bury(false);
    let ran = fleet.run(&["restart", "acme"]).ended(1);
    assert!(ran.stderr.contains("is retired") && ran.stderr.contains("running"), "{}", ran.stderr);
    assert_eq!(left.journal.errands(&acme()).unwrap().len(), 2);
    // The way out after a deletion, once a person restored the data.
    bury(true);
    fleet.run(&["restart", "acme"]).ended(0);
}

#[test]
fn an_orphan_is_known_by_name_although_its_file_is_gone() {
    let fleet = Fleet::with_acme();
    drop(left_in(&fleet));
    std::fs::remove_file(fleet.instance("acme")).unwrap();
    let ran = fleet.run(&["stop", "acme"]).ended(1);
    assert!(ran.stderr.contains("put the file back"), "{}", ran.stderr);
    fleet.run(&["events", "acme"]).ended(0);
    fleet.run(&["info", "acme"]).ended(0);
}

#[test]
fn doctor_names_every_system_that_is_down_with_a_fix() {
    let fleet = Fleet::with_acme();
    let document = fleet.run(&["doctor", "--json"]).ended(1).json();
    let checks = document["checks"].as_array().unwrap();
    let verdict = |name: &str| checks.iter().find(|check| check["name"] == name).map(|check| check["verdict"].clone());
    for name in ["Docker", "PostgreSQL", "nginx", "ACME"] {
        assert_eq!(verdict(name), Some(Value::from("fail")), "{name}: {document}");
    }
    assert_eq!(verdict("files"), Some(Value::from("ok")));
    assert_eq!(verdict("settings"), Some(Value::from("warn")), "the domain of the example is nobody's");
    assert!(checks.iter().all(|check| check["verdict"] == "ok" || check["fix"].is_string()), "{document}");
    std::fs::write(fleet.instance("acme"), "plan = 7").unwrap();
    let text = fleet.run(&["doctor"]).ended(1);
    assert!(text.stdout.contains("FAIL  files"), "{}", text.stdout);
    let nowhere = Fleet::nowhere().run(&["doctor"]).ended(1);
    assert!(nowhere.stdout.contains("innkeeper init"), "{}", nowhere.stdout);
}
