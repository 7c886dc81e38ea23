//! What a [`innkeeper::edges::Database`] promises. The real PostgreSQL is held to it in the lab.

pub(crate) mod lab;
mod promises;
