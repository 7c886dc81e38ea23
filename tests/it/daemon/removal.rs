//! The end of instances as the daemon brings it about: the grace period, the way back, what a person lets through, and what
//! a lost journal means.

use super::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::world::ContainerState;
use innkeeper::adapters::rehearsal::{Faults, World};
use innkeeper::control::{ApplyRequest, Verdict};
use innkeeper::edges::Edge;
use innkeeper::journal::JOURNAL_FILE;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::status::State;
use std::fs;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

impl House {
    /// How many customers' containers run.
    pub(crate) fn running(&self) -> usize {
        let running = |world: &mut World| {
            world.containers.values().filter(|it| it.work.is_none() && it.state == ContainerState::Running).count()
        };
        self.rehearsal.with(running)
    }

    /// Databases and volumes, with what customers stored.
    pub(crate) fn data(&self) -> Vec<(String, u64, u64)> {
        self.rehearsal.with(|world| {
            let databases = world.databases.iter().map(|(name, it)| (name.clone(), it.serial, it.content));
            databases.chain(world.volumes.iter().map(|(name, it)| (name.clone(), it.serial, it.content))).collect()
        })
    }

    pub(crate) fn names_left(&self, text: &str) -> Vec<String> {
        let (database, container) = (format!("odoo_{text}"), format!("ik-{text}"));
        self.rehearsal.with(|world| {
            let all = world.databases.keys().chain(world.roles.keys()).chain(world.volumes.keys());
            let all = all.chain(world.containers.keys()).cloned();
            let files = world.files.keys().map(|(instance, _)| format!("ik-{instance}"));
            let sites = world.proxy.current.iter().flat_map(|it| it.rows.keys()).map(|it| format!("ik-{it}"));
            let ours = |name: &String| *name == database || name.starts_with(&container);
            all.chain(files).chain(sites).filter(ours).collect()
        })
    }
}

impl Daemon {
    fn held(&self, reason: HoldReason) -> usize {
        let board = self.keeper.board();
        let statuses = board.names().into_iter().filter_map(|name| board.get(&name));
        statuses.filter(|status| status.holds.iter().any(|hold| hold.reason == reason)).count()
    }

    pub(super) async fn ask(&self, house: &House, request: ApplyRequest) -> Verdict {
        house.client().await.apply(request, |_| {}).await.unwrap().verdict
    }
}

#[test]
fn a_customer_ends_comes_back_and_ends_for_good() {
    in_a_house(async |house| {
        house.set("retire_grace = \"2h\"");
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        let before = house.data();
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_state("acme", State::Retired).await;
        assert_eq!((house.data(), house.running()), (before.clone(), 1));
        tokio::time::sleep(HOUR).await;
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        assert_eq!((house.data(), house.running()), (before, 2));
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_state("acme", State::Retired).await;
        let uid = daemon.status("acme").unwrap().uid;
        tokio::time::sleep(2 * HOUR - Duration::from_secs(300)).await;
        assert!(!house.names_left("acme").is_empty(), "kept for the whole grace period");
        daemon.until_told("Purged").await;
        assert_eq!(house.names_left("acme"), [] as [&str; 0]);
        assert!(!house.names_left("beta").is_empty());
        // Whoever comes under this name is somebody else.
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        assert_ne!(daemon.status("acme").unwrap().uid, uid);
        daemon.stop().await;
    });
}

#[test]
fn names_of_the_retired_are_kept_until_their_data_are_deleted() {
    in_a_house(async |house| {
        house.set("retire_grace = \"20m\"");
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_state("acme", State::Retired).await;
        house.remove_file("acme");
        house.drop_file("gamma", "subdomain = \"acme\"");
        daemon.until_state("gamma", State::Invalid).await;
        let status = daemon.status("gamma").unwrap();
        assert!(status.holds[0].message.contains("by the retired instance acme"), "{:?}", status.holds);
        daemon.until_state("gamma", State::Ready).await;
        assert_eq!(house.names_left("acme"), [] as [&str; 0], "only then");
        daemon.stop().await;
    });
}

#[test]
fn a_vanished_file_retires_where_that_is_asked_for_after_two_readings_a_minute_apart() {
    in_a_house(async |house| {
        house.set("on_missing_file = \"retire\"");
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        house.remove_file("acme");
        daemon.until_state("acme", State::Orphaned).await;
        tokio::time::sleep(Duration::from_secs(40)).await;
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        house.remove_file("acme");
        let gone = tokio::time::Instant::now();
        daemon.until_state("acme", State::Retired).await;
        assert!(gone.elapsed() >= Duration::from_secs(60), "the file was back in between: {:?}", gone.elapsed());
        daemon.stop().await;
    });
}

#[test]
fn a_renamed_file_is_told_and_both_are_left_alone() {
    in_a_house(async |house| {
        house.set("on_missing_file = \"retire\"");
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        let before = house.data();
        for (new, more) in [("acme-ltd", "subdomain = \"acme\""), ("acme-gmbh", "")] {
            house.remove_file("acme");
            house.drop_file(new, more);
            let held = |daemon: &Daemon| {
                daemon.status("acme").is_some_and(|it| it.holds.iter().any(|hold| hold.reason == HoldReason::Renamed))
            };
            daemon.until("the rename is told", held).await;
            tokio::time::sleep(HOUR).await;
            assert!(held(&daemon), "{:?}", daemon.status("acme"));
            assert_eq!((house.data(), house.running()), (before.clone(), 2), "neither is touched");
            house.remove_file(new);
            house.drop_file("acme", "");
            daemon.until_state("acme", State::Ready).await;
        }
        daemon.stop().await;
    });
}

#[test]
fn what_the_guard_holds_a_person_lets_through_once() {
    in_a_house(async |house| {
        let names = ["c0", "c1", "c2", "c3"];
        let daemon = house.settled_daemon(&names).await;
        for name in &names[..3] {
            house.drop_file(name, "state = \"absent\"");
        }
        daemon.until_told("GuardClosed").await;
        assert_eq!((daemon.held(HoldReason::Guard), house.running()), (3, 4));
        let verdict = daemon.ask(house, ApplyRequest { timeout_s: Some(900), ..ApplyRequest::default() }).await;
        assert_eq!((verdict, house.running()), (Verdict::Partly, 4));
        let permits = names[..3].iter().map(|text| name(text)).collect();
        let verdict =
            daemon.ask(house, ApplyRequest { timeout_s: Some(900), permits, ..ApplyRequest::default() }).await;
        assert_eq!((verdict, house.running()), (Verdict::Settled, 1));
        house.drop_file("c3", "state = \"absent\"");
        daemon.until("the next one is held again", |daemon| daemon.held(HoldReason::Guard) == 1).await;
        assert_eq!(house.running(), 1);
        daemon.stop().await;
    });
}

#[test]
fn a_lost_journal_only_begins_grace_periods_anew() {
    in_a_house(async |house| {
        house.set("retire_grace = \"1h\"");
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_state("acme", State::Retired).await;
        tokio::time::sleep(HOUR - Duration::from_secs(300)).await;
        daemon.stop().await;
        for ending in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(house.path(&format!("state/{JOURNAL_FILE}{ending}")));
        }
        let daemon = house.daemon();
        daemon.until_state("acme", State::Retired).await;
        tokio::time::sleep(HOUR - Duration::from_secs(300)).await;
        assert!(!house.names_left("acme").is_empty(), "a whole hour from then on");
        daemon.until_told("Purged").await;
        daemon.stop().await;
    });
}

#[test]
fn protection_goes_before_the_end_and_not_with_it() {
    in_a_house(async |house| {
        house.drop_file("acme", "protected = true");
        let daemon = house.daemon();
        daemon.until_state("acme", State::Ready).await;
        house.drop_file("acme", "state = \"absent\"");
        daemon.until("it is held", |daemon| daemon.held(HoldReason::Protected) == 1).await;
        tokio::time::sleep(HOUR).await;
        assert_eq!(house.running(), 1);
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_state("acme", State::Retired).await;
        daemon.stop().await;
    });
}

#[test]
fn a_customer_comes_back_while_the_disk_of_backups_is_away() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_told("Retiring").await;
        house.rehearsal.set_faults(Faults { down: [Edge::Archive].into(), ..Faults::default() });
        house.drop_file("acme", "");
        daemon.until_told("CameBack").await;
        daemon.until("it runs again", |_| house.running() == 2).await;
        house.rehearsal.set_faults(Faults::default());
        daemon.until_state("acme", State::Ready).await;
        daemon.stop().await;
    });
}
