//! The daemon's answers to those who ask over the socket.

use super::converge::watch_over;
use super::crew::{Chore, Crew};
use super::keeper::event;
use super::turn::Subject;
use crate::control::{ApplyRequest, Converged, Handler, Peer, Planned, ProgressSink};
use crate::edges::Edge;
use crate::model::errand::ErrandKind;
use crate::model::event::{Level, NewEvent};
use crate::model::name::InstanceName;
use crate::model::status::{DaemonStatus, FleetStatus, chain};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;

/// Answers for one running daemon.
pub(super) struct Desk {
    pub(super) crew: Arc<Crew>,
    pub(super) daemon: DaemonStatus,
}

impl Desk {
    fn known(&self, name: &InstanceName) -> Result<(), String> {
        match self.crew.keeper.register().entries.contains_key(name) {
            true => Ok(()),
            false => Err(format!("there is no instance {name}")),
        }
    }
}

fn asked_by(peer: &Peer) -> Option<String> {
    Some(format!("asked by {}", peer.user))
}

#[async_trait]
impl Handler for Desk {
    fn status(&self) -> Arc<FleetStatus> {
        let keeper = &self.crew.keeper;
        let base_domain = keeper.fleet().settings.fleet.base_domain.clone();
        keeper.board.snapshot(&base_domain, &self.daemon, keeper.now())
    }

    async fn apply(&self, request: ApplyRequest, by: &Peer, progress: &ProgressSink) -> Result<Converged, String> {
        let stop = self.crew.keeper.stopping.clone();
        let told = |step| progress.tell(step);
        watch_over(&self.crew, &request, asked_by(by), stop, &told).await.map_err(|error| chain(&error))
    }

    async fn plan(&self, names: &[InstanceName]) -> Result<Planned, String> {
        let plan = self.crew.keeper.plan(names).await.map_err(|error| chain(&error))?;
        let live = &plan.facts.live;
        let edges = [
            (Edge::Engine, live.engine.why()),
            (Edge::Database, live.database.why()),
            (Edge::Proxy, live.proxy.why()),
            (Edge::Authority, live.authority.why()),
        ];
        let unseen = edges.into_iter().filter_map(|(edge, why)| Some((edge.to_string(), why?.to_string())));
        Ok(Planned { changes: plan.changes, unseen: unseen.collect() })
    }

    fn errand(&self, instance: &InstanceName, kind: ErrandKind, by: &Peer) -> Result<u64, String> {
        self.known(instance)?;
        let keeper = &self.crew.keeper;
        let id = keeper.journal.add_errand(instance, kind, &by.user).map_err(|error| chain(&error))?;
        let message = match kind {
            ErrandKind::Restart => "its container is to be restarted",
            ErrandKind::Retry => "back-off and failures are to be forgotten",
        };
        let told = event(Level::Info, Some(instance), "errand", "ErrandNoted", message);
        keeper.tell(&NewEvent { cause: asked_by(by), ..told });
        self.crew.wake(Subject::Instance(instance.clone()), asked_by(by));
        Ok(id)
    }

    fn wake(&self, names: &[InstanceName], by: &Peer) -> Result<(), String> {
        // Files first: whoever asks has often just written one. Those that changed have their instances woken.
        self.crew.wake_chore(Chore::Scan, Duration::ZERO);
        if names.is_empty() {
            self.crew.wake_chore(Chore::LookAtAll, Duration::ZERO);
        }
        for name in names.iter().filter(|name| self.known(name).is_ok()) {
            self.crew.wake(Subject::Instance(name.clone()), asked_by(by));
        }
        Ok(())
    }
}
