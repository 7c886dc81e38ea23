//! Minutes in which nobody but Innkeeper does anything, and it looks as often as its daemon does: whoever was ready once, is
//! wanted running and is not served for five of them has an alert that says so.

use super::{Course, SETTLE, turns};
use crate::rehearsed::paper::NAMES;
use crate::rehearsed::{clock, invariants};
use crate::world::name;
use innkeeper::daemon::Keeper;
use innkeeper::model::name::InstanceName;
use innkeeper::model::status::{ConditionStatus, ConditionType, InstanceStatus, State};
use innkeeper::model::wanted::WantedState;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The daemon looks at everything so often.
const LOOK: Duration = Duration::from_secs(60);
const LOOKS: u32 = 8;
/// Nobody is down for longer without an alert.
const UNTOLD_MAX: Duration = Duration::from_secs(300);

impl Course {
    pub(super) async fn vigil(&mut self) {
        let Some(keeper) = self.keeper.clone() else { return };
        let mut down_since: BTreeMap<InstanceName, Instant> = BTreeMap::new();
        self.note("vigil");
        for _ in 0..LOOKS {
            let rehearsal = self.rehearsal.clone();
            let dead = tokio::select! {
                biased;
                () = rehearsal.crashed() => true,
                _ = turns(&keeper, SETTLE) => false,
            };
            self.tally.calls += self.rehearsal.calls().len() as u64;
            self.rehearsal.forget_calls();
            if dead {
                self.tally.crashes += 1;
                self.note("died in a vigil");
                drop(keeper);
                return self.end_life().await;
            }
            self.remember_the_ready(&keeper);
            for text in NAMES {
                self.check_told(&keeper, &name(text), &mut down_since);
            }
            self.rest(LOOK).await;
        }
    }

    pub(super) fn remember_the_ready(&mut self, keeper: &Keeper) {
        let statuses = keeper.board().names().into_iter().filter_map(|name| keeper.board().get(&name));
        let ready = statuses.filter(|status| status.state == State::Ready).filter_map(|status| status.uid);
        self.was_ready.extend(ready);
    }

    fn check_told(&mut self, keeper: &Keeper, name: &InstanceName, down_since: &mut BTreeMap<InstanceName, Instant>) {
        let status = keeper.board().get(name).filter(|status| self.is_to_serve(status));
        let is_served = self.rehearsal.with(|world| invariants::is_served(world, name));
        let Some(status) = status.filter(|_| !is_served) else {
            down_since.remove(name);
            return;
        };
        let since = down_since.entry(name.clone()).or_insert_with(Instant::now);
        if since.elapsed() < UNTOLD_MAX {
            return;
        }
        self.tally.downs += 1;
        if !invariants::is_told(keeper.board(), name) {
            let down_s = since.elapsed().as_secs();
            self.violate(format!(
                "{name} is down for {down_s} s at {:.0} and no alert says so: {status:#?}",
                clock::now()
            ));
        }
    }

    /// It was ready in this life, and nobody wants it to stop.
    fn is_to_serve(&self, status: &InstanceStatus) -> bool {
        let ending =
            status.condition(ConditionType::RetirePending).is_some_and(|it| it.status != ConditionStatus::False);
        status.uid.is_some_and(|uid| self.was_ready.contains(&uid)) && status.wanted == WantedState::Running && !ending
    }
}
