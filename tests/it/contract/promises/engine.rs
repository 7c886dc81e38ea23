//! What a container engine promises.

use super::{Side, kind};
use futures::TryStreamExt;
use innkeeper::edges::{Ask, EdgeError, Engine, ErrorKind};
use innkeeper::model::live::{EngineLive, JobState};
use innkeeper::model::name::{InstanceName, Resources, Uid};
use innkeeper::model::secret::SecretString;
use innkeeper::model::service::{Component, JobSpec, JobWork, Owner, Ports, SecretFile, ServiceSpec, Tag};
use innkeeper::model::service_plan::Limits;
use innkeeper::model::size::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// Every promise, for one side.
macro_rules! engine {
    ($side:ty) => {
        $crate::contract::promises::hold_to! { $side: engine
            a_network_made_twice_is_one_and_a_foreign_one_is_a_conflict
            a_volume_made_twice_is_one
            a_container_made_twice_is_one_and_as_asked_for
            one_of_ours_with_another_digest_is_not_taken_for_the_wanted_one
            without_its_volume_no_container_is_made_and_no_volume_either
            an_image_that_is_not_here_is_refused
            start_stop_and_restart_are_done_once
            limits_change_while_it_runs_on
            a_foreign_container_is_a_conflict_for_every_effect_and_stays_as_it_is
            a_foreign_volume_is_a_conflict_and_stays_as_it_is
            what_another_life_of_the_name_left_is_a_conflict_and_stays_as_it_is
            what_is_removed_is_gone_and_what_is_gone_may_be_removed
            a_volume_that_is_mounted_is_not_removed
            configuration_files_are_seen_and_removed_for_their_instance_alone
            a_volume_is_read_while_its_container_stands_still
            a_job_that_runs_is_neither_removed_nor_replaced
            a_stopped_engine_is_unreachable_and_never_empty
        }
    };
}
pub(crate) use engine;

/// An engine with hands that can do damage there. It has one image, [`Host::image`], and two instances, each with free ports.
pub(crate) trait Host: Side {
    /// The edge.
    fn engine(&self) -> &dyn Engine;
    /// The edge of the same engine, which is stopped.
    fn stopped(&self) -> Box<dyn Engine>;
    /// The image that is there.
    fn image(&self) -> String;
    /// The first instance.
    fn customer(&self) -> Customer;
    /// Another one.
    fn neighbour(&self) -> Customer;
    /// Text of an odoo.conf with which a container keeps running.
    fn conf(&self) -> String;
    /// Makes the network as somebody else.
    fn make_foreign_network(&self);
    /// Takes it away again.
    fn remove_foreign_network(&self);
    /// Makes a container that runs, as somebody else.
    fn make_foreign_container(&self, name: &str);
    /// Makes a volume as somebody else.
    fn make_foreign_volume(&self, name: &str);
    /// All that there is of the container or the volume of that name: equal when nothing was done to it.
    fn state_of(&self, name: &str) -> String;
    /// A job of the first instance's that runs and does not end by itself.
    async fn endless_job(&self) -> JobSpec;
}

/// One instance.
#[derive(Clone)]
pub(crate) struct Customer {
    pub(crate) name: InstanceName,
    pub(crate) uid: Uid,
    pub(crate) ports: Ports,
}

impl Customer {
    pub(crate) fn resources(&self) -> Resources {
        Resources::of(&self.name)
    }

    pub(crate) fn tag(&self, component: Component, digest: &str) -> Tag {
        Tag { instance: self.name.clone(), uid: self.uid, component, digest: digest.to_owned() }
    }

    fn volume_tag(&self) -> Tag {
        self.tag(Component::Volume, "")
    }

    async fn look(&self, side: &impl Host) -> EngineLive {
        side.engine().look(&self.ask(side)).await.unwrap()
    }

    fn ask(&self, side: &impl Host) -> Ask {
        Ask {
            instances: BTreeMap::from([(self.name.clone(), self.resources())]),
            images: BTreeSet::from([side.image()]),
            hosts: BTreeMap::new(),
        }
    }

    async fn spec(&self, side: &impl Host) -> ServiceSpec {
        let image = self.look(side).await.images[&side.image()].clone();
        let Resources { container, volume, .. } = self.resources();
        let digest = ServiceSpec::digest(&container, &image.id, &volume, self.ports);
        ServiceSpec {
            tag: self.tag(Component::Service, &digest),
            container,
            image: side.image(),
            image_id: image.id,
            image_user: image.user,
            volume,
            ports: self.ports,
            limits: limits(500, 512),
        }
    }

    /// A job of the customer's.
    pub(crate) async fn job(&self, side: &impl Host, work: JobWork, deadline_s: u64) -> JobSpec {
        let image = self.look(side).await.images[&side.image()].clone();
        JobSpec {
            container: work.container(&self.resources()),
            tag: self.tag(work.component().0, &work.digest()),
            image: side.image(),
            image_id: image.id,
            image_user: image.user,
            volume: self.resources().volume,
            memory_bytes: 1 << 30,
            work,
            deadline_s,
        }
    }

    async fn put_conf(&self, side: &impl Host, text: &str) {
        let owner = self.look(side).await.images[&side.image()].user;
        let file =
            SecretFile { file_name: "odoo.conf", digest: "v1:conf".into(), text: SecretString::from(text), owner };
        side.engine().put_file(&self.name, &file).await.unwrap();
    }

    /// Network, volume and an odoo.conf, as they stand before a container is made.
    pub(crate) async fn prepare(&self, side: &impl Host, conf: &str) {
        side.engine().ensure_network().await.unwrap();
        side.engine().ensure_volume(&self.resources().volume, &self.volume_tag()).await.unwrap();
        self.put_conf(side, conf).await;
    }

    /// A container that was made and not started.
    async fn created(&self, side: &impl Host) -> ServiceSpec {
        self.prepare(side, &side.conf()).await;
        let spec = self.spec(side).await;
        side.engine().create_service(&spec).await.unwrap();
        spec
    }

    async fn running(&self, side: &impl Host) -> ServiceSpec {
        let spec = self.created(side).await;
        side.engine().start_service(&spec.container, &spec.tag).await.unwrap();
        spec
    }
}

fn limits(cpu_millis: u32, memory_mib: u64) -> Limits {
    Limits { cpu_millis, memory: Bytes(memory_mib << 20), disk: Bytes(1 << 30), workers: 0 }
}

/// Everything that may be done to a container of this specification, each in the name of `tag`.
async fn touch(side: &impl Host, spec: &ServiceSpec, tag: &Tag) -> Vec<Result<(), EdgeError>> {
    let (edge, name) = (side.engine(), spec.container.as_str());
    let spec = ServiceSpec { tag: tag.clone(), ..spec.clone() };
    vec![
        edge.create_service(&spec).await,
        edge.start_service(name, tag).await,
        edge.stop_service(name, tag).await,
        edge.restart_service(name, tag).await,
        edge.update_limits(name, tag, &limits(100, 64)).await,
        edge.remove_service(name, tag).await,
        edge.remove_job(name, tag).await,
        edge.read_volume(name, tag).await.map(drop),
    ]
}

fn all_conflicts(answers: Vec<Result<(), EdgeError>>) {
    let kinds: Vec<ErrorKind> = answers.into_iter().map(kind).collect();
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Conflict), "{kinds:?}");
}

pub(crate) async fn a_network_made_twice_is_one_and_a_foreign_one_is_a_conflict(side: &impl Host) {
    let customer = side.customer();
    side.make_foreign_network();
    assert_eq!(kind(side.engine().ensure_network().await), ErrorKind::Conflict);
    assert!(!customer.look(side).await.network.unwrap().ours);
    side.remove_foreign_network();
    assert_eq!(customer.look(side).await.network, None);
    for _ in 0..2 {
        side.engine().ensure_network().await.unwrap();
        let network = customer.look(side).await.network.unwrap();
        assert!(network.ours && network.isolated, "{network:?}");
    }
}

pub(crate) async fn a_volume_made_twice_is_one(side: &impl Host) {
    let customer = side.customer();
    let (volume, tag) = (customer.resources().volume, customer.volume_tag());
    side.engine().ensure_volume(&volume, &tag).await.unwrap();
    let before = side.state_of(&volume);
    side.engine().ensure_volume(&volume, &tag).await.unwrap();
    assert_eq!(side.state_of(&volume), before);
    assert_eq!(side.neighbour().look(side).await.volumes[&volume], Owner::Ours(tag), "ours is listed for everybody");
}

pub(crate) async fn a_container_made_twice_is_one_and_as_asked_for(side: &impl Host) {
    let customer = side.customer();
    let spec = customer.created(side).await;
    let first = customer.look(side).await.services[&spec.container].clone();
    side.engine().create_service(&spec).await.unwrap();
    let live = customer.look(side).await;
    assert_eq!(live.services[&spec.container], first);
    assert_eq!(first.owner, Owner::Ours(spec.tag.clone()));
    assert_eq!((first.image_id, first.image), (spec.image_id, spec.image));
    assert_eq!((first.cpu_millis, first.memory_bytes), (500, 512 << 20));
    assert_eq!((first.running, first.started_at, first.ports), (false, None, Some(customer.ports)));
    assert!(first.hardened);
    assert!(live.ports_in_use.is_superset(&[customer.ports.http, customer.ports.gevent()].into()));
    let others = side.neighbour().look(side).await;
    assert!(others.services.contains_key(&spec.container), "ours is listed for everybody: {others:?}");
}

pub(crate) async fn one_of_ours_with_another_digest_is_not_taken_for_the_wanted_one(side: &impl Host) {
    let customer = side.customer();
    let spec = customer.created(side).await;
    let before = side.state_of(&spec.container);
    let tag = customer.tag(Component::Service, "v1:another");
    let other = ServiceSpec { tag, ..spec.clone() };
    assert_eq!(kind(side.engine().create_service(&other).await), ErrorKind::Failed);
    assert_eq!(side.state_of(&spec.container), before);
}

pub(crate) async fn without_its_volume_no_container_is_made_and_no_volume_either(side: &impl Host) {
    let customer = side.customer();
    side.engine().ensure_network().await.unwrap();
    let spec = customer.spec(side).await;
    assert_eq!(kind(side.engine().create_service(&spec).await), ErrorKind::Refused);
    let live = customer.look(side).await;
    assert!(live.services.is_empty() && live.volumes.is_empty(), "{live:?}");
}

pub(crate) async fn an_image_that_is_not_here_is_refused(side: &impl Host) {
    let customer = side.customer();
    customer.prepare(side, &side.conf()).await;
    let image_id = format!("sha256:{}", "0".repeat(64));
    let spec = ServiceSpec { image_id, ..customer.spec(side).await };
    assert_eq!(kind(side.engine().create_service(&spec).await), ErrorKind::Refused);
}

pub(crate) async fn start_stop_and_restart_are_done_once(side: &impl Host) {
    let customer = side.customer();
    let spec = customer.running(side).await;
    let (edge, name, tag) = (side.engine(), spec.container.as_str(), &spec.tag);
    let service = async || customer.look(side).await.services[name].clone();
    let started = service().await;
    edge.start_service(name, tag).await.unwrap();
    assert!(started.running && service().await == started);
    // Times are told in whole seconds by some.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    edge.restart_service(name, tag).await.unwrap();
    let restarted = service().await;
    assert!(restarted.running && restarted.started_at > started.started_at && restarted.id == started.id);
    for _ in 0..2 {
        edge.stop_service(name, tag).await.unwrap();
        assert!(!service().await.running);
    }
    edge.restart_service(name, tag).await.unwrap();
    assert!(service().await.running, "a stopped one is started");
}

pub(crate) async fn limits_change_while_it_runs_on(side: &impl Host) {
    let customer = side.customer();
    let spec = customer.running(side).await;
    let before = customer.look(side).await.services[&spec.container].clone();
    for (cpu_millis, memory_mib) in [(1500, 768), (250, 384)] {
        let limits = limits(cpu_millis, memory_mib);
        side.engine().update_limits(&spec.container, &spec.tag, &limits).await.unwrap();
        let after = customer.look(side).await.services[&spec.container].clone();
        assert_eq!((after.cpu_millis, after.memory_bytes), (cpu_millis, memory_mib << 20));
        assert_eq!((after.running, after.started_at, &after.id), (true, before.started_at, &before.id));
    }
}

pub(crate) async fn a_foreign_container_is_a_conflict_for_every_effect_and_stays_as_it_is(side: &impl Host) {
    let customer = side.customer();
    customer.prepare(side, &side.conf()).await;
    let spec = customer.spec(side).await;
    side.make_foreign_container(&spec.container);
    let before = side.state_of(&spec.container);
    all_conflicts(touch(side, &spec, &spec.tag).await);
    assert_eq!(side.state_of(&spec.container), before);
    assert_eq!(customer.look(side).await.services[&spec.container].owner.tag(), None);
    assert!(!side.neighbour().look(side).await.services.contains_key(&spec.container), "nobody asked for it");
}

pub(crate) async fn a_foreign_volume_is_a_conflict_and_stays_as_it_is(side: &impl Host) {
    let customer = side.customer();
    let (volume, tag) = (customer.resources().volume, customer.volume_tag());
    side.make_foreign_volume(&volume);
    let before = side.state_of(&volume);
    assert_eq!(kind(side.engine().ensure_volume(&volume, &tag).await), ErrorKind::Conflict);
    assert_eq!(kind(side.engine().remove_volume(&volume, &tag).await), ErrorKind::Conflict);
    side.engine().ensure_network().await.unwrap();
    customer.put_conf(side, &side.conf()).await;
    let spec = customer.spec(side).await;
    assert_eq!(kind(side.engine().create_service(&spec).await), ErrorKind::Conflict, "it would be mounted");
    assert_eq!(side.state_of(&volume), before);
    assert_eq!(customer.look(side).await.volumes[&volume].tag(), None);
}

pub(crate) async fn what_another_life_of_the_name_left_is_a_conflict_and_stays_as_it_is(side: &impl Host) {
    let former = side.customer();
    let spec = former.created(side).await;
    let before = [side.state_of(&spec.container), side.state_of(&spec.volume)];
    let later = Customer { uid: Uid(uuid::Uuid::now_v7()), ..former };
    all_conflicts(touch(side, &spec, &later.tag(Component::Service, &spec.tag.digest)).await);
    let volume = later.volume_tag();
    assert_eq!(kind(side.engine().ensure_volume(&spec.volume, &volume).await), ErrorKind::Conflict);
    assert_eq!(kind(side.engine().remove_volume(&spec.volume, &volume).await), ErrorKind::Conflict);
    assert_eq!([side.state_of(&spec.container), side.state_of(&spec.volume)], before);
}

pub(crate) async fn what_is_removed_is_gone_and_what_is_gone_may_be_removed(side: &impl Host) {
    let (customer, neighbour) = (side.customer(), side.neighbour());
    let spec = customer.running(side).await;
    let kept = neighbour.created(side).await;
    let before = [side.state_of(&kept.container), side.state_of(&kept.volume)];
    let (edge, name, tag) = (side.engine(), spec.container.as_str(), &spec.tag);
    for _ in 0..2 {
        edge.remove_service(name, tag).await.unwrap();
        let live = customer.look(side).await;
        assert!(!live.services.contains_key(name) && live.volumes.contains_key(&spec.volume), "{live:?}");
    }
    edge.stop_service(name, tag).await.unwrap();
    edge.remove_job(name, tag).await.unwrap();
    for _ in 0..2 {
        edge.remove_volume(&spec.volume, &customer.volume_tag()).await.unwrap();
        assert!(!customer.look(side).await.volumes.contains_key(&spec.volume));
    }
    for missing in [
        edge.start_service(name, tag).await,
        edge.restart_service(name, tag).await,
        edge.update_limits(name, tag, &limits(100, 64)).await,
        edge.read_volume(name, tag).await.map(drop),
    ] {
        assert_eq!(kind(missing), ErrorKind::Failed);
    }
    assert_eq!([side.state_of(&kept.container), side.state_of(&kept.volume)], before);
}

pub(crate) async fn a_volume_that_is_mounted_is_not_removed(side: &impl Host) {
    let customer = side.customer();
    let spec = customer.created(side).await;
    let before = side.state_of(&spec.volume);
    let tag = customer.volume_tag();
    assert_eq!(kind(side.engine().remove_volume(&spec.volume, &tag).await), ErrorKind::Failed);
    assert_eq!(side.state_of(&spec.volume), before);
}

pub(crate) async fn configuration_files_are_seen_and_removed_for_their_instance_alone(side: &impl Host) {
    let (customer, neighbour) = (side.customer(), side.neighbour());
    for each in [&customer, &neighbour] {
        each.put_conf(side, &side.conf()).await;
        let live = each.look(side).await;
        assert_eq!(live.configs.keys().collect::<Vec<_>>(), [&each.name]);
        assert_eq!((live.configs[&each.name].digest.as_str(), live.configs[&each.name].intact), ("v1:conf", true));
    }
    for _ in 0..2 {
        side.engine().remove_files(&customer.name).await.unwrap();
        assert!(customer.look(side).await.configs.is_empty());
    }
    assert!(neighbour.look(side).await.configs.contains_key(&neighbour.name));
}

pub(crate) async fn a_volume_is_read_while_its_container_stands_still(side: &impl Host) {
    let customer = side.customer();
    let spec = customer.running(side).await;
    let (edge, name, tag) = (side.engine(), spec.container.as_str(), &spec.tag);
    assert!(edge.read_volume(name, tag).await.is_err(), "it runs");
    edge.stop_service(name, tag).await.unwrap();
    let read: Vec<u8> = edge.read_volume(name, tag).await.unwrap().try_concat().await.unwrap();
    assert!(!read.is_empty());
}

pub(crate) async fn a_job_that_runs_is_neither_removed_nor_replaced(side: &impl Host) {
    let customer = side.customer();
    let spec = side.endless_job().await;
    let before = side.state_of(&spec.container);
    assert_eq!(customer.look(side).await.jobs[&spec.container].state, JobState::Running);
    assert_eq!(kind(side.engine().remove_job(&spec.container, &spec.tag).await), ErrorKind::Failed);
    let other = JobSpec { tag: Tag { digest: "v1:other-work".to_owned(), ..spec.tag.clone() }, ..spec.clone() };
    assert_eq!(kind(side.engine().run_job(&other).await), ErrorKind::Failed);
    let later = Tag { uid: Uid(uuid::Uuid::now_v7()), ..spec.tag.clone() };
    assert_eq!(kind(side.engine().remove_job(&spec.container, &later).await), ErrorKind::Conflict);
    let stranger = JobSpec { tag: later, ..spec.clone() };
    assert_eq!(kind(side.engine().run_job(&stranger).await), ErrorKind::Conflict);
    assert_eq!(side.state_of(&spec.container), before);
}

pub(crate) async fn a_stopped_engine_is_unreachable_and_never_empty(side: &impl Host) {
    let customer = side.customer();
    customer.prepare(side, &side.conf()).await;
    let spec = customer.spec(side).await;
    let (ask, tag) = (customer.ask(side), customer.volume_tag());
    let (edge, name) = (side.stopped(), spec.container.as_str());
    let kinds = [
        kind(edge.look(&ask).await),
        kind(edge.usage().await),
        kind(edge.ensure_network().await),
        kind(edge.ensure_volume(&spec.volume, &tag).await),
        kind(edge.remove_volume(&spec.volume, &tag).await),
        kind(edge.create_service(&spec).await),
        kind(edge.start_service(name, &spec.tag).await),
        kind(edge.stop_service(name, &spec.tag).await),
        kind(edge.remove_service(name, &spec.tag).await),
        kind(edge.remove_job(name, &spec.tag).await),
        kind(edge.read_volume(name, &spec.tag).await.map(drop)),
    ];
    assert!(kinds.iter().all(|kind| *kind == ErrorKind::Unreachable), "{kinds:?}");
}
