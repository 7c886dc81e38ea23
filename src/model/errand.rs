//! What a person asks for once, besides what the files ask for.

use super::name::InstanceName;
use serde::{Deserialize, Serialize};

/// A request that is carried out once and then forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// Identity, given by the journal.
    pub id: u64,
    /// For which instance.
    pub instance: InstanceName,
    /// What is asked.
    pub kind: ErrandKind,
    /// Who asked: a user name or id from the socket's peer credentials.
    pub by: String,
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrandKind {
    /// Restart the container.
    Restart,
    /// Forget back-off and failures, and try again now.
    Retry,
}
