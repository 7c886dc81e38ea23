//! What `converge` and `simulate` share: a virtual clock, the harness that drives the real turn on a rehearsed world,
//! how worlds are compared, and what must hold at every moment.

pub(crate) mod canonical;
pub(crate) mod clock;
pub(crate) mod course;
pub(crate) mod fleet;
pub(crate) mod invariants;
pub(crate) mod paper;
mod promises;
pub(crate) mod run;
