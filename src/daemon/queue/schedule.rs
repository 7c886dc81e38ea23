//! Which name has its turn when: the queue as plain data. It knows no clock, no chance and no task; `now` is the time
//! since the queue began, and is handed in.

use crate::model::backoff;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A name that has its turn, and what brought it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wake<K> {
    /// Which name.
    pub key: K,
    /// What caused it, for the journal: it is no news, and nothing is decided by it.
    pub cause: Option<String>,
}

/// What comes after a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing, until something wakes the name.
    Quiet,
    /// Another turn after so long.
    Again(Duration),
    /// The turn itself failed: another one after a back-off that doubles.
    Failed,
}

/// What the schedule has to offer now.
#[derive(Debug, PartialEq, Eq)]
pub enum Offer<K> {
    /// This name's turn; it must be settled.
    Turn(Wake<K>),
    /// Nothing before then.
    Until(Duration),
    /// Nothing before the next wake.
    Idle,
    /// Nothing any more.
    Closed,
}

/// Why a wake was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many names wait as may wait.
    #[error("the queue is full: the next full look finds what is left out now")]
    Full,
    /// The queue was closed.
    #[error("the queue is closed")]
    Closed,
}

/// Names that wait and names that have their turn. A name is in it once, however often it was woken.
#[derive(Debug)]
pub struct Schedule<K> {
    waiting: BTreeMap<K, Waiting>,
    /// Those of `waiting` that have no turn now, in the order in which they get it.
    order: BTreeSet<(Duration, u64, K)>,
    running: BTreeSet<K>,
    /// Failed turns in a row.
    failures: BTreeMap<K, u32>,
    waiting_max: usize,
    places_given: u64,
    closed: bool,
}

#[derive(Debug)]
struct Waiting {
    due: Duration,
    place: u64,
    cause: Option<String>,
}

impl<K: Ord + Clone> Schedule<K> {
    /// An empty schedule in which at most `waiting_max` names wait.
    pub fn new(waiting_max: usize) -> Self {
        Self {
            waiting: BTreeMap::new(),
            order: BTreeSet::new(),
            running: BTreeSet::new(),
            failures: BTreeMap::new(),
            waiting_max,
            places_given: 0,
            closed: false,
        }
    }

    /// Lets `key` have a turn at `due`. One that waits already is joined: the earlier time and the newer cause hold. One
    /// that has its turn now gets another one afterwards.
    ///
    /// # Errors
    /// [`Refused`]; nothing changed then.
    pub fn wake(&mut self, key: K, cause: Option<String>, due: Duration) -> Result<(), Refused> {
        if self.closed {
            return Err(Refused::Closed);
        }
        if let Some(waiting) = self.waiting.get_mut(&key) {
            waiting.cause = cause.or(waiting.cause.take());
            let due = waiting.due.min(due);
            let before = std::mem::replace(&mut waiting.due, due);
            if self.order.remove(&(before, waiting.place, key.clone())) {
                self.order.insert((due, waiting.place, key));
            }
            return Ok(());
        }
        if self.waiting.len() >= self.waiting_max {
            return Err(Refused::Full);
        }
        self.places_given += 1;
        if !self.running.contains(&key) {
            self.order.insert((due, self.places_given, key.clone()));
        }
        self.waiting.insert(key, Waiting { due, place: self.places_given, cause });
        Ok(())
    }

    /// Offers the turn that is due, the earliest first.
    pub fn take(&mut self, now: Duration) -> Offer<K> {
        if self.closed {
            return Offer::Closed;
        }
        match self.order.first() {
            None => return Offer::Idle,
            Some((due, _, _)) if *due > now => return Offer::Until(*due),
            Some(_) => {}
        }
        let Some((_, _, key)) = self.order.pop_first() else {
            return Offer::Idle;
        };
        self.running.insert(key.clone());
        let cause = self.waiting.remove(&key).and_then(|waiting| waiting.cause);
        Offer::Turn(Wake { key, cause })
    }

    /// Ends the turn of `key`. `chance` in 0..1 spreads the back-off.
    pub fn settle(&mut self, key: K, next: Next, now: Duration, chance: f64) {
        self.running.remove(&key);
        if let Some(waiting) = self.waiting.get(&key) {
            self.order.insert((waiting.due, waiting.place, key.clone()));
        }
        let delay = match next {
            Next::Failed => {
                let failures = self.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                Some(backoff::wait(*failures, chance))
            }
            Next::Again(delay) => {
                self.failures.remove(&key);
                Some(delay)
            }
            Next::Quiet => {
                self.failures.remove(&key);
                None
            }
        };
        if let Some(delay) = delay {
            // Full or closed: the next full look, or the next start, finds the name again.
            let _ = self.wake(key, None, now + delay);
        }
    }

    /// Gives no turn any more and takes no wake.
    pub fn close(&mut self) {
        self.closed = true;
        self.waiting.clear();
        self.order.clear();
    }

    /// How many names wait, those included that have a turn now and get another one.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many names have their turn now.
    pub fn running(&self) -> usize {
        self.running.len()
    }
}
