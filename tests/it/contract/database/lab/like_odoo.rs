//! A database that Odoo itself creates, beside one of ours. Whatever differs stands in `docs/DATABASE.md`, with its reason.

use super::world::{Tenant, World, promise, settings};
use innkeeper::adapters::postgres::{Postgres, Template};
use innkeeper::edges::{Ask, Database};
use innkeeper::model::secret::ExposeSecret;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const IMAGE: &str = "odoo:19.0";
const PAGE: &str = include_str!("../../../../../docs/DATABASE.md");
/// Odoo's own creation of a database, without its modules: those are installed by the same program here and there.
const CREATE: &str = "
import sys
from odoo.tools import config
config.parse_config(sys.argv[2:])
from odoo.service.db import _create_empty_database
_create_empty_database(sys.argv[1])
";

/// What can be told of a database, by the words of the page.
async fn told(world: &World, tenant: &Tenant) -> BTreeMap<&'static str, String> {
    let root = world.root_in(tenant.name()).await;
    let questions = [
        (
            "owner",
            "SELECT CASE pg_get_userbyid(datdba) WHEN datname THEN 'its role' ELSE 'another role' END FROM pg_database WHERE datname = current_database()",
        ),
        (
            "PUBLIC",
            "SELECT coalesce(string_agg(lower(privilege_type), ', ' ORDER BY privilege_type), 'nothing') FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) WHERE datname = current_database() AND grantee = 0",
        ),
        (
            "schema",
            "SELECT CASE WHEN has_schema_privilege('public', 'public', 'CREATE') THEN 'anybody' ELSE 'its role alone' END",
        ),
        ("encoding", "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"),
        ("collation", "SELECT datcollate FROM pg_database WHERE datname = current_database()"),
        ("letters", "SELECT datctype FROM pg_database WHERE datname = current_database()"),
        (
            "settings",
            "SELECT count(*)::text FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = current_database()",
        ),
        ("pg_trgm", "SELECT count(*)::text FROM pg_extension WHERE extname = 'pg_trgm'"),
        ("unaccent", "SELECT count(*)::text FROM pg_extension WHERE extname = 'unaccent'"),
        (
            "other extensions",
            "SELECT coalesce(string_agg(extname, ', ' ORDER BY extname), '') FROM pg_extension WHERE extname NOT IN ('pg_trgm', 'unaccent')",
        ),
        ("schemas", "SELECT string_agg(nspname, ', ' ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_'"),
        ("relations", "SELECT count(*)::text FROM pg_class WHERE oid >= 16384"),
    ];
    let mut facts = BTreeMap::new();
    for (word, sql) in questions {
        facts.insert(word, root.query_one(sql, &[]).await.unwrap().get(0));
    }
    facts
}

/// The first words of the rows of the page's second table.
fn listed() -> BTreeSet<String> {
    let (_, table) = PAGE.split_once("What differs, and why:").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| row.split('|').nth(1).unwrap().trim().to_owned()).collect()
}

/// Has Odoo create the database of that tenant, whose role may for once.
async fn created_by_odoo(world: &World) -> Tenant {
    let tenant = world.tenant();
    world.set_role(&tenant).await;
    world.root(&format!("ALTER ROLE {} CREATEDB", tenant.name())).await;
    let mark = format!("io.innkeeper.lab={}", world.lab.get("LAB_ID"));
    let run = Command::new("docker")
        .args(["run", "--rm", "--label", &mark, "--entrypoint", "python3", IMAGE, "-c", CREATE, tenant.name()])
        .args(["--db_host", world.lab.get("LAB_GATEWAY"), "--db_port", world.lab.get("LAB_PG_PORT")])
        .args(["-r", tenant.name(), "-w", tenant.password.expose_secret()])
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    tenant
}

#[test]
fn a_database_of_ours_differs_from_one_that_odoo_makes_in_what_the_page_says_and_in_nothing_else() {
    promise(async |world| {
        let by_odoo = created_by_odoo(world).await;
        let ours = world.tenant();
        world.provision(&ours).await;
        let extensions = world.look(&[&ours]).await.extensions;
        world.postgres.add_extensions(&ours.database_spec(), &extensions, &ours.password).await.unwrap();
        let (theirs, ours) = (told(world, &by_odoo).await, told(world, &ours).await);
        let differing: BTreeSet<String> =
            theirs.iter().filter(|(word, fact)| ours[*word] != **fact).map(|(word, _)| (*word).to_owned()).collect();
        assert_eq!(differing, listed(), "Odoo's: {theirs:#?}, ours: {ours:#?}");
        assert_eq!((&*ours["pg_trgm"], &*ours["unaccent"], &*ours["collation"]), ("1", "1", "C"));
    });
}

#[test]
fn doctors_command_makes_a_template_from_which_unaccent_may_stand_in_an_index() {
    promise(async |world| {
        let name = format!("template_{}", world.installation);
        world.remember_template(&name);
        let postgres = Postgres::new(&settings(&world.lab, None), world.installation.clone()).unwrap().made_from(&name);
        let (state, command) = postgres.template().await.unwrap();
        assert_eq!(state, Template::Missing);
        let command = command.replace("sudo -u postgres psql", &format!("psql -qX {}", world.lab.get("LAB_PG_URL")));
        let run = Command::new("sh").args(["-c", &command]).output().unwrap();
        assert!(run.status.success(), "{command}: {}", String::from_utf8_lossy(&run.stderr));
        assert_eq!(postgres.template().await.unwrap().0, Template::Good);

        let tenant = world.tenant();
        world.set_role(&tenant).await;
        postgres.create_database(&tenant.database_spec()).await.unwrap();
        let instances = [(tenant.instance.clone(), tenant.resources.clone())].into();
        let live = postgres.look(&Ask { instances, ..Ask::default() }).await.unwrap();
        let search = live.inside[tenant.name()].known().unwrap().search.clone();
        assert_eq!(search.extensions, live.extensions);
        assert!(search.basis.unwrap().ends_with(" i"), "it is immutable");
        let own = world.connect_as(&tenant, &tenant.password, tenant.name()).await.unwrap();
        own.batch_execute("CREATE TABLE t (name text); CREATE INDEX i ON t USING gin (unaccent(name) gin_trgm_ops)")
            .await
            .expect("the tenant makes such an index");
        let database = &live.databases[tenant.name()];
        assert!(database.others_may_connect.is_empty() && database.lacking.is_empty(), "{database:?}");

        // One that a tenant could have filled is not used.
        world.root(&format!("ALTER DATABASE {name} OWNER TO {}", tenant.name())).await;
        assert!(matches!(postgres.template().await.unwrap().0, Template::Unfit(_)));
        let other = world.tenant();
        world.set_role(&other).await;
        postgres.create_database(&other.database_spec()).await.unwrap();
        assert_eq!(told(world, &other).await["pg_trgm"], "0", "it was made from template0");
    });
}
