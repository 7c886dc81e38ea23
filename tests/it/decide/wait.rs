//! Reasons to wait: systems that were not seen, a full disk, failures, fights, a wish to be left alone.

use super::{check, failure, holds, kinds, ready};
use crate::world::{World, facts, module, name, wanted};
use expect_test::expect;
use innkeeper::diff::facts::{Facts, RollOut};
use innkeeper::diff::{changes_of, conditions, roll_out};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::live::Seen;
use innkeeper::model::status::State;
use innkeeper::model::time::Timestamp;

#[test]
fn an_unseen_edge_is_never_an_absent_one() {
    for edge in 0..4 {
        let mut facts = ready();
        let why = "could not connect: connection refused".to_owned();
        match edge {
            0 => facts.live.engine = Seen::Unseen(why),
            1 => facts.live.database = Seen::Unseen(why),
            2 => facts.live.proxy = Seen::Unseen(why),
            _ => facts.live.authority = Seen::Unseen(why),
        }
        assert_eq!(kinds(&facts), Vec::<&str>::new(), "edge {edge}");
        assert!(holds(&facts).contains(&HoldReason::Unseen), "edge {edge}");
    }
}

#[test]
fn a_new_instance_waits_for_an_unseen_edge_and_does_the_rest() {
    let mut without_database = facts([wanted("acme")]);
    without_database.live.database = Seen::Unseen("PostgreSQL at 127.0.0.1:5432 refused".to_owned());
    assert_eq!(kinds(&without_database), ["create-network", "write-conf"]);
    let mut without_engine = facts([wanted("acme")]);
    without_engine.live.engine = Seen::Unseen("Docker refused".to_owned());
    assert_eq!(kinds(&without_engine), ["set-role"], "a volume that was not seen may tell of data");
}

#[test]
fn a_nearly_full_disk_holds_what_would_fill_it() {
    let mut facts = facts([wanted("acme")]);
    facts.disk_free_bytes = Some(500 << 20);
    assert_eq!(holds(&facts), [HoldReason::DiskFull]);
    assert_eq!(kinds(&facts), ["set-role", "create-network", "write-conf", "put-site", "obtain-certificate"]);
}

#[test]
fn what_waits_for_room_has_not_had_a_change_of_many() {
    let mut facts = ready();
    facts.instance("acme").roll_out = Some(RollOut { wave: facts.now, done: false, late: false });
    let through = |facts: &Facts| roll_out::is_through(facts, &name("acme"), &changes_of(facts, &name("acme")));
    assert!(through(&facts));
    facts.wanted("acme").modules.insert(module("website"));
    facts.disk_free_bytes = Some(500 << 20);
    assert_eq!((kinds(&facts), through(&facts)), (vec![], false));
}

#[test]
fn a_failed_step_waits_its_time_with_all_that_comes_after_it() {
    let mut facts = facts([wanted("acme")]);
    let failed = failure(&facts, "create-database", false, "2026-03-01T12:00:10Z");
    facts.instance("acme").failures.insert("create-database".to_owned(), failed);
    check(
        &facts,
        &expect![[r#"
            set-role [Intended None] new instance
                connection_limit: - → 48
            create-network [Intended None] no container of the fleet has a network yet
            write-conf [Intended None] new instance
                workers: - → 2
            put-site [Intended None] new instance
                host: - → acme.example.com
                page: - → being prepared
            obtain-certificate:acme.example.com [Intended None] none was stored after put-site
                name: - → acme.example.com
            hold BackOff: create-database: invalid module names, ignored: crmm; it is tried again by itself; attempt 1 failed
        "#]],
    );
    facts.now = "2026-03-01T12:00:11Z".parse().unwrap();
    assert!(kinds(&facts).contains(&"create-database"), "its time came");
}

#[test]
fn a_permanent_failure_waits_for_another_input() {
    let mut facts = ready();
    facts.wanted("acme").modules.insert(module("crmm"));
    let failed = failure(&facts, "install-modules", true, "");
    facts.instance("acme").failures.insert("install-modules".to_owned(), failed);
    facts.instance("acme").generation = 2;
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::Failed]));
    let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
    assert_eq!(status.state, State::Failed);
    facts.wanted("acme").modules.remove(&module("crmm"));
    facts.wanted("acme").modules.insert(module("stock"));
    assert_eq!(kinds(&facts), ["install-modules"], "correcting the file heals it");
}

#[test]
fn drift_that_comes_back_again_and_again_is_repaired_less_and_less_often() {
    let mut facts = ready();
    facts.engine().services.get_mut("ik-acme").unwrap().cpu_millis = 0;
    let repaired = |minutes: &[i64]| {
        let at = |ago: &i64| Timestamp::from_second(crate::world::now().as_second() - ago * 60).unwrap();
        std::collections::BTreeMap::from([("update-limits".to_owned(), minutes.iter().map(at).collect())])
    };
    facts.instance("acme").repairs = repaired(&[40, 30, 20, 0]);
    assert_eq!(kinds(&facts), ["update-limits"], "four times may be somebody's mistakes");
    facts.instance("acme").repairs = repaired(&[50, 40, 30, 20, 0]);
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::DriftFight]));
    let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
    assert_eq!(status.state, State::Held);
    facts.instance("acme").repairs = repaired(&[50, 40, 30, 20, 1]);
    assert_eq!(kinds(&facts), ["update-limits"], "a minute later once more");
    facts.instance("acme").repairs = repaired(&[50, 40, 30, 20, 10, 5, 3]);
    assert_eq!(kinds(&facts), [""; 0], "the seventh waits four minutes");
    facts.instance("acme").generation += 1;
    assert_eq!(kinds(&facts), ["update-limits"], "what a file asks for is no fight");
}

#[test]
fn suspended_tells_what_it_does_not_do() {
    let mut facts = ready();
    facts.wanted("acme").suspended = true;
    facts.engine().services.clear();
    check(
        &facts,
        &expect![[r#"
        hold Suspended: suspended = true: not done are create-container
    "#]],
    );
}
