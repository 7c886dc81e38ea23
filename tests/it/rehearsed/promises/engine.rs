//! The rehearsed container engine, held to the promises.

use super::{IMAGE, Stage};
use crate::contract::promises::engine::{Customer, Host, engine};
use innkeeper::adapters::rehearsal::world::{Container, ContainerState, NO_LABEL, Volume};
use innkeeper::edges::{Edge, Engine};
use innkeeper::model::live::NetworkLive;
use innkeeper::model::name::{ModuleName, OdooVersion};
use innkeeper::model::service::{JobSpec, JobWork, Owner, Ports};
use std::collections::BTreeSet;
use std::time::Duration;

engine!(Stage);

fn nobody() -> Owner {
    Owner::Foreign(NO_LABEL.to_owned())
}

impl Host for Stage {
    fn engine(&self) -> &dyn Engine {
        &self.rehearsal
    }

    fn stopped(&self) -> Box<dyn Engine> {
        self.take_down(Edge::Engine);
        Box::new(self.rehearsal.clone())
    }

    fn image(&self) -> String {
        IMAGE.to_owned()
    }

    fn customer(&self) -> Customer {
        Customer { name: crate::world::name("acme"), uid: crate::world::uid(1), ports: Ports { http: 20_000 } }
    }

    fn neighbour(&self) -> Customer {
        Customer { name: crate::world::name("acme-2"), uid: crate::world::uid(2), ports: Ports { http: 20_002 } }
    }

    fn conf(&self) -> String {
        "[options]\n".to_owned()
    }

    fn make_foreign_network(&self) {
        self.rehearsal.with(|world| world.network = Some(NetworkLive { ours: false, isolated: false }));
    }

    fn remove_foreign_network(&self) {
        self.rehearsal.with(|world| world.network = None);
    }

    fn make_foreign_container(&self, name: &str) {
        self.rehearsal.with(|world| {
            let container = Container {
                owner: nobody(),
                id: format!("c{}", world.next_serial()),
                image: IMAGE.to_owned(),
                image_id: world.images[IMAGE].id.clone(),
                state: ContainerState::Running,
                started_at: Some(crate::world::now()),
                booted: true,
                restarts: 0,
                killed_for_memory: false,
                memory_kills: 0,
                cpu_millis: 0,
                memory_bytes: 0,
                ports: None,
                hardened: false,
                volume: None,
                conf: None,
                work: None,
            };
            world.containers.insert(name.to_owned(), container);
        });
    }

    fn make_foreign_volume(&self, name: &str) {
        self.rehearsal.with(|world| {
            let volume = Volume { owner: nobody(), serial: world.next_serial(), content: 1, missing: 0 };
            world.volumes.insert(name.to_owned(), volume);
        });
    }

    fn state_of(&self, name: &str) -> String {
        self.rehearsal.with(|world| format!("{:?} {:?}", world.containers.get(name), world.volumes.get(name)))
    }

    async fn endless_job(&self) -> JobSpec {
        let customer = self.customer();
        customer.prepare(self, &self.conf()).await;
        let work = JobWork::Install {
            modules: BTreeSet::from([ModuleName::parse("base").unwrap()]),
            database: "odoo_acme".to_owned(),
            version: OdooVersion::parse("19.0").unwrap(),
        };
        let spec = customer.job(self, work, 120).await;
        // An installation takes half a minute of this world's time; none of it passes while nobody waits.
        let waited = tokio::time::timeout(Duration::from_secs(2), self.rehearsal.run_job(&spec)).await;
        assert!(waited.is_err(), "the job ended by itself: {waited:?}");
        spec
    }
}
