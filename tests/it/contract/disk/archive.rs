//! Backups: one that found no room is none, gives back what it took, and harms no other.

use super::{Disk, Room, files, on_a_small_disk};
use crate::world::{name, now, settings, uid};
use futures::StreamExt;
use innkeeper::adapters::directory::Directory;
use innkeeper::edges::{Archive, Ask, EdgeError};
use innkeeper::model::backup::{BackupCause, BackupId, BackupLive, FORMAT, Manifest, Part};
use innkeeper::model::name::{InstallationId, Resources};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn id(number: u64) -> BackupId {
    BackupId::of(&name("acme"), uid(1), now().checked_add(Duration::from_secs(number)).unwrap())
}

/// As a step does it: what a failure left is thrown away at once.
async fn take(archive: &Directory, id: &BackupId) -> Result<(), EdgeError> {
    let taken = write(archive, id).await;
    if taken.is_err() {
        archive.discard(&name("acme"), id).await.unwrap();
    }
    taken?;
    archive.verify(&name("acme"), id).await.map(drop)
}

/// Parts of some pages each; a tar archive ends with zeros.
async fn write(archive: &Directory, id: &BackupId) -> Result<(), EdgeError> {
    archive.begin(&name("acme"), id).await?;
    let mut parts = BTreeMap::new();
    for (part, byte) in [(Part::Database, 7), (Part::Filestore, 0)] {
        let pieces = (0..5).map(move |_| Ok(vec![byte; 9_000]));
        let sum = archive.write(&name("acme"), id, part, futures::stream::iter(pieces).boxed()).await?;
        parts.insert(part, sum);
    }
    let manifest = Manifest {
        format: FORMAT,
        id: id.clone(),
        installation: InstallationId("0123456789ab".to_owned()),
        instance: name("acme"),
        uid: uid(1),
        cause: BackupCause::Final,
        begun_at: now(),
        ended_at: now(),
        database: Some("odoo_acme".to_owned()),
        odoo: None,
        modules: BTreeSet::new(),
        parts,
        tool: "test".to_owned(),
    };
    archive.publish(&manifest).await
}

fn shown(runtime: &tokio::runtime::Runtime, archive: &Directory) -> BTreeMap<BackupId, BackupLive> {
    let mut ask = Ask::default();
    ask.instances.insert(name("acme"), Resources::of(&name("acme")));
    runtime.block_on(archive.look(&ask)).unwrap().backups.remove(&name("acme")).unwrap_or_default()
}

#[test]
fn a_backup_that_finds_no_room_is_none_and_gives_back_what_it_took() {
    on_a_small_disk(
        "contract::disk::archive::a_backup_that_finds_no_room_is_none_and_gives_back_what_it_took",
        |disk| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let mut settings = settings().backup;
            settings.directory = disk.path.join("backups");
            settings.pg_restore = "/bin/true".into();
            let archive = Directory::new(&settings, InstallationId("0123456789ab".to_owned())).keeping_free(0);
            runtime.block_on(take(&archive, &id(0))).unwrap();
            let kept: Vec<_> = files(&settings.directory);
            let mut number = 0;
            let attempt = |disk: &Disk, room: Room| {
                disk.free();
                for id in shown(&runtime, &archive).into_keys().filter(|it| *it != id(0)) {
                    std::fs::remove_dir_all(settings.directory.join("0123456789ab/acme").join(id.as_str())).unwrap();
                }
                number += 1;
                disk.leave(room);
                runtime.block_on(take(&archive, &id(number)))
            };
            let (mut unverified, mut tried) = (0, 0);
            let failed = disk.sweep(attempt, |room, told| {
                tried += 1;
                let backups = shown(&runtime, &archive);
                assert!(backups[&id(0)].verified_at.is_some(), "{room:?}: {told}");
                assert!(kept.iter().all(|file| files(&settings.directory).contains(file)), "{room:?}: {told}");
                let new: Vec<_> = backups.values().filter(|it| it.manifest.id != id(0)).collect();
                assert!(
                    new.iter().all(|it| it.verified_at.is_none() && it.manifest.bytes() == 90_000),
                    "{room:?}: {told}"
                );
                unverified += new.len();
                let lying = files(&settings.directory).len() - kept.len() - 3 * new.len();
                assert!(
                    lying <= usize::from(!new.is_empty()),
                    "{room:?}: {told}: what was begun lies on the full disk"
                );
                disk.free();
                // The next try is under the same name: the same retirement never takes two.
                if new.is_empty() {
                    runtime.block_on(take(&archive, &id(tried))).unwrap_or_else(|e| panic!("{room:?}: {told}: {e}"));
                    assert!(shown(&runtime, &archive)[&id(tried)].verified_at.is_some());
                }
            });
            println!("a backup found no room at {failed} moments; {unverified} were whole and not read back yet");
            assert!(failed >= 20, "{failed}");
        },
    );
}
