//! Brings instances to what their files ask for and waits for the end: `apply`, by a daemon or without one.

use super::Crew;
use crate::control::{ApplyRequest, Converged, End, InstanceEnd, Progress, ProgressWord, Verdict};
use crate::daemon::known::keeper::Keeper;
use crate::daemon::look::files::{ScanError, UNSETTLED_WAIT};
use crate::daemon::queue::schedule::Next;
use crate::daemon::turn::{Report, Subject};
use crate::edges::{EdgeError, ErrorKind};
use crate::journal::News;
use crate::model::changes::HoldReason;
use crate::model::name::InstanceName;
use crate::model::status::State;
use crate::model::time::Seconds;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// For requests that name no time.
const DEADLINE_DEFAULT: Seconds = Seconds(600);
/// Without patience a failed step is still tried again when its time comes this soon: many faults are over in seconds.
const IMPATIENT_WAIT_MAX: Duration = Duration::from_secs(5);
/// Up to so many named instances just have a turn; for more, one look at everything says first who needs one.
const NAMES_WITHOUT_LOOK_MAX: usize = 8;
/// Files that somebody keeps writing are not waited for longer than this.
const FILES_WAIT_MAX: Duration = Duration::from_secs(11);

/// One apply reads the files when it begins: they are not read again before it is long over.
const FILES_UNREAD: Duration = Duration::from_hours(24);

/// The apply could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ConvergeError {
    /// Files or journal cannot be read.
    #[error(transparent)]
    Scan(#[from] ScanError),
    /// Another Innkeeper acts for this installation on another host.
    #[error(transparent)]
    Locked(EdgeError),
}

/// Hears of each step.
pub type Told<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// Does it once, without a daemon. `keeper` was opened to act; `stop` ends it early, running steps finish.
///
/// # Errors
/// [`ConvergeError`]; then nothing was done.
pub async fn converge(
    keeper: &Arc<Keeper>,
    request: &ApplyRequest,
    stop: CancellationToken,
    told: Told<'_>,
) -> Result<Converged, ConvergeError> {
    let _lock = match keeper.edges.database.lock_installation().await {
        Ok(lock) => Some(lock),
        Err(error) if error.kind == ErrorKind::Conflict => return Err(ConvergeError::Locked(error)),
        // A server that is down is said by the turns that need it.
        Err(_) => None,
    };
    let crew = Crew::new(Arc::clone(keeper), request.names.iter().cloned().collect());
    crew.start(FILES_UNREAD, || false);
    let result = watch_over(&crew, request, None, stop, told).await;
    crew.close();
    crew.ended().await;
    Ok(result?)
}

/// One apply, by a crew that gives turns: wakes who must be woken and follows the reports.
pub(crate) async fn watch_over(
    crew: &Arc<Crew>,
    request: &ApplyRequest,
    cause: Option<String>,
    stop: CancellationToken,
    told: Told<'_>,
) -> Result<Converged, ScanError> {
    let deadline = Instant::now() + request.timeout_s.map_or(DEADLINE_DEFAULT, Seconds).as_std();
    let mut reports = crew.reports();
    let mut news = crew.keeper.journal.follow();
    settled_files(&crew.keeper).await?;
    crew.keeper.let_through(&request.permits, cause.as_ref())?;
    let asked_at = Instant::now();
    let mut watch = Apply::begin(crew, request).await?;
    watch.wake(crew, cause.as_ref());
    let cut = loop {
        if watch.is_over() {
            break None;
        }
        tokio::select! {
            // Each arm may be cut: receiving loses nothing, and the queues hold who is due.
            biased;
            // Steps first, so that the end comes last.
            Ok(news) = news.recv() => watch.tell(news, told),
            report = reports.recv() => match report {
                Ok(report) if report.began >= asked_at => watch.hear(&report, request.patient),
                Ok(_) => {}
                // Some reports were missed: whoever is still waited for has another turn and reports again.
                Err(RecvError::Lagged(_)) => watch.wake(crew, cause.as_ref()),
                Err(RecvError::Closed) => break Some(Verdict::Interrupted),
            },
            () = stop.cancelled() => break Some(Verdict::Interrupted),
            () = tokio::time::sleep_until(deadline) => break Some(Verdict::TimedOut),
        }
    };
    while let Ok(news) = news.try_recv() {
        watch.tell(news, told);
    }
    Ok(watch.end(cut))
}

/// Reads files until none is being written: an apply is about the files as they were when it was asked for.
async fn settled_files(keeper: &Arc<Keeper>) -> Result<(), ScanError> {
    let began = Instant::now();
    while keeper.scan().await? && began.elapsed() < FILES_WAIT_MAX {
        tokio::time::sleep(UNSETTLED_WAIT / 2).await;
    }
    Ok(())
}

/// What is still waited for, and what is known so far.
struct Apply {
    pending: BTreeMap<InstanceName, InstanceEnd>,
    ended: BTreeMap<InstanceName, InstanceEnd>,
    /// Whether the host's own turn is waited for.
    host_pending: bool,
    host: Vec<String>,
    host_steps_done: u64,
}

impl Apply {
    async fn begin(crew: &Arc<Crew>, request: &ApplyRequest) -> Result<Self, ScanError> {
        let mut apply = Self {
            pending: BTreeMap::new(),
            ended: BTreeMap::new(),
            host_pending: request.names.is_empty(),
            host: Vec::new(),
            host_steps_done: 0,
        };
        let unsettled = match request.names.len() {
            1..=NAMES_WITHOUT_LOOK_MAX => request.names.iter().cloned().collect(),
            _ => apply.look(crew, request).await?,
        };
        apply.pending.extend(unsettled.into_iter().map(|name| (name, ending(End::Unfinished, "it had no turn yet"))));
        Ok(apply)
    }

    /// One look at everything: who is settled already, and who needs turns.
    async fn look(&mut self, crew: &Arc<Crew>, request: &ApplyRequest) -> Result<BTreeSet<InstanceName>, ScanError> {
        let mut plan = crew.keeper.plan(&request.names).await?;
        crew.keeper.roll_out_drift(&mut plan.facts, &plan.changes)?;
        self.host_pending &= !plan.changes.host.is_empty();
        let mut unsettled = BTreeSet::new();
        for (name, status) in &plan.statuses {
            let noted = status.uid.is_some() && status.generation == status.observed_generation;
            let proven = matches!(status.state, State::Ready | State::Stopped | State::Retired);
            if noted && proven && !plan.changes.instances.contains_key(name) {
                self.ended.insert(name.clone(), ending(End::Settled, ""));
            } else {
                unsettled.insert(name.clone());
            }
        }
        let unknown = request.names.iter().filter(|name| !plan.statuses.contains_key(*name));
        unsettled.extend(unknown.cloned());
        Ok(unsettled)
    }

    fn wake(&self, crew: &Crew, cause: Option<&String>) {
        for name in self.pending.keys() {
            crew.wake_in(Subject::Instance(name.clone()), cause.cloned(), Duration::ZERO);
        }
        if self.host_pending {
            crew.wake_in(Subject::Host, cause.cloned(), Duration::ZERO);
        }
    }

    fn is_over(&self) -> bool {
        self.pending.is_empty() && !self.host_pending
    }

    fn hear(&mut self, report: &Report, patient: bool) {
        match &report.subject {
            Subject::Host => {
                self.host_steps_done += if self.host_pending { report.done } else { 0 };
                let over = report.failed.is_empty() && report.next == Next::Quiet;
                if over || !patient && !report.failed.is_empty() {
                    self.host_pending = false;
                    let holds = report.changes.holds.iter().map(|hold| hold.message.clone());
                    self.host = holds.chain(report.failed.iter().cloned()).collect();
                }
            }
            Subject::Instance(name) => {
                let Some(known) = self.pending.get_mut(name) else { return };
                known.steps_done += report.done;
                known.holds.clone_from(&report.changes.holds);
                known.message = message(report);
                if let Some(end) = verdict(report, patient) {
                    known.end = end;
                    if let Some(known) = self.pending.remove(name) {
                        self.ended.insert(name.clone(), known);
                    }
                }
            }
        }
    }

    fn tell(&self, news: News, told: Told<'_>) {
        let (instance, step, word, message) = match news {
            News::StepBegan { instance, step, reason } => (instance, step, ProgressWord::Began, reason),
            News::StepEnded { instance, step, error: None } => (instance, step, ProgressWord::Done, String::new()),
            News::StepEnded { instance, step, error: Some(error) } => (instance, step, ProgressWord::Failed, error),
            News::Recorded(_) => return,
        };
        let ours = |name| self.pending.contains_key(name) || self.ended.contains_key(name);
        if instance.as_ref().is_none_or(ours) {
            told(Progress { instance, step: step.0, word, message });
        }
    }

    fn end(mut self, cut: Option<Verdict>) -> Converged {
        for (name, mut known) in self.pending {
            let held = |reason| known.holds.iter().any(|hold| hold.reason == reason);
            known.end = match () {
                () if held(HoldReason::Unseen) => End::Unreachable,
                () if held(HoldReason::BackOff) => End::Failed,
                () if held(HoldReason::NoCertificate) => End::Held,
                () => End::Unfinished,
            };
            self.ended.insert(name, known);
        }
        Converged { host_steps_done: self.host_steps_done, ..Converged::of(self.ended, self.host, cut) }
    }
}

fn ending(end: End, message: &str) -> InstanceEnd {
    InstanceEnd { end, steps_done: 0, holds: Vec::new(), message: message.to_owned() }
}

fn message(report: &Report) -> String {
    let holds = report.changes.holds.iter().map(|hold| &hold.message);
    report.failed.iter().chain(holds).cloned().collect::<Vec<_>>().join("; ")
}

/// The instance's end, when it came to one.
fn verdict(report: &Report, patient: bool) -> Option<End> {
    let held = |reason| report.changes.holds.iter().any(|hold| hold.reason == reason);
    if report.settled {
        return Some(End::Settled);
    }
    if report.done > 0 || !report.changes.steps.is_empty() {
        // The next turn sees what came of it.
        return None;
    }
    if held(HoldReason::JobRunning) {
        // There is another turn when it has ended.
        return None;
    }
    if held(HoldReason::Unseen) {
        return (!patient).then_some(End::Unreachable);
    }
    match report.next {
        Next::Again(wait) if held(HoldReason::BackOff) && !patient && wait > IMPATIENT_WAIT_MAX => Some(End::Failed),
        Next::Again(wait) if held(HoldReason::NoCertificate) && !patient && wait > IMPATIENT_WAIT_MAX => {
            Some(End::Held)
        }
        Next::Again(_) => None,
        Next::Failed => (!patient).then_some(End::Failed),
        Next::Quiet if held(HoldReason::Failed) => Some(End::Failed),
        Next::Quiet => Some(End::Held),
    }
}
