//! The state directory's disk is full: nothing is done that could not be written down, all of it is said, and it goes on
//! by itself when there is room.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::adapters::rehearsal::Damage;
use innkeeper::model::status::State;
use std::time::Duration;

#[test]
fn nothing_is_done_that_could_not_be_written_down_and_it_goes_on_when_there_is_room() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        daemon.keeper.journal().rehearse_disk(Some(0));
        house.rehearsal.forget_calls();
        assert!(house.rehearsal.damage(Damage::ContainerRemoved, &name("acme")));
        house.drop_file("beta", "");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(house.effects(), [""; 0], "no step without its intent");
        let alerts = daemon.asked(house).await.alerts;
        assert!(alerts.iter().any(|alert| alert.reason == "StateUnwritable"), "{alerts:?}");
        daemon.keeper.journal().rehearse_disk(None);
        daemon.until_state("acme", State::Ready).await;
        daemon.until_state("beta", State::Ready).await;
        let alerts = daemon.asked(house).await.alerts;
        assert!(alerts.is_empty(), "{alerts:?}");
        daemon.stop().await;
    });
}

#[test]
fn a_disk_that_fills_up_at_any_moment_loses_nothing() {
    // So many writes still find room.
    for room in 0..40 {
        in_a_house(async |house| {
            house.drop_file("acme", "");
            let daemon = house.daemon();
            daemon.until_told("DaemonStarted").await;
            daemon.keeper.journal().rehearse_disk(Some(room));
            tokio::time::sleep(Duration::from_secs(300)).await;
            daemon.keeper.journal().rehearse_disk(None);
            daemon.until_state("acme", State::Ready).await;
            let made = |method: &str| house.effects().iter().filter(|effect| effect.starts_with(method)).count();
            assert!(made("create_database") <= 2 && made("ensure_volume") <= 2, "{room}: {:#?}", house.effects());
            daemon.stop().await;
        });
    }
}

#[test]
fn documents_that_cannot_be_written_hold_nobody_up() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let status = house.path("state/status");
        std::fs::rename(&status, house.path("aside")).unwrap();
        assert!(house.rehearsal.damage(Damage::LimitsChanged, &name("acme")));
        daemon.until_told("DriftRepaired").await;
        let alerts = daemon.asked(house).await.alerts;
        assert!(alerts.iter().any(|alert| alert.reason == "StateUnwritable"), "{alerts:?}");
        std::fs::rename(house.path("aside"), &status).unwrap();
        daemon.until("its document", |_| house.read("state/status/acme.json").contains("\"ready\"")).await;
        daemon.stop().await;
    });
}
