//! Backups in a directory, on the real adapter: what is damaged, partial, half-made or out of reach. `pg_restore` is a
//! script here that writes the dump out as it is; with the real one they are tested in `contract`.

use crate::world::{name, now, settings, uid};
use futures::StreamExt;
use innkeeper::adapters::directory::Directory;
use innkeeper::edges::archive::Soundness;
use innkeeper::edges::{Archive, Ask, ByteStream, ErrorKind};
use innkeeper::model::backup::{ArchiveLive, BackupCause, BackupId, FORMAT, Manifest, Part};
use innkeeper::model::name::{InstallationId, InstanceName, Resources};
use innkeeper::model::status::chain;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Ends with 0, and writes the dump to its output where it is asked to.
const PG_RESTORE: &str = "#!/bin/sh\ncase \"$*\" in *--file=-*) for dump; do :; done; cat \"$dump\";; esac\n";
const FILES: [&str; 3] = [
    "0b/0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
    "62/62cdb7020ff920e5aa642c3d4066950dd1f01f4d",
    "bb/bbe960a25ea311d21d40669e93df2003ba9b90a2",
];
const INSTALLATION: &str = "0123456789ab";

/// A directory of backups, and who has some there.
struct Shelf {
    dir: TempDir,
    archive: Directory,
    instance: InstanceName,
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_not_an_archive_without_backups() {
    let witness = TempDir::new().unwrap();
    let shelf = Shelf::of("acme", |archive| archive.witnessed_by(witness.path().join("archive")));
    let ask = Ask { instances: [(shelf.instance.clone(), Resources::of(&shelf.instance))].into(), ..Ask::default() };
    assert!(shelf.archive.look(&ask).await.unwrap().backups.is_empty(), "none was taken yet");
    shelf.take(&[(Part::Database, b"dump".to_vec())]).await;
    assert_eq!(shelf.archive.look(&ask).await.unwrap().backups.len(), 1);
    let (mounted, elsewhere) = (shelf.dir.path().join("backups"), shelf.dir.path().join("elsewhere"));
    fs::rename(&mounted, &elsewhere).unwrap();
    // The directory on which it was mounted is there.
    fs::create_dir(&mounted).unwrap();
    let told = |error: innkeeper::edges::EdgeError| innkeeper::model::status::chain(&error);
    let looked = told(shelf.archive.look(&ask).await.unwrap_err());
    assert!(looked.contains("mount its disk"), "{looked}");
    assert!(told(shelf.archive.instances().await.unwrap_err()).contains("mount its disk"));
    assert!(told(shelf.archive.begin(&shelf.instance, &shelf.id()).await.unwrap_err()).contains("mount its disk"));
    assert_eq!(fs::read_dir(&mounted).unwrap().count(), 0, "nothing was written beneath it");
    fs::remove_dir(&mounted).unwrap();
    fs::rename(&elsewhere, &mounted).unwrap();
    assert_eq!(shelf.archive.look(&ask).await.unwrap().backups.len(), 1);
    // A person says that they are gone for good.
    fs::remove_dir_all(mounted.join(INSTALLATION)).unwrap();
    fs::create_dir(mounted.join(INSTALLATION)).unwrap();
    assert!(shelf.archive.look(&ask).await.unwrap().backups.is_empty());
}

impl Shelf {
    fn new() -> Self {
        Self::of("acme", |archive| archive)
    }

    fn of(instance: &str, with: impl FnOnce(Directory) -> Directory) -> Self {
        let dir = TempDir::new().unwrap();
        let mut backup = settings().backup;
        (backup.directory, backup.pg_restore) = (dir.path().join("backups"), dir.path().join("pg_restore"));
        fs::write(&backup.pg_restore, PG_RESTORE).unwrap();
        fs::set_permissions(&backup.pg_restore, fs::Permissions::from_mode(0o755)).unwrap();
        let archive = with(Directory::new(&backup, InstallationId(INSTALLATION.to_owned())));
        Self { dir, archive, instance: name(instance) }
    }

    fn id(&self) -> BackupId {
        BackupId::of(&self.instance, uid(1), now())
    }

    /// Where the instance's backups are.
    fn path(&self) -> PathBuf {
        self.dir.path().join("backups").join(INSTALLATION).join(self.instance.as_str())
    }

    fn place(&self) -> PathBuf {
        self.path().join(self.id().as_str())
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = fs::read_dir(self.path()).into_iter().flatten();
        let id = self.id();
        entries.map(|entry| entry.unwrap().file_name().to_str().unwrap().replace(id.as_str(), "ID")).collect()
    }

    /// Takes the backup with these parts.
    async fn take(&self, parts: &[(Part, Vec<u8>)]) {
        let (instance, id) = (&self.instance, &self.id());
        self.archive.begin(instance, id).await.unwrap();
        let mut manifest = manifest(instance, id);
        for (part, bytes) in parts {
            let sum = self.archive.write(instance, id, *part, stream(bytes.clone())).await.unwrap();
            manifest.parts.insert(*part, sum);
        }
        self.archive.publish(&manifest).await.unwrap();
    }

    async fn verify(&self) -> Soundness {
        self.archive.verify(&self.instance, &self.id()).await.unwrap()
    }

    async fn look(&self) -> Result<ArchiveLive, innkeeper::edges::EdgeError> {
        let instances = [(self.instance.clone(), Resources::of(&self.instance))].into();
        self.archive.look(&Ask { instances, ..Ask::default() }).await
    }

    /// Which backups a look shows, whether they count as read back, and how many files they lack.
    async fn shown(&self) -> Vec<(bool, u64)> {
        let live = self.look().await.unwrap();
        let backups = live.backups.into_values().flat_map(|backups| backups.into_values());
        backups.map(|backup| (backup.verified_at.is_some(), backup.missing.count)).collect()
    }

    /// Turns a byte in the middle of a part.
    fn spoil(&self, part: Part) {
        let file = fs::OpenOptions::new().write(true).read(true).open(self.place().join(part.file_name())).unwrap();
        let at = file.metadata().unwrap().len() / 2;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ 1], at).unwrap();
    }
}

fn stream(bytes: Vec<u8>) -> ByteStream {
    let pieces: Vec<_> = bytes.chunks(1 << 16).map(|piece| Ok(piece.to_vec())).collect();
    futures::stream::iter(pieces).boxed()
}

fn manifest(instance: &InstanceName, id: &BackupId) -> Manifest {
    Manifest {
        format: FORMAT,
        id: id.clone(),
        installation: InstallationId(INSTALLATION.to_owned()),
        instance: instance.clone(),
        uid: uid(1),
        cause: BackupCause::Final,
        begun_at: now(),
        ended_at: now(),
        database: Some(Resources::of(instance).database),
        odoo: None,
        modules: BTreeSet::new(),
        parts: [].into(),
        tool: "innkeeper test".to_owned(),
    }
}

/// A database whose attachments are in these files.
fn dump(files: &[&str]) -> (Part, Vec<u8>) {
    let rows: String = files.iter().enumerate().map(|(id, file)| format!("{id}\t{file}\tx\n")).collect();
    let text = format!("COPY public.ir_attachment (id, store_fname, name) FROM stdin;\n{rows}\\.\n");
    (Part::Database, text.into_bytes())
}

/// A volume with these files, as Docker sends it.
fn volume(instance: &str, files: &[&str]) -> (Part, Vec<u8>) {
    let mut builder = tar::Builder::new(Vec::new());
    let database = Resources::of(&name(instance)).database;
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o600);
        let path = format!("odoo/filestore/{database}/{file}");
        builder.append_data(&mut header, path, &b"abc"[..]).unwrap();
    }
    (Part::Filestore, builder.into_inner().unwrap())
}

#[tokio::test]
async fn a_damaged_backup_is_kept_aside_and_another_takes_its_place() {
    let shelf = Shelf::new();
    let parts = [dump(&FILES), volume("acme", &FILES)];
    for (part, aside) in [(Part::Database, "ID.unsound"), (Part::Filestore, "ID.unsound-2")] {
        shelf.take(&parts).await;
        assert_eq!(shelf.verify().await, Soundness::Sound);
        assert_eq!(shelf.shown().await, [(true, 0)]);
        shelf.spoil(part);
        let soundness = shelf.verify().await;
        assert!(
            matches!(&soundness, Soundness::Unsound(why) if why.contains("not those that were written")),
            "{soundness:?}"
        );
        let kept = shelf.archive.reject(&shelf.instance, &shelf.id()).await.unwrap().expect("it was sound once");
        assert_eq!(kept.replace(shelf.id().as_str(), "ID"), shelf.path().join(aside).display().to_string());
        assert_eq!(shelf.shown().await, [], "it is no backup any more");
    }
    shelf.take(&parts).await;
    assert_eq!(shelf.verify().await, Soundness::Sound);
    assert_eq!(shelf.names(), ["ID", "ID.unsound", "ID.unsound-2"].map(str::to_owned).into());
}

#[tokio::test]
async fn one_that_was_never_sound_is_thrown_away() {
    let shelf = Shelf::new();
    shelf.take(&[dump(&[])]).await;
    shelf.spoil(Part::Database);
    assert!(matches!(shelf.verify().await, Soundness::Unsound(_)));
    assert_eq!(shelf.archive.reject(&shelf.instance, &shelf.id()).await.unwrap(), None);
    assert_eq!(shelf.names(), BTreeSet::new());
}

#[tokio::test]
async fn a_backup_that_no_look_understands_makes_way_for_the_next_one() {
    let shelf = Shelf::new();
    shelf.take(&[dump(&[])]).await;
    assert_eq!(shelf.verify().await, Soundness::Sound);
    fs::write(shelf.place().join("manifest.json"), "{").unwrap();
    assert_eq!(shelf.shown().await, []);
    shelf.take(&[dump(&[])]).await;
    assert_eq!(shelf.verify().await, Soundness::Sound);
    assert_eq!(shelf.names(), ["ID", "ID.unsound"].map(str::to_owned).into());
}

#[tokio::test]
async fn files_that_the_database_names_and_the_volume_lacks_make_a_backup_partial() {
    // (what, parts, files missing)
    let long = "an-instance-whose-name-is-as-long-as-can";
    let cases = [
        ("all there", "acme", vec![dump(&FILES), volume("acme", &FILES)], 0),
        ("a long name", long, vec![dump(&FILES), volume(long, &FILES)], 0),
        ("one missing", "acme", vec![dump(&FILES), volume("acme", &FILES[1..])], 1),
        ("an empty volume", "acme", vec![dump(&FILES), volume("acme", &[])], 3),
        ("another database's", "acme", vec![dump(&FILES), volume("beta", &FILES)], 3),
        ("more than are named", "acme", vec![dump(&FILES[..1]), volume("acme", &FILES)], 0),
        ("the database alone", "acme", vec![dump(&FILES)], 3),
        ("a database without Odoo alone", "acme", vec![(Part::Database, b"SET x;\n".to_vec())], 0),
        ("the volume alone", "acme", vec![volume("acme", &FILES)], 0),
    ];
    for (what, instance, parts, missing) in cases {
        let shelf = Shelf::of(instance, |archive| archive);
        shelf.take(&parts).await;
        let soundness = shelf.verify().await;
        match &soundness {
            Soundness::Sound => assert_eq!(missing, 0, "{what}"),
            Soundness::Partial(found) => assert_eq!((found.count, &found.first[0][..]), (missing, FILES[0]), "{what}"),
            Soundness::Unsound(why) => panic!("{what}: {why}"),
        }
        assert_eq!(shelf.shown().await, [(true, missing)], "{what}: it shows, whoever looks");
        let list = fs::read_to_string(shelf.place().join("missing-files.txt")).unwrap_or_default();
        assert_eq!(list.lines().count() as u64, missing, "{what}: {list}");
    }
}

#[tokio::test]
async fn a_volume_that_breaks_off_is_no_backup() {
    let shelf = Shelf::new();
    let (part, mut bytes) = volume("acme", &FILES);
    bytes.truncate(bytes.len() - 1_536);
    shelf.take(&[(part, bytes)]).await;
    let soundness = shelf.verify().await;
    assert!(matches!(&soundness, Soundness::Unsound(why) if why.contains("breaks off")), "{soundness:?}");
}

#[tokio::test]
async fn writing_stops_before_the_disk_is_full_and_leaves_nothing() {
    let shelf = Shelf::of("acme", |archive| archive.keeping_free(u64::MAX));
    let (instance, id) = (&shelf.instance, &shelf.id());
    shelf.archive.begin(instance, id).await.unwrap();
    let error = shelf.archive.write(instance, id, Part::Database, stream(vec![0; 1 << 20])).await.unwrap_err();
    assert!(chain(&error).contains("are free, and"), "{}", chain(&error));
    shelf.archive.discard(instance, id).await.unwrap();
    assert_eq!(shelf.names(), BTreeSet::new());
    assert!(shelf.look().await.unwrap().free_bytes.is_some_and(|free| free > 0), "decisions know how much is free");
}

#[tokio::test]
async fn a_start_throws_away_what_is_half_made_and_nothing_else() {
    let shelf = Shelf::new();
    shelf.take(&[dump(&[])]).await;
    let half = BackupId::parse("half-made").unwrap();
    shelf.archive.begin(&shelf.instance, &half).await.unwrap();
    shelf.archive.write(&shelf.instance, &half, Part::Database, stream(vec![0; 100])).await.unwrap();
    assert_eq!(shelf.names(), ["ID", "half-made.partial"].map(str::to_owned).into());
    shelf.archive.tidy().await.unwrap();
    assert_eq!(shelf.names(), ["ID"].map(str::to_owned).into());
    // A customer's first backup has nothing whole beside it.
    let first = Shelf::of("beta", |archive| archive);
    first.archive.begin(&first.instance, &half).await.unwrap();
    first.archive.tidy().await.unwrap();
    assert_eq!(first.names(), BTreeSet::new());
}

#[test]
fn a_disk_that_hangs_keeps_one_thread_and_tells_everybody_else_at_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let patience = Duration::from_millis(400);
    let shelf = Shelf::of("acme", |archive| archive.answering_within(patience));
    let mark = shelf.place().join("verified.json");
    let test = async {
        shelf.take(&[dump(&[])]).await;
        // Whoever opens a pipe that nobody writes into waits, as at a mount whose server is gone.
        assert!(std::process::Command::new("mkfifo").arg(&mark).status().unwrap().success());
        let (began, before) = (elapsed(), threads());
        let first = shelf.look().await.unwrap_err();
        assert_eq!(first.kind, ErrorKind::Timeout, "{}", chain(&first));
        for _ in 0..50 {
            let error = shelf.look().await.unwrap_err();
            assert!(chain(&error).contains("an earlier look still waits"), "{}", chain(&error));
        }
        let took = elapsed() - began;
        assert!(took < 5 * patience, "50 looks at a disk that hangs took {took:?}");
        assert!(threads() <= before + 1, "{} threads, {before} before", threads());
        // It answers again.
        fs::OpenOptions::new().write(true).open(&mark).unwrap();
        fs::remove_file(&mark).unwrap();
        let seen = async {
            while shelf.look().await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), seen).await.expect("a look gets through again");
        assert_eq!(shelf.shown().await, [(false, 0)]);
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test)));
    // A test that failed leaves a thread that hangs, and does not wait for it.
    runtime.shutdown_background();
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
}

#[expect(clippy::disallowed_methods, reason = "real time is what this test measures")]
fn elapsed() -> Duration {
    static BEGAN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}
