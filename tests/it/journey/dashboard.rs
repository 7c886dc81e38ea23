//! The dashboard beside everything real, as an operator has it: open in tmux while a file is dropped, a container is
//! killed, and an instance is stopped from its menu.

use super::fleet::{Fleet, docker, inspect};
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const CONTAINER: &str = "ik-acme";
/// Columns and rows of the terminal: wide enough for all panes.
const SIZE: (&str, &str) = ("160", "44");
/// A first installation, with the lab's other work beside it.
const INSTALLATION: Duration = Duration::from_secs(600);
/// Anything else.
const SOON: Duration = Duration::from_secs(120);
/// Between two looks at the screen: steps that take a tenth of a second are seen running.
const LOOK_EVERY: Duration = Duration::from_millis(50);

const FILE: &str = "\
# ACME pays until June; ask Ana before it is stopped.
plan = \"tiny\"
state = \"running\" # their own word
[company]
name = \"ACME\"
[admin]
email = \"boss@acme.example\"
";

/// `innkeeper top` in a tmux server of its own, which ends with this.
struct Screen {
    socket: PathBuf,
}

impl Screen {
    /// Opens the dashboard; when it ends, the terminal goes on and says with which code.
    fn open(fleet: &Fleet) -> Self {
        let screen = Self { socket: fleet.directory.join("tmux.socket") };
        let program = env!("CARGO_BIN_EXE_innkeeper");
        let top = format!(
            "echo before; env -u NO_COLOR -u INNKEEPER_COLOR LC_ALL=C.UTF-8 {program} --fleet {} top; echo left with $?; cat",
            fleet.directory.display()
        );
        let (columns, rows) = SIZE;
        screen.tmux(&["-f", "/dev/null", "-u", "new-session", "-d", "-x", columns, "-y", rows, &top]);
        screen
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(arguments).stdin(Stdio::null()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a person sees.
    fn shown(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Looks until it is as it should be, and returns what was seen then.
    fn until(&self, what: &str, longest: Duration, mut holds: impl FnMut(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let shown = self.shown();
            if holds(&shown) {
                return shown;
            }
            assert!(began.elapsed() < longest, "not within {longest:?}: {what}\n{shown}");
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let kill = ["kill-server"];
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).args(kill).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_customers_day_is_seen_and_steered_from_the_dashboard() {
    let mut fleet = Fleet::new("dashboard", |settings| settings);
    fleet.start_daemon();
    let screen = Screen::open(&fleet);
    screen.until("the dashboard knows the daemon", SOON, |shown| shown.contains("daemon ok"));
    a_dropped_file_is_seen_step_by_step(&fleet, &screen);
    a_killed_container_is_told_and_its_repair_too(&fleet, &screen);
    a_crash_that_docker_mends_is_told(&fleet, &screen);
    an_alert_that_is_silenced_stays_and_says_so(&fleet, &screen);
    a_stop_from_the_menu_edits_the_file(&fleet, &screen);
    screen.press(&["q"]);
    let left = screen.until("the shell's own screen", SOON, |shown| shown.contains("left with 0"));
    assert!(left.starts_with("before"), "what stood there before stands there again:\n{left}");
    drop(screen);
    assert_eq!(fleet.stop_daemon(), 0);
}

/// The row of an instance in the list; its name stands in the titles of panes too.
fn row<'a>(shown: &'a str, name: &str) -> Option<&'a str> {
    shown.lines().find(|line| line.starts_with('│') && line.contains(&format!(" {name} ")))
}

fn is_in_state(shown: &str, state: &str) -> bool {
    row(shown, "acme").is_some_and(|row| row.contains(&format!(" {state} ")))
}

/// The kinds of steps behind a sign, in the list of jobs: `▶  1m04s   acme    install-modules`.
fn steps(shown: &str, sign: &str) -> BTreeSet<String> {
    let step = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().skip_while(|word| *word != sign).take(5).collect();
        // The time at which it began stands before the step.
        matches!(words.as_slice(), [_, _, "acme", _, _]).then(|| words[4].to_owned())
    };
    shown.lines().filter_map(step).collect()
}

fn a_dropped_file_is_seen_step_by_step(fleet: &Fleet, screen: &Screen) {
    screen.press(&["3"]);
    screen.until("the view of jobs", SOON, |shown| shown.contains("STEP") && shown.contains("PROGRESS"));
    let began = Instant::now();
    fleet.drop_file("acme", FILE);
    let (mut ran, mut figures) = (BTreeSet::new(), BTreeSet::new());
    let shown = screen.until("acme is ready", INSTALLATION, |shown| {
        ran.extend(steps(shown, "▶"));
        figures.extend(shown.lines().filter(|line| line.contains('▶')).map(str::to_owned));
        shown.lines().next().is_some_and(|header| header.contains("1 instance: 1 ok"))
    });
    println!("dashboard_drop_to_ready {:.1} s", began.elapsed().as_secs_f64());
    let done = steps(&shown, "✓");
    for step in ["set-role", "create-database", "create-container", "put-site", "obtain-certificate", "set-up"] {
        assert!(done.contains(step), "{step} is not told as done, with the time it took:\n{shown}");
    }
    let longest = ["install-modules", "set-up"];
    assert!(
        longest.iter().any(|step| ran.contains(*step)),
        "the longest step was never seen running: {ran:?}\n{shown}"
    );
    assert!(figures.len() > 10, "the time of what runs goes on: {figures:#?}");
    screen.press(&["1"]);
    screen.until("acme is ready in the table", SOON, |shown| is_in_state(shown, "ready"));
}

fn a_killed_container_is_told_and_its_repair_too(fleet: &Fleet, screen: &Screen) {
    fleet.wait_settled("acme");
    screen.press(&["4"]);
    screen.until("no alert is open", SOON, |shown| shown.contains("No alert is open."));
    let began = Instant::now();
    docker(&["kill", CONTAINER]);
    screen.press(&["1", "Enter", "]"]);
    let events = screen.until("its events", SOON, |shown| is_repaired(shown) && shown.contains("DriftFound"));
    println!("dashboard_kill_to_repair {:.1} s", began.elapsed().as_secs_f64());
    assert!(events.contains("is not running") || events.contains("stopped"), "it says that it died:\n{events}");
    screen.press(&["Escape"]);
    screen.until("acme is ready again", SOON, |shown| is_in_state(shown, "ready"));
    assert_eq!(inspect(CONTAINER, "{{.State.Running}}"), "true");
    screen.press(&["4"]);
    screen.until("nobody is woken by what is repaired at once", SOON, |shown| shown.contains("No alert is open."));
    screen.press(&["1"]);
}

fn is_repaired(shown: &str) -> bool {
    shown.contains("DriftRepaired")
}

/// The process dies by itself, as from want of memory: Docker starts the container again before anybody looks.
fn a_crash_that_docker_mends_is_told(fleet: &Fleet, screen: &Screen) {
    fleet.wait_settled("acme");
    let process: i32 = inspect(CONTAINER, "{{.State.Pid}}").parse().unwrap();
    let process = rustix::process::Pid::from_raw(process).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
    screen.press(&["Enter", "]"]);
    let told = screen.until("the crash is told", SOON, |shown| shown.contains("ContainerDied"));
    assert!(told.contains("Docker started it again"), "and that it came back:\n{told}");
    screen.press(&["Escape"]);
    screen.until("acme serves again", SOON, |shown| is_in_state(shown, "ready"));
    fleet.wait_settled("acme");
}

/// A file that nobody can obey is an alert for as long as nobody mends it: silenced, it is not hidden.
fn an_alert_that_is_silenced_stays_and_says_so(fleet: &Fleet, screen: &Screen) {
    fleet.edit("acme", "plan = \"tiny\"", "plan = \"tinny\"");
    screen.press(&["4"]);
    screen.until("the alert of the broken file", SOON, |shown| shown.contains(" InvalidFile "));
    screen.press(&["s"]);
    screen.until("the question for how long", SOON, |shown| shown.contains("for 1 hour"));
    screen.press(&["j", "Enter"]);
    let silenced =
        screen.until("it is silenced", SOON, |shown| row(shown, "acme").is_some_and(|row| row.contains("silenced")));
    assert!(silenced.contains("until ") && silenced.contains(" by "), "until when, and by whom:\n{silenced}");
    let alerts = fleet.json(&["alerts"]);
    assert_eq!(alerts["alerts"][0]["instance"], "acme", "it counts as before: {alerts:#}");
    assert!(alerts["alerts"][0]["silence"]["until"].is_string(), "{alerts:#}");
    screen.press(&["u"]);
    screen.until("it is open again", SOON, |shown| row(shown, "acme").is_some_and(|row| !row.contains("silenced")));
    fleet.edit("acme", "plan = \"tinny\"", "plan = \"tiny\"");
    screen.until("the alert is over", SOON, |shown| shown.contains("No alert is open."));
    screen.press(&["1"]);
    screen.until("the table", SOON, |shown| is_in_state(shown, "ready"));
}

fn a_stop_from_the_menu_edits_the_file(fleet: &Fleet, screen: &Screen) {
    fleet.wait_settled("acme");
    screen.press(&["."]);
    let menu = screen.until("the menu", SOON, |shown| shown.contains("actions on acme"));
    let entries: Vec<&str> = menu.lines().skip_while(|line| !line.contains("actions on acme")).skip(1).collect();
    let stop = entries.iter().position(|line| line.contains("  stop  ")).unwrap_or_else(|| panic!("no stop:\n{menu}"));
    screen.press(&vec!["Down"; stop]);
    screen.press(&["Enter"]);
    screen.until("it asks first", SOON, |shown| shown.contains("stop this instance?"));
    screen.press(&["y"]);
    let difference = screen.until("the difference", SOON, |shown| shown.contains("+state = \"stopped\""));
    assert!(difference.contains("-state = \"running\""), "{difference}");
    assert_eq!(
        fs::read_to_string(fleet.file("acme")).unwrap(),
        FILE.replace("\"running\"", "\"stopped\""),
        "every other byte is the operator's"
    );
    screen.press(&["Escape"]);
    screen.until("it is stopped", SOON, |shown| is_in_state(shown, "stopped"));
    assert_eq!(inspect(CONTAINER, "{{.State.Running}}"), "false");
}
