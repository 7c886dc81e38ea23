//! What the daemon tells while something goes on: the step that runs with how far it is, and an outage without noise.

use super::house::{Daemon, House, in_a_house, now};
use crate::world::name;
use innkeeper::adapters::rehearsal::{Damage, Faults};
use innkeeper::edges::Edge;
use innkeeper::model::status::{ConditionStatus, ConditionType, InstanceStatus, Operation, State};

fn document(house: &House) -> Option<InstanceStatus> {
    let text = std::fs::read_to_string(house.path("state/status/acme.json")).ok()?;
    serde_json::from_str(&text).ok()
}

fn doing(house: &House) -> Option<Operation> {
    document(house)?.operation
}

#[test]
fn what_runs_is_in_documents_and_answers_with_odoos_own_progress() {
    in_a_house(async |house| {
        let daemon = house.daemon();
        daemon.until_told("DaemonStarted").await;
        house.drop_file("acme", "");
        daemon.until("a module that is loaded", |_| doing(house).is_some_and(|it| it.of.is_some())).await;
        let operation = doing(house).unwrap();
        assert_eq!((operation.kind.as_str(), operation.id.as_str()), ("install-modules", "acme/install-modules"));
        assert!(operation.step <= operation.of && operation.fraction.is_some_and(|it| (0.0..1.0).contains(&it)));
        let said = operation.sentence(now());
        assert!(said.starts_with("install-modules for ") && said.contains(", module "), "{said}");
        // What came before it is told as done, although its turn is not over.
        let status = document(house).unwrap();
        let database = status.condition(ConditionType::DatabaseReady).unwrap();
        assert_eq!(database.status, ConditionStatus::True, "{database:?}");
        let asked = daemon.asked(house).await;
        assert_eq!(asked.instances[0].operation.as_ref().map(|it| it.kind.as_str()), Some("install-modules"));
        daemon.until_state("acme", State::Ready).await;
        daemon.until("its end", |_| doing(house).is_none()).await;
        daemon.stop().await;
    });
}

#[test]
fn an_outage_is_no_alert_of_anybodys_and_nothing_is_gone_by_it() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "zeta"];
        let daemon = house.settled_daemon(&names).await;
        let is = |daemon: &Daemon, state| names.iter().all(|it| daemon.status(it).is_some_and(|it| it.state == state));
        let before = daemon.status("acme").unwrap();
        assert!(!before.modules.installed.is_empty());
        house.rehearsal.set_faults(Faults { down: [Edge::Database].into(), ..Faults::default() });
        daemon.until("all being held", |daemon| is(daemon, State::Held)).await;
        let status = daemon.status("acme").unwrap();
        assert_eq!(status.modules, before.modules, "not seen is not gone");
        let modules = status.condition(ConditionType::ModulesReady).unwrap();
        assert!(modules.is_unseen() && modules.last_known == Some(ConditionStatus::True), "{modules:?}");
        house.rehearsal.set_faults(Faults::default());
        daemon
            .until("all being ready", |daemon| {
                let alerts = daemon.keeper.board().alerts(now());
                assert!(alerts.iter().all(|alert| alert.instance.is_none()), "{alerts:#?}");
                is(daemon, State::Ready)
            })
            .await;
        assert_eq!(daemon.keeper.board().alerts(now()), []);
        daemon.stop().await;
    });
}

#[test]
fn what_was_changed_by_hand_is_told_as_a_sentence() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let repaired = |daemon: &Daemon| {
            let events = daemon.events();
            events.iter().filter(|event| event.reason == "DriftRepaired").map(|event| event.count).sum::<u64>()
        };
        for damage in [Damage::RoleAltered, Damage::ConfEdited, Damage::LimitsChanged] {
            let before = repaired(&daemon);
            assert!(house.rehearsal.damage(damage, &name("acme")));
            daemon.until("its repair", |daemon| repaired(daemon) > before).await;
            daemon.until_state("acme", State::Ready).await;
        }
        let told = daemon.told();
        let drift: Vec<&String> = told.iter().filter(|line| line.contains(" Drift")).collect();
        for sentence in [
            "which it should not have",
            "it may hold 1 connection instead of",
            "odoo.conf written: it was edited by hand",
            "memory is ",
        ] {
            assert!(drift.iter().any(|line| line.contains(sentence)), "{sentence}: {drift:#?}");
        }
        for machine in ["should be nothing", "should be as written", "connection_limit", "odoo.conf: odoo.conf"] {
            assert!(!drift.iter().any(|line| line.contains(machine)), "{machine}: {drift:#?}");
        }
        daemon.stop().await;
    });
}
