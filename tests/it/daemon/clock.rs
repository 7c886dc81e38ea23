//! The host's clock is set by an hour or by a year, forward and back, under instances in every state: nothing is deleted
//! before its time, and no storm breaks out.

use super::house::{Daemon, House, in_a_house, set_clock};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::name::Domain;
use innkeeper::model::status::State;
use std::time::Duration;

const HOUR_S: i64 = 3_600;
const YEAR_S: i64 = 365 * 24 * HOUR_S;
/// So long it is watched what comes of it; the grace period is an hour longer, and ten minutes: files that change are found by
/// hints in the machine's own time, or some of the rehearsed time later.
const WATCHED: Duration = Duration::from_secs(2 * 3_600 - 600);
/// More than a quiet fleet's, an edge of events and effects that a jump may cost once: a restart and a certificate each.
const ONCE_MAX: usize = 40;

/// What was done, and said, while it was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Toll {
    calls: usize,
    effects: usize,
    events: u64,
    orders: u64,
    restarts: usize,
}

/// One in each state: ready, stopped, without its file, retired, failing with back-off, and one whose installation runs.
async fn in_every_state(house: &House) -> Daemon {
    house.set("retire_grace = \"3h\"");
    let elsewhere = Domain::parse("erp.gamma.org").unwrap();
    house.rehearsal.with(|world| world.pointing_elsewhere.insert(elsewhere));
    house.drop_file("echo", "state = \"stopped\"");
    let daemon = house.settled_daemon(&["acme", "beta", "gamma", "orphan"]).await;
    daemon.until_state("echo", State::Stopped).await;
    house.remove_file("orphan");
    house.drop_file("beta", "state = \"absent\"");
    house.drop_file("gamma", "domains = [\"erp.gamma.org\"]");
    daemon.until_state("beta", State::Retired).await;
    let backs_off = |daemon: &Daemon| {
        daemon.status("gamma").is_some_and(|it| it.holds.iter().any(|hold| hold.reason.is_tried_again()))
    };
    daemon.until("gamma backing off", backs_off).await;
    daemon.until_state("orphan", State::Orphaned).await;
    // Not what the file of the orphan says: it would be taken for that one, renamed.
    house.drop_file("delta", "modules = [\"website\"]");
    let installs = |_: &Daemon| house.rehearsal.with(|world| world.containers.contains_key("ik-delta-job-install"));
    daemon.until("delta's installation", installs).await;
    daemon
}

/// Sets the clock by so much, watches, and sets it right again.
async fn live_through(house: &House, shift_s: i64) -> Toll {
    let daemon = in_every_state(house).await;
    let data = house.data();
    let said = |daemon: &Daemon| daemon.events().iter().map(|event| event.count).sum::<u64>();
    house.rehearsal.forget_calls();
    let (events, orders) = (said(&daemon), house.rehearsal.with(|world| world.orders));
    set_clock(shift_s);
    tokio::time::sleep(WATCHED).await;
    let told = format!("by {shift_s} s: {:#?}", daemon.told());
    let effects = house.effects();
    let toll = Toll {
        calls: house.rehearsal.calls().len(),
        effects: effects.len(),
        events: said(&daemon) - events,
        orders: house.rehearsal.with(|world| world.orders) - orders,
        restarts: effects.iter().filter(|it| it.starts_with("restart_") || it.starts_with("stop_")).count(),
    };
    for text in ["acme", "delta"] {
        assert_eq!(daemon.status(text).unwrap().state, State::Ready, "{text}, {told}");
    }
    assert_eq!(daemon.status("echo").unwrap().state, State::Stopped, "{told}");
    assert_eq!(daemon.status("orphan").unwrap().state, State::Orphaned, "{told}");
    assert!(data.iter().all(|it| house.data().contains(it)), "nothing is deleted: {told}");
    assert!(!effects.iter().any(|it| it.starts_with("drop_") || it.starts_with("remove_volume")), "{told}");
    let waits = daemon.status("beta").unwrap().holds.iter().any(|hold| hold.reason == HoldReason::ClockMoved);
    assert_eq!(waits, shift_s > 2 * HOUR_S, "over by the clock alone, {told}");
    set_clock(-shift_s);
    // The grace period ends when it was seen to pass, and then it does end.
    tokio::time::sleep(WATCHED / 4).await;
    assert!(!house.names_left("beta").is_empty(), "more than half an hour is left: {told}");
    tokio::time::sleep(WATCHED / 2).await;
    assert_eq!(house.names_left("beta"), [""; 0], "{:#?}", daemon.told());
    daemon.until_state("acme", State::Ready).await;
    daemon.stop().await;
    toll
}

#[test]
fn a_clock_that_is_set_deletes_nothing_early_and_raises_no_storm() {
    let quiet = in_a_house(async |house: &House| live_through(house, 0).await);
    println!("not set: {quiet:?}");
    for shift_s in [HOUR_S, -HOUR_S, YEAR_S, -YEAR_S] {
        let toll = in_a_house(async |house: &House| live_through(house, shift_s).await);
        println!("set by {shift_s} s: {toll:?}");
        assert!(toll.calls <= quiet.calls + quiet.calls / 4, "{shift_s}: {toll:?}, {quiet:?}");
        assert!(toll.effects <= quiet.effects + ONCE_MAX, "{shift_s}: {toll:?}, {quiet:?}");
        assert!(toll.events <= quiet.events + 2 * ONCE_MAX as u64, "{shift_s}: {toll:?}, {quiet:?}");
        assert!(toll.orders <= quiet.orders + 6, "{shift_s}: {toll:?}, {quiet:?}");
        assert!(toll.restarts <= quiet.restarts + 4, "{shift_s}: {toll:?}, {quiet:?}");
    }
}
