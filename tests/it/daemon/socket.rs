//! The control socket: what is asked is answered, who asks is known, a slow client slows nobody.

use crate::world::{name, now};
use futures::StreamExt;
use innkeeper::control::protocol::STREAMS;
use innkeeper::control::view::{Cursor, View};
use innkeeper::control::{
    ApplyRequest, Client, ControlError, Converged, End, Handler, Hello, InstanceEnd, LogLines, LogOf, LogRequest, Peer,
    Planned, Progress, ProgressSink, ProgressWord, SOCKET_FILE, Server, SilenceRequest, Verdict,
};
use innkeeper::model::backup::BackupLive;
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::name::{Domain, InstanceName};
use innkeeper::model::silence::{AlertsOf, Quiet, Silence};
use innkeeper::model::status::{DaemonStatus, FleetStatus, SCHEMA, State};
use innkeeper::model::usage::{UsageHistory, UsagePoint};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Answers with what it was told, and keeps who asked.
#[derive(Default)]
struct Desk {
    asked: Mutex<Vec<String>>,
    progress_lines: u64,
    log_lines: u64,
}

impl Desk {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

#[async_trait::async_trait]
impl Handler for Desk {
    fn status(&self) -> Arc<FleetStatus> {
        Arc::new(FleetStatus {
            schema: SCHEMA,
            at: now(),
            base_domain: Domain::parse("example.com").unwrap(),
            daemon: DaemonStatus { running: true, pid: Some(1), since: Some(now()) },
            alerts: Vec::new(),
            instances: vec![super::files::status("acme", State::Ready)],
        })
    }

    async fn apply(&self, request: ApplyRequest, by: &Peer, progress: &ProgressSink) -> Result<Converged, String> {
        self.note(format!("apply {:?} by {}", request.names, by.user));
        for number in 0..self.progress_lines {
            let step = format!("acme/step-{number}");
            progress.tell(Progress {
                instance: Some(name("acme")),
                step,
                word: ProgressWord::Done,
                message: String::new(),
            });
        }
        tokio::task::yield_now().await;
        let end = InstanceEnd { end: End::Settled, steps_done: 3, holds: Vec::new(), message: String::new() };
        Ok(Converged::of(BTreeMap::from([(name("acme"), end)]), Vec::new(), None))
    }

    fn usage(&self, instance: &InstanceName) -> Result<UsageHistory, String> {
        self.note(format!("usage {instance}"));
        let point = UsagePoint { at: now(), cpu_percent: 12.5, memory_bytes: 1, database_bytes: 2, filestore_bytes: 3 };
        Ok(UsageHistory { hour: vec![point], ..UsageHistory::default() })
    }

    async fn backups(&self, _: &[InstanceName]) -> Result<Vec<BackupLive>, String> {
        Err("this is a stage".to_owned())
    }

    async fn plan(&self, names: &[InstanceName]) -> Result<Planned, String> {
        self.note(format!("plan {names:?}"));
        Ok(Planned { unseen: BTreeMap::from([("Docker".to_owned(), "refused".to_owned())]), ..Planned::default() })
    }

    fn errand(&self, instance: &InstanceName, kind: ErrandKind, by: &Peer) -> Result<u64, String> {
        self.note(format!("{kind:?} {instance} by {}", by.user));
        if instance.as_str() == "acme" { Ok(7) } else { Err(format!("there is no instance {instance}")) }
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

    fn wake(&self, names: &[InstanceName], by: &Peer) -> Result<u64, String> {
        self.note(format!("wake {names:?} by {}", by.user));
        Ok(3)
    }

    fn looked(&self, ticket: u64, names: &[InstanceName]) -> Vec<InstanceName> {
        self.note(format!("looked {ticket} {names:?}"));
        names.to_vec()
    }

    fn view(&self, _: &mut Cursor) -> Vec<View> {
        Vec::new()
    }

    fn beat(&self) -> View {
        View::nothing(now())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        watch::Sender::default().subscribe()
    }

    async fn logs(&self, _: &LogRequest, _: &Peer) -> Result<LogLines, String> {
        let lines = (0..self.log_lines).map(|number| Ok(format!("line {number}")));
        Ok(futures::stream::iter(lines).boxed())
    }
}

struct Daemon {
    dir: TempDir,
    desk: Arc<Desk>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

impl Daemon {
    fn start(desk: Desk) -> Self {
        let dir = TempDir::new().unwrap();
        // One that a dead daemon left behind.
        std::fs::write(dir.path().join(SOCKET_FILE), "").unwrap();
        let server = Server::bind(dir.path()).unwrap();
        let (desk, stopping, tasks) = (Arc::new(desk), CancellationToken::new(), TaskTracker::new());
        let hello =
            Hello { schema: SCHEMA, version: "0.1.0".to_owned(), pid: 42, since: now(), can: vec![STREAMS.to_owned()] };
        let handler: Arc<dyn Handler> = desk.clone();
        tasks.spawn(server.run(hello, handler, tasks.clone(), stopping.clone()));
        Self { dir, desk, stopping, tasks }
    }

    async fn client(&self) -> Client {
        Client::connect(self.dir.path()).await.unwrap()
    }

    async fn raw(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(self.dir.path().join(SOCKET_FILE)).await.unwrap())
    }
}

async fn line(stream: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    tokio::time::timeout(Duration::from_secs(10), stream.read_line(&mut line)).await.expect("an answer").unwrap();
    line
}

#[tokio::test]
async fn the_daemon_says_hello_and_answers() {
    let daemon = Daemon::start(Desk::default());
    let mut client = daemon.client().await;
    assert_eq!((client.hello().pid, client.hello().since), (42, now()));
    assert_eq!(client.status().await.unwrap(), *daemon.desk.status());
    assert_eq!(client.errand(&name("acme"), ErrandKind::Restart).await.unwrap(), 7);
    client.wake(&[name("acme")]).await.unwrap();
    assert_eq!(client.usage(&name("acme")).await.unwrap().hour[0].cpu_percent, 12.5);
    let refused = client.errand(&name("zeta"), ErrandKind::Retry).await.unwrap_err();
    assert_eq!(refused.to_string(), "there is no instance zeta");
    assert_eq!(client.status().await.unwrap().instances.len(), 1, "the conversation goes on after a refusal");
}

#[tokio::test]
async fn who_asked_is_known() {
    let daemon = Daemon::start(Desk::default());
    daemon.client().await.wake(&[]).await.unwrap();
    let asked = daemon.desk.asked.lock().unwrap().clone();
    // Tests run as root here and as somebody in CI; both have a name or a number.
    assert!(asked[0].starts_with("wake [] by ") && !asked[0].ends_with("unknown"), "{asked:?}");
}

#[tokio::test]
async fn an_apply_tells_its_steps_and_then_its_end() {
    let daemon = Daemon::start(Desk { progress_lines: 3, ..Desk::default() });
    let mut told = Vec::new();
    let request = ApplyRequest { names: vec![name("acme")], ..ApplyRequest::default() };
    let converged =
        daemon.client().await.apply(request, |progress| told.extend(progress.map(|it| it.step))).await.unwrap();
    assert_eq!(told, ["acme/step-0", "acme/step-1", "acme/step-2"]);
    assert_eq!((converged.verdict, converged.instances[&name("acme")].steps_done), (Verdict::Settled, 3));
}

#[tokio::test]
async fn a_client_that_does_not_keep_up_misses_lines_and_still_hears_the_end() {
    let daemon = Daemon::start(Desk { progress_lines: 100_000, ..Desk::default() });
    let (mut heard, mut missed) = (0, 0);
    let apply = daemon.client().await;
    let mut apply = apply;
    let count = |progress: Option<Progress>| match progress {
        Some(_) => heard += 1,
        None => missed += 1,
    };
    let converged = tokio::time::timeout(Duration::from_secs(20), apply.apply(ApplyRequest::default(), count)).await;
    assert_eq!(converged.expect("nobody waits for it").unwrap().verdict, Verdict::Settled);
    assert!(heard < 100_000 && missed > 0, "heard {heard}, told {missed} times that it missed some");
}

#[tokio::test]
async fn lines_of_an_output_that_a_client_could_not_take_are_counted_exactly() {
    let daemon = Daemon::start(Desk { log_lines: 50_000, ..Desk::default() });
    let request = LogRequest { instance: name("acme"), source: LogOf::Odoo, tail: None };
    let mut reading = daemon.client().await.logs(request).await.unwrap();
    let (mut lines, mut dropped) = (Vec::new(), 0);
    while let Some(batch) = reading.next().await.unwrap() {
        dropped += batch.dropped;
        lines.extend(batch.lines);
    }
    assert_eq!(lines.len() as u64 + dropped, 50_000);
    assert!(dropped > 0, "nothing was too much for it");
    assert_eq!(lines.last().map(String::as_str), Some("line 49999"), "the newest is not what is left out");
}

#[tokio::test]
async fn a_daemon_of_before_is_not_asked_for_streams() {
    let dir = TempDir::new().unwrap();
    let listener = tokio::net::UnixListener::bind(dir.path().join(SOCKET_FILE)).unwrap();
    let hello = format!("{{\"schema\":{SCHEMA},\"version\":\"0.0.9\",\"pid\":1,\"since\":\"2026-03-01T12:00:00Z\"}}\n");
    let daemon = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(hello.as_bytes()).await.unwrap();
        stream
    };
    let (client, _stream) = tokio::join!(Client::connect(dir.path()), daemon);
    match client.unwrap().watch().await {
        Err(error) => assert!(error.to_string().starts_with("the daemon is version 0.0.9"), "{error}"),
        Ok(_) => panic!("it was asked"),
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_the_conversation_goes_on() {
    let daemon = Daemon::start(Desk::default());
    let mut stream = daemon.raw().await;
    assert!(line(&mut stream).await.starts_with(r#"{"schema":1,"version":"0.1.0","pid":42,"#));
    for request in
        ["{\"do\":\"dance\"}\n", "not json\n", "{\"do\":\"errand\",\"instance\":\"../x\",\"kind\":\"retry\"}\n"]
    {
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(line(&mut stream).await.starts_with(r#"{"is":"refused","message":"#), "{request}");
    }
    stream.write_all(b"{\"do\":\"wake\"}\n").await.unwrap();
    assert_eq!(line(&mut stream).await, "{\"is\":\"woken\",\"ticket\":3}\n");
}

#[tokio::test]
async fn a_request_without_end_is_cut_off() {
    let daemon = Daemon::start(Desk::default());
    let mut stream = daemon.raw().await;
    line(&mut stream).await;
    let endless = vec![b'x'; 2 << 20];
    // The daemon closes while it is still being written to.
    let _ = stream.write_all(&endless).await;
    let mut rest = String::new();
    let end = tokio::time::timeout(Duration::from_secs(10), stream.read_line(&mut rest)).await.expect("closed");
    assert!(matches!(end, Ok(0) | Err(_)), "{rest}");
    assert!(daemon.client().await.status().await.is_ok(), "others are served");
}

#[tokio::test]
async fn the_socket_is_for_its_owner_and_group_only() {
    let daemon = Daemon::start(Desk::default());
    let mode = std::fs::metadata(daemon.dir.path().join(SOCKET_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[tokio::test]
async fn without_a_daemon_the_client_says_so() {
    let dir = TempDir::new().unwrap();
    assert!(matches!(Client::connect(dir.path()).await, Err(ControlError::NoDaemon(_))));
    drop(Server::bind(dir.path()).unwrap());
    assert!(matches!(Client::connect(dir.path()).await, Err(ControlError::NoDaemon(_))), "a socket of a dead daemon");
}

#[tokio::test]
async fn conversations_end_with_the_daemon() {
    let daemon = Daemon::start(Desk::default());
    let mut client = daemon.client().await;
    daemon.stopping.cancel();
    daemon.tasks.close();
    tokio::time::timeout(Duration::from_secs(10), daemon.tasks.wait()).await.expect("all tasks end");
    assert!(client.status().await.is_err());
}
