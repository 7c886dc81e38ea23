//! One instance's file: the version that was read last, what it means on this host, the version in force.

use super::fleet::{Claimant, claim_the_same};
use super::instance::{self, InstanceFile};
use super::problem::{Faulty, Refusal, WHOLE_FILE, visible};
use super::resolve::{Ground, resolve};
use super::slot::{Decision, Identity, Reading, Sight, Slot, text_of};
use super::{FleetInstance, Folder, INSTANCES_DIR, codes, digest};
use crate::model::name::InstanceName;
use crate::model::problem::Problem;
use crate::model::time::Timestamp;
use crate::model::wanted::Wanted;
use std::path::Path;
use std::sync::Arc;

/// One instance's file.
pub(super) struct Entry {
    pub(super) name: InstanceName,
    file: Arc<Path>,
    slot: Slot<InstanceFile>,
    /// What the file means on this host; none when file, plans or settings changed since that was found out.
    resolved: Option<Result<Arc<Wanted>, Vec<Problem>>>,
    /// What the rules across files have against it.
    refused: Vec<Problem>,
    /// The last good version.
    pub(super) good: Option<Arc<Wanted>>,
    /// The scan in which the file was last seen.
    pub(super) seen_in_scan: u64,
}

/// What came of looking at a file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refreshed {
    /// Files parsed: 0 or 1.
    pub(super) parses: u64,
    /// The rules across files must be asked again.
    pub(super) is_changed: bool,
    pub(super) is_unsettled: bool,
}

impl Refreshed {
    /// Both looks together.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            parses: self.parses + other.parses,
            is_changed: self.is_changed || other.is_changed,
            is_unsettled: self.is_unsettled || other.is_unsettled,
        }
    }
}

impl Entry {
    pub(super) fn new(name: InstanceName, good: Option<Arc<Wanted>>, seen_in_scan: u64) -> Self {
        let file = Arc::from(Path::new(INSTANCES_DIR).join(file_name(&name)));
        Self { name, file, slot: Slot::default(), resolved: None, refused: Vec::new(), good, seen_in_scan }
    }

    /// Looks at the file, reads it when it is a new version that has settled, and finds out what it means.
    pub(super) fn refresh(&mut self, folder: &Folder, now: Option<Timestamp>, ground: Option<&Ground>) -> Refreshed {
        let mut refreshed = Refreshed::default();
        match folder.look(self.file_name()) {
            // It went between the listing and this look: the next scan tells.
            Sight::Gone => {}
            Sight::File(identity) => {
                if self.slot.decide(identity, now) == Decision::Read {
                    refreshed = self.read(folder, identity, now);
                }
            }
            Sight::Refused(refusal) => {
                refreshed.is_changed = self.slot.value.is_some();
                self.fill(Reading::refused(&self.file, None, refusal));
            }
        }
        if let (None, Some(read), Some(ground)) = (&self.resolved, &self.slot.value, ground) {
            let resolved = resolve(&self.file, read, ground).map(|wanted| self.shared(wanted));
            match &resolved {
                // What the rules across files are about stayed as it was: they need not be asked.
                Ok(wanted) if self.has_all_claims_of(wanted) => self.good = Some(Arc::clone(wanted)),
                _ => refreshed.is_changed = true,
            }
            self.resolved = Some(resolved);
        }
        if let (None, Some(rest), Some(ground)) = (&self.resolved, &self.slot.rest, ground) {
            // All problems at once: also what this host has against the rest of a file with faults.
            self.resolved = Some(Err(resolve(&self.file, rest, ground).err().unwrap_or_default()));
        }
        refreshed.is_unsettled = self.slot.is_unsettled();
        refreshed
    }

    /// Forgets what the file means, because plans or settings changed.
    pub(super) fn forget_meaning(&mut self) {
        self.resolved = None;
    }

    /// Takes the judgement of the rules across files; without any refusal the file's version comes into force.
    pub(super) fn judged(&mut self, refused: Vec<Problem>) {
        self.refused = refused;
        if let (Some(Ok(wanted)), true) = (&self.resolved, self.refused.is_empty()) {
            self.good = Some(Arc::clone(wanted));
        }
    }

    /// All that is wrong with the file.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let resolved = self.resolved.as_ref().and_then(|resolved| resolved.as_ref().err());
        self.slot.problems.iter().chain(resolved.into_iter().flatten()).chain(&self.refused)
    }

    /// What its file says, sound or with its faults.
    pub(super) fn said(&self) -> Option<&InstanceFile> {
        self.slot.value.as_ref().or(self.slot.rest.as_deref())
    }

    /// Nothing is wrong with the file by itself.
    pub(super) fn is_sound(&self) -> bool {
        self.slot.value.is_some()
    }

    /// When the file was changed, in nanoseconds of the file system's clock.
    pub(super) fn modified_ns(&self) -> i128 {
        self.slot.modified_ns()
    }

    /// The file, relative to the fleet's directory.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(super) fn claimant(&self) -> Claimant<'_> {
        let resolved = self.resolved.as_ref().and_then(|resolved| resolved.as_deref().ok());
        Claimant {
            name: &self.name,
            file: &self.file,
            has_file: true,
            modified_ns: self.slot.modified_ns(),
            asked: resolved.zip(self.slot.value.as_ref()),
            good: self.good.as_deref(),
            retired: None,
        }
    }

    pub(super) fn shown(&self) -> FleetInstance {
        let mut problems: Vec<Problem> = self.problems().cloned().collect();
        problems.sort();
        FleetInstance {
            valid: problems.is_empty() && self.good.is_some(),
            wanted: self.good.clone(),
            problems,
            file: Arc::clone(&self.file),
            template: self.said().and_then(|said| said.template.clone()),
            digest: Arc::clone(&self.slot.digest),
            settled: !self.slot.is_unsettled(),
            listed: true,
        }
    }

    fn read(&mut self, folder: &Folder, looked_at: Identity, now: Option<Timestamp>) -> Refreshed {
        let loaded = folder.load(self.file_name());
        let reading = read_file(loaded, &self.file, |text| instance::read(&self.file, &self.name, text));
        let parses = u64::from(reading.identity.is_some());
        let written_meanwhile = reading.identity.filter(|read| *read != looked_at);
        if written_meanwhile.is_some_and(|identity| self.slot.decide(identity, now) == Decision::Wait) {
            return Refreshed { parses, ..Refreshed::default() };
        }
        self.fill(reading);
        Refreshed { parses, is_changed: self.slot.value.is_none(), is_unsettled: false }
    }

    fn has_all_claims_of(&self, wanted: &Wanted) -> bool {
        self.refused.is_empty() && self.good.as_deref().is_some_and(|good| claim_the_same(good, wanted))
    }

    fn fill(&mut self, reading: Reading<InstanceFile>) {
        self.slot.fill(reading);
        self.resolved = None;
    }

    /// `wanted`, or what is in force already when it is the same: what did not change stays shared.
    fn shared(&self, wanted: Wanted) -> Arc<Wanted> {
        match &self.good {
            Some(good) if **good == wanted => Arc::clone(good),
            _ => Arc::new(wanted),
        }
    }

    fn file_name(&self) -> &Path {
        self.file.file_name().map_or(&self.file, Path::new)
    }
}

/// The file of the instance `name`, in its folder.
pub(super) fn file_name(name: &InstanceName) -> String {
    format!("{name}.toml")
}

/// Makes a reading of what was loaded.
pub(super) fn read_file<T>(
    loaded: Result<(Identity, Vec<u8>), Refusal>,
    shown: &Path,
    parse: impl Fn(&str) -> Result<T, Faulty<T>>,
) -> Reading<T> {
    let (identity, bytes) = match loaded {
        Ok(loaded) => loaded,
        Err(refusal) => return Reading::refused(shown, None, refusal),
    };
    let digest = Arc::from(digest(&bytes));
    match text_of(&bytes) {
        Ok(text) => Reading { identity: Some(identity), digest, outcome: parse(text) },
        Err(refusal) => Reading { digest, ..Reading::refused(shown, Some(identity), refusal) },
    }
}

/// What is said of a file or a folder in `instances.d` that is not taken for an instance's file.
pub(super) fn stray(name: &[u8], is_folder: bool) -> Problem {
    let name = String::from_utf8_lossy(name);
    let refusal = match is_folder {
        true => Refusal::new(&codes::NOT_TAKEN, "directories in instances.d are not looked into")
            .hint("put the files of instances into instances.d itself"),
        false => {
            let refusal =
                Refusal::new(&codes::NOT_TAKEN, "not taken for an instance's file: its name does not end in .toml");
            let stem = name.split('.').next().unwrap_or_default();
            match InstanceName::parse(stem) {
                Ok(near) => refusal.hint(format!("if it is one, rename it to {near}.toml; else keep it elsewhere")),
                Err(_) => refusal.hint("if it is one, rename it; else keep it elsewhere"),
            }
        }
    };
    refusal.at(&Path::new(INSTANCES_DIR).join(visible(&name)), WHOLE_FILE)
}

/// The instance whose file is called `file_name`.
pub(super) fn instance_name(file_name: &str) -> Result<InstanceName, Problem> {
    let parsed = match file_name.strip_suffix(".toml") {
        Some(stem) => InstanceName::parse(stem).map_err(|error| error.to_string()),
        None => Err("the file's name must end in .toml, in lower case".to_owned()),
    };
    parsed.map_err(|message| {
        let lower = file_name.to_lowercase();
        let stem = lower.strip_suffix(".toml").unwrap_or_default().replace(['_', '.', ' '], "-");
        let hint = match InstanceName::parse(&stem) {
            Ok(near) => format!("rename it, for example to {near}.toml"),
            Err(_) => "rename it".to_owned(),
        };
        let refusal = Refusal::new(&codes::FILE_NAME, message).hint(hint);
        refusal.at(&Path::new(INSTANCES_DIR).join(visible(file_name)), WHOLE_FILE)
    })
}
