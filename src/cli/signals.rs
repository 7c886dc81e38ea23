//! Signals that end a command: the first asks it to finish, the second ends it.

use super::failure::{Failure, Trouble};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT (ctrl-c) and SIGTERM.
pub(crate) struct Endings {
    interrupt: Signal,
    terminate: Signal,
}

impl Endings {
    /// From now on the two signals come here, and no longer kill.
    pub(crate) fn catch() -> Result<Self, Failure> {
        let failed = |e| Failure::new(Trouble::Failed, format!("could not listen to signals: {e}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
        })
    }

    /// Completes at each of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
