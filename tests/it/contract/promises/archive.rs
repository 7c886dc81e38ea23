//! What an archive promises.

use super::Side;
use futures::StreamExt;
use innkeeper::edges::archive::Soundness;
use innkeeper::edges::{Archive, Ask, ByteStream, Edge, EdgeError, ErrorKind};
use innkeeper::model::backup::{BackupCause, BackupId, BackupLive, FORMAT, Manifest, Part, PartSum};
use innkeeper::model::name::{InstallationId, InstanceName, Resources, Uid};
use innkeeper::model::secret::hex;
use innkeeper::model::time::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Every promise, for one side.
macro_rules! archive {
    ($side:ty) => {
        $crate::contract::promises::hold_to! { $side: archive
            a_backup_is_seen_when_it_is_published_and_not_before
            an_archive_in_which_nothing_was_stored_is_empty
            begun_again_it_begins_with_nothing
            a_part_whose_bytes_break_off_is_an_error_and_nothing_is_seen
            what_was_not_begun_takes_no_part_and_is_not_published
            a_part_is_written_once
            what_is_published_stays_as_it_is
            read_back_whole_it_is_marked
            a_changed_byte_is_noticed
            a_part_that_is_cut_short_or_gone_is_noticed_and_the_mark_counts_no_more
            a_dump_or_a_filestore_that_was_torn_when_it_was_taken_is_noticed_although_its_sum_is_right
            what_is_not_there_is_not_sound
            thrown_away_is_what_was_not_read_back_and_nothing_else
            a_backup_belongs_to_its_instance_alone
            what_is_no_backup_is_left_out_and_left_alone
            instances_are_told_of_which_there_is_a_backup
            an_archive_that_cannot_be_read_is_not_empty
        }
    };
}
pub(crate) use archive;

/// What becomes of a part's bytes; none when they are taken away.
pub(crate) type Damage = dyn Fn(Vec<u8>) -> Option<Vec<u8>>;

/// An archive with hands that can do damage in it.
pub(crate) trait Shelves: Side {
    /// The archive.
    fn archive(&self) -> &dyn Archive;
    /// A dump and a filestore as the other edges give them, whole.
    fn sound(&self, part: Part) -> Vec<u8>;
    /// Changes the stored bytes of a part by hand.
    fn damage(&self, backup: &Backup, part: Part, change: &Damage);
    /// Puts this backup once more beside it under the id `copy`, as a hand in a hurry would.
    fn copy(&self, backup: &Backup, copy: &BackupId);
    /// True when something is stored under this id.
    fn is_there(&self, instance: &InstanceName, id: &BackupId) -> bool;
    /// From now on the archive cannot be read.
    fn break_down(&self);
}

/// A backup on its way.
pub(crate) struct Backup {
    pub(crate) instance: InstanceName,
    pub(crate) id: BackupId,
    uid: Uid,
}

impl Backup {
    fn of(instance: &str) -> Self {
        let (instance, uid) = (crate::world::name(instance), crate::world::uid(7));
        Self { id: BackupId::of(&instance, uid, crate::world::now()), instance, uid }
    }

    fn manifest(&self, parts: BTreeMap<Part, PartSum>) -> Manifest {
        Manifest {
            format: FORMAT,
            id: self.id.clone(),
            installation: InstallationId("0123456789ab".to_owned()),
            instance: self.instance.clone(),
            uid: self.uid,
            cause: BackupCause::Final,
            begun_at: crate::world::now(),
            ended_at: crate::world::now(),
            database: Some("odoo_acme".to_owned()),
            odoo: Some("19.0.1.3".to_owned()),
            modules: BTreeSet::new(),
            parts,
            tool: "innkeeper test".to_owned(),
        }
    }

    async fn begin(&self, side: &impl Shelves) {
        side.archive().begin(&self.instance, &self.id).await.unwrap();
    }

    async fn write(&self, side: &impl Shelves, part: Part, bytes: ByteStream) -> Result<PartSum, EdgeError> {
        side.archive().write(&self.instance, &self.id, part, bytes).await
    }

    /// Takes and publishes one of these bytes.
    async fn take_of(&self, side: &impl Shelves, parts: &[(Part, Vec<u8>)]) {
        self.begin(side).await;
        let mut sums = BTreeMap::new();
        for (part, bytes) in parts {
            sums.insert(*part, self.write(side, *part, stream(bytes)).await.unwrap());
        }
        side.archive().publish(&self.manifest(sums)).await.unwrap();
    }

    /// Takes and publishes a whole one.
    async fn take(&self, side: &impl Shelves) {
        self.take_of(side, &PARTS.map(|part| (part, side.sound(part)))).await;
    }

    async fn verify(&self, side: &impl Shelves) -> Soundness {
        side.archive().verify(&self.instance, &self.id).await.unwrap()
    }

    async fn discard(&self, side: &impl Shelves) {
        side.archive().discard(&self.instance, &self.id).await.unwrap();
    }

    async fn seen(&self, side: &impl Shelves) -> Option<BackupLive> {
        backups(side, &self.instance).await.remove(&self.id)
    }

    async fn verified_at(&self, side: &impl Shelves) -> Option<Timestamp> {
        self.seen(side).await.expect("it is there").verified_at
    }
}

const PARTS: [Part; 2] = [Part::Database, Part::Filestore];

async fn backups(side: &impl Shelves, instance: &InstanceName) -> BTreeMap<BackupId, BackupLive> {
    side.archive().look(&asked(instance)).await.unwrap().backups.remove(instance).unwrap_or_default()
}

fn asked(instance: &InstanceName) -> Ask {
    Ask { instances: BTreeMap::from([(instance.clone(), Resources::of(instance))]), ..Ask::default() }
}

/// Bytes in pieces, as they come from the other edges.
fn stream(bytes: &[u8]) -> ByteStream {
    let pieces: Vec<_> = bytes.chunks(bytes.len() / 3 + 1).map(|piece| Ok(piece.to_vec())).collect();
    futures::stream::iter(pieces).boxed()
}

/// The first half, and then the source fails.
fn torn_stream(bytes: &[u8]) -> ByteStream {
    let failure = EdgeError::plain(Edge::Database, ErrorKind::Failed, "pg_dump was killed");
    futures::stream::iter([Ok(bytes[..bytes.len() / 2].to_vec()), Err(failure)]).boxed()
}

fn is_unsound(soundness: &Soundness) -> bool {
    matches!(soundness, Soundness::Unsound(why) if !why.is_empty())
}

pub(crate) async fn a_backup_is_seen_when_it_is_published_and_not_before(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.begin(side).await;
    assert!(backup.seen(side).await.is_none());
    let mut sums = BTreeMap::new();
    for part in PARTS {
        let bytes = side.sound(part);
        let sum = backup.write(side, part, stream(&bytes)).await.unwrap();
        assert_eq!(sum, PartSum { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(&bytes)) });
        sums.insert(part, sum);
        assert!(backup.seen(side).await.is_none(), "it has {part:?} and no manifest");
    }
    let manifest = backup.manifest(sums);
    side.archive().publish(&manifest).await.unwrap();
    let seen = backup.seen(side).await.unwrap();
    assert_eq!((seen.manifest, seen.verified_at), (manifest, None), "whole, and nobody read it back yet");
    assert!(seen.place.contains(backup.id.as_str()), "{}", seen.place);
}

pub(crate) async fn an_archive_in_which_nothing_was_stored_is_empty(side: &impl Shelves) {
    let backup = Backup::of("acme");
    assert!(backups(side, &backup.instance).await.is_empty());
    assert!(side.archive().instances().await.unwrap().is_empty());
    backup.discard(side).await;
}

pub(crate) async fn begun_again_it_begins_with_nothing(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.begin(side).await;
    backup.write(side, Part::Database, stream(b"of the life before")).await.unwrap();
    backup.take(side).await;
    assert_eq!(backup.verify(side).await, Soundness::Sound);
    assert_eq!(backups(side, &backup.instance).await.len(), 1);
}

pub(crate) async fn a_part_whose_bytes_break_off_is_an_error_and_nothing_is_seen(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.begin(side).await;
    let dump = side.sound(Part::Database);
    let error = backup.write(side, Part::Database, torn_stream(&dump)).await.unwrap_err();
    assert_eq!((error.edge, error.kind), (Edge::Database, ErrorKind::Failed), "the source's own failure");
    assert!(backup.seen(side).await.is_none());
    // The next try begins anew and ends well.
    backup.take(side).await;
    assert_eq!(backup.verify(side).await, Soundness::Sound);
}

pub(crate) async fn what_was_not_begun_takes_no_part_and_is_not_published(side: &impl Shelves) {
    let backup = Backup::of("acme");
    let written = backup.write(side, Part::Database, stream(b"bytes")).await;
    assert_eq!(super::kind(written), ErrorKind::Failed);
    assert_eq!(super::kind(side.archive().publish(&backup.manifest(BTreeMap::new())).await), ErrorKind::Failed);
    assert!(!side.is_there(&backup.instance, &backup.id));
}

pub(crate) async fn a_part_is_written_once(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.begin(side).await;
    backup.write(side, Part::Database, stream(&side.sound(Part::Database))).await.unwrap();
    let again = backup.write(side, Part::Database, stream(b"another")).await;
    assert_eq!(super::kind(again), ErrorKind::Failed);
}

pub(crate) async fn what_is_published_stays_as_it_is(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.take(side).await;
    let before = backup.seen(side).await;
    side.archive().publish(&backup.manifest(BTreeMap::new())).await.unwrap();
    backup.begin(side).await;
    assert_eq!(super::kind(backup.write(side, Part::Database, stream(b"another")).await), ErrorKind::Failed);
    assert_eq!(backup.seen(side).await, before);
    assert_eq!(backup.verify(side).await, Soundness::Sound);
}

pub(crate) async fn read_back_whole_it_is_marked(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.take(side).await;
    for _ in 0..2 {
        assert_eq!(backup.verify(side).await, Soundness::Sound);
        assert!(backup.verified_at(side).await.is_some());
    }
}

pub(crate) async fn a_changed_byte_is_noticed(side: &impl Shelves) {
    for (instance, part) in [("acme", Part::Database), ("beta", Part::Filestore)] {
        let backup = Backup::of(instance);
        backup.take(side).await;
        side.damage(&backup, part, &|mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            Some(bytes)
        });
        assert!(is_unsound(&backup.verify(side).await), "{part:?}");
        assert_eq!(backup.verified_at(side).await, None, "{part:?}");
    }
}

pub(crate) async fn a_part_that_is_cut_short_or_gone_is_noticed_and_the_mark_counts_no_more(side: &impl Shelves) {
    let cut = |bytes: Vec<u8>| Some(bytes[..bytes.len() / 2].to_vec());
    let gone = |_: Vec<u8>| None;
    let damages: [(&str, Part, &Damage); 4] = [
        ("a", Part::Database, &cut),
        ("b", Part::Filestore, &cut),
        ("c", Part::Database, &gone),
        ("d", Part::Filestore, &gone),
    ];
    for (instance, part, damage) in damages {
        let backup = Backup::of(instance);
        backup.take(side).await;
        assert_eq!(backup.verify(side).await, Soundness::Sound);
        side.damage(&backup, part, damage);
        assert_eq!(backup.verified_at(side).await, None, "{instance}: {part:?}");
        assert!(is_unsound(&backup.verify(side).await), "{instance}: {part:?}");
    }
}

/// `pg_restore --list` and `tar` by themselves do not notice: what is read to the end is.
pub(crate) async fn a_dump_or_a_filestore_that_was_torn_when_it_was_taken_is_noticed_although_its_sum_is_right(
    side: &impl Shelves,
) {
    let [dump, filestore] = PARTS.map(|part| side.sound(part));
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    for (instance, parts) in [
        ("acme", [(Part::Database, half(&dump)), (Part::Filestore, filestore.clone())]),
        ("beta", [(Part::Database, dump.clone()), (Part::Filestore, half(&filestore))]),
        ("gamma", [(Part::Database, Vec::new()), (Part::Filestore, filestore.clone())]),
        ("delta", [(Part::Database, dump.clone()), (Part::Filestore, Vec::new())]),
    ] {
        let backup = Backup::of(instance);
        backup.take_of(side, &parts).await;
        assert!(is_unsound(&backup.verify(side).await), "{instance}");
        assert_eq!(backup.verified_at(side).await, None, "{instance}");
    }
}

pub(crate) async fn what_is_not_there_is_not_sound(side: &impl Shelves) {
    let backup = Backup::of("acme");
    assert_eq!(super::kind(side.archive().verify(&backup.instance, &backup.id).await), ErrorKind::Failed);
    backup.begin(side).await;
    assert_eq!(super::kind(side.archive().verify(&backup.instance, &backup.id).await), ErrorKind::Failed);
}

pub(crate) async fn thrown_away_is_what_was_not_read_back_and_nothing_else(side: &impl Shelves) {
    let (begun, published, verified) = (Backup::of("acme"), Backup::of("beta"), Backup::of("gamma"));
    begun.begin(side).await;
    published.take(side).await;
    verified.take(side).await;
    assert_eq!(verified.verify(side).await, Soundness::Sound);
    for _ in 0..2 {
        for backup in [&begun, &published, &verified] {
            backup.discard(side).await;
        }
    }
    assert!(!side.is_there(&begun.instance, &begun.id) && !side.is_there(&published.instance, &published.id));
    assert_eq!(verified.verify(side).await, Soundness::Sound);
}

pub(crate) async fn a_backup_belongs_to_its_instance_alone(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.take(side).await;
    let other = crate::world::name("beta");
    assert!(backups(side, &other).await.is_empty());
    assert_eq!(super::kind(side.archive().verify(&other, &backup.id).await), ErrorKind::Failed);
    side.archive().discard(&other, &backup.id).await.unwrap();
    assert_eq!(backup.verify(side).await, Soundness::Sound);
}

pub(crate) async fn what_is_no_backup_is_left_out_and_left_alone(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.take(side).await;
    assert_eq!(backup.verify(side).await, Soundness::Sound);
    // Its manifest says that it is another one.
    let copy = BackupId::parse("acme-copy").unwrap();
    side.copy(&backup, &copy);
    assert_eq!(backups(side, &backup.instance).await.keys().collect::<Vec<_>>(), [&backup.id]);
    backup.discard(side).await;
    assert!(side.is_there(&backup.instance, &copy) && backup.seen(side).await.is_some());
}

pub(crate) async fn instances_are_told_of_which_there_is_a_backup(side: &impl Shelves) {
    let (begun, published) = (Backup::of("acme"), Backup::of("beta"));
    begun.begin(side).await;
    published.take(side).await;
    assert_eq!(side.archive().instances().await.unwrap(), [published.instance.clone()].into());
    published.discard(side).await;
    assert!(side.archive().instances().await.unwrap().is_empty());
}

pub(crate) async fn an_archive_that_cannot_be_read_is_not_empty(side: &impl Shelves) {
    let backup = Backup::of("acme");
    backup.take(side).await;
    side.break_down();
    assert!(side.archive().look(&asked(&backup.instance)).await.is_err());
    assert!(side.archive().instances().await.is_err());
    assert!(side.archive().verify(&backup.instance, &backup.id).await.is_err());
    assert!(side.archive().begin(&backup.instance, &backup.id).await.is_err());
}
