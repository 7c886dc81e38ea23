//! Hands the arguments to `cli` and turns its answer into the exit code.

use innkeeper::model::time::Timestamp;
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(innkeeper::cli::run(std::env::args_os(), clock))
}

#[expect(clippy::disallowed_methods, reason = "main hands the clock to everything below it")]
fn clock() -> Timestamp {
    Timestamp::now()
}
