//! What clients of the control socket are told and may ask for.

pub(crate) mod desk;
mod host;
pub(crate) mod progress;
pub(crate) mod scene;
