//! Lines of odoo.conf in plans and instances.

use super::{PLANS, Place, instance_text, of, told, wanted};
use innkeeper::spec::{FileKind, schema};
use std::collections::BTreeMap;

const OF_PLAN: &str = r#"
[starter.conf]
limit_time_real = 900
smtp_server = "mail.example.com"
smtp_ssl = true
smtp_password_file = "smtp.password"
geoip_country_db = "/usr/share/GeoIP/country.mmdb"
websocket_rate_limit_burst = 20
"#;

fn place(plan: &str, instance: &str) -> Place {
    let place = Place::new();
    place.put("plans.toml", format!("{PLANS}{plan}"));
    place.put_instance("acme", &format!("{}{instance}", instance_text("")));
    place
}

#[test]
fn the_instance_s_lines_count_more_than_the_plan_s_and_paths_start_at_the_fleet() {
    let own = "[conf]\nlimit_time_real = 3600\nserver_wide_modules = [\"queue_job\", \"base_x\"]\nsmtp_ssl = false\nlog_handler = []\n";
    let place = place(OF_PLAN, own);
    let fleet = place.reader().read().unwrap();
    assert_eq!(told(&fleet), "");
    let conf = &wanted(&fleet, "acme").conf;
    let values: BTreeMap<&str, &str> = conf.values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let expected = [
        ("geoip_country_db", "/usr/share/GeoIP/country.mmdb"),
        ("limit_time_real", "3600"),
        ("server_wide_modules", "queue_job,base_x"),
        ("smtp_server", "mail.example.com"),
        ("smtp_ssl", "False"),
        ("websocket_rate_limit_burst", "20"),
    ];
    assert_eq!(values, BTreeMap::from(expected));
    assert_eq!(conf.password_file(), Some(place.path("smtp.password").as_path()));
}

#[test]
fn what_a_release_does_not_know_is_left_out_of_a_plan_and_refused_in_an_instance() {
    let place = place(OF_PLAN, "");
    let settings = super::SETTINGS.replace("\"17.0\"", "\"15.0\" = \"odoo:15.0\", \"16.0\" = \"odoo:16.0\", \"17.0\"");
    place.put("innkeeper.toml", settings);
    place.put_instance("acme", &instance_text("odoo = \"15.0\""));
    place.put_instance("beta", &format!("{}[conf]\ngeoip_country_db = \"/x\"\n", instance_text("odoo = \"16.0\"")));
    let fleet = place.reader().read().unwrap();
    assert_eq!(
        told(&fleet),
        "instances.d/beta.toml:8:20: conf.geoip_country_db is known from Odoo 17 on, and this is 16.0 [IK0141]\n  hint: remove the line\n"
    );
    let keys: Vec<&String> = wanted(&fleet, "acme").conf.values.keys().collect();
    assert_eq!(keys, ["limit_time_real", "smtp_server", "smtp_ssl"]);
    assert!(!of(&fleet, "beta").valid);
}

#[test]
fn nothing_that_is_left_out_is_part_of_what_is_wanted() {
    let place = place("", "");
    let fleet = place.reader().read().unwrap();
    let text = serde_json::to_value(wanted(&fleet, "acme")).unwrap();
    assert!(text.get("conf").is_none(), "the wish is the same as that of an earlier version: {text}");
}

#[test]
fn the_schema_has_the_same_keys_for_plans_and_instances() {
    let of_instance = &schema(FileKind::Instance)["properties"]["conf"]["properties"];
    let of_plan = &schema(FileKind::Plans)["additionalProperties"]["properties"]["conf"]["properties"];
    assert_eq!(of_instance, of_plan);
    assert_eq!(of_instance["limit_time_real"]["minimum"], 10);
    assert!(of_instance["smtp_password_file"]["description"].as_str().unwrap().contains("0600"));
}
