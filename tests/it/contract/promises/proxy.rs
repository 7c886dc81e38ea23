//! What a proxy promises.

use super::{Side, kind};
use innkeeper::edges::proxy::{Channel, Refused, SiteChanges, Visit};
use innkeeper::edges::{Ask, EdgeError, ErrorKind, Proxy};
use innkeeper::model::live::ProxyLive;
use innkeeper::model::name::{Domain, InstanceName, TemplateName, Uid};
use innkeeper::model::site::{CertificateName, SitePage, SiteRow};
use std::collections::BTreeMap;

/// Every promise, for one side.
macro_rules! proxy {
    ($side:ty) => {
        $crate::contract::promises::hold_to! { $side: proxy
            before_the_first_site_there_is_nothing
            a_published_site_is_in_force_and_seen
            the_same_again_does_nothing
            a_row_that_was_taken_away_is_gone_and_what_is_gone_may_be_taken_away
            another_lifes_row_is_a_conflict_and_stays
            a_name_has_one_owner_and_the_newcomer_waits
            a_name_that_others_serve_is_refused_and_the_rest_goes_on
            a_template_that_is_not_there_holds_back_its_row_alone
            a_refused_row_leaves_the_one_before_in_force
            an_edit_by_hand_is_seen_and_put_right
            a_stopped_proxy_is_unreachable_and_its_rows_are_not_forgotten
            a_host_that_nobody_serves_gives_no_answer
            a_name_that_leads_to_another_says_so
            a_channel_that_does_not_open_is_told_where_it_was_asked_for
        }
    };
}
pub(crate) use proxy;

/// A proxy with hands that can do damage there.
pub(crate) trait Sites: Side {
    /// The edge.
    fn proxy(&self) -> &dyn Proxy;
    /// A row of its own for this instance, whose application answers and whose certificate is there.
    fn row(&self, instance: &str) -> SiteRow;
    /// From now on somebody else serves this host.
    fn serve_as_somebody_else(&self, host: &Domain);
    /// Edits the lines of this site by hand.
    fn edit(&self, row: &SiteRow);
    /// The application's websockets open no more.
    fn close_websockets(&self, row: &SiteRow);
    /// Stops it.
    fn stop(&self);
}

async fn look(side: &impl Sites) -> ProxyLive {
    side.proxy().look(&Ask::default()).await.unwrap()
}

async fn put(side: &impl Sites, rows: &[&SiteRow]) -> Result<Refused, EdgeError> {
    let put = rows.iter().map(|row| (row.instance.clone(), (*row).clone())).collect();
    side.proxy().publish(&SiteChanges { put, ..SiteChanges::default() }).await
}

async fn remove(side: &impl Sites, name: &InstanceName, uid: Uid) -> Result<Refused, EdgeError> {
    let remove = BTreeMap::from([(name.clone(), uid)]);
    side.proxy().publish(&SiteChanges { remove, ..SiteChanges::default() }).await
}

/// Who was refused, and with which kind.
fn refused(answer: Result<Refused, EdgeError>) -> Vec<(InstanceName, ErrorKind)> {
    answer.unwrap().into_iter().map(|(name, error)| (name, error.kind)).collect()
}

fn host(row: &SiteRow) -> Domain {
    row.hosts.keys().next().unwrap().clone()
}

async fn status(side: &impl Sites, row: &SiteRow) -> u16 {
    side.proxy().ask_host(&host(row), &Visit::default()).await.unwrap().status
}

fn names(live: &ProxyLive) -> Vec<&str> {
    live.sites.keys().map(InstanceName::as_str).collect()
}

pub(crate) async fn before_the_first_site_there_is_nothing(side: &impl Sites) {
    let live = look(side).await;
    assert!(live.running && live.current.is_none() && live.loaded.is_none() && live.sites.is_empty(), "{live:?}");
    assert!(refused(remove(side, &crate::world::name("acme"), crate::world::uid(1)).await).is_empty());
}

pub(crate) async fn a_published_site_is_in_force_and_seen(side: &impl Sites) {
    let mut acme = side.row("acme");
    assert!(refused(put(side, &[&acme]).await).is_empty());
    let live = look(side).await;
    assert!(live.running && live.intact && live.loaded.is_some() && live.loaded == live.current, "{live:?}");
    assert_eq!((&live.sites[&acme.instance].row, live.sites[&acme.instance].intact), (&acme, true));
    let answer = side.proxy().ask_host(&host(&acme), &Visit::default()).await.unwrap();
    assert_eq!((answer.status, answer.login_page), (200, true));
    for (page, expected) in [(SitePage::Stopped, 503), (SitePage::Retired, 410), (SitePage::Serve, 200)] {
        acme.page = page;
        assert!(refused(put(side, &[&acme]).await).is_empty());
        assert_eq!(status(side, &acme).await, expected, "{page:?}");
        assert_eq!(look(side).await.sites[&acme.instance].row, acme);
    }
}

pub(crate) async fn the_same_again_does_nothing(side: &impl Sites) {
    let acme = side.row("acme");
    put(side, &[&acme]).await.unwrap();
    let before = look(side).await;
    put(side, &[&acme]).await.unwrap();
    put(side, &[]).await.unwrap();
    assert_eq!(look(side).await, before);
}

pub(crate) async fn a_row_that_was_taken_away_is_gone_and_what_is_gone_may_be_taken_away(side: &impl Sites) {
    let (acme, other) = (side.row("acme"), side.row("other"));
    put(side, &[&acme, &other]).await.unwrap();
    assert!(refused(remove(side, &acme.instance, acme.uid).await).is_empty());
    let live = look(side).await;
    assert_eq!(names(&live), ["other"]);
    assert_eq!(
        kind(side.proxy().ask_host(&host(&acme), &Visit::default()).await),
        ErrorKind::Unreachable,
        "nobody serves it any more"
    );
    assert_eq!(status(side, &other).await, 200);
    assert!(refused(remove(side, &acme.instance, acme.uid).await).is_empty());
    assert_eq!(look(side).await, live);
}

pub(crate) async fn another_lifes_row_is_a_conflict_and_stays(side: &impl Sites) {
    let acme = side.row("acme");
    put(side, &[&acme]).await.unwrap();
    let before = look(side).await;
    let other = crate::world::uid(77);
    assert_ne!(acme.uid, other);
    assert_eq!(refused(remove(side, &acme.instance, other).await), [(acme.instance.clone(), ErrorKind::Conflict)]);
    assert_eq!(look(side).await, before);
    assert_eq!(status(side, &acme).await, 200);
}

pub(crate) async fn a_name_has_one_owner_and_the_newcomer_waits(side: &impl Sites) {
    let acme = side.row("acme");
    put(side, &[&acme]).await.unwrap();
    let (thief, good) = (side.row("aaa"), side.row("good"));
    let thief = SiteRow { hosts: acme.hosts.clone().into_iter().chain(thief.hosts).collect(), ..thief };
    let answer = refused(put(side, &[&thief, &good]).await);
    assert_eq!(answer, [(thief.instance.clone(), ErrorKind::Refused)]);
    assert_eq!(names(&look(side).await), ["acme", "good"]);
    assert_eq!((status(side, &acme).await, status(side, &good).await), (200, 200));
}

pub(crate) async fn a_name_that_others_serve_is_refused_and_the_rest_goes_on(side: &impl Sites) {
    let (acme, shop) = (side.row("acme"), side.row("shop"));
    side.serve_as_somebody_else(&host(&shop));
    assert_eq!(look(side).await.foreign_hosts, [host(&shop)].into());
    let answer = refused(put(side, &[&acme, &shop]).await);
    assert_eq!(answer, [(shop.instance.clone(), ErrorKind::Refused)]);
    assert_eq!(names(&look(side).await), ["acme"]);
    assert_eq!(status(side, &acme).await, 200);
}

pub(crate) async fn a_template_that_is_not_there_holds_back_its_row_alone(side: &impl Sites) {
    let (acme, own) = (side.row("acme"), side.row("own"));
    let own = SiteRow { template: Some(TemplateName::parse("no-such-template").unwrap()), ..own };
    assert_eq!(refused(put(side, &[&acme, &own]).await), [(own.instance.clone(), ErrorKind::Refused)]);
    assert_eq!(names(&look(side).await), ["acme"]);
    assert_eq!(status(side, &acme).await, 200);
}

pub(crate) async fn a_refused_row_leaves_the_one_before_in_force(side: &impl Sites) {
    let (acme, other) = (side.row("acme"), side.row("other"));
    put(side, &[&acme, &other]).await.unwrap();
    let taken = host(&other);
    let greedy = SiteRow {
        hosts: acme.hosts.clone().into_iter().chain([(taken.clone(), CertificateName::host(&taken))]).collect(),
        ..acme.clone()
    };
    assert_eq!(refused(put(side, &[&greedy]).await), [(acme.instance.clone(), ErrorKind::Refused)]);
    assert_eq!(look(side).await.sites[&acme.instance].row, acme);
    assert_eq!((status(side, &acme).await, status(side, &other).await), (200, 200));
}

pub(crate) async fn an_edit_by_hand_is_seen_and_put_right(side: &impl Sites) {
    let (acme, other) = (side.row("acme"), side.row("other"));
    put(side, &[&acme, &other]).await.unwrap();
    side.edit(&acme);
    let live = look(side).await;
    assert!(!live.intact && !live.sites[&acme.instance].intact && live.sites[&other.instance].intact, "{live:?}");
    put(side, &[&acme]).await.unwrap();
    let live = look(side).await;
    assert!(live.intact && live.sites[&acme.instance].intact && live.loaded == live.current, "{live:?}");
}

pub(crate) async fn a_stopped_proxy_is_unreachable_and_its_rows_are_not_forgotten(side: &impl Sites) {
    let (acme, other) = (side.row("acme"), side.row("other"));
    put(side, &[&acme]).await.unwrap();
    side.stop();
    let live = look(side).await;
    assert!(!live.running && live.loaded.is_none(), "{live:?}");
    assert_eq!(live.sites[&acme.instance].row, acme, "what is on the disk is seen");
    assert_eq!(kind(put(side, &[&other]).await), ErrorKind::Unreachable);
    assert_eq!(kind(side.proxy().ask_host(&host(&acme), &Visit::default()).await), ErrorKind::Unreachable);
    let rows = look(side).await.sites;
    assert_eq!(rows.keys().map(InstanceName::as_str).collect::<Vec<_>>(), ["acme", "other"], "in force at its start");
}

pub(crate) async fn a_host_that_nobody_serves_gives_no_answer(side: &impl Sites) {
    let (acme, nobody) = (side.row("acme"), side.row("nobody"));
    put(side, &[&acme]).await.unwrap();
    assert_eq!(kind(side.proxy().ask_host(&host(&nobody), &Visit::default()).await), ErrorKind::Unreachable);
    assert_eq!(status(side, &acme).await, 200);
}

pub(crate) async fn a_name_that_leads_to_another_says_so(side: &impl Sites) {
    let (acme, other) = (side.row("acme"), side.row("other"));
    let (main, second) = (host(&acme), host(&other));
    let both = SiteRow {
        hosts: acme.hosts.clone().into_iter().chain(other.hosts).collect(),
        redirect: Some(main.clone()),
        ..acme
    };
    assert!(refused(put(side, &[&both]).await).is_empty());
    let answer = side.proxy().ask_host(&second, &Visit::default()).await.unwrap();
    assert_eq!((answer.status, answer.login_page), (301, false));
    assert_eq!(side.proxy().ask_host(&main, &Visit::default()).await.unwrap().status, 200);
    let closed = SiteRow { page: SitePage::Stopped, ..both };
    assert!(refused(put(side, &[&closed]).await).is_empty());
    assert_eq!(
        side.proxy().ask_host(&second, &Visit::default()).await.unwrap().status,
        503,
        "a closed site says so at each name"
    );
}

pub(crate) async fn a_channel_that_does_not_open_is_told_where_it_was_asked_for(side: &impl Sites) {
    let acme = side.row("acme");
    put(side, &[&acme]).await.unwrap();
    side.close_websockets(&acme);
    let asked = async |channel| {
        let answer = side.proxy().ask_host(&host(&acme), &Visit { channel, ..Visit::default() }).await.unwrap();
        (answer.status, answer.login_page, answer.websocket_fault.is_some())
    };
    assert_eq!(asked(Channel::Websocket).await, (200, true, true));
    assert_eq!(asked(Channel::Same).await, (200, true, false));
}
