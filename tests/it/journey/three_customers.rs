//! Three customers at once, and what none of them can reach of another.

use super::fleet::{Fleet, docker, inspect};
use super::odoo::Browser;
use std::fs;
use std::time::Instant;

fn file(plan: &str, company: &str) -> String {
    format!("plan = \"{plan}\"\n[company]\nname = \"{company}\"\n[admin]\nemail = \"boss@{plan}.example\"\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn three_customers_dropped_at_once_are_served_and_kept_apart() {
    let mut fleet = Fleet::new("three-customers", |settings| settings);
    let started = Instant::now();
    fleet.drop_file("alpha", &file("tiny", "Alpha"));
    fleet.drop_file("beta-two", &file("tiny", "Beta"));
    fleet.drop_file("gamma", &file("small", "Gamma"));
    fleet.start_daemon();
    fleet.wait_ready(&["alpha", "beta-two", "gamma"]);
    println!("three_customers_to_ready_cold {:.1} s", started.elapsed().as_secs_f64());
    for name in ["alpha", "beta-two", "gamma"] {
        Browser::new(&fleet, &format!("{name}.innkeeper.test")).login_page().await;
        fleet.wait_settled(name);
    }
    no_tenant_reaches_another(&fleet);
    a_full_plan_and_a_taken_name_are_told(&fleet);
    assert!(fleet.plan_is_empty());
    assert_eq!(fleet.stop_daemon(), 0);
}

fn no_tenant_reaches_another(fleet: &Fleet) {
    // The database: alpha's own password opens alpha's and nothing else's.
    let port = fleet.lab.get("LAB_PG_PORT");
    let conf = fs::read_to_string(fleet.state.join("secrets/odoo/alpha/odoo.conf")).unwrap();
    let password = conf.lines().find_map(|line| line.strip_prefix("db_password = ")).unwrap();
    let url = |database: &str| format!("postgres://odoo_alpha:{password}@127.0.0.1:{port}/{database}");
    assert_eq!(fleet.psql(&url("odoo_alpha"), "SELECT 1"), Ok("1".to_owned()), "the tenant's own door is open");
    let refused = fleet.psql(&url("odoo_beta_two"), "SELECT 1").unwrap_err();
    assert!(refused.contains("permission denied for database"), "{refused}");

    // The port: from inside alpha's container neither beta's container nor the host's loopback port is reached.
    let address = inspect("ik-beta-two", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}");
    let host_port = fleet.json(&["info", "beta-two"])["port"].as_u64().unwrap();
    let gateway = inspect("ik-alpha", "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}");
    assert!(reaches("127.0.0.1", 8069), "the probe itself works: alpha reaches its own port");
    assert!(!reaches(&address, 8069), "beta's container at {address}");
    assert!(!reaches(&gateway, host_port), "beta's port {host_port} on the host");
}

/// True when a connection from inside alpha's container is accepted within two seconds.
fn reaches(address: &str, port: u64) -> bool {
    let script = format!("import socket; socket.create_connection(('{address}', {port}), 2); print('reached')");
    docker(&["exec", "ik-alpha", "python3", "-c", &script]) == "reached"
}

fn a_full_plan_and_a_taken_name_are_told(fleet: &Fleet) {
    fleet.drop_file("delta", &file("tiny", "Delta"));
    fleet.drop_file("epsilon", &file("small", "Epsilon").replace("plan =", "subdomain = \"gamma\"\nplan ="));
    let output = fleet.innkeeper(&["check"]);
    let told = super::fleet::shown(&output);
    assert_eq!(output.status.code(), Some(6), "{told}");
    assert!(told.contains("delta.toml") && told.contains("epsilon.toml"), "both are told at once:\n{told}");
    assert_eq!(fleet.json(&["info", "gamma"])["state"], "ready", "the present owner keeps its name");
    let invalid = |name: &str| fleet.json(&["info", name])["state"] == "invalid";
    fleet.until("the newcomers are invalid", std::time::Duration::from_secs(60), |_| {
        invalid("delta") && invalid("epsilon")
    });
    fs::remove_file(fleet.file("delta")).unwrap();
    fs::remove_file(fleet.file("epsilon")).unwrap();
}
