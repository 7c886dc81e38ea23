//! A customer's end on real parts, and back from it: retired, brought back, retired again, deleted; and the daemon killed
//! at every step on the way.

use super::fleet::{Fleet, docker, inspect, shown};
use super::gallows::{Gallows, Killed, Moment};
use super::odoo::Browser;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const HOST: &str = "acme.innkeeper.test";
const DATABASE: &str = "odoo_acme";
/// What needs no installation of modules, with a daemon that is killed again and again.
const SOON: Duration = Duration::from_secs(240);
/// A first installation, killed again and again.
const LONG: Duration = Duration::from_secs(600);
const FILE: &str =
    "plan = \"tiny\"\nstate = \"running\"\n[company]\nname = \"Acme\"\n[admin]\nemail = \"a@acme.example\"\n";

/// The phases of a customer's life, in their order.
const PHASES: [&str; 4] = ["creation", "retirement", "return", "retirement and purge"];

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_ends_comes_back_and_ends_for_good() {
    let expected = undisturbed_life();
    let mut fleet = begun();
    fleet.drop_file("acme", FILE);
    let mut killed = vec![Gallows::kill_at_each(&expected[0], &mut fleet, LONG, |fleet| is(fleet, "ready"))];
    fleet.wait_settled("acme");
    customer_works(&fleet);
    let before = identity(&fleet);

    fleet.stop_daemon();
    fleet.ends_with(8, &["retire", "acme"]);
    fleet.ends_with(8, &["retire", "acme", "--confirm", "beta"]);
    fleet.ends_with(0, &["retire", "acme", "--confirm", "acme"]);
    killed.push(Gallows::kill_at_each(&expected[1], &mut fleet, SOON, |fleet| is(fleet, "retired")));
    fleet.ends_with(0, &["wait", "acme", "--for", "retired", "--timeout", "2m"]);
    it_is_out_of_service_and_kept(&fleet).await;
    the_archive_restores(&fleet);

    fleet.stop_daemon();
    fleet.ends_with(0, &["start", "acme"]);
    killed.push(Gallows::kill_at_each(&expected[2], &mut fleet, SOON, |fleet| is(fleet, "ready")));
    fleet.wait_settled("acme");
    assert_eq!(identity(&fleet), before, "the very same container, volume, database and identity");
    assert_eq!(mark(&fleet, DATABASE), "kept");
    Browser::new(&fleet, HOST).login_page().await;

    fleet.stop_daemon();
    shorten_the_grace(&fleet);
    fleet.ends_with(0, &["retire", "acme", "--confirm", "acme"]);
    killed.push(Gallows::kill_at_each(&expected[3], &mut fleet, SOON, nothing_is_left));
    fleet.until("the plan is empty", SOON, Fleet::plan_is_empty);
    let backups = fleet.json(&["backups", "acme"])["backups"].as_array().unwrap().clone();
    assert_eq!(backups.len(), 2, "one final backup a retirement, and none twice: {backups:#?}");
    assert!(backups.iter().all(|backup| backup["verified"] == json!(true)), "{backups:#?}");
    fs::remove_file(fleet.file("acme")).unwrap();
    fleet.until("it is forgotten", SOON, |fleet| fleet.json(&["status"])["instances"] == json!([]));
    assert_eq!(fleet.stop_daemon(), 0);
    it_was_killed_everywhere(&expected, &killed);
}

/// A fleet whose daemon has run before: its journal is there.
fn begun() -> Fleet {
    let mut fleet = Fleet::new("the-end", |settings| settings);
    fleet.start_daemon();
    assert_eq!(fleet.stop_daemon(), 0);
    fleet
}

/// The same life with nobody killing: the steps that it journals, phase by phase, in the order in which they begin.
fn undisturbed_life() -> Vec<Vec<String>> {
    let mut fleet = begun();
    let record = Gallows::recording(&fleet);
    let mut steps = Vec::new();
    let mut phase = |fleet: &mut Fleet, longest, done: &dyn Fn(&Fleet) -> bool| {
        fleet.start_daemon();
        fleet.until("the phase is over", longest, |fleet| done(fleet) && fleet.plan_is_empty());
        assert_eq!(fleet.stop_daemon(), 0);
        steps.push(record.journalled());
    };
    fleet.drop_file("acme", FILE);
    phase(&mut fleet, LONG, &|fleet| is(fleet, "ready"));
    fleet.ends_with(0, &["retire", "acme", "--confirm", "acme"]);
    phase(&mut fleet, SOON, &|fleet| is(fleet, "retired"));
    fleet.ends_with(0, &["start", "acme"]);
    phase(&mut fleet, SOON, &|fleet| is(fleet, "ready"));
    shorten_the_grace(&fleet);
    fleet.ends_with(0, &["retire", "acme", "--confirm", "acme"]);
    phase(&mut fleet, SOON, &nothing_is_left);
    steps
}

/// Every step that an undisturbed life journals was killed at its intent and at its result, and there was no other step.
fn it_was_killed_everywhere(expected: &[Vec<String>], killed: &[Killed]) {
    for ((phase, expected), killed) in PHASES.iter().zip(expected).zip(killed) {
        let kills: usize = killed.values().map(BTreeSet::len).sum();
        println!("{phase}: {} steps, killed {kills} times: {killed:?}", expected.len());
        let both = |moments: &BTreeSet<Moment>| moments.is_superset(&[Moment::Intent, Moment::Result].into());
        assert!(killed.values().all(both), "{phase}: not at both moments: {killed:#?}");
        let (at, expected): (BTreeSet<_>, BTreeSet<_>) = (killed.keys().collect(), expected.iter().collect());
        assert_eq!(at, expected, "{phase}");
    }
    let steps: usize = expected.iter().map(Vec::len).sum();
    let at = |moment| killed.iter().flat_map(Killed::values).filter(|moments| moments.contains(&moment)).count();
    println!("journalled_steps {steps} steps");
    println!("kills_at_the_intent {} kills", at(Moment::Intent));
    println!("kills_at_the_result {} kills", at(Moment::Result));
    println!("kills_in_the_middle {} kills", at(Moment::Middle));
}

fn shorten_the_grace(fleet: &Fleet) {
    let settings = fleet.directory.join("innkeeper.toml");
    fs::write(&settings, fs::read_to_string(&settings).unwrap().replace("\"14d\"", "\"3s\"")).unwrap();
}

fn is(fleet: &Fleet, state: &str) -> bool {
    fleet.document("acme") == (state.to_owned(), true)
}

/// Something that only this customer has, in the database and in the filestore.
fn customer_works(fleet: &Fleet) {
    let url = url(fleet, DATABASE);
    fleet.psql(&url, "CREATE TABLE journey (mark text); INSERT INTO journey VALUES ('kept')").unwrap();
    fleet.psql(&url, &format!("ALTER TABLE journey OWNER TO {DATABASE}")).unwrap();
    docker(&[
        "exec",
        "ik-acme",
        "sh",
        "-c",
        "mkdir -p /var/lib/odoo/filestore/x && echo kept > /var/lib/odoo/filestore/x/mark",
    ]);
}

fn mark(fleet: &Fleet, database: &str) -> String {
    fleet.psql(&url(fleet, database), "SELECT mark FROM journey").unwrap()
}

fn url(fleet: &Fleet, database: &str) -> String {
    let (server, _) = fleet.lab.get("LAB_PG_URL").rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

fn identity(fleet: &Fleet) -> Vec<String> {
    let oid = fleet.sql(&format!("SELECT oid FROM pg_database WHERE datname = '{DATABASE}'"));
    let volume = docker(&["volume", "inspect", "--format", "{{.CreatedAt}}", "ik-acme-data"]);
    let uid = fleet.json(&["info", "acme"])["uid"].as_str().unwrap_or_default().to_owned();
    vec![inspect("ik-acme", "{{.Id}}"), volume, oid, uid]
}

async fn it_is_out_of_service_and_kept(fleet: &Fleet) {
    let (status, _) = Browser::new(fleet, HOST).get("/web/login").await;
    assert_eq!(status, reqwest::StatusCode::GONE, "410 through nginx, over TLS");
    assert_eq!(inspect("ik-acme", "{{.State.Running}}"), "false");
    assert!(fleet.plan_is_empty(), "{:#}", fleet.json(&["plan"]));
    let info = fleet.json(&["info", "acme"]);
    assert!(info["purge_after"].is_string(), "{info:#}");
    assert_eq!(info["last_backup"]["verified"], json!(true), "{info:#}");
    let named = fleet.psql(&url(fleet, DATABASE), "SELECT count(store_fname) FROM ir_attachment").unwrap();
    assert_ne!(named, "0", "Odoo keeps files outside of its database");
    assert_eq!(info["last_backup"]["missing_files"], json!(0), "all {named} of them are in the backup: {info:#}");
    let login = fleet.sql(&format!("SELECT rolcanlogin FROM pg_roles WHERE rolname = '{DATABASE}'"));
    assert_eq!(login, "f", "nobody writes what the backup does not have");
    // Its names are kept: nobody else gets them.
    assert_eq!(fleet.json(&["check", "--subdomain", "acme"])["available"], json!(false));
}

/// The dump goes into a database of its own by pg_restore, the filestore out of its tar.
fn the_archive_restores(fleet: &Fleet) {
    let place = place(&fleet.json(&["backups", "acme"]));
    fleet.sql("DROP DATABASE IF EXISTS journey_scratch");
    fleet.sql("CREATE DATABASE journey_scratch TEMPLATE template0");
    let restore = Command::new("pg_restore")
        .args(["--no-owner", "--no-privileges", "--exit-on-error", "--dbname", &url(fleet, "journey_scratch")])
        .arg(place.join("database.dump"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(restore.status.success(), "{}", shown(&restore));
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
    let count = |database: &str| fleet.psql(&url(fleet, database), tables).unwrap();
    assert_eq!((mark(fleet, "journey_scratch"), count("journey_scratch")), ("kept".to_owned(), count(DATABASE)));
    fleet.sql("DROP DATABASE journey_scratch");
    let out = tempfile::tempdir().unwrap();
    let untar =
        Command::new("tar").arg("-xf").arg(place.join("filestore.tar")).arg("-C").arg(out.path()).output().unwrap();
    assert!(untar.status.success(), "{}", shown(&untar));
    let volume = PathBuf::from(docker(&["volume", "inspect", "--format", "{{.Mountpoint}}", "ik-acme-data"]));
    let compared = Command::new("diff").arg("-r").arg(&volume).arg(out.path().join("odoo")).output().unwrap();
    assert!(compared.status.success(), "the filestore differs: {}", shown(&compared));
    assert_eq!(fs::read_to_string(out.path().join("odoo/filestore/x/mark")).unwrap(), "kept\n");
}

fn place(backups: &Value) -> PathBuf {
    let all = backups["backups"].as_array().unwrap();
    assert_eq!(all.len(), 1, "taken once, however often the daemon died: {backups:#}");
    assert_eq!(all[0]["verified"], json!(true), "{backups:#}");
    let place = PathBuf::from(all[0]["place"].as_str().unwrap());
    let leftovers = fs::read_dir(place.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let partial: Vec<PathBuf> = leftovers.filter(|path| path.extension().is_some_and(|it| it == "partial")).collect();
    assert_eq!(partial, [] as [&Path; 0], "no half-made backup is left");
    place
}

/// In Docker, in PostgreSQL, in nginx, on disk.
fn nothing_is_left(fleet: &Fleet) -> bool {
    let installation = fs::read_to_string(fleet.state.join("secrets/installation.id")).unwrap();
    let filter = format!("label=io.innkeeper.installation={}", installation.trim());
    let containers = docker(&["ps", "-aq", "--filter", &filter]);
    let volumes = docker(&["volume", "ls", "-q", "--filter", &filter]);
    let databases = fleet.sql("SELECT count(*) FROM pg_database WHERE datname = 'odoo_acme'");
    let roles = fleet.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'odoo_acme'");
    let conf = fleet.state.join("secrets/odoo/acme").exists();
    let current = fleet.lab.path("LAB_NGINX_CONF").parent().unwrap().join("innkeeper/current");
    let sites =
        fs::read_dir(current).into_iter().flatten().filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    let served = sites.filter(|text| text.contains(HOST)).count();
    // Not asked of the daemon: it may be held on its way to the last step.
    let journal = fleet.journal();
    let closed = journal.tombstones().unwrap().is_empty() && journal.open_intents().unwrap().is_empty();
    containers.is_empty() && volumes.is_empty() && databases == "0" && roles == "0" && !conf && served == 0 && closed
}
