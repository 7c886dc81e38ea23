//! `plans`: what can be sold, and how much of it is left.

use super::context::Context;
use super::failure::{Exit, Failure};
use super::fleet;
use super::render::documents::{PlanEntry, PlansDocument};
use super::render::service_plans;
use crate::model::name::PlanName;
use crate::spec::Fleet;

pub(crate) fn run(cx: &Context) -> Result<Exit, Failure> {
    let fleet = fleet::read(cx)?;
    let plans = entries(&fleet);
    match cx.json {
        true => cx.document(&PlansDocument::new(plans))?,
        false => cx.say(&service_plans::render(&plans, cx.columns()))?,
    }
    Ok(Exit::Done)
}

/// All plans with their free places. An instance takes its place as long as its file names the plan.
pub(crate) fn entries(fleet: &Fleet) -> Vec<PlanEntry> {
    let used = |name: &PlanName| {
        let on_it = fleet
            .instances
            .values()
            .filter_map(|instance| instance.wanted.as_ref())
            .filter(|wanted| wanted.plan == *name);
        u32::try_from(on_it.count()).unwrap_or(u32::MAX)
    };
    fleet.plans.values().map(|plan| PlanEntry::new(plan, used(&plan.name))).collect()
}
