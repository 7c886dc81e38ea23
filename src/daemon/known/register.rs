//! What is known of each instance in memory: its file as last read and its row of the journal, side by side.
//!
//! It holds no news and no plan: a turn copies it into facts and looks for itself. Everything in it that must survive is
//! in the journal before anything acts on it.

use crate::diff::facts::{EndingFacts, Failure, FileState, HostFacts, InstanceFacts};
use crate::journal::{FailureRow, FileSeen, Journal, JournalError, Known};
use crate::model::database::Access;
use crate::model::name::{InstanceName, Uid};
use crate::model::secret::{self, InstallationKey, PASSWORD_GENERATION};
use crate::model::time::Timestamp;
use crate::model::wanted::{Wanted, WantedState};
use crate::spec::{Fleet, FleetInstance};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A file that two complete readings so far apart did not find was taken away.
const VANISHED_AFTER: Duration = Duration::from_secs(60);

/// More crashes say nothing that these do not.
const CRASHES_KEPT_MAX: usize = 8;

/// All instances that have a file, a row in the journal, or an object in the world.
pub(crate) struct Register {
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) entries: BTreeMap<InstanceName, Entry>,
    /// What the journal knows of the host.
    pub(crate) host: HostFacts,
}

/// One instance.
pub(crate) struct Entry {
    pub(crate) facts: InstanceFacts,
    /// The journal has its identity. Otherwise `facts.uid` is a throw-away one that nothing may be made with.
    pub(crate) met: bool,
    /// Digest of its file as noted in the journal.
    digest: Arc<str>,
    /// Its file was read since the start.
    scanned: bool,
    /// When its last turn decided: a bulk look that began before that knows less.
    pub(crate) decided_at: Option<Instant>,
    /// When the look began of which its status tells.
    pub(crate) looked_at: Option<Instant>,
    /// Turns in a row that did something: one that never settles is slowed down.
    pub(crate) restless: u32,
    /// Turns in a row that only waited for its health.
    pub(crate) unhealthy: u32,
    /// The container that was seen last, and how often the engine had started it again by itself.
    pub(crate) restarts: Option<(String, u64)>,
    /// When a complete reading found its file gone first, since it was there last.
    missing_since: Option<Instant>,
    /// Digest of `facts.wanted`, and the one on which it settled last.
    wish: String,
    settled_wish: Option<String>,
}

/// What a scan found different about one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileChange {
    pub(crate) name: InstanceName,
    pub(crate) what: What,
}

/// What is different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    /// A file that was never seen before.
    Added,
    /// Another version of a file.
    Changed,
    /// The same file means something else: plans or settings changed.
    Meaning,
    /// It has (other) problems.
    Invalid {
        /// One line each.
        problems: Vec<String>,
        /// An earlier version of it was good.
        was_good: bool,
    },
    /// It has none any more.
    Mended,
    /// It is gone.
    Missing,
    /// It is gone for so long that it counts as taken away.
    Vanished,
}

impl Register {
    /// What the journal knows, before the first scan.
    pub(crate) fn new(fleet: Arc<Fleet>, known: &BTreeMap<InstanceName, Known>, key: &InstallationKey) -> Self {
        let entries = known.iter().map(|(name, known)| (name.clone(), Entry::known(known, key))).collect();
        Self { fleet, entries, host: HostFacts::default() }
    }

    /// What is different about the files that a scan read, before anything of it is taken in.
    pub(crate) fn compare(&mut self, fleet: &Fleet, key: &InstallationKey) -> Vec<FileChange> {
        let mut changes = Vec::new();
        let told = |file: &FleetInstance| file.listed && (file.settled || file.wanted.is_some());
        for (name, file) in fleet.instances.iter().filter(|(_, file)| told(file)) {
            let entry = self.entries.entry(name.clone()).or_insert_with(|| Entry::unmet(key));
            if let Some(what) = entry.compare(file) {
                changes.push(FileChange { name: name.clone(), what });
            }
        }
        changes
    }

    /// Takes a scan's result in, with these differences; returns all that there are. `journal` is none when nothing may be
    /// written.
    ///
    /// # Errors
    /// The journal's; then the next scan finds the same differences again.
    pub(crate) fn take_in(
        &mut self,
        fleet: Arc<Fleet>,
        mut changes: Vec<FileChange>,
        journal: Option<&Journal>,
        now: Instant,
    ) -> Result<Vec<FileChange>, JournalError> {
        self.note(&fleet, &changes, journal)?;
        for (name, file) in &fleet.instances {
            if let Some(entry) = self.entries.get_mut(name) {
                entry.take(file);
            }
        }
        // A file that is not in an incomplete listing is not known to be gone.
        let gone = |name: &InstanceName| fleet.complete && !fleet.instances.contains_key(name);
        for (name, entry) in self.entries.iter_mut().filter(|(name, _)| gone(name)) {
            if entry.facts.file != FileState::Missing {
                entry.facts.file = FileState::Missing;
                changes.push(FileChange { name: name.clone(), what: What::Missing });
            }
            entry.scanned = true;
            // Two complete readings so far apart: a checkout or a mount is not half way for that long.
            let since = *entry.missing_since.get_or_insert(now);
            if !entry.facts.ending.vanished && now.duration_since(since) >= VANISHED_AFTER {
                entry.facts.ending.vanished = true;
                changes.push(FileChange { name: name.clone(), what: What::Vanished });
            }
        }
        self.note_renames(&fleet);
        self.fleet = fleet;
        Ok(changes)
    }

    /// One file that was renamed shows as two: one that is gone, and a new one that asks for the same name or reads the same.
    fn note_renames(&mut self, fleet: &Fleet) {
        let mut renames = fleet.renames.clone();
        let missing = |entry: &Entry| entry.facts.file == FileState::Missing && entry.facts.wanted.is_some();
        let gone: BTreeMap<&str, &InstanceName> = self
            .entries
            .iter()
            .filter(|(_, entry)| missing(entry) && !entry.digest.is_empty())
            .map(|(name, entry)| (&*entry.digest, name))
            .collect();
        if !gone.is_empty() {
            let new = self.entries.iter().filter(|(_, entry)| !missing(entry) && !entry.facts.provisioned);
            let same = new.filter_map(|(name, entry)| Some(((*gone.get(&*entry.digest)?).clone(), name.clone())));
            renames.extend(same.collect::<Vec<_>>());
        }
        let from: BTreeMap<&InstanceName, &InstanceName> = renames.iter().map(|(old, new)| (new, old)).collect();
        for (name, entry) in &mut self.entries {
            entry.facts.ending.renamed_to = renames.get(name).cloned();
            entry.facts.ending.renamed_from = from.get(name).map(|old| (*old).clone());
        }
    }

    /// Writes the new versions of files down, in one write, and takes over their generations.
    fn note(&mut self, fleet: &Fleet, changes: &[FileChange], journal: Option<&Journal>) -> Result<(), JournalError> {
        let mut seen = Vec::new();
        for change in changes {
            let (Some(entry), Some(file)) = (self.entries.get(&change.name), fleet.instances.get(&change.name)) else {
                continue;
            };
            if entry.met {
                seen.extend(file_seen(&change.name, file));
            }
        }
        let generations = match journal {
            Some(_) if seen.is_empty() => BTreeMap::new(),
            Some(journal) => journal.see_files(&seen)?,
            None => self.counted(&seen),
        };
        for (name, generation) in generations {
            if let Some(entry) = self.entries.get_mut(&name) {
                entry.facts.generation = generation;
            }
        }
        Ok(())
    }

    /// The generations that the journal would give, for a plan: an edited file is something new, not drift.
    fn counted(&self, seen: &[FileSeen<'_>]) -> BTreeMap<InstanceName, u64> {
        let newer = |seen: &FileSeen<'_>| {
            let entry = self.entries.get(seen.name).filter(|entry| *entry.digest != *seen.digest)?;
            Some((seen.name.clone(), entry.facts.generation + 1))
        };
        seen.iter().filter_map(newer).collect()
    }

    /// Gives an instance its identity for good, and notes its file under it.
    ///
    /// # Errors
    /// The journal's; then it stays unmet.
    pub(crate) fn meet(
        &mut self,
        name: &InstanceName,
        uid: Uid,
        journal: &Journal,
        key: &InstallationKey,
    ) -> Result<(), JournalError> {
        let uid = journal.meet(name, uid)?;
        let generation = match self.fleet.instances.get(name).and_then(|file| file_seen(name, file)) {
            Some(seen) => journal.see_files(&[seen])?.get(name).copied(),
            None => None,
        };
        let entry = self.entries.entry(name.clone()).or_insert_with(|| Entry::unmet(key));
        entry.identify(uid, key);
        entry.met = true;
        entry.facts.generation = generation.unwrap_or(entry.facts.generation);
        Ok(())
    }
}

impl Entry {
    /// One that only its file, or only the world, knows.
    pub(crate) fn unmet(key: &InstallationKey) -> Self {
        let uid = Uid(uuid::Uuid::now_v7());
        Self {
            facts: InstanceFacts {
                wanted: None,
                file: FileState::Missing,
                uid,
                password_mark: password_mark(key, Access::Instance, uid),
                backup_password_mark: password_mark(key, Access::Backup, uid),
                provisioned: false,
                ports: None,
                generation: 1,
                observed_generation: 0,
                failures: BTreeMap::new(),
                smtp_password: None,
                errands: Vec::new(),
                repairs: BTreeMap::new(),
                ending: EndingFacts::default(),
                updating: false,
                roll_out: None,
                work: BTreeMap::new(),
                crashes: Vec::new(),
            },
            met: false,
            digest: Arc::default(),
            scanned: false,
            decided_at: None,
            looked_at: None,
            restless: 0,
            unhealthy: 0,
            restarts: None,
            missing_since: None,
            wish: String::new(),
            settled_wish: None,
        }
    }

    /// Takes in how often the engine has started the container again by itself; returns how often since it was seen last.
    pub(crate) fn count_crashes(&mut self, container: &str, restarts: u64, now: Timestamp) -> u64 {
        let before = self.restarts.replace((container.to_owned(), restarts));
        let before = before.filter(|(id, _)| id == container).map(|(_, restarts)| restarts);
        let times = match before {
            // One that was started by hand, or was made anew, is counted from nothing again.
            None => 0,
            Some(before) if restarts < before => {
                self.facts.crashes.clear();
                0
            }
            Some(before) => restarts - before,
        };
        let crashes = &mut self.facts.crashes;
        crashes.extend(std::iter::repeat_n(now, usize::try_from(times).unwrap_or_default().min(CRASHES_KEPT_MAX)));
        let surplus = crashes.len().saturating_sub(CRASHES_KEPT_MAX);
        crashes.drain(..surplus);
        times
    }

    fn known(known: &Known, key: &InstallationKey) -> Self {
        let mut entry = Self::unmet(key);
        entry.identify(known.uid, key);
        entry.met = true;
        entry.digest = Arc::from(known.file_digest.as_str());
        entry.want(known.last_good.clone().map(Arc::new));
        // Whether it has a file is not known before the first complete scan.
        entry.facts.file = FileState::Invalid(vec!["instances.d could not be read yet".to_owned()]);
        entry.refresh(known);
        entry
    }

    /// False while nobody could tell since the start whether it has a file.
    pub(crate) fn is_scanned(&self) -> bool {
        self.scanned
    }

    /// Takes over what a turn or a step wrote into the journal.
    pub(crate) fn refresh(&mut self, known: &Known) {
        self.facts.ports = known.ports;
        self.facts.provisioned = known.provisioned;
        self.facts.generation = known.generation;
        self.facts.observed_generation = known.observed_generation;
        self.facts.ending.was_protected = known.was_protected;
        self.settled_wish.clone_from(&known.wish);
        self.compare_wishes();
    }

    /// Its data were deleted, and with them its identity. What its file says stays.
    pub(crate) fn begin_anew(&mut self, key: &InstallationKey) {
        let facts = InstanceFacts {
            wanted: self.facts.wanted.clone(),
            file: self.facts.file.clone(),
            ending: EndingFacts { was_protected: false, tombstone: None, ..self.facts.ending.clone() },
            ..Self::unmet(key).facts
        };
        let Self { digest, scanned, missing_since, wish, .. } = std::mem::replace(self, Self::unmet(key));
        *self = Self { facts, digest, scanned, missing_since, wish, ..Self::unmet(key) };
    }

    /// Its end is wanted or may be soon.
    pub(crate) fn may_end(&self) -> bool {
        let absent = self.facts.wanted.as_ref().is_some_and(|wanted| wanted.state == WantedState::Absent);
        absent || self.facts.file == FileState::Missing
    }

    /// Notes that it settled on its present wish.
    ///
    /// # Errors
    /// The journal's.
    pub(crate) fn note_wish(&mut self, name: &InstanceName, journal: &Journal) -> Result<(), JournalError> {
        if self.settled_wish.as_ref() != Some(&self.wish) {
            journal.note_wish(name, &self.wish)?;
            self.settled_wish = Some(self.wish.clone());
        }
        self.compare_wishes();
        Ok(())
    }

    fn want(&mut self, wanted: Option<Arc<Wanted>>) {
        let same = match (&self.facts.wanted, &wanted) {
            (Some(before), Some(now)) => Arc::ptr_eq(before, now),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.wish = wanted.as_deref().map(secret::digest).unwrap_or_default();
            self.facts.wanted = wanted;
        }
        self.compare_wishes();
    }

    fn compare_wishes(&mut self) {
        self.facts.updating = self.settled_wish.as_ref().is_some_and(|settled| *settled != self.wish);
    }

    /// Uses this identity, without anything being written.
    pub(crate) fn identify(&mut self, uid: Uid, key: &InstallationKey) {
        if self.facts.uid != uid {
            self.facts.uid = uid;
            self.facts.password_mark = password_mark(key, Access::Instance, uid);
            self.facts.backup_password_mark = password_mark(key, Access::Backup, uid);
        }
    }

    /// Goes on as the later life that its objects show; what was known of the former one is no more.
    pub(crate) fn take_over(&mut self, uid: Uid, key: &InstallationKey) {
        self.identify(uid, key);
        let facts = &mut self.facts;
        (facts.provisioned, facts.ports, facts.roll_out, facts.ending.tombstone) = (false, None, None, None);
        facts.failures.clear();
        facts.repairs.clear();
    }

    /// What is different about the file since it was read last, or since the journal noted it.
    fn compare(&self, file: &FleetInstance) -> Option<What> {
        let lines = problem_lines(file);
        let was_invalid = matches!(self.facts.file, FileState::Invalid(_)) && self.scanned;
        if !file.valid && file.settled {
            let same = self.facts.file == FileState::Invalid(lines.clone());
            return (!same).then(|| What::Invalid { problems: lines, was_good: file.wanted.is_some() });
        }
        let changed = !file.digest.is_empty() && file.digest != self.digest;
        let meaning = self.facts.wanted.as_deref() != file.wanted.as_deref();
        match () {
            () if was_invalid && file.valid => Some(What::Mended),
            () if changed && self.digest.is_empty() => Some(What::Added),
            () if changed => Some(What::Changed),
            () if meaning => Some(What::Meaning),
            // A file that came back as it was.
            () if self.scanned && self.facts.file == FileState::Missing => Some(What::Changed),
            () => None,
        }
    }

    fn take(&mut self, file: &FleetInstance) {
        self.want(file.wanted.clone());
        if !file.listed {
            // Nobody can tell whether it has a file: what was known of that holds, and before anything was, it goes on. The two
            // readings in which it must be missing have none of these between them.
            self.missing_since = None;
            if !self.scanned {
                self.facts.file = FileState::Valid;
            }
            return;
        }
        self.missing_since = None;
        self.facts.ending.vanished = false;
        self.facts.file = match (file.valid, file.settled) {
            (true, _) => FileState::Valid,
            (false, true) => FileState::Invalid(problem_lines(file)),
            // While it is being written, what was said before holds.
            (false, false) if self.scanned => return,
            (false, false) => FileState::Valid,
        };
        if !file.digest.is_empty() {
            self.digest = Arc::clone(&file.digest);
        }
        self.scanned = true;
    }
}

/// What the journal is told about a file; nothing while no byte of it was read.
fn file_seen<'a>(name: &'a InstanceName, file: &'a FleetInstance) -> Option<FileSeen<'a>> {
    let wanted: Option<&Wanted> = file.wanted.as_deref().filter(|_| file.valid);
    (!file.digest.is_empty()).then_some(FileSeen { name, digest: &file.digest, wanted })
}

fn problem_lines(file: &FleetInstance) -> Vec<String> {
    file.problems.iter().map(|problem| problem.to_line()).collect()
}

fn password_mark(key: &InstallationKey, access: Access, uid: Uid) -> String {
    key.mark(&key.derive(access.password(), uid, PASSWORD_GENERATION))
}

/// The journal's rows as decisions know them.
pub(crate) fn failures(rows: BTreeMap<String, FailureRow>) -> BTreeMap<String, Failure> {
    let convert = |row: FailureRow| Failure {
        input: row.input,
        generation: row.generation,
        attempts: row.attempts,
        permanent: row.permanent,
        next_try: row.next_try,
        message: row.message,
    };
    rows.into_iter().map(|(key, row)| (key, convert(row))).collect()
}
