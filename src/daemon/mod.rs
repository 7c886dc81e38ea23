//! Wakes → turns.

pub mod backoff;
pub mod board;
pub mod lock;
pub mod queue;
pub mod schedule;
pub mod watch;
