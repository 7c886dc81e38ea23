//! How small and how large the numbers in files may be.

use super::fields::Kind;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// Below a tenth of a core Odoo does not answer within a browser's patience; no machine in reach has more than 64.
pub(super) const CORES: Kind = Kind::Cores { millis_min: 100, millis_max: 64_000 };
/// Odoo 19 with the base module alone needs about 200 MiB; 4 TiB is more than any machine in reach has.
pub(super) const MEMORY: Kind = Kind::Size { bytes_min: 256 * MIB, bytes_max: 4 * TIB };
/// An empty database and filestore take about 60 MiB.
pub(super) const DISK: Kind = Kind::Size { bytes_min: GIB / 4, bytes_max: 64 * TIB };
/// Odoo's deployment guide reckons with two workers a core and one; more than 64 in one container are a mistake.
pub(super) const WORKERS: Kind = Kind::Integer { min: 0, max: 64 };
/// More than this many instances no single host has served.
pub(super) const INSTANCES_PER_PLAN: Kind = Kind::Integer { min: 0, max: 100_000 };
/// Backups kept of each age; ten years of days.
pub(super) const KEPT: Kind = Kind::Integer { min: 0, max: 3_650 };
/// A port that a program can listen on.
pub(super) const PORT: Kind = Kind::Integer { min: 1, max: 65_535 };
/// A share in per cent.
pub(super) const PERCENT: Kind = Kind::Integer { min: 0, max: 100 };

/// Free text: a name or a title. Odoo shows longer ones cut off.
pub(super) const FREE_TEXT_CHARS_MAX: usize = 200;
/// Paths, URLs and references; Linux takes paths of up to 4,096 bytes.
pub(super) const REFERENCE_BYTES_MAX: usize = 1_024;
/// Entries of one list; nobody has a thousand modules or domains.
pub(super) const LIST_ENTRIES_MAX: usize = 200;
