//! The queue of the daemon: [`Schedule`] with a clock, for several workers at once.
//!
//! It never gives two turns for one name at once, never loses a wake, and never grows beyond its limit.

pub mod schedule;

use schedule::{Next, Offer, Refused, Schedule, Wake};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Names that may wait: more than any fleet on one host has instances.
pub const QUEUE_NAMES_MAX: usize = 65_536;
/// A wake waits so long for others of the same name: Docker tells of one start in five events.
pub const DEBOUNCE: Duration = Duration::from_millis(50);

/// A keyed, de-duplicated, debounced queue. Clones are the same queue.
pub struct Queue<K: Ord + Clone> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    schedule: Mutex<Schedule<K>>,
    changed: Notify,
    began: Instant,
    debounce: Duration,
    chance: fn() -> f64,
}

/// One turn. Dropped without [`Turn::settle`] (a panic, a cut task) it counts as failed, so that no name is stuck.
pub struct Turn<K: Ord + Clone> {
    wake: Option<Wake<K>>,
    shared: Arc<Shared<K>>,
}

impl<K: Ord + Clone> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: Ord + Clone> Queue<K> {
    /// An empty queue. `chance` gives numbers in 0..1 that spread the back-off.
    pub fn new(debounce: Duration, names_max: usize, chance: fn() -> f64) -> Self {
        let schedule = Mutex::new(Schedule::new(names_max));
        let shared = Shared { schedule, changed: Notify::new(), began: Instant::now(), debounce, chance };
        Self { shared: Arc::new(shared) }
    }

    /// Lets `key` have a turn soon.
    ///
    /// # Errors
    /// The queue is full or closed.
    pub fn wake(&self, key: K, cause: Option<String>) -> Result<(), Refused> {
        self.wake_in(key, cause, self.shared.debounce)
    }

    /// Lets `key` have a turn after `delay`, or earlier when something else wakes it.
    ///
    /// # Errors
    /// The queue is full or closed.
    pub fn wake_in(&self, key: K, cause: Option<String>, delay: Duration) -> Result<(), Refused> {
        let due = self.shared.now() + delay;
        self.shared.schedule().wake(key, cause, due)?;
        self.shared.changed.notify_waiters();
        Ok(())
    }

    /// Waits for the next turn; none once the queue is closed. Dropping the future loses nothing.
    pub async fn next(&self) -> Option<Turn<K>> {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // From here on a change is noticed, also one that comes before the wait below.
            changed.as_mut().enable();
            let offer = self.shared.schedule().take(self.shared.now());
            match offer {
                Offer::Turn(wake) => return Some(Turn { wake: Some(wake), shared: Arc::clone(&self.shared) }),
                Offer::Closed => return None,
                Offer::Idle => changed.await,
                Offer::Until(due) => {
                    let _ = tokio::time::timeout_at(self.shared.began + due, changed).await;
                }
            }
        }
    }

    /// Gives no turn any more; turns that run are settled without effect.
    pub fn close(&self) {
        self.shared.schedule().close();
        self.shared.changed.notify_waiters();
    }

    /// How many names have their turn, and how many wait for one.
    pub fn counts(&self) -> (usize, usize) {
        let schedule = self.shared.schedule();
        (schedule.running(), schedule.waiting())
    }

    /// True when no name waits and none has its turn.
    pub fn is_idle(&self) -> bool {
        let schedule = self.shared.schedule();
        schedule.waiting() == 0 && schedule.running() == 0
    }
}

impl<K: Ord + Clone> Turn<K> {
    /// Whose turn it is.
    pub fn wake(&self) -> &Wake<K> {
        self.wake.as_ref().unwrap_or_else(|| unreachable!("a turn has its wake until it is settled"))
    }

    /// Ends the turn.
    pub fn settle(mut self, next: Next) {
        self.end(next);
    }

    fn end(&mut self, next: Next) {
        if let Some(wake) = self.wake.take() {
            self.shared.schedule().settle(wake.key, next, self.shared.now(), (self.shared.chance)());
            self.shared.changed.notify_waiters();
        }
    }
}

impl<K: Ord + Clone> Drop for Turn<K> {
    fn drop(&mut self) {
        self.end(Next::Failed);
    }
}

impl<K> Shared<K> {
    fn schedule(&self) -> MutexGuard<'_, Schedule<K>> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }
}
