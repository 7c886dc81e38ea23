//! The command line: help, exit codes, documents, and how plans and tables look. The shipped binary runs in fleets of its
//! own, with an environment of its own; nothing here needs Docker, PostgreSQL, nginx or a daemon.

mod bad_day;
mod checks;
mod fleet;
mod looks;
mod manual;
mod many;
mod operators;
mod output;
mod rehearse;
mod sellers;
mod watchers;
mod words;
