//! What is remembered of one file: the version that was read last, and whether a newer one has settled. Touches no
//! disk and reads no clock.

use super::codes;
use super::problem::{Faulty, Refusal};
use crate::model::problem::Problem;
use crate::model::time::Timestamp;
use std::path::Path;
use std::sync::Arc;

/// A changed file is read when it looked the same for so long: writers that are slower than this are rare.
pub const SETTLE_MILLIS: i64 = 500;
/// A file that never stops changing is read after this time all the same. A file that was last changed longer ago than
/// this needs no second look.
pub const SETTLE_MILLIS_MAX: i64 = 10_000;
/// Larger files are refused unread: an instance file has about a kilobyte.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// Which version of which file this is, without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size_bytes: u64,
    pub(super) modified_ns: i128,
    /// Set by the kernel at each change of content or inode; nobody can set it back.
    pub(super) changed_ns: i128,
}

/// What stands at a path.
pub(super) enum Sight {
    File(Identity),
    /// Something that cannot be read as a file.
    Refused(Refusal),
    /// Nothing.
    Gone,
}

/// What is to be done about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is the version that was read.
    Keep,
    /// It is being changed: look again soon.
    Wait,
    /// It is a new version.
    Read,
}

/// One file and its last reading.
#[derive(Debug)]
pub(super) struct Slot<T> {
    identity: Option<Identity>,
    changing: Option<Changing>,
    /// What the last reading gave; none when that version has problems.
    pub(super) value: Option<T>,
    /// What that version says in spite of its problems: never in force.
    pub(super) rest: Option<Box<T>>,
    /// What is wrong with the version that was read last.
    pub(super) problems: Vec<Problem>,
    /// Of the bytes that were read last; empty when none could be.
    pub(super) digest: Arc<str>,
}

#[derive(Debug, Clone, Copy)]
struct Changing {
    identity: Identity,
    same_since: Timestamp,
    since: Timestamp,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { identity: None, changing: None, value: None, rest: None, problems: Vec::new(), digest: Arc::default() }
    }
}

impl<T> Slot<T> {
    /// What is to be done about the file, now that it looks like `identity`. Without `now` every new version is read.
    pub(super) fn decide(&mut self, identity: Identity, now: Option<Timestamp>) -> Decision {
        if self.identity == Some(identity) {
            self.changing = None;
            return Decision::Keep;
        }
        let Some(now) = now else { return Decision::Read };
        if millis_between(identity.changed_ns, now.as_nanosecond()) >= i128::from(SETTLE_MILLIS_MAX) {
            return Decision::Read;
        }
        let first_look = Changing { identity, same_since: now, since: now };
        let changing = self.changing.get_or_insert(first_look);
        if now < changing.same_since {
            // The clock was set back; count anew.
            *changing = first_look;
        }
        if changing.identity != identity {
            *changing = Changing { since: changing.since, ..first_look };
        }
        let is_settled = millis(changing.same_since, now) >= i128::from(SETTLE_MILLIS);
        if is_settled || millis(changing.since, now) >= i128::from(SETTLE_MILLIS_MAX) {
            Decision::Read
        } else {
            Decision::Wait
        }
    }

    /// True while a newer version is being waited for.
    pub(super) fn is_unsettled(&self) -> bool {
        self.changing.is_some()
    }

    /// When the version that was read was changed.
    pub(super) fn modified_ns(&self) -> i128 {
        self.identity.map_or(0, |identity| identity.modified_ns)
    }

    /// Takes a reading in.
    pub(super) fn fill(&mut self, reading: Reading<T>) {
        self.identity = reading.identity;
        self.changing = None;
        self.digest = reading.digest;
        (self.value, self.rest, self.problems) = match reading.outcome {
            Ok(value) => (Some(value), None, Vec::new()),
            Err(Faulty { rest, problems }) => (None, rest, problems),
        };
    }
}

/// One version of a file, read.
pub(super) struct Reading<T> {
    /// None when there was no file to read: then every look tries again.
    pub(super) identity: Option<Identity>,
    pub(super) digest: Arc<str>,
    pub(super) outcome: Result<T, Faulty<T>>,
}

impl<T> Reading<T> {
    /// No version at all could be read.
    pub(super) fn refused(file: &Path, identity: Option<Identity>, refusal: Refusal) -> Self {
        let problem = refusal.at(file, super::problem::WHOLE_FILE);
        Self { identity, digest: Arc::default(), outcome: Err(Faulty { rest: None, problems: vec![problem] }) }
    }
}

/// The text in `bytes`, without a byte order mark at its start.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, Refusal> {
    if bytes.is_empty() {
        return Err(empty());
    }
    if bytes.contains(&0) {
        return Err(Refusal::new(&codes::NOT_TEXT, "the file holds zero bytes: it is not text"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        Refusal::new(&codes::NOT_TEXT, format!("the file is not UTF-8 from line {line} on"))
            .hint("save it as plain UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if text.trim().is_empty() { Err(empty()) } else { Ok(text) }
}

fn empty() -> Refusal {
    Refusal::new(&codes::EMPTY, "the file is empty")
        .hint("it is taken for one that is being written until its text is there (an instance is retired by state = \"absent\" in it)")
}

/// The refusal of a file that is too large to be one of ours.
pub(super) fn too_large(size_bytes: u64) -> Refusal {
    let message = format!("the file has {size_bytes} bytes, and may have {FILE_BYTES_MAX}");
    Refusal::new(&codes::TOO_LARGE, message).hint("it was not read; is it the right file?")
}

fn millis(from: Timestamp, to: Timestamp) -> i128 {
    millis_between(from.as_nanosecond(), to.as_nanosecond())
}

fn millis_between(from_ns: i128, to_ns: i128) -> i128 {
    (to_ns - from_ns) / 1_000_000
}
