//! The machine: disk and time zone.

use super::Finding;
use crate::disk;
use crate::model::settings::Settings;
use crate::model::size::Bytes;
use std::path::Path;

/// Below this nothing new is made.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// Below this share somebody should look after the disk.
const FREE_PERCENT_MIN: u64 = 10;

/// The zone must be one that this system knows, or schedules run at the wrong time.
pub(super) fn time_zone(settings: &Settings) -> Finding {
    let name = &settings.fleet.timezone;
    match jiff::tz::TimeZone::get(name) {
        Ok(_) => Finding::ok("time zone", name.as_str()),
        Err(_) => Finding::fail(
            "time zone",
            format!("this system does not know the time zone {name:?}"),
            "install the package tzdata, or correct `fleet.timezone`",
        ),
    }
}

/// Room where state, and on most hosts the databases and Docker's volumes, are kept.
pub(super) fn disk(state_dir: &Path) -> Finding {
    let Some(directory) = state_dir.ancestors().find(|directory| directory.exists()) else {
        return Finding::warn(
            "disk",
            format!("nothing stands at {}", state_dir.display()),
            "correct `fleet.state_dir`",
        );
    };
    let space = match disk::space(directory) {
        Ok(space) => space,
        Err(error) => {
            return Finding::warn(
                "disk",
                format!("could not look at {}: {error}", directory.display()),
                "see the message",
            );
        }
    };
    let (free, total) = (space.free_bytes, space.total_bytes.max(1));
    let message = format!("{} of {} free at {}", Bytes(free), Bytes(total), directory.display());
    let fix = "free some space: PostgreSQL stops for good on a full disk";
    if free < FREE_BYTES_MIN {
        Finding::fail("disk", message, fix)
    } else if free / (total / 100).max(1) < FREE_PERCENT_MIN {
        Finding::warn("disk", message, fix)
    } else {
        Finding::ok("disk", message)
    }
}
