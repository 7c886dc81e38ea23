//! A fleet's directory with real files, a rehearsed world, and a daemon on both. Time is tokio's paused clock: it passes
//! only when all wait, on whatever thread.

use crate::read_fleet::{PLANS, SETTINGS, instance_text};
use crate::world::{name, now as start};
use innkeeper::adapters::rehearsal::{Fault, Faults, Rehearsal, World};
use innkeeper::control::Client;
use innkeeper::daemon::{self, Conduct, Keeper, OpenError, Place, RunError, Signal};
use innkeeper::journal::{EventFilter, Journal, JournalError};
use innkeeper::model::event::Event;
use innkeeper::model::name::InstanceName;
use innkeeper::model::secret::InstallationKey;
use innkeeper::model::status::{FleetStatus, InstanceStatus, State};
use innkeeper::model::time::{Timestamp, Uptime};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Which moment of the paused clocks is [`start`]; each test's clock began a little later.
#[expect(clippy::disallowed_methods, reason = "the moment from which the tests' own clock counts")]
static EPOCH: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
/// Nothing that is waited for takes longer, in the rehearsed world's time.
const PATIENCE: Duration = Duration::from_secs(3_600);

thread_local! {
    /// So many seconds somebody has set the clock of this test forward, or back.
    static SHIFT_S: RefCell<Arc<AtomicI64>> = RefCell::default();
}

/// The time of day, on any thread of a test.
pub(crate) fn now() -> Timestamp {
    let shift_s = SHIFT_S.with_borrow(|shift| shift.load(Ordering::SeqCst));
    let passed = start().checked_add(Instant::now().into_std().saturating_duration_since(*EPOCH)).unwrap();
    passed.checked_add(jiff::SignedDuration::from_secs(shift_s)).unwrap()
}

/// Sets the clock forward, or back, as an operator or a time server does.
pub(crate) fn set_clock(seconds: i64) {
    SHIFT_S.with_borrow(|shift| shift.fetch_add(seconds, Ordering::SeqCst));
}

fn chance() -> f64 {
    0.5
}

/// The same clock: in the rehearsed world nobody sets it.
fn uptime() -> Uptime {
    let seconds = Instant::now().into_std().saturating_duration_since(*EPOCH).as_secs();
    Uptime { boot: "rehearsed".to_owned(), seconds }
}

/// One host with a fleet.
pub(crate) struct House {
    pub(crate) dir: TempDir,
    pub(crate) rehearsal: Rehearsal,
    key: InstallationKey,
}

/// A daemon that runs.
pub(crate) struct Daemon {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) signals: mpsc::Sender<Signal>,
    task: JoinHandle<Result<(), RunError>>,
}

/// A house whose daemon was stopped, to begin from again and again.
pub(crate) struct Furnished {
    dir: TempDir,
    world: World,
    /// Of the time that passed until then none is taken back.
    passed: Duration,
}

/// Runs a test in a house of its own, with a clock that passes only when all wait.
pub(crate) fn in_a_house<T>(test: impl AsyncFnOnce(&House) -> T) -> T {
    LazyLock::force(&EPOCH);
    let shift_s: Arc<AtomicI64> = Arc::default();
    SHIFT_S.set(Arc::clone(&shift_s));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    // Files are read on threads of the runtime's own.
    runtime.enable_all().start_paused(true).on_thread_start(move || SHIFT_S.set(Arc::clone(&shift_s)));
    runtime.build().unwrap().block_on(async {
        let house = House::new();
        test(&house).await
    })
}

impl Furnished {
    /// A house with so many instances that are ready, on these `settings` of the fleet.
    pub(crate) fn with(names: &[String], settings: &str) -> Self {
        in_a_house(async |house| {
            let began = Instant::now();
            house.set(settings);
            house.rehearsal.with(|world| world.hurried = true);
            names.iter().for_each(|name| house.drop_file(name, ""));
            let daemon = house.daemon();
            let ready =
                |daemon: &Daemon, text: &String| daemon.status(text).is_some_and(|status| status.state == State::Ready);
            // The last ones first: looking at all of them again and again takes longer than bringing them up.
            daemon.until("all being ready", |daemon| names.iter().rev().all(|text| ready(daemon, text))).await;
            daemon.stop().await;
            let dir = TempDir::new().unwrap();
            copy(house.dir.path(), dir.path());
            Self { dir, world: house.rehearsal.with(|world| world.clone()), passed: began.elapsed() }
        })
    }

    /// Runs a test in a copy of it.
    pub(crate) fn enter(&self, test: impl AsyncFnOnce(&House)) {
        in_a_house(async |house: &House| {
            tokio::time::advance(self.passed).await;
            copy(self.dir.path(), house.dir.path());
            let settings = house.read("fleet/innkeeper.toml");
            let own = settings.lines().map(|line| match line.starts_with("state_dir") {
                true => format!("state_dir = {:?}\n", house.path("state")),
                false => format!("{line}\n"),
            });
            house.put("innkeeper.toml", &own.collect::<String>());
            house.rehearsal.with(|world| world.clone_from(&self.world));
            test(house).await;
        });
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

impl House {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let house = Self {
            rehearsal: Rehearsal::new(1, World::fresh(["odoo:17.0", "odoo:19.0"]), now),
            key: InstallationKey::new([7; 32]),
            dir,
        };
        std::fs::create_dir_all(house.path("fleet/instances.d")).unwrap();
        let settings = SETTINGS.replace("[fleet]", &format!("[fleet]\nstate_dir = {:?}", house.path("state")));
        house.put("innkeeper.toml", &settings);
        house.put("plans.toml", PLANS);
        house
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Puts a file of the fleet there as an editor does that writes beside and renames.
    pub(crate) fn put(&self, file: &str, text: &str) {
        let new = self.path("new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path("fleet").join(file)).unwrap();
    }

    /// Adds to the fleet's settings.
    pub(crate) fn set(&self, more: &str) {
        let text = self.read("fleet/innkeeper.toml").replacen("[fleet]", &format!("[fleet]\n{more}"), 1);
        self.put("innkeeper.toml", &text);
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }

    /// An instance's file that is right, with `more` above its tables.
    pub(crate) fn drop_file(&self, name: &str, more: &str) {
        self.put(&format!("instances.d/{name}.toml"), &instance_text(more));
    }

    pub(crate) fn remove_file(&self, name: &str) {
        std::fs::remove_file(self.path(&format!("fleet/instances.d/{name}.toml"))).unwrap();
    }

    pub(crate) fn open(&self, conduct: Conduct) -> Result<Arc<Keeper>, OpenError> {
        let place = Place {
            fleet_dir: self.path("fleet"),
            settings_file: self.path("fleet/innkeeper.toml"),
            now,
            chance,
            uptime,
        };
        Keeper::open(place, conduct, |settings| {
            let state_dir = &settings.fleet.state_dir;
            let journal = match conduct {
                Conduct::Look => Journal::open_read_only(state_dir, now)?,
                Conduct::ActOnce | Conduct::Keep => Journal::open(state_dir, now)?,
            };
            Ok::<_, JournalError>((self.rehearsal.edges(), self.key.clone(), journal))
        })
    }

    pub(crate) fn keeper(&self, conduct: Conduct) -> Arc<Keeper> {
        self.open(conduct).unwrap()
    }

    pub(crate) fn daemon(&self) -> Daemon {
        Self::daemon_of(self.keeper(Conduct::Keep))
    }

    /// One with a keeper that was opened to keep.
    pub(crate) fn daemon_of(keeper: Arc<Keeper>) -> Daemon {
        let (signals, receiver) = mpsc::channel(4);
        let task = tokio::spawn(daemon::run(Arc::clone(&keeper), receiver));
        Daemon { keeper, signals, task }
    }

    /// A daemon whose instances are all Ready.
    pub(crate) async fn settled_daemon(&self, names: &[&str]) -> Daemon {
        names.iter().for_each(|name| self.drop_file(name, ""));
        let daemon = self.daemon();
        for name in names {
            daemon.until_state(name, State::Ready).await;
        }
        daemon
    }

    /// Effects on the world since the calls were forgotten.
    pub(crate) fn effects(&self) -> Vec<String> {
        let calls = self.rehearsal.calls();
        calls.iter().filter(|call| call.is_effect()).map(|call| format!("{} {}", call.method, call.object)).collect()
    }

    /// Once anything was done to the world, each further call begins so much later.
    pub(crate) fn slow_down_after_the_first_effect(&self, delay: Duration) {
        let rehearsal = self.rehearsal.clone();
        self.rehearsal.watch(move |_, _, call| {
            let script = (call.number + 1..call.number + 1_000).map(|number| (number, Fault::Delay(delay))).collect();
            rehearsal.set_faults(Faults { script, ..Faults::default() });
        });
    }

    pub(crate) fn speed_up(&self) {
        self.rehearsal.watch(|_, _, _| {});
        self.rehearsal.set_faults(Faults::default());
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.path("state")).await.unwrap()
    }
}

impl Daemon {
    /// Waits until `true` is answered, looking again and again as time passes.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for {what}; events: {:#?}", self.told());
            assert!(!self.task.is_finished(), "the daemon ended while {what} was waited for");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn until_state(&self, text: &str, state: State) {
        let holds = |daemon: &Self| daemon.status(text).is_some_and(|status| status.state == state);
        self.until(&format!("{text} being {state:?}"), holds).await;
    }

    pub(crate) async fn until_told(&self, reason: &str) {
        self.until(reason, |daemon| daemon.reasons().iter().any(|known| known == reason)).await;
    }

    pub(crate) fn status(&self, text: &str) -> Option<Arc<InstanceStatus>> {
        self.keeper.board().get(&name(text))
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.keeper.journal().events(&EventFilter { limit: 10_000, ..EventFilter::default() }).unwrap()
    }

    /// Events as lines: `acme StepDone: …`.
    pub(crate) fn told(&self) -> Vec<String> {
        let line = |event: Event| {
            let whose = event.instance.as_ref().map_or("host", InstanceName::as_str);
            format!("{whose} {}: {}", event.reason, event.message)
        };
        self.events().into_iter().map(line).collect()
    }

    pub(crate) fn reasons(&self) -> Vec<String> {
        self.events().into_iter().map(|event| event.reason).collect()
    }

    pub(crate) async fn asked(&self, house: &House) -> FleetStatus {
        house.client().await.status().await.unwrap()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Waits for the end, which must come in `limit`.
    pub(crate) async fn end_within(self, limit: Duration) -> Result<(), RunError> {
        tokio::time::timeout(limit, self.task).await.expect("the daemon ends").unwrap()
    }

    pub(crate) async fn stop(self) {
        self.signals.send(Signal::Stop).await.unwrap();
        self.end_within(Duration::from_secs(60)).await.unwrap();
    }
}
