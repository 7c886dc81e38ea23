//! Files → what is wanted, or problems that point at the line.
//!
//! [`Reader::read`] reads settings, plans and instance files of a fleet. It concludes nothing from what it could not
//! see: a file that is empty, half written or wrong leaves its last good version in force, a directory that is gone
//! leaves all instances as they were. One bad file touches no other. Nothing here writes, and only this file touches
//! the disk.
//!
//! Reading order: `fields` (every key there is) → `tree` and `values` (how one is read) → `instance`, `plans`,
//! `settings` → `resolve` (one file on this host) → `fleet` (rules across files).

mod addresses;
mod codes;
mod conf;
mod edit;
mod entry;
mod fields;
mod fleet;
mod in_force;
mod instance;
mod limits;
mod lists;
mod manual;
mod offers;
mod plans;
mod problem;
mod provisional;
mod reader;
mod render;
mod resolve;
mod schema;
mod settings;
mod slot;
mod tree;
mod values;

pub use codes::{Code, codes};
pub use edit::{EditError, set_state, set_state_dir};
pub use fields::FileKind;
pub use in_force::{InForce, settings_in_force};
pub(crate) use lists::{COUNTRIES, LANGUAGES};
pub use manual::{Key, Section, manual};
pub use offers::{module_names, plan_names, releases};
pub(crate) use problem::nearest;
pub use reader::Reader;
pub use render::{NewInstance, example_files, example_instance, example_plans, example_settings, render_instance};
pub use schema::schema;
pub use slot::{FILE_BYTES_MAX, SETTLE_MILLIS, SETTLE_MILLIS_MAX};

use crate::model::name::{Domain, InstanceName, PlanName, Subdomain, TemplateName};
use crate::model::problem::Problem;
use crate::model::secret::hex;
use crate::model::service_plan::ServicePlan;
use crate::model::settings::Settings;
use crate::model::wanted::Wanted;
use problem::Refusal;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use slot::{Identity, Sight};
use std::collections::BTreeMap;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

/// More instance files than this are more than one host serves; a longer list is taken for a mistake.
pub const INSTANCE_FILES_MAX: usize = 100_000;
/// So many of the files that are not taken are told: who looks after these sees the others.
const STRAYS_MAX: usize = 20;
/// The folder of the instance files.
pub const INSTANCES_DIR: &str = "instances.d";
/// The file of the service plans.
pub const PLANS_FILE: &str = "plans.toml";
/// The file of the settings, unless another is named.
pub const SETTINGS_FILE: &str = "innkeeper.toml";

/// All that the fleet's files ask for.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The last good version of the settings.
    pub settings: Arc<Settings>,
    /// The last good version of the plans.
    pub plans: BTreeMap<PlanName, ServicePlan>,
    /// One for each file in `instances.d` that is named like an instance.
    pub instances: BTreeMap<InstanceName, FleetInstance>,
    /// What is wrong with any file, by file, line and column.
    pub problems: Vec<Problem>,
    /// What stands in `instances.d` and is not taken for an instance's file; no fault, unless it was meant as one.
    pub strays: Vec<Problem>,
    /// `instances.d` was listed whole: an instance that is not among `instances` has no file. When false, `instances`
    /// holds those that are known from before, and nothing may be concluded from one that is not there.
    pub complete: bool,
    /// Whose file is gone → whose new file asks for a name that it has: one file that was renamed, most likely.
    pub renames: BTreeMap<InstanceName, InstanceName>,
    /// Domains that are kept for instances without a file: those whose file is gone, and the retired.
    pub kept: BTreeMap<Domain, InstanceName>,
}

/// One instance's file.
#[derive(Debug, Clone)]
pub struct FleetInstance {
    /// The last good version; none when there never was one.
    pub wanted: Option<Arc<Wanted>>,
    /// The file as it is now is the version in `wanted`.
    pub valid: bool,
    /// What is wrong with the file, rules across files included.
    pub problems: Vec<Problem>,
    /// Relative to the fleet's directory.
    pub file: Arc<Path>,
    /// The template of its site that the file as it is now names, whatever else is wrong with it.
    pub template: Option<TemplateName>,
    /// Of the bytes that were read last; empty when none could be read (or none was yet).
    pub digest: Arc<str>,
    /// False while the file is being changed: the rest is of the version before (or of none), and
    /// the next reading may tell more.
    pub settled: bool,
    /// False where the directory could not be listed and the file was not in the last listing either: the instance is only
    /// remembered, and nobody can tell whether it has a file.
    pub listed: bool,
}

/// What earlier readings and the journal know, so that the present owner keeps a domain and the last good version
/// survives a restart.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    /// The last good version of each instance that exists, with or without a file.
    pub last_good: BTreeMap<InstanceName, Arc<Wanted>>,
}

/// Settings or plans cannot be read, and there is no earlier version of them.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the fleet cannot be read: its files have {} problems, and without settings and plans no instance has a meaning", problems.len())]
pub struct SpecError {
    /// What is wrong, in all files.
    pub problems: Vec<Problem>,
    /// What the files say all the same, for who checks them: never in force. None where not even that can be told.
    pub rest: Option<Box<Fleet>>,
}

/// Whether a new instance could have a subdomain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Availability {
    /// It could.
    Available,
    /// This instance has it or asks for it.
    Taken(InstanceName),
    /// The operator keeps it.
    Reserved,
    /// It is no subdomain at all; the text says why.
    Malformed(String),
}

impl Fleet {
    /// Whether a new instance could have `subdomain`.
    pub fn availability(&self, subdomain: &str) -> Availability {
        let subdomain = match Subdomain::parse(subdomain) {
            Ok(subdomain) => subdomain,
            Err(error) => return Availability::Malformed(error.to_string()),
        };
        if resolve::is_reserved(subdomain.as_str(), &self.settings) {
            return Availability::Reserved;
        }
        let has_it =
            |instance: &FleetInstance| instance.wanted.as_ref().is_some_and(|wanted| wanted.subdomain == subdomain);
        let host = Domain::parse(&format!("{subdomain}.{}", self.settings.fleet.base_domain)).ok();
        let kept = || host.and_then(|host| self.kept.get(&host));
        match self.instances.iter().find(|(_, instance)| has_it(instance)).map(|(name, _)| name).or_else(kept) {
            Some(name) => Availability::Taken(name.clone()),
            None => Availability::Available,
        }
    }
}

/// A mistake in one of the proxy's templates, as one of the fleet's problems. `line` and `column` begin at 1, and are 0 for a
/// whole file.
pub fn template_problem(file: &Path, (line, column): (u32, u32), message: &str) -> Problem {
    Refusal::new(&codes::TEMPLATE, message).at(file, problem::At { line, column })
}

/// An instance's file names a template that is not in the folder of templates; `text` is the file's, `known` are the templates
/// that there are.
pub fn missing_template<'k>(
    file: &Path,
    text: &str,
    template: &str,
    folder: &Path,
    known: impl IntoIterator<Item = &'k str>,
) -> Problem {
    let message = format!("site.template: {} is not in {}", problem::quote(template), folder.display());
    let refusal = Refusal::new(&codes::TEMPLATE, message);
    let hint = match nearest(template, known) {
        Some(near) => problem::did_you_mean(near),
        None => format!("write {}, or leave the key out", folder.join(format!("{template}.conf.tera")).display()),
    };
    refusal.hint(hint).at(file, tree::place_of(file, text, &["site", "template"]))
}

/// True for the names of editor leftovers that are passed over: dotfiles, `x~`, `#x#`.
fn is_leftover(name: &[u8]) -> bool {
    name.starts_with(b".") || name.starts_with(b"#") || name.ends_with(b"~")
}

/// True for what belongs beside instances' files without being one: notes, examples, copies that editors, patch and git leave.
fn is_company(name: &[u8]) -> bool {
    let ends_with =
        |ending: &[u8]| name.len() > ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending);
    let is_copy =
        [".bak", ".example", ".orig", ".rej", ".swp", ".tmp"].iter().any(|ending| ends_with(ending.as_bytes()));
    is_copy || ends_with(b".md") || name.len() >= 6 && name[..6].eq_ignore_ascii_case(b"readme")
}

fn has_ending(name: &[u8]) -> bool {
    name.len() >= 5 && name[name.len() - 5..].eq_ignore_ascii_case(b".toml")
}

/// What stands in the folder.
struct Listing {
    /// The names that end in `.toml` (in any spelling), in the directory's own order.
    names: Vec<Vec<u8>>,
    /// What may have been meant as one, in the order of names; true for folders. Not more than are told.
    strays: Vec<(Vec<u8>, bool)>,
}

/// A directory that is held open, so that all looks of one scan go to the same one, even when it is swapped meanwhile.
struct Folder {
    directory: OwnedFd,
}

impl Folder {
    fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { directory: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// What stands in it, editor leftovers left out.
    fn list(&self) -> Result<Listing, Errno> {
        let (mut names, mut strays) = (Vec::new(), Vec::new());
        for entry in Dir::read_from(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            match (is_leftover(name), has_ending(name)) {
                (true, _) => {}
                (false, true) => names.push(name.to_vec()),
                (false, false) if is_company(name) => {}
                (false, false) => strays.push(name.to_vec()),
            }
        }
        strays.sort_unstable();
        strays.truncate(STRAYS_MAX);
        let is_folder = |name: &[u8]| {
            let stat = rustix::fs::statat(&self.directory, name, AtFlags::empty());
            stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
        };
        let strays = strays.into_iter().map(|name| (is_folder(&name), name)).map(|(is_folder, name)| (name, is_folder));
        Ok(Listing { names, strays: strays.collect() })
    }

    fn look(&self, name: &Path) -> Sight {
        look(&self.directory, name)
    }

    fn load(&self, name: &Path) -> Result<(Identity, Vec<u8>), Refusal> {
        load(&self.directory, name)
    }
}

/// Looks at what stands at `path`, once.
fn look(directory: impl AsFd, path: &Path) -> Sight {
    match rustix::fs::statat(&directory, path, AtFlags::empty()) {
        Ok(stat) => match refusal_of_type(&stat) {
            Some(refusal) => Sight::Refused(refusal),
            None => match identity(&stat) {
                identity if identity.size_bytes > FILE_BYTES_MAX => {
                    Sight::Refused(slot::too_large(identity.size_bytes))
                }
                identity => Sight::File(identity),
            },
        },
        Err(Errno::NOENT) => match rustix::fs::statat(&directory, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Sight::Refused(Refusal::new(&codes::NOT_A_FILE, "a symlink that leads nowhere")),
            Err(_) => Sight::Gone,
        },
        Err(errno) => Sight::Refused(unreadable(errno)),
    }
}

/// Reads a file and says which version it was. Never waits: a pipe in a file's place is refused, not opened and listened to.
fn load(directory: impl AsFd, path: &Path) -> Result<(Identity, Vec<u8>), Refusal> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, path, flags, Mode::empty()).map_err(unreadable)?;
    let stat = rustix::fs::fstat(&file).map_err(unreadable)?;
    if let Some(refusal) = refusal_of_type(&stat) {
        return Err(refusal);
    }
    let identity = identity(&stat);
    if identity.size_bytes > FILE_BYTES_MAX {
        return Err(slot::too_large(identity.size_bytes));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(identity.size_bytes).unwrap_or_default() + 1);
    let read = std::fs::File::from(file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refusal::new(&codes::UNREADABLE, format!("the file cannot be read: {error}")))?;
    // It may have grown since its size was asked for.
    let size_bytes = bytes.len() as u64;
    if size_bytes > FILE_BYTES_MAX { Err(slot::too_large(size_bytes)) } else { Ok((identity, bytes)) }
}

fn refusal_of_type(stat: &Stat) -> Option<Refusal> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return None,
        FileType::Directory => "a directory",
        FileType::Fifo => "a pipe",
        FileType::Socket => "a socket",
        _ => "a device",
    };
    Some(Refusal::new(&codes::NOT_A_FILE, format!("{what} stands where a file is expected")))
}

fn identity(stat: &Stat) -> Identity {
    let nanoseconds = |seconds: i128, fraction: i128| seconds * 1_000_000_000 + fraction;
    Identity {
        device: stat.st_dev,
        inode: stat.st_ino,
        size_bytes: u64::try_from(stat.st_size).unwrap_or_default(),
        modified_ns: nanoseconds(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
        changed_ns: nanoseconds(stat.st_ctime.into(), stat.st_ctime_nsec.into()),
    }
}

fn unreadable(errno: Errno) -> Refusal {
    if errno == Errno::LOOP {
        return Refusal::new(&codes::NOT_A_FILE, "a symlink that leads in a circle");
    }
    Refusal::new(&codes::UNREADABLE, format!("the file cannot be read: {}", std::io::Error::from(errno)))
}

/// 32 hexadecimal digits that tell versions of a file apart.
fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..16])
}
