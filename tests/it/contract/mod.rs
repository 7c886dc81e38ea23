//! The promises of each edge, held against the real systems of the lab.

mod authority;
mod database;
mod disk;
mod engine;
mod proxy;
mod proxy_bench;
mod proxy_sites;
