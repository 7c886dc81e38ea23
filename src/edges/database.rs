//! Roles, databases, and what Odoo keeps inside them.

use super::{Ask, ByteStream, EdgeError};
use crate::model::database::{DatabaseSpec, RoleSpec};
use crate::model::live::DatabaseLive;
use crate::model::name::{InstanceName, ModuleName, Uid};
use crate::model::secret::SecretString;
use async_trait::async_trait;
use std::collections::{BTreeMap, BTreeSet};

/// The right to act for an installation on this server. It lives as long as this value and must be polled: it completes
/// when the right was lost, because the connection that holds it broke.
pub type InstallationLock = futures::future::BoxFuture<'static, ()>;

/// PostgreSQL. See the module documentation of [`super`] for the rules of every method.
#[async_trait]
pub trait Database: Send + Sync {
    /// Lists roles and databases of ours and on names of `ask`, and looks inside the databases of `ask.instances`.
    async fn look(&self, ask: &Ask) -> Result<DatabaseLive, EdgeError>;

    /// Makes the role, or sets what differs: attributes, memberships, limit, and the password where
    /// `spec.set_password`. `mark` goes into the role's comment. Where `spec.access` ends sessions, nobody is connected as
    /// the role any more when it returns.
    async fn set_role(&self, spec: &RoleSpec, password: &SecretString, mark: &str) -> Result<(), EdgeError>;

    /// Asks the server whether this password lets the role in: one connection. `None` where it did not come to that (no
    /// LOGIN, no answer, no connection left): nothing may be concluded from it.
    async fn accepts_password(&self, role: &str, password: &SecretString) -> Option<bool>;

    /// Makes the database (UTF-8, from the host's template or template0, sorted as C so that no library upgrade breaks an
    /// index; letters are the cluster's, as Odoo itself does it). Innkeeper's role owns it, so that its tenant can neither
    /// take its mark away nor close it; the instance's role may CONNECT, CREATE and use temporary tables, and PUBLIC
    /// nothing.
    async fn create_database(&self, spec: &DatabaseSpec) -> Result<(), EdgeError>;

    /// Takes the database into Innkeeper's hands, takes everybody else's privileges on it, and gives the instance's role
    /// its own.
    async fn set_privileges(&self, spec: &DatabaseSpec) -> Result<(), EdgeError>;

    /// Makes those of `extensions` that are missing in the database, connected as the instance's role.
    async fn add_extensions(
        &self,
        spec: &DatabaseSpec,
        extensions: &BTreeSet<String>,
        password: &SecretString,
    ) -> Result<(), EdgeError>;

    /// Writes `provisioned` into the database's comment.
    async fn mark_provisioned(&self, spec: &DatabaseSpec) -> Result<(), EdgeError>;

    /// Dumps the database in `pg_dump`'s custom format, connected as `role`, which owns what is in it. Ends with an error when
    /// `pg_dump` failed, however much came before.
    async fn dump(&self, database: &str, role: &str, password: &SecretString) -> Result<ByteStream, EdgeError>;

    /// Ends the sessions on the database and drops it. Absent is success.
    async fn drop_database(&self, spec: &DatabaseSpec) -> Result<(), EdgeError>;

    /// Drops the role. Absent is success; one that still owns something is a failure.
    async fn drop_role(&self, role: &str, instance: &InstanceName, uid: Uid) -> Result<(), EdgeError>;

    /// Takes the right to act for this installation, which one Innkeeper has at a time, on whatever host. Somebody else
    /// who has it is a [`super::ErrorKind::Conflict`].
    async fn lock_installation(&self) -> Result<InstallationLock, EdgeError>;

    /// Every module that Odoo knows in this database, installed or not; empty for one without Odoo's tables. A job's end
    /// brings the list up to date with its image.
    async fn known_modules(&self, database: &str) -> Result<BTreeSet<ModuleName>, EdgeError>;

    /// Bytes on disk of these databases, in one query; those that are not there or not ours are not in the answer.
    /// Measuring one takes the server some milliseconds.
    async fn sizes(&self, databases: &BTreeSet<String>) -> Result<BTreeMap<String, u64>, EdgeError>;
}
