//! Files that still change are waited for, within limits. Time is the test's own.

use super::{PLANS, Place, instance_text, name, of, wanted};
use innkeeper::model::time::Timestamp;
use innkeeper::spec::{Reader, SETTLE_MILLIS, SETTLE_MILLIS_MAX};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// A clock that begins within a millisecond of the last change of `file` and moves only when it is told to.
struct Clock(Arc<AtomicI64>);

impl Clock {
    fn at_change_of(place: &Place, file: &str) -> Self {
        let changed = std::fs::metadata(place.path(file)).expect("the file is there");
        Self(Arc::new(AtomicI64::new(changed.ctime() * 1000 + changed.ctime_nsec() / 1_000_000 + 1)))
    }

    fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    fn reader(&self, place: &Place) -> Reader {
        let millis = Arc::clone(&self.0);
        place.reader().settling(move || Timestamp::from_millisecond(millis.load(Ordering::SeqCst)).expect("a time"))
    }
}

fn one_instance() -> (Place, Clock) {
    let place = Place::new();
    place.put_instance("acme", &instance_text(""));
    let clock = Clock::at_change_of(&place, "instances.d/acme.toml");
    (place, clock)
}

#[test]
fn a_new_file_is_read_when_it_looked_the_same_for_half_a_second() {
    let (place, clock) = one_instance();
    let mut reader = clock.reader(&place);
    let fleet = reader.read().expect("a fleet");
    let acme = of(&fleet, "acme");
    assert!(
        !acme.settled && !acme.valid && acme.wanted.is_none() && acme.problems.is_empty() && acme.digest.is_empty()
    );
    assert!(reader.unsettled() && fleet.complete && fleet.problems.is_empty());
    clock.advance(SETTLE_MILLIS - 1);
    assert!(!of(&reader.read().expect("a fleet"), "acme").settled);
    clock.advance(1);
    let fleet = reader.read().expect("a fleet");
    assert!(of(&fleet, "acme").settled && of(&fleet, "acme").valid && !reader.unsettled());
}

#[test]
fn the_former_version_counts_until_the_new_one_settled() {
    let (place, clock) = one_instance();
    clock.advance(SETTLE_MILLIS_MAX);
    let mut reader = clock.reader(&place);
    assert!(of(&reader.read().expect("a fleet"), "acme").valid);
    place.put_instance("acme", "plan = \"sta");
    clock.0.store(Clock::at_change_of(&place, "instances.d/acme.toml").0.load(Ordering::SeqCst), Ordering::SeqCst);
    let fleet = reader.read().expect("a fleet");
    assert!(of(&fleet, "acme").valid && !of(&fleet, "acme").settled && reader.unsettled());
    clock.advance(SETTLE_MILLIS / 2);
    place.put_instance("acme", &instance_text("state = \"stopped\""));
    let fleet = reader.read().expect("a fleet");
    assert_eq!(wanted(&fleet, "acme").state.as_str(), "running");
    clock.advance(SETTLE_MILLIS);
    let fleet = reader.read().expect("a fleet");
    assert_eq!((wanted(&fleet, "acme").state.as_str(), reader.parses()), ("stopped", 4), "the half was never read");
}

#[test]
fn a_file_that_never_stops_changing_is_read_after_ten_seconds() {
    let (place, clock) = one_instance();
    let mut reader = clock.reader(&place);
    let mut waited = 0;
    while !reader.read().expect("a fleet").instances[&name("acme")].valid {
        assert!(waited <= SETTLE_MILLIS_MAX, "it is waited for without an end");
        clock.advance(SETTLE_MILLIS / 2);
        waited += SETTLE_MILLIS / 2;
        place.put_instance("acme", &instance_text(&format!("# {waited}")));
    }
    assert_eq!(waited, SETTLE_MILLIS_MAX);
}

#[test]
fn a_file_that_was_changed_long_ago_needs_no_second_look() {
    let (place, clock) = one_instance();
    clock.advance(SETTLE_MILLIS_MAX);
    let mut reader = clock.reader(&place);
    assert!(of(&reader.read().expect("a fleet"), "acme").valid && !reader.unsettled());
}

#[test]
fn a_clock_that_is_set_back_begins_the_wait_anew() {
    let (place, clock) = one_instance();
    let mut reader = clock.reader(&place);
    reader.read().expect("a fleet");
    clock.advance(-3_600_000);
    assert!(!of(&reader.read().expect("a fleet"), "acme").settled);
    clock.advance(SETTLE_MILLIS);
    assert!(of(&reader.read().expect("a fleet"), "acme").settled);
}

#[test]
fn plans_are_waited_for_only_while_earlier_ones_are_in_force() {
    let (place, clock) = one_instance();
    let mut reader = clock.reader(&place);
    reader.read().expect("the first plans are taken as they are");
    place.put("plans.toml", PLANS.replace("crm", "website"));
    clock.0.store(Clock::at_change_of(&place, "plans.toml").0.load(Ordering::SeqCst), Ordering::SeqCst);
    let modules = |fleet: &innkeeper::spec::Fleet| {
        fleet.plans.values().flat_map(|plan| plan.modules.iter().map(|module| module.to_string())).collect::<Vec<_>>()
    };
    assert_eq!(modules(&reader.read().expect("a fleet")), ["crm"]);
    assert!(reader.unsettled());
    clock.advance(SETTLE_MILLIS);
    assert_eq!(modules(&reader.read().expect("a fleet")), ["website"]);
}

#[test]
fn a_command_that_reads_once_takes_files_as_they_are() {
    let (place, clock) = one_instance();
    let mut reader = clock.reader(&place);
    assert!(of(&reader.read_now().expect("a fleet"), "acme").valid && !reader.unsettled());
}
