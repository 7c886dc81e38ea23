//! What the engine edge promises, held against the lab's Docker.

mod cost;
mod files;
pub(super) mod jobs;
mod outage;
mod scratch;
mod services;
pub(super) mod world;

use innkeeper::edges::{Engine, ErrorKind};
use innkeeper::model::service::{Component, Owner, Tag};
use world::{IMAGE, World, changed, docker, inspect, until};

#[tokio::test]
async fn an_images_user_is_read_from_the_image_and_a_missing_image_is_not_pulled() {
    let world = World::new();
    let live = world.look().await;
    let told = docker(&["run", "--rm", "--entrypoint", "id", IMAGE]);
    let user = live.images[IMAGE].user;
    assert!(told.starts_with(&format!("uid={}(odoo) gid={}(odoo)", user.uid, user.gid)), "{told}");
    assert_eq!(live.images[IMAGE].id, inspect(IMAGE, "{{.Id}}"));
    assert_eq!(live.images.len(), 1, "{:?}", live.images);
    let label = format!("label=io.innkeeper.installation={}", world.id);
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &label]), "", "the probe was left behind");
}

#[tokio::test]
async fn a_network_made_by_many_at_once_is_one_and_isolated() {
    let world = World::new();
    assert_eq!(world.look().await.network, None);
    let made = futures::future::join_all((0..5).map(|_| world.docker.ensure_network())).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    let network = world.look().await.network.unwrap();
    assert!(network.ours && network.isolated, "{network:?}");
    let name = format!("ik-{}", world.id);
    let listed = docker(&["network", "ls", "--format", "{{.Name}}"]);
    assert_eq!(listed.lines().filter(|line| *line == name).count(), 1);
}

#[tokio::test]
async fn a_foreign_network_on_our_name_is_a_conflict() {
    let world = World::new();
    let name = format!("ik-{}", world.id);
    let mark = format!("io.innkeeper.lab={}", world.lab.get("LAB_ID"));
    docker(&["network", "create", "--label", &mark, &name]);
    let refused = world.docker.ensure_network().await.unwrap_err();
    let network = world.look().await.network.unwrap();
    docker(&["network", "rm", &name]);
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert!(!network.ours && !network.isolated, "{network:?}");
}

#[tokio::test]
async fn a_volume_made_twice_is_one_and_a_foreign_one_is_a_conflict() {
    let world = World::new();
    let (volume, tag) = (world.resources().volume, world.tag(Component::Volume, ""));
    world.docker.ensure_volume(&volume, &tag).await.unwrap();
    let created = inspect(&volume, "{{.CreatedAt}}");
    world.docker.ensure_volume(&volume, &tag).await.unwrap();
    assert_eq!(inspect(&volume, "{{.CreatedAt}}"), created);
    assert_eq!(world.look().await.volumes[&volume], Owner::Ours(tag.clone()));

    let other = World::new();
    let refused = other.docker.ensure_volume(&volume, &other.tag(Component::Volume, "")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    // The very same installation, but another life of the instance: its volume is not the new one's either.
    let later = Tag { uid: other.uid, ..tag };
    assert_eq!(world.docker.ensure_volume(&volume, &later).await.unwrap_err().kind, ErrorKind::Conflict);
}

#[tokio::test]
async fn a_change_of_an_object_of_ours_is_hinted_and_the_first_answer_is_to_look() {
    let world = World::new();
    assert_eq!(changed(&world.docker).await.unwrap(), None);
    let spec = world.running().await;
    assert_eq!(changed(&world.docker).await.unwrap(), Some(world.name.clone()));
    world.docker.remove_service(&spec.container, &spec.tag).await.unwrap();
    until("the removal shows", async || world.look().await.services.is_empty()).await;
}
