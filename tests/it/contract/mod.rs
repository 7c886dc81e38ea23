//! The promises of each edge, held against the real systems of the lab. Those that the rehearsal keeps too
//! stand in `promises`.

mod archive;
mod authority;
mod browser;
mod database;
mod disk;
mod engine;
mod firewall;
mod hundred_sites;
mod picture;
pub(crate) mod promises;
pub(crate) mod proxy;
mod tmux;
