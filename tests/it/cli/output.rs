//! stdout holds the answer only, one document with `--json`, on failure too; colours where they are wanted.

use super::fleet::Fleet;
use super::words::COMMANDS;
use std::io::Read;
use std::process::Stdio;

/// A use of each command that needs none of the systems.
fn uses() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("init", vec!["init", "fresh"]),
        ("new", vec!["new", "luna", "--plan", "starter", "--company", "Luna", "--admin-email", "a@luna.example"]),
        ("check", vec!["check"]),
        ("plans", vec!["plans"]),
        ("plan", vec!["plan"]),
        ("apply", vec!["apply"]),
        ("status", vec!["status"]),
        ("info", vec!["info", "acme"]),
        ("wait", vec!["wait", "acme", "--timeout", "1s"]),
        ("logs", vec!["logs", "acme"]),
        ("start", vec!["start", "acme"]),
        ("stop", vec!["stop", "acme"]),
        ("retire", vec!["retire", "acme", "--confirm", "acme"]),
        ("backups", vec!["backups"]),
        ("is-running", vec!["is-running", "acme"]),
        ("is-healthy", vec!["is-healthy", "acme"]),
        ("alerts", vec!["alerts"]),
        ("ack", vec!["ack", "acme"]),
        ("silence", vec!["silence", "acme", "--for", "4h"]),
        ("unsilence", vec!["unsilence", "acme"]),
        ("restart", vec!["restart", "acme"]),
        ("retry", vec!["retry", "acme"]),
        ("credentials", vec!["credentials", "acme"]),
        ("doctor", vec!["doctor"]),
        ("schema", vec!["schema", "instance"]),
        ("explain", vec!["explain", "IK0001"]),
        ("completions", vec!["completions", "bash"]),
        ("man", vec!["man", "pages"]),
        ("help", vec!["help", "wait"]),
        ("version", vec!["version"]),
        // Without a terminal it says what there is for scripts.
        ("top", vec!["top"]),
    ]
}

#[test]
fn with_json_every_command_answers_with_one_document_also_when_it_fails() {
    let fleet = Fleet::with_acme();
    for (command, words) in uses() {
        // Whatever is drawn is drawn on stderr: also where it is drawn although there is no terminal.
        let mut asked = fleet.command(&[words.as_slice(), &["--json"]].concat());
        let ran = super::fleet::Ran::from(asked.env("INNKEEPER_PROGRESS", "always").output().unwrap());
        let document = ran.json();
        assert!(document.is_object(), "{command}: {document}");
        if ![0, 3, 10].contains(&ran.code) && document.get("problems").is_none() {
            let error = &document["error"];
            for member in ["code", "message", "hint", "file", "line", "column"] {
                assert!(error.get(member).is_some(), "{command} has no error.{member}: {document}");
            }
            assert!(error["code"].as_str().unwrap().starts_with("IK"), "{command}");
            assert!(!ran.stderr.is_empty(), "{command} fails without a word for people");
        }
    }
    let covered: Vec<&str> = uses().into_iter().map(|(command, _)| command).collect();
    // `events` answers with lines, `run` with none.
    assert!(COMMANDS.iter().all(|command| covered.contains(command) || ["events", "run"].contains(command)));
}

#[test]
fn with_json_a_command_line_that_is_not_understood_is_a_document_too() {
    for words in [
        &["--json"][..],
        &["--json", "frobnicate"],
        &["new", "--json"],
        &["new", "../x", "--json"],
        &["status", "--color", "pink", "--json"],
        &["--json", "wait", "acme", "--timeout", "soon"],
    ] {
        let ran = Fleet::nowhere().run(words).ended(2);
        assert_eq!(ran.json()["error"]["code"], "IK0001", "{words:?}");
    }
    assert_eq!(Fleet::nowhere().run(&["--version", "--json"]).ended(0).json()["version"], env!("CARGO_PKG_VERSION"));
    assert!(Fleet::nowhere().run(&["--help", "--json"]).ended(0).json()["help"].is_string());
}

#[test]
fn without_json_a_failure_leaves_stdout_empty() {
    let fleet = Fleet::new();
    for words in [&["info", "x"][..], &["init"], &["wait", "x"], &["explain", "IK9999"], &["frobnicate"]] {
        let ran = fleet.run(words);
        assert_ne!(ran.code, 0, "{words:?}");
        assert_eq!(ran.stdout, "", "{words:?}");
        assert!(!ran.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program_without_a_word() {
    let fleet = Fleet::with_acme();
    let mut child = fleet.command(&["explain"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Fleet::with_acme().command(&["plans"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("stdout"));
}

/// What `wait` leaves on both streams, with a variable set: nobody answers it for two seconds.
fn waited(variable: (&str, &str), flags: &[&str]) -> (String, String) {
    let fleet = Fleet::with_acme();
    let mut command = fleet.command(&[&["wait", "acme", "--timeout", "2s"], flags].concat());
    let ran = super::fleet::Ran::from(command.env(variable.0, variable.1).output().unwrap()).ended(9);
    (ran.stdout, ran.stderr)
}

#[test]
fn progress_is_drawn_on_stderr_alone_seldom_and_is_taken_away_at_the_end() {
    let erased = "\r\u{1b}[K";
    let (answer, drawn) = waited(("INNKEEPER_PROGRESS", "always"), &[]);
    assert_eq!(answer, "");
    // Nothing in the first half second, then at most ten pictures a second; the last thing drawn is nothing.
    let pictures = drawn.matches(erased).count();
    assert!((2..=16).contains(&pictures), "{pictures} pictures: {drawn:?}");
    assert!(drawn.contains("waiting for acme"), "{drawn:?}");
    // Whatever is said takes the place of what is drawn.
    let said =
        |text: &str| drawn.find(text).map(|at| drawn[..at].rsplit_once(erased).map_or(&drawn[..at], |(_, rest)| rest));
    assert_eq!(said("error: after 2s"), Some(""), "{drawn:?}");
    let (_, rest) = drawn.rsplit_once(erased).unwrap();
    assert!(!rest.contains("waiting for"), "{rest:?}");
    for (variable, flags) in [
        (("INNKEEPER_NO_PROGRESS", "1"), &[][..]),
        (("INNKEEPER_PROGRESS", "always"), &["--no-progress"][..]),
        (("INNKEEPER_PROGRESS", "always"), &["-q"][..]),
        // A pipe is no terminal.
        (("LANG", "C"), &[][..]),
    ] {
        let (_, quiet) = waited(variable, flags);
        assert!(!quiet.contains(erased), "{variable:?} {flags:?}: {quiet:?}");
    }
}

#[test]
fn colours_come_only_where_they_are_asked_for() {
    let fleet = Fleet::with_acme();
    let painted = |words: &[&str], set: &[(&str, &str)]| {
        let mut command = fleet.command(words);
        let ran = super::fleet::Ran::from(command.envs(set.iter().copied()).output().unwrap()).ended(0);
        ran.stdout.contains('\u{1b}')
    };
    assert!(!painted(&["plans"], &[]), "a pipe");
    for forced in [("FORCE_COLOR", "1"), ("CLICOLOR_FORCE", "1"), ("INNKEEPER_COLOR", "always")] {
        assert!(painted(&["plans"], &[forced]), "{forced:?}");
        assert!(!painted(&["plans", "--color", "never"], &[forced]), "{forced:?}: the flag counts more");
        assert!(!painted(&["--help", "--color=never"], &[forced]), "{forced:?}: in the help too");
    }
    assert!(!painted(&["plans"], &[("FORCE_COLOR", "0")]));
    for forced in [("FORCE_COLOR", "1"), ("CLICOLOR_FORCE", "1")] {
        assert!(!painted(&["plans"], &[forced, ("NO_COLOR", "1")]), "{forced:?}: who wants none wants none");
    }
    for refused in [("NO_COLOR", "1"), ("TERM", "dumb"), ("INNKEEPER_COLOR", "never")] {
        assert!(painted(&["plans", "--color", "always"], &[refused]), "{refused:?}: the flag counts more");
        assert!(painted(&["--help", "--color=always"], &[refused]), "{refused:?}: in the help too");
    }
    assert!(!painted(&["plans", "--json", "--color", "always"], &[]), "documents have none");
    fleet.run(&["plans", "--color", "pink"]).ended(2);
}
