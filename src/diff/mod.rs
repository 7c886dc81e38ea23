//! Facts → Changes: every decision. No I/O, no async, no clock, no chance.
//!
//! The same facts give the same changes, and a world to which the changes were applied gives none. The order of the day
//! stands in [`changes_of`]; each noun's file holds the decisions over that noun alone.

mod backup;
mod case;
mod check;
pub mod conditions;
mod database;
mod ending;
pub mod facts;
mod guard;
mod odoo;
mod proof;
pub mod roll_out;
mod service;
mod serving;
mod site;
mod waits;
mod work;

pub use database::connections;
pub use serving::DOWN_S;

use crate::model::changes::{Changes, HoldReason, InstanceChanges};
use crate::model::name::InstanceName;
use crate::model::problem::first_of;
use case::{Case, Draft, Index};
use ending::Course;
use facts::{Facts, FileState, HostFacts, InstanceFacts};

/// Decides over the whole fleet and what belongs to no single instance.
pub fn changes(facts: &Facts) -> Changes {
    changes_of_some(facts, |_| true)
}

/// Decides over the `chosen` instances and what belongs to no single one: together, so that no two that are new get the
/// same ports, and the fleet is counted once.
pub fn changes_of_some(facts: &Facts, chosen: impl Fn(&InstanceName) -> bool) -> Changes {
    let index = Index::of(facts);
    let instances = facts
        .instances
        .keys()
        .filter(|name| chosen(name))
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
    let past = waits::Past { failures, repairs, generation: 0, now: facts.now, retry: "innkeeper apply".to_owned() };
    waits::failures(&past, &mut draft);
    waits::fights(&past, &mut draft);
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
    if let FileState::Invalid(problems) = &instance.file {
        invalid_file(name, instance, problems, &mut draft);
    }
    let Some(wanted) = instance.wanted.as_deref() else {
        match instance.file {
            FileState::Missing if facts.is_file_gone(instance) => draft.hold(HoldReason::Orphaned, ending::ORPHANED),
            FileState::Missing => draft.hold(HoldReason::Guard, ending::UNLISTED),
            FileState::Valid | FileState::Invalid(_) => {}
        }
        return draft.finish();
    };
    let case = Case::new(facts, Some(index), name, instance, wanted);
    match Course::of(facts, instance, wanted) {
        Course::Live => live(&case, &mut draft),
        Course::Held(reason, message) => draft.hold(reason, message),
        Course::End(why) => end(&case, &why, &mut draft),
    }
    draft.finish()
}

/// The day of an instance that is wanted.
fn live(case: &Case<'_>, draft: &mut Draft) {
    case.say_unseen(draft);
    if ending::comes_too_late(case, draft) {
        return waits::suspended(case, draft);
    }
    ending::come_back(case, draft);
    database::role(case, draft);
    database::database(case, draft);
    database::extensions(case, draft);
    service::network(case, draft);
    service::volume(case, draft);
    service::release(case, draft);
    odoo::conf(case, draft);
    odoo::modules(case, draft);
    odoo::set_up(case, draft);
    odoo::ended_jobs(case, draft);
    database::provisioned(case, draft);
    site::row(case, draft);
    service::container(case, draft);
    site::certificates(case, draft);

    check::refuse_collisions(case, draft);
    work::wait(case, draft);
    waits::guard(case, draft);
    waits::disk(case, draft);
    waits::failures(&past(case), draft);
    waits::fights(&past(case), draft);
    roll_out::wait(case, draft);
    waits::suspended(case, draft);
    proof::proven(case, draft);
}

/// The day of an instance whose end is wanted: out of service, backed up, kept, deleted.
fn end(case: &Case<'_>, why: &str, draft: &mut Draft) {
    case.say_unseen(draft);
    if let Some(why) = case.facts.live.archive.why() {
        // Whoever lives needs none.
        draft.hold(HoldReason::Unseen, why);
    }
    ending::retire(case, why, draft);
    backup::lost_data(case, draft);
    ending::purge(case, draft);

    work::wait(case, draft);
    waits::unlisted(case, draft);
    waits::guard(case, draft);
    waits::room(case, draft);
    waits::failures(&past(case), draft);
    waits::fights(&past(case), draft);
    waits::suspended(case, draft);
    check::refuse_destruction(case, draft);
}

/// What was done or tried before for the instance.
fn past<'a>(case: &Case<'a>) -> waits::Past<'a> {
    waits::Past {
        failures: &case.instance.failures,
        repairs: &case.instance.repairs,
        generation: case.instance.generation,
        now: case.facts.now,
        retry: format!("innkeeper retry {}", case.name),
    }
}

fn invalid_file(name: &InstanceName, instance: &InstanceFacts, problems: &[String], draft: &mut Draft) {
    let in_force = match instance.wanted {
        Some(_) => "the last good version stays in force",
        None => "there is no good version of it yet",
    };
    draft.hold(
        HoldReason::InvalidFile,
        format!("{in_force}: {}", first_of(problems, &format!("innkeeper check {name}"))),
    );
}
