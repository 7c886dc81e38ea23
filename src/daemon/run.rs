//! The daemon: watches, hears and is asked, and has all of it take the same path through the queue.

use crate::control::protocol::STREAMS;
use crate::control::{Handler, Hello, SOCKET_FILE, Server};
use crate::daemon::answer::desk::Desk;
use crate::daemon::answer::progress;
use crate::daemon::answer::scene::Scene;
use crate::daemon::crew::{Chore, Crew};
use crate::daemon::known::keeper::{Keeper, event};
use crate::daemon::look::meter::Meter;
use crate::daemon::look::watch::Watch;
use crate::daemon::queue;
use crate::daemon::turn::Subject;
use crate::edges::database::InstallationLock;
use crate::edges::{EdgeError, ErrorKind};
use crate::journal::JournalError;
use crate::model::backoff;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::status::{DaemonStatus, SCHEMA, chain};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Running steps may end within this time after the first signal: the longest that is not cut short by itself is the
/// stop of a container.
const SHUTDOWN_GRACE_S_MAX: u64 = 30;
/// Files are read this often without a hint.
const SCAN_EVERY: Duration = Duration::from_secs(30);
/// The start does not wait longer for an archive that does not answer.
const TIDY_MAX: Duration = Duration::from_secs(5);
/// The lock on the PostgreSQL server is asked for again this often while the server is down.
const LOCK_EVERY: Duration = Duration::from_secs(10);
/// The engine's events are asked for again at the latest after this time.
const EVENTS_WAIT_MAX: Duration = Duration::from_secs(30);

/// What a person wants of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// End: the first time running steps finish, the second time at once.
    Stop,
    /// Read the files and look at everything now.
    Reload,
}

/// The daemon ended otherwise than by a signal.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another Innkeeper acts for this installation, perhaps on another host.
    #[error("this installation has another daemon")]
    Held(#[source] EdgeError),
    /// The control socket could not be bound.
    #[error("could not listen on the control socket")]
    Socket(#[source] io::Error),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// What the daemon reacts to.
enum Happening {
    /// Files changed, perhaps.
    Hint,
    /// Something happened to an object of ours, or to any.
    Engine(Option<InstanceName>),
    /// Another Innkeeper has the lock on the PostgreSQL server.
    Held(EdgeError),
    Signal(Signal),
}

/// Runs until a signal. The keeper was opened with [`super::Conduct::Keep`].
///
/// # Errors
/// [`RunError`].
pub async fn run(keeper: Arc<Keeper>, mut signals: mpsc::Receiver<Signal>) -> Result<(), RunError> {
    let lock = first_lock(&keeper).await?;
    let server = Server::bind(&keeper.connected.fleet.state_dir).map_err(RunError::Socket)?;
    tell_start(&keeper)?;
    keeper.show_silences()?;
    tidy(&keeper).await;
    let crew = Crew::new(Arc::clone(&keeper), BTreeSet::new());
    let conversations = Conversations::begin(server, &crew);
    let watch = Watch::new(&keeper.place.fleet_dir, &keeper.place.settings_file);
    let ear = watch.ear();
    crew.start(SCAN_EVERY, rearming(watch, &keeper));
    look_around(&crew);
    let meter = Meter::begin(&keeper);

    let mut engine = std::pin::pin!(engine_event(&keeper));
    let mut lock = std::pin::pin!(keep_lock(&keeper, lock));
    let held = loop {
        let happening = tokio::select! {
            // A signal that comes meanwhile waits in the channel.
            signal = signals.recv() => Happening::Signal(signal.unwrap_or(Signal::Stop)),
            // Hints that come meanwhile are one stored permit.
            () = ear.notified() => Happening::Hint,
            // Goes on where it was when another arm was first.
            instance = &mut engine => {
                engine.set(engine_event(&keeper));
                Happening::Engine(instance)
            }
            // Goes on where it was, too.
            error = &mut lock => Happening::Held(error),
        };
        match happening {
            Happening::Hint => {
                crew.wake_chore(Chore::Scan, queue::DEBOUNCE);
                // Templates are the host's.
                crew.wake(Subject::Host, None);
            }
            Happening::Engine(Some(name)) => crew.wake(Subject::Instance(name), None),
            Happening::Engine(None) => crew.wake_chore(Chore::LookAtAll, queue::DEBOUNCE),
            Happening::Signal(Signal::Reload) => look_around(&crew),
            Happening::Signal(Signal::Stop) => break None,
            Happening::Held(error) => break Some(error),
        }
    };
    stop(&crew, &mut signals).await;
    conversations.end().await;
    meter.end(&keeper).await;
    keeper.tell(&event(Level::Info, None, Reason::DaemonStopped, "the daemon stopped"));
    held.map_or(Ok(()), |error| Err(RunError::Held(error)))
}

/// Throws away half-made backups: whoever made them is gone, and they may fill the disk that the journal is on.
async fn tidy(keeper: &Keeper) {
    match tokio::time::timeout(TIDY_MAX, keeper.edges.archive.tidy()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(error = %chain(&error), "half-made backups stay until they are begun again"),
        Err(_) => tracing::warn!("the archive does not answer: half-made backups stay until they are begun again"),
    }
}

/// Takes no new turn and lets what runs end, until the time is over or a second signal comes.
async fn stop(crew: &Crew, signals: &mut mpsc::Receiver<Signal>) {
    tracing::info!("stopping: running steps may end; a second signal stops at once");
    crew.close();
    let second = async { while signals.recv().await == Some(Signal::Reload) {} };
    tokio::select! {
        () = crew.ended() => return,
        () = second => tracing::warn!("stopping at once"),
        () = tokio::time::sleep(Duration::from_secs(SHUTDOWN_GRACE_S_MAX)) => {
            tracing::warn!("steps that still run are cut: the next start looks and goes on");
        }
    }
    crew.cut();
    crew.ended().await;
}

fn look_around(crew: &Crew) {
    crew.wake_chore(Chore::Scan, Duration::ZERO);
    crew.wake_chore(Chore::LookAtAll, Duration::ZERO);
}

/// Watches anew after each reading where that is needed.
fn rearming(watch: Watch, keeper: &Arc<Keeper>) -> impl Fn() -> bool + Clone + Send + Sync + 'static {
    let (watch, keeper) = (Arc::new(Mutex::new(watch)), Arc::clone(keeper));
    move || {
        let rearmed = watch.lock().unwrap_or_else(PoisonError::into_inner).rearm();
        match rearmed {
            Ok(rearmed) => {
                keeper.board.lower("watch");
                rearmed
            }
            Err(error) => {
                let every = SCAN_EVERY.as_secs();
                let message =
                    format!("files cannot be watched and are read every {every} s instead: {}", chain(&error));
                if keeper.board.raise("watch", Reason::NotWatching, &message, keeper.now()) {
                    keeper.tell(&event(Level::Warning, None, Reason::NotWatching, message));
                }
                false
            }
        }
    }
}

/// The next thing that the engine tells. While it tells nothing because it is down, it is asked again with back-off,
/// and afterwards anything may have happened.
async fn engine_event(keeper: &Keeper) -> Option<InstanceName> {
    let mut failures = 0;
    loop {
        match keeper.edges.engine.changed().await {
            Ok(instance) if failures == 0 => return instance,
            Ok(_) => return None,
            Err(error) => {
                tracing::debug!(error = %chain(&error), "the engine tells nothing");
                failures += 1;
                tokio::time::sleep(backoff::wait(failures, (keeper.place.chance)()).min(EVENTS_WAIT_MAX)).await;
            }
        }
    }
}

/// The first try at the server's lock. A server that is down keeps nobody from starting.
async fn first_lock(keeper: &Keeper) -> Result<Option<InstallationLock>, RunError> {
    match keeper.edges.database.lock_installation().await {
        Ok(lock) => Ok(Some(lock)),
        Err(error) if error.kind == ErrorKind::Conflict => Err(RunError::Held(error)),
        Err(error) => {
            tracing::warn!(error = %chain(&error), "the installation's lock on the server is taken later");
            Ok(None)
        }
    }
}

/// Keeps the server's lock, and takes it again after it was lost. Ends when somebody else has it.
async fn keep_lock(keeper: &Keeper, mut lock: Option<InstallationLock>) -> EdgeError {
    loop {
        if let Some(held) = lock.take() {
            held.await;
            tracing::warn!("the connection that held the installation's lock broke: it is taken again");
        }
        match keeper.edges.database.lock_installation().await {
            Ok(again) => lock = Some(again),
            Err(error) if error.kind == ErrorKind::Conflict => {
                let message = format!("another daemon took over, this one ends: {}", chain(&error));
                keeper.tell(&event(Level::Critical, None, Reason::LockLost, message));
                return error;
            }
            Err(_) => tokio::time::sleep(LOCK_EVERY).await,
        }
    }
}

/// Tells of the start, and of steps that the last process began and did not end.
fn tell_start(keeper: &Keeper) -> Result<(), JournalError> {
    for intent in keeper.journal.open_intents()? {
        let message = format!("{} was begun and its end was not seen: what came of it is looked at", intent.kind);
        let told = event(Level::Warning, intent.instance.as_ref(), Reason::StepInterrupted, message);
        keeper.tell(&NewEvent { step: Some(intent.step.to_string()), ..told });
    }
    keeper.journal.clear_intents()?;
    let message = format!("the daemon started, version {}", env!("CARGO_PKG_VERSION"));
    keeper.tell(&event(Level::Info, None, Reason::DaemonStarted, message));
    Ok(())
}

/// The control socket and whoever talks on it.
struct Conversations {
    tasks: TaskTracker,
    stopping: CancellationToken,
    keeper: Arc<Keeper>,
}

impl Conversations {
    fn begin(server: Server, crew: &Arc<Crew>) -> Self {
        let (tasks, stopping, keeper) = (TaskTracker::new(), CancellationToken::new(), Arc::clone(&crew.keeper));
        let (pid, since) = (std::process::id(), keeper.now());
        let can = vec![STREAMS.to_owned()];
        let hello = Hello { schema: SCHEMA, version: env!("CARGO_PKG_VERSION").to_owned(), pid, since, can };
        let daemon = DaemonStatus { running: true, pid: Some(pid), since: Some(since) };
        let scene = Scene::open(&keeper.journal);
        tasks.spawn(listening(Arc::clone(&scene), Arc::clone(&keeper), stopping.clone()));
        let handler: Arc<dyn Handler> = Arc::new(Desk { crew: Arc::clone(crew), daemon, scene });
        tasks.spawn(server.run(hello, handler, tasks.clone(), stopping.clone()));
        Self { tasks, stopping, keeper }
    }

    /// Ends all conversations. The lock is still held, so the socket is nobody else's.
    async fn end(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let _ = std::fs::remove_file(self.keeper.connected.fleet.state_dir.join(SOCKET_FILE));
    }
}

/// Has the scene hear what goes on, until the daemon stops.
async fn listening(scene: Arc<Scene>, keeper: Arc<Keeper>, stopping: CancellationToken) {
    tokio::select! {
        // Cut between two pieces of news: nobody decides by them.
        () = stopping.cancelled() => {}
        () = scene.listen(&keeper) => {}
        // Cut between two looks.
        () = progress::follow(&scene, &keeper) => {}
    }
}

/// Signals of the process: SIGTERM and SIGINT stop, SIGHUP reloads.
///
/// # Errors
/// The system takes no handler.
pub fn signals() -> io::Result<mpsc::Receiver<Signal>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt, mut hang_up) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let (sender, receiver) = mpsc::channel(8);
    tokio::spawn(async move {
        loop {
            // Signals are kept by the system until they are asked for: no arm loses one.
            let told = tokio::select! {
                _ = terminate.recv() => Signal::Stop,
                _ = interrupt.recv() => Signal::Stop,
                _ = hang_up.recv() => Signal::Reload,
            };
            if sender.send(told).await.is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
