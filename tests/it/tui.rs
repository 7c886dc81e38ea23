//! The dashboard: its table of keys, its tiers, its panels at every size, and the shipped program in a real terminal.

mod alerts;
pub(crate) mod desk;
pub(crate) mod fixtures;
mod laws;
mod merged;
mod panels;
pub(crate) mod picture;
mod preferences;
pub(crate) mod pty;
mod readable;
mod reading;
pub(crate) mod stage;
mod tiers;
mod truth;
mod whole;
