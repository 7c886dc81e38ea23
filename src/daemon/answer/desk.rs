//! The daemon's answers to those who ask over the socket.

use super::host;
use super::scene::Scene;
use crate::control::view::{Cursor, FleetView, InstanceView, PlanView, VIEW_INSTANCES_MAX, View};
use crate::control::{
    ApplyRequest, Converged, Handler, LogLines, LogOf, LogRequest, Peer, Planned, ProgressSink, SilenceRequest,
};
use crate::daemon::crew::converge::watch_over;
use crate::daemon::crew::{Chore, Crew};
use crate::daemon::known::keeper::event;
use crate::daemon::turn::Subject;
use crate::edges::engine::{LogQuery, LogSource};
use crate::model::backup::BackupLive;
use crate::model::errand::ErrandKind;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::silence::{AlertsOf, Silence};
use crate::model::status::{DaemonStatus, FleetStatus, chain};
use crate::model::usage::UsageHistory;
use crate::observe;
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Answers for one running daemon.
pub(crate) struct Desk {
    pub(crate) crew: Arc<Crew>,
    pub(crate) daemon: DaemonStatus,
    pub(crate) scene: Arc<Scene>,
}

impl Desk {
    fn known(&self, name: &InstanceName) -> Result<(), String> {
        match self.crew.keeper.register().entries.contains_key(name) {
            true => Ok(()),
            false => Err(format!("there is no instance {name}")),
        }
    }

    fn fleet(&self) -> FleetView {
        let keeper = &self.crew.keeper;
        let fleet = keeper.fleet();
        let used = keeper.board.used_of_plans();
        let plans = fleet.plans.values().map(|plan| PlanView {
            name: plan.name.clone(),
            title: plan.title.clone(),
            used: used.get(&plan.name).copied().unwrap_or_default(),
            max_instances: plan.max_instances,
        });
        FleetView {
            base_domain: fleet.settings.fleet.base_domain.clone(),
            timezone: fleet.settings.fleet.timezone.clone(),
            daemon: self.daemon.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            alerts: keeper.board.alerts(keeper.now()),
            plans: plans.collect(),
            host: host::view(keeper, self.crew.turns()),
        }
    }
}

/// `view` in lines of which none has too many instances; the last one has what else there is to tell.
fn in_lines(view: View, instances: Vec<InstanceView>) -> Vec<View> {
    let mut lines: Vec<View> = Vec::new();
    let mut instances = instances.into_iter();
    loop {
        let some: Vec<InstanceView> = instances.by_ref().take(VIEW_INSTANCES_MAX).collect();
        let whole = view.whole && lines.is_empty();
        if instances.len() == 0 {
            lines.push(View { instances: some, whole, ..view });
            return lines;
        }
        lines.push(View { instances: some, whole, more: true, ..View::nothing(view.at) });
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

    fn usage(&self, instance: &InstanceName) -> Result<UsageHistory, String> {
        self.known(instance)?;
        let keeper = &self.crew.keeper;
        let kept = keeper.journal.usage(instance).map_err(|error| chain(&error))?;
        Ok(keeper.gauges.with_unkept(instance, kept))
    }

    async fn plan(&self, names: &[InstanceName]) -> Result<Planned, String> {
        let plan = self.crew.keeper.plan(names).await.map_err(|error| chain(&error))?;
        let unseen = observe::unseen(&plan.facts.live)
            .into_iter()
            .filter_map(|(edge, why)| Some((edge.to_string(), why?.to_string())));
        Ok(Planned { changes: plan.changes, unseen: unseen.collect() })
    }

    async fn backups(&self, names: &[InstanceName]) -> Result<Vec<BackupLive>, String> {
        let archive = &self.crew.keeper.edges.archive;
        observe::backups(archive.as_ref(), names).await.map_err(|error| chain(&error))
    }

    fn errand(&self, instance: &InstanceName, kind: ErrandKind, by: &Peer) -> Result<u64, String> {
        self.known(instance)?;
        let keeper = &self.crew.keeper;
        let id = keeper.journal.add_errand(instance, kind, &by.user).map_err(|error| chain(&error))?;
        let message = match kind {
            ErrandKind::Restart => "its container will be restarted in its next turn",
            ErrandKind::Retry => "its failures will be forgotten in its next turn, and what failed is tried again",
        };
        let told = event(Level::Info, Some(instance), Reason::ErrandNoted, message);
        keeper.tell(&NewEvent { cause: asked_by(by), ..told });
        self.crew.wake(Subject::Instance(instance.clone()), asked_by(by));
        Ok(id)
    }

    fn silence(&self, request: &SilenceRequest, by: &Peer) -> Result<Vec<Silence>, String> {
        if let Some(name) = &request.of.instance {
            self.known(name)?;
        }
        self.crew.keeper.silence(request, by)
    }

    fn unsilence(&self, of: &AlertsOf, by: &Peer) -> Result<u64, String> {
        self.crew.keeper.unsilence(of, by)
    }

    fn wake(&self, names: &[InstanceName], by: &Peer) -> Result<u64, String> {
        let ticket = self.crew.keeper.ticket();
        // Files first: whoever asks has often just written one. Those that changed have their instances woken.
        self.crew.wake_chore(Chore::Scan, Duration::ZERO);
        if names.is_empty() {
            self.crew.wake_chore(Chore::LookAtAll, Duration::ZERO);
        }
        for name in names.iter().filter(|name| self.known(name).is_ok()) {
            self.crew.wake(Subject::Instance(name.clone()), asked_by(by));
        }
        Ok(ticket)
    }

    fn looked(&self, ticket: u64, names: &[InstanceName]) -> Vec<InstanceName> {
        let register = self.crew.keeper.register();
        let looked_at = |name: &InstanceName| register.entries.get(name).and_then(|entry| entry.looked_at);
        let since = |name: &InstanceName| looked_at(name).is_some_and(|at| self.crew.keeper.ticket_of(at) >= ticket);
        names.iter().filter(|name| since(name)).cloned().collect()
    }

    fn view(&self, cursor: &mut Cursor) -> Vec<View> {
        let keeper = &self.crew.keeper;
        let mut view = View::nothing(keeper.now());
        let mut seen = keeper.board.view_since(cursor.board, &mut view);
        self.scene.view_since(cursor, &mut view);
        cursor.board = seen.revision;
        {
            let register = keeper.register();
            for instance in &mut seen.instances {
                instance.wanted = register.entries.get(&instance.status.name).and_then(|it| it.facts.wanted.clone());
            }
        }
        view.fleet = seen.fleet.then(|| self.fleet());
        if view.is_nothing() && seen.instances.is_empty() { Vec::new() } else { in_lines(view, seen.instances) }
    }

    fn beat(&self) -> View {
        View { fleet: Some(self.fleet()), ..View::nothing(self.crew.keeper.now()) }
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.crew.keeper.board.changes()
    }

    async fn logs(&self, request: &LogRequest, by: &Peer) -> Result<LogLines, String> {
        self.known(&request.instance)?;
        tracing::info!(instance = %request.instance, by = by.user, "its output is read over the control socket");
        let source = match request.source {
            LogOf::Odoo => LogSource::Odoo,
            LogOf::Job => LogSource::Job,
        };
        let query = LogQuery { source, follow: true, tail: request.tail, since_unix_s: None };
        let engine = &self.crew.keeper.edges.engine;
        let lines = engine.logs(&request.instance, &query).await.map_err(|error| chain(&error))?;
        Ok(lines.map_err(|error| chain(&error)).boxed())
    }
}
