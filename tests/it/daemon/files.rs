//! The lock and the status documents.

use crate::world::{name, now};
use innkeeper::daemon::known::board::Board;
use innkeeper::daemon::known::lock::{Lock, LockError};
use innkeeper::model::changes::{Hold, HoldReason};
use innkeeper::model::event::Reason;
use innkeeper::model::name::Domain;
use innkeeper::model::silence::{AlertsOf, Quiet, Silence};
use innkeeper::model::status::{
    Alert, Condition, ConditionStatus, ConditionType, DaemonStatus, InstanceStatus, ModulesStatus, State,
};
use innkeeper::model::wanted::WantedState;
use std::fs;
use std::os::unix::fs::MetadataExt;
use tempfile::TempDir;

pub(crate) fn status(text: &str, state: State) -> InstanceStatus {
    InstanceStatus {
        name: name(text),
        uid: None,
        plan: None,
        wanted: WantedState::Running,
        state,
        url: None,
        urls: Vec::new(),
        odoo: None,
        port: None,
        database: format!("odoo_{text}"),
        container: format!("ik-{text}"),
        modules: ModulesStatus::default(),
        certificate: None,
        conditions: vec![Condition {
            kind: ConditionType::Ready,
            status: ConditionStatus::True,
            reason: "Proven".to_owned(),
            message: String::new(),
            since: now(),
            last_known: None,
        }],
        holds: Vec::new(),
        usage: None,
        last_backup: None,
        operation: None,
        purge_after: None,
        next_try: None,
        generation: 1,
        observed_generation: 1,
    }
}

fn daemon() -> DaemonStatus {
    DaemonStatus { running: true, pid: Some(1), since: Some(now()) }
}

fn base() -> Domain {
    Domain::parse("example.com").unwrap()
}

#[test]
fn a_second_holder_is_refused_and_told_who_has_the_lock() {
    let dir = TempDir::new().unwrap();
    let first = Lock::take(dir.path(), "run", now()).unwrap();
    let error = Lock::take(dir.path(), "apply", now()).unwrap_err();
    assert!(matches!(error, LockError::Held { .. }));
    let told = error.to_string();
    assert!(
        told.contains(&format!("`innkeeper run`, pid {}, since 2026-03-01T12:00:00Z", std::process::id())),
        "{told}"
    );
    drop(first);
    let inode = fs::metadata(dir.path().join("lock")).unwrap().ino();
    let _second = Lock::take(dir.path(), "apply", now()).unwrap();
    assert_eq!(fs::metadata(dir.path().join("lock")).unwrap().ino(), inode, "the file is never made anew");
    let error = Lock::take(dir.path(), "run", now()).unwrap_err();
    assert!(error.to_string().contains("`innkeeper apply`"), "{error}");
}

#[test]
fn a_document_is_replaced_only_when_it_says_something_new() {
    let dir = TempDir::new().unwrap();
    let board = Board::open(dir.path()).unwrap();
    let file = dir.path().join("status/acme.json");
    board.put(status("acme", State::Provisioning)).unwrap();
    let inode = fs::metadata(&file).unwrap().ino();
    board.put(status("acme", State::Provisioning)).unwrap();
    assert_eq!((board.documents_written(), fs::metadata(&file).unwrap().ino()), (1, inode));
    board.put(status("acme", State::Ready)).unwrap();
    assert_eq!(board.documents_written(), 2);
    assert_ne!(fs::metadata(&file).unwrap().ino(), inode, "replaced, not rewritten in place");
    let document: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!((&document["name"], &document["state"]), (&"acme".into(), &"ready".into()));
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o644);
    assert_eq!(fs::read_dir(dir.path().join("status")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_restarted_daemon_takes_its_documents_up_and_writes_none_anew() {
    let dir = TempDir::new().unwrap();
    Board::open(dir.path()).unwrap().put(status("acme", State::Ready)).unwrap();
    fs::write(dir.path().join("status/beta.json"), "{ half").unwrap();
    let board = Board::open(dir.path()).unwrap();
    assert_eq!(board.names(), [name("acme")]);
    board.put(status("acme", State::Ready)).unwrap();
    assert_eq!(board.documents_written(), 0);
}

#[test]
fn a_document_that_could_not_be_written_is_tried_again() {
    let dir = TempDir::new().unwrap();
    let board = Board::open(dir.path()).unwrap();
    fs::remove_dir(dir.path().join("status")).unwrap();
    assert!(board.put(status("acme", State::Ready)).is_err());
    assert_eq!(board.get(&name("acme")).unwrap().state, State::Ready, "known all the same");
    fs::create_dir(dir.path().join("status")).unwrap();
    board.put(status("acme", State::Ready)).unwrap();
    assert!(dir.path().join("status/acme.json").exists());
}

#[test]
fn an_instance_that_is_gone_leaves_no_document() {
    let dir = TempDir::new().unwrap();
    let board = Board::open(dir.path()).unwrap();
    board.put(status("acme", State::Ready)).unwrap();
    board.remove(&name("acme")).unwrap();
    board.remove(&name("never")).unwrap();
    assert!(!dir.path().join("status/acme.json").exists());
    assert!(board.snapshot(&base(), &daemon(), now()).instances.is_empty());
}

#[test]
fn a_read_only_board_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let board = Board::read_only(dir.path());
    board.put(status("acme", State::Ready)).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn alerts_are_the_hosts_and_those_of_instances_that_need_a_person() {
    let dir = TempDir::new().unwrap();
    let board = Board::open(dir.path()).unwrap();
    board.put(status("fine", State::Ready)).unwrap();
    let hold = Hold { reason: HoldReason::Conflict, message: "a foreign container".to_owned() };
    board.put(InstanceStatus { holds: vec![hold], ..status("held", State::Held) }).unwrap();
    board.raise("Docker", Reason::EdgeLost, "Docker is unreachable: refused", now());
    let told = || -> Vec<String> {
        let snapshot = board.snapshot(&base(), &daemon(), now());
        let of = |alert: &Alert| match &alert.instance {
            Some(name) => format!("{name}: {} ({})", alert.message, alert.reason),
            None => format!("{} ({})", alert.message, alert.reason),
        };
        snapshot.alerts.iter().map(of).collect()
    };
    assert_eq!(told(), ["Docker is unreachable: refused (EdgeLost)", "held: a foreign container (Conflict)"]);
    assert!(board.lower("Docker"));
    assert!(!board.lower("Docker"));
    assert_eq!(told(), ["held: a foreign container (Conflict)"]);
}

#[test]
fn an_outage_and_a_closed_guard_are_one_alert_however_many_customers_there_are() {
    let board = Board::read_only(std::path::Path::new("/nowhere"));
    let put = |name: &str, state: State, holds: &[(HoldReason, &str)]| {
        let holds = holds.iter().map(|(reason, message)| Hold { reason: *reason, message: (*message).to_owned() });
        board.put(InstanceStatus { holds: holds.collect(), ..status(name, state) }).unwrap();
    };
    let unseen = (HoldReason::Unseen, "refused");
    put("one", State::Held, &[unseen]);
    put("two", State::Held, &[unseen]);
    put("alone", State::Held, &[(HoldReason::Unseen, "odoo_alone lets nobody in")]);
    put("ill", State::Held, &[unseen, (HoldReason::NotHealthy, "its login page answers 500")]);
    put("failed", State::Failed, &[unseen, (HoldReason::BackOff, "attempt 5 failed")]);
    put("mass", State::Held, &[(HoldReason::Guard, "9 of 9 would be stopped")]);
    let told = || -> Vec<String> {
        let whose = |alert: Alert| alert.instance.map_or(alert.reason, |name| name.to_string());
        board.alerts(now()).into_iter().map(whose).collect()
    };
    let all = ["alone", "failed", "ill", "mass", "one", "two"];
    assert_eq!(told(), all, "as long as nobody says it of all");
    board.raise("Docker", Reason::EdgeLost, "Docker is unreachable: refused", now());
    board.raise("guard", Reason::GuardClosed, "9 instances are held, mass among them: 9 of 9 would be stopped", now());
    assert_eq!(told(), ["EdgeLost", "GuardClosed", "alone", "failed", "ill"]);
    let messages: Vec<String> = board.alerts(now()).into_iter().skip(3).map(|alert| alert.message).collect();
    assert_eq!(messages, ["attempt 5 failed", "its login page answers 500"], "what is theirs");
    // Somebody who knows of the closed guard does not know of whom it holds from now on.
    let of = AlertsOf { instance: None, reason: Some("GuardClosed".to_owned()) };
    let quiet = Quiet { by: "ana".to_owned(), since: now(), until: None };
    board.set_silences(vec![Silence { of, quiet }]);
    assert_eq!(told(), ["EdgeLost", "GuardClosed", "alone", "failed", "ill", "mass"]);
    assert!(board.lower("Docker") && board.lower("guard"));
    assert_eq!(told(), ["alone", "failed", "ill", "mass"], "it says why they were held until they are looked at anew");
    ["one", "two", "failed", "ill"].iter().for_each(|name| put(name, State::Ready, &[]));
    put("one", State::Held, &[unseen]);
    assert_eq!(told(), ["alone", "mass", "one"], "from then on it explains nobody");
}

#[test]
fn an_alert_that_is_raised_again_keeps_its_time() {
    let board = Board::read_only(std::path::Path::new("/nowhere"));
    let later = now() + std::time::Duration::from_secs(60);
    board.raise("Docker", Reason::EdgeLost, "refused", now());
    board.raise("Docker", Reason::EdgeLost, "timed out", later);
    let snapshot = board.snapshot(&base(), &daemon(), later);
    assert_eq!((snapshot.alerts[0].since, snapshot.alerts[0].message.as_str()), (now(), "timed out"));
}
