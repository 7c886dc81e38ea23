//! Wakes → turns.

mod after;
pub mod backoff;
pub mod board;
mod commit;
mod errands;
mod keeper;
pub mod lock;
mod look;
mod monitor;
pub mod queue;
mod register;
mod scan;
pub mod schedule;
mod tell;
pub mod turn;
pub mod watch;

pub use keeper::{Conduct, Connection, Keeper, OpenError, Place, chance, clock};
pub use monitor::Plan;
pub use scan::ScanError;
