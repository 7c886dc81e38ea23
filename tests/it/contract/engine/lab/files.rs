//! The files that containers see under `/etc/odoo`.

use super::world::{IMAGE, NO_DATABASE, World, docker, inspect};
use innkeeper::edges::Engine;
use innkeeper::model::service::ImageUser;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[tokio::test]
async fn a_file_belongs_to_the_images_user_and_is_told_intact() {
    let world = World::new();
    world.put_conf(NO_DATABASE).await.unwrap();
    let user = world.image_user().await;
    let file = std::fs::metadata(world.directory().join("odoo.conf")).unwrap();
    assert_eq!((file.uid(), file.gid(), file.mode() & 0o7777), (user.uid, user.gid, 0o600));
    let live = world.look().await.configs[&world.name].clone();
    assert_eq!((live.digest.as_str(), live.intact), ("v1:conf", true));

    std::fs::set_permissions(world.directory().join("odoo.conf"), std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(!world.look().await.configs[&world.name].intact);
    world.put_conf(NO_DATABASE).await.unwrap();
    std::os::unix::fs::chown(world.directory().join("odoo.conf"), Some(0), Some(0)).unwrap();
    assert!(!world.look().await.configs[&world.name].intact);
}

#[tokio::test]
async fn a_running_container_sees_the_new_file_whole() {
    let world = World::new();
    let spec = world.running().await;
    let text = format!("{NO_DATABASE}limit_request = 4711\n");
    world.put_conf(&text).await.unwrap();
    let seen = docker(&["exec", &spec.container, "cat", "/etc/odoo/odoo.conf"]);
    assert!(seen.ends_with(text.trim_end()) && seen.starts_with("# innkeeper: digest=v1:conf body="), "{seen}");
    let live = world.look().await;
    let started = live.services[&spec.container].started_at.unwrap();
    assert!(live.configs[&world.name].written_at > started, "the container is not told to be older than the file");
}

#[tokio::test]
async fn a_file_of_another_images_user_is_given_to_the_one_that_will_read_it() {
    let world = World::new();
    world.prepare(NO_DATABASE).await;
    let user = world.image_user().await;
    let before = world.look().await.configs[&world.name].clone();
    world.put("odoo.conf", NO_DATABASE, ImageUser { uid: 4711, gid: 4712 }).await.unwrap();
    let spec = world.spec().await;
    world.docker.create_service(&spec).await.unwrap();
    let file = std::fs::metadata(world.directory().join("odoo.conf")).unwrap();
    assert_eq!((file.uid(), file.gid()), (user.uid, user.gid));
    let after = world.look().await.configs[&world.name].clone();
    assert_eq!((after.digest, after.intact), (before.digest, true));
}

#[tokio::test]
async fn an_image_that_prints_no_reports_is_told_and_nothing_is_left_of_the_look() {
    let world = World::new();
    let probes = || docker(&["ps", "-aq", "--filter", "label=io.innkeeper.component=image-probe"]);
    let before = probes();
    assert!(world.docker.prints_reports(&inspect(IMAGE, "{{.Id}}")).await.unwrap());
    // Two blocks of zeroes are a tar archive of nothing.
    let empty = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(empty.path(), [0; 1024]).unwrap();
    let bare = docker(&["import", empty.path().to_str().unwrap()]);
    let prints = world.docker.prints_reports(bare.trim()).await;
    docker(&["rmi", bare.trim()]);
    assert!(!prints.unwrap());
    assert_eq!(probes(), before);
}
