//! Wakes → turns: watches the files and the world, and takes one turn at a time for each instance.

mod after;
pub mod board;
mod commit;
mod converge;
mod crew;
mod desk;
mod endings;
mod errands;
mod gauges;
mod host;
mod keeper;
pub mod lock;
mod look;
mod marks;
mod meter;
mod monitor;
pub mod queue;
mod register;
mod run;
mod scan;
mod scene;
pub mod schedule;
mod silences;
mod tell;
pub mod turn;
pub mod watch;

pub use converge::{ConvergeError, Told, converge};
pub use keeper::{Conduct, Connection, Keeper, OpenError, Place, chance, clock, uptime};
pub use monitor::{Due, Plan};
pub use run::{RunError, Signal, run, signals};
pub use scan::ScanError;
