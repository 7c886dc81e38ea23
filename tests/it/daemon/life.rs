//! The daemon on a rehearsed world: files in, a settled fleet out, and nothing done once it is settled.

use super::house::in_a_house;
use crate::world::name;
use innkeeper::adapters::rehearsal::{Damage, Faults};
use innkeeper::daemon::turn::{self, Subject};
use innkeeper::daemon::{Conduct, Signal};
use innkeeper::edges::Edge;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::errand::ErrandKind;
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
fn a_broken_file_leaves_the_last_good_version_in_force_and_mending_it_heals() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        house.rehearsal.forget_calls();
        house.drop_file("acme", "plan = \"gold\"");
        daemon.until_state("acme", State::Invalid).await;
        daemon.until_told("FileInvalid").await;
        let status = daemon.status("acme").unwrap();
        assert!(status.observed_generation < status.generation);
        let told = daemon.told();
        assert!(told.iter().any(|line| line.starts_with("acme FileInvalid: ") && line.contains("gold")), "{told:#?}");
        let alerts = daemon.asked(house).await.alerts;
        assert_eq!(alerts.iter().map(|alert| alert.instance.clone()).collect::<Vec<_>>(), [Some(name("acme"))]);
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        assert_eq!(house.effects(), [""; 0]);
        assert!(daemon.asked(house).await.alerts.is_empty());
        daemon.stop().await;
    });
}

#[test]
fn a_new_file_that_is_broken_is_held_and_forgotten_with_its_file() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.put("instances.d/beta.toml", "plan = 1\n");
        daemon.until_state("beta", State::Invalid).await;
        assert_eq!(daemon.status("beta").unwrap().uid, None, "it needs no identity yet");
        house.remove_file("beta");
        daemon.until("beta being forgotten", |daemon| daemon.status("beta").is_none()).await;
        assert!(!house.path("state/status/beta.json").exists());
        daemon.stop().await;
    });
}

#[test]
fn a_vanished_file_leaves_its_instance_running_and_marked() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.rehearsal.forget_calls();
        house.remove_file("acme");
        daemon.until_state("acme", State::Orphaned).await;
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(house.effects(), [""; 0]);
        assert!(house.path("state/status/acme.json").exists());
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        assert_eq!(house.effects(), [""; 0], "the very same instance");
        daemon.stop().await;
    });
}

#[test]
fn a_directory_that_cannot_be_listed_orphans_nobody() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let (dir, away) = (house.path("fleet/instances.d"), house.path("fleet/away"));
        std::fs::rename(&dir, &away).unwrap();
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(daemon.status("acme").unwrap().state, State::Ready);
        std::fs::rename(&away, &dir).unwrap();
        house.drop_file("beta", "");
        daemon.until_state("beta", State::Ready).await;
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
fn no_identity_is_given_while_the_world_could_hold_one() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let uid = daemon.status("acme").unwrap().uid;
        daemon.stop().await;
        std::fs::remove_dir_all(house.path("state")).unwrap();
        house.rehearsal.set_faults(Faults { down: BTreeSet::from([Edge::Database]), ..Faults::default() });
        house.rehearsal.forget_calls();
        let daemon = house.daemon();
        daemon.until_state("acme", State::Held).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(daemon.status("acme").unwrap().uid, None);
        house.rehearsal.set_faults(Faults::default());
        daemon.until_state("acme", State::Ready).await;
        // The look at everything may tell that it serves before its own turn takes the identity in.
        daemon.until("the identity that its objects carry", |daemon| daemon.status("acme").unwrap().uid == uid).await;
        assert_eq!(house.effects(), [""; 0]);
        daemon.stop().await;
    });
}

#[test]
fn an_identity_that_only_a_system_knows_that_is_down_is_waited_for() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let uid = daemon.status("acme").unwrap().uid;
        daemon.stop().await;
        std::fs::remove_dir_all(house.path("state")).unwrap();
        house.rehearsal.with(|world| {
            world.containers.clear();
            world.volumes.clear();
        });
        house.rehearsal.set_faults(Faults { down: BTreeSet::from([Edge::Database]), ..Faults::default() });
        let daemon = house.daemon();
        daemon.until_state("acme", State::Held).await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        house.rehearsal.set_faults(Faults::default());
        daemon.until("its identity", |daemon| daemon.status("acme").unwrap().uid == uid).await;
        let holds = &daemon.status("acme").unwrap().holds;
        assert!(holds.iter().any(|hold| hold.reason == HoldReason::DataMissing), "{holds:?}");
        daemon.stop().await;
    });
}

#[test]
fn turns_at_the_same_time_never_reserve_the_same_ports() {
    in_a_house(async |house| {
        let names: Vec<_> = (0..12).map(|number| name(&format!("customer-{number}"))).collect();
        names.iter().for_each(|name| house.drop_file(name.as_str(), ""));
        let keeper = house.keeper(Conduct::ActOnce);
        let subjects: Vec<_> = names.iter().cloned().map(Subject::Instance).collect();
        let turns = futures::future::join_all(subjects.iter().map(|subject| turn::take(&keeper, subject, None)));
        let reports = turns.await;
        assert!(reports.iter().all(|report| report.done > 0 && report.failed.is_empty()), "{reports:#?}");
        let known = keeper.journal().known().unwrap();
        let ports: BTreeSet<_> = names.iter().map(|name| known[name].ports.expect("reserved").http).collect();
        assert_eq!(ports.len(), names.len());
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
        house.drop_file("acme", "");
        daemon.until_state("acme", State::Ready).await;
        daemon.stop().await;
    });
}

#[test]
fn an_errand_is_carried_out_once() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.rehearsal.forget_calls();
        house.client().await.errand(&name("acme"), ErrandKind::Restart).await.unwrap();
        daemon.until_told("ErrandDone").await;
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(house.effects(), ["restart_service ik-acme"]);
        assert!(daemon.keeper.journal().all_errands().unwrap().is_empty());
        let refused = house.client().await.errand(&name("zeta"), ErrandKind::Restart).await.unwrap_err();
        assert_eq!(refused.to_string(), "there is no instance zeta");
        daemon.stop().await;
    });
}

#[test]
fn a_restart_of_what_is_stopped_is_dropped_and_said() {
    in_a_house(async |house| {
        house.drop_file("acme", "");
        let daemon = house.daemon();
        daemon.until_state("acme", State::Ready).await;
        house.drop_file("acme", "state = \"stopped\"");
        daemon.until_state("acme", State::Stopped).await;
        house.client().await.errand(&name("acme"), ErrandKind::Restart).await.unwrap();
        daemon.until_told("ErrandDropped").await;
        assert!(daemon.keeper.journal().all_errands().unwrap().is_empty());
        daemon.stop().await;
    });
}

#[test]
fn changed_settings_that_need_a_new_start_are_said() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        let settings = house.read("fleet/innkeeper.toml");
        house.put("innkeeper.toml", &settings.replace(":5432", ":5433"));
        daemon.until_told("RestartNeeded").await;
        house.rehearsal.forget_calls();
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(house.effects(), [""; 0], "nothing is decided for a server that is not talked to");
        house.put("innkeeper.toml", &settings);
        daemon.until_told("SettingsChanged").await;
        house.put("innkeeper.toml", "[fleet\n");
        daemon.until_told("FileInvalid").await;
        assert_eq!(daemon.status("acme").unwrap().state, State::Ready);
        house.put("innkeeper.toml", &settings);
        daemon.until_told("FilesMended").await;
        daemon.stop().await;
    });
}

#[test]
fn a_lost_state_directory_changes_nothing_in_the_world() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        let before = [daemon.status("acme").unwrap(), daemon.status("beta").unwrap()];
        daemon.stop().await;
        std::fs::remove_dir_all(house.path("state")).unwrap();
        house.rehearsal.forget_calls();
        let plan = house.keeper(Conduct::Look).plan(&[]).await.unwrap();
        assert!(plan.changes.is_settled() && plan.changes.instances.is_empty(), "{:?}", plan.changes);
        let daemon = house.daemon();
        for status in before {
            daemon.until_state(status.name.as_str(), State::Ready).await;
            let after = daemon.status(status.name.as_str()).unwrap();
            assert_eq!((after.uid, after.port), (status.uid, status.port));
            let known = daemon.keeper.journal().known_of(&status.name).unwrap().unwrap();
            assert!(known.provisioned && known.ports.is_some(), "what only the world knew: {known:?}");
        }
        daemon.stop().await;
        assert_eq!(house.effects(), [""; 0]);
    });
}

/// Plans in which the starter's memory is another.
fn plans_with(memory: &str) -> String {
    crate::read_fleet::PLANS.replacen("memory = \"1 GiB\"", &format!("memory = {memory:?}"), 1)
}

#[test]
fn an_edit_of_the_plans_reaches_one_instance_first_and_then_ever_more() {
    in_a_house(async |house| {
        let names = ["acme", "beta", "citrus", "delta", "echo", "fox"];
        let daemon = house.settled_daemon(&names).await;
        house.rehearsal.forget_calls();
        house.put("plans.toml", &plans_with("2 GiB"));
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
        house.put("plans.toml", &plans_with("2 GiB"));
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

fn git(house: &super::house::House, arguments: &[&str]) {
    let identity = ["-c", "user.name=Ann Ops", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"];
    let mut command = std::process::Command::new("git");
    let output = command.arg("-C").arg(house.path("fleet")).args(identity).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_change_is_told_with_its_commit_where_there_is_one() {
    in_a_house(async |house| {
        git(house, &["init", "-q"]);
        house.drop_file("acme", "");
        git(house, &["add", "."]);
        git(house, &["commit", "-q", "-m", "acme"]);
        house.drop_file("beta", "");
        // git answers in its own time, which does not pass here: a clock that stands still waits for it.
        tokio::time::resume();
        let daemon = house.daemon();
        let cause = |daemon: &super::house::Daemon, text: &str| {
            let events = daemon.events();
            let added = events.iter().find(|event| event.reason == "FileAdded" && event.instance == Some(name(text)));
            added.and_then(|event| event.cause.clone())
        };
        daemon
            .until("both files told", |daemon| daemon.reasons().iter().filter(|it| *it == "FileAdded").count() == 2)
            .await;
        let told = cause(&daemon, "acme").unwrap();
        assert!(told.starts_with("commit ") && told.ends_with(" by Ann Ops"), "{told}");
        assert_eq!(cause(&daemon, "beta").as_deref(), Some("edited, not committed"));
        daemon.stop().await;
    });
}
