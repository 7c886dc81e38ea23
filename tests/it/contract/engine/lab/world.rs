//! One test's own installation on the lab's Docker, gone with the test.

use crate::contract::proxy::bench::ReservedPorts;
use crate::lab::Lab;
use innkeeper::adapters::docker::Docker;
use innkeeper::edges::{Ask, EdgeError, Engine};
use innkeeper::model::live::{EngineLive, ServiceLive};
use innkeeper::model::name::{InstallationId, InstanceName, Resources, Uid};
use innkeeper::model::secret::SecretString;
use innkeeper::model::service::{Component, ImageUser, JobSpec, JobWork, Ports, SecretFile, ServiceSpec, Tag};
use innkeeper::model::service_plan::Limits;
use innkeeper::model::settings::DockerSettings;
use innkeeper::model::size::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The lab's image.
pub(in crate::contract::engine) const IMAGE: &str = "odoo:19.0";
/// What no `docker inspect` may show.
pub(in crate::contract::engine) const CANARY: &str = "canary-7f3a9c";
/// Nothing in these tests takes longer on the slowest machine, but for the installation of a module.
const WAIT_MAX: Duration = Duration::from_secs(120);
const WAIT_STEP: Duration = Duration::from_millis(100);

/// One installation with one instance, `acme`-something.
pub(in crate::contract::engine) struct World {
    pub(in crate::contract::engine) lab: Lab,
    pub(in crate::contract::engine) docker: Docker,
    pub(in crate::contract::engine) id: InstallationId,
    pub(in crate::contract::engine) name: InstanceName,
    pub(in crate::contract::engine) uid: Uid,
    pub(in crate::contract::engine) ports: Ports,
    pub(in crate::contract::engine) home: tempfile::TempDir,
    /// Its ports, whether its container is up or not.
    _reserved: ReservedPorts,
}

impl World {
    pub(in crate::contract::engine) fn new() -> Self {
        Self::of(InstallationId(uuid::Uuid::now_v7().simple().to_string()[20..].to_owned()))
    }

    /// Another instance of the same installation.
    pub(in crate::contract::engine) fn neighbour(&self) -> Self {
        Self::of(self.id.clone())
    }

    fn of(id: InstallationId) -> Self {
        let lab = Lab::open();
        let uid = Uid(uuid::Uuid::now_v7());
        let random = uid.0.simple().to_string();
        let mut register = OpenOptions::new().create(true).append(true).open(lab.path("LAB_INSTALLATIONS")).unwrap();
        writeln!(register, "{id}").unwrap();
        let home = tempfile::tempdir().unwrap();
        let docker = connect(lab.get("LAB_DOCKER_HOST").to_owned(), &id, &home);
        let name = InstanceName::parse(&format!("acme-{}", &random[24..])).unwrap();
        let reserved = ReservedPorts::new();
        Self { lab, docker, id, name, uid, ports: Ports { http: reserved.port(0) }, home, _reserved: reserved }
    }

    /// A second adapter on the same installation, as another process has it.
    pub(in crate::contract::engine) fn again(&self) -> Docker {
        connect(self.lab.get("LAB_DOCKER_HOST").to_owned(), &self.id, &self.home)
    }

    /// The same over another socket.
    pub(in crate::contract::engine) fn through(&self, socket: &Path) -> Docker {
        connect(format!("unix://{}", socket.display()), &self.id, &self.home)
    }

    pub(in crate::contract::engine) fn resources(&self) -> Resources {
        Resources::of(&self.name)
    }

    pub(in crate::contract::engine) fn tag(&self, component: Component, digest: &str) -> Tag {
        Tag { instance: self.name.clone(), uid: self.uid, component, digest: digest.to_owned() }
    }

    pub(in crate::contract::engine) fn directory(&self) -> PathBuf {
        self.home.path().join("odoo").join(self.name.as_str())
    }

    pub(in crate::contract::engine) async fn look(&self) -> EngineLive {
        let ask = Ask {
            instances: BTreeMap::from([(self.name.clone(), self.resources())]),
            images: BTreeSet::from([IMAGE.to_owned(), "innkeeper/no-such-image:1".to_owned()]),
            hosts: BTreeMap::new(),
        };
        self.docker.look(&ask).await.unwrap()
    }

    pub(in crate::contract::engine) async fn service(&self) -> ServiceLive {
        self.look().await.services[&self.resources().container].clone()
    }

    pub(in crate::contract::engine) async fn spec(&self) -> ServiceSpec {
        let image = self.look().await.images[IMAGE].clone();
        let Resources { container, volume, .. } = self.resources();
        let digest = ServiceSpec::digest(&container, &image.id, &volume, self.ports);
        ServiceSpec {
            container,
            tag: self.tag(Component::Service, &digest),
            image: IMAGE.to_owned(),
            image_id: image.id,
            image_user: image.user,
            volume,
            ports: self.ports,
            limits: limits(500, 512),
        }
    }

    pub(in crate::contract::engine) async fn job(&self, work: JobWork, deadline_s: u64) -> JobSpec {
        let image = self.look().await.images[IMAGE].clone();
        JobSpec {
            container: work.container(&self.resources()),
            tag: self.tag(work.component().0, &work.digest()),
            image: IMAGE.to_owned(),
            image_id: image.id,
            image_user: image.user,
            volume: self.resources().volume,
            memory_bytes: 1 << 30,
            work,
            deadline_s,
        }
    }

    /// Network, volume and an odoo.conf, as they stand before a container is made.
    pub(in crate::contract::engine) async fn prepare(&self, conf: &str) {
        self.docker.ensure_network().await.unwrap();
        self.docker.ensure_volume(&self.resources().volume, &self.tag(Component::Volume, "")).await.unwrap();
        self.put_conf(conf).await.unwrap();
    }

    pub(in crate::contract::engine) async fn put_conf(&self, text: &str) -> Result<(), EdgeError> {
        self.put("odoo.conf", text, self.image_user().await).await
    }

    pub(in crate::contract::engine) async fn put(
        &self,
        file_name: &'static str,
        text: &str,
        owner: ImageUser,
    ) -> Result<(), EdgeError> {
        let file = SecretFile { file_name, digest: "v1:conf".into(), text: SecretString::from(text), owner };
        self.docker.put_file(&self.name, &file).await
    }

    pub(in crate::contract::engine) async fn image_user(&self) -> ImageUser {
        self.look().await.images[IMAGE].user
    }

    /// A container that serves, as far as Odoo serves without a database.
    pub(in crate::contract::engine) async fn running(&self) -> ServiceSpec {
        self.prepare(NO_DATABASE).await;
        let spec = self.spec().await;
        self.docker.create_service(&spec).await.unwrap();
        self.docker.start_service(&spec.container, &spec.tag).await.unwrap();
        spec
    }

    fn remove_all(&self) {
        let label = format!("label=io.innkeeper.installation={}", self.id);
        for (list, remove) in [
            (vec!["ps", "--all", "--quiet"], vec!["rm", "--force", "--volumes"]),
            (vec!["volume", "ls", "--quiet"], vec!["volume", "rm", "--force"]),
            (vec!["network", "ls", "--quiet"], vec!["network", "rm"]),
        ] {
            let found = docker(&[&list[..], &["--filter", &label]].concat());
            let found: Vec<&str> = found.lines().collect();
            if !found.is_empty() {
                docker(&[&remove[..], &found[..]].concat());
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.remove_all();
    }
}

fn connect(host: String, id: &InstallationId, home: &tempfile::TempDir) -> Docker {
    let settings = DockerSettings { host, ports: 20_000..=20_999 };
    Docker::new(&settings, id.clone(), home.path().join("odoo")).unwrap()
}

/// Odoo answers on its ports with this one; the password stands for the real one.
pub(in crate::contract::engine) const NO_DATABASE: &str = "[options]\nlist_db = False\nworkers = 0\nmax_cron_threads = 0\n\
                                      data_dir = /var/lib/odoo\ndb_host = 127.0.0.1\ndb_password = canary-7f3a9c\n";

pub(in crate::contract::engine) fn limits(cpu_millis: u32, memory_mib: u64) -> Limits {
    Limits { cpu_millis, memory: Bytes(memory_mib << 20), disk: Bytes(1 << 30), workers: 0 }
}

/// What the docker command prints; the test ends when it fails.
pub(in crate::contract::engine) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Whether the docker command succeeds.
pub(in crate::contract::engine) fn docker_succeeds(arguments: &[&str]) -> bool {
    Command::new("docker").args(arguments).output().unwrap().status.success()
}

/// One field of `docker inspect`, by a template.
pub(in crate::contract::engine) fn inspect(name: &str, template: &str) -> String {
    docker(&["inspect", "--format", template, name])
}

/// The next hint, which must come soon.
pub(in crate::contract::engine) async fn changed(docker: &Docker) -> Result<Option<InstanceName>, EdgeError> {
    tokio::time::timeout(WAIT_MAX, docker.changed()).await.unwrap_or_else(|_| panic!("no hint within {WAIT_MAX:?}"))
}

/// Waits until `what` holds.
pub(in crate::contract::engine) async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let waited = async {
        while !holds().await {
            tokio::time::sleep(WAIT_STEP).await;
        }
    };
    tokio::time::timeout(WAIT_MAX, waited).await.unwrap_or_else(|_| panic!("{what}: not within {WAIT_MAX:?}"));
}
