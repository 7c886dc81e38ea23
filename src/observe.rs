//! Edges → Live: five looks at once; a failed one never fails the others.
//!
//! Nothing here concludes anything: what could not be looked at becomes `Unseen` with the reason.

use crate::edges::proxy::{Channel, Visit};
use crate::edges::{Archive, Ask, Edge, EdgeError, Edges, ErrorKind};
use crate::model::backup::BackupLive;
use crate::model::live::{Answer, Live, Seen};
use crate::model::name::{Domain, InstanceName, Resources};
use crate::model::wanted::{Wanted, WantedState};
use futures::StreamExt;
use std::collections::BTreeMap;
use std::time::Duration;

/// A look that takes longer has failed: adapters have shorter deadlines for each call of theirs.
const LOOK_S_MAX: u64 = 60;
/// How many hosts are asked for their login page at once: enough to hide latency and some that hang, few enough for a small
/// host.
const HOSTS_AT_ONCE_MAX: usize = 8;
/// The first release that uses websockets.
const WEBSOCKET_MAJOR_MIN: u32 = 16;

/// What to ask for so that `instances` can be decided over; `hosts` are those to be proven by their login page.
pub fn ask<'a>(
    instances: impl IntoIterator<Item = (&'a InstanceName, Option<&'a Wanted>)>,
    prove: impl Fn(&InstanceName) -> bool,
) -> Ask {
    let mut ask = Ask::default();
    for (name, wanted) in instances {
        ask.instances.insert(name.clone(), Resources::of(name));
        if let Some(wanted) = wanted {
            ask.images.insert(wanted.image.clone());
            if wanted.state == WantedState::Running && prove(name) {
                ask.hosts.extend(wanted.hosts().map(|host| (host.clone(), visit(wanted))));
            }
        }
    }
    ask
}

/// As whom the customer's own users come. Without workers one process does everything, so it needs no second question.
fn visit(wanted: &Wanted) -> Visit {
    let channel = match wanted.odoo.major() {
        _ if wanted.limits.workers == 0 => Channel::Same,
        major if major >= WEBSOCKET_MAJOR_MIN => Channel::Websocket,
        _ => Channel::LongPolling,
    };
    Visit { language: Some(wanted.company.language.clone()), channel }
}

/// The backups of these instances, or of all that have any, in no order.
///
/// # Errors
/// The archive cannot be looked at.
pub async fn backups(archive: &dyn Archive, names: &[InstanceName]) -> Result<Vec<BackupLive>, EdgeError> {
    let names = if names.is_empty() { archive.instances().await? } else { names.iter().cloned().collect() };
    let instances = names.into_iter().map(|name| (name.clone(), Resources::of(&name))).collect();
    let live = archive.look(&Ask { instances, ..Ask::default() }).await?;
    Ok(live.backups.into_values().flat_map(|backups| backups.into_values()).collect())
}

/// Looks at everything that `ask` names.
pub async fn observe(edges: &Edges, ask: &Ask) -> Live {
    let (engine, database, proxy, authority, archive, answers) = tokio::join!(
        within(Edge::Engine, edges.engine.look(ask)),
        within(Edge::Database, edges.database.look(ask)),
        within(Edge::Proxy, edges.proxy.look(ask)),
        within(Edge::Authority, edges.authority.look(ask)),
        within(Edge::Archive, edges.archive.look(ask)),
        answers(edges, &ask.hosts),
    );
    Live { engine, database, proxy, authority, archive, answers }
}

/// Each edge, and why the look at it failed; none where it was seen.
pub fn unseen(live: &Live) -> [(Edge, Option<&str>); 5] {
    [
        (Edge::Engine, live.engine.why()),
        (Edge::Database, live.database.why()),
        (Edge::Proxy, live.proxy.why()),
        (Edge::Authority, live.authority.why()),
        (Edge::Archive, live.archive.why()),
    ]
}

async fn within<T>(edge: Edge, look: impl Future<Output = Result<T, EdgeError>>) -> Seen<T> {
    match tokio::time::timeout(Duration::from_secs(LOOK_S_MAX), look).await {
        Ok(result) => result.into(),
        Err(_) => {
            let late = format!("{edge} did not answer within {LOOK_S_MAX} s");
            Err(EdgeError::plain(edge, ErrorKind::Timeout, late)).into()
        }
    }
}

async fn answers(edges: &Edges, hosts: &BTreeMap<Domain, Visit>) -> BTreeMap<Domain, Seen<Answer>> {
    // The hosts are cloned so that no future borrows from the set: the compiler could not prove it general enough.
    let questions: Vec<_> = hosts
        .iter()
        .map(|(host, visit)| (host.clone(), visit.clone()))
        .map(|(host, visit)| {
            let proxy = edges.proxy.clone();
            async move {
                let answer = within(Edge::Proxy, proxy.ask_host(&host, &visit)).await;
                (host, answer)
            }
        })
        .collect();
    futures::stream::iter(questions).buffer_unordered(HOSTS_AT_ONCE_MAX).collect().await
}
