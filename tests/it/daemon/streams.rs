//! Watching the fleet over the socket: the whole first, then differences, which together are always what the board says.

use super::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::control::view::{EVENTS_KEPT_MAX, View};
use innkeeper::control::{LogOf, LogRequest, Watching};
use innkeeper::model::event::{Level, NewEvent, Reason};
use innkeeper::model::status::{InstanceStatus, State};
use innkeeper::tui::fleet::Fleet;
use std::time::Duration;

/// A watcher that folds what it is told.
struct Watcher {
    watching: Watching,
    fleet: Fleet,
    views: Vec<View>,
}

impl Watcher {
    async fn new(house: &House) -> Self {
        let watching = house.client().await.watch().await.unwrap();
        let mut watcher = Self { watching, fleet: Fleet::default(), views: Vec::new() };
        watcher.hear().await;
        watcher
    }

    /// One whole view.
    async fn hear(&mut self) {
        loop {
            let view = self.watching.next().await.unwrap();
            let whole = self.fleet.take(view.clone());
            self.views.push(view);
            if whole {
                return;
            }
        }
    }

    async fn until(&mut self, what: &str, holds: impl Fn(&Fleet) -> bool) {
        for _ in 0..600 {
            if holds(&self.fleet) {
                return;
            }
            self.hear().await;
        }
        panic!("heard in vain for {what}: {:#?}", self.fleet);
    }

    /// Everything that the board says, in its words.
    fn assert_same(&self, daemon: &Daemon) {
        let board = daemon.keeper.board();
        // What they use is measured all the time and is told apart.
        let without = |status: &InstanceStatus| InstanceStatus { usage: None, ..status.clone() };
        let told: Vec<_> = self.fleet.items.iter().map(|item| without(item.status())).collect();
        let known: Vec<_> = board.names().iter().filter_map(|name| board.get(name)).map(|it| without(&it)).collect();
        assert_eq!(told, known);
    }
}

fn is(fleet: &Fleet, text: &str, state: State) -> bool {
    fleet.get(&name(text)).is_some_and(|item| item.status().state == state)
}

#[test]
fn a_watcher_is_told_the_whole_and_then_only_what_differs() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta", "zeta"]).await;
        let mut watcher = Watcher::new(house).await;
        assert!(watcher.views[0].whole && !watcher.views[0].more);
        watcher.assert_same(&daemon);
        let facts = watcher.fleet.facts.clone().expect("the fleet's facts");
        assert_eq!(facts.plans.iter().map(|plan| plan.used).sum::<u32>(), 3);
        assert!(watcher.fleet.items.iter().all(|item| item.company().is_some()), "what is wanted is told too");
        assert!(watcher.fleet.events.iter().any(|event| event.reason == "DaemonStarted"), "and what happened before");

        watcher.views.clear();
        house.drop_file("beta", "state = \"stopped\"");
        watcher.until("beta to stop", |fleet| is(fleet, "beta", State::Stopped)).await;
        let others = watcher.views.iter().flat_map(|view| &view.instances).filter(|it| it.status.name != name("beta"));
        assert_eq!(others.count(), 0, "nothing is said of those that stayed as they were");
        assert!(watcher.views.iter().all(|view| !view.whole));
        assert!(watcher.fleet.runs.values().any(|run| run.kind == "stop-container" && run.ended.is_some()));
        watcher.until("it to settle", |fleet| fleet.get(&name("beta")).unwrap().view.steps.is_empty()).await;
        watcher.assert_same(&daemon);
        daemon.stop().await;
    });
}

#[test]
fn a_new_instance_is_seen_step_by_step() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let mut watcher = Watcher::new(house).await;
        house.slow_down_after_the_first_effect(Duration::from_secs(2));
        house.drop_file("beta", "");
        let steps = |fleet: &Fleet| fleet.get(&name("beta")).map_or(0, |item| item.view.steps.len());
        watcher.until("its steps", |fleet| steps(fleet) > 5).await;
        watcher.until("one to run", |fleet| fleet.running().any(|run| run.instance == Some(name("beta")))).await;
        house.speed_up();
        watcher.until("it to be ready", |fleet| is(fleet, "beta", State::Ready) && steps(fleet) == 0).await;
        // A second one of a kind is known to take some time.
        house.drop_file("zeta", "");
        watcher.until("zeta", |fleet| is(fleet, "zeta", State::Ready)).await;
        let again = |run: &&innkeeper::control::view::RunView| {
            run.instance == Some(name("zeta")) && run.kind == "create-database"
        };
        assert!(watcher.fleet.runs.values().find(again).unwrap().expected_ms.is_some());
        watcher.assert_same(&daemon);
        daemon.stop().await;
    });
}

#[test]
fn events_that_a_watcher_missed_are_counted_exactly() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        let mut watcher = Watcher::new(house).await;
        let before = watcher.fleet.events.back().unwrap().seq;
        watcher.views.clear();
        // More than the daemon keeps and more than its own listener takes, before anybody can be told.
        let count = 3_000;
        for number in 0..count {
            let message = format!("number {number}");
            let instance = Some(name("acme"));
            let (level, reason) = (Level::Info, Reason::CredentialsShown);
            let event = NewEvent { level, instance, reason, message, step: None, cause: None };
            daemon.keeper.journal().record(&event).unwrap();
        }
        let last = format!("number {}", count - 1);
        watcher.until("the last", |fleet| fleet.events.back().is_some_and(|event| event.message == last)).await;
        let told: u64 = watcher.views.iter().map(|view| view.events.len() as u64).sum();
        let missed: u64 = watcher.views.iter().map(|view| view.events_missed).sum();
        assert_eq!(told + missed, count);
        assert!(told <= EVENTS_KEPT_MAX as u64 + 1 && missed > 0, "{told} told");
        assert_eq!(watcher.fleet.events_missed, missed);
        assert!(watcher.fleet.events.iter().all(|event| event.seq <= before || event.reason == "CredentialsShown"));
        daemon.stop().await;
    });
}

#[test]
fn an_instance_that_is_gone_is_taken_off() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.drop_file("beta", "odoo = \"nonsense\"");
        daemon.until("beta to be invalid", |daemon| daemon.status("beta").is_some()).await;
        let mut watcher = Watcher::new(house).await;
        assert_eq!(watcher.fleet.items.len(), 2);
        house.remove_file("beta");
        watcher.until("beta to go", |fleet| fleet.items.len() == 1).await;
        watcher.assert_same(&daemon);
        daemon.stop().await;
    });
}

#[test]
fn a_silent_daemon_lets_itself_be_heard() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let mut watcher = Watcher::new(house).await;
        let first = watcher.fleet.at.unwrap();
        for _ in 0..4 {
            watcher.hear().await;
        }
        let spent = watcher.fleet.at.unwrap().as_second() - first.as_second();
        assert!((1..=60).contains(&spent), "{spent} s for four views");
        daemon.stop().await;
    });
}

#[test]
fn an_output_is_read_over_the_socket() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let request = |text: &str| LogRequest { instance: name(text), source: LogOf::Odoo, tail: Some(10) };
        let mut reading = house.client().await.logs(request("acme")).await.unwrap();
        let lines = reading.next().await.unwrap().unwrap().lines;
        assert!(lines.last().is_some_and(|line| line.contains("Registry loaded")), "{lines:?}");
        assert_eq!(reading.next().await.unwrap(), None, "the end is told");
        let mut reading = house.client().await.logs(request("zeta")).await.unwrap();
        assert_eq!(reading.next().await.unwrap_err().to_string(), "there is no instance zeta");
        daemon.stop().await;
    });
}
