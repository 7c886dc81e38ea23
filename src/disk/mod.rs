//! Files and directories on disk: replaced whole, made with their mode, read with a limit, measured. The only place that
//! syncs.
//!
//! What a function here has written is on the disk when it returns, and so is the name that leads to it; a function of which
//! that is not true says so. A reader, and whoever starts after a power cut, finds the old file or the new one. Modes are as
//! asked, whatever the umask. Any number of threads and processes may replace the same file: the last one counts.
//!
//! Errors are the system's own, without a path: whoever calls says what was being done with which file.

mod directory;
mod read;
mod space;
mod stream;
mod write;

pub use directory::{
    ensure_directory, make_directory, make_parent, remove_file, remove_tree, rename, set_aside, sync_directory,
    sync_parent, temporary_directory,
};
pub use read::{Content, read_limited};
pub use space::{Space, free_bytes, space, try_room};
pub use stream::Stream;
pub use tempfile::TempDir;
pub use write::{WriteOptions, create_new, give_to_group, replace, sweep, time_of_a_new_file, write_new};

#[cfg(test)]
mod tests;
