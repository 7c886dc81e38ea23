//! Looking into databases: Odoo's own tables, and what a hostile tenant puts in their place.

use super::world::{Tenant, World, promise};
use innkeeper::edges::Database;
use innkeeper::model::live::{OdooLive, Seen};
use innkeeper::model::name::Language;
use innkeeper::model::service::Setup;
use innkeeper::model::wanted::Company;

/// The columns that are looked at, of the types that Odoo gives them.
const ODOO_TABLES: &str = "
    CREATE TABLE ir_module_module (id serial PRIMARY KEY, name varchar NOT NULL, state varchar(16),
        latest_version varchar);
    CREATE TABLE ir_config_parameter (id serial PRIMARY KEY, key varchar NOT NULL UNIQUE, value text);
    INSERT INTO ir_module_module (name, state, latest_version) VALUES ('base', 'installed', '19.0.1.3'),
        ('crm', 'to install', NULL), ('website', 'uninstalled', NULL), ('l10n_xx', 'uninstallable', NULL),
        ('no_state', NULL, NULL), ('Not a module', 'installed', '19.0.1.0');
    INSERT INTO ir_config_parameter (key, value) VALUES ('database.secret', 'canary'), ('web.base.url', 'https://x');";

fn setup() -> Setup {
    Setup {
        company: Company {
            name: "Åß \"Quoted\" & Söns;\tDROP TABLE x;\n\\N \\".to_owned(),
            country: None,
            language: Language::parse("en_US").unwrap(),
            timezone: "UTC".to_owned(),
        },
        admin_login: "admin@example.com".to_owned(),
        base_url: "https://acme.innkeeper.test".to_owned(),
        report_url: "http://127.0.0.1:8069".to_owned(),
        website: true,
    }
}

async fn odoo(world: &World, tenant: &Tenant) -> Seen<OdooLive> {
    world.look(&[tenant]).await.inside.remove(tenant.name()).unwrap()
}

/// A provisioned tenant with Odoo's tables, and its own session.
async fn with_odoo(world: &World) -> (Tenant, tokio_postgres::Client) {
    let tenant = world.tenant();
    world.provision(&tenant).await;
    let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
    own.batch_execute(&format!("GRANT ALL ON SCHEMA public TO {}; {ODOO_TABLES}", tenant.name())).await.unwrap();
    (tenant, own)
}

#[test]
fn modules_and_set_up_are_read_from_odoos_tables() {
    promise(async |world| {
        let (tenant, own) = with_odoo(world).await;
        let Seen::Known(live) = odoo(world, &tenant).await else { panic!("unseen") };
        let modules: Vec<_> = live.modules.iter().map(|(name, state)| (name.as_str(), state.as_str())).collect();
        assert_eq!(modules, [("base", "installed"), ("crm", "to install")]);
        let known = world.postgres.known_modules(tenant.name()).await.unwrap();
        let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
        assert_eq!(known, ["base", "crm", "l10n_xx", "no_state", "website"], "also what is not installed");
        assert_eq!((live.setup, live.base_version.as_deref()), (None, Some("19.0.1.3")));

        let text = serde_json::to_string(&setup()).unwrap();
        let insert = "INSERT INTO ir_config_parameter (key, value) VALUES ('innkeeper.setup', $1)";
        own.execute(insert, &[&text]).await.unwrap();
        assert_eq!(odoo(world, &tenant).await.known().unwrap().setup, Some(setup()));

        own.batch_execute("UPDATE ir_config_parameter SET value = '{' WHERE key = 'innkeeper.setup'").await.unwrap();
        assert_eq!(odoo(world, &tenant).await.known().unwrap().setup, None);
    });
}

#[test]
fn a_database_without_odoos_tables_is_seen_as_empty() {
    promise(async |world| {
        let tenant = world.tenant();
        world.provision(&tenant).await;
        assert_eq!(odoo(world, &tenant).await, Seen::Known(OdooLive::default()));
    });
}

#[test]
fn one_database_that_cannot_be_opened_hides_no_other() {
    promise(async |world| {
        let (closed, held, open) = (with_odoo(world).await, with_odoo(world).await, with_odoo(world).await);
        world.root(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", closed.0.name())).await;
        // As a module installation does for minutes.
        held.1.batch_execute("BEGIN; LOCK TABLE ir_module_module IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let live = world.look(&[&closed.0, &held.0, &open.0]).await;
        let why = live.inside[closed.0.name()].why().unwrap();
        assert!(why.contains("not currently accepting connections"), "{why}");
        let why = live.inside[held.0.name()].why().unwrap();
        assert!(why.contains("lock timeout"), "{why}");
        assert!(live.inside[open.0.name()].known().is_some());
        assert_eq!(live.databases.len(), 3);
    });
}

#[test]
fn a_tenant_cannot_make_the_look_run_its_code() {
    promise(async |world| {
        let victim = world.tenant();
        world.provision(&victim).await;
        for attack in ATTACKS {
            let (tenant, own) = with_odoo(world).await;
            // A tenant of an earlier version, who owned the database, may have done that.
            world.root(&format!("ALTER DATABASE {} SET search_path = public, pg_catalog", tenant.name())).await;
            let evil = EVIL.replace("{tenant}", tenant.name()).replace("{victim}", victim.name());
            own.batch_execute(&format!("{evil}; {attack}")).await.unwrap();
            let seen = odoo(world, &tenant).await;
            let live = world.look(&[&tenant, &victim]).await;
            assert!(live.roles[tenant.name()].excess.is_empty(), "{attack}: {seen:?} {:?}", live.roles);
            assert!(!format!("{seen:?}").contains("the look ran my code"), "{attack}: {seen:?}");
            let ran: i64 = own.query_one("SELECT last_value FROM ran", &[]).await.unwrap().get(0);
            assert_eq!(ran, 1, "{attack}: the tenant's function ran as Innkeeper's role: {seen:?}");
        }
    });
}

/// A function that tells when it runs as somebody else, by moving a sequence (which no rollback takes back) and by
/// letting its tenant into the victim's role.
const EVIL: &str = "
    CREATE SEQUENCE ran;
    CREATE FUNCTION evil(integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        IF current_user <> '{tenant}' THEN
            BEGIN PERFORM setval('public.ran', 2); EXCEPTION WHEN OTHERS THEN NULL; END;
            BEGIN EXECUTE 'GRANT {victim} TO {tenant}'; EXCEPTION WHEN OTHERS THEN NULL; END;
            RAISE EXCEPTION 'the look ran my code';
        END IF;
        RETURN true;
    END $$";

/// Ways to get it called by whoever reads the table.
const ATTACKS: [&str; 6] = [
    "ALTER TABLE ir_module_module RENAME TO real_one;
     CREATE VIEW ir_module_module AS SELECT name, state, latest_version FROM real_one WHERE evil(1)",
    "ALTER TABLE ir_module_module ENABLE ROW LEVEL SECURITY; ALTER TABLE ir_module_module FORCE ROW LEVEL SECURITY;
     CREATE POLICY trap ON ir_module_module USING (evil(1))",
    "CREATE INDEX trap ON ir_module_module (name) WHERE evil(1)",
    "CREATE INDEX trap ON ir_config_parameter ((evil(1)))",
    "CREATE FUNCTION same(varchar, text) RETURNS boolean LANGUAGE sql AS 'SELECT evil(1)';
     CREATE OPERATOR = (LEFTARG = varchar, RIGHTARG = text, FUNCTION = same)",
    "ALTER TABLE ir_config_parameter RENAME TO real_one;
     CREATE TABLE ir_config_parameter (key varchar, value text) PARTITION BY LIST (key);
     CREATE TABLE part PARTITION OF ir_config_parameter DEFAULT;
     CREATE RULE trap AS ON UPDATE TO part DO INSTEAD SELECT evil(1)",
];

#[test]
fn a_tenant_cannot_fill_our_memory() {
    promise(async |world| {
        let (tenant, own) = with_odoo(world).await;
        let fill = "INSERT INTO ir_config_parameter (key, value)
                    SELECT 'k' || n, repeat('x', 1000000) FROM generate_series(1, 20) AS n";
        own.batch_execute(fill).await.unwrap();
        let seen = odoo(world, &tenant).await;
        assert!(seen.why().is_some_and(|why| why.contains("holds more than")), "{seen:?}");
    });
}
