//! The promises of each edge, once: what the rehearsal and the real adapters have in common.
//!
//! Each promise is a function over a side, a world with one adapter in it and hands that can do damage there. Every side
//! of an edge is held to the whole list of the edge's promises, so neither can learn or forget something by itself: the
//! real ones in `contract::…` in the lab, the rehearsed ones in `rehearsed::promises::…` anywhere.

pub(crate) mod archive;
pub(crate) mod authority;
pub(crate) mod database;
pub(crate) mod engine;
pub(crate) mod proxy;

use innkeeper::edges::{EdgeError, ErrorKind};
use std::fmt::Debug;

/// A world of a test's own with one adapter in it.
pub(crate) trait Side {
    /// Makes such a world, runs the promise in it, and clears it away whatever came of it.
    fn hold(promise: impl AsyncFnOnce(&Self));
}

/// Makes one test of each promise, on one side.
macro_rules! hold_to {
    ($side:ty: $edge:ident $($promise:ident)*) => { $(
        #[test]
        fn $promise() {
            <$side as $crate::contract::promises::Side>::hold(
                async |side| $crate::contract::promises::$edge::$promise(side).await
            );
        }
    )* };
}
pub(crate) use hold_to;

/// The kind of the failure that must have been.
pub(crate) fn kind<T: Debug>(answer: Result<T, EdgeError>) -> ErrorKind {
    answer.expect_err("it must fail").kind
}
