//! The proxy's lane: many changes, few generations.

use async_trait::async_trait;
use futures::future::join_all;
use innkeeper::apply::Lanes;
use innkeeper::edges::proxy::{Refused, SiteChanges, Visit};
use innkeeper::edges::{Ask, Edge, EdgeError, ErrorKind, Proxy};
use innkeeper::model::live::{Answer, ProxyLive};
use innkeeper::model::name::{Domain, InstanceName};
use innkeeper::model::service::Ports;
use innkeeper::model::site::{CertificateName, SitePage, SiteRow};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// A proxy that only remembers which rows came together; it refuses the rows of `refused`.
#[derive(Default)]
struct Remembering {
    generations: Mutex<Vec<Vec<InstanceName>>>,
    refused: Vec<InstanceName>,
    down: bool,
    /// Each generation keeps visitors.
    crowded: bool,
}

#[async_trait]
impl Proxy for Remembering {
    async fn look(&self, _: &Ask) -> Result<ProxyLive, EdgeError> {
        Ok(ProxyLive::default())
    }

    async fn publish(&self, changes: &SiteChanges) -> Result<Refused, EdgeError> {
        self.generations.lock().unwrap().push(changes.put.keys().cloned().collect());
        if self.down {
            return Err(EdgeError::plain(Edge::Proxy, ErrorKind::Unreachable, "nginx is not running"));
        }
        let refused = |name: &&InstanceName| self.refused.contains(name);
        let error = || EdgeError::plain(Edge::Proxy, ErrorKind::Refused, "the row was refused");
        Ok(changes.put.keys().filter(refused).map(|name| (name.clone(), error())).collect())
    }

    async fn draining(&self) -> usize {
        if self.crowded { self.generations.lock().unwrap().len() } else { 0 }
    }

    async fn ask_host(&self, host: &Domain, _visit: &Visit) -> Result<Answer, EdgeError> {
        Err(EdgeError::plain(Edge::Proxy, ErrorKind::Failed, format!("{host} is not asked here")))
    }
}

fn row(number: u16) -> SiteRow {
    let instance = crate::world::name(&format!("customer-{number}"));
    let host = Domain::parse(&format!("{instance}.example.com")).unwrap();
    SiteRow {
        hosts: BTreeMap::from([(host.clone(), CertificateName::host(&host))]),
        instance,
        uid: crate::world::uid(u128::from(number)),
        ports: Ports { http: 20_000 + 2 * number },
        gevent: true,
        page: SitePage::Serve,
        template: None,
        language: None,
        redirect: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_changes_at_once_give_at_most_two_generations() {
    let (proxy, lanes) = (Remembering::default(), Lanes::default());
    let rows: Vec<SiteRow> = (0..100).map(row).collect();
    let results = join_all(rows.iter().map(|row| lanes.sites.put(&proxy, row))).await;
    assert!(results.iter().all(Result::is_ok));
    let generations = proxy.generations.lock().unwrap();
    assert!(generations.len() <= 2, "{} generations", generations.len());
    assert_eq!(generations.iter().map(Vec::len).sum::<usize>(), 100, "every row is in exactly one");
}

/// Lets so many changes come, one each 40 ms; how long the first one took, in milliseconds.
async fn come_one_after_the_other(proxy: &Remembering, lanes: &Lanes, changes: u16) -> u128 {
    let rows: Vec<SiteRow> = (0..changes).map(row).collect();
    let took = join_all((0..).zip(&rows).map(async |(number, row)| {
        tokio::time::sleep(std::time::Duration::from_millis(40) * number).await;
        let began = tokio::time::Instant::now();
        lanes.sites.put(proxy, row).await.unwrap();
        began.elapsed().as_millis()
    }));
    took.await[0]
}

#[tokio::test(start_paused = true)]
async fn changes_that_keep_coming_are_gathered_for_three_seconds_at_most() {
    let (proxy, lanes) = (Remembering::default(), Lanes::default());
    let alone = come_one_after_the_other(&proxy, &lanes, 1).await;
    assert!(alone <= 60, "a change that comes alone took {alone} ms");

    let (proxy, lanes) = (Remembering::default(), Lanes::default());
    come_one_after_the_other(&proxy, &lanes, 60).await;
    assert_eq!(proxy.generations.lock().unwrap().len(), 1, "they came within 2.4 s");

    let (proxy, lanes) = (Remembering::default(), Lanes::default());
    let first = come_one_after_the_other(&proxy, &lanes, 180).await;
    assert!((2_900..=3_400).contains(&first), "the first of many took {first} ms");
    assert_eq!(proxy.generations.lock().unwrap().len(), 2, "they came within 7.2 s");
}

#[tokio::test(start_paused = true)]
async fn generations_keep_their_distance() {
    let (proxy, lanes) = (Remembering::default(), Lanes::default());
    let started = tokio::time::Instant::now();
    for number in 0..4 {
        lanes.sites.put(&proxy, &row(number)).await.unwrap();
    }
    assert_eq!(proxy.generations.lock().unwrap().len(), 4);
    assert!(started.elapsed().as_secs() >= 6, "four generations take three intervals of two seconds");
}

#[tokio::test(start_paused = true)]
async fn while_many_old_workers_have_visitors_changes_are_gathered_for_a_minute() {
    let (proxy, lanes) = (Remembering { crowded: true, ..Remembering::default() }, Lanes::default());
    let started = tokio::time::Instant::now();
    for number in 0..17 {
        lanes.sites.put(&proxy, &row(number)).await.unwrap();
    }
    assert!(started.elapsed().as_secs() < 60, "a busy hour of a few changes is not slowed down");
    let started = tokio::time::Instant::now();
    let rows: Vec<SiteRow> = (20..40).map(row).collect();
    let results = join_all((0..).zip(&rows).map(async |(number, row)| {
        tokio::time::sleep(std::time::Duration::from_secs(2) * number).await;
        lanes.sites.put(&proxy, row).await
    }));
    assert!(results.await.iter().all(Result::is_ok));
    let took = started.elapsed().as_secs();
    assert!((59..=64).contains(&took), "{took} s");
    assert_eq!(proxy.generations.lock().unwrap().len(), 18, "those of a minute go together");
}

#[tokio::test(start_paused = true)]
async fn a_refused_row_is_told_to_its_own_instance_alone() {
    let proxy = Remembering { refused: vec![crate::world::name("customer-1")], ..Remembering::default() };
    let lanes = Lanes::default();
    let rows: Vec<SiteRow> = (0..3).map(row).collect();
    let results = join_all(rows.iter().map(|row| lanes.sites.put(&proxy, row))).await;
    let refused: Vec<bool> = results.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_is_down_is_told_to_all_that_waited() {
    let (proxy, lanes) = (Remembering { down: true, ..Remembering::default() }, Lanes::default());
    let rows: Vec<SiteRow> = (0..3).map(row).collect();
    let results = join_all(rows.iter().map(|row| lanes.sites.put(&proxy, row))).await;
    assert!(results.iter().all(|result| result.as_ref().is_err_and(|error| error.kind == ErrorKind::Unreachable)));
    assert!(lanes.sites.render(&proxy).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_cut_waiter_holds_up_nobody() {
    let (proxy, lanes) = (Remembering::default(), Lanes::default());
    let first = row(0);
    lanes.sites.put(&proxy, &first).await.unwrap();
    {
        let second = row(1);
        let cut = lanes.sites.put(&proxy, &second);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), cut).await.is_err(), "it waits its turn");
    }
    lanes.sites.put(&proxy, &row(2)).await.unwrap();
    let published: Vec<InstanceName> = proxy.generations.lock().unwrap().concat();
    assert!(published.contains(&crate::world::name("customer-1")), "its row is published all the same");
}
