//! Facts → Changes: every decision. No I/O, no async, no clock, no chance.
//!
//! The same facts give the same changes, and a world to which the changes were applied gives none. The order of the day
//! stands in [`changes_of`]; each noun's file holds the decisions over that noun alone.

mod case;
mod check;
pub mod conditions;
mod database;
pub mod facts;
mod guard;
mod health;
mod odoo;
mod service;
mod site;

pub use database::{PASSWORD_GENERATION, connections};

use crate::model::changes::{Changes, HoldReason, InstanceChanges};
use crate::model::name::InstanceName;
use crate::model::wanted::WantedState;
use case::{Case, Draft, Index};
use facts::{Facts, FileState, HostFacts, InstanceFacts};

/// Decides over the whole fleet and what belongs to no single instance.
pub fn changes(facts: &Facts) -> Changes {
    let index = Index::of(facts);
    let instances = facts
        .instances
        .keys()
        .map(|name| (name.clone(), decide(facts, &index, name)))
        .filter(|(_, changes)| !changes.is_empty())
        .collect();
    Changes { host: changes_of_host(facts), instances }
}

/// Decides over what belongs to no single instance: the proxy's templates and files edited by hand.
pub fn changes_of_host(facts: &Facts) -> InstanceChanges {
    let mut draft = Draft::default();
    site::host(facts, &mut draft);
    let HostFacts { failures, repairs } = &facts.host;
    // No file stands for the host, so its failures have no version.
    let past = guard::Past { failures, repairs, generation: 0, now: facts.now, retry: "innkeeper apply".to_owned() };
    guard::failures(&past, &mut draft);
    guard::fights(&past, &mut draft);
    draft.finish()
}

/// Decides over one instance.
pub fn changes_of(facts: &Facts, name: &InstanceName) -> InstanceChanges {
    decide(facts, &Index::of(facts), name)
}

/// The order of the day.
fn decide<'a>(facts: &'a Facts, index: &'a Index<'a>, name: &InstanceName) -> InstanceChanges {
    let Some((name, instance)) = facts.instances.get_key_value(name) else { return InstanceChanges::default() };
    let mut draft = Draft::of(name);
    file_holds(instance, &mut draft);
    let Some(wanted) = instance.wanted.as_deref().filter(|_| instance.file != FileState::Missing) else {
        return draft.finish();
    };
    if wanted.state == WantedState::Absent {
        draft.hold(
            HoldReason::RemovalHeld,
            "state = \"absent\": removing instances is not part of this version, so it is left exactly as it is; \
             write \"stopped\" to take it out of service",
        );
        return draft.finish();
    }
    let case = Case::new(facts, Some(index), name, instance, wanted);
    case.say_unseen(&mut draft);

    database::role(&case, &mut draft);
    database::database(&case, &mut draft);
    service::network(&case, &mut draft);
    service::volume(&case, &mut draft);
    odoo::conf(&case, &mut draft);
    odoo::modules(&case, &mut draft);
    odoo::set_up(&case, &mut draft);
    odoo::ended_jobs(&case, &mut draft);
    database::provisioned(&case, &mut draft);
    site::row(&case, &mut draft);
    service::container(&case, &mut draft);
    site::certificates(&case, &mut draft);

    check::refuse_collisions(&case, &mut draft);
    guard::disk(&case, &mut draft);
    let past = guard::Past {
        failures: &instance.failures,
        repairs: &instance.repairs,
        generation: instance.generation,
        now: facts.now,
        retry: format!("innkeeper retry {name}"),
    };
    guard::failures(&past, &mut draft);
    guard::fights(&past, &mut draft);
    if wanted.suspended {
        guard::suspended(&mut draft);
    }
    health::proven(&case, &mut draft);
    draft.finish()
}

fn file_holds(instance: &InstanceFacts, draft: &mut Draft) {
    match &instance.file {
        FileState::Valid => {}
        FileState::Invalid(problems) => {
            let in_force = match instance.wanted {
                Some(_) => "the last good version stays in force",
                None => "there is no good version of it yet",
            };
            draft.hold(HoldReason::InvalidFile, format!("{in_force}: {}", problems.join("; ")));
        }
        FileState::Missing => draft.hold(
            HoldReason::Orphaned,
            "its file is gone; it runs on as it is: put the file back, or write state = \"absent\" to retire it",
        ),
    }
}
