//! Simulation: random courses, each from one seed. `INNKEEPER_SEED=…` replays one, `INNKEEPER_SIMULATE_S=…` draws new
//! ones for so long; without either the same ones are run every time, `INNKEEPER_SIMULATE_SEEDS` many.

use crate::rehearsed::course::{self, Tally};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// Without any wish: enough for every rule below to be met with, few enough for `make check`.
const SEEDS_BY_DEFAULT: u64 = 20;
/// After so many violations the run ends: the first ones tell enough.
const VIOLATIONS_MAX: usize = 5;

#[test]
fn no_random_course_breaks_a_promise() {
    let (mut seeds, mut tally, mut broken) = (0_u64, Tally::default(), Vec::new());
    for seed in chosen() {
        match run(seed) {
            Ok(course) => tally.add(course),
            Err(told) => {
                // A long run tells at once what it found.
                eprintln!("INNKEEPER_SEED={seed} broke a promise, after {seeds} seeds");
                broken.push(format!("INNKEEPER_SEED={seed}\n{told}"));
            }
        }
        seeds += 1;
        if broken.len() >= VIOLATIONS_MAX {
            break;
        }
    }
    println!("{seeds} seeds, {} violations: {tally:?}", broken.len());
    assert!(broken.is_empty(), "{}", broken.join("\n\n"));
}

fn run(seed: u64) -> Result<Tally, String> {
    let result = catch_unwind(AssertUnwindSafe(|| course::run(seed)));
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or(panic.downcast_ref::<&str>().map(|it| (*it).to_owned())).unwrap_or("it panicked".to_owned()))
    })
}

#[expect(clippy::disallowed_methods, reason = "random seeds are drawn for so long as a person asked for")]
fn chosen() -> Box<dyn Iterator<Item = u64>> {
    let number = |variable: &str| std::env::var(variable).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("INNKEEPER_SEED") {
        return Box::new(std::iter::once(seed));
    }
    match number("INNKEEPER_SIMULATE_S") {
        None => Box::new(0..number("INNKEEPER_SIMULATE_SEEDS").unwrap_or(SEEDS_BY_DEFAULT)),
        Some(seconds) => {
            let began = Instant::now();
            let more = move || (began.elapsed() < Duration::from_secs(seconds)).then(|| fastrand::u64(..));
            Box::new(std::iter::from_fn(more))
        }
    }
}
