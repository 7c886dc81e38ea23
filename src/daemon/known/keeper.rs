//! Everything that a turn needs, in one place: the files' reader, the systems, the journal, and what is known of each
//! instance.
//!
//! The keeper starts nothing by itself. Whoever owns it takes turns ([`crate::daemon::turn`]), looks at everything
//! ([`crate::daemon::turn::monitor`]), or only asks what would be done ([`Keeper::plan`]).

use super::board::Board;
use super::gauges::Gauges;
use super::lock::{Lock, LockError};
use super::passwords::Passwords;
use super::register::Register;
use crate::apply::{Lanes, WorkList};
use crate::edges::Edges;
use crate::journal::{Journal, JournalError};
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::secret::InstallationKey;
use crate::model::settings::Settings;
use crate::model::status::chain;
use crate::model::time::{Timestamp, Uptime};
use crate::spec::{Fleet, Reader, Remembered, SpecError};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Looks of single turns that go on at once: each lists every object of ours.
const LOOKS_AT_ONCE_MAX: usize = 4;

/// Where a fleet is and how it is kept.
#[derive(Clone)]
pub struct Place {
    /// The fleet's directory.
    pub fleet_dir: PathBuf,
    /// Its settings, usually `innkeeper.toml` in it.
    pub settings_file: PathBuf,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// Chance, from 0 to 1, for back-off: see [`chance`].
    pub chance: fn() -> f64,
    /// The clock that nobody can set: see [`uptime`].
    pub uptime: fn() -> Uptime,
}

/// What the keeper may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// Look and decide. Nothing is written, no lock is taken.
    Look,
    /// Act once, under the lock. Files are trusted as they are.
    ActOnce,
    /// Act for as long as it runs, under the lock. Files are taken when they have settled.
    Keep,
}

/// The systems of a host, the key of its secrets, and its journal: what `connect` makes of the settings.
pub type Connection = (Edges, InstallationKey, Journal);

/// The keeper could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The files cannot be read at all.
    #[error(transparent)]
    Fleet(#[from] SpecError),
    /// Somebody else works on this fleet.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The systems cannot be set up as the settings ask.
    #[error(transparent)]
    Connect(Box<dyn Error + Send + Sync>),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The state directory cannot be used.
    #[error("could not use the state directory {}", dir.display())]
    State {
        /// `fleet.state_dir`
        dir: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// Who wants what because of something the keeper noticed on the way.
#[derive(Debug, Clone)]
pub(crate) enum Bell {
    /// This instance should have a turn, because of this.
    Instance(InstanceName, Option<String>),
    /// Everything should be looked at.
    Fleet,
    /// Files are being written: read them again after so long.
    Files(Duration),
}

/// Everything that a turn needs.
pub struct Keeper {
    pub(crate) place: Place,
    pub(crate) conduct: Conduct,
    pub(crate) edges: Edges,
    pub(crate) key: InstallationKey,
    pub(crate) journal: Journal,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) work: WorkList,
    pub(crate) board: Board,
    pub(crate) gauges: Gauges,
    pub(crate) passwords: Passwords,
    /// Once cancelled, no step begins any more.
    pub(crate) stopping: CancellationToken,
    pub(crate) looks: Semaphore,
    /// Held while files are read; says when they were read last.
    pub(crate) scanning: tokio::sync::Mutex<Option<Instant>>,
    /// The last instances whose login pages were asked for in a look at everything: of those that were proven to serve,
    /// and of those that were not.
    pub(crate) asked_up_to: Mutex<[Option<InstanceName>; 2]>,
    reader: Mutex<Reader>,
    register: Mutex<Register>,
    bell: OnceLock<Box<dyn Fn(Bell) + Send + Sync>>,
    /// From here on tickets are counted.
    epoch: Instant,
    /// The settings that the systems were connected with.
    pub(crate) connected: Arc<Settings>,
    _lock: Option<Lock>,
}

impl Keeper {
    /// Reads the settings, takes the lock where it will act, connects, and takes up what the journal knows. No system
    /// is talked to yet.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed but files in the state directory.
    pub fn open<E: Error + Send + Sync + 'static>(
        place: Place,
        conduct: Conduct,
        connect: impl FnOnce(&Settings) -> Result<Connection, E>,
    ) -> Result<Arc<Self>, OpenError> {
        let reader = Reader::new(place.fleet_dir.clone(), place.settings_file.clone());
        let mut reader = if conduct == Conduct::Keep { reader.settling(place.now) } else { reader };
        let settings = reader.read_settings()?;
        let state_dir = &settings.fleet.state_dir;
        let lock = match conduct {
            Conduct::Look => None,
            Conduct::ActOnce => Some(take_lock(state_dir, "apply", place.now)?),
            Conduct::Keep => Some(take_lock(state_dir, "run", place.now)?),
        };
        let (edges, key, journal) = connect(&settings).map_err(|error| OpenError::Connect(Box::new(error)))?;
        let known = journal.known()?;
        let good = |known: &crate::journal::Known| known.last_good.clone().map(Arc::new);
        let last_good = known.iter().filter_map(|(name, known)| Some((name.clone(), good(known)?))).collect();
        // Known before the files are judged: whoever is in force and whatever a retired one keeps comes before a newcomer.
        reader.remember(Remembered { last_good });
        reader.reserve(journal.tombstones()?.into_iter().map(|(name, it)| (name, it.hosts)).collect());
        let fleet = Arc::new(reader.read_now()?);
        let board = match conduct {
            Conduct::Look => Board::read_only(state_dir),
            _ => Board::open(state_dir).map_err(|source| OpenError::State { dir: state_dir.clone(), source })?,
        };
        let register = Register::new(fleet, &known, &key);
        Ok(Arc::new(Self {
            place,
            conduct,
            edges,
            key,
            journal,
            lanes: Arc::default(),
            work: WorkList::default(),
            board,
            gauges: Gauges::default(),
            passwords: Passwords::default(),
            stopping: CancellationToken::new(),
            looks: Semaphore::new(LOOKS_AT_ONCE_MAX),
            scanning: tokio::sync::Mutex::new(None),
            asked_up_to: Mutex::default(),
            reader: Mutex::new(reader),
            register: Mutex::new(register),
            bell: OnceLock::new(),
            epoch: Instant::now(),
            connected: settings,
            _lock: lock,
        }))
    }

    /// The systems.
    pub fn edges(&self) -> &Edges {
        &self.edges
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The key of the installation's secrets.
    pub fn key(&self) -> &InstallationKey {
        &self.key
    }

    /// Completes when no long work goes on any more. None may be begun meanwhile.
    pub async fn work_ended(&self) {
        self.work.ended().await;
    }

    /// Drops the long work that goes on, as the end of the process would, and returns when none is left.
    pub async fn drop_work(&self) {
        self.work.cut();
        self.work_ended().await;
    }

    /// How the fleet stands, as far as it was looked at.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// The files as they were read last.
    pub fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.register().fleet)
    }

    pub(crate) fn acts(&self) -> bool {
        self.conduct != Conduct::Look
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.place.now)()
    }

    /// Seconds on the installation's steady clock.
    ///
    /// # Errors
    /// The journal's. Nothing else will do: a tombstone that began at a guess would lose its second witness.
    pub(crate) fn steady_s(&self) -> Result<u64, JournalError> {
        self.journal.steady(&(self.place.uptime)())
    }

    /// A number that only grows: whatever is looked at from now on has a higher one.
    pub(crate) fn ticket(&self) -> u64 {
        self.ticket_of(Instant::now())
    }

    /// The number of a moment.
    pub(crate) fn ticket_of(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    pub(crate) fn fleet_dir(&self) -> &Path {
        &self.place.fleet_dir
    }

    /// Held for moments only: never across a wait.
    pub(crate) fn register(&self) -> MutexGuard<'_, Register> {
        self.register.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `bell` hear what the keeper notices. The first one stays.
    pub(crate) fn hang(&self, bell: impl Fn(Bell) + Send + Sync + 'static) {
        let _ = self.bell.set(Box::new(bell));
    }

    pub(crate) fn ring(&self, what: Bell) {
        if let Some(bell) = self.bell.get() {
            bell(what);
        }
    }

    /// Records an event. The journal's own trouble is logged and stops nothing.
    pub(crate) fn tell(&self, event: &NewEvent) {
        let instance = event.instance.as_ref().map(InstanceName::as_str).unwrap_or_default();
        match event.level {
            Level::Debug | Level::Info => tracing::info!(instance, reason = event.reason.as_str(), "{}", event.message),
            Level::Warning => tracing::warn!(instance, reason = event.reason.as_str(), "{}", event.message),
            Level::Error | Level::Critical => {
                tracing::error!(instance, reason = event.reason.as_str(), "{}", event.message)
            }
        }
        if self.acts() {
            self.report(self.journal.record(event).map(drop), "could not record an event");
        }
    }

    /// Logs what went wrong on the side, and raises an alert for the journal, without which nothing may act. What went
    /// well ends it.
    pub(crate) fn report<E: Error + 'static>(&self, result: Result<(), E>, doing: &str) {
        match result {
            Ok(()) => drop(self.board.lower("journal")),
            Err(error) => self.raise_unwritable("journal", &error, doing),
        }
    }

    /// The same for the status documents, which nothing waits for.
    pub(crate) fn report_documents(&self, written: std::io::Result<()>) {
        match written {
            Ok(()) if self.board.is_written() => drop(self.board.lower("documents")),
            Ok(()) => {}
            Err(error) => self.raise_unwritable("documents", &error, "could not write the status documents"),
        }
    }

    fn raise_unwritable(&self, about: &str, error: &(dyn Error + 'static), doing: &str) {
        let text = chain(error);
        tracing::error!(error = %text, "{doing}");
        self.board.raise(about, Reason::StateUnwritable, &format!("{doing}: {text}"), self.now());
    }
}

fn take_lock(state_dir: &Path, command: &str, now: fn() -> Timestamp) -> Result<Lock, OpenError> {
    std::fs::create_dir_all(state_dir).map_err(|source| OpenError::State { dir: state_dir.to_owned(), source })?;
    Ok(Lock::take(state_dir, command, now())?)
}

/// The clock of a program that runs for real.
#[expect(clippy::disallowed_methods, reason = "the daemon is the floor that reads the clock")]
pub fn clock() -> Timestamp {
    Timestamp::now()
}

/// How long this host has been up, time asleep included, and which of its starts that is.
pub fn uptime() -> Uptime {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Uptime { boot: boot.trim().to_owned(), seconds: u64::try_from(since.tv_sec).unwrap_or(0) }
}

/// Chance, from 0 to 1, of a program that runs for real: enough to keep retries apart, not fit for secrets.
pub fn chance() -> f64 {
    use std::hash::{BuildHasher, Hasher};
    // Each state of the standard library's hash maps has random keys of its own.
    let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
    random as f64 / u64::MAX as f64
}

/// An event of the host or of one instance, without step and cause.
pub(crate) fn event(
    level: Level,
    instance: Option<&InstanceName>,
    reason: Reason,
    message: impl Into<String>,
) -> NewEvent {
    NewEvent { level, instance: instance.cloned(), reason, message: message.into(), step: None, cause: None }
}
