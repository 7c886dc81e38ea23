//! Databases: one an instance, owned by Innkeeper's role, open to the instance's role, closed to everybody else.
//!
//! An owner can take the comment away, close the database to us, give it settings that end our sessions, or drop it. So
//! the tenant is none: it has CONNECT, CREATE and TEMPORARY, and its role owns the schema and all that is in it.
//!
//! `CREATE DATABASE` cannot share a transaction with `COMMENT`. A database without a comment that our own role or the
//! instance's owns and that has no table is therefore what a crash left, and is adopted; anything else without our
//! comment is foreign.

use super::comment::{self, Comment};
use super::quote::{identifier, literal};
use super::roles::{self, RoleRow};
use super::server::{Server, Session};
use super::{error, inside, template};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::database::DatabaseSpec;
use crate::model::live::DatabaseObjectLive;
use crate::model::name::InstallationId;
use crate::model::secret::SecretString;
use crate::model::service::{Component, Owner, Tag};
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// How PUBLIC is called in [`DatabaseObjectLive::others_may_connect`].
const PUBLIC: &str = "PUBLIC";
/// What the instance's role may do with its database: all but what takes an owner.
const PRIVILEGES: [&str; 3] = ["CONNECT", "CREATE", "TEMPORARY"];
/// `unaccent()` as Odoo looks for it, in `public` and IMMUTABLE, by a role that may not make the extension's own function so:
/// Odoo puts it into indexes as soon as it is there, and some of its modules cannot be installed where that is refused.
const UNACCENT: &str = "CREATE SCHEMA IF NOT EXISTS extensions;
    CREATE EXTENSION IF NOT EXISTS unaccent SCHEMA extensions;
    CREATE OR REPLACE FUNCTION public.unaccent(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
        AS $$ SELECT extensions.unaccent('extensions.unaccent', $1) $$";
/// The owner of the schema `public` of a new database from PostgreSQL 15 on: whoever owns the database.
const DATABASE_OWNER: &str = "pg_database_owner";

/// A database as the catalog shows it.
#[derive(Debug)]
pub(super) struct DatabaseRow {
    /// Its name.
    pub(super) name: String,
    /// False after an interrupted DROP or CREATE: it can only be dropped.
    pub(super) valid: bool,
    owner_role: String,
    /// The role that asks: ours.
    own_role: String,
    comment: Option<String>,
    /// Privileges of PUBLIC: any, CONNECT.
    public: (bool, bool),
    /// Roles besides the owner and the instance's with any privilege, and those of them that may CONNECT.
    others: Vec<String>,
    connectors: Vec<String>,
    /// Privileges of the instance's role, where that is not the owner.
    tenants: Vec<String>,
    /// 0 when it was not asked for.
    size_bytes: i64,
}

impl DatabaseRow {
    /// As the decision sees it; `heir` is the tag of an adoptable one.
    pub(super) fn live(&self, installation: &InstallationId, heir: Option<Tag>) -> DatabaseObjectLive {
        let comment = self.comment(installation);
        let public = self.public.1.then(|| PUBLIC.to_owned());
        DatabaseObjectLive {
            owner: heir.map_or_else(|| comment::owner(&comment), Owner::Ours),
            owner_role: self.owner_role.clone(),
            valid: self.valid,
            provisioned: comment.is_ok_and(|comment| comment.provisioned),
            others_may_connect: self.connectors.iter().cloned().chain(public).collect(),
            lacking: self.lacking().into_iter().map(str::to_owned).collect(),
            size_bytes: u64::try_from(self.size_bytes).unwrap_or(0),
        }
    }

    /// Privileges that the instance's role should have and has not. An owner has all.
    fn lacking(&self) -> Vec<&'static str> {
        let has = |word: &str| self.owner_role == self.name || self.tenants.iter().any(|it| it == word);
        PRIVILEGES.into_iter().filter(|word| !has(word)).collect()
    }

    fn is_in_our_hands(&self) -> bool {
        self.owner_role == self.own_role
    }

    fn comment(&self, installation: &InstallationId) -> Result<Comment, String> {
        Comment::read(self.comment.as_deref(), Component::Database, &self.name, installation)
    }
}

/// The tag under which a database without a comment would be adopted: that of the role of the same name, which is ours,
/// where that role owns it or Innkeeper's does. Whether it is empty is for the caller to see.
pub(super) fn adoptable(row: &DatabaseRow, role: &RoleRow, installation: &InstallationId) -> Option<Tag> {
    let comment = role.comment(installation).ok()?;
    let ours = row.owner_role == role.name || row.is_in_our_hands();
    let left_over = row.comment.is_none() && ours && row.name == role.name;
    left_over.then(|| Tag { component: Component::Database, ..comment.tag() })
}

/// Databases called one of `names`, with their size, and all whose comment names this installation.
pub(super) async fn list(
    session: &Session,
    names: &[String],
    installation: &InstallationId,
) -> Result<Vec<DatabaseRow>, EdgeError> {
    // A size may be asked for only where one may connect, or the whole query would fail. It costs more than all the
    // rest together, so it is measured only for `names`.
    let sql = "SELECT d.datname::text, d.datconnlimit <> -2, pg_get_userbyid(d.datdba)::text, c.description,
                      a.public_any, a.public_connect, a.others, a.connectors, a.tenants, current_user::text,
                      CASE WHEN d.datname = ANY ($1::text[]) AND has_database_privilege(d.oid, 'CONNECT')
                           THEN coalesce(pg_database_size(d.oid), 0) ELSE 0 END
                 FROM pg_database d
                 LEFT JOIN pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass
                 LEFT JOIN pg_roles t ON t.rolname = d.datname
                CROSS JOIN LATERAL (
                      SELECT coalesce(bool_or(x.grantee = 0), false) AS public_any,
                             coalesce(bool_or(x.grantee = 0 AND x.privilege_type = 'CONNECT'), false) AS public_connect,
                             coalesce(array_agg(DISTINCT pg_get_userbyid(x.grantee)::text)
                                 FILTER (WHERE x.grantee <> 0 AND x.grantee IS DISTINCT FROM t.oid), '{}') AS others,
                             coalesce(array_agg(DISTINCT pg_get_userbyid(x.grantee)::text)
                                 FILTER (WHERE x.grantee <> 0 AND x.grantee IS DISTINCT FROM t.oid
                                           AND x.privilege_type = 'CONNECT'), '{}') AS connectors,
                             coalesce(array_agg(DISTINCT x.privilege_type) FILTER (WHERE x.grantee = t.oid), '{}')
                                 AS tenants
                        FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
                       WHERE x.grantee <> d.datdba) a
                WHERE d.datname = ANY ($1::text[]) OR strpos(c.description, $2) > 0";
    let rows = session.query("could not list the databases", sql, &[&names, &installation.0]).await?;
    rows.iter().map(|row| read(session, row)).collect()
}

/// Sizes of those of `names` that are ours, through a session of its own: no turn waits behind it.
pub(super) async fn sizes(
    server: &Server,
    names: &BTreeSet<String>,
    installation: &InstallationId,
) -> Result<BTreeMap<String, u64>, EdgeError> {
    let sql = "SELECT d.datname::text, coalesce(pg_database_size(d.oid), 0)
                 FROM pg_database d
                 JOIN pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass
                WHERE d.datname = ANY ($1::text[]) AND strpos(c.description, $2) > 0
                  AND d.datconnlimit <> -2 AND has_database_privilege(d.oid, 'CONNECT')";
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let session = server.apart().await?;
    let rows = session.query("could not measure the databases", sql, &[&names, &installation.0]).await?;
    let size = |row: &Row| Ok((session.get(row, 0)?, u64::try_from(session.get::<i64>(row, 1)?).unwrap_or(0)));
    rows.iter().map(size).collect()
}

/// Makes the database where there is none, and its owner, privileges and comment as they should be. One that an
/// interrupted DROP left unusable is made anew as long as nothing was ever set up in it.
pub(super) async fn create(
    server: &Server,
    installation: &InstallationId,
    spec: &DatabaseSpec,
) -> Result<(), EdgeError> {
    let doing = format!("could not create the database {}", spec.database);
    {
        let session = server.admin().await?;
        let role = own_role(&session, installation, spec, &doing).await?;
        roles::grant(&session, &role).await?;
        match find(&session, &spec.database).await? {
            None => make(&session, server.template(), spec).await?,
            Some(row) if !row.valid => {
                let tag = claim(&row, &role, installation, spec, &doing)?;
                let provisioned = spec.provisioned || tag.is_some_and(|comment| comment.provisioned);
                if provisioned {
                    let text = "it is broken by an interrupted DROP DATABASE, and an instance was set up in it: \
                                it must be restored from a backup";
                    return Err(error::refused(&doing, text));
                }
                session.run(&doing, &format!("DROP DATABASE {}", identifier(&spec.database))).await?;
                make(&session, server.template(), spec).await?;
            }
            Some(_) => {}
        }
    }
    settle(server, installation, spec, spec.provisioned).await
}

/// Takes the database into our hands, takes privileges from everybody else, gives the instance's role its own, and writes
/// its comment: what differs of it, in one transaction. `provisioned` is only ever added.
pub(super) async fn settle(
    server: &Server,
    installation: &InstallationId,
    spec: &DatabaseSpec,
    provisioned: bool,
) -> Result<(), EdgeError> {
    let doing = format!("could not settle the database {}", spec.database);
    let (row, role) = {
        let session = server.admin().await?;
        let role = own_role(&session, installation, spec, &doing).await?;
        roles::grant(&session, &role).await?;
        (find(&session, &spec.database).await?, role)
    };
    let Some(row) = row else {
        return Err(EdgeError::new(Edge::Database, ErrorKind::Failed, doing, "it does not exist"));
    };
    let comment = claim(&row, &role, installation, spec, &doing)?;
    if comment.is_none() {
        require_empty(server, &row, &doing).await?;
    }
    if row.valid {
        give_schema(server, &row, &doing).await.map_err(|error| explain(error, &row))?;
    }
    let provisioned = provisioned || comment.as_ref().is_some_and(|comment| comment.provisioned);
    let wanted = Comment::of_database(installation, &spec.instance, spec.uid, provisioned);
    let statements = statements(&row, spec, &wanted, comment.as_ref());
    if statements.is_empty() {
        return Ok(());
    }
    let session = server.admin().await?;
    session.run(&doing, &statements.join("; ")).await.map_err(|error| explain(error, &row))
}

/// Gives the schema `public` to the instance's role, which would have it as the database's owner: before the database is
/// taken into our hands, so that there is no moment at which its Odoo may not make tables. Up to PostgreSQL 14 everybody
/// may, and a superuser owns it.
async fn give_schema(server: &Server, row: &DatabaseRow, doing: &str) -> Result<(), EdgeError> {
    let name = identifier(&row.name);
    if !row.is_in_our_hands() {
        // Its owner may have closed it to us, or to everybody.
        let sql = format!(
            "ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true CONNECTION LIMIT -1; \
             GRANT CONNECT ON DATABASE {name} TO CURRENT_USER"
        );
        server.admin().await?.run(doing, &sql).await?;
    }
    let session = server.inside_to_change(&row.name).await?;
    let owner = "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = 'public'";
    let rows = session.query(doing, owner, &[]).await?;
    let owner: Option<String> = rows.first().map(|row| session.get(row, 0)).transpose()?;
    match owner.as_deref() {
        Some(DATABASE_OWNER) => session.run(doing, &format!("ALTER SCHEMA public OWNER TO {name}")).await,
        _ => Ok(()),
    }
}

/// Makes those of `extensions` that are missing, as the instance's role.
pub(super) async fn add_extensions(
    server: &Server,
    installation: &InstallationId,
    spec: &DatabaseSpec,
    extensions: &BTreeSet<String>,
    password: &SecretString,
) -> Result<(), EdgeError> {
    let doing = format!("could not make extensions in the database {}", spec.database);
    {
        let session = server.admin().await?;
        let role = own_role(&session, installation, spec, &doing).await?;
        match find(&session, &spec.database).await? {
            Some(row) => {
                claim(&row, &role, installation, spec, &doing)?;
            }
            None => return Err(EdgeError::new(Edge::Database, ErrorKind::Failed, doing, "it does not exist")),
        }
    }
    let session = server.as_tenant(&spec.database, password).await?;
    for extension in extensions {
        let sql = match extension.as_str() {
            "unaccent" => UNACCENT.to_owned(),
            _ => format!("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public", identifier(extension)),
        };
        session.run(&doing, &sql).await?;
    }
    Ok(())
}

/// Ends the sessions on the database and drops it; absent is success.
pub(super) async fn drop(server: &Server, installation: &InstallationId, spec: &DatabaseSpec) -> Result<(), EdgeError> {
    let doing = format!("could not drop the database {}", spec.database);
    let (row, comment) = {
        let session = server.admin().await?;
        let Some(row) = find(&session, &spec.database).await? else { return Ok(()) };
        let role = own_role(&session, installation, spec, &doing).await?;
        let comment = claim(&row, &role, installation, spec, &doing)?;
        roles::grant(&session, &role).await?;
        (row, comment)
    };
    if comment.is_none() {
        require_empty(server, &row, &doing).await?;
    }
    let session = server.admin().await?;
    // FORCE ends what is connected. It cannot share a transaction with anything.
    let sql = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", identifier(&spec.database));
    session.run(&doing, &sql).await.map_err(|error| explain(error, &row))
}

/// One without a comment is what a crash left only while nothing is in it. One that is broken cannot be looked into, and
/// nobody can work in it either.
async fn require_empty(server: &Server, row: &DatabaseRow, doing: &str) -> Result<(), EdgeError> {
    match !row.valid || inside::is_empty(server, &row.name).await? {
        true => Ok(()),
        false => Err(error::conflict(doing, "a database with tables in it", "no Innkeeper comment")),
    }
}

/// The database of that name, whoever's it is.
async fn find(session: &Session, name: &str) -> Result<Option<DatabaseRow>, EdgeError> {
    let nobody = InstallationId("no installation has such an id".to_owned());
    Ok(list(session, &[name.to_owned()], &nobody).await?.pop())
}

/// The role that owns, or is to own, the database.
async fn own_role(
    session: &Session,
    installation: &InstallationId,
    spec: &DatabaseSpec,
    doing: &str,
) -> Result<RoleRow, EdgeError> {
    let Some(role) = roles::find(session, &spec.database).await? else {
        let text = format!("the role {} does not exist yet", spec.database);
        return Err(EdgeError::new(Edge::Database, ErrorKind::Failed, doing, text));
    };
    match role.comment(installation) {
        Ok(comment) if comment.uid == spec.uid => Ok(role),
        Ok(comment) => Err(error::conflict(doing, "a role", &format!("uid {}", comment.uid))),
        Err(whose) => Err(error::conflict(doing, "a role", &whose)),
    }
}

/// The comment of a database that is ours, none for one that is ours by its owner alone.
fn claim(
    row: &DatabaseRow,
    role: &RoleRow,
    installation: &InstallationId,
    spec: &DatabaseSpec,
    doing: &str,
) -> Result<Option<Comment>, EdgeError> {
    match row.comment(installation) {
        Ok(comment) if comment.uid == spec.uid => Ok(Some(comment)),
        Ok(comment) => Err(error::conflict(doing, "a database", &format!("uid {}", comment.uid))),
        Err(_) if adoptable(row, role, installation).is_some() => Ok(None),
        Err(whose) => Err(error::conflict(doing, "a database", &whose)),
    }
}

/// From the host's template where there is one that fits, else from template0. It is ours: that of whoever makes it.
async fn make(session: &Session, template: &str, spec: &DatabaseSpec) -> Result<(), EdgeError> {
    let doing = format!("could not create the database {}", spec.database);
    let options = match template::look(session, template).await? {
        Some(found) if found.fits() => format!("TEMPLATE {}", identifier(template)),
        _ => template::bare_options(session).await?,
    };
    session.run(&doing, &format!("CREATE DATABASE {} {options}", identifier(&spec.database))).await
}

fn statements(row: &DatabaseRow, spec: &DatabaseSpec, wanted: &Comment, present: Option<&Comment>) -> Vec<String> {
    let name = identifier(&spec.database);
    let mut statements = Vec::new();
    let taken = !row.is_in_our_hands();
    if taken {
        // A template could be dropped by nobody, and copied by whoever may make databases.
        statements
            .push(format!("ALTER DATABASE {name} OWNER TO CURRENT_USER; ALTER DATABASE {name} WITH IS_TEMPLATE false"));
    }
    let public = row.public.0.then(|| PUBLIC.to_owned());
    let others = row.others.iter().map(|role| identifier(role));
    let grantees: Vec<String> = others.chain(public).collect();
    if !grantees.is_empty() {
        // CASCADE: whoever got the privilege from one of them loses it too.
        statements.push(format!("REVOKE ALL ON DATABASE {name} FROM {} CASCADE", grantees.join(", ")));
    }
    if taken || !row.lacking().is_empty() {
        statements.push(format!("GRANT {} ON DATABASE {name} TO {name}", PRIVILEGES.join(", ")));
    }
    if present != Some(wanted) {
        statements.push(format!("COMMENT ON DATABASE {name} IS {}", literal(&wanted.to_text())));
    }
    statements
}

/// Only a superuser can take back a database that was given to a role which ours is no member of.
fn explain(mut error: EdgeError, row: &DatabaseRow) -> EdgeError {
    if error.kind == ErrorKind::Refused && !row.is_in_our_hands() {
        error.doing = format!(
            "{}: it was given to the role {}; a superuser must run ALTER DATABASE {} OWNER TO {}",
            error.doing,
            row.owner_role,
            identifier(&row.name),
            identifier(&row.own_role)
        );
    }
    error
}

fn read(session: &Session, row: &Row) -> Result<DatabaseRow, EdgeError> {
    Ok(DatabaseRow {
        name: session.get(row, 0)?,
        valid: session.get(row, 1)?,
        owner_role: session.get(row, 2)?,
        comment: session.get(row, 3)?,
        public: (session.get(row, 4)?, session.get(row, 5)?),
        others: session.get(row, 6)?,
        connectors: session.get(row, 7)?,
        tenants: session.get(row, 8)?,
        own_role: session.get(row, 9)?,
        size_bytes: session.get(row, 10)?,
    })
}
