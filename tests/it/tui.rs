//! The dashboard: its table of keys, its tiers, its panels at every size, and the shipped program in a real terminal.

mod desk;
mod fixtures;
mod laws;
mod panels;
mod pty;
mod stage;
mod tiers;
