//! Which commit a changed file came with, where the fleet is a git checkout: for people who read the history. Best
//! effort: no answer in time, no git or no checkout is no cause.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// git answers in milliseconds; a checkout on a disk that hangs is not waited for.
const GIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The checkout at this moment.
pub(super) struct Commit {
    /// `a1b2c3d by Ann`
    head: String,
    /// Files that are not as committed, relative to the fleet's directory.
    dirty: BTreeSet<String>,
    /// Files of the fleet that git has at all: of those that it ignores its status says nothing.
    tracked: BTreeSet<String>,
    /// The fleet's directory.
    dir: PathBuf,
}

/// Asks git about the checkout that `dir` is.
pub(super) async fn of(dir: &Path) -> Option<Commit> {
    if !dir.ancestors().any(|dir| dir.join(".git").exists()) {
        return None;
    }
    let (head, status, tracked, prefix) = tokio::join!(
        git(dir, &["log", "-1", "--format=%h by %an"]),
        git(dir, &["status", "--porcelain=v1", "-z", "--untracked-files=all", "--", "."]),
        // Below the present directory, and relative to it.
        git(dir, &["ls-files", "-z", "--", "."]),
        // Paths in the status are relative to the top of the checkout, which the fleet's directory may be below.
        git(dir, &["rev-parse", "--show-prefix"]),
    );
    let (head, status, tracked, prefix) = (head?, status?, tracked?, prefix?);
    let tracked: BTreeSet<String> = tracked.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    if tracked.is_empty() {
        // Somebody else's checkout, which the fleet only lies in.
        return None;
    }
    let path = |entry: &str| entry.get(3..).and_then(|path| path.strip_prefix(prefix.trim())).map(str::to_owned);
    let head = head.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(80).collect();
    Some(Commit { head, dirty: status.split('\0').filter_map(path).collect(), tracked, dir: dir.to_owned() })
}

impl Commit {
    /// What caused the present version of `file`.
    pub(super) fn cause(&self, file: &str) -> String {
        // One that is neither there nor tracked was taken away by a commit.
        let is_ignored = !self.tracked.contains(file) && self.dir.join(file).exists();
        match is_ignored || self.dirty.contains(file) {
            true => "edited, not committed".to_owned(),
            false => format!("commit {}", self.head),
        }
    }
}

async fn git(dir: &Path, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    // Looking must not write: git would refresh its index.
    command.arg("-C").arg(dir).args(arguments).env("GIT_OPTIONAL_LOCKS", "0");
    command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(GIT_TIMEOUT, command.output()).await.ok()?.ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
