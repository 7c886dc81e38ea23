//! The daemon's parts and the daemon itself, on a small world in memory.

mod files;
mod socket;
mod watching;
