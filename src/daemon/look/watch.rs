//! A hint that files of the fleet changed. It carries no news: a hint only causes a scan, and a scan comes every 30 s
//! whether there was a hint or not, so nothing is lost when watching goes deaf.
//!
//! Inotify watches inodes, not names: a directory swapped by rename or by symlink, or removed and made again, is not
//! heard of any more. So the directories above are watched too, and after each scan the inodes are compared
//! ([`Watch::rearm`]).

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::Notify;

/// Directories inside the fleet's that hold files of interest.
const WATCHED_DIRS: [&str; 2] = ["instances.d", "nginx-templates"];

/// Watches the files of one fleet.
pub struct Watch {
    fleet_dir: PathBuf,
    settings_file: PathBuf,
    hint: Arc<Notify>,
    armed: Option<Armed>,
}

struct Armed {
    /// Dropping it ends the watching.
    _watcher: RecommendedWatcher,
    /// What each path was when it was watched.
    inodes: BTreeMap<PathBuf, Inode>,
}

/// Device, number and birth; none for a path that is not there. The number alone is given again to the next directory
/// (ext4 does so at once).
type Inode = Option<(u64, u64, Option<SystemTime>)>;

impl Watch {
    /// Watches nothing before [`Watch::rearm`].
    pub fn new(fleet_dir: &Path, settings_file: &Path) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            fleet_dir: absolute(fleet_dir),
            settings_file: absolute(settings_file),
            hint: Arc::default(),
            armed: None,
        }
    }

    /// Waits for the next hint. Hints that came while nobody waited are one hint. Dropping the future loses none.
    pub async fn hint(&self) {
        self.hint.notified().await;
    }

    /// The same hints for whoever does not own the watch.
    pub fn ear(&self) -> Arc<Notify> {
        Arc::clone(&self.hint)
    }

    /// Watches anew when a watched path is no longer the inode that it was. True when it did: what changed before that
    /// was perhaps not heard of, so a scan is due.
    ///
    /// # Errors
    /// The system's, such as too many watches (`fs.inotify.max_user_watches`): then only the regular scans remain, and
    /// the next call tries again.
    pub fn rearm(&mut self) -> Result<bool, notify::Error> {
        let scope = self.scope();
        let inodes = scope.inodes();
        if self.armed.as_ref().is_some_and(|armed| armed.inodes == inodes) {
            return Ok(false);
        }
        self.armed = None;
        let mut watcher = notify::recommended_watcher(handler(Arc::clone(&self.hint), scope))?;
        for path in inodes.iter().filter_map(|(path, inode)| inode.map(|_| path)) {
            match watcher.watch(path, RecursiveMode::NonRecursive) {
                // Gone since it was looked at: the next call sees another inode.
                Err(error) if matches!(error.kind, notify::ErrorKind::PathNotFound) => {}
                result => result?,
            }
        }
        self.armed = Some(Armed { _watcher: watcher, inodes });
        Ok(true)
    }

    /// What is watched, and why.
    fn scope(&self) -> Scope {
        let inside: BTreeSet<PathBuf> = std::iter::once(self.fleet_dir.clone())
            .chain(WATCHED_DIRS.iter().map(|dir| self.fleet_dir.join(dir)))
            .collect();
        let mut named = inside.clone();
        named.insert(self.settings_file.clone());
        let links: Vec<PathBuf> = named
            .iter()
            .flat_map(|path| path.ancestors())
            .filter(|path| path.is_symlink())
            .map(Path::to_owned)
            .collect();
        named.extend(links);
        Scope { inside, named }
    }
}

/// Which paths a hint is about.
struct Scope {
    /// Directories whose entries all matter.
    inside: BTreeSet<PathBuf>,
    /// Paths that matter themselves, wherever they are: a swap of one is heard of in the directory above it.
    named: BTreeSet<PathBuf>,
}

impl Scope {
    /// Every directory to watch, and what it is now.
    fn inodes(&self) -> BTreeMap<PathBuf, Inode> {
        let above = self.named.iter().filter_map(|path| path.parent()).map(Path::to_owned);
        self.inside.iter().cloned().chain(above).map(|path| (path.clone(), inode(&path))).collect()
    }

    /// False for what our own scans cause, and for neighbours in the directories above. An overflowed queue tells no
    /// path.
    fn matters(&self, event: &Event) -> bool {
        if event.need_rescan() || event.paths.is_empty() {
            return true;
        }
        let read = matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
        let ours = |path: &PathBuf| {
            self.named.contains(path) || path.parent().is_some_and(|parent| self.inside.contains(parent))
        };
        !read && event.paths.iter().any(ours)
    }
}

fn inode(path: &Path) -> Inode {
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino(), metadata.created().ok()))
}

fn handler(hint: Arc<Notify>, scope: Scope) -> impl FnMut(notify::Result<Event>) + Send + 'static {
    move |result| {
        // An error means that watching itself is in trouble: look.
        if result.map_or(true, |event| scope.matters(&event)) {
            hint.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::Flag;

    #[test]
    fn an_overflow_without_a_path_is_a_hint() {
        let scope = Scope { inside: BTreeSet::new(), named: BTreeSet::new() };
        assert!(scope.matters(&Event::new(EventKind::Other).set_flag(Flag::Rescan)));
        assert!(!scope.matters(&Event::new(EventKind::Any).add_path("/elsewhere".into())));
    }
}
