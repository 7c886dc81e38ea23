//! A virtual clock: tokio's paused one for waits, and the same one for the time of day.

use crate::world::NOW;
use innkeeper::model::time::Timestamp;
use std::cell::{Cell, RefCell};
use tokio::time::Instant;

thread_local! {
    /// Which moment of tokio's clock is which time of day.
    static START: Cell<Option<(Instant, Timestamp)>> = const { Cell::new(None) };
    static CHANCE: RefCell<fastrand::Rng> =
        const { RefCell::new(fastrand::Rng::with_seed(0)) };
}

/// Runs `work` on this thread, with a clock that begins at `start` and passes only when all wait. `seed` draws chances.
pub(crate) fn rehearse<T>(start: Timestamp, seed: u64, work: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    CHANCE.set(fastrand::Rng::with_seed(seed));
    runtime.block_on(async {
        START.set(Some((Instant::now(), start)));
        let result = work().await;
        START.set(None);
        result
    })
}

/// The time at which a rehearsal begins unless told otherwise.
pub(crate) fn start() -> Timestamp {
    NOW.parse().unwrap()
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    let (began, start) = START.get().expect("a rehearsal is going on");
    start.checked_add(Instant::now().duration_since(began)).unwrap()
}

/// From 0 to 1.
pub(crate) fn chance() -> f64 {
    CHANCE.with_borrow_mut(fastrand::Rng::f64)
}
