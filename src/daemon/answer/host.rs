//! The host that the daemon runs on, for those who watch. What the system does not tell is left open.

use crate::control::view::{EdgeView, HostView};
use crate::daemon::known::keeper::Keeper;
use crate::daemon::look::facts::about_edge;
use crate::disk;
use crate::edges::Edge;

/// The systems in the order in which people think of them.
const EDGES: [Edge; 5] = [Edge::Engine, Edge::Database, Edge::Proxy, Edge::Authority, Edge::Archive];

/// How the host is now. `turns` are those that run and those that wait.
pub(super) fn view(keeper: &Keeper, turns: (usize, usize)) -> HostView {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let space = disk::space(&keeper.connected.fleet.state_dir).ok();
    HostView {
        name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        cpus: std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
        load: std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| text.split(' ').next()?.parse().ok()),
        memory_bytes: memory_line(&memory, "MemTotal:"),
        memory_available_bytes: memory_line(&memory, "MemAvailable:"),
        disk_bytes: space.map(|space| space.total_bytes),
        disk_free_bytes: space.map(|space| space.free_bytes),
        edges: EDGES.into_iter().map(|edge| edge_view(keeper, edge)).collect(),
        turns_running: turns.0 as u64,
        turns_waiting: turns.1 as u64,
    }
}

fn edge_view(keeper: &Keeper, edge: Edge) -> EdgeView {
    let alert = keeper.board.alert_about(&about_edge(edge));
    EdgeView {
        edge: edge.to_string(),
        since: alert.as_ref().map(|alert| alert.since),
        lost: alert.map(|alert| alert.message),
    }
}

/// `MemTotal:       24097348 kB`
fn memory_line(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
