//! Roles: one an instance, which may log in and nothing else. Our own role is made a member of it, because only a
//! member may give it a database, write that database's comment, and look inside.

use super::comment::{self, Comment};
use super::error;
use super::quote::{identifier, literal};
use super::server::Session;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::database::RoleSpec;
use crate::model::live::RoleLive;
use crate::model::name::{InstallationId, Uid};
use crate::model::secret::{ExposeSecret, SecretString};
use crate::model::service::Component;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::Row;

/// The first version on which CREATEROLE alone gives neither INHERIT nor SET over a role that it made.
const MAJOR_WITH_GRANT_OPTIONS: u32 = 16;

/// Between two looks for sessions that are still open.
const SESSION_LOOK_EVERY: Duration = Duration::from_millis(250);
/// So many looks in a row must find none.
const SESSION_LOOKS_QUIET: u32 = 2;
/// 30 s: a session ends when its server process next looks for signals.
const SESSION_LOOKS_MAX: u32 = 120;

/// Word in [`RoleLive::excess`] for a role that our own role cannot act for.
const NOT_GRANTED: &str = "not granted to Innkeeper's role";

/// The attributes that a tenant's role never has: column of `pg_roles`, word, the statement's clause that takes it.
const ATTRIBUTES: [(&str, &str, &str); 6] = [
    ("rolcreatedb", "CREATEDB", "NOCREATEDB"),
    ("rolcreaterole", "CREATEROLE", "NOCREATEROLE"),
    ("rolvaliduntil < 'infinity'", "VALID UNTIL", "VALID UNTIL 'infinity'"),
    // Only a superuser may take these, or from PostgreSQL 16 on a role that has them itself: they come last.
    ("rolbypassrls", "BYPASSRLS", "NOBYPASSRLS"),
    ("rolreplication", "REPLICATION", "NOREPLICATION"),
    ("rolsuper", "SUPERUSER", "NOSUPERUSER"),
];

/// A role as the catalog shows it.
#[derive(Debug)]
pub(super) struct RoleRow {
    /// Its name.
    pub(super) name: String,
    comment: Option<String>,
    login: bool,
    connection_limit: i32,
    /// Positions in [`ATTRIBUTES`].
    attributes: Vec<usize>,
    /// Roles that it is a member of.
    memberships: Vec<String>,
    /// Our own role may act for it.
    granted: bool,
}

impl RoleRow {
    /// The comment, when it is ours.
    pub(super) fn comment(&self, installation: &InstallationId) -> Result<Comment, String> {
        Comment::read(self.comment.as_deref(), Component::Role, &self.name, installation)
    }

    /// As the decision sees it.
    pub(super) fn live(&self, installation: &InstallationId) -> RoleLive {
        let comment = self.comment(installation);
        RoleLive {
            owner: comment::owner(&comment),
            password_mark: comment.ok().and_then(|comment| comment.mark),
            login: self.login,
            excess: self.excess(),
            connection_limit: self.connection_limit,
            password_refused: false,
        }
    }

    fn excess(&self) -> BTreeSet<String> {
        let attributes = self.attributes.iter().map(|at| ATTRIBUTES[*at].1.to_owned());
        let memberships = self.memberships.iter().map(|role| format!("member of {role}"));
        let granted = (!self.granted).then(|| NOT_GRANTED.to_owned());
        attributes.chain(memberships).chain(granted).collect()
    }

    /// The statements that take away what it has too much.
    fn cures(&self) -> Vec<String> {
        let role = identifier(&self.name);
        let memberships = self.memberships.iter().map(|of| format!("REVOKE {} FROM {role}", identifier(of)));
        let attributes = self.attributes.iter().map(|at| format!("ALTER ROLE {role} {}", ATTRIBUTES[*at].2));
        memberships.chain(attributes).collect()
    }
}

/// Roles called one of `names`, and all whose comment names this installation.
pub(super) async fn list(
    session: &Session,
    names: &[String],
    installation: &InstallationId,
) -> Result<Vec<RoleRow>, EdgeError> {
    let columns: Vec<String> = ATTRIBUTES.iter().map(|(column, ..)| format!("coalesce(r.{column}, false)")).collect();
    let may_set =
        if session.major_version() >= MAJOR_WITH_GRANT_OPTIONS { "pg_has_role(r.oid, 'SET')" } else { "true" };
    let sql = format!(
        "SELECT r.rolname::text, c.description, r.rolcanlogin, r.rolconnlimit,
                ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
                       WHERE m.member = r.oid GROUP BY g.rolname ORDER BY g.rolname),
                pg_has_role(r.oid, 'USAGE') AND {may_set}, {}
           FROM pg_roles r
           LEFT JOIN pg_shdescription c ON c.objoid = r.oid AND c.classoid = 'pg_authid'::regclass
          WHERE r.rolname = ANY ($1::text[]) OR strpos(c.description, $2) > 0",
        columns.join(", ")
    );
    let rows = session.query("could not list the roles", &sql, &[&names, &installation.0]).await?;
    rows.iter().map(|row| read(session, row)).collect()
}

/// Makes the role, or sets what differs; afterwards nobody is connected as it who was before, where its access says so.
pub(super) async fn set(
    session: &Session,
    installation: &InstallationId,
    spec: &RoleSpec,
    password: &SecretString,
    mark: &str,
) -> Result<(), EdgeError> {
    let doing = format!("could not set the role {}", spec.role);
    let wanted = Comment::of_role(installation, &spec.instance, spec.uid, mark);
    let Some(row) = find(session, &spec.role).await? else {
        return create(session, spec, password, &wanted).await;
    };
    let comment = row.comment(installation).map_err(|whose| error::conflict(&doing, "a role", &whose))?;
    if comment.uid != spec.uid {
        return Err(error::conflict(&doing, "a role", &format!("uid {}", comment.uid)));
    }
    if spec.set_password || comment.mark.as_deref() != Some(mark) {
        let doing = format!("could not change the password of the role {}", spec.role);
        let sql = format!("{}; {}", password_clause(&spec.role, password), comment_clause(&spec.role, &wanted));
        repair(session, &doing, &sql, &row).await?;
    }
    set_limits(session, spec, &row).await?;
    narrow(session, &row).await?;
    match spec.access.ends_sessions() {
        true => {
            forget_settings(session, &spec.role).await?;
            end_sessions(session, spec).await
        }
        false => Ok(()),
    }
}

/// Takes back what `ALTER ROLE … SET` gave the role, which may have done it itself: with some settings no session of it
/// begins, and so no backup.
async fn forget_settings(session: &Session, role: &str) -> Result<(), EdgeError> {
    let doing = format!("could not take back the settings of the role {role}");
    let sql = "SELECT d.datname::text FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
                 LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE r.rolname = $1";
    for row in session.query(&doing, sql, &[&role]).await? {
        let database: Option<String> = session.get(&row, 0)?;
        let place = database.map(|database| format!(" IN DATABASE {}", identifier(&database))).unwrap_or_default();
        session.run(&doing, &format!("ALTER ROLE {}{place} RESET ALL", identifier(role))).await?;
    }
    Ok(())
}

/// Drops the role; absent is success. The server itself refuses one that still owns something.
pub(super) async fn drop(
    session: &Session,
    installation: &InstallationId,
    name: &str,
    uid: Uid,
) -> Result<(), EdgeError> {
    let doing = format!("could not drop the role {name}");
    let Some(row) = find(session, name).await? else { return Ok(()) };
    let comment = row.comment(installation).map_err(|whose| error::conflict(&doing, "a role", &whose))?;
    if comment.uid != uid {
        return Err(error::conflict(&doing, "a role", &format!("uid {}", comment.uid)));
    }
    session.run(&doing, &format!("DROP ROLE IF EXISTS {}", identifier(name))).await
}

/// The role of that name, whoever's it is.
pub(super) async fn find(session: &Session, name: &str) -> Result<Option<RoleRow>, EdgeError> {
    let nobody = InstallationId("no installation has such an id".to_owned());
    Ok(list(session, &[name.to_owned()], &nobody).await?.pop())
}

/// Makes our own role a member that may act for `role`.
pub(super) async fn grant(session: &Session, row: &RoleRow) -> Result<(), EdgeError> {
    if row.granted {
        return Ok(());
    }
    let doing = format!("could not make Innkeeper's role a member of {}", row.name);
    session.run(&doing, &grant_clause(session, &row.name)).await?;
    match find(session, &row.name).await? {
        Some(row) if !row.granted => {
            let hint = "Innkeeper's role has NOINHERIT: a superuser must run ALTER ROLE … INHERIT for it";
            Err(error::refused(&doing, hint))
        }
        _ => Ok(()),
    }
}

/// Role, comment and membership in one transaction: there is no moment at which it exists without its mark.
async fn create(
    session: &Session,
    spec: &RoleSpec,
    password: &SecretString,
    comment: &Comment,
) -> Result<(), EdgeError> {
    let role = identifier(&spec.role);
    let sql = format!(
        "CREATE ROLE {role} {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
             CONNECTION LIMIT {} PASSWORD {};
         {};
         {}",
        login_clause(spec),
        spec.connection_limit,
        literal(&verifier(password)),
        comment_clause(&spec.role, comment),
        grant_clause(session, &spec.role),
    );
    session.run(&format!("could not create the role {}", spec.role), &sql).await?;
    match find(session, &spec.role).await? {
        Some(row) => grant(session, &row).await,
        None => Err(EdgeError::plain(Edge::Database, ErrorKind::Failed, "the new role is gone again")),
    }
}

fn login_clause(spec: &RoleSpec) -> &'static str {
    if spec.access.may_log_in() { "LOGIN" } else { "NOLOGIN" }
}

/// Ends what is connected as the role, until nothing is any more. Somebody who was let in a moment before the password
/// changed is in no list before the server has set the session up: two looks in a row must find nothing.
async fn end_sessions(session: &Session, spec: &RoleSpec) -> Result<(), EdgeError> {
    let doing = format!("could not end the sessions of the role {}", spec.role);
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1";
    let mut quiet = 0;
    for _ in 0..SESSION_LOOKS_MAX {
        let open = session.query(&doing, sql, &[&spec.role]).await?;
        quiet = if open.is_empty() { quiet + 1 } else { 0 };
        if quiet == SESSION_LOOKS_QUIET {
            return Ok(());
        }
        tokio::time::sleep(SESSION_LOOK_EVERY).await;
    }
    Err(EdgeError::new(Edge::Database, ErrorKind::Failed, doing, "some of them do not end"))
}

async fn set_limits(session: &Session, spec: &RoleSpec, row: &RoleRow) -> Result<(), EdgeError> {
    let mut clauses = Vec::new();
    if row.login != spec.access.may_log_in() {
        clauses.push(login_clause(spec).to_owned());
    }
    if row.connection_limit != spec.connection_limit {
        clauses.push(format!("CONNECTION LIMIT {}", spec.connection_limit));
    }
    if clauses.is_empty() {
        return Ok(());
    }
    let sql = format!("ALTER ROLE {} {}", identifier(&row.name), clauses.join(" "));
    repair(session, &format!("could not set the limits of the role {}", row.name), &sql, row).await
}

/// Takes back what the role was given. Each thing by itself, so that one that cannot be taken does not keep the rest.
async fn narrow(session: &Session, row: &RoleRow) -> Result<(), EdgeError> {
    let mut first_error = grant(session, row).await.err();
    let cures = row.cures();
    for sql in &cures {
        let doing = format!("could not take back what the role {} was given", row.name);
        if let Err(error) = repair(session, &doing, sql, row).await {
            first_error.get_or_insert(error);
        }
    }
    match first_error {
        Some(error) => Err(error),
        None if cures.is_empty() => Ok(()),
        None => prove_narrow(session, &row.name).await,
    }
}

/// From PostgreSQL 16 on, REVOKE of a membership that a superuser granted warns and changes nothing.
async fn prove_narrow(session: &Session, name: &str) -> Result<(), EdgeError> {
    match find(session, name).await? {
        Some(row) if !row.cures().is_empty() => {
            let doing = format!("could not take back what the role {name} was given");
            Err(error::refused(&doing, superuser_must_run(&row)))
        }
        _ => Ok(()),
    }
}

/// Runs `sql`; where the server says that we may not, the error says what a superuser has to do.
async fn repair(session: &Session, doing: &str, sql: &str, row: &RoleRow) -> Result<(), EdgeError> {
    session.run(doing, sql).await.map_err(|mut error| {
        if error.kind == ErrorKind::Refused && !row.cures().is_empty() {
            error.doing = format!("{doing}: {}", superuser_must_run(row));
        }
        error
    })
}

fn superuser_must_run(row: &RoleRow) -> String {
    let given = row.excess().into_iter().collect::<Vec<_>>().join(", ");
    let cures = row.cures().join("; ");
    format!("it was given more than Innkeeper's role may take back ({given}); a superuser must run {cures}")
}

fn password_clause(role: &str, password: &SecretString) -> String {
    format!("ALTER ROLE {} PASSWORD {}", identifier(role), literal(&verifier(password)))
}

fn comment_clause(role: &str, comment: &Comment) -> String {
    format!("COMMENT ON ROLE {} IS {}", identifier(role), literal(&comment.to_text()))
}

fn grant_clause(session: &Session, role: &str) -> String {
    let options = if session.major_version() >= MAJOR_WITH_GRANT_OPTIONS { " WITH INHERIT TRUE, SET TRUE" } else { "" };
    format!("GRANT {} TO CURRENT_USER{options}", identifier(role))
}

/// What the server stores instead of a password (RFC 5803), computed here: the server's log never sees the password.
fn verifier(password: &SecretString) -> String {
    postgres_protocol::password::scram_sha_256(password.expose_secret().as_bytes())
}

fn read(session: &Session, row: &Row) -> Result<RoleRow, EdgeError> {
    const FIRST_ATTRIBUTE: usize = 6;
    let mut attributes = Vec::new();
    for at in 0..ATTRIBUTES.len() {
        if session.get::<bool>(row, FIRST_ATTRIBUTE + at)? {
            attributes.push(at);
        }
    }
    Ok(RoleRow {
        name: session.get(row, 0)?,
        comment: session.get(row, 1)?,
        login: session.get(row, 2)?,
        connection_limit: session.get(row, 3)?,
        memberships: session.get(row, 4)?,
        granted: session.get(row, 5)?,
        attributes,
    })
}
