//! Who is who: identities and ports are given once, and what the world remembers counts.

use super::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::{Faults, World};
use innkeeper::daemon::Conduct;
use innkeeper::daemon::turn::{self, Subject};
use innkeeper::edges::Edge;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::name::Uid;
use innkeeper::model::status::State;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn no_identity_is_given_while_the_world_could_hold_one() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let uid = daemon.status("acme").unwrap().uid;
        daemon.stop().await;
        std::fs::remove_dir_all(house.path("state")).unwrap();
        house.rehearsal.set_faults(Faults { down: BTreeSet::from([Edge::Database]), ..Faults::default() });
        house.rehearsal.forget_calls();
        let daemon = house.daemon();
        daemon.until_state("acme", State::Held).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(daemon.status("acme").unwrap().uid, None);
        house.rehearsal.set_faults(Faults::default());
        daemon.until_state("acme", State::Ready).await;
        // The look at everything may tell that it serves before its own turn takes the identity in.
        daemon.until("the identity that its objects carry", |daemon| daemon.status("acme").unwrap().uid == uid).await;
        assert_eq!(house.effects(), [""; 0]);
        daemon.stop().await;
    });
}

#[test]
fn an_identity_that_only_a_system_knows_that_is_down_is_waited_for() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let uid = daemon.status("acme").unwrap().uid;
        daemon.stop().await;
        std::fs::remove_dir_all(house.path("state")).unwrap();
        house.rehearsal.with(|world| {
            world.containers.clear();
            world.volumes.clear();
        });
        house.rehearsal.set_faults(Faults { down: BTreeSet::from([Edge::Database]), ..Faults::default() });
        let daemon = house.daemon();
        daemon.until_state("acme", State::Held).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        house.rehearsal.set_faults(Faults::default());
        daemon.until("its identity", |daemon| daemon.status("acme").unwrap().uid == uid).await;
        let holds = &daemon.status("acme").unwrap().holds;
        assert!(holds.iter().any(|hold| hold.reason == HoldReason::DataMissing), "{holds:?}");
        daemon.stop().await;
    });
}

#[test]
fn turns_at_the_same_time_never_reserve_the_same_ports() {
    in_a_house(async |house| {
        let names: Vec<_> = (0..12).map(|number| name(&format!("customer-{number}"))).collect();
        names.iter().for_each(|name| house.drop_file(name.as_str(), ""));
        let keeper = house.keeper(Conduct::ActOnce);
        let subjects: Vec<_> = names.iter().cloned().map(Subject::Instance).collect();
        let turns = futures::future::join_all(subjects.iter().map(|subject| turn::take(&keeper, subject, None)));
        let reports = turns.await;
        assert!(reports.iter().all(|report| report.done > 0 && report.failed.is_empty()), "{reports:#?}");
        let known = keeper.journal().known().unwrap();
        let ports: BTreeSet<_> = names.iter().map(|name| known[name].ports.expect("reserved").http).collect();
        assert_eq!(ports.len(), names.len());
    });
}

#[test]
fn a_lost_state_directory_changes_nothing_in_the_world() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        let before = [daemon.status("acme").unwrap(), daemon.status("beta").unwrap()];
        daemon.stop().await;
        std::fs::remove_dir_all(house.path("state")).unwrap();
        house.rehearsal.forget_calls();
        let plan = house.keeper(Conduct::Look).plan(&[]).await.unwrap();
        assert!(plan.changes.is_settled() && plan.changes.instances.is_empty(), "{:?}", plan.changes);
        let daemon = house.daemon();
        for status in before {
            daemon.until_state(status.name.as_str(), State::Ready).await;
            let after = daemon.status(status.name.as_str()).unwrap();
            assert_eq!((after.uid, after.port), (status.uid, status.port));
            let known = daemon.keeper.journal().known_of(&status.name).unwrap().unwrap();
            assert!(known.provisioned && known.ports.is_some(), "what only the world knew: {known:?}");
        }
        daemon.stop().await;
        assert_eq!(house.effects(), [""; 0]);
    });
}

/// A life of `acme` after which the host was lost but for a copy of its state, and another one since. Ends with the copy
/// back in its place, beside the second life's objects, and returns both identities.
async fn two_lives(house: &House, end_of_first: &str) -> [Uid; 2] {
    let uid = |daemon: &Daemon| daemon.status("acme").and_then(|status| status.uid).expect("an identity");
    let daemon = house.settled_daemon(&["acme"]).await;
    let first = uid(&daemon);
    if !end_of_first.is_empty() {
        house.drop_file("acme", end_of_first);
        daemon.until_state("acme", State::Retired).await;
    }
    daemon.stop().await;
    std::fs::rename(house.path("state"), house.path("copy")).unwrap();
    house.rehearsal.with(|world| *world = World::fresh(["odoo:17.0", "odoo:19.0"]));
    let daemon = house.settled_daemon(&["acme"]).await;
    let second = uid(&daemon);
    daemon.stop().await;
    assert!(second > first);
    std::fs::remove_dir_all(house.path("state")).unwrap();
    std::fs::rename(house.path("copy"), house.path("state")).unwrap();
    house.rehearsal.forget_calls();
    [first, second]
}

#[test]
fn an_old_journal_that_was_put_back_gives_way_to_a_later_life() {
    in_a_house(async |house| {
        let [_, second] = two_lives(house, "").await;
        let plan = house.keeper(Conduct::Look).plan(&[]).await.unwrap();
        assert!(plan.changes.is_settled() && plan.changes.instances.is_empty(), "{:?}", plan.changes);
        let daemon = house.daemon();
        daemon.until_told("LaterIdentity").await;
        daemon.until_state("acme", State::Ready).await;
        let known = daemon.keeper.journal().known_of(&name("acme")).unwrap().unwrap();
        assert!(known.uid == second && known.provisioned && known.ports.is_some(), "{known:?}");
        daemon.stop().await;
        assert_eq!(house.effects(), [""; 0]);
    });
}

#[test]
fn a_tombstone_of_a_former_life_ends_no_later_one() {
    in_a_house(async |house| {
        house.set("retire_grace = \"2h\"");
        let [_, second] = two_lives(house, "state = \"absent\"").await;
        // By the old tombstone its grace is long over; the later life was never retired.
        tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
        house.drop_file("acme", "state = \"absent\"");
        let daemon = house.daemon();
        let is_second = |daemon: &Daemon| daemon.status("acme").is_some_and(|status| status.uid == Some(second));
        daemon.until("the later life", is_second).await;
        daemon.until_state("acme", State::Retired).await;
        tokio::time::sleep(Duration::from_secs(2 * 3_600 - 300)).await;
        assert!(!house.names_left("acme").is_empty(), "kept for the whole grace period");
        daemon.until_told("Purged").await;
        daemon.stop().await;
    });
}

#[test]
fn what_an_earlier_life_left_is_no_reason_to_go_back_to_it() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        daemon.stop().await;
        let earlier = house.rehearsal.with(|world| world.clone());
        std::fs::remove_dir_all(house.path("state")).unwrap();
        house.rehearsal.with(|world| *world = World::fresh(["odoo:17.0", "odoo:19.0"]));
        let daemon = house.settled_daemon(&["acme"]).await;
        let uid = daemon.status("acme").unwrap().uid;
        daemon.stop().await;
        house.rehearsal.with(|world| *world = earlier);
        house.rehearsal.forget_calls();
        let daemon = house.daemon();
        daemon.until_state("acme", State::Held).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let status = daemon.status("acme").unwrap();
        assert_eq!(status.uid, uid);
        assert!(status.holds.iter().any(|hold| hold.reason == HoldReason::Conflict), "{:?}", status.holds);
        let touched = |effect: &String| effect.contains("odoo_acme") || effect.contains("ik-acme");
        assert!(!house.effects().iter().any(touched), "{:?}", house.effects());
        daemon.stop().await;
    });
}

#[test]
fn a_later_life_that_was_merely_begun_does_not_stand_for_data_that_there_were() {
    in_a_house(async |house| {
        let [first, _] = two_lives(house, "").await;
        house.rehearsal.with(|world| {
            world.containers.clear();
            world.volumes.clear();
            world.databases.clear();
        });
        let daemon = house.daemon();
        daemon.until_state("acme", State::Held).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(daemon.status("acme").unwrap().uid, Some(first));
        let made = |effect: &String| effect.starts_with("create_database") || effect.starts_with("ensure_volume");
        assert!(!house.effects().iter().any(made), "nothing empty is made in their place: {:?}", house.effects());
        daemon.stop().await;
    });
}
