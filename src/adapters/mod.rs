//! The systems behind the traits of `edges`.

pub mod acme;
pub mod directory;
pub mod docker;
pub mod nginx;
pub mod postgres;
pub mod rehearsal;
