//! `check` tells everything in one round, and names what it is about.

use super::fleet::Fleet;
use serde_json::Value;

/// An instance's file with these lines at its top.
fn instance(fleet: &Fleet, name: &str, lines: &str) {
    let text = format!("{lines}\n[company]\nname = \"C\"\n\n[admin]\nemail = \"a@b.example\"\n");
    std::fs::write(fleet.instance(name), text).unwrap();
}

fn problems(fleet: &Fleet, words: &[&str]) -> Vec<String> {
    let document = fleet.run(&[&["check", "--json"], words].concat()).ended(6).json();
    let text = |it: &Value| it.as_str().unwrap_or_default().to_owned();
    let line = |it: &Value| {
        let place = format!("{}:{}:{}", text(&it["file"]), it["line"], it["column"]);
        format!("{place} {} ({})", text(&it["message"]), text(&it["hint"]))
    };
    document["problems"].as_array().unwrap().iter().map(line).collect()
}

#[track_caller]
fn told(problems: &[String], expected: &[&str]) {
    for part in expected {
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "{part:?} is not told:\n{}",
            problems.join("\n")
        );
    }
    assert_eq!(problems.len(), expected.len(), "{}", problems.join("\n"));
}

#[test]
fn a_broken_plan_hides_no_problem_of_another_file() {
    let fleet = Fleet::new();
    let plans = std::fs::read_to_string(fleet.path("plans.toml")).unwrap();
    std::fs::write(fleet.path("plans.toml"), plans.replacen("workers = 2", "workers = \"two\"", 1)).unwrap();
    instance(&fleet, "anna", "plan = \"starter\"\ndomains = [\"shop.example.org\"]");
    instance(&fleet, "bert", "plan = \"starter\"\ndomains = [\"shop.example.org\"]");
    instance(&fleet, "carl", "plan = \"startr\"");
    instance(&fleet, "dora", "plan = \"business\"\nsubdomain = \"www\"");
    instance(&fleet, "emil", "plan = \"business\"\nodoo = \"14.0\"");
    instance(&fleet, "fred", "plan = \"business\"\n[site]\ntemplate = \"dedicatd\"");
    let all = [
        "plans.toml:",
        "bert.toml:2:12 domain \"shop.example.org\" is used by instances.d/anna.toml",
        "carl.toml:1:8 plan \"startr\" is not in plans.toml (did you mean \"starter\"?)",
        "dora.toml:2:13 subdomain \"www\" is reserved",
        "emil.toml:2:8 no image is configured for Odoo 14.0",
        "fred.toml:3:12 site.template: \"dedicatd\" is not in nginx-templates (did you mean \"dedicated\"?)",
    ];
    told(&problems(&fleet, &[]), &all);
    // The same with a syntax that hides the plans' names: then no plan is said not to be there.
    std::fs::write(fleet.path("plans.toml"), plans.replacen("[starter]", "[starter", 1)).unwrap();
    let found = problems(&fleet, &[]);
    assert!(!found.iter().any(|problem| problem.contains("is not in plans.toml")), "{}", found.join("\n"));
    assert!(found.iter().any(|problem| problem.contains("subdomain \"www\" is reserved")), "{}", found.join("\n"));
}

#[test]
fn a_fault_of_a_file_hides_nothing_that_plans_settings_and_templates_say_of_it() {
    let fleet = Fleet::new();
    let lines = "plan = \"startr\"\nstate = \"runing\"\nodoo = \"14.0\"\n[site]\nprimary = \"nope.example\"\ntemplate = \"dedicatd\"";
    instance(&fleet, "anna", lines);
    let all = [
        "anna.toml:1:8 plan \"startr\" is not in plans.toml",
        "anna.toml:2:9 state: \"runing\" is not one of",
        "anna.toml:3:8 no image is configured for Odoo 14.0",
        "anna.toml:5:11 site.primary: \"nope.example\" is not a name of this instance",
        "anna.toml:6:12 site.template: \"dedicatd\" is not in nginx-templates",
    ];
    told(&problems(&fleet, &[]), &all);
    // The same of a file that is only about to join the fleet.
    std::fs::rename(fleet.instance("anna"), fleet.path("anna.toml")).unwrap();
    told(&problems(&fleet, &["anna.toml"]), &all);
}

#[test]
fn a_file_that_is_not_taken_for_an_instances_is_warned_of() {
    let fleet = Fleet::with_acme();
    for name in ["README", "notes.md", ".hidden.tml", "acme.toml~", "#acme.toml#", "acme.toml.bak", "b.toml.example"] {
        std::fs::write(fleet.path("instances.d").join(name), "nonsense").unwrap();
    }
    let quiet = fleet.run(&["check"]).ended(0);
    assert_eq!(quiet.stderr, "", "of these nobody wants to hear");
    std::fs::write(fleet.path("instances.d/luna.tml"), "plan = \"starter\"\n").unwrap();
    std::fs::create_dir(fleet.path("instances.d/more")).unwrap();
    for command in ["check", "status"] {
        let told = fleet.run(&[command]).ended(0).stderr;
        let parts = [
            "warning: instances.d/luna.tml: not taken for an instance's file: its name does not end in .toml [IK0138], hint: if it is one, rename it to luna.toml",
            "warning: instances.d/more: directories in instances.d are not looked into",
        ];
        assert!(parts.iter().all(|part| told.contains(part)), "{command}: {told}");
    }
    let document = fleet.run(&["check", "--json"]).ended(0).json();
    assert_eq!(document["problems"].as_array().unwrap().len(), 0);
    assert_eq!(document["warnings"].as_array().unwrap().len(), 2, "{document}");
}

#[test]
fn of_many_problems_of_a_file_a_plan_tells_the_first_and_how_many_more() {
    let fleet = Fleet::with_acme();
    instance(&fleet, "bert", "plan = \"startr\"\nstate = \"runing\"\nodoo = \"14.0\"");
    let ran = fleet.run(&["plan"]).ended(5);
    let told = "bert.toml:1:8: plan \"startr\" is not in plans.toml [IK0110], hint: did you mean \"starter\"?; and 2 more: innkeeper check bert";
    assert_eq!(ran.stdout.matches("bert.toml:1:8").count(), 1, "{}", ran.stdout);
    assert!(ran.stdout.contains(told), "{}", ran.stdout);
    assert!(!ran.stdout.contains("bert.toml:2:9") && ran.stdout.contains("; 1 invalid; 1 held."), "{}", ran.stdout);
    // Nothing is concluded from systems that nobody looked at.
    let cannot = "Cannot tell what would change: Docker and PostgreSQL could not be looked at";
    assert!(ran.stdout.contains(cannot) && !ran.stdout.contains("No changes"), "{}", ran.stdout);
}

#[test]
fn check_takes_names_and_files() {
    let fleet = Fleet::with_acme();
    instance(&fleet, "bert", "plan = \"gold\"");
    fleet.run(&["check", "acme"]).ended(0);
    told(&problems(&fleet, &["bert"]), &["bert.toml:1:8 plan \"gold\""]);
    told(&problems(&fleet, &["acme", "instances.d/bert.toml"]), &["bert.toml:1:8 plan \"gold\""]);
    let ran = fleet.run(&["check", "acm"]).ended(4);
    assert!(ran.stderr.contains("did you mean \"acme\"?"), "{}", ran.stderr);
    fleet.run(&["check", "no/such/file.toml"]).ended(1);
}

#[test]
fn an_unresolved_merge_is_one_problem() {
    let fleet = Fleet::with_acme();
    let text = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    let both = "<<<<<<< HEAD\nplan = \"starter\"\n=======\nplan = \"business\"\n>>>>>>> other\n";
    std::fs::write(fleet.instance("acme"), text.replacen("plan = \"starter\"", both.trim_end(), 1)).unwrap();
    told(&problems(&fleet, &[]), &["this is an unresolved merge"]);
}

#[test]
fn a_byte_order_mark_in_a_template_is_passed_over() {
    let fleet = Fleet::with_acme();
    let template = fleet.path("nginx-templates/shared.conf.tera");
    let text = std::fs::read_to_string(&template).unwrap();
    std::fs::write(&template, format!("\u{FEFF}{text}")).unwrap();
    fleet.run(&["check"]).ended(0);
}

#[test]
fn stop_writes_the_state_in_the_place_of_its_comment() {
    let fleet = Fleet::with_acme();
    let before = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    let place = before.lines().position(|line| line.starts_with("# state = \"running\"")).unwrap();
    let quiet = fleet.run(&["stop", "acme", "-q"]).ended(0);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    let after = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    assert!(after.lines().nth(place).unwrap().starts_with("state = \"stopped\" "), "{after}");
    assert_eq!(after.lines().count(), before.lines().count(), "no line was added");
    let comment = |text: &str| text.lines().nth(place).unwrap().rfind(" # ").unwrap();
    assert_eq!(comment(&after), comment(&before), "what stands behind it stays in its column");
    fleet.run(&["check"]).ended(0);
    // A value that was there is replaced by a shorter one.
    fleet.run(&["retire", "acme", "--confirm", "acme", "-q"]).ended(0);
    let retired = std::fs::read_to_string(fleet.instance("acme")).unwrap();
    assert!(retired.lines().nth(place).unwrap().starts_with("state = \"absent\" "), "{retired}");
    assert_eq!(comment(&retired), comment(&before));
}

#[test]
fn new_takes_what_a_file_says_and_tells_the_whole_address() {
    let fleet = Fleet::new();
    let settings = std::fs::read_to_string(fleet.path("innkeeper.toml")).unwrap();
    std::fs::write(fleet.path("innkeeper.toml"), settings.replacen("# https_port = 443", "https_port = 8463", 1))
        .unwrap();
    let new = ["new", "anna", "--plan", "starter", "--company", "Anna", "--admin-email", "a@b.example"];
    let more = [
        "--country",
        "VN",
        "--language",
        "vi_VN",
        "--timezone",
        "Asia/Ho_Chi_Minh",
        "--odoo",
        "19.0",
        "--subdomain",
        "shop",
        "--customer",
        "Anna Trading",
    ];
    let made = fleet.run(&[&new[..], &more, &["--json"]].concat()).ended(0).json();
    assert_eq!(made["url"], "https://shop.example.com:8463");
    let text = std::fs::read_to_string(fleet.instance("anna")).unwrap();
    for line in [
        "country = \"VN\"",
        "language = \"vi_VN\"",
        "timezone = \"Asia/Ho_Chi_Minh\"",
        "odoo = \"19.0\"",
        "subdomain = \"shop\"",
        "name = \"Anna Trading\"",
        "email = \"a@b.example\"",
    ] {
        assert!(text.lines().any(|it| it.starts_with(line)), "{line} is not in\n{text}");
    }
    let refused = fleet.run(&[
        "new",
        "bert",
        "--plan",
        "starter",
        "--company",
        "B",
        "--admin-email",
        "a@b.example",
        "--country",
        "VM",
    ]);
    let refused = refused.ended(6);
    // It has no lines yet: the flag is what was typed.
    assert!(refused.stderr.contains("bert.toml: --country: \"VM\" is not a country code"), "{}", refused.stderr);
}
