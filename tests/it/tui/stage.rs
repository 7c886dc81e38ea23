//! A daemon that says what a test has it say, on a real control socket.

use crate::world::now;
use futures::StreamExt;
use innkeeper::control::protocol::STREAMS;
use innkeeper::control::view::{Cursor, View};
use innkeeper::control::{
    ApplyRequest, Converged, Handler, Hello, LogLines, LogRequest, Peer, Planned, ProgressSink, Server, SilenceRequest,
};
use innkeeper::model::backup::BackupLive;
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::name::{Domain, InstanceName};
use innkeeper::model::silence::{AlertsOf, Quiet, Silence};
use innkeeper::model::status::{DaemonStatus, FleetStatus, SCHEMA};
use innkeeper::model::time::Timestamp;
use innkeeper::model::usage::UsageHistory;
use std::path::Path;
use std::sync::{Arc, Mutex};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Lines that an output may be behind.
const FLOOD_LINES_MAX: usize = 100_000;

/// What is said, and what was asked.
pub(crate) struct Script {
    views: Mutex<Vec<View>>,
    changed: watch::Sender<u64>,
    /// What clients asked for.
    pub(crate) asked: Mutex<Vec<String>>,
    /// Every output has so many lines at once.
    pub(crate) log_lines: u64,
    /// Lines that are written later.
    written: broadcast::Sender<String>,
}

/// Writes into every output until it is dropped.
pub(crate) struct Flood(tokio::task::JoinHandle<()>);

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The running stage.
pub(crate) struct Stage {
    pub(crate) script: Arc<Script>,
    _runtime: Runtime,
}

impl Stage {
    /// Listens in that state directory and tells these views.
    pub(crate) fn open(state_dir: &Path, views: Vec<View>, log_lines: u64) -> Self {
        std::fs::create_dir_all(state_dir).unwrap();
        let script = Arc::new(Script {
            views: Mutex::new(views),
            changed: watch::Sender::default(),
            asked: Mutex::default(),
            log_lines,
            written: broadcast::Sender::new(FLOOD_LINES_MAX),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let handler: Arc<dyn Handler> = script.clone();
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        let hello =
            Hello { schema: SCHEMA, version: "0.1.0".to_owned(), pid: 42, since: now(), can: vec![STREAMS.to_owned()] };
        let server = runtime.block_on(async { Server::bind(state_dir).unwrap() });
        runtime.spawn(server.run(hello, handler, tasks, stopping));
        Self { script, _runtime: runtime }
    }

    /// Writes 10,000 lines a second into every output.
    pub(crate) fn flood(&self, database: &str) -> Flood {
        let (script, database) = (Arc::clone(&self.script), database.to_owned());
        Flood(self._runtime.spawn(async move {
            let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
            for number in 0_u64.. {
                if number % 100 == 0 {
                    ticks.tick().await;
                }
                let line =
                    format!("2026-03-01 12:00:00,001 21 INFO {database} odoo.http: GET /web/dataset/{number} 200");
                // Nobody reading is no fault.
                let _ = script.written.send(line);
            }
        }))
    }

    /// Writes a line into every output that is read.
    pub(crate) fn write(&self, line: &str) {
        while self.script.written.receiver_count() < 2 {
            std::thread::yield_now();
        }
        self.script.written.send(line.to_owned()).unwrap();
    }

    /// Says more.
    pub(crate) fn say(&self, view: View) {
        self.script.views.lock().unwrap().push(view);
        self.script.changed.send_modify(|count| *count += 1);
    }
}

/// The shipped program reads the real clock.
#[expect(clippy::disallowed_methods, reason = "the program under test does so too")]
fn right_now() -> Timestamp {
    Timestamp::now()
}

impl Script {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

#[async_trait::async_trait]
impl Handler for Script {
    fn status(&self) -> Arc<FleetStatus> {
        Arc::new(FleetStatus {
            schema: SCHEMA,
            at: now(),
            base_domain: Domain::parse("example.com").unwrap(),
            daemon: DaemonStatus { running: true, pid: Some(42), since: Some(now()) },
            alerts: Vec::new(),
            instances: Vec::new(),
        })
    }

    async fn apply(&self, _: ApplyRequest, _: &Peer, _: &ProgressSink) -> Result<Converged, String> {
        Err("this is a stage".to_owned())
    }

    async fn backups(&self, _: &[InstanceName]) -> Result<Vec<BackupLive>, String> {
        Err("this is a stage".to_owned())
    }

    async fn plan(&self, _: &[InstanceName]) -> Result<Planned, String> {
        Err("this is a stage".to_owned())
    }

    fn usage(&self, _: &InstanceName) -> Result<UsageHistory, String> {
        Err("this is a stage".to_owned())
    }

    fn errand(&self, instance: &InstanceName, kind: ErrandKind, _: &Peer) -> Result<u64, String> {
        self.note(format!("{kind:?} {instance}"));
        Ok(7)
    }

    fn silence(&self, request: &SilenceRequest, _: &Peer) -> Result<Vec<Silence>, String> {
        self.note(format!("silence {}", serde_json::to_string(request).unwrap()));
        let quiet = Quiet { by: "ana".to_owned(), since: now(), until: request.until };
        Ok(vec![Silence { of: request.of.clone(), quiet }])
    }

    fn unsilence(&self, of: &AlertsOf, _: &Peer) -> Result<u64, String> {
        self.note(format!("unsilence {}", serde_json::to_string(of).unwrap()));
        Ok(1)
    }

    fn wake(&self, names: &[InstanceName], _: &Peer) -> Result<u64, String> {
        self.note(format!("wake {}", names.iter().map(InstanceName::as_str).collect::<Vec<_>>().join(",")));
        Ok(0)
    }

    fn looked(&self, _: u64, names: &[InstanceName]) -> Vec<InstanceName> {
        names.to_vec()
    }

    fn view(&self, cursor: &mut Cursor) -> Vec<View> {
        let views = self.views.lock().unwrap();
        let new = views[cursor.board as usize..].iter().map(|view| View { at: right_now(), ..view.clone() }).collect();
        cursor.board = views.len() as u64;
        new
    }

    fn beat(&self) -> View {
        View::nothing(right_now())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn logs(&self, request: &LogRequest, _: &Peer) -> Result<LogLines, String> {
        self.note(format!("logs {}", request.instance));
        let lines =
            (0..self.log_lines).map(|number| Ok(format!("2026-03-01 12:00:00,001 21 INFO acme odoo: line {number}")));
        let later = futures::stream::unfold(self.written.subscribe(), |mut lines| async move {
            loop {
                match lines.recv().await {
                    Ok(line) => return Some((Ok(line), lines)),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        });
        Ok(futures::stream::iter(lines).chain(later).boxed())
    }
}
