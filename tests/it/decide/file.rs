//! How a file stands, and what follows from that.

use super::{check, converge, holds, kinds, ready};
use crate::world::{World, facts, name, wanted};
use expect_test::expect;
use innkeeper::diff::facts::{Facts, FileState};
use innkeeper::diff::{changes, changes_of, conditions};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::settings::OnMissingFile;
use innkeeper::model::status::{ConditionStatus, ConditionType, InstanceStatus, State};
use innkeeper::model::wanted::WantedState;

#[test]
fn vanished_and_invalid_files_change_nothing() {
    let mut vanished = ready();
    vanished.instance("acme").file = FileState::Missing;
    check(
        &vanished,
        &expect![[r#"
        hold Orphaned: its file is gone; it runs on as it is: put the file back, or write state = "absent" to retire it
    "#]],
    );
    let mut invalid = facts([wanted("acme")]);
    invalid.instance("acme").file = FileState::Invalid(vec!["acme.toml:1:1: empty".to_owned()]);
    invalid.instance("acme").wanted = None;
    check(
        &invalid,
        &expect![[r#"
        hold InvalidFile: there is no good version of it yet: acme.toml:1:1: empty
    "#]],
    );
}

#[test]
fn the_last_good_version_of_an_invalid_file_stays_in_force() {
    let mut facts = ready();
    facts.instance("acme").file = FileState::Invalid(vec!["acme.toml:1:1: empty".to_owned()]);
    facts.engine().services.get_mut("ik-acme").unwrap().running = false;
    assert_eq!((kinds(&facts), holds(&facts)), (vec!["start-container"], vec![HoldReason::InvalidFile]));
}

/// `acme` and `beta` with their files missing from a list, in every way in which facts could say so.
fn missing() -> Vec<(String, Facts)> {
    let mut all = Vec::new();
    for on_missing_file in [OnMissingFile::Hold, OnMissingFile::Retire] {
        for (vanished, permitted) in [(false, false), (true, false), (true, true)] {
            let mut facts = facts([wanted("acme"), wanted("beta"), wanted("gamma")]);
            converge(&mut facts);
            std::sync::Arc::make_mut(&mut facts.settings).fleet.on_missing_file = on_missing_file;
            let instance = facts.instance("acme");
            (instance.file, instance.ending.vanished, instance.provisioned) = (FileState::Missing, vanished, true);
            if permitted {
                facts.guard.permitted.insert(name("acme"));
            }
            all.push((format!("{on_missing_file:?}, vanished {vanished}, permitted {permitted}"), facts));
        }
    }
    all
}

#[test]
fn a_file_that_is_missing_from_an_incomplete_list_is_not_gone() {
    let condition = |status: &InstanceStatus, kind| status.conditions.iter().find(|it| it.kind == kind).unwrap().status;
    let mut orphaned = 0;
    for (which, mut facts) in missing() {
        let status =
            |facts: &Facts| conditions::status(facts, &name("acme"), &changes_of(facts, &name("acme")), None).unwrap();
        orphaned += usize::from(status(&facts).state == State::Orphaned);
        facts.guard.files_unlisted = true;
        assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::Guard]), "{which}");
        let status = status(&facts);
        assert_eq!(status.state, State::Held, "{which}");
        for kind in [ConditionType::Orphaned, ConditionType::SpecValid] {
            assert_eq!(condition(&status, kind), ConditionStatus::Unknown, "{which}: {kind:?}");
        }
        assert_eq!(condition(&status, ConditionType::RetirePending), ConditionStatus::False, "{which}");
        let others = changes(&facts).instances.into_keys().filter(|other| *other != name("acme")).count();
        assert_eq!(others, 0, "{which}: whoever's file was read is as before");
    }
    assert_eq!(orphaned, 4, "the same facts with a complete list");
}

#[test]
fn what_was_retired_goes_no_further_while_files_cannot_be_listed() {
    let mut facts = ready();
    facts.wanted("acme").state = WantedState::Absent;
    converge(&mut facts);
    facts.instance("acme").file = FileState::Missing;
    facts.guard.files_unlisted = true;
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![]), "nothing is to be done, so nothing is held");
    let now = facts.now;
    let service = facts.engine().services.get_mut("ik-acme").unwrap();
    (service.running, service.started_at) = (true, Some(now));
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::Guard]), "somebody may want it again");
    facts.guard.files_unlisted = false;
    assert!(kinds(&facts).contains(&"stop-container"));
}

#[test]
fn an_instance_without_a_good_version_is_no_orphan_of_an_incomplete_list() {
    let mut facts = facts([wanted("acme")]);
    (facts.instance("acme").wanted, facts.instance("acme").file) = (None, FileState::Missing);
    assert_eq!(holds(&facts), [HoldReason::Orphaned]);
    facts.guard.files_unlisted = true;
    assert_eq!(holds(&facts), [HoldReason::Guard]);
}
