//! What the engine edge promises. All but the first need the lab's Docker.

mod lab;
mod promises;

use innkeeper::adapters::docker::Docker;
use innkeeper::edges::{Ask, Engine, ErrorKind};
use innkeeper::model::name::InstallationId;
use innkeeper::model::settings::DockerSettings;

#[tokio::test]
async fn an_engine_that_is_down_is_unreachable_and_not_empty() {
    let settings = DockerSettings { host: "unix:///nonexistent/docker.sock".into(), ports: 20_000..=20_001 };
    let engine = Docker::new(&settings, InstallationId("0123456789ab".into()), "/nonexistent".into()).unwrap();
    assert_eq!(engine.look(&Ask::default()).await.unwrap_err().kind, ErrorKind::Unreachable);
    assert_eq!(engine.changed().await.unwrap_err().kind, ErrorKind::Unreachable);
}
