//! A customer's data that are gone stay told, whatever is done to its file, until a person accepts the loss.

use super::house::{Daemon, in_a_house, now};
use crate::world::name;
use innkeeper::adapters::rehearsal::Damage;
use innkeeper::control::ApplyRequest;
use innkeeper::model::status::{ConditionStatus, ConditionType, State};
use std::time::Duration;

/// Alerts of `acme` about lost data.
fn told(daemon: &Daemon) -> Vec<String> {
    let alerts = daemon.keeper.board().alerts(now()).into_iter();
    let own = alerts.filter(|it| it.instance == Some(name("acme")) && it.message.contains("odoo_acme"));
    own.map(|it| it.reason).collect()
}

#[test]
fn a_lost_database_stays_told_through_a_stop_and_a_retirement_and_nothing_of_it_is_deleted_unasked() {
    in_a_house(async |house| {
        house.set("retire_grace = \"2h\"");
        let daemon = house.settled_daemon(&["acme"]).await;
        assert!(house.rehearsal.damage(Damage::DatabaseDropped, &name("acme")));
        daemon.until("an alert", |it| told(it) == ["DataMissing"]).await;
        house.drop_file("acme", "state = \"stopped\"");
        daemon.until("the other version", |it| it.status("acme").unwrap().generation == 2).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(told(&daemon), ["DataMissing"]);
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_told("BackupVerified").await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(told(&daemon), ["DataMissing"]);
        let status = daemon.status("acme").unwrap();
        let backup = status.last_backup.clone().unwrap();
        assert_eq!((backup.word(), backup.is_whole()), ("no database", false));
        let healthy = status.condition(ConditionType::BackupsHealthy).unwrap();
        assert_eq!((healthy.status, healthy.reason.as_str()), (ConditionStatus::False, "PartMissing"));
        assert!(healthy.message.contains("no database"), "{healthy:?}");

        // Its grace period ends, and what is left of it stays.
        tokio::time::sleep(Duration::from_secs(5 * 3_600)).await;
        assert!(!house.names_left("acme").is_empty());
        assert_eq!(told(&daemon).len(), 1, "{:?}", daemon.status("acme").unwrap().holds);
        let permits = vec![name("acme")];
        let accepted = ApplyRequest { timeout_s: Some(600), permits, ..ApplyRequest::default() };
        daemon.ask(house, accepted).await;
        daemon.until_told("Purged").await;
        daemon.stop().await;
    });
}

#[test]
fn data_that_are_whole_in_the_final_backup_are_not_told_as_lost() {
    in_a_house(async |house| {
        let daemon = house.settled_daemon(&["acme"]).await;
        house.drop_file("acme", "state = \"absent\"");
        daemon.until_state("acme", State::Retired).await;
        assert!(house.rehearsal.damage(Damage::DatabaseDropped, &name("acme")));
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(daemon.status("acme").unwrap().state, State::Retired);
        assert_eq!(told(&daemon), [""; 0]);
        daemon.stop().await;
    });
}
