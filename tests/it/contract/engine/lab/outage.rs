//! A connection to Docker that breaks.

use super::jobs::{endless, is_running, silent_server};
use super::world::{World, changed, docker, inspect, until};
use innkeeper::edges::{Ask, Engine, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{AbortHandle, JoinHandle};

/// A socket that passes everything on to Docker, until it is cut or closed.
struct Wire {
    path: PathBuf,
    open: Arc<Mutex<Vec<AbortHandle>>>,
    listening: JoinHandle<()>,
}

impl Wire {
    fn new(directory: &Path, to: &str) -> Self {
        let (path, to) = (directory.join("docker.sock"), to.trim_start_matches("unix://").to_owned());
        let open: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let listening = tokio::spawn(listen(UnixListener::bind(&path).unwrap(), to, open.clone()));
        Self { path, open, listening }
    }

    /// Breaks all connections of this moment.
    fn cut(&self) {
        for connection in self.open.lock().unwrap().drain(..) {
            connection.abort();
        }
    }

    /// As if the engine had ended.
    fn close(&self) {
        self.listening.abort();
        std::fs::remove_file(&self.path).unwrap();
        self.cut();
    }
}

async fn listen(listener: UnixListener, to: String, open: Arc<Mutex<Vec<AbortHandle>>>) {
    loop {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = UnixStream::connect(&to).await.unwrap();
        let passing = tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await.map(drop) });
        open.lock().unwrap().push(passing.abort_handle());
    }
}

#[tokio::test]
async fn a_lost_connection_is_not_a_jobs_end() {
    let world = World::new();
    let wire = Wire::new(world.home.path(), world.lab.get("LAB_DOCKER_HOST"));
    let through = world.through(&wire.path);
    let (_silent, port) = silent_server();
    let spec = endless(&world, port, 120).await;
    let waiting = tokio::spawn({
        let spec = spec.clone();
        async move { through.run_job(&spec).await }
    });
    until("the job runs", async || is_running(&world, &spec).await).await;
    let id = inspect(&spec.container, "{{.Id}}");
    // The answer to its start is on the way still: only from then on it is waited for.
    tokio::time::sleep(Duration::from_millis(700)).await;
    for _ in 0..3 {
        wire.cut();
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!waiting.is_finished(), "the waiting ended with the connection: {:?}", waiting.await);
    }
    wire.close();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!waiting.is_finished(), "the waiting ended with the engine: {:?}", waiting.await);
    let _back = Wire::new(world.home.path(), world.lab.get("LAB_DOCKER_HOST"));
    assert_eq!(inspect(&spec.container, "{{.Id}}"), id);
    docker(&["kill", &spec.container]);
    let end = tokio::time::timeout(Duration::from_secs(15), waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(end.exit_code, 137);
}

#[tokio::test]
async fn an_engine_that_comes_back_is_looked_at_again_and_heard_again() {
    let world = World::new();
    let wire = Wire::new(world.home.path(), world.lab.get("LAB_DOCKER_HOST"));
    let through = world.through(&wire.path);
    assert_eq!(changed(&through).await.unwrap(), None);
    let hearing = tokio::time::timeout(Duration::from_secs(1), through.changed()).await;
    assert!(hearing.is_err(), "nothing happened, and yet: {hearing:?}");
    wire.close();
    let lost = changed(&through).await;
    assert!(lost.is_err() || lost.unwrap().is_none());
    assert_eq!(changed(&through).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(through.look(&Ask::default()).await.unwrap_err().kind, ErrorKind::Unreachable);

    let _back = Wire::new(world.home.path(), world.lab.get("LAB_DOCKER_HOST"));
    until("the engine is back", async || through.look(&Ask::default()).await.is_ok()).await;
    assert_eq!(changed(&through).await.unwrap(), None, "a new connection is not told as a reason to look");
    world.prepare("[options]\n").await;
    world.docker.create_service(&world.spec().await).await.unwrap();
    assert_eq!(changed(&through).await.unwrap(), Some(world.name.clone()));
}
