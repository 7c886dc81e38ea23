//! The rehearsed nginx, held to the promises.

use super::{IMAGE, Stage};
use crate::contract::promises::proxy::{Sites, proxy};
use innkeeper::adapters::rehearsal::World;
use innkeeper::adapters::rehearsal::world::{
    Ailment, ConfFile, Container, ContainerState, Database, NO_COMMENT, NO_LABEL, Role, StoredCertificate, Volume,
};
use innkeeper::edges::Proxy;
use innkeeper::model::live::{CertificateLive, OdooLive};
use innkeeper::model::name::Domain;
use innkeeper::model::secret::SecretString;
use innkeeper::model::service::{ImageUser, Owner, Ports};
use innkeeper::model::site::{CertificateName, SitePage, SiteRow};
use innkeeper::model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

proxy!(Stage);

impl Sites for Stage {
    fn proxy(&self) -> &dyn Proxy {
        &self.rehearsal
    }

    fn row(&self, instance: &str) -> SiteRow {
        let host = Domain::parse(&format!("{instance}.fleet.test")).unwrap();
        let ports = self.rehearsal.with(|world| {
            world.certificates.insert(CertificateName::host(&host), certificate(&host));
            serve(world, instance)
        });
        SiteRow {
            instance: crate::world::name(instance),
            uid: crate::world::uid(1),
            hosts: BTreeMap::from([(host.clone(), CertificateName::host(&host))]),
            ports,
            gevent: true,
            page: SitePage::Serve,
            template: None,
            language: None,
            redirect: None,
        }
    }

    fn serve_as_somebody_else(&self, host: &Domain) {
        self.rehearsal.with(|world| world.proxy.foreign_hosts.insert(host.clone()));
    }

    fn edit(&self, row: &SiteRow) {
        self.rehearsal.with(|world| world.proxy.edited.insert(row.instance.clone()));
    }

    fn close_websockets(&self, row: &SiteRow) {
        self.rehearsal.with(|world| world.ailments.insert(row.instance.clone(), Ailment::NoWebsocket));
    }

    fn stop(&self) {
        self.rehearsal.with(|world| world.proxy.running = false);
    }
}

fn certificate(host: &Domain) -> StoredCertificate {
    let live = CertificateLive {
        names: BTreeSet::from([host.to_string()]),
        not_before: Timestamp::MIN,
        not_after: Timestamp::MAX,
        issuer: "the test".to_owned(),
        fault: None,
        fingerprint: "0".repeat(64),
    };
    StoredCertificate { live, placeholder: false }
}

/// An application that has been running for long, on ports of its own.
fn serve(world: &mut World, name: &str) -> Ports {
    let ports = Ports { http: 20_000 + 2 * u16::try_from(world.containers.len()).unwrap() };
    let password = SecretString::from("password");
    let role = Role {
        owner: Owner::Foreign(NO_COMMENT.to_owned()),
        password,
        mark: None,
        login: true,
        excess: BTreeSet::new(),
        connection_limit: 10,
    };
    let database = Database {
        owner: Owner::Foreign(NO_COMMENT.to_owned()),
        owner_role: name.to_owned(),
        opened: true,
        valid: true,
        provisioned: true,
        others_may_connect: BTreeSet::new(),
        odoo: OdooLive {
            modules: BTreeMap::from([(crate::world::module("base"), "installed".to_owned())]),
            ..OdooLive::default()
        },
        serial: world.next_serial(),
        content: 0,
    };
    let conf = ConfFile {
        digest: String::new(),
        text: SecretString::from(format!("db_user = {name}\ndb_password = password\ndb_name = {name}\n")),
        owner: ImageUser { uid: 101, gid: 101 },
        intact: true,
        written_at: Timestamp::UNIX_EPOCH,
    };
    let nobody = Owner::Foreign(NO_LABEL.to_owned());
    let container = Container {
        owner: nobody.clone(),
        id: format!("c{}", world.next_serial()),
        image: IMAGE.to_owned(),
        image_id: world.images[IMAGE].id.clone(),
        state: ContainerState::Running,
        started_at: Some(Timestamp::UNIX_EPOCH),
        booted: true,
        restarts: 0,
        killed_for_memory: false,
        memory_kills: 0,
        cpu_millis: 0,
        memory_bytes: 0,
        ports: Some(ports),
        hardened: true,
        volume: Some(name.to_owned()),
        conf: Some(conf),
        work: None,
    };
    let volume = Volume { owner: nobody, serial: world.next_serial(), content: 0, missing: 0 };
    world.roles.insert(name.to_owned(), role);
    world.databases.insert(name.to_owned(), database);
    world.volumes.insert(name.to_owned(), volume);
    world.containers.insert(name.to_owned(), container);
    ports
}
