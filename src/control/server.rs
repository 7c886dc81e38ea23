//! The daemon's side of the socket. It knows no fleet: a [`Handler`] answers.

use super::protocol::{ApplyRequest, Converged, Hello, LogRequest, Planned, Progress, Reply, Request, SilenceRequest};
use super::view::{Cursor, View};
use super::{REQUEST_BYTES_MAX, SOCKET_FILE, streams};
use crate::model::backup::BackupLive;
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::silence::{AlertsOf, Silence};
use crate::model::status::FleetStatus;
use crate::model::usage::UsageHistory;
use async_trait::async_trait;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Clients served at once; further ones wait until one leaves.
const CLIENTS_MAX: usize = 64;
/// Progress lines that may wait for a slow client before some are left out.
const PROGRESS_BACKLOG_MAX: usize = 256;
/// A client that takes no byte of a reply for so long is dropped.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept (no file descriptor is left) others get time to close theirs.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers requests. Every method but `apply` is short.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// How the fleet stands.
    fn status(&self) -> Arc<FleetStatus>;

    /// Brings instances to what their files ask for. Dropping the future only ends the telling.
    async fn apply(&self, request: ApplyRequest, by: &Peer, progress: &ProgressSink) -> Result<Converged, String>;

    /// Notes an errand and wakes its instance.
    fn errand(&self, instance: &InstanceName, kind: ErrandKind, by: &Peer) -> Result<u64, String>;

    /// Wakes instances, or the whole fleet. Returns a number for [`Handler::looked`] that only grows.
    fn wake(&self, names: &[InstanceName], by: &Peer) -> Result<u64, String>;

    /// Those of the instances whose last look began after that number was given out.
    fn looked(&self, ticket: u64, names: &[InstanceName]) -> Vec<InstanceName>;

    /// Notes that the peer knows of alerts.
    fn silence(&self, request: &SilenceRequest, by: &Peer) -> Result<Vec<Silence>, String>;

    /// Has alerts ask for attention again; how many silences that ended.
    fn unsilence(&self, of: &AlertsOf, by: &Peer) -> Result<u64, String>;

    /// What an instance used.
    fn usage(&self, instance: &InstanceName) -> Result<UsageHistory, String>;

    /// Looks, and says what would be done.
    async fn plan(&self, names: &[InstanceName]) -> Result<Planned, String>;

    /// Looks, and says which backups there are: of these instances, or of all that have any.
    async fn backups(&self, names: &[InstanceName]) -> Result<Vec<BackupLive>, String>;

    /// Whatever is newer than `cursor`, which is moved on; nothing when nothing is.
    fn view(&self, cursor: &mut Cursor) -> Vec<View>;

    /// What a watcher is told when nothing changed for a while: the time, and how the host is.
    fn beat(&self) -> View;

    /// Changes when there may be something to view.
    fn changes(&self) -> watch::Receiver<u64>;

    /// The lines of an output as they come.
    async fn logs(&self, request: &LogRequest, by: &Peer) -> Result<LogLines, String>;
}

/// Lines of an output as they come, or why there will be none.
pub type LogLines = futures::stream::BoxStream<'static, Result<String, String>>;

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The user's name, or `uid 1000` where it has none.
    pub user: String,
    /// The process id, where the system tells it.
    pub pid: Option<i32>,
}

/// Where the progress of an apply goes. It never waits.
pub struct ProgressSink {
    lines: mpsc::Sender<Progress>,
    missed: AtomicU64,
}

impl ProgressSink {
    fn new() -> (Self, mpsc::Receiver<Progress>) {
        let (lines, receiver) = mpsc::channel(PROGRESS_BACKLOG_MAX);
        (Self { lines, missed: AtomicU64::new(0) }, receiver)
    }

    /// Tells one step, or counts it as missed when the client is too slow.
    pub fn tell(&self, progress: Progress) {
        if self.lines.try_send(progress).is_err() {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The bound socket.
pub struct Server {
    listener: UnixListener,
}

impl Server {
    /// Binds `<state_dir>/control.sock`, 0660, in place of one that a dead daemon left behind. Only whoever holds the
    /// installation's lock may call it.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn bind(state_dir: &Path) -> io::Result<Self> {
        let socket = state_dir.join(SOCKET_FILE);
        // Bound beside and renamed, so that it never stands there with another mode.
        let fresh = PathBuf::from(format!("{}.new", socket.display()));
        match std::fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&fresh)?;
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o660))?;
        std::fs::rename(&fresh, &socket)?;
        Ok(Self { listener })
    }

    /// Serves until `stopping`. Conversations are tasks of `tasks`; they end with `stopping` too.
    pub async fn run(self, hello: Hello, handler: Arc<dyn Handler>, tasks: TaskTracker, stopping: CancellationToken) {
        let places = Arc::new(Semaphore::new(CLIENTS_MAX));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            let accepted = tokio::select! {
                // Cut between clients: nothing is lost.
                () = stopping.cancelled() => return,
                accepted = self.listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let (hello, handler, stopping) = (hello.clone(), Arc::clone(&handler), stopping.clone());
            tasks.spawn(async move {
                let _place = place;
                tokio::select! {
                    // Cut in the middle of a reply: the client sees the end of the stream and says so.
                    () = stopping.cancelled() => {}
                    result = converse(stream, &hello, handler.as_ref()) => {
                        if let Err(error) = result {
                            tracing::debug!(%error, "a client of the control socket is gone");
                        }
                    }
                }
            });
        }
    }
}

async fn converse(stream: UnixStream, hello: &Hello, handler: &dyn Handler) -> io::Result<()> {
    let peer = peer(&stream);
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    write_line(&mut writer, hello).await?;
    while let Some(line) = read_line(&mut reader).await? {
        match serde_json::from_slice(&line) {
            Ok(Request::Apply(request)) => apply(request, &peer, handler, &mut writer).await?,
            Ok(Request::Plan { names }) => {
                let planned = handler.plan(&names).await.map(|planned| Reply::Planned(Box::new(planned)));
                let reply = planned.unwrap_or_else(|message| Reply::Refused { message });
                write_line(&mut writer, &reply).await?;
            }
            Ok(Request::Backups { names }) => {
                let backups = handler.backups(&names).await.map(|backups| Reply::Backups { backups });
                let reply = backups.unwrap_or_else(|message| Reply::Refused { message });
                write_line(&mut writer, &reply).await?;
            }
            Ok(Request::Watch) => return streams::watch(handler, &mut reader, &mut writer).await,
            Ok(Request::Logs(request)) => {
                return streams::logs(&request, &peer, handler, &mut reader, &mut writer).await;
            }
            Ok(request) => write_line(&mut writer, &answer(request, &peer, handler)).await?,
            Err(error) => {
                let message = format!("the request is not understood by this version: {error}");
                write_line(&mut writer, &Reply::Refused { message }).await?;
            }
        }
    }
    Ok(())
}

fn answer(request: Request, peer: &Peer, handler: &dyn Handler) -> Reply {
    let result = match request {
        Request::Status => Ok(Reply::Status(Box::new(FleetStatus::clone(&handler.status())))),
        Request::Errand { instance, kind } => handler.errand(&instance, kind, peer).map(|id| Reply::Errand { id }),
        Request::Wake { names } => handler.wake(&names, peer).map(|it| Reply::Woken { ticket: Some(it) }),
        Request::Looked { ticket, names } => Ok(Reply::Looked { names: handler.looked(ticket, &names) }),
        Request::Silence(request) => handler.silence(&request, peer).map(|silences| Reply::Silenced { silences }),
        Request::Unsilence(of) => handler.unsilence(&of, peer).map(|count| Reply::Unsilenced { count }),
        Request::Usage { instance } => handler.usage(&instance).map(|history| Reply::Usage(Box::new(history))),
        Request::Apply(_) | Request::Plan { .. } | Request::Backups { .. } | Request::Watch | Request::Logs(_) => {
            unreachable!("these have answers of their own")
        }
    };
    result.unwrap_or_else(|message| Reply::Refused { message })
}

/// Tells progress as it comes, then the end.
async fn apply(
    request: ApplyRequest,
    peer: &Peer,
    handler: &dyn Handler,
    writer: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let (sink, mut lines) = ProgressSink::new();
    let mut work = std::pin::pin!(handler.apply(request, peer, &sink));
    let result = loop {
        tokio::select! {
            // Lines first, so that the end comes last. Dropping `recv` loses no line.
            biased;
            Some(progress) = lines.recv() => {
                tell_missed(&sink, writer).await?;
                write_line(writer, &Reply::Progress(progress)).await?;
            }
            result = &mut work => break result,
        }
    };
    while let Ok(progress) = lines.try_recv() {
        write_line(writer, &Reply::Progress(progress)).await?;
    }
    tell_missed(&sink, writer).await?;
    let reply = match result {
        Ok(converged) => Reply::Converged(converged),
        Err(message) => Reply::Refused { message },
    };
    write_line(writer, &reply).await
}

async fn tell_missed(sink: &ProgressSink, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    match sink.missed.swap(0, Ordering::Relaxed) {
        0 => Ok(()),
        lines => write_line(writer, &Reply::Missed { lines }).await,
    }
}

pub(super) async fn read_line(reader: &mut BufReader<OwnedReadHalf>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let bytes = reader.take(REQUEST_BYTES_MAX).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(Some(line)),
        None if bytes == 0 => Ok(None),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a request that does not end, or is too long")),
    }
}

pub(super) async fn write_line(writer: &mut OwnedWriteHalf, value: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    for part in line.chunks(1 << 16) {
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the client does not read");
        tokio::time::timeout(WRITE_TIMEOUT, writer.write_all(part)).await.map_err(|_| late())??;
    }
    Ok(())
}

fn peer(stream: &UnixStream) -> Peer {
    match stream.peer_cred() {
        Ok(credentials) => Peer { user: user_name(credentials.uid()), pid: credentials.pid() },
        Err(_) => Peer { user: "unknown".to_owned(), pid: None },
    }
}

/// The name that `/etc/passwd` has for `uid`: enough for a journal entry, without asking a directory service.
fn user_name(uid: u32) -> String {
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}
