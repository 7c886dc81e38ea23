//! One test binary. Modules `contract` and `journey` need the lab (`make lab-up`); all others need nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod backups;
mod bad_instances;
mod browser;
mod cli;
mod contract;
mod converge;
mod daemon;
mod decide;
mod final_backup;
mod floors;
mod fuzz;
mod health;
mod journal;
mod journey;
mod lab;
mod lanes;
mod nginx_rendering;
mod pages;
mod queue;
mod read_fleet;
mod rehearsed;
mod removal;
mod simulate;
mod source;
mod tidy;
mod tui;
mod world;
