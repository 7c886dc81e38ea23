//! A virtual clock: tokio's paused one for waits, and the same one for the time of day, on every thread of a rehearsal.

use crate::world::NOW;
use innkeeper::model::time::{Timestamp, Uptime};
use std::cell::RefCell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;

/// Which moment of tokio's clock is which time of day.
struct Base {
    began: Instant,
    start: Timestamp,
    /// So far somebody has set the clock forward, or back.
    shift_s: AtomicI64,
}

thread_local! {
    static BASE: RefCell<Option<Arc<OnceLock<Base>>>> = const { RefCell::new(None) };
    static CHANCE: RefCell<fastrand::Rng> =
        const { RefCell::new(fastrand::Rng::with_seed(0)) };
}

/// Runs `work` on this thread, with a clock that begins at `start` and passes only when all wait. `seed` draws chances.
pub(crate) fn rehearse<T>(start: Timestamp, seed: u64, work: impl AsyncFnOnce() -> T) -> T {
    let base: Arc<OnceLock<Base>> = Arc::default();
    // Files are read on threads of the runtime's own.
    let of_threads = Arc::clone(&base);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_start(move || BASE.set(Some(Arc::clone(&of_threads))))
        .build()
        .unwrap();
    CHANCE.set(fastrand::Rng::with_seed(seed));
    BASE.set(Some(Arc::clone(&base)));
    runtime.block_on(async {
        let _ = base.set(Base { began: Instant::now(), start, shift_s: AtomicI64::new(0) });
        let result = work().await;
        BASE.set(None);
        result
    })
}

/// The time at which a rehearsal begins unless told otherwise.
pub(crate) fn start() -> Timestamp {
    NOW.parse().unwrap()
}

/// The time of day.
pub(crate) fn now() -> Timestamp {
    with_base(|base| {
        let passed = base.start.checked_add(Instant::now().duration_since(base.began)).unwrap();
        passed.checked_add(jiff::SignedDuration::from_secs(base.shift_s.load(Ordering::Relaxed))).unwrap()
    })
}

/// Sets the clock forward, or back, as an operator or a time server does.
pub(crate) fn shift(seconds: i64) {
    with_base(|base| base.shift_s.fetch_add(seconds, Ordering::Relaxed));
}

/// Seconds on the clock that nobody can set, from [`start`] on.
pub(crate) fn steady_s() -> u64 {
    let begun_s = with_base(|base| base.start.as_second() - start().as_second());
    uptime().seconds + u64::try_from(begun_s).unwrap_or(0)
}

/// The host was started when the rehearsal began.
pub(crate) fn uptime() -> Uptime {
    let seconds = with_base(|base| Instant::now().duration_since(base.began).as_secs());
    Uptime { boot: "rehearsed".to_owned(), seconds }
}

/// From 0 to 1.
pub(crate) fn chance() -> f64 {
    CHANCE.with_borrow_mut(fastrand::Rng::f64)
}

fn with_base<T>(work: impl FnOnce(&Base) -> T) -> T {
    BASE.with_borrow(|base| work(base.as_ref().and_then(|base| base.get()).expect("a rehearsal is going on")))
}
