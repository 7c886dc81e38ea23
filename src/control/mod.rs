//! The local socket between the daemon and the commands: JSON lines over `<state_dir>/control.sock`.
//!
//! The daemon says hello first; then each request line is answered by one or more reply lines. Whoever may open the
//! socket (0660) may ask; who asked is known from the peer's credentials. A client that reads slowly misses progress,
//! and never slows the daemon down. A watcher has a conversation of its own, and so has whoever reads an output.

pub mod client;
pub mod protocol;
pub mod server;
mod streams;
pub mod view;

pub use client::{Client, ControlError, LogBatch, LogReading, Watching};
pub use protocol::{
    ApplyRequest, Converged, End, Hello, InstanceEnd, LogOf, LogRequest, Planned, Progress, ProgressWord, Reply,
    Request, SilenceRequest, Verdict,
};
pub use server::{Handler, LogLines, Peer, ProgressSink, Server};

/// The socket's name in the state directory.
pub const SOCKET_FILE: &str = "control.sock";
/// A line is not longer: a fleet of 10,000 instances in full is 30 MB.
pub const LINE_BYTES_MAX: u64 = 256 << 20;
/// A request is not longer: 10,000 names are 400 KB.
pub const REQUEST_BYTES_MAX: u64 = 1 << 20;
