//! Decisions over the final backup: read back once more before data go, partial, closed to everybody, and where it would not
//! fit.

use super::{DAY_S, GRACE_OVER_S, acme, check, converge, due, holds, kinds, pass, ready, retired, status};
use crate::world::{World, carry_out, name};
use expect_test::expect;
use innkeeper::diff::changes_of;
use innkeeper::diff::facts::Facts;
use innkeeper::model::backup::{BackupLive, MissingFiles};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::status::{ConditionType, State};
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::WantedState;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The final backups of all.
fn backups(facts: &mut Facts) -> impl Iterator<Item = &mut BackupLive> {
    facts.archive().backups.values_mut().flat_map(|backups| backups.values_mut())
}

#[test]
fn a_backup_is_read_back_once_more_before_data_go() {
    let mut facts = retired();
    pass(&mut facts, GRACE_OVER_S);
    check(
        &acme(&facts),
        &expect![[r#"
            verify-backup [Data] its grace period is over: when its final backup is still sound, its data is deleted after []
                remove-site: - → site of acme
                remove-container: - → container ik-acme
                drop-database: - → database odoo_acme
                drop-role: - → role odoo_acme
                remove-volume: - → volume ik-acme-data
                remove-conf: - → odoo.conf
        "#]],
    );
    let step = acme(&facts).steps.remove(0);
    carry_out(&mut facts, &step);
    assert_eq!(kinds(&acme(&facts))[0], "begin-purge", "one that begins anew at this point does not read it again");
    // A day later it counts no more, and a time that lies ahead never did.
    let read_at = facts.now;
    pass(&mut facts, DAY_S);
    assert_eq!(kinds(&acme(&facts)), ["verify-backup"]);
    facts.now = Timestamp::from_second(read_at.as_second() - 1).unwrap();
    assert_eq!(kinds(&acme(&facts)), ["verify-backup"]);
    // What began with a good one goes on.
    facts.instance("acme").ending.tombstone.as_mut().unwrap().purging = true;
    assert!(kinds(&acme(&facts)).contains(&"drop-database"));
}

#[test]
fn one_that_is_damaged_by_then_is_taken_anew_and_read_back_before_data_go() {
    let mut facts = retired();
    pass(&mut facts, GRACE_OVER_S);
    // Reading it back failed, and it was put aside.
    facts.archive().backups.clear();
    for expected in [vec!["set-role", "back-up", "verify-backup"], vec!["set-role"]] {
        let steps = acme(&facts).steps;
        assert_eq!(steps.iter().map(|step| step.action.kind().as_str()).collect::<Vec<_>>(), expected);
        steps.iter().for_each(|step| carry_out(&mut facts, step));
    }
    assert_eq!(kinds(&acme(&facts))[0], "begin-purge");
}

#[test]
fn a_partial_backup_keeps_the_data_until_a_person_confirms() {
    let mut facts = due();
    let names = (0..7).map(|number| format!("ab/{number}")).collect();
    backups(&mut facts).for_each(|backup| backup.missing = MissingFiles::of(&names));
    let status = status(&facts);
    assert_eq!((status.state, status.last_backup.unwrap().word()), (State::Held, "partial"));
    let healthy = status.conditions.iter().find(|it| it.kind == ConditionType::BackupsHealthy).unwrap();
    assert_eq!(healthy.reason, "Partial");
    check(
        &acme(&facts),
        &expect![[r#"
            hold BackupPartial: its grace period is over, but its final backup acme-20260301T120000Z-00000000 is partial: 7 files that its database names are not in it (ab/0, ab/1, ab/2, ab/3, ab/4, …); its data is kept. Put the files back into volume ik-acme-data, bring it back and retire it anew; or, if they were missing all along: innkeeper apply --max-destroy 1 --confirm acme
        "#]],
    );
    pass(&mut facts, 300 * DAY_S);
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::BackupPartial], 0), "for ever");
    facts.guard.permitted = [name("acme")].into();
    assert_eq!(kinds(&acme(&facts)), ["verify-backup"]);
    let steps = acme(&facts).steps;
    steps.iter().for_each(|step| carry_out(&mut facts, step));
    assert_eq!(kinds(&acme(&facts))[0], "begin-purge");
}

#[test]
fn from_the_final_backup_on_nobody_writes() {
    let mut facts = ready(&["acme", "beta"]);
    facts.database().databases.get_mut("odoo_acme").unwrap().others_may_connect.insert("bi".to_owned());
    facts.wanted("acme").state = WantedState::Absent;
    let steps = acme(&facts).steps;
    let back_up = steps.iter().find(|step| step.action.kind().as_str() == "back-up").unwrap();
    let before: Vec<&str> = back_up.after.iter().map(|id| id.0.split_once('/').unwrap().1).collect();
    assert_eq!(before, ["open-tombstone", "stop-container", "set-privileges", "set-role"]);
    let instance_mark = facts.database().roles["odoo_acme"].password_mark.clone();
    steps.iter().for_each(|step| carry_out(&mut facts, step));
    assert_ne!(facts.database().roles["odoo_acme"].password_mark, instance_mark, "only the backup got in");
    converge(&mut facts);
    assert!(!facts.database().roles["odoo_acme"].login, "and nobody after it");
    assert!(facts.database().roles["odoo_beta"].login);
    // Somebody opens it.
    facts.database().roles.get_mut("odoo_acme").unwrap().login = true;
    check(
        &acme(&facts),
        &expect![[r#"
        set-role [None] it is retired: nobody logs in after []
            login: true → false
    "#]],
    );
    pass(&mut facts, GRACE_OVER_S);
    assert_eq!(kinds(&acme(&facts)), ["set-role"], "nothing is deleted before it is closed again");
    converge_until_quiet_again(&mut facts);
}

/// Wanted again, it logs in as ever.
fn converge_until_quiet_again(facts: &mut Facts) {
    facts.wanted("acme").state = WantedState::Running;
    facts.instance("acme").generation += 1;
    converge(facts);
    let (mark, role) = (facts.instance("acme").password_mark.clone(), facts.database().roles["odoo_acme"].clone());
    assert_eq!((role.login, role.password_mark), (true, Some(mark)));
}

#[test]
fn a_final_backup_that_would_not_fit_is_not_begun() {
    let mut facts = ready(&["acme", "beta"]);
    facts.wanted("acme").state = WantedState::Absent;
    facts.database().databases.get_mut("odoo_acme").unwrap().size_bytes = 10 << 30;
    facts.instance("acme").ending.filestore_bytes = Some(40 << 30);
    for (free, begun) in [(30 << 30, false), ((51 << 30) - 1, false), (51 << 30, true)] {
        facts.archive().free_bytes = Some(free);
        let decided = acme(&facts);
        assert_eq!(kinds(&decided).contains(&"back-up"), begun, "{free}: {:?}", kinds(&decided));
        assert_eq!(kinds(&decided).contains(&"verify-backup"), begun);
        assert_eq!(holds(&decided).contains(&HoldReason::DiskFull), !begun);
        assert!(kinds(&decided).contains(&"stop-container"), "it is out of service all the same");
    }
    facts.archive().free_bytes = Some(30 << 30);
    let hold = acme(&facts).holds.remove(0);
    expect!["its final backup may take 50 GiB, only 30 GiB are free in /backups, and 1 GiB stay free: free some space; nothing of it is deleted before"].assert_eq(&hold.message);
}

#[test]
fn one_whose_role_got_its_own_password_again_is_retired_anew() {
    let mut facts = retired();
    pass(&mut facts, DAY_S);
    let mark = facts.instance("acme").password_mark.clone();
    let role = facts.database().roles.get_mut("odoo_acme").unwrap();
    (role.login, role.password_mark) = (true, Some(mark));
    assert_eq!(kinds(&acme(&facts)), ["open-tombstone", "set-role", "back-up", "verify-backup"]);
    converge(&mut facts);
    assert!(!facts.database().roles["odoo_acme"].login);
    assert_eq!(backups(&mut facts).count(), 2, "what was written meanwhile is in the second one");
}

#[test]
fn whoever_is_kept_for_another_reason_does_not_use_up_the_guard() {
    let mut facts = due();
    let guard = &mut Arc::make_mut(&mut facts.settings).guard;
    (guard.disruptions_per_hour, guard.disruptions_percent) = (1, 0);
    facts.wanted("beta").state = WantedState::Absent;
    let beta = |facts: &Facts| holds(&changes_of(facts, &name("beta")));
    assert!(beta(&facts).contains(&HoldReason::Guard), "two would go: {:?}", beta(&facts));
    backups(&mut facts).for_each(|backup| backup.missing = MissingFiles::of(&BTreeSet::from(["ab/0".to_owned()])));
    assert!(holds(&acme(&facts)).contains(&HoldReason::BackupPartial), "{:?}", acme(&facts));
    assert!(!beta(&facts).contains(&HoldReason::Guard), "only beta goes: {:?}", beta(&facts));
}
