//! odoo.conf and the password in it that stands in a file of the operator's.

use super::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::model::secret::ExposeSecret;
use innkeeper::model::status::State;

const FILE: &str = "plan = \"starter\"\n[company]\nname = \"Acme\"\n[admin]\nemail = \"a@acme.example\"\n\
                    [conf]\nlimit_time_real = 3600\nsmtp_password_file = \"smtp.password\"\n";

fn odoo_conf(house: &House) -> String {
    let file = (name("acme"), "odoo.conf".to_owned());
    house.rehearsal.with(|world| world.files[&file].text.expose_secret().to_owned())
}

async fn until_written(daemon: &Daemon, house: &House, password: &str) {
    let line = format!("\nsmtp_password = {password}\n");
    daemon.until("the password in odoo.conf", |_| odoo_conf(house).contains(&line)).await;
    daemon.until_state("acme", State::Ready).await;
}

#[test]
fn another_password_in_its_file_is_taken_up_and_none_is_waited_for() {
    in_a_house(async |house| {
        house.put("smtp.password", "canary-one\n");
        house.put("instances.d/acme.toml", FILE);
        let daemon = house.daemon();
        daemon.until_state("acme", State::Ready).await;
        until_written(&daemon, house, "canary-one").await;
        assert!(odoo_conf(house).contains("\nlimit_time_real = 3600\n"));

        house.put("smtp.password", "canary-two\n");
        until_written(&daemon, house, "canary-two").await;
        daemon
            .until("the restart", |_| {
                house.rehearsal.with(|world| {
                    let conf = world.containers["ik-acme"].conf.as_ref();
                    conf.is_some_and(|conf| conf.text.expose_secret().contains("canary-two"))
                })
            })
            .await;

        std::fs::remove_file(house.path("fleet/smtp.password")).unwrap();
        daemon.until_state("acme", State::Held).await;
        assert!(odoo_conf(house).contains("canary-two"), "what was written stays");
        let held = serde_json::to_string(&*daemon.status("acme").unwrap()).unwrap();
        assert!(
            held.contains("smtp.password cannot be read") || held.contains("smtp.password: No such file"),
            "{held}"
        );
        house.put("smtp.password", "canary-two\n");
        daemon.until_state("acme", State::Ready).await;

        let told = format!("{:?} {held}", daemon.events());
        assert!(!told.contains("canary"), "a password is told: {told}");
        daemon.stop().await;
        let journal = std::fs::read(house.path("state/journal.db")).unwrap();
        assert!(!String::from_utf8_lossy(&journal).contains("canary"), "the journal has a password");
    });
}
