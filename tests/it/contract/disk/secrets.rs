//! The installation's key and its id, the account's key, the journal: what the first start makes.

use super::{Disk, Room, files, on_a_small_disk, unfinished};
use crate::world::{now, settings};
use innkeeper::connect::{ConnectError, connect};
use innkeeper::journal::Journal;
use innkeeper::model::name::InstallationId;
use innkeeper::model::settings::Settings;
use openssl::pkey::PKey;
use std::cell::RefCell;
use std::fs;
use std::path::Path;

const KEYS: [&str; 3] = ["secrets/installation.key", "secrets/installation.id", "secrets/acme-account.pem"];

fn begin(settings: &Settings) -> Result<InstallationId, ConnectError> {
    connect(settings, Path::new("/fleet"), now).map(|(_, key, _)| key.id())
}

/// Whatever has its name is whole.
fn assert_whole(state: &Path, told: &str) {
    let read = |file: &str| fs::read_to_string(state.join(file)).ok();
    if let Some(key) = read(KEYS[0]) {
        assert!(key.len() == 65 && key.trim().bytes().all(|digit| digit.is_ascii_hexdigit()), "{told}: a torn key");
    }
    if let Some(id) = read(KEYS[1]) {
        assert_eq!(id.trim().len(), 12, "{told}: a torn id");
    }
    if let Some(pem) = read(KEYS[2]) {
        assert!(PKey::private_key_from_pem(pem.as_bytes()).is_ok(), "{told}: a torn account key");
    }
}

#[test]
fn a_first_start_on_a_full_disk_leaves_no_torn_key_and_makes_none_twice() {
    on_a_small_disk(
        "contract::disk::secrets::a_first_start_on_a_full_disk_leaves_no_torn_key_and_makes_none_twice",
        |disk| {
            let mut settings = settings();
            let state = disk.path.join("state");
            settings.fleet.state_dir.clone_from(&state);
            let attempt = |disk: &Disk, room: Room| {
                let _ = fs::remove_dir_all(&state);
                fs::create_dir(&state).unwrap();
                disk.leave(room);
                begin(&settings)
            };
            let spare = RefCell::new(None::<Vec<u8>>);
            let failed = disk.sweep(attempt, |room, told| {
                let told = format!("{room:?}: {told}");
                assert_whole(&state, &told);
                assert_eq!(unfinished(&state), Vec::<std::path::PathBuf>::new(), "{told}");
                let kept = KEYS.map(|file| fs::read(state.join(file)).ok());
                disk.free();
                if let (Some(spare), Room::Pages(4..)) = (spare.borrow().as_deref(), room)
                    && kept[2].is_none()
                {
                    // Making an account's key takes a while: mostly one that was made before does.
                    fs::write(state.join(KEYS[2]), spare).unwrap();
                }
                begin(&settings).unwrap_or_else(|error| panic!("{told}: not healed by room: {error:?}"));
                *spare.borrow_mut() = fs::read(state.join(KEYS[2])).ok();
                for (file, kept) in KEYS.iter().zip(kept) {
                    let now = fs::read(state.join(file)).unwrap();
                    assert!(kept.is_none_or(|kept| kept == now), "{told}: {file} was made anew");
                }
                assert!(Journal::open(&state, now).is_ok(), "{told}");
            });
            println!("a first start failed at {failed} moments");
            assert!(failed >= 8, "{failed}");
        },
    );
}

#[test]
fn a_later_start_on_a_full_disk_changes_no_key() {
    on_a_small_disk("contract::disk::secrets::a_later_start_on_a_full_disk_changes_no_key", |disk| {
        let mut settings = settings();
        let state = disk.path.join("state");
        settings.fleet.state_dir.clone_from(&state);
        fs::create_dir(&state).unwrap();
        let id = begin(&settings).unwrap();
        let before = files(&state.join("secrets"));
        let mut starts = 0;
        for room in (0..20).map(Room::Pages).chain((0..6).map(Room::Files)) {
            disk.leave(room);
            // A killed process left a key half-written; it goes with the next start that works.
            let half = state.join("secrets/.new-half");
            let _ = fs::write(&half, "");
            if let Ok(again) = begin(&settings) {
                assert_eq!(again, id, "{room:?}");
                starts += 1;
                assert!(!half.exists(), "{room:?}: what a killed process left");
            }
            let _ = fs::remove_file(&half);
            assert_eq!(files(&state.join("secrets")), before, "{room:?}");
        }
        disk.free();
        assert_eq!(begin(&settings).unwrap(), id);
        println!("{starts} of 26 later starts went well");
        assert!(starts >= 1);
    });
}
