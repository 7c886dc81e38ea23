//! The dashboard in tmux: a terminal that others wrote, with a shell in it that wants its screen back.

use crate::tui::fixtures::fleet;
use crate::tui::pty::{fleet_dir, starve};
use crate::tui::stage::Stage;
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tempfile::TempDir;

/// tmux is asked this often, and so many times.
const ASKED_EVERY: Duration = Duration::from_millis(20);
const ASKED_TIMES_MAX: usize = 1_500;
/// What the shell writes when it waits.
const PROMPT: &str = "ready> ";

/// A server of its own, with a shell in its one pane, and a stage that tells a fleet.
struct Tmux {
    dir: TempDir,
    _stage: Stage,
}

/// A way to end the dashboard.
type End<'a> = &'a dyn Fn(&Tmux);

/// What the pane's shell has when nothing runs.
#[derive(Debug, PartialEq)]
struct Terminal {
    /// All settings of the line, as `stty -g` writes them.
    modes: String,
    /// The other screen, the cursor, the mouse, the keypad: as tmux knows them.
    flags: String,
}

impl Tmux {
    fn start() -> Self {
        let dir = fleet_dir();
        let stage = Stage::open(&dir.path().join("state"), fleet(24), 0);
        let tmux = Self { dir, _stage: stage };
        // What an interactive shell reads at its start (POSIX, `sh`, ENV).
        std::fs::write(tmux.path("start"), format!("PS1='{PROMPT}'\n")).unwrap();
        let start = format!("ENV={}", tmux.path("start").display());
        let shell = ["-x", "100", "-y", "30", "-e", &start, "-e", "RUST_BACKTRACE=0", "sh", "-i"];
        tmux.run(&[&["-f", "/dev/null", "new-session", "-d"], &shell[..]].concat());
        tmux.until("the shell", |shown| shown.trim_end() == PROMPT.trim_end());
        tmux
    }

    /// Starts the dashboard and returns the line that did it.
    fn open(&self, before: &str) -> String {
        let line = format!("{before}{} --fleet {} top", env!("CARGO_BIN_EXE_innkeeper"), self.path("").display());
        self.keys(&["-l", &line]);
        self.keys(&["Enter"]);
        self.until("the dashboard", |shown| shown.contains("brightside") && shown.contains("q quit"));
        line
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(self.path("tmux")).args(arguments);
        command.env("LC_ALL", "C.UTF-8").env("TERM", "xterm-256color").env_remove("TMUX").env_remove("NO_COLOR");
        command
    }

    fn run(&self, arguments: &[&str]) -> String {
        let output: Output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        self.run(&[&["send-keys"], keys].concat());
    }

    /// What the pane shows.
    fn shown(&self) -> String {
        self.run(&["capture-pane", "-p", "-J"])
    }

    fn until(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        for _ in 0..ASKED_TIMES_MAX {
            let shown = self.shown();
            if holds(&shown) {
                return shown;
            }
            std::thread::sleep(ASKED_EVERY);
        }
        panic!("waited in vain for {what}:\n{}", self.shown());
    }

    fn told(&self, format: &str) -> String {
        self.run(&["display-message", "-p", format]).trim().to_owned()
    }

    fn terminal(&self) -> Terminal {
        let modes = Command::new("stty").args(["-g", "-F", &self.told("#{pane_tty}")]).output().unwrap();
        let flags = "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{mouse_sgr_flag} #{keypad_flag} #{keypad_cursor_flag} \
             #{insert_flag} #{origin_flag} #{wrap_flag}";
        Terminal { modes: String::from_utf8(modes.stdout).unwrap(), flags: self.told(flags) }
    }

    /// The program that the shell runs.
    fn pid(&self) -> Pid {
        let shell = self.told("#{pane_pid}");
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        Pid::from_raw(children.split_whitespace().last().unwrap().parse().unwrap()).unwrap()
    }

    fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

#[test]
fn whoever_ends_it_however_the_shell_has_its_screen_back() {
    let endings: [(&str, End<'_>, &str); 6] = [
        ("q", &|tmux| tmux.keys(&["m", "?", "Escape", "q"]), ""),
        ("ctrl-c", &|tmux| tmux.keys(&["C-c"]), ""),
        ("SIGTERM", &|tmux| kill_process(tmux.pid(), Signal::TERM).unwrap(), ""),
        ("SIGINT", &|tmux| kill_process(tmux.pid(), Signal::INT).unwrap(), ""),
        ("SIGHUP", &|tmux| kill_process(tmux.pid(), Signal::HUP).unwrap(), ""),
        (
            "a panic",
            &|tmux| {
                starve(tmux.pid());
                tmux.keys(&["Enter", "["]);
            },
            "panicked at",
        ),
    ];
    for (ending, end, told) in endings {
        let tmux = Tmux::start();
        let before = tmux.terminal();
        let line = tmux.open("");
        assert_ne!(tmux.terminal(), before, "it was taken");
        end(&tmux);
        let back = |shown: &str| shown.trim_end().ends_with(&format!("\n{}", PROMPT.trim_end()));
        let after = tmux.until(&format!("the shell after {ending}"), back);
        assert_eq!(tmux.terminal(), before, "after {ending}");
        // The line that was typed, what is told of a panic, and the next prompt: nothing else.
        let typed: String = after.lines().map(str::trim_end).collect();
        assert!(typed.starts_with(&format!("{PROMPT}{line}")), "{after}");
        match told {
            "" => assert_eq!(typed.trim_end(), format!("{PROMPT}{line}{}", PROMPT.trim_end()), "after {ending}"),
            told => assert!(after.contains(told), "{after}"),
        }
    }
}

#[test]
fn whoever_suspends_it_has_the_shell_until_it_goes_on() {
    let tmux = Tmux::start();
    let before = tmux.terminal();
    tmux.open("");
    let taken = tmux.terminal();
    tmux.keys(&["j", "C-z"]);
    tmux.until("the shell", |shown| shown.contains("Stopped") && shown.trim_end().ends_with(PROMPT.trim_end()));
    assert_eq!(tmux.terminal(), before);
    tmux.keys(&["fg", "Enter"]);
    tmux.until("the dashboard", |shown| shown.contains("▸  ▲ baker-sons"));
    assert_eq!(tmux.terminal(), taken);
    tmux.keys(&["q"]);
    tmux.until("the shell", |shown| shown.trim_end().ends_with(PROMPT.trim_end()));
    assert_eq!(tmux.terminal(), before);
}

#[test]
fn an_editor_has_the_screen_as_the_shell_has_it() {
    let tmux = Tmux::start();
    let editor = tmux.path("editor");
    write_program(&editor, "#!/bin/sh\necho edited by hand\nread line\necho \"# $line\" >> \"$1\"\n");
    let before = tmux.terminal();
    tmux.open(&format!("VISUAL= EDITOR={} ", editor.display()));
    let taken = tmux.terminal();
    tmux.keys(&["/"]);
    tmux.keys(&["-l", "cobalt"]);
    tmux.keys(&["Enter", "e"]);
    tmux.until("the editor", |shown| shown.contains("edited by hand"));
    assert_eq!(tmux.terminal(), before);
    tmux.keys(&["paid", "Enter"]);
    tmux.until("the dashboard", |shown| shown.contains("filter: cobalt"));
    assert_eq!(tmux.terminal(), taken);
    assert!(std::fs::read_to_string(tmux.path("instances.d/cobalt.toml")).unwrap().ends_with("# paid\n"));
    tmux.keys(&["q"]);
    tmux.until("the shell", |shown| shown.trim_end().ends_with(PROMPT.trim_end()));
    assert_eq!(tmux.terminal(), before);
}

fn write_program(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_storm_of_sizes_ends_in_the_last_one() {
    let tmux = Tmux::start();
    let before = tmux.terminal();
    tmux.open("");
    for nth in 0..40_u16 {
        tmux.run(&["resize-window", "-x", &(20 + nth * 3).to_string(), "-y", &(6 + nth % 30).to_string()]);
    }
    tmux.run(&["resize-window", "-x", "110", "-y", "33"]);
    tmux.until("the last size", |shown| {
        let rows: Vec<&str> = shown.lines().collect();
        rows.len() == 33
            && rows[2].ends_with('╮')
            && rows[2].chars().count() == 110
            && rows[30].contains("1/24 ─╯")
            && rows[32].contains("q quit")
    });
    tmux.keys(&["q"]);
    tmux.until("the shell", |shown| shown.trim_end().ends_with(PROMPT.trim_end()));
    assert_eq!(tmux.terminal(), before);
}

#[test]
fn a_pane_that_is_closed_ends_it() {
    let tmux = Tmux::start();
    tmux.open("");
    let process = PathBuf::from(format!("/proc/{}", tmux.pid().as_raw_nonzero()));
    tmux.run(&["kill-server"]);
    for _ in 0..ASKED_TIMES_MAX {
        if !process.exists() {
            return;
        }
        std::thread::sleep(ASKED_EVERY);
    }
    panic!("it lives on without a terminal");
}
