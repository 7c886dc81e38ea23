//! Locks, signals, deaths: who may run, how it ends, and what the next start finds.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::adapters::rehearsal::Faults;
use innkeeper::daemon::{Conduct, OpenError, RunError, Signal, run};
use innkeeper::edges::Edge;
use innkeeper::model::status::State;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

#[test]
fn a_second_daemon_and_an_apply_beside_it_are_refused_and_told_who_is_there() {
    in_a_house(async |house| {
        let daemon = house.daemon();
        daemon.until_told("DaemonStarted").await;
        for conduct in [Conduct::Keep, Conduct::ActOnce] {
            let error = house.open(conduct).err().expect("the lock is held");
            assert!(matches!(error, OpenError::Lock(_)));
            let text = error.to_string();
            assert!(text.contains("`innkeeper run`, pid ") && text.contains(&std::process::id().to_string()), "{text}");
        }
        assert!(house.open(Conduct::Look).is_ok(), "looking needs no lock");
        daemon.stop().await;
        assert!(house.open(Conduct::ActOnce).is_ok());
    });
}

#[test]
fn a_daemon_of_the_same_installation_on_another_host_is_refused() {
    in_a_house(async |house| {
        let elsewhere = house.rehearsal.edges().database.lock_installation().await.unwrap();
        let keeper = house.keeper(Conduct::Keep);
        let (_signals, receiver) = mpsc::channel(1);
        assert!(matches!(run(keeper, receiver).await, Err(RunError::Held(_))));
        assert!(!house.path("state/control.sock").exists());
        drop(elsewhere);
        house.daemon().stop().await;
    });
}

#[test]
fn a_server_that_is_down_at_the_start_gives_its_lock_later() {
    in_a_house(async |house| {
        house.rehearsal.set_faults(Faults { down: BTreeSet::from([Edge::Database]), ..Faults::default() });
        let daemon = house.daemon();
        daemon.until_told("EdgeLost").await;
        house.rehearsal.set_faults(Faults::default());
        daemon.until_told("EdgeBack").await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert!(house.rehearsal.edges().database.lock_installation().await.is_err(), "the daemon has it");
        daemon.stop().await;
    });
}

#[test]
fn a_daemon_that_finds_another_one_acting_ends() {
    in_a_house(async |house| {
        house.rehearsal.set_faults(Faults { down: BTreeSet::from([Edge::Database]), ..Faults::default() });
        let daemon = house.daemon();
        daemon.until_told("DaemonStarted").await;
        house.rehearsal.set_faults(Faults::default());
        let _elsewhere = house.rehearsal.edges().database.lock_installation().await.unwrap();
        assert!(matches!(daemon.end_within(Duration::from_secs(60)).await, Err(RunError::Held(_))));
    });
}

#[test]
fn the_first_signal_lets_the_running_step_finish_and_begins_none() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        house.slow_down_after_the_first_effect(Duration::from_secs(10));
        let daemon = house.daemon();
        daemon.until("a slow effect", |_| house.effects().contains(&"create_database odoo_acme".to_owned())).await;
        // A step that waits in the lane of sites runs too: it acts within this time.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = house.effects();
        let asked_at = Instant::now();
        let keeper = daemon.keeper.clone();
        daemon.stop().await;
        assert!(asked_at.elapsed() <= Duration::from_secs(11), "{:?}", asked_at.elapsed());
        assert_eq!(house.effects(), begun, "none was begun");
        assert_eq!(keeper.journal().open_intents().unwrap(), [], "those that ran came to their end");
        assert!(!house.path("state/control.sock").exists());
    });
}

#[test]
fn the_second_signal_stops_at_once_and_the_next_start_goes_on() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        house.slow_down_after_the_first_effect(Duration::from_secs(25));
        let daemon = house.daemon();
        daemon.until("a slow effect", |_| house.effects().contains(&"create_database odoo_acme".to_owned())).await;
        let asked_at = Instant::now();
        daemon.signals.send(Signal::Stop).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!daemon.is_over(), "the running step is waited for");
        daemon.signals.send(Signal::Stop).await.unwrap();
        daemon.end_within(Duration::from_secs(5)).await.unwrap();
        assert!(asked_at.elapsed() < Duration::from_secs(5));

        house.speed_up();
        let daemon = house.daemon();
        daemon.until_told("StepInterrupted").await;
        daemon.until_state("acme", State::Ready).await;
        assert_eq!(daemon.keeper.journal().open_intents().unwrap(), []);
        daemon.stop().await;
    });
}

#[test]
fn steps_that_do_not_end_are_cut_after_the_grace() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        house.slow_down_after_the_first_effect(Duration::from_secs(3_000));
        let daemon = house.daemon();
        daemon.until("a slow effect", |_| house.effects().contains(&"create_database odoo_acme".to_owned())).await;
        let asked_at = Instant::now();
        daemon.stop().await;
        let took = asked_at.elapsed();
        assert!((Duration::from_secs(30)..Duration::from_secs(32)).contains(&took), "{took:?}");
    });
}

#[test]
fn a_restarted_daemon_goes_on_where_the_installation_stands() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let document = house.read("state/status/acme.json");
        daemon.stop().await;
        house.rehearsal.forget_calls();
        let daemon = house.daemon();
        daemon.until_told("DaemonStopped").await;
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(house.effects(), [""; 0]);
        assert_eq!(house.read("state/status/acme.json"), document, "conditions keep their time");
        assert_eq!(daemon.keeper.board().documents_written(), 0);
        let known = daemon.keeper.journal().known_of(&name("acme")).unwrap().unwrap();
        assert_eq!((known.generation, known.observed_generation), (1, 1));
        daemon.stop().await;
    });
}

#[test]
fn a_file_that_broke_while_nobody_looked_is_read_as_its_last_good_version() {
    in_a_house(async |house| {
        house.settled_daemon(&["acme"]).await.stop().await;
        house.put("instances.d/acme.toml", "broken = ");
        house.rehearsal.forget_calls();
        let daemon = house.daemon();
        daemon.until_state("acme", State::Invalid).await;
        assert_eq!(daemon.status("acme").unwrap().plan.as_ref().map(ToString::to_string).as_deref(), Some("starter"));
        assert_eq!(house.effects(), [""; 0]);
        daemon.stop().await;
    });
}
