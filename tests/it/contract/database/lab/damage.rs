//! What somebody did behind our back, and what a crash left: seen, then repaired, or refused with the way out.

use super::world::{Tenant, World, promise, text_of};
use innkeeper::edges::{Database, ErrorKind};
use innkeeper::model::database::DatabaseSpec;
use innkeeper::model::service::{Component, Owner};

/// Lets Innkeeper repair the role. What it may not take back (from PostgreSQL 16 on: what a superuser granted) it
/// refuses with the statement that a superuser must run; the superuser does, and all is well.
async fn repair_role(world: &World, tenant: &Tenant, superuser_needed: bool) {
    let outcome = world.postgres.set_role(&tenant.role_spec(), &tenant.password, &tenant.mark).await;
    if superuser_needed {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused, "{}", text_of(&error));
        let text = text_of(&error);
        let statement = text.split("a superuser must run ").nth(1).and_then(|rest| rest.split(':').next());
        world.root(statement.unwrap_or_else(|| panic!("{text}"))).await;
        world.set_role(tenant).await;
    } else {
        outcome.unwrap();
    }
    let role = world.look(&[tenant]).await.roles[tenant.name()].clone();
    assert!(role.excess.is_empty() && role.login && role.connection_limit == 17, "{role:?}");
}

/// Does `damage` to a provisioned tenant's role, and expects it seen as `seen` and then repaired.
async fn check_role(world: &World, damage: &str, seen: &[&str]) {
    let tenant = world.tenant();
    world.provision(&tenant).await;
    world.root(&damage.replace("{}", tenant.name())).await;
    let live = world.look(&[&tenant]).await;
    let role = &live.roles[tenant.name()];
    assert_eq!(role.excess.iter().map(String::as_str).collect::<Vec<_>>(), seen, "{damage}: {role:?}");
    let privileged = ["SUPERUSER", "REPLICATION", "BYPASSRLS"].iter().any(|word| seen.contains(word));
    let superuser_needed = privileged || (live.major_version >= 16 && damage.starts_with("GRANT"));
    repair_role(world, &tenant, superuser_needed).await;
}

#[test]
fn a_widened_role_is_seen_and_repaired() {
    promise(async |world| {
        check_role(world, "ALTER ROLE {} CREATEDB CREATEROLE", &["CREATEDB", "CREATEROLE"]).await;
        check_role(world, "ALTER ROLE {} NOLOGIN CONNECTION LIMIT 1000", &[]).await;
        check_role(world, "ALTER ROLE {} VALID UNTIL '2020-01-01'", &["VALID UNTIL"]).await;
        check_role(world, "GRANT pg_monitor TO {}", &["member of pg_monitor"]).await;
        check_role(world, "REVOKE {} FROM innkeeper GRANTED BY innkeeper", &["not granted to Innkeeper's role"]).await;
    });
}

#[test]
fn what_only_a_superuser_can_take_back_is_refused_with_the_statement_to_run() {
    promise(async |world| {
        check_role(world, "ALTER ROLE {} SUPERUSER", &["SUPERUSER"]).await;
        check_role(world, "ALTER ROLE {} REPLICATION", &["REPLICATION"]).await;
        check_role(world, "ALTER ROLE {} BYPASSRLS", &["BYPASSRLS"]).await;
    });
}

#[test]
fn a_tenant_that_was_let_into_another_tenants_role_is_put_out() {
    promise(async |world| {
        let (mine, theirs) = (world.tenant(), world.tenant());
        world.provision(&mine).await;
        world.provision(&theirs).await;
        world.root(&format!("GRANT {} TO {}", theirs.name(), mine.name())).await;
        assert!(world.connect_as(&mine, &mine.password, theirs.name()).await.is_ok());
        let live = world.look(&[&mine]).await;
        let seen = format!("member of {}", theirs.name());
        assert_eq!(live.roles[mine.name()].excess.iter().collect::<Vec<_>>(), [&seen]);
        repair_role(world, &mine, live.major_version >= 16).await;
        assert!(world.connect_as(&mine, &mine.password, theirs.name()).await.is_err());
    });
}

#[test]
fn one_thing_that_cannot_be_taken_back_does_not_keep_the_rest() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        world.root(&format!("ALTER ROLE {} CREATEDB BYPASSRLS", tenant.name())).await;
        world.postgres.set_role(&tenant.role_spec(), &tenant.password, &tenant.mark).await.unwrap_err();
        let excess = world.look(&[&tenant]).await.roles[tenant.name()].excess.clone();
        assert_eq!(excess.iter().collect::<Vec<_>>(), ["BYPASSRLS"]);
    });
}

#[test]
fn a_database_opened_to_others_is_seen_and_closed() {
    promise(async |world| {
        let (tenant, guest, friend) = (world.tenant(), world.tenant(), world.tenant());
        for each in [&tenant, &guest, &friend] {
            world.provision(each).await;
        }
        world.root(&format!("GRANT CONNECT, TEMP ON DATABASE {} TO PUBLIC", tenant.name())).await;
        world.root(&format!("GRANT CONNECT ON DATABASE {} TO {} WITH GRANT OPTION", tenant.name(), guest.name())).await;
        // A privilege that the guest passed on has the guest for its grantor.
        let by_guest = world.root_in("postgres").await;
        let pass_on = format!("GRANT CONNECT ON DATABASE {} TO {}", tenant.name(), friend.name());
        by_guest.batch_execute(&format!("SET SESSION AUTHORIZATION {}; {pass_on}", guest.name())).await.unwrap();
        assert!(world.connect_as(&friend, &friend.password, tenant.name()).await.is_ok());

        let seen = world.look(&[&tenant]).await.databases[tenant.name()].others_may_connect.clone();
        assert_eq!(seen, ["PUBLIC", guest.name(), friend.name()].map(str::to_owned).into());
        world.postgres.set_privileges(&tenant.database_spec()).await.unwrap();
        let database = world.look(&[&tenant]).await.databases[tenant.name()].clone();
        assert!(database.others_may_connect.is_empty(), "{database:?}");
        assert!(world.connect_as(&guest, &guest.password, tenant.name()).await.is_err());
        assert!(world.connect_as(&friend, &friend.password, tenant.name()).await.is_err());
        assert!(world.connect_as(&tenant, &tenant.password, tenant.name()).await.is_ok());
    });
}

#[test]
fn a_database_given_away_comes_back_or_the_error_says_who_can_do_it() {
    promise(async |world| {
        let (tenant, other) = (world.tenant(), world.tenant());
        world.provision(&tenant).await;
        world.provision(&other).await;
        world.root(&format!("ALTER DATABASE {} OWNER TO {}", tenant.name(), other.name())).await;
        assert_eq!(world.look(&[&tenant]).await.databases[tenant.name()].owner_role, other.name());
        world.postgres.set_privileges(&tenant.database_spec()).await.unwrap();
        let database = world.look(&[&tenant]).await.databases[tenant.name()].clone();
        assert_eq!(database.owner_role, "innkeeper");
        assert!(database.others_may_connect.is_empty(), "{database:?}");

        world.root(&format!("ALTER DATABASE {} OWNER TO postgres", tenant.name())).await;
        let error = world.postgres.set_privileges(&tenant.database_spec()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Refused);
        let way_out = format!("a superuser must run ALTER DATABASE \"{}\" OWNER TO \"innkeeper\"", tenant.name());
        assert!(text_of(&error).contains(&way_out), "{}", text_of(&error));
    });
}

#[test]
fn a_database_with_tables_in_it_is_kept_whatever_is_asked() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        own.batch_execute("CREATE TABLE kept AS SELECT 42 AS answer").await.unwrap();
        let before = world.fingerprint(tenant.name()).await;
        world.postgres.create_database(&tenant.database_spec()).await.unwrap();
        assert_eq!(world.fingerprint(tenant.name()).await, before);
        assert_eq!(own.query_one("SELECT answer FROM kept", &[]).await.unwrap().get::<_, i32>(0), 42);
    });
}

/// What an interrupted DROP DATABASE leaves (PostgreSQL 13.12, 14.9, 15.4 and later).
async fn make_invalid(world: &World, name: &str) {
    world.root(&format!("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{name}'")).await;
}

#[test]
fn a_broken_database_in_which_nothing_was_set_up_is_made_anew() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        make_invalid(world, tenant.name()).await;
        let live = world.look(&[&tenant]).await;
        assert!(!live.databases[tenant.name()].valid && live.inside.is_empty(), "{live:?}");
        world.postgres.create_database(&tenant.database_spec()).await.unwrap();
        let live = world.look(&[&tenant]).await;
        assert!(live.databases[tenant.name()].valid && live.inside[tenant.name()].known().is_some(), "{live:?}");
    });
}

#[test]
fn a_broken_database_in_which_an_instance_was_set_up_is_never_dropped() {
    promise(async |world| {
        let (by_comment, by_journal) = (world.tenant(), world.tenant());
        world.provision(&by_comment).await;
        world.provision(&by_journal).await;
        world.postgres.mark_provisioned(&by_comment.database_spec()).await.unwrap();
        let specs = [
            (&by_comment, by_comment.database_spec()),
            (&by_journal, DatabaseSpec { provisioned: true, ..by_journal.database_spec() }),
        ];
        for (tenant, spec) in specs {
            make_invalid(world, tenant.name()).await;
            let before = world.fingerprint(tenant.name()).await;
            let error = world.postgres.create_database(&spec).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Refused);
            assert!(text_of(&error).contains("restored from a backup"), "{}", text_of(&error));
            assert_eq!(world.fingerprint(tenant.name()).await, before);
        }
    });
}

#[test]
fn a_broken_database_of_somebody_else_is_never_dropped() {
    promise(async |world| {
        let tenant = world.tenant();
        world.set_role(&tenant).await;
        world.root(&format!("CREATE DATABASE {}", tenant.name())).await;
        make_invalid(world, tenant.name()).await;
        let before = world.fingerprint(tenant.name()).await;
        let error = world.postgres.create_database(&tenant.database_spec()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert_eq!(world.fingerprint(tenant.name()).await, before);
    });
}

/// The state between CREATE DATABASE and everything after it.
async fn crash_after_create(world: &World, tenant: &Tenant, owner: &str) {
    world.set_role(tenant).await;
    world.root(&format!("CREATE DATABASE {} OWNER {owner} TEMPLATE template0", tenant.name())).await;
}

#[test]
fn a_database_that_a_crash_left_without_its_mark_is_adopted() {
    promise(async |world| {
        for (by_create, of_tenant) in [(true, true), (true, false), (false, true), (false, false)] {
            let tenant = world.tenant();
            // An earlier version made it for its tenant.
            let owner = if of_tenant { tenant.name() } else { "innkeeper" };
            crash_after_create(world, &tenant, owner).await;
            let database = world.look(&[&tenant]).await.databases[tenant.name()].clone();
            assert_eq!(database.owner, Owner::Ours(tenant.tag(Component::Database)));
            // Something is left to do, or nobody would come by to write the mark.
            assert!(database.others_may_connect.contains("PUBLIC"), "{database:?}");

            let spec = tenant.database_spec();
            let adopted = if by_create {
                world.postgres.create_database(&spec).await
            } else {
                world.postgres.set_privileges(&spec).await
            };
            adopted.unwrap();
            // The mark makes it ours from now on, tables or none.
            world.root_in(tenant.name()).await.batch_execute("CREATE TABLE t ()").await.unwrap();
            let database = world.look(&[&tenant]).await.databases[tenant.name()].clone();
            assert_eq!(database.owner, Owner::Ours(tenant.tag(Component::Database)));
            assert!(database.others_may_connect.is_empty(), "{database:?}");
        }
    });
}

#[test]
fn a_database_without_a_mark_that_holds_tables_is_foreign_although_our_role_owns_it() {
    promise(async |world| {
        let tenant = world.tenant();
        crash_after_create(world, &tenant, tenant.name()).await;
        world.root_in(tenant.name()).await.batch_execute("CREATE TABLE somebody_works_here ()").await.unwrap();
        let before = world.fingerprint(tenant.name()).await;
        let database = world.look(&[&tenant]).await.databases[tenant.name()].clone();
        assert_eq!(database.owner, Owner::Foreign("no Innkeeper comment".to_owned()));
        for outcome in [
            world.postgres.create_database(&tenant.database_spec()).await,
            world.postgres.set_privileges(&tenant.database_spec()).await,
        ] {
            assert_eq!(outcome.unwrap_err().kind, ErrorKind::Conflict);
        }
        assert_eq!(world.fingerprint(tenant.name()).await, before);
    });
}
