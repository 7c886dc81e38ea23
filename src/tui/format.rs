//! Numbers and times in as few columns as they need.

use crate::model::text::between;
use crate::model::time::Timestamp;
use jiff::tz::TimeZone;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// Seconds in one unit: `42s`, `12m`, `31h`, `62d`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Seconds of a step: `<0.1s`, `0.4s`, `58s`, `1m04s`, `2h03m`.
pub fn taken(milliseconds: u64) -> String {
    let seconds = milliseconds / 1_000;
    match seconds {
        0 if milliseconds < 100 => "<0.1s".to_owned(),
        0..10 => format!("{}.{}s", seconds, milliseconds % 1_000 / 100),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// Milliseconds from `from` to `to`; 0 when it is the wrong way round.
pub fn milliseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.as_millisecond() - from.as_millisecond()).unwrap_or_default()
}

/// How long ago: `3h`.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    span(between(at, now).0)
}

/// Bytes: `18.2G`, `412M`, `3K`.
pub fn size(bytes: u64) -> String {
    match bytes {
        GIB.. => format!("{:.1}G", bytes as f64 / GIB as f64),
        MIB.. => format!("{}M", bytes / MIB),
        _ => format!("{}K", bytes / KIB),
    }
}

/// The time of day in the fleet's zone.
pub fn clock(at: Timestamp, zone: Option<&TimeZone>) -> String {
    at.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC)).strftime("%H:%M:%S").to_string()
}

/// The zone in which times are told, as it is called at that time: `+07`, `CEST`, `UTC`.
pub fn zone_abbreviation(at: Timestamp, zone: Option<&TimeZone>) -> String {
    at.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC)).strftime("%Z").to_string()
}

/// The time of day, with the day before it when that is not today.
pub fn moment(at: Timestamp, now: Timestamp, zone: Option<&TimeZone>) -> String {
    let zone = zone.cloned().unwrap_or(TimeZone::UTC);
    let (then, today) = (at.to_zoned(zone.clone()), now.to_zoned(zone));
    match then.date() == today.date() {
        true => then.strftime("%H:%M:%S").to_string(),
        false => then.strftime("%d %b %H:%M").to_string(),
    }
}

/// Turns that go on and that wait, in words: `2 are worked on, 1 waits its turn`; empty when there are none.
pub fn at_work(running: u64, waiting: u64) -> String {
    let be = |count| if count == 1 { "is" } else { "are" };
    let wait = |count| if count == 1 { "waits its turn" } else { "wait their turn" };
    match (running, waiting) {
        (0, 0) => String::new(),
        (running, 0) => format!("{running} {} worked on", be(running)),
        (0, waiting) => format!("{waiting} {}", wait(waiting)),
        (running, waiting) => format!("{running} {} worked on, {waiting} {}", be(running), wait(waiting)),
    }
}

/// `1 instance`, `2 instances`
pub fn many(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
