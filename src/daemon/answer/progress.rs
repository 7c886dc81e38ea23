//! How far steps are that take long, for people: in the documents, in every answer, and for those who watch. Nothing is
//! decided by it.
//!
//! Nobody wakes for it while no step runs. A step that ends within moments is told by its end alone.

use super::scene::Scene;
use crate::control::view::RunView;
use crate::daemon::known::keeper::Keeper;
use crate::edges::engine::{LogQuery, LogSource};
use crate::model::job_progress::JobProgress;
use crate::model::name::InstanceName;
use crate::model::status::Operation;
use crate::model::step_kind::StepKind;
use crate::model::time::Timestamp;
use futures::TryStreamExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How often it looks while steps run. Odoo takes a second or more for each module.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A step that ends sooner is not worth a document.
const TOLD_AFTER_S: i64 = 2;
/// Lines of a job's output in which the last module is looked for: each module writes about ten.
const LINES_MAX: u64 = 400;
/// An output that does not come within this time is looked at the next time.
const OUTPUT_MAX: Duration = Duration::from_secs(5);

/// Follows the steps that run; never ends by itself.
pub(crate) async fn follow(scene: &Scene, keeper: &Arc<Keeper>) {
    let (mut told, mut refreshed) = (BTreeSet::new(), BTreeSet::new());
    loop {
        let running = scene.running();
        if running.is_empty() && told.is_empty() {
            refreshed.clear();
            scene.moved().await;
            tokio::time::sleep(LOOK_EVERY).await;
            continue;
        }
        let slow = slowest(running, keeper.now());
        for name in told.iter().filter(|name| !slow.contains_key(*name)) {
            keeper.report_documents(keeper.board.set_operation(name, None));
        }
        told = slow.keys().cloned().collect();
        for (name, run) in slow {
            // What came before it is done meanwhile: how the instance stands is told anew, once.
            if refreshed.insert(run.id) {
                keeper.refresh_status(&name).await;
            }
            let progress = if is_job(&run) { read(keeper, &name).await } else { None };
            if progress.is_some() && progress != run.progress {
                scene.set_progress(run.id, progress.clone());
                keeper.board.ring();
            }
            // It may have ended while its output was read.
            let operation = scene.runs(run.id).then(|| operation(&run, progress));
            keeper.report_documents(keeper.board.set_operation(&name, operation));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Of each instance the step that takes long, a job before any other.
fn slowest(running: Vec<RunView>, now: Timestamp) -> BTreeMap<InstanceName, RunView> {
    let mut slow: BTreeMap<InstanceName, RunView> = BTreeMap::new();
    for run in running {
        let Some(name) = run.instance.clone() else { continue };
        let is_slow = now.as_second() - run.since.as_second() >= TOLD_AFTER_S;
        if is_slow && slow.get(&name).is_none_or(|other| is_job(&run) && !is_job(other)) {
            slow.insert(name, run);
        }
    }
    slow
}

fn is_job(run: &RunView) -> bool {
    [StepKind::InstallModules, StepKind::SetUp].iter().any(|kind| kind.as_str() == run.kind)
}

/// The module that the instance's job is at; none where its output does not say it, or cannot be read now.
async fn read(keeper: &Keeper, name: &InstanceName) -> Option<JobProgress> {
    let query = LogQuery { source: LogSource::Job, follow: false, tail: Some(LINES_MAX), since_unix_s: None };
    let reading = async {
        let lines = keeper.edges.engine.logs(name, &query).await.ok()?;
        lines.try_collect::<Vec<String>>().await.ok()
    };
    let lines = tokio::time::timeout(OUTPUT_MAX, reading).await.ok().flatten()?;
    JobProgress::of(lines.iter().map(String::as_str))
}

fn operation(run: &RunView, progress: Option<JobProgress>) -> Operation {
    let numbered = progress.as_ref().filter(|progress| progress.of > 1);
    Operation {
        kind: run.kind.clone(),
        id: run.step.to_string(),
        began: run.since,
        step: numbered.map(|progress| progress.step),
        of: numbered.map(|progress| progress.of),
        fraction: progress.as_ref().and_then(JobProgress::fraction),
        module: progress.map(|progress| progress.module),
    }
}
