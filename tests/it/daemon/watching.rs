//! Every way of changing a fleet's files gives a hint, also after the ways that make inotify deaf.

use innkeeper::daemon::look::watch::Watch;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

struct Fleet {
    _dir: TempDir,
    root: PathBuf,
    watch: Watch,
}

impl Fleet {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("fleet");
        make(&root);
        let mut watch = Watch::new(&root, &root.join("innkeeper.toml"));
        assert!(watch.rearm().unwrap());
        Self { _dir: dir, root, watch }
    }

    fn file(&self) -> PathBuf {
        self.root.join("instances.d/acme.toml")
    }

    async fn is_hinted(&self) -> bool {
        tokio::time::timeout(Duration::from_secs(5), self.watch.hint()).await.is_ok()
    }

    /// Takes hints until none comes for a while, longer than the watching thread waits for its turn on a busy machine.
    async fn drain(&self) {
        while tokio::time::timeout(Duration::from_millis(500), self.watch.hint()).await.is_ok() {}
    }

    /// What a daemon does after a hint: arm anew where needed. Then a further change must be heard of.
    async fn assert_hears_again(&mut self) {
        assert!(self.is_hinted().await, "the swap itself was not heard of");
        self.watch.rearm().unwrap();
        self.drain().await;
        assert!(!self.watch.rearm().unwrap(), "nothing changed since");
        fs::write(self.file(), "changed").unwrap();
        assert!(self.is_hinted().await, "deaf after the swap");
    }
}

fn make(root: &Path) {
    fs::create_dir_all(root.join("instances.d")).unwrap();
    fs::create_dir_all(root.join("nginx-templates")).unwrap();
    fs::write(root.join("innkeeper.toml"), "").unwrap();
}

#[tokio::test]
async fn a_dropped_an_edited_and_a_removed_file_give_a_hint() {
    let fleet = Fleet::new();
    fs::write(fleet.file(), "one").unwrap();
    assert!(fleet.is_hinted().await);
    fleet.drain().await;
    fs::write(fleet.file(), "two").unwrap();
    assert!(fleet.is_hinted().await);
    fleet.drain().await;
    fs::remove_file(fleet.file()).unwrap();
    assert!(fleet.is_hinted().await);
    fleet.drain().await;
    fs::write(fleet.root.join("nginx-templates/shared.conf"), "x").unwrap();
    assert!(fleet.is_hinted().await);
    fleet.drain().await;
    fs::rename(fleet.root.join("innkeeper.toml"), fleet.root.join("plans.toml")).unwrap();
    assert!(fleet.is_hinted().await);
}

#[tokio::test]
async fn reading_and_neighbours_give_none() {
    let fleet = Fleet::new();
    fs::write(fleet.file(), "one").unwrap();
    assert!(fleet.is_hinted().await, "the write itself was not heard of");
    fleet.drain().await;
    fs::read(fleet.file()).unwrap();
    fs::read_dir(fleet.root.join("instances.d")).unwrap().for_each(drop);
    fs::write(fleet.root.parent().unwrap().join("neighbour"), "x").unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(300), fleet.watch.hint()).await.is_err());
}

#[tokio::test]
async fn a_directory_swapped_by_rename_is_heard_of_and_watched_again() {
    let mut fleet = Fleet::new();
    let (new, old) = (fleet.root.join("new"), fleet.root.join("old"));
    fs::create_dir(&new).unwrap();
    fleet.drain().await;
    fs::rename(fleet.root.join("instances.d"), old).unwrap();
    fs::rename(new, fleet.root.join("instances.d")).unwrap();
    fleet.assert_hears_again().await;
}

#[tokio::test]
async fn the_whole_fleet_swapped_by_rename_is_heard_of_and_watched_again() {
    let mut fleet = Fleet::new();
    let beside = |name: &str| fleet.root.with_file_name(name);
    make(&beside("new"));
    fleet.drain().await;
    fs::rename(&fleet.root, beside("old")).unwrap();
    fs::rename(beside("new"), &fleet.root).unwrap();
    fleet.assert_hears_again().await;
}

#[tokio::test]
async fn a_symlink_swapped_as_git_sync_does_is_heard_of_and_watched_again() {
    let dir = TempDir::new().unwrap();
    make(&dir.path().join("one"));
    make(&dir.path().join("two"));
    let root = dir.path().join("current");
    symlink("one", &root).unwrap();
    let mut watch = Watch::new(&root, &root.join("innkeeper.toml"));
    watch.rearm().unwrap();
    let mut fleet = Fleet { root: root.clone(), watch, _dir: dir };
    symlink("two", root.with_file_name("next")).unwrap();
    fleet.drain().await;
    fs::rename(root.with_file_name("next"), &root).unwrap();
    fleet.assert_hears_again().await;
}

#[tokio::test]
async fn a_directory_removed_and_made_again_is_heard_of_and_watched_again() {
    let mut fleet = Fleet::new();
    fs::remove_dir(fleet.root.join("instances.d")).unwrap();
    assert!(fleet.is_hinted().await);
    assert!(fleet.watch.rearm().unwrap(), "watches what is left");
    fleet.drain().await;
    fs::create_dir(fleet.root.join("instances.d")).unwrap();
    fleet.assert_hears_again().await;
}

#[tokio::test]
async fn a_directory_made_again_under_the_number_of_the_removed_one_is_watched_again() {
    let mut fleet = Fleet::new();
    let dir = fleet.root.join("instances.d");
    // ext4 gives the number to the next directory; nobody looks in between.
    fs::remove_dir(&dir).unwrap();
    fs::create_dir(&dir).unwrap();
    fleet.assert_hears_again().await;
}
