//! Jobs: long work that outlives whoever waits for it.

use super::scratch::Scratch;
use super::world::{CANARY, World, docker, docker_succeeds, inspect, until};
use futures::TryStreamExt;
use innkeeper::edges::engine::{JobEnd, LogQuery, LogSource};
use innkeeper::edges::{Engine, ErrorKind};
use innkeeper::model::live::JobState;
use innkeeper::model::name::{ModuleName, OdooVersion};
use innkeeper::model::service::{JobSpec, JobWork, Setup};
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::Company;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

/// An installation of `base` takes 15 s on an idle machine.
const INSTALL_S_MAX: u64 = 150;
/// A deadline that is waited for, and when somebody comes who waits for a job that nobody waited for before.
const DEADLINE_S: u64 = 15;
const ADOPTED_AFTER_S: u64 = 10;
/// Docker does what it is asked for within that time, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

fn install(database: &str, modules: &[&str]) -> JobWork {
    JobWork::Install {
        modules: modules.iter().map(|module| ModuleName::parse(module).unwrap()).collect(),
        database: database.to_owned(),
        version: OdooVersion::parse("19.0").unwrap(),
    }
}

/// A server that takes a connection and says nothing: Odoo waits for it without an end.
pub(in crate::contract::engine) fn silent_server() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A job that waits until somebody ends it.
pub(in crate::contract::engine) async fn endless(world: &World, port: u16, deadline_s: u64) -> JobSpec {
    let gateway = world.lab.get("LAB_GATEWAY");
    world.prepare(&format!("[options]\ndb_host = {gateway}\ndb_port = {port}\ndb_password = {CANARY}\n")).await;
    world.job(install("nothing", &["base"]), deadline_s).await
}

pub(in crate::contract::engine) async fn is_running(world: &World, spec: &JobSpec) -> bool {
    world.look().await.jobs.get(&spec.container).is_some_and(|job| job.state == JobState::Running)
}

/// Begins the job and leaves it alone as soon as it runs: then nobody waits for it.
pub(in crate::contract::engine) async fn begin(world: &World, spec: &JobSpec) {
    tokio::select! {
        ended = world.docker.run_job(spec) => panic!("the job ended by itself: {ended:?}"),
        () = until("the job runs", async || is_running(world, spec).await) => {}
    }
}

#[tokio::test]
async fn a_job_is_adopted_by_whoever_comes_after_and_its_end_is_told() {
    let world = World::new();
    let (_silent, port) = silent_server();
    let spec = endless(&world, port, 60).await;
    begin(&world, &spec).await;
    assert!(is_running(&world, &spec).await, "the job ended with the future that waited for it");
    let id = inspect(&spec.container, "{{.Id}}");

    let after_restart = world.again();
    let waiting = tokio::spawn({
        let spec = spec.clone();
        async move { after_restart.run_job(&spec).await }
    });
    // Whoever adopts it gives no sign, and the job must not end before.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(inspect(&spec.container, "{{.Id}}"), id, "the job was begun anew");
    docker(&["kill", &spec.container]);
    assert_eq!(waiting.await.unwrap().unwrap().exit_code, 137);
    assert_eq!(world.look().await.jobs[&spec.container].state, JobState::Ended(137));
    world.docker.remove_job(&spec.container, &spec.tag).await.unwrap();
    world.docker.remove_job(&spec.container, &spec.tag).await.unwrap();
    assert!(world.look().await.jobs.is_empty());
}

#[tokio::test]
async fn a_job_with_other_work_is_not_disturbed() {
    let world = World::new();
    let (_silent, port) = silent_server();
    let spec = endless(&world, port, 60).await;
    begin(&world, &spec).await;
    let other = world.job(install("nothing", &["crm"]), 60).await;
    let refused = world.docker.run_job(&other).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Failed);
    assert_eq!(world.docker.remove_job(&spec.container, &spec.tag).await.unwrap_err().kind, ErrorKind::Failed);
    assert!(is_running(&world, &spec).await);
}

#[tokio::test]
async fn at_its_deadline_a_job_is_stopped_and_the_deadline_counts_from_its_start() {
    let world = World::new();
    let (_silent, port) = silent_server();
    let spec = endless(&world, port, DEADLINE_S).await;
    begin(&world, &spec).await;
    tokio::time::sleep(Duration::from_secs(ADOPTED_AFTER_S)).await;
    let late = tokio::time::timeout(PATIENCE, world.docker.run_job(&spec)).await.unwrap().unwrap_err();
    assert_eq!(late.kind, ErrorKind::Timeout);
    assert!(late.to_string().contains(&format!("did not end within {DEADLINE_S} s and was stopped")), "{late}");
    assert!(matches!(world.look().await.jobs[&spec.container].state, JobState::Ended(_)));
    let at_s = |word| inspect(&spec.container, word).parse::<Timestamp>().unwrap().as_second();
    let lived_s = at_s("{{.State.FinishedAt}}") - at_s("{{.State.StartedAt}}");
    // Counted from its adoption the deadline would have come that much later.
    let both_s = i64::try_from(ADOPTED_AFTER_S + DEADLINE_S).unwrap();
    assert!(lived_s < both_s, "it lived {lived_s} s");
}

#[tokio::test]
async fn a_job_publishes_nothing_restarts_never_and_tells_no_secret() {
    let world = World::new();
    let (_silent, port) = silent_server();
    let spec = endless(&world, port, 60).await;
    begin(&world, &spec).await;
    let told = docker(&["inspect", &spec.container]);
    assert!(!told.contains(CANARY), "the canary is in docker inspect");
    let checks = [
        ("{{.HostConfig.PortBindings}} {{.HostConfig.RestartPolicy.Name}}", "map[] "),
        ("{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}", "true [ALL]"),
        ("{{.HostConfig.SecurityOpt}} {{.HostConfig.Memory}}", "[no-new-privileges] 1073741824"),
    ];
    for (template, expected) in checks {
        assert_eq!(inspect(&spec.container, template), expected.trim(), "{template}");
    }
}

#[tokio::test]
async fn a_failed_job_says_why_in_odoos_words_and_stays_for_its_output() {
    let world = World::new();
    world.prepare(&format!("[options]\ndb_host = 127.0.0.1\ndb_port = 1\ndb_password = {CANARY}\n")).await;
    let spec = world.job(install("nothing", &["base"]), 60).await;
    let first = world.docker.run_job(&spec).await.unwrap();
    assert_ne!(first.exit_code, 0);
    let message = first.message.unwrap();
    assert!(message.contains("Connection refused") || message.contains("OperationalError"), "{message}");
    assert!(!first.log_tail.contains(CANARY));
    let query = LogQuery { source: LogSource::Job, follow: false, tail: None, since_unix_s: None };
    let lines: Vec<String> = world.docker.logs(&world.name, &query).await.unwrap().try_collect().await.unwrap();
    assert!(lines.iter().any(|line| line.starts_with("psycopg2.OperationalError")), "{lines:?}");

    let id = inspect(&spec.container, "{{.Id}}");
    world.docker.run_job(&spec).await.unwrap();
    assert_ne!(inspect(&spec.container, "{{.Id}}"), id, "a job that ended before was not run anew");
}

#[tokio::test]
async fn a_foreign_container_on_a_jobs_name_is_a_conflict() {
    let world = World::new();
    world.prepare("[options]\n").await;
    let spec = world.job(install("nothing", &["base"]), 60).await;
    let mark = format!("io.innkeeper.lab={}", world.lab.get("LAB_ID"));
    docker(&["create", "--label", &mark, "--name", &spec.container, super::world::IMAGE]);
    let refused = world.docker.run_job(&spec).await.unwrap_err();
    let owner = world.look().await.jobs[&spec.container].owner.clone();
    docker(&["rm", "--volumes", &spec.container]);
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert_eq!(owner.tag(), None);
}

fn setup(company: &str) -> Setup {
    Setup {
        company: Company {
            name: company.to_owned(),
            country: Some("VN".parse().unwrap()),
            language: "vi_VN".parse().unwrap(),
            timezone: "Asia/Ho_Chi_Minh".to_owned(),
        },
        admin_login: "admin@mycompany.example".to_owned(),
        base_url: "https://acme.innkeeper.test".to_owned(),
        report_url: "http://127.0.0.1:8069".to_owned(),
        website: false,
    }
}

async fn set_up(world: &World, scratch: &Scratch, setup: &Setup, password: &str) -> JobEnd {
    let text = serde_json::json!({ "setup": setup, "admin_password": password }).to_string();
    world.put("setup.json", &text, world.image_user().await).await.unwrap();
    let work = JobWork::SetUp { setup: setup.clone(), database: scratch.name.clone() };
    world.docker.run_job(&world.job(work, 120).await).await.unwrap()
}

/// One database through its first life: the only slow test here, because `base` is installed for real.
#[tokio::test]
async fn odoo_is_installed_and_set_up_as_the_file_asks() {
    let world = World::new();
    let scratch = Scratch::new(&world.lab).await;
    world.prepare(&scratch.conf(world.lab.get("LAB_GATEWAY"))).await;

    let spec = world.job(install(&scratch.name, &["base", "no_such_module"]), INSTALL_S_MAX).await;
    let end = world.docker.run_job(&spec).await.unwrap();
    assert_eq!(end.exit_code, 0, "{}", end.log_tail);
    assert_eq!(end.message.as_deref(), Some("invalid module names, ignored: no_such_module"));
    assert!(!docker_succeeds(&["inspect", &spec.container]), "a job that ended well was not removed");
    let demo = "SELECT count(*)::text FROM ir_module_module WHERE demo";
    assert_eq!(scratch.text(demo).await, "0", "demo data were installed");

    let company = "Công ty \"Ăn & Ở\" 'GmbH' \\ 100 % ${x}";
    let uuid_before = scratch.parameter("database.uuid").await;
    let end = set_up(&world, &scratch, &setup(company), CANARY).await;
    assert_eq!(end.exit_code, 0, "{}", end.log_tail);
    assert!(!end.log_tail.contains(CANARY), "the first password is in the output");
    assert!(!world.directory().join("setup.json").exists(), "the first password was left on the disk");
    assert_eq!(scratch.company().await, (company.to_owned(), "VN".to_owned(), "VND".to_owned()));
    assert_eq!(scratch.admin().await, ("admin@mycompany.example".into(), "vi_VN".into(), "Asia/Ho_Chi_Minh".into()));
    assert_eq!(scratch.parameter("web.base.url").await, "https://acme.innkeeper.test");
    assert_eq!(scratch.parameter("web.base.url.freeze").await, "True");
    assert_eq!(scratch.parameter("report.url").await, "http://127.0.0.1:8069");
    assert_ne!(scratch.parameter("database.uuid").await, uuid_before);
    let applied: Setup = serde_json::from_str(&scratch.parameter("innkeeper.setup").await).unwrap();
    assert_eq!(applied, setup(company));

    what_the_customer_changed_stays(&world, &scratch, company).await;
}

async fn what_the_customer_changed_stays(world: &World, scratch: &Scratch, company: &str) {
    let (uuid, hash) = (scratch.parameter("database.uuid").await, scratch.password_hash().await);
    scratch.text("UPDATE res_partner SET tz = 'Europe/Paris' RETURNING 'x'").await;
    scratch.text("UPDATE res_users SET login = 'boss' WHERE login = 'admin@mycompany.example' RETURNING 'x'").await;
    let end = set_up(world, scratch, &setup("New Name"), "another password").await;
    assert_eq!(end.exit_code, 0, "{}", end.log_tail);
    assert_eq!(scratch.company().await, ("New Name".to_owned(), "VN".to_owned(), "VND".to_owned()), "was {company}");
    assert_eq!(scratch.admin().await, ("boss".into(), "vi_VN".into(), "Europe/Paris".into()));
    assert_eq!(scratch.parameter("database.uuid").await, uuid);
    assert_eq!(scratch.password_hash().await, hash, "the password was given again");
    let applied: Setup = serde_json::from_str(&scratch.parameter("innkeeper.setup").await).unwrap();
    assert_eq!(applied, setup("New Name"));

    scratch.text("UPDATE ir_config_parameter SET value = 'http://other' WHERE key = 'report.url' RETURNING 'x'").await;
    what_odoo_refuses_is_told_and_the_rest_applied(world, scratch).await;
    assert_eq!(scratch.parameter("report.url").await, "http://other", "it was given once");
}

/// Values of the file that collide with what is in Odoo.
async fn what_odoo_refuses_is_told_and_the_rest_applied(world: &World, scratch: &Scratch) {
    let taken = "INSERT INTO res_company (name, partner_id, currency_id, layout_background, active)
                 SELECT 'Taken Ltd', partner_id, currency_id, layout_background, true FROM res_company RETURNING 'x'";
    scratch.text(taken).await;
    let mut asked = setup("Taken Ltd");
    asked.company.language = "xx_XX".parse().unwrap();
    asked.company.country = Some("DE".parse().unwrap());
    asked.company.timezone = "Europe/Berlin".to_owned();
    // That of the user whom the installation made for visitors.
    asked.admin_login = "public".to_owned();
    let end = set_up(world, scratch, &asked, "another password").await;
    assert_eq!(end.exit_code, 0, "{}", end.log_tail);
    let begins = [
        "company.name = \"Taken Ltd\": another company",
        "company.language = \"xx_XX\": this Odoo knows no",
        "admin.email = \"public\": another user",
    ];
    assert_eq!(end.refused.len(), begins.len(), "{:#?}", end.refused);
    for (told, begin) in end.refused.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}");
    }
    assert_eq!(scratch.admin().await, ("boss".into(), "vi_VN".into(), "Europe/Berlin".into()), "the rest is applied");
    let mut applied = setup("New Name");
    (applied.company.country, applied.company.timezone) = (asked.company.country, asked.company.timezone);
    assert_eq!(serde_json::from_str::<Setup>(&scratch.parameter("innkeeper.setup").await).unwrap(), applied);
}

#[tokio::test]
async fn a_probe_tells_what_a_container_reaches_of_the_host_and_is_gone() {
    let world = World::new();
    assert_eq!(world.docker.bridge().await.unwrap(), None, "there is no network yet");
    world.docker.ensure_network().await.unwrap();
    let bridge = world.docker.bridge().await.unwrap().unwrap();
    let index = std::path::Path::new("/sys/class/net").join(&bridge.interface);
    assert!(index.exists(), "{bridge:?} is no interface of this host");
    let (_silent, open) = silent_server();
    let (closed, port) = silent_server();
    drop(closed);
    let gateway = bridge.gateway.unwrap();
    let addresses = [open, port].map(|port| std::net::SocketAddr::new(gateway, port));
    let reached = world.docker.reached(super::world::IMAGE, &addresses.into()).await.unwrap();
    assert_eq!(reached.into_iter().collect::<Vec<_>>(), [addresses[0]]);
    let label = format!("label=io.innkeeper.installation={}", world.id);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]), "", "nothing is left of it");
}
