//! What nginx promises as the proxy's edge, on an nginx of each test's own, and what a visitor of its sites meets.

pub(crate) mod bench;
mod doors;
mod edits;
mod host;
mod pages;
mod promises;
mod publications;
mod running_work;
mod sites;
mod templates;
mod visits;

use bench::Bench;
use innkeeper::model::name::InstanceName;

/// Nothing was refused.
const NOTHING: [&str; 0] = [];

fn name(name: &str) -> InstanceName {
    InstanceName::parse(name).unwrap()
}

/// Is `host` served?
async fn serves(bench: &Bench, host: &str) -> bool {
    bench
        .send(host, &format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
        .await
        .is_ok_and(|r| r.status == 200)
}
