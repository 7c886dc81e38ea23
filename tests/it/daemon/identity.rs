//! Who is who: identities and ports are given once, and what the world remembers counts.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::adapters::rehearsal::Faults;
use innkeeper::daemon::Conduct;
use innkeeper::daemon::turn::{self, Subject};
use innkeeper::edges::Edge;
use innkeeper::model::changes::HoldReason;
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
