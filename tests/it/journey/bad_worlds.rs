//! Bad input and bad worlds: told by name, waited for, never papered over.

use super::fleet::{Fleet, docker, shown};
use super::odoo::Browser;
use crate::lab::Lab;
use serde_json::json;
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(120);
const FILE: &str = "plan = \"tiny\"\n[company]\nname = \"Omega\"\n[admin]\nemail = \"boss@omega.example\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_world_is_told_and_healed_without_a_restart() {
    let port = Lab::open().get("LAB_PG_PORT").to_owned();
    let closed = |settings: String| settings.replace(&format!(":{port}/postgres"), ":1/postgres");
    let mut fleet = Fleet::new("bad-worlds", closed);
    a_system_that_is_down_is_named(&fleet);
    let settings = fs::read_to_string(fleet.directory.join("innkeeper.toml")).unwrap();
    fs::write(fleet.directory.join("innkeeper.toml"), settings.replace(":1/postgres", &format!(":{port}/postgres")))
        .unwrap();

    foreign_objects_are_put_in_the_way(&fleet);
    fleet.drop_file("omega", &FILE.replace("\n[company]", "\nmodules = [\"no_such_module\"]\n[company]"));
    fleet.start_daemon();
    a_foreign_object_on_a_needed_name_is_a_conflict(&fleet);
    a_missing_module_fails_and_heals(&fleet);
    let mut names = vec!["omega"];
    a_broken_template_keeps_the_former_generation(&fleet).await;
    an_unparsable_file_keeps_the_last_good_version(&fleet).await;
    names.retain(|name| fleet.json(&["info", name])["state"] != "ready");
    assert_eq!(names, Vec::<&str>::new(), "all are ready at the end");
    assert_eq!(fleet.stop_daemon(), 0);
    docker(&["volume", "rm", "ik-theirs-data-old"]);
}

fn a_system_that_is_down_is_named(fleet: &Fleet) {
    fleet.drop_file("omega", FILE);
    let output = fleet.innkeeper(&["apply", "--yes", "--timeout", "5s"]);
    let told = shown(&output);
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("PostgreSQL") && told.contains("127.0.0.1:1"), "named with its address:\n{told}");
    fs::remove_file(fleet.file("omega")).unwrap();
}

fn foreign_objects_are_put_in_the_way(fleet: &Fleet) {
    docker(&["volume", "create", "ik-theirs-data-old"]);
    docker(&["create", "--name", "ik-omega", "--label", "owner=somebody", "odoo:19.0", "true"]);
    assert!(fleet.plan_is_empty());
}

fn a_foreign_object_on_a_needed_name_is_a_conflict(fleet: &Fleet) {
    fleet.until("the conflict is told", SOON, |fleet| {
        let holds = fleet.json(&["info", "omega"])["holds"].clone();
        holds.as_array().is_some_and(|holds| holds.iter().any(|hold| hold["reason"] == "Conflict"))
    });
    assert_eq!(
        docker(&["inspect", "--format", "{{index .Config.Labels \"owner\"}}", "ik-omega"]),
        "somebody",
        "untouched"
    );
    docker(&["rm", "-f", "ik-omega"]);
}

fn a_missing_module_fails_and_heals(fleet: &Fleet) {
    fleet.until("the failure is told", SOON * 4, |fleet| fleet.json(&["info", "omega"])["state"] == "failed");
    let info = fleet.json(&["info", "omega"]).to_string();
    let said = "Odoo 19.0 has no module no_such_module";
    assert!(info.contains(said), "by its name: {info}");
    assert!(fleet.events("omega").iter().any(|event| event.starts_with("StepFailed") && event.contains(said)));
    fleet.edit("omega", "modules = [\"no_such_module\"]\n", "");
    fleet.wait_ready(&["omega"]);
}

async fn a_broken_template_keeps_the_former_generation(fleet: &Fleet) {
    let templates = fleet.directory.join("nginx-templates");
    let (file, text) = fs::read_dir(&templates)
        .unwrap()
        .flatten()
        .filter_map(|entry| Some((entry.path(), fs::read_to_string(entry.path()).ok()?)))
        .find(|(path, text)| path.to_string_lossy().contains("shared") && text.contains("server"))
        .unwrap();
    fs::write(&file, format!("{text}\nserver {{ listen nonsense\n")).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap().to_owned();
    fleet.until("the problem names the template", SOON, |fleet| {
        let told = shown(&fleet.innkeeper(&["plan"]));
        told.contains(&name) && told.contains("last good")
    });
    Browser::new(fleet, "omega.innkeeper.test").login_page().await;
    fleet.edit("omega", "plan = \"tiny\"", "plan = \"tiny\"\ndomains = [\"omega.test\"]");
    fleet.until("other changes go through", SOON, |fleet| {
        fleet.json(&["info", "omega"])["certificate"]["names"]
            .as_array()
            .is_some_and(|names| names.contains(&json!("omega.test")))
    });
    Browser::new(fleet, "omega.test").login_page().await;
    fs::write(&file, text).unwrap();
    fleet.until("the template is healed", SOON, |fleet| !shown(&fleet.innkeeper(&["plan"])).contains("last good"));
}

async fn an_unparsable_file_keeps_the_last_good_version(fleet: &Fleet) {
    let good = fs::read_to_string(fleet.file("omega")).unwrap();
    for bad in ["", "plan = \"ti", "\u{0}\u{1}binary", "plan = \"platinum\"\n"] {
        fleet.drop_file("omega", bad);
        fleet.until("the file is told as invalid", SOON, |fleet| fleet.json(&["info", "omega"])["state"] == "invalid");
        Browser::new(fleet, "omega.innkeeper.test").login_page().await;
    }
    fleet.drop_file("omega", &good);
    fleet.wait_ready(&["omega"]);
    fleet.wait_settled("omega");
}
