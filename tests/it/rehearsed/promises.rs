//! The rehearsal, held to the promises of every edge that the real adapters are held to in the lab.

mod archive;
mod authority;
mod database;
mod engine;
mod proxy;

use super::clock;
use crate::contract::promises::Side;
use innkeeper::adapters::rehearsal::{Faults, Rehearsal, World};
use innkeeper::edges::Edge;

/// The image that is on the host.
const IMAGE: &str = "odoo:19.0";

/// A rehearsed host on which nothing of ours stands yet.
struct Stage {
    rehearsal: Rehearsal,
}

impl Side for Stage {
    fn hold(promised: impl AsyncFnOnce(&Self)) {
        clock::rehearse(clock::start(), 1, async || {
            let rehearsal = Rehearsal::new(1, World::fresh([IMAGE]), clock::now);
            promised(&Self { rehearsal }).await;
        });
    }
}

impl Stage {
    /// From now on nothing answers at this edge.
    fn take_down(&self, edge: Edge) {
        self.rehearsal.set_faults(Faults { down: [edge].into(), ..Faults::default() });
    }
}
