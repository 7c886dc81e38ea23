//! Docker's event stream as a hint to look again. Docker drops events without a word when its reader is slow: nothing
//! here is news, and each new connection is itself a reason to look.

use super::client::failure;
use super::{Docker, image, labels};
use crate::edges::EdgeError;
use crate::model::name::InstanceName;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptionsBuilder;
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::HashMap;

/// An open stream of events.
pub(super) type Events = BoxStream<'static, Result<EventMessage, bollard::errors::Error>>;

/// Actions that change nothing that a look shows.
const IDLE_ACTIONS: [&str; 9] =
    ["archive-path", "attach", "commit", "copy", "detach", "exec_", "export", "resize", "top"];

/// Completes at the next event of an object of ours; with none when the stream was opened anew. May be dropped at any
/// await: the stream stays open for the next call.
pub(super) async fn changed(docker: &Docker) -> Result<Option<InstanceName>, EdgeError> {
    let mut open = docker.events.lock().await;
    loop {
        let Some(events) = open.as_mut() else {
            *open = Some(connect(docker).await?);
            return Ok(None);
        };
        match events.next().await {
            Some(Ok(event)) if is_idle(&event) => {}
            Some(Ok(event)) => return Ok(instance(&event)),
            None => *open = None,
            Some(Err(error)) => {
                *open = None;
                return Err(failure("lost Docker's event stream", error));
            }
        }
    }
}

async fn connect(docker: &Docker) -> Result<Events, EdgeError> {
    // Also the proof that the engine answers: the stream itself tells that only with its first event.
    docker.client.agree_again().await?;
    // The request goes out when the stream is first asked for an event: what happens until then is told from here on.
    let since = super::now().as_second().to_string();
    let engine = docker.client.docker().await?;
    let label = format!("{}={}", labels::INSTALLATION, docker.installation);
    let filters = HashMap::from([("label", vec![label])]);
    let options = EventsOptionsBuilder::default().since(&since).filters(&filters).build();
    Ok(engine.events(Some(options)).boxed())
}

fn is_idle(event: &EventMessage) -> bool {
    let action = event.action.as_deref().unwrap_or_default();
    let of_probe = event.actor.as_ref().and_then(|actor| actor.attributes.as_ref()).is_some_and(image::is_probe);
    of_probe || IDLE_ACTIONS.iter().any(|idle| action.starts_with(idle))
}

fn instance(event: &EventMessage) -> Option<InstanceName> {
    let attributes = event.actor.as_ref()?.attributes.as_ref()?;
    InstanceName::parse(attributes.get(labels::INSTANCE)?).ok()
}
