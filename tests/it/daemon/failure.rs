//! Steps that fail: tried again ever later, over restarts too.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::adapters::rehearsal::{Damage, Faults};
use innkeeper::model::status::State;
use std::time::Duration;

#[test]
fn the_hosts_back_off_survives_a_restart() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.rehearsal.set_faults(Faults { refusing: true, ..Faults::default() });
        assert!(house.rehearsal.damage(Damage::TemplatesChanged, &name("acme")));
        daemon
            .until("four failures", |daemon| {
                let failures = daemon.keeper.journal().host_failures().unwrap();
                failures.get("render-sites").is_some_and(|failure| failure.attempts >= 4)
            })
            .await;
        daemon.stop().await;
        let daemon = house.daemon();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let failures = daemon.keeper.journal().host_failures().unwrap();
        assert_eq!(failures["render-sites"].attempts, 4, "it waits where the last life waited");
        house.rehearsal.set_faults(Faults::default());
        daemon
            .until("the templates", |_| {
                house.rehearsal.with(|world| {
                    world.proxy.loaded.as_ref().is_some_and(|loaded| loaded.templates == world.proxy.templates)
                })
            })
            .await;
        daemon.until("no failure", |it| it.keeper.journal().host_failures().unwrap().is_empty()).await;
        daemon.stop().await;
    });
}

#[test]
fn a_step_that_fails_is_tried_again_ever_later_and_a_new_file_at_once() {
    in_a_house(async |house| {
        house.rehearsal.with(|world| world.unknown_modules.insert("nonsense".parse().unwrap()));
        house.drop_file("acme", "modules = [\"nonsense\"]");
        house.drop_file("beta", "");
        let daemon = house.daemon();
        daemon.until_state("acme", State::Failed).await;
        daemon.until_state("beta", State::Ready).await;
        house.rehearsal.forget_calls();
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(house.effects(), [""; 0], "only another input helps");
        let failures = daemon.keeper.journal().failures(&name("acme")).unwrap();
        assert_eq!(failures["install-modules"].message, "Odoo 19.0 has no module nonsense");
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        daemon.stop().await;
    });
}

#[test]
fn a_module_that_is_only_misspelt_is_told_with_the_one_that_was_meant() {
    in_a_house(async |house| {
        house.rehearsal.with(|world| world.unknown_modules.insert("website_salle".parse().unwrap()));
        house.drop_file("acme", "modules = [\"website_salle\", \"calendar\"]");
        let daemon = house.daemon();
        daemon.until_state("acme", State::Failed).await;
        let failures = daemon.keeper.journal().failures(&name("acme")).unwrap();
        let told = &failures["install-modules"];
        let expected = "Odoo 19.0 has no module website_salle; did you mean website_sale?";
        assert_eq!((told.message.as_str(), told.permanent), (expected, true));
        daemon.stop().await;
    });
}

#[test]
fn what_odoo_refuses_of_a_set_up_is_told_once_and_the_rest_of_the_edit_applied() {
    in_a_house(async |house| {
        let file = |login: &str, company: &str| {
            format!("plan = \"starter\"\n[company]\nname = \"{company}\"\n[admin]\nemail = \"{login}\"\n")
        };
        let set_up = |house: &super::house::House| {
            house.rehearsal.with(|world| world.databases["odoo_acme"].odoo.setup.clone().unwrap())
        };
        house.put("instances.d/acme.toml", &file("boss@acme.example", "Acme"));
        let daemon = house.daemon();
        daemon.until_state("acme", State::Ready).await;
        house.rehearsal.with(|world| world.taken_logins.insert("jane@acme.example".to_owned()));
        house.put("instances.d/acme.toml", &file("jane@acme.example", "Acme & Sons"));
        daemon.until_state("acme", State::Failed).await;
        let applied = set_up(house);
        assert_eq!((applied.company.name.as_str(), applied.admin_login.as_str()), ("Acme & Sons", "boss@acme.example"));
        let failures = daemon.keeper.journal().failures(&name("acme")).unwrap();
        let told = &failures["set-up"];
        assert!(
            told.permanent && told.message.starts_with("Odoo refuses admin.email = \"jane@acme.example\": "),
            "{told:?}"
        );
        house.rehearsal.forget_calls();
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(house.effects(), [""; 0], "only another input helps");

        house.put("instances.d/acme.toml", &file("boss@acme.example", "Acme & Sons"));
        daemon.until_state("acme", State::Ready).await;
        assert_eq!(house.effects(), [""; 0], "what was refused is not wanted any more, and nothing is to be done");
        daemon.stop().await;
    });
}
