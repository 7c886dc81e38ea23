//! The dashboard: its table of keys, its tiers, its panels at every size, and the shipped program in a real terminal.

mod alerts;
mod desk;
mod fixtures;
mod laws;
mod merged;
mod panels;
mod preferences;
mod pty;
mod reading;
mod stage;
mod tiers;
