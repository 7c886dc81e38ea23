//! Looks at the archive, one at a time: a disk that does not answer (a network mount whose server is gone) keeps the thread
//! that asked it, perhaps for ever. It keeps one, and everybody else is told at once.

use crate::edges::{Edge, EdgeError, ErrorKind};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// Reading the manifests of 10,000 instances takes some seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Lets one look through at a time.
pub(super) struct Gate {
    place: Arc<Semaphore>,
    /// When the look began that is under way.
    since: Arc<Mutex<Option<Instant>>>,
    pub(super) patience: Duration,
}

impl Default for Gate {
    fn default() -> Self {
        Self { place: Arc::new(Semaphore::new(1)), since: Arc::default(), patience: PATIENCE }
    }
}

impl Gate {
    /// Looks, unless an earlier look still waits for the disk.
    pub(super) async fn pass<T: Send + 'static>(
        &self,
        doing: &str,
        look: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, EdgeError> {
        let late = |_| {
            let text = format!("the disk did not answer within {} s", self.patience.as_secs_f32());
            EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing, text)
        };
        if since(&self.since).is_some_and(|since| since.elapsed() >= self.patience) {
            let text = "an earlier look still waits for the disk";
            return Err(EdgeError::new(Edge::Archive, ErrorKind::Timeout, doing, text));
        }
        let place = timeout(self.patience, Arc::clone(&self.place).acquire_owned()).await.map_err(late)?;
        let began = Arc::clone(&self.since);
        *since(&began) = Some(Instant::now());
        let work = super::on_disk_for_long(doing, move || {
            let _place = place;
            let looked = look();
            *since(&began) = None;
            looked
        });
        timeout(self.patience, work).await.map_err(late)?
    }
}

fn since(since: &Mutex<Option<Instant>>) -> std::sync::MutexGuard<'_, Option<Instant>> {
    since.lock().unwrap_or_else(PoisonError::into_inner)
}
