//! What instances use is measured beside everything else: told at once, written seldom, and kept ever coarser.

use super::files::status;
use super::house::{House, in_a_house, now};
use crate::world::name;
use innkeeper::adapters::rehearsal::Faults;
use innkeeper::adapters::rehearsal::usage::Load;
use innkeeper::daemon::known::board::Board;
use innkeeper::edges::Edge;
use innkeeper::model::status::{State, UsageStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn load(house: &House, text: &str, cpu_percent: u32, memory_bytes: u64) {
    house.rehearsal.with(|world| world.loads.insert(name(text), Load { cpu_percent, memory_bytes }));
}

fn store(house: &House, text: &str, files: u64) {
    house.rehearsal.with(|world| world.volumes.get_mut(&format!("ik-{text}-data")).unwrap().content = files);
}

#[test]
fn what_an_instance_uses_is_told_and_kept() {
    in_a_house(async |house| {
        load(house, "acme", 40, 300 << 20);
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        store(house, "acme", 4_000);
        tokio::time::sleep(Duration::from_secs(40 * 60)).await;
        let mut client = house.client().await;
        let told = client.status().await.unwrap().instances[0].usage.clone().unwrap();
        assert!((told.cpu_percent - 40.0).abs() < 1.0, "{told:?}");
        assert_eq!((told.memory_bytes, told.filestore_bytes), (300 << 20, 4_000 << 18));
        assert!(told.database_bytes >= 8 << 20 && told.memory_limit_bytes > 0, "{told:?}");
        assert!(now().as_second() - told.at.as_second() < 20, "{told:?}");

        let history = client.usage(&name("acme")).await.unwrap();
        let apart = |points: &[innkeeper::model::usage::UsagePoint]| {
            points.windows(2).map(|pair| pair[1].at.as_second() - pair[0].at.as_second()).collect::<BTreeSet<_>>()
        };
        assert!((150..=170).contains(&history.hour.len()), "{}", history.hour.len());
        assert!(apart(&history.hour).is_subset(&(2..=16).collect()), "{:?}", apart(&history.hour));
        assert!((7..=9).contains(&history.day.len()), "{}", history.day.len());
        assert_eq!(apart(&history.day), [300].into());
        assert!((1..=2).contains(&history.month.len()), "{}", history.month.len());
        assert!((history.month[0].cpu_percent - 40.0).abs() < 3.0, "{:?}", history.month);
        assert!(client.usage(&name("zeta")).await.is_err());
        daemon.stop().await;
    });
}

#[test]
fn what_was_measured_outlives_the_daemon() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        let before = house.client().await.usage(&name("acme")).await.unwrap().hour;
        daemon.stop().await;
        let daemon = house.daemon();
        tokio::time::sleep(Duration::from_secs(60)).await;
        let after = house.client().await.usage(&name("acme")).await.unwrap().hour;
        assert!(before.len() >= 8 && after.starts_with(&before), "{before:?} {after:?}");
        daemon.stop().await;
    });
}

#[test]
fn a_settled_fleets_usage_is_written_once_in_five_minutes() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let journal = house.path("state/journal.db-wal");
        let wal =
            || (std::fs::metadata(&journal).unwrap().modified().unwrap(), daemon.keeper.board().documents_written());
        let (mut writes, mut before) = (0, wal());
        for _ in 0..120 {
            tokio::time::sleep(Duration::from_secs(15)).await;
            if wal() != before {
                (writes, before) = (writes + 1, wal());
            }
        }
        // Half an hour: six.
        assert!((5..=7).contains(&writes), "{writes} writes in half an hour");
        daemon.stop().await;
    });
}

#[test]
fn a_system_that_is_down_leaves_what_was_known_and_disturbs_nobody() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        let usage = async || house.client().await.status().await.unwrap().instances[0].usage.clone().unwrap();
        house.rehearsal.set_faults(Faults { down: [Edge::Engine].into(), ..Faults::default() });
        tokio::time::sleep(Duration::from_secs(60)).await;
        let known = usage().await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(usage().await, known, "it still says when it was measured");
        house.rehearsal.set_faults(Faults { down: [Edge::Database].into(), ..Faults::default() });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(usage().await.at > known.at, "the container is counted without the database");
        house.rehearsal.set_faults(Faults::default());
        daemon.stop().await;
    });
}

#[test]
fn what_lasts_too_long_is_an_alert_until_it_is_over() {
    in_a_house(async |house| {
        load(house, "acme", 500, 300 << 20);
        let daemon = house.settled_daemon(&["acme"]).await;
        daemon.until_told("CpuBusy").await;
        let alerts = house.client().await.status().await.unwrap().alerts;
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!((alerts[0].reason.as_str(), alerts[0].instance.clone()), ("CpuBusy", Some(name("acme"))));
        load(house, "acme", 1, 300 << 20);
        daemon.until_told("StrainOver").await;
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert!(house.client().await.status().await.unwrap().alerts.is_empty());
        assert_eq!(daemon.reasons().iter().filter(|reason| *reason == "CpuBusy").count(), 1);
        daemon.stop().await;
    });
}

#[test]
fn a_stopped_instance_uses_no_processor_and_keeps_its_sizes() {
    in_a_house(async |house| {
        load(house, "acme", 50, 300 << 20);
        let daemon = house.settled_daemon(&["acme"]).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        house.drop_file("acme", "state = \"stopped\"");
        daemon.until_state("acme", State::Stopped).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let usage = house.client().await.status().await.unwrap().instances[0].usage.clone().unwrap();
        assert_eq!((usage.cpu_percent, usage.memory_bytes), (0.0, 0));
        assert!(usage.database_bytes > 0 && usage.memory_limit_bytes > 0, "{usage:?}");
        daemon.stop().await;
    });
}

#[test]
fn a_document_is_written_for_its_usage_only_when_it_is_old_and_off() {
    let dir = tempfile::TempDir::new().unwrap();
    let board = Board::open(dir.path()).unwrap();
    board.put(status("acme", State::Ready)).unwrap();
    let start = crate::world::now();
    let written = |second: i64, cpu_percent: f64| {
        let usage = UsageStatus {
            at: start.checked_add(Duration::from_secs(second.unsigned_abs())).unwrap(),
            cpu_percent,
            memory_bytes: 100,
            memory_limit_bytes: 1_000,
            database_bytes: 10_000,
            filestore_bytes: 10_000,
        };
        board.measure(BTreeMap::from([(name("acme"), (usage, Vec::new()))])).unwrap();
        board.documents_written()
    };
    assert_eq!(written(0, 1.0), 2, "it had none");
    assert_eq!(written(15, 90.0), 2, "written a moment ago");
    assert_eq!(written(400, 3.0), 2, "nothing to speak of");
    assert_eq!(written(415, 90.0), 3);
    assert_eq!(written(430, 1.0), 3);
    // What a document says is taken up by the next daemon, and is no news to it.
    let again = Board::open(dir.path()).unwrap();
    again.put(status("acme", State::Ready)).unwrap();
    assert_eq!(again.documents_written(), 0);
}

#[test]
fn processes_that_are_killed_for_want_of_memory_are_told_and_the_alert_ends_an_hour_after_the_last() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let kill = |times: u64| {
            house.rehearsal.with(|world| world.containers.get_mut("ik-acme").unwrap().memory_kills += times);
        };
        let alerts = |daemon: &super::house::Daemon| {
            let open = daemon.keeper.board().alerts(now());
            open.into_iter().filter(|it| it.reason == "OutOfMemory").map(|it| it.message).collect::<Vec<_>>()
        };
        let events = |daemon: &super::house::Daemon| {
            let of = daemon.events().into_iter().filter(|it| it.reason == "OutOfMemory");
            of.map(|it| it.count).sum::<u64>()
        };
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!((alerts(&daemon).len(), events(&daemon)), (0, 0));
        kill(1);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(alerts(&daemon)[0].contains("killed one of its processes"), "{:?}", alerts(&daemon));
        assert_eq!(events(&daemon), 1);
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        kill(2);
        tokio::time::sleep(Duration::from_secs(3_500)).await;
        assert!(alerts(&daemon)[0].contains("killed 3 of its processes"), "{:?}", alerts(&daemon));
        assert_eq!(events(&daemon), 2);
        tokio::time::sleep(Duration::from_secs(200)).await;
        assert_eq!(alerts(&daemon), [""; 0]);
        assert_eq!(daemon.reasons().iter().filter(|reason| *reason == "StrainOver").count(), 1);
        daemon.stop().await;
    });
}

#[test]
fn a_main_process_that_was_killed_for_want_of_memory_is_told_as_that() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        house.rehearsal.with(|world| {
            let container = world.containers.get_mut("ik-acme").unwrap();
            (container.restarts, container.killed_for_memory, container.booted) = (1, true, false);
            container.started_at = Some(now());
        });
        house.client().await.wake(&[name("acme")]).await.unwrap();
        daemon.until_told("ContainerDied").await;
        daemon.until_told("OutOfMemory").await;
        let told = daemon.told();
        assert!(told.iter().any(|line| line.contains("was killed because its memory was used up")), "{told:?}");
        daemon.stop().await;
    });
}
