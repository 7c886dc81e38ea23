//! The figures of `make bench`, one line each: `name value unit`. Medians, since machines are noisy.
//!
//! What needs no lab is measured here; `benches/sites.rs` measures a real nginx, the journeys print what they took.
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on fails where it stands")]
#![expect(clippy::print_stdout, reason = "its figures are its answer")]

#[path = "../tests/it/world.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod world;

use innkeeper::diff::facts::Facts;
use innkeeper::model::live::Seen;
use innkeeper::spec::{Reader, example_plans, example_settings};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use world::World;

/// Customers of the large fleet.
const INSTANCES: usize = 10_000;
/// Repetitions; the median is told.
const RUNS: usize = 7;
/// The program's own start is short, so more repetitions cost little.
const STARTS: usize = 51;
/// Re-runs this program for one figure in a process of its own.
const MEMORY_OF: &str = "--memory-of";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == MEMORY_OF) {
        return print_memory(Path::new(&arguments[at + 1]));
    }
    let fleet = tempfile::tempdir().unwrap();
    write_fleet(fleet.path());
    reading(fleet.path());
    memory(fleet.path());
    deciding();
    starting();
}

fn write_fleet(directory: &Path) {
    fs::create_dir(directory.join("instances.d")).unwrap();
    fs::write(directory.join("innkeeper.toml"), example_settings()).unwrap();
    let plans = example_plans().replace("max_instances = 100", "max_instances = 100000");
    fs::write(directory.join("plans.toml"), plans).unwrap();
    for number in 0..INSTANCES {
        fs::write(instance_file(directory, number), instance_text(number, "1 GiB")).unwrap();
    }
}

fn instance_file(directory: &Path, number: usize) -> std::path::PathBuf {
    directory.join(format!("instances.d/customer-{number:05}.toml"))
}

fn instance_text(number: usize, memory: &str) -> String {
    format!(
        "plan = \"starter\"\ndomains = [\"erp.customer-{number:05}.example.net\"]\nmodules = [\"website\"]\n\
         [company]\nname = \"Customer {number} Ltd\"\ncountry = \"VN\"\n[admin]\nemail = \"admin@customer-{number:05}.example.net\"\n\
         [limits]\nmemory = \"{memory}\"\n"
    )
}

fn reading(directory: &Path) {
    let settings = directory.join("innkeeper.toml");
    let first = || {
        let mut reader = Reader::new(directory.to_owned(), settings.clone());
        let fleet = reader.read_now().unwrap();
        assert_eq!(
            fleet.instances.values().filter(|instance| instance.valid).count(),
            INSTANCES,
            "{:?}",
            fleet.problems.first()
        );
        reader
    };
    figure("parse_and_check_10000_files", median(RUNS, || drop(black_box(first()))));

    let mut reader = first();
    let mut facts = fresh(10);
    let mut turn = 0;
    figure(
        "one_changed_file_among_10000_to_changes",
        median_of(RUNS, || {
            turn += 1;
            fs::write(instance_file(directory, 77), instance_text(77, &format!("{turn} GiB"))).unwrap();
            let started = Instant::now();
            let fleet = reader.read_now().unwrap();
            let wanted = fleet.instances.values().nth(77).unwrap().wanted.clone().unwrap();
            facts.instances.insert(wanted.name.clone(), world::instance((*wanted).clone(), 77));
            black_box(innkeeper::diff::changes_of(&facts, &wanted.name));
            started.elapsed()
        }),
    );
}

fn memory(directory: &Path) {
    let output = Command::new(std::env::current_exe().unwrap()).arg(MEMORY_OF).arg(directory).output().unwrap();
    print!("{}", String::from_utf8(output.stdout).unwrap());
}

/// In a process of its own: what holding 10,000 customers' wishes adds to the resident memory.
fn print_memory(directory: &Path) {
    let before = resident_bytes();
    let mut reader = Reader::new(directory.to_owned(), directory.join("innkeeper.toml"));
    let fleet = reader.read_now().unwrap();
    assert_eq!(fleet.instances.len(), INSTANCES);
    println!("memory_of_10000_instances {:.1} MB", (resident_bytes() - before) as f64 / 1e6);
    black_box((reader, fleet));
}

fn resident_bytes() -> u64 {
    let pages: u64 = fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    pages * rustix::param::page_size() as u64
}

fn deciding() {
    let new = fresh(INSTANCES);
    figure("decide_10000_new_instances", median(RUNS, || drop(black_box(innkeeper::diff::changes(&new)))));
    let mut converged = fresh(INSTANCES);
    for _ in 0..3 {
        for changes in innkeeper::diff::changes(&converged).instances.values() {
            for step in &changes.steps {
                world::carry_out(&mut converged, step);
            }
        }
    }
    world::ask_hosts(&mut converged);
    assert!(innkeeper::diff::changes(&converged).instances.is_empty(), "a converged fleet has no changes");
    figure("decide_10000_converged_instances", median(RUNS, || drop(black_box(innkeeper::diff::changes(&converged)))));
}

/// Facts about so many customers that nothing was done for yet.
fn fresh(instances: usize) -> Facts {
    let mut facts = world::facts((0..instances).map(|number| world::wanted(&format!("customer-{number:05}"))));
    std::sync::Arc::make_mut(&mut facts.settings).docker.ports = 20_000..=60_000;
    assert!(matches!(facts.live.engine, Seen::Known(_)));
    facts.engine().ports_in_use.insert(20_001);
    facts
}

fn starting() {
    let start = || {
        let status =
            Command::new(env!("CARGO_BIN_EXE_innkeeper")).arg("--version").stdout(Stdio::null()).status().unwrap();
        assert!(status.success());
    };
    figure("start_of_innkeeper_version", median(STARTS, start));
}

fn figure(name: &str, took: Duration) {
    println!("{name} {:.2} ms", took.as_secs_f64() * 1e3);
}

fn median(runs: usize, mut run: impl FnMut()) -> Duration {
    median_of(runs, || {
        let started = Instant::now();
        run();
        started.elapsed()
    })
}

fn median_of(runs: usize, mut run: impl FnMut() -> Duration) -> Duration {
    let mut took: Vec<Duration> = (0..runs).map(|_| run()).collect();
    took.sort_unstable();
    took[runs / 2]
}
