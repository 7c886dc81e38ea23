//! Files that have faults, and an operator who has something to do all the same.

use super::fleet::{Fleet, Ran};
use super::rehearse::Rehearsal;
use std::process::{Command, Stdio};

const MARKER: &str = "\n<<<<<<< HEAD\n";

fn run(rehearsal: &Rehearsal, words: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
    command.arg("--fleet").arg(&rehearsal.fleet).args(words).stdin(Stdio::null());
    command.output().unwrap().into()
}

/// A rehearsal of `anna` and `bert`, once both serve.
fn two_customers() -> (Fleet, Rehearsal) {
    let fleet = Fleet::new();
    for name in ["anna", "bert"] {
        fleet.run(&["new", name, "--plan", "starter", "--company", name, "--admin-email", "a@b.example"]).ended(0);
    }
    let rehearsal = Rehearsal::start(&["--fleet", fleet.root().to_str().unwrap()]);
    run(&rehearsal, &["wait", "anna", "bert", "--timeout", "2m"]).ended(0);
    (fleet, rehearsal)
}

fn append(rehearsal: &Rehearsal, file: &str, text: &str) -> String {
    let file = rehearsal.fleet.join(file);
    let sound = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{sound}{text}")).unwrap();
    sound
}

#[test]
fn faulty_plans_and_the_faulty_file_of_another_keep_nobody_from_a_customer_whose_own_file_is_good() {
    let (_fleet, rehearsal) = two_customers();
    append(&rehearsal, "plans.toml", MARKER);
    append(&rehearsal, "instances.d/bert.toml", "\nnonsense = 1\nmore = 2\n");
    let verbs: [&[&str]; 7] = [
        &["stop", "anna", "--dry-run"],
        &["stop", "anna"],
        &["wait", "anna", "--for", "stopped", "--timeout", "2m"],
        &["start", "anna"],
        &["wait", "anna", "--timeout", "2m"],
        &["retire", "anna", "--confirm", "anna"],
        &["wait", "anna", "--for", "retired", "--timeout", "2m"],
    ];
    for words in verbs {
        let told = run(&rehearsal, words).ended(0).stderr;
        assert!(told.contains("plans.toml cannot be read, so what was in force before counts"), "{words:?}: {told}");
        assert_eq!(told.matches("plans.toml:").count(), 1, "its problem, once: {words:?}: {told}");
        assert!(!told.contains("bert"), "what is nothing about it: {words:?}: {told}");
    }
    for words in [
        &["new", "carl", "--plan", "starter", "--company", "C", "--admin-email", "a@b.example"][..],
        &["plan"],
        &["apply", "--yes"],
    ] {
        run(&rehearsal, words).ended(6);
    }
    rehearsal.end();
}

#[test]
fn a_file_with_other_problems_is_changed_and_it_is_said_that_nothing_of_it_is_in_force() {
    let (_fleet, rehearsal) = two_customers();
    let sound = append(&rehearsal, "instances.d/bert.toml", "\nnonsense = 1\n");
    for words in [&["stop", "bert"][..], &["stop", "bert", "--json"]] {
        let told = run(&rehearsal, words).ended(6);
        let said = "bert is not stopped: its file has other problems, so what it says is not in force";
        assert!(told.stderr.contains(said) || told.stdout.contains(said), "{told:?}");
        assert!(!told.stderr.contains("the daemon is told"), "{told:?}");
    }
    let both = run(&rehearsal, &["stop", "anna", "bert"]).ended(6);
    assert!(both.stderr.contains("innkeeper wait anna --for stopped"), "the other one is: {}", both.stderr);
    run(&rehearsal, &["wait", "anna", "--for", "stopped", "--timeout", "2m"]).ended(0);
    assert_eq!(rehearsal.ask(&["info", "bert"])["state"], "invalid", "its last good version stays in force");
    // Once the file is good, what it says counts.
    let file = rehearsal.fleet.join("instances.d/bert.toml");
    assert!(std::fs::read_to_string(&file).unwrap().contains("state = \"stopped\""));
    std::fs::write(&file, sound).unwrap();
    run(&rehearsal, &["stop", "bert"]).ended(0);
    rehearsal.end();
}

#[test]
fn what_has_no_container_is_not_restarted_and_the_output_of_its_job_is_said_to_be_gone() {
    let fleet = Fleet::new();
    let new = ["new", "anna", "--plan", "starter", "--company", "A", "--admin-email", "a@b.example"];
    fleet.run(&[&new[..], &["--module", "website_salle"]].concat()).ended(0);
    let rehearsal = Rehearsal::start(&["--fleet", fleet.root().to_str().unwrap()]);
    rehearsal.until("the module that is not there", |it| it.count("failed") == 1);
    let restart = run(&rehearsal, &["restart", "anna"]).ended(1);
    assert!(restart.stderr.contains("anna has no container, so there is nothing to restart"), "{}", restart.stderr);
    let logs = run(&rehearsal, &["logs", "anna", "--source", "job"]).ended(1);
    assert!(logs.stderr.contains("`innkeeper events anna` says what came of it"), "{}", logs.stderr);
    let info = rehearsal.told(&["info", "anna"]);
    assert!(info.contains("did you mean website_sale? It is tried again when its file changes"), "{info}");
    rehearsal.end();
}
