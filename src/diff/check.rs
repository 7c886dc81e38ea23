//! A second opinion on what was decided: no two instances share a database, a volume, a host or a port; nothing is
//! destroyed without a grace period that is over, a final backup that was read back, and an open guard.
//!
//! The rules of the other files make such a decision impossible; this one does not trust them.

use super::backup;
use super::case::{Case, Draft};
use crate::model::changes::HoldReason;
use crate::model::step::Action;
use crate::model::tombstone::Grace;
use crate::model::wanted::WantedState;

/// Takes back steps that would let this instance share something with another, and says with which.
pub(super) fn refuse_collisions(case: &Case<'_>, draft: &mut Draft) {
    refuse(draft, HoldReason::Conflict, |action| collision(case, action));
    // Nothing of an instance that is wanted is ever destroyed; a site is rows of text.
    refuse(draft, HoldReason::Unsafe, |action| {
        (destroys(action) && !matches!(action, Action::RemoveSite { .. }))
            .then(|| format!("{} was to be destroyed although the instance is wanted", action.resource()))
    });
}

/// Takes back steps that would destroy what must be kept, and says why.
pub(super) fn refuse_destruction(case: &Case<'_>, draft: &mut Draft) {
    refuse(draft, HoldReason::Unsafe, |action| {
        let why = destroys(action).then(|| danger(case)).flatten()?;
        Some(format!("{} is not destroyed: {why}", action.resource()))
    });
}

fn refuse(draft: &mut Draft, reason: HoldReason, fault: impl Fn(&Action) -> Option<String>) {
    let mut found: Vec<String> = Vec::new();
    draft.changes_mut().remove_with_dependents(|step| {
        let fault = fault(&step.action);
        let refused = fault.is_some();
        found.extend(fault);
        refused
    });
    for message in found {
        draft.hold(reason, message);
    }
}

/// True for what cannot be made again from the instance's file.
fn destroys(action: &Action) -> bool {
    matches!(
        action,
        Action::BeginPurge { .. }
            | Action::RemoveSite { .. }
            | Action::RemoveService { .. }
            | Action::DropDatabase(_)
            | Action::DropRole { .. }
            | Action::RemoveVolume { .. }
            | Action::RemoveConf { .. }
    )
}

/// What speaks against it.
fn danger(case: &Case<'_>) -> Option<&'static str> {
    let Some(tombstone) = &case.instance.ending.tombstone else { return Some("it was never retired") };
    let has_file = !case.facts.is_file_gone(case.instance);
    match () {
        () if tombstone.uid != case.instance.uid => Some("its tombstone is another instance's"),
        () if has_file && case.wanted.state != WantedState::Absent => Some("its file asks for it"),
        () if tombstone.grace(case.facts.now, case.facts.guard.steady_s) != Grace::Over => {
            Some("its grace period is not over")
        }
        () if case.index.is_some_and(|index| index.guard().refused(case.name).is_some()) => Some("the guard is closed"),
        () if case.service().is_some_and(|service| service.running) => Some("it runs"),
        // Also what holds no data goes only then: a person who looks for what is left shall find all of it.
        () if backup::lost(case).is_some() => {
            Some("some of its data are gone and in no backup, and nobody accepted that")
        }
        () => backup::unkept(case).or_else(|| final_backup_fault(case).filter(|_| !tombstone.purging)),
    }
}

/// Why its final backup is not enough to begin with; what began with a good one goes on.
fn final_backup_fault(case: &Case<'_>) -> Option<&'static str> {
    let backup = backup::final_backup(case)?;
    let role = case.database.and_then(|database| database.roles.get(&case.resources.database));
    match () {
        () if !backup::is_fresh(case, backup) => {
            Some("its final backup was not read back since its grace period ended")
        }
        () if backup::unconfirmed(case, backup).is_some() => {
            Some("its final backup lacks files, and nobody confirmed that they may go")
        }
        () if role
            .is_some_and(|role| role.login && role.owner.tag().is_some_and(|tag| tag.uid == case.instance.uid)) =>
        {
            Some("somebody may log in and write what its final backup does not have")
        }
        () => None,
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
