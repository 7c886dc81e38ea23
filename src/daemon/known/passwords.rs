//! Marks of passwords that stand in files of the operator's: by one a decision knows that such a file changed, and nothing
//! of what is in it.

use crate::apply::read_smtp_password;
use crate::model::live::Seen;
use crate::model::secret::InstallationKey;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Which version of a file it was: device, inode, size, and when its content or inode changed last.
type Version = (u64, u64, u64, i64, i64);

/// What was read of each file; read again where the file is another one.
#[derive(Default)]
pub(crate) struct Passwords(Mutex<HashMap<PathBuf, Read>>);

/// One reading of a file.
struct Read {
    /// None when it was not there.
    version: Option<Version>,
    mark: Seen<String>,
}

impl Passwords {
    /// The mark of the password in `file`; unseen when it cannot be read.
    pub(crate) fn mark(&self, file: &Path, key: &InstallationKey) -> Seen<String> {
        let version = fs::metadata(file).ok().map(|it| (it.dev(), it.ino(), it.size(), it.ctime(), it.ctime_nsec()));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = known.get(file).filter(|read| read.version.is_some() && read.version == version) {
            return read.mark.clone();
        }
        let mark = match read_smtp_password(file) {
            Ok(password) => Seen::Known(key.mark(&password)),
            Err(why) => Seen::Unseen(why),
        };
        known.insert(file.to_owned(), Read { version, mark: mark.clone() });
        mark
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_password_has_another_mark_and_the_same_one_the_same() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("smtp.password");
        let (passwords, key) = (Passwords::default(), InstallationKey::new([7; 32]));
        let mark = |text: &str| {
            fs::write(home.path().join("new"), text).unwrap();
            fs::rename(home.path().join("new"), &file).unwrap();
            passwords.mark(&file, &key)
        };
        let first = mark("first\n");
        assert!(first.known().is_some_and(|mark| !mark.contains("first")));
        assert_eq!(passwords.mark(&file, &key), first);
        assert_ne!(mark("second\n"), first);
        assert_eq!(mark("first\n"), first);
        fs::remove_file(&file).unwrap();
        assert!(passwords.mark(&file, &key).known().is_none());
    }
}
