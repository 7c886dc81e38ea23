//! Decisions while long work goes on.

use super::{check, ready};
use crate::world::{World, carry_out, facts, module, name, wanted};
use expect_test::expect;
use innkeeper::diff::changes_of;
use innkeeper::diff::facts::{Facts, LongWork};
use innkeeper::model::live::{JobLive, JobState, Seen};
use innkeeper::model::service::{Component, Owner, Tag};
use innkeeper::model::step::Step;
use innkeeper::model::wanted::WantedState;

fn drafted(facts: &Facts, key: &str) -> Step {
    let steps = changes_of(facts, &name("acme")).steps;
    steps.into_iter().find(|step| step.key() == key).unwrap_or_else(|| panic!("no {key} is drafted"))
}

/// The drafted step is being done now, or waits for its place.
fn begin(facts: &mut Facts, key: &str, running: bool) {
    let work = drafted(facts, key).action.work().unwrap();
    facts.instance("acme").work.insert(key.to_owned(), LongWork { work, running });
}

/// Ready, and another module is asked for.
fn with_website() -> Facts {
    let mut facts = ready();
    facts.wanted("acme").modules.insert(module("website"));
    facts.instance("acme").generation = 2;
    facts
}

#[test]
fn what_goes_on_is_not_begun_again_and_what_comes_after_it_waits() {
    let mut facts = with_website();
    begin(&mut facts, "install-modules", true);
    let expected = expect![[r#"
        hold JobRunning: install-modules goes on; it is waited for
    "#]];
    check(&facts, &expected);
    // What is left to do grows less while it goes on: it is the same work.
    facts.wanted("acme").modules.remove(&module("crm"));
    facts.wanted("acme").modules.insert(module("crm"));
    check(&facts, &expected);
}

#[test]
fn all_else_goes_on_beside_it() {
    let mut facts = with_website();
    begin(&mut facts, "install-modules", true);
    facts.engine().services.get_mut("ik-acme").unwrap().running = false;
    check(
        &facts,
        &expect![[r#"
            start-container [Intended None] it did not run
                state: stopped → running
            hold JobRunning: install-modules goes on; it is waited for
        "#]],
    );
}

#[test]
fn what_waits_for_a_place_and_is_not_asked_for_any_more_is_let_go() {
    let mut facts = with_website();
    begin(&mut facts, "install-modules", false);
    check(
        &facts,
        &expect![[r#"
            hold JobRunning: install-modules waits until others have ended: only a few run at once
        "#]],
    );
    facts.wanted("acme").modules.insert(module("stock"));
    check(
        &facts,
        &expect![[r#"
            install-modules [Intended None] modules are wanted that are not installed
                module: - → stock
                module: - → website
            set-up [Intended None] the file asks for another set-up after install-modules
                website.language: - → en_US
            let go install-modules
        "#]],
    );
    facts.wanted("acme").modules = ready().wanted("acme").modules.clone();
    check(
        &facts,
        &expect![[r#"
            let go install-modules
        "#]],
    );
}

#[test]
fn no_second_job_begins_beside_one_that_runs() {
    let mut facts = with_website();
    begin(&mut facts, "install-modules", true);
    facts.wanted("acme").modules.insert(module("stock"));
    check(
        &facts,
        &expect![[r#"
            hold JobRunning: install-modules goes on; it is waited for
        "#]],
    );
    // What it installs is there already, and its container is not gone yet: the set-up does not come in between.
    facts.wanted("acme").modules = ready().wanted("acme").modules.clone();
    facts.wanted("acme").company.name = "Another Ltd".to_owned();
    check(
        &facts,
        &expect![[r#"
            hold JobRunning: install-modules goes on; it is waited for
        "#]],
    );
}

#[test]
fn a_backup_that_is_not_asked_for_any_more_ends_before_anything_else_is_done() {
    let mut facts = facts([wanted("acme"), wanted("beta")]);
    super::converge(&mut facts);
    facts.instance("acme").provisioned = true;
    facts.wanted("acme").state = WantedState::Absent;
    for _ in 0..10 {
        let steps = changes_of(&facts, &name("acme")).steps;
        if steps.iter().any(|step| step.key() == "back-up" && step.after.is_empty()) {
            break;
        }
        let before = steps.into_iter().take_while(|step| step.key() != "back-up").collect::<Vec<_>>();
        before.iter().for_each(|step| carry_out(&mut facts, step));
    }
    begin(&mut facts, "back-up", true);
    // A look that fails ends no backup.
    let seen = std::mem::replace(&mut facts.live.database, Seen::Unseen("no answer".to_owned()));
    assert_eq!(changes_of(&facts, &name("acme")).let_go, [""; 0]);
    assert_eq!(changes_of(&facts, &name("acme")).steps, []);
    facts.live.database = seen;
    facts.wanted("acme").state = WantedState::Running;
    check(
        &facts,
        &expect![[r#"
            hold JobRunning: back-up goes on; it is waited for
            let go back-up
        "#]],
    );
}

#[test]
fn a_job_that_just_ended_is_left_to_the_work_that_reads_it() {
    let mut facts = with_website();
    begin(&mut facts, "install-modules", true);
    let tag = Tag {
        instance: name("acme"),
        uid: facts.instances[&name("acme")].uid,
        component: Component::InstallJob,
        digest: "any".to_owned(),
    };
    let ended = JobLive { owner: Owner::Ours(tag), state: JobState::Ended(0), started_at: None };
    facts.engine().jobs.insert("ik-acme-job-install".to_owned(), ended);
    let removes =
        |facts: &Facts| changes_of(facts, &name("acme")).steps.iter().any(|it| it.key().starts_with("remove-job"));
    facts.wanted("acme").modules.remove(&module("website"));
    assert!(!removes(&facts));
    facts.instance("acme").work.clear();
    assert!(removes(&facts));
}
