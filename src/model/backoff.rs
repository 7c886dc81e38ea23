//! How long to wait after a failure: pure arithmetic. Time and chance are handed in.

use std::time::Duration;

/// The first wait.
pub const BACK_OFF_FIRST: Duration = Duration::from_secs(1);
/// No wait is longer: a repaired system is noticed within ten minutes whatever happened before.
pub const BACK_OFF_MAX: Duration = Duration::from_mins(10);

/// The wait after `attempts` failures in a row (1 is the first): doubling, at most [`BACK_OFF_MAX`]. `chance` in 0..1
/// takes up to half of it away, so that a hundred instances that failed together do not come back together.
pub fn wait(attempts: u32, chance: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let whole = BACK_OFF_FIRST.saturating_mul(1 << doublings).min(BACK_OFF_MAX);
    whole.mul_f64(1.0 - chance.clamp(0.0, 1.0) / 2.0)
}
