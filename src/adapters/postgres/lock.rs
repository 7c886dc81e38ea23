//! One Innkeeper for each installation, whatever host it runs on: an advisory lock in a session of its own.

use super::server::{Server, Session};
use crate::edges::database::InstallationLock;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::name::InstallationId;
use std::time::Duration;

/// Keeps our keys apart from those of other programs in the same database: "innk".
const KEY_SPACE: i64 = 0x696e_6e6b;
/// A broken connection is noticed within this time and the deadline of an empty query.
const CHECK_EVERY: Duration = Duration::from_secs(5);

/// Takes the lock, or says who has it.
pub(super) async fn take(server: &Server, installation: &InstallationId) -> Result<InstallationLock, EdgeError> {
    let session = server.apart().await?;
    let key = key(installation);
    let doing = "could not take the installation's lock";
    let rows = session.query(doing, "SELECT pg_try_advisory_lock($1)", &[&key]).await?;
    let taken: bool = rows.first().map_or(Ok(false), |row| session.get(row, 0))?;
    if !taken {
        let holder = holder(&session, key).await?;
        let text = format!("another Innkeeper acts for installation {installation} on this server: {holder}");
        return Err(EdgeError::plain(Edge::Database, ErrorKind::Conflict, text));
    }
    Ok(Box::pin(async move {
        while session.answers().await {
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }))
}

/// 48 bits of the installation's id under a key space of our own.
fn key(installation: &InstallationId) -> i64 {
    let id = i64::from_str_radix(&installation.0, 16).unwrap_or_default();
    id ^ (KEY_SPACE << 32)
}

/// Who has it, as far as this role may know.
async fn holder(session: &Session, key: i64) -> Result<String, EdgeError> {
    let sql =
        "SELECT coalesce(host(activity.client_addr), 'a local socket'), activity.pid, activity.backend_start::text
        FROM pg_locks AS locks JOIN pg_stat_activity AS activity USING (pid)
        WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1
          AND (locks.classid::int8 << 32 | locks.objid::int8) = $1 LIMIT 1";
    let rows = session.query("could not look for the holder of the installation's lock", sql, &[&key]).await?;
    let Some(row) = rows.first() else { return Ok("it has just let go of it, try again".to_owned()) };
    let (address, pid): (String, i32) = (session.get(row, 0)?, session.get(row, 1)?);
    // PostgreSQL hides the start of other roles' sessions.
    let since: Option<String> = session.get(row, 2)?;
    let since = since.map(|since| format!(", since {since}")).unwrap_or_default();
    Ok(format!("connected from {address}, PostgreSQL process {pid}{since}"))
}
