//! What becomes a warning of what instances use: only what lasts, and only until it is well over.

use crate::world::now;
use innkeeper::health::Vitals;
use innkeeper::model::service_plan::Limits;
use innkeeper::model::size::Bytes;
use innkeeper::model::status::UsageStatus;
use innkeeper::model::time::Timestamp;
use innkeeper::model::usage::{UsageHistory, UsagePoint};

const GIB: u64 = 1 << 30;

fn limits() -> Limits {
    Limits { cpu_millis: 2_000, memory: Bytes(GIB), disk: Bytes(10 * GIB), workers: 2 }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(now().as_second() + second).unwrap()
}

/// What an instance that is idle uses.
fn idle(second: i64) -> UsageStatus {
    UsageStatus {
        at: at(second),
        cpu_percent: 1.0,
        memory_bytes: GIB / 4,
        memory_limit_bytes: GIB,
        database_bytes: GIB,
        filestore_bytes: GIB,
    }
}

fn reasons(vitals: &Vitals) -> Vec<&'static str> {
    vitals.warnings().iter().map(|warning| warning.reason.as_str()).collect()
}

/// The seconds at which the warnings change, over measurements every 15 s.
fn course(seconds: i64, usage: impl Fn(i64) -> UsageStatus) -> Vec<(i64, Vec<&'static str>)> {
    let (mut vitals, mut before, mut changes) = (Vitals::default(), Vec::new(), Vec::new());
    for second in (0..seconds).step_by(15) {
        vitals = vitals.after(&usage(second), &limits());
        let told = reasons(&vitals);
        if told != before {
            changes.push((second, told.clone()));
            before = told;
        }
    }
    changes
}

#[test]
fn an_idle_instance_worries_nobody() {
    assert_eq!(course(86_400, idle), []);
}

#[test]
fn a_disk_nearly_full_is_told_at_once_and_not_told_on_and_off_around_its_bound() {
    // From 80 % up to 92 % and down again, with a swing of 2 % around each value.
    let percent = |second: i64| {
        let slow = if second < 1_200 { 80 + second / 100 } else { 92 - (second - 1_200) / 100 };
        (slow + if second % 30 == 0 { 1 } else { -1 }).unsigned_abs()
    };
    let told =
        course(2_400, |second| UsageStatus { filestore_bytes: GIB / 10 * percent(second) - GIB, ..idle(second) });
    assert_eq!(told.iter().map(|(_, told)| told.clone()).collect::<Vec<_>>(), [vec!["DiskNearlyFull"], vec![]]);
    assert!((900..1_100).contains(&told[0].0) && (1_700..1_900).contains(&told[1].0), "{told:?}");
}

#[test]
fn a_disk_over_what_was_bought_says_what_can_be_done() {
    let usage = UsageStatus { filestore_bytes: 11 * GIB, ..idle(0) };
    let warnings = Vitals::default().after(&usage, &limits()).warnings();
    assert!(warnings[0].message.contains("12 GiB of the 10 GiB"), "{warnings:?}");
    assert!(warnings[0].message.contains("[limits] disk"), "{warnings:?}");
}

#[test]
fn memory_at_its_limit_is_told_when_it_lasts_ten_minutes() {
    let full = |second| UsageStatus { memory_bytes: GIB - 1, ..idle(second) };
    assert_eq!(course(595, full), []);
    assert_eq!(course(1_800, full), [(600, vec!["MemoryAtLimit"])]);
    // A worker that is recycled every nine minutes gives its memory back.
    assert_eq!(course(7_200, |second| if second % 540 == 0 { idle(second) } else { full(second) }), []);
}

#[test]
fn a_busy_cpu_is_told_by_the_cores_that_were_bought_and_is_over_when_it_rests() {
    let busy = |second| UsageStatus { cpu_percent: 190.0, ..idle(second) };
    let half = |second| UsageStatus { cpu_percent: 95.0, ..idle(second) };
    assert_eq!(course(7_200, half), [], "95 % of one core of two");
    let told = course(3_600, |second| if second < 1_800 { busy(second) } else { half(second) });
    assert_eq!(told, [(900, vec!["CpuBusy"]), (1_800, vec![])]);
}

#[test]
fn what_was_not_measured_does_not_count_as_time() {
    let busy = |second| UsageStatus { cpu_percent: 200.0, ..idle(second) };
    let vitals = Vitals::default().after(&busy(0), &limits()).after(&busy(7_200), &limits());
    assert_eq!(reasons(&vitals), [""; 0], "two hours between two measurements");
    let mut told = vitals;
    for second in (7_215..8_200).step_by(15) {
        told = told.after(&busy(second), &limits());
    }
    assert_eq!(reasons(&told), ["CpuBusy"]);
    // One that was told stays told over a gap, until it is measured to be over.
    let told = told.after(&busy(20_000), &limits());
    assert_eq!(reasons(&told), ["CpuBusy"]);
    assert_eq!(reasons(&told.after(&idle(20_015), &limits())), [""; 0]);
}

/// What an instance has on disk on that day, in GiB.
fn on_day(day: i64, gib: f64) -> UsagePoint {
    let bytes = (gib * GIB as f64) as u64;
    UsagePoint { at: at(day * 86_400), cpu_percent: 0.0, memory_bytes: 0, database_bytes: bytes, filestore_bytes: 0 }
}

#[test]
fn a_disk_that_fills_is_foretold_from_how_it_filled() {
    let history = |month: Vec<UsagePoint>| UsageHistory { month, ..UsageHistory::default() };
    let grows = history((0..=10).map(|day| on_day(day, 1.0 + day as f64 * 0.1)).collect());
    assert!((grows.disk_growth_per_day().unwrap() - 0.1 * GIB as f64).abs() < GIB as f64 / 1_000.0);
    // Two are used, eight are left.
    assert_eq!(grows.days_until_full(10 * GIB), Some(80));
    assert_eq!(grows.days_until_full(GIB), None, "it is over that already");
    assert_eq!(history((0..=10).map(|day| on_day(day, 2.0)).collect()).days_until_full(10 * GIB), None, "it stays");
    assert_eq!(
        history((0..=10).map(|day| on_day(day, 3.0 - day as f64 * 0.1)).collect()).days_until_full(10 * GIB),
        None
    );
    assert_eq!(history(vec![on_day(0, 1.0), on_day(1, 2.0)]).disk_growth_per_day(), None, "one day is no trend");
    assert_eq!(UsageHistory::default().disk_growth_per_day(), None);
}
