//! What was read before and is still the same on disk: a look at ten thousand sites reads ten thousand rows once.

use super::host::HostConfig;
use super::names::Places;
use super::sight::{CurrentSeen, see_current};
use super::template::{Candidates, Chosen};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A file or directory as the file system tells it apart from any later state of it.
type Identity = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// Files and how they were when something was read from them.
type Watched = Vec<(PathBuf, Identity)>;

/// The caches of one adapter.
#[derive(Default)]
pub(super) struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    current: Option<(Watched, CurrentSeen)>,
    host: Option<(Watched, Arc<HostConfig>)>,
    chosen: Option<(String, Arc<Chosen>)>,
    templates_seen: Option<String>,
}

impl Cache {
    /// The current generation.
    ///
    /// # Errors
    /// As [`see_current`].
    pub(super) fn current(&self, places: &Places) -> io::Result<CurrentSeen> {
        let dirs = [places.root.clone(), places.current()];
        let now = || identities(dirs.iter().cloned().chain(entries(&places.current())));
        let before = now();
        if let Some((known, seen)) = &self.lock().current
            && *known == before
        {
            return Ok(seen.clone());
        }
        let seen = see_current(places)?;
        // Kept only when nothing moved while it was read.
        self.lock().current = (now() == before).then(|| (before, seen.clone()));
        Ok(seen)
    }

    /// The host's own configuration.
    ///
    /// # Errors
    /// As [`HostConfig::read`].
    pub(super) fn host(&self, main: &Path, places: &Places) -> io::Result<Arc<HostConfig>> {
        if let Some((known, host)) = &self.lock().host
            && known.iter().all(|(path, identity)| identify(path) == *identity)
            && known.iter().any(|(path, _)| path == main)
        {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(HostConfig::read(main, places)?);
        let watched = identities(host.depends_on());
        self.lock().host = Some((watched, Arc::clone(&host)));
        Ok(host)
    }

    /// The templates in force.
    ///
    /// # Errors
    /// As [`Candidates::choose`].
    pub(super) fn choose(&self, candidates: Candidates) -> Result<Arc<Chosen>, String> {
        let key = candidates.digest();
        if let Ok(Some(set)) = &candidates.disk {
            self.lock().templates_seen = Some(set.digest());
        }
        if let Some((known, chosen)) = &self.lock().chosen
            && *known == key
        {
            return Ok(Arc::clone(chosen));
        }
        let chosen = Arc::new(candidates.choose()?);
        self.lock().chosen = Some((key, Arc::clone(&chosen)));
        Ok(chosen)
    }

    /// Digest of the templates that were last read from disk.
    pub(super) fn templates_seen(&self) -> Option<String> {
        self.lock().templates_seen.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for dir in [dir.to_path_buf(), dir.join(super::names::PAGES_DIR), dir.join(super::names::TEMPLATES_DIR)] {
        found.extend(std::fs::read_dir(&dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())));
    }
    found.sort();
    found
}

fn identities(paths: impl Iterator<Item = PathBuf>) -> Watched {
    paths.map(|path| (path.clone(), identify(&path))).collect()
}

fn identify(path: &Path) -> Identity {
    let data = path.metadata().ok()?;
    Some((data.dev(), data.ino(), data.size(), data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()))
}
