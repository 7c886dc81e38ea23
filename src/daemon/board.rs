//! How the fleet stands, for people and scripts: the statuses in memory and `status/<name>.json` on disk.
//!
//! A document is replaced atomically and only when it says something new, so a settled fleet costs no write. No
//! decision reads it.

use crate::model::changes::HoldReason;
use crate::model::name::{Domain, InstanceName};
use crate::model::status::{
    Alert, Condition, ConditionStatus, ConditionType, DaemonStatus, FleetStatus, InstanceStatus, SCHEMA, State,
};
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The folder's name in the state directory.
pub const STATUS_DIR: &str = "status";

/// The statuses of one fleet.
pub struct Board {
    /// None: nothing is written (a plan without effects).
    dir: Option<PathBuf>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    statuses: BTreeMap<InstanceName, Arc<InstanceStatus>>,
    /// Alerts that belong to no instance, by what they are about.
    host: BTreeMap<String, Alert>,
    documents_written: u64,
    /// Their documents could not be written; the next put tries again.
    unwritten: BTreeSet<InstanceName>,
    /// The last snapshot, while nothing changed since.
    snapshot: Option<Arc<FleetStatus>>,
}

impl Board {
    /// Takes up what the last daemon left in `<state_dir>/status`, so that conditions keep their `since`. Documents
    /// that cannot be read are left out and written anew.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join(STATUS_DIR);
        std::fs::create_dir_all(&dir)?;
        let inner = Inner { statuses: documents(&dir), ..Inner::default() };
        Ok(Self { dir: Some(dir), inner: Mutex::new(inner) })
    }

    /// Reads the same, and writes nothing ever.
    pub fn read_only(state_dir: &Path) -> Self {
        let inner = Inner { statuses: documents(&state_dir.join(STATUS_DIR)), ..Inner::default() };
        Self { dir: None, inner: Mutex::new(inner) }
    }

    /// One instance's last status.
    pub fn get(&self, name: &InstanceName) -> Option<Arc<InstanceStatus>> {
        self.inner().statuses.get(name).cloned()
    }

    /// Names that have a status.
    pub fn names(&self) -> Vec<InstanceName> {
        self.inner().statuses.keys().cloned().collect()
    }

    /// Puts a status, on disk too where it differs from the last.
    ///
    /// # Errors
    /// The document could not be written; the status is in memory all the same, and the next put tries again.
    pub fn put(&self, status: InstanceStatus) -> io::Result<()> {
        let mut inner = self.inner();
        let same = inner.statuses.get(&status.name).is_some_and(|before| **before == status);
        if same && !inner.unwritten.contains(&status.name) {
            return Ok(());
        }
        inner.snapshot = None;
        let written = self.write(&status);
        match written {
            Ok(()) => {
                inner.documents_written += 1;
                inner.unwritten.remove(&status.name);
            }
            Err(_) => {
                inner.unwritten.insert(status.name.clone());
            }
        }
        inner.statuses.insert(status.name.clone(), Arc::new(status));
        written
    }

    /// Takes an instance off that is gone from everything.
    ///
    /// # Errors
    /// The document could not be removed.
    pub fn remove(&self, name: &InstanceName) -> io::Result<()> {
        let mut inner = self.inner();
        if inner.statuses.remove(name).is_none() {
            return Ok(());
        }
        inner.snapshot = None;
        match self.document(name).map(std::fs::remove_file) {
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Raises an alert of the host; one about the same thing keeps its time. True when it says something new.
    pub fn raise(&self, about: &str, reason: &str, message: &str, now: Timestamp) -> bool {
        let mut inner = self.inner();
        let since = inner.host.get(about).map_or(now, |alert| alert.since);
        let alert = Alert { instance: None, reason: reason.to_owned(), message: message.to_owned(), since };
        if inner.host.get(about) == Some(&alert) {
            return false;
        }
        inner.host.insert(about.to_owned(), alert);
        inner.snapshot = None;
        true
    }

    /// True while there is an alert of the host about that.
    pub fn is_raised(&self, about: &str) -> bool {
        self.inner().host.contains_key(about)
    }

    /// Ends an alert of the host. True when there was one.
    pub fn lower(&self, about: &str) -> bool {
        let mut inner = self.inner();
        let was = inner.host.remove(about).is_some();
        if was {
            inner.snapshot = None;
        }
        was
    }

    /// All of it as one document. Between changes it is the same document, made at the time of the last change.
    pub fn snapshot(&self, base_domain: &Domain, daemon: &DaemonStatus, now: Timestamp) -> Arc<FleetStatus> {
        let mut inner = self.inner();
        if let Some(snapshot) = inner.snapshot.as_ref().filter(|it| it.base_domain == *base_domain) {
            return Arc::clone(snapshot);
        }
        let of_instances = inner.statuses.values().filter_map(|status| alert(status));
        let snapshot = Arc::new(FleetStatus {
            schema: SCHEMA,
            at: now,
            base_domain: base_domain.clone(),
            daemon: daemon.clone(),
            alerts: inner.host.values().cloned().chain(of_instances).collect(),
            instances: inner.statuses.values().map(|status| InstanceStatus::clone(status)).collect(),
        });
        inner.snapshot = Some(Arc::clone(&snapshot));
        snapshot
    }

    /// Documents written since the start: for the test that a settled pass writes none.
    pub fn documents_written(&self) -> u64 {
        self.inner().documents_written
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn document(&self, name: &InstanceName) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(format!("{name}.json")))
    }

    fn write(&self, status: &InstanceStatus) -> io::Result<()> {
        let Some((dir, document)) = self.dir.as_ref().zip(self.document(&status.name)) else { return Ok(()) };
        let mut file = tempfile::Builder::new().prefix(".").suffix(".new").tempfile_in(dir)?;
        serde_json::to_writer(&mut file, status)?;
        file.write_all(b"\n")?;
        // For scripts of any user; it holds nothing that the sites do not show.
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(document).map(drop).map_err(|error| error.error)
    }
}

fn documents(dir: &Path) -> BTreeMap<InstanceName, Arc<InstanceStatus>> {
    let Ok(entries) = std::fs::read_dir(dir) else { return BTreeMap::new() };
    let read = |path: PathBuf| {
        let name = InstanceName::parse(path.file_name()?.to_str()?.strip_suffix(".json")?).ok()?;
        let status: InstanceStatus = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
        (status.name == name).then(|| (name, Arc::new(status)))
    };
    entries.filter_map(|entry| read(entry.ok()?.path())).collect()
}

/// What a person should know about an instance, if anything.
fn alert(status: &InstanceStatus) -> Option<Alert> {
    let about = match status.state {
        State::Failed | State::Held => ConditionType::Stalled,
        State::Orphaned => ConditionType::Orphaned,
        State::Invalid => ConditionType::SpecValid,
        State::Degraded => ConditionType::Ready,
        // Its file is broken although a good version is in force.
        _ if is_false(status, ConditionType::SpecValid) => ConditionType::SpecValid,
        _ => return None,
    };
    let condition = status.conditions.iter().find(|condition| condition.kind == about);
    let hold = status.holds.iter().find(|hold| hold.reason != HoldReason::NotHealthy);
    let (reason, message) = match (condition.filter(|condition| !condition.message.is_empty()), hold) {
        (Some(condition), _) => (condition.reason.clone(), condition.message.clone()),
        (None, Some(hold)) => (hold.reason.as_str().to_owned(), hold.message.clone()),
        (None, None) => (format!("{about:?}"), status.state.as_str().to_owned()),
    };
    let since = condition.or(condition_of(status, ConditionType::Ready)).map(|condition| condition.since)?;
    Some(Alert { instance: Some(status.name.clone()), reason, message, since })
}

fn condition_of(status: &InstanceStatus, kind: ConditionType) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.kind == kind)
}

fn is_false(status: &InstanceStatus, kind: ConditionType) -> bool {
    condition_of(status, kind).is_some_and(|condition| condition.status == ConditionStatus::False)
}
