//! PostgreSQL: whether it answers, what our role may do, and whether there are connections for the whole fleet.

use super::Finding;
use crate::adapters::postgres::{OwnRole, Postgres};
use crate::diff;
use crate::edges::{Ask, Database, EdgeError};
use crate::model::live::DatabaseLive;
use crate::model::name::InstallationId;
use crate::model::status::chain;
use crate::model::wanted::WantedState;
use crate::spec::Fleet;

/// Connections that PostgreSQL keeps for superusers, and that Innkeeper itself needs.
const CONNECTIONS_OTHERS: u32 = 15;

/// The server, the role, the connections.
pub(super) async fn check(fleet: &Fleet, installation: &InstallationId) -> Vec<Finding> {
    match look(fleet, installation).await {
        Ok((role, live)) => {
            let server = format!("answers, version {}", live.major_version);
            vec![Finding::ok("PostgreSQL", server), attributes(&role), connections(fleet, live.connections_max)]
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

async fn look(fleet: &Fleet, installation: &InstallationId) -> Result<(OwnRole, DatabaseLive), EdgeError> {
    let postgres = Postgres::new(&fleet.settings.postgres, installation.clone())?;
    let role = postgres.own_role().await?;
    Ok((role, postgres.look(&Ask::default()).await?))
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
