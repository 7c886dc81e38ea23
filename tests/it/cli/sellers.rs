//! What somebody does who sells and runs instances: begin a fleet, add a customer, look at plans, stop and start.

use super::fleet::Fleet;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn a_new_fleet_passes_its_own_check_and_knows_its_plans() {
    let fleet = Fleet::nowhere();
    let ran = fleet.run(&["init", "shop"]).ended(0);
    for file in [
        "innkeeper.toml",
        "plans.toml",
        "instances.d/mycompany.toml.example",
        ".gitignore",
        "nginx-templates/shared.conf.tera",
    ] {
        assert!(fleet.path("shop").join(file).exists(), "{file}\n{}", ran.stdout);
        assert!(ran.stdout.contains(&format!("shop/{file}\n")), "{file}\n{}", ran.stdout);
    }
    // What comes next can be typed as it is told.
    for next in
        ["innkeeper --fleet shop run --rehearse", "innkeeper --fleet shop doctor", "innkeeper --fleet shop plan"]
    {
        assert!(ran.stderr.contains(next), "{next}\n{}", ran.stderr);
    }
    let here = Fleet::nowhere().run(&["init"]).ended(0);
    assert!(here.stdout.starts_with("innkeeper.toml\n"), "{}", here.stdout);
    assert!(here.stderr.contains("innkeeper doctor") && !here.stderr.contains("--fleet"), "{}", here.stderr);
    fleet.run(&["check", "--fleet", "shop"]).ended(0);
    let plans = fleet.run(&["plans", "--fleet", "shop", "--json"]).ended(0).json();
    let starter = plans["plans"].as_array().unwrap().iter().find(|plan| plan["name"] == "starter").unwrap().clone();
    assert_eq!((starter["used"].as_u64(), starter["free"].as_u64()), (Some(0), Some(100)));
    assert_eq!(starter["memory_bytes"], 1u64 << 30);
    assert_eq!(starter["cpus"], 1.0);
}

#[test]
fn init_never_overwrites_and_then_writes_nothing_at_all() {
    let fleet = Fleet::nowhere();
    std::fs::write(fleet.path("plans.toml"), "mine").unwrap();
    let ran = fleet.run(&["init"]).ended(8);
    assert!(ran.stderr.contains("plans.toml"), "{}", ran.stderr);
    assert_eq!(std::fs::read_to_string(fleet.path("plans.toml")).unwrap(), "mine");
    assert!(!fleet.path("innkeeper.toml").exists());
}

#[test]
fn init_leaves_a_gitignore_that_is_there_and_says_what_it_lacks() {
    let fleet = Fleet::nowhere();
    std::fs::write(fleet.path(".gitignore"), "*.key\n/target/\n").unwrap();
    let ran = fleet.run(&["init"]).ended(0);
    assert_eq!(std::fs::read_to_string(fleet.path(".gitignore")).unwrap(), "*.key\n/target/\n");
    assert!(fleet.path("innkeeper.toml").exists());
    assert!(
        ran.stderr.contains("Your .gitignore stays as it is") && ran.stderr.contains("\n  *.password\n"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("\n  *.key"), "it has that: {}", ran.stderr);
}

#[test]
fn a_new_customer_is_a_checked_file_that_takes_a_place_of_the_plan() {
    let fleet = Fleet::new();
    let company = "Åß \"Quoted\" & Söns; DROP TABLE x;";
    let words = [
        "new",
        "acme",
        "--plan",
        "starter",
        "--company",
        company,
        "--admin-email",
        "a@acme.example",
        "--domain",
        "erp.acme.example",
        "--domain",
        "www.acme.example",
        "--module",
        "website",
    ];
    let ran = fleet.run(&words).ended(0);
    assert_eq!(ran.stdout, "instances.d/acme.toml\n");
    fleet.run(&["check"]).ended(0);
    let text = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    assert!(text.contains(company), "{text}");
    assert!(text.contains("erp.acme.example") && text.contains("www.acme.example") && text.contains("\"website\""));
    let plans = fleet.run(&["plans", "--json"]).ended(0).json();
    assert!(plans["plans"].as_array().unwrap().iter().any(|plan| plan["name"] == "starter" && plan["used"] == 1));
    fleet.run(&words).ended(8);
    assert_eq!(std::fs::read_to_string(fleet.instance("acme")).unwrap(), text);
}

#[test]
fn check_and_doctor_find_mistakes_in_templates_without_nginx() {
    let fleet = Fleet::with_acme();
    let problems = |words: &[&str]| {
        let document = fleet.run(&[words, &["--json"]].concat()).ended(6).json();
        let of = |problem: &serde_json::Value| {
            format!("{}:{} {}", problem["file"].as_str().unwrap(), problem["line"], problem["code"].as_str().unwrap())
        };
        document["problems"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
    };
    let own = fleet.path("nginx-templates/ours.conf.tera");
    std::fs::write(&own, "server {\n  # {{ site.hosts | nonsense }}\n}\n").unwrap();
    assert_eq!(problems(&["check"]), ["nginx-templates/ours.conf.tera:2 IK0136"], "also of one that nobody uses");
    assert_eq!(problems(&["check", own.to_str().unwrap()]), ["nginx-templates/ours.conf.tera:2 IK0136"]);
    fleet.run(&["check", fleet.instance("acme").to_str().unwrap()]).ended(0);
    std::fs::write(&own, "server {\n  # {{ site.colour }}\n}\n").unwrap();
    assert_eq!(problems(&["check"]), ["nginx-templates/ours.conf.tera:2 IK0136"], "found when it is rendered");
    std::fs::remove_file(&own).unwrap();
    let text = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    std::fs::write(fleet.instance("acme"), format!("{text}\n[site]\ntemplate = \"ours\"\n")).unwrap();
    let line = text.lines().count() + 3;
    assert_eq!(problems(&["check"]), [format!("instances.d/acme.toml:{line} IK0136")], "one that is not there");
    std::fs::write(fleet.instance("acme"), text).unwrap();
    let shared = fleet.path("nginx-templates/shared.conf.tera");
    let sound = std::fs::read_to_string(&shared).unwrap();
    std::fs::write(&shared, format!("{{% if %}}\n{sound}")).unwrap();
    assert_eq!(problems(&["check"]), ["nginx-templates/shared.conf.tera:1 IK0136"]);
    let doctor = fleet.run(&["doctor"]).ended(1);
    assert!(doctor.stdout.contains("1 problem in nginx-templates/shared.conf.tera"), "{}", doctor.stdout);
    std::fs::write(&shared, sound).unwrap();
    fleet.run(&["check"]).ended(0);
}

#[test]
fn doctor_tells_what_a_fleets_own_templates_lack_and_what_that_costs() {
    let fleet = Fleet::with_acme();
    let told = || fleet.run(&["doctor"]).ended(1).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told().contains("nginx-templates has what this version's own templates have"), "{}", told());
    let edit = |name: &str, from: &str, to: &str| {
        let file = fleet.path(&format!("nginx-templates/{name}"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{name} holds no {from:?}");
        std::fs::write(file, text.replace(from, to)).unwrap();
    };
    edit("_site.conf.tera", "proxy_max_temp_file_size 16384m;", "proxy_max_temp_file_size 0;");
    edit("_requests.conf.tera", "  large_client_header_buffers", "  # large_client_header_buffers");
    let text = told();
    assert!(
        text.contains("nginx-templates is behind the templates of this version: downloads of slow readers"),
        "{text}"
    );
    assert!(text.contains("addresses and cookies above 8 KiB are refused"), "{text}");
    assert!(!text.contains("passwords may be guessed"), "{text}");
    edit("_site.conf.tera", "{%- include \"_well_known.conf.tera\" %}", "");
    edit("_site.conf.tera", "zone=ik_rpc ", "zone=ik_login ");
    edit("_http_level.conf.tera", "zone=ik_rpc:", "zone=ik_other:");
    let text = told();
    assert!(text.contains("a name behind a proxy that sends everybody to https gets no certificate"), "{text}");
    assert!(text.contains("passwords may be guessed over JSON-RPC"), "{text}");
}

#[test]
fn print_writes_nothing() {
    let fleet = Fleet::new();
    let ran = fleet
        .run(&["new", "acme", "--plan", "starter", "--company", "A", "--admin-email", "a@b.example", "--print"])
        .ended(0);
    assert!(ran.stdout.contains("plan = \"starter\""));
    assert!(!fleet.instance("acme").exists());
}

#[test]
fn hostile_values_are_refused_or_carried_through_as_they_are() {
    let fleet = Fleet::new();
    let attempt = |name: &str, plan: &str, company: &str, email: &str, domain: &str| {
        let company = format!("--company={company}");
        let plan = format!("--plan={plan}");
        let email = format!("--admin-email={email}");
        let domain = format!("--domain={domain}");
        fleet.run(&["new", name, &plan, &company, &email, &domain])
    };
    for name in ["../x", "Acme", "a b", "x;rm", "ä", "", "-a", "$(id)", &"a".repeat(41), "a\nb", "a/b", "{{7*7}}"] {
        attempt(name, "starter", "C", "a@b.example", "d.example").ended(2);
    }
    for plan in ["\"; DROP", "", "../plans", "sta\nrter"] {
        attempt("a", plan, "C", "a@b.example", "d.example").ended(4);
    }
    for company in ["a\nb", "a\u{202e}b", "\u{1b}[2J", &"x".repeat(300), ""] {
        attempt("a", "starter", company, "a@b.example", "d.example").ended(6);
    }
    for email in ["a", "a@b", "a b@c.example", "\"; DROP@x.example", "a@b.example\nx"] {
        attempt("a", "starter", "C", email, "d.example").ended(6);
    }
    for domain in ["x", "x; root /etc;", "*.x.example", "exämple.com", "http://x.example", "a..b", "127.0.0.1"] {
        attempt("a", "starter", "C", "a@b.example", domain).ended(6);
    }
    assert_eq!(std::fs::read_dir(fleet.path("instances.d")).unwrap().count(), 0, "something was written");
    for (nth, company) in
        ["{{7*7}}", "$(id)", "'; DROP TABLE x; --", "C:\\x\\n", "''' \"\"\"", "# x = [", "Ünïcødé 株式会社"]
            .iter()
            .enumerate()
    {
        let name = format!("c{nth}");
        attempt(&name, "starter", company, "a@b.example", &format!("d{nth}.example")).ended(0);
        let text = std::fs::read_to_string(fleet.instance(&name)).unwrap();
        let read: toml::Table = text.parse().unwrap();
        assert_eq!(read["company"]["name"].as_str(), Some(*company));
    }
    fleet.run(&["check"]).ended(0);
}

#[test]
fn a_domain_that_another_customer_has_is_refused_before_anything_is_written() {
    let fleet = Fleet::new();
    let new = |name: &str| {
        fleet.run(&[
            "new",
            name,
            "--plan",
            "starter",
            "--company",
            "C",
            "--admin-email",
            "a@b.example",
            "--domain",
            "erp.example.net",
        ])
    };
    new("zebra").ended(0);
    // The first by name would get it, so that the present one would lose it: that must not pass either.
    let ran = new("ant").ended(6);
    assert!(ran.stderr.contains("erp.example.net"), "{}", ran.stderr);
    assert!(!fleet.instance("ant").exists());
    fleet.run(&["check"]).ended(0);
}

#[test]
fn a_full_plan_takes_nobody() {
    let fleet = Fleet::new();
    let plans = std::fs::read_to_string(fleet.path("plans.toml")).unwrap();
    let full: String = plans
        .lines()
        .map(
            |line| {
                if line.starts_with("max_instances") { "max_instances = 1\n".to_owned() } else { format!("{line}\n") }
            },
        )
        .collect();
    std::fs::write(fleet.path("plans.toml"), full).unwrap();
    let new =
        |name: &str| fleet.run(&["new", name, "--plan", "starter", "--company", "C", "--admin-email", "a@b.example"]);
    new("one").ended(0);
    let ran = new("two").ended(6);
    assert!(ran.stderr.contains("full"), "{}", ran.stderr);
    assert!(!fleet.instance("two").exists());
    let plans = fleet.run(&["plans", "--json"]).ended(0).json();
    assert!(plans["plans"].as_array().unwrap().iter().any(|plan| plan["name"] == "starter" && plan["free"] == 0));
}

#[test]
fn a_subdomain_is_free_reserved_taken_or_invalid() {
    let fleet = Fleet::with_acme();
    for (subdomain, code, reason) in [
        ("luna", 0, "free"),
        ("www", 8, "reserved"),
        ("acme", 8, "taken"),
        ("Acme", 6, "invalid"),
        ("", 6, "invalid"),
        ("a.b", 6, "invalid"),
        ("-x", 6, "invalid"),
        ("xn--a", 6, "invalid"),
    ] {
        let ran = fleet.run(&["check", "--json", "--subdomain", subdomain]).ended(code);
        let document = ran.json();
        assert_eq!(document["reason"], reason, "{subdomain}");
        assert_eq!(document["available"], code == 0, "{subdomain}");
        assert_eq!(document["subdomain"], subdomain);
        let text = fleet.run(&["check", "--subdomain", subdomain]).ended(code);
        assert!(text.stdout.starts_with(&format!("{reason}: ")), "{}", text.stdout);
    }
}

#[test]
fn check_points_at_every_fault_of_every_file() {
    let fleet = Fleet::with_acme();
    std::fs::write(
        fleet.instance("bad"),
        "plan = \"startr\"\n[company]\nname = \"B\"\n[admin]\nemail = \"a@b.example\"\n",
    )
    .unwrap();
    std::fs::write(fleet.instance("worse"), "plan = 7\nstat = \"running\"\n").unwrap();
    std::fs::write(fleet.instance("empty"), "").unwrap();
    let ran = fleet.run(&["check"]).ended(6);
    assert!(ran.stdout.contains("instances.d/bad.toml:1:8: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("1 | plan = \"startr\"\n    |        ^"), "{}", ran.stdout);
    assert!(ran.stdout.contains("hint: did you mean \"starter\"?"), "{}", ran.stdout);
    assert!(ran.stdout.contains("instances.d/empty.toml"), "{}", ran.stdout);
    let document = fleet.run(&["check", "--json"]).ended(6).json();
    let problems = document["problems"].as_array().unwrap();
    assert!(problems.len() >= 4, "{document}");
    assert!(problems.iter().all(|problem| problem["code"].as_str().unwrap().starts_with("IK01")));
}

#[test]
fn check_of_some_files_tells_about_those_alone() {
    let fleet = Fleet::with_acme();
    std::fs::write(fleet.instance("bad"), "plan = 7\n").unwrap();
    fleet.run(&["check", "instances.d/acme.toml"]).ended(0);
    fleet.run(&["check", "instances.d/bad.toml"]).ended(6);
    fleet.run(&["check", "plans.toml", "innkeeper.toml"]).ended(0);
    assert!(std::process::Command::new("mkfifo").arg(fleet.instance("pipe")).status().unwrap().success());
    let ran = fleet.run(&["check"]).ended(6);
    assert!(ran.stdout.contains("pipe.toml"), "{}", ran.stdout);
    fleet.run(&["stop", "pipe"]).ended(1);
    for other in ["/etc/passwd", "nginx-templates", "/dev/null"] {
        let ran = fleet.run(&["check", other]).ended(2);
        assert!(ran.stderr.contains("is not a file"), "nothing was read, and so nothing is right: {}", ran.stderr);
    }
    let missing = fleet.run(&["check", "instances.d/none.toml"]).ended(1);
    assert!(missing.stderr.contains("none.toml"), "{}", missing.stderr);
    // A file that is to be dropped later, still elsewhere.
    let text = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    std::fs::write(fleet.path("luna.toml"), &text).unwrap();
    fleet.run(&["check", "luna.toml"]).ended(0);
    std::fs::write(fleet.path("luna.toml"), text.replace("starter", "gold")).unwrap();
    let ran = fleet.run(&["check", "luna.toml"]).ended(6);
    assert!(ran.stdout.contains("luna.toml:"), "{}", ran.stdout);
    assert!(!fleet.instance("luna").exists());
}

#[test]
fn stop_and_start_change_one_line_keep_all_else_and_show_the_difference() {
    let fleet = Fleet::with_acme();
    let file = fleet.instance("acme");
    let text = "# for Ann\nplan = \"starter\"   # cheap\nstate = \"running\" # since May\n\n[company]\nname = \"Acme\"\n\n[admin]\nemail = \"a@b.example\"\n";
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let ran = fleet.run(&["stop", "acme"]).ended(0);
    assert!(
        ran.stdout.contains("-state = \"running\" # since May\n+state = \"stopped\" # since May\n"),
        "{}",
        ran.stdout
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text.replace("\"running\"", "\"stopped\""));
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    let again = fleet.run(&["stop", "acme", "--json"]).ended(0).json();
    assert_eq!((again["changed"].as_bool(), again["diff"].as_str()), (Some(false), Some("")));
    let started = fleet.run(&["start", "acme", "--json"]).ended(0).json();
    assert_eq!(started["changed"], true);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    fleet.run(&["check"]).ended(0);
    assert_eq!(std::fs::read_dir(fleet.path("instances.d")).unwrap().count(), 1, "a file was left beside");
}

#[test]
fn a_linked_file_stays_a_link_when_its_state_changes() {
    let fleet = Fleet::with_acme();
    let real = fleet.path("real.toml");
    std::fs::rename(fleet.instance("acme"), &real).unwrap();
    symlink(&real, fleet.instance("acme")).unwrap();
    fleet.run(&["stop", "acme"]).ended(0);
    assert!(fleet.instance("acme").symlink_metadata().unwrap().is_symlink());
    assert!(std::fs::read_to_string(&real).unwrap().contains("state = \"stopped\""));
}

#[test]
fn a_file_that_is_no_toml_is_not_touched_by_stop() {
    let fleet = Fleet::with_acme();
    std::fs::write(fleet.instance("acme"), "plan = \"starter\nstate=").unwrap();
    fleet.run(&["stop", "acme"]).ended(6);
    assert_eq!(std::fs::read_to_string(fleet.instance("acme")).unwrap(), "plan = \"starter\nstate=");
}

#[test]
fn schemas_name_every_key() {
    let fleet = Fleet::nowhere();
    for (kind, key) in [("instance", "subdomain"), ("plans", "max_instances"), ("settings", "base_domain")] {
        let ran = fleet.run(&["schema", kind]).ended(0);
        assert!(ran.json().is_object());
        assert!(ran.stdout.contains(key), "{kind} lacks {key}");
    }
    fleet.run(&["schema", "stars"]).ended(2);
}
