//! dns-01 through the operator's program: `program… present <name> <value>`, later `program… cleanup <name> <value>`.
//! No shell is between, and no DNS provider is known here.

use super::Patience;
use super::dns::Dns;
use crate::edges::{Edge, EdgeError, ErrorKind};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// How much of what the program wrote to its standard error is kept: the end of it.
const STDERR_BYTES_MAX: usize = 4 * 1024;
/// A program that ended may have left a child that holds its standard error open; it is not waited for.
const STDERR_GRACE_MS: u64 = 500;
/// How often the DNS is asked whether the record is there.
const VISIBLE_POLL_MS: u64 = 1_000;

/// A TXT record that proves a name (RFC 8555, section 8.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    /// `_acme-challenge.example.com`
    pub(super) name: String,
    /// The digest that the authority looks for; no secret.
    pub(super) value: String,
}

/// The operator's program.
pub(super) struct Hook {
    pub(super) command: Option<Vec<String>>,
    pub(super) dns: Dns,
    pub(super) patience: Patience,
}

impl Hook {
    /// Asks the program to publish the record.
    pub(super) async fn present(&self, record: &Record) -> Result<(), EdgeError> {
        self.call("present", record).await
    }

    /// Asks the program to take the record back. A failure is told in the log only: the certificate does not need it.
    pub(super) async fn clean_up(&self, record: &Record) {
        if let Err(e) = self.call("cleanup", record).await {
            tracing::warn!(
                record = record.name,
                error = crate::model::status::chain(&e),
                "the DNS record was left behind"
            );
        }
    }

    /// Waits until the record is visible. False when it was not, within the time: a resolver may remember its absence
    /// for longer than the authority does, so this alone is no reason to give up.
    pub(super) async fn wait_visible(&self, record: &Record) -> bool {
        let seen = async {
            loop {
                match self.dns.texts(&record.name).await {
                    Ok(texts) if texts.contains(&record.value) => return,
                    Ok(_) => {}
                    Err(e) => tracing::debug!(record = record.name, error = %e, "the DNS could not be asked"),
                }
                tokio::time::sleep(Duration::from_millis(VISIBLE_POLL_MS).min(self.patience.record)).await;
            }
        };
        tokio::time::timeout(self.patience.record, seen).await.is_ok()
    }

    /// Which DNS is asked, for people.
    pub(super) fn dns(&self) -> &Dns {
        &self.dns
    }

    async fn call(&self, verb: &str, record: &Record) -> Result<(), EdgeError> {
        let doing = format!("could not {verb} the DNS record {} by [acme] wildcard_hook", record.name);
        let failed = |why: String| EdgeError::new(Edge::Authority, ErrorKind::Failed, &doing, why);
        let Some((program, arguments)) = self.command.as_ref().and_then(|command| command.split_first()) else {
            return Err(failed("no program is set there, and a wildcard certificate needs one".to_owned()));
        };
        let mut command = Command::new(program);
        command.args(arguments).args([verb, &record.name, &record.value]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A group of its own, so that the deadline ends what the program started too.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|e| failed(format!("{program} could not be started: {e}")))?;
        let limit = self.patience.hook;
        match self.ended(child, limit).await {
            Ok((status, _)) if status.success() => Ok(()),
            Ok((status, stderr)) => Err(failed(format!("{program} ended with {status}{}", quoted(&stderr)))),
            Err(Some(e)) => Err(failed(format!("{program} could not be waited for: {e}"))),
            Err(None) => Err(EdgeError::new(
                Edge::Authority,
                ErrorKind::Timeout,
                &doing,
                format!("{program} did not end within {} s and was stopped", limit.as_secs()),
            )),
        }
    }

    /// The program's end and the end of what it complained about; no error at all when its time passed.
    async fn ended(&self, mut child: Child, limit: Duration) -> Result<(ExitStatus, String), Option<std::io::Error>> {
        let group = child.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
        let stderr = child.stderr.take();
        let complaints = tokio::spawn(async move { last_of(stderr).await });
        let Ok(waited) = tokio::time::timeout(limit, child.wait()).await else {
            if let Some(group) = group {
                let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
            }
            return Err(None);
        };
        let status = waited.map_err(Some)?;
        let text = tokio::time::timeout(Duration::from_millis(STDERR_GRACE_MS), complaints).await;
        Ok((status, text.ok().and_then(Result::ok).unwrap_or_default()))
    }
}

/// Reads to the end and keeps the last bytes: the program never waits for a reader.
async fn last_of(stream: Option<impl AsyncRead + Unpin>) -> String {
    let (mut kept, mut chunk) = (Vec::new(), [0; 1024]);
    let Some(mut stream) = stream else { return String::new() };
    while let Ok(read @ 1..) = stream.read(&mut chunk).await {
        kept.extend_from_slice(&chunk[..read]);
        kept.drain(..kept.len().saturating_sub(STDERR_BYTES_MAX));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

fn quoted(stderr: &str) -> String {
    let text: Vec<&str> = stderr.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if text.is_empty() { " and said nothing".to_owned() } else { format!(": {}", text.join(" | ")) }
}
