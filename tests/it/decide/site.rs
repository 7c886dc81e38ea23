//! Decisions over sites, their certificates, and the proof that they serve.

use super::{check, converge, holds, kinds, ready, text};
use crate::world::{World, facts, instance, name, wanted};
use expect_test::expect;
use innkeeper::diff::facts::Facts;
use innkeeper::diff::{changes_of, changes_of_host, conditions};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::live::Seen;
use innkeeper::model::name::Domain;
use innkeeper::model::site::CertificateName;
use innkeeper::model::status::State;
use innkeeper::model::step::{Action, Origin, Risk};
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::Primary;

#[test]
fn a_custom_domain_needs_a_row_and_a_certificate() {
    let mut facts = ready();
    facts.wanted("acme").domains.insert(Domain::parse("erp.acme.org").unwrap());
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
        put-site [Intended None] it differed
            hosts: acme.example.com → acme.example.com erp.acme.org
            certificates: acme.example.com → acme.example.com erp.acme.org
        obtain-certificate:erp.acme.org [Intended None] none was stored after put-site
            name: - → erp.acme.org
    "#]],
    );
}

#[test]
fn a_wildcard_serves_every_subdomain() {
    let mut facts = facts([wanted("acme")]);
    let settings = std::sync::Arc::make_mut(&mut facts.settings);
    settings.acme.wildcard_hook = Some(vec!["/hook".to_owned()]);
    converge(&mut facts);
    let names: Vec<String> = facts.authority().certificates.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["*.example.com"]);
}

#[test]
fn a_certificate_is_renewed_at_a_third_of_its_lifetime_left() {
    let mut facts = ready();
    let started = facts.now.as_second();
    let renewed_on = (0..90).find(|day| {
        facts.now = Timestamp::from_second(started + day * 86_400).unwrap();
        !kinds(&facts).is_empty()
    });
    let day = renewed_on.unwrap();
    assert!((60..=64).contains(&day), "renewed on day {day} of 90");
    let step = changes_of(&facts, &name("acme")).steps.remove(0);
    assert_eq!((step.origin, step.risk), (Origin::Schedule, Risk::None));
}

#[test]
fn a_faulty_or_expired_certificate_is_replaced() {
    let mut faulty = ready();
    let stored = CertificateName("acme.example.com".to_owned());
    faulty.authority().certificates.get_mut(&stored).unwrap().fault = Some("the key does not match".to_owned());
    assert_eq!(kinds(&faulty), ["obtain-certificate"]);
    let mut expired = ready();
    expired.now = "2027-03-01T12:00:00Z".parse().unwrap();
    assert_eq!(kinds(&expired), ["obtain-certificate"]);
}

#[test]
fn ready_is_proven_by_the_login_page_and_the_certificate() {
    let host = Domain::parse("acme.example.com").unwrap();
    let spoil: [fn(&mut innkeeper::model::live::Answer); 3] = [
        |answer| answer.status = 502,
        |answer| answer.login_page = false,
        |answer| answer.fingerprint = "other".to_owned(),
    ];
    for (nth, spoil) in spoil.into_iter().enumerate() {
        let mut facts = ready();
        match facts.live.answers.get_mut(&host).unwrap() {
            Seen::Known(answer) => spoil(answer),
            Seen::Unseen(_) => unreachable!(),
        }
        assert_eq!(holds(&facts), [HoldReason::NotHealthy], "case {nth}");
        let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
        assert_ne!(status.state, State::Ready, "case {nth}");
    }
}

#[test]
fn what_is_nobodys_alone_is_decided_for_the_host() {
    let mut changed = ready();
    changed.proxy().templates_changed = true;
    assert_eq!(text(&changes_of_host(&changed)), "render-sites [Intended None] templates changed\n");
    let mut broken = changed.clone();
    broken.proxy().template_problem = Some("shared.conf.tera:12: unexpected }".to_owned());
    assert!(changes_of_host(&broken).steps.is_empty());
    assert_eq!(changes_of_host(&broken).holds[0].reason, HoldReason::TemplateBroken);
    let mut stale = ready();
    stale.proxy().loaded = None;
    assert_eq!(changes_of_host(&stale).steps.len(), 1);
}

#[test]
fn two_instances_never_share_a_host() {
    let mut facts = ready();
    let mut thief = wanted("thief");
    thief.host = Domain::parse("acme.example.com").unwrap();
    facts.instances.insert(name("thief"), instance(thief, 9));
    let decided = changes_of(&facts, &name("thief"));
    assert!(
        decided.holds.iter().any(|hold| hold.reason == HoldReason::Conflict && hold.message.contains("acme")),
        "{decided:#?}"
    );
    assert!(!decided.steps.iter().any(|step| step.action.kind().as_str() == "put-site"));
}

/// `acme` with a domain of its own that is its primary name, ready.
fn with_a_primary() -> Facts {
    let mut facts = facts([wanted("acme")]);
    let host = Domain::parse("erp.acme.org").unwrap();
    let acme = facts.wanted("acme");
    acme.domains.insert(host.clone());
    acme.primary = Some(Primary { host, redirect: true });
    converge(&mut facts);
    facts
}

#[test]
fn links_carry_the_primary_name_and_the_others_lead_to_it() {
    let mut facts = with_a_primary();
    let primary = Domain::parse("erp.acme.org").unwrap();
    let row = |facts: &mut Facts| facts.proxy().sites[&name("acme")].row.clone();
    assert_eq!(row(&mut facts).redirect.as_ref(), Some(&primary));
    let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
    assert_eq!((status.state, status.url.as_deref()), (State::Ready, Some("https://erp.acme.org")));
    assert_eq!(status.urls, ["https://erp.acme.org", "https://acme.example.com"]);

    facts.wanted("acme").primary.as_mut().unwrap().redirect = false;
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
        put-site [Intended None] it differed
            other names lead to: erp.acme.org → the site
    "#]],
    );
}

#[test]
fn a_change_of_the_primary_name_changes_links_once() {
    let mut facts = ready();
    let acme = facts.wanted("acme");
    let host = Domain::parse("erp.acme.org").unwrap();
    acme.domains.insert(host.clone());
    acme.primary = Some(Primary { host, redirect: true });
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
        set-up [Intended None] the file asks for another set-up
            url: https://acme.example.com → https://erp.acme.org
        put-site [Intended None] it differed
            hosts: acme.example.com → acme.example.com erp.acme.org
            certificates: acme.example.com → acme.example.com erp.acme.org
        obtain-certificate:erp.acme.org [Intended None] none was stored after put-site
            name: - → erp.acme.org
    "#]],
    );
    converge(&mut facts);
    assert_eq!(kinds(&facts), [""; 0]);
}

#[test]
fn nothing_leads_to_a_primary_name_without_a_certificate() {
    let mut facts = with_a_primary();
    let stored = CertificateName("erp.acme.org".to_owned());
    let put_site = |facts: &Facts| {
        let steps = changes_of(facts, &name("acme")).steps;
        steps.into_iter().find_map(|step| match step.action {
            Action::PutSite(row) => Some((row.redirect.map(|host| host.to_string()), step.origin)),
            _ => None,
        })
    };
    let sound = facts.authority().certificates.remove(&stored).unwrap();
    assert_eq!(put_site(&facts), Some((None, Origin::Intended)), "it is gone: the names serve beside each other");
    let mut faulty = sound.clone();
    faulty.fault = Some("the key does not match".to_owned());
    facts.authority().certificates.insert(stored.clone(), faulty);
    assert_eq!(put_site(&facts), Some((None, Origin::Intended)));
    facts.proxy().sites.get_mut(&name("acme")).unwrap().row.redirect = None;
    assert_eq!(put_site(&facts), None);
    facts.authority().certificates.insert(stored, sound);
    assert_eq!(put_site(&facts), Some((Some("erp.acme.org".to_owned()), Origin::Intended)), "it came: by itself");

    let mut unseen = with_a_primary();
    unseen.live.authority = Seen::Unseen("the disk".to_owned());
    assert_eq!(put_site(&unseen), None, "not seen is not gone");
}

#[test]
fn a_name_that_leads_to_another_is_proven_by_its_redirect_and_its_certificate() {
    let host = Domain::parse("acme.example.com").unwrap();
    let answer = |facts: &mut Facts, spoil: fn(&mut innkeeper::model::live::Answer)| {
        match facts.live.answers.get_mut(&host).unwrap() {
            Seen::Known(answer) => spoil(answer),
            Seen::Unseen(_) => unreachable!(),
        }
        holds(facts)
    };
    let mut facts = with_a_primary();
    assert_eq!(answer(&mut facts, |answer| (answer.status, answer.login_page) = (301, false)), []);
    assert_eq!(answer(&mut facts, |answer| answer.status = 308), [HoldReason::NotHealthy]);
    assert_eq!(answer(&mut facts, |answer| answer.status = 503), [HoldReason::NotHealthy]);
    let other =
        |answer: &mut innkeeper::model::live::Answer| (answer.status, answer.fingerprint) = (301, "other".to_owned());
    assert_eq!(answer(&mut facts, other), [HoldReason::NotHealthy]);
    let mut plain = ready();
    assert_eq!(
        answer(&mut plain, |answer| (answer.status, answer.login_page) = (301, false)),
        [HoldReason::NotHealthy]
    );
}

#[test]
fn pages_follow_the_companys_language_and_a_row_of_an_earlier_version_is_no_drift() {
    let mut facts = ready();
    facts.proxy().sites.get_mut(&name("acme")).unwrap().row.language = None;
    check(
        &facts,
        &expect![[r#"
        put-site [Intended None] it differed
            language of its pages: English → en_US
    "#]],
    );
}

/// `acme` and `beta`, both ready.
fn two() -> Facts {
    let mut facts = facts([wanted("acme"), wanted("beta")]);
    converge(&mut facts);
    facts
}

#[test]
fn two_that_exchange_their_names_let_go_of_them_first() {
    let mut facts = two();
    let host = |text: &str| Domain::parse(text).unwrap();
    for (name, other) in [("acme", "beta"), ("beta", "acme")] {
        facts.wanted(name).host = host(&format!("{other}.example.com"));
        facts.instance(name).generation += 1;
    }
    converge(&mut facts);
    let sites = &facts.proxy().sites;
    assert!(sites[&name("acme")].row.hosts.contains_key(&host("beta.example.com")), "{sites:#?}");
    assert!(sites[&name("beta")].row.hosts.contains_key(&host("acme.example.com")), "{sites:#?}");
}

#[test]
fn who_exchanges_one_name_of_several_keeps_answering_at_the_others() {
    let mut facts = two();
    let host = |text: &str| Domain::parse(text).unwrap();
    facts.wanted("acme").domains = [host("erp.acme.org")].into();
    converge(&mut facts);
    facts.wanted("acme").host = host("beta.example.com");
    facts.wanted("beta").host = host("acme.example.com");
    let first = changes_of(&facts, &name("acme"));
    let put = first.steps.iter().find_map(|step| match &step.action {
        Action::PutSite(row) => Some(row.hosts.keys().map(ToString::to_string).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(put.unwrap(), ["erp.acme.org"]);
    converge(&mut facts);
    assert_eq!(facts.proxy().sites[&name("acme")].row.hosts.len(), 2);
}

#[test]
fn nobody_lets_go_of_its_names_for_a_neighbour_who_is_left_alone() {
    let mut facts = facts([wanted("acme"), wanted("beta"), wanted("citrus")]);
    converge(&mut facts);
    let host = |text: &str| Domain::parse(text).unwrap();
    facts.wanted("acme").host = host("citrus.example.com");
    facts.wanted("beta").host = host("acme.example.com");
    facts.wanted("citrus").host = host("elsewhere.example.com");
    facts.wanted("citrus").suspended = true;
    assert_eq!(
        (kinds(&facts), holds(&facts)),
        (vec!["set-up"], vec![HoldReason::Conflict]),
        "acme is served as before"
    );
    facts.wanted("citrus").suspended = false;
    converge(&mut facts);
    assert!(facts.proxy().sites[&name("beta")].row.hosts.contains_key(&host("acme.example.com")));
}
