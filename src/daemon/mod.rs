//! Wakes → turns: watches the files and the world, and takes one turn at a time for each instance.
//!
//! The rooms in their order, each knows those before it: `queue` says whose turn it is, `known` is what the process remembers,
//! `look` takes in files and the world, `turn` decides and acts, `crew` takes turns side by side, `answer` speaks with clients,
//! and `run` is the process.

mod answer;
mod crew;
pub mod known;
pub mod look;
pub mod queue;
mod run;
pub mod turn;

pub use crew::converge::{ConvergeError, Told, converge};
pub use known::keeper::{Conduct, Connection, Keeper, OpenError, Place, chance, clock, uptime};
pub use look::files::ScanError;
pub use run::{RunError, Signal, run, signals};
pub use turn::monitor::{Due, Plan};
