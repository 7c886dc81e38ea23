//! The promises of the authority's edge, held against a Pebble of each test's own (nonce rejection on), against small
//! servers that misbehave, and against files on disk.

mod bench;
mod budgets;
mod faults;
mod orders;
pub(in crate::contract) mod pebble;
mod promises;
mod redirects;
mod store;
mod web;
mod wildcard;

use innkeeper::model::time::Timestamp;

/// The tests' clock.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "certificates of a real authority are dated by the real clock")]
    Timestamp::now()
}
