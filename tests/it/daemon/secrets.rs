//! Connecting: what is made on disk, for whom, and that a lost key is never papered over.

use crate::world::{now, settings};
use innkeeper::connect::{ConnectError, SecretsError, connect, connect_to_look};
use innkeeper::model::settings::Settings;
use innkeeper::model::status::chain;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tempfile::TempDir;

fn host() -> (TempDir, Settings) {
    let dir = TempDir::new().unwrap();
    let mut settings = settings();
    settings.fleet.state_dir = dir.path().join("state");
    fs::create_dir(&settings.fleet.state_dir).unwrap();
    (dir, settings)
}

fn refused(settings: &Settings) -> SecretsError {
    match connect(settings, Path::new("/fleet"), now).err().expect("it is refused") {
        ConnectError::Secrets(error) => error,
        other => panic!("{}", chain(&other)),
    }
}

#[test]
fn the_first_start_makes_the_secrets_for_this_user_alone() {
    let (_dir, settings) = host();
    let (_, key, _) = connect(&settings, Path::new("/fleet"), now).unwrap();
    let secrets = settings.fleet.state_dir.join("secrets");
    let mode = |file: &str| fs::metadata(secrets.join(file)).unwrap().mode() & 0o777;
    let modes = ["", "odoo", "certificates", "installation.key", "acme-account.pem"].map(mode);
    assert_eq!(modes, [0o711, 0o700, 0o711, 0o600, 0o600]);
    assert_eq!(fs::read_to_string(secrets.join("installation.id")).unwrap().trim(), key.id().0);
    let (_, again, _) = connect(&settings, Path::new("/fleet"), now).unwrap();
    assert_eq!(again.id(), key.id());
    assert!(!format!("{key:?}").contains(fs::read_to_string(secrets.join("installation.key")).unwrap().trim()));
}

#[test]
fn a_lost_key_is_refused_whatever_else_is_left() {
    for kept in ["secrets/installation.id", "journal.db"] {
        let (_dir, settings) = host();
        let state = &settings.fleet.state_dir;
        drop(connect(&settings, Path::new("/fleet"), now).unwrap());
        for file in ["secrets/installation.key", "secrets/installation.id", "journal.db"] {
            if file != kept {
                fs::remove_file(state.join(file)).unwrap();
            }
        }
        let error = refused(&settings);
        assert!(matches!(error, SecretsError::KeyLost(_)));
        assert!(error.to_string().contains("restore it from your backup"), "{error}");
        assert!(connect_to_look(&settings, Path::new("/fleet"), now).is_err(), "looking says it too");
        assert!(!state.join("secrets/installation.key").exists(), "none was made");
    }
}

#[test]
fn another_key_and_a_damaged_one_are_refused() {
    let (_dir, settings) = host();
    let file = settings.fleet.state_dir.join("secrets/installation.key");
    drop(connect(&settings, Path::new("/fleet"), now).unwrap());
    fs::write(&file, "ab".repeat(32)).unwrap();
    assert!(matches!(refused(&settings), SecretsError::KeySwapped { .. }));
    for damaged in ["", "ab", &"ab".repeat(33), &"ä".repeat(32), &"xy".repeat(32)] {
        fs::write(&file, damaged).unwrap();
        let error = refused(&settings);
        assert!(matches!(error, SecretsError::KeyMalformed(_)), "{damaged:?}: {error}");
    }
}

#[test]
fn a_first_start_that_was_cut_off_goes_on() {
    let (_dir, settings) = host();
    let (_, key, _) = connect(&settings, Path::new("/fleet"), now).unwrap();
    fs::remove_file(settings.fleet.state_dir.join("secrets/installation.id")).unwrap();
    let (_, again, _) = connect(&settings, Path::new("/fleet"), now).unwrap();
    assert_eq!(again.id(), key.id());
    assert!(settings.fleet.state_dir.join("secrets/installation.id").exists());
}

#[test]
fn what_a_killed_process_left_half_written_goes_with_the_next_start() {
    let (_dir, settings) = host();
    drop(connect(&settings, Path::new("/fleet"), now).unwrap());
    let at = |file: &str| settings.fleet.state_dir.join(file);
    fs::create_dir(at("secrets/odoo/acme")).unwrap();
    let places = ["", "secrets", "secrets/certificates", "secrets/odoo/acme"].map(at);
    for place in &places {
        fs::write(place.join(".new-half"), "half").unwrap();
        fs::write(place.join("whole"), "whole").unwrap();
    }
    drop(connect_to_look(&settings, Path::new("/fleet"), now).unwrap());
    assert!(places.iter().all(|place| place.join(".new-half").exists()), "who only looks may be beside a writer");
    drop(connect(&settings, Path::new("/fleet"), now).unwrap());
    for place in &places {
        assert!(!place.join(".new-half").exists(), "{}", place.display());
        assert!(place.join("whole").exists(), "{}", place.display());
    }
}

#[test]
fn looking_makes_nothing() {
    let (_dir, mut settings) = host();
    drop(connect_to_look(&settings, Path::new("/fleet"), now).unwrap());
    assert_eq!(fs::read_dir(&settings.fleet.state_dir).unwrap().count(), 0);
    settings.fleet.state_dir = settings.fleet.state_dir.join("not/there");
    assert!(connect_to_look(&settings, Path::new("/fleet"), now).is_ok());
    assert!(!settings.fleet.state_dir.exists());
}

#[test]
fn a_state_directory_that_is_not_mounted_begins_no_second_installation() {
    let (dir, mut settings) = host();
    settings.nginx.config_dir = dir.path().join("nginx");
    fs::create_dir_all(settings.nginx.config_dir.join("gen-7")).unwrap();
    let rows = r#"{"innkeeper": 1, "installation": "0123456789ab", "generation": "gen-7"}"#;
    fs::write(settings.nginx.config_dir.join("gen-7/rows.json"), rows).unwrap();
    let error = refused(&settings);
    assert!(
        matches!(&error, SecretsError::StateGone { installation, .. } if installation == "0123456789ab"),
        "{error}"
    );
    assert!(error.to_string().contains("is the state directory mounted"), "{error}");
    assert!(connect_to_look(&settings, Path::new("/fleet"), now).is_err(), "looking says it too");
    assert_eq!(fs::read_dir(&settings.fleet.state_dir).unwrap().count(), 0, "no key was made");
}
