//! The store of certificates: the old file or the new one, and no order whose certificate could not be kept.

use super::{Disk, Room, files, on_a_small_disk, unfinished};
use crate::world::{now, settings};
use innkeeper::adapters::acme::{Acme, Attempt, Attempts, AttemptsError, Host};
use innkeeper::edges::{Ask, Authority};
use innkeeper::model::name::{Domain, InstallationId};
use innkeeper::model::site::CertificateName;
use innkeeper::model::status::chain;
use innkeeper::model::step::CertificateOrder;
use innkeeper::model::time::Timestamp;
use openssl::pkey::PKey;
use openssl::x509::X509;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts orders.
#[derive(Default)]
struct Counted(AtomicU64);

impl Attempts for Counted {
    fn begin(&self, _: &CertificateName) -> Result<u64, AttemptsError> {
        Ok(self.0.fetch_add(1, Ordering::SeqCst))
    }
    fn succeeded(&self, _: u64) -> Result<(), AttemptsError> {
        Ok(())
    }
    fn since(&self, _: Option<&CertificateName>, _: Timestamp) -> Result<Vec<Attempt>, AttemptsError> {
        Ok(Vec::new())
    }
}

fn acme(state: &Path, attempts: Arc<Counted>) -> Acme {
    let host = Host {
        store: state.join("certificates"),
        account_key: state.join("acme-account.pem"),
        base_domain: Domain::parse("example.com").unwrap(),
        http_port: 1,
        installation: InstallationId("0123456789ab".to_owned()),
        now,
    };
    let mut settings = settings().acme;
    settings.directory = "http://127.0.0.1:1/dir".to_owned();
    Acme::new(&settings, host, attempts).unwrap()
}

fn order(names: &[String]) -> CertificateOrder {
    CertificateOrder {
        name: CertificateName("acme.example.com".to_owned()),
        names: names.iter().cloned().collect(),
        renewal: false,
    }
}

/// Many names make a certificate of several pages.
fn names(round: usize) -> Vec<String> {
    (0..80).map(|number| format!("a-rather-long-name-{number}-{round}.shop.acme.example.com")).collect()
}

#[test]
fn a_certificate_that_finds_no_room_leaves_the_old_one_in_force() {
    on_a_small_disk(
        "contract::disk::certificates::a_certificate_that_finds_no_room_leaves_the_old_one_in_force",
        |disk| {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            let state = disk.path.join("state");
            let acme = acme(&state, Arc::default());
            runtime.block_on(acme.ensure_placeholder(&order(&names(0)))).unwrap();
            let file = state.join("certificates/acme.example.com.pem");
            let before = fs::read(&file).unwrap();
            let mut round = 0;
            let attempt = |disk: &Disk, room: Room| {
                fs::write(&file, &before).unwrap();
                round += 1;
                disk.leave(room);
                runtime.block_on(acme.ensure_placeholder(&order(&names(round))))
            };
            let failed = disk.sweep(attempt, |room, told| {
                assert_eq!(files(&state), [(file.clone(), before.clone())], "{room:?}: {told}");
                disk.free();
            });
            let written = fs::read(&file).unwrap();
            let key = PKey::private_key_from_pem(&written).unwrap();
            assert!(
                X509::from_pem(&written).unwrap().public_key().unwrap().public_eq(&key),
                "key and certificate go together"
            );
            println!("a certificate found no room at {failed} moments");
            assert!(failed >= 2, "{failed}");
        },
    );
}

#[test]
fn nothing_is_ordered_that_could_not_be_stored() {
    on_a_small_disk("contract::disk::certificates::nothing_is_ordered_that_could_not_be_stored", |disk| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let state = disk.path.join("state");
        let attempts = Arc::new(Counted::default());
        let acme = acme(&state, Arc::clone(&attempts));
        let one = order(&["acme.example.com".to_owned()]);
        runtime.block_on(acme.ensure_placeholder(&one)).unwrap();
        acme.thumbprint().unwrap();
        for room in [Room::Pages(0), Room::Pages(10), Room::Files(0)] {
            disk.leave(room);
            let error = runtime.block_on(acme.obtain(&one)).unwrap_err();
            let told = chain(&error);
            assert!(told.starts_with("no certificate is ordered") && super::is_full(&told), "{room:?}: {told}");
            assert_eq!(unfinished(&state), Vec::<std::path::PathBuf>::new(), "{room:?}");
        }
        disk.free();
        let told = chain(&runtime.block_on(acme.obtain(&one)).unwrap_err());
        assert!(!super::is_full(&told), "with room it goes on to what comes next: {told}");
        assert_eq!(attempts.0.load(Ordering::SeqCst), 0, "nothing was ordered");
        assert!(runtime.block_on(acme.look(&Ask::default())).unwrap().certificates.is_empty());
    });
}
