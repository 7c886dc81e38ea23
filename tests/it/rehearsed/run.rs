//! Innkeeper on a rehearsed world: lives that end in crashes, passes over the fleet, turns as the daemon takes them.

use super::clock;
use super::fleet::{File, Files};
use crate::world::settings;
use futures::FutureExt;
use futures::future::join_all;
use innkeeper::adapters::rehearsal::{Rehearsal, World};
use innkeeper::apply::{self, Context, Lanes, Outcome, WorkList};
use innkeeper::diff::facts::{EndingFacts, Facts, Failure, FileState, GuardFacts, HostFacts, InstanceFacts};
use innkeeper::diff::{changes_of, changes_of_host, conditions};
use innkeeper::journal::{FileSeen, JOURNAL_FILE, Journal, Known};
use innkeeper::model::changes::{Hold, HoldReason, InstanceChanges};
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::live::Live;
use innkeeper::model::name::{InstanceName, Uid};
use innkeeper::model::secret::{InstallationKey, SecretPurpose};
use innkeeper::model::service::{Owner, Ports};
use innkeeper::model::settings::Settings;
use innkeeper::model::status::InstanceStatus;
use innkeeper::model::step::Action;
use innkeeper::model::wanted::Wanted;
use innkeeper::observe;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The key of every rehearsed installation.
const KEY: [u8; 32] = [7; 32];
/// Between two passes, as long as nothing says otherwise.
const PASS_S: u64 = 5;

/// One installation: its world, its files, its state directory, and the present life of its daemon.
pub(crate) struct Run {
    pub(crate) rehearsal: Rehearsal,
    pub(crate) files: RefCell<Files>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) key: InstallationKey,
    pub(crate) state_dir: TempDir,
    life: Life,
    uids: RefCell<fastrand::Rng>,
}

/// What is lost when the daemon dies.
struct Life {
    journal: Journal,
    lanes: Arc<Lanes>,
    work: WorkList,
}

/// What a pass was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pass {
    /// Nothing was to be done, and nothing waits for time to pass.
    Settled,
    /// Something was done, or waits.
    Moving,
    /// Innkeeper died in it and was started again.
    Died,
}

/// A converged installation from which many runs begin.
pub(crate) struct Snapshot {
    world: World,
    files: Files,
    journal: TempDir,
    at: innkeeper::model::time::Timestamp,
}

impl Run {
    /// An empty machine.
    pub(crate) fn new(seed: u64, wanted: impl IntoIterator<Item = Wanted>) -> Self {
        let files = wanted.into_iter().map(|wanted| (wanted.name.clone(), File::new(wanted))).collect();
        let settings = settings();
        let world = World::fresh(settings.odoo.images.values().map(String::as_str));
        Self::with(seed, world, files, state_dir())
    }

    /// Goes on from a snapshot; the clock must stand at its time.
    pub(crate) fn resume(seed: u64, snapshot: &Snapshot) -> Self {
        let state_dir = state_dir();
        copy_journal(snapshot.journal.path(), state_dir.path());
        Self::with(seed, snapshot.world.clone(), snapshot.files.clone(), state_dir)
    }

    fn with(seed: u64, world: World, files: Files, state_dir: TempDir) -> Self {
        let rehearsal = Rehearsal::new(seed, world, clock::now);
        let life = Life::begin(state_dir.path());
        Self {
            rehearsal,
            files: RefCell::new(files),
            settings: Arc::new(settings()),
            key: InstallationKey::new(KEY),
            state_dir,
            life,
            uids: RefCell::new(fastrand::Rng::with_seed(seed)),
        }
    }

    /// Ends this run and keeps what is on disk and in the world.
    pub(crate) fn snapshot(self) -> Snapshot {
        let at = clock::now();
        let Self { rehearsal, files, state_dir, life, .. } = self;
        drop(life);
        Snapshot { world: rehearsal.with(|world| world.clone()), files: files.into_inner(), journal: state_dir, at }
    }

    pub(crate) fn edit(&self, name: &str, edit: impl FnOnce(&mut Wanted)) {
        self.files.borrow_mut().get_mut(&crate::world::name(name)).unwrap().edit(edit);
    }

    pub(crate) fn journal(&self) -> &Journal {
        &self.life.journal
    }

    /// Dies, and begins anew with what is on disk.
    pub(crate) fn restart(&mut self) {
        self.life.work.cut();
        self.rehearsal.revive();
        self.life = Life::begin(self.state_dir.path());
    }

    /// A turn for the host and one for each instance, side by side.
    pub(crate) async fn pass(&mut self) -> Pass {
        self.pass_beside(std::future::ready(())).await
    }

    /// A pass while something else happens.
    pub(crate) async fn pass_beside(&mut self, other: impl Future<Output = ()>) -> Pass {
        let all = async {
            let mut subjects: Vec<Option<InstanceName>> = vec![None];
            subjects.extend(self.known().into_keys().chain(self.files.borrow().keys().cloned()).map(Some));
            subjects.sort();
            subjects.dedup();
            let turns = join_all(subjects.iter().map(|subject| self.turn(subject.as_ref())));
            let turns = tokio::join!(turns, other).0;
            self.life.work.ended().await;
            turns
        };
        let turns = tokio::select! {
            biased;
            () = self.rehearsal.crashed() => None,
            turns = all => Some(turns),
        };
        match turns {
            None => {
                self.restart();
                Pass::Died
            }
            Some(turns) if turns.iter().all(is_quiet) => Pass::Settled,
            Some(_) => Pass::Moving,
        }
    }

    /// Passes until one finds nothing to do; none when `passes_max` do not suffice.
    pub(crate) async fn settle(&mut self, passes_max: u32) -> Option<u32> {
        for pass in 1..=passes_max {
            if self.pass().await == Pass::Settled {
                return Some(pass);
            }
            tokio::time::sleep(self.wait()).await;
        }
        None
    }

    /// Until the next pass: the earliest time at which a failed step is tried again, at least the usual pause.
    fn wait(&self) -> Duration {
        let failures = self.journal().all_failures().unwrap();
        let next = failures.values().flat_map(|failures| failures.values().filter_map(|it| it.next_try)).min();
        let until = next.map_or(0, |next| next.as_second() - clock::now().as_second() + 1);
        Duration::from_secs(PASS_S.max(u64::try_from(until).unwrap_or(0)))
    }

    /// One turn as the daemon takes it: look, decide, note, act. `None` is the host's.
    async fn turn(&self, subject: Option<&InstanceName>) -> InstanceChanges {
        let live = self.observe(subject).await;
        // From the reading of the journal to the last reservation nothing is awaited: no other turn comes in between.
        let facts = self.facts(live);
        let changes = match subject {
            Some(name) => match facts.instances.get(name) {
                Some(instance) => {
                    let changes = changes_of(&facts, name);
                    self.book(instance, name, &changes);
                    changes
                }
                None => not_met(),
            },
            None => changes_of_host(&facts),
        };
        let context = self.context(subject, &facts);
        let outcome = apply::carry_out(&changes, &context).await;
        if let Some(name) = subject {
            self.end_errands(name, &outcome);
        }
        changes
    }

    async fn observe(&self, subject: Option<&InstanceName>) -> Live {
        let ask = {
            let files = self.files.borrow();
            let known = self.known();
            let wanted = subject.map(|name| {
                let good = files.get(name).and_then(File::read).or_else(|| known.get(name)?.last_good.as_ref());
                (name, good)
            });
            observe::ask(wanted, |_| true)
        };
        observe::observe(&self.rehearsal.edges(), &ask).await
    }

    /// All that a decision may know, with every instance in it.
    pub(crate) fn facts(&self, live: Live) -> Facts {
        let files = self.files.borrow();
        self.meet(&files, &live);
        let known = self.known();
        let failures = self.journal().all_failures().unwrap();
        let errands = self.journal().all_errands().unwrap();
        let tombstones = self.journal().tombstones().unwrap();
        let instance = |(name, known): (InstanceName, Known)| {
            let file = files.get(&name);
            let wanted = file.and_then(File::read).cloned().or(known.last_good);
            let mark = |purpose| self.key.mark(&self.key.derive(purpose, known.uid, 1));
            let facts = InstanceFacts {
                wanted: wanted.map(Arc::new),
                file: file.map_or(FileState::Missing, File::state),
                uid: known.uid,
                password_mark: mark(SecretPurpose::RolePassword),
                backup_password_mark: mark(SecretPurpose::BackupPassword),
                provisioned: known.provisioned,
                ports: known.ports,
                generation: known.generation,
                observed_generation: known.observed_generation,
                failures: failures.get(&name).map(|rows| rows.iter().map(failure).collect()).unwrap_or_default(),
                errands: errands.get(&name).cloned().unwrap_or_default(),
                smtp_password: None,
                repairs: BTreeMap::new(),
                ending: EndingFacts {
                    tombstone: tombstones.get(&name).cloned(),
                    was_protected: known.was_protected,
                    ..EndingFacts::default()
                },
                updating: false,
                roll_out: None,
                work: self.life.work.of(&name),
                crashes: Vec::new(),
            };
            (name, facts)
        };
        Facts {
            now: clock::now(),
            zone: jiff::tz::TimeZone::UTC,
            settings: Arc::clone(&self.settings),
            instances: known.into_iter().map(instance).collect(),
            live,
            host: HostFacts::default(),
            disk_free_bytes: None,
            guard: self.guard(),
        }
    }

    /// What the guard counts. The steady clock is the virtual one, which nobody sets.
    fn guard(&self) -> GuardFacts {
        let steady_s = clock::steady_s();
        GuardFacts {
            steady_s,
            disrupted: self.journal().disrupted(steady_s).unwrap(),
            permitted: self.journal().permitted(steady_s).unwrap().into_keys().collect(),
            files_unlisted: false,
        }
    }

    /// Gives every file's instance its identity: the journal's, else that on its objects, else a new one. While what
    /// carries marks cannot be looked at, nobody new is met.
    fn meet(&self, files: &Files, live: &Live) {
        let journal = self.journal();
        let known = self.known();
        if let (Some(engine), Some(database)) = (live.engine.known(), live.database.known()) {
            let owners = engine
                .volumes
                .values()
                .chain(engine.services.values().map(|live| &live.owner))
                .chain(database.roles.values().map(|live| &live.owner))
                .chain(database.databases.values().map(|live| &live.owner));
            let marked: BTreeMap<InstanceName, Uid> =
                owners.filter_map(Owner::tag).map(|tag| (tag.instance.clone(), tag.uid)).collect();
            let new = files.keys().chain(marked.keys()).filter(|name| !known.contains_key(name));
            let met: Vec<_> =
                new.map(|name| (name.clone(), marked.get(name).copied().unwrap_or_else(|| self.new_uid()))).collect();
            journal.meet_all(&met).unwrap();
        }
        let digests: Vec<(InstanceName, String)> =
            files.iter().map(|(name, file)| (name.clone(), format!("version {}", file.version))).collect();
        let seen: Vec<FileSeen<'_>> =
            digests.iter().map(|(name, digest)| FileSeen { name, digest, wanted: files[name].read() }).collect();
        journal.see_files(&seen).unwrap();
        let databases = live.database.known().map(|live| &live.databases).into_iter().flatten();
        for tag in databases.filter(|(_, live)| live.provisioned).filter_map(|(_, live)| live.owner.tag()) {
            journal.set_provisioned(&tag.instance).unwrap();
        }
    }

    /// What is noted before anything is done: ports for good, requests to forget failures, a version that was reached.
    fn book(&self, instance: &InstanceFacts, name: &InstanceName, changes: &InstanceChanges) {
        let journal = self.journal();
        let ports = changes.steps.iter().find_map(|step| match &step.action {
            Action::PutSite(row) => Some(row.ports),
            Action::CreateService { spec, .. } | Action::RecreateService { spec, .. } => Some(spec.ports),
            _ => None,
        });
        if let Some(ports) = ports.filter(|ports: &Ports| instance.ports != Some(*ports)) {
            journal.reserve_ports(name, ports).unwrap();
        }
        for errand in instance.errands.iter().filter(|errand| errand.kind == ErrandKind::Retry) {
            journal.clear_failures(name).unwrap();
            journal.end_errand(errand.id).unwrap();
        }
        if changes.is_empty() {
            journal.set_observed(name, instance.generation).unwrap();
            if !instance.failures.is_empty() {
                journal.clear_failures(name).unwrap();
            }
        }
    }

    fn end_errands(&self, name: &InstanceName, outcome: &Outcome) {
        if outcome.done.iter().any(|id| id.0.ends_with("/restart-container")) {
            for errand in self.journal().errands(name).unwrap() {
                self.journal().end_errand(errand.id).unwrap();
            }
        }
    }

    fn context(&self, subject: Option<&InstanceName>, facts: &Facts) -> Context {
        Context {
            edges: self.rehearsal.edges(),
            key: self.key.clone(),
            journal: self.life.journal.clone(),
            lanes: Arc::clone(&self.life.lanes),
            work: self.life.work.clone(),
            woken: Arc::new(|| ()),
            instance: subject.cloned(),
            generation: subject.and_then(|name| facts.instances.get(name)).map_or(0, |it| it.generation),
            cause: None,
            stopping: CancellationToken::new(),
            now: clock::now,
            chance: clock::chance,
            steady_s: clock::steady_s(),
            still_meant: Arc::new(|| futures::future::ready(true).boxed()),
        }
    }

    /// How every instance stands, with every host asked, and what is decided over it.
    pub(crate) async fn statuses(&self) -> BTreeMap<InstanceName, (InstanceStatus, InstanceChanges)> {
        let names: Vec<InstanceName> = self.known().into_keys().collect();
        let mut statuses = BTreeMap::new();
        for name in names {
            let facts = self.facts(self.observe(Some(&name)).await);
            let changes = changes_of(&facts, &name);
            let status = conditions::status(&facts, &name, &changes, None).unwrap();
            statuses.insert(name, (status, changes));
        }
        statuses
    }

    pub(crate) fn known(&self) -> BTreeMap<InstanceName, Known> {
        self.journal().known().unwrap()
    }

    fn new_uid(&self) -> Uid {
        Uid(uuid::Builder::from_unix_timestamp_millis(
            1,
            &self.uids.borrow_mut().u128(..).to_be_bytes()[..10].try_into().unwrap(),
        )
        .into_uuid())
    }
}

impl Snapshot {
    /// The time at which it was taken.
    pub(crate) fn at(&self) -> innkeeper::model::time::Timestamp {
        self.at
    }
}

impl Life {
    fn begin(state_dir: &Path) -> Self {
        Self {
            journal: Journal::open(state_dir, clock::now).unwrap(),
            lanes: Arc::default(),
            work: WorkList::default(),
        }
    }
}

/// What is decided over an instance that has no identity yet, because a look for one on its objects failed.
fn not_met() -> InstanceChanges {
    let message = "it has no identity before all systems answered".to_owned();
    InstanceChanges { holds: vec![Hold { reason: HoldReason::Unseen, message }], ..InstanceChanges::default() }
}

/// True when a turn did nothing and waits for nothing that time brings.
fn is_quiet(changes: &InstanceChanges) -> bool {
    let waits = [
        HoldReason::BackOff,
        HoldReason::NoCertificate,
        HoldReason::NotHealthy,
        HoldReason::Unseen,
        HoldReason::JobRunning,
    ];
    changes.steps.is_empty() && !changes.holds.iter().any(|hold| waits.contains(&hold.reason))
}

fn failure((key, row): (&String, &innkeeper::journal::FailureRow)) -> (String, Failure) {
    let row = row.clone();
    let failure = Failure {
        input: row.input,
        generation: row.generation,
        attempts: row.attempts,
        permanent: row.permanent,
        next_try: row.next_try,
        message: row.message,
    };
    (key.clone(), failure)
}

/// In memory where the machine has such a place: a rehearsal loses no power, and syncing a disk takes most of its time.
fn state_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn copy_journal(from: &Path, to: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{JOURNAL_FILE}{ending}");
        if from.join(&file).exists() {
            std::fs::copy(from.join(&file), to.join(&file)).unwrap();
        }
    }
}
