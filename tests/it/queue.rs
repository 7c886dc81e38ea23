//! The queue: one turn a name, joined wakes, capped back-off. Time is handed in; only the last tests wait for real.

use innkeeper::daemon::queue::Queue;
use innkeeper::daemon::queue::schedule::{Next, Offer, Refused, Schedule, Wake};
use innkeeper::model::backoff::{self, BACK_OFF_MAX};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

const NAMES_MAX: usize = 8;

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn turn(key: &'static str, cause: Option<&str>) -> Offer<&'static str> {
    Offer::Turn(Wake { key, cause: cause.map(str::to_owned) })
}

fn woken(names: &[&'static str]) -> Schedule<&'static str> {
    let mut schedule = Schedule::new(NAMES_MAX);
    for name in names {
        schedule.wake(*name, None, at(0)).unwrap();
    }
    schedule
}

#[test]
fn never_two_turns_for_one_name() {
    let mut schedule = woken(&["acme"]);
    assert_eq!(schedule.take(at(0)), turn("acme", None));
    schedule.wake("acme", Some("file".into()), at(1)).unwrap();
    assert_eq!(schedule.take(at(9)), Offer::Idle, "acme has its turn now");
    schedule.settle("acme", Next::Quiet, at(10), 0.0);
    assert_eq!(schedule.take(at(10)), turn("acme", Some("file")), "the wake of meanwhile is not lost");
    schedule.settle("acme", Next::Quiet, at(11), 0.0);
    assert_eq!(schedule.take(at(99)), Offer::Idle);
}

#[test]
fn a_newer_wake_joins_the_waiting_one() {
    let mut schedule = Schedule::new(NAMES_MAX);
    schedule.wake("acme", Some("file".into()), at(100)).unwrap();
    schedule.wake("acme", None, at(150)).unwrap();
    assert_eq!(schedule.waiting(), 1);
    assert_eq!(schedule.take(at(99)), Offer::Until(at(100)), "a stream of wakes does not put the turn off");
    schedule.wake("acme", Some("ann".into()), at(20)).unwrap();
    assert_eq!(schedule.take(at(20)), turn("acme", Some("ann")), "the earlier time and the newer cause hold");
    schedule.settle("acme", Next::Quiet, at(30), 0.0);
    assert_eq!(schedule.take(at(200)), Offer::Idle, "three wakes were one turn");
}

#[test]
fn other_names_go_on_while_one_has_its_turn() {
    let mut schedule = woken(&["acme", "beta"]);
    assert_eq!(schedule.take(at(0)), turn("acme", None));
    assert_eq!(schedule.take(at(0)), turn("beta", None));
    assert_eq!(schedule.running(), 2);
}

#[test]
fn names_have_their_turn_in_the_order_of_their_times() {
    let mut schedule = Schedule::new(NAMES_MAX);
    schedule.wake("late", None, at(30)).unwrap();
    schedule.wake("second", None, at(10)).unwrap();
    schedule.wake("third", None, at(10)).unwrap();
    schedule.wake("first", None, at(5)).unwrap();
    let order: Vec<_> = std::iter::from_fn(|| match schedule.take(at(30)) {
        Offer::Turn(wake) => Some(wake.key),
        _ => None,
    })
    .collect();
    assert_eq!(order, ["first", "second", "third", "late"]);
}

#[test]
fn a_turn_may_ask_for_another_one_later_and_a_wake_brings_it_forward() {
    let mut schedule = woken(&["acme"]);
    schedule.take(at(0));
    schedule.settle("acme", Next::Again(at(1_000)), at(5), 0.0);
    assert_eq!(schedule.take(at(5)), Offer::Until(at(1_005)));
    schedule.wake("acme", Some("file".into()), at(50)).unwrap();
    assert_eq!(schedule.take(at(50)), turn("acme", Some("file")));
}

#[test]
fn failed_turns_back_off_and_a_good_one_forgets_it() {
    let mut schedule = woken(&["acme"]);
    let mut now = at(0);
    let mut waits = Vec::new();
    for _ in 0..4 {
        assert!(matches!(schedule.take(now), Offer::Turn(_)));
        schedule.settle("acme", Next::Failed, now, 0.0);
        let Offer::Until(due) = schedule.take(now) else { panic!("a failed turn is tried again, but not at once") };
        waits.push((due - now).as_secs());
        now = due;
    }
    assert_eq!(waits, [1, 2, 4, 8]);
    schedule.take(now);
    schedule.settle("acme", Next::Again(Duration::ZERO), now, 0.0);
    schedule.take(now);
    schedule.settle("acme", Next::Failed, now, 0.0);
    assert_eq!(schedule.take(now), Offer::Until(now + at(1_000)), "it begins anew");
}

#[test]
fn back_off_is_capped() {
    let waits: Vec<_> = [1, 2, 3, 10, 11, 40, u32::MAX].map(|attempts| backoff::wait(attempts, 0.0).as_secs()).into();
    assert_eq!(waits, [1, 2, 4, 512, 600, 600, 600]);
    assert_eq!(backoff::wait(11, 1.0), BACK_OFF_MAX / 2, "chance takes at most half away");
    assert_eq!(backoff::wait(1, 0.5), Duration::from_millis(750));
}

#[test]
fn as_many_names_wait_as_may_and_those_that_wait_are_still_joined() {
    let mut schedule = Schedule::new(2);
    schedule.wake("a", None, at(0)).unwrap();
    schedule.wake("b", None, at(0)).unwrap();
    assert_eq!(schedule.wake("c", None, at(0)), Err(Refused::Full));
    assert_eq!(schedule.wake("a", None, at(0)), Ok(()));
}

#[test]
fn a_closed_schedule_gives_and_takes_nothing() {
    let mut schedule = woken(&["acme", "beta"]);
    schedule.take(at(0));
    schedule.close();
    assert_eq!(schedule.take(at(0)), Offer::Closed);
    assert_eq!(schedule.wake("zeta", None, at(0)), Err(Refused::Closed));
    schedule.settle("acme", Next::Again(Duration::ZERO), at(1), 0.0);
    assert_eq!((schedule.take(at(2)), schedule.waiting(), schedule.running()), (Offer::Closed, 0, 0));
}

/// What may happen to a schedule.
#[derive(Debug, Clone)]
enum Deed {
    Wake(u8, u64),
    Take,
    Settle(Next),
    Pass(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let next = prop_oneof![Just(Next::Quiet), Just(Next::Failed), (0..50_u64).prop_map(|ms| Next::Again(at(ms)))];
    prop_oneof![
        (0..6_u8, 0..100_u64).prop_map(|(key, delay)| Deed::Wake(key, delay)),
        Just(Deed::Take),
        next.prop_map(Deed::Settle),
        (0..200_u64).prop_map(Deed::Pass),
    ]
}

proptest! {
    #[test]
    fn no_wake_is_lost_and_no_name_runs_twice(deeds in prop::collection::vec(deed(), 0..200)) {
        let mut schedule = Schedule::new(usize::MAX);
        let (mut now, mut owed, mut running) = (at(0), BTreeSet::new(), Vec::new());
        for deed in deeds {
            match deed {
                Deed::Wake(key, delay) => {
                    schedule.wake(key, None, now + at(delay)).unwrap();
                    owed.insert(key);
                }
                Deed::Take => match schedule.take(now) {
                    Offer::Turn(wake) => {
                        prop_assert!(!running.contains(&wake.key), "{} has its turn already", wake.key);
                        owed.remove(&wake.key);
                        running.push(wake.key);
                    }
                    Offer::Until(due) => prop_assert!(due > now),
                    Offer::Idle => prop_assert!(owed.iter().all(|key| running.contains(key))),
                    Offer::Closed => prop_assert!(false, "nobody closed it"),
                },
                Deed::Settle(next) => {
                    if let Some(key) = running.pop() {
                        schedule.settle(key, next, now, 0.5);
                        if next != Next::Quiet {
                            owed.insert(key);
                        }
                    }
                }
                Deed::Pass(time) => now += at(time),
            }
        }
        running.drain(..).for_each(|key| schedule.settle(key, Next::Quiet, now, 0.5));
        while let Offer::Turn(wake) = schedule.take(now + BACK_OFF_MAX) {
            owed.remove(&wake.key);
        }
        prop_assert!(owed.is_empty(), "lost: {owed:?}");
    }
}

fn no_chance() -> f64 {
    0.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_share_the_names_and_end_when_the_queue_is_closed() {
    let queue: Queue<usize> = Queue::new(at(1), 64, no_chance);
    let busy: Arc<Vec<AtomicUsize>> = Arc::new((0..4).map(|_| AtomicUsize::new(0)).collect());
    let turns = Arc::new(AtomicU32::new(0));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (queue, busy, turns) = (queue.clone(), Arc::clone(&busy), Arc::clone(&turns));
            tokio::spawn(async move {
                while let Some(turn) = queue.next().await {
                    let key = turn.wake().key;
                    assert_eq!(busy[key].fetch_add(1, Ordering::SeqCst), 0, "two turns for {key}");
                    tokio::task::yield_now().await;
                    busy[key].fetch_sub(1, Ordering::SeqCst);
                    turns.fetch_add(1, Ordering::SeqCst);
                    turn.settle(Next::Quiet);
                }
            })
        })
        .collect();
    for round in 0..200 {
        queue.wake(round % 4, None).unwrap();
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(10), async {
        while !queue.is_idle() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("all turns end");
    assert!((4..=200).contains(&turns.load(Ordering::SeqCst)));
    queue.close();
    for worker in workers {
        tokio::time::timeout(Duration::from_secs(10), worker).await.expect("workers end").unwrap();
    }
}

#[tokio::test]
async fn a_turn_that_panics_counts_as_failed_and_its_name_is_not_stuck() {
    let queue: Queue<&str> = Queue::new(Duration::ZERO, 8, || 1.0);
    queue.wake("acme", None).unwrap();
    let turn = queue.next().await.unwrap();
    let cut = tokio::spawn(async move {
        let _turn = turn;
        panic!("on purpose");
    });
    assert!(cut.await.is_err());
    let again = tokio::time::timeout(Duration::from_secs(10), queue.next()).await.expect("within its back-off");
    assert_eq!(again.unwrap().wake().key, "acme");
}

#[tokio::test]
async fn a_wake_ends_a_longer_wait() {
    let queue: Queue<&str> = Queue::new(Duration::ZERO, 8, no_chance);
    queue.wake_in("acme", None, Duration::from_secs(3_600)).unwrap();
    let waiting = tokio::spawn({
        let queue = queue.clone();
        async move { queue.next().await.map(|turn| turn.wake().key) }
    });
    tokio::task::yield_now().await;
    queue.wake("acme", None).unwrap();
    let key = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("the wake is noticed");
    assert_eq!(key.unwrap(), Some("acme"));
}
