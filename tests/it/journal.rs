//! The journal: what is written survives, what is broken is moved aside, what repeats is counted.

use innkeeper::journal::{
    Attempt, EVENTS_PER_INSTANCE_MAX, EventFilter, FailureRow, FileSeen, Journal, JournalError, News,
};
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::event::{Level, NewEvent, Reason};
use innkeeper::model::name::{InstanceName, Uid};
use innkeeper::model::service::Ports;
use innkeeper::model::silence::{AlertsOf, Quiet, Silence};
use innkeeper::model::step::{Action, Origin, Risk, Step, StepId};
use innkeeper::model::time::Timestamp;
use innkeeper::model::usage::{UsageHistory, UsagePoint};
use innkeeper::model::wanted::Wanted;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

fn noon() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn name(text: &str) -> InstanceName {
    InstanceName::parse(text).unwrap()
}

fn uid(number: u128) -> Uid {
    Uid(uuid::Uuid::from_u128(number))
}

fn open(dir: &TempDir) -> Journal {
    Journal::open(dir.path(), noon).unwrap()
}

fn begun() -> (TempDir, Journal) {
    let dir = TempDir::new().unwrap();
    let journal = open(&dir);
    (dir, journal)
}

fn wanted(instance: &str) -> Wanted {
    serde_json::from_value(serde_json::json!({
        "name": instance, "plan": "starter", "state": "running", "subdomain": instance,
        "host": format!("{instance}.example.com"), "domains": [], "odoo": "19.0", "image": "odoo:19.0",
        "modules": ["crm"], "protected": false, "suspended": false, "customer": null,
        "company": { "name": "Åß \"Quoted\" & Söns; DROP TABLE x;", "country": "VN", "language": "vi_VN", "timezone": "UTC" },
        "admin_email": "admin@example.com",
        "limits": { "cpu_millis": 1000, "memory": 1_073_741_824, "disk": 5_368_709_120_u64, "workers": 2 },
        "backup": { "schedule": "0 2 * * *", "keep": { "daily": 7, "weekly": 4, "monthly": 6 } }, "template": null,
    }))
    .unwrap()
}

fn event(instance: Option<&str>, message: &str) -> NewEvent {
    NewEvent {
        level: Level::Info,
        instance: instance.map(name),
        reason: Reason::StepDone,
        message: message.to_owned(),
        step: None,
        cause: None,
    }
}

fn step(id: &str) -> Step {
    Step {
        id: StepId(id.to_owned()),
        action: Action::CreateNetwork,
        reason: "there is none".to_owned(),
        origin: Origin::Intended,
        risk: Risk::None,
        fields: Vec::new(),
        after: Vec::new(),
    }
}

#[test]
fn what_is_known_of_an_instance_survives_a_restart() {
    let (dir, journal) = begun();
    let acme = name("acme");
    journal.meet(&acme, uid(1)).unwrap();
    assert_eq!(journal.see_file(&acme, "first", Some(&wanted("acme"))).unwrap(), 1);
    journal.reserve_ports(&acme, Ports { http: 20_000 }).unwrap();
    journal.set_provisioned(&acme).unwrap();
    journal.set_observed(&acme, 1).unwrap();
    drop(journal);

    let known = open(&dir).known().unwrap().remove(&acme).unwrap();
    assert_eq!(known.uid, uid(1));
    assert_eq!((known.generation, known.observed_generation, known.file_digest.as_str()), (1, 1, "first"));
    assert_eq!(known.ports, Some(Ports { http: 20_000 }));
    assert!(known.provisioned);
    assert_eq!(known.last_good, Some(wanted("acme")));
}

#[test]
fn an_identity_once_given_stays() {
    let (_dir, journal) = begun();
    assert_eq!(journal.meet(&name("acme"), uid(1)).unwrap(), uid(1));
    assert_eq!(journal.meet(&name("acme"), uid(2)).unwrap(), uid(1));
}

#[test]
fn a_generation_counts_versions_of_the_file_and_an_invalid_one_keeps_the_last_good() {
    let (_dir, journal) = begun();
    let acme = name("acme");
    journal.meet(&acme, uid(1)).unwrap();
    assert_eq!(journal.see_file(&acme, "a", Some(&wanted("acme"))).unwrap(), 1);
    assert_eq!(journal.see_file(&acme, "a", Some(&wanted("acme"))).unwrap(), 1);
    assert_eq!(journal.see_file(&acme, "b", None).unwrap(), 2);
    assert_eq!(journal.known_of(&acme).unwrap().unwrap().last_good, Some(wanted("acme")));
    assert_eq!(journal.see_file(&acme, "a", Some(&wanted("acme"))).unwrap(), 3, "back again is a new version too");
}

#[test]
fn nothing_is_noted_of_an_instance_that_was_not_met() {
    let (_dir, journal) = begun();
    assert!(matches!(journal.see_file(&name("acme"), "a", None), Err(JournalError::Unmet(_))));
    assert!(matches!(journal.reserve_ports(&name("acme"), Ports { http: 1 }), Err(JournalError::Unmet(_))));
}

#[test]
fn a_scan_that_finds_nothing_new_writes_nothing() {
    let (_dir, journal) = begun();
    let (acme, good) = (name("acme"), wanted("acme"));
    let scan = || {
        journal.meet_all(&[(acme.clone(), uid(7))]).unwrap();
        journal.see_files(&[FileSeen { name: &acme, digest: "a", wanted: Some(&good) }]).unwrap();
        journal.set_observed(&acme, 1).unwrap();
        journal.set_provisioned(&acme).unwrap();
    };
    scan();
    let before = journal.rows_written().unwrap();
    assert!(before > 0);
    scan();
    assert_eq!(journal.rows_written().unwrap(), before);
}

#[test]
fn a_forgotten_instance_leaves_its_events_only() {
    let (_dir, journal) = begun();
    let acme = name("acme");
    journal.meet(&acme, uid(1)).unwrap();
    journal.add_errand(&acme, ErrandKind::Restart, "root").unwrap();
    journal.record(&event(Some("acme"), "it ran")).unwrap();
    journal.forget(&acme).unwrap();
    assert!(journal.known().unwrap().is_empty());
    assert!(journal.errands(&acme).unwrap().is_empty());
    assert_eq!(journal.events(&EventFilter::default()).unwrap().len(), 1);
}

#[test]
fn a_repeated_event_is_counted_and_another_in_between_is_not_swallowed() {
    let (_dir, journal) = begun();
    let first = journal.record(&event(Some("acme"), "again")).unwrap();
    journal.record(&event(Some("zeta"), "of another instance")).unwrap();
    let zeta = journal.record(&event(Some("zeta"), "between")).unwrap();
    let again = journal.record(&event(Some("acme"), "again")).unwrap();
    assert!(again > first && again > zeta, "whoever follows hears of the repeat");
    let followed = EventFilter { after_seq: Some(zeta), ..EventFilter::default() };
    let heard = journal.events(&followed).unwrap();
    assert_eq!(heard.iter().map(|event| (event.seq, event.count)).collect::<Vec<_>>(), [(again, 2)]);
    journal.record(&event(Some("acme"), "something else")).unwrap();
    assert!(journal.record(&event(Some("acme"), "again")).unwrap() > first);
    let filter = EventFilter { names: BTreeSet::from([name("acme")]), ..EventFilter::default() };
    let told: Vec<_> = journal.events(&filter).unwrap().into_iter().map(|event| (event.message, event.count)).collect();
    assert_eq!(told, [("again".to_owned(), 2), ("something else".to_owned(), 1), ("again".to_owned(), 1)]);
}

#[test]
fn events_are_filtered_by_level_place_and_number() {
    let (_dir, journal) = begun();
    for number in 0..5 {
        let level = if number % 2 == 0 { Level::Info } else { Level::Error };
        journal.record(&NewEvent { level, ..event(None, &number.to_string()) }).unwrap();
    }
    let told = |filter: EventFilter| -> String {
        journal.events(&filter).unwrap().into_iter().map(|event| event.message).collect()
    };
    assert_eq!(told(EventFilter { limit: 2, ..EventFilter::default() }), "34", "the last ones");
    assert_eq!(told(EventFilter { after_seq: Some(1), limit: 2, ..EventFilter::default() }), "12", "the next ones");
    assert_eq!(told(EventFilter { min_level: Level::Warning, ..EventFilter::default() }), "13");
    let later = noon() + std::time::Duration::from_secs(1);
    assert_eq!(told(EventFilter { since: Some(later), ..EventFilter::default() }), "");
    assert_eq!(told(EventFilter { names: BTreeSet::from([name("acme")]), ..EventFilter::default() }), "");
}

#[test]
fn old_and_surplus_events_are_dropped() {
    static CLOCK: AtomicI64 = AtomicI64::new(1_700_000_000);
    fn clock() -> Timestamp {
        Timestamp::from_second(CLOCK.load(Ordering::SeqCst)).unwrap()
    }
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(dir.path(), clock).unwrap();
    journal.record(&event(Some("old"), "a year ago")).unwrap();
    CLOCK.fetch_add(365 * 86_400, Ordering::SeqCst);
    drop(journal);
    // Written directly, without a sync each: only the last is recorded the long way.
    let plain = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO event (at, level, instance, kind, reason, message) SELECT ?2, 1, 'acme', 'step', 'StepDone', i FROM n";
    plain.execute(sql, (EVENTS_PER_INSTANCE_MAX + 50, clock().as_microsecond())).unwrap();
    drop(plain);
    let journal = Journal::open(dir.path(), clock).unwrap();
    journal.record(&event(Some("acme"), "the last")).unwrap();
    let all = journal.events(&EventFilter { limit: usize::MAX, ..EventFilter::default() }).unwrap();
    assert_eq!(all.len(), EVENTS_PER_INSTANCE_MAX as usize);
    assert!(all.iter().all(|event| event.instance == Some(name("acme"))), "the year-old one is gone");
    assert_eq!(all.last().unwrap().message, "the last");
}

#[test]
fn an_intent_stays_open_until_its_end_is_written() {
    let (dir, journal) = begun();
    let acme = name("acme");
    journal.begin(Some(&acme), &step("acme/create-network")).unwrap();
    journal.begin(None, &step("host/create-network")).unwrap();
    journal.end(None, &step("host/create-network"), Ok(())).unwrap();
    drop(journal);
    let journal = open(&dir);
    let open = journal.open_intents().unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].instance.as_ref(), open[0].kind.as_str()), (Some(&acme), "create-network"));
    assert_eq!(open[0].action, r#"{"do":"create-network"}"#);
    journal.clear_intents().unwrap();
    assert!(journal.open_intents().unwrap().is_empty());
}

#[test]
fn failures_are_kept_by_key_over_restarts_until_cleared() {
    let (dir, journal) = begun();
    let acme = name("acme");
    let failure = FailureRow {
        input: "v1:0".to_owned(),
        generation: 3,
        attempts: 2,
        permanent: false,
        next_try: Some(noon()),
        message: "could not: refused".to_owned(),
    };
    journal.set_failure(Some(&acme), "set-role", &failure).unwrap();
    journal
        .set_failure(Some(&acme), "put-site", &FailureRow { next_try: None, permanent: true, ..failure.clone() })
        .unwrap();
    drop(journal);
    let journal = open(&dir);
    assert_eq!(journal.failures(&acme).unwrap()["set-role"], failure);
    assert_eq!(journal.all_failures().unwrap()[&acme]["put-site"].next_try, None);
    journal.clear_failure(Some(&acme), "set-role").unwrap();
    assert_eq!(journal.failures(&acme).unwrap().len(), 1);
    journal.clear_failures(&acme).unwrap();
    assert!(journal.all_failures().unwrap().is_empty());
}

#[test]
fn an_errand_is_noted_once_until_it_is_done() {
    let (_dir, journal) = begun();
    let acme = name("acme");
    let id = journal.add_errand(&acme, ErrandKind::Restart, "root").unwrap();
    assert_eq!(journal.add_errand(&acme, ErrandKind::Restart, "ann").unwrap(), id);
    let retry = journal.add_errand(&acme, ErrandKind::Retry, "ann").unwrap();
    let kinds: Vec<_> = journal.errands(&acme).unwrap().into_iter().map(|errand| (errand.kind, errand.by)).collect();
    assert_eq!(kinds, [(ErrandKind::Restart, "root".to_owned()), (ErrandKind::Retry, "ann".to_owned())]);
    journal.end_errand(id).unwrap();
    assert_eq!(journal.all_errands().unwrap()[&acme].iter().map(|errand| errand.id).collect::<Vec<_>>(), [retry]);
}

#[test]
fn silences_survive_a_restart_and_replace_those_over_the_same_alerts() {
    let (dir, journal) = begun();
    let of = |reason: Option<&str>| AlertsOf { instance: Some(name("acme")), reason: reason.map(str::to_owned) };
    let silence = |of: AlertsOf, by: &str, until: Option<Timestamp>| Silence {
        of,
        quiet: Quiet { by: by.to_owned(), since: noon(), until },
    };
    let host = silence(AlertsOf { instance: None, reason: None }, "ana", None);
    let first = silence(of(Some("CpuBusy")), "ana", None);
    let second = silence(of(Some("CpuBusy")), "ben", Some(Timestamp::from_second(1_800_003_600).unwrap()));
    let all = silence(of(None), "ana", None);
    for noted in [&host, &first, &all, &second] {
        journal.silence(noted).unwrap();
    }
    drop(journal);
    let journal = open(&dir);
    assert_eq!(journal.silences().unwrap(), [host.clone(), all.clone(), second]);
    assert!(journal.end_silence(&of(Some("CpuBusy"))).unwrap());
    assert!(!journal.end_silence(&of(Some("CpuBusy"))).unwrap(), "it is over already");
    assert_eq!(journal.silences().unwrap(), [host, all], "the others stay");
    assert_eq!(Journal::open_read_only(TempDir::new().unwrap().path(), noon).unwrap().silences().unwrap(), []);
}

#[test]
fn a_journal_of_a_former_layout_is_read_without_being_changed_and_then_followed() {
    let (dir, journal) = begun();
    drop(journal);
    let plain = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    plain.execute_batch("DROP TABLE silence; PRAGMA user_version = 3;").unwrap();
    drop(plain);
    assert_eq!(Journal::open_read_only(dir.path(), noon).unwrap().silences().unwrap(), []);
    let silence = Silence {
        of: AlertsOf { instance: None, reason: Some("NotWatching".to_owned()) },
        quiet: Quiet { by: "ana".to_owned(), since: noon(), until: None },
    };
    open(&dir).silence(&silence).unwrap();
    assert_eq!(Journal::open_read_only(dir.path(), noon).unwrap().silences().unwrap(), [silence]);
}

#[test]
fn certificate_orders_are_counted_in_their_window() {
    let (dir, journal) = begun();
    let hour = std::time::Duration::from_secs(3_600);
    journal.attempt("a.example.com", noon() - hour * 24 * 60).unwrap();
    let first = journal.attempt("a.example.com", noon() - hour).unwrap();
    journal.attempt("b.example.com", noon()).unwrap();
    journal.end_attempt(first, false).unwrap();
    drop(journal);
    let journal = open(&dir);
    let expected = Attempt { id: first, name: "a.example.com".to_owned(), at: noon() - hour, succeeded: Some(false) };
    assert_eq!(journal.attempts_since("a.example.com", noon() - hour).unwrap(), [expected]);
    let all = journal.all_attempts_since(noon() - hour * 24 * 365).unwrap();
    assert_eq!(all.len(), 2, "one that counts in no budget any more is dropped");
    assert_eq!(all[1].succeeded, None);
}

#[test]
fn a_broken_file_is_moved_aside_and_a_new_one_begun_with_an_event() {
    let dir = TempDir::new().unwrap();
    for round in 1..=2 {
        std::fs::write(
            dir.path().join("journal.db"),
            "this is no database, but long enough to be looked at".repeat(40),
        )
        .unwrap();
        let journal = open(&dir);
        assert!(dir.path().join(format!("journal.db.broken-{round}")).exists());
        let events = journal.events(&EventFilter::default()).unwrap();
        assert_eq!(events.iter().map(|event| event.reason.as_str()).collect::<Vec<_>>(), ["JournalBroken"]);
    }
}

#[test]
fn a_torn_or_scribbled_file_is_moved_aside_too() {
    let torn = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 6_000);
    let scribbled = |bytes: &mut Vec<u8>| {
        let last = bytes.len() - 4_096;
        bytes[last..].fill(0x55);
    };
    for damage in [&torn as &dyn Fn(&mut Vec<u8>), &scribbled] {
        let (dir, journal) = begun();
        for number in 0..200 {
            journal.meet(&name(&format!("a{number}")), uid(number)).unwrap();
        }
        drop(journal);
        let file = dir.path().join("journal.db");
        let mut bytes = std::fs::read(&file).unwrap();
        assert!(bytes.len() > 3 * 4_096);
        damage(&mut bytes);
        std::fs::write(&file, &bytes).unwrap();
        let journal = open(&dir);
        assert!(dir.path().join("journal.db.broken-1").exists());
        assert!(journal.known().unwrap().is_empty());
    }
}

#[test]
fn a_journal_of_a_newer_version_is_refused_and_left_as_it_is() {
    let (dir, journal) = begun();
    drop(journal);
    let plain = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    plain.pragma_update(None, "user_version", 99).unwrap();
    drop(plain);
    assert!(matches!(Journal::open(dir.path(), noon), Err(JournalError::Newer { found: 99, .. })));
    assert!(matches!(Journal::open_read_only(dir.path(), noon), Err(JournalError::Newer { .. })));
    assert!(!dir.path().join("journal.db.broken-1").exists());
}

#[test]
fn reading_works_beside_a_writer_and_without_a_file_and_never_writes() {
    let (dir, journal) = begun();
    journal.meet(&name("acme"), uid(1)).unwrap();
    let reader = Journal::open_read_only(dir.path(), noon).unwrap();
    assert_eq!(reader.known().unwrap().len(), 1);
    assert!(reader.meet(&name("zeta"), uid(2)).is_err());
    journal.meet(&name("beta"), uid(3)).unwrap();
    assert_eq!(reader.known().unwrap().len(), 2);

    let empty = TempDir::new().unwrap();
    let reader = Journal::open_read_only(&empty.path().join("not/there"), noon).unwrap();
    assert!(reader.known().unwrap().is_empty());
    assert!(reader.meet(&name("zeta"), uid(2)).is_err());
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn the_file_is_not_for_everybody() {
    let (dir, _journal) = begun();
    let mode = std::fs::metadata(dir.path().join("journal.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "mode {mode:o}");
}

#[test]
fn followers_hear_of_steps_and_events() {
    let (_dir, journal) = begun();
    let mut news = journal.clone().follow();
    let acme = name("acme");
    journal.begin(Some(&acme), &step("acme/create-network")).unwrap();
    journal.end(Some(&acme), &step("acme/create-network"), Err("no address is left")).unwrap();
    journal.record(&event(Some("acme"), "noted")).unwrap();
    assert!(matches!(news.try_recv().unwrap(), News::StepBegan { reason, .. } if reason == "there is none"));
    assert!(
        matches!(news.try_recv().unwrap(), News::StepEnded { error: Some(error), .. } if error == "no address is left")
    );
    assert!(matches!(news.try_recv().unwrap(), News::Recorded(event) if event.message == "noted"));
    assert!(news.try_recv().is_err());
}

/// A point of usage at a second of the day.
fn used(second: i64, cpu_percent: f32, memory_bytes: u64) -> UsagePoint {
    let at = Timestamp::from_second(noon().as_second() + second).unwrap();
    UsagePoint { at, cpu_percent, memory_bytes, database_bytes: 7, filestore_bytes: 9 }
}

#[test]
fn usage_is_thinned_out_to_means_and_largests() {
    let (_dir, journal) = begun();
    let acme = name("acme");
    // Half an hour up to now, brought five minutes at a time.
    let points: Vec<UsagePoint> = (-1_800..0)
        .step_by(15)
        .map(|second| used(second, if second % 30 == 0 { 10.0 } else { 20.0 }, (second + 2_000).unsigned_abs()))
        .collect();
    for part in points.chunks(20) {
        journal.keep_usage(&[(acme.clone(), part.to_vec())]).unwrap();
    }
    let history = journal.usage(&acme).unwrap();
    assert_eq!(history.hour, points);
    assert_eq!(history.day.len(), 6);
    assert_eq!(history.day[1], UsagePoint { cpu_percent: 15.0, memory_bytes: 785, ..used(-1_500, 0.0, 0) });
    assert_eq!(history.month, [UsagePoint { cpu_percent: 15.0, memory_bytes: 1_985, ..used(-3_600, 0.0, 0) }]);
    assert_eq!(journal.usage(&name("beta")).unwrap(), UsageHistory::default());
    journal.forget(&acme).unwrap();
    assert_eq!(journal.usage(&acme).unwrap(), UsageHistory::default());
}

#[test]
fn usage_takes_bounded_space_however_long_it_is_measured() {
    let (dir, journal) = begun();
    let (acme, before) = (name("acme"), journal.rows_written().unwrap());
    // Five weeks up to now, at five-minute steps: what is too old for a part of the history is not in it.
    let weeks = 35 * 86_400;
    for day in (-weeks..0).step_by(86_400) {
        let points = (day..day + 86_400).step_by(300).map(|second| used(second, 1.0, 1)).collect();
        journal.keep_usage(&[(acme.clone(), points)]).unwrap();
    }
    let history = journal.usage(&acme).unwrap();
    assert_eq!((history.hour.len(), history.day.len(), history.month.len()), (12, 288, 720));
    let plain = rusqlite::Connection::open(dir.path().join("journal.db")).unwrap();
    let rows: i64 = plain.query_row("SELECT count(*) FROM usage", [], |row| row.get(0)).unwrap();
    assert_eq!(rows, 12 + 288 + 720);
    assert_eq!(journal.rows_written().unwrap(), before, "usage is counted apart");
}
