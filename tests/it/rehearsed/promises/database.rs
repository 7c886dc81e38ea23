//! The rehearsed PostgreSQL, held to the promises.

use super::Stage;
use crate::contract::promises::database::{Server, Tenant, database};
use innkeeper::adapters::rehearsal::world::{Database as Stored, NO_COMMENT, Role};
use innkeeper::edges::{Database, Edge};
use innkeeper::model::live::OdooLive;
use innkeeper::model::name::Uid;
use innkeeper::model::secret::SecretString;
use innkeeper::model::service::Owner;
use std::any::Any;
use std::collections::BTreeSet;

database!(Stage);

fn nobody() -> Owner {
    Owner::Foreign(NO_COMMENT.to_owned())
}

impl Server for Stage {
    fn database(&self) -> &dyn Database {
        &self.rehearsal
    }

    fn elsewhere(&self) -> Box<dyn Database> {
        Box::new(self.rehearsal.clone())
    }

    fn stopped(&self) -> Box<dyn Database> {
        self.take_down(Edge::Database);
        Box::new(self.rehearsal.clone())
    }

    fn tenant(&self) -> Tenant {
        let uid = Uid(uuid::Uuid::now_v7());
        let random = uid.0.simple().to_string();
        let instance = crate::world::name(&format!("test-{}", &random[20..]));
        Tenant { instance, uid, password: SecretString::from(random.as_str()), mark: format!("mark {random}") }
    }

    async fn make_foreign_role(&self, name: &str) {
        let role = Role {
            owner: nobody(),
            password: SecretString::from("theirs"),
            mark: None,
            login: false,
            excess: BTreeSet::new(),
            connection_limit: -1,
        };
        self.rehearsal.with(|world| world.roles.insert(name.to_owned(), role));
    }

    async fn make_bare_database(&self, name: &str, owner: Option<&str>) {
        self.rehearsal.with(|world| {
            let database = Stored {
                owner: nobody(),
                owner_role: owner.unwrap_or("postgres").to_owned(),
                opened: false,
                valid: true,
                provisioned: false,
                others_may_connect: BTreeSet::from(["PUBLIC".to_owned()]),
                odoo: OdooLive::default(),
                serial: world.next_serial(),
                content: 0,
            };
            world.databases.insert(name.to_owned(), database);
        });
    }

    async fn work_in(&self, database: &str) {
        self.rehearsal.with(|world| world.databases.get_mut(database).unwrap().content += 1);
    }

    async fn spoil(&self, database: &str) {
        self.rehearsal.with(|world| world.databases.get_mut(database).unwrap().valid = false);
    }

    async fn give_to_tenant(&self, database: &str) {
        self.rehearsal.with(|world| {
            let found = world.databases.get_mut(database).unwrap();
            (found.owner_role, found.opened) = (database.to_owned(), false);
        });
    }

    async fn change_password(&self, role: &str) {
        self.rehearsal.with(|world| world.roles.get_mut(role).unwrap().password = SecretString::from("another"));
    }

    async fn widen(&self, role: &str) {
        self.rehearsal.with(|world| world.roles.get_mut(role).unwrap().excess.insert("CREATEDB".to_owned()));
    }

    async fn connect(&self, _tenant: &Tenant) -> Box<dyn Any> {
        // Nobody holds a session in this world.
        Box::new(())
    }

    async fn state_of(&self, name: &str) -> String {
        self.rehearsal.with(|world| format!("{:?} {:?}", world.roles.get(name), world.databases.get(name)))
    }
}
