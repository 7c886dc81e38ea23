//! The daemon's parts and the daemon itself, on a rehearsed world.

mod clock;
mod conf;
mod doing;
mod down;
mod drift;
mod endings;
mod errand;
mod failure;
mod files;
mod fleet_files;
mod full_disk;
mod guard;
pub(crate) mod house;
mod identity;
mod life;
mod lost_data;
mod mass_removal;
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
