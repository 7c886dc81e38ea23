//! Facts → Changes: every decision. No I/O, no async, no clock, no chance.
pub mod facts;
