//! The lab's Docker, held to the promises.

use super::lab::jobs::{begin, endless, silent_server};
use super::lab::world::{IMAGE, NO_DATABASE, World, docker, docker_succeeds};
use crate::contract::promises::Side;
use crate::contract::promises::engine::{Customer, Host, engine};
use innkeeper::adapters::docker::Docker;
use innkeeper::edges::Engine;
use innkeeper::model::name::{InstallationId, Resources};
use innkeeper::model::service::JobSpec;
use innkeeper::model::settings::DockerSettings;
use std::net::TcpListener;

/// Two instances of one installation.
struct Engines {
    first: World,
    second: World,
    /// What a job waits for without an end.
    silent: (TcpListener, u16),
}

engine!(Engines);

impl Side for Engines {
    fn hold(promised: impl AsyncFnOnce(&Self)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let first = World::new();
        let second = first.neighbour();
        // Dropped with all that was made, whatever came of it.
        let engines = Self { first, second, silent: silent_server() };
        runtime.block_on(promised(&engines));
    }
}

impl Engines {
    fn foreign_mark(&self) -> String {
        format!("io.innkeeper.lab={}", self.first.lab.get("LAB_ID"))
    }
}

impl Drop for Engines {
    /// What was made as somebody else carries the test's own names and no label of the installation's.
    fn drop(&mut self) {
        let Resources { container, volume, .. } = self.first.resources();
        let network = format!("ik-{}", self.first.id);
        for (inspect, remove) in [
            (vec!["container", "inspect", &container], vec!["rm", "--force", "--volumes", &container]),
            (vec!["volume", "inspect", &volume], vec!["volume", "rm", "--force", &volume]),
        ] {
            // What is ours is taken away by the world, in its own order.
            if docker_succeeds(&inspect) && !docker(&inspect).contains("io.innkeeper.installation") {
                docker(&remove);
            }
        }
        if docker_succeeds(&["network", "inspect", &network]) {
            let ours = docker(&["network", "inspect", &network]).contains("io.innkeeper.installation");
            if !ours {
                docker(&["network", "rm", &network]);
            }
        }
    }
}

fn customer(world: &World) -> Customer {
    Customer { name: world.name.clone(), uid: world.uid, ports: world.ports }
}

impl Host for Engines {
    fn engine(&self) -> &dyn Engine {
        &self.first.docker
    }

    fn stopped(&self) -> Box<dyn Engine> {
        let settings = DockerSettings { host: "unix:///nonexistent/docker.sock".into(), ports: 20_000..=20_001 };
        let id = InstallationId(self.first.id.0.clone());
        Box::new(Docker::new(&settings, id, self.first.home.path().join("odoo")).unwrap())
    }

    fn image(&self) -> String {
        IMAGE.to_owned()
    }

    fn customer(&self) -> Customer {
        customer(&self.first)
    }

    fn neighbour(&self) -> Customer {
        customer(&self.second)
    }

    fn conf(&self) -> String {
        NO_DATABASE.to_owned()
    }

    fn make_foreign_network(&self) {
        docker(&["network", "create", "--label", &self.foreign_mark(), &format!("ik-{}", self.first.id)]);
    }

    fn remove_foreign_network(&self) {
        docker(&["network", "rm", &format!("ik-{}", self.first.id)]);
    }

    fn make_foreign_container(&self, name: &str) {
        let run = ["run", "--detach", "--label", &self.foreign_mark(), "--name", name];
        docker(&[&run[..], &["--entrypoint", "sleep", IMAGE, "300"]].concat());
    }

    fn make_foreign_volume(&self, name: &str) {
        docker(&["volume", "create", "--label", &self.foreign_mark(), name]);
    }

    fn state_of(&self, name: &str) -> String {
        // Not its mounts: they come in any order.
        let container = "{{.Id}} {{json .State}} {{json .HostConfig}} {{json .Config}} {{.RestartCount}}";
        match docker_succeeds(&["container", "inspect", name]) {
            true => docker(&["container", "inspect", "--format", container, name]),
            false => docker(&["volume", "inspect", name]),
        }
    }

    async fn endless_job(&self) -> JobSpec {
        let spec = endless(&self.first, self.silent.1, 120).await;
        begin(&self.first, &spec).await;
        spec
    }
}
