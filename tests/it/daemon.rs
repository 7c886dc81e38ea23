//! The daemon's parts and the daemon itself, on a rehearsed world.

mod endings;
mod files;
mod full_disk;
mod house;
mod life;
mod once;
mod removal;
mod secrets;
mod socket;
mod streams;
mod under_fire;
mod usage;
mod watching;
