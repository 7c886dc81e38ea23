//! Conversations with the daemon: watching it for as long as the dashboard runs, asking it for something, and reading an
//! output. What it says becomes messages.

use super::app::Hands;
use super::update::Msg;
use crate::control::{Client, ControlError, LogOf, LogRequest};
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::status::chain;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;

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
    let asked = async { Client::connect(state_dir).await?.wake(names).await };
    asked.await.map_err(|error: ControlError| chain(&error))
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
