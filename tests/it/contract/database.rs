//! What a [`innkeeper::edges::Database`] promises. The real PostgreSQL is held to it in the lab.

mod lab;
