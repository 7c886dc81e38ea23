//! A database of one test's own on the lab's PostgreSQL, gone with the test.

use crate::lab::Lab;
use tokio_postgres::{Client, NoTls};

/// A role and a database of the same name.
pub(super) struct Scratch {
    pub(super) name: String,
    url: String,
    port: String,
    client: Client,
}

const PASSWORD: &str = "canary-scratch";

impl Scratch {
    pub(super) async fn new(lab: &Lab) -> Self {
        let name = format!("engine_test_{}", &uuid::Uuid::now_v7().simple().to_string()[20..]);
        let url = lab.get("LAB_PG_URL").to_owned();
        let root = connect(&url).await;
        root.batch_execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'")).await.unwrap();
        root.batch_execute(&format!("CREATE DATABASE {name} OWNER {name} TEMPLATE template0")).await.unwrap();
        let inside = url.rsplit_once('/').map(|(server, _)| format!("{server}/{name}")).unwrap();
        Self { client: connect(&inside).await, name, url, port: lab.get("LAB_PG_PORT").to_owned() }
    }

    pub(super) fn conf(&self, host: &str) -> String {
        let Self { name, port, .. } = self;
        format!(
            "[options]\ndb_host = {host}\ndb_port = {port}\ndb_user = {name}\ndb_password = {PASSWORD}\n\
             db_name = {name}\ndata_dir = /var/lib/odoo\nlist_db = False\nworkers = 2\n"
        )
    }

    /// The one text that a query gives.
    pub(super) async fn text(&self, sql: &str) -> String {
        self.client.query(sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"))[0].get(0)
    }

    pub(super) async fn parameter(&self, key: &str) -> String {
        self.text(&format!("SELECT value FROM ir_config_parameter WHERE key = '{key}'")).await
    }

    /// Name, country and currency of the company.
    pub(super) async fn company(&self) -> (String, String, String) {
        let of = async |expression: &str| {
            let from = "res_company c JOIN res_partner p ON p.id = c.partner_id LEFT JOIN res_country n \
                        ON n.id = p.country_id JOIN res_currency r ON r.id = c.currency_id";
            self.text(&format!("SELECT {expression} FROM {from}")).await
        };
        (of("c.name").await, of("n.code::text").await, of("CASE WHEN r.active THEN r.name ELSE '(inactive)' END").await)
    }

    /// Login, language and time zone of the administrator.
    pub(super) async fn admin(&self) -> (String, String, String) {
        let of = async |expression: &str| {
            let from = "ir_model_data d JOIN res_users u ON u.id = d.res_id JOIN res_partner p ON p.id = u.partner_id";
            self.text(&format!("SELECT {expression} FROM {from} WHERE d.module = 'base' AND d.name = 'user_admin'"))
                .await
        };
        (of("u.login").await, of("p.lang").await, of("p.tz").await)
    }

    pub(super) async fn password_hash(&self) -> String {
        self.text(
            "SELECT u.password FROM ir_model_data d JOIN res_users u ON u.id = d.res_id WHERE d.name = 'user_admin'",
        )
        .await
    }
}

impl Drop for Scratch {
    /// With psql, because nothing can be awaited here.
    fn drop(&mut self) {
        let drop = [
            format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name),
            format!("DROP ROLE IF EXISTS {}", self.name),
        ];
        for statement in drop {
            let _ = std::process::Command::new("psql").args(["-qX", "-d", &self.url, "-c", &statement]).status();
        }
    }
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
