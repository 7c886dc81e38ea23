//! A property: any world converges to any wish.

use super::converge;
use crate::world::{World, facts, module, wanted};
use innkeeper::diff::changes;
use innkeeper::diff::facts::Facts;
use innkeeper::model::name::Domain;
use innkeeper::model::wanted::WantedState;
use proptest::prelude::*;

/// One thing that somebody does to the world behind our back.
fn damage(facts: &mut Facts, which: u8) {
    let Some(victim) = facts.instances.keys().next().cloned() else { return };
    let resources = innkeeper::model::name::Resources::of(&victim);
    match which % 9 {
        0 => drop(facts.engine().services.remove(&resources.container)),
        1 => drop(facts.engine().configs.remove(&victim)),
        2 => facts.engine().services.values_mut().for_each(|service| service.running = !service.running),
        3 => facts.engine().services.values_mut().for_each(|service| service.memory_bytes = 1),
        4 => facts.database().roles.values_mut().for_each(|role| role.connection_limit = -1),
        5 => drop(facts.database().roles.remove(&resources.database)),
        6 => drop(facts.proxy().sites.remove(&victim)),
        7 => facts.authority().certificates.clear(),
        _ => facts.database().databases.values_mut().for_each(|database| {
            database.others_may_connect.insert("PUBLIC".to_owned());
        }),
    }
}

/// One edit of a file.
fn edit(facts: &mut Facts, which: u8) {
    let names: Vec<String> = facts.instances.keys().map(ToString::to_string).collect();
    let Some(name) = names.get(usize::from(which) % names.len()) else { return };
    let wanted = facts.wanted(name);
    match which % 5 {
        0 => wanted.state = WantedState::Stopped,
        1 => wanted.limits.workers = u32::from(which % 3),
        2 => drop(wanted.modules.insert(module("website"))),
        3 => drop(wanted.domains.insert(Domain::parse(&format!("erp.{name}.org")).unwrap())),
        _ => wanted.company.name = format!("Company {which}"),
    }
    facts.instance(name).generation += 1;
}

proptest! {
    /// Any world converges to any wish, and then nothing is left to do; the same facts give the same changes.
    #[test]
    fn any_world_converges_to_any_wish(count in 1_usize..4, edits in prop::collection::vec(any::<(bool, u8)>(), 0..12)) {
        let mut facts = facts((0..count).map(|number| wanted(&format!("customer-{number}"))));
        for (is_damage, which) in edits {
            if is_damage { damage(&mut facts, which) } else { edit(&mut facts, which) }
            if which % 2 == 0 { converge(&mut facts) }
            prop_assert_eq!(changes(&facts), changes(&facts));
        }
        converge(&mut facts);
        prop_assert!(changes(&facts).is_settled());
        prop_assert!(changes(&facts).instances.values().all(|changes| changes.is_empty()), "{:#?}", changes(&facts));
    }
}
