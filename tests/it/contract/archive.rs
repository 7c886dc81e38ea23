//! The archive in a directory, held to the promises: with dumps of the lab's PostgreSQL, by its own pg_restore.

use super::database::lab::world::{World, promise};
use super::promises::Side;
use super::promises::archive::{Backup, Damage, Shelves, archive};
use futures::TryStreamExt;
use innkeeper::adapters::directory::Directory;
use innkeeper::edges::{Archive, Database};
use innkeeper::model::backup::{BackupId, Part};
use innkeeper::model::name::{InstallationId, InstanceName};
use innkeeper::model::settings::BackupSettings;
use std::fs;
use std::path::PathBuf;

/// A directory of the test's own, and a dump of a database of the test's own.
struct Disk {
    place: tempfile::TempDir,
    directory: Directory,
    dump: Vec<u8>,
}

archive!(Disk);

impl Side for Disk {
    fn hold(promised: impl AsyncFnOnce(&Self)) {
        promise(async |world| promised(&Self::new(dump(world).await)).await);
    }
}

impl Disk {
    fn new(dump: Vec<u8>) -> Self {
        let place = tempfile::tempdir().unwrap();
        let settings = BackupSettings {
            directory: place.path().to_owned(),
            pg_dump: "pg_dump".into(),
            pg_restore: "pg_restore".into(),
        };
        let directory = Directory::new(&settings, installation());
        Self { directory, place, dump }
    }

    fn shelves(&self) -> PathBuf {
        self.place.path().join(installation().0)
    }

    fn at(&self, instance: &InstanceName, id: &BackupId) -> PathBuf {
        self.shelves().join(instance.as_str()).join(id.as_str())
    }
}

fn installation() -> InstallationId {
    InstallationId("0123456789ab".to_owned())
}

/// Of a table that fills several blocks of a dump.
async fn dump(world: &World) -> Vec<u8> {
    let tenant = world.tenant();
    world.provision(&tenant).await;
    let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
    let sql = "CREATE TABLE t AS SELECT n, md5(n::text) AS text FROM generate_series(1, 20000) AS n";
    own.batch_execute(sql).await.unwrap();
    let bytes = world.postgres.dump(tenant.name(), tenant.name(), &tenant.password).await.unwrap();
    bytes.try_concat().await.unwrap()
}

/// One file of a hundred blocks, as a tar archive.
fn tar() -> Vec<u8> {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "x".repeat(51_200)).unwrap();
    let output = std::process::Command::new("tar").arg("-cC").arg(place.path()).arg("file").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

impl Shelves for Disk {
    fn archive(&self) -> &dyn Archive {
        &self.directory
    }

    fn sound(&self, part: Part) -> Vec<u8> {
        match part {
            Part::Database => self.dump.clone(),
            Part::Filestore => tar(),
        }
    }

    fn damage(&self, backup: &Backup, part: Part, change: &Damage) {
        let file = self.at(&backup.instance, &backup.id).join(part.file_name());
        match change(fs::read(&file).unwrap()) {
            Some(bytes) => fs::write(file, bytes).unwrap(),
            None => fs::remove_file(file).unwrap(),
        }
    }

    fn copy(&self, backup: &Backup, copy: &BackupId) {
        let (from, to) = (self.at(&backup.instance, &backup.id), self.at(&backup.instance, copy));
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }

    fn is_there(&self, instance: &InstanceName, id: &BackupId) -> bool {
        let place = self.at(instance, id);
        place.exists() || place.with_extension("partial").exists()
    }

    fn break_down(&self) {
        fs::remove_dir_all(self.shelves()).unwrap();
        fs::write(self.shelves(), "a file where the shelves were").unwrap();
    }
}
