//! The installation's lock: one at a time, by whatever connection, until it is let go of or lost.

use super::world::{promise, settings, text_of};
use innkeeper::adapters::postgres::Postgres;
use innkeeper::edges::{Database, ErrorKind};
use innkeeper::model::name::InstallationId;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn one_innkeeper_at_a_time_acts_for_an_installation() {
    promise(async |world| {
        let elsewhere = Postgres::new(&settings(&world.lab, None), world.installation.clone()).unwrap();
        let lock = world.postgres.lock_installation().await.unwrap();
        let error = elsewhere.lock_installation().await.err().expect("it is taken");
        assert_eq!(error.kind, ErrorKind::Conflict);
        let text = text_of(&error);
        assert!(text.contains("connected from 127.0.0.1, PostgreSQL process "), "{text}");

        let other = Postgres::new(&settings(&world.lab, None), InstallationId("0123456789ab".to_owned())).unwrap();
        assert!(other.lock_installation().await.is_ok(), "another installation has a lock of its own");

        drop(lock);
        let again = async {
            while elsewhere.lock_installation().await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, again).await.expect("it is free once it was let go of");
    });
}

#[test]
fn a_lock_whose_connection_broke_says_so() {
    promise(async |world| {
        let mut lock = world.postgres.lock_installation().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(200), &mut lock).await.is_err(), "it holds");
        let id = i64::from_str_radix(&world.installation.0, 16).unwrap();
        // The lower half of the key is the lower half of the installation's id.
        world
            .root(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid::int8 = {}",
                id & 0xffff_ffff
            ))
            .await;
        tokio::time::timeout(PATIENCE, lock).await.expect("the loss is told");
    });
}
