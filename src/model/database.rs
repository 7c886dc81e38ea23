//! What a database, its role and its extensions should be, as steps ask for it.

use super::name::{InstanceName, Uid};
use super::secret::SecretPurpose;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Who may log in as a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Its instance, and whoever else knows the password in its odoo.conf.
    Instance,
    /// The final backup alone: another password, which stands nowhere. Whoever was connected is not any more.
    Backup,
    /// Nobody: NOLOGIN. Whoever was connected is not any more.
    Nobody,
}

impl Access {
    /// Which password the role has.
    pub fn password(self) -> SecretPurpose {
        match self {
            Self::Instance => SecretPurpose::RolePassword,
            Self::Backup | Self::Nobody => SecretPurpose::BackupPassword,
        }
    }

    /// LOGIN
    pub fn may_log_in(self) -> bool {
        self != Self::Nobody
    }

    /// True where sessions that began earlier are ended.
    pub fn ends_sessions(self) -> bool {
        self != Self::Instance
    }
}

/// A role as it should be: LOGIN, as far as somebody has access, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSpec {
    /// Its name.
    pub role: String,
    /// Whose it is.
    pub instance: InstanceName,
    /// That instance's identity: the password is derived from it.
    pub uid: Uid,
    /// Who may log in, which also says which password it has.
    pub access: Access,
    /// Generation of the password.
    pub password_generation: u32,
    /// CONNECTION LIMIT.
    pub connection_limit: i32,
    /// False: give it the password anew only when its mark differs.
    pub set_password: bool,
}

/// A database as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseSpec {
    /// Its name, and that of the instance's role.
    pub database: String,
    /// Whose it is.
    pub instance: InstanceName,
    /// That instance's identity.
    pub uid: Uid,
    /// Once set up it is never created anew.
    pub provisioned: bool,
}

/// Extensions that a database should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionsSpec {
    /// The database.
    pub database: DatabaseSpec,
    /// Those to make.
    pub extensions: BTreeSet<String>,
    /// Generation of the role's password.
    pub password_generation: u32,
}
