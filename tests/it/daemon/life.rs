//! The daemon on a rehearsed world: files in, a settled fleet out, and nothing done once it is settled.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::adapters::rehearsal::Faults;
use innkeeper::daemon::queue::schedule::Next;
use innkeeper::daemon::turn::{self, Subject};
use innkeeper::daemon::{Conduct, Signal};
use innkeeper::edges::Edge;
use innkeeper::model::status::{InstanceStatus, State};
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn a_dropped_file_becomes_a_ready_instance() {
    in_a_house(async |house| {
        let daemon = house.daemon();
        daemon.until_told("DaemonStarted").await;
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        let document: InstanceStatus = serde_json::from_str(&house.read("state/status/acme.json")).unwrap();
        let document = InstanceStatus { usage: None, ..document };
        assert_eq!(document, *daemon.status("acme").unwrap(), "what it uses is told apart");
        assert_eq!((document.generation, document.observed_generation), (1, 1));
        assert_eq!(document.url.as_deref(), Some("https://acme.example.com"));
        let known = daemon.keeper.journal().known_of(&name("acme")).unwrap().unwrap();
        assert_eq!((known.provisioned, known.ports.map(|ports| ports.http)), (true, document.port));
        assert_eq!(Some(known.uid), document.uid);
        daemon.stop().await;
    });
}

#[test]
fn who_is_made_for_the_first_time_is_provisioning_until_it_serves() {
    in_a_house(async |house| {
        let daemon = house.daemon();
        house.drop_file("acme", "");
        let mut seen = Vec::new();
        while !seen.contains(&State::Ready) {
            seen.extend(daemon.status("acme").map(|status| status.state).filter(|state| !seen.contains(state)));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(seen, [State::Provisioning, State::Ready]);
        daemon.stop().await;
    });
}

#[test]
fn of_a_file_that_never_was_good_nothing_is_said_to_stay_in_force() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        for name in ["acme", "beta"] {
            house.drop_file(name, "nonsense = 1");
        }
        let told = |part: &str| daemon.told().iter().any(|line| line.starts_with(part));
        daemon
            .until("the new one", |_| told("beta FileInvalid: its file has problems, nothing is made of it yet"))
            .await;
        daemon
            .until("the old one", |_| told("acme FileInvalid: its file has problems, the last good version stays"))
            .await;
        daemon.stop().await;
    });
}

#[test]
fn a_settled_fleet_costs_no_effect_and_no_write() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta", "zeta"]).await;
        // What is still under way (a look, an engine's event, documents that say what was used before) comes to its end.
        tokio::time::sleep(Duration::from_secs(600)).await;
        house.rehearsal.forget_calls();
        let written = || (daemon.keeper.journal().rows_written().unwrap(), daemon.keeper.board().documents_written());
        let before = written();
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        let looks = house.rehearsal.calls().len();
        assert!(looks > 30, "it did look: {looks}");
        assert_eq!(house.effects(), [""; 0]);
        assert_eq!(written(), before);
        daemon.stop().await;
    });
}

#[test]
fn an_edited_file_is_followed_by_the_cheapest_effect() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.rehearsal.forget_calls();
        house.put("instances.d/acme.toml", &(crate::read_fleet::instance_text("") + "[limits]\nmemory = \"2 GiB\"\n"));
        daemon.until("generation 2", |daemon| daemon.status("acme").unwrap().observed_generation == 2).await;
        let effects = house.effects();
        assert!(effects.contains(&"update_limits ik-acme".to_owned()), "{effects:?}");
        assert!(
            !effects.iter().any(|effect| effect.starts_with("remove") || effect.starts_with("create")),
            "{effects:?}"
        );
        daemon.stop().await;
    });
}

#[test]
fn many_new_instances_become_ready_side_by_side() {
    in_a_house(async |house| {
        let names: Vec<String> = (0..12).map(|number| format!("customer-{number}")).collect();
        let daemon = house.settled_daemon(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let ports: BTreeSet<_> = names.iter().map(|name| daemon.status(name).unwrap().port.unwrap()).collect();
        assert_eq!(ports.len(), names.len());
        assert!(!daemon.reasons().iter().any(|reason| reason == "StepFailed"), "{:#?}", daemon.told());
        daemon.stop().await;
    });
}

#[test]
fn systems_that_are_down_at_the_start_are_named_and_waited_for() {
    for (edge, told) in [(Edge::Engine, "Docker"), (Edge::Database, "PostgreSQL"), (Edge::Proxy, "nginx")] {
        in_a_house(async |house| {
            house.rehearsal.set_faults(Faults { down: BTreeSet::from([edge]), ..Faults::default() });
            house.drop_file("acme", "");
            let daemon = house.daemon();
            daemon.until_state("acme", State::Held).await;
            let lines = daemon.told();
            assert!(
                lines.iter().any(|line| line.starts_with(&format!("host EdgeLost: {told} is unreachable: "))),
                "{lines:#?}"
            );
            tokio::time::sleep(Duration::from_secs(300)).await;
            let lost: u64 =
                daemon.events().iter().filter(|event| event.reason == "EdgeLost").map(|event| event.count).sum();
            assert_eq!(lost, 1, "told once");
            assert!(daemon.asked(house).await.alerts[0].message.starts_with(&format!("{told} is unreachable")));
            house.rehearsal.set_faults(Faults::default());
            daemon.until_state("acme", State::Ready).await;
            assert!(daemon.told().contains(&format!("host EdgeBack: {told} answers again")));
            assert!(daemon.asked(house).await.alerts.is_empty());
            daemon.stop().await;
        });
    }
}

#[test]
fn a_reload_looks_at_everything_now() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        house.rehearsal.forget_calls();
        daemon.signals.send(Signal::Reload).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!house.rehearsal.calls().is_empty());
        daemon.stop().await;
    });
}

#[test]
fn a_generation_that_nginx_is_loading_is_asked_for_again_in_a_moment() {
    in_a_house(async |house| {
        house.settled_daemon(&["acme"]).await.stop().await;
        let keeper = house.keeper(Conduct::Keep);
        let next = async || turn::take(&keeper, &Subject::Instance(name("acme")), None).await.next;
        assert!(matches!(next().await, Next::Quiet));
        // As a turn sees it that looks while another's site is published.
        house.rehearsal.with(|world| world.proxy.loaded = None);
        let next = next().await;
        assert!(matches!(next, Next::Again(wait) if wait <= Duration::from_secs(1)), "{next:?}");
    });
}
