//! Long work keeps nobody from a turn: neither others, nor the customer whose work it is.

use super::house::{Daemon, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::Damage;
use innkeeper::model::event::Event;
use innkeeper::model::status::State;
use std::time::Duration;

/// New files in one commit: more than turns go on at once.
const NEW: usize = 300;
/// A repair that is found by an event needs no look at everything, of which there is one a minute.
const ONE_PASS: Duration = Duration::from_mins(1);

#[test]
fn three_hundred_new_customers_keep_no_repair_waiting() {
    in_a_house(async |house| {
        house.set("max_instances_per_plan = 1000\n");
        let daemon = house.settled_daemon(&["acme"]).await;
        (0..NEW).for_each(|nth| house.drop_file(&format!("new-{nth:03}"), ""));
        // Time for each of them to come as far as its installation.
        tokio::time::sleep(Duration::from_secs(45)).await;
        assert!(house.rehearsal.damage(Damage::ContainerKilled, &name("acme")));
        let repaired = tokio::time::timeout(ONE_PASS, daemon.until_told("DriftRepaired")).await;
        assert!(repaired.is_ok(), "not repaired within one pass");
        let ready =
            (0..NEW).filter(|nth| daemon.status(&format!("new-{nth:03}")).is_some_and(|it| it.state == State::Ready));
        assert!(ready.count() < NEW / 2, "the installations still go on");
        daemon.stop().await;
    });
}

/// True when the instance is said to be held by long work, in these words.
fn says(daemon: &Daemon, text: &str, words: &str) -> bool {
    daemon.status(text).is_some_and(|status| status.holds.iter().any(|hold| hold.message.contains(words)))
}

#[test]
fn whoever_is_retired_while_it_waits_for_a_place_has_nothing_installed() {
    in_a_house(async |house| {
        let daemon = house.daemon();
        daemon.until_told("DaemonStarted").await;
        let names = ["first", "second", "third"];
        names.iter().for_each(|text| house.drop_file(text, ""));
        let waits = |text: &&str| says(&daemon, text, "install-modules waits until others have ended");
        daemon.until("one waiting for a place", |_| names.iter().any(waits)).await;
        let late = names.into_iter().find(waits).unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        let asked = daemon.asked(house).await;
        let operation = asked.instances.iter().find(|it| it.name.as_str() == late).and_then(|it| it.operation.clone());
        assert_eq!(operation, None, "what waits does not run");
        house.drop_file(late, "state = \"absent\"");
        for other in names.into_iter().filter(|text| *text != late) {
            daemon.until_state(other, State::Ready).await;
        }
        let jobs: Vec<String> = house.effects().into_iter().filter(|effect| effect.starts_with("run_job")).collect();
        assert!(jobs.len() >= 2 && !jobs.iter().any(|job| job.contains(late)), "{jobs:?}");
        daemon.stop().await;
    });
}

#[test]
fn a_customer_is_repaired_while_its_own_modules_are_installed() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.drop_file("acme", "modules = [\"stock\", \"project\", \"website\"]");
        daemon.until("the installation", |daemon| says(daemon, "acme", "install-modules goes on")).await;
        house.rehearsal.forget_calls();
        assert!(house.rehearsal.damage(Damage::ContainerKilled, &name("acme")));
        let started = |_: &Daemon| house.effects().contains(&"start_service ik-acme".to_owned());
        daemon.until("its container running", started).await;
        let installed = |daemon: &Daemon| {
            let done =
                |event: &Event| event.reason == "StepDone" && event.step.as_deref() == Some("acme/install-modules");
            daemon.events().iter().filter(|event| done(event)).count() == 2
        };
        assert!(!installed(&daemon), "the repair did not wait for it");
        daemon.until("the end of the installation", installed).await;
        daemon.until_state("acme", State::Ready).await;
        daemon.stop().await;
    });
}
