//! Manual pages and completions: made from the same table as the help, so that they are current.

use super::fleet::{Fleet, Ran};
use super::words::COMMANDS;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

/// What a shell is offered for the words typed so far, the last of them unfinished.
fn offered(fleet: &Fleet, words: &[&str]) -> BTreeSet<String> {
    let last = words.len().to_string();
    let mut asked = fleet.command(&[&["--", "innkeeper"], words].concat());
    asked.env("INNKEEPER_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", last).env("_CLAP_IFS", "\n");
    asked.env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "false");
    Ran::from(asked.output().unwrap()).ended(0).stdout.lines().map(str::to_owned).collect()
}

#[test]
fn every_command_has_its_page_and_every_flag_is_in_it() {
    let fleet = Fleet::nowhere();
    let pages = fleet.run(&["man", "pages", "--json"]).ended(0).json();
    let named: BTreeSet<String> =
        pages["files"].as_array().unwrap().iter().map(|page| page.as_str().unwrap().to_owned()).collect();
    let expected = COMMANDS.iter().map(|command| format!("innkeeper-{command}.1"));
    let files = ["innkeeper.toml", "innkeeper-plans.toml", "innkeeper-instance.toml"].map(|file| format!("{file}.5"));
    assert_eq!(named, expected.chain(["innkeeper.1".to_owned()]).chain(files).collect());
    let written = std::fs::read_dir(fleet.path("pages")).unwrap().map(|page| page.unwrap().file_name());
    assert_eq!(written.map(|page| page.into_string().unwrap()).collect::<BTreeSet<_>>(), named);
    for command in COMMANDS {
        let page = std::fs::read_to_string(fleet.path(&format!("pages/innkeeper-{command}.1"))).unwrap();
        let help = fleet.run(&[command, "--help"]).ended(0).stdout;
        let flags = help.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 3);
        for flag in flags.map(|flag| flag.trim_end_matches([',', '.', ')', ']', ';']).split('=').next().unwrap()) {
            if help.lines().any(|line| line.trim_start().starts_with(flag) || line.contains(&format!(", {flag}"))) {
                assert!(page.contains(&flag.replace('-', "\\-")), "{command}: {flag} is not in its page");
            }
        }
    }
    let main = std::fs::read_to_string(fleet.path("pages/innkeeper.1")).unwrap();
    let listed = |command: &str| main.contains(&command.replace('-', "\\-"));
    assert!(main.contains(".SH EXIT CODES") && COMMANDS.iter().all(|command| listed(command)), "{main}");
    fleet.run(&["man", "pages"]).ended(0);
}

#[test]
fn the_usage_has_its_values_and_files_have_pages_of_their_own() {
    let fleet = Fleet::nowhere();
    fleet.run(&["man", "man/man1"]).ended(0);
    let page = |name: &str| std::fs::read_to_string(fleet.path(&format!("man/{name}"))).unwrap();
    let wait = page("man1/innkeeper-wait.1").replace("\\-", "-").replace("\\fR", "").replace("\\fB", "");
    assert!(wait.contains("[--for STATE] [--timeout DURATION]"), "{wait}");
    for (name, key) in [
        ("innkeeper.toml", "base_domain"),
        ("innkeeper-plans.toml", "workers"),
        ("innkeeper-instance.toml", "subdomain"),
    ] {
        let text = page(&format!("man5/{name}.5"));
        assert!(text.contains(key) && text.contains(".TH "), "{text}");
    }
    // Every key that the schemas know is in the page of its file.
    for (kind, name) in
        [("settings", "innkeeper.toml"), ("plans", "innkeeper-plans.toml"), ("instance", "innkeeper-instance.toml")]
    {
        let schema = fleet.run(&["schema", kind]).ended(0).stdout;
        let text = page(&format!("man5/{name}.5"));
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        let root = if kind == "plans" { &schema["additionalProperties"] } else { &schema };
        for (key, value) in root["properties"].as_object().unwrap() {
            let is_table = value["properties"].is_object();
            assert!(is_table || text.contains(&format!("\\fB{key}\\fR")), "{kind}: {key}");
        }
    }
    for entry in std::fs::read_dir(fleet.path("man/man1")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("EXTRA") && !text.contains("v0."), "{text}");
    }
}

#[test]
fn shells_are_offered_commands_flags_and_the_instances_of_this_moment() {
    let fleet = Fleet::with_acme();
    assert_eq!(offered(&fleet, &["cre"]), ["credentials".to_owned()].into());
    for command in ["info", "plan", "apply", "status", "wait", "logs", "events", "stop", "restart", "credentials"] {
        assert!(offered(&fleet, &[command, "ac"]).contains("acme"), "{command} does not offer its instances");
    }
    assert!(offered(&fleet, &["logs", "--fol"]).contains("--follow"));
    assert!(offered(&fleet, &["logs", "acme", "--source", ""]).contains("job"));
    assert!(!offered(&fleet, &["new", "ac"]).contains("acme"), "a new instance has a name of its own");
    std::fs::copy(fleet.instance("acme"), fleet.instance("acorn")).unwrap();
    std::fs::write(fleet.path("instances.d/ac me;rm.toml"), "").unwrap();
    assert_eq!(offered(&fleet, &["info", "ac"]), ["acme".to_owned(), "acorn".to_owned()].into());
    let elsewhere = Fleet::nowhere();
    let fleet_flag = format!("--fleet={}", fleet.root().display());
    assert!(offered(&elsewhere, &[&fleet_flag, "info", "ac"]).contains("acorn"));
    assert!(offered(&elsewhere, &["info", "ac"]).is_empty(), "there is no fleet");
}

#[test]
fn shells_are_offered_what_a_value_can_be() {
    let fleet = Fleet::with_acme();
    let has = |words: &[&str], expected: &str| {
        let offered = offered(&fleet, words);
        assert!(offered.contains(expected), "{words:?} offers no {expected}: {offered:?}");
    };
    has(&["new", "luna", "--plan", ""], "starter");
    has(&["new", "luna", "--module", "sale"], "sale_management");
    has(&["new", "luna", "--timezone", "Asia/Ho"], "Asia/Ho_Chi_Minh");
    has(&["new", "luna", "--country", "V"], "VN");
    has(&["new", "luna", "--language", "vi"], "vi_VN");
    has(&["new", "luna", "--odoo", ""], "19.0");
    has(&["explain", "IK02"], "IK0201");
    has(&["explain", "Data"], "DataMissing");
    has(&["silence", "acme", "Disk"], "DiskNearlyFull");
    has(&["silence", "acme", "--for", ""], "4h");
    has(&["wait", "acme", "--timeout", ""], "10m");
    has(&["apply", "--confirm", "a"], "acme");
    has(&["retire", "acme", "--confirm", "a"], "acme");
    assert!(!offered(&fleet, &["retire", "luna", "--confirm", ""]).contains("acme"), "it was not named");
    has(&["status", "pl"], "plan:");
    has(&["check", "a"], "acme");
    has(&["check", "pla"], "plans.toml");
    has(&["help", "wa"], "wait");
    has(&["stop", "plan:"], "plan:starter");
    has(&["restart", "state:"], "state:ready");
}

#[test]
fn each_shells_script_names_what_it_completes() {
    let fleet = Fleet::nowhere();
    for shell in ["bash", "zsh", "fish"] {
        let script = fleet.run(&["completions", shell]).ended(0).stdout;
        assert!(script.contains("INNKEEPER_COMPLETE") && script.contains("innkeeper"), "{shell}: {script}");
    }
    let nushell = fleet.run(&["completions", "nushell"]).ended(0).stdout;
    for command in COMMANDS {
        assert!(nushell.contains(&format!("export extern \"innkeeper {command}\" [")), "{command}");
    }
    let instances = "string@\"nu-complete innkeeper instances\"";
    let of = |command: &str| {
        let start = nushell.find(&format!("export extern \"innkeeper {command}\" [")).unwrap();
        nushell[start..].split("\n  ]").next().unwrap().to_owned()
    };
    assert!(of("info").contains(instances) && of("plan").contains(instances), "{}", of("info"));
    assert!(!of("new").contains(instances), "{}", of("new"));
    fleet.run(&["completions", "tcsh"]).ended(2);
}

#[test]
fn bash_takes_its_script() {
    let fleet = Fleet::nowhere();
    let script = fleet.run(&["completions", "bash"]).ended(0).stdout;
    let file = fleet.path("script");
    std::fs::write(&file, script).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["--noprofile", "--norc", "-c"]).arg(format!("source {} && complete -p innkeeper", file.display()));
    let ran = Ran::from(bash.stdin(Stdio::null()).output().unwrap()).ended(0);
    assert!(ran.stdout.contains("innkeeper"), "{}", ran.stdout);
}
