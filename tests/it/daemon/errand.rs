//! What is asked for once.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::status::State;
use std::time::Duration;

#[test]
fn an_errand_is_carried_out_once() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.rehearsal.forget_calls();
        house.client().await.errand(&name("acme"), ErrandKind::Restart).await.unwrap();
        daemon.until_told("ErrandDone").await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(house.effects(), ["restart_service ik-acme"]);
        assert!(daemon.keeper.journal().all_errands().unwrap().is_empty());
        let refused = house.client().await.errand(&name("zeta"), ErrandKind::Restart).await.unwrap_err();
        assert_eq!(refused.to_string(), "there is no instance zeta");
        daemon.stop().await;
    });
}

#[test]
fn a_restart_of_what_is_stopped_is_dropped_and_said() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        let daemon = house.daemon();
        daemon.until_state("acme", State::Ready).await;
        house.drop_file("acme", "state = \"stopped\"");
        daemon.until_state("acme", State::Stopped).await;
        house.client().await.errand(&name("acme"), ErrandKind::Restart).await.unwrap();
        daemon.until_told("ErrandDropped").await;
        assert!(daemon.keeper.journal().all_errands().unwrap().is_empty());
        daemon.stop().await;
    });
}

#[test]
fn a_restart_of_what_has_no_container_is_dropped_and_said() {
    in_a_house(async |house| {
        house.rehearsal.with(|world| world.unknown_modules.insert("crmm".parse().unwrap()));
        house.drop_file("acme", "modules = [\"crmm\"]");
        let daemon = house.daemon();
        daemon.until_state("acme", State::Failed).await;
        house.client().await.errand(&name("acme"), ErrandKind::Restart).await.unwrap();
        daemon.until_told("ErrandDropped").await;
        assert!(daemon.told().iter().any(|line| line.contains("it has no container")), "{:#?}", daemon.told());
        assert!(daemon.keeper.journal().all_errands().unwrap().is_empty());
        daemon.stop().await;
    });
}
