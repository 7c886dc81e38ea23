//! `plans.toml` → [`PlanInFile`]s: what was written. The settings' default for `max_instances` is put in afterwards.

use super::codes;
use super::conf::{self, ConfInFile};
use super::fields::{CONF_TABLE, PLANS};
use super::problem::{Faults, Faulty, Refusal, WHOLE_FILE, quote};
use super::tree::{Cursor, parse};
use super::values;
use crate::model::name::{ModuleName, PlanName};
use crate::model::service_plan::{BackupPolicy, Keep, Limits, ServicePlan};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Spanned;
use toml::de::DeValue;

/// One table of `plans.toml`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PlanInFile {
    title: String,
    modules: BTreeSet<ModuleName>,
    limits: Limits,
    max_instances: Option<u32>,
    backup: BackupPolicy,
    conf: ConfInFile,
}

impl PlanInFile {
    /// The plan, with the settings' number of instances where the file gives none.
    pub(super) fn complete(&self, name: &PlanName, max_instances: u32, fleet_dir: &Path) -> ServicePlan {
        ServicePlan {
            name: name.clone(),
            title: self.title.clone(),
            modules: self.modules.clone(),
            limits: self.limits.clone(),
            max_instances: self.max_instances.unwrap_or(max_instances),
            backup: self.backup.clone(),
            conf: self.conf.complete(fleet_dir),
        }
    }
}

/// All of them by name.
pub(super) type PlansInFile = BTreeMap<PlanName, PlanInFile>;

/// Reads the text of `plans.toml`; on failure all of its problems, and those plans that are sound.
pub(super) fn read(file: &Path, text: &str) -> Result<PlansInFile, Faulty<PlansInFile>> {
    let (tree, mut faults) = parse(file, text);
    let mut plans = BTreeMap::new();
    for (key, node) in tree.get_ref().iter() {
        if let Some((name, plan)) = read_table(key.get_ref(), key.span().start, node, &mut faults) {
            plans.insert(name, plan);
        }
    }
    if tree.get_ref().is_empty() && faults.is_empty() {
        let refusal = Refusal::new(&codes::NO_PLANS, "the file holds no plan");
        faults.add(WHOLE_FILE, refusal.hint("add at least one table, such as [starter]"));
    }
    faults.judge(Some(plans))
}

fn read_table(
    key: &str,
    offset: usize,
    node: &Spanned<DeValue<'_>>,
    faults: &mut Faults<'_>,
) -> Option<(PlanName, PlanInFile)> {
    let at = faults.place(offset);
    let name = values::name(key).map_err(|refusal| faults.add(at, refusal)).ok();
    let DeValue::Table(table) = node.get_ref() else {
        let message = format!("{} stands outside of any plan", quote(key));
        faults.add(
            at,
            Refusal::new(&codes::WRONG_TYPE, message).hint("write it below the plan's line, such as [starter]"),
        );
        return None;
    };
    let title_default = key.to_owned();
    name.zip(read_plan(&title_default, &Cursor::top(&PLANS, table, at, faults), faults))
}

fn read_plan(title_default: &str, top: &Cursor<'_>, f: &mut Faults<'_>) -> Option<PlanInFile> {
    let title = top.text("title", f, values::free_text);
    let modules = top.list("modules", f, values::name);
    let limits = (top.cores("cpus", f), top.size("memory", f), top.size("disk", f), top.integer("workers", f));
    let max_instances = top.integer("max_instances", f);
    let backup = top.child("backup", f);
    let schedule = backup.text("schedule", f, values::schedule);
    let keep = backup.child("backup.keep", f);
    let keep = (keep.integer("daily", f), keep.integer("weekly", f), keep.integer("monthly", f));
    let conf = conf::read(&top.child(CONF_TABLE, f), f);
    Some(PlanInFile {
        title: title.map_or_else(|| title_default.to_owned(), |placed| placed.value),
        modules: modules?.into_iter().map(|placed| placed.value).collect(),
        limits: Limits { cpu_millis: limits.0?, memory: limits.1?, disk: limits.2?, workers: limits.3? },
        max_instances,
        backup: BackupPolicy {
            schedule: schedule?.value,
            keep: Keep { daily: keep.0?, weekly: keep.1?, monthly: keep.2? },
        },
        conf,
    })
}

/// The names of all plans in the text, sound or not; none where a line is broken that may be the name of one.
pub(super) fn names_in(file: &Path, text: &str) -> Option<BTreeSet<PlanName>> {
    let (tree, faults) = parse(file, text);
    let tables = tree.get_ref().iter().filter(|(_, node)| matches!(node.get_ref(), DeValue::Table(_)));
    faults.syntax_is_sound().then(|| tables.filter_map(|(key, _)| PlanName::parse(key.get_ref()).ok()).collect())
}

/// The plans with the settings' default put in.
pub(super) fn complete(plans: &PlansInFile, max_instances: u32, fleet_dir: &Path) -> BTreeMap<PlanName, ServicePlan> {
    plans.iter().map(|(name, plan)| (name.clone(), plan.complete(name, max_instances, fleet_dir))).collect()
}
