//! A Pebble of the test's own, held to the promises.

use super::bench::{Bench, site};
use super::pebble::Pebble;
use super::web::{Reply, Web};
use crate::contract::promises::Side;
use crate::contract::promises::authority::{Office, authority};
use innkeeper::adapters::acme::Acme;
use innkeeper::edges::Authority;

/// The authority, the adapter, and the sites that answer.
struct Desk {
    pebble: Pebble,
    acme: Acme,
    _bench: Bench,
    _site: Web,
    _stranger: Web,
}

authority!(Desk);

impl Side for Desk {
    fn hold(promised: impl AsyncFnOnce(&Self)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let pebble = Pebble::start(5).await;
            let bench = Bench::with(&pebble);
            let acme = bench.acme();
            let site = site(bench.http_port, &acme).await;
            let elsewhere = format!("127.0.0.2:{}", bench.http_port);
            let stranger = Web::serve(&elsewhere, |_, _| Reply::text(200, "another host")).await;
            pebble.point(Self::ELSEWHERE, &["127.0.0.2"]).await;
            promised(&Self { pebble, acme, _bench: bench, _site: site, _stranger: stranger }).await;
        });
    }
}

impl Office for Desk {
    fn authority(&self) -> &dyn Authority {
        &self.acme
    }

    fn orders(&self) -> u64 {
        self.pebble.orders() as u64
    }
}
