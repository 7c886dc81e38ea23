//! Points in time and spans of time. Nothing here reads a clock: "now" is always handed in.

pub use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// A span of time in whole seconds, written `14d`, `2h15m` or `30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Seconds(pub u64);

/// How long this host has been up, by a clock that nobody can set and that goes on while the host sleeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uptime {
    /// Tells this start of the host from all others.
    pub boot: String,
    /// Seconds since then.
    pub seconds: u64,
}

/// `at` as people read it in a message: in the fleet's zone, which is named, to the minute: `2026-03-01 19:00 +07`.
pub fn told(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// The day in the fleet's zone: `2026-03-01`.
pub fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d").to_string()
}

/// When people are back at work, by the hour of the day.
const MORNING_H: i8 = 8;

/// Eight o'clock tomorrow, where people of the fleet live.
pub fn tomorrow_morning(now: Timestamp, zone: &TimeZone) -> Timestamp {
    let tomorrow = now.to_zoned(zone.clone()).date().tomorrow().map(|date| date.at(MORNING_H, 0, 0, 0));
    let there = tomorrow.and_then(|at| at.to_zoned(zone.clone()));
    there.map_or(now, |zoned| zoned.timestamp())
}

/// A text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a duration: write numbers with units, such as \"14d\", \"2h15m\" or \"30s\" (w, d, h, m, s)")]
pub struct DurationError {
    given: String,
}

impl FromStr for Seconds {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let refused = || DurationError { given: super::name::shorten(text) };
        let mut rest = text;
        let mut total: u64 = 0;
        let mut smaller_than = u64::MAX;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: u64 = rest[..digits].parse().map_err(|_| refused())?;
            let unit = rest.get(digits..=digits).ok_or_else(refused)?;
            let (_, seconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
            if *seconds >= smaller_than {
                return Err(refused());
            }
            smaller_than = *seconds;
            total = number.checked_mul(*seconds).and_then(|part| total.checked_add(part)).ok_or_else(refused)?;
            rest = &rest[digits + 1..];
        }
        if text.is_empty() { Err(refused()) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for Seconds {
    /// The two largest units: `2h15m`, `14d`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut text = String::new();
        let mut written = 0;
        for (name, seconds) in &UNITS[1..] {
            if rest >= *seconds && written < 2 {
                text.push_str(&format!("{}{name}", rest / seconds));
                written += 1;
            } else if written == 1 {
                break;
            }
            rest %= seconds;
        }
        f.pad(if text.is_empty() { "0s" } else { &text })
    }
}

impl Seconds {
    /// The same span for timers.
    pub fn as_std(self) -> std::time::Duration {
        std::time::Duration::from_secs(self.0)
    }
}
