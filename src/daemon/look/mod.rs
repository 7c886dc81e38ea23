//! Files and systems → what is known: changed files, facts, usage, and what ends need.

mod commit;
mod endings;
pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod meter;
pub mod watch;
