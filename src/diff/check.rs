//! A second opinion on what was decided: no two instances share a database, a volume, a host or a port.
//!
//! The rules above make such a decision impossible; this file does not trust them.

use super::case::{Case, Draft};
use crate::model::changes::HoldReason;
use crate::model::step::Action;

/// Takes back steps that would let this instance share something with another, and says with which.
pub(super) fn refuse_collisions(case: &Case<'_>, draft: &mut Draft) {
    let mut found: Vec<String> = Vec::new();
    draft.changes_mut().remove_with_dependents(|step| {
        let collision = collision(case, &step.action);
        let refused = collision.is_some();
        found.extend(collision);
        refused
    });
    for message in found {
        draft.hold(HoldReason::Conflict, message);
    }
}

fn collision(case: &Case<'_>, action: &Action) -> Option<String> {
    let owners = case.index?.owners();
    let (thing, owner) = match action {
        Action::CreateDatabase(spec) => {
            (format!("database {}", spec.database), owners.of_databases.get(&spec.database))
        }
        Action::CreateService { spec, .. } | Action::RecreateService { spec, .. } => {
            let ports = [spec.ports.http, spec.ports.gevent()];
            let other = ports.iter().filter_map(|port| owners.of_ports.get(port)).find(|owner| **owner != case.name);
            (format!("port {}", spec.ports.http), other)
        }
        Action::PutSite(row) => {
            let taken = row.hosts.keys().filter_map(|host| owners.of_hosts.get_key_value(host));
            let (host, owner) = taken.into_iter().find(|(_, owner)| **owner != case.name)?;
            (format!("host {host}"), Some(owner))
        }
        _ => return None,
    };
    let other = owner.filter(|owner| **owner != case.name)?;
    Some(format!("{thing} would be shared with instance {other}: refused"))
}
