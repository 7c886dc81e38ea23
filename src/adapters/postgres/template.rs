//! The host's template: a database that a superuser made once, in which the extension's own `unaccent()` may stand in an
//! index. No tenant can make it so; without the template databases get a slower function around it.

use super::server::{Server, Session};
use crate::edges::EdgeError;

/// Its name. Used only while a superuser owns it: nobody else could have put anything into it.
pub(super) const NAME: &str = "innkeeper_template";
/// The first version that can be told which library sorts (`LOCALE_PROVIDER`); before, it was always libc.
const MAJOR_WITH_LOCALE_PROVIDER: u32 = 15;

/// The template as the catalog shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TemplateRow {
    of_superuser: bool,
    is_template: bool,
    is_sorted_as_c: bool,
}

/// How the host's template stands, for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// New databases are made from it.
    Good,
    /// There is none.
    Missing,
    /// There is one, and new databases are not made from it, or lack something.
    Unfit(&'static str),
}

impl TemplateRow {
    /// True when new databases may be made from it.
    pub(super) fn fits(self) -> bool {
        self.fault().is_none()
    }

    fn fault(self) -> Option<&'static str> {
        match self {
            Self { of_superuser: false, .. } => Some("no superuser owns it, so it is not used"),
            Self { is_template: false, .. } => Some("it is no template (IS_TEMPLATE), so it is not used"),
            Self { is_sorted_as_c: false, .. } => Some("it is not UTF8 sorted as C, so it is not used"),
            _ => None,
        }
    }
}

/// The template, whether it fits or not.
pub(super) async fn look(session: &Session, name: &str) -> Result<Option<TemplateRow>, EdgeError> {
    let sql = "SELECT r.rolsuper, d.datistemplate, pg_encoding_to_char(d.encoding) = 'UTF8' AND d.datcollate = 'C'
                 FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = $1 AND d.datconnlimit <> -2";
    let rows = session.query("could not look for the template of databases", sql, &[&name]).await?;
    let row = rows.first().map(|row| {
        Ok(TemplateRow {
            of_superuser: session.get(row, 0)?,
            is_template: session.get(row, 1)?,
            is_sorted_as_c: session.get(row, 2)?,
        })
    });
    row.transpose()
}

/// Options of a database that is made without the template: sorted as C, so that no upgrade of a library breaks an index.
/// What is a letter, and which is its small one, stays as the cluster has it, as Odoo itself does: with LC_CTYPE C no search
/// would find "Nguyễn" by "NGUYỄN".
pub(super) async fn bare_options(session: &Session) -> Result<String, EdgeError> {
    let sql = "SELECT pg_encoding_to_char(encoding) = 'UTF8' FROM pg_database WHERE datname = 'template0'";
    let rows = session.query("could not look at template0", sql, &[]).await?;
    let fits: bool = rows.first().map_or(Ok(false), |row| session.get(row, 0))?;
    let letters = if fits { "" } else { " LC_CTYPE 'C'" };
    let libc = if session.major_version() >= MAJOR_WITH_LOCALE_PROVIDER { " LOCALE_PROVIDER libc" } else { "" };
    Ok(format!("TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C'{letters}{libc}"))
}

/// How it stands, its inside too, and the command that makes it.
pub(super) async fn examine(server: &Server, own_role: &str) -> Result<(Template, String), EdgeError> {
    let (row, options) = {
        let session = server.admin().await?;
        (look(&session, server.template()).await?, bare_options(&session).await?)
    };
    let state = match row.map(TemplateRow::fault) {
        None => Template::Missing,
        Some(Some(fault)) => Template::Unfit(fault),
        Some(None) => inside(server).await?,
    };
    Ok((state, command(server.template(), &options, own_role)))
}

async fn inside(server: &Server) -> Result<Template, EdgeError> {
    let session = server.inside(server.template()).await?;
    let sql = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_trgm'),
                      EXISTS (SELECT FROM pg_proc WHERE proname = 'unaccent' AND pronargs = 1 AND provolatile = 'i'
                                 AND pronamespace = 'public'::regnamespace)";
    let rows = session.query("could not look into the template of databases", sql, &[]).await?;
    let Some(row) = rows.first() else { return Ok(Template::Missing) };
    Ok(match (session.get::<bool>(row, 0)?, session.get::<bool>(row, 1)?) {
        (true, true) => Template::Good,
        (false, _) => Template::Unfit("it has no extension pg_trgm"),
        (true, false) => Template::Unfit("its function unaccent(text) is not IMMUTABLE"),
    })
}

/// One command for a shell, as PostgreSQL's superuser.
fn command(name: &str, options: &str, own_role: &str) -> String {
    let own_role = super::quote::identifier(own_role).replace('"', "\\\"");
    format!(
        "sudo -u postgres psql -v ON_ERROR_STOP=1 -c \"CREATE DATABASE {name} {options} IS_TEMPLATE true\" \
         -c \"REVOKE ALL ON DATABASE {name} FROM PUBLIC\" -c \"GRANT CONNECT ON DATABASE {name} TO {own_role}\" \
         -c '\\connect {name}' -c \"CREATE EXTENSION pg_trgm; CREATE EXTENSION unaccent; \
         ALTER FUNCTION unaccent(text) IMMUTABLE\""
    )
}
