//! How the fleet stands, for people and scripts: the statuses in memory and `status/<name>.json` on disk.
//!
//! A document is replaced atomically and only when it says something new, so a settled fleet costs no write. No
//! decision reads it.

use super::alerts::{alert, tells_of_all, was_down_before};
use super::documents::{documents, is_news};
use super::marks::Marks;
use crate::control::view::{InstanceView, PendingStep, UsageView, View};
use crate::disk::{self, WriteOptions};
use crate::model::changes::{Hold, HoldReason, InstanceChanges};
use crate::model::event::Reason;
use crate::model::name::{Domain, InstanceName, PlanName};
use crate::model::silence::{Silence, quiet};
use crate::model::status::{Alert, DaemonStatus, FleetStatus, InstanceStatus, Operation, SCHEMA, UsageStatus};
use crate::model::step::StepId;
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The folder's name in the state directory.
pub const STATUS_DIR: &str = "status";

/// And so many of them at one measurement, so that a busy fleet's documents are spread over time.
const USAGES_WRITTEN_AT_ONCE_MAX: usize = 16;

/// Of a document: scripts of any user read it, and it holds nothing that the sites do not show.
const DOCUMENT_MODE: u32 = 0o644;

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
    /// Since when instances have an alert of that reason, for those that opened since the start.
    opened: BTreeMap<InstanceName, (String, Timestamp)>,
    /// Alerts of which somebody knows.
    silences: Vec<Silence>,
    documents_written: u64,
    /// Their documents could not be written; the next put tries again.
    unwritten: BTreeSet<InstanceName>,
    /// What instances use, as measured last. Kept apart, so that it changes no status.
    usages: BTreeMap<InstanceName, UsageStatus>,
    /// What instances use too much of.
    strains: BTreeMap<InstanceName, Vec<Alert>>,
    /// What their documents say that they use.
    usages_written: BTreeMap<InstanceName, UsageStatus>,
    /// Steps that run now, of whom they run. Kept apart, as usages are.
    operations: BTreeMap<InstanceName, Operation>,
    /// Systems that answer again: until everybody was looked at anew, they still say why somebody was held.
    over: BTreeMap<String, Alert>,
    /// The last snapshot, while nothing changed since.
    snapshot: Option<Arc<FleetStatus>>,
    /// What is to be done; instances with nothing to do are not in the map.
    pending: BTreeMap<InstanceName, Arc<[PendingStep]>>,
    /// When each part changed last.
    marks: Marks,
}

impl Board {
    /// Takes up what the last daemon left in `<state_dir>/status`, so that conditions keep their `since`. Documents
    /// that cannot be read are left out and written anew; what a killed one was just writing is cleared away. Only whoever
    /// holds the installation's lock may call it.
    ///
    /// # Errors
    /// The directory cannot be made or cleared.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let dir = state_dir.join(STATUS_DIR);
        std::fs::create_dir_all(&dir)?;
        disk::sweep(&dir)?;
        Ok(Self::with(Some(dir.clone()), Inner::of(documents(&dir))))
    }

    /// Reads the same, and writes nothing ever.
    pub fn read_only(state_dir: &Path) -> Self {
        Self::with(None, Inner::of(documents(&state_dir.join(STATUS_DIR))))
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

    /// Notes that the status which is put next opens an alert of that reason, or closes what was open.
    pub(crate) fn note_alert(&self, name: &InstanceName, reason: Option<String>, now: Timestamp) {
        let mut inner = self.inner();
        match reason {
            Some(reason) => drop(inner.opened.insert(name.clone(), (reason, now))),
            None => drop(inner.opened.remove(name)),
        }
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
        let name = status.name.clone();
        inner.marks.changed(&name);
        inner.statuses.insert(name.clone(), Arc::new(status));
        inner.forget_what_is_over();
        let written = self.write(&mut inner, &name);
        drop(inner);
        self.ring();
        written
    }

    /// Takes in what was measured of everybody, with what is too much of it. Answers have it at once; documents, in which
    /// it alone changed, are written only now and then: see [`is_news`].
    ///
    /// # Errors
    /// A document could not be written; it is tried again.
    pub fn measure(&self, measured: BTreeMap<InstanceName, (UsageStatus, Vec<Alert>)>) -> io::Result<()> {
        let mut inner = self.inner();
        let written = {
            let inner = &mut *inner;
            inner.snapshot = None;
            inner.take_usages(measured);
            let news = inner.usages.iter().filter(|(name, usage)| {
                let written = inner.usages_written.get(*name);
                inner.statuses.contains_key(*name) && written.is_none_or(|written| is_news(written, usage))
            });
            let news: Vec<InstanceName> = news.map(|(name, _)| name.clone()).take(USAGES_WRITTEN_AT_ONCE_MAX).collect();
            news.iter().try_for_each(|name| self.write(inner, name))
        };
        drop(inner);
        self.ring();
        written
    }

    /// Notes which step runs for an instance, and how far it is. Answers have it at once, the document too: `wait` reads it.
    /// Nothing is decided by it.
    ///
    /// # Errors
    /// The document could not be written; it is tried again.
    pub(crate) fn set_operation(&self, name: &InstanceName, operation: Option<Operation>) -> io::Result<()> {
        let mut inner = self.inner();
        if inner.operations.get(name) == operation.as_ref() {
            return Ok(());
        }
        match operation {
            Some(operation) => drop(inner.operations.insert(name.clone(), operation)),
            None => drop(inner.operations.remove(name)),
        }
        inner.snapshot = None;
        // Watchers hear of it with the step itself.
        if inner.statuses.contains_key(name) { self.write(&mut inner, name) } else { Ok(()) }
    }

    /// The same, once that step ended.
    ///
    /// # Errors
    /// The document could not be written; it is tried again.
    pub(crate) fn end_operation(&self, name: &InstanceName, step: &StepId) -> io::Result<()> {
        let is_its = self.inner().operations.get(name).is_some_and(|it| it.id == step.0);
        if is_its { self.set_operation(name, None) } else { Ok(()) }
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
    pub(crate) fn view_since(&self, since: u64, view: &mut View) -> Seen {
        let inner = self.inner();
        view.whole = since == 0 || !inner.marks.reach_back_to(since);
        let since = if view.whole { 0 } else { since };
        let changed = inner.marks.changed_since(since).filter_map(|name| inner.view(name)).collect();
        view.usage = inner.marks.used_since(since).filter_map(|name| inner.usage(name)).collect();
        view.removed = if view.whole { Vec::new() } else { inner.marks.removed_since(since).cloned().collect() };
        Seen { revision: inner.marks.revision(), instances: changed, fleet: inner.marks.fleet() > since || view.whole }
    }

    /// Changes whenever there may be something new for watchers.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Has watchers look.
    pub(crate) fn ring(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The open alert of the host about that.
    pub(crate) fn alert_about(&self, about: &str) -> Option<Alert> {
        self.inner().host.get(about).cloned()
    }

    /// All open alerts, the host's first, and who knows of them.
    pub fn alerts(&self, now: Timestamp) -> Vec<Alert> {
        self.inner().alerts(now)
    }

    /// Takes the silences that are in force, in place of those before.
    pub fn set_silences(&self, silences: Vec<Silence>) {
        let mut inner = self.inner();
        if inner.silences == silences {
            return;
        }
        inner.silences = silences;
        inner.snapshot = None;
        inner.marks.fleet_changed();
        drop(inner);
        self.ring();
    }

    /// How many instances each plan has.
    pub(crate) fn used_of_plans(&self) -> BTreeMap<PlanName, u32> {
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
        inner.usages.remove(name);
        inner.strains.remove(name);
        inner.usages_written.remove(name);
        inner.operations.remove(name);
        inner.unwritten.remove(name);
        inner.opened.remove(name);
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
    pub fn raise(&self, about: &str, reason: Reason, message: &str, now: Timestamp) -> bool {
        let mut inner = self.inner();
        let since = inner.host.get(about).map_or(now, |alert| alert.since);
        let (reason, message) = (reason.as_str().to_owned(), message.to_owned());
        let alert = Alert { instance: None, reason, message, since, silence: None };
        if inner.host.get(about) == Some(&alert) {
            return false;
        }
        inner.host.insert(about.to_owned(), alert);
        inner.over.remove(about);
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
        let alert = inner.host.remove(about);
        let was = alert.is_some();
        if let Some(alert) = alert {
            if alert.reason == Reason::EdgeLost.as_str() {
                inner.over.insert(about.to_owned(), alert);
            }
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
            alerts: inner.alerts(now),
            instances: inner.statuses.values().map(|status| inner.in_full(status)).collect(),
        });
        inner.snapshot = Some(Arc::clone(&snapshot));
        snapshot
    }

    /// True when every document on disk says what is known.
    pub fn is_written(&self) -> bool {
        self.inner().unwritten.is_empty()
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

    /// Writes one document, and notes what came of it.
    fn write(&self, inner: &mut Inner, name: &InstanceName) -> io::Result<()> {
        let Some(status) = inner.statuses.get(name).map(|status| inner.in_full(status)) else { return Ok(()) };
        let written = self.write_document(&status);
        match written {
            Ok(()) => {
                inner.documents_written += 1;
                inner.unwritten.remove(name);
                inner.usages_written.extend(status.usage.map(|usage| (name.clone(), usage)));
            }
            Err(_) => drop(inner.unwritten.insert(name.clone())),
        }
        written
    }

    fn write_document(&self, status: &InstanceStatus) -> io::Result<()> {
        let Some((dir, document)) = self.dir.as_ref().zip(self.document(&status.name)) else { return Ok(()) };
        let mut text = serde_json::to_vec(status)?;
        text.push(b'\n');
        // A busy fleet would wait for its disk hundreds of times a minute, for what is looked up again after a power cut.
        disk::replace(&document, &text, WriteOptions::mode(DOCUMENT_MODE).unsynced())
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))
    }
}

/// What a look at the board found newer.
pub(crate) struct Seen {
    pub(crate) revision: u64,
    pub(crate) instances: Vec<InstanceView>,
    pub(crate) fleet: bool,
}

impl Inner {
    /// What the documents say, without what they say of usage in the statuses themselves.
    fn of(documents: Vec<InstanceStatus>) -> Self {
        let mut inner = Self::default();
        for mut status in documents {
            inner.usages.extend(status.usage.take().map(|usage| (status.name.clone(), usage)));
            // Whatever ran then, nobody says that it runs now.
            status.operation = None;
            inner.statuses.insert(status.name.clone(), Arc::new(status));
        }
        inner.usages_written.clone_from(&inner.usages);
        inner
    }

    fn take_usages(&mut self, measured: BTreeMap<InstanceName, (UsageStatus, Vec<Alert>)>) {
        let strained =
            |strains: &BTreeMap<InstanceName, Vec<Alert>>| strains.values().flatten().cloned().collect::<Vec<Alert>>();
        let before = strained(&self.strains);
        let gone = self.usages.keys().filter(|name| !measured.contains_key(*name));
        gone.chain(measured.keys()).for_each(|name| self.marks.used(name));
        let (usages, strains): (BTreeMap<_, _>, BTreeMap<_, _>) =
            measured.into_iter().map(|(name, (usage, strains))| ((name.clone(), usage), (name, strains))).unzip();
        (self.usages, self.strains) = (usages, strains);
        if strained(&self.strains) != before {
            self.marks.fleet_changed();
        }
    }

    /// A system that answers again explains nothing any more once nobody is held because of it.
    fn forget_what_is_over(&mut self) {
        let is_held = |host: &Alert| {
            // Looks go through the names in order: the last are held longest.
            let mut holds = self.statuses.values().rev().flat_map(|status| &status.holds);
            holds.any(|hold| hold.reason == HoldReason::Unseen && host.message.ends_with(&hold.message))
        };
        if !self.over.is_empty() {
            let gone: Vec<String> =
                self.over.iter().filter(|(_, host)| !is_held(host)).map(|(about, _)| about.clone()).collect();
            gone.iter().for_each(|about| drop(self.over.remove(about)));
        }
    }

    fn in_full(&self, status: &InstanceStatus) -> InstanceStatus {
        InstanceStatus {
            usage: self.usages.get(&status.name).cloned(),
            operation: self.operations.get(&status.name).cloned(),
            ..status.clone()
        }
    }

    fn alerts(&self, now: Timestamp) -> Vec<Alert> {
        // One of which somebody knows speaks for nobody else any more.
        let asking: Vec<&Alert> =
            self.host.values().filter(|alert| quiet(&self.silences, alert, now).is_none()).collect();
        let is_over = |status: &InstanceStatus, hold: &Hold| {
            self.over.values().any(|host| tells_of_all(host, status, hold) && host.message.ends_with(&hold.message))
        };
        let is_told = |status: &InstanceStatus, hold: &Hold| {
            let is_asking = |host: &&Alert| tells_of_all(host, status, hold) && !was_down_before(host, status);
            asking.iter().any(is_asking) || is_over(status, hold)
        };
        let of_instances = self.statuses.values().filter_map(|status| alert(status, |hold| is_told(status, hold)));
        let of_instances = of_instances.map(|alert| self.since(alert));
        let open = self.host.values().cloned().chain(of_instances).chain(self.strains.values().flatten().cloned());
        open.map(|alert| Alert { silence: quiet(&self.silences, &alert, now), ..alert }).collect()
    }

    /// With the time at which it opened, where no condition says since when: what it is derived from may have begun before.
    fn since(&self, alert: Alert) -> Alert {
        let status = alert.instance.as_ref().and_then(|name| self.statuses.get(name));
        let says = status.is_some_and(|status| status.conditions.iter().any(|it| it.reason == alert.reason));
        let opened = alert.instance.as_ref().and_then(|name| self.opened.get(name)).filter(|_| !says);
        let opened = opened.filter(|(reason, _)| *reason == alert.reason).map(|(_, at)| *at);
        Alert { since: opened.unwrap_or(alert.since), ..alert }
    }

    fn view(&self, name: &InstanceName) -> Option<InstanceView> {
        let usage = self.usages.get(name).cloned();
        // What runs is told as steps are.
        let status = Arc::new(InstanceStatus { usage, ..InstanceStatus::clone(self.statuses.get(name)?) });
        Some(InstanceView { status, wanted: None, steps: self.pending.get(name).cloned().unwrap_or_default() })
    }

    fn usage(&self, name: &InstanceName) -> Option<UsageView> {
        self.statuses.get(name)?;
        Some(UsageView { instance: name.clone(), usage: self.usages.get(name).cloned() })
    }
}
