//! How a course ends: nothing goes wrong any more, and all must come to rest, be ready, and only be looked at from then on.

use super::{Course, SETTLE, turns};
use crate::rehearsed::paper::{NAMES, Wish};
use crate::rehearsed::{clock, invariants};
use crate::world::name;
use innkeeper::adapters::rehearsal::{Call, Faults, World};
use innkeeper::daemon::turn::{Report, Subject};
use innkeeper::journal::RollOutRow;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::errand::ErrandKind;
use innkeeper::model::name::InstanceName;
use innkeeper::model::status::State;
use innkeeper::model::time::Timestamp;
use std::time::Duration;

/// Once nothing goes wrong any more, so many passes suffice.
const PASSES_MAX: u32 = 40;
/// Between two of them at most so long: a day is the longest back-off (certificates), and its jitter.
const WAIT_S_MAX: i64 = 31 * 3_600;
/// A container that did not end by itself for so long is in no loop any more.
const LOOP_OVER: Duration = Duration::from_secs(301);
/// The longest wait in a fight over drift.
const FIGHT_S: i64 = 1_920;

impl Course {
    /// Nothing goes wrong any more, a person has put right what only a person can: now all must come to rest.
    pub(super) async fn calm(&mut self) {
        self.note("calm");
        self.rehearsal.set_faults(Faults::default());
        self.person_tidies();
        self.quiet_pass().await;
        self.retry_failures();
        let mut settled = false;
        for _ in 0..PASSES_MAX {
            let Some(reports) = self.quiet_pass().await else { return self.violate("it does not start") };
            self.pass_by_the_bereft();
            settled = reports.iter().all(|report| self.at_rest(report));
            if settled {
                break;
            }
            self.rest(self.wait()).await;
        }
        if !settled {
            self.violate(format!("not settled after {PASSES_MAX} passes"));
        }
        // Whoever ended by itself again and again counts as such for a while.
        self.rest(LOOP_OVER).await;
        self.quiet_pass().await;
        self.check_all_ready().await;
        self.check_only_reads().await;
        self.check_leftovers();
    }

    fn person_tidies(&mut self) {
        self.paper.tidy();
        for text in NAMES {
            let database = format!("odoo_{text}");
            let release = |world: &mut World| {
                let job = format!("ik-{text}-job-install");
                // A job that was begun brings its own release in, whatever is written meanwhile.
                let coming = world.containers.get(&job).is_some_and(|job| job.image == "odoo:17.0");
                let inside = world.databases.get(&database).and_then(|it| it.odoo.base_version.clone());
                inside.map_or(coming, |version| version.starts_with("17"))
            };
            let odoo = if self.rehearsal.with(release) { "17.0" } else { "19.0" };
            let wish = Wish { odoo: odoo.to_owned(), ..Wish::modest() };
            self.paper.put_instance(text, &wish);
        }
        self.rehearsal.with(invariants::remove_foreign);
    }

    fn retry_failures(&mut self) {
        let Some(keeper) = &self.keeper else { return };
        for (name, failures) in keeper.journal().all_failures().unwrap() {
            if failures.values().any(|failure| failure.permanent) {
                keeper.journal().add_errand(&name, ErrandKind::Retry, "simulation").unwrap();
            }
        }
    }

    /// A roll-out stops at whose data were destroyed while it went on: the person has the others not wait for that.
    fn pass_by_the_bereft(&self) {
        let Some(keeper) = &self.keeper else { return };
        let parts = keeper.journal().roll_outs().unwrap();
        let stops = |(name, part): &(&InstanceName, &RollOutRow)| self.is_bereft(name) && !part.done && !part.late;
        let Some((at, _)) = parts.iter().find(stops) else { return };
        for (name, _) in parts.iter().filter(|(name, part)| *name != at && !part.done) {
            keeper.journal().add_errand(name, ErrandKind::Retry, "simulation").unwrap();
        }
    }

    /// A pass in which nothing goes wrong; none where Innkeeper does not start.
    async fn quiet_pass(&mut self) -> Option<Vec<Report>> {
        if self.keeper.is_none() && !self.open() {
            return None;
        }
        let keeper = self.keeper.clone()?;
        self.tally.passes += 1;
        let reports = turns(&keeper, SETTLE).await;
        keeper.work_ended().await;
        let calls = self.rehearsal.calls();
        self.tally.calls += calls.len() as u64;
        self.diary.extend(
            calls.iter().filter(|call| call.is_effect()).map(|call| format!("  {}", invariants::describe(call))),
        );
        self.rehearsal.forget_calls();
        let fights = |report: &Report| report.changes.holds.iter().any(|hold| hold.reason == HoldReason::DriftFight);
        self.fights = reports.iter().any(fights);
        let restless = reports.iter().filter(|report| !self.at_rest(report));
        let told = restless.map(|report| {
            let holds: Vec<&str> = report.changes.holds.iter().map(|hold| hold.message.as_str()).collect();
            format!("  {:?} holds {holds:?} failed {:?}", report.subject, report.failed)
        });
        let told: Vec<String> = told.collect();
        let new: Vec<String> = told.into_iter().filter(|line| !self.diary.contains(line)).collect();
        self.diary.extend(new);
        Some(reports)
    }

    /// Nothing is to be done and nothing is waited for; of whom data were destroyed, nothing but a person.
    fn at_rest(&self, report: &Report) -> bool {
        let missing = report.changes.holds.iter().any(|hold| hold.reason == HoldReason::DataMissing);
        let bereft = matches!(&report.subject, Subject::Instance(name) if self.is_bereft(name));
        report.settled || bereft && missing && report.changes.steps.is_empty() && report.failed.is_empty()
    }

    /// Others destroyed its data, or it was wanted again when its purge had begun: it stays held until a person comes.
    fn is_bereft(&self, name: &InstanceName) -> bool {
        let tombstones = self.keeper.as_ref().map(|keeper| keeper.journal().tombstones().unwrap()).unwrap_or_default();
        self.bereft.contains(name) || tombstones.get(name).is_some_and(|tombstone| tombstone.purging)
    }

    /// Until something is tried again.
    fn wait(&self) -> Duration {
        let failures = self.keeper.as_ref().map(|keeper| keeper.journal().all_failures().unwrap()).unwrap_or_default();
        let tries = failures.values().flat_map(|failures| failures.values().filter_map(|it| it.next_try));
        let ahead = tries.filter(|next| *next > clock::now());
        let wait_s = ahead.min().map_or(0, |next: Timestamp| next.as_second() - clock::now().as_second() + 1);
        let least_s = if self.fights { FIGHT_S } else { 5 };
        Duration::from_secs(wait_s.clamp(least_s, WAIT_S_MAX).unsigned_abs())
    }

    async fn check_all_ready(&mut self) {
        let Some(keeper) = self.keeper.clone() else { return };
        let plan = keeper.plan(&[]).await.unwrap();
        for text in NAMES {
            let status = plan.statuses.get(&name(text));
            let ready = status.is_some_and(|status| status.state == State::Ready);
            let missing =
                status.is_some_and(|status| status.holds.iter().any(|hold| hold.reason == HoldReason::DataMissing));
            let excused = missing && self.is_bereft(&name(text));
            if !(ready || excused) {
                self.violate(format!("{text} is not ready: {status:?}, {:?}", plan.changes.instances.get(&name(text))));
            }
        }
    }

    /// A settled pass only looks, and leaves the journal and the documents alone; but for the clock, which is written down
    /// once a minute while a grace period or the guard counts.
    async fn check_only_reads(&mut self) {
        let Some(keeper) = self.keeper.clone() else { return };
        // Of whom data were destroyed a step may wait for its time still: that it came is told.
        self.rest(self.wait()).await;
        turns(&keeper, SETTLE).await;
        keeper.work_ended().await;
        self.rest(Duration::from_secs(5)).await;
        self.rehearsal.forget_calls();
        let written = || (keeper.journal().rows_written().unwrap(), keeper.board().documents_written());
        let ticked = || keeper.journal().since_tick(&clock::uptime()).unwrap();
        let statuses = || NAMES.map(|text| keeper.board().get(&name(text)));
        let (before, stood, tick) = (written(), statuses(), ticked());
        turns(&keeper, SETTLE).await;
        let effects: Vec<Call> = self.rehearsal.calls().into_iter().filter(Call::is_effect).collect();
        if !effects.is_empty() {
            self.violate(format!("a settled pass did {effects:?}"));
        }
        let clock_rows = u64::from(ticked() < tick);
        if written() != (before.0 + clock_rows, before.1) {
            let differ = stood.into_iter().zip(statuses()).filter(|(before, after)| before != after);
            let differ: Vec<_> = differ.collect();
            self.violate(format!("a settled pass wrote: {before:?}, then {:?}: {differ:#?}", written()));
        }
    }

    /// Nothing of ours is left that nobody needs. A database that was half dropped when its instance was wanted again is kept
    /// for a person, as all that is left then.
    fn check_leftovers(&mut self) {
        let leftovers = self.rehearsal.with(|world| invariants::leftovers(world, &NAMES));
        let is_kept = |leftover: &String| {
            let database = leftover.strip_prefix("database odoo_").and_then(|rest| rest.strip_suffix(" is left over"));
            database.is_some_and(|text| NAMES.contains(&text) && self.is_bereft(&name(text)))
        };
        let leftovers: Vec<String> = leftovers.into_iter().filter(|leftover| !is_kept(leftover)).collect();
        leftovers.into_iter().for_each(|leftover| self.violate(leftover));
    }
}
