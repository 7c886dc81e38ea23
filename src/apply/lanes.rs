//! Limits over all turns: the proxy is changed serially and in batches, certificates are ordered one at a time, heavy
//! jobs share the processors.

use crate::edges::proxy::SiteChanges;
use crate::edges::{Edge, EdgeError, ErrorKind, Proxy};
use crate::model::name::{InstanceName, Uid};
use crate::model::service::JobWork;
use crate::model::site::SiteRow;
use crate::model::step::Action;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// An installation of modules uses one core for a minute; more at once only take longer each.
const HEAVY_AT_ONCE_MAX: usize = 2;
/// A reload starts a new set of workers while the old ones drain: at most one in this time.
const RELOAD_INTERVAL_S_MIN: u64 = 2;
/// While so many sets of old workers still have visitors, changes are gathered for longer: of one worker 2.8 MB are its own
/// at up to 1,000 sites, 5.7 MB at 10,000 (measured, 4,096 connections), and it stays for up to two hours.
const DRAINING_MANY: usize = 16;
/// For so long: not more than 16 and one a minute pile up, whatever is changed.
const RELOAD_INTERVAL_S_WHILE_MANY: u64 = 60;
/// Changes that come this close together go into one generation.
const GATHER_MS: u64 = 50;
/// Where several come, more are waited for until none came for so long: a hundred turns write their intents one after the
/// other, each to the disk.
const GATHER_MANY_MS: u64 = 300;
/// So long at most.
const GATHER_MS_MAX: u64 = 3_000;

/// The lanes of one daemon.
pub struct Lanes {
    /// Changes of sites.
    pub sites: SiteLane,
    /// Certificate orders, one at a time.
    certificates: Semaphore,
    /// Installations, and backups that are taken.
    heavy: Semaphore,
    /// Set-ups: they take seconds, and whoever is nearly served does not wait behind those who have just come.
    set_ups: Semaphore,
    /// Backups that are read back, one at a time: no new customer waits for the hours that a large one takes.
    readings: Semaphore,
}

impl Lanes {
    /// Where this long work waits for its place.
    pub(super) fn of(&self, action: &Action) -> &Semaphore {
        match action {
            Action::ObtainCertificate(_) => &self.certificates,
            Action::VerifyBackup { .. } => &self.readings,
            Action::RunJob(job) if matches!(job.work, JobWork::SetUp { .. }) => &self.set_ups,
            _ => &self.heavy,
        }
    }
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            sites: SiteLane::default(),
            certificates: Semaphore::new(1),
            heavy: Semaphore::new(HEAVY_AT_ONCE_MAX),
            set_ups: Semaphore::new(HEAVY_AT_ONCE_MAX),
            readings: Semaphore::new(1),
        }
    }
}

/// Gathers changes of sites from many turns into few generations.
#[derive(Default)]
pub struct SiteLane {
    pending: Mutex<Pending>,
    /// When the next generation may be published. Whoever holds it publishes for all that wait.
    next: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Default)]
struct Pending {
    changes: SiteChanges,
    waiters: Vec<(Option<InstanceName>, oneshot::Sender<Verdict>)>,
}

/// What is told to one of many that waited for the same publication.
type Verdict = Result<(), (ErrorKind, String)>;

impl SiteLane {
    /// Puts one row; returns when it is in force.
    ///
    /// # Errors
    /// The proxy's, for this row or for the whole publication.
    pub async fn put(&self, proxy: &dyn Proxy, row: &SiteRow) -> Result<(), EdgeError> {
        let name = row.instance.clone();
        let put = |changes: &mut SiteChanges| {
            changes.remove.remove(&name);
            changes.put.insert(name.clone(), row.clone());
        };
        self.join(proxy, Some(&name), put).await
    }

    /// Renders all rows anew.
    ///
    /// # Errors
    /// The proxy's.
    pub async fn render(&self, proxy: &dyn Proxy) -> Result<(), EdgeError> {
        self.join(proxy, None, |_| {}).await
    }

    /// Takes one row away; returns when that is in force.
    ///
    /// # Errors
    /// The proxy's, for this row or for the whole publication.
    pub async fn remove(&self, proxy: &dyn Proxy, name: &InstanceName, uid: Uid) -> Result<(), EdgeError> {
        let remove = |changes: &mut SiteChanges| {
            changes.put.remove(name);
            changes.remove.insert(name.clone(), uid);
        };
        self.join(proxy, Some(name), remove).await
    }

    async fn join(
        &self,
        proxy: &dyn Proxy,
        whose: Option<&InstanceName>,
        change: impl FnOnce(&mut SiteChanges),
    ) -> Result<(), EdgeError> {
        let (sender, mut receiver) = oneshot::channel();
        {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            change(&mut pending.changes);
            pending.waiters.push((whose.cloned(), sender));
        }
        let mut next = self.next.lock().await;
        if let Ok(verdict) = receiver.try_recv() {
            // Somebody who held the lane before published this row too.
            return told(verdict);
        }
        tokio::time::sleep_until(next.unwrap_or_else(Instant::now)).await;
        self.gather().await;
        self.publish(proxy).await;
        let many = proxy.draining().await > DRAINING_MANY;
        let rest_s = if many { RELOAD_INTERVAL_S_WHILE_MANY } else { RELOAD_INTERVAL_S_MIN };
        *next = Some(Instant::now() + Duration::from_secs(rest_s));
        drop(next);
        match receiver.await {
            Ok(verdict) => told(verdict),
            Err(_) => {
                Err(EdgeError::plain(Edge::Proxy, ErrorKind::Failed, "the publication of the sites was cut short"))
            }
        }
    }

    /// Waits until no more changes come, for a while.
    async fn gather(&self) {
        let longest = Instant::now() + Duration::from_millis(GATHER_MS_MAX);
        let (mut waiting, mut quiet_ms) = (self.waiting(), GATHER_MS);
        loop {
            tokio::time::sleep(Duration::from_millis(quiet_ms)).await;
            if self.waiting() == waiting || Instant::now() >= longest {
                return;
            }
            (waiting, quiet_ms) = (self.waiting(), GATHER_MANY_MS);
        }
    }

    fn waiting(&self) -> usize {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).waiters.len()
    }

    async fn publish(&self, proxy: &dyn Proxy) {
        let Pending { changes, waiters } =
            std::mem::take(&mut *self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        let result = proxy.publish(&changes).await;
        for (instance, waiter) in waiters {
            let verdict = match (&result, &instance) {
                (Err(error), _) => Err((error.kind, crate::model::status::chain(error))),
                (Ok(refused), Some(instance)) => match refused.get(instance) {
                    Some(error) => Err((error.kind, crate::model::status::chain(error))),
                    None => Ok(()),
                },
                (Ok(_), None) => Ok(()),
            };
            // A waiter that is gone was cut by a shutdown; its row is published all the same.
            let _ = waiter.send(verdict);
        }
    }
}

fn told(verdict: Verdict) -> Result<(), EdgeError> {
    verdict.map_err(|(kind, message)| EdgeError::plain(Edge::Proxy, kind, message))
}
