//! One random course of an installation: the real keeper on real files, a real journal and a rehearsed world, while
//! calls fail, Innkeeper dies, people damage the world and the files, and time passes. All of it comes from one seed.

mod calm;
mod vigil;

use super::clock;
use super::invariants::{self, Violations};
use super::paper::{NAMES, Paper, Wish, pick};
use crate::world::name;
use futures::future::join_all;
use innkeeper::adapters::rehearsal::world::ContainerState;
use innkeeper::adapters::rehearsal::{Call, Chance, Damage, Faults, Rehearsal, World};
use innkeeper::daemon::turn::{self, Report, Subject};
use innkeeper::daemon::{Conduct, Keeper, OpenError, Place};
use innkeeper::edges::Edge;
use innkeeper::journal::{EventFilter, JOURNAL_FILE, Journal, JournalError};
use innkeeper::model::name::{InstanceName, Uid};
use innkeeper::model::secret::{ExposeSecret, InstallationKey, SecretPurpose};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// The key of every rehearsed installation.
const KEY: [u8; 32] = [7; 32];
/// Every course begins then: long before the files' own clock, so that each file has to settle.
const START: &str = "2001-03-01T12:00:00Z";
/// While the files are written somebody is reading them.
const SETTLE: Duration = Duration::from_millis(600);
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// What came of a course.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub(crate) calls: u64,
    pub(crate) crashes: u64,
    pub(crate) passes: u64,
    pub(crate) damages: u64,
    pub(crate) tricks: u64,
    /// Looks at one that was down for five minutes.
    pub(crate) downs: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.crashes += other.crashes;
        self.passes += other.passes;
        self.damages += other.damages;
        self.tricks += other.tricks;
        self.downs += other.downs;
    }
}

/// A course under way.
struct Course {
    rng: fastrand::Rng,
    /// Dropped before `dir`, which it is in.
    keeper: Option<Arc<Keeper>>,
    rehearsal: Rehearsal,
    paper: Paper,
    key: InstallationKey,
    violations: Violations,
    diary: Vec<String>,
    /// Whose data others destroyed: they stay held until a person comes.
    bereft: BTreeSet<InstanceName>,
    /// Lives that were ready once.
    was_ready: BTreeSet<Uid>,
    old_journal: Option<TempDir>,
    events_up_to: u64,
    /// What was damaged again and again is repaired later.
    fights: bool,
    tally: Tally,
    dir: TempDir,
}

/// Runs the course of this seed.
///
/// # Errors
/// What was violated, and all that had happened until then.
pub(crate) fn run(seed: u64) -> Result<Tally, String> {
    clock::rehearse(START.parse().unwrap(), seed, async || {
        let mut course = Course::new(seed);
        course.play().await;
        let violations = course.violations.lock().unwrap().clone();
        match violations.is_empty() {
            true => Ok(course.tally),
            false => Err(format!("{}\n\nuntil then:\n  {}", violations.join("\n"), course.diary.join("\n  "))),
        }
    })
}

impl Course {
    fn new(seed: u64) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let rehearsal = Rehearsal::new(seed, World::fresh(["odoo:17.0", "odoo:19.0"]), clock::now);
        let paper = Paper::new(dir.path().join("fleet"), &dir.path().join("state"));
        Self {
            rng: fastrand::Rng::with_seed(seed ^ 0x5eed),
            keeper: None,
            violations: invariants::watch(&rehearsal),
            rehearsal,
            paper,
            key: InstallationKey::new(KEY),
            diary: Vec::new(),
            bereft: BTreeSet::new(),
            was_ready: BTreeSet::new(),
            old_journal: None,
            events_up_to: 0,
            fights: false,
            tally: Tally::default(),
            dir,
        }
    }

    async fn play(&mut self) {
        for _ in 0..self.rng.u32(1..=3) {
            let name = pick(&mut self.rng, &NAMES);
            let wish = Wish::any(name, &mut self.rng);
            self.paper.put_instance(name, &wish);
        }
        if self.rng.u32(0..3) > 0 {
            // Most courses begin with a fleet that runs.
            for _ in 0..5 {
                self.pass().await;
                self.rest(Duration::from_secs(5)).await;
            }
        }
        for _ in 0..self.rng.u32(3..=10) {
            self.weather();
            for _ in 0..self.rng.u32(0..=2) {
                let told = self.paper.trick(&mut self.rng);
                self.tally.tricks += 1;
                self.note(told);
            }
            self.pass().await;
            self.customers_work();
            if self.rng.u32(0..4) == 0 {
                self.vigil().await;
            }
            self.check_secrets();
            if !self.violations.lock().unwrap().is_empty() {
                return;
            }
            self.time_passes().await;
        }
        self.calm().await;
    }

    fn note(&mut self, what: impl Into<String>) {
        self.diary.push(format!("{:.0} {}", clock::now(), what.into()));
    }

    fn violate(&self, what: impl Into<String>) {
        self.violations.lock().unwrap().push(what.into());
    }

    /// What goes wrong in the next pass.
    fn weather(&mut self) {
        let rng = &mut self.rng;
        let mut one_in = |chance: u32, most: u16| if rng.u32(0..chance) == 0 { rng.u16(1..=most) } else { 0 };
        let chance = Chance { fail: one_in(2, 150), crash: one_in(3, 40), stale: one_in(3, 80), delay: one_in(3, 80) };
        let edges = [Edge::Engine, Edge::Database, Edge::Proxy, Edge::Authority, Edge::Archive];
        let down: BTreeSet<Edge> = edges.into_iter().filter(|_| rng.u32(0..20) == 0).collect();
        self.diary.push(format!("{chance:?} down {down:?}"));
        self.rehearsal.set_faults(Faults { chance, down, ..Faults::default() });
    }

    /// A pass: read, look at everything, a turn for everybody side by side, while others damage the world.
    async fn pass(&mut self) {
        self.tally.passes += 1;
        if self.keeper.is_none() && !self.open() {
            return;
        }
        let Some(keeper) = self.keeper.clone() else { return };
        let blows = self.blows();
        let struck = RefCell::new(Vec::new());
        let rehearsal = self.rehearsal.clone();
        let dead = tokio::select! {
            biased;
            () = rehearsal.crashed() => true,
            () = async {
                let others = strike(&rehearsal, &blows, &struck);
                tokio::join!(turns(&keeper, SETTLE), others);
            } => false,
        };
        for (damage, name) in struck.into_inner() {
            self.tally.damages += 1;
            self.note(format!("{damage:?} {name}"));
            if matches!(damage, Damage::DatabaseDropped | Damage::VolumeRemoved) {
                self.bereft.insert(name);
            }
        }
        let calls = self.rehearsal.calls();
        self.tally.calls += calls.len() as u64;
        let wrong: Vec<&Call> = calls.iter().filter(|call| call.fault.is_some() || call.is_effect()).collect();
        self.diary.extend(wrong.into_iter().map(|call| format!("  {}", invariants::describe(call))));
        self.rehearsal.forget_calls();
        self.remember_the_ready(&keeper);
        if dead {
            self.tally.crashes += 1;
            self.note("died");
            drop(keeper);
            self.end_life().await;
        }
    }

    /// What others do meanwhile, and when.
    fn blows(&mut self) -> Vec<(Duration, Damage, InstanceName)> {
        let rng = &mut self.rng;
        let count = if rng.bool() { rng.u32(0..=3) } else { 0 };
        let blow = |_| {
            let damage = match rng.u32(0..8) {
                0 => pick(rng, &Damage::GRAVE),
                _ => pick(rng, &Damage::REPAIRABLE),
            };
            (Duration::from_millis(rng.u64(0..4_000)), damage, name(pick(rng, &NAMES)))
        };
        (0..count).map(blow).collect()
    }

    /// Starts Innkeeper; false where it says that it cannot start like this.
    fn open(&mut self) -> bool {
        let place = Place {
            fleet_dir: self.paper.root().to_owned(),
            settings_file: self.paper.root().join("innkeeper.toml"),
            now: clock::now,
            chance: clock::chance,
            uptime: clock::uptime,
        };
        let opened = Keeper::open(place, Conduct::Keep, |settings| {
            let journal = Journal::open(&settings.fleet.state_dir, clock::now)?;
            Ok::<_, JournalError>((self.rehearsal.edges(), self.key.clone(), journal))
        });
        match opened {
            Ok(keeper) => {
                keeper.journal().clear_intents().unwrap();
                invariants::watch_intents(&self.rehearsal, &self.violations, keeper.journal().clone());
                self.keeper = Some(keeper);
                true
            }
            Err(OpenError::Fleet(_)) => {
                self.note("it does not start without plans");
                false
            }
            Err(error) => {
                self.violate(format!("it does not start: {error}"));
                false
            }
        }
    }

    /// What is left when the process is gone; sometimes the disk is not as it was either.
    async fn end_life(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.drop_work().await;
        }
        self.rehearsal.revive();
        let state = self.dir.path().join("state");
        match self.rng.u32(0..24) {
            0 => {
                std::fs::remove_dir_all(&state).unwrap();
                self.note("the state directory is lost");
            }
            1 => {
                let _ = std::fs::remove_file(state.join(format!("{JOURNAL_FILE}-wal")));
                std::fs::write(state.join(JOURNAL_FILE), vec![0x5a; self.rng.usize(1..10_000)]).unwrap();
                self.note("the journal is torn");
            }
            2 if self.old_journal.is_some() => {
                if let Some(old) = &self.old_journal {
                    copy_journal(old.path(), &state);
                }
                self.note("the journal is an old copy");
                self.miss_what_was_purged_since(&state);
            }
            _ => {}
        }
        self.events_up_to = 0;
    }

    /// Who was purged after the journal was copied has data by that copy, and a backup of them: a person decides.
    fn miss_what_was_purged_since(&mut self, state: &Path) {
        let known = Journal::open_read_only(state, clock::now).and_then(|journal| journal.known()).unwrap_or_default();
        let provisioned = known.into_iter().filter(|(_, known)| known.provisioned).map(|(name, _)| name);
        let stands = |world: &World, name: &InstanceName| {
            let (database, volume) = (format!("odoo_{name}"), format!("ik-{name}-data"));
            world.databases.contains_key(&database) && world.volumes.contains_key(&volume)
        };
        self.bereft.extend(provisioned.filter(|name| !self.rehearsal.with(|world| stands(world, name))));
    }

    /// What is stored from now on must be there at the end.
    fn customers_work(&mut self) {
        self.rehearsal.with(|world| {
            let runs = |world: &World, database: &str| {
                let container = format!("ik-{}", database.trim_start_matches("odoo_"));
                world.containers.get(&container).is_some_and(|it| it.state == ContainerState::Running)
            };
            let served: Vec<String> =
                world.databases.keys().filter(|database| runs(world, database)).cloned().collect();
            let ready =
                world.databases.iter_mut().filter(|(name, it)| it.provisioned && it.valid && served.contains(name));
            for (database, it) in ready {
                it.content += 1;
                let volume = format!("ik-{}-data", database.trim_start_matches("odoo_"));
                world.volumes.get_mut(&volume).into_iter().for_each(|volume| volume.content += 1);
            }
        });
        if self.keeper.is_some() && self.rng.u32(0..6) == 0 {
            let kept = TempDir::new_in(self.dir.path()).unwrap();
            copy_journal(&self.dir.path().join("state"), kept.path());
            self.old_journal = Some(kept);
        }
    }

    async fn time_passes(&mut self) {
        let seconds = match self.rng.u32(0..40) {
            0..=23 => self.rng.i64(1..10),
            24..=31 => self.rng.i64(10..600),
            32..=36 => self.rng.i64(HOUR_S..DAY_S),
            _ => self.rng.i64(30 * DAY_S..80 * DAY_S),
        };
        self.rest(Duration::from_secs(seconds.unsigned_abs())).await;
        let shift_s = match self.rng.u32(0..80) {
            0 => HOUR_S,
            1 => -HOUR_S,
            2 => 365 * DAY_S,
            3 => -365 * DAY_S,
            _ => return,
        };
        clock::shift(shift_s);
        self.note(format!("somebody shifted the clock by {shift_s} s"));
    }

    async fn rest(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// No secret is in anything that is shown, stored for people, or put on an object.
    fn check_secrets(&mut self) {
        let Some(keeper) = self.keeper.clone() else { return };
        let mut shown: Vec<String> = Vec::new();
        let filter = EventFilter { after_seq: Some(self.events_up_to), limit: 10_000, ..EventFilter::default() };
        let events = keeper.journal().events(&filter).unwrap();
        self.events_up_to = events.last().map_or(self.events_up_to, |event| event.seq);
        shown.extend(events.iter().map(|event| serde_json::to_string(event).unwrap()));
        shown.extend(keeper.journal().open_intents().unwrap().into_iter().map(|intent| intent.action));
        let statuses = keeper.board().names().into_iter().filter_map(|name| keeper.board().get(&name));
        shown.extend(statuses.map(|status| serde_json::to_string(&*status).unwrap()));
        shown.extend(self.rehearsal.with(|world| invariants::labels(world)));
        let text = shown.join("\n");
        let purposes = [
            SecretPurpose::RolePassword,
            SecretPurpose::BackupPassword,
            SecretPurpose::MasterPassword,
            SecretPurpose::AdminPassword,
        ];
        for (name, known) in keeper.journal().known().unwrap() {
            for purpose in purposes {
                if text.contains(self.key.derive(purpose, known.uid, 1).expose_secret()) {
                    self.violate(format!("the {purpose:?} of {name} is shown"));
                }
            }
        }
    }
}

/// Reads, looks at everything, and gives everybody a turn.
async fn turns(keeper: &Arc<Keeper>, settle: Duration) -> Vec<Report> {
    let unsettled = keeper.scan().await;
    if matches!(unsettled, Ok(true)) {
        tokio::time::sleep(settle).await;
        let _ = keeper.scan().await;
    }
    let _ = keeper.look_at_all().await;
    let known = keeper.journal().known().unwrap_or_default().into_keys();
    let names: BTreeSet<InstanceName> = known.chain(NAMES.map(name)).collect();
    let mut subjects = vec![Subject::Host];
    subjects.extend(names.into_iter().map(Subject::Instance));
    join_all(subjects.iter().map(|subject| turn::take(keeper, subject, None))).await
}

async fn strike(
    rehearsal: &Rehearsal,
    blows: &[(Duration, Damage, InstanceName)],
    struck: &RefCell<Vec<(Damage, InstanceName)>>,
) {
    let each = blows.iter().map(async |(after, damage, name)| {
        tokio::time::sleep(*after).await;
        if rehearsal.damage(*damage, name) {
            struck.borrow_mut().push((*damage, name.clone()));
        }
    });
    join_all(each).await;
}

fn copy_journal(from: &Path, to: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let file = format!("{JOURNAL_FILE}{ending}");
        let _ = std::fs::remove_file(to.join(&file));
        if from.join(&file).exists() {
            std::fs::copy(from.join(&file), to.join(&file)).unwrap();
        }
    }
}
