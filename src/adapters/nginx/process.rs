//! The nginx program and its running master: tested with, signalled and asked, never started and never stopped.

use super::names::generation_number;
use super::render::{LOADED_PATH, own_name};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::settings::NginxSettings;
use rustix::process::{Pid, Signal};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

/// A test that takes longer is no test: ten thousand blocks of their own took 22 s.
const TEST_S_MAX: u64 = 120;
/// The program's own answer about how it was built.
const VERSION_S_MAX: u64 = 10;
/// How long the running nginx may take to tell what it has loaded.
const LOADED_S_MAX: u64 = 2;
/// A generation's name and stamp are far shorter.
const LOADED_BYTES_MAX: usize = 256;
/// Of an error log only its newest part is read.
const ERROR_LOG_BYTES_MAX: u64 = 64 * 1024;
/// Where nginx is told no other prefix.
const PREFIX_DEFAULT: &str = "/usr/local/nginx";

/// The nginx of this host.
#[derive(Debug)]
pub(super) struct Program {
    settings: NginxSettings,
    installation: String,
    built: OnceCell<Built>,
    client: reqwest::Client,
}

/// What the program was built with.
#[derive(Debug, Clone)]
struct Built {
    prefix: PathBuf,
    conf: PathBuf,
}

/// What a test said.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    /// It passed.
    pub(super) passed: bool,
    /// How long it took.
    pub(super) took: Duration,
    /// What nginx printed.
    pub(super) output: String,
}

impl Program {
    /// Speaks for the nginx of `settings`.
    ///
    /// # Errors
    /// The TLS library cannot be set up.
    pub(super) fn new(settings: &NginxSettings, installation: &str) -> Result<Self, EdgeError> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(LOADED_S_MAX))
            .build()
            .map_err(|error| failed(ErrorKind::Failed, "could not set up a client for nginx", error))?;
        Ok(Self { settings: settings.clone(), installation: installation.to_owned(), built: OnceCell::new(), client })
    }

    /// nginx's main file: `-c`, else as built in.
    ///
    /// # Errors
    /// `Unreachable` when the program cannot be asked.
    pub(super) async fn main_file(&self) -> Result<PathBuf, EdgeError> {
        let built = self.built.get_or_try_init(|| self.ask_built()).await?;
        let prefix = self.argument("-p").map_or_else(|| built.prefix.clone(), PathBuf::from);
        Ok(prefix.join(self.argument("-c").map_or_else(|| built.conf.clone(), PathBuf::from)))
    }

    /// The file that errors of the main level go to, resolved as nginx does.
    pub(super) fn error_log(&self, named: Option<&Path>) -> Option<PathBuf> {
        let named = named?;
        let text = named.to_str().unwrap_or_default();
        if text == "stderr" || text.starts_with("syslog:") || text.starts_with("memory:") {
            return None;
        }
        let prefix = self.argument("-p").map(PathBuf::from).or_else(|| Some(self.built.get()?.prefix.clone()));
        Some(prefix.unwrap_or_default().join(named))
    }

    /// Tests the configuration in `main`.
    ///
    /// # Errors
    /// `Unreachable` when the program cannot be run, `Timeout` when it does not end.
    pub(super) async fn test(&self, main: &Path) -> Result<Verdict, EdgeError> {
        let mut command = Command::new(&self.settings.binary);
        command.args(self.arguments_without("-c")).arg("-t").arg("-c").arg(main);
        let begun = Instant::now();
        let output = self.run(command, TEST_S_MAX).await?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        Ok(Verdict { passed: output.status.success(), took: begun.elapsed(), output: text })
    }

    /// The running master's process id: the pid file names a living process that calls itself nginx's master.
    pub(super) fn master(&self) -> Option<i32> {
        let text = std::fs::read_to_string(&self.settings.pid_file).ok()?;
        let pid: i32 = text.trim().parse().ok().filter(|pid| *pid > 1)?;
        let title = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        title.starts_with(b"nginx: master process").then_some(pid)
    }

    /// Process ids of the workers that take connections; those that only finish what they began are not among them.
    pub(super) fn workers(&self) -> Vec<i32> {
        self.all_workers().0
    }

    /// How many sets of workers only finish what they began, the last of a set counted as a whole one.
    pub(super) fn draining(&self) -> usize {
        let (taking, finishing) = self.all_workers();
        finishing.len().div_ceil(taking.len().max(1))
    }

    /// Process ids of the workers that take connections, and of those that do not any more.
    fn all_workers(&self) -> (Vec<i32>, Vec<i32>) {
        let Some(master) = self.master() else { return (Vec::new(), Vec::new()) };
        let children = std::fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        let title = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let titled = children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(|pid| (pid, title(pid)));
        let workers = titled.filter(|(_, title)| title.starts_with(b"nginx: worker process"));
        let (finishing, taking): (Vec<_>, Vec<_>) =
            workers.partition(|(_, title)| title.starts_with(b"nginx: worker process is shutting down"));
        let pids = |workers: Vec<(i32, Vec<u8>)>| workers.into_iter().map(|(pid, _)| pid).collect();
        (pids(taking), pids(finishing))
    }

    /// Tells the running master to load its configuration anew.
    ///
    /// # Errors
    /// `Unreachable` when there is none.
    pub(super) fn reload(&self) -> Result<(), EdgeError> {
        let pid = self.master().and_then(Pid::from_raw).ok_or_else(|| self.not_running())?;
        rustix::process::kill_process(pid, Signal::HUP)
            .map_err(|error| failed(ErrorKind::Unreachable, "could not signal nginx's master process", error))
    }

    /// What the running nginx says it has loaded: generation and stamp. None when nobody answers for this installation.
    pub(super) async fn loaded(&self) -> Option<String> {
        let url = format!("http://127.0.0.1:{}{LOADED_PATH}", self.settings.http_port);
        let host = own_name(&self.installation);
        let answer = self.client.get(url).header(reqwest::header::HOST, host).send().await.ok()?;
        if answer.status() != reqwest::StatusCode::OK || answer.content_length()? > LOADED_BYTES_MAX as u64 {
            return None;
        }
        // Somebody else's server may answer for every name.
        answer
            .text()
            .await
            .ok()
            .filter(|told| matches!(told.split_once(' '), Some((name, _)) if generation_number(name).is_some()))
    }

    /// Why nothing is asked of nginx.
    pub(super) fn not_running(&self) -> EdgeError {
        let pid_file = self.settings.pid_file.display();
        EdgeError::plain(
            Edge::Proxy,
            ErrorKind::Unreachable,
            format!("nginx is not running ({pid_file} names no nginx master): start it"),
        )
    }

    async fn ask_built(&self) -> Result<Built, EdgeError> {
        let mut command = Command::new(&self.settings.binary);
        command.arg("-V");
        let output = self.run(command, VERSION_S_MAX).await?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let option = |name: &str| text.split_whitespace().find_map(|word| word.strip_prefix(name)).map(PathBuf::from);
        let prefix = option("--prefix=").unwrap_or_else(|| PathBuf::from(PREFIX_DEFAULT));
        let conf = option("--conf-path=").unwrap_or_else(|| prefix.join("conf/nginx.conf"));
        Ok(Built { prefix, conf })
    }

    async fn run(&self, mut command: Command, seconds_max: u64) -> Result<std::process::Output, EdgeError> {
        let binary = self.settings.binary.display();
        let output = command.kill_on_drop(true).stdin(std::process::Stdio::null()).output();
        match timeout(Duration::from_secs(seconds_max), output).await {
            Ok(Ok(output)) => Ok(output),
            Ok(Err(error)) => Err(failed(ErrorKind::Unreachable, format!("could not run {binary}"), error)),
            Err(_) => Err(EdgeError::plain(
                Edge::Proxy,
                ErrorKind::Timeout,
                format!("{binary} did not end within {seconds_max} s"),
            )),
        }
    }

    fn argument(&self, flag: &str) -> Option<&str> {
        let at = self.settings.arguments.iter().rposition(|argument| argument == flag)?;
        self.settings.arguments.get(at + 1).map(String::as_str)
    }

    fn arguments_without(&self, flag: &str) -> Vec<&str> {
        let mut kept = Vec::new();
        let mut arguments = self.settings.arguments.iter();
        while let Some(argument) = arguments.next() {
            if argument == flag {
                arguments.next();
            } else {
                kept.push(argument.as_str());
            }
        }
        kept
    }
}

/// A failure at this edge.
pub(super) fn failed(
    kind: ErrorKind,
    doing: impl Into<String>,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> EdgeError {
    EdgeError::new(Edge::Proxy, kind, doing, source)
}

/// The messages of one level in what nginx printed or logged, without time and process id.
pub(super) fn messages(text: &str, level: &str) -> Vec<String> {
    let mark = format!("[{level}] ");
    let mut found = Vec::new();
    for line in text.lines() {
        let Some((_, message)) = line.split_once(&mark) else { continue };
        let message = match message.split_once(": ") {
            Some((id, rest)) if id.bytes().all(|b| b.is_ascii_digit() || b == b'#') => rest,
            _ => message,
        };
        if !found.iter().any(|known| known == message) {
            found.push(message.to_owned());
        }
    }
    found
}

/// nginx's error log from one moment on.
#[derive(Debug)]
pub(super) struct ErrorLog {
    file: Option<(PathBuf, u64)>,
}

impl ErrorLog {
    /// Begins now.
    pub(super) fn from_now(path: Option<PathBuf>) -> Self {
        Self { file: path.and_then(|path| path.metadata().ok().map(|data| (path, data.len()))) }
    }

    /// The lines of one level since then.
    pub(super) fn lines_of(&self, level: &str) -> Vec<String> {
        let Some((path, since)) = &self.file else { return Vec::new() };
        let text = read_from(path, *since).unwrap_or_default();
        let mark = format!("[{level}] ");
        text.lines().filter(|line| line.contains(&mark)).map(ToOwned::to_owned).collect()
    }
}

fn read_from(path: &Path, since: u64) -> io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    // A log that is shorter than before was rotated.
    let since = if length < since { 0 } else { since.max(length.saturating_sub(ERROR_LOG_BYTES_MAX)) };
    file.seek(SeekFrom::Start(since))?;
    let mut bytes = Vec::new();
    file.take(ERROR_LOG_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::messages;

    #[test]
    fn messages_are_taken_out_of_prints_and_logs_once_each() {
        let text = "nginx: [warn] conflicting server name \"a\" on 0.0.0.0:80, ignored\n\
                    nginx: [emerg] unknown directive \"x\" in /a/b.conf:3\n\
                    2025/11/23 06:00:00 [emerg] 12#12: bind() to 0.0.0.0:80 failed (98: Address already in use)\n\
                    2025/11/23 06:00:01 [emerg] 12#12: bind() to 0.0.0.0:80 failed (98: Address already in use)\n";
        assert_eq!(
            messages(text, "emerg"),
            ["unknown directive \"x\" in /a/b.conf:3", "bind() to 0.0.0.0:80 failed (98: Address already in use)"]
        );
    }
}
