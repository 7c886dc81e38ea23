//! Wakes → turns.

pub mod backoff;
pub mod queue;
pub mod schedule;
pub mod watch;
