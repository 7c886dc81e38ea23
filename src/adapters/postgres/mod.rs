//! PostgreSQL behind [`crate::edges::Database`]: roles, databases, and a look at what Odoo keeps inside them.
//!
//! It speaks as an ordinary role with CREATEDB and CREATEROLE, on PostgreSQL 13 to 17. It never acts on a role or
//! database without this installation's comment, drops a database that could be connected to only where a purge asks for
//! that very one, and never runs a query that a tenant could have put code into (see [`inside`]).
//!
//! Reading order: [`server`] connects, [`comment`] says whose a thing is, [`roles`] and [`databases`] look and act,
//! [`inside`] looks into one database.

mod comment;
mod databases;
mod dump;
mod error;
mod inside;
mod lock;
pub mod quote;
mod roles;
mod server;
mod template;

use crate::edges::database::InstallationLock;
use crate::edges::{Ask, ByteStream, Database, EdgeError};
use crate::model::database::{DatabaseSpec, RoleSpec};
use crate::model::live::{DatabaseLive, DatabaseObjectLive, EXTENSIONS, OdooLive, RoleLive, Seen};
use crate::model::name::{InstallationId, InstanceName, ModuleName, Uid};
use crate::model::secret::SecretString;
use crate::model::settings::PostgresSettings;
use async_trait::async_trait;
use databases::DatabaseRow;
use futures::StreamExt;
use roles::RoleRow;
use server::Server;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
pub use template::Template;

/// A bulk look reads three catalogs and measures the databases that were asked for, 3 ms each.
const LOOK_DEADLINE: Duration = Duration::from_secs(60);
/// `CREATE DATABASE` copies 8 MB and may wait for a checkpoint on a busy disk (PostgreSQL 14 and older always do).
const EFFECT_DEADLINE: Duration = Duration::from_secs(120);
/// Measuring takes some milliseconds a database, and longer than this only on a disk that is in trouble.
const SIZES_DEADLINE: Duration = Duration::from_secs(30);
/// Databases looked into at the same time: each is a connection of its own beside the instances' own ones.
const INSIDE_AT_ONCE_MAX: usize = 8;

/// One PostgreSQL server.
pub struct Postgres {
    server: Server,
    installation: InstallationId,
    /// The program that dumps a database.
    pg_dump: PathBuf,
    /// Sizes as last measured: see [`Postgres::sizes`].
    sizes: Mutex<BTreeMap<String, u64>>,
}

/// The roles and databases of one look, before ownership is decided.
struct Catalog {
    major_version: u32,
    connections_max: u32,
    own_role: String,
    extensions: BTreeSet<String>,
    roles: Vec<RoleRow>,
    databases: Vec<DatabaseRow>,
}

/// The role that Innkeeper itself logs in as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnRole {
    /// Its name.
    pub name: String,
    /// SUPERUSER, which is more than is needed.
    pub superuser: bool,
    /// CREATEDB, which is needed.
    pub create_database: bool,
    /// CREATEROLE, which is needed.
    pub create_role: bool,
}

impl Postgres {
    /// Takes the settings. Nothing is connected yet: the first use does that, and every use after a break.
    ///
    /// # Errors
    /// [`crate::edges::ErrorKind::Refused`] when the URL cannot be used.
    pub fn new(settings: &PostgresSettings, installation: InstallationId) -> Result<Self, EdgeError> {
        let server = Server::new(settings, &installation)?;
        Ok(Self { server, installation, pg_dump: PathBuf::from("pg_dump"), sizes: Mutex::default() })
    }

    /// The same with another program that dumps a database than the `pg_dump` that a shell would find.
    #[must_use]
    pub fn dumping_with(mut self, pg_dump: &Path) -> Self {
        self.pg_dump = pg_dump.to_owned();
        self
    }

    /// The same with another template of databases than `innkeeper_template`.
    #[must_use]
    pub fn made_from(mut self, template: &str) -> Self {
        self.server.set_template(template);
        self
    }

    /// The role that Innkeeper itself logs in as, for `doctor`.
    ///
    /// # Errors
    /// Connecting failed, or the server refused the query.
    pub async fn own_role(&self) -> Result<OwnRole, EdgeError> {
        let sql =
            "SELECT rolname::text, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user";
        let doing = "could not look at the own role";
        let work = async {
            let session = self.server.admin().await?;
            let rows = session.query(doing, sql, &[]).await?;
            let row = rows.first().ok_or_else(|| error::refused(doing, "it is not in pg_roles"))?;
            Ok(OwnRole {
                name: session.get(row, 0)?,
                superuser: session.get(row, 1)?,
                create_database: session.get(row, 2)?,
                create_role: session.get(row, 3)?,
            })
        };
        self.server.within(LOOK_DEADLINE, doing, work).await
    }

    /// How the host's template of databases stands, and the command with which an operator makes it.
    ///
    /// # Errors
    /// Connecting failed, or the server refused the query.
    pub async fn template(&self) -> Result<(Template, String), EdgeError> {
        let own_role = self.own_role().await?.name;
        let doing = "could not look at the template of databases";
        self.server.within(LOOK_DEADLINE, doing, template::examine(&self.server, &own_role)).await
    }

    async fn catalog(&self, names: &[String]) -> Result<Catalog, EdgeError> {
        let session = self.server.admin().await?;
        let (own_role, connections_max, extensions) = session.server_facts(&EXTENSIONS).await?;
        Ok(Catalog {
            major_version: session.major_version(),
            connections_max,
            own_role,
            extensions: extensions.into_iter().collect(),
            roles: roles::list(&session, names, &self.installation).await?,
            databases: databases::list(&session, names, &self.installation).await?,
        })
    }

    /// Decides whose each database is. One without a comment that our own role owns is looked into: see
    /// [`databases::adoptable`].
    async fn database_live(&self, row: &DatabaseRow, roles: &[RoleRow]) -> DatabaseObjectLive {
        let role = roles.iter().find(|role| role.name == row.name);
        let heir = role.and_then(|role| databases::adoptable(row, role, &self.installation));
        let adopted = match &heir {
            Some(_) if row.valid => inside::is_empty(&self.server, &row.name).await.unwrap_or(false),
            Some(_) => true,
            None => false,
        };
        row.live(&self.installation, heir.filter(|_| adopted))
    }

    /// Measuring a size reads a directory of 300 files, nearly all of a look's time: databases that nobody asked for
    /// keep the size that they had when somebody last did.
    fn sizes(&self, databases: &mut BTreeMap<String, DatabaseObjectLive>, asked: &BTreeSet<&String>) {
        let mut sizes = self.sizes.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, database) in &mut *databases {
            if asked.contains(name) {
                sizes.insert(name.clone(), database.size_bytes);
            } else {
                database.size_bytes = sizes.get(name).copied().unwrap_or(0);
            }
        }
        sizes.retain(|name, _| databases.contains_key(name));
    }

    async fn look_inside(&self, databases: Vec<String>) -> BTreeMap<String, Seen<OdooLive>> {
        futures::stream::iter(databases)
            .map(|database| async move {
                let seen = Seen::from(inside::look(&self.server, &database).await);
                (database, seen)
            })
            .buffer_unordered(INSIDE_AT_ONCE_MAX)
            .collect()
            .await
    }
}

#[async_trait]
impl Database for Postgres {
    async fn look(&self, ask: &Ask) -> Result<DatabaseLive, EdgeError> {
        let asked: BTreeSet<&String> = ask.instances.values().map(|resources| &resources.database).collect();
        let names: Vec<String> = asked.iter().map(|name| (*name).clone()).collect();
        let doing = "could not look at roles and databases";
        let catalog = self.server.within(LOOK_DEADLINE, doing, self.catalog(&names)).await?;
        let mut live = DatabaseLive {
            major_version: catalog.major_version,
            connections_max: catalog.connections_max,
            own_role: catalog.own_role,
            extensions: catalog.extensions,
            ..DatabaseLive::default()
        };
        for row in &catalog.roles {
            let role: RoleLive = row.live(&self.installation);
            if role.owner.tag().is_some() || asked.contains(&row.name) {
                live.roles.insert(row.name.clone(), role);
            }
        }
        for row in &catalog.databases {
            let database = self.database_live(row, &catalog.roles).await;
            if database.owner.tag().is_some() || asked.contains(&row.name) {
                live.databases.insert(row.name.clone(), database);
            }
        }
        self.sizes(&mut live.databases, &asked);
        let ours = |name: &String| live.databases.get(name).is_some_and(|it| it.valid && it.owner.tag().is_some());
        live.inside = self.look_inside(names.into_iter().filter(ours).collect()).await;
        Ok(live)
    }

    async fn set_role(&self, spec: &RoleSpec, password: &SecretString, mark: &str) -> Result<(), EdgeError> {
        let doing = format!("could not set the role {}", spec.role);
        let work = async {
            let session = self.server.admin().await?;
            roles::set(&session, &self.installation, spec, password, mark).await
        };
        self.server.within(EFFECT_DEADLINE, &doing, work).await
    }

    async fn create_database(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let doing = format!("could not create the database {}", spec.database);
        let work = databases::create(&self.server, &self.installation, spec);
        self.server.within(EFFECT_DEADLINE, &doing, work).await
    }

    async fn set_privileges(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let doing = format!("could not set the privileges of the database {}", spec.database);
        let work = databases::settle(&self.server, &self.installation, spec, spec.provisioned);
        self.server.within(EFFECT_DEADLINE, &doing, work).await
    }

    async fn accepts_password(&self, role: &str, password: &SecretString) -> Option<bool> {
        self.server.accepts_password(role, password).await
    }

    async fn add_extensions(
        &self,
        spec: &DatabaseSpec,
        extensions: &BTreeSet<String>,
        password: &SecretString,
    ) -> Result<(), EdgeError> {
        let doing = format!("could not make extensions in the database {}", spec.database);
        let work = databases::add_extensions(&self.server, &self.installation, spec, extensions, password);
        self.server.within(EFFECT_DEADLINE, &doing, work).await
    }

    async fn mark_provisioned(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let doing = format!("could not mark the database {} as set up", spec.database);
        let work = databases::settle(&self.server, &self.installation, spec, true);
        self.server.within(EFFECT_DEADLINE, &doing, work).await
    }

    async fn dump(&self, database: &str, role: &str, password: &SecretString) -> Result<ByteStream, EdgeError> {
        dump::begin(&self.server, &self.pg_dump, database, role, password)
    }

    async fn drop_database(&self, spec: &DatabaseSpec) -> Result<(), EdgeError> {
        let doing = format!("could not drop the database {}", spec.database);
        let work = databases::drop(&self.server, &self.installation, spec);
        self.server.within(EFFECT_DEADLINE, &doing, work).await
    }

    async fn drop_role(&self, role: &str, _instance: &InstanceName, uid: Uid) -> Result<(), EdgeError> {
        let doing = format!("could not drop the role {role}");
        let work = async {
            let session = self.server.admin().await?;
            roles::drop(&session, &self.installation, role, uid).await
        };
        self.server.within(EFFECT_DEADLINE, &doing, work).await
    }

    async fn known_modules(&self, database: &str) -> Result<BTreeSet<ModuleName>, EdgeError> {
        inside::known_modules(&self.server, database).await
    }

    async fn sizes(&self, names: &BTreeSet<String>) -> Result<BTreeMap<String, u64>, EdgeError> {
        let doing = "could not measure the databases";
        self.server.within(SIZES_DEADLINE, doing, databases::sizes(&self.server, names, &self.installation)).await
    }

    async fn lock_installation(&self) -> Result<InstallationLock, EdgeError> {
        lock::take(&self.server, &self.installation).await
    }
}
