//! A customer whose users are not served is told of, whatever brought it about, and for as long as it lasts.

use super::house::{Daemon, House, in_a_house, now, set_clock};
use crate::world::name;
use innkeeper::adapters::rehearsal::world::Ailment;
use innkeeper::adapters::rehearsal::{Damage, Faults};
use innkeeper::edges::Edge;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::status::{Alert, ConditionStatus, ConditionType, State};
use std::time::Duration;

/// Nobody is down for longer without an alert.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

impl Daemon {
    fn alerts_of(&self, text: &str) -> Vec<Alert> {
        let alerts = self.keeper.board().alerts(now());
        alerts.into_iter().filter(|alert| alert.instance.as_ref() == Some(&name(text))).collect()
    }

    fn is_told(&self, text: &str, about: &str) -> bool {
        self.alerts_of(text).iter().any(|alert| alert.message.contains(about))
    }

    fn serving(&self, text: &str) -> Option<ConditionStatus> {
        Some(self.status(text)?.condition(ConditionType::Serving)?.status)
    }
}

fn ail(house: &House, text: &str, ailment: Option<Ailment>) {
    house.rehearsal.with(|world| match ailment {
        Some(ailment) => drop(world.ailments.insert(name(text), ailment)),
        None => drop(world.ailments.remove(&name(text))),
    });
}

#[test]
fn whoever_is_down_stays_told_when_its_file_is_touched() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        assert!(house.rehearsal.damage(Damage::Crashes, &name("acme")));
        daemon.until_state("acme", State::Degraded).await;
        house.drop_file("acme", "domains = [\"erp.acme.example\"]");
        daemon.until("the other version", |it| it.status("acme").unwrap().generation == 2).await;
        tokio::time::sleep(FIVE_MINUTES).await;
        for _ in 0..20 {
            assert_eq!(daemon.status("acme").unwrap().state, State::Degraded);
            assert!(daemon.is_told("acme", "again and again"), "{:?}", daemon.alerts_of("acme"));
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        ail(house, "acme", None);
        daemon.until_state("acme", State::Ready).await;
        assert_eq!(daemon.alerts_of("acme"), []);
        daemon.stop().await;
    });
}

#[test]
fn a_change_or_a_restart_that_leaves_a_customer_down_is_told_within_five_minutes() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        // Both answer until somebody does something about them, and never after that.
        house.drop_file("acme", "modules = [\"website\"]");
        house.client().await.errand(&name("beta"), ErrandKind::Restart).await.unwrap();
        for text in ["acme", "beta"] {
            ail(house, text, Some(Ailment::Answers(500)));
        }
        tokio::time::sleep(FIVE_MINUTES).await;
        for text in ["acme", "beta"] {
            assert_eq!(daemon.status(text).unwrap().state, State::Degraded, "{text}");
            assert!(daemon.is_told(text, "/web/login answers 500"), "{text}: {:?}", daemon.alerts_of(text));
        }
        daemon.stop().await;
    });
}

#[test]
fn visitors_who_are_sent_away_and_dead_websockets_are_told() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        assert!(house.rehearsal.damage(Damage::LeadsAway, &name("acme")));
        assert!(house.rehearsal.damage(Damage::WebsocketDead, &name("beta")));
        daemon.until_state("acme", State::Degraded).await;
        daemon.until_state("beta", State::Degraded).await;
        assert!(daemon.is_told("acme", "leads to another site, https://elsewhere.example/web/login"));
        assert!(daemon.is_told("beta", "no websocket opens (/websocket answers 502)"));
        daemon.stop().await;
    });
}

#[test]
fn since_when_a_customer_is_down_survives_a_restart_of_the_daemon_and_a_clock_that_is_set_back() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.drop_file("acme", "domains = [\"erp.acme.example\"]");
        ail(house, "acme", Some(Ailment::Answers(503)));
        daemon.until("its being down", |it| it.serving("acme") == Some(ConditionStatus::False)).await;
        tokio::time::sleep(Duration::from_secs(150)).await;
        daemon.stop().await;
        let daemon = house.daemon();
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert!(daemon.is_told("acme", "answers 503"), "it was down for three minutes before and after together");
        set_clock(-86_400);
        tokio::time::sleep(FIVE_MINUTES).await;
        assert!(daemon.is_told("acme", "answers 503"));
        daemon.stop().await;
    });
}

#[test]
fn a_certificate_that_never_comes_is_told_of_its_customer() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.rehearsal.with(|world| world.pointing_elsewhere.insert("erp.acme.example".parse().unwrap()));
        house.drop_file("acme", "domains = [\"erp.acme.example\"]");
        tokio::time::sleep(FIVE_MINUTES).await;
        let said = "erp.acme.example does not point here, so no certificate was ordered for it: its DNS record (A, AAAA or \
                    CNAME) must lead to this host";
        assert!(daemon.is_told("acme", said), "{:?}", daemon.alerts_of("acme"));
        tokio::time::sleep(8 * FIVE_MINUTES).await;
        // One word, whatever tells of it, however often it was tried.
        let status = daemon.status("acme").unwrap();
        assert_eq!(status.state, State::Degraded);
        assert_eq!(daemon.alerts_of("acme")[0].reason, "NoCertificate");
        assert_eq!(status.holds.iter().map(|hold| hold.reason).collect::<Vec<_>>(), [HoldReason::NoCertificate]);
        for kind in [ConditionType::CertificateReady, ConditionType::Serving, ConditionType::Ready] {
            let condition = status.condition(kind).unwrap();
            assert_eq!(condition.reason, "NoCertificate", "{kind:?}");
            assert!(!condition.message.contains("erp.acme.example: erp.acme.example"), "{}", condition.message);
        }
        daemon.stop().await;
    });
}

#[test]
fn whoever_is_down_of_itself_is_told_also_while_a_system_does_not_answer() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        ail(house, "acme", Some(Ailment::Answers(503)));
        daemon.until_state("acme", State::Degraded).await;
        tokio::time::sleep(FIVE_MINUTES).await;
        house.rehearsal.set_faults(Faults { down: [Edge::Engine].into(), ..Faults::default() });
        daemon.until_state("acme", State::Held).await;
        daemon.until_state("beta", State::Held).await;
        assert!(daemon.is_told("acme", "answers 503"), "{:?}", daemon.alerts_of("acme"));
        assert_eq!(daemon.alerts_of("beta"), [], "one outage is one alert");
        daemon.stop().await;
    });
}
