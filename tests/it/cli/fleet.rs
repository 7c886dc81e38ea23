//! A fleet in a temporary directory, and the shipped binary run on it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A fleet of its own.
pub(super) struct Fleet {
    root: tempfile::TempDir,
}

/// What one run of the binary left.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ran {
    /// Ends the test unless the program ended with `code`.
    #[track_caller]
    pub(super) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// stdout as the one document that it must be.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {:?}\nstderr: {}", self.stdout, self.stderr))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Fleet {
    /// An empty directory.
    pub(super) fn nowhere() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    /// What `init` writes, with every system at a place where nothing is, and without the example.
    pub(super) fn new() -> Self {
        let fleet = Self::nowhere();
        fleet.run(&["init"]).ended(0);
        std::fs::remove_file(fleet.path("instances.d/mycompany.toml.example")).unwrap();
        let settings = std::fs::read_to_string(fleet.path("innkeeper.toml")).unwrap();
        let root = fleet.root.path().display();
        let ours = [
            ("# state_dir = ", format!("state_dir = \"{root}/state\"\n# ")),
            ("# [docker]", format!("[docker]\nhost = \"unix://{root}/no-docker.sock\"\n# ")),
            (
                "# [nginx]",
                format!(
                    "[nginx]\nconfig_dir = \"{root}/nginx\"\nbinary = \"{root}/no-nginx\"\npid_file = \"{root}/no.pid\"\n# "
                ),
            ),
            ("password_file = ", "# ".to_owned()),
            ("# directory = \"https", "directory = \"https://127.0.0.1:1/dir\"\n# ".to_owned()),
        ];
        let settings = settings.replace("127.0.0.1:5432", "127.0.0.1:1");
        let settings = ours.iter().fold(settings, |text, (before, after)| {
            assert!(text.contains(before), "the example has no {before:?} any more");
            text.replacen(before, after, 1)
        });
        std::fs::write(fleet.path("innkeeper.toml"), settings).unwrap();
        fleet.run(&["check"]).ended(0);
        fleet
    }

    /// The same with one customer, `acme`.
    pub(super) fn with_acme() -> Self {
        let fleet = Self::new();
        fleet
            .run(&["new", "acme", "--plan", "starter", "--company", "Acme", "--admin-email", "admin@acme.example"])
            .ended(0);
        fleet
    }

    pub(super) fn root(&self) -> &Path {
        self.root.path()
    }

    /// Every file in it, with its bytes.
    pub(super) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut folders = vec![self.root().to_owned()];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => folders.push(path),
                    false => drop(files.insert(path.clone(), std::fs::read(path).unwrap())),
                }
            }
        }
        files
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub(super) fn instance(&self, name: &str) -> PathBuf {
        self.path("instances.d").join(format!("{name}.toml"))
    }

    /// The binary, in this fleet, with nothing of the caller's environment but the path.
    pub(super) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_innkeeper"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.root.path());
        command.current_dir(self.root.path()).args(words).stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> Ran {
        self.command(words).output().unwrap().into()
    }
}
