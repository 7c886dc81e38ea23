//! The commands' side of the socket.

use super::protocol::{
    ApplyRequest, Converged, Hello, LogRequest, Planned, Progress, Reply, Request, STREAMS, SilenceRequest,
};
use super::view::View;
use super::{LINE_BYTES_MAX, SOCKET_FILE};
use crate::model::backup::BackupLive;
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::silence::{AlertsOf, Silence};
use crate::model::status::{FleetStatus, SCHEMA};
use crate::model::usage::UsageHistory;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// The daemon says hello and answers short requests within this time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The daemon could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no daemon: no socket, or nobody listens on it.
    #[error("no daemon runs for this fleet (nobody listens on {})", .0.display())]
    NoDaemon(PathBuf),
    /// The socket is there and may not be opened.
    #[error("could not open {}: join its group, or run this as root", .0.display())]
    Denied(PathBuf),
    /// The conversation broke.
    #[error("the conversation with the daemon broke")]
    Broken(#[from] io::Error),
    /// It did not answer in time.
    #[error("the daemon did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Late,
    /// It speaks another version.
    #[error("the daemon is version {theirs} and speaks another language than this command: restart it")]
    Version {
        /// The daemon's version.
        theirs: String,
    },
    /// It refused.
    #[error("{0}")]
    Refused(String),
}

/// A conversation with the running daemon.
pub struct Client {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    hello: Hello,
}

impl Client {
    /// Opens the conversation.
    ///
    /// # Errors
    /// [`ControlError::NoDaemon`] when there is none.
    pub async fn connect(state_dir: &Path) -> Result<Self, ControlError> {
        let socket = state_dir.join(SOCKET_FILE);
        let stream = UnixStream::connect(&socket).await.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ControlError::NoDaemon(socket),
            io::ErrorKind::PermissionDenied => ControlError::Denied(socket),
            _ => ControlError::Broken(error),
        })?;
        let (reader, writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let hello: Hello = in_time(read(&mut reader)).await?;
        if hello.schema != SCHEMA {
            return Err(ControlError::Version { theirs: hello.version });
        }
        Ok(Self { reader, writer, hello })
    }

    /// What the daemon said first.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// How the fleet stands.
    ///
    /// # Errors
    /// The conversation broke.
    pub async fn status(&mut self) -> Result<FleetStatus, ControlError> {
        match self.ask(&Request::Status).await? {
            Reply::Status(status) => Ok(*status),
            other => Err(unexpected(other)),
        }
    }

    /// Notes an errand; returns its id.
    ///
    /// # Errors
    /// The daemon refused, or the conversation broke.
    pub async fn errand(&mut self, instance: &InstanceName, kind: ErrandKind) -> Result<u64, ControlError> {
        match self.ask(&Request::Errand { instance: instance.clone(), kind }).await? {
            Reply::Errand { id } => Ok(id),
            other => Err(unexpected(other)),
        }
    }

    /// Has the daemon look at these instances now; at the whole fleet when `names` is empty. Returns the number for
    /// [`Client::looked`]; none of a daemon of before.
    ///
    /// # Errors
    /// The daemon refused, or the conversation broke.
    pub async fn wake(&mut self, names: &[InstanceName]) -> Result<Option<u64>, ControlError> {
        match self.ask(&Request::Wake { names: names.to_vec() }).await? {
            Reply::Woken { ticket } => Ok(ticket),
            other => Err(unexpected(other)),
        }
    }

    /// Which of these instances were looked at since the daemon gave out `ticket`.
    ///
    /// # Errors
    /// The daemon refused, or the conversation broke.
    pub async fn looked(&mut self, ticket: u64, names: &[InstanceName]) -> Result<Vec<InstanceName>, ControlError> {
        match self.ask(&Request::Looked { ticket, names: names.to_vec() }).await? {
            Reply::Looked { names } => Ok(names),
            other => Err(unexpected(other)),
        }
    }

    /// Notes that somebody knows of alerts; returns what was noted.
    ///
    /// # Errors
    /// No such alert is open, or the conversation broke.
    pub async fn silence(&mut self, request: SilenceRequest) -> Result<Vec<Silence>, ControlError> {
        match self.ask(&Request::Silence(request)).await? {
            Reply::Silenced { silences } => Ok(silences),
            other => Err(unexpected(other)),
        }
    }

    /// Has alerts ask for attention again; returns how many silences ended.
    ///
    /// # Errors
    /// None was silenced, or the conversation broke.
    pub async fn unsilence(&mut self, of: AlertsOf) -> Result<u64, ControlError> {
        match self.ask(&Request::Unsilence(of)).await? {
            Reply::Unsilenced { count } => Ok(count),
            other => Err(unexpected(other)),
        }
    }

    /// What an instance used.
    ///
    /// # Errors
    /// The daemon refused, or the conversation broke.
    pub async fn usage(&mut self, instance: &InstanceName) -> Result<UsageHistory, ControlError> {
        match self.ask(&Request::Usage { instance: instance.clone() }).await? {
            Reply::Usage(history) => Ok(*history),
            other => Err(unexpected(other)),
        }
    }

    /// What would be done, by a look of the daemon's own.
    ///
    /// # Errors
    /// The daemon refused, or the conversation broke.
    pub async fn plan(&mut self, names: &[InstanceName]) -> Result<Planned, ControlError> {
        match self.ask(&Request::Plan { names: names.to_vec() }).await? {
            Reply::Planned(planned) => Ok(*planned),
            other => Err(unexpected(other)),
        }
    }

    /// Which backups there are, by a look of the daemon's own: of these instances, or of all that have any.
    ///
    /// # Errors
    /// The daemon refused, or the conversation broke.
    pub async fn backups(&mut self, names: &[InstanceName]) -> Result<Vec<BackupLive>, ControlError> {
        match self.ask(&Request::Backups { names: names.to_vec() }).await? {
            Reply::Backups { backups } => Ok(backups),
            other => Err(unexpected(other)),
        }
    }

    /// Has the daemon bring instances to what their files ask for, and waits for the end. `told` hears of each step;
    /// `None` tells that some were missed.
    ///
    /// # Errors
    /// The daemon refused, or the conversation broke: the daemon goes on all the same.
    pub async fn apply(
        &mut self,
        request: ApplyRequest,
        mut told: impl FnMut(Option<Progress>),
    ) -> Result<Converged, ControlError> {
        self.write(&Request::Apply(request)).await?;
        loop {
            match read(&mut self.reader).await? {
                Reply::Progress(progress) => told(Some(progress)),
                Reply::Missed { .. } => told(None),
                Reply::Converged(converged) => return Ok(converged),
                other => return Err(unexpected(other)),
            }
        }
    }

    /// Watches the fleet: the whole of it first, then what becomes different.
    ///
    /// # Errors
    /// The daemon is one of before, or the conversation broke.
    pub async fn watch(self) -> Result<Watching, ControlError> {
        let client = self.streaming(&Request::Watch).await?;
        Ok(Watching { client })
    }

    /// Reads an output as it is written.
    ///
    /// # Errors
    /// The daemon is one of before, or the conversation broke.
    pub async fn logs(self, request: LogRequest) -> Result<LogReading, ControlError> {
        let client = self.streaming(&Request::Logs(request)).await?;
        Ok(LogReading { client })
    }

    async fn streaming(mut self, request: &Request) -> Result<Self, ControlError> {
        if !self.hello.can.iter().any(|word| word == STREAMS) {
            return Err(ControlError::Version { theirs: self.hello.version });
        }
        self.write(request).await?;
        Ok(self)
    }

    async fn ask(&mut self, request: &Request) -> Result<Reply, ControlError> {
        self.write(request).await?;
        in_time(read(&mut self.reader)).await
    }

    async fn write(&mut self, request: &Request) -> Result<(), ControlError> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::from)?;
        line.push(b'\n');
        Ok(self.writer.write_all(&line).await?)
    }
}

/// A conversation in which the daemon tells the fleet.
pub struct Watching {
    client: Client,
}

impl Watching {
    /// What the daemon said first.
    pub fn hello(&self) -> &Hello {
        &self.client.hello
    }

    /// The next view. Must not be dropped before it ends: part of a line would be lost.
    ///
    /// # Errors
    /// The conversation broke, or nothing was heard for longer than a daemon is silent.
    pub async fn next(&mut self) -> Result<View, ControlError> {
        match in_time(read(&mut self.client.reader)).await? {
            Reply::View(view) => Ok(*view),
            other => Err(unexpected(other)),
        }
    }
}

/// A conversation in which the daemon tells an output.
pub struct LogReading {
    client: Client,
}

/// Lines of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogBatch {
    /// So many were left out before these.
    pub dropped: u64,
    /// Oldest first.
    pub lines: Vec<String>,
}

impl LogReading {
    /// The next lines; none at the end of the output. Must not be dropped before it ends.
    ///
    /// # Errors
    /// The output cannot be read, or the conversation broke.
    pub async fn next(&mut self) -> Result<Option<LogBatch>, ControlError> {
        match read(&mut self.client.reader).await? {
            Reply::Log { dropped, lines } => Ok(Some(LogBatch { dropped, lines })),
            Reply::LogEnd { error: None } => Ok(None),
            Reply::LogEnd { error: Some(error) } => Err(ControlError::Refused(error)),
            other => Err(unexpected(other)),
        }
    }
}

async fn read<T: serde::de::DeserializeOwned>(reader: &mut BufReader<OwnedReadHalf>) -> Result<T, ControlError> {
    let mut line = Vec::new();
    reader.take(LINE_BYTES_MAX).read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the daemon ended it").into());
    }
    Ok(serde_json::from_slice(&line).map_err(io::Error::from)?)
}

async fn in_time<T>(answer: impl Future<Output = Result<T, ControlError>>) -> Result<T, ControlError> {
    tokio::time::timeout(ANSWER_TIMEOUT, answer).await.map_err(|_| ControlError::Late)?
}

fn unexpected(reply: Reply) -> ControlError {
    match reply {
        Reply::Refused { message } => ControlError::Refused(message),
        _ => ControlError::Broken(io::Error::new(io::ErrorKind::InvalidData, "an answer to another question")),
    }
}
