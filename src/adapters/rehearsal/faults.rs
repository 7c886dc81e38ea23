//! What goes wrong, and when: by the number of a call, or by chance. It knows no world and no edge's methods.

use crate::edges::{Edge, ErrorKind};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Chances are given in thousandths.
const CHANCE_WHOLE: u16 = 1_000;
/// The longest delay that chance gives: shorter than the deadline of a look.
const DELAY_MS_MAX: u64 = 20_000;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// After so many of the call's moments (0: nothing was done; more than it has: all was done) it ends so.
    Strike {
        /// Moments that are done.
        after: u8,
        /// How it ends.
        how: Strike,
    },
    /// A look shows the world as it was when the look began, so long ago.
    Stale(Duration),
    /// The call begins so much later.
    Delay(Duration),
}

/// How a call ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// With an error.
    Error(ErrorKind),
    /// Innkeeper dies: this call and all others of this life never return.
    Crash,
}

impl Fault {
    /// Fails, and nothing was done.
    pub const FAIL_BEFORE: Self = Self::Strike { after: 0, how: Strike::Error(ErrorKind::Failed) };
    /// Dies before anything was done.
    pub const CRASH_BEFORE: Self = Self::Strike { after: 0, how: Strike::Crash };
}

/// All that goes wrong in a rehearsal.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// By the call's number.
    pub script: BTreeMap<u64, Fault>,
    /// By chance, for calls that the script does not name.
    pub chance: Chance,
    /// Every call that changes something fails before it did anything.
    pub refusing: bool,
    /// Edges that do not answer at all.
    pub down: BTreeSet<Edge>,
}

/// How likely each kind is for one call, in thousandths.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chance {
    /// An error, at any moment of the call.
    pub fail: u16,
    /// A crash, at any moment of the call.
    pub crash: u16,
    /// A stale look.
    pub stale: u16,
    /// A delay.
    pub delay: u16,
}

impl Faults {
    /// Nothing goes wrong but this one call.
    pub fn at(call: u64, fault: Fault) -> Self {
        Self { script: BTreeMap::from([(call, fault)]), ..Self::default() }
    }

    /// What goes wrong with the call of this number, which has so many moments.
    pub(super) fn draw(&self, number: u64, moments: u8, rng: &mut fastrand::Rng) -> Option<Fault> {
        let refused = (self.refusing && moments > 0).then_some(Fault::FAIL_BEFORE);
        self.script.get(&number).copied().or(refused).or_else(|| self.chance.draw(moments, rng))
    }
}

impl Chance {
    fn draw(self, moments: u8, rng: &mut fastrand::Rng) -> Option<Fault> {
        let draw = rng.u16(0..CHANCE_WHOLE);
        let mut upper = 0;
        let falls = |chance: &u16| {
            upper += chance;
            draw < upper
        };
        let kind = [self.fail, self.crash, self.stale, self.delay].iter().position(falls)?;
        let after = rng.u8(0..=moments);
        let span = Duration::from_millis(rng.u64(1..=DELAY_MS_MAX));
        let error = [ErrorKind::Failed, ErrorKind::Unreachable, ErrorKind::Timeout][rng.usize(0..3)];
        match kind {
            0 => Some(Fault::Strike { after, how: Strike::Error(error) }),
            1 => Some(Fault::Strike { after, how: Strike::Crash }),
            2 => Some(Fault::Stale(span)),
            _ => Some(Fault::Delay(span)),
        }
    }
}
