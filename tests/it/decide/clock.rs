//! A clock that was set.

use super::{check, converge, failure, kinds, ready};
use crate::world::{World, facts, name, wanted};
use expect_test::expect;

#[test]
fn a_wait_that_was_noted_before_the_clock_was_set_back_is_over() {
    let mut facts = facts([wanted("acme")]);
    let mut failed = failure(&facts, "create-database", false, "2027-03-01T12:00:00Z");
    facts.instance("acme").failures.insert("create-database".to_owned(), failed.clone());
    assert!(kinds(&facts).contains(&"create-database"), "nothing waits for a year");
    failed.next_try = Some("2026-03-07T12:00:00Z".parse().unwrap());
    facts.instance("acme").failures.insert("create-database".to_owned(), failed);
    assert!(!kinds(&facts).contains(&"create-database"), "an authority may ask for a week");
}

#[test]
fn a_clock_that_was_set_back_costs_one_restart_and_no_more() {
    let mut facts = ready();
    let hour = std::time::Duration::from_secs(3_600);
    let (now, earlier) = (facts.now, facts.now.checked_sub(hour).unwrap());
    facts.engine().configs.get_mut(&name("acme")).unwrap().written_at = now;
    facts.engine().services.get_mut("ik-acme").unwrap().started_at = Some(earlier);
    facts.now = earlier;
    check(
        &facts,
        &expect![[r#"
            write-conf [Drift None] the clock was set back since it was written
                odoo.conf: written at 2026-03-01T12:00:00Z → written now
            restart-container [Drift Interruption] it runs on an older odoo.conf after write-conf
            obtain-certificate:acme.example.com [Drift None] the stored certificate is not valid now
                not_after: 2026-05-30 12:00 UTC → -
        "#]],
    );
    converge(&mut facts);
    assert_eq!(kinds(&facts), [""; 0]);
}
