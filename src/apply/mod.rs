//! Changes → edges, one step at a time: what runs here has nothing left to choose.
//!
//! Each step: write the intent into the journal, act, look where acting alone proves nothing, write the result. Steps
//! that do not wait for each other run side by side. A step that failed takes those that come after it out of this
//! turn; all others go on. Long work is begun and not waited for ([`WorkList`]): what comes after it is for a later turn.

mod backup;
mod database;
mod ending;
mod lanes;
mod odoo;
mod retry;
mod service;
mod site;
mod smtp_password;
mod work;

pub use lanes::Lanes;
pub use smtp_password::read_smtp_password;
pub use work::WorkList;

use crate::edges::{EdgeError, Edges, ErrorKind};
use crate::journal::{FailureRow, Journal, JournalError};
use crate::model::changes::InstanceChanges;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::InstanceName;
use crate::model::secret::InstallationKey;
use crate::model::status::chain;
use crate::model::step::{Action, Origin, Risk, Step, StepId};
use crate::model::time::Timestamp;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Reads the files once more and says whether they still ask for what was decided.
pub type StillMeant = Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>;

/// What steps are carried out with.
#[derive(Clone)]
pub struct Context {
    /// The systems.
    pub edges: Edges,
    /// Secrets are derived from it.
    pub key: InstallationKey,
    /// Intents, failures and events.
    pub journal: Journal,
    /// Limits over all turns.
    pub lanes: Arc<Lanes>,
    /// Long work over all turns.
    pub work: WorkList,
    /// Called when long work that was begun here has ended.
    pub woken: Arc<dyn Fn() + Send + Sync>,
    /// Whose steps; none is the host's.
    pub instance: Option<InstanceName>,
    /// The version of the instance's file that the steps were decided for.
    pub generation: u64,
    /// What caused the turn, for events: a commit, a person.
    pub cause: Option<String>,
    /// Once cancelled no further step begins, and waiting for a job ends (the job itself runs on).
    pub stopping: CancellationToken,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// Chance, from 0 to 1, for the jitter of back-off.
    pub chance: fn() -> f64,
    /// Seconds on the installation's steady clock, as the decision knew them.
    pub steady_s: u64,
    /// Asked before each step that destroys data: in a turn that waits in lanes minutes may pass after the decision.
    pub still_meant: StillMeant,
}

/// What became of the steps.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Done, in the order in which they ended.
    pub done: Vec<StepId>,
    /// Failed.
    pub failed: Vec<StepFailure>,
}

/// One step's failure.
#[derive(Debug, Clone)]
pub struct StepFailure {
    /// The step that failed.
    pub step: StepId,
    /// What went wrong, the whole chain in one line.
    pub message: String,
    /// The journal has it, so it is not tried again before its time.
    pub noted: bool,
}

/// How one step ended.
enum End {
    Done,
    Failed(StepFault),
    /// A shutdown cut the waiting short, or it is not meant any more; nothing is known and nothing is lost.
    Interrupted,
}

/// Why a step failed, before it is known when it is tried again.
struct StepFault {
    message: String,
    kind: ErrorKind,
}

impl From<EdgeError> for StepFault {
    fn from(error: EdgeError) -> Self {
        Self { message: chain(&error), kind: error.kind }
    }
}

impl From<JournalError> for StepFault {
    fn from(error: JournalError) -> Self {
        Self { message: chain(&error), kind: ErrorKind::Failed }
    }
}

/// Carries out the steps of one decision; independent branches run side by side.
pub async fn carry_out(changes: &InstanceChanges, context: &Context) -> Outcome {
    let mut outcome = Outcome::default();
    let mut waiting: Vec<&Step> = changes.steps.iter().collect();
    let mut ended_badly: BTreeSet<StepId> = BTreeSet::new();
    let mut running = FuturesUnordered::new();
    loop {
        let (ready, rest) = ready_steps(waiting, &outcome.done, &mut ended_badly, context.stopping.is_cancelled());
        waiting = rest;
        let (long, short): (Vec<_>, Vec<_>) = ready.into_iter().partition(|step| step.action.work().is_some());
        long.into_iter().for_each(|step| work::begin(step, context));
        running.extend(short.into_iter().map(|step| async move { (step, take(step, context).await) }));
        let Some((step, end)) = running.next().await else { break };
        match end {
            End::Done => outcome.done.push(step.id.clone()),
            End::Interrupted => {
                ended_badly.insert(step.id.clone());
            }
            End::Failed(fault) => {
                ended_badly.insert(step.id.clone());
                outcome.failed.push(retry::note_failure(step, fault, context));
            }
        }
    }
    outcome
}

/// Splits off the steps that may begin now. Steps behind a bad end count as ended badly themselves.
fn ready_steps<'a>(
    waiting: Vec<&'a Step>,
    done: &[StepId],
    ended_badly: &mut BTreeSet<StepId>,
    stopping: bool,
) -> (Vec<&'a Step>, Vec<&'a Step>) {
    let mut ready = Vec::new();
    let mut rest = Vec::new();
    for step in waiting {
        if stopping || step.after.iter().any(|id| ended_badly.contains(id)) {
            ended_badly.insert(step.id.clone());
        } else if step.after.iter().all(|id| done.contains(id)) {
            ready.push(step);
        } else {
            rest.push(step);
        }
    }
    (ready, rest)
}

/// One step: intent, act, result.
async fn take(step: &Step, context: &Context) -> End {
    let instance = context.instance.as_ref();
    if step.risk == Risk::Data && !(context.still_meant)().await {
        tracing::warn!(step = %step.id, "its file was edited since this was decided, or nobody can tell now: nothing is deleted in this turn");
        return End::Interrupted;
    }
    if let Err(error) = context.journal.begin(instance, step) {
        // Without its intent on disk a step must not act.
        return End::Failed(error.into());
    }
    tracing::info!(step = %step.id, reason = %step.reason, "step begins");
    let result = act(step, context).await;
    let text = result.as_ref().err().map(|fault| fault.message.clone());
    let noted = context.journal.end(instance, step, text.as_deref().map_or(Ok(()), Err));
    match (result, noted) {
        // What failed is told, whatever became of noting that.
        (Err(fault), noted) => {
            report(noted, "could not note the end of a step");
            End::Failed(fault)
        }
        (Ok(_), Err(error)) => End::Failed(error.into()),
        (Ok(true), Ok(())) => {
            tell_done(step, context);
            End::Done
        }
        (Ok(false), Ok(())) => End::Interrupted,
    }
}

/// The effect itself. `false`: a shutdown cut the waiting short.
async fn act(step: &Step, context: &Context) -> Result<bool, StepFault> {
    let edges = &context.edges;
    match &step.action {
        Action::CreateNetwork => edges.engine.ensure_network().await?,
        Action::SetRole(spec) => database::set_role(spec, context).await?,
        Action::CreateDatabase(spec) => edges.database.create_database(spec).await?,
        Action::SetPrivileges(spec) => edges.database.set_privileges(spec).await?,
        Action::AddExtensions(spec) => database::add_extensions(spec, context).await?,
        Action::MarkProvisioned(spec) => database::mark_provisioned(spec, context).await?,
        Action::CreateVolume { volume, tag } => edges.engine.ensure_volume(volume, tag).await?,
        Action::WriteConf { conf, owner } => odoo::write_conf(conf, *owner, context).await?,
        Action::RunJob(job) => return odoo::run_job(job, context).await,
        Action::StopJob { container, tag } => edges.engine.stop_service(container, tag).await?,
        Action::RemoveJob { container, tag } => edges.engine.remove_job(container, tag).await?,
        Action::CreateService { spec, start } => service::create(spec, *start, context).await?,
        Action::RecreateService { spec, start } => service::recreate(spec, *start, context).await?,
        Action::UpdateLimits { container, tag, limits } => edges.engine.update_limits(container, tag, limits).await?,
        Action::StartService { container, tag } => edges.engine.start_service(container, tag).await?,
        Action::StopService { container, tag } => ending::stop(container, tag, context).await?,
        Action::RestartService { container, tag } => edges.engine.restart_service(container, tag).await?,
        Action::PutSite(row) => context.lanes.sites.put(edges.proxy.as_ref(), row).await?,
        Action::RenderSites => context.lanes.sites.render(edges.proxy.as_ref()).await?,
        Action::ObtainCertificate(order) => site::obtain(order, context).await?,
        Action::BackUp(spec) => return backup::take(spec, context).await,
        Action::VerifyBackup { instance, backup } => return backup::verify(instance, backup, context).await,
        Action::OpenTombstone(tombstone) => ending::open(tombstone, context).await?,
        Action::CloseTombstone { instance, backup } => ending::close(instance, backup, context).await?,
        Action::BeginPurge { instance } => ending::begin_purge(instance, context)?,
        Action::EndPurge { instance } => ending::end_purge(instance, context)?,
        Action::RemoveSite { instance, uid } => {
            context.lanes.sites.remove(edges.proxy.as_ref(), instance, *uid).await?;
        }
        Action::RemoveService { container, tag } => edges.engine.remove_service(container, tag).await?,
        Action::DropDatabase(spec) => ending::drop_database(spec, context).await?,
        Action::DropRole { role, instance, uid } => edges.database.drop_role(role, instance, *uid).await?,
        Action::RemoveVolume { volume, tag } => ending::remove_volume(volume, tag, context).await?,
        Action::RemoveConf { instance } => edges.engine.remove_files(instance).await?,
    }
    Ok(true)
}

fn tell_done(step: &Step, context: &Context) {
    let instance = context.instance.as_ref();
    report(context.journal.clear_failure(instance, step.key()), "could not clear a failure");
    let drift = step.origin == Origin::Drift;
    if drift {
        report(context.journal.note_repair(instance, step.key()), "could not note a repair");
    }
    let event = NewEvent {
        level: if drift { Level::Warning } else { Level::Info },
        instance: context.instance.clone(),
        reason: if drift { Reason::DriftRepaired } else { Reason::StepDone },
        message: step.done(),
        step: Some(step.id.to_string()),
        cause: context.cause.clone(),
    };
    report(context.journal.record(&event).map(drop), "could not record an event");
}

/// The journal's own trouble is logged and never hides the step's result.
fn report(result: Result<(), JournalError>, doing: &str) {
    if let Err(error) = result {
        tracing::error!(error = %chain(&error), "{doing}");
    }
}

/// The journal's row for a failed step.
fn failure_row(
    step: &Step,
    message: &str,
    attempts: u32,
    permanent: bool,
    next_try: Option<Timestamp>,
    generation: u64,
) -> FailureRow {
    FailureRow { input: step.input(), generation, attempts, permanent, next_try, message: message.to_owned() }
}
