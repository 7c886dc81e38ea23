//! Who gets into a database whose final backup is taken: the backup, and nobody else, whoever was inside before. And what
//! the real `pg_dump` and `pg_restore` make of it.

use super::world::{Tenant, World, promise, text_of};
use futures::TryStreamExt;
use innkeeper::adapters::directory::Directory;
use innkeeper::edges::archive::Soundness;
use innkeeper::edges::{Archive, Database, EdgeError};
use innkeeper::model::backup::{BackupCause, BackupId, FORMAT, Manifest, Part};
use innkeeper::model::database::{Access, RoleSpec};
use innkeeper::model::secret::SecretString;
use innkeeper::model::settings::BackupSettings;
use std::collections::BTreeSet;
use std::time::Duration;

const FILE: &str = "0b/0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33";

async fn give(world: &World, tenant: &Tenant, access: Access) {
    let spec = RoleSpec { access, set_password: true, ..tenant.role_spec() };
    let password = if access == Access::Instance { tenant.password.clone() } else { backup_password() };
    let mark = if access == Access::Instance { tenant.mark.as_str() } else { "backup-mark" };
    world.postgres.set_role(&spec, &password, mark).await.unwrap();
}

fn backup_password() -> SecretString {
    SecretString::from("0123456789abcdef0123456789abcdef01234567")
}

async fn dump(world: &World, tenant: &Tenant, password: &SecretString) -> Result<Vec<u8>, EdgeError> {
    world.postgres.dump(tenant.name(), tenant.name(), password).await?.try_concat().await
}

#[test]
fn while_the_final_backup_is_taken_and_after_it_nobody_writes() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let before = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        before.batch_execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (1)").await.unwrap();

        give(world, &tenant, Access::Backup).await;
        assert!(
            before.batch_execute("INSERT INTO kept VALUES (2)").await.is_err(),
            "who was connected is not any more"
        );
        let again = world.connect_as(&tenant, &tenant.password, tenant.name()).await;
        assert!(again.is_err(), "the password of odoo.conf does not get in");
        let dumped = dump(world, &tenant, &backup_password()).await.unwrap();
        assert!(dumped.starts_with(b"PGDMP"), "the backup gets in");

        give(world, &tenant, Access::Nobody).await;
        for password in [&tenant.password, &backup_password()] {
            assert!(world.connect_as(&tenant, password, tenant.name()).await.is_err());
        }
        let error = dump(world, &tenant, &backup_password()).await.unwrap_err();
        assert!(text_of(&error).contains("not permitted to log in"), "{}", text_of(&error));
        let role = &world.look(&[&tenant]).await.roles[tenant.name()];
        assert!(!role.login && role.password_mark.as_deref() == Some("backup-mark"), "{role:?}");

        give(world, &tenant, Access::Instance).await;
        let back = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        let rows = back.query("SELECT n FROM kept", &[]).await.unwrap();
        assert_eq!(rows.len(), 1, "what was there is there");
        give(world, &tenant, Access::Instance).await;
        back.query("SELECT", &[]).await.expect("setting it again disturbs nobody");
    });
}

/// Somebody connects again and again, with the password that is right until it is not.
#[test]
fn whoever_keeps_connecting_is_out_when_the_role_is_closed() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        own.batch_execute("CREATE TABLE kept (n int)").await.unwrap();
        let intruder = async {
            loop {
                if let Ok(session) = world.connect_as(&tenant, &tenant.password, tenant.name()).await {
                    while session.batch_execute("INSERT INTO kept VALUES (1)").await.is_ok() {}
                }
            }
        };
        let closed = async {
            let root = world.root_in(tenant.name()).await;
            let count = async || root.query_one("SELECT count(*) FROM kept", &[]).await.unwrap().get::<_, i64>(0);
            while count().await == 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            give(world, &tenant, Access::Backup).await;
            let first = count().await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            (first, count().await)
        };
        let (first, second) = tokio::select! {
            counts = closed => counts,
            never = intruder => never,
        };
        assert_eq!(first, second, "it wrote before, and not after");
    });
}

#[test]
fn the_files_that_a_real_dump_names_are_looked_for() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let dir = tempfile::tempdir().unwrap();
        let settings =
            BackupSettings { directory: dir.path().into(), pg_dump: "pg_dump".into(), pg_restore: "pg_restore".into() };
        let archive = Directory::new(&settings, world.installation.clone());
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        assert_eq!(read_back(world, &tenant, &archive, 1).await, Soundness::Sound, "an empty database names none");
        own.batch_execute(&format!(
            "GRANT ALL ON SCHEMA public TO {0};
             CREATE TABLE ir_attachment (id serial PRIMARY KEY, name varchar NOT NULL, db_datas bytea, store_fname varchar);
             INSERT INTO ir_attachment (name, db_datas, store_fname) VALUES
                 ('a' || chr(9) || chr(10) || '\\.', decode(repeat('5c2e0a', 100000), 'hex'), NULL),
                 ('b', NULL, '{FILE}'), ('c', NULL, 's3://elsewhere/{FILE}'), (repeat('x', 1000000), NULL, '{FILE}')",
            tenant.name()
        ))
        .await
        .unwrap();
        let Soundness::Partial(missing) = read_back(world, &tenant, &archive, 2).await else { panic!("it is partial") };
        assert_eq!((missing.count, &missing.first[..]), (1, &[FILE.to_owned()][..]));
    });
}

/// Takes and reads back a backup of the database alone.
async fn read_back(world: &World, tenant: &Tenant, archive: &Directory, second: i64) -> Soundness {
    let begun_at = innkeeper::model::time::Timestamp::from_second(second).unwrap();
    let id = BackupId::of(&tenant.instance, tenant.uid, begun_at);
    archive.begin(&tenant.instance, &id).await.unwrap();
    let bytes = world.postgres.dump(tenant.name(), tenant.name(), &tenant.password).await.unwrap();
    let sum = archive.write(&tenant.instance, &id, Part::Database, bytes).await.unwrap();
    let manifest = Manifest {
        format: FORMAT,
        id: id.clone(),
        installation: world.installation.clone(),
        instance: tenant.instance.clone(),
        uid: tenant.uid,
        cause: BackupCause::Final,
        begun_at,
        ended_at: begun_at,
        database: Some(tenant.name().to_owned()),
        odoo: None,
        modules: BTreeSet::new(),
        parts: [(Part::Database, sum)].into(),
        tool: "innkeeper test".to_owned(),
    };
    archive.publish(&manifest).await.unwrap();
    archive.verify(&tenant.instance, &id).await.unwrap()
}
