//! Decisions over an instance's end: one `check` a rule, and every rule that keeps data, tried to be broken.

mod backed_up;
mod kept;
mod wanted_again;

use crate::world::{World, carry_out, facts, name, wanted};
use expect_test::{Expect, expect};
use innkeeper::diff::facts::{Facts, FileState};
use innkeeper::diff::{changes, changes_of, conditions};
use innkeeper::model::changes::{HoldReason, InstanceChanges};
use innkeeper::model::live::Seen;
use innkeeper::model::name::InstanceName;
use innkeeper::model::settings::{OnMissingFile, Settings};
use innkeeper::model::site::SitePage;
use innkeeper::model::status::{ConditionType, InstanceStatus, State};
use innkeeper::model::step::{Action, Risk};
use innkeeper::model::time::{Seconds, Timestamp};
use innkeeper::model::wanted::WantedState;
use std::sync::Arc;

const DAY_S: i64 = 86_400;
/// The grace period of the test's settings, and a moment.
const GRACE_OVER_S: i64 = 14 * DAY_S + 1;

/// A fleet of instances that are ready.
fn ready(names: &[&str]) -> Facts {
    let mut facts = facts(names.iter().map(|name| wanted(name)));
    Arc::make_mut(&mut facts.settings).docker.ports = 20_000..=29_999;
    converge(&mut facts);
    facts
}

/// Turns until nothing is left to do.
fn converge(facts: &mut Facts) {
    for _ in 0..10 {
        let decided = changes(facts);
        if decided.is_settled() {
            for instance in facts.instances.values_mut() {
                instance.observed_generation = instance.generation;
                instance.provisioned = true;
            }
            return;
        }
        for step in decided.host.steps.iter().chain(decided.instances.values().flat_map(|changes| &changes.steps)) {
            carry_out(facts, step);
        }
    }
    panic!("no end: {:#?}", changes(facts));
}

/// `acme` retired, nothing left to do.
fn retired() -> Facts {
    let mut facts = ready(&["acme", "beta"]);
    facts.wanted("acme").state = WantedState::Absent;
    converge(&mut facts);
    facts
}

/// Lets time pass by the clock and by the steady clock.
fn pass(facts: &mut Facts, seconds: i64) {
    facts.now = Timestamp::from_second(facts.now.as_second() + seconds).unwrap();
    facts.guard.steady_s += u64::try_from(seconds).unwrap();
}

/// `acme` retired, its grace period over, its final backup read back once more: all is decided but the deletion.
fn due() -> Facts {
    let mut facts = retired();
    pass(&mut facts, GRACE_OVER_S);
    let steps = acme(&facts).steps;
    steps.iter().for_each(|step| carry_out(&mut facts, step));
    facts
}

fn acme(facts: &Facts) -> InstanceChanges {
    changes_of(facts, &name("acme"))
}

fn status(facts: &Facts) -> InstanceStatus {
    conditions::status(facts, &name("acme"), &acme(facts), None).unwrap()
}

fn kinds(changes: &InstanceChanges) -> Vec<&'static str> {
    changes.steps.iter().map(|step| step.action.kind().as_str()).collect()
}

fn holds(changes: &InstanceChanges) -> Vec<HoldReason> {
    changes.holds.iter().map(|hold| hold.reason).collect()
}

fn destroys(changes: &InstanceChanges) -> bool {
    changes.steps.iter().any(|step| step.risk == Risk::Data)
}

fn settings(facts: &mut Facts) -> &mut Settings {
    Arc::make_mut(&mut facts.settings)
}

fn check(changes: &InstanceChanges, expected: &Expect) {
    let mut text = String::new();
    for step in &changes.steps {
        let after: Vec<&str> = step.after.iter().map(|id| id.0.split_once('/').unwrap().1).collect();
        text.push_str(&format!("{} [{:?}] {} after {after:?}\n", step.key(), step.risk, step.reason));
        for field in &step.fields {
            let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            text.push_str(&format!("    {}: {} → {}\n", field.field, side(&field.from), side(&field.to)));
        }
    }
    text.extend(changes.holds.iter().map(|hold| format!("hold {}: {}\n", hold.reason.as_str(), hold.message)));
    expected.assert_eq(&text);
}

#[test]
fn an_absent_instance_is_put_out_of_service_and_backed_up() {
    let mut facts = ready(&["acme", "beta"]);
    facts.wanted("acme").state = WantedState::Absent;
    check(
        &acme(&facts),
        &expect![[r#"
            open-tombstone [Interruption] its file says state = "absent" after []
                kept: - → database, filestore, name, domains, and a final backup that is read back
                data deleted: - → 2026-03-15 at the earliest (after 14d)
                backup: - → /backups
            put-site [Interruption] it is retired: its names answer 410 after ["open-tombstone"]
                page: Odoo → retired
            stop-container [Interruption] it is retired after ["open-tombstone", "put-site"]
                state: running → stopped
            set-role [None] its final backup is taken: nobody else writes from now on after ["open-tombstone", "stop-container"]
                password: (the instance's) → (its final backup's alone)
            back-up [None] nothing changes in it any more after ["open-tombstone", "stop-container", "set-role"]
                parts: - → database and filestore
                directory: - → /backups
            verify-backup [None] its data is never deleted before it was read back whole after ["back-up"]
        "#]],
    );
}

#[test]
fn a_retired_instance_is_left_alone_and_says_so() {
    let facts = retired();
    assert!(acme(&facts).is_empty(), "{:?}", acme(&facts));
    let status = status(&facts);
    assert_eq!(status.state, State::Retired);
    assert_eq!(status.purge_after, Some("2026-03-15T12:00:00Z".parse().unwrap()));
    assert!(status.last_backup.unwrap().verified);
    let pending = status.conditions.iter().find(|it| it.kind == ConditionType::RetirePending).unwrap();
    expect![[
        r#"retired on 2026-03-01 (its file says state = "absent"); its data is deleted after 2026-03-15 12:00 UTC"#
    ]]
    .assert_eq(&pending.message);
}

#[test]
fn what_was_never_made_needs_no_end() {
    let mut facts = facts([wanted("acme")]);
    facts.wanted("acme").state = WantedState::Absent;
    assert!(acme(&facts).is_empty(), "{:?}", acme(&facts));
}

#[test]
fn the_file_back_brings_the_very_same_instance_back() {
    let mut facts = retired();
    let before = (facts.database().databases.clone(), facts.engine().volumes.clone());
    pass(&mut facts, 13 * DAY_S);
    facts.wanted("acme").state = WantedState::Running;
    facts.instance("acme").generation += 1;
    check(
        &acme(&facts),
        &expect![[r#"
        close-tombstone [None] it is wanted again, 13d after it was retired after []
        set-role [None] it was not as it should be after ["close-tombstone"]
            login: false → true
            password: - → (derived anew)
        put-site [None] it differed after []
            page: retired → Odoo
        start-container [None] it did not run after ["set-role"]
            state: stopped → running
    "#]],
    );
    converge(&mut facts);
    assert_eq!((facts.database().databases.clone(), facts.engine().volumes.clone()), before);
    assert_eq!(facts.proxy().sites[&name("acme")].row.page, SitePage::Serve);
    assert!(facts.instance("acme").ending.tombstone.is_none());
}

#[test]
fn data_go_after_the_grace_in_their_order_and_the_name_last() {
    let mut facts = due();
    check(
        &acme(&facts),
        &expect![[r#"
        begin-purge [Data] its grace period is over after []
            retired: - → 2026-03-01
            kept: - → /backups/acme-20260301T120000Z-00000000
        remove-site [Data] its grace period is over after ["begin-purge"]
        remove-container [Data] its grace period is over after ["begin-purge", "remove-site"]
        drop-database [Data] its grace period is over after ["begin-purge", "remove-site", "remove-container"]
        drop-role [Data] its grace period is over after ["begin-purge", "remove-site", "remove-container", "drop-database"]
        remove-volume [Data] its grace period is over after ["begin-purge", "remove-site", "remove-container", "drop-database", "drop-role"]
        remove-conf [Data] its grace period is over after ["begin-purge", "remove-site", "remove-container", "drop-database", "drop-role", "remove-volume"]
    "#]],
    );
    let steps = acme(&facts).steps;
    for step in &steps {
        assert!(facts.instance("acme").ending.tombstone.is_some(), "the name is kept while {} is to be done", step.id);
        carry_out(&mut facts, step);
    }
    check(
        &acme(&facts),
        &expect![[r#"
        end-purge [None] nothing of it is left: its names are free again after []
    "#]],
    );
    let after = acme(&facts).steps;
    after.iter().for_each(|step| carry_out(&mut facts, step));
    assert!(facts.archive().backups.contains_key(&name("acme")), "the final backup stays");
    assert!(facts.engine().volumes.contains_key("ik-beta-data"), "others stay");
}

#[test]
fn nothing_goes_before_the_grace_is_over_by_both_clocks() {
    let year_s = 365 * DAY_S;
    for jump_s in [-year_s, -3_600, 3_600, year_s] {
        let mut facts = retired();
        facts.now = Timestamp::from_second(facts.now.as_second() + jump_s).unwrap();
        assert!(!destroys(&acme(&facts)), "a clock set by {jump_s} s deletes nothing");
        // The clock stays wrong, and time passes.
        pass(&mut facts, 14 * DAY_S - 1);
        assert!(!destroys(&acme(&facts)), "nor does it a second before the grace is over");
    }
    let mut facts = retired();
    facts.now = Timestamp::from_second(facts.now.as_second() + year_s).unwrap();
    expect![[r#"its grace period is over by the clock, but 14d of it were not seen to pass (the clock was moved, or this host was off); its data is kept for so much longer"#]]
        .assert_eq(&acme(&facts).holds[0].message);
}

#[test]
fn without_a_verified_backup_nothing_goes() {
    type Spoil = fn(&mut Facts);
    let spoil: [(&str, Spoil); 4] = [
        ("gone", |facts| facts.archive().backups.clear()),
        ("not read back", |facts| {
            for backup in facts.archive().backups.values_mut().flat_map(|backups| backups.values_mut()) {
                backup.verified_at = None;
            }
        }),
        ("of another identity", |facts| {
            for backup in facts.archive().backups.values_mut().flat_map(|backups| backups.values_mut()) {
                backup.manifest.uid = crate::world::uid(99);
            }
        }),
        ("without its filestore", |facts| {
            for backup in facts.archive().backups.values_mut().flat_map(|backups| backups.values_mut()) {
                backup.manifest.parts.remove(&innkeeper::model::backup::Part::Filestore);
            }
        }),
    ];
    for (what, spoil) in spoil {
        let mut facts = retired();
        pass(&mut facts, GRACE_OVER_S);
        spoil(&mut facts);
        let volume_goes = acme(&facts).steps.iter().any(|step| matches!(step.action, Action::RemoveVolume { .. }));
        assert!(!volume_goes, "backup {what}: {:?}", kinds(&acme(&facts)));
        // Also when the purge had begun before it got lost.
        facts.instance("acme").ending.tombstone.as_mut().unwrap().purging = true;
        let volume_goes = acme(&facts).steps.iter().any(|step| matches!(step.action, Action::RemoveVolume { .. }));
        assert!(!volume_goes, "backup {what}, purge begun: {:?}", kinds(&acme(&facts)));
        assert!(holds(&acme(&facts)).contains(&HoldReason::Unsafe), "backup {what}: {:?}", acme(&facts).holds);
    }
}

#[test]
fn an_edge_that_is_not_seen_ends_nothing() {
    let hide: [fn(&mut Facts); 4] = [
        |facts| facts.live.engine = Seen::Unseen("Docker is away".to_owned()),
        |facts| facts.live.database = Seen::Unseen("PostgreSQL is away".to_owned()),
        |facts| facts.live.proxy = Seen::Unseen("nginx is away".to_owned()),
        |facts| facts.live.archive = Seen::Unseen("the disk is away".to_owned()),
    ];
    for hide in hide {
        let mut facts = retired();
        pass(&mut facts, GRACE_OVER_S);
        hide(&mut facts);
        assert!(!destroys(&acme(&facts)), "{:?}", kinds(&acme(&facts)));
        // Nor is anything taken for gone, and the name given away.
        assert!(!kinds(&acme(&facts)).contains(&"end-purge"));
    }
}

#[test]
fn protection_is_taken_away_before_not_together_with_the_end() {
    let mut facts = ready(&["acme", "beta"]);
    facts.wanted("acme").state = WantedState::Absent;
    facts.wanted("acme").protected = true;
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::Protected], 0));
    facts.wanted("acme").protected = false;
    facts.instance("acme").ending.was_protected = true;
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::Protected], 0));
    facts.instance("acme").ending.was_protected = false;
    assert!(!kinds(&acme(&facts)).is_empty());
    let mut facts = retired();
    facts.wanted("acme").protected = true;
    pass(&mut facts, GRACE_OVER_S);
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::Protected], 0));
}

#[test]
fn a_container_that_ran_again_has_newer_data_than_the_backup() {
    let mut facts = retired();
    pass(&mut facts, DAY_S);
    let now = facts.now;
    let service = facts.engine().services.get_mut("ik-acme").unwrap();
    (service.running, service.started_at) = (true, Some(now));
    assert_eq!(kinds(&acme(&facts)), ["open-tombstone", "stop-container", "set-role", "back-up", "verify-backup"]);
    converge(&mut facts);
    pass(&mut facts, GRACE_OVER_S - DAY_S);
    assert!(!destroys(&acme(&facts)), "the grace began anew");
    pass(&mut facts, DAY_S);
    assert!(destroys(&acme(&facts)));
}

#[test]
fn vanished_files_retire_only_where_that_is_asked_for_and_only_the_second_time() {
    let mut facts = ready(&["acme", "beta", "gamma"]);
    facts.instance("acme").file = FileState::Missing;
    facts.instance("acme").ending.vanished = true;
    assert_eq!(holds(&acme(&facts)), [HoldReason::Orphaned]);
    settings(&mut facts).fleet.on_missing_file = OnMissingFile::Retire;
    facts.instance("acme").ending.vanished = false;
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::Orphaned], 0));
    facts.instance("acme").ending.vanished = true;
    assert!(kinds(&acme(&facts)).contains(&"stop-container"));
    facts.instance("acme").ending.renamed_to = Some(name("delta"));
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::Renamed], 0));
    facts.instance("acme").ending.renamed_to = None;
    facts.wanted("acme").protected = true;
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::Protected], 0));
}

#[test]
fn a_file_taken_away_after_its_instance_was_retired_changes_nothing() {
    let mut facts = retired();
    facts.instance("acme").file = FileState::Missing;
    assert!(acme(&facts).is_empty());
    assert_eq!(status(&facts).state, State::Retired);
    pass(&mut facts, GRACE_OVER_S);
    assert!(destroys(&acme(&facts)));
    // While nobody could read the list of files it could be back.
    facts.guard.files_unlisted = true;
    assert_eq!((holds(&acme(&facts)), kinds(&acme(&facts)).len()), (vec![HoldReason::Guard], 0));
}

#[test]
fn a_broken_file_keeps_the_data() {
    let mut facts = retired();
    pass(&mut facts, GRACE_OVER_S);
    facts.instance("acme").file = FileState::Invalid(vec!["acme.toml:1:1: empty".to_owned()]);
    assert!(!destroys(&acme(&facts)));
}

#[test]
fn suspended_instances_are_left_alone_at_their_end_too() {
    let mut facts = retired();
    pass(&mut facts, GRACE_OVER_S);
    facts.wanted("acme").suspended = true;
    assert_eq!(kinds(&acme(&facts)).len(), 0);
}

/// What is held, over the whole fleet.
fn guarded(facts: &Facts) -> Vec<InstanceName> {
    let decided = changes(facts);
    let held = |changes: &InstanceChanges| {
        let guarded = holds(changes).contains(&HoldReason::Guard);
        assert!(!guarded || changes.steps.iter().all(|step| step.risk == Risk::None), "{:?}", kinds(changes));
        guarded
    };
    decided.instances.iter().filter(|(_, changes)| held(changes)).map(|(name, _)| name.clone()).collect()
}

fn many(count: usize) -> (Facts, Vec<String>) {
    let names: Vec<String> = (0..count).map(|number| format!("c{number:03}")).collect();
    (ready(&names.iter().map(String::as_str).collect::<Vec<_>>()), names)
}

#[test]
fn too_many_ends_at_once_are_all_held_and_not_only_the_last_ones() {
    for (fleet, allowed) in [(1, 2), (5, 2), (20, 2), (30, 3), (100, 10)] {
        let (mut facts, names) = many(fleet);
        for (number, name) in names.iter().enumerate() {
            facts.wanted(name).state = WantedState::Absent;
            let pending = number + 1;
            let expected = if pending > allowed { pending } else { 0 };
            assert_eq!(guarded(&facts).len(), expected, "{pending} of {fleet}");
        }
    }
}

#[test]
fn stops_and_purges_count_too_and_what_began_goes_on() {
    let (mut facts, names) = many(20);
    for name in &names[..3] {
        facts.wanted(name).state = WantedState::Stopped;
        facts.instance(name).generation += 1;
    }
    assert_eq!(guarded(&facts).len(), 3);
    assert!(!kinds(&changes_of(&facts, &name("c000"))).contains(&"put-site"), "nor does a page say that it is stopped");
    facts.engine().services.get_mut("ik-c000").unwrap().running = false;
    assert_eq!(kinds(&changes_of(&facts, &name("c000"))), ["start-container"], "until then it is kept up");
    assert_eq!(guarded(&facts).len(), 3, "and held all the same");
    facts.engine().services.get_mut("ik-c000").unwrap().running = true;
    let all = changes(&facts);
    assert!(all.is_settled() && all.are_pending(), "nothing is to be done now, and something waits");
    facts.guard.disrupted = [name("c000")].into();
    assert_eq!(guarded(&facts), [name("c001"), name("c002")], "c000 was begun");
    facts.guard.disrupted = [name("c018"), name("c019")].into();
    assert_eq!(guarded(&facts).len(), 3, "others used the hour up");
    facts.guard.permitted = [name("c001")].into();
    assert_eq!(guarded(&facts), [name("c000"), name("c002")], "a person let c001 through");
}

#[test]
fn a_fleet_without_any_valid_file_ends_nobody_whoever_confirms_it() {
    let (mut facts, names) = many(2);
    settings(&mut facts).fleet.on_missing_file = OnMissingFile::Retire;
    for text in &names {
        facts.instance(text).file = FileState::Missing;
        facts.instance(text).ending.vanished = true;
        facts.guard.permitted.insert(name(text));
    }
    assert_eq!(guarded(&facts).len(), 2);
    facts.instance("c000").file = FileState::Valid;
    assert_eq!(guarded(&facts).len(), 0);
}

#[test]
fn changes_of_many_at_once_are_held() {
    let (mut facts, names) = many(20);
    for (number, name) in names.iter().enumerate() {
        facts.wanted(name).limits.cpu_millis = 2_000;
        facts.instance(name).generation += 1;
        facts.instance(name).updating = true;
        let pending = number + 1;
        assert_eq!(guarded(&facts).len(), if pending > 6 { pending } else { 0 }, "{pending} of 20");
    }
    let (mut facts, names) = many(9);
    for name in &names {
        facts.wanted(name).limits.cpu_millis = 2_000;
        facts.instance(name).updating = true;
    }
    assert_eq!(guarded(&facts).len(), 0, "in a small fleet a share means nothing");
}

#[test]
fn the_same_second_opinion_refuses_to_destroy_what_is_wanted() {
    let mut facts = retired();
    pass(&mut facts, GRACE_OVER_S);
    facts.wanted("acme").state = WantedState::Running;
    assert!(!destroys(&acme(&facts)));
    facts.wanted("acme").state = WantedState::Absent;
    settings(&mut facts).fleet.retire_grace = Seconds(1);
    assert!(destroys(&acme(&facts)), "the tombstone's own date counts, not a later setting");
}

#[test]
fn the_loss_of_all_files_stops_none_of_up_to_two_hundred() {
    for count in [1, 2, 3, 10, 50, 200] {
        let (mut facts, names) = many(count);
        settings(&mut facts).fleet.on_missing_file = OnMissingFile::Retire;
        for text in &names {
            facts.instance(text).file = FileState::Missing;
            facts.instance(text).ending.vanished = true;
        }
        let stopped = |facts: &Facts| {
            let decided = changes(facts);
            decided.instances.values().filter(|it| it.steps.iter().any(|step| step.risk > Risk::None)).count()
        };
        assert_eq!((guarded(&facts).len(), stopped(&facts)), (count, 0), "{count}: not one file is left");
        // Another branch: files of others are there.
        facts.instances.insert(name("other"), crate::world::instance(wanted("other"), 999));
        let allowed = 2.max((count + 1) / 10);
        let expected = if count > allowed { 0 } else { count };
        assert_eq!(stopped(&facts), expected, "{count}: another branch");
        facts.guard.files_unlisted = true;
        assert_eq!(stopped(&facts), 0, "{count}: the list cannot be read");
    }
}
