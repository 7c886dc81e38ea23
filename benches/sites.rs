//! A real nginx with 10,000 sites: what a change takes from the call to the proof that it is loaded, and what it holds.
//! One line a figure: `name value unit`.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails where it stands")]
#![expect(clippy::print_stdout, reason = "its figures are its answer")]

#[path = "../tests/it/contract/proxy/bench.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use more of it")]
mod bench;

use bench::{BASE, Bench, row};
use innkeeper::edges::Proxy;
use innkeeper::edges::proxy::SiteChanges;
use innkeeper::model::site::SitePage;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Customers behind one nginx.
const SITES: u16 = 10_000;
/// Repetitions; the median is told.
const RUNS: usize = 5;
/// After a reload old workers end within nginx's own shutdown time.
const DRAINED: Duration = Duration::from_secs(12);

#[tokio::main]
async fn main() {
    let bench = Bench::start();
    let rows = (0..SITES).map(|number| {
        let name = format!("customer-{number:05}");
        let row = row(&name, &[&format!("{name}.{BASE}")], 20_000 + 2 * number);
        (row.instance.clone(), row)
    });
    let mut all = SiteChanges { put: rows.collect(), ..SiteChanges::default() };
    let started = Instant::now();
    assert!(bench.proxy.publish(&all).await.unwrap().is_empty());
    println!("nginx_10000_sites_first_publication {:.3} s", started.elapsed().as_secs_f64());

    let mut took = Vec::new();
    for run in 0..RUNS {
        let (name, row) = all.put.iter_mut().nth(run * 7).unwrap();
        row.page = SitePage::Stopped;
        let one = SiteChanges { put: [(name.clone(), row.clone())].into(), ..SiteChanges::default() };
        let started = Instant::now();
        assert!(bench.proxy.publish(&one).await.unwrap().is_empty());
        took.push(started.elapsed());
    }
    took.sort_unstable();
    println!("nginx_10000_sites_one_changed_row_published {:.3} s", took[RUNS / 2].as_secs_f64());
    println!("nginx_10000_sites_test {:.3} s", test(&bench).as_secs_f64());
    tokio::time::sleep(DRAINED).await;
    println!("nginx_10000_sites_memory {:.1} MB", memory_bytes(&bench) as f64 / 1e6);
}

/// `nginx -t` alone.
fn test(bench: &Bench) -> Duration {
    let started = Instant::now();
    let output = Command::new(&bench.settings.binary).args(&bench.settings.arguments).arg("-t").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    started.elapsed()
}

/// Memory of master and workers, pages that they share counted once (PSS, proc(5)).
fn memory_bytes(bench: &Bench) -> u64 {
    let master = fs::read_to_string(&bench.settings.pid_file).unwrap().trim().to_owned();
    let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
    let pss = |process: &str| {
        let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
        let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    };
    std::iter::once(master.as_str()).chain(children.split_whitespace()).map(pss).sum()
}
