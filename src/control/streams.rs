//! Conversations that go on until the client goes: watching the fleet, and reading an output.
//!
//! Neither keeps a queue for its client. A view is made when the client can take it, out of what is newest then; of an
//! output the last lines are kept, and what had to be left out is counted.

use super::protocol::{LogRequest, Reply};
use super::server::{Handler, Peer, read_line, write_line};
use super::view::Cursor;
use futures::StreamExt;
use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::io::BufReader;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;

/// Between two views: what changes meanwhile is told together.
const VIEW_PAUSE: Duration = Duration::from_millis(100);
/// A watcher hears at least this often, so that it knows that its picture is not stale.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Lines of an output that wait for a slow client before the oldest are left out.
const LOG_LINES_MAX: usize = 2_000;
/// Lines told at once.
const LOG_BATCH_MAX: usize = 500;
/// Between two batches of lines.
const LOG_PAUSE: Duration = Duration::from_millis(50);
/// A longer line is cut.
const LOG_LINE_BYTES_MAX: usize = 4 << 10;

/// Tells the fleet until the client goes.
pub(super) async fn watch(
    handler: &dyn Handler,
    reader: &mut BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
) -> io::Result<()> {
    tokio::select! {
        // Cut in the middle of a line: nobody is left to read it.
        told = tell_views(handler, writer) => told,
        gone = read_line(reader) => gone.map(drop),
    }
}

async fn tell_views(handler: &dyn Handler, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    let (mut cursor, mut changes) = (Cursor::default(), handler.changes());
    loop {
        changes.borrow_and_update();
        for view in handler.view(&mut cursor) {
            write_line(writer, &Reply::View(Box::new(view))).await?;
        }
        tokio::time::sleep(VIEW_PAUSE).await;
        match tokio::time::timeout(HEARTBEAT, changes.changed()).await {
            Ok(Ok(())) => {}
            // The daemon ends, and with it this conversation.
            Ok(Err(_)) => return Ok(()),
            Err(_) => {
                write_line(writer, &Reply::View(Box::new(handler.beat()))).await?;
            }
        }
    }
}

/// Tells an output until it ends or the client goes.
pub(super) async fn logs(
    request: &LogRequest,
    peer: &Peer,
    handler: &dyn Handler,
    reader: &mut BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
) -> io::Result<()> {
    let mut lines = match handler.logs(request, peer).await {
        Ok(lines) => lines,
        Err(message) => return write_line(writer, &Reply::Refused { message }).await,
    };
    let backlog = Backlog::default();
    let pump = async {
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => backlog.push(line),
                Err(error) => return backlog.end(Some(error)),
            }
        }
        backlog.end(None);
    };
    let pump = async {
        pump.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        told = tell_lines(&backlog, writer) => told,
        gone = read_line(reader) => gone.map(drop),
        // Goes on beside the telling, whatever the client does; it never ends first.
        () = pump => Ok(()),
    }
}

async fn tell_lines(backlog: &Backlog, writer: &mut OwnedWriteHalf) -> io::Result<()> {
    loop {
        let Batch { dropped, lines, end } = backlog.next().await;
        if dropped > 0 || !lines.is_empty() {
            write_line(writer, &Reply::Log { dropped, lines }).await?;
        }
        if let Some(error) = end {
            return write_line(writer, &Reply::LogEnd { error }).await;
        }
        tokio::time::sleep(LOG_PAUSE).await;
    }
}

/// The lines that wait for a client: the newest, and how many were left out before them.
#[derive(Default)]
struct Backlog {
    waiting: Mutex<Waiting>,
    filled: Notify,
}

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    dropped: u64,
    end: Option<Option<String>>,
}

struct Batch {
    dropped: u64,
    lines: Vec<String>,
    end: Option<Option<String>>,
}

impl Backlog {
    fn push(&self, mut line: String) {
        if line.len() > LOG_LINE_BYTES_MAX {
            line.truncate(line.floor_char_boundary(LOG_LINE_BYTES_MAX));
        }
        let mut waiting = self.waiting();
        if waiting.lines.len() >= LOG_LINES_MAX {
            waiting.lines.pop_front();
            waiting.dropped += 1;
        }
        waiting.lines.push_back(line);
        drop(waiting);
        self.filled.notify_one();
    }

    fn end(&self, error: Option<String>) {
        self.waiting().end = Some(error);
        self.filled.notify_one();
    }

    async fn next(&self) -> Batch {
        loop {
            {
                let mut waiting = self.waiting();
                if !waiting.lines.is_empty() || waiting.end.is_some() {
                    let count = waiting.lines.len().min(LOG_BATCH_MAX);
                    let lines: Vec<String> = waiting.lines.drain(..count).collect();
                    let end = if waiting.lines.is_empty() { waiting.end.take() } else { None };
                    return Batch { dropped: std::mem::take(&mut waiting.dropped), lines, end };
                }
            }
            self.filled.notified().await;
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
