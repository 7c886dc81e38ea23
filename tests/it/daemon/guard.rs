//! The guard over time: a permit is for what the file said when it was given, and an hour ends.

use super::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::{Damage, Faults};
use innkeeper::control::{ApplyRequest, Verdict};
use innkeeper::edges::Edge;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::name::InstanceName;
use innkeeper::model::status::State;
use std::time::Duration;

const NAMES: [&str; 4] = ["acme", "beta", "citrus", "delta"];

fn held(daemon: &Daemon) -> usize {
    let guarded = |text: &&&str| {
        let status = daemon.status(text);
        status.is_some_and(|status| status.holds.iter().any(|hold| hold.reason == HoldReason::Guard))
    };
    NAMES.iter().filter(guarded).count()
}

async fn let_through(daemon: &Daemon, house: &House) {
    let permits: Vec<InstanceName> = NAMES.iter().map(|text| name(text)).collect();
    daemon.keeper.journal().permitted(0).unwrap();
    let request = ApplyRequest { timeout_s: Some(600), permits, ..ApplyRequest::default() };
    let applied = house.client().await.apply(request, |_| {}).await.unwrap();
    assert_ne!(applied.verdict, Verdict::Interrupted);
}

#[test]
fn who_let_an_edit_through_did_not_let_an_end_through() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&NAMES).await;
        NAMES.iter().for_each(|text| house.drop_file(text, "modules = [\"stock\"]"));
        let_through(&daemon, house).await;
        NAMES.iter().for_each(|text| house.drop_file(text, "state = \"absent\""));
        daemon.until_told("GuardClosed").await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(held(&daemon), NAMES.len(), "{:#?}", daemon.told());
        let_through(&daemon, house).await;
        for text in NAMES {
            daemon.until_state(text, State::Retired).await;
        }
        daemon.stop().await;
    });
}

#[test]
fn a_stop_that_is_held_stays_held_while_docker_is_away_and_when_its_container_dies() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&NAMES).await;
        NAMES.iter().for_each(|text| house.drop_file(text, "state = \"stopped\""));
        daemon.until_told("GuardClosed").await;
        daemon.until("all are held", |daemon| held(daemon) == NAMES.len()).await;
        house.rehearsal.forget_calls();
        assert!(house.rehearsal.damage(Damage::ContainerKilled, &name("acme")));
        house.rehearsal.set_faults(Faults { down: [Edge::Engine].into(), ..Faults::default() });
        tokio::time::sleep(Duration::from_secs(300)).await;
        house.rehearsal.set_faults(Faults::default());
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(house.effects(), ["start_service ik-acme"], "it is kept up until the stop is let through");
        assert_eq!(held(&daemon), NAMES.len());
        daemon.stop().await;
    });
}

#[test]
fn a_permit_that_was_not_used_is_over_in_an_hour() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&NAMES).await;
        let_through(&daemon, house).await;
        assert_eq!(daemon.keeper.journal().permitted(0).unwrap().len(), NAMES.len());
        tokio::time::sleep(Duration::from_secs(2 * 3_600)).await;
        NAMES.iter().for_each(|text| house.drop_file(text, "state = \"stopped\""));
        daemon.until_told("GuardClosed").await;
        assert_eq!(held(&daemon), NAMES.len());
        daemon.stop().await;
    });
}

#[test]
fn stops_are_counted_for_an_hour_and_no_longer() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&NAMES).await;
        for text in &NAMES[..2] {
            house.drop_file(text, "state = \"stopped\"");
            daemon.until_state(text, State::Stopped).await;
        }
        house.drop_file(NAMES[2], "state = \"stopped\"");
        daemon.until_told("GuardClosed").await;
        assert_eq!(held(&daemon), 1, "two an hour");
        tokio::time::sleep(Duration::from_secs(3_700)).await;
        daemon.until_state(NAMES[2], State::Stopped).await;
        daemon.stop().await;
    });
}
