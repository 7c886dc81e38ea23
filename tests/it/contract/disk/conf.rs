//! `odoo.conf`: what a container mounts is the old text or the new one.

use super::{Disk, Room, files, on_a_small_disk};
use crate::world::{name, settings};
use innkeeper::adapters::docker::Docker;
use innkeeper::edges::Engine;
use innkeeper::model::name::InstallationId;
use innkeeper::model::secret::SecretString;
use innkeeper::model::service::{ImageUser, SecretFile};
use std::fs;

fn conf(round: u64) -> SecretFile {
    let text = format!("[options]\ndb_password = canary-{round}\n{}", "; a comment of some length\n".repeat(500));
    SecretFile {
        file_name: "odoo.conf",
        digest: format!("v1:{round}"),
        text: SecretString::from(text),
        owner: ImageUser { uid: 101, gid: 101 },
    }
}

#[test]
fn a_torn_odoo_conf_is_never_there_to_be_mounted() {
    on_a_small_disk("contract::disk::conf::a_torn_odoo_conf_is_never_there_to_be_mounted", |disk| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let state = disk.path.join("odoo");
        let docker = Docker::new(&settings().docker, InstallationId("0123456789ab".to_owned()), state.clone()).unwrap();
        runtime.block_on(docker.put_file(&name("acme"), &conf(0))).unwrap();
        let before = files(&state);
        let mut round = 0;
        let mut total = 0;
        // Over one that is there, and the first one of an instance.
        for who in ["acme", "beta"] {
            let attempt = |disk: &Disk, room: Room| {
                let _ = fs::remove_dir_all(state.join("beta"));
                round += 1;
                disk.leave(room);
                runtime.block_on(docker.put_file(&name(who), &conf(round)))
            };
            let mut failed = 0;
            total += disk.sweep(attempt, |room, told| {
                failed += 1;
                assert!(!told.contains("canary"), "{told}");
                if failed == 1 || who == "beta" {
                    assert_eq!(files(&state).len(), if who == "acme" { 1 } else { before.len() }, "{room:?}: {told}");
                }
                let now = fs::read(&before[0].0).unwrap();
                assert!(now.len() == before[0].1.len(), "{room:?}: whole, old or new");
                disk.free();
            });
        }
        println!("odoo.conf found no room at {total} moments");
        assert!(total >= 8, "{total}");
    });
}
