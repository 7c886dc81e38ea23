//! The rehearsed authority, held to the promises.

use super::Stage;
use crate::contract::promises::Side;
use crate::contract::promises::authority::{Office, authority};
use innkeeper::adapters::rehearsal::world::Generation;
use innkeeper::edges::Authority;
use innkeeper::model::name::Domain;
use innkeeper::model::service::Ports;
use innkeeper::model::site::{CertificateName, SitePage, SiteRow};
use std::collections::BTreeMap;

/// A rehearsed host whose nginx answers for the names that point here.
struct Town {
    stage: Stage,
}

authority!(Town);

impl Side for Town {
    fn hold(promised: impl AsyncFnOnce(&Self)) {
        Stage::hold(async |stage| {
            let stage = Stage { rehearsal: stage.rehearsal.clone() };
            let hosts = [Self::HERE, Self::ALSO_HERE].map(|host| Domain::parse(host).unwrap());
            let row = SiteRow {
                instance: crate::world::name("acme"),
                uid: crate::world::uid(1),
                hosts: hosts.into_iter().map(|host| (host.clone(), CertificateName::host(&host))).collect(),
                ports: Ports { http: 20_000 },
                gevent: false,
                page: SitePage::Serve,
                template: None,
                language: None,
                redirect: None,
            };
            stage.rehearsal.with(|world| {
                let rows = BTreeMap::from([(row.instance.clone(), row)]);
                world.proxy.loaded = Some(Generation { name: "gen-1".to_owned(), rows, templates: 0 });
                world.pointing_elsewhere.insert(Domain::parse(Self::ELSEWHERE).unwrap());
            });
            promised(&Self { stage }).await;
        });
    }
}

impl Office for Town {
    fn authority(&self) -> &dyn Authority {
        &self.stage.rehearsal
    }

    fn orders(&self) -> u64 {
        self.stage.rehearsal.with(|world| world.orders)
    }
}
