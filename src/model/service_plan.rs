//! What a customer bought.

use super::name::{ModuleName, PlanName};
use super::odoo_options::OdooOptions;
use super::size::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One table of `plans.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// The table's name.
    pub name: PlanName,
    /// What customers see it called.
    pub title: String,
    /// Modules that every instance on this plan has.
    pub modules: BTreeSet<ModuleName>,
    /// What an instance may use.
    pub limits: Limits,
    /// How many instances may be on this plan.
    pub max_instances: u32,
    /// When backups are taken and how many are kept.
    pub backup: BackupPolicy,
    /// Lines of odoo.conf for its instances.
    #[serde(default, skip_serializing_if = "OdooOptions::is_empty")]
    pub conf: OdooOptions,
}

/// What one instance may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Thousandths of a processor core: 1.5 cores are 1500.
    pub cpu_millis: u32,
    /// Memory of the container.
    pub memory: Bytes,
    /// Database and filestore together; watched, not enforced.
    pub disk: Bytes,
    /// Odoo's HTTP worker processes; 0 serves everything from one threaded process.
    pub workers: u32,
}

/// When backups are taken and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupPolicy {
    /// Five-field cron, in the fleet's time zone.
    pub schedule: String,
    /// How many are kept.
    pub keep: Keep,
}

/// How many backups of each age are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// The newest of each of so many days.
    pub daily: u32,
    /// The newest of each of so many weeks.
    pub weekly: u32,
    /// The newest of each of so many months.
    pub monthly: u32,
}
