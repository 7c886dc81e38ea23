//! Keeps what was read of a fleet and reads anew only what changed. The disk itself is touched by the functions of
//! `spec`'s first file.

use super::fleet::{Claimant, refusals};
use super::instance::InstanceFile;
use super::plans::PlanInFile;
use super::problem::{Refusal, WHOLE_FILE, visible};
use super::resolve::{Context, resolve};
use super::slot::{Decision, Identity, Reading, Sight, Slot, text_of};
use super::{Fleet, FleetInstance, Folder, INSTANCE_FILES_MAX, INSTANCES_DIR, PLANS_FILE, Remembered, SpecError};
use super::{codes, digest, instance, load, look, plans, settings};
use crate::model::name::{InstanceName, PlanName};
use crate::model::problem::Problem;
use crate::model::service_plan::ServicePlan;
use crate::model::settings::Settings;
use crate::model::time::Timestamp;
use crate::model::wanted::Wanted;
use rustix::fs::CWD;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Below so many new files the threads cost more than they save.
const FILES_PER_THREAD_MIN: usize = 64;
/// Reading many files at once gains nothing beyond a few threads.
const THREADS_MAX: usize = 8;

type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Reads a fleet again and again, each time only what changed.
pub struct Reader {
    fleet_dir: PathBuf,
    settings_file: PathBuf,
    clock: Option<Clock>,
    settings: Slot<Settings>,
    plans: Slot<BTreeMap<PlanName, PlanInFile>>,
    settings_in_force: Option<Arc<Settings>>,
    plans_in_force: Option<BTreeMap<PlanName, PlanInFile>>,
    /// Both together, as all instances see them.
    ground: Option<Arc<Ground>>,
    entries: BTreeMap<InstanceName, Entry>,
    /// Problems of files that are not instances' files, though they stand among them.
    misnamed: Vec<Problem>,
    remembered: BTreeMap<InstanceName, Arc<Wanted>>,
    parses: u64,
    is_unsettled: bool,
}

struct Ground {
    settings: Arc<Settings>,
    plans: BTreeMap<PlanName, ServicePlan>,
}

/// One instance's file.
struct Entry {
    file: PathBuf,
    slot: Slot<InstanceFile>,
    /// What the file means on this host; none when file, plans or settings changed since that was found out.
    resolved: Option<Result<Arc<Wanted>, Vec<Problem>>>,
    /// What the rules across files have against it.
    refused: Vec<Problem>,
    /// The last good version.
    good: Option<Arc<Wanted>>,
}

impl Reader {
    /// A reader that takes files as they are at the moment: right for commands that read once.
    pub fn new(fleet_dir: PathBuf, settings_file: PathBuf) -> Self {
        // Paths in the settings are handed to other programs, which have working directories of their own.
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self {
            fleet_dir: absolute(fleet_dir),
            settings_file: absolute(settings_file),
            clock: None,
            settings: Slot::default(),
            plans: Slot::default(),
            settings_in_force: None,
            plans_in_force: None,
            ground: None,
            entries: BTreeMap::new(),
            misnamed: Vec::new(),
            remembered: BTreeMap::new(),
            parses: 0,
            is_unsettled: false,
        }
    }

    /// The same reader waiting until changed files have settled: right for a daemon, which sees files being written.
    #[must_use]
    pub fn settling(mut self, now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        self.clock = Some(Box::new(now));
        self
    }

    /// Takes in what the journal knows; what this reader has read itself counts more. Each call replaces the one before.
    pub fn remember(&mut self, remembered: Remembered) {
        self.remembered = remembered.last_good;
        for (name, entry) in &mut self.entries {
            if entry.good.is_none() {
                entry.good = self.remembered.get(name).cloned();
            }
        }
    }

    /// Reads what changed and says how all of it stands. Blocks for as long as the disk needs.
    ///
    /// # Errors
    /// [`SpecError`] when settings or plans cannot be read and no earlier version of them is in force.
    pub fn read(&mut self) -> Result<Fleet, SpecError> {
        let now = self.clock.as_ref().map(|clock| clock());
        self.read_at(now)
    }

    /// [`Reader::read`], taking all files as they are at the moment.
    ///
    /// # Errors
    /// As [`Reader::read`].
    pub fn read_now(&mut self) -> Result<Fleet, SpecError> {
        self.read_at(None)
    }

    /// Some file is being changed: read again within a second.
    pub fn unsettled(&self) -> bool {
        self.is_unsettled
    }

    /// How many files were parsed since the reader was made.
    pub fn parses(&self) -> u64 {
        self.parses
    }

    fn read_at(&mut self, now: Option<Timestamp>) -> Result<Fleet, SpecError> {
        let ground_changed = self.refresh_ground(now);
        let listing = self.refresh_instances(now);
        self.is_unsettled = self.settings.is_unsettled()
            || self.plans.is_unsettled()
            || self.entries.values().any(|entry| entry.slot.is_unsettled());
        let Some(ground) = self.ground.clone() else {
            return Err(SpecError { problems: self.all_problems(listing.err()) });
        };
        if ground_changed {
            self.entries.values_mut().for_each(|entry| entry.resolved = None);
        }
        self.resolve_entries(&ground);
        let complete = listing.is_ok();
        Ok(Fleet {
            settings: Arc::clone(&ground.settings),
            plans: ground.plans.clone(),
            instances: self.fleet_instances(complete),
            problems: self.all_problems(listing.err()),
            complete,
        })
    }

    /// Reads settings and plans; true when what is in force changed.
    fn refresh_ground(&mut self, now: Option<Timestamp>) -> bool {
        // While nothing is in force nothing is waited for: without these files nothing works anyway.
        let now = now.filter(|_| self.ground.is_some());
        let shown = self.shown(&self.settings_file);
        let parse = |text: &str| settings::read(&shown, &self.fleet_dir, text);
        let settings = refresh(&mut self.settings, &self.settings_file, &shown, now, parse);
        let plans_file = self.fleet_dir.join(PLANS_FILE);
        let parse = |text: &str| plans::read(Path::new(PLANS_FILE), text);
        let plans = refresh(&mut self.plans, &plans_file, Path::new(PLANS_FILE), now, parse);
        self.parses += u64::from(settings) + u64::from(plans);
        let (settings, plans) = (self.settings.value.take(), self.plans.value.take());
        let is_new = settings.is_some() || plans.is_some();
        self.settings_in_force = settings.map(Arc::new).or(self.settings_in_force.take());
        self.plans_in_force = plans.or(self.plans_in_force.take());
        if let (true, Some(settings), Some(plans)) = (is_new, &self.settings_in_force, &self.plans_in_force) {
            let plans = plans::complete(plans, settings.fleet.max_instances_per_plan);
            self.ground = Some(Arc::new(Ground { settings: Arc::clone(settings), plans }));
        }
        is_new
    }

    /// Reads the instance files that changed. The error says why the list of files is not known.
    fn refresh_instances(&mut self, now: Option<Timestamp>) -> Result<(), Problem> {
        let shown = Path::new(INSTANCES_DIR);
        let unlisted = |errno: rustix::io::Errno| {
            let message = format!("the directory cannot be listed: {}", std::io::Error::from(errno));
            let hint = "all instances stay as they are until it is back";
            Refusal::new(&codes::DIRECTORY_UNREADABLE, message).hint(hint).at(shown, WHOLE_FILE)
        };
        let folder = Folder::open(&self.fleet_dir.join(INSTANCES_DIR)).map_err(unlisted)?;
        let names = folder.list().map_err(unlisted)?;
        if names.len() > INSTANCE_FILES_MAX {
            let message = format!("the directory has {} files, and may have {INSTANCE_FILES_MAX}", names.len());
            return Err(Refusal::new(&codes::TOO_MANY_FILES, message).at(shown, WHOLE_FILE));
        }
        self.misnamed.clear();
        let mut present = BTreeSet::new();
        let mut to_read = Vec::new();
        for file_name in &names {
            let name = match instance_name(file_name) {
                Ok(name) => name,
                Err(problem) => {
                    self.misnamed.push(problem);
                    continue;
                }
            };
            match folder.look(Path::new(file_name)) {
                Sight::Gone => continue,
                Sight::File(identity) => {
                    if self.entry(&name).slot.decide(identity, now) == Decision::Read {
                        to_read.push((name.clone(), identity));
                    }
                }
                Sight::Refused(refusal) => {
                    let entry = self.entry(&name);
                    let reading = Reading::refused(&entry.file, None, refusal);
                    entry.fill(reading);
                }
            }
            present.insert(name);
        }
        self.forget_all_but(&present);
        self.read_entries(&folder, to_read, now);
        Ok(())
    }

    fn entry(&mut self, name: &InstanceName) -> &mut Entry {
        self.entries.entry(name.clone()).or_insert_with(|| Entry {
            file: Path::new(INSTANCES_DIR).join(file_name(name)),
            slot: Slot::default(),
            resolved: None,
            refused: Vec::new(),
            good: self.remembered.get(name).cloned(),
        })
    }

    /// Drops the entries of files that are gone; what was in force of them stays remembered, with its domains.
    fn forget_all_but(&mut self, present: &BTreeSet<InstanceName>) {
        let gone: Vec<InstanceName> = self.entries.keys().filter(|name| !present.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(good) = self.entries.remove(&name).and_then(|entry| entry.good) {
                self.remembered.insert(name, good);
            }
        }
    }

    fn read_entries(&mut self, folder: &Folder, files: Vec<(InstanceName, Identity)>, now: Option<Timestamp>) {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let chunk = files.len().div_ceil(threads).max(FILES_PER_THREAD_MIN);
        let read_all = |files: &[(InstanceName, Identity)]| -> Vec<Reading<InstanceFile>> {
            files.iter().map(|(name, _)| read_instance(folder, name)).collect()
        };
        let readings: Vec<Reading<InstanceFile>> = if files.len() <= chunk {
            read_all(&files)
        } else {
            std::thread::scope(|scope| {
                let workers: Vec<_> = files.chunks(chunk).map(|files| scope.spawn(move || read_all(files))).collect();
                let readings = workers.into_iter().map(|worker| worker.join());
                readings.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            })
        };
        for ((name, looked_at), reading) in files.into_iter().zip(readings) {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            self.parses += u64::from(reading.identity.is_some());
            let changed_since = reading.identity.filter(|read| *read != looked_at);
            match changed_since {
                // Somebody writes at this very moment: it has not settled after all.
                Some(identity) if entry.slot.decide(identity, now) == Decision::Wait => {}
                _ => entry.fill(reading),
            }
        }
    }

    /// Finds out what each file means on this host, and which of them must wait for others.
    fn resolve_entries(&mut self, ground: &Ground) {
        let context = Context { settings: &ground.settings, plans: &ground.plans };
        for entry in self.entries.values_mut().filter(|entry| entry.resolved.is_none()) {
            let Some(read) = &entry.slot.value else { continue };
            entry.resolved =
                Some(resolve(&entry.file, read, context).map(|wanted| shared(wanted, entry.good.as_ref())));
        }
        let mut refused = self.judge(ground);
        for (name, entry) in &mut self.entries {
            entry.refused = refused.remove(name).unwrap_or_default();
            if let Some(Ok(wanted)) = &entry.resolved
                && entry.refused.is_empty()
            {
                entry.good = Some(Arc::clone(wanted));
            }
        }
    }

    /// The rules across files. Instances without a file defend what they have as well.
    fn judge(&self, ground: &Ground) -> BTreeMap<InstanceName, Vec<Problem>> {
        let orphans = self.remembered.iter().filter(|(name, _)| !self.entries.contains_key(*name));
        let orphans = orphans.map(|(name, good)| Claimant {
            name,
            file: Path::new(INSTANCES_DIR),
            modified_ns: 0,
            asked: None,
            good: Some(good),
        });
        let mut claimants: Vec<Claimant<'_>> =
            self.entries.iter().map(|(name, entry)| entry.claimant(name)).chain(orphans).collect();
        claimants.sort_by_key(|claimant| claimant.name);
        let refused = refusals(&claimants, &ground.plans);
        refused.into_iter().map(|(index, problems)| (claimants[index].name.clone(), problems)).collect()
    }

    fn fleet_instances(&self, complete: bool) -> BTreeMap<InstanceName, FleetInstance> {
        let mut instances: BTreeMap<_, _> =
            self.entries.iter().map(|(name, entry)| (name.clone(), entry.shown())).collect();
        if !complete {
            for (name, good) in &self.remembered {
                instances.entry(name.clone()).or_insert_with(|| FleetInstance {
                    wanted: Some(Arc::clone(good)),
                    valid: true,
                    problems: Vec::new(),
                    file: Path::new(INSTANCES_DIR).join(file_name(name)),
                    digest: String::new(),
                    settled: false,
                });
            }
        }
        instances
    }

    fn all_problems(&self, listing: Option<Problem>) -> Vec<Problem> {
        let files = self.settings.problems.iter().chain(&self.plans.problems).chain(&self.misnamed).cloned();
        let instances = self.entries.values().flat_map(Entry::problems).cloned();
        let mut problems: Vec<Problem> = files.chain(instances).chain(listing).collect();
        problems.sort();
        problems
    }

    /// `path` as problems name it: relative to the fleet's directory where it is below that.
    fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.fleet_dir).unwrap_or(path).to_path_buf()
    }
}

impl Entry {
    fn fill(&mut self, reading: Reading<InstanceFile>) {
        self.slot.fill(reading);
        self.resolved = None;
    }

    fn problems(&self) -> impl Iterator<Item = &Problem> {
        let resolved = self.resolved.as_ref().and_then(|resolved| resolved.as_ref().err());
        self.slot.problems.iter().chain(resolved.into_iter().flatten()).chain(&self.refused)
    }

    fn claimant<'a>(&'a self, name: &'a InstanceName) -> Claimant<'a> {
        let resolved = self.resolved.as_ref().and_then(|resolved| resolved.as_deref().ok());
        Claimant {
            name,
            file: &self.file,
            modified_ns: self.slot.modified_ns(),
            asked: resolved.zip(self.slot.value.as_ref()),
            good: self.good.as_deref(),
        }
    }

    fn shown(&self) -> FleetInstance {
        let problems: Vec<Problem> = self.problems().cloned().collect();
        FleetInstance {
            valid: problems.is_empty() && self.good.is_some(),
            wanted: self.good.clone(),
            problems,
            file: self.file.clone(),
            digest: self.slot.digest.clone(),
            settled: !self.slot.is_unsettled(),
        }
    }
}

/// Reads one of the two files that stand alone; true when it was parsed.
fn refresh<T>(
    slot: &mut Slot<T>,
    path: &Path,
    shown: &Path,
    now: Option<Timestamp>,
    parse: impl Fn(&str) -> Result<T, Vec<Problem>>,
) -> bool {
    let identity = match look(CWD, path) {
        Sight::File(identity) => identity,
        Sight::Refused(refusal) => {
            slot.fill(Reading::refused(shown, None, refusal));
            return false;
        }
        Sight::Gone => {
            let refusal =
                Refusal::new(&codes::UNREADABLE, "the file is not there").hint("innkeeper init writes a commented one");
            slot.fill(Reading::refused(shown, None, refusal));
            return false;
        }
    };
    if slot.decide(identity, now) != Decision::Read {
        return false;
    }
    slot.fill(read_file(load(CWD, path), shown, parse));
    true
}

fn read_instance(folder: &Folder, name: &InstanceName) -> Reading<InstanceFile> {
    let file_name = file_name(name);
    let shown = Path::new(INSTANCES_DIR).join(&file_name);
    let loaded = folder.load(&file_name);
    read_file(loaded, &shown, |text| instance::read(&shown, name, text))
}

/// Makes a reading of what was loaded.
fn read_file<T>(
    loaded: Result<(Identity, Vec<u8>), Refusal>,
    shown: &Path,
    parse: impl Fn(&str) -> Result<T, Vec<Problem>>,
) -> Reading<T> {
    let (identity, bytes) = match loaded {
        Ok(loaded) => loaded,
        Err(refusal) => return Reading::refused(shown, None, refusal),
    };
    let text = match text_of(&bytes) {
        Ok(text) => text,
        Err(refusal) => return Reading { digest: digest(&bytes), ..Reading::refused(shown, Some(identity), refusal) },
    };
    Reading { identity: Some(identity), digest: digest(&bytes), outcome: parse(text) }
}

/// The instance whose file is called `file_name`.
fn instance_name(file_name: &OsStr) -> Result<InstanceName, Problem> {
    let text = file_name.to_string_lossy();
    match text.strip_suffix(".toml").map(InstanceName::parse) {
        Some(Ok(name)) => Ok(name),
        Some(Err(error)) => Err(bad_file_name(&text, error.to_string())),
        None => Err(bad_file_name(&text, "the file's name must end in .toml, in lower case".to_owned())),
    }
}

/// The problem of a file that is not named like an instance.
pub(super) fn bad_file_name(file_name: &str, message: String) -> Problem {
    let lower = file_name.to_lowercase();
    let near =
        lower.strip_suffix(".toml").and_then(|stem| InstanceName::parse(&stem.replace(['_', '.', ' '], "-")).ok());
    let hint = near.map_or("rename the file".to_owned(), |near| format!("rename it, for example to {near}.toml"));
    let refusal = Refusal::new(&codes::FILE_NAME, message).hint(hint);
    refusal.at(&Path::new(INSTANCES_DIR).join(visible(file_name)), WHOLE_FILE)
}

fn file_name(name: &InstanceName) -> PathBuf {
    PathBuf::from(format!("{name}.toml"))
}

/// `wanted`, or what is in force already when it is the same: what did not change stays shared.
fn shared(wanted: Wanted, good: Option<&Arc<Wanted>>) -> Arc<Wanted> {
    match good {
        Some(good) if **good == wanted => Arc::clone(good),
        _ => Arc::new(wanted),
    }
}
