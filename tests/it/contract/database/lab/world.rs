//! One test's part of the lab's PostgreSQL: an installation of its own, with names that no other test has, and a
//! superuser's connection for doing damage. What was made is dropped at the end, whatever the test did.

use crate::lab::Lab;
use futures::FutureExt;
use innkeeper::adapters::postgres::{Postgres, quote};
use innkeeper::edges::{Ask, Database};
use innkeeper::model::database::{Access, DatabaseSpec, RoleSpec};
use innkeeper::model::live::DatabaseLive;
use innkeeper::model::name::{InstallationId, InstanceName, Resources, Uid};
use innkeeper::model::secret::{ExposeSecret, InstallationKey, SecretPurpose, SecretString};
use innkeeper::model::service::{Component, Tag};
use innkeeper::model::settings::PostgresSettings;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use tokio_postgres::{Client, NoTls};

/// One installation on the lab's server.
pub(crate) struct World {
    pub(crate) lab: Lab,
    pub(crate) installation: InstallationId,
    pub(crate) postgres: Postgres,
    key: InstallationKey,
    superuser: Client,
    names: Mutex<Vec<String>>,
    templates: Mutex<Vec<String>>,
}

/// One instance of it.
pub(crate) struct Tenant {
    pub(crate) instance: InstanceName,
    pub(crate) uid: Uid,
    pub(crate) resources: Resources,
    pub(crate) password: SecretString,
    pub(crate) mark: String,
}

/// Runs `test` in a world of its own and cleans up after it.
pub(crate) fn promise(test: impl AsyncFnOnce(&World)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let world = World::open().await;
        let outcome = AssertUnwindSafe(test(&world)).catch_unwind().await;
        world.clean_up().await;
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
}

/// An error with all its causes.
pub(crate) fn text_of(error: &dyn std::error::Error) -> String {
    innkeeper::model::status::chain(error)
}

/// Innkeeper's own settings for the lab's server, at another port where one is given.
pub(crate) fn settings(lab: &Lab, port: Option<u16>) -> PostgresSettings {
    let port = port.map_or_else(|| lab.get("LAB_PG_PORT").to_owned(), |port| port.to_string());
    PostgresSettings {
        url: format!("postgres://innkeeper@127.0.0.1:{port}/postgres"),
        password_file: Some(lab.path("LAB_PG_PASSWORD_FILE")),
        instance_host: "127.0.0.1".to_owned(),
    }
}

impl World {
    async fn open() -> Self {
        let lab = Lab::open();
        let mut seed = [0; 32];
        seed[..16].copy_from_slice(uuid::Uuid::now_v7().as_bytes());
        let key = InstallationKey::new(seed);
        let installation = key.id();
        let postgres = Postgres::new(&settings(&lab, None), installation.clone()).unwrap();
        let superuser = connect(lab.get("LAB_PG_URL").parse().unwrap()).await.unwrap();
        Self { lab, installation, postgres, key, superuser, names: Mutex::default(), templates: Mutex::default() }
    }

    /// A new instance: only words so far, nothing is made.
    pub(crate) fn tenant(&self) -> Tenant {
        // A version 7 UUID ends in random digits.
        let random = uuid::Uuid::now_v7().simple().to_string();
        let instance = InstanceName::parse(&format!("test-{}", &random[20..])).unwrap();
        Tenant::new(self, instance)
    }

    /// A name to drop at the end.
    pub(crate) fn remember(&self, name: &str) {
        self.names.lock().unwrap().push(name.to_owned());
    }

    pub(crate) async fn set_role(&self, tenant: &Tenant) {
        self.postgres.set_role(&tenant.role_spec(), &tenant.password, &tenant.mark).await.unwrap();
    }

    /// Role and database, as an instance has them.
    pub(crate) async fn provision(&self, tenant: &Tenant) {
        self.set_role(tenant).await;
        self.postgres.create_database(&tenant.database_spec()).await.unwrap();
    }

    pub(crate) async fn look(&self, tenants: &[&Tenant]) -> DatabaseLive {
        let instances = tenants.iter().map(|tenant| (tenant.instance.clone(), tenant.resources.clone())).collect();
        self.postgres.look(&Ask { instances, ..Ask::default() }).await.unwrap()
    }

    /// Runs statements as the superuser, in the database `postgres`.
    pub(crate) async fn root(&self, sql: &str) {
        self.superuser.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {}", text_of(&e)));
    }

    /// Gives the database to its tenant's role, as earlier versions had it.
    pub(crate) async fn give_away(&self, database: &str) {
        let root = self.root_in(database).await;
        let sql = format!(
            "ALTER SCHEMA public OWNER TO pg_database_owner; ALTER DATABASE {database} OWNER TO {database}; \
             REVOKE ALL ON DATABASE {database} FROM innkeeper"
        );
        root.batch_execute(&sql).await.unwrap_or_else(|e| panic!("{sql}: {}", text_of(&e)));
    }

    /// A superuser's session in another database.
    pub(crate) async fn root_in(&self, database: &str) -> Client {
        let mut config: tokio_postgres::Config = self.lab.get("LAB_PG_URL").parse().unwrap();
        config.dbname(database);
        connect(config).await.unwrap()
    }

    /// A session of the tenant's own, with a password that may be wrong.
    pub(crate) async fn connect_as(
        &self,
        tenant: &Tenant,
        password: &SecretString,
        database: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        self.connect_by(tenant.name(), password, database).await
    }

    /// A session of that role's.
    pub(crate) async fn connect_by(
        &self,
        role: &str,
        password: &SecretString,
        database: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.lab.get("LAB_PG_PORT").parse().unwrap());
        connect(config.user(role).password(password.expose_secret()).dbname(database).to_owned()).await
    }

    /// Puts the comment of one database on another.
    pub(crate) async fn copy_comment(&self, from: &str, to: &str) {
        let sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1";
        let comment: String = self.superuser.query_one(sql, &[&from]).await.unwrap().get(0);
        self.root(&format!("COMMENT ON DATABASE {to} IS {}", quote::literal(&comment))).await;
    }

    /// The versions of every catalog row about that role and database: equal when nothing was written.
    pub(crate) async fn fingerprint(&self, name: &str) -> String {
        let sql = "SELECT coalesce(string_agg(kind || ' ' || version, ', ' ORDER BY kind, version), '') FROM (
              SELECT 'role' AS kind, xmin::text AS version FROM pg_authid WHERE rolname = $1
              UNION ALL SELECT 'database', xmin::text || ' ' || oid FROM pg_database WHERE datname = $1
              UNION ALL SELECT 'member', m.xmin::text FROM pg_auth_members m
                          JOIN pg_authid r ON r.oid IN (m.roleid, m.member) WHERE rolname = $1
              UNION ALL SELECT 'comment', c.xmin::text || ' ' || c.description FROM pg_shdescription c
                         WHERE objoid IN (SELECT oid FROM pg_authid WHERE rolname = $1
                                          UNION SELECT oid FROM pg_database WHERE datname = $1)) AS rows";
        self.superuser.query_one(sql, &[&name]).await.unwrap().get(0)
    }

    /// A template to drop at the end.
    pub(crate) fn remember_template(&self, name: &str) {
        self.remember(name);
        self.templates.lock().unwrap().push(name.to_owned());
    }

    async fn clean_up(&self) {
        let templates = self.templates.lock().unwrap().clone();
        for name in &templates {
            self.root(&format!("UPDATE pg_database SET datistemplate = false WHERE datname = '{name}'")).await;
        }
        let names = self.names.lock().unwrap().clone();
        for name in &names {
            self.root(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
        for name in &names {
            self.root(&format!("DROP ROLE IF EXISTS {name}")).await;
        }
    }
}

impl Tenant {
    fn new(world: &World, instance: InstanceName) -> Self {
        let uid = Uid(uuid::Uuid::now_v7());
        let resources = Resources::of(&instance);
        let password = world.key.derive(SecretPurpose::RolePassword, uid, 1);
        let mark = world.key.mark(&password);
        world.remember(&resources.database);
        Self { instance, uid, resources, password, mark }
    }

    /// Another instance of the same name, as after a purge.
    pub(crate) fn reborn(&self, world: &World) -> Self {
        Self::new(world, self.instance.clone())
    }

    /// Of role and database.
    pub(crate) fn name(&self) -> &str {
        &self.resources.database
    }

    pub(crate) fn tag(&self, component: Component) -> Tag {
        Tag { instance: self.instance.clone(), uid: self.uid, component, digest: String::new() }
    }

    pub(crate) fn role_spec(&self) -> RoleSpec {
        RoleSpec {
            role: self.name().to_owned(),
            instance: self.instance.clone(),
            uid: self.uid,
            access: Access::Instance,
            password_generation: 1,
            connection_limit: 17,
            set_password: false,
        }
    }

    pub(crate) fn database_spec(&self) -> DatabaseSpec {
        DatabaseSpec {
            database: self.name().to_owned(),
            instance: self.instance.clone(),
            uid: self.uid,
            provisioned: false,
        }
    }
}

async fn connect(config: tokio_postgres::Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
