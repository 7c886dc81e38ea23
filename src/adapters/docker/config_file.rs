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

use crate::disk::{self, Content, WriteOptions};
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::live::ConfigLive;
use crate::model::secret::{ExposeSecret, SecretString, hex};
use crate::model::service::ImageUser;
use crate::model::time::Timestamp;
use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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
    disk::make_parent(directory, PARENT_MODE)
        .and_then(|()| disk::ensure_directory(directory, DIRECTORY_MODE))
        .map_err(|error| failure(format!("could not make the directory {}", directory.display()), error))
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
    let (path, body, owner) = (directory.join(file_name), text.expose_secret(), (owner.uid, owner.gid));
    let header = Header { digest: digest.to_owned(), body: sum(body.as_bytes()), owner };
    let first = if has_header(file_name) { header.line() } else { String::new() };
    let whole = SecretString::from([first.as_str(), body].concat());
    let whole = whole.expose_secret().as_bytes();
    let stands = read(&path)?.is_some_and(|file| is_as_made(&file.metadata, owner) && file.bytes == whole);
    if stands && !is_of_the_future(&path)? { Ok(()) } else { replace(&path, whole, owner) }
}

/// Holds the file's time against that of one which is made now.
fn is_of_the_future(path: &Path) -> Result<bool, EdgeError> {
    let compare = || Ok(fs::metadata(path)?.modified()? > disk::time_of_a_new_file(path)?);
    compare().map_err(|error| failure(format!("could not write {}", path.display()), error))
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
    let Some(file) = read(&path)? else {
        return Ok(None);
    };
    let written_at = file.metadata.modified().and_then(|time| Timestamp::try_from(time).map_err(io::Error::other));
    let written_at = written_at.map_err(|error| failure(cannot_read(&path), error))?;
    let (header, body) = split(&file.bytes);
    let as_written = |header: &Header| header.body == sum(body) && is_as_made(&file.metadata, header.owner);
    let intact = header.as_ref().is_some_and(as_written);
    Ok(Some(ConfigLive { digest: header.map(|header| header.digest).unwrap_or_default(), intact, written_at }))
}

/// Gives `odoo.conf` to the user of another image, text and sums unchanged: builds of Odoo's image differ in that number,
/// and Odoo cannot open a file of another user.
pub(super) fn give_to(directory: &Path, owner: ImageUser) -> Result<(), EdgeError> {
    let path = directory.join(ODOO_CONF);
    let Some(file) = read(&path)? else {
        return Ok(());
    };
    let (Some(header), body) = split(&file.bytes) else {
        return Ok(());
    };
    let (old, new) = (header.owner, (owner.uid, owner.gid));
    // A file that is not as it was written is drift, to be seen and written anew, not to be covered up.
    if old == new || old != (file.metadata.uid(), file.metadata.gid()) {
        return Ok(());
    }
    replace(&path, &[Header { owner: new, ..header }.line().as_bytes(), body].concat(), new)
}

/// Removes a file of one job; absent is success.
pub(super) fn remove(directory: &Path, file_name: &str) -> Result<(), EdgeError> {
    let path = directory.join(file_name);
    disk::remove_file(&path).map_err(|error| failure(format!("could not remove {}", path.display()), error))
}

/// Removes the instance's directory with every file in it; absent is success.
pub(super) fn remove_directory(directory: &Path) -> Result<(), EdgeError> {
    disk::remove_tree(directory).map_err(|error| failure(format!("could not remove {}", directory.display()), error))
}

fn is_as_made(file: &fs::Metadata, owner: (u32, u32)) -> bool {
    (file.uid(), file.gid()) == owner && file.mode() & 0o7777 == FILE_MODE && file.is_file()
}

fn has_header(file_name: &str) -> bool {
    Path::new(file_name).extension().is_some_and(|extension| extension == "conf")
}

fn replace(path: &Path, text: &[u8], (uid, gid): (u32, u32)) -> Result<(), EdgeError> {
    disk::replace(path, text, WriteOptions::mode(FILE_MODE).owner(uid, gid))
        .map_err(|error| failure(format!("could not write {}", path.display()), error))
}

fn read(path: &Path) -> Result<Option<Content>, EdgeError> {
    let read = match disk::read_limited(path, FILE_BYTES_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // Nothing so large is written here: it is drift, whatever it says.
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            fs::metadata(path).map(|metadata| Content { bytes: Vec::new(), metadata })
        }
        read => read,
    };
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
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

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
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
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
    fn one_that_is_far_too_large_is_drift_and_is_replaced() {
        let (_home, directory) = written("x");
        let mut text = fs::read(directory.join(ODOO_CONF)).unwrap();
        text.resize(usize::try_from(FILE_BYTES_MAX).unwrap() + 1, b'#');
        fs::write(directory.join(ODOO_CONF), text).unwrap();
        assert!(!look(&directory).unwrap().intact);
        write(&directory, ODOO_CONF, "v1:d", &SecretString::from("x"), own()).unwrap();
        assert!(look(&directory).unwrap().intact);
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
