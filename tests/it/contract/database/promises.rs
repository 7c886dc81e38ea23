//! The lab's PostgreSQL, held to the promises.

use super::lab::world::{World, promise, settings};
use crate::contract::promises::Side;
use crate::contract::promises::database::{Server, Tenant, database};
use innkeeper::adapters::postgres::Postgres;
use innkeeper::edges::Database;
use std::any::Any;

database!(World);

impl Side for World {
    fn hold(promised: impl AsyncFnOnce(&Self)) {
        promise(promised);
    }
}

impl Server for World {
    fn database(&self) -> &dyn Database {
        &self.postgres
    }

    fn elsewhere(&self) -> Box<dyn Database> {
        Box::new(Postgres::new(&settings(&self.lab, None), self.installation.clone()).unwrap())
    }

    fn stopped(&self) -> Box<dyn Database> {
        // A port that was just given back: nobody listens there.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Box::new(Postgres::new(&settings(&self.lab, Some(port)), self.installation.clone()).unwrap())
    }

    fn tenant(&self) -> Tenant {
        let tenant = World::tenant(self);
        Tenant { instance: tenant.instance, uid: tenant.uid, password: tenant.password, mark: tenant.mark }
    }

    async fn make_foreign_role(&self, name: &str) {
        self.root(&format!("CREATE ROLE {name} PASSWORD 'theirs'")).await;
    }

    async fn make_bare_database(&self, name: &str, owner: Option<&str>) {
        let owner = owner.map(|owner| format!(" OWNER {owner}")).unwrap_or_default();
        self.root(&format!("CREATE DATABASE {name}{owner} TEMPLATE template0")).await;
    }

    async fn work_in(&self, database: &str) {
        let sql = format!("CREATE TABLE work (); ALTER TABLE work OWNER TO {database}");
        self.root_in(database).await.batch_execute(&sql).await.unwrap();
    }

    async fn spoil(&self, database: &str) {
        self.root(&format!("UPDATE pg_database SET datconnlimit = -2 WHERE datname = '{database}'")).await;
    }

    async fn give_to_tenant(&self, database: &str) {
        self.give_away(database).await;
    }

    async fn change_password(&self, role: &str) {
        self.root(&format!("ALTER ROLE {role} PASSWORD 'another'")).await;
    }

    async fn widen(&self, role: &str) {
        self.root(&format!("ALTER ROLE {role} CREATEDB")).await;
    }

    async fn connect(&self, tenant: &Tenant) -> Box<dyn Any> {
        Box::new(self.connect_by(&tenant.name(), &tenant.password, &tenant.name()).await.unwrap())
    }

    async fn state_of(&self, name: &str) -> String {
        self.fingerprint(name).await
    }
}
