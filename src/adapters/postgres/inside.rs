//! A look into one instance's database, as a role that may act for every tenant, at things that a tenant owns.
//!
//! A tenant can replace a table by a view that calls a function of the tenant's, give it row security or an index whose
//! condition the planner evaluates: each would run with our role's rights and reach the other tenants. `COPY table TO`
//! plans nothing, evaluates nothing, and refuses views; it is the only statement used on tables here. Catalog queries
//! search `pg_catalog` alone.

use super::server::{Server, Session};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::live::{EXTENSIONS, OdooLive, SearchLive};
use crate::model::name::ModuleName;
use crate::model::service::Setup;
use futures::TryStreamExt;
use std::collections::BTreeSet;
use std::time::Duration;
use tokio_postgres::error::SqlState;

/// Connecting and two small tables took 10 ms; a table that a module installation holds is given up after 2 s.
const INSIDE_DEADLINE: Duration = Duration::from_secs(15);
/// Odoo's two tables hold well under 1 MiB; a tenant who fills them shall not fill our memory.
const TABLE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Objects from this number on were not there when the cluster was made (`FirstNormalObjectId`).
const FIRST_USER_OID: u32 = 16_384;
/// Where the set-up job keeps what it made true.
const SETUP_KEY: &str = "innkeeper.setup";
/// Where the set-up job keeps the basis with which it saw the trigram indexes to be complete.
const INDEXED_KEY: &str = "innkeeper.indexed";
/// States of modules that are not there (Odoo, `ir_module.py`, `STATES`).
const ABSENT_STATES: [&str; 2] = ["uninstalled", "uninstallable"];

/// What Odoo keeps inside; empty for a database without Odoo's tables.
pub(super) async fn look(server: &Server, database: &str) -> Result<OdooLive, EdgeError> {
    let doing = format!("could not look into the database {database}");
    let work = async {
        let session = server.inside(database).await?;
        let mut live = OdooLive { search: search(&session, &doing).await?, ..OdooLive::default() };
        let modules = "COPY public.ir_module_module (name, state, latest_version) TO STDOUT";
        each_row(&session, &doing, modules, |[name, state, version]| {
            let name = name.as_deref().and_then(|name| ModuleName::parse(name).ok());
            let Some((name, state)) = name.zip(state) else { return };
            if name.as_str() == "base" {
                live.base_version = version;
            }
            if !ABSENT_STATES.contains(&state.as_str()) {
                live.modules.insert(name, state);
            }
        })
        .await?;
        let parameters = "COPY public.ir_config_parameter (key, value) TO STDOUT";
        each_row(&session, &doing, parameters, |[key, value]| match key.as_deref() {
            Some(SETUP_KEY) => live.setup = value.and_then(|value| serde_json::from_str::<Setup>(&value).ok()),
            Some(INDEXED_KEY) => live.search.indexed = value,
            _ => {}
        })
        .await?;
        Ok(live)
    };
    server.within(INSIDE_DEADLINE, &doing, work).await
}

/// The names of all modules that Odoo knows.
pub(super) async fn known_modules(server: &Server, database: &str) -> Result<BTreeSet<ModuleName>, EdgeError> {
    let doing = format!("could not read which modules the database {database} knows");
    let work = async {
        let session = server.inside(database).await?;
        let mut modules = BTreeSet::new();
        each_row(&session, &doing, "COPY public.ir_module_module (name) TO STDOUT", |[name]| {
            modules.extend(name.as_deref().and_then(|name| ModuleName::parse(name).ok()));
        })
        .await?;
        Ok(modules)
    };
    server.within(INSIDE_DEADLINE, &doing, work).await
}

/// What a search works with. The basis is the same text as the set-up script (`setup.py`) writes.
async fn search(session: &Session, doing: &str) -> Result<SearchLive, EdgeError> {
    let sql = "SELECT ARRAY(SELECT extname::text FROM pg_extension WHERE extname::text = ANY ($1)),
                      (SELECT e.oid::text || ' ' || coalesce((SELECT min(p.provolatile::text) FROM pg_proc p
                                 JOIN pg_namespace n ON n.oid = p.pronamespace
                                WHERE p.proname = 'unaccent' AND p.pronargs = 1 AND n.nspname = 'public'), '-')
                         FROM pg_extension e WHERE e.extname = 'pg_trgm')";
    let rows = session.query(doing, sql, &[&EXTENSIONS.as_slice()]).await?;
    let Some(row) = rows.first() else { return Ok(SearchLive::default()) };
    let extensions: Vec<String> = session.get(row, 0)?;
    Ok(SearchLive { extensions: extensions.into_iter().collect(), basis: session.get(row, 1)?, indexed: None })
}

/// True when nobody has made a table, view or sequence in it.
pub(super) async fn is_empty(server: &Server, database: &str) -> Result<bool, EdgeError> {
    let doing = format!("could not see whether the database {database} is empty");
    let work = async {
        let session = server.inside(database).await?;
        let sql = "SELECT NOT EXISTS (SELECT FROM pg_class WHERE oid >= $1)";
        let rows = session.query(&doing, sql, &[&FIRST_USER_OID]).await?;
        rows.first().map_or(Ok(false), |row| session.get(row, 0))
    };
    server.within(INSIDE_DEADLINE, &doing, work).await
}

/// Calls `with` for each row of `N` columns that `sql` copies out, none for a NULL. A table that does not exist has no rows.
async fn each_row<const N: usize>(
    session: &Session,
    doing: &str,
    sql: &str,
    mut with: impl FnMut([Option<String>; N]),
) -> Result<(), EdgeError> {
    let lines = match session.client().copy_out(sql).await {
        Ok(lines) => lines,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => return Ok(()),
        Err(error) => return Err(session.failed(doing, error)),
    };
    let mut lines = std::pin::pin!(lines);
    let mut bytes = 0;
    // The server sends one row in one message (PostgreSQL, section 55.2.6: "always one per row").
    while let Some(line) = lines.try_next().await.map_err(|e| session.failed(doing, e))? {
        bytes += line.len();
        if bytes > TABLE_BYTES_MAX {
            let text = format!("a table of Odoo's holds more than {TABLE_BYTES_MAX} bytes");
            return Err(EdgeError::new(Edge::Database, ErrorKind::Failed, doing, text));
        }
        let text = String::from_utf8_lossy(&line);
        let fields: Vec<Option<String>> = text.trim_end_matches('\n').split('\t').map(unescape).collect();
        if let Ok(fields) = fields.try_into() {
            with(fields);
        }
    }
    Ok(())
}

/// A field of COPY's text format (PostgreSQL, COPY, "Text Format"); none for NULL.
fn unescape(field: &str) -> Option<String> {
    if field == r"\N" {
        return None;
    }
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('v') => text.push('\u{b}'),
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_field_is_read_as_it_was_stored() {
        for (field, text) in [
            ("plain", "plain"),
            (r"tab\there, line\nthere, \\ and \\n", "tab\there, line\nthere, \\ and \\n"),
            (r"\b\f\r\v", "\u{8}\u{c}\r\u{b}"),
            ("Åß \"Quoted\"", "Åß \"Quoted\""),
            ("", ""),
        ] {
            assert_eq!(unescape(field).as_deref(), Some(text));
        }
        assert_eq!(unescape(r"\N"), None);
        assert_eq!(unescape(r"\\N").as_deref(), Some(r"\N"));
    }
}
