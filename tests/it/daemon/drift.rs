//! Damage and repair: what is different is told and put right, and what comes back again and again is not fought with.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::adapters::rehearsal::Damage;
use innkeeper::model::event::Level;
use innkeeper::model::status::State;
use std::time::Duration;

#[test]
fn damage_is_told_as_drift_and_repaired() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        assert!(house.rehearsal.damage(Damage::LimitsChanged, &name("acme")));
        daemon.until_told("DriftRepaired").await;
        let told = daemon.told();
        let found = told.iter().position(|line| line.starts_with("acme DriftFound: container ik-acme"));
        let repaired = told.iter().position(|line| line.starts_with("acme DriftRepaired: container ik-acme"));
        assert!(found.is_some() && found < repaired, "{told:#?}");
        assert!(told[found.unwrap()].contains("memory is "), "{}", told[found.unwrap()]);
        daemon.stop().await;
    });
}

#[test]
fn whoever_undoes_repairs_again_and_again_is_told_of_and_not_fought_with() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.rehearsal.forget_calls();
        for _ in 0..30 {
            house.rehearsal.damage(Damage::LimitsChanged, &name("acme"));
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let repairs = house.effects().iter().filter(|effect| effect.starts_with("update_limits")).count();
        assert!((5..=10).contains(&repairs), "{repairs} repairs in half an hour");
        let told = daemon.reasons().iter().filter(|reason| *reason == "DriftFight").count();
        assert!((1..=6).contains(&told), "told {told} times: {:#?}", daemon.told());
        daemon.stop().await;
    });
}

#[test]
fn a_generation_edited_by_hand_is_the_hosts_drift() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        assert!(house.rehearsal.damage(Damage::SiteEdited, &name("acme")));
        daemon.until("its repair", |daemon| daemon.reasons().contains(&"DriftRepaired".to_owned())).await;
        let told = daemon.told();
        assert!(told.iter().any(|line| line.contains(" DriftFound: site")), "{told:#?}");
        daemon.stop().await;
    });
}

#[test]
fn a_password_that_was_changed_is_found_by_logging_in_once_and_given_anew() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        assert!(house.rehearsal.damage(Damage::PasswordChanged, &name("acme")));
        daemon.until_told("DriftRepaired").await;
        let told = daemon.told();
        let is_told = |reason: &str| told.iter().any(|line| line.starts_with(reason) && line.contains("password"));
        assert!(is_told("acme DriftFound: role odoo_acme"), "{told:#?}");
        assert!(is_told("acme DriftRepaired: role odoo_acme"), "{told:#?}");
        daemon.until_state("acme", State::Ready).await;
        daemon.stop().await;
    });
}

#[test]
fn an_instance_that_is_down_for_another_reason_is_logged_in_for_seldom() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house
            .rehearsal
            .with(|world| world.broken_images = world.images.values().map(|image| image.id.clone()).collect());
        house.rehearsal.forget_calls();
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let asked = house.rehearsal.calls().iter().filter(|call| call.method == "accepts_password").count();
        assert!((1..=12).contains(&asked), "asked {asked} times in an hour");
        daemon.stop().await;
    });
}

#[test]
fn what_is_repaired_at_once_opens_no_alert_and_wakes_nobody() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let damages = [
            Damage::LimitsChanged,
            Damage::ContainerRemoved,
            Damage::PrivilegesGranted,
            Damage::SiteEdited,
            Damage::ProxyForgot,
        ];
        let repairs =
            |daemon: &super::house::Daemon| daemon.reasons().iter().filter(|reason| *reason == "DriftRepaired").count();
        for damage in damages {
            let before = repairs(&daemon);
            assert!(house.rehearsal.damage(damage, &name("acme")), "{damage:?}");
            daemon.until("its repair", |daemon| repairs(daemon) > before).await;
            daemon.until_state("acme", State::Ready).await;
            // A site that was edited is repaired for its instance and for the host.
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
        // What was done is told as done, in words.
        let told = daemon.told();
        for part in [
            "acme DriftFound: container ik-acme: it was gone",
            "acme DriftRepaired: container ik-acme created: it was gone (image odoo:19.0, ",
            "acme DriftRepaired: container ik-acme changed: its limits differed (cpus unlimited → 1, memory 0 B → 1 GiB)",
            "acme DriftRepaired: database odoo_acme has its privileges: its privileges were not as they should be",
            "host DriftFound: sites: nginx has not loaded the newest ones",
        ] {
            assert!(told.iter().any(|line| line.starts_with(part)), "{part}: {told:#?}");
        }
        let loud: Vec<_> = daemon.events().into_iter().filter(|event| event.level == Level::Error).collect();
        assert_eq!(loud, [], "{:#?}", daemon.told());
        daemon.stop().await;
    });
}
