//! One turn: read, look, decide, act once. A turn takes nothing over from the wake that brought it up.

mod after;
mod errands;
pub(crate) mod monitor;
mod password;
mod tell;

use self::after::RESTLESS_TURNS_MAX;
use crate::apply::{self, Outcome};
use crate::daemon::known::keeper::{Bell, Keeper};
use crate::daemon::known::register::Register;
use crate::daemon::look::facts::{Identity, identity, marks};
use crate::daemon::queue::schedule::Next;
use crate::diff;
use crate::diff::facts::{Facts, InstanceFacts};
use crate::edges::Ask;
use crate::journal::JournalError;
use crate::model::changes::{HoldReason, InstanceChanges};
use crate::model::live::Live;
use crate::model::name::InstanceName;
use crate::model::service::Ports;
use crate::model::status::chain;
use crate::model::step::Action;
use crate::observe;
use futures::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What has turns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// What belongs to no single instance.
    Host,
    /// One instance.
    Instance(InstanceName),
}

/// What a turn came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// Whose turn it was.
    pub subject: Subject,
    /// When it began: whatever was asked for later is not in it.
    pub began: Instant,
    /// What was decided.
    pub changes: InstanceChanges,
    /// Steps that were done, long work included that ended since the turn before.
    pub done: u64,
    /// What failed, one line each.
    pub failed: Vec<String>,
    /// There is nothing to do and nothing to wait for.
    pub settled: bool,
    /// What comes next.
    pub next: Next,
}

impl Report {
    fn new(subject: Subject, began: Instant, changes: InstanceChanges, next: Next) -> Self {
        Self { subject, began, settled: false, changes, done: 0, failed: Vec::new(), next }
    }

    fn failed(subject: Subject, began: Instant, message: String) -> Self {
        Self { failed: vec![message], ..Self::new(subject, began, InstanceChanges::default(), Next::Failed) }
    }

    fn with(mut self, outcome: &Outcome) -> Self {
        self.done = outcome.done.len() as u64;
        self.failed = outcome.failed.iter().map(|it| format!("{}: {}", it.step, it.message)).collect();
        self
    }
}

/// What was decided, and over what.
struct Decision {
    facts: Facts,
    changes: InstanceChanges,
}

/// Takes one turn. `cause` is told in events. It never fails: what goes wrong is in the report and in the journal.
pub async fn take(keeper: &Arc<Keeper>, subject: &Subject, cause: Option<String>) -> Report {
    let began = Instant::now();
    if let Err(error) = keeper.scan_if_stale().await {
        let message = chain(&error);
        keeper.report(Err(error), "could not read the fleet's files");
        return Report::failed(subject.clone(), began, message);
    }
    match subject {
        Subject::Host => match host(keeper, began, cause).await {
            Ok(report) => report,
            Err(error) => {
                let message = chain(&error);
                keeper.report(Err(error), "could not take the host's turn");
                Report::failed(subject.clone(), began, message)
            }
        },
        Subject::Instance(name) => match instance(keeper, name, began, cause).await {
            Ok(report) => report,
            Err(error) => {
                let message = chain(&error);
                keeper.report(Err(error), "could not take a turn");
                Report::failed(subject.clone(), began, message)
            }
        },
    }
}

async fn instance(
    keeper: &Arc<Keeper>,
    name: &InstanceName,
    began: Instant,
    cause: Option<String>,
) -> Result<Report, JournalError> {
    let subject = Subject::Instance(name.clone());
    errands::retry(keeper, name)?;
    let live = {
        // Never closed.
        let _place = keeper.looks.acquire().await;
        let mut live = keeper.look(&ask(keeper, name)).await;
        password::prove(keeper, name, &mut live).await;
        live
    };
    let Some(Decision { mut facts, changes }) = decide(keeper, name, live)? else {
        return Ok(Report::new(subject, began, InstanceChanges::default(), Next::Quiet));
    };
    keeper.publish(name, &facts, &changes, began);
    keeper.tell_drift(Some(name), &changes);
    keeper.tell_crash(name, &facts);
    keeper.work.let_go(name, &changes.let_go);
    let work_done = keeper.work.take_done(name);
    let context = context(keeper, Some(name), &facts, cause);
    let outcome = apply::carry_out(&changes, &context).await;
    say_what_goes_on(keeper, name, &mut facts, began).await;
    errands::end(keeper, name, &facts, &changes, &outcome)?;
    let next = after::next(keeper, name, &facts, &changes, &outcome, work_done);
    let settled = changes.is_empty();
    let mut report = Report { settled, ..Report::new(subject, began, changes, next).with(&outcome) };
    report.done += work_done;
    Ok(report)
}

/// Where long work was begun, its instance's status says so at once: the next turn comes when it has ended.
async fn say_what_goes_on(keeper: &Arc<Keeper>, name: &InstanceName, facts: &mut Facts, began: Instant) {
    // Those that find a place begin now.
    tokio::task::yield_now().await;
    let going = keeper.work.of(name);
    let Some(instance) = facts.instances.get_mut(name).filter(|instance| instance.work != going) else { return };
    instance.work = going;
    let changes = diff::changes_of(facts, name);
    keeper.publish(name, facts, &changes, began);
}

/// The proxy's templates and files.
async fn host(keeper: &Arc<Keeper>, began: Instant, cause: Option<String>) -> Result<Report, JournalError> {
    let live = keeper.look(&Ask::default()).await;
    let facts = {
        let mut register = keeper.register();
        keeper.refresh_host(&mut register)?;
        keeper.facts(&register, live)?
    };
    let changes = diff::changes_of_host(&facts);
    keeper.tell_templates(&changes);
    keeper.tell_drift(None, &changes);
    let outcome = apply::carry_out(&changes, &context(keeper, None, &facts, cause)).await;
    let next = match after::until(facts.host.failures.values(), facts.now) {
        _ if !outcome.failed.is_empty() || !outcome.done.is_empty() => Next::Again(Duration::ZERO),
        Some(wait) if after::holds(&changes, HoldReason::BackOff) => Next::Again(wait),
        _ => Next::Quiet,
    };
    let settled = changes.is_empty();
    Ok(Report { settled, ..Report::new(Subject::Host, began, changes, next).with(&outcome) })
}

fn ask(keeper: &Keeper, name: &InstanceName) -> Ask {
    let register = keeper.register();
    let wanted = register.entries.get(name).and_then(|entry| entry.facts.wanted.clone());
    observe::ask([(name, wanted.as_deref())], |_| true)
}

/// Decides, with the register held: identity and ports are in the journal before anybody else decides, and two turns
/// never get the same.
fn decide(keeper: &Keeper, name: &InstanceName, live: Live) -> Result<Option<Decision>, JournalError> {
    let mut register = keeper.register();
    if !register.entries.contains_key(name) {
        return Ok(None);
    }
    let identified = identify(keeper, &mut register, name, &live)?;
    let Some(entry) = register.entries.get_mut(name) else { return Ok(None) };
    keeper.refresh(entry, name)?;
    if entry.met {
        keeper.learn_from_marks(entry, name, &live)?;
    }
    entry.decided_at = Some(Instant::now());
    keeper.tick(&register)?;
    keeper.refresh_roll_outs(&mut register)?;
    let mut facts = keeper.facts(&register, live)?;
    let mut changes = diff::changes_of(&facts, name);
    if !identified {
        changes.steps.clear();
    }
    if let (Some(entry), Some(ports)) = (register.entries.get_mut(name), ports_of(&changes))
        && entry.facts.ports != Some(ports)
    {
        keeper.journal.reserve_ports(name, ports)?;
        entry.facts.ports = Some(ports);
    }
    roll_on(keeper, &mut register, &facts, &changes, name)?;
    if diff::roll_out::awaits_roll_out(&changes) && !facts.instances.get(name).is_some_and(diff::roll_out::waits) {
        // The look at everything begins it.
        keeper.ring(Bell::Fleet);
    }
    if changes.is_empty() && identified {
        settle(keeper, &mut register, &mut facts, name)?;
    }
    Ok(Some(Decision { facts, changes }))
}

/// Gives an unmet instance its identity. False: it cannot be told yet, so nothing may be done.
fn identify(keeper: &Keeper, register: &mut Register, name: &InstanceName, live: &Live) -> Result<bool, JournalError> {
    let Some(entry) = register.entries.get(name) else { return Ok(false) };
    if entry.met {
        return Ok(true);
    }
    let uid = match identity(name, &marks(live), live) {
        Identity::Marked(uid) => uid,
        // A file that never was valid needs no identity.
        Identity::New if entry.facts.wanted.is_none() => return Ok(false),
        Identity::New => entry.facts.uid,
        Identity::Unknown => return Ok(false),
    };
    register.meet(name, uid, &keeper.journal, &keeper.key)?;
    Ok(true)
}

/// Notes that the instance has the change of many that it was part of; those who wait for it are woken.
fn roll_on(
    keeper: &Keeper,
    register: &mut Register,
    facts: &Facts,
    changes: &InstanceChanges,
    name: &InstanceName,
) -> Result<(), JournalError> {
    let Some(instance) = facts.instances.get(name) else { return Ok(()) };
    if !diff::roll_out::waits(instance) || !diff::roll_out::is_through(facts, name, changes) {
        return Ok(());
    }
    keeper.journal.set_rolled_out(name)?;
    for (other, _) in register.entries.iter().filter(|(_, entry)| entry.facts.roll_out.is_some_and(|it| !it.done)) {
        keeper.ring(Bell::Instance(other.clone(), None));
    }
    Ok(())
}

/// Notes that the world was brought to this version of the file.
fn settle(
    keeper: &Keeper,
    register: &mut Register,
    facts: &mut Facts,
    name: &InstanceName,
) -> Result<(), JournalError> {
    let (Some(entry), Some(instance)) = (register.entries.get_mut(name), facts.instances.get_mut(name)) else {
        return Ok(());
    };
    if entry.facts.observed_generation != entry.facts.generation {
        keeper.journal.set_observed(name, entry.facts.generation)?;
    }
    entry.note_wish(name, &keeper.journal)?;
    instance.updating = false;
    if !entry.facts.failures.is_empty() {
        keeper.journal.clear_failures(name)?;
    }
    for known in [&mut entry.facts, instance] {
        known.observed_generation = known.generation;
        known.failures.clear();
    }
    Ok(())
}

/// The ports that a decision chose.
fn ports_of(changes: &InstanceChanges) -> Option<Ports> {
    changes.steps.iter().find_map(|step| match &step.action {
        Action::CreateService { spec, .. } | Action::RecreateService { spec, .. } => Some(spec.ports),
        Action::PutSite(row) => Some(row.ports),
        _ => None,
    })
}

fn context(keeper: &Arc<Keeper>, name: Option<&InstanceName>, facts: &Facts, cause: Option<String>) -> apply::Context {
    let instance = name.and_then(|name| facts.instances.get(name));
    apply::Context {
        edges: keeper.edges.clone(),
        key: keeper.key.clone(),
        journal: keeper.journal.clone(),
        lanes: Arc::clone(&keeper.lanes),
        work: keeper.work.clone(),
        woken: woken(keeper, name, &cause),
        instance: name.cloned(),
        generation: instance.map(|instance| instance.generation).unwrap_or_default(),
        cause,
        stopping: keeper.stopping.clone(),
        now: keeper.place.now,
        chance: keeper.place.chance,
        steady_s: facts.guard.steady_s,
        still_meant: still_meant(keeper, name, instance),
    }
}

/// Lets the instance have a turn when its long work has ended. One that never settles waits for the next look at everything.
fn woken(keeper: &Arc<Keeper>, name: Option<&InstanceName>, cause: &Option<String>) -> Arc<dyn Fn() + Send + Sync> {
    let (keeper, name, cause) = (Arc::clone(keeper), name.cloned(), cause.clone());
    Arc::new(move || {
        let entry_is_restless =
            |name| keeper.register().entries.get(name).is_some_and(|entry| entry.restless > RESTLESS_TURNS_MAX);
        if let Some(name) = name.as_ref().filter(|name| !entry_is_restless(name)) {
            keeper.ring(Bell::Instance(name.clone(), cause.clone()));
        }
    })
}

/// Whether the instance's file says what it said when the decision was taken.
fn still_meant(
    keeper: &Arc<Keeper>,
    name: Option<&InstanceName>,
    decided_over: Option<&InstanceFacts>,
) -> apply::StillMeant {
    let keeper = Arc::clone(keeper);
    let decided_over = name.cloned().zip(decided_over.map(|it| (it.wanted.clone(), it.file.clone())));
    Arc::new(move || {
        let (keeper, decided_over) = (Arc::clone(&keeper), decided_over.clone());
        async move {
            let Some((name, (wanted, file))) = decided_over else { return true };
            // Asked of the files as they are at this moment; while one is being written, or none can be listed, nobody can tell.
            if !matches!(keeper.scan().await, Ok(false)) {
                return false;
            }
            let register = keeper.register();
            let entry = register.entries.get(&name).filter(|_| register.fleet.complete);
            entry.is_some_and(|entry| entry.facts.wanted == wanted && entry.facts.file == file)
        }
        .boxed()
    })
}
