//! Connections: one long-lived session for the administration, made again when it broke, and short ones for looking
//! into a database. The password is read at each connect and stands in no error.

use super::error;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::name::InstallationId;
use crate::model::secret::{ExposeSecret, SecretString};
use crate::model::settings::PostgresSettings;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

/// For the name, the TCP connection, the password exchange and the start of the server's process, all together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// An idle session that does not answer an empty query within this is made anew.
const PING_DEADLINE: Duration = Duration::from_secs(3);
/// Ends a dead peer's connection long before TCP's own two hours.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// PostgreSQL 13 is the first with `DROP DATABASE … WITH (FORCE)` and trusted extensions, which Odoo needs.
const MAJOR_VERSION_MIN: u32 = 13;

/// The administration's session. Only `pg_catalog` is searched: up to PostgreSQL 14 anybody may create functions in the
/// `public` schema of the database it connects to, and a function there can shadow one that a query means. The server
/// gives up a little before [`super::EFFECT_DEADLINE`] does.
const ADMIN_OPTIONS: &str = "-c search_path=pg_catalog -c statement_timeout=115s -c lock_timeout=30s";
/// A look into a tenant's database: nothing of the tenant's is searched, nothing can be written, row security is an
/// error instead of a tenant's expression that runs, and a table that a module installation holds is not waited for.
const INSIDE_OPTIONS: &str = "-c search_path=pg_catalog -c statement_timeout=10s -c lock_timeout=2s \
     -c default_transaction_read_only=on -c row_security=off";
/// A tenant's session: its own role and database may have settings that would end it.
const TENANT_OPTIONS: &str = "-c search_path=public -c statement_timeout=110s -c lock_timeout=30s \
     -c default_transaction_read_only=off";

/// One PostgreSQL server.
pub(super) struct Server {
    config: Config,
    password_file: Option<PathBuf>,
    address: Arc<str>,
    admin: Mutex<Option<Session>>,
    /// The host's template of databases.
    template: String,
}

/// A connection to one database.
pub(super) struct Session {
    client: Client,
    address: Arc<str>,
    major_version: u32,
}

impl Server {
    /// Reads the URL. On the server its sessions are called `innkeeper <installation>`.
    ///
    /// # Errors
    /// Refused when it is no PostgreSQL URL, holds a password, or asks for TLS. The URL is not repeated: it may hold
    /// a password.
    pub(super) fn new(settings: &PostgresSettings, installation: &InstallationId) -> Result<Self, EdgeError> {
        let refuse = |why: &str| EdgeError::plain(Edge::Database, ErrorKind::Refused, format!("postgres.url {why}"));
        let mut config: Config = settings.url.parse().map_err(|_| refuse("is not a PostgreSQL URL"))?;
        if config.get_password().is_some() {
            return Err(refuse("must not hold a password: put it into a file and name that as postgres.password_file"));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err(refuse(
                "asks for TLS, which this version does not speak: connect over the loopback or a socket",
            ));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refuse("names no host"));
        }
        if config.get_dbname().is_none() {
            config.dbname("postgres");
        }
        config
            .connect_timeout(CONNECT_DEADLINE)
            .keepalives_idle(KEEPALIVE_IDLE)
            .application_name(format!("innkeeper {installation}"));
        let address = address(&config).into();
        Ok(Self {
            config,
            password_file: settings.password_file.clone(),
            address,
            admin: Mutex::new(None),
            template: super::template::NAME.to_owned(),
        })
    }

    /// The name of the host's template.
    pub(super) fn template(&self) -> &str {
        &self.template
    }

    /// Gives the template another name.
    pub(super) fn set_template(&mut self, name: &str) {
        name.clone_into(&mut self.template);
    }

    /// The administration's session, for the time that the guard lives: one user at a time, so that no transaction of
    /// one sees a statement of another. It is connected when there is none, and anew when the present one is dead.
    pub(super) async fn admin(&self) -> Result<MappedMutexGuard<'_, Session>, EdgeError> {
        let mut slot = self.admin.lock().await;
        let alive = match slot.as_ref() {
            Some(session) => session.answers().await,
            None => false,
        };
        if !alive {
            *slot = None;
            *slot = Some(self.connect(None, ADMIN_OPTIONS).await?);
        }
        MutexGuard::try_map(slot, Option::as_mut)
            .map_err(|_| EdgeError::plain(Edge::Database, ErrorKind::Failed, "the session is gone"))
    }

    /// A short session for looking into `database`.
    pub(super) async fn inside(&self, database: &str) -> Result<Session, EdgeError> {
        self.connect(Some(database), INSIDE_OPTIONS).await
    }

    /// A short session for changing what is not the tenant's in `database`: only `pg_catalog` is searched.
    pub(super) async fn inside_to_change(&self, database: &str) -> Result<Session, EdgeError> {
        self.connect(Some(database), ADMIN_OPTIONS).await
    }

    /// A session as the tenant of `database`, whose role has the same name: whatever the tenant left in it, it runs with the
    /// tenant's own rights.
    pub(super) async fn as_tenant(&self, database: &str, password: &SecretString) -> Result<Session, EdgeError> {
        let doing = format!("could not connect to the database {database} as its role");
        let mut config = self.config_of(Some(database), TENANT_OPTIONS);
        config.user(database).password(password.expose_secret());
        self.open(config, &doing).await
    }

    /// Whether this password lets the role in; none where the server did not come to a verdict on it.
    pub(super) async fn accepts_password(&self, role: &str, password: &SecretString) -> Option<bool> {
        let mut config = self.config_of(Some(role), TENANT_OPTIONS);
        config.user(role).password(password.expose_secret());
        match tokio::time::timeout(CONNECT_DEADLINE, config.connect(NoTls)).await {
            Ok(Ok(_)) => Some(true),
            Ok(Err(error)) if error.code() == Some(&SqlState::INVALID_PASSWORD) => Some(false),
            Ok(Err(_)) | Err(_) => None,
        }
    }

    /// A session of its own in the administration's database, for what lives as long as its session.
    pub(super) async fn apart(&self) -> Result<Session, EdgeError> {
        self.connect(None, ADMIN_OPTIONS).await
    }

    /// Host and port for programs that connect by themselves.
    pub(super) fn place(&self) -> (String, u16) {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self.config.get_hostaddrs().first().map(ToString::to_string).unwrap_or_default(),
        };
        (host, self.config.get_ports().first().copied().unwrap_or(5432))
    }

    /// Runs `work` for at most `limit`.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        doing: &str,
        work: impl Future<Output = Result<T, EdgeError>>,
    ) -> Result<T, EdgeError> {
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let text = format!("PostgreSQL at {} took longer than {} s", self.address, limit.as_secs());
            Err(EdgeError::new(Edge::Database, ErrorKind::Timeout, doing, text))
        })
    }

    async fn connect(&self, database: Option<&str>, options: &str) -> Result<Session, EdgeError> {
        let mut config = self.config_of(database, options);
        let doing = match database {
            Some(database) => format!("could not connect to the database {database}"),
            None => "could not connect".to_owned(),
        };
        if let Some(password) = self.password(&doing).await? {
            config.password(password.expose_secret());
        }
        self.open(config, &doing).await
    }

    fn config_of(&self, database: Option<&str>, options: &str) -> Config {
        let mut config = self.config.clone();
        let options = config.get_options().map_or_else(|| options.to_owned(), |own| format!("{own} {options}"));
        config.options(options);
        if let Some(database) = database {
            config.dbname(database);
        }
        config
    }

    async fn open(&self, config: Config, doing: &str) -> Result<Session, EdgeError> {
        let (client, connection) = match tokio::time::timeout(CONNECT_DEADLINE, config.connect(NoTls)).await {
            Ok(connected) => connected.map_err(|e| error::connect(&self.address, doing, e))?,
            Err(_) => return Err(error::connect_deadline(&self.address, doing, CONNECT_DEADLINE)),
        };
        let major_version = major_version(connection.parameter("server_version"));
        // Ends by itself when the client is dropped or the connection breaks.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection to PostgreSQL ended");
            }
        });
        if major_version < MAJOR_VERSION_MIN {
            let text = format!("PostgreSQL {major_version} is too old: {MAJOR_VERSION_MIN} or newer is needed");
            return Err(error::refused(doing, text));
        }
        Ok(Session { client, address: self.address.clone(), major_version })
    }

    async fn password(&self, doing: &str) -> Result<Option<SecretString>, EdgeError> {
        let Some(file) = &self.password_file else {
            return Ok(None);
        };
        match tokio::fs::read_to_string(file).await {
            Ok(text) => Ok(Some(SecretString::from(text.trim_end_matches(['\r', '\n']).to_owned()))),
            Err(e) => Err(error::password_file(&self.address, doing, file, e)),
        }
    }
}

impl Session {
    /// 15 for PostgreSQL 15.18.
    pub(super) fn major_version(&self) -> u32 {
        self.major_version
    }

    /// The role that this session is, `max_connections`, and those of `extensions` that the server has the files of.
    pub(super) async fn server_facts(&self, extensions: &[&str]) -> Result<(String, u32, Vec<String>), EdgeError> {
        let doing = "could not ask the server about itself";
        let sql = "SELECT current_user::text, current_setting('max_connections')::int4,
                          ARRAY(SELECT name::text FROM pg_available_extensions WHERE name::text = ANY ($1))";
        let rows = self.query(doing, sql, &[&extensions]).await?;
        let Some(row) = rows.first() else { return Err(error::refused(doing, "it says nothing")) };
        let connections: i32 = self.get(row, 1)?;
        Ok((self.get(row, 0)?, u32::try_from(connections).unwrap_or(0), self.get(row, 2)?))
    }

    /// Runs one query.
    pub(super) async fn query(
        &self,
        doing: &str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, EdgeError> {
        self.client.query(sql, parameters).await.map_err(|e| error::statement(&self.address, doing, e))
    }

    /// One field of a row.
    pub(super) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
        &self,
        row: &'a Row,
        column: usize,
    ) -> Result<T, EdgeError> {
        row.try_get(column).map_err(|e| {
            EdgeError::new(Edge::Database, ErrorKind::Failed, "could not read the catalog of PostgreSQL", e)
        })
    }

    /// Runs statements as one: several of them are one transaction (PostgreSQL, section 55.2.2.1).
    pub(super) async fn run(&self, doing: &str, sql: &str) -> Result<(), EdgeError> {
        self.client.batch_execute(sql).await.map_err(|e| error::statement(&self.address, doing, e))
    }

    /// The connection itself, for what has no method here.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Turns a failure on [`Session::client`] into ours.
    pub(super) fn failed(&self, doing: &str, error: tokio_postgres::Error) -> EdgeError {
        error::statement(&self.address, doing, error)
    }

    /// False once the connection broke.
    pub(super) async fn answers(&self) -> bool {
        let ping = tokio::time::timeout(PING_DEADLINE, self.client.check_connection());
        !self.client.is_closed() && matches!(ping.await, Ok(Ok(())))
    }
}

/// `host:port`, several joined by commas.
fn address(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |at: usize| ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432);
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(path) => path.display().to_string(),
    });
    let hosts: Vec<String> = if config.get_hosts().is_empty() {
        config.get_hostaddrs().iter().map(ToString::to_string).collect()
    } else {
        hosts.collect()
    };
    let with_ports = hosts.iter().enumerate().map(|(at, host)| format!("{host}:{}", port(at)));
    with_ports.collect::<Vec<_>>().join(",")
}

/// 15 for `15.18 (Debian 15.18-0+deb12u1)`, 17 for `17beta1`; 0 when it cannot be read.
fn major_version(text: Option<&str>) -> u32 {
    let digits = text.unwrap_or_default();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Result<Server, EdgeError> {
        let settings = PostgresSettings { url: url.to_owned(), password_file: None, instance_host: String::new() };
        Server::new(&settings, &InstallationId("0123456789ab".to_owned()))
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_repeated() {
        for (url, why) in [
            ("mysql://canary@localhost/x", "is not a PostgreSQL URL"),
            ("postgres://innkeeper:canary@localhost/postgres", "must not hold a password"),
            ("postgres://innkeeper@localhost/canary?sslmode=require", "asks for TLS"),
            ("postgres:///canary", "names no host"),
        ] {
            let error = server(url).err().map(|e| crate::model::status::chain(&e)).unwrap();
            assert!(error.contains(why), "{url}: {error}");
            assert!(!error.contains("canary"), "{url}: {error}");
        }
    }

    #[test]
    fn the_address_says_host_and_port() {
        for (url, text) in [
            ("postgres://innkeeper@127.0.0.1:15432/postgres", "127.0.0.1:15432"),
            ("postgres://innkeeper@db.example.com", "db.example.com:5432"),
            ("postgres://innkeeper@a:1,b:2/x", "a:1,b:2"),
            ("host=/run/postgresql user=innkeeper", "/run/postgresql:5432"),
        ] {
            assert_eq!(&*server(url).unwrap().address, text);
        }
    }

    #[test]
    fn the_major_version_is_read_from_what_the_server_says() {
        for (text, major) in
            [(Some("15.18 (Debian 15.18-0+deb12u1)"), 15), (Some("17beta1"), 17), (Some("9.6.1"), 9), (None, 0)]
        {
            assert_eq!(major_version(text), major);
        }
    }
}
