//! The look at everything: finds what changed without anybody telling, and refreshes every status. It changes nothing in
//! the world; instances that need something are woken and have turns of their own.

use super::after::{is_tried_again, until_next_try, waits_for_health};
use super::{Subject, ports_of};
use crate::daemon::known::keeper::{Keeper, event};
use crate::daemon::known::register::{Entry, failures};
use crate::daemon::look::facts::{Identity, identity, is_gone, live_ports, marks, part};
use crate::daemon::look::files::ScanError;
use crate::diff::facts::{Facts, FileState};
use crate::diff::roll_out::ROLL_OUT_MIN;
use crate::diff::{self, conditions};
use crate::journal::JournalError;
use crate::model::changes::{Changes, InstanceChanges};
use crate::model::event::{Level, Reason};
use crate::model::name::{InstanceName, Uid};
use crate::model::status::{ConditionStatus, ConditionType, InstanceStatus};
use crate::observe;
use crate::spec::Fleet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Instances that are proven to serve and whose login page is asked for again in one look: each costs Odoo 0.1 s.
const PROVEN_AGAIN_MIN: usize = 32;
/// In a large fleet it is this share of them, so that nobody is unseen for longer than two looks, which are a minute apart.
const PROVEN_AGAIN_SHARE: usize = 2;
/// Instances that are not proven and are asked in one look: one that hangs takes seconds. Their own turns ask them too.
const UNPROVEN_MAX: usize = 64;

/// What would be done, and over what that was decided.
pub struct Plan {
    /// The files.
    pub fleet: Arc<Fleet>,
    /// Everything that was known.
    pub facts: Facts,
    /// What would be done.
    pub changes: Changes,
    /// How the instances stand.
    pub statuses: BTreeMap<InstanceName, InstanceStatus>,
}

/// Who should have a turn after a look, and in how long.
pub type Due = Vec<(Subject, Duration)>;

impl Keeper {
    /// Reads, looks and decides, and does nothing: for `names`, or for the whole fleet when there are none.
    ///
    /// # Errors
    /// The files or the journal cannot be read.
    pub async fn plan(self: &Arc<Self>, names: &[InstanceName]) -> Result<Plan, ScanError> {
        self.scan_if_stale().await?;
        let chosen: BTreeSet<&InstanceName> = names.iter().collect();
        let few = if chosen.is_empty() { self.register().entries.len() } else { chosen.len() } <= UNPROVEN_MAX;
        let within = |name: &InstanceName| chosen.is_empty() || chosen.contains(name);
        let Whole { mut facts, unidentified, .. } = self.whole_facts(within, |_| few).await?;
        let mut changes = decide_all(&mut facts, &unidentified, |name| chosen.is_empty() || chosen.contains(name));
        if !chosen.is_empty() {
            changes.host = InstanceChanges::default();
        }
        let statuses = facts
            .instances
            .keys()
            .filter(|name| chosen.is_empty() || chosen.contains(name))
            .filter_map(|name| Some((name.clone(), self.status_of(&facts, name, &changes)?)))
            .collect();
        Ok(Plan { fleet: self.fleet(), facts, changes, statuses })
    }

    /// Tells anew how one instance stands while a step of its runs that takes long. Nothing is done.
    pub(crate) async fn refresh_status(self: &Arc<Self>, name: &InstanceName) {
        let began = Instant::now();
        let Ok(mut plan) = self.plan(std::slice::from_ref(name)).await else { return };
        let decided_since = self.register().entries.get(name).is_some_and(|it| it.decided_at >= Some(began));
        if let Some(status) = plan.statuses.remove(name).filter(|_| !decided_since) {
            self.put(status);
        }
    }

    /// Looks at everything, refreshes every status, and says who is due.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn look_at_all(self: &Arc<Self>) -> Result<Due, JournalError> {
        let began = Instant::now();
        let asked = self.to_prove();
        let Whole { facts, marks, unidentified, images } =
            self.whole_facts(|_| true, |name| asked.contains(name)).await?;
        let Some((decided_over, changes)) = decided(facts, unidentified.clone()).await else { return Ok(Vec::new()) };
        let (mut facts, mut changes) = (decided_over, changes);
        if self.roll_out_drift(&mut facts, &changes)? {
            let Some(anew) = decided(facts, unidentified).await else { return Ok(Vec::new()) };
            (facts, changes) = anew;
        }
        self.tell_templates(&changes.host);
        self.tell_guard(&changes);
        self.tick(&self.register())?;
        self.end_silences()?;
        let (mut due, nothing): (Due, _) = (Vec::new(), InstanceChanges::default());
        if !changes.host.steps.is_empty() {
            due.push((Subject::Host, Duration::ZERO));
        }
        self.clear_away(&facts);
        for name in facts.instances.keys() {
            if self.forget_if_gone(name, &marks, &facts)? {
                continue;
            }
            let decided_since = self.register().entries.get(name).and_then(|entry| entry.decided_at);
            let image = facts.instances.get(name).and_then(|instance| instance.wanted.as_ref().map(|it| &it.image));
            if decided_since.is_some_and(|at| at >= began) || image.is_some_and(|image| !images.contains(image)) {
                // Its own turn knows more than this look: also of a file that came while this one was on its way.
                continue;
            }
            if let Some(status) = self.status_of(&facts, name, &changes) {
                self.put(status);
            }
            self.board.note(name, changes.instances.get(name).unwrap_or(&nothing));
            self.note_look(name, began);
            due.extend(self.due(name, &facts, &changes));
        }
        Ok(due)
    }

    /// What would restart or re-create many containers at once without any edit of their files reaches one of them first.
    /// True where such a change began: it has to be decided again.
    pub(crate) fn roll_out_drift(&self, facts: &mut Facts, changes: &Changes) -> Result<bool, JournalError> {
        if !self.acts() {
            return Ok(false);
        }
        let names = diff::roll_out::disturbed(facts, changes);
        let is_awaited = |name| changes.instances.get(name).is_some_and(diff::roll_out::awaits_roll_out);
        if names.len() < ROLL_OUT_MIN && !names.iter().any(is_awaited) {
            return Ok(false);
        }
        let what = "a change of images or of what is below the state directory";
        let began = self.begin_roll_out_among(&names, what)?;
        let is_begun = !began.is_empty();
        for (name, row) in began {
            facts.instances.entry(name).and_modify(|it| it.roll_out = Some(part(row)));
        }
        Ok(is_begun)
    }

    /// Looks with all that a decision over the fleet needs. Unmet instances get the identity that their objects carry,
    /// for this decision alone.
    async fn whole_facts(
        self: &Arc<Self>,
        within: impl Fn(&InstanceName) -> bool,
        prove: impl Fn(&InstanceName) -> bool,
    ) -> Result<Whole, JournalError> {
        let ask = {
            let register = self.register();
            let entries = register.entries.iter().filter(|(name, _)| within(name));
            observe::ask(entries.map(|(name, entry)| (name, entry.facts.wanted.as_deref())), prove)
        };
        let live = self.look(&ask).await;
        let marks = marks(&live);
        let (mut all_failures, mut all_errands) = (self.journal.all_failures()?, self.journal.all_errands()?);
        let mut all_repairs = self.journal.all_repairs(self.repairs_since())?;
        let mut register = self.register();
        self.refresh_host(&mut register)?;
        self.refresh_roll_outs(&mut register)?;
        for name in marks.keys().filter(|name| within(name)) {
            register.entries.entry(name.clone()).or_insert_with(|| Entry::unmet(&self.key));
        }
        let mut unidentified = BTreeSet::new();
        for (name, entry) in &mut register.entries {
            entry.facts.failures = failures(all_failures.remove(name).unwrap_or_default());
            entry.facts.errands = all_errands.remove(name).unwrap_or_default();
            entry.facts.repairs = all_repairs.remove(name.as_str()).unwrap_or_default();
            match identity(name, &marks, &live) {
                // What else stands on the names of others was not asked for.
                _ if entry.met && !within(name) => {}
                _ if entry.met => self.learn_from_marks(entry, name, &live)?,
                Identity::Marked(uid) => entry.identify(uid, &self.key),
                Identity::New => {}
                Identity::Unknown => drop(unidentified.insert(name.clone())),
            }
            entry.facts.ports = entry.facts.ports.or_else(|| live_ports(&live, &entry.facts, name));
        }
        Ok(Whole { facts: self.facts(&register, live)?, marks, unidentified, images: ask.images })
    }

    /// Some instances that are not proven to serve and some of those that are, each look others.
    fn to_prove(&self) -> BTreeSet<InstanceName> {
        let names: Vec<InstanceName> = self.register().entries.keys().cloned().collect();
        let (proven, unproven): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|name| self.board.get(name).is_some_and(|status| is_proven(&status)));
        let mut asked = self.asked_up_to.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let [proven_before, unproven_before] = &mut *asked;
        let mut chosen = in_turn(unproven, unproven_before, UNPROVEN_MAX);
        let again = PROVEN_AGAIN_MIN.max(proven.len().div_ceil(PROVEN_AGAIN_SHARE));
        chosen.extend(in_turn(proven, proven_before, again));
        chosen
    }

    /// When the instance should have a turn, if it should.
    fn due(&self, name: &InstanceName, facts: &Facts, changes: &Changes) -> Option<(Subject, Duration)> {
        let subject = Subject::Instance(name.clone());
        let instance = facts.instances.get(name)?;
        let met = self.register().entries.get(name)?.met;
        let nothing = InstanceChanges::default();
        let changes = changes.instances.get(name).unwrap_or(&nothing);
        let unsettled = changes.is_empty() && instance.observed_generation != instance.generation;
        let now = !changes.steps.is_empty()
            || waits_for_health(instance, changes)
            || !instance.errands.is_empty()
            || unsettled
            || (!met && instance.wanted.is_some());
        match is_tried_again(changes).then(|| until_next_try(facts, name)).flatten() {
            _ if now => Some((subject, Duration::ZERO)),
            Some(wait) => Some((subject, wait)),
            None => None,
        }
    }

    fn status_of(&self, facts: &Facts, name: &InstanceName, changes: &Changes) -> Option<InstanceStatus> {
        let nothing = InstanceChanges::default();
        let changes = changes.instances.get(name).unwrap_or(&nothing);
        let mut status = conditions::status(facts, name, changes, self.board.get(name).as_deref())?;
        if !self.register().entries.get(name).is_some_and(|entry| entry.met) {
            status.uid = None;
        }
        Some(status)
    }

    /// Takes statuses off the board that stand for nobody: left by a daemon that was stopped before it had forgotten them.
    fn clear_away(&self, facts: &Facts) {
        let is_all_seen = facts.live.engine.known().is_some() && facts.live.database.known().is_some();
        if facts.guard.files_unlisted || !is_all_seen {
            return;
        }
        for name in self.board.names().iter().filter(|name| !facts.instances.contains_key(*name)) {
            let register = self.register();
            // One that appeared meanwhile, or whose file the first scan takes in later than this look.
            if !register.entries.contains_key(name) && !register.fleet.instances.contains_key(name) {
                self.report_documents(self.board.remove(name));
            }
        }
    }

    /// Takes an instance off the books of which neither a file nor any object is left.
    fn forget_if_gone(
        &self,
        name: &InstanceName,
        marks: &BTreeMap<InstanceName, Uid>,
        facts: &Facts,
    ) -> Result<bool, JournalError> {
        let missing = facts.instances.get(name).is_some_and(|instance| facts.is_file_gone(instance));
        let buried = facts.instances.get(name).is_some_and(|instance| instance.ending.tombstone.is_some());
        if !missing || buried || !is_gone(name, marks, &facts.live) {
            return Ok(false);
        }
        let mut register = self.register();
        if register.entries.get(name).is_none_or(|entry| entry.facts.file != FileState::Missing) {
            // The file came back meanwhile.
            return Ok(false);
        }
        self.journal.forget(name)?;
        register.entries.remove(name);
        drop(register);
        self.reader().forget(name);
        self.report_documents(self.board.remove(name));
        let message = "neither its file nor any of its objects is left: it is forgotten";
        self.tell(&event(Level::Info, Some(name), Reason::Forgotten, message));
        Ok(true)
    }
}

fn is_proven(status: &InstanceStatus) -> bool {
    status.condition(ConditionType::Ready).is_some_and(|condition| condition.status == ConditionStatus::True)
}

/// The next `max` of the sorted names behind the last one of before, from the beginning again after the end.
fn in_turn(names: Vec<InstanceName>, before: &mut Option<InstanceName>, max: usize) -> BTreeSet<InstanceName> {
    let start = before.as_ref().map_or(0, |before| names.partition_point(|name| name <= before));
    let chosen: Vec<InstanceName> = names[start..].iter().chain(&names[..start]).take(max).cloned().collect();
    *before = chosen.last().cloned();
    chosen.into_iter().collect()
}

/// Everything that a decision over the fleet needs.
struct Whole {
    facts: Facts,
    /// Whose objects the world shows.
    marks: BTreeMap<InstanceName, Uid>,
    /// The images that were asked for.
    images: BTreeSet<String>,
    /// Instances whose identity only a system could tell that does not answer: nothing may be decided for them.
    unidentified: BTreeSet<InstanceName>,
}

/// Decides over all. Pure, and for 10,000 instances a tenth of a second: not on a thread that serves others. None when the
/// process is ending.
async fn decided(mut facts: Facts, unidentified: BTreeSet<InstanceName>) -> Option<(Facts, Changes)> {
    let decided = tokio::task::spawn_blocking(move || {
        let changes = decide_all(&mut facts, &unidentified, |_| true);
        (facts, changes)
    });
    match decided.await {
        Ok(decided) => Some(decided),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// Decides over the chosen instances. Those that are new keep the ports that this decision gave them.
fn decide_all(
    facts: &mut Facts,
    unidentified: &BTreeSet<InstanceName>,
    chosen: impl Fn(&InstanceName) -> bool,
) -> Changes {
    let mut changes = diff::changes_of_some(facts, chosen);
    for name in unidentified {
        if let Some(decided) = changes.instances.get_mut(name) {
            decided.steps.clear();
        }
    }
    changes.instances.retain(|_, decided| !decided.is_empty());
    for (name, decided) in &changes.instances {
        if let (Some(instance), Some(ports)) = (facts.instances.get_mut(name), ports_of(decided)) {
            instance.ports = Some(ports);
        }
    }
    changes
}
