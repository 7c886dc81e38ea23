//! Long work: installations, set-ups, certificates, backups and reading them back. A turn begins it and ends; what comes of
//! it stands in the journal, and in the next look. So no turn waits for it: neither another instance's nor its own.
//!
//! Each piece of work first waits for a place in the lane of its kind, and then takes its step as any other: intent, act,
//! result.

use super::{Context, retry, take};
use crate::apply::End;
use crate::diff::facts::LongWork;
use crate::model::name::InstanceName;
use crate::model::step::Step;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The long work that goes on. Clones are the same list.
#[derive(Clone, Default)]
pub struct WorkList {
    inner: Arc<Mutex<Inner>>,
    tasks: TaskTracker,
    /// Once cancelled, work is dropped where it is.
    cut: CancellationToken,
}

#[derive(Default)]
struct Inner {
    going: BTreeMap<InstanceName, BTreeMap<String, Item>>,
    /// Steps that were done since it was asked last.
    done: BTreeMap<InstanceName, u64>,
}

struct Item {
    facts: LongWork,
    stop: CancellationToken,
}

/// One piece of work, in the list for as long as this lives: also a task that panics takes it off.
struct Going {
    list: WorkList,
    instance: InstanceName,
    key: String,
}

impl WorkList {
    /// What goes on for this instance, by the step's key.
    pub fn of(&self, instance: &InstanceName) -> BTreeMap<String, LongWork> {
        let inner = self.inner();
        let items = inner.going.get(instance).into_iter().flatten();
        items.map(|(key, item)| (key.clone(), item.facts.clone())).collect()
    }

    /// How many steps were done for this instance since this was asked last.
    pub fn take_done(&self, instance: &InstanceName) -> u64 {
        self.inner().done.remove(instance).unwrap_or_default()
    }

    /// Ends this work. What waits for a place is gone at once; what runs ends as in a shutdown.
    pub fn let_go(&self, instance: &InstanceName, keys: &[String]) {
        let mut inner = self.inner();
        let Some(items) = inner.going.get_mut(instance) else { return };
        for key in keys {
            if let Some(item) = items.get(key) {
                item.stop.cancel();
            }
            if items.get(key).is_some_and(|item| !item.facts.running) {
                items.remove(key);
            }
        }
    }

    /// Completes once nothing goes on any more. Call it when no turn is left that could begin something.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Drops what still runs: every step wrote its intent first, and every effect can be done again.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Puts the step on the list; none where it stands there already.
    fn enter(&self, instance: &InstanceName, step: &Step, stop: &CancellationToken) -> Option<Going> {
        let facts = LongWork { work: step.action.work()?, running: false };
        let mut inner = self.inner();
        let items = inner.going.entry(instance.clone()).or_default();
        if items.contains_key(step.key()) {
            return None;
        }
        items.insert(step.key().to_owned(), Item { facts, stop: stop.clone() });
        Some(Going { list: self.clone(), instance: instance.clone(), key: step.key().to_owned() })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going {
    /// It has its place and begins. False: it was let go meanwhile.
    fn begin(&self) -> bool {
        let mut inner = self.list.inner();
        let item = inner.going.get_mut(&self.instance).and_then(|items| items.get_mut(&self.key));
        let Some(item) = item.filter(|item| !item.stop.is_cancelled()) else { return false };
        item.facts.running = true;
        true
    }

    fn done(&self) {
        *self.list.inner().done.entry(self.instance.clone()).or_default() += 1;
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let mut inner = self.list.inner();
        let Some(items) = inner.going.get_mut(&self.instance) else { return };
        items.remove(&self.key);
        if items.is_empty() {
            inner.going.remove(&self.instance);
        }
    }
}

/// Begins the step and returns. `context.woken` is called when it has ended.
pub(super) fn begin(step: &Step, context: &Context) {
    let Some(instance) = &context.instance else { return };
    let context = Context { stopping: context.stopping.child_token(), ..context.clone() };
    let Some(going) = context.work.enter(instance, step, &context.stopping) else { return };
    let (list, step) = (context.work.clone(), step.clone());
    let cut = list.cut.clone();
    list.tasks.spawn(async move {
        tokio::select! {
            biased;
            () = cut.cancelled() => {}
            is_known = carry_out(&step, &context, &going) => {
                drop(going);
                if is_known {
                    (context.woken)();
                }
            }
        }
    });
}

/// False when it failed and that could not be noted: nothing would keep the next turn from beginning it again at once. The next
/// look at everything finds it.
async fn carry_out(step: &Step, context: &Context, going: &Going) -> bool {
    let place = tokio::select! {
        biased;
        () = context.stopping.cancelled() => return true,
        place = context.lanes.of(&step.action).acquire() => place,
    };
    // No lane is ever closed.
    let Ok(_place) = place else { return true };
    if !going.begin() {
        return true;
    }
    match take(step, context).await {
        End::Done => going.done(),
        End::Failed(fault) => return retry::note_failure(step, fault, context).noted,
        End::Interrupted => {}
    }
    true
}
