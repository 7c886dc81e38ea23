//! A file system that is full, for real: every kind of write below the state directory, in the proxy's directory and in
//! that of the backups meets it at each page and at each new file.
//!
//! Each test runs once more in a process and a mount namespace of its own, with a tmpfs of its own as its
//! temporary directory, for which it must be root. It takes the room away but for some pages, or some new files, lets the
//! write meet that, gives room, and lets it happen again: with ever more room, until nothing is in the way any more.

mod archive;
mod certificates;
mod conf;
mod daemon;
mod generations;
mod secrets;

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Says to the second process that it is one.
const MARK: &str = "INNKEEPER_TEST_SMALL_DISK";
/// tmpfs gives whole pages.
const PAGE_BYTES: u64 = 4_096;
/// The disk when it is not full: Innkeeper itself makes nothing new where less than 1 GiB is free. Memory is used as it is
/// written to.
const BYTES_MAX: u64 = 4 << 30;
const FILES_MAX: u64 = 10_000;
/// No write needs more room than this, in pages and in files.
const ROOM_MAX: u64 = 400;

/// What is left on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// So many pages, and files as many as wanted.
    Pages(u64),
    /// So many new files, and pages as many as wanted.
    Files(u64),
}

/// The small disk.
struct Disk {
    path: PathBuf,
}

/// Runs `work` on a small disk; `test` is the full name of the test that calls this.
fn on_a_small_disk(test: &str, work: impl FnOnce(&Disk)) {
    if let Some(path) = std::env::var_os(MARK) {
        let disk = Disk { path: path.into() };
        // A size of 0 would be no limit.
        fs::write(disk.path.join("ballast"), "something").unwrap();
        return work(&disk);
    }
    let dir = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4g,nr_inodes=10000,mode=755 none \"$1\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(dir.path());
    command.arg(std::env::current_exe().unwrap()).args([test, "--exact", "--nocapture"]);
    command.env(MARK, dir.path()).env("TMPDIR", dir.path()).stdin(Stdio::null()).process_group(0);
    let output = command.output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    std::io::stdout().write_all(&output.stdout).unwrap();
}

impl Disk {
    /// Makes the disk so small that this is left.
    fn leave(&self, room: Room) {
        let disk = rustix::fs::statvfs(&self.path).unwrap();
        let (bytes, files) = ((disk.f_blocks - disk.f_bfree) * disk.f_frsize, disk.f_files - disk.f_ffree);
        match room {
            Room::Pages(pages) => self.resize(bytes + pages * PAGE_BYTES, FILES_MAX),
            Room::Files(new) => self.resize(BYTES_MAX, files + new),
        }
    }

    /// There is room again.
    fn free(&self) {
        self.resize(BYTES_MAX, FILES_MAX);
    }

    fn resize(&self, bytes: u64, files: u64) {
        let option = format!("remount,size={bytes},nr_inodes={files}");
        let status = Command::new("mount").args(["-o", &option]).arg(&self.path).status().unwrap();
        assert!(status.success(), "{option}");
    }

    /// Lets `attempt` meet the full disk with ever more room, until nothing is in its way; `broken` looks at what a failed
    /// one left, with its error, while the disk is still full. Returns how often it failed.
    fn sweep<T, E: Error + 'static>(
        &self,
        mut attempt: impl FnMut(&Self, Room) -> Result<T, E>,
        mut broken: impl FnMut(Room, &str),
    ) -> u64 {
        let mut failed = 0;
        for kind in [Room::Pages, Room::Files] {
            let mut rooms = (0..ROOM_MAX).map(kind);
            let enough = rooms.find(|room| match attempt(self, *room) {
                Ok(_) => true,
                Err(error) => {
                    let text = innkeeper::model::status::chain(&error);
                    assert!(is_full(&text), "{room:?}: {text}");
                    broken(*room, &text);
                    failed += 1;
                    false
                }
            });
            self.free();
            assert!(enough.is_some(), "it never succeeds");
        }
        failed
    }
}

/// True for what a full disk is told as: by the system, and by SQLite.
fn is_full(text: &str) -> bool {
    let words =
        ["No space left on device", "database or disk is full", "disk I/O error", "unable to open database file"];
    words.iter().any(|word| text.contains(word))
}

/// Every file below `path`, with its bytes.
fn files(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() && !path.is_symlink() {
            true => found.extend(files(&path)),
            false => found.push((path.clone(), fs::read(&path).unwrap_or_default())),
        }
    }
    found.sort();
    found
}

/// Files that are not whole yet: what a failed write must not leave behind.
fn unfinished(path: &Path) -> Vec<PathBuf> {
    let is_unfinished = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(".new-") || name.ends_with(".new") || name.starts_with(".tmp")
    };
    files(path).into_iter().map(|(path, _)| path).filter(is_unfinished).collect()
}
