//! The dashboard: what the daemon tells, what a person presses, and what is drawn because of both.
//!
//! [`update::update`] changes the [`state::State`] and hands out effects; [`view::draw`] only reads it; [`app::run`] does
//! the effects and knows the terminal. The dashboard touches nothing but the control socket and its [`app::Hands`].

pub mod app;
pub mod fleet;
pub mod format;
pub mod input;
pub mod keymap;
pub mod keys;
pub mod layout;
pub mod logs;
pub mod look;
pub mod merge;
mod paint;
pub mod preferences;
mod rows;
pub mod state;
mod talk;
mod terminal;
pub mod update;
pub mod view;

pub use app::{Ending, Hands, Setup, run};
