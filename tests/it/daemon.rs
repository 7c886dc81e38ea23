//! The daemon's parts and the daemon itself, on a rehearsed world.

mod endings;
mod files;
mod full_disk;
mod guard;
mod house;
mod life;
mod once;
mod removal;
mod roll_out;
mod secrets;
mod silences;
mod socket;
mod streams;
mod under_fire;
mod usage;
mod watching;
