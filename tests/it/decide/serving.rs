//! Whether visitors are served, and which word follows from that.

use super::{holds, ready};
use crate::world::{World, name};
use innkeeper::diff::facts::Facts;
use innkeeper::diff::{DOWN_S, changes_of, conditions};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::live::{Answer, Seen};
use innkeeper::model::name::Domain;
use innkeeper::model::status::{ConditionType, InstanceStatus, State};
use innkeeper::model::time::Timestamp;

fn host(text: &str) -> Domain {
    text.parse().unwrap()
}

/// Lets this host of a ready instance answer otherwise.
fn answers(facts: &mut Facts, host: &Domain, change: impl Fn(&mut Answer)) {
    let Some(Seen::Known(answer)) = facts.live.answers.get_mut(host) else { panic!("{host} was not asked") };
    change(answer);
}

fn status(facts: &Facts, previous: Option<&InstanceStatus>) -> InstanceStatus {
    conditions::status(facts, &name("acme"), &changes_of(facts, &name("acme")), previous).unwrap()
}

fn later(facts: &mut Facts, seconds: i64) {
    facts.now = Timestamp::from_second(facts.now.as_second() + seconds).unwrap();
}

fn own_host(facts: &Facts) -> Domain {
    facts.live.answers.keys().next().unwrap().clone()
}

#[test]
fn a_redirect_that_was_not_followed_is_told_unless_it_leads_to_another_name_of_the_customer() {
    let mut facts = ready();
    facts.wanted("acme").domains.insert(host("erp.acme.example"));
    super::converge(&mut facts);
    let own = own_host(&facts);
    assert_eq!(holds(&facts), []);
    let leads = |facts: &mut Facts, place: &str| {
        answers(facts, &own, |answer| {
            (answer.status, answer.login_page, answer.leads_to) = (301, false, Some(place.to_owned()));
        });
    };
    leads(&mut facts, "https://erp.acme.example:8443/web/login");
    assert_eq!(holds(&facts), [], "that one is asked for itself");
    leads(&mut facts, "https://erp.acme.example.evil.example/web/login");
    assert_eq!(holds(&facts), [HoldReason::NotHealthy]);
    leads(&mut facts, "http://erp.acme.example/web/login");
    assert_eq!(holds(&facts), [HoldReason::NotHealthy], "without TLS");
    leads(&mut facts, &format!("https://{own}/again"));
    let changes = changes_of(&facts, &name("acme"));
    assert!(changes.holds[0].message.contains("never to a page"), "{changes:?}");
}

#[test]
fn a_websocket_that_does_not_open_is_told() {
    let mut facts = ready();
    // It is long since it was started.
    later(&mut facts, 600);
    let own = own_host(&facts);
    answers(&mut facts, &own, |answer| answer.websocket_fault = Some("/websocket answers 502".to_owned()));
    let changes = changes_of(&facts, &name("acme"));
    assert!(changes.holds[0].message.contains("no websocket opens (/websocket answers 502)"), "{changes:?}");
    assert_eq!(status(&facts, None).state, State::Degraded);
}

#[test]
fn the_word_follows_from_what_is_and_since_when_and_never_from_the_word_before() {
    let mut facts = ready();
    let own = own_host(&facts);
    answers(&mut facts, &own, |answer| (answer.status, answer.login_page) = (503, false));
    // Another version of its file is not reached yet.
    facts.instance("acme").generation = 2;
    let first = status(&facts, None);
    assert_eq!(first.state, State::Updating, "a change is given its time");
    for (waited_s, expected) in [(DOWN_S - 1, State::Updating), (DOWN_S, State::Degraded)] {
        let mut facts = facts.clone();
        later(&mut facts, waited_s);
        for word in [State::Ready, State::Updating, State::Degraded, State::Held, State::Provisioning] {
            let before = InstanceStatus { state: word, ..first.clone() };
            assert_eq!(status(&facts, Some(&before)).state, expected, "{word:?} before, after {waited_s} s");
        }
    }
}

#[test]
fn a_start_that_somebody_asked_for_is_given_its_time_and_one_of_the_engines_own_is_not() {
    let mut facts = ready();
    let own = own_host(&facts);
    answers(&mut facts, &own, |answer| (answer.status, answer.login_page) = (502, false));
    let now = facts.now;
    let container = innkeeper::model::name::Resources::of(&name("acme")).container;
    facts.engine().services.get_mut(&container).unwrap().started_at = Some(now);
    let first = status(&facts, None);
    assert_eq!(first.state, State::Updating);
    facts.engine().services.get_mut(&container).unwrap().restarts = 1;
    assert_eq!(status(&facts, Some(&first)).state, State::Degraded);
}

#[test]
fn a_container_that_is_started_again_and_again_does_not_run() {
    let mut facts = ready();
    let container = innkeeper::model::name::Resources::of(&name("acme")).container;
    let reason = |facts: &Facts| status(facts, None).condition(ConditionType::AppReady).unwrap().reason.clone();
    assert_eq!(reason(&facts), "Running");
    facts.engine().services.get_mut(&container).unwrap().restarting = true;
    assert_eq!((reason(&facts).as_str(), status(&facts, None).state), ("Restarting", State::Degraded));
    facts.engine().services.get_mut(&container).unwrap().restarting = false;
    let now = facts.now;
    facts.instance("acme").crashes = vec![now; 3];
    assert_eq!(reason(&facts), "Restarting", "it may be up for a moment");
    later(&mut facts, 301);
    assert_eq!(reason(&facts), "Running");
}
