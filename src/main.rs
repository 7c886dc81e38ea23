//! Parses arguments, calls `cli`, turns the result into an exit code.
fn main() {}
