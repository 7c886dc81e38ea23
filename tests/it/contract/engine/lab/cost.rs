//! What counting costs, on as many real containers as a large host has. One line a figure, for `make bench`.

use super::world::{IMAGE, World, docker};
use innkeeper::edges::Engine;
use innkeeper::model::name::Uid;
use std::path::Path;
use std::time::Duration;

/// Containers that run.
const INSTANCES: usize = 100;
/// Of them, started at once: each costs Docker some hundred milliseconds.
const STARTED_AT_ONCE: usize = 10;
/// Times that all are counted.
const ROUNDS: u32 = 20;
/// The daemon counts this often (`daemon::look::meter`).
const COUNTED_EVERY: Duration = Duration::from_secs(15);

#[tokio::test]
async fn counting_a_hundred_instances_takes_less_than_a_per_cent_of_one_core() {
    let world = World::new();
    let all: Vec<usize> = (0..INSTANCES).collect();
    for some in all.chunks(STARTED_AT_ONCE) {
        std::thread::scope(|scope| some.iter().for_each(|nth| drop(scope.spawn(|| start(&world, *nth)))));
    }
    // Containers that are met for the first time are inspected one by one.
    assert_eq!(world.docker.usage().await.unwrap().len(), INSTANCES);
    let before = (of_this_process(), of_docker());
    for _ in 0..ROUNDS {
        assert_eq!(world.docker.usage().await.unwrap().len(), INSTANCES);
    }
    let per_cent = |spent: Duration| 100.0 * (spent / ROUNDS).as_secs_f64() / COUNTED_EVERY.as_secs_f64();
    let (ours, dockers) = (per_cent(of_this_process() - before.0), per_cent(of_docker() - before.1));
    println!("usage_cpu_percent_100_instances {ours:.3} percent");
    // Told only: Docker's daemon works for everybody on this host, and its time says not for whom.
    println!("usage_cpu_percent_100_instances_of_dockerd {dockers:.3} percent");
    assert!(ours > 0.0 && ours <= 1.0, "{ours} %");
}

/// A container as an instance's service is labelled, in which nothing happens.
fn start(world: &World, nth: usize) {
    let label = |key: &str, value: &str| format!("--label=io.innkeeper.{key}={value}");
    let uid = Uid(uuid::Uuid::now_v7()).to_string();
    let labels = [
        label("installation", &world.id.0),
        label("instance", &format!("counted-{nth}")),
        label("uid", &uid),
        label("component", "service"),
    ];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    docker(&[&["run", "--detach", "--network=none", "--entrypoint=sleep"], &labels[..], &[IMAGE, "infinity"]].concat());
}

/// Processor time of this process so far (proc(5), `schedstat`).
fn of_this_process() -> Duration {
    let of = |task: std::path::PathBuf| -> u64 {
        let text = std::fs::read_to_string(task.join("schedstat")).unwrap_or_default();
        text.split(' ').next().unwrap_or_default().parse().unwrap_or_default()
    };
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    Duration::from_nanos(tasks.map(|task| of(task.unwrap().path())).sum())
}

/// Processor time of Docker's daemon so far (proc(5), `stat`: fields 14 and 15, in hundredths of a second).
fn of_docker() -> Duration {
    let mut ticks = 0;
    for process in std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()) {
        let text = |file: &str| std::fs::read_to_string(Path::join(&process, file)).unwrap_or_default();
        if text("comm").trim() == "dockerd" {
            let stat = text("stat");
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            ticks += fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum::<u64>();
        }
    }
    Duration::from_millis(ticks * 10)
}
