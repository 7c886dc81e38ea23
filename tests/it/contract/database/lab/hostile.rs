//! What a tenant may do to its own database and role, and what it may not: nobody keeps Innkeeper from looking, stopping and
//! backing up.

use super::world::{Tenant, World, promise, text_of};
use futures::TryStreamExt;
use innkeeper::edges::Database;
use innkeeper::model::database::{Access, RoleSpec};
use innkeeper::model::service::{Component, Owner};

/// What each version of PostgreSQL says to a role that may not.
const NOT_OWNER: &str = "42501";

async fn tenant_of(world: &World) -> Tenant {
    let tenant = world.tenant();
    world.provision(&tenant).await;
    world.postgres.mark_provisioned(&tenant.database_spec()).await.unwrap();
    tenant
}

async fn is_as_it_should_be(world: &World, tenant: &Tenant) {
    let live = world.look(&[tenant]).await;
    let database = &live.databases[tenant.name()];
    assert_eq!(database.owner, Owner::Ours(tenant.tag(Component::Database)));
    assert_eq!((&database.owner_role, database.provisioned), (&live.own_role, true));
    assert!(database.lacking.is_empty() && database.others_may_connect.is_empty(), "{database:?}");
    assert!(live.inside[tenant.name()].known().is_some(), "{live:?}");
    let own = world.connect_as(tenant, &tenant.password, tenant.name()).await.unwrap();
    own.batch_execute(
        "CREATE TABLE IF NOT EXISTS work (n int); CREATE TEMP TABLE t (n int); CREATE SCHEMA IF NOT EXISTS own",
    )
    .await
    .expect("its Odoo works in it");
}

#[test]
fn a_tenant_cannot_hide_close_or_drop_its_own_database() {
    promise(async |world| {
        let tenant = tenant_of(world).await;
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        let name = tenant.name();
        for sql in [
            format!("COMMENT ON DATABASE {name} IS NULL"),
            format!("ALTER DATABASE {name} SET statement_timeout = 1"),
            format!("ALTER DATABASE {name} CONNECTION LIMIT 0"),
            format!("ALTER DATABASE {name} IS_TEMPLATE true"),
            format!("ALTER DATABASE {name} OWNER TO {name}"),
        ] {
            let refusal = own.batch_execute(&sql).await.unwrap_err();
            assert_eq!(refusal.code().map(|code| code.code()), Some(NOT_OWNER), "{sql}: {}", text_of(&refusal));
        }
        let elsewhere = world.connect_as(&tenant, &tenant.password, "postgres").await.unwrap();
        for sql in [format!("DROP DATABASE {name}"), format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")] {
            assert!(elsewhere.batch_execute(&sql).await.is_err(), "{sql}");
        }
        // PostgreSQL warns and does nothing.
        own.batch_execute(&format!("REVOKE ALL ON DATABASE {name} FROM innkeeper, PUBLIC")).await.unwrap();
        is_as_it_should_be(world, &tenant).await;
    });
}

#[test]
fn a_database_of_an_earlier_version_is_taken_back_from_a_tenant_who_closed_it() {
    promise(async |world| {
        for closed in [
            "REVOKE CONNECT ON DATABASE {} FROM {}, innkeeper",
            "ALTER DATABASE {} SET statement_timeout = 1",
            "ALTER DATABASE {} CONNECTION LIMIT 0",
            "ALTER DATABASE {} ALLOW_CONNECTIONS false",
            "ALTER DATABASE {} IS_TEMPLATE true",
        ] {
            let tenant = tenant_of(world).await;
            world.give_away(tenant.name()).await;
            let elsewhere = world.connect_as(&tenant, &tenant.password, "postgres").await.unwrap();
            elsewhere.batch_execute(&closed.replace("{}", tenant.name())).await.unwrap();
            let live = world.look(&[&tenant]).await;
            assert_eq!(live.databases[tenant.name()].owner, Owner::Ours(tenant.tag(Component::Database)), "{closed}");
            world.postgres.set_privileges(&tenant.database_spec()).await.unwrap();
            if closed.contains("statement_timeout") {
                world.root(&format!("ALTER DATABASE {} RESET ALL", tenant.name())).await;
            }
            is_as_it_should_be(world, &tenant).await;
            world.postgres.drop_database(&tenant.database_spec()).await.unwrap();
        }
    });
}

#[test]
fn settings_that_a_tenant_gives_its_role_keep_no_final_backup_from_being_taken() {
    promise(async |world| {
        let tenant = tenant_of(world).await;
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        own.batch_execute("CREATE TABLE kept AS SELECT generate_series(1, 100000) AS n").await.unwrap();
        let name = tenant.name();
        for sql in [
            format!("ALTER ROLE {name} SET statement_timeout = 1"),
            format!("ALTER ROLE {name} IN DATABASE {name} SET lock_timeout = 1"),
            // No session of the role begins with this one.
            format!("ALTER ROLE {name} SET local_preload_libraries = 'no_such_library'"),
        ] {
            own.batch_execute(&sql).await.unwrap_or_else(|error| panic!("{sql}: {}", text_of(&error)));
        }
        assert!(world.connect_as(&tenant, &tenant.password, name).await.is_err(), "the settings are in force");
        let spec = RoleSpec { access: Access::Backup, set_password: true, ..tenant.role_spec() };
        world.postgres.set_role(&spec, &tenant.password, "backup-mark").await.unwrap();
        let dump = world.postgres.dump(name, name, &tenant.password).await.unwrap();
        let bytes: Vec<u8> = dump.try_concat().await.unwrap();
        assert!(bytes.starts_with(b"PGDMP"));
        // Twice it is as it was.
        world.postgres.set_role(&spec, &tenant.password, "backup-mark").await.unwrap();
    });
}
