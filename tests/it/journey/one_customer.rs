//! One customer's life: dropped, edited, stopped, damaged, repaired.

use super::fleet::{Fleet, docker, inspect, shown};
use super::odoo::Browser;
use super::reports::a_quotation_is_printed_with_its_style;
use super::running_work::Work;
use serde_json::{Value, json};
use std::fs;
use std::time::{Duration, Instant};

/// Carried through byte for byte as data, all the way into Odoo.
const COMPANY: &str = r#"Åß "Quoted" & Söns; DROP TABLE x;"#;
const HOST: &str = "acme.innkeeper.test";
const DATABASE: &str = "odoo_acme";
const CONTAINER: &str = "ik-acme";
/// Everything that needs no installation of modules.
const SOON: Duration = Duration::from_secs(120);

fn file() -> String {
    format!(
        r#"# The operator's own words stay.
plan = "small"
[company]
name = {name:?}
country = "VN"
language = "fr_FR"
timezone = "Asia/Ho_Chi_Minh"
[admin]
email = "admin@acme.example"
"#,
        name = COMPANY
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_file_becomes_a_site_that_answers() {
    let mut fleet = Fleet::new("one-customer", |settings| settings);
    fleet.start_daemon();
    let started = Instant::now();
    fleet.drop_file("acme", &file());
    fleet.wait_ready(&["acme"]);
    println!("drop_to_ready_cold {:.1} s", started.elapsed().as_secs_f64());

    odoo_is_as_the_file_asks(&fleet).await;
    nothing_is_left_to_do(&mut fleet).await;
    no_secret_is_in_any_output(&fleet);
    edits_take_their_cheapest_effect(&fleet).await;
    work_goes_on_while_domains_change(&fleet).await;
    stop_says_so_and_start_serves_again(&fleet).await;
    damage_is_repaired_and_told(&fleet).await;
    what_a_tenant_undoes_is_put_right(&fleet).await;
    errands_are_done_once(&fleet);
    assert_eq!(fleet.stop_daemon(), 0, "a clean shutdown");
}

async fn odoo_is_as_the_file_asks(fleet: &Fleet) {
    let mut browser = Browser::new(fleet, HOST);
    browser.login_page().await;
    let credentials = fleet.json(&["credentials", "acme"]);
    assert_eq!(credentials["login"], "admin@acme.example");
    let password = credentials["password"].as_str().unwrap();
    let refused = browser.log_in(DATABASE, "admin@acme.example", "admin").await;
    assert!(refused["result"]["uid"].as_i64().is_none(), "a guessed password is refused: {refused:#}");
    let session = browser.log_in(DATABASE, "admin@acme.example", password).await;
    assert!(session["result"]["uid"].as_i64().is_some(), "the administrator of the file logs in: {session:#}");

    let companies = browser.read("res.company", json!([]), &["name", "country_id", "currency_id"]).await;
    assert_eq!(companies.len(), 1, "{companies:#?}");
    assert_eq!(companies[0]["name"], COMPANY, "byte for byte");
    assert_eq!(companies[0]["currency_id"][1], "VND", "{companies:#?}");
    let country = json!([["id", "=", companies[0]["country_id"][0]]]);
    assert_eq!(browser.read("res.country", country, &["code"]).await[0]["code"], "VN");
    let admins = browser.read("res.users", json!([["login", "=", "admin@acme.example"]]), &["lang", "tz"]).await;
    assert_eq!((&admins[0]["lang"], &admins[0]["tz"]), (&json!("fr_FR"), &json!("Asia/Ho_Chi_Minh")));
    let installed = browser.read("ir.module.module", json!([["state", "=", "installed"]]), &["name", "demo"]).await;
    assert!(installed.iter().any(|module| module["name"] == "contacts"), "the plan's modules");
    assert!(installed.iter().all(|module| module["demo"] == json!(false)), "no demo data");
}

async fn nothing_is_left_to_do(fleet: &mut Fleet) {
    fleet.wait_settled("acme");
    let before = inspect(CONTAINER, "{{.Id}} {{.State.StartedAt}}");
    assert_eq!(fleet.json(&["plan"])["changes"], json!([]));
    fleet.ends_with(0, &["apply", "--yes"]);
    assert_eq!(fleet.json(&["plan", "--detailed-exitcode"])["changes"], json!([]));
    assert_eq!(fleet.stop_daemon(), 0);
    fs::remove_file(fleet.state.join("journal.db")).unwrap();
    fs::remove_dir_all(fleet.state.join("status")).unwrap();
    fleet.ends_with(0, &["plan", "--detailed-exitcode"]);
    let reloads = generation(fleet);
    no_change_pass(fleet);
    assert_eq!(inspect(CONTAINER, "{{.Id}} {{.State.StartedAt}}"), before, "a converged fleet is left alone");
    assert_eq!(generation(fleet), reloads, "no new generation of sites");
    fleet.start_daemon();
    fleet.wait_ready(&["acme"]);
}

/// A whole pass over a converged fleet: Docker reports no event, no row of PostgreSQL's shared catalogs is written,
/// and the journal has no step.
fn no_change_pass(fleet: &Fleet) {
    let installation = fs::read_to_string(fleet.state.join("secrets/installation.id")).unwrap();
    let ours = format!("label=io.innkeeper.installation={}", installation.trim());
    let catalog = "SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_sys_tables WHERE relname IN ('pg_authid', 'pg_auth_members', 'pg_database', 'pg_shdescription')";
    let (began, written) = (unix_s(), fleet.sql(catalog));
    let started = Instant::now();
    fleet.ends_with(0, &["apply", "--yes"]);
    println!("no_change_pass {:.2} s", started.elapsed().as_secs_f64());
    let until = (unix_s() + 1).to_string();
    let events = docker(&[
        "events",
        "--since",
        &began.to_string(),
        "--until",
        &until,
        "--filter",
        &ours,
        "--format",
        "{{.Type}} {{.Action}}",
    ]);
    let is_step = |event: &String| event.starts_with("StepDone") || event.starts_with("Drift");
    let steps: Vec<String> = fleet.events("acme").into_iter().filter(is_step).collect();
    let changed_roles = usize::from(fleet.sql(catalog) != written);
    // Reading a file out of a container is an event of Docker too, and no change.
    let calls = events.lines().filter(|event| !event.ends_with("archive-path")).count() + steps.len() + changed_roles;
    println!("no_change_pass_mutating_calls {calls} calls");
    assert_eq!(calls, 0, "{events}\n{steps:#?}\nroles and databases written: {changed_roles}");
}

fn unix_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// The canary: the secrets of this instance, looked for everywhere that people and programs can look.
fn no_secret_is_in_any_output(fleet: &Fleet) {
    let conf = fs::read_to_string(fleet.state.join("secrets/odoo/acme/odoo.conf")).unwrap();
    let value = |key: &str| conf.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap().to_owned();
    let key = fs::read_to_string(fleet.state.join("secrets/installation.key")).unwrap();
    let admin = fleet.json(&["credentials", "acme"])["password"].as_str().unwrap().to_owned();
    let secrets = [value("db_password"), value("admin_passwd"), key.trim().to_owned(), admin];
    assert!(secrets.iter().all(|secret| secret.len() >= 20), "the canary must be a real one");

    let mut places = vec![
        ("docker inspect".to_owned(), docker(&["inspect", CONTAINER, "ik-acme-data"])),
        (
            "docker logs".to_owned(),
            shown(&std::process::Command::new("docker").args(["logs", CONTAINER]).output().unwrap()),
        ),
        ("daemon's log".to_owned(), fs::read_to_string(fleet.log()).unwrap()),
        (
            "journal".to_owned(),
            String::from_utf8_lossy(&fs::read(fleet.state.join("journal.db")).unwrap()).into_owned(),
        ),
        (
            "journal's log".to_owned(),
            String::from_utf8_lossy(&fs::read(fleet.state.join("journal.db-wal")).unwrap_or_default()).into_owned(),
        ),
        ("status document".to_owned(), fs::read_to_string(fleet.state.join("status/acme.json")).unwrap()),
        (
            "comments".to_owned(),
            fleet.sql("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = 'odoo_acme'"),
        ),
    ];
    for arguments in
        [&["status"][..], &["info", "acme"], &["plan"], &["events", "acme"], &["logs", "acme"], &["doctor"]]
    {
        places.push((format!("innkeeper {}", arguments.join(" ")), shown(&fleet.innkeeper(arguments))));
        places.push((
            format!("innkeeper --json {}", arguments.join(" ")),
            shown(&fleet.innkeeper(&[&["--json"], arguments].concat())),
        ));
    }
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let argv = fs::read(process.path().join("cmdline")).unwrap_or_default();
        places.push((format!("{}", process.path().display()), String::from_utf8_lossy(&argv).into_owned()));
    }
    for (place, text) in places {
        assert!(!secrets.iter().any(|secret| text.contains(secret.as_str())), "a secret stands in {place}");
    }
}

async fn edits_take_their_cheapest_effect(fleet: &Fleet) {
    let before = inspect(CONTAINER, "{{.Id}} {{.State.StartedAt}}");
    let text = fs::read_to_string(fleet.file("acme")).unwrap();
    fs::write(fleet.file("acme"), format!("{text}[limits]\ncpus = 1.5\n")).unwrap();
    fleet.until("the limits are in force", SOON, |_| {
        inspect(CONTAINER, "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}") == "805306368 1500000000"
    });
    fleet.wait_settled("acme");
    assert_eq!(
        inspect(CONTAINER, "{{.Id}} {{.State.StartedAt}}"),
        before,
        "another limit of processors needs no restart"
    );

    fleet.edit("acme", "plan = \"small\"", "plan = \"small\"\nmodules = [\"sale_management\", \"website\"]");
    fleet.until("the modules are installed", SOON * 4, |fleet| {
        let info = fleet.json(&["info", "acme"]);
        let installed = info["modules"]["installed"].as_array().unwrap();
        ["sale_management", "website"].iter().all(|module| installed.contains(&json!(module)))
    });
    fleet.wait_settled("acme");
    assert_eq!(
        inspect(CONTAINER, "{{.Id}} {{.State.StartedAt}}"),
        before,
        "a module is installed beside the running application"
    );
    let mut browser = Browser::new(fleet, HOST);
    let password = fleet.json(&["credentials", "acme"])["password"].as_str().unwrap().to_owned();
    browser.log_in(DATABASE, "admin@acme.example", &password).await;
    assert_eq!(website_languages(&browser).await, ["fr_FR"], "the company's from the start");
    a_quotation_is_printed_with_its_style(fleet, &browser, COMPANY).await;

    fleet.edit("acme", "language = \"fr_FR\"", "language = \"en_US\"");
    fleet.edit("acme", "[admin]", "[admin] # the operator's");
    fleet.wait_settled("acme");
    let mut browser = Browser::new(fleet, HOST);
    browser.log_in(DATABASE, "admin@acme.example", &password).await;
    let admins = browser.read("res.users", json!([["login", "=", "admin@acme.example"]]), &["lang"]).await;
    assert_eq!(admins[0]["lang"], "en_US", "a changed file is applied once more, and the password stayed");
    assert_eq!(website_languages(&browser).await, ["en_US", "fr_FR"], "the new one first, and none is taken away");
    what_odoo_refuses_is_told_and_the_rest_applied(fleet, &browser).await;
    lines_of_odoo_conf_are_chosen(fleet);
}

/// The website's default language, then its others.
async fn website_languages(browser: &Browser) -> Vec<String> {
    let sites = browser.read("website", json!([]), &["default_lang_id", "language_ids"]).await;
    let default = sites[0]["default_lang_id"][0].clone();
    let languages = browser.read("res.lang", json!([["id", "in", sites[0]["language_ids"]]]), &["code"]).await;
    let (first, others): (Vec<&Value>, Vec<&Value>) = languages.iter().partition(|language| language["id"] == default);
    first.into_iter().chain(others).map(|language| language["code"].as_str().unwrap().to_owned()).collect()
}

async fn what_odoo_refuses_is_told_and_the_rest_applied(fleet: &Fleet, browser: &Browser) {
    let jane = json!([{ "name": "Jane", "login": "jane@acme.example" }]);
    browser.call("res.users", "create", jane).await;
    fleet.edit("acme", "email = \"admin@acme.example\"", "email = \"jane@acme.example\"");
    fleet.edit("acme", "timezone = \"Asia/Ho_Chi_Minh\"", "timezone = \"Europe/Berlin\"");
    fleet.until("it is told", SOON, |fleet| fleet.json(&["info", "acme"])["state"] == "failed");
    let told = shown(&fleet.innkeeper(&["info", "acme"]));
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("another user of this database logs in with it (Jane"), "{told}");
    let admins = browser.read("res.users", json!([["login", "=", "admin@acme.example"]]), &["tz"]).await;
    assert_eq!(admins[0]["tz"], "Europe/Berlin", "the rest of the edit is applied");
    fleet.edit("acme", "email = \"jane@acme.example\"", "email = \"admin@acme.example\"");
    fleet.wait_settled("acme");
}

/// A line of odoo.conf and a password for mail, which nobody gets to see.
fn lines_of_odoo_conf_are_chosen(fleet: &Fleet) {
    const PASSWORD: &str = "canary-mail-pa55 %(x)s;#";
    let before = inspect(CONTAINER, "{{.State.StartedAt}}");
    fs::write(fleet.directory.join("mail.password"), format!("{PASSWORD}\n")).unwrap();
    let text = fs::read_to_string(fleet.file("acme")).unwrap();
    let conf =
        "[conf]\nlimit_time_real = 3600\nsmtp_server = \"mail.acme.test\"\nsmtp_password_file = \"mail.password\"\n";
    fs::write(fleet.file("acme"), format!("{text}{conf}")).unwrap();
    fleet.until("it was restarted", SOON, |_| inspect(CONTAINER, "{{.State.StartedAt}}") != before);
    fleet.wait_settled("acme");
    // What Odoo itself reads, in a process of its own.
    let ask = "from odoo.tools import config; config.parse_config(['-c', '/etc/odoo/odoo.conf']); \
               print(config['limit_time_real'], config['smtp_server'], config['smtp_password'])";
    assert_eq!(docker(&["exec", CONTAINER, "python3", "-c", ask]), format!("3600 mail.acme.test {PASSWORD}"));
    for arguments in [&["info", "acme"][..], &["plan"], &["events", "acme"], &["logs", "acme"], &["--json", "events"]] {
        assert!(!shown(&fleet.innkeeper(arguments)).contains("canary-mail"), "{arguments:?} shows the password");
    }
    let journal = fs::read(fleet.state.join("journal.db")).unwrap();
    assert!(!String::from_utf8_lossy(&journal).contains("canary-mail"), "the journal has the password");
    fleet.edit("acme", conf, "");
    fleet.wait_settled("acme");
}

async fn work_goes_on_while_domains_change(fleet: &Fleet) {
    let mut browser = Browser::new(fleet, HOST);
    let password = fleet.json(&["credentials", "acme"])["password"].as_str().unwrap().to_owned();
    browser.log_in(DATABASE, "admin@acme.example", &password).await;
    let work = Work::begin(fleet, &browser, HOST, CONTAINER, DATABASE).await;
    let before = generation(fleet);
    a_custom_domain_gets_its_own_certificate(fleet).await;
    let domains = ["shop", "www", "mail"].map(|name| format!("{name}.acme.test"));
    for domain in &domains {
        fleet.edit("acme", "domains = [", &format!("domains = [\"{domain}\", "));
        fleet.wait_settled("acme");
    }
    let from_to = format!("{} to {}", before.display(), generation(fleet).display());
    println!("work_over_reloads_generations {from_to}");
    work.end().await;
    for domain in &domains {
        fleet.edit("acme", &format!("\"{domain}\", "), "");
    }
    fleet.wait_settled("acme");
}

async fn a_custom_domain_gets_its_own_certificate(fleet: &Fleet) {
    fleet.edit("acme", "plan = \"small\"", "plan = \"small\"\ndomains = [\"erp.acme.test\"]");
    fleet.until("the custom domain answers", SOON, |fleet| {
        fleet.json(&["info", "acme"])["certificate"]["names"]
            .as_array()
            .is_some_and(|names| names.contains(&json!("erp.acme.test")))
    });
    let info = fleet.wait_settled("acme");
    assert_eq!(info["urls"].as_array().unwrap().len(), 2, "{info:#}");
    Browser::new(fleet, "erp.acme.test").login_page().await;
    Browser::new(fleet, HOST).login_page().await;
}

async fn stop_says_so_and_start_serves_again(fleet: &Fleet) {
    let printed = fleet.ends_with(0, &["stop", "acme"]);
    assert!(printed.contains("+state = \"stopped\""), "the difference is shown:\n{printed}");
    assert!(fs::read_to_string(fleet.file("acme")).unwrap().starts_with("# The operator's own words stay."));
    fleet.ends_with(0, &["wait", "acme", "--for", "stopped", "--timeout", "2m"]);
    assert_eq!(inspect(CONTAINER, "{{.State.Running}}"), "false");
    let (status, body) = Browser::new(fleet, HOST).get("/web/login").await;
    assert_eq!(status.as_u16(), 503, "{body}");
    assert!(body.to_lowercase().contains("stopped"), "the page says so:\n{body}");
    fleet.ends_with(0, &["start", "acme"]);
    fleet.wait_ready(&["acme"]);
    Browser::new(fleet, HOST).login_page().await;
}

async fn damage_is_repaired_and_told(fleet: &Fleet) {
    fleet.wait_settled("acme");
    let repairs =
        |fleet: &Fleet| fleet.events("acme").iter().filter(|event| event.starts_with("DriftRepaired")).count();

    let before = repairs(fleet);
    docker(&["rm", "-f", CONTAINER]);
    fleet.until("the container is back", SOON, |_| inspect(CONTAINER, "{{.State.Running}}") == "true");
    fleet.wait_settled("acme");
    assert!(repairs(fleet) > before, "told as drift: {:#?}", fleet.events("acme"));
    Browser::new(fleet, HOST).login_page().await;

    let before = repairs(fleet);
    // Above what it uses: the kernel refuses a limit that would not hold.
    let updated = docker(&["update", "--memory", "600m", "--memory-swap", "600m", CONTAINER]);
    assert_eq!(updated, CONTAINER, "Docker refused");
    fleet.sql("ALTER ROLE odoo_acme CREATEDB");
    fleet.sql("GRANT CONNECT ON DATABASE odoo_acme TO PUBLIC");
    let edited = edit_the_vhost(fleet);
    fleet.until("limits are back", SOON, |_| inspect(CONTAINER, "{{.HostConfig.Memory}}") == "805306368");
    fleet.until("the role is as it was", SOON, |fleet| {
        fleet.sql("SELECT rolcreatedb FROM pg_roles WHERE rolname = 'odoo_acme'") == "f"
    });
    fleet.until("PUBLIC is out", SOON, |fleet| {
        fleet.sql("SELECT has_database_privilege('public', 'odoo_acme', 'CONNECT')") == "f"
    });
    fleet.until("the vhost is as rendered", SOON, |fleet| !vhost_lines(fleet).contains(&edited));
    fleet.wait_settled("acme");
    assert!(repairs(fleet) >= before + 4, "each told as drift: {:#?}", fleet.events("acme"));
    Browser::new(fleet, HOST).login_page().await;
}

/// A tenant's own role may do all of this, from a server action of its Odoo.
async fn what_a_tenant_undoes_is_put_right(fleet: &Fleet) {
    let indexes = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%gin_trgm_ops%'";
    let before = fleet.sql_in(DATABASE, indexes);
    assert_ne!(before, "0", "Odoo made its trigram indexes");
    fleet.sql_in(DATABASE, "SET ROLE odoo_acme; DROP EXTENSION pg_trgm CASCADE");
    assert_eq!(fleet.sql_in(DATABASE, indexes), "0");
    fleet.until("the indexes are back", SOON * 2, |fleet| fleet.sql_in(DATABASE, indexes) == before);
    fleet.wait_settled("acme");

    fleet.sql_in(DATABASE, "SET ROLE odoo_acme; ALTER ROLE odoo_acme PASSWORD 'another'");
    docker(&["restart", CONTAINER]);
    let told = |fleet: &Fleet, reason: &str| {
        fleet.events("acme").iter().any(|event| event.starts_with(reason) && event.contains("password"))
    };
    fleet.until("its password is given anew", SOON, |fleet| told(fleet, "DriftRepaired: role odoo_acme"));
    assert!(told(fleet, "DriftFound: role odoo_acme"), "{:#?}", fleet.events("acme"));
    fleet.wait_settled("acme");
    Browser::new(fleet, HOST).login_page().await;
}

fn errands_are_done_once(fleet: &Fleet) {
    let before = inspect(CONTAINER, "{{.State.StartedAt}}");
    fleet.ends_with(0, &["restart", "acme"]);
    fleet.until("it was restarted", SOON, |_| inspect(CONTAINER, "{{.State.StartedAt}}") != before);
    let info = fleet.wait_settled("acme");
    assert_eq!(info["state"], Value::from("ready"));
}

/// Sends this instance's websockets elsewhere, as a hand in a hurry would, and returns the line.
fn edit_the_vhost(fleet: &Fleet) -> String {
    let port = fleet.json(&["info", "acme"])["port"].as_u64().unwrap();
    for file in fs::read_dir(generations(fleet).join("current")).unwrap().flatten().map(|entry| entry.path()) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let line = text.lines().find(|line| line.contains(HOST) && line.contains(&port.to_string()));
        if let Some(line) = line {
            let edited = line.replace(&port.to_string(), "1");
            fs::write(&file, text.replace(line, &edited)).unwrap();
            return edited;
        }
    }
    panic!("no line of the proxy's files sends {HOST} to port {port}");
}

fn vhost_lines(fleet: &Fleet) -> Vec<String> {
    let files = fs::read_dir(generations(fleet).join("current")).unwrap().flatten();
    files
        .flat_map(|file| {
            fs::read_to_string(file.path()).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

fn generations(fleet: &Fleet) -> std::path::PathBuf {
    fleet.lab.path("LAB_NGINX_CONF").parent().unwrap().join("innkeeper")
}

fn generation(fleet: &Fleet) -> std::path::PathBuf {
    fs::read_link(generations(fleet).join("current")).unwrap()
}
