//! Conversations with the daemon: watching it for as long as the dashboard runs, asking it for something, and reading an
//! output. What it says becomes messages.

use super::app::Hands;
use super::merge::Merge;
use super::update::Msg;
use crate::control::{Client, ControlError, LogBatch, LogOf, LogRequest, SilenceRequest};
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::silence::AlertsOf;
use crate::model::status::chain;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Lines of several outputs are collected for so long before they are put in order.
const MERGE_HOLD: Duration = Duration::from_millis(200);
/// At first every output tells its last lines: for those that are slow about it is waited so long.
const MERGE_HOLD_FIRST: Duration = Duration::from_secs(2);
/// More lines than these are not collected.
const MERGE_LINES_MAX: usize = 5_000;
/// Batches of lines that wait to be collected; an output that is faster waits too, and its daemon counts what it drops.
const MERGE_BATCHES_MAX: usize = 16;

/// A daemon that is down is asked again this often.
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Watches the daemon until the dashboard ends. While it is down, what the last one wrote is shown.
pub(super) async fn watch(state_dir: &Path, hands: &Arc<dyn Hands>, messages: &Sender<Msg>) {
    let mut documents_read = false;
    loop {
        let ended = follow(state_dir, messages).await;
        let Err(error) = ended else { return };
        if messages.send(Msg::Lost(chain(&error))).await.is_err() {
            return;
        }
        if !documents_read {
            documents_read = true;
            let hands = Arc::clone(hands);
            let documents = tokio::task::spawn_blocking(move || hands.documents()).await.unwrap_or_default();
            if messages.send(Msg::Documents(documents)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(RETRY_EVERY).await;
    }
}

/// Until the daemon is gone; `Ok` when the dashboard is.
async fn follow(state_dir: &Path, messages: &Sender<Msg>) -> Result<(), ControlError> {
    let mut watching = Client::connect(state_dir).await?.watch().await?;
    loop {
        let view = watching.next().await?;
        if messages.send(Msg::View(Box::new(view))).await.is_err() {
            return Ok(());
        }
    }
}

/// Asks for an errand.
pub(super) async fn errand(state_dir: &Path, name: InstanceName, kind: ErrandKind) -> Msg {
    let asked = async { Client::connect(state_dir).await?.errand(&name, kind).await };
    let result = asked.await.map_err(|error: ControlError| chain(&error));
    Msg::Errand { name, kind, result }
}

/// Has the daemon look.
pub(super) async fn wake(state_dir: &Path, names: &[InstanceName]) -> Result<(), String> {
    let asked = async { Client::connect(state_dir).await?.wake(names).await.map(drop) };
    asked.await.map_err(|error: ControlError| chain(&error))
}

/// Notes that its user knows of alerts.
pub(super) async fn silence(state_dir: &Path, request: SilenceRequest) -> Msg {
    let of = request.of.clone();
    let asked = async { Client::connect(state_dir).await?.silence(request).await };
    Msg::Silenced { of, result: asked.await.map_err(|error: ControlError| chain(&error)) }
}

/// Has alerts ask for attention again.
pub(super) async fn unsilence(state_dir: &Path, of: AlertsOf) -> Msg {
    let asked = async { Client::connect(state_dir).await?.unsilence(of.clone()).await };
    let result = asked.await.map_err(|error: ControlError| chain(&error));
    Msg::Unsilenced { of, result }
}

/// Reads an output until it ends; whoever wants it no more drops this.
pub(super) async fn logs(state_dir: &Path, request: LogRequest, messages: &Sender<Msg>) {
    let of = (request.instance.clone(), request.source);
    let why = match read_logs(state_dir, request, &of, messages).await {
        Ok(()) => "the output ended".to_owned(),
        Err(error) => chain(&error),
    };
    let _ = messages.send(Msg::LogEnded { of, why }).await;
}

async fn read_logs(
    state_dir: &Path,
    request: LogRequest,
    of: &(InstanceName, LogOf),
    messages: &Sender<Msg>,
) -> Result<(), ControlError> {
    let mut reading = Client::connect(state_dir).await?.logs(request).await?;
    while let Some(batch) = reading.next().await? {
        let msg = Msg::Log { of: of.clone(), lines: batch.lines, dropped: batch.dropped };
        if messages.send(msg).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What one of several outputs told: its place among them, and its lines, or why there will be none any more.
type Piece = (usize, Result<LogBatch, String>);

/// Reads several outputs as one until all have ended; whoever wants them no more drops this, and with it the readers.
pub(super) async fn logs_together(state_dir: &Path, requests: Vec<LogRequest>, messages: &Sender<Msg>) {
    let Some(first) = requests.first() else { return };
    let of = (first.instance.clone(), first.source);
    let also: Vec<InstanceName> = requests.iter().skip(1).map(|request| request.instance.clone()).collect();
    let (sender, mut pieces) = mpsc::channel(MERGE_BATCHES_MAX);
    let (mut readers, mut merge) = (JoinSet::new(), Merge::of(requests.len()));
    for (source, request) in requests.into_iter().enumerate() {
        readers.spawn(read_piece(state_dir.to_owned(), source, request, sender.clone()));
    }
    drop(sender);
    let mut first = true;
    while let Some(dropped) = collect(&mut pieces, &mut merge, first).await {
        first = false;
        let (of, also) = (of.clone(), also.clone());
        if messages.send(Msg::Merged { of, also, lines: merge.drain(), dropped }).await.is_err() {
            return;
        }
    }
    let _ = messages.send(Msg::LogEnded { of, why: "the outputs ended".to_owned() }).await;
}

/// Waits for lines, then collects for a moment; the first time until every output has told something, at most for
/// [`MERGE_HOLD_FIRST`]: one that is silent keeps nobody waiting again. Returns how many lines were dropped before; none when all have ended.
async fn collect(pieces: &mut Receiver<Piece>, merge: &mut Merge, first: bool) -> Option<u64> {
    let mut dropped = 0;
    let mut take = |(source, piece): Piece, merge: &mut Merge| match piece {
        Ok(batch) => {
            dropped += batch.dropped;
            merge.take(source, batch.lines);
        }
        Err(why) => merge.take(source, [format!("({why})")]),
    };
    let piece = pieces.recv().await?;
    take(piece, merge);
    let until = Instant::now() + if first { MERGE_HOLD_FIRST } else { MERGE_HOLD };
    while merge.len() < MERGE_LINES_MAX && !(first && merge.all_heard()) {
        match tokio::time::timeout_at(until, pieces.recv()).await {
            Ok(Some(piece)) => take(piece, merge),
            Ok(None) | Err(_) => break,
        }
    }
    Some(dropped)
}

async fn read_piece(state_dir: std::path::PathBuf, source: usize, request: LogRequest, pieces: Sender<Piece>) {
    let reading = async {
        let mut reading = Client::connect(&state_dir).await?.logs(request).await?;
        while let Some(batch) = reading.next().await? {
            if pieces.send((source, Ok(batch))).await.is_err() {
                break;
            }
        }
        Ok::<(), ControlError>(())
    };
    let why = match reading.await {
        Ok(()) => "its output ended".to_owned(),
        Err(error) => chain(&error),
    };
    let _ = pieces.send((source, Err(why))).await;
}
