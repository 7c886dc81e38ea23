//! PostgreSQL down, cut off, silent, or not letting us in: said with host and port, and over when it is over.

use super::world::{World, promise, settings, text_of};
use crate::contract::proxy::bench::ReservedPorts;
use innkeeper::adapters::postgres::Postgres;
use innkeeper::edges::{Ask, Database, EdgeError, ErrorKind};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A TCP proxy in front of the lab's server that can be cut.
struct Wire {
    port: u16,
    tasks: JoinSet<()>,
}

impl Wire {
    async fn open(world: &World, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let server = format!("127.0.0.1:{}", world.lab.get("LAB_PG_PORT"));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut pipes = JoinSet::new();
            while let Ok((mut here, _)) = listener.accept().await {
                let mut there = TcpStream::connect(&server).await.unwrap();
                pipes.spawn(async move {
                    let _ = tokio::io::copy_bidirectional(&mut here, &mut there).await;
                });
            }
        });
        Self { port, tasks }
    }

    /// Closes the port and every connection.
    async fn cut(mut self) -> u16 {
        self.tasks.shutdown().await;
        self.port
    }
}

fn through(world: &World, port: u16) -> Postgres {
    Postgres::new(&settings(&world.lab, Some(port)), world.installation.clone()).unwrap()
}

/// How this world's sessions are called on the server.
fn session_name(world: &World) -> String {
    format!("innkeeper {}", world.installation)
}

fn assert_unreachable(error: &EdgeError, port: u16, why: &str) {
    let text = text_of(error);
    assert_eq!(error.kind, ErrorKind::Unreachable, "{text}");
    assert!(text.contains(&format!("PostgreSQL at 127.0.0.1:{port} ")), "{text}");
    assert!(text.contains(why), "{text}");
}

#[test]
fn a_server_that_is_down_is_named_with_host_and_port() {
    promise(async |world| {
        let reserved = ReservedPorts::new();
        let port = Wire::open(world, reserved.port(0)).await.cut().await;
        let (postgres, tenant) = (through(world, port), world.tenant());
        let errors = [
            postgres.look(&Ask::default()).await.unwrap_err(),
            postgres.set_role(&tenant.role_spec(), &tenant.password, &tenant.mark).await.unwrap_err(),
            postgres.create_database(&tenant.database_spec()).await.unwrap_err(),
            postgres.set_privileges(&tenant.database_spec()).await.unwrap_err(),
            postgres.mark_provisioned(&tenant.database_spec()).await.unwrap_err(),
        ];
        for error in &errors {
            assert_unreachable(error, port, "does not answer");
        }
    });
}

#[test]
fn a_server_that_went_away_and_came_back_is_used_again() {
    promise(async |world| {
        // Nobody else gets the port while it is closed.
        let reserved = ReservedPorts::new();
        let wire = Wire::open(world, reserved.port(0)).await;
        let (postgres, tenant) = (through(world, wire.port), world.tenant());
        postgres.set_role(&tenant.role_spec(), &tenant.password, &tenant.mark).await.unwrap();

        let port = wire.cut().await;
        let error = postgres.create_database(&tenant.database_spec()).await.unwrap_err();
        assert_unreachable(&error, port, "does not answer");

        let _wire = Wire::open(world, port).await;
        postgres.create_database(&tenant.database_spec()).await.unwrap();
        assert_eq!(postgres.look(&Ask::default()).await.unwrap().databases.len(), 1);
    });
}

#[test]
fn a_connection_cut_in_the_middle_of_a_statement_ends_it_at_once() {
    promise(async |world| {
        let reserved = ReservedPorts::new();
        let wire = Wire::open(world, reserved.port(0)).await;
        let (postgres, tenant) = (through(world, wire.port), world.tenant());
        world.provision(&tenant).await;
        // The comment waits for this transaction's lock on the database until the connection is cut.
        let holder = world.root_in("postgres").await;
        holder.batch_execute(&format!("BEGIN; COMMENT ON DATABASE {} IS NULL", tenant.name())).await.unwrap();
        let spec = tenant.database_spec();
        let cut = async {
            let waits =
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'";
            // Not the holder: within a transaction it would see the same activity for ever.
            let watcher = world.root_in("postgres").await;
            while watcher.query_one(waits, &[&session_name(world)]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            wire.cut().await
        };
        let (outcome, port) = tokio::join!(postgres.mark_provisioned(&spec), cut);
        assert_unreachable(&outcome.unwrap_err(), port, "does not answer");
        holder.batch_execute("ROLLBACK").await.unwrap();
        world.postgres.mark_provisioned(&spec).await.unwrap();
        assert!(world.look(&[&tenant]).await.databases[tenant.name()].provisioned);
    });
}

#[test]
fn a_session_that_the_server_ended_is_made_anew_unnoticed() {
    promise(async |world| {
        world.postgres.look(&Ask::default()).await.unwrap();
        let watcher = world.root_in("postgres").await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        while !watcher.query(end, &[&session_name(world)]).await.unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        world.postgres.look(&Ask::default()).await.unwrap();
    });
}

#[test]
fn a_server_that_accepts_and_says_nothing_is_given_up() {
    promise(async |world| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let error = through(world, port).look(&Ask::default()).await.unwrap_err();
        assert_unreachable(&error, port, "nothing came within 5 s");
    });
}

#[test]
fn a_wrong_password_is_said_and_a_corrected_file_is_read_without_a_restart() {
    promise(async |world| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let mut settings = settings(&world.lab, None);
        let right = std::fs::read_to_string(settings.password_file.replace(file.clone()).unwrap()).unwrap();
        let postgres = Postgres::new(&settings, world.installation.clone()).unwrap();
        let port = world.lab.get("LAB_PG_PORT").parse().unwrap();

        let error = postgres.look(&Ask::default()).await.unwrap_err();
        assert_unreachable(&error, port, &format!("could not read the password from {}", file.display()));
        std::fs::write(&file, "canary\n").unwrap();
        let error = postgres.look(&Ask::default()).await.unwrap_err();
        assert_unreachable(&error, port, "password authentication failed");
        assert!(!text_of(&error).contains("canary") && !format!("{error:?}").contains("canary"), "{error:?}");
        std::fs::write(&file, right).unwrap();
        postgres.look(&Ask::default()).await.unwrap();
    });
}
