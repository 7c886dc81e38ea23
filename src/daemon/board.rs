//! How the fleet stands, for people and scripts: the statuses in memory and `status/<name>.json` on disk.
//!
//! A document is replaced atomically and only when it says something new, so a settled fleet costs no write. No
//! decision reads it.

use super::marks::Marks;
use crate::control::view::{InstanceView, PendingStep, UsageView, View};
use crate::model::changes::{HoldReason, InstanceChanges};
use crate::model::name::{Domain, InstanceName, PlanName};
use crate::model::status::{
    Alert, Condition, ConditionStatus, ConditionType, DaemonStatus, FleetStatus, InstanceStatus, SCHEMA, State,
};
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The folder's name in the state directory.
pub const STATUS_DIR: &str = "status";

/// The statuses of one fleet.
pub struct Board {
    /// None: nothing is written (a plan without effects).
    dir: Option<PathBuf>,
    inner: Mutex<Inner>,
    /// Changes whenever there may be something new for watchers.
    changed: watch::Sender<u64>,
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
    /// What is to be done; instances with nothing to do are not in the map.
    pending: BTreeMap<InstanceName, Arc<[PendingStep]>>,
    /// When each part changed last.
    marks: Marks,
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
        Ok(Self::with(Some(dir), inner))
    }

    /// Reads the same, and writes nothing ever.
    pub fn read_only(state_dir: &Path) -> Self {
        let inner = Inner { statuses: documents(&state_dir.join(STATUS_DIR)), ..Inner::default() };
        Self::with(None, inner)
    }

    fn with(dir: Option<PathBuf>, mut inner: Inner) -> Self {
        inner.statuses.keys().for_each(|name| inner.marks.changed(name));
        Self { dir, inner: Mutex::new(inner), changed: watch::Sender::default() }
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
        match inner.statuses.get(&status.name) {
            Some(before) if differs_in_usage_only(before, &status) => inner.marks.used(&status.name),
            _ => inner.marks.changed(&status.name),
        }
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
        drop(inner);
        self.ring();
        written
    }

    /// Notes what is to be done for an instance, for those who watch. Nothing is decided by it.
    pub fn note(&self, name: &InstanceName, changes: &InstanceChanges) {
        let steps: Arc<[PendingStep]> = changes.steps.iter().map(PendingStep::from).collect();
        let mut inner = self.inner();
        if inner.pending.get(name).map_or(steps.is_empty(), |before| *before == steps) {
            return;
        }
        match steps.is_empty() {
            true => drop(inner.pending.remove(name)),
            false => drop(inner.pending.insert(name.clone(), steps)),
        }
        inner.marks.changed(name);
        drop(inner);
        self.ring();
    }

    /// Whatever changed after `since`, into `view`; the instances apart from it. Returns the revision it stands for.
    /// `view.whole` is set when nothing less will do, `fleet` tells whether what belongs to no instance changed.
    pub(super) fn view_since(&self, since: u64, view: &mut View) -> Seen {
        let inner = self.inner();
        view.whole = since == 0 || !inner.marks.reach_back_to(since);
        let since = if view.whole { 0 } else { since };
        let changed = inner.marks.changed_since(since).filter_map(|name| inner.view(name)).collect();
        view.usage = inner.marks.used_since(since).filter_map(|name| inner.usage(name)).collect();
        view.removed = if view.whole { Vec::new() } else { inner.marks.removed_since(since).cloned().collect() };
        Seen { revision: inner.marks.revision(), instances: changed, fleet: inner.marks.fleet() > since || view.whole }
    }

    /// Changes whenever there may be something new for watchers.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Has watchers look.
    pub(super) fn ring(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The open alert of the host about that.
    pub(super) fn alert_about(&self, about: &str) -> Option<Alert> {
        self.inner().host.get(about).cloned()
    }

    /// All open alerts, the host's first.
    pub(super) fn alerts(&self) -> Vec<Alert> {
        self.inner().alerts()
    }

    /// How many instances each plan has.
    pub(super) fn used_of_plans(&self) -> BTreeMap<PlanName, u32> {
        let mut used = BTreeMap::new();
        for plan in self.inner().statuses.values().filter_map(|status| status.plan.clone()) {
            *used.entry(plan).or_default() += 1;
        }
        used
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
        inner.pending.remove(name);
        inner.marks.removed(name);
        drop(inner);
        self.ring();
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
        inner.marks.fleet_changed();
        drop(inner);
        self.ring();
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
            inner.marks.fleet_changed();
            drop(inner);
            self.ring();
        }
        was
    }

    /// All of it as one document. Between changes it is the same document, made at the time of the last change.
    pub fn snapshot(&self, base_domain: &Domain, daemon: &DaemonStatus, now: Timestamp) -> Arc<FleetStatus> {
        let mut inner = self.inner();
        if let Some(snapshot) = inner.snapshot.as_ref().filter(|it| it.base_domain == *base_domain) {
            return Arc::clone(snapshot);
        }
        let snapshot = Arc::new(FleetStatus {
            schema: SCHEMA,
            at: now,
            base_domain: base_domain.clone(),
            daemon: daemon.clone(),
            alerts: inner.alerts(),
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

/// What a look at the board found newer.
pub(super) struct Seen {
    pub(super) revision: u64,
    pub(super) instances: Vec<InstanceView>,
    pub(super) fleet: bool,
}

impl Inner {
    fn alerts(&self) -> Vec<Alert> {
        let of_instances = self.statuses.values().filter_map(|status| alert(status));
        self.host.values().cloned().chain(of_instances).collect()
    }

    fn view(&self, name: &InstanceName) -> Option<InstanceView> {
        let status = Arc::clone(self.statuses.get(name)?);
        Some(InstanceView { status, wanted: None, steps: self.pending.get(name).cloned().unwrap_or_default() })
    }

    fn usage(&self, name: &InstanceName) -> Option<UsageView> {
        let status = self.statuses.get(name)?;
        Some(UsageView { instance: name.clone(), usage: status.usage.clone() })
    }
}

/// Samples of usage come all the time: nobody needs the whole status for one.
fn differs_in_usage_only(before: &InstanceStatus, after: &InstanceStatus) -> bool {
    before.usage != after.usage && InstanceStatus { usage: after.usage.clone(), ..before.clone() } == *after
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
