//! One Chromium and the line to it: the DevTools protocol, JSON messages over two pipes, each ended by a zero byte.
//!
//! Chromium ends by itself when its pipe is closed. So nothing of it is left behind, however the test ends.

use rustix::io::Errno;
use rustix::net::AddressFamily;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Chromium has so long to end by itself; then it is killed.
const END_WAIT_MAX: Duration = Duration::from_secs(10);
/// Chromium reads its commands from descriptor 3 and answers on 4. The pipes of `Command` are 0 and 1.
const ONTO_3_AND_4: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >&2"#;
/// Names of the lab lead to this machine, and no other name leads anywhere: a page that asks for one has a failed request.
const NAMES: &str = "MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost";

/// A running Chromium with a profile of its own, which is removed with it.
pub(super) struct Line {
    child: Child,
    commands: Option<ChildStdin>,
    messages: Receiver<Value>,
    number: u64,
    home: TempDir,
}

impl Line {
    /// Starts Chromium, which trusts the certificate authority in the PEM file `root` (and the public ones). What it says on
    /// stderr goes to the file `log`.
    pub(super) fn start(root: Option<&Path>, log: &Path) -> Self {
        let home = tempfile::tempdir().unwrap();
        if let Some(root) = root {
            trust(home.path(), root);
        }
        fs::create_dir(home.path().join("downloads")).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", ONTO_3_AND_4, "sh", "chromium", "--headless", "--remote-debugging-pipe", "--no-sandbox"])
            .args(["--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--disable-background-networking"])
            .args(["--disable-component-update", "--disable-sync", "--disable-extensions", "--no-first-run"])
            .args(["--no-default-browser-check", "--hide-scrollbars", "--force-color-profile=srgb", "--mute-audio"])
            .arg(format!("--host-resolver-rules={NAMES}"))
            .arg(format!("--user-data-dir={}", home.path().join("profile").display()))
            .arg("about:blank")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("LANG", "C.UTF-8")
            .env("HOME", home.path())
            .env("TMPDIR", home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap());
        let mut child = start_deaf(&mut command);
        let (sender, messages) = channel();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            while answers.read_until(0, &mut bytes).is_ok_and(|count| count > 0) {
                let message = serde_json::from_slice(bytes.strip_suffix(&[0]).unwrap_or(&bytes));
                // Half a message is one that Chromium did not end before it ended itself.
                let Ok(message) = message else { return };
                if sender.send(message).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        Self { commands: child.stdin.take(), child, messages, number: 0, home }
    }

    /// Chromium's process.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Where downloads are stored, each as a file that is named by its id.
    pub(super) fn downloads(&self) -> PathBuf {
        self.home.path().join("downloads")
    }

    /// Sends a command to a session (none: the browser as a whole) and returns its number, which the answer will carry.
    /// A Chromium that ended hears nothing; who waits for its answer is told.
    pub(super) fn send(&mut self, session: Option<&str>, method: &str, parameters: &Value) -> u64 {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method, "params": parameters });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        if let Some(commands) = &mut self.commands {
            let bytes = [message.to_string().as_bytes(), &[0]].concat();
            let _ = commands.write_all(&bytes).and_then(|()| commands.flush());
        }
        self.number
    }

    /// The next message, or none within that time.
    ///
    /// # Errors
    /// Chromium ended.
    pub(super) fn next(&mut self, longest: Duration) -> Result<Option<Value>, String> {
        match self.messages.recv_timeout(longest) {
            Ok(message) => Ok(Some(message)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err("Chromium ended by itself, or it is not installed (`lab/install`)".to_owned())
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.commands = None;
        let started = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            if started.elapsed() > END_WAIT_MAX {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Chromium cuts every request when an address of the host comes or goes, and with containers they come and go all the time.
/// So it is refused the socket on which the kernel tells of that. The thread that starts it is refused it first: a process
/// inherits that.
fn start_deaf(command: &mut Command) -> Child {
    let netlink = AddressFamily::NETLINK.as_raw().into();
    let is_netlink = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, netlink).unwrap();
    let rules = [(libc::SYS_socket, vec![SeccompRule::new(vec![is_netlink]).unwrap()])].into();
    let refusal = SeccompAction::Errno(Errno::AFNOSUPPORT.raw_os_error().unsigned_abs());
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refusal, std::env::consts::ARCH.try_into().unwrap()).unwrap();
    let filter: BpfProgram = filter.try_into().unwrap();
    std::thread::scope(|scope| {
        let starting = scope.spawn(|| {
            seccompiler::apply_filter(&filter).unwrap();
            command.spawn().expect("`sh` starts")
        });
        starting.join().unwrap()
    })
}

/// Chromium asks the NSS database in its home whom to trust besides the public authorities.
fn trust(home: &Path, root: &Path) {
    let database = home.join(".pki/nssdb");
    fs::create_dir_all(&database).unwrap();
    let database = format!("sql:{}", database.display());
    let certutil = |arguments: &[&str]| {
        let output = Command::new("certutil").args(["-d", &database]).args(arguments).stdin(Stdio::null()).output();
        let output = output.expect("certutil comes with `lab/install` (libnss3-tools)");
        assert!(output.status.success(), "certutil {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    certutil(&["-N", "--empty-password"]);
    certutil(&["-A", "-n", "root", "-t", "C,,", "-i", root.to_str().unwrap()]);
}
