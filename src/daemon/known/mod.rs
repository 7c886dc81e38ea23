//! What the process remembers between two looks. All of it may be lost at any moment.

pub(crate) mod alerts;
pub mod board;
mod documents;
pub(crate) mod gauges;
pub(crate) mod keeper;
pub mod lock;
mod marks;
pub(crate) mod passwords;
pub(crate) mod register;
mod silences;
