//! An instance that is wanted again after its purge began: before its data were reached, after, and when a person restored them.

use super::{acme, converge, destroys, due, holds, kinds, retired, status};
use crate::world::{World, carry_out, name};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::errand::{Errand, ErrandKind};
use innkeeper::model::live::Seen;
use innkeeper::model::status::State;
use innkeeper::model::tombstone::Tombstone;
use innkeeper::model::wanted::WantedState;

#[test]
fn wanted_again_before_data_were_reached_it_comes_back_whole() {
    let mut facts = due();
    for step in acme(&facts).steps.into_iter().take_while(|step| step.action.kind().as_str() != "drop-database") {
        carry_out(&mut facts, &step);
        let mut back = facts.clone();
        back.wanted("acme").state = WantedState::Running;
        assert!(!destroys(&acme(&back)), "after {}", step.id);
        converge(&mut back);
        assert!(back.instance("acme").ending.tombstone.is_none(), "after {}", step.id);
        assert_eq!(status(&back).state, State::Updating, "all but asked whether it serves, after {}", step.id);
    }
}

#[test]
fn wanted_again_after_data_were_reached_what_is_left_is_kept_and_what_is_gone_frees_the_name() {
    let mut facts = due();
    let steps = acme(&facts).steps;
    let (last, reached) =
        (steps.len() - 1, steps.iter().position(|it| it.action.kind().as_str() == "drop-database").unwrap());
    for (done, step) in steps.iter().enumerate() {
        carry_out(&mut facts, step);
        if done < reached {
            continue;
        }
        facts.wanted("acme").state = WantedState::Running;
        let decided = acme(&facts);
        if done < last {
            assert!(decided.steps.is_empty(), "after {}: {:?}", step.id, decided.steps);
            let hold = decided.holds.iter().find(|hold| hold.reason == HoldReason::DataMissing).expect("it is held");
            assert!(hold.message.contains("acme-20260301T120000Z-00000000"), "its backup is told: {}", hold.message);
        } else {
            assert_eq!(kinds(&decided), ["end-purge"], "nothing is left: {:?}", decided.holds);
        }
        facts.wanted("acme").state = WantedState::Absent;
    }
}

#[test]
fn what_cannot_be_seen_after_a_purge_began_is_not_told_to_be_missing() {
    let mut facts = due();
    acme(&facts).steps.iter().take(4).for_each(|step| carry_out(&mut facts, step));
    facts.wanted("acme").state = WantedState::Running;
    assert!(holds(&acme(&facts)).contains(&HoldReason::DataMissing));
    facts.live.engine = Seen::Unseen("Docker is unreachable".to_owned());
    assert_eq!(holds(&acme(&facts)), [HoldReason::Unseen]);
}

#[test]
fn a_tombstone_of_a_version_that_did_not_note_a_deletion_may_stand_for_one() {
    let mut json = serde_json::to_value(retired().instance("acme").ending.tombstone.as_ref().unwrap()).unwrap();
    assert_eq!(json.as_object_mut().unwrap().remove("deleting"), Some(false.into()));
    assert!(serde_json::from_value::<Tombstone>(json).unwrap().deleting);
}

#[test]
fn data_that_a_person_brought_back_after_a_purge_are_served_when_that_person_says_so() {
    let mut facts = due();
    let whole = facts.clone();
    acme(&facts).steps.iter().for_each(|step| carry_out(&mut facts, step));
    facts.wanted("acme").state = WantedState::Running;
    (*facts.database(), *facts.engine()) = (whole.clone().database().clone(), whole.clone().engine().clone());
    let held = acme(&facts);
    assert!(held.steps.is_empty() && held.holds[0].message.contains("`innkeeper restart acme`"), "{held:?}");
    let errand = Errand { id: 1, instance: name("acme"), kind: ErrandKind::Restart, by: "root".to_owned() };
    facts.instance("acme").errands.push(errand);
    assert_eq!(kinds(&acme(&facts))[0], "close-tombstone");
}
