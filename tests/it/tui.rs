//! The dashboard: its table of keys, its tiers, its panels at every size, and the shipped program in a real terminal.

pub(crate) mod desk;
pub(crate) mod fixtures;
mod laws;
mod panels;
pub(crate) mod pty;
pub(crate) mod stage;
mod tiers;
