//! Plans saved in files: `plan --out FILE`, `apply --plan FILE`. A saved plan holds the hash of everything it was made
//! from; what is applied is decided anew, and only when that hash is still the same.

use super::failure::{Failure, Trouble};
use super::render::documents::{SavedPlan, StepEntry, entries};
use super::render::effect::Summary;
use crate::model::changes::Changes;
use crate::model::name::InstanceName;
use crate::model::secret::digest;
use crate::model::status::SCHEMA;
use crate::spec::Fleet;
use std::path::Path;

/// A plan for a file.
pub(crate) fn save(fleet: &Fleet, names: &[InstanceName], changes: &Changes) -> SavedPlan {
    let shown = serde_json::to_value(entries(changes)).unwrap_or_else(|e| unreachable!("plain data serializes: {e}"));
    SavedPlan {
        schema: SCHEMA,
        names: names.to_vec(),
        inputs: inputs(fleet, names, changes),
        changes: shown,
        summary: Summary::of(changes),
    }
}

/// Reads a saved plan.
pub(crate) fn load(file: &Path) -> Result<SavedPlan, Failure> {
    let text = std::fs::read(file).map_err(|e| Failure::of_file(file, "read the plan", &e))?;
    let plan: SavedPlan = serde_json::from_slice(&text).map_err(|e| {
        Failure::new(Trouble::StalePlan, format!("{} is not a saved plan: {e}", file.display()))
            .file(file)
            .hint("make one with `innkeeper plan --out FILE`")
    })?;
    match plan.schema == SCHEMA {
        true => Ok(plan),
        false => Err(Failure::new(
            Trouble::StalePlan,
            format!("{} was saved by another version of Innkeeper", file.display()),
        )
        .file(file)),
    }
}

/// Refuses a plan that would no longer be made.
pub(crate) fn check(plan: &SavedPlan, file: &Path, fleet: &Fleet, changes: &Changes) -> Result<(), Failure> {
    if plan.inputs == inputs(fleet, &plan.names, changes) {
        return Ok(());
    }
    let message = format!("{} is stale: files or what runs changed since it was saved", file.display());
    Err(Failure::new(Trouble::StalePlan, message)
        .file(file)
        .hint(format!("look at a new one: innkeeper plan --out {}", file.display())))
}

/// Hash over the settings, the service plans, the instances' files and the steps. Holds are not in it: their texts name
/// times. Uids are not in it either: an instance gets its own only when it is first applied.
fn inputs(fleet: &Fleet, names: &[InstanceName], changes: &Changes) -> String {
    let wanted = |name: &InstanceName| names.is_empty() || names.contains(name);
    let files: Vec<(&InstanceName, &str)> = fleet
        .instances
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, instance)| (name, &*instance.digest))
        .collect();
    let shown = entries(changes);
    let steps: Vec<(Option<&InstanceName>, &[StepEntry<'_>])> =
        shown.iter().map(|entry| (entry.instance, entry.steps.as_slice())).collect();
    digest(&(&*fleet.settings, &fleet.plans, files, steps))
}
