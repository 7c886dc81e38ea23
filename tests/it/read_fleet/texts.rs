//! The texts that are written from the field tables, and the one value that is changed in a file.

use super::{Place, of, read, told, wanted};
use innkeeper::model::settings::GuardSettings;
use innkeeper::model::wanted::WantedState;
use innkeeper::spec::{self, FileKind, NewInstance, Reader, codes, render_instance, set_state};
use std::collections::BTreeSet;

/// A fleet as `init` writes it.
fn init() -> Place {
    let place = Place::new();
    for (path, text) in spec::example_files() {
        place.put(path.to_str().expect("plain"), text);
    }
    place
}

#[test]
fn what_init_writes_is_a_good_fleet() {
    let place = init();
    let fleet = place.reader().read().expect("a fleet");
    assert_eq!(told(&fleet), "");
    assert!(of(&fleet, "mycompany").valid);
    assert_eq!(fleet.plans.len(), 2);
    assert_eq!(fleet.settings.guard, GuardSettings::default(), "the field table and the model agree");
}

/// Every key of the examples, commented or not, becomes live.
fn uncommented(text: &str) -> String {
    let is_key = |line: &str| {
        line.starts_with('[')
            || line.split_once(" = ").is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    text.lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_key(rest)).unwrap_or(line))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn every_key_that_init_shows_as_a_comment_can_be_used() {
    let place = init();
    for (path, text) in spec::example_files() {
        place.put(path.to_str().expect("plain"), uncommented(&text));
    }
    let fleet = place.reader().read().expect("a fleet");
    assert_eq!(told(&fleet), "");
    let mycompany = wanted(&fleet, "mycompany");
    assert!(mycompany.template.is_some() && !mycompany.domains.is_empty(), "nothing stayed a comment");
    assert!(fleet.settings.acme.wildcard_hook.is_some() && fleet.settings.acme.resolver.is_some());
}

/// Every property of a schema, dotted.
fn properties(schema: &serde_json::Value, above: &str, found: &mut BTreeSet<String>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let dotted = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        properties(property, &dotted, found);
        if property["properties"].is_null() {
            found.insert(dotted);
        }
    }
}

#[test]
fn every_key_of_the_schema_is_read_and_its_type_checked() {
    for (kind, file) in [
        (FileKind::Settings, "innkeeper.toml"),
        (FileKind::Plans, "plans.toml"),
        (FileKind::Instance, "instances.d/mycompany.toml"),
    ] {
        let schema = spec::schema(kind);
        let (root, prefix) = match kind {
            FileKind::Plans => (&schema["additionalProperties"], "starter."),
            _ => (&schema, ""),
        };
        let mut keys = BTreeSet::new();
        properties(root, "", &mut keys);
        assert!(keys.len() >= 8, "{keys:?}");
        for key in keys {
            let place = init();
            // A date is what no key takes.
            place.put(file, format!("{prefix}{key} = 2026-01-01\n"));
            let problems = match place.reader().read() {
                Ok(fleet) => fleet.problems,
                Err(error) => error.problems,
            };
            let refused = problems.iter().any(|problem| problem.code == "IK0111" && problem.message.starts_with(&key));
            assert!(refused, "{key} of {file} was not read: {problems:?}");
        }
    }
}

#[test]
fn the_schema_knows_what_is_required_and_what_is_left_out_means() {
    let schema = spec::schema(FileKind::Instance);
    assert_eq!(schema["required"], serde_json::json!(["plan", "company", "admin"]));
    assert_eq!(schema["properties"]["state"]["default"], "running");
    assert_eq!(schema["properties"]["state"]["enum"], serde_json::json!(["running", "stopped", "absent"]));
    assert_eq!(schema["properties"]["limits"]["properties"]["workers"]["maximum"], 64);
    assert_eq!(schema["additionalProperties"], false);
}

#[test]
fn codes_are_unique_in_order_and_explained() {
    let all: Vec<&str> = codes().iter().map(|code| code.code).collect();
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(all, sorted);
    assert!(codes().iter().all(|code| code.code.starts_with("IK01") && code.text.len() > 60 && !code.title.is_empty()));
}

/// The difference that [`set_state`] makes, as lines.
fn check_state(text: &str, state: WantedState, expected: &str) {
    assert_eq!(set_state(text, state).as_deref(), Ok(expected));
}

#[test]
fn changing_the_state_leaves_every_other_byte() {
    let text = "# top\nplan = \"a\"   # plan\n\n  state='running'\t# why\n\n[company] # c\nname = \"x\"\n";
    check_state(text, WantedState::Stopped, &text.replace("'running'", "\"stopped\""));
    let windows = "\u{FEFF}plan = \"a\" # plan\r\n\r\n[company]\r\nname = 'x'\r\n";
    check_state(
        windows,
        WantedState::Absent,
        "\u{FEFF}plan = \"a\" # plan\r\nstate = \"absent\"\r\n\r\n[company]\r\nname = 'x'\r\n",
    );
    check_state("plan = \"a\"", WantedState::Stopped, "plan = \"a\"\nstate = \"stopped\"\n");
    check_state("# nothing\n", WantedState::Running, "state = \"running\"\n# nothing\n");
    check_state("[company]\nstate = \"x\"\n", WantedState::Running, "state = \"running\"\n[company]\nstate = \"x\"\n");
}

#[test]
fn a_state_that_cannot_be_changed_is_refused() {
    for text in ["plan = ", "[state]\nx = 1\n", "state = { x = 1 }\n", "state.x = 1\n", "[[state]]\n"] {
        assert!(set_state(text, WantedState::Stopped).is_err(), "{text}");
    }
}

#[test]
fn a_rendered_instance_is_read_as_it_was_meant() {
    let new = NewInstance {
        name: "acme",
        plan: "starter",
        company: r#"Åß "Quoted" & Söns; DROP TABLE x; \ '"#,
        admin_email: "admin@acme.example",
        domains: vec!["erp.acme.example"],
        modules: vec!["website"],
        ..NewInstance::default()
    };
    let text = render_instance(&new).expect("a good file");
    let fleet = read(&[("acme", &text)]);
    assert_eq!((told(&fleet).as_str(), wanted(&fleet, "acme").company.name.as_str()), ("", new.company));
    assert!(wanted(&fleet, "acme").domains.iter().any(|domain| domain.as_str() == "erp.acme.example"));
    assert!(wanted(&fleet, "acme").modules.iter().any(|module| module.as_str() == "website"));
}

#[test]
fn a_rendered_instance_tells_everything_that_is_wrong_with_it() {
    let new =
        NewInstance { name: "acme", plan: "No Plan", company: "a\nb", admin_email: "admin", ..NewInstance::default() };
    let problems = render_instance(&new).expect_err("nothing in it is right");
    assert_eq!(
        problems.iter().map(|problem| problem.code.as_str()).collect::<Vec<_>>(),
        ["IK0113", "IK0114", "IK0113"]
    );
    let problems = render_instance(&NewInstance { name: "../acme", ..new }).expect_err("the name is not right");
    assert_eq!(problems[0].code, "IK0103");
}

#[test]
fn all_faults_of_the_settings_are_told() {
    let place = Place::new();
    place.put(
        "innkeeper.toml",
        r#"
[fleet]
base_domain = "Example.com"
reserved_subdomains = ["www", "www", "Bad!"]
retire_grace = "14 days"
state_dir = "/var/lib/inn keeper"
timezone = "Saigon"
on_missing_file = "purge"
[odoo]
default_version = "18.0"
images = { "19.0" = "odoo:19.0; rm -rf /", "nineteen" = "odoo:19.0" }
[docker]
host = "/var/run/docker.sock"
ports = "29999-20000"
[postgres]
url = "postgres://innkeeper:hunter2@127.0.0.1/postgres"
instance_host = "db host"
[nginx]
config_dir = "/etc/nginx; include /etc/shadow"
http_port = 70000
pid_file = "~/nginx.pid"
arguments = ["-p", ""]
[acme]
directory = "http://acme.example/directory"
contact = ["ops@example.com"]
resolver = "dns.example.com"
[guards]
updates_percent = 101
"#,
    );
    let error = place.reader().read().expect_err("the settings are bad");
    let told: String = error.problems.iter().map(|problem| format!("{problem}\n")).collect();
    assert!(!told.contains("hunter2"), "a password was repeated");
    expect_test::expect![[r#"
        innkeeper.toml:3:15: fleet.base_domain: "Example.com" is not a valid domain: two or more labels of lower-case letters, digits and hyphens joined by dots, 253 characters at most, the last label not a number [IK0113]
          hint: did you mean "example.com"?
        innkeeper.toml:4:31: fleet.reserved_subdomains names "www" twice [IK0125]
          hint: remove one of them
        innkeeper.toml:4:38: fleet.reserved_subdomains: "Bad!" is not a valid subdomain: 1 to 63 lower-case letters, digits and hyphens, no hyphen at either end, not starting with "xn--" [IK0113]
        innkeeper.toml:5:16: fleet.retire_grace: "14 days" is not a duration: write numbers with units, such as "14d", "2h15m" or "30s" (w, d, h, m, s) [IK0117]
        innkeeper.toml:6:13: fleet.state_dir: "/var/lib/inn keeper" is not a path of letters, digits and /._-+@:=, (1,024 at most) [IK0123]
        innkeeper.toml:7:12: fleet.timezone: "Saigon" is not the name of an IANA time zone [IK0119]
          hint: such as "Asia/Ho_Chi_Minh" or "UTC"
        innkeeper.toml:8:19: fleet.on_missing_file: "purge" is not one of hold, retire [IK0122]
        innkeeper.toml:10:19: odoo.default_version: odoo.images names no image for "18.0" [IK0126]
        innkeeper.toml:11:21: odoo.images: "odoo:19.0; rm -rf /" is not an image reference, such as "odoo:19.0" [IK0123]
        innkeeper.toml:11:44: odoo.images: "nineteen" is not a valid Odoo version: a major release from "14.0" on, such as "19.0" [IK0113]
        innkeeper.toml:13:8: docker.host: "/var/run/docker.sock" is not Docker's address [IK0123]
          hint: such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375
        innkeeper.toml:14:9: docker.ports: "29999-20000" is not a range of ports from 1024 to 65535, such as "20000-29999" [IK0123]
        innkeeper.toml:16:7: postgres.url holds a password [IK0124]
          hint: put it into a file of mode 0600 and name that with password_file
        innkeeper.toml:17:17: postgres.instance_host: "db host" is not an IP address or a host name [IK0123]
        innkeeper.toml:19:14: nginx.config_dir: "/etc/nginx; include /etc/shadow" is not a path of letters, digits and /._-+@:=, (1,024 at most) [IK0123]
        innkeeper.toml:20:13: nginx.http_port: 70000 is not a whole number from 1 to 65535 [IK0115]
        innkeeper.toml:21:12: nginx.pid_file: "~/nginx.pid" is not a path that Innkeeper follows [IK0123]
          hint: write the home directory out
        innkeeper.toml:22:20: nginx.arguments: "" is not an argument: 1 to 1,024 characters without control characters [IK0123]
        innkeeper.toml:24:13: acme.directory: "http://acme.example/directory" is not a URL that begins with https:// [IK0123]
        innkeeper.toml:25:12: 2 more problems are not listed [IK0134]
          hint: correct the first ones and check again
        innkeeper.toml:27:2: unknown key "guards" [IK0109]
          hint: did you mean "guard"?
    "#]].assert_eq(&told);
}

#[test]
fn all_faults_of_the_plans_are_told() {
    let place = Place::new();
    place.put(
        "plans.toml",
        r#"
title = "Lost"
[Big Plan]
cpus = 1
[starter]
title = "a\u202Eb"
modules = ["CRM"]
cpus = 100
memory = "1 GB"
disk = "5"
workers = 65
max_instances = -1
backup = { schedule = "0 25 * * *", keep = { daily = 7.5, yearly = 1 } }
[never]
cpus = 1
memory = "1 GiB"
disk = "5 GiB"
backup = { schedule = "0 0 31 2 *" }
[zoned]
cpus = 1
memory = "1 GiB"
disk = "5 GiB"
backup = { schedule = "0 2 * * * Asia/Tokyo" }
[nightly]
cpus = 1
memory = "1 GiB"
disk = "5 GiB"
backup.schedule = "@daily"
"#,
    );
    let error = place.reader().read().expect_err("the plans are bad");
    let told: String = error.problems.iter().map(|problem| format!("{problem}\n")).collect();
    expect_test::expect![[r#"
        plans.toml:2:1: "title" stands outside of any plan [IK0111]
          hint: write it below the plan's line, such as [starter]
        plans.toml:3:5: this is not TOML: unclosed table, expected `]` [IK0107]
        plans.toml:6:9: title holds a mark that turns the reading direction (U+202E) as its character 2 [IK0114]
          hint: remove that character, or type the text anew
        plans.toml:7:12: modules: "CRM" is not a valid module name: 1 to 63 lower-case letters, digits and underscores, starting with a letter [IK0113]
          hint: did you mean "crm"?
        plans.toml:8:8: cpus: 100 is not a number from 0.1 to 64 [IK0115]
        plans.toml:9:10: memory: "1 GB" is not a size: write a number and a unit, such as "512 MiB" or "5 GiB" (B, KiB, MiB, GiB, TiB) [IK0116]
          hint: did you mean "1 GiB"?
        plans.toml:10:8: disk: "5" is not a size: write a number and a unit, such as "512 MiB" or "5 GiB" (B, KiB, MiB, GiB, TiB) [IK0116]
        plans.toml:11:11: workers: 65 is not a whole number from 0 to 64 [IK0115]
        plans.toml:12:17: max_instances: -1 is not a whole number from 0 to 100000 [IK0115]
        plans.toml:13:23: backup.schedule: "0 25 * * *" is not a schedule: value must be in range 0..=23; found 25 [IK0118]
          hint: minute, hour, day of month, month, day of week: "0 2 * * *" is each night at two
        plans.toml:13:54: backup.keep.daily: 7.5 is not a whole number from 0 to 3650 [IK0115]
        plans.toml:13:59: unknown key "yearly" in [backup.keep] [IK0109]
          hint: known here: daily, weekly, monthly
        plans.toml:18:23: backup.schedule: "0 0 31 2 *" is not a schedule: there is no such day [IK0118]
          hint: minute, hour, day of month, month, day of week: "0 2 * * *" is each night at two
        plans.toml:23:23: backup.schedule: "0 2 * * * Asia/Tokyo" is not a schedule: it needs five fields with blanks between them [IK0118]
          hint: minute, hour, day of month, month, day of week: "0 2 * * *" is each night at two
        plans.toml:28:19: backup.schedule: "@daily" is not a schedule: it needs five fields with blanks between them [IK0118]
          hint: minute, hour, day of month, month, day of week: "0 2 * * *" is each night at two
    "#]].assert_eq(&told);
}

#[test]
fn relative_paths_start_at_the_fleet() {
    let place = Place::new();
    let settings = format!(
        "{}password_file = \"secrets/pg\"\n[acme]\nwildcard_hook = [\"hooks/dns\", \"--zone\"]\n",
        super::SETTINGS
    );
    place.put("innkeeper.toml", settings);
    let reader = || Reader::new(place.path(""), place.path("innkeeper.toml"));
    let settings = reader().read().expect("a fleet").settings;
    assert_eq!(settings.postgres.password_file.as_deref(), Some(place.path("secrets/pg").as_path()));
    assert_eq!(settings.fleet.state_dir.as_os_str(), "/var/lib/innkeeper");
    let hook = settings.acme.wildcard_hook.clone().expect("a hook");
    assert_eq!(hook, [place.path("hooks/dns").to_string_lossy().into_owned(), "--zone".to_owned()]);
}
