//! `run --rehearse`: the shipped binary on a world in memory, watched by the shipped binary.

use super::fleet::Fleet;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Sixty installations without Odoo's pace take a few seconds, on a busy machine some more.
const PATIENCE: Duration = Duration::from_secs(120);

/// A rehearsal that runs.
pub(super) struct Rehearsal {
    child: Child,
    pub(super) fleet: PathBuf,
}

impl Rehearsal {
    /// Starts one in which nothing happens by itself: a slow machine would meet outages that no test asked for.
    pub(super) fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
        command.args(arguments).args(["run", "--rehearse"]).env_remove("INNKEEPER_FLEET");
        command.env("INNKEEPER_REHEARSE_CALM", "1");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let told = lines.find_map(|line| Some(line.trim().strip_prefix("innkeeper --fleet ")?.to_owned())).unwrap();
        // Whoever does not read what is logged stops whoever writes it.
        std::thread::spawn(move || lines.for_each(drop));
        let fleet = PathBuf::from(told.split(' ').next().unwrap());
        Self { child, fleet }
    }

    pub(super) fn told(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
        let output = command.arg("--fleet").arg(&self.fleet).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (answer, errors) = (text(output.stdout), text(output.stderr));
        assert!(!answer.is_empty(), "{arguments:?}: {errors}");
        answer
    }

    pub(super) fn ask(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.told(&[&["--json"], arguments].concat())).unwrap()
    }

    /// How many instances are in that state; none while the daemon does not answer yet.
    pub(super) fn count(&self, state: &str) -> usize {
        let status = self.ask(&["status"]);
        status["instances"].as_array().into_iter().flatten().filter(|it| it["state"] == state).count()
    }

    #[expect(clippy::disallowed_methods, reason = "another process is waited for, which has a clock of its own")]
    pub(super) fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = std::time::Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}: {}", self.ask(&["status"]));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Ends it as Ctrl-C does.
    pub(super) fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        assert!(!self.fleet.exists(), "it takes its directory with it");
    }
}

/// A test that fails leaves no process behind.
impl Drop for Rehearsal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn sixty_customers_come_up_by_themselves_and_the_commands_show_them() {
    let rehearsal = Rehearsal::start(&[]);
    // One has a module that does not exist, one a domain that points to another host.
    rehearsal.until("58 that are ready", |it| it.count("ready") >= 58);
    rehearsal.until("one that failed", |it| it.count("failed") == 1);
    assert_eq!(rehearsal.ask(&["status"])["instances"].as_array().unwrap().len(), 60);
    let events = rehearsal.told(&["events", "willow"]);
    assert!(events.contains("database odoo_willow created: new instance"), "{events}");
    let plan = rehearsal.ask(&["plan"]);
    let holds = plan["changes"].to_string();
    let told = "Odoo 19.0 has no module website_salle; did you mean website_sale?";
    assert!(holds.contains(told), "what waits is in the plan: {plan}");
    std::fs::write(rehearsal.fleet.join("instances.d/willow.toml"), "plan = 1\n").unwrap();
    rehearsal.until("the broken file", |it| it.ask(&["status"]).to_string().contains("innkeeper check willow"));
    rehearsal.end();
}

#[test]
fn outputs_backups_and_the_doctor_of_a_rehearsal_are_the_rehearsals() {
    let rehearsal = Rehearsal::start(&[]);
    rehearsal.until("58 that are ready", |it| it.count("ready") >= 58);
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
        command.arg("--fleet").arg(&rehearsal.fleet).args(words).stdin(Stdio::null()).output().unwrap()
    };
    let said = |words: &[&str]| {
        let ran = run(words);
        assert!(ran.status.success(), "{words:?}: {ran:?}");
        String::from_utf8(ran.stdout).unwrap() + &String::from_utf8(ran.stderr).unwrap()
    };
    assert!(said(&["logs", "willow"]).contains("Odoo version 19.0, rehearsed"), "{}", said(&["logs", "willow"]));
    assert!(said(&["logs", "--all", "-n", "500"]).contains("willow"));
    let job = run(&["logs", "willow", "--source", "job"]);
    assert!(!job.status.success(), "one that ended well is removed: {job:?}");
    // Nothing of this host is looked at, so nothing of it is amiss.
    let doctor = said(&["doctor"]);
    assert!(doctor.contains("nothing of this host is looked at") && !doctor.contains("FAIL"), "{doctor}");
    assert!(said(&["backups"]).contains("no backup on a schedule"), "{}", said(&["backups"]));
    let retired = said(&["retire", "willow", "--confirm", "willow"]);
    assert!(retired.contains("a final backup is taken in the memory of the rehearsal"), "{retired}");
    rehearsal.until("one that is retired", |it| it.count("retired") == 1);
    let backups = said(&["backups", "willow"]);
    assert!(backups.contains("willow") && backups.contains("yes"), "{backups}");
    assert!(
        said(&["info", "willow"]).contains("Ready             False    NotWanted"),
        "{}",
        said(&["info", "willow"])
    );
    assert!(!said(&["info", "willow"]).contains("! Ready"), "who is meant to be away is right");
    rehearsal.end();
}

#[test]
fn every_document_parses_while_progress_is_drawn() {
    let rehearsal = Rehearsal::start(&[]);
    rehearsal.until("58 that are ready", |it| it.count("ready") >= 58);
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
        command.arg("--fleet").arg(&rehearsal.fleet).args(words).env("INNKEEPER_PROGRESS", "always");
        command.stdin(Stdio::null()).output().unwrap()
    };
    let one_document: [&[&str]; 8] = [
        &["status"],
        &["status", "state:ready cpu<90 | plan:business"],
        &["info", "willow"],
        &["plans"],
        &["check"],
        &["plan", "willow"],
        &["apply", "willow", "--yes"],
        &["wait", "willow", "--timeout", "60s"],
    ];
    for words in one_document {
        let ran = run(&[words, &["--json"]].concat());
        let document: Value = serde_json::from_slice(&ran.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {ran:?}"));
        assert!(document.is_object() && document.get("error").is_none(), "{words:?}: {document}");
        assert!(ran.status.success(), "{words:?}: {ran:?}");
    }
    let events = run(&["events", "-n", "5", "--json"]);
    assert_eq!(events.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), 5);
    // Filestores are measured one after the other, in the order of names.
    rehearsal.until("what alder uses", |it| it.ask(&["info", "alder"])["usage"]["memory_bytes"].is_u64());
    let info = rehearsal.told(&["info", "alder", "--utc"]);
    assert!(info.contains("Last 24 hours") && info.contains("half an hour a column"), "{info}");
    rehearsal.end();
}

#[test]
fn somebodys_own_files_are_read_and_left_alone_whatever_is_commanded() {
    let fleet = Fleet::with_acme();
    let before = fleet.files();
    let root = fleet.root().to_str().unwrap().to_owned();
    let rehearsal = Rehearsal::start(&["--fleet", &root]);
    rehearsal.until("acme to be ready", |it| it.count("ready") == 1);
    let mut stop = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
    assert!(stop.arg("--fleet").arg(&rehearsal.fleet).args(["stop", "acme"]).status().unwrap().success());
    rehearsal.until("acme to be stopped", |it| it.count("stopped") == 1);
    rehearsal.end();
    assert_eq!(fleet.files(), before);
}

#[test]
fn a_mistake_in_the_settings_keeps_nobody_from_seeing_how_things_stand() {
    let fleet = Fleet::with_acme();
    let rehearsal = Rehearsal::start(&["--fleet", fleet.root().to_str().unwrap()]);
    rehearsal.until("acme to be ready", |it| it.count("ready") == 1);
    let settings = rehearsal.fleet.join("innkeeper.toml");
    let sound = std::fs::read_to_string(&settings).unwrap();
    let with = |before: &str, after: &str| {
        assert!(sound.contains(before), "the settings have no {before:?}: {sound}");
        std::fs::write(&settings, sound.replacen(before, after, 1)).unwrap();
    };
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
        let output = command.arg("--fleet").arg(&rehearsal.fleet).args(words).stdin(Stdio::null()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let mistakes = [
        ("timezone = ", "retire_grase = \"14d\"\ntimezone = "),
        ("timezone = ", "retire_grace = \"a fortnight\"\ntimezone = "),
        ("[odoo]", "[guard]\nupdates_percent = \"all\"\n[odoo]"),
        ("timezone = \"", "timezone = "),
    ];
    for (before, after) in mistakes {
        with(before, after);
        for words in
            [&["status"][..], &["info", "acme"], &["events"], &["alerts"], &["retry", "acme"], &["is-running", "acme"]]
        {
            let (code, told) = run(words);
            assert_eq!(code, Some(0), "{after:?}: {words:?}: {told}");
            assert!(told.contains("innkeeper.toml cannot be read"), "{after:?}: {words:?}: {told}");
        }
        assert_eq!(run(&["apply", "--yes"]).0, Some(6), "{after:?}");
    }
    // Where it is not sure where the state is, another installation's might be shown.
    let line = sound.lines().find(|line| line.starts_with("state_dir = ")).unwrap();
    for after in ["state_dir = 7".to_owned(), line.replace("dir", "dri"), line.replacen('"', "", 1)] {
        with(line, &after);
        let (code, told) = run(&["status"]);
        assert_eq!(code, Some(6), "{after}");
        assert!(!told.contains("was in force before"), "nothing is shown of another one's: {after}: {told}");
    }
    with("timezone", "timezone");
    rehearsal.end();
}

/// A way in which files of a fleet go away.
type Loss = (&'static str, fn(&Path));

const LOSSES: [Loss; 6] = [
    ("all files deleted", |fleet| move_files(fleet)),
    ("directory unreadable", |fleet| {
        std::fs::rename(fleet.join("instances.d"), fleet.join("moved")).unwrap();
        std::fs::write(fleet.join("instances.d"), "no directory").unwrap();
    }),
    ("unmounted", |fleet| std::fs::rename(fleet.join("instances.d"), fleet.join("moved")).unwrap()),
    ("replaced by an empty one", |fleet| {
        std::fs::rename(fleet.join("instances.d"), fleet.join("moved")).unwrap();
        std::fs::create_dir(fleet.join("instances.d")).unwrap();
    }),
    ("other branch", |fleet| {
        let other = std::fs::read_to_string(fleet.join("instances.d/acme.toml")).unwrap();
        move_files(fleet);
        std::fs::write(fleet.join("instances.d/other-branch.toml"), other.replace("acme", "other-branch")).unwrap();
    }),
    ("plans.toml gone", |fleet| std::fs::rename(fleet.join("plans.toml"), fleet.join("moved")).unwrap()),
];

fn move_files(fleet: &Path) {
    std::fs::create_dir_all(fleet.join("moved")).unwrap();
    for entry in std::fs::read_dir(fleet.join("instances.d")).unwrap() {
        let entry = entry.unwrap();
        std::fs::rename(entry.path(), fleet.join("moved").join(entry.file_name())).unwrap();
    }
}

/// A rehearsal of three customers that are ready, on files of the test's own.
fn three_customers(fleet: &Fleet) -> Rehearsal {
    for name in ["beta", "gamma"] {
        let text = std::fs::read_to_string(fleet.instance("acme")).unwrap();
        std::fs::write(fleet.instance(name), text.replace("acme", name)).unwrap();
    }
    let rehearsal = Rehearsal::start(&["--fleet", fleet.root().to_str().unwrap()]);
    rehearsal.until("three that are ready", |it| it.count("ready") == 3);
    rehearsal
}

impl Rehearsal {
    /// True when an apply ends with 8. Where a system did not answer it ends with 5, and is asked again.
    fn is_refused(&self, what: &str) -> bool {
        let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
        let ran = command.arg("--fleet").arg(&self.fleet).args(["apply", "--yes"]).output().unwrap();
        assert!([Some(8), Some(5)].contains(&ran.status.code()), "{what}: {ran:?}");
        ran.status.code() == Some(8)
    }

    /// An alert of files that are gone, whatever else there may be one of.
    fn tells_of_files(&self) -> bool {
        let status = self.ask(&["status"]);
        let reasons = status["alerts"].as_array().into_iter().flatten().map(|alert| alert["reason"].as_str().unwrap());
        reasons.into_iter().any(|reason| ["FileMissing", "FileInvalid", "GuardClosed"].contains(&reason))
    }
}

/// Each has a rehearsal of its own, with files that nobody took anything from before.
fn lose_files(which: usize) {
    let (what, lose) = LOSSES[which];
    let fleet = Fleet::with_acme();
    let rehearsal = three_customers(&fleet);
    lose(&rehearsal.fleet);
    rehearsal.until(what, |it| it.is_refused(what));
    rehearsal.until("an alert", Rehearsal::tells_of_files);
    // On such a day of all days the other commands must answer.
    assert_eq!(rehearsal.ask(&["info", "acme"])["name"], "acme", "{what}");
    rehearsal.end();
}

#[test]
fn an_apply_ends_with_8_and_an_alert_when_files_or_their_directory_are_gone() {
    (0..3).for_each(lose_files);
}

#[test]
fn an_apply_ends_with_8_and_an_alert_when_other_files_are_there_or_none_of_the_plans() {
    (3..6).for_each(lose_files);
}

#[test]
fn changes_that_overflow_the_queue_while_the_daemon_sleeps_are_found_when_it_wakes() {
    const CREATES: usize = 9_000;
    let fleet = Fleet::with_acme();
    let rehearsal = Rehearsal::start(&["--fleet", fleet.root().to_str().unwrap()]);
    rehearsal.until("acme to be ready", |it| it.count("ready") == 1);
    let (instances, file) = (rehearsal.fleet.join("instances.d"), rehearsal.fleet.join("instances.d/acme.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let put = |memory: &str| {
        let new = rehearsal.fleet.join("new");
        std::fs::write(&new, format!("{text}\n[limits]\nmemory = {memory:?}\n")).unwrap();
        std::fs::rename(&new, &file).unwrap();
    };
    let in_force =
        |it: &Rehearsal, generation: u64| it.ask(&["info", "acme"])["observed_generation"].as_u64() == Some(generation);
    // From this reading on the next one without a hint is 30 s away.
    put("2 GiB");
    rehearsal.until("the first change", |it| in_force(it, 2));
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let queued_max: usize = limit.trim().parse().unwrap();
    let pid = rustix::process::Pid::from_child(&rehearsal.child);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    // Each gives three events or four: made, opened, written, closed.
    for number in 0..CREATES.max(queued_max / 3 + 1_000) {
        std::fs::write(instances.join(format!(".flood-{number}")), "x").unwrap();
    }
    put("3 GiB");
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    let began = now();
    rehearsal.until("the change behind the overflow", |it| in_force(it, 3));
    let took = now().duration_since(began);
    println!("in force {} ms after it woke", took.as_millis());
    assert!(took < Duration::from_secs(20), "{took:?}: only by the next reading without a hint");
    rehearsal.end();
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for, which has a clock of its own")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
