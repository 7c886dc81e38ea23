//! What would change, re-create or restart many containers at once without any edit of their own files: one has it first.

use super::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::{Damage, Faults};
use innkeeper::edges::Edge;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::secret::digest;
use innkeeper::model::service::Owner;
use innkeeper::model::status::State;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

impl House {
    fn recreated(&self) -> usize {
        let effects = self.effects();
        effects.iter().filter(|effect| effect.starts_with("create_service")).count()
    }

    /// Has every container be of an image that is not the one of its reference any more: `docker pull`.
    fn pull_anew(&self) {
        self.rehearsal.forget_calls();
        assert!(self.rehearsal.damage(Damage::ImageReplaced, &name("acme")));
    }

    /// Has every container be as a version made it that gave it no environment.
    fn made_by_a_former_version(&self) {
        self.rehearsal.forget_calls();
        self.rehearsal.with(|world| {
            for (name, container) in &mut world.containers {
                let Owner::Ours(tag) = &mut container.owner else { continue };
                tag.digest = digest(&(name, &container.image_id, &container.volume, container.ports));
            }
        });
    }

    /// The same, and the new image does not serve.
    fn pull_broken(&self) {
        self.pull_anew();
        self.rehearsal.with(|world| world.broken_images = world.images.values().map(|it| it.id.clone()).collect());
    }
}

fn waiting(daemon: &Daemon, names: &[&str]) -> usize {
    let waits = |text: &&&str| {
        let status = daemon.status(text);
        status.is_some_and(|status| status.holds.iter().any(|hold| hold.reason == HoldReason::RollOut))
    };
    names.iter().filter(waits).count()
}

#[test]
fn an_image_that_was_pulled_anew_reaches_one_container_first_and_then_ever_more() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo", "fox"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_anew();
        daemon.until_told("RollOutBegan").await;
        daemon.until("the first", |_| house.recreated() == 1).await;
        assert!(waiting(&daemon, &names) >= 4, "the others run on as they are");
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        assert_eq!(house.recreated(), names.len(), "each once: {:#?}", house.effects());
        for name in names {
            daemon.until_state(name, State::Ready).await;
        }
        daemon.stop().await;
    });
}

#[test]
fn what_a_new_version_gives_its_containers_reaches_one_first_and_everybody_once() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        house.settled_daemon(&names).await.stop().await;
        house.made_by_a_former_version();
        let daemon = house.daemon();
        daemon.until_told("RollOutBegan").await;
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        assert_eq!(house.recreated(), names.len(), "each once: {:#?}", house.effects());
        assert!(!house.effects().iter().any(|it| it.starts_with("restart_service")), "{:#?}", house.effects());
        daemon.stop().await;
    });
}

#[test]
fn an_image_that_does_not_serve_reaches_nobody_but_the_first() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_broken();
        daemon.until_told("RollOutBegan").await;
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(house.recreated(), 1, "{:#?}", house.effects());
        assert_eq!(waiting(&daemon, &names), 4);
        house.rehearsal.with(|world| world.broken_images.clear());
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        daemon.stop().await;
    });
}

#[test]
fn whoever_is_down_comes_up_whatever_becomes_of_the_others() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_broken();
        daemon.until_told("RollOutBegan").await;
        daemon.until("the first", |_| house.recreated() == 1).await;
        // The roll-out stands still from now on; another customer's container is killed.
        assert!(house.rehearsal.damage(Damage::ContainerKilled, &name("echo")));
        daemon.until("echo is made anew", |_| house.recreated() == 2).await;
        assert_eq!(waiting(&daemon, &names[1..4]), 3, "those who serve wait on");
        daemon.stop().await;
    });
}

#[test]
fn who_does_not_want_to_wait_for_a_roll_out_that_stands_still_does_not() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_broken();
        daemon.until("the first", |_| house.recreated() == 1).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        let client = &mut house.client().await;
        client.errand(&name("echo"), ErrandKind::Retry).await.unwrap();
        daemon.until("echo too", |_| house.recreated() == 2).await;
        daemon.stop().await;
    });
}

#[test]
fn a_few_containers_wait_for_nobody() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_anew();
        daemon.until("all", |_| house.recreated() == 3).await;
        assert!(!daemon.reasons().contains(&"RollOutBegan".to_owned()));
        daemon.stop().await;
    });
}

/// Plans in which the starter has another share of the processors. Another amount of memory would restart Odoo as well.
fn plans_with(cpus: &str) -> String {
    let plans = crate::read_fleet::PLANS.replacen("cpus = 1.0", &format!("cpus = {cpus}"), 1);
    assert_ne!(plans, crate::read_fleet::PLANS);
    plans
}

#[test]
fn an_edit_of_the_plans_reaches_one_instance_first_and_then_ever_more() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo", "fox"];
        let daemon = house.settled_daemon(&names).await;
        house.rehearsal.forget_calls();
        house.put("plans.toml", &plans_with("2.0"));
        daemon.until_told("RollOutBegan").await;
        let done = || house.effects().iter().filter(|effect| effect.starts_with("update_limits")).count();
        daemon.until("the first", |_| done() == 1).await;
        assert_eq!(daemon.keeper.journal().roll_outs().unwrap().len(), 6);
        daemon.until("all", |daemon| done() == 6 && daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        for name in names {
            daemon.until_state(name, State::Ready).await;
        }
        daemon.stop().await;
    });
}

#[test]
fn an_edit_of_the_plans_stops_where_it_fails() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        let daemon = house.settled_daemon(&names).await;
        house.rehearsal.forget_calls();
        house.rehearsal.set_faults(Faults { refusing: true, ..Faults::default() });
        house.put("plans.toml", &plans_with("2.0"));
        daemon.until_told("StepFailed").await;
        tokio::time::sleep(Duration::from_secs(900)).await;
        let tried: BTreeSet<String> = house.effects().into_iter().collect();
        assert_eq!(tried, BTreeSet::from(["update_limits ik-acme".to_owned()]), "nobody else was begun with");
        let held = daemon.status("echo").unwrap().holds.clone();
        assert!(
            held.iter().any(|hold| hold.reason == HoldReason::RollOut && hold.message.contains("acme")),
            "{held:?}"
        );
        assert_eq!(daemon.status("echo").unwrap().state, State::Ready, "it serves as before");
        let client = &mut house.client().await;
        client.errand(&name("acme"), ErrandKind::Retry).await.unwrap();
        daemon.until_told("Retried").await;
        tokio::time::sleep(Duration::from_secs(900)).await;
        let tried: BTreeSet<String> = house.effects().into_iter().collect();
        assert_eq!(tried.len(), 1, "who failed tries again for all others: {tried:?}");
        client.errand(&name("echo"), ErrandKind::Retry).await.unwrap();
        daemon.until("echo alone", |_| house.effects().contains(&"update_limits ik-echo".to_owned())).await;
        house.rehearsal.set_faults(Faults::default());
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        for name in names {
            daemon.until_state(name, State::Ready).await;
        }
        daemon.stop().await;
    });
}

#[test]
fn two_that_failed_side_by_side_do_not_wait_for_each_other() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo", "fox", "gamma", "hotel", "india", "juliet"];
        let daemon = house.settled_daemon(&names).await;
        // Two have it, the next two have their turns together: from here on Docker refuses.
        let (rehearsal, updates) = (house.rehearsal.clone(), AtomicUsize::new(0));
        house.rehearsal.watch(move |_, _, call| {
            if call.method == "update_limits" && updates.fetch_add(1, Ordering::Relaxed) == 1 {
                rehearsal.set_faults(Faults { refusing: true, ..Faults::default() });
            }
        });
        house.put("plans.toml", &plans_with("2.0"));
        let failed = |daemon: &Daemon| daemon.keeper.journal().all_failures().unwrap().len();
        daemon.until("two failures", |daemon| failed(daemon) == 2).await;
        tokio::time::sleep(Duration::from_secs(900)).await;
        assert_eq!(failed(&daemon), 2, "nobody else was begun with");
        house.speed_up();
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        daemon.stop().await;
    });
}

#[test]
fn whoever_did_not_serve_before_or_failed_before_holds_up_nobody() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta"];
        let daemon = house.settled_daemon(&names).await;
        house.rehearsal.with(|world| world.unknown_modules.insert("nonsense".parse().unwrap()));
        house.drop_file("acme", "modules = [\"nonsense\"]");
        daemon.until_state("acme", State::Failed).await;
        for text in ["beta", "citrus"] {
            // What its process read at its start leads to no database: nothing in sight says why it does not answer.
            let container = format!("ik-{text}");
            house.rehearsal.with(|world| world.containers.get_mut(&container).unwrap().conf = None);
            daemon.until(text, |it| it.status(text).unwrap().state == State::Degraded).await;
        }
        house.rehearsal.forget_calls();
        house.put("plans.toml", &plans_with("2.0"));
        daemon.until_told("RollOutBegan").await;
        daemon.until("the end", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        let done: Vec<String> = house.effects().into_iter().filter(|it| it.starts_with("update_limits")).collect();
        assert_eq!((done.len(), done[0].as_str()), (4, "update_limits ik-delta"), "who serves has it first: {done:?}");
        daemon.stop().await;
    });
}

#[test]
fn one_whose_data_were_lost_before_holds_up_nobody() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta"];
        let daemon = house.settled_daemon(&names).await;
        assert!(house.rehearsal.damage(Damage::DatabaseDropped, &name("acme")));
        daemon.until_state("acme", State::Held).await;
        house.rehearsal.forget_calls();
        house.put("plans.toml", &plans_with("2.0"));
        daemon.until_told("RollOutBegan").await;
        daemon.until("the end", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        let done: Vec<String> = house.effects().into_iter().filter(|it| it.starts_with("update_limits")).collect();
        assert_eq!((done.len(), done[0].as_str()), (3, "update_limits ik-beta"), "who serves has it: {done:?}");
        daemon.stop().await;
    });
}

#[test]
fn a_change_stops_where_data_are_lost_in_its_course() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        let daemon = house.settled_daemon(&names).await;
        house.pull_anew();
        daemon.until("the first", |_| house.recreated() == 1).await;
        // Before it was seen to serve: whether the new image did that cannot be told.
        assert!(house.rehearsal.damage(Damage::DatabaseDropped, &name("acme")));
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(house.recreated(), 1, "{:#?}", house.effects());
        let holds = &daemon.status("beta").unwrap().holds;
        let said = "the change of many instances stops at acme, whose data is gone or not marked as its own: see `innkeeper \
                    info acme`; `innkeeper retry beta` does not wait";
        assert!(holds.iter().any(|hold| hold.message == said), "{holds:#?}");
        daemon.stop().await;
    });
}

#[test]
fn without_a_sound_certificate_a_change_is_proven_all_the_same() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo"];
        let daemon = house.settled_daemon(&names).await;
        let hosts = names.map(|name| format!("{name}.example.com").parse().unwrap());
        house.rehearsal.with(|world| world.pointing_elsewhere.extend(hosts));
        for text in names {
            assert!(house.rehearsal.damage(Damage::CertificateExpired, &name(text)));
        }
        house.pull_broken();
        daemon.until("the first", |_| house.recreated() == 1).await;
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(house.recreated(), 1, "{:#?}", house.effects());
        daemon.stop().await;
    });
}

#[test]
fn a_backup_disk_that_is_away_keeps_no_change_from_anybody() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta", "citrus", "delta", "echo"]).await;
        house.rehearsal.set_faults(Faults { down: [Edge::Archive].into(), ..Faults::default() });
        house.pull_anew();
        daemon
            .until("all", |daemon| house.recreated() == 5 && daemon.keeper.journal().roll_outs().unwrap().is_empty())
            .await;
        daemon.stop().await;
    });
}

#[test]
fn one_that_is_only_being_made_is_no_part_of_a_change_of_many() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["beta", "citrus", "delta", "echo"]).await;
        house.rehearsal.with(|world| world.unknown_modules.insert("nonsense".parse().unwrap()));
        house.drop_file("acme", "modules = [\"nonsense\"]");
        daemon.until_state("acme", State::Failed).await;
        house.put("plans.toml", &plans_with("2.0"));
        daemon.until_told("RollOutBegan").await;
        let parts = daemon.keeper.journal().roll_outs().unwrap();
        assert!(parts.len() == 4 && !parts.contains_key(&name("acme")), "{parts:#?}");
        daemon.until("all", |daemon| daemon.keeper.journal().roll_outs().unwrap().is_empty()).await;
        daemon.stop().await;
    });
}

#[test]
fn a_domain_that_gets_no_certificate_does_not_keep_a_change_from_the_others() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta", "citrus", "delta"]).await;
        house.pull_anew();
        daemon.until("the first", |_| house.recreated() == 1).await;
        house.rehearsal.with(|world| world.pointing_elsewhere.insert("shop.acme.example".parse().unwrap()));
        house.drop_file("acme", "domains = [\"shop.acme.example\"]");
        daemon.until("all", |_| house.recreated() == 4).await;
        daemon.stop().await;
    });
}

#[test]
fn one_that_is_blocked_does_not_keep_a_change_from_beginning() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta", "citrus", "delta"]).await;
        let nobodys = Owner::Foreign("no Innkeeper label".to_owned());
        house.rehearsal.with(|world| world.volumes.get_mut("ik-acme-data").unwrap().owner = nobodys);
        daemon.until_state("acme", State::Held).await;
        house.pull_anew();
        daemon.until("the three others", |_| house.recreated() == 3).await;
        daemon.stop().await;
    });
}

#[test]
fn one_that_is_busy_with_something_else_is_not_taken_for_done() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta", "citrus", "delta", "echo"]).await;
        house.pull_broken();
        daemon.until("the first", |_| house.recreated() == 1).await;
        // From now on the first one's turns have a certificate to order, again and again.
        house.rehearsal.with(|world| world.pointing_elsewhere.insert("shop.acme.example".parse().unwrap()));
        house.drop_file("acme", "domains = [\"shop.acme.example\"]");
        tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
        assert!(
            house.effects().iter().filter(|effect| effect.starts_with("obtain")).count() > 1,
            "{:#?}",
            house.effects()
        );
        assert!(!house.effects().contains(&"create_service ik-beta".to_owned()), "{:#?}", house.effects());
        daemon.stop().await;
    });
}

#[test]
fn a_lost_journal_does_not_change_all_at_once() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo", "fox"];
        house.settled_daemon(&names).await.stop().await;
        for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
            let _ = std::fs::remove_file(house.path("state").join(file));
        }
        house.pull_broken();
        let daemon = house.daemon();
        daemon.until_told("RollOutBegan").await;
        tokio::time::sleep(Duration::from_secs(1_800)).await;
        assert_eq!(house.recreated(), 1, "{:#?}", house.effects());
        daemon.stop().await;
    });
}
