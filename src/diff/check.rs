//! A second opinion on what was decided: no two instances share a database, a volume, a host or a port.
//!
//! The rules above make such a decision impossible; this file does not trust them.

use super::case::{Case, Draft};
use crate::model::changes::HoldReason;
use crate::model::name::{InstanceName, Resources};
use crate::model::step::Action;

/// Takes back steps that would let this instance share something with another, and says with which.
pub(super) fn refuse_collisions(case: &Case<'_>, draft: &mut Draft) {
    let mut found: Vec<String> = Vec::new();
    let instances = &case.facts.instances;
    draft.changes_mut().remove_with_dependents(|step| {
        let collision =
            instances.keys().filter(|other| *other != case.name).find_map(|other| collision(case, &step.action, other));
        let refused = collision.is_some();
        found.extend(collision);
        refused
    });
    for message in found {
        draft.hold(HoldReason::Conflict, message);
    }
}

fn collision(case: &Case<'_>, action: &Action, other: &InstanceName) -> Option<String> {
    let shared = match action {
        Action::CreateDatabase(spec) => {
            (spec.database == Resources::of(other).database).then(|| format!("database {}", spec.database))
        }
        Action::CreateVolume { volume, .. } => {
            (*volume == Resources::of(other).volume).then(|| format!("volume {volume}"))
        }
        Action::CreateService { spec, .. } | Action::RecreateService { spec, .. } => {
            let ports = case.facts.instances.get(other).and_then(|facts| facts.ports)?;
            let overlap =
                [ports.http, ports.gevent()].iter().any(|port| [spec.ports.http, spec.ports.gevent()].contains(port));
            overlap.then(|| format!("port {}", spec.ports.http))
        }
        Action::PutSite(row) => {
            let site = case.proxy?.sites.get(other)?;
            row.hosts.keys().find(|host| site.row.hosts.contains_key(*host)).map(|host| format!("host {host}"))
        }
        _ => None,
    };
    shared.map(|thing| format!("{thing} would be shared with instance {other}: refused"))
}
