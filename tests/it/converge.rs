//! The real loop on a rehearsed world: it converges, it settles, and no moment of dying makes a difference.

use crate::rehearsed::canonical::{assert_same, canonical};
use crate::rehearsed::clock::{self, rehearse};
use crate::rehearsed::fleet::File;
use crate::rehearsed::invariants;
use crate::rehearsed::run::{Pass, Run, Snapshot};
use crate::world::{module, name, wanted};
use innkeeper::adapters::rehearsal::{Call, Fault, Faults, Strike};
use innkeeper::edges::ErrorKind;
use innkeeper::model::name::Domain;
use innkeeper::model::status::State;
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::WantedState;
use std::time::Duration;

/// Passes in which anything converges when at most two calls fail.
const PASSES_MAX: u32 = 20;
/// Seed of the courses: the order of calls that run side by side comes from it.
const SEED: u64 = 1;
/// What customers stored before the course begins, as a count: it must be there at the end.
const CONTENT: u64 = 5;
/// After so long a certificate of 90 days is to be renewed.
const RENEWAL_DUE_S: i64 = 75 * 86_400;
/// After so long a grace period of 14 days is over.
const GRACE_OVER_S: i64 = 14 * 86_400 + 60;
/// Pairs of faults that are drawn for each course.
const PAIRS: u64 = 60;

#[test]
fn an_empty_machine_becomes_ready_and_then_only_looks() {
    rehearse(clock::start(), SEED, async || {
        let mut run = Run::new(SEED, [wanted("acme"), wanted("beta")]);
        run.settle(PASSES_MAX).await.expect("it settles");
        for (name, (status, changes)) in run.statuses().await {
            assert_eq!(status.state, State::Ready, "{name}: {changes:#?}");
        }
        assert_settled(&mut run).await;
    });
}

/// A second pass makes only look calls, and the journal is left alone.
async fn assert_settled(run: &mut Run) {
    run.rehearsal.set_faults(Faults::default());
    run.rehearsal.forget_calls();
    let rows = run.journal().rows_written().unwrap();
    let pass = run.pass().await;
    let effects: Vec<Call> = run.rehearsal.calls().into_iter().filter(Call::is_effect).collect();
    assert_eq!(pass, Pass::Settled, "{effects:#?}\n{:#?}", run.statuses().await);
    assert_eq!(effects, [], "a settled pass only looks");
    assert_eq!(run.journal().rows_written().unwrap(), rows, "a settled pass writes nothing");
}

/// A change of a fleet whose every moment is tried.
struct Course {
    begin: Snapshot,
    /// So long after the snapshot.
    later_s: i64,
    change: fn(&Run),
}

impl Course {
    /// A machine on which nothing is, and a file that is dropped.
    fn create() -> Self {
        let begin = rehearse(clock::start(), SEED, async || Run::new(SEED, []).snapshot());
        let change = |run: &Run| drop(run.files.borrow_mut().insert(name("acme"), File::new(wanted("acme"))));
        Self { begin, later_s: 0, change }
    }

    /// A change of an instance that is ready, or stopped, beside another one.
    fn edit(state: WantedState, change: fn(&Run)) -> Self {
        let begin = rehearse(clock::start(), SEED, async || {
            let mut acme = wanted("acme");
            if state == WantedState::Stopped {
                acme.state = state;
            }
            let mut run = Run::new(SEED, [acme, wanted("beta")]);
            run.settle(PASSES_MAX).await.expect("it settles");
            run.rehearsal.with(|world| {
                world.databases.values_mut().for_each(|database| database.content = CONTENT);
                world.volumes.values_mut().for_each(|volume| volume.content = CONTENT);
            });
            if state == WantedState::Absent {
                run.edit("acme", |wanted| wanted.state = state);
                run.settle(PASSES_MAX).await.expect("it is retired");
            }
            run.snapshot()
        });
        Self { begin, later_s: 1, change }
    }

    /// Runs it with these faults; returns the calls and what came of it.
    fn run(&self, faults: &Faults) -> (Vec<Call>, String) {
        let begin = Timestamp::from_second(self.begin.at().as_second() + self.later_s).unwrap();
        rehearse(begin, SEED, async || {
            let mut run = Run::resume(SEED, &self.begin);
            let violations = invariants::watch(&run.rehearsal);
            (self.change)(&run);
            run.rehearsal.set_faults(faults.clone());
            let settled = run.settle(PASSES_MAX).await;
            let calls = run.rehearsal.calls();
            assert!(settled.is_some(), "{}: no end:\n{:#?}", told(&calls), run.statuses().await);
            assert_eq!(*violations.lock().unwrap(), Vec::<String>::new(), "{}", told(&calls));
            assert_settled(&mut run).await;
            (calls, canonical(&run))
        })
    }

    /// Tries every fault at every moment of every call, and then pairs of them; prints how many these were.
    #[expect(clippy::print_stdout, reason = "the number of points is the figure that this test is run for")]
    fn check(&self, what: &str) -> String {
        let (calls, expected) = self.run(&Faults::default());
        let single = |call: &Call| faults_of(call).into_iter().map(|fault| Faults::at(call.number, fault)).collect();
        let points: Vec<Faults> = calls.iter().flat_map(|call| -> Vec<Faults> { single(call) }).collect();
        for faults in &points {
            let (_, found) = self.run(faults);
            assert_same(&found, &expected, &format!("{what} with {:?}", faults.script));
        }
        let mut rng = fastrand::Rng::with_seed(SEED);
        for _ in 0..PAIRS {
            let mut faults = points[rng.usize(..points.len())].clone();
            faults.script.extend(&points[rng.usize(..points.len())].script);
            let (_, found) = self.run(&faults);
            assert_same(&found, &expected, &format!("{what} with {:?}", faults.script));
        }
        println!("{what}: {} calls, {} points of failure, {PAIRS} pairs", calls.len(), points.len());
        expected
    }
}

/// Everything that can go wrong with one call.
fn faults_of(call: &Call) -> Vec<Fault> {
    let strike = |after, how| Fault::Strike { after, how };
    if !call.is_effect() {
        let unreachable = strike(0, Strike::Error(ErrorKind::Unreachable));
        return vec![Fault::CRASH_BEFORE, unreachable, Fault::Stale(Duration::from_secs(5))];
    }
    let moments = 0..=call.moments;
    moments.flat_map(|after| [strike(after, Strike::Crash), strike(after, Strike::Error(ErrorKind::Failed))]).collect()
}

fn told(calls: &[Call]) -> String {
    calls.iter().filter(|call| call.fault.is_some()).map(invariants::describe).collect::<Vec<_>>().join("; ")
}

#[test]
fn creating_survives_a_crash_at_every_call() {
    Course::create().check("create");
}

#[test]
fn editing_limits_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Running, |run| {
        run.edit("acme", |wanted| {
            wanted.limits.workers = 4;
            wanted.limits.cpu_millis = 2_000;
        });
    })
    .check("edit limits");
}

#[test]
fn installing_a_module_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Running, |run| {
        run.edit("acme", |wanted| assert!(wanted.modules.insert(module("website"))));
    })
    .check("install a module");
}

#[test]
fn adding_a_domain_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Running, |run| {
        let domain = Domain::parse("erp.acme.org").unwrap();
        run.edit("acme", |wanted| assert!(wanted.domains.insert(domain)));
    })
    .check("add a domain");
}

#[test]
fn stopping_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Running, |run| run.edit("acme", |wanted| wanted.state = WantedState::Stopped))
        .check("stop");
}

#[test]
fn starting_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Stopped, |run| run.edit("acme", |wanted| wanted.state = WantedState::Running))
        .check("start");
}

#[test]
fn changing_the_company_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Running, |run| run.edit("acme", |wanted| wanted.company.name = "Acme & Sons".to_owned()))
        .check("change the company");
}

#[test]
fn retiring_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Running, |run| run.edit("acme", |wanted| wanted.state = WantedState::Absent))
        .check("retire");
}

#[test]
fn coming_back_survives_a_crash_at_every_call() {
    Course::edit(WantedState::Absent, |run| run.edit("acme", |wanted| wanted.state = WantedState::Running))
        .check("come back");
}

#[test]
fn purging_survives_a_crash_at_every_call() {
    let purge = Course { later_s: GRACE_OVER_S, ..Course::edit(WantedState::Absent, |_| ()) };
    let expected = purge.check("purge");
    assert!(!expected.contains("odoo_acme") && !expected.contains("ik-acme"), "{expected}");
    assert!(expected.contains("backup acme") && expected.contains("odoo_beta"), "{expected}");
}

#[test]
fn renewing_certificates_survives_a_crash_at_every_call() {
    let renew = Course { later_s: RENEWAL_DUE_S, ..Course::edit(WantedState::Running, |_| ()) };
    renew.check("renew certificates");
}
