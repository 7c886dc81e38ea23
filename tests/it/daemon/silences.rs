//! Alerts of which somebody knows: who and until when is told, nothing is hidden, and it ends by itself.

use super::house::{Daemon, House, in_a_house, now};
use crate::world::name;
use innkeeper::control::{ControlError, SilenceRequest};
use innkeeper::model::silence::{AlertsOf, Quiet};
use innkeeper::model::status::Alert;
use innkeeper::model::time::Timestamp;
use jiff::SignedDuration;
use std::time::Duration;

fn of(reason: Option<&str>) -> AlertsOf {
    AlertsOf { instance: Some(name("acme")), reason: reason.map(str::to_owned) }
}

fn in_hours(hours: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_hours(hours)).unwrap()
}

/// The journal keeps microseconds.
fn is_same(one: Option<Timestamp>, other: Timestamp) -> bool {
    one.is_some_and(|one| one.duration_since(other).abs() <= SignedDuration::from_micros(1))
}

/// The one alert that is open, as `status --json` tells it.
async fn alert(house: &House, daemon: &Daemon) -> Alert {
    let alerts = daemon.asked(house).await.alerts;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    alerts.into_iter().next().unwrap()
}

fn is_open(daemon: &Daemon) -> bool {
    !daemon.keeper.board().alerts(now()).is_empty()
}

/// A daemon whose instance has a file that cannot be obeyed: an alert for as long as nobody mends it.
async fn alarmed(house: &House) -> Daemon {
    let daemon = house.settled_daemon(&["acme"]).await;
    spoil(house, &daemon).await;
    daemon
}

async fn spoil(house: &House, daemon: &Daemon) {
    house.put("instances.d/acme.toml", "plan = \"nothing of the kind\"\n");
    daemon.until("the alert", is_open).await;
}

async fn mend(house: &House, daemon: &Daemon) {
    house.drop_file("acme", "");
    daemon.until("no alert", |daemon| !is_open(daemon)).await;
}

#[test]
fn a_silenced_alert_stays_open_says_who_and_until_when_and_asks_for_attention_again_by_itself() {
    in_a_house(async |house| {
        let daemon = alarmed(house).await;
        let open = alert(house, &daemon).await;
        assert_eq!(open.silence, None);
        let until = in_hours(4);
        let request = SilenceRequest { of: of(Some(&open.reason)), until: Some(until) };
        let noted = house.client().await.silence(request).await.unwrap();
        assert_eq!(noted.len(), 1);
        assert!(is_same(noted[0].quiet.until, until));
        let user = noted[0].quiet.by.clone();
        assert!(!user.is_empty() && user != "unknown", "who asked is known from the socket: {user:?}");

        let silenced = alert(house, &daemon).await;
        let Some(Quiet { by, until: told, .. }) = &silenced.silence else { panic!("{silenced:?}") };
        assert_eq!(by, &user);
        assert!(is_same(*told, until));
        assert_eq!((&silenced.reason, silenced.since), (&open.reason, open.since), "it is the same alert, as open");
        let event = daemon.events().into_iter().find(|event| event.reason == "AlertSilenced").unwrap();
        assert_eq!((event.kind.as_str(), event.cause), ("alert", Some(format!("asked by {user}"))));

        daemon.stop().await;
        let daemon = house.daemon();
        daemon.until("its socket", |_| house.path("state/control.sock").exists()).await;
        daemon.until("the alert", is_open).await;
        assert!(alert(house, &daemon).await.silence.is_some(), "a restart does not forget it");

        tokio::time::sleep(Duration::from_secs(4 * 3_600)).await;
        daemon.until_told("SilenceEnded").await;
        assert_eq!(alert(house, &daemon).await.silence, None, "its time is over");
        assert_eq!(daemon.keeper.journal().silences().unwrap(), [], "and nothing is left of it");
        daemon.stop().await;
    });
}

#[test]
fn an_acknowledgement_holds_until_its_alert_is_over_and_not_for_the_next_one() {
    in_a_house(async |house| {
        let daemon = alarmed(house).await;
        let noted = house.client().await.silence(SilenceRequest { of: of(None), until: None }).await.unwrap();
        assert_eq!(noted[0].of, of(Some(&alert(house, &daemon).await.reason)), "each open alert by itself");
        assert_eq!(alert(house, &daemon).await.silence.unwrap().until, None);
        tokio::time::sleep(Duration::from_secs(5 * 3_600)).await;
        assert!(alert(house, &daemon).await.silence.is_some(), "hours later it is the same alert");
        mend(house, &daemon).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        spoil(house, &daemon).await;
        assert_eq!(alert(house, &daemon).await.silence, None, "this one nobody has seen");
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(daemon.keeper.journal().silences().unwrap(), []);
        daemon.stop().await;
    });
}

#[test]
fn a_silence_over_all_covers_alerts_that_come_later_until_it_is_taken_back() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let until = in_hours(1);
        house.client().await.silence(SilenceRequest { of: of(None), until: Some(until) }).await.unwrap();
        spoil(house, &daemon).await;
        assert!(is_same(alert(house, &daemon).await.silence.unwrap().until, until));
        assert_eq!(house.client().await.unsilence(of(None)).await.unwrap(), 1);
        assert_eq!(alert(house, &daemon).await.silence, None);
        let again = house.client().await.unsilence(of(None)).await;
        assert!(matches!(again, Err(ControlError::Refused(why)) if why.contains("are not silenced")));
        daemon.stop().await;
    });
}

#[test]
fn what_cannot_be_silenced_is_refused_with_a_sentence() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let until = |hours| Some(in_hours(hours));
        let nobody = AlertsOf { instance: Some(name("nobody")), reason: None };
        for (of, until, why) in [
            (of(None), None, "acme has no open alert"),
            (of(Some("CpuBusy")), until(-1), "is over already"),
            (of(Some("CpuBusy")), until(24 * 91), "90 days at most"),
            (of(Some("no word")), until(1), "a reason is one CamelCase word"),
            (of(Some("")), until(1), "a reason is one CamelCase word"),
            (nobody, until(1), "there is no instance nobody"),
        ] {
            let refused = house.client().await.silence(SilenceRequest { of, until }).await;
            assert!(matches!(&refused, Err(ControlError::Refused(text)) if text.contains(why)), "{refused:?}: {why}");
        }
        assert_eq!(daemon.keeper.journal().silences().unwrap(), []);
        daemon.stop().await;
    });
}

#[test]
fn a_container_that_died_and_was_started_again_by_docker_is_told_once() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        // The very same event again would only be counted.
        let told = |daemon: &Daemon| {
            let events = daemon.events();
            events.iter().filter(|event| event.reason == "ContainerDied").map(|event| event.count).sum::<u64>()
        };
        // Looked at once, so that its count is known.
        house.client().await.wake(&[name("acme")]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(5)).await;
        house.rehearsal.with(|world| world.containers.get_mut("ik-acme").unwrap().restarts += 2);
        house.client().await.wake(&[name("acme")]).await.unwrap();
        daemon.until_told("ContainerDied").await;
        let line = daemon.told().into_iter().find(|line| line.contains("ContainerDied")).unwrap();
        assert!(line.contains("Docker started it again (2 times)"), "{line}");
        for _ in 0..3 {
            house.client().await.wake(&[name("acme")]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(90)).await;
        }
        assert_eq!(told(&daemon), 1, "{:#?}", daemon.told());
        // Started by hand, the engine counts from nothing again.
        house.rehearsal.with(|world| world.containers.get_mut("ik-acme").unwrap().restarts = 0);
        house.client().await.wake(&[name("acme")]).await.unwrap();
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(told(&daemon), 1);
        daemon.stop().await;
    });
}
