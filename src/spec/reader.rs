//! Keeps what was read of a fleet and reads anew only what changed. The disk itself is touched by the functions of
//! `spec`'s first file.

use super::entry::{Entry, Refreshed, file_name, instance_name, read_file, stray};
use super::fleet::{Claimant, Judgement, judge};
use super::plans::PlansInFile;
use super::problem::{Faulty, Refusal, WHOLE_FILE};
use super::resolve::Ground;
use super::slot::{Decision, Reading, Sight, Slot};
use super::{
    Fleet, FleetInstance, Folder, INSTANCE_FILES_MAX, INSTANCES_DIR, Listing, PLANS_FILE, Remembered, SpecError,
};
use super::{codes, load, look, plans, provisional, settings};
use crate::model::name::{Domain, InstanceName};
use crate::model::problem::Problem;
use crate::model::settings::Settings;
use crate::model::time::Timestamp;
use crate::model::wanted::Wanted;
use rustix::fs::CWD;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Below so many files a thread costs more than it saves.
const FILES_PER_THREAD_MIN: usize = 256;
/// Looking at many files at once gains nothing beyond a few threads.
const THREADS_MAX: usize = 8;

type Clock = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Reads a fleet again and again, each time only what changed.
pub struct Reader {
    fleet_dir: PathBuf,
    settings_file: PathBuf,
    clock: Option<Clock>,
    settings: Slot<Settings>,
    plans: Slot<PlansInFile>,
    settings_in_force: Option<Arc<Settings>>,
    plans_in_force: Option<PlansInFile>,
    /// Both together, as all instances see them.
    ground: Option<Arc<Ground>>,
    /// In the order of their names.
    entries: Vec<Entry>,
    /// File name → place in `entries`. Only asked for single names: its own order is chance.
    places: HashMap<Vec<u8>, usize>,
    /// Problems of files that are not instances' files, though they stand among them.
    misnamed: Vec<Problem>,
    /// What stands among them and is not taken for one.
    strays: Vec<Problem>,
    remembered: BTreeMap<InstanceName, Arc<Wanted>>,
    /// Names that retired instances keep.
    retired: BTreeMap<InstanceName, BTreeSet<Domain>>,
    /// Whose file is gone → whose new file asks for what it has.
    renames: BTreeMap<InstanceName, InstanceName>,
    /// Domains of instances without a file.
    kept: BTreeMap<Domain, InstanceName>,
    /// The rules across files must be asked again.
    is_unjudged: bool,
    scans: u64,
    parses: u64,
    is_unsettled: bool,
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
            entries: Vec::new(),
            places: HashMap::new(),
            misnamed: Vec::new(),
            strays: Vec::new(),
            remembered: BTreeMap::new(),
            retired: BTreeMap::new(),
            renames: BTreeMap::new(),
            kept: BTreeMap::new(),
            is_unjudged: true,
            scans: 0,
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
        for entry in self.entries.iter_mut().filter(|entry| entry.good.is_none()) {
            entry.good = self.remembered.get(&entry.name).cloned();
        }
        self.is_unjudged = true;
    }

    /// Takes in which names retired instances keep. Each call replaces the one before.
    pub fn reserve(&mut self, retired: BTreeMap<InstanceName, BTreeSet<Domain>>) {
        self.is_unjudged |= self.retired != retired;
        self.retired = retired;
    }

    /// Forgets an instance of which nothing is left: what it had is free.
    pub fn forget(&mut self, name: &InstanceName) {
        self.is_unjudged |= self.remembered.remove(name).is_some();
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

    /// Reads the settings alone, whatever the instances' files say: for who only needs to know where things are.
    ///
    /// # Errors
    /// [`SpecError`] when they cannot be read.
    pub fn read_settings(&mut self) -> Result<Arc<Settings>, SpecError> {
        self.refresh_ground(None);
        self.settings_in_force.clone().ok_or_else(|| SpecError { problems: self.all_problems(None), rest: None })
    }

    /// The settings as far as they can be read, for who only wants to show what a running daemon knows. It goes on with
    /// the last good ones, and whatever a broken file says in spite of its problems is not in force. None when not even
    /// the state directory is sure.
    pub fn read_settings_with_faults(&mut self) -> Option<Arc<Settings>> {
        self.refresh_ground(None);
        self.settings_in_force.clone().or_else(|| self.settings.rest.take().map(|rest| Arc::new(*rest)))
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
        if self.refresh_ground(now) {
            self.entries.iter_mut().for_each(Entry::forget_meaning);
            self.is_unjudged = true;
        }
        self.is_unsettled = self.settings.is_unsettled() || self.plans.is_unsettled();
        let unlisted = self.refresh_instances(now).err();
        let Some(ground) = self.ground.clone() else {
            return Err(self.without_ground(unlisted));
        };
        if self.is_unjudged {
            self.hear(&ground);
        }
        Ok(Fleet {
            settings: Arc::clone(&ground.settings),
            plans: ground.plans.clone(),
            instances: self.fleet_instances(unlisted.is_none()),
            complete: unlisted.is_none(),
            renames: self.renames.clone(),
            kept: self.kept.clone(),
            problems: self.all_problems(unlisted),
            strays: self.strays.clone(),
        })
    }

    /// Without settings or plans in force nothing is. What they say all the same serves to tell more of what is wrong.
    fn without_ground(&self, unlisted: Option<Problem>) -> SpecError {
        let complete = unlisted.is_none();
        let mut problems = self.all_problems(unlisted);
        let settings = self.settings_in_force.clone();
        let settings = settings.or_else(|| self.settings.rest.as_ref().map(|rest| Arc::new((**rest).clone())));
        let (Some(settings), false) = (settings, self.entries.is_empty()) else {
            return SpecError { problems, rest: None };
        };
        let plans_file = self.fleet_dir.join(PLANS_FILE);
        let text = load(CWD, &plans_file).ok().and_then(|(_, bytes)| String::from_utf8(bytes).ok());
        let names = text.and_then(|text| plans::names_in(Path::new(PLANS_FILE), &text));
        let sound = self.plans_in_force.as_ref().or(self.plans.rest.as_deref());
        let ground = provisional::ground(settings, sound, names, &self.entries, &self.fleet_dir);
        let found = provisional::judged(&ground, &self.entries);
        problems.extend(found.problems);
        problems.sort();
        problems.dedup();
        let rest = Fleet {
            settings: Arc::clone(&ground.settings),
            plans: ground.plans,
            instances: found.instances,
            complete,
            renames: BTreeMap::new(),
            kept: BTreeMap::new(),
            problems: problems.clone(),
            strays: self.strays.clone(),
        };
        SpecError { problems, rest: Some(Box::new(rest)) }
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
            let plans = plans::complete(plans, settings.fleet.max_instances_per_plan, &self.fleet_dir);
            let (settings, fleet_dir) = (Arc::clone(settings), self.fleet_dir.clone());
            self.ground = Some(Arc::new(Ground { settings, plans, fleet_dir }));
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
        let Listing { names, strays } = folder.list().map_err(unlisted)?;
        if names.len() > INSTANCE_FILES_MAX {
            let message = format!("the directory has {} files, and may have {INSTANCE_FILES_MAX}", names.len());
            return Err(Refusal::new(&codes::TOO_MANY_FILES, message).at(shown, WHOLE_FILE));
        }
        self.scans += 1;
        self.take_listing(names);
        self.strays = strays.iter().map(|(name, is_folder)| stray(name, *is_folder)).collect();
        self.look_at_all(&folder, now);
        Ok(())
    }

    /// Makes the entries those of `names`, in order.
    fn take_listing(&mut self, names: Vec<Vec<u8>>) {
        let before = self.entries.len();
        let mut unknown = Vec::new();
        for name in names {
            match self.places.get(&name) {
                Some(place) => self.entries[*place].seen_in_scan = self.scans,
                None => unknown.push(name),
            }
        }
        unknown.sort_unstable();
        self.misnamed.clear();
        for name in unknown {
            match instance_name(&String::from_utf8_lossy(&name)) {
                Ok(name) => {
                    let good = self.remembered.get(&name).cloned();
                    self.entries.push(Entry::new(name, good, self.scans));
                }
                Err(problem) => self.misnamed.push(problem),
            }
        }
        let scan = self.scans;
        let gone = self.entries.extract_if(.., |entry| entry.seen_in_scan != scan).collect::<Vec<_>>();
        if gone.is_empty() && self.entries.len() == before {
            return;
        }
        // What was in force of a file that is gone stays remembered, with its domains.
        self.remembered.extend(gone.into_iter().filter_map(|entry| Some((entry.name, entry.good?))));
        self.entries.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        let places = self.entries.iter().enumerate();
        self.places = places.map(|(place, entry)| (file_name(&entry.name).into_bytes(), place)).collect();
        self.is_unjudged = true;
    }

    fn look_at_all(&mut self, folder: &Folder, now: Option<Timestamp>) {
        let ground = self.ground.clone();
        let look_at = |entries: &mut [Entry]| {
            let looks = entries.iter_mut().map(|entry| entry.refresh(folder, now, ground.as_deref()));
            looks.fold(Refreshed::default(), Refreshed::and)
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let chunk = self.entries.len().div_ceil(threads).max(FILES_PER_THREAD_MIN);
        let refreshed = if self.entries.len() <= chunk {
            look_at(&mut self.entries)
        } else {
            std::thread::scope(|scope| {
                let workers: Vec<_> =
                    self.entries.chunks_mut(chunk).map(|entries| scope.spawn(|| look_at(entries))).collect();
                let done = workers
                    .into_iter()
                    .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
                done.fold(Refreshed::default(), Refreshed::and)
            })
        };
        self.parses += refreshed.parses;
        self.is_unjudged |= refreshed.is_changed;
        self.is_unsettled |= refreshed.is_unsettled;
    }

    /// Asks the rules across files. Instances without a file defend what they have as well.
    fn hear(&mut self, ground: &Ground) {
        let orphans = self.remembered.iter().filter(|(name, _)| !self.places.contains_key(file_name(name).as_bytes()));
        let hosts_of = |good: &Wanted| std::iter::once(&good.host).chain(&good.domains).cloned().collect::<Vec<_>>();
        let of_orphans = orphans.clone().map(|(name, good)| (name, hosts_of(good)));
        let of_retired = self.retired.iter().map(|(name, hosts)| (name, hosts.iter().cloned().collect()));
        let kept = of_orphans.chain(of_retired);
        self.kept = kept.flat_map(|(name, hosts)| hosts.into_iter().map(|host| (host, name.clone()))).collect();
        let orphans = orphans.map(|(name, good)| Claimant {
            name,
            file: Path::new(INSTANCES_DIR),
            has_file: false,
            modified_ns: 0,
            asked: None,
            good: Some(good),
            retired: None,
        });
        let mut claimants: Vec<Claimant<'_>> = self.entries.iter().map(Entry::claimant).chain(orphans).collect();
        claimants.sort_by_key(|claimant| claimant.name);
        claimants.iter_mut().for_each(|claimant| claimant.retired = self.retired.get(claimant.name));
        let Judgement { refused, renames } = judge(&claimants, &ground.plans);
        let mut refused: BTreeMap<InstanceName, Vec<Problem>> =
            refused.into_iter().map(|(index, problems)| (claimants[index].name.clone(), problems)).collect();
        for entry in &mut self.entries {
            entry.judged(refused.remove(&entry.name).unwrap_or_default());
        }
        self.renames = renames;
        self.is_unjudged = false;
    }

    fn fleet_instances(&self, complete: bool) -> BTreeMap<InstanceName, FleetInstance> {
        let mut instances: BTreeMap<_, _> =
            self.entries.iter().map(|entry| (entry.name.clone(), entry.shown())).collect();
        if !complete {
            for (name, good) in &self.remembered {
                instances.entry(name.clone()).or_insert_with(|| remembered_instance(name, good));
            }
        }
        instances
    }

    fn all_problems(&self, listing: Option<Problem>) -> Vec<Problem> {
        let files = self.settings.problems.iter().chain(&self.plans.problems).chain(&self.misnamed).cloned();
        let instances = self.entries.iter().flat_map(Entry::problems).cloned();
        let mut problems: Vec<Problem> = files.chain(instances).chain(listing).collect();
        problems.sort();
        problems
    }

    /// `path` as problems name it: relative to the fleet's directory where it is below that.
    fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.fleet_dir).unwrap_or(path).to_path_buf()
    }
}

/// An instance whose file could not be looked for: it stays as it was.
fn remembered_instance(name: &InstanceName, good: &Arc<Wanted>) -> FleetInstance {
    FleetInstance {
        wanted: Some(Arc::clone(good)),
        valid: true,
        problems: Vec::new(),
        file: Arc::from(Path::new(INSTANCES_DIR).join(file_name(name))),
        template: good.template.clone(),
        digest: Arc::default(),
        settled: false,
        listed: false,
    }
}

/// Reads one of the two files that stand alone; true when it was parsed.
fn refresh<T>(
    slot: &mut Slot<T>,
    path: &Path,
    shown: &Path,
    now: Option<Timestamp>,
    parse: impl Fn(&str) -> Result<T, Faulty<T>>,
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
