//! Innkeeper keeps one Odoo for each customer, exactly as a file asks for it.
//!
//! The map, in reading order. A module imports only from floors below its own, never sideways; a test keeps that.
//!
//! | floor | modules |
//! |---|---|
//! | 1 | [`model`]: the words |
//! | 2 | [`spec`]: files → wanted · [`diff`]: facts → changes · [`disk`]: files, written whole · [`health`]: usage → warnings · [`edges`]: all that can be touched · [`journal`]: what happened · [`control`]: the local socket |
//! | 3 | [`observe`]: edges → live · [`apply`]: changes → edges · [`adapters`]: the systems behind the edges · [`tui`]: the dashboard |
//! | 4 | [`daemon`]: wakes → turns · [`connect`]: settings → edges |
//! | 5 | [`cli`]: one file a command |

pub mod model;

pub mod control;
pub mod diff;
pub mod disk;
pub mod edges;
pub mod health;
pub mod journal;
pub mod spec;

pub mod adapters;
pub mod apply;
pub mod observe;
pub mod tui;

pub mod connect;
pub mod daemon;

pub mod cli;
