//! The words that every floor speaks: plain data, no I/O, no clock.
//!
//! Values here are made at the door (`spec`, the adapters) and are valid from then on; nothing behind the door checks
//! them again. The words are those of `docs/ARCHITECTURE.md`.

pub mod backoff;
pub mod backup;
pub mod changes;
pub mod database;
pub mod errand;
pub mod event;
pub mod filter;
pub mod job_progress;
pub mod live;
pub mod name;
pub mod odoo_options;
pub mod problem;
pub mod secret;
pub mod service;
pub mod service_plan;
pub mod settings;
pub mod silence;
pub mod site;
pub mod size;
pub mod status;
pub mod step;
pub mod step_kind;
pub mod text;
pub mod time;
pub mod tombstone;
pub mod usage;
pub mod wanted;
