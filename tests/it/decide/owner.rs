//! Whose things are: what is foreign stays, and data that are gone are never made anew.

use super::{check, holds, kinds, ready};
use crate::world::{World, facts, name, uid, wanted};
use expect_test::expect;
use innkeeper::diff::facts::Facts;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::live::{OdooLive, Seen};
use innkeeper::model::name::Domain;
use innkeeper::model::service::{Component, Owner, Tag};
use innkeeper::model::wanted::WantedState;

fn foreign() -> Owner {
    Owner::Foreign("no Innkeeper label".to_owned())
}

#[test]
fn a_lost_database_is_never_made_anew() {
    let mut by_mark = ready();
    by_mark.instance("acme").provisioned = true;
    by_mark.database().databases.clear();
    by_mark.database().inside.clear();
    check(
        &by_mark,
        &expect![[r#"
        hold DataMissing: database odoo_acme is gone although it was set up before; it is not made anew: restore it from a backup
    "#]],
    );

    // Somebody made it by hand, to restore a dump into it.
    let mut made_by_hand = ready();
    made_by_hand.instance("acme").provisioned = true;
    made_by_hand.database().databases.get_mut("odoo_acme").unwrap().provisioned = false;
    made_by_hand.database().inside.insert("odoo_acme".to_owned(), Seen::Known(OdooLive::default()));
    check(
        &made_by_hand,
        &expect![[r#"
        hold DataMissing: database odoo_acme holds no Odoo although it was set up before; it is not made anew: restore it from a backup
    "#]],
    );

    let mut by_volume = ready();
    by_volume.engine().services.clear();
    by_volume.database().databases.clear();
    by_volume.database().inside.clear();
    assert!(holds(&by_volume).contains(&HoldReason::DataMissing), "the journal was lost too");
    assert!(!kinds(&by_volume).contains(&"create-database"));

    let mut volume_lost = ready();
    volume_lost.engine().volumes.clear();
    volume_lost.engine().services.clear();
    assert!(holds(&volume_lost).contains(&HoldReason::DataMissing));
    assert!(!kinds(&volume_lost).iter().any(|kind| ["create-volume", "create-container"].contains(kind)));

    // Neither the journal nor the database says so yet: the set-up ended a moment ago.
    let mut lost_before_the_mark = volume_lost.clone();
    lost_before_the_mark.instance("acme").provisioned = false;
    lost_before_the_mark.database().databases.get_mut("odoo_acme").unwrap().provisioned = false;
    assert!(holds(&lost_before_the_mark).contains(&HoldReason::DataMissing));
    assert!(!kinds(&lost_before_the_mark).iter().any(|kind| ["create-volume", "create-container"].contains(kind)));
    let unseen = Seen::Unseen("could not connect".to_owned());
    lost_before_the_mark.database().inside.insert("odoo_acme".to_owned(), unseen);
    assert!(!kinds(&lost_before_the_mark).contains(&"create-volume"), "what is inside was not seen");
}

#[test]
fn a_foreign_object_on_a_needed_name_is_a_conflict_and_stays() {
    let damage: [fn(&mut Facts); 5] = [
        |facts| drop(facts.engine().volumes.insert("ik-acme-data".to_owned(), foreign())),
        |facts| facts.engine().services.get_mut("ik-acme").unwrap().owner = foreign(),
        |facts| facts.database().roles.get_mut("odoo_acme").unwrap().owner = foreign(),
        |facts| facts.database().databases.get_mut("odoo_acme").unwrap().owner = foreign(),
        |facts| {
            facts.proxy().foreign_hosts.insert(Domain::parse("acme.example.com").unwrap());
        },
    ];
    for (nth, damage) in damage.into_iter().enumerate() {
        let mut facts = ready();
        damage(&mut facts);
        assert_eq!(holds(&facts), [HoldReason::Conflict], "case {nth}");
        assert_eq!(kinds(&facts), Vec::<&str>::new(), "case {nth}");
    }
}

#[test]
fn nothing_that_is_wrong_with_data_keeps_a_container_of_our_own_from_being_stopped() {
    let damage: [fn(&mut Facts); 3] = [
        |facts| facts.database().databases.get_mut("odoo_acme").unwrap().owner = foreign(),
        |facts| facts.database().roles.get_mut("odoo_acme").unwrap().owner = foreign(),
        |facts| {
            facts.instance("acme").provisioned = true;
            facts.database().databases.clear();
            facts.database().inside.clear();
        },
    ];
    for (nth, damage) in damage.into_iter().enumerate() {
        let mut facts = ready();
        facts.wanted("acme").state = WantedState::Stopped;
        damage(&mut facts);
        assert_eq!(kinds(&facts), ["put-site", "stop-container"], "case {nth}");
        facts.engine().services.get_mut("ik-acme").unwrap().owner = foreign();
        assert_eq!(kinds(&facts), ["put-site"], "case {nth}: one that is not ours runs on");
    }
}

#[test]
fn an_object_of_an_earlier_instance_of_the_same_name_is_a_conflict() {
    let mut facts = facts([wanted("acme")]);
    let tag = Tag { instance: name("acme"), uid: uid(77), component: Component::Volume, digest: String::new() };
    facts.engine().volumes.insert("ik-acme-data".to_owned(), Owner::Ours(tag));
    assert!(holds(&facts).contains(&HoldReason::Conflict));
}
