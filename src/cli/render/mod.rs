//! Everything that turns values into text or JSON documents. Nothing here reads or writes anything.
//!
//! Text is made with colours in it; [`super::context::Context`] takes them out where they are not wanted. Colour is
//! never the only carrier: each coloured word or symbol says the same without it.

pub use plan::render as plan_text;
pub use status::{plain as status_plain, render as status_text};

pub(crate) mod diff;
pub(crate) mod documents;
pub(crate) mod effect;
pub(crate) mod event;
pub(crate) mod graph;
pub(crate) mod info;
pub(crate) mod log;
pub(crate) mod plan;
pub(crate) mod problems;
pub(crate) mod service_plans;
pub(crate) mod status;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod text;
