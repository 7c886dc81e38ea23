//! The final backup on the real loop of observe, diff and apply, in a rehearsed world: what is damaged or missing, and who
//! writes meanwhile.

use crate::rehearsed::clock::{self, rehearse};
use crate::rehearsed::invariants;
use crate::rehearsed::run::Run;
use crate::world::{name, wanted};
use innkeeper::adapters::rehearsal::world::StoredBackup;
use innkeeper::adapters::rehearsal::{Damage, Fault, Faults, World};
use innkeeper::model::backup::Part;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::wanted::WantedState;
use std::time::Duration;

const SEED: u64 = 1;
const PASSES_MAX: u32 = 20;
/// A grace period of 14 days, and a moment.
const GRACE: Duration = Duration::from_secs(14 * 86_400 + 60);

/// Runs a test over `acme` and `beta`, both ready, with data.
fn with_customers(test: impl AsyncFnOnce(&mut Run)) {
    rehearse(clock::start(), SEED, async || {
        let mut run = Run::new(SEED, [wanted("acme"), wanted("beta")]);
        run.settle(PASSES_MAX).await.expect("it settles");
        run.rehearsal.with(|world| world.databases.values_mut().for_each(|database| database.content = 5));
        let violations = invariants::watch(&run.rehearsal);
        test(&mut run).await;
        assert_eq!(*violations.lock().unwrap(), Vec::<String>::new());
    });
}

async fn retire(run: &mut Run) {
    run.edit("acme", |wanted| wanted.state = WantedState::Absent);
    run.settle(PASSES_MAX).await.expect("it is retired");
}

fn has_data(world: &mut World) -> bool {
    world.databases.contains_key("odoo_acme") && world.volumes.contains_key("ik-acme-data")
}

fn dumped(backup: &StoredBackup) -> String {
    String::from_utf8_lossy(&backup.parts[&Part::Database]).into_owned()
}

#[test]
fn a_backup_that_rots_in_the_grace_period_is_replaced_before_data_go() {
    with_customers(async |run| {
        retire(run).await;
        assert!(run.rehearsal.damage(Damage::BackupSpoiled, &name("acme")));
        tokio::time::sleep(GRACE).await;
        run.settle(PASSES_MAX).await.expect("it is purged");
        run.rehearsal.with(|world| {
            assert!(!has_data(world));
            assert_eq!((world.archive.len(), world.unsound.len()), (1, 1), "the damaged one is kept for a person");
            let kept = world.archive.values().next().unwrap();
            assert!(dumped(kept).starts_with("database") && kept.verified_at.is_some(), "{kept:?}");
        });
        let events =
            run.journal().events(&innkeeper::journal::EventFilter { limit: 1_000, ..Default::default() }).unwrap();
        let damaged: Vec<_> = events.iter().filter(|event| event.reason == "BackupDamaged").collect();
        assert_eq!(damaged.len(), 1, "it is told once");
    });
}

#[test]
fn files_that_are_missing_keep_the_data_until_a_person_confirms() {
    with_customers(async |run| {
        assert!(run.rehearsal.damage(Damage::FilesLost, &name("acme")));
        retire(run).await;
        let events =
            run.journal().events(&innkeeper::journal::EventFilter { limit: 1_000, ..Default::default() }).unwrap();
        let told = events.iter().find(|event| event.reason == "BackupPartial").expect("it is told");
        assert!(told.message.contains("1 file that its database names is not in it (ab/0)"), "{}", told.message);
        tokio::time::sleep(2 * GRACE).await;
        run.settle(PASSES_MAX).await.expect("it is held");
        assert!(run.rehearsal.with(has_data));
        let (_, decided) = run.statuses().await.remove(&name("acme")).unwrap();
        assert_eq!(decided.holds.iter().map(|hold| hold.reason).collect::<Vec<_>>(), [HoldReason::BackupPartial]);
        let steady_s = clock::steady_s();
        run.journal().permit(&[(name("acme"), String::new())], steady_s).unwrap();
        // An invariant of everybody else's day: what a partial backup lacks is gone with the volume, and that was confirmed.
        run.rehearsal.watch(|_, _, _| {});
        run.settle(PASSES_MAX).await.expect("it is purged");
        assert!(!run.rehearsal.with(has_data));
        assert!(run.journal().permitted(steady_s).unwrap().is_empty(), "the permit is used up");
    });
}

#[test]
fn whoever_writes_while_it_is_retired_writes_before_the_backup_or_not_at_all() {
    with_customers(async |run| {
        assert!(run.rehearsal.damage(Damage::WrittenFromOutside, &name("acme")), "somebody is connected before");
        run.edit("acme", |wanted| wanted.state = WantedState::Absent);
        let rehearsal = run.rehearsal.clone();
        let (mut written, mut refused) = (0, 0);
        let writer = async {
            for _ in 0..500 {
                match rehearsal.damage(Damage::WrittenFromOutside, &name("acme")) {
                    true => written += 1,
                    false => refused += 1,
                }
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        run.pass_beside(writer).await;
        assert!(written > 5 && refused > 100, "{written} written, {refused} refused");
        run.settle(PASSES_MAX).await.expect("it is retired");
        run.rehearsal.with(|world| {
            let content = world.databases["odoo_acme"].content;
            let kept = dumped(world.archive.values().next().unwrap());
            assert!(kept.contains(&format!("content={content} ")), "{kept}, and the database has {content}");
            assert!(!world.roles["odoo_acme"].login && world.roles["odoo_beta"].login);
        });
        assert!(!run.rehearsal.damage(Damage::WrittenFromOutside, &name("acme")));
        // It comes back and is open again.
        run.edit("acme", |wanted| wanted.state = WantedState::Running);
        run.settle(PASSES_MAX).await.expect("it is back");
        assert!(run.rehearsal.damage(Damage::WrittenFromOutside, &name("acme")));
    });
}

#[test]
fn what_a_failed_backup_left_is_thrown_away_at_once() {
    // The same seed makes the same calls.
    let mut reading = 0;
    with_customers(async |run| {
        run.edit("acme", |wanted| wanted.state = WantedState::Absent);
        run.rehearsal.forget_calls();
        run.pass().await;
        reading = run.rehearsal.calls().iter().find(|call| call.method == "read_volume").expect("it is read").number;
    });
    with_customers(async |run| {
        run.edit("acme", |wanted| wanted.state = WantedState::Absent);
        run.rehearsal.forget_calls();
        run.rehearsal.set_faults(Faults::at(reading, Fault::FAIL_BEFORE));
        run.pass().await;
        let failed = run.rehearsal.calls().into_iter().find(|call| call.fault.is_some()).expect("one failed");
        assert_eq!(failed.method, "read_volume");
        assert_eq!(run.rehearsal.with(|world| world.archive.len()), 0, "the dump before it takes no room");
    });
}
