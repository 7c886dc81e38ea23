//! The fleet's files: broken, gone, unlisted, and who changed them.

use super::house::{Daemon, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::{Fault, Faults};
use innkeeper::model::status::State;
use std::time::Duration;

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
fn whoever_was_retired_does_not_come_back_because_nobody_can_tell_whether_it_has_a_file() {
    in_a_house(async |house| {
        house.set("on_missing_file = \"retire\"\nretire_grace = \"2h\"");
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        house.remove_file("acme");
        daemon.until_state("acme", State::Retired).await;
        let (dir, away) = (house.path("fleet/instances.d"), house.path("fleet/away"));
        std::fs::rename(&dir, &away).unwrap();
        house.rehearsal.forget_calls();
        let waits = |daemon: &Daemon| {
            daemon.status("acme").is_some_and(|it| it.state == State::Held || it.state == State::Retired)
        };
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(waits(&daemon), "{:?}", daemon.status("acme"));
        daemon.stop().await;
        // Nor does a daemon bring it back that never saw the directory, or delete its data when the grace period is over.
        let daemon = house.daemon();
        tokio::time::sleep(Duration::from_secs(3 * 3_600)).await;
        assert!(waits(&daemon), "{:?}", daemon.status("acme"));
        assert_eq!((house.running(), house.effects()), (1, vec![]), "only beta's is up, and nothing was done");
        assert_eq!(daemon.status("beta").unwrap().state, State::Ready);
        std::fs::rename(&away, &dir).unwrap();
        daemon.until_told("Purged").await;
        daemon.stop().await;
    });
}

#[test]
fn nothing_is_deleted_while_nobody_can_tell_whether_the_file_is_back() {
    in_a_house(async |house| {
        house.set("on_missing_file = \"retire\"\nretire_grace = \"20m\"");
        let daemon = house.settled_daemon(&["acme", "beta"]).await;
        house.remove_file("acme");
        daemon.until_state("acme", State::Retired).await;
        let (dir, away) = (house.path("fleet/instances.d"), house.path("fleet/away"));
        // In the middle of the purge, after it was decided; each of its steps takes a second.
        house.rehearsal.forget_calls();
        let script = (1..10_000).map(|number| (number, Fault::Delay(Duration::from_secs(1)))).collect();
        house.rehearsal.set_faults(Faults { script, ..Faults::default() });
        let is_gone = || house.rehearsal.with(|world| !world.containers.contains_key("ik-acme"));
        daemon.until("its container is gone", |_| is_gone()).await;
        std::fs::rename(&dir, &away).unwrap();
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        let left = house.names_left("acme");
        assert!(left.contains(&"odoo_acme".to_owned()) && left.contains(&"ik-acme-data".to_owned()), "{left:?}");
        house.rehearsal.set_faults(Faults::default());
        std::fs::rename(&away, &dir).unwrap();
        daemon.until_told("Purged").await;
        daemon.stop().await;
    });
}

#[test]
fn a_restart_puts_nothing_into_force_that_was_refused() {
    in_a_house(async |house| {
        let full = "plan = \"small\"";
        house.drop_file("mike", full);
        house.drop_file("zeta", full);
        house.drop_file("gamma", "");
        let daemon = house.daemon();
        for name in ["mike", "zeta", "gamma"] {
            daemon.until_state(name, State::Ready).await;
        }
        house.drop_file("gamma", "state = \"absent\"");
        daemon.until_state("gamma", State::Retired).await;
        // One too many for the plan, one for a name that is kept for the retired, one for another's domain.
        house.drop_file("acme", full);
        house.drop_file("beta", "subdomain = \"gamma\"");
        house.drop_file("delta", "subdomain = \"zeta\"");
        let refused = ["acme", "beta", "delta"];
        for name in refused {
            daemon.until_state(name, State::Invalid).await;
        }
        // Now the newest of its plan, and of those that want the name.
        house.drop_file("zeta", &format!("{full}\nsubdomain = \"zeta\""));
        tokio::time::sleep(Duration::from_secs(60)).await;
        daemon.stop().await;
        let daemon = house.daemon();
        tokio::time::sleep(Duration::from_secs(600)).await;
        for name in refused {
            assert_eq!(daemon.status(name).unwrap().state, State::Invalid, "{name}");
            assert_eq!(house.names_left(name), [""; 0], "{name}");
        }
        assert_eq!(daemon.status("zeta").unwrap().state, State::Ready);
        daemon.stop().await;
    });
}

#[test]
fn one_that_was_never_there_is_off_the_board_although_the_daemon_was_stopped_meanwhile() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.drop_file("beta", "plan = \"gold\"");
        daemon.until_state("beta", State::Invalid).await;
        daemon.stop().await;
        house.remove_file("beta");
        let daemon = house.daemon();
        daemon.until("beta being off the board", |daemon| daemon.status("beta").is_none()).await;
        assert!(daemon.asked(house).await.alerts.is_empty());
        assert!(!house.path("state/status/beta.json").exists());
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

#[test]
fn a_file_that_git_ignores_names_no_commit() {
    in_a_house(async |house| {
        git(house, &["init", "-q"]);
        house.put(".gitignore", "instances.d/beta.toml\n");
        house.drop_file("acme", "");
        house.drop_file("beta", "");
        git(house, &["add", "."]);
        git(house, &["commit", "-q", "-m", "all but beta"]);
        tokio::time::resume();
        let daemon = house.daemon();
        daemon
            .until("both files told", |daemon| daemon.reasons().iter().filter(|it| *it == "FileAdded").count() == 2)
            .await;
        let events = daemon.events();
        let cause = |text: &str| {
            let added = events.iter().find(|event| event.reason == "FileAdded" && event.instance == Some(name(text)));
            added.and_then(|event| event.cause.clone())
        };
        assert!(cause("acme").unwrap().starts_with("commit "), "{:?}", cause("acme"));
        assert_eq!(cause("beta").as_deref(), Some("edited, not committed"));
        daemon.stop().await;
    });
}

#[test]
fn a_fleet_that_only_lies_in_somebodys_checkout_names_no_commit() {
    in_a_house(async |house| {
        git(house, &["init", "-q"]);
        house.put(".gitignore", "*\n!notes\n");
        house.put("notes", "not of the fleet");
        git(house, &["add", "-f", "notes", ".gitignore"]);
        git(house, &["commit", "-q", "-m", "somebody else's"]);
        house.drop_file("acme", "");
        tokio::time::resume();
        let daemon = house.daemon();
        daemon.until("the file told", |daemon| daemon.reasons().iter().any(|it| it == "FileAdded")).await;
        let events = daemon.events();
        let added = events.iter().find(|event| event.reason == "FileAdded").unwrap();
        assert!(!added.cause.as_deref().unwrap_or_default().starts_with("commit "), "{:?}", added.cause);
        daemon.stop().await;
    });
}
