//! The files that an instance's containers see read-only under `/etc/odoo`.
//!
//! Each instance has a directory `<config_dir>/<instance>/`, 0711 and root's, inside a directory that only root can
//! enter: the container's user can open the files that it is told of, no user of the host with the same number can.
//!
//! A file that ends in `.conf` begins with a line `# innkeeper: digest=… body=… owner=…`, a comment to Odoo, by which a
//! look knows what it was written for and whether it is still as written. Other files (`setup.json`, `setup.py`) are
//! written as they are: they live as long as one job, are never looked at, and JSON has no comments.
//!
//! The text is secret: it is in no error and in no log line.

use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::live::ConfigLive;
use crate::model::secret::{ExposeSecret, SecretString, hex};
use crate::model::service::ImageUser;
use crate::model::time::Timestamp;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The file whose state is looked at.
pub(super) const ODOO_CONF: &str = "odoo.conf";
/// A configuration file has a few dozen lines.
const FILE_BYTES_MAX: u64 = 1 << 20;
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o711;
const PARENT_MODE: u32 = 0o700;
const HEADER: &str = "# innkeeper: ";

/// What the first line of a `.conf` file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Header {
    digest: String,
    body: String,
    owner: (u32, u32),
}

impl Header {
    fn line(&self) -> String {
        format!("{HEADER}digest={} body={} owner={}:{}\n", self.digest, self.body, self.owner.0, self.owner.1)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix(HEADER)?.split(' ');
        let mut word = |key: &str| words.next()?.strip_prefix(key).map(str::to_owned);
        let (digest, body, owner) = (word("digest=")?, word("body=")?, word("owner=")?);
        let (uid, gid) = owner.split_once(':')?;
        Some(Self { digest, body, owner: (uid.parse().ok()?, gid.parse().ok()?) })
    }
}

/// Makes the instance's directory.
pub(super) fn ensure_directory(directory: &Path) -> Result<(), EdgeError> {
    let doing = || format!("could not make the directory {}", directory.display());
    let make = |path: &Path, mode| match fs::DirBuilder::new().recursive(true).mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(mode)),
        Err(error) => Err(error),
    };
    let parent = directory.parent().unwrap_or(directory);
    let is_new = !directory.is_dir();
    let made = if parent.is_dir() { Ok(()) } else { make(parent, PARENT_MODE).and_then(|()| sync_parent(parent)) };
    made.and_then(|()| make(directory, DIRECTORY_MODE))
        .and_then(|()| if is_new { sync_parent(directory) } else { Ok(()) })
        .map_err(|error| failure(doing(), error))
}

/// Writes a file whole: a reader sees the old text or the new one, and after a power cut one of the two is there. One that
/// stands there as it would be written is left alone: its time says since when a container runs on it. Unless that time
/// has not come yet, because somebody set the clock back.
pub(super) fn write(
    directory: &Path,
    file_name: &str,
    digest: &str,
    text: &SecretString,
    owner: ImageUser,
) -> Result<(), EdgeError> {
    ensure_directory(directory)?;
    let body = text.expose_secret().as_bytes();
    let header = Header { digest: digest.to_owned(), body: sum(body), owner: (owner.uid, owner.gid) };
    let first = if has_header(file_name) { header.line() } else { String::new() };
    let (path, owner) = (directory.join(file_name), (owner.uid, owner.gid));
    let stands = read(&path)?.is_some_and(|(file, text)| {
        is_as_made(&file, owner) && text.strip_prefix(first.as_bytes()).is_some_and(|rest| rest == body)
    });
    if stands && !is_of_the_future(&path)? { Ok(()) } else { replace(&path, &[first.as_bytes(), body], owner) }
}

/// Holds the file's time against that of one which is made now.
fn is_of_the_future(path: &Path) -> Result<bool, EdgeError> {
    let new = with_suffix(path, ".new");
    let compare = || {
        let now = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&new)?;
        let (now, then) = (now.metadata()?.modified()?, fs::metadata(path)?.modified()?);
        fs::remove_file(&new)?;
        Ok(then > now)
    };
    compare().map_err(|error| failure(format!("could not write {}", new.display()), error))
}

/// Reads back how `odoo.conf` stands; none when there is none. One that cannot be read is told as not intact: it holds
/// back its own instance and not the look at all others.
pub(super) fn look(directory: &Path) -> Option<ConfigLive> {
    try_look(directory).unwrap_or_else(|error| {
        tracing::warn!("{}", crate::model::status::chain(&error));
        Some(ConfigLive { digest: String::new(), intact: false, written_at: Timestamp::UNIX_EPOCH })
    })
}

fn try_look(directory: &Path) -> Result<Option<ConfigLive>, EdgeError> {
    let path = directory.join(ODOO_CONF);
    let Some((file, text)) = read(&path)? else {
        return Ok(None);
    };
    let written_at = file.modified().and_then(|time| Timestamp::try_from(time).map_err(io::Error::other));
    let written_at = written_at.map_err(|error| failure(cannot_read(&path), error))?;
    let (header, body) = split(&text);
    let as_written = |header: &Header| header.body == sum(body) && is_as_made(&file, header.owner);
    let intact = header.as_ref().is_some_and(as_written);
    Ok(Some(ConfigLive { digest: header.map(|header| header.digest).unwrap_or_default(), intact, written_at }))
}

/// Gives `odoo.conf` to the user of another image, text and sums unchanged: builds of Odoo's image differ in that number,
/// and Odoo cannot open a file of another user.
pub(super) fn give_to(directory: &Path, owner: ImageUser) -> Result<(), EdgeError> {
    let path = directory.join(ODOO_CONF);
    let Some((file, text)) = read(&path)? else {
        return Ok(());
    };
    let (Some(header), body) = split(&text) else {
        return Ok(());
    };
    let (old, new) = (header.owner, (owner.uid, owner.gid));
    // A file that is not as it was written is drift, to be seen and written anew, not to be covered up.
    if old == new || old != (file.uid(), file.gid()) {
        return Ok(());
    }
    replace(&path, &[Header { owner: new, ..header }.line().as_bytes(), body], new)
}

/// Removes a file of one job; absent is success.
pub(super) fn remove(directory: &Path, file_name: &str) -> Result<(), EdgeError> {
    let path = directory.join(file_name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failure(format!("could not remove {}", path.display()), error))
        }
        _ => Ok(()),
    }
}

/// Removes the instance's directory with every file in it; absent is success.
pub(super) fn remove_directory(directory: &Path) -> Result<(), EdgeError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failure(format!("could not remove {}", directory.display()), error))
        }
        _ => Ok(()),
    }
}

fn is_as_made(file: &fs::Metadata, owner: (u32, u32)) -> bool {
    (file.uid(), file.gid()) == owner && file.mode() & 0o7777 == FILE_MODE && file.is_file()
}

fn has_header(file_name: &str) -> bool {
    Path::new(file_name).extension().is_some_and(|extension| extension == "conf")
}

fn replace(path: &Path, parts: &[&[u8]], owner: (u32, u32)) -> Result<(), EdgeError> {
    // One fixed name: a crash leaves at most one half-written file, and the next write removes it.
    let new = with_suffix(path, ".new");
    let written = put(&new, parts, owner).and_then(|()| fs::rename(&new, path)).and_then(|()| sync_parent(path));
    written.map_err(|error| {
        let _ = fs::remove_file(&new);
        failure(format!("could not write {}", path.display()), error)
    })
}

fn put(new: &Path, parts: &[&[u8]], owner: (u32, u32)) -> io::Result<()> {
    match fs::remove_file(new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(new)?;
    file.set_permissions(fs::Permissions::from_mode(FILE_MODE))?;
    for part in parts {
        file.write_all(part)?;
    }
    std::os::unix::fs::fchown(&file, Some(owner.0), Some(owner.1))?;
    file.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

fn read(path: &Path) -> Result<Option<(fs::Metadata, Vec<u8>)>, EdgeError> {
    let opened = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened,
    };
    let read = opened.and_then(|file| {
        let mut text = Vec::new();
        let metadata = file.metadata()?;
        file.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
        Ok((metadata, text))
    });
    read.map(Some).map_err(|error| failure(cannot_read(path), error))
}

fn split(text: &[u8]) -> (Option<Header>, &[u8]) {
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else {
        return (None, text);
    };
    let header = std::str::from_utf8(&text[..end]).ok().and_then(Header::parse);
    (header, &text[end + 1..])
}

fn sum(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn cannot_read(path: &Path) -> String {
    format!("could not read {}", path.display())
}

pub(super) fn failure(doing: String, error: io::Error) -> EdgeError {
    let kind = match error.kind() {
        // Only running as another user, or a repaired directory, helps.
        io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => ErrorKind::Refused,
        _ => ErrorKind::Failed,
    };
    EdgeError::new(Edge::Engine, kind, doing, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> ImageUser {
        ImageUser { uid: rustix::process::getuid().as_raw(), gid: rustix::process::getgid().as_raw() }
    }

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("odoo/acme");
        write(&directory, ODOO_CONF, "v1:d", &SecretString::from(text), own()).unwrap();
        (home, directory)
    }

    #[test]
    fn a_written_file_is_read_back_intact_with_its_digest() {
        let (_home, directory) = written("[options]\ndb_password = canary\n");
        let live = look(&directory).unwrap();
        assert_eq!((live.digest.as_str(), live.intact), ("v1:d", true));
        let text = fs::read_to_string(directory.join(ODOO_CONF)).unwrap();
        assert!(text.ends_with("\n[options]\ndb_password = canary\n"), "{text}");
        assert!(!directory.join("odoo.conf.new").exists());
    }

    #[test]
    fn modes_keep_other_users_out() {
        let (_home, directory) = written("x");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&directory.join(ODOO_CONF)), 0o600);
        assert_eq!(mode(&directory), 0o711);
        assert_eq!(mode(directory.parent().unwrap()), 0o700);
    }

    #[test]
    fn an_edited_text_or_mode_is_no_longer_intact() {
        let (_home, directory) = written("workers = 2\n");
        let path = directory.join(ODOO_CONF);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(!look(&directory).unwrap().intact);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(look(&directory).unwrap().intact);
        let edited = fs::read_to_string(&path).unwrap().replace("workers = 2", "workers = 9");
        fs::write(&path, edited).unwrap();
        let live = look(&directory).unwrap();
        assert_eq!((live.digest.as_str(), live.intact), ("v1:d", false));
    }

    #[test]
    fn a_file_without_our_line_is_not_intact_and_a_missing_one_is_none() {
        let (_home, directory) = written("x");
        fs::write(directory.join(ODOO_CONF), "[options]").unwrap();
        let live = look(&directory).unwrap();
        assert_eq!((live.digest.as_str(), live.intact), ("", false));
        remove(&directory, ODOO_CONF).unwrap();
        remove(&directory, ODOO_CONF).unwrap();
        assert_eq!(look(&directory), None);
    }

    #[test]
    fn what_stands_there_already_is_not_written_again() {
        let (_home, directory) = written("x");
        let identity = || fs::metadata(directory.join(ODOO_CONF)).map(|file| (file.ino(), file.mtime_nsec())).unwrap();
        let before = identity();
        write(&directory, ODOO_CONF, "v1:d", &SecretString::from("x"), own()).unwrap();
        assert_eq!(identity(), before);
        write(&directory, ODOO_CONF, "v1:e", &SecretString::from("x"), own()).unwrap();
        assert_ne!(identity(), before);
    }

    #[test]
    fn one_that_cannot_be_read_is_told_and_fails_nobody_else() {
        let (_home, directory) = written("x");
        fs::remove_file(directory.join(ODOO_CONF)).unwrap();
        fs::create_dir(directory.join(ODOO_CONF)).unwrap();
        assert!(!look(&directory).unwrap().intact);
        assert!(write(&directory, ODOO_CONF, "v1:d", &SecretString::from("x"), own()).is_err());
    }

    #[test]
    fn json_gets_no_header() {
        let (_home, directory) = written("x");
        write(&directory, "setup.json", "v1:d", &SecretString::from("{}"), own()).unwrap();
        assert_eq!(fs::read_to_string(directory.join("setup.json")).unwrap(), "{}");
    }

    #[test]
    fn a_half_written_file_of_a_crash_is_replaced() {
        let (_home, directory) = written("old");
        fs::write(directory.join("odoo.conf.new"), "half").unwrap();
        write(&directory, ODOO_CONF, "v1:e", &SecretString::from("new"), own()).unwrap();
        assert_eq!(look(&directory).unwrap().digest, "v1:e");
        assert!(!directory.join("odoo.conf.new").exists());
    }

    #[test]
    fn no_error_repeats_the_text() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("file"), "").unwrap();
        let inside_a_file = home.path().join("file/acme");
        let error = write(&inside_a_file, ODOO_CONF, "v1:d", &SecretString::from("canary"), own()).unwrap_err();
        assert!(!format!("{error:?} {}", crate::model::status::chain(&error)).contains("canary"));
    }
}
