//! Kills the daemon at every step that it journals, twice: when the step's intent is written and nothing of it is done,
//! and when all of it is done and its result is not written. Chance has no part in it: the journal itself holds the daemon.
//!
//! A step writes its intent, acts, and deletes its intent. Triggers in the journal's own file make each of the two
//! statements fail the first time that a step comes by. `RAISE(FAIL)` keeps what was written before it, so the intent is
//! on the disk, and a step whose intent "could not be written" does not act. The next thing that the daemon does is to
//! note that failure, and there a third trigger counts without an end: the daemon stands still inside of SQLite until it is
//! killed, and what it would have noted is rolled back. Nothing in the program knows of any of this.
//!
//! Steps run side by side, and a kill strikes all of them. So each life of the daemon has one subject: the first step that
//! was not killed at both moments yet, in the order of a life in which nobody was killed. Those behind it are refused as
//! long as it lives, and that leaves no trace. In that order nothing comes before what it waits for.

use super::fleet::{Fleet, docker, inspect};
use rusqlite::{Connection, OpenFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// What is held is seen so soon.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// The phase's end is looked for this often.
const ASK_EVERY: Duration = Duration::from_millis(300);
/// The one step that surely still runs when the daemon is back: its job is found again and waited for.
const LONG_STEP: &str = "acme/install-modules";
/// It is killed in its middle too, when it has been running for so long.
const MIDDLE: Duration = Duration::from_secs(3);

/// A step as it is told: `acme/put-site serve`. What a site shows is part of it, as the same row is put several times.
const LABEL: &str = "step || coalesce(' ' || json_extract(action, '$.page'), '')";

/// What a step is told while it is another one's turn.
const NOT_YET: &str = "not yet, says the test";

/// Where in its course a step was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moment {
    /// Its intent was written, and nothing of it was done.
    Intent,
    /// Somewhere in its middle.
    Middle,
    /// All of it was done, and its result was not written.
    Result,
}

/// The steps at which the daemon was killed, and where in their course.
pub(super) type Killed = BTreeMap<String, BTreeSet<Moment>>;

/// The triggers in one journal.
pub(super) struct Gallows {
    journal: Connection,
}

/// The table and the trigger that write down which steps are journalled, in the order of their first intents.
fn recording() -> String {
    let label = of("NEW");
    format!(
        "CREATE TABLE test_journalled (step TEXT);
         CREATE TRIGGER test_record AFTER INSERT ON intent BEGIN
           INSERT INTO test_journalled SELECT {label} WHERE {label} NOT IN (SELECT step FROM test_journalled);
         END;"
    )
}

/// Tables and triggers that hold each of the expected steps at its intent and at its result until it was killed there.
/// `test_begun` is what this life began: an intent that the life before left is deleted by this one without a result.
fn holding() -> String {
    let (begun, ended) = (of("NEW"), of("OLD"));
    let is_open = "(SELECT count(*) FROM test_killed WHERE step = expected.step) < 2";
    format!(
        "CREATE TABLE test_expected (step TEXT);
         CREATE TABLE test_killed (step TEXT, moment TEXT, PRIMARY KEY (step, moment));
         CREATE TABLE test_begun (step TEXT);
         CREATE TABLE test_held (step TEXT, moment TEXT);
         CREATE VIEW test_subject AS
           SELECT step FROM test_expected AS expected WHERE {is_open} ORDER BY rowid LIMIT 1;
         CREATE VIEW test_endless AS
           WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT 1 FROM number) SELECT n FROM number;
         CREATE TRIGGER test_at_intent AFTER INSERT ON intent
           WHEN EXISTS (SELECT 1 FROM test_expected AS expected WHERE step = {begun} AND {is_open}) BEGIN
           SELECT RAISE(ABORT, '{NOT_YET}') WHERE {begun} NOT IN (SELECT step FROM test_subject);
           INSERT INTO test_begun VALUES ({begun});
           INSERT INTO test_held SELECT {begun}, 'intent'
             WHERE NOT EXISTS (SELECT 1 FROM test_killed WHERE step = {begun} AND moment = 'intent');
           SELECT RAISE(FAIL, 'held by the test') FROM test_held;
         END;
         CREATE TRIGGER test_at_result BEFORE DELETE ON intent WHEN {ended} IN (SELECT step FROM test_begun) BEGIN
           INSERT INTO test_held VALUES ({ended}, 'result');
           SELECT RAISE(FAIL, 'held by the test');
         END;
         CREATE TRIGGER test_hold BEFORE INSERT ON failure WHEN EXISTS (SELECT 1 FROM test_held) BEGIN
           SELECT count(*) FROM test_endless;
         END;
         CREATE TRIGGER test_no_trace BEFORE INSERT ON failure
           WHEN NEW.message LIKE '%{NOT_YET}%' AND NOT EXISTS (SELECT 1 FROM test_held) BEGIN
           SELECT RAISE(IGNORE);
         END;"
    )
}

/// A step's label, of a row that a trigger sees.
fn of(row: &str) -> String {
    LABEL.replace("step", &format!("{row}.step")).replace("action", &format!("{row}.action"))
}

impl Gallows {
    /// Opens the journal of a fleet whose daemon has run before, and only writes down which steps are journalled.
    pub(super) fn recording(fleet: &Fleet) -> Self {
        Self::open(fleet, &recording())
    }

    fn open(fleet: &Fleet, triggers: &str) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let journal = Connection::open_with_flags(fleet.state.join("journal.db"), flags).unwrap();
        journal.execute_batch(triggers).unwrap();
        Self { journal }
    }

    /// The steps that were journalled since it was asked last, in the order in which they began.
    pub(super) fn journalled(&self) -> Vec<String> {
        let steps = self.rows("SELECT step, '' FROM test_journalled ORDER BY rowid");
        let steps = steps.into_iter().map(|(step, _)| step).collect();
        self.journal.execute_batch("DELETE FROM test_journalled").unwrap();
        steps
    }

    /// Runs the daemon until `done`, and kills it at each of the `expected` steps, at its intent, at its result, and once
    /// in its middle where that takes long. What it does must be done at the one and not at the other, where that can be
    /// seen. A step that was not expected is a failure. The daemon must not run when it
    /// begins, and runs when it ends.
    pub(super) fn kill_at_each(
        expected: &[String],
        fleet: &mut Fleet,
        longest: Duration,
        done: impl Fn(&Fleet) -> bool,
    ) -> Killed {
        let gallows = Self::open(fleet, &(recording() + &holding()));
        for step in expected {
            gallows.journal.execute("INSERT INTO test_expected VALUES (?1)", [step]).unwrap();
        }
        let (mut killed, started) = (Killed::new(), Instant::now());
        loop {
            gallows.begin_life();
            fleet.spawn_daemon();
            let Some((step, moment)) = gallows.next(fleet, &killed, started + longest, &done) else { break };
            fleet.kill_daemon();
            if moment != Moment::Middle
                && let Some(effect) = effect_of(fleet, &step)
            {
                assert_eq!(effect, moment == Moment::Result, "whether {step} is done at its {moment:?}");
            }
            gallows.let_pass(&step, moment);
            killed.entry(step).or_default().insert(moment);
        }
        let journalled: BTreeSet<String> = gallows.journalled().into_iter().collect();
        gallows.take_down();
        assert_eq!(journalled, expected.iter().cloned().collect(), "what an undisturbed life does, and nothing else");
        killed
    }

    /// Who is to be killed next; none when the phase is over.
    fn next(
        &self,
        fleet: &mut Fleet,
        killed: &Killed,
        deadline: Instant,
        done: impl Fn(&Fleet) -> bool,
    ) -> Option<(String, Moment)> {
        let mut asked = Instant::now();
        let mut began = None;
        let in_the_middle = killed.get(LONG_STEP).is_some_and(|moments| moments.contains(&Moment::Middle));
        loop {
            if let Some(held) = self.held() {
                return Some(held);
            }
            let is_due = |began: &mut Option<Instant>| began.get_or_insert_with(Instant::now).elapsed() > MIDDLE;
            if !in_the_middle && self.is_under_way(LONG_STEP) && is_due(&mut began) {
                return Some((LONG_STEP.to_owned(), Moment::Middle));
            }
            if asked.elapsed() > ASK_EVERY {
                if done(fleet) {
                    return None;
                }
                asked = Instant::now();
            }
            fleet.assert_daemon_lives();
            assert!(Instant::now() < deadline, "no end; killed at {killed:#?}\n{}", fleet.log_tail());
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn begin_life(&self) {
        self.journal.execute_batch("DELETE FROM test_begun; DELETE FROM test_held").unwrap();
    }

    fn let_pass(&self, step: &str, moment: Moment) {
        let word = match moment {
            Moment::Intent => "intent",
            Moment::Result => "result",
            Moment::Middle => return,
        };
        self.journal.execute("INSERT INTO test_killed VALUES (?1, ?2)", [step, word]).unwrap();
    }

    fn held(&self) -> Option<(String, Moment)> {
        let (step, word) = self.rows("SELECT step, moment FROM test_held").pop()?;
        Some((step, if word == "intent" { Moment::Intent } else { Moment::Result }))
    }

    /// True when this life began it.
    fn is_under_way(&self, step: &str) -> bool {
        let sql = format!("SELECT {LABEL}, '' FROM intent WHERE {LABEL} IN (SELECT step FROM test_begun)");
        self.rows(&sql).iter().any(|(open, _)| open == step)
    }

    fn rows(&self, sql: &str) -> Vec<(String, String)> {
        let mut statement = self.journal.prepare_cached(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    /// Lets everything pass from now on.
    fn take_down(&self) {
        let down = "DROP TRIGGER test_record; DROP TRIGGER test_at_intent; DROP TRIGGER test_at_result;
                    DROP TRIGGER test_hold; DROP TRIGGER test_no_trace; DROP VIEW test_endless; DROP VIEW test_subject;
                    DROP TABLE test_journalled; DROP TABLE test_expected; DROP TABLE test_killed;
                    DROP TABLE test_begun; DROP TABLE test_held;";
        self.journal.busy_timeout(Duration::from_secs(5)).unwrap();
        self.journal.execute_batch(down).unwrap();
    }
}

/// Whether what the step does is done; none where nothing outside of the daemon tells.
fn effect_of(fleet: &Fleet, step: &str) -> Option<bool> {
    let (_, kind) = step.split_once('/')?;
    let stands = |kind: &str, name: &str| docker(&[kind, "inspect", "--format", "there", name]) == "there";
    let count = |what: &str| fleet.sql(&format!("SELECT count(*) FROM {what} = 'odoo_acme'")) == "1";
    let (database, role) = ("pg_database WHERE datname", "pg_roles WHERE rolname");
    let tombstone = || !fleet.journal().tombstones().unwrap().is_empty();
    Some(match kind {
        "set-role" => count(role),
        "drop-role" => !count(role),
        "create-database" => count(database),
        "drop-database" => !count(database),
        "create-volume" => stands("volume", "ik-acme-data"),
        "remove-volume" => !stands("volume", "ik-acme-data"),
        "create-container" => stands("container", "ik-acme"),
        "remove-container" => !stands("container", "ik-acme"),
        "start-container" => inspect("ik-acme", "{{.State.Running}}") == "true",
        "stop-container" => inspect("ik-acme", "{{.State.Running}}") == "false",
        "write-conf" => fleet.state.join("secrets/odoo/acme/odoo.conf").exists(),
        "remove-conf" => !fleet.state.join("secrets/odoo/acme").exists(),
        "open-tombstone" => tombstone(),
        "close-tombstone" | "end-purge" => !tombstone(),
        _ => return None,
    })
}
