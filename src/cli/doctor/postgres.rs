//! PostgreSQL: whether it answers, what our role may do, and whether there are connections for the whole fleet.

use super::{Finding, count};
use crate::adapters::postgres::{OwnRole, Postgres, Template};
use crate::diff;
use crate::edges::{Ask, Database, EdgeError};
use crate::model::live::{DatabaseLive, EXTENSIONS, OdooLive, Seen};
use crate::model::name::{InstallationId, Resources};
use crate::model::status::chain;
use crate::model::wanted::WantedState;
use crate::spec::Fleet;

/// Connections that PostgreSQL keeps for superusers, and that Innkeeper itself needs.
const CONNECTIONS_OTHERS: u32 = 15;

/// The server, the role, the connections.
pub(super) async fn check(fleet: &Fleet, installation: &InstallationId) -> Vec<Finding> {
    match look(fleet, installation).await {
        Ok(Looked { role, live, template }) => {
            let server = format!("answers, version {}", live.major_version);
            let mut findings =
                vec![Finding::ok("PostgreSQL", server), attributes(&role), connections(fleet, live.connections_max)];
            findings.extend(search(&live, template));
            findings
        }
        // The check of the password file says it, with what to do.
        Err(_) if fleet.settings.postgres.password_file.as_ref().is_some_and(|file| !file.exists()) => {
            vec![Finding::fail(
                "PostgreSQL",
                "cannot be asked without its password: see above",
                "write the password file first",
            )]
        }
        Err(error) => vec![Finding::fail(
            "PostgreSQL",
            chain(&error),
            "see that the server runs and that `postgres.url` and `postgres.password_file` name a role that may log in from here (pg_hba.conf)",
        )],
    }
}

struct Looked {
    role: OwnRole,
    live: DatabaseLive,
    /// The host's template, and the command that makes it.
    template: (Template, String),
}

async fn look(fleet: &Fleet, installation: &InstallationId) -> Result<Looked, EdgeError> {
    let postgres = Postgres::new(&fleet.settings.postgres, installation.clone())?;
    let role = postgres.own_role().await?;
    let instances = fleet.instances.keys().map(|name| (name.clone(), Resources::of(name))).collect();
    let live = postgres.look(&Ask { instances, ..Ask::default() }).await?;
    Ok(Looked { role, live, template: postgres.template().await? })
}

/// What searching in Odoo's databases works with.
fn search(live: &DatabaseLive, (template, command): (Template, String)) -> Vec<Finding> {
    let missing: Vec<&str> = EXTENSIONS.into_iter().filter(|extension| !live.extensions.contains(*extension)).collect();
    let mut findings = Vec::new();
    if !missing.is_empty() {
        findings.push(Finding::fail(
            "extensions",
            format!(
                "the server has no extension {}: searching in Odoo is slow and does not pass over accents",
                missing.join(", ")
            ),
            "install PostgreSQL's contrib modules (Debian: part of postgresql-NN; Red Hat: postgresql-contrib)",
        ));
    }
    let no_index = "unaccent() may stand in no index, so a search by a part of a name reads its whole table";
    findings.push(match template {
        Template::Good => Finding::ok("template", "new databases are made from innkeeper_template"),
        Template::Missing => {
            Finding::warn("template", "there is no database innkeeper_template; databases made without it have a slower unaccent()", command)
        }
        Template::Unfit(why) => Finding::warn(
            "template",
            format!("innkeeper_template: {why}"),
            format!("as superuser: ALTER DATABASE innkeeper_template IS_TEMPLATE false; DROP DATABASE innkeeper_template; then {command}"),
        ),
    });
    let slow: Vec<&str> = live.inside.iter().filter(|(_, odoo)| is_slow(odoo)).map(|(name, _)| name.as_str()).collect();
    if !slow.is_empty() {
        findings.push(Finding::warn(
            "search",
            format!("in {} {no_index}", count(slow.len(), "database", "databases")),
            format!(
                "for d in {}; do sudo -u postgres psql -d $d -c 'ALTER FUNCTION public.unaccent(text) IMMUTABLE'; done; \
                 the indexes are made anew by themselves",
                slow.join(" ")
            ),
        ));
    }
    findings
}

/// `unaccent()` is there and may stand in no index.
fn is_slow(odoo: &Seen<OdooLive>) -> bool {
    let basis = odoo.known().and_then(|odoo| odoo.search.basis.as_deref());
    basis.is_some_and(|basis| basis.ends_with(" s"))
}

fn attributes(role: &OwnRole) -> Finding {
    let name = &role.name;
    let missing: Vec<&str> = [(role.create_database, "CREATEDB"), (role.create_role, "CREATEROLE")]
        .iter()
        .filter(|(has, _)| !has && !role.superuser)
        .map(|(_, word)| *word)
        .collect();
    if !missing.is_empty() {
        let words = missing.join(" ");
        return Finding::fail(
            "role",
            format!("the role {name} lacks {}", missing.join(" and ")),
            format!("as superuser: ALTER ROLE \"{name}\" {words};"),
        );
    }
    match role.superuser {
        true => Finding::warn(
            "role",
            format!("the role {name} is a superuser, which Innkeeper does not need"),
            format!("as superuser: ALTER ROLE \"{name}\" NOSUPERUSER CREATEDB CREATEROLE;"),
        ),
        false => Finding::ok("role", format!("{name} has CREATEDB and CREATEROLE and is no superuser")),
    }
}

fn connections(fleet: &Fleet, connections_max: u32) -> Finding {
    let running = fleet
        .instances
        .values()
        .filter_map(|instance| instance.wanted.as_ref())
        .filter(|wanted| wanted.state == WantedState::Running);
    let needed: u32 = running.map(|wanted| diff::connections(wanted)).sum::<u32>() + CONNECTIONS_OTHERS;
    let message = format!("max_connections is {connections_max}; all running instances together may take {needed}");
    match needed <= connections_max {
        true => Finding::ok("connections", message),
        false => Finding::fail(
            "connections",
            message,
            format!(
                "set max_connections = {} in postgresql.conf and restart it, or give instances fewer workers",
                needed.next_multiple_of(50)
            ),
        ),
    }
}
