//! The promises on the lab's real PostgreSQL: making, adopting, isolation, passwords.

mod closing;
mod damage;
mod hostile;
mod inside;
mod like_odoo;
mod locking;
mod outage;
pub(crate) mod world;

use innkeeper::edges::{Ask, Database, ErrorKind};
use innkeeper::model::database::RoleSpec;
use innkeeper::model::secret::SecretString;
use innkeeper::model::service::{Component, Owner};
use world::{promise, text_of};

#[test]
fn an_instance_gets_a_role_and_a_database_that_carry_its_mark() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let live = world.look(&[&tenant]).await;
        assert!(live.major_version >= 13 && live.connections_max > 0, "{live:?}");

        let role = &live.roles[tenant.name()];
        assert_eq!(role.owner, Owner::Ours(tenant.tag(Component::Role)));
        assert_eq!(role.password_mark.as_deref(), Some(tenant.mark.as_str()));
        assert!(role.login && role.excess.is_empty(), "{role:?}");
        assert_eq!(role.connection_limit, tenant.role_spec().connection_limit);

        let database = &live.databases[tenant.name()];
        assert_eq!(database.owner, Owner::Ours(tenant.tag(Component::Database)));
        assert_eq!((&database.owner_role[..], &live.own_role[..]), ("innkeeper", "innkeeper"));
        assert!(database.valid && !database.provisioned, "{database:?}");
        assert!(database.others_may_connect.is_empty(), "{database:?}");
        assert!(database.size_bytes > 1_000_000, "{database:?}");

        world.postgres.mark_provisioned(&tenant.database_spec()).await.unwrap();
        assert!(world.look(&[&tenant]).await.databases[tenant.name()].provisioned);
    });
}

#[test]
fn doing_everything_twice_changes_nothing_the_second_time() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        world.postgres.mark_provisioned(&tenant.database_spec()).await.unwrap();
        let before = world.fingerprint(tenant.name()).await;
        world.provision(&tenant).await;
        world.postgres.set_privileges(&tenant.database_spec()).await.unwrap();
        world.postgres.mark_provisioned(&tenant.database_spec()).await.unwrap();
        assert_eq!(world.fingerprint(tenant.name()).await, before);
    });
}

#[test]
fn what_was_set_up_once_stays_marked_so() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        world.postgres.mark_provisioned(&tenant.database_spec()).await.unwrap();
        // A journal that was lost says "not provisioned"; the comment knows better.
        world.postgres.set_privileges(&tenant.database_spec()).await.unwrap();
        world.postgres.create_database(&tenant.database_spec()).await.unwrap();
        assert!(world.look(&[&tenant]).await.databases[tenant.name()].provisioned);
    });
}

#[test]
fn a_foreign_role_on_the_name_is_a_conflict_and_stays_as_it_is() {
    promise(async |world| {
        let tenant = world.tenant();
        let other = "COMMENT ON ROLE {} IS '{\"innkeeper\":1,\"installation\":\"ffffffffffff\"}'";
        for (comment, whose) in
            [("SELECT '{}'", "no Innkeeper comment"), (other, "Innkeeper installation ffffffffffff")]
        {
            world.root(&format!("CREATE ROLE {} PASSWORD 'theirs'", tenant.name())).await;
            world.root(&comment.replacen("{}", tenant.name(), 1)).await;
            let before = world.fingerprint(tenant.name()).await;

            assert_eq!(world.look(&[&tenant]).await.roles[tenant.name()].owner, Owner::Foreign(whose.to_owned()));
            let role = world.postgres.set_role(&tenant.role_spec(), &tenant.password, &tenant.mark).await.unwrap_err();
            let database = world.postgres.create_database(&tenant.database_spec()).await.unwrap_err();
            assert_eq!((role.kind, database.kind), (ErrorKind::Conflict, ErrorKind::Conflict));
            assert!(text_of(&role).contains(whose), "{}", text_of(&role));
            assert_eq!(world.fingerprint(tenant.name()).await, before);
            world.root(&format!("DROP ROLE {}", tenant.name())).await;
        }
    });
}

#[test]
fn a_foreign_database_on_the_name_is_a_conflict_and_stays_as_it_is() {
    promise(async |world| {
        let tenant = world.tenant();
        world.set_role(&tenant).await;
        world.root(&format!("CREATE DATABASE {}", tenant.name())).await;
        let before = world.fingerprint(tenant.name()).await;

        let seen = &world.look(&[&tenant]).await.databases[tenant.name()];
        assert_eq!(seen.owner, Owner::Foreign("no Innkeeper comment".to_owned()));
        let spec = tenant.database_spec();
        for refusal in [
            world.postgres.create_database(&spec).await.unwrap_err(),
            world.postgres.set_privileges(&spec).await.unwrap_err(),
            world.postgres.mark_provisioned(&spec).await.unwrap_err(),
        ] {
            assert_eq!(refusal.kind, ErrorKind::Conflict, "{}", text_of(&refusal));
        }
        assert_eq!(world.fingerprint(tenant.name()).await, before);
    });
}

#[test]
fn what_another_life_of_the_same_name_left_is_a_conflict() {
    promise(async |world| {
        let former = world.tenant();
        world.provision(&former).await;
        let before = world.fingerprint(former.name()).await;
        let later = former.reborn(world);
        let role = world.postgres.set_role(&later.role_spec(), &later.password, &later.mark).await.unwrap_err();
        let database = world.postgres.create_database(&later.database_spec()).await.unwrap_err();
        assert_eq!((role.kind, database.kind), (ErrorKind::Conflict, ErrorKind::Conflict));
        assert_eq!(world.fingerprint(former.name()).await, before);
    });
}

#[test]
fn names_that_contain_ours_are_ignored() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        for name in [format!("{}_old", tenant.name()), format!("x{}", tenant.name())] {
            world.remember(&name);
            world.root(&format!("CREATE ROLE {name}")).await;
            world.root(&format!("CREATE DATABASE {name}")).await;
            // A comment that only mentions us, or was copied from ours, makes nothing ours.
            world.root(&format!("COMMENT ON ROLE {name} IS 'not of {}'", world.installation)).await;
            world.copy_comment(tenant.name(), &name).await;
        }
        let live = world.look(&[&tenant]).await;
        assert_eq!(live.roles.keys().collect::<Vec<_>>(), [tenant.name()]);
        assert_eq!(live.databases.keys().collect::<Vec<_>>(), [tenant.name()]);
    });
}

#[test]
fn everything_of_ours_is_listed_even_when_nobody_asks_for_it() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let live = world.postgres.look(&Ask::default()).await.unwrap();
        assert_eq!(live.roles.keys().collect::<Vec<_>>(), [tenant.name()]);
        assert_eq!(live.databases.keys().collect::<Vec<_>>(), [tenant.name()]);
        assert!(live.inside.is_empty(), "{live:?}");
    });
}

#[test]
fn a_size_is_measured_when_it_is_asked_for_and_remembered_when_not() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let measured = world.look(&[&tenant]).await.databases[tenant.name()].size_bytes;
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        own.batch_execute("CREATE TABLE t AS SELECT repeat('x', 100) FROM generate_series(1, 10000)").await.unwrap();
        let remembered = world.postgres.look(&Ask::default()).await.unwrap().databases[tenant.name()].size_bytes;
        assert_eq!(remembered, measured);
        assert!(world.look(&[&tenant]).await.databases[tenant.name()].size_bytes > measured + 1_000_000);
    });
}

#[test]
fn a_tenant_opens_its_own_database_and_no_other_tenants() {
    promise(async |world| {
        let (mine, theirs) = (world.tenant(), world.tenant());
        world.provision(&mine).await;
        world.provision(&theirs).await;
        let own = world.connect_as(&mine, &mine.password, mine.name()).await.unwrap();
        own.batch_execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent; CREATE TABLE t (a text)")
            .await
            .unwrap();
        let refusal = world.connect_as(&mine, &mine.password, theirs.name()).await.err().map(|e| text_of(&e)).unwrap();
        assert!(refusal.contains("permission denied for database"), "{refusal}");
    });
}

#[test]
fn a_tenant_cannot_make_roles_or_databases_or_become_somebody_else() {
    promise(async |world| {
        let (mine, theirs) = (world.tenant(), world.tenant());
        world.provision(&mine).await;
        world.provision(&theirs).await;
        let own = world.connect_as(&mine, &mine.password, mine.name()).await.unwrap();
        for sql in [
            format!("CREATE DATABASE {}_2", mine.name()),
            format!("CREATE ROLE {}_2", mine.name()),
            format!("SET ROLE {}", theirs.name()),
            "SET ROLE innkeeper".to_owned(),
            format!("GRANT {} TO {}", theirs.name(), mine.name()),
            format!("COMMENT ON ROLE {} IS 'mine'", mine.name()),
            format!("COMMENT ON DATABASE {} IS 'mine'", theirs.name()),
            format!("DROP DATABASE {}", theirs.name()),
        ] {
            let refusal = own.batch_execute(&sql).await.unwrap_err();
            assert_eq!(refusal.code().map(|code| code.code()), Some("42501"), "{sql}: {}", text_of(&refusal));
        }
    });
}

#[test]
fn a_password_changes_with_its_mark_and_only_then() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let new = SecretString::from("a9".repeat(20));
        let same_mark = world.postgres.set_role(&tenant.role_spec(), &new, &tenant.mark).await;
        same_mark.unwrap();
        assert!(world.connect_as(&tenant, &new, tenant.name()).await.is_err());
        assert!(world.connect_as(&tenant, &tenant.password, tenant.name()).await.is_ok());

        world.postgres.set_role(&tenant.role_spec(), &new, "another-mark").await.unwrap();
        assert!(world.connect_as(&tenant, &new, tenant.name()).await.is_ok());
        assert!(world.connect_as(&tenant, &tenant.password, tenant.name()).await.is_err());
        let live = world.look(&[&tenant]).await;
        assert_eq!(live.roles[tenant.name()].password_mark.as_deref(), Some("another-mark"));

        let again = RoleSpec { set_password: true, ..tenant.role_spec() };
        world.postgres.set_role(&again, &tenant.password, "another-mark").await.unwrap();
        assert!(world.connect_as(&tenant, &tenant.password, tenant.name()).await.is_ok());
    });
}

#[test]
fn a_search_in_a_database_of_ours_knows_capital_letters_of_all_languages() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        let row = own
            .query_one(
                "SELECT 'Nguyễn Văn Ký' ILIKE '%NGUYỄN%', 'a' < 'B', current_setting('server_encoding') = 'UTF8'",
                &[],
            )
            .await
            .unwrap();
        // Letters are known, and yet the order is that of bytes, which no upgrade of a library changes.
        assert_eq!((row.get(0), row.get(1), row.get(2)), (true, false, true));
    });
}

#[test]
fn many_instances_are_made_side_by_side() {
    promise(async |world| {
        let tenants: Vec<_> = (0..8).map(|_| world.tenant()).collect();
        futures::future::join_all(tenants.iter().map(|tenant| world.provision(tenant))).await;
        let live = world.look(&tenants.iter().collect::<Vec<_>>()).await;
        assert_eq!((live.roles.len(), live.databases.len(), live.inside.len()), (8, 8, 8));
        assert!(live.inside.values().all(|seen| seen.known().is_some()), "{live:?}");
    });
}

#[test]
fn no_error_and_no_server_log_holds_a_password() {
    promise(async |world| {
        let canary = SecretString::from("c0ffee00".repeat(5));
        let (tenant, foreign) = (world.tenant(), world.tenant());
        world.set_role(&tenant).await;
        world.root(&format!("CREATE ROLE {}", foreign.name())).await;
        world.root(&format!("ALTER ROLE {} SUPERUSER", tenant.name())).await;
        let spec = RoleSpec { set_password: true, ..tenant.role_spec() };
        let errors = [
            world.postgres.set_role(&spec, &canary, "mark").await.unwrap_err(),
            world.postgres.set_role(&foreign.role_spec(), &canary, "mark").await.unwrap_err(),
        ];
        assert_eq!(errors[0].kind, ErrorKind::Refused, "{}", text_of(&errors[0]));
        for error in &errors {
            let text = format!("{} {error:?}", text_of(error));
            assert!(!text.contains("c0ffee"), "{text}");
        }
        // The server logs the text of a statement that failed.
        let log = std::fs::read_to_string(world.lab.path("LAB_LOGS").join("postgres.log")).unwrap();
        assert!(
            log.contains(&format!("ALTER ROLE \"{}\" PASSWORD 'SCRAM-SHA-256$", tenant.name())),
            "nothing was logged"
        );
        assert!(!log.contains("c0ffee"), "the password stands in the server's log");
    });
}

#[test]
fn sizes_are_told_of_databases_of_ours_alone() {
    promise(async |world| {
        let (tenant, absent) = (world.tenant(), world.tenant());
        world.provision(&tenant).await;
        let asked = [tenant.name(), absent.name(), "postgres", "template1"].map(str::to_owned).into();
        let sizes = world.postgres.sizes(&asked).await.unwrap();
        assert_eq!(sizes.keys().collect::<Vec<_>>(), [tenant.name()]);
        assert_eq!(sizes[tenant.name()], world.look(&[&tenant]).await.databases[tenant.name()].size_bytes);
        assert!(world.postgres.sizes(&[].into()).await.unwrap().is_empty());
    });
}
