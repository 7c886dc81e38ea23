//! SIGHUP and the proof that it took effect. A reload that "succeeded" proves nothing: nginx goes on with its old
//! configuration when a port is taken or a zone's key changed.

use super::Nginx;
use crate::edges::EdgeError;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// No proof within this and [`TEST_TIMES`] × the test's time is a failure.
const LOADED_S_MAX: u64 = 5;
const TEST_TIMES: u32 = 3;
/// How often the running nginx is asked.
const POLL_MS: u64 = 10;
/// nginx tries to get a port five times, half a second apart; when it has said nothing new for longer it has given up.
const GIVEN_UP_MS: u64 = 1_200;
/// Old workers stop taking connections a moment after the new ones began; that is awaited so long.
const HANDOVER_S_MAX: u64 = 2;

impl Nginx {
    /// Signals the master and waits until it tells `told`; gives back how long that took. The inner error is what nginx
    /// logged instead.
    ///
    /// # Errors
    /// `Unreachable` when there is no master, or it dies.
    pub(super) async fn load(
        &self,
        told: &str,
        test_took: Duration,
    ) -> Result<Result<Duration, Vec<String>>, EdgeError> {
        let log = super::process::ErrorLog::from_now(self.error_log().await);
        let workers = self.program.workers();
        let begun = Instant::now();
        self.signal()?;
        let deadline = Duration::from_secs(LOADED_S_MAX) + test_took * TEST_TIMES;
        let mut said = (Vec::new(), begun);
        while begun.elapsed() < deadline {
            if self.program.loaded().await.as_deref() == Some(told) {
                self.await_handover(&workers).await;
                return Ok(Ok(begun.elapsed()));
            }
            let lines = log.lines_of("emerg");
            if lines.len() != said.0.len() {
                said = (lines, Instant::now());
            } else if !lines.is_empty() && said.1.elapsed() > Duration::from_millis(GIVEN_UP_MS) {
                break;
            }
            if self.program.master().is_none() {
                return Err(self.program.not_running());
            }
            sleep(Duration::from_millis(POLL_MS)).await;
        }
        let mut messages = super::process::messages(&said.0.join("\n"), "emerg");
        if messages.is_empty() {
            let seconds = begun.elapsed().as_secs();
            messages.push(format!(
                "after {seconds} s it still serves what it served before, and its error log says nothing"
            ));
        }
        Ok(Err(messages))
    }

    /// Tells the master to load what `current` points to, and counts it.
    ///
    /// # Errors
    /// `Unreachable` when there is no master.
    pub(super) fn signal(&self) -> Result<(), EdgeError> {
        self.program.reload()?;
        self.reloads.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Waits until no worker of before takes connections any more: until then some requests meet the old configuration.
    async fn await_handover(&self, old: &[i32]) {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(HANDOVER_S_MAX) {
            let taking = self.program.workers();
            if !old.iter().any(|pid| taking.contains(pid)) {
                return;
            }
            sleep(Duration::from_millis(POLL_MS)).await;
        }
    }

    async fn error_log(&self) -> Option<PathBuf> {
        let main = self.program.main_file().await.ok()?;
        let host = self.cache.host(&main, &self.places).ok()?;
        self.program.error_log(host.facts.error_log.as_deref())
    }
}
