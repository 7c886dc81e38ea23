//! What can be said of instances' files while settings or plans have faults: judged by what those say all the same, so that all
//! problems are told in one round. Nothing of it is ever in force.

use super::FleetInstance;
use super::entry::Entry;
use super::fleet::{Claimant, judge};
use super::plans::{self, PlansInFile};
use super::resolve::{Ground, resolve};
use crate::model::name::{InstanceName, PlanName};
use crate::model::odoo_options::OdooOptions;
use crate::model::problem::Problem;
use crate::model::service_plan::{BackupPolicy, Keep, Limits, ServicePlan};
use crate::model::settings::Settings;
use crate::model::size::Bytes;
use crate::model::wanted::Wanted;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// What is found.
pub(super) struct Found {
    pub(super) problems: Vec<Problem>,
    pub(super) instances: BTreeMap<InstanceName, FleetInstance>,
}

/// The settings and the sound plans, with something in place of plans that have faults: they are there, and none is full. Where
/// the names of the plans are not sure, every plan that an instance names may be one of them.
pub(super) fn ground(
    settings: Arc<Settings>,
    sound: Option<&PlansInFile>,
    names: Option<BTreeSet<PlanName>>,
    entries: &[Entry],
    fleet_dir: &Path,
) -> Ground {
    let max_instances = settings.fleet.max_instances_per_plan;
    let mut plans = sound.map(|sound| plans::complete(sound, max_instances, fleet_dir)).unwrap_or_default();
    let named = || entries.iter().filter_map(|entry| Some(entry.said()?.plan.as_ref()?.value.clone())).collect();
    for name in names.unwrap_or_else(named) {
        plans.entry(name.clone()).or_insert_with(|| stand_in(name));
    }
    Ground { settings, plans, fleet_dir: fleet_dir.to_owned() }
}

fn stand_in(name: PlanName) -> ServicePlan {
    ServicePlan {
        title: name.to_string(),
        name,
        modules: BTreeSet::new(),
        limits: Limits { cpu_millis: 1_000, memory: Bytes(1 << 30), disk: Bytes(1 << 30), workers: 0 },
        max_instances: u32::MAX,
        backup: BackupPolicy { schedule: String::new(), keep: Keep { daily: 0, weekly: 0, monthly: 0 } },
        conf: OdooOptions::default(),
    }
}

/// What the host and the other files have against each file, besides its own faults.
pub(super) fn judged(ground: &Ground, entries: &[Entry]) -> Found {
    let resolve_entry = |entry: &Entry| entry.said().map(|said| resolve(entry.file(), said, ground));
    let resolved: Vec<Option<Result<Wanted, Vec<Problem>>>> = entries.iter().map(resolve_entry).collect();
    let mut problems: Vec<Problem> =
        resolved.iter().flatten().filter_map(|resolved| resolved.as_ref().err()).flatten().cloned().collect();
    let claimants: Vec<Claimant<'_>> = entries
        .iter()
        .zip(&resolved)
        .map(|(entry, resolved)| {
            let asked = resolved.as_ref().and_then(|resolved| resolved.as_ref().ok()).filter(|_| entry.is_sound());
            Claimant {
                name: &entry.name,
                file: entry.file(),
                has_file: true,
                modified_ns: entry.modified_ns(),
                asked: asked.zip(entry.said()),
                good: entry.good.as_deref(),
                retired: None,
            }
        })
        .collect();
    problems.extend(judge(&claimants, &ground.plans).refused.into_values().flatten());
    let shown = entries.iter().zip(resolved).map(|(entry, resolved)| {
        let wanted = resolved.and_then(Result::ok).map(Arc::new);
        (entry.name.clone(), FleetInstance { wanted, valid: false, ..entry.shown() })
    });
    Found { problems, instances: shown.collect() }
}
