//! Whole journeys on real parts: the shipped binary, real Docker, PostgreSQL, nginx, Pebble and Odoo.
//!
//! Journeys run one after the other: there is one nginx for all of them. Each has a fleet, a state directory and so an
//! installation of its own, and clears away what it made, before and after.
#![expect(clippy::disallowed_methods, reason = "a journey waits by the clock on the wall")]
#![expect(clippy::print_stdout, reason = "a journey tells what it took, for `make bench`")]

mod bad_worlds;
mod dashboard;
mod fleet;
mod gallows;
mod odoo;
mod one_customer;
mod person;
mod reports;
mod running_work;
mod the_end;
mod three_customers;
