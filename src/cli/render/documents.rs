//! The JSON documents that scripts rely on, built from the model. Additions are fine, renames are not.

use super::effect::Summary;
use crate::cli::failure::ErrorMember;
use crate::model::changes::{Changes, Hold, InstanceChanges};
use crate::model::name::{InstanceName, ModuleName, PlanName};
use crate::model::problem::Problem;
use crate::model::service_plan::ServicePlan;
use crate::model::size::Bytes;
use crate::model::status::SCHEMA;
use crate::model::step::{FieldChange, Origin, Risk, Step, StepId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `plan --json`
#[derive(Debug, Serialize)]
pub(crate) struct PlanDocument<'a> {
    schema: u32,
    changes: Vec<ChangeEntry<'a>>,
    problems: &'a [Problem],
    summary: Summary,
    /// Why the plan is not whole; absent when it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorMember<'a>>,
}

/// What concerns one instance; `instance` is null for the host.
#[derive(Debug, Serialize)]
pub(crate) struct ChangeEntry<'a> {
    pub(crate) instance: Option<&'a InstanceName>,
    pub(crate) steps: Vec<StepEntry<'a>>,
    holds: &'a [Hold],
}

/// One step, without the details that only machines need.
#[derive(Debug, Serialize)]
pub(crate) struct StepEntry<'a> {
    id: &'a StepId,
    kind: &'static str,
    resource: String,
    reason: &'a str,
    origin: Origin,
    risk: Risk,
    fields: &'a [FieldChange],
    after: &'a [StepId],
}

impl<'a> PlanDocument<'a> {
    /// The document of `changes`.
    pub(crate) fn new(changes: &'a Changes, problems: &'a [Problem], error: Option<ErrorMember<'a>>) -> Self {
        Self { schema: SCHEMA, changes: entries(changes), problems, summary: Summary::of(changes), error }
    }
}

/// All that is not empty, the host first.
pub(crate) fn entries(changes: &Changes) -> Vec<ChangeEntry<'_>> {
    let host = std::iter::once((None, &changes.host));
    let instances = changes.instances.iter().map(|(name, changes)| (Some(name), changes));
    host.chain(instances)
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(name, changes)| entry(name, changes))
        .collect()
}

fn entry<'a>(instance: Option<&'a InstanceName>, changes: &'a InstanceChanges) -> ChangeEntry<'a> {
    ChangeEntry { instance, steps: changes.steps.iter().map(step_entry).collect(), holds: &changes.holds }
}

fn step_entry(step: &Step) -> StepEntry<'_> {
    StepEntry {
        id: &step.id,
        kind: step.action.kind().as_str(),
        resource: step.action.resource(),
        reason: &step.reason,
        origin: step.origin,
        risk: step.risk,
        fields: &step.fields,
        after: &step.after,
    }
}

/// `plans --json`
#[derive(Debug, Serialize)]
pub(crate) struct PlansDocument {
    schema: u32,
    pub(crate) plans: Vec<PlanEntry>,
}

impl PlansDocument {
    /// The document of these plans.
    pub(crate) fn new(plans: Vec<PlanEntry>) -> Self {
        Self { schema: SCHEMA, plans }
    }
}

/// One service plan with its free places.
#[derive(Debug, Serialize)]
pub(crate) struct PlanEntry {
    pub(crate) name: PlanName,
    pub(crate) title: String,
    pub(crate) modules: BTreeSet<ModuleName>,
    pub(crate) cpus: f64,
    pub(crate) memory_bytes: Bytes,
    pub(crate) disk_bytes: Bytes,
    pub(crate) workers: u32,
    pub(crate) max_instances: u32,
    pub(crate) used: u32,
    pub(crate) free: u32,
}

impl PlanEntry {
    /// `plan`, of which `used` places are taken.
    pub(crate) fn new(plan: &ServicePlan, used: u32) -> Self {
        Self {
            name: plan.name.clone(),
            title: plan.title.clone(),
            modules: plan.modules.clone(),
            cpus: f64::from(plan.limits.cpu_millis) / 1000.0,
            memory_bytes: plan.limits.memory,
            disk_bytes: plan.limits.disk,
            workers: plan.limits.workers,
            max_instances: plan.max_instances,
            used,
            free: plan.max_instances.saturating_sub(used),
        }
    }
}

/// `check --json`
#[derive(Debug, Serialize)]
pub(crate) struct CheckDocument<'a> {
    schema: u32,
    problems: &'a [Problem],
    /// What keeps nothing from being valid: files that are not taken for an instance's.
    warnings: &'a [Problem],
}

impl<'a> CheckDocument<'a> {
    /// The document of these problems and warnings.
    pub(crate) fn new(problems: &'a [Problem], warnings: &'a [Problem]) -> Self {
        Self { schema: SCHEMA, problems, warnings }
    }
}

/// `check --subdomain X --json`
#[derive(Debug, Serialize)]
pub(crate) struct SubdomainDocument<'a> {
    pub(crate) schema: u32,
    pub(crate) subdomain: &'a str,
    pub(crate) available: bool,
    /// `free`, `reserved`, `taken` or `invalid`.
    pub(crate) reason: &'static str,
    /// The same as a sentence.
    pub(crate) message: String,
}

/// One instance of `credentials NAME --json`
#[derive(Serialize)]
pub(crate) struct CredentialsRow {
    pub(crate) instance: InstanceName,
    pub(crate) login: String,
    pub(crate) password: String,
}

/// A plan as `plan --out` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SavedPlan {
    pub(crate) schema: u32,
    /// Which instances were named; empty means all.
    pub(crate) names: Vec<InstanceName>,
    /// Hash of everything that it was made from.
    pub(crate) inputs: String,
    /// What was shown, for people who open the file.
    pub(crate) changes: serde_json::Value,
    /// Totals.
    pub(crate) summary: Summary,
}
