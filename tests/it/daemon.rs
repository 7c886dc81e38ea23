//! The daemon's parts and the daemon itself, on a rehearsed world.

mod endings;
mod files;
mod house;
mod life;
mod once;
mod secrets;
mod socket;
mod streams;
mod usage;
mod watching;
