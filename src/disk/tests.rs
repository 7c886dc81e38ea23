//! On real files in a temporary directory.

use super::*;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// Says to the second process of a test that it is one.
const MARK: &str = "INNKEEPER_TEST_UMASK";

fn home() -> TempDir {
    temporary_directory("innkeeper-disk-").unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.err().unwrap().kind()
}

/// Runs the test of that name once more in a process of its own, with another umask and with `directory` as its present one.
/// True in that process.
fn under_umask(test: &str, umask: &str, directory: &Path) -> bool {
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "umask \"$1\"; shift; exec \"$@\"", "sh", umask]).arg(program);
    command.args([&format!("disk::tests::{test}"), "--exact", "--nocapture"]).current_dir(directory).env(MARK, "");
    let output = command.output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    false
}

#[test]
fn a_reader_sees_the_old_file_or_the_new_one_and_nothing_is_left_beside_it() {
    let home = home();
    let path = home.path().join("file");
    let whole = |letter: u8| vec![letter; 1 << 20];
    replace(&path, &whole(b'a'), WriteOptions::mode(0o600)).unwrap();
    std::thread::scope(|scope| {
        for letter in [b'b', b'c'] {
            let path = &path;
            let write = move || replace(path, &whole(letter), WriteOptions::mode(0o600).unsynced()).unwrap();
            scope.spawn(move || (0..30).for_each(|_| write()));
        }
        for _ in 0..100 {
            let read = fs::read(&path).unwrap();
            assert!(read == whole(read[0]), "a part of {} bytes", read.len());
        }
    });
    assert_eq!(names(home.path()), ["file"]);
}

#[test]
fn what_cannot_be_replaced_stays_and_nothing_is_left_beside_it() {
    let home = home();
    let path = home.path().join("directory");
    fs::create_dir(&path).unwrap();
    assert!(replace(&path, b"text", WriteOptions::mode(0o600)).is_err());
    assert_eq!(kind(create_new(&path, b"text", WriteOptions::mode(0o600))), ErrorKind::AlreadyExists);
    assert_eq!(kind(replace(&home.path().join("none/file"), b"", WriteOptions::umask())), ErrorKind::NotFound);
    assert_eq!(names(home.path()), ["directory"]);
}

#[test]
fn what_a_crash_left_is_in_nobodys_way_and_is_swept() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    for left in [".new-", ".new-half", ".new-file"] {
        fs::write(at(left), "half").unwrap();
        fs::set_permissions(at(left), Permissions::from_mode(0o000)).unwrap();
    }
    fs::create_dir(at(".new-directory")).unwrap();
    replace(&at("file"), b"one", WriteOptions::mode(0o600)).unwrap();
    replace(&at("file"), b"two", WriteOptions::mode(0o600)).unwrap();
    create_new(&at("new"), b"", WriteOptions::umask()).unwrap();
    sweep(home.path()).unwrap();
    assert_eq!(names(home.path()), [".new-directory", "file", "new"]);
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "two");
    assert_eq!(kind(sweep(&at("none"))), ErrorKind::NotFound);
}

#[test]
fn modes_are_as_asked_whatever_the_umask() {
    let place = home();
    if !under_umask("modes_are_as_asked_whatever_the_umask", "077", place.path()) {
        return;
    }
    let at = |name: &str| place.path().join(name);
    make_directory(&at("above/below"), 0o755).unwrap();
    assert_eq!([mode(&at("above")), mode(&at("above/below"))], [0o755, 0o755]);
    make_directory(&at("above"), 0o711).unwrap();
    assert_eq!(mode(&at("above")), 0o755, "one that is there stays as it is");
    ensure_directory(&at("above"), 0o711).unwrap();
    assert_eq!(mode(&at("above")), 0o711);
    replace(&at("replaced"), b"", WriteOptions::mode(0o644)).unwrap();
    create_new(&at("created"), b"", WriteOptions::mode(0o640)).unwrap();
    write_new(&at("written"), b"", 0o755).unwrap();
    create_new(&at("of the user"), b"", WriteOptions::umask()).unwrap();
    assert_eq!(["replaced", "created", "written", "of the user"].map(|it| mode(&at(it))), [0o644, 0o640, 0o755, 0o600]);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        Stream::create_new(&at("stream"), 0o604).await.unwrap().finish().await.unwrap();
    });
    assert_eq!(mode(&at("stream")), 0o604);
}

#[test]
fn a_bare_name_is_in_the_present_directory() {
    let place = home();
    if !under_umask("a_bare_name_is_in_the_present_directory", "022", place.path()) {
        return;
    }
    let bare = Path::new;
    create_new(bare("file"), b"", WriteOptions::umask()).unwrap();
    assert_eq!(mode(bare("file")), 0o644);
    replace(bare("file"), b"text", WriteOptions::umask()).unwrap();
    make_parent(bare("file"), 0o700).unwrap();
    make_directory(bare("above/below"), 0o700).unwrap();
    sync_parent(bare("above")).unwrap();
    rename(bare("file"), bare("above/file")).unwrap();
    assert_eq!(set_aside(bare("above"), bare("aside")).unwrap(), bare("aside"));
    assert!(free_bytes(bare("none/at/all")).unwrap() > 0);
    assert_eq!(names(bare(".")), ["aside"]);
    assert_eq!(fs::read_to_string("aside/file").unwrap(), "text");
}

#[test]
fn a_new_file_refuses_whatever_has_its_name() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    fs::write(at("file"), "mine").unwrap();
    symlink("nowhere", at("link")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for name in ["file", "link"] {
        let path = at(name);
        assert_eq!(kind(create_new(&path, b"text", WriteOptions::umask())), ErrorKind::AlreadyExists);
        assert_eq!(kind(write_new(&path, b"text", 0o600)), ErrorKind::AlreadyExists);
        assert_eq!(kind(runtime.block_on(Stream::create_new(&path, 0o600))), ErrorKind::AlreadyExists);
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "mine");
    assert_eq!(names(home.path()), ["file", "link"]);
}

#[test]
fn of_many_who_create_the_same_file_one_does() {
    let home = home();
    let path = home.path().join("key");
    let create = |letter: u8| create_new(&path, &[letter; 4096], WriteOptions::mode(0o600)).is_ok();
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = (b'a'..=b'h').map(|letter| scope.spawn(move || (letter, create(letter)))).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.filter(|(_, made)| *made).map(|(letter, _)| letter).collect::<Vec<u8>>()
    });
    let [letter] = made.as_slice() else { panic!("{made:?}") };
    assert_eq!(fs::read(&path).unwrap(), [*letter; 4096]);
}

#[test]
fn a_file_like_another_has_its_mode_and_owner() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    create_new(&at("former"), b"", WriteOptions::mode(0o604)).unwrap();
    let may_give = std::os::unix::fs::chown(at("former"), Some(1), Some(2)).is_ok();
    let former = fs::metadata(at("former")).unwrap();
    replace(&at("former"), b"text", WriteOptions::like(&former)).unwrap();
    let now = fs::metadata(at("former")).unwrap();
    assert_ne!(now.ino(), former.ino());
    assert_eq!((now.mode(), now.uid(), now.gid()), (former.mode(), former.uid(), former.gid()));
    if may_give {
        assert_eq!((now.uid(), now.gid()), (1, 2));
        replace(&at("group"), b"", WriteOptions::mode(0o640).group_where_allowed(Some(3))).unwrap();
        assert_eq!((mode(&at("group")), fs::metadata(at("group")).unwrap().gid()), (0o640, 3));
    }
}

#[test]
fn no_more_than_the_limit_is_read_and_nothing_is_waited_for() {
    let home = home();
    let path = home.path().join("file");
    fs::write(&path, "12345").unwrap();
    assert_eq!(read_limited(&path, 5).unwrap().bytes, b"12345");
    assert_eq!(kind(read_limited(&path, 4)), ErrorKind::FileTooLarge);
    assert_eq!(
        kind(read_limited(Path::new("/proc/self/status"), 4)),
        ErrorKind::FileTooLarge,
        "its length is told as 0"
    );
    assert_eq!(kind(read_limited(home.path(), 4)), ErrorKind::InvalidInput);
    assert_eq!(kind(read_limited(&home.path().join("none"), 4)), ErrorKind::NotFound);
    let pipe = home.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert_eq!(kind(read_limited(&pipe, 4)), ErrorKind::InvalidInput);
}

#[test]
fn set_aside_it_gets_the_first_name_that_is_free() {
    let home = home();
    let (path, aside) = (home.path().join("backup"), home.path().join("backup.unsound"));
    let mut got = Vec::new();
    symlink("nowhere", home.path().join("backup.unsound-2")).unwrap();
    for text in ["first", "second"] {
        fs::write(&path, text).unwrap();
        got.push(set_aside(&path, &aside).unwrap());
    }
    assert_eq!(got, [aside.clone(), home.path().join("backup.unsound-3")]);
    assert_eq!(fs::read_to_string(&aside).unwrap(), "first", "nothing is replaced");
    assert_eq!(kind(set_aside(&path, &aside)), ErrorKind::NotFound);
    assert_eq!(names(home.path()), ["backup.unsound", "backup.unsound-2", "backup.unsound-3"]);
}

#[test]
fn a_directory_that_cannot_be_is_an_error_and_what_is_absent_is_removed() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    fs::write(at("file"), "").unwrap();
    symlink("nowhere", at("link")).unwrap();
    for name in ["file", "file/below", "link"] {
        assert!(make_directory(&at(name), 0o700).is_err(), "{name}");
    }
    make_directory(&at("directory/below"), 0o700).unwrap();
    for _ in 0..2 {
        remove_file(&at("file")).unwrap();
        remove_tree(&at("directory")).unwrap();
    }
    assert!(remove_file(home.path()).is_err());
    assert_eq!(names(home.path()), ["link"]);
}

#[test]
fn a_place_that_is_not_there_yet_has_the_room_of_where_it_would_be() {
    let home = home();
    let none = home.path().join("not/there");
    let space = space(home.path()).unwrap();
    assert!(space.free_bytes > 0 && space.free_bytes <= space.total_bytes, "{space:?}");
    assert!(free_bytes(&none).unwrap() <= space.total_bytes);
    assert_eq!(kind(super::space(&none)), ErrorKind::NotFound);
    try_room(home.path(), 4096).unwrap();
    assert_eq!(kind(try_room(&none, 4096)), ErrorKind::NotFound);
    let now = time_of_a_new_file(&home.path().join("file")).unwrap();
    replace(&home.path().join("file"), b"", WriteOptions::umask()).unwrap();
    assert!(fs::metadata(home.path().join("file")).unwrap().modified().unwrap() >= now);
    assert_eq!(names(home.path()), ["file"]);
}

/// Does the work in a thread in which this system call fails with `EIO`: always, or with these flags as its third argument.
fn without<T: Send>(call: i64, flags: Option<i32>, work: impl FnOnce() -> T + Send) -> T {
    let with = |flags: i32| {
        let flags = u64::from(flags.cast_unsigned());
        let third = SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, flags).unwrap();
        SeccompRule::new(vec![third]).unwrap()
    };
    let rules = [(call, flags.map(with).into_iter().collect())].into();
    let fails = SeccompAction::Errno(libc::EIO.cast_unsigned());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let filter: BpfProgram = SeccompFilter::new(rules, SeccompAction::Allow, fails, arch).unwrap().try_into().unwrap();
    let filtered = || {
        seccompiler::apply_filter(&filter).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(filtered).join().unwrap())
}

fn is_eio<T>(result: io::Result<T>) -> bool {
    result.err().unwrap().raw_os_error() == Some(libc::EIO)
}

#[test]
fn bytes_are_on_the_disk_before_they_have_a_name() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let synced = WriteOptions::mode(0o600);
    replace(&at("file"), b"old", synced).unwrap();
    without(libc::SYS_fsync, None, || {
        assert!(is_eio(replace(&at("file"), b"new", synced)));
        assert!(is_eio(create_new(&at("another"), b"new", synced)));
        assert!(is_eio(write_new(&at("part of a directory"), b"new", 0o600)));
        assert!(is_eio(try_room(home.path(), 10)));
        replace(&at("document"), b"new", synced.unsynced()).unwrap();
    });
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "old");
    assert_eq!(names(home.path()), ["document", "file", "part of a directory"]);
}

#[test]
fn names_are_on_the_disk_too() {
    let home = home();
    let at = |name: &str| home.path().join(name);
    let synced = WriteOptions::mode(0o600);
    fs::write(at("former"), "").unwrap();
    fs::write(at("broken"), "").unwrap();
    // Directories alone are opened like this here.
    without(libc::SYS_openat, Some(libc::O_RDONLY | libc::O_CLOEXEC), || {
        assert!(is_eio(replace(&at("file"), b"new", synced)));
        assert!(is_eio(create_new(&at("another"), b"new", synced)));
        assert!(is_eio(make_directory(&at("directory"), 0o700)));
        assert!(is_eio(rename(&at("former"), &at("later"))));
        assert!(is_eio(set_aside(&at("broken"), &at("aside"))));
        replace(&at("document"), b"new", synced.unsynced()).unwrap();
    });
    assert_eq!(names(home.path()), ["another", "aside", "directory", "document", "file", "later"]);
}
