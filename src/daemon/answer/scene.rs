//! What goes on, for those who watch: steps on their way with how long such steps take, and the last events.
//!
//! It hears the journal's news. Everything in it is for people's eyes and may be lost.

use crate::control::view::{Cursor, EVENTS_KEPT_MAX, RUNS_KEPT_MAX, RunView, View};
use crate::daemon::known::keeper::Keeper;
use crate::journal::{EventFilter, Journal, News};
use crate::model::event::{Event, Level};
use crate::model::job_progress::JobProgress;
use crate::model::name::InstanceName;
use crate::model::step::StepId;
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::sync::broadcast::error::RecvError;

/// Durations remembered for each kind of step; their median is what is expected.
const DURATIONS_KEPT_MAX: usize = 15;

/// What goes on.
#[derive(Default)]
pub(crate) struct Scene {
    inner: Mutex<Inner>,
    /// Rung when a step begins.
    began: Notify,
}

#[derive(Default)]
struct Inner {
    revision: u64,
    /// By id, so oldest first: those that run and the last that ended, each with its revision.
    runs: BTreeMap<u64, (u64, RunView)>,
    /// The newest revision of a run that was dropped: whoever has not been told of it must be told all.
    dropped: u64,
    next_run: u64,
    durations_ms: BTreeMap<String, VecDeque<u64>>,
    /// The last events.
    events: VecDeque<Event>,
    /// Events heard since the start.
    heard: u64,
}

impl Scene {
    /// Takes up the last events of the journal, so that the first watcher sees what happened before.
    pub(crate) fn open(journal: &Journal) -> Arc<Self> {
        let filter = EventFilter { limit: EVENTS_KEPT_MAX, min_level: Level::Info, ..EventFilter::default() };
        let scene = Self::default();
        if let Ok(events) = journal.events(&filter) {
            let mut inner = scene.inner();
            inner.heard = events.len() as u64;
            inner.events = events.into();
        }
        Arc::new(scene)
    }

    /// Hears the news of the keeper's journal, and has watchers look.
    pub(crate) async fn listen(&self, keeper: &Keeper) {
        let mut news = keeper.journal.follow();
        loop {
            match news.recv().await {
                Ok(News::StepEnded { instance, step, error }) => {
                    if let Some(name) = &instance {
                        keeper.report_documents(keeper.board.end_operation(name, &step));
                    }
                    self.hear(News::StepEnded { instance, step, error }, keeper.now());
                }
                Ok(news) => self.hear(news, keeper.now()),
                Err(RecvError::Lagged(missed)) => self.inner().missed(missed),
                Err(RecvError::Closed) => return,
            }
            keeper.board.ring();
        }
    }

    fn hear(&self, news: News, now: Timestamp) {
        let mut inner = self.inner();
        match news {
            News::StepBegan { instance, step, reason } => {
                inner.began(instance, step, reason, now);
                self.began.notify_one();
            }
            News::StepEnded { instance, step, error } => inner.ended(&instance, &step, error, now),
            News::Recorded(event) => inner.recorded(event),
        }
    }

    /// Adds what is newer than `cursor` to `view`, and moves the cursor on.
    pub(crate) fn view_since(&self, cursor: &mut Cursor, view: &mut View) {
        let inner = self.inner();
        view.runs_whole = view.whole || cursor.runs < inner.dropped;
        let since = if view.runs_whole { 0 } else { cursor.runs };
        view.runs = inner.runs.values().filter(|(at, _)| *at > since).map(|(_, run)| run.clone()).collect();
        cursor.runs = inner.revision;
        let told = if view.whole { 0 } else { cursor.events };
        let kept = inner.events.len() as u64;
        let new = inner.heard - told.min(inner.heard);
        view.events = inner.events.iter().skip(kept.saturating_sub(new) as usize).cloned().collect();
        // At first only what is kept is promised.
        view.events_missed = if told == 0 { 0 } else { new.saturating_sub(kept) };
        cursor.events = inner.heard;
    }

    /// The steps that run, the oldest first.
    pub(super) fn running(&self) -> Vec<RunView> {
        self.inner().runs.values().map(|(_, run)| run).filter(|run| run.ended.is_none()).cloned().collect()
    }

    /// True while this step runs.
    pub(super) fn runs(&self, id: u64) -> bool {
        self.inner().runs.get(&id).is_some_and(|(_, run)| run.ended.is_none())
    }

    /// Waits until a step begins, or began since this was waited for last.
    pub(super) async fn moved(&self) {
        self.began.notified().await;
    }

    /// Notes how far a step is.
    pub(super) fn set_progress(&self, id: u64, progress: Option<JobProgress>) {
        let mut inner = self.inner();
        inner.revision += 1;
        let revision = inner.revision;
        if let Some((at, run)) = inner.runs.get_mut(&id) {
            (*at, run.progress) = (revision, progress);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn began(&mut self, instance: Option<InstanceName>, step: StepId, reason: String, now: Timestamp) {
        let kind = kind_of(&step).to_owned();
        let expected_ms = self.durations_ms.get(&kind).map(median);
        self.next_run += 1;
        self.revision += 1;
        let id = self.next_run;
        let (since, progress, ended, error) = (now, None, None, None);
        let run = RunView { id, instance, step, kind, reason, since, expected_ms, progress, ended, error };
        self.runs.insert(id, (self.revision, run));
        while self.runs.len() > RUNS_KEPT_MAX {
            let Some(oldest) = self.runs.iter().find(|(_, (_, run))| run.ended.is_some()).map(|(id, _)| *id) else {
                break;
            };
            if let Some((at, _)) = self.runs.remove(&oldest) {
                self.dropped = self.dropped.max(at);
            }
        }
    }

    fn ended(&mut self, instance: &Option<InstanceName>, step: &StepId, error: Option<String>, now: Timestamp) {
        self.revision += 1;
        let revision = self.revision;
        let open = self
            .runs
            .values_mut()
            .rev()
            .find(|(_, run)| run.ended.is_none() && run.step == *step && run.instance == *instance);
        let Some((at, run)) = open else { return };
        (*at, run.ended, run.error) = (revision, Some(now), error);
        if run.error.is_none() {
            let took_ms = u64::try_from(now.as_millisecond() - run.since.as_millisecond()).unwrap_or_default();
            let durations = self.durations_ms.entry(run.kind.clone()).or_default();
            durations.push_back(took_ms);
            if durations.len() > DURATIONS_KEPT_MAX {
                durations.pop_front();
            }
        }
    }

    /// What was missed may have ended any step: none is told as running on a guess. Nobody's state depends on it.
    fn missed(&mut self, news: u64) {
        self.heard += news;
        self.revision += 1;
        self.runs.retain(|_, (_, run)| run.ended.is_some());
        self.dropped = self.revision;
    }

    fn recorded(&mut self, event: Event) {
        self.heard += 1;
        self.events.push_back(event);
        if self.events.len() > EVENTS_KEPT_MAX {
            self.events.pop_front();
        }
    }
}

/// The kind of a step: its id without the instance and without which one of several it is.
fn kind_of(step: &StepId) -> &str {
    let key = step.0.split_once('/').map_or(step.0.as_str(), |(_, key)| key);
    key.split_once(':').map_or(key, |(kind, _)| kind)
}

fn median(durations: &VecDeque<u64>) -> u64 {
    let mut sorted: Vec<u64> = durations.iter().copied().collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn run(scene: &Scene, nth: usize, ends: bool) {
        let (instance, step) = (InstanceName::parse("acme").ok(), StepId(format!("acme/put-site:{nth}")));
        let mut inner = scene.inner();
        inner.began(instance.clone(), step.clone(), String::new(), Timestamp::UNIX_EPOCH);
        if ends {
            inner.ended(&instance, &step, None, Timestamp::UNIX_EPOCH);
        }
    }

    /// The ids of those that run, as a watcher has it who was told these views.
    fn told(scene: &Scene, cursor: &mut Cursor, known: &mut BTreeSet<u64>) -> bool {
        let mut view = View::nothing(Timestamp::UNIX_EPOCH);
        scene.view_since(cursor, &mut view);
        if view.runs_whole {
            known.clear();
        }
        for run in view.runs {
            let _ = if run.ended.is_none() { known.insert(run.id) } else { known.remove(&run.id) };
        }
        view.runs_whole
    }

    #[test]
    fn a_watcher_hears_of_every_end_however_many_there_were() {
        let (scene, mut cursor, mut known) = (Scene::default(), Cursor::default(), BTreeSet::new());
        run(&scene, 0, false);
        assert!(!told(&scene, &mut cursor, &mut known), "nothing was dropped");
        assert_eq!(known, [1].into());
        let step = StepId("acme/put-site:0".to_owned());
        scene.inner().ended(&InstanceName::parse("acme").ok(), &step, None, Timestamp::UNIX_EPOCH);
        // Its end and some more are dropped before the watcher looks again.
        (1..=RUNS_KEPT_MAX + 5).for_each(|nth| run(&scene, nth, true));
        run(&scene, 1_000, false);
        assert!(told(&scene, &mut cursor, &mut known));
        assert_eq!(known, [RUNS_KEPT_MAX as u64 + 7].into(), "only the last one runs");
        run(&scene, 1_001, false);
        assert!(!told(&scene, &mut cursor, &mut known), "only what is new is told again");
        assert_eq!(known.len(), 2);
    }
}
