//! Turns for whoever is due: two queues and the tasks that serve them. Instances and the host have turns; the house has
//! chores (reading files, looking at everything) that never wait behind them.

pub(crate) mod converge;

use crate::daemon::known::keeper::{Bell, Keeper};
use crate::daemon::queue::schedule::{Next, Wake};
use crate::daemon::queue::{DEBOUNCE, QUEUE_NAMES_MAX, Queue, Turn};
use crate::daemon::turn::{self, Report, Subject};
use crate::model::name::InstanceName;
use crate::model::status::chain;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Turns at once. Long work is not waited for in a turn; what is waited for is the publication of sites, which many share.
const TURNS_AT_ONCE_MAX: usize = 256;
/// Chores at once: a look at everything that takes long must not keep files from being read.
const CHORES_AT_ONCE_MAX: usize = 2;
/// Everything is looked at this often, whether anything was heard or not.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Reports that somebody who waits for the end of an apply may be behind.
const REPORTS_BACKLOG_MAX: usize = 4_096;

/// What the house has done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Chore {
    /// Read the files.
    Scan,
    /// Look at everything.
    LookAtAll,
}

/// The queues and the tasks.
pub(crate) struct Crew {
    pub(crate) keeper: Arc<Keeper>,
    pub(crate) chores: Queue<Chore>,
    turns: Queue<Subject>,
    /// Only these have turns; none is all.
    only: BTreeSet<InstanceName>,
    reports: broadcast::Sender<Arc<Report>>,
    tasks: TaskTracker,
    /// Once cancelled, turns are dropped where they are.
    cut: CancellationToken,
}

impl Crew {
    /// Hears the keeper's bell from now on. `only` restricts who has turns, unless it is empty.
    pub(crate) fn new(keeper: Arc<Keeper>, only: BTreeSet<InstanceName>) -> Arc<Self> {
        let chance = keeper.place.chance;
        let crew = Arc::new(Self {
            keeper: Arc::clone(&keeper),
            chores: Queue::new(DEBOUNCE, QUEUE_NAMES_MAX, chance),
            turns: Queue::new(DEBOUNCE, QUEUE_NAMES_MAX, chance),
            only,
            reports: broadcast::Sender::new(REPORTS_BACKLOG_MAX),
            tasks: TaskTracker::new(),
            cut: CancellationToken::new(),
        });
        let weak = Arc::downgrade(&crew);
        keeper.hang(move |bell| {
            let Some(crew) = weak.upgrade() else { return };
            match bell {
                Bell::Instance(name, cause) => crew.wake(Subject::Instance(name), cause),
                Bell::Fleet => crew.wake_chore(Chore::LookAtAll, Duration::ZERO),
                Bell::Files(wait) => crew.wake_chore(Chore::Scan, wait),
            }
        });
        crew
    }

    /// Begins to give turns. `scan_every` is how long files stay unread without a hint; `scanned` is called after each
    /// reading and says whether another one is due at once.
    pub(crate) fn start(
        self: &Arc<Self>,
        scan_every: Duration,
        scanned: impl Fn() -> bool + Clone + Send + Sync + 'static,
    ) {
        let crew = Arc::clone(self);
        self.tasks.spawn(self.serve(self.turns.clone(), TURNS_AT_ONCE_MAX, move |wake| {
            let crew = Arc::clone(&crew);
            async move { crew.turn(wake.key, wake.cause).await }
        }));
        let crew = Arc::clone(self);
        self.tasks.spawn(self.serve(self.chores.clone(), CHORES_AT_ONCE_MAX, move |wake| {
            let (crew, scanned) = (Arc::clone(&crew), scanned.clone());
            async move {
                match wake.key {
                    Chore::Scan => crew.scan(scan_every, scanned).await,
                    Chore::LookAtAll => crew.look_at_all().await,
                }
            }
        }));
    }

    /// Lets a subject have a turn soon. What the queue cannot take now, the next look at everything finds.
    pub(crate) fn wake(&self, subject: Subject, cause: Option<String>) {
        self.wake_in(subject, cause, DEBOUNCE);
    }

    /// The same after `delay`.
    pub(crate) fn wake_in(&self, subject: Subject, cause: Option<String>, delay: Duration) {
        let wanted = match &subject {
            Subject::Instance(name) => self.only.is_empty() || self.only.contains(name),
            Subject::Host => self.only.is_empty(),
        };
        if wanted && let Err(refused) = self.turns.wake_in(subject, cause, delay) {
            tracing::debug!(%refused, "a wake was not taken");
        }
    }

    pub(crate) fn wake_chore(&self, chore: Chore, delay: Duration) {
        if let Err(refused) = self.chores.wake_in(chore, None, delay) {
            tracing::debug!(%refused, "a chore was not taken");
        }
    }

    /// How many have their turn now, and how many wait for one.
    pub(crate) fn turns(&self) -> (usize, usize) {
        self.turns.counts()
    }

    /// Hears how turns end, from now on.
    pub(crate) fn reports(&self) -> broadcast::Receiver<Arc<Report>> {
        self.reports.subscribe()
    }

    /// Gives no turn any more and begins no step; what runs ends by itself.
    pub(crate) fn close(&self) {
        self.keeper.stopping.cancel();
        self.turns.close();
        self.chores.close();
        self.tasks.close();
    }

    /// Waits until everything that ran has ended.
    pub(crate) async fn ended(&self) {
        self.tasks.wait().await;
        self.keeper.work_ended().await;
    }

    /// Drops what still runs. Nothing in memory is needed: the next start looks and goes on.
    pub(crate) fn cut(&self) {
        self.cut.cancel();
        self.keeper.work.cut();
    }

    async fn turn(&self, subject: Subject, cause: Option<String>) -> Next {
        let report = turn::take(&self.keeper, &subject, cause).await;
        let next = report.next;
        // Nobody waiting for the end of an apply is no fault.
        let _ = self.reports.send(Arc::new(report));
        next
    }

    async fn scan(&self, every: Duration, scanned: impl Fn() -> bool) -> Next {
        if let Err(error) = self.keeper.scan().await {
            self.keeper.report(Err(error), "could not read the fleet's files");
            return Next::Failed;
        }
        Next::Again(if scanned() { Duration::ZERO } else { every })
    }

    async fn look_at_all(&self) -> Next {
        match self.keeper.look_at_all().await {
            Ok(due) => {
                due.into_iter().for_each(|(subject, delay)| self.wake_in(subject, None, delay));
                Next::Again(LOOK_EVERY)
            }
            Err(error) => {
                tracing::error!(error = %chain(&error), "could not look at everything");
                Next::Failed
            }
        }
    }

    /// Gives turns to a task each, until the queue is closed.
    fn serve<K, F>(
        &self,
        queue: Queue<K>,
        at_once: usize,
        take: impl Fn(Wake<K>) -> F + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static
    where
        K: Ord + Clone + Send + Sync + 'static,
        F: Future<Output = Next> + Send + 'static,
    {
        let (tasks, cut) = (self.tasks.clone(), self.cut.clone());
        let places = Arc::new(Semaphore::new(at_once));
        async move {
            while let Ok(place) = Arc::clone(&places).acquire_owned().await {
                let Some(turn) = queue.next().await else { return };
                let work = take(turn.wake().clone());
                let cut = cut.clone();
                tasks.spawn(async move {
                    let _place = place;
                    finish(turn, work, cut).await;
                });
            }
        }
    }
}

async fn finish<K: Ord + Clone>(turn: Turn<K>, work: impl Future<Output = Next>, cut: CancellationToken) {
    tokio::select! {
        // Cut anywhere: every step wrote its intent first, and every effect can be done again.
        () = cut.cancelled() => {}
        next = work => turn.settle(next),
    }
}
