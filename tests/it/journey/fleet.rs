//! A fleet of a journey's own on the lab's parts, its daemon, and the clearing away.

use crate::lab::Lab;
use innkeeper::journal::Journal;
use innkeeper::model::time::Timestamp;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A first installation takes one to two minutes alone, and three share two cores.
const READY_TIMEOUT: &str = "10m";
/// Anything that needs no installation.
const SOON: Duration = Duration::from_secs(90);

/// The plans of every journey: few modules, so that a journey waits for Innkeeper and not for Odoo.
const PLANS: &str = r#"
[small]
title = "Small"
modules = ["contacts"]
cpus = 1.0
memory = "768 MiB"
disk = "5 GiB"
workers = 2
max_instances = 5
backup = { schedule = "0 2 * * *", keep = { daily = 7, weekly = 4, monthly = 6 } }

[tiny]
title = "Tiny"
modules = []
cpus = 0.5
memory = "512 MiB"
disk = "2 GiB"
workers = 0
max_instances = 2
backup = { schedule = "0 3 * * *", keep = { daily = 7, weekly = 4, monthly = 6 } }
"#;

/// A fleet directory on the lab's parts, and the daemon that keeps it.
pub(crate) struct Fleet {
    pub(crate) lab: Lab,
    pub(crate) directory: PathBuf,
    pub(crate) state: PathBuf,
    daemon: Option<Child>,
}

impl Fleet {
    /// A new fleet named `name`, with settings that `change` may change, and nothing left over from an earlier run.
    pub(crate) fn new(name: &str, change: impl FnOnce(String) -> String) -> Self {
        let lab = Lab::open();
        let root = lab.path("INNKEEPER_FLEET").parent().unwrap().join("journeys").join(name);
        let fleet = Self { directory: root.join("fleet"), state: root.join("state"), daemon: None, lab };
        fleet.clear_away();
        fs::create_dir_all(fleet.directory.join("instances.d")).unwrap();
        let settings = fs::read_to_string(fleet.lab.path("INNKEEPER_FLEET").join("innkeeper.toml")).unwrap();
        let settings = settings.replace(fleet.lab.get("LAB_STATE"), fleet.state.to_str().unwrap());
        fs::write(fleet.directory.join("innkeeper.toml"), change(settings)).unwrap();
        fs::write(fleet.directory.join("plans.toml"), PLANS).unwrap();
        copy_dir(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx-templates"),
            &fleet.directory.join("nginx-templates"),
        );
        fleet
    }

    /// The instance file's path.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.join("instances.d").join(format!("{name}.toml"))
    }

    /// Drops an instance's file as git does: written in place.
    pub(crate) fn drop_file(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// Edits an instance's file.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(from), "{name}.toml holds no {from:?}:\n{text}");
        fs::write(self.file(name), text.replacen(from, to, 1)).unwrap();
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start_daemon(&mut self) {
        self.spawn_daemon();
        self.until("the daemon answers", SOON, |fleet| {
            fleet.json(&["status"])["daemon"]["running"] == Value::Bool(true)
        });
    }

    /// Starts the daemon.
    pub(crate) fn spawn_daemon(&mut self) {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let daemon = command()
            .arg("--fleet")
            .arg(&self.directory)
            .args(["-v", "run"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.daemon = Some(daemon.unwrap());
    }

    /// Fails when the daemon ended by itself.
    pub(crate) fn assert_daemon_lives(&mut self) {
        let ended = self.daemon.as_mut().map(|daemon| daemon.try_wait().unwrap());
        assert_eq!(ended, Some(None), "the daemon ended by itself\n{}", self.log_tail());
    }

    /// Ends the daemon as an operator does, and returns its exit code.
    pub(crate) fn stop_daemon(&mut self) -> i32 {
        let Some(mut daemon) = self.daemon.take() else { return 0 };
        signal(daemon.id(), rustix::process::Signal::TERM);
        let started = Instant::now();
        loop {
            if let Some(status) = daemon.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            if started.elapsed() > SOON {
                daemon.kill().unwrap();
                panic!("the daemon did not end within {SOON:?}\n{}", self.log_tail());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the daemon as the kernel does: at once, wherever it is.
    pub(crate) fn kill_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
    }

    /// Runs `innkeeper` on this fleet.
    pub(crate) fn innkeeper(&self, arguments: &[&str]) -> Output {
        command().arg("--fleet").arg(&self.directory).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// Runs `innkeeper --json` and reads its document, whatever the exit code.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.innkeeper(&[&["--json"], arguments].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|e| {
            panic!("`innkeeper --json {}` printed no JSON: {e}\n{}", arguments.join(" "), shown(&output))
        })
    }

    /// Runs `innkeeper` and fails with all that it said when it does not end with `code`.
    pub(crate) fn ends_with(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.innkeeper(arguments);
        let ended = output.status.code();
        assert_eq!(ended, Some(code), "`innkeeper {}`:\n{}\n{}", arguments.join(" "), shown(&output), self.log_tail());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until `name` is ready.
    pub(crate) fn wait_ready(&self, names: &[&str]) {
        let arguments = [&["wait"], names, &["--for", "ready", "--timeout", READY_TIMEOUT]].concat();
        self.ends_with(0, &arguments);
    }

    /// Waits until `name`'s newest version is in force and it is ready again.
    pub(crate) fn wait_settled(&self, name: &str) -> Value {
        self.until(&format!("{name} has settled"), SOON * 2, |fleet| {
            let info = fleet.json(&["info", name]);
            info["state"] == "ready" && info["generation"] == info["observed_generation"] && fleet.plan_is_empty()
        });
        self.json(&["info", name])
    }

    /// The instance's state and whether its newest version was brought about, from its status document: it is there
    /// whatever the daemon does, or without one.
    pub(crate) fn document(&self, name: &str) -> (String, bool) {
        let text = fs::read_to_string(self.state.join("status").join(format!("{name}.json"))).unwrap_or_default();
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        let settled = !document.is_null() && document["generation"] == document["observed_generation"];
        (document["state"].as_str().unwrap_or_default().to_owned(), settled)
    }

    /// True when nothing is to be done.
    pub(crate) fn plan_is_empty(&self) -> bool {
        self.json(&["plan"])["changes"] == Value::Array(Vec::new())
    }

    /// Waits, bounded, until `holds`.
    pub(crate) fn until(&self, what: &str, longest: Duration, holds: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !holds(self) {
            let state = || String::from_utf8_lossy(&self.innkeeper(&["status"]).stdout).into_owned();
            let plan = || String::from_utf8_lossy(&self.innkeeper(&["plan"]).stdout).into_owned();
            assert!(
                started.elapsed() < longest,
                "not within {longest:?}: {what}\n{}\n{}\n{}",
                state(),
                plan(),
                self.log_tail()
            );
            std::thread::sleep(Duration::from_millis(250));
        }
    }

    /// The words of the events of an instance, oldest first: `reason: message`.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        let output = self.innkeeper(&["--json", "events", name, "-n", "500"]);
        let lines = String::from_utf8(output.stdout).unwrap();
        let text =
            |event: &Value| format!("{}: {}", event["reason"].as_str().unwrap(), event["message"].as_str().unwrap());
        lines.lines().map(|line| text(&serde_json::from_str(line).unwrap())).collect()
    }

    /// The journal, as it is, without the daemon.
    pub(crate) fn journal(&self) -> Journal {
        Journal::open_read_only(&self.state, Timestamp::now).unwrap()
    }

    /// The daemon's log.
    pub(crate) fn log(&self) -> PathBuf {
        fs::create_dir_all(self.directory.parent().unwrap()).unwrap();
        self.directory.parent().unwrap().join("daemon.log")
    }

    /// The last lines of the daemon's log.
    pub(crate) fn log_tail(&self) -> String {
        let text = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        format!("daemon's log, last lines:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"))
    }

    /// Removes what an installation of this fleet made: exactly what carries its mark, and the proxy's generations.
    fn clear_away(&self) {
        let installation = fs::read_to_string(self.state.join("secrets/installation.id")).unwrap_or_default();
        let installation = installation.trim();
        if !installation.is_empty() {
            let filter = format!("label=io.innkeeper.installation={installation}");
            for (list, remove) in [
                (vec!["ps", "-aq"], vec!["rm", "-fv"]),
                (vec!["volume", "ls", "-q"], vec!["volume", "rm", "-f"]),
                (vec!["network", "ls", "-q"], vec!["network", "rm"]),
            ] {
                let found = docker(&[&list[..], &["--filter", &filter]].concat());
                for object in found.split_whitespace() {
                    docker(&[&remove[..], &[object]].concat());
                }
            }
            for database in self.sql_lines(&format!(
                "SELECT datname FROM pg_database WHERE shobj_description(oid, 'pg_database') LIKE '%{installation}%'"
            )) {
                self.sql(&format!("DROP DATABASE \"{database}\" WITH (FORCE)"));
            }
            for role in self.sql_lines(&format!(
                "SELECT rolname FROM pg_roles WHERE shobj_description(oid, 'pg_authid') LIKE '%{installation}%'"
            )) {
                self.sql(&format!("DROP ROLE \"{role}\""));
            }
        }
        let generations = self.lab.path("LAB_NGINX_CONF").parent().unwrap().join("innkeeper");
        let _ = fs::remove_dir_all(&generations);
        let _ = fs::remove_dir_all(self.directory.parent().unwrap());
        if let Some(nginx) = self.nginx_master() {
            signal(nginx, rustix::process::Signal::HUP);
        }
    }

    /// Process id of the lab's nginx.
    pub(crate) fn nginx_master(&self) -> Option<u32> {
        fs::read_to_string(self.lab.path("LAB_NGINX_PID")).ok()?.trim().parse().ok()
    }

    /// Runs SQL as the superuser, in the maintenance database.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.psql(self.lab.get("LAB_PG_URL"), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same in another database.
    pub(crate) fn sql_in(&self, database: &str, sql: &str) -> String {
        let (server, _) = self.lab.get("LAB_PG_URL").rsplit_once('/').unwrap();
        self.psql(&format!("{server}/{database}"), sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Runs SQL over any connection.
    pub(crate) fn psql(&self, url: &str, sql: &str) -> Result<String, String> {
        let output = Command::new("psql")
            .args([url, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn sql_lines(&self, sql: &str) -> Vec<String> {
        self.sql(sql).lines().map(str::to_owned).collect()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            // A failing journey ends here: what it left is cleared away, whatever else is wrong.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        if !std::thread::panicking() {
            self.clear_away();
        }
    }
}

/// Runs docker and returns what it printed; a failure is printed text too.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// One value of `docker inspect`.
pub(crate) fn inspect(container: &str, format: &str) -> String {
    docker(&["inspect", "--format", format, container])
}

/// Everything that a command said.
pub(crate) fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
    for variable in ["INNKEEPER_FLEET", "INNKEEPER_LOG", "NO_COLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command
}

fn signal(process: u32, signal: rustix::process::Signal) {
    let id = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    let _ = rustix::process::kill_process(id, signal);
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}
