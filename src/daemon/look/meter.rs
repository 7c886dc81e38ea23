//! Measures what instances use: beside the turns and never in their way, for they decide nothing by it.
//!
//! What runs is counted for all instances at once, every fifteen seconds. Databases cost the server milliseconds each, so
//! some are measured each time; filestores have files in tens of thousands, so one at a time is measured, and then nothing
//! for two hundred times as long as that took. A system that does not answer is left out, and what was known stays.

use crate::daemon::known::gauges::{Part, Reading};
use crate::daemon::known::keeper::{Keeper, event};
use crate::model::event::{Level, Reason};
use crate::model::name::{InstanceName, Resources, Uid};
use crate::model::service::{Component, Tag};
use crate::model::service_plan::Limits;
use crate::model::status::{Alert, UsageStatus, chain};
use crate::model::usage::Resolution;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What runs is counted this often.
const COUNT_EVERY: Duration = Duration::from_secs(Resolution::Sampled.step_s() as u64);
/// The second time it is counted this soon: from two on there is a rate.
const COUNT_AGAIN: Duration = Duration::from_secs(2);
/// Rounds between two writes to the journal: five minutes.
const ROUNDS_UNTIL_KEPT: u32 = Resolution::Minutes.step_s() / Resolution::Sampled.step_s();
/// A database is measured again after this time at the earliest.
const DATABASE_EVERY: Duration = Duration::from_mins(5);
/// Databases measured in one round, 3 ms each: at least so many, in a large fleet the share that makes the round trip ten
/// minutes.
const DATABASES_AT_ONCE_MIN: usize = 8;
const DATABASES_SHARE: usize = 40;
/// A filestore is measured again after this time at the earliest.
const FILESTORE_EVERY: Duration = Duration::from_mins(30);
/// After a filestore was measured nothing is for so many times as long as that took: half a per cent of one core.
const FILESTORE_REST_FACTOR: u32 = 200;
/// But not for longer than this, however slow the disk is.
const FILESTORE_REST_MAX: Duration = Duration::from_mins(10);
/// Nor sooner than this.
const FILESTORE_REST_MIN: Duration = Duration::from_millis(100);
/// When no filestore is due, it is asked again so soon.
const FILESTORE_WAIT: Duration = Duration::from_secs(5);

/// The measuring tasks.
pub(crate) struct Meter {
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Meter {
    /// Begins to measure.
    pub(crate) fn begin(keeper: &Arc<Keeper>) -> Self {
        let meter = Self { tasks: TaskTracker::new(), stopping: CancellationToken::new() };
        meter.spawn(count(Arc::clone(keeper)));
        meter.spawn(measure_filestores(Arc::clone(keeper)));
        meter
    }

    /// Ends it, and keeps what was measured.
    pub(crate) async fn end(self, keeper: &Arc<Keeper>) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        keep(keeper).await;
    }

    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stopping = self.stopping.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                // Cut anywhere: looks change nothing, and what was measured stays in the gauges.
                () = stopping.cancelled() => {}
                () = work => {}
            }
        });
    }
}

async fn count(keeper: Arc<Keeper>) {
    for round in 0_u32.. {
        round_of(&keeper).await;
        if round % ROUNDS_UNTIL_KEPT == ROUNDS_UNTIL_KEPT - 1 {
            keep(&keeper).await;
        }
        tokio::time::sleep(if round == 0 { COUNT_AGAIN } else { COUNT_EVERY }).await;
    }
}

async fn round_of(keeper: &Arc<Keeper>) {
    let subjects = subjects(keeper);
    let counted = match keeper.edges.engine.usage().await {
        Ok(counted) => counted,
        Err(error) => {
            tracing::debug!(error = %chain(&error), "what instances use could not be counted");
            return;
        }
    };
    keeper.gauges.count(&subjects.keys().cloned().collect(), &counted, Instant::now());
    measure_databases(keeper, subjects.len()).await;
    let readings = keeper.gauges.read(&subjects, keeper.now());
    for (name, reading) in &readings {
        tell(keeper, name, reading);
    }
    let measured = readings.into_iter().map(|(name, reading)| {
        let measured = (reading.usage.clone(), alerts(&name, &reading));
        (name, measured)
    });
    let measured: BTreeMap<InstanceName, (UsageStatus, Vec<Alert>)> = measured.collect();
    keeper.report_documents(keeper.board.measure(measured));
}

/// Instances that were met and whose wish is known, with what they may use.
fn subjects(keeper: &Keeper) -> BTreeMap<InstanceName, Limits> {
    let register = keeper.register();
    let met = register.entries.iter().filter(|(_, entry)| entry.met);
    met.filter_map(|(name, entry)| Some((name.clone(), entry.facts.wanted.as_ref()?.limits.clone()))).collect()
}

async fn measure_databases(keeper: &Keeper, instances: usize) {
    let max = DATABASES_AT_ONCE_MIN.max(instances / DATABASES_SHARE);
    let due = keeper.gauges.due(Part::Database, DATABASE_EVERY, max, Instant::now());
    if due.is_empty() {
        return;
    }
    let names: BTreeSet<String> = due.iter().map(|name| Resources::of(name).database).collect();
    let sizes = keeper.edges.database.sizes(&names).await;
    let now = Instant::now();
    for name in &due {
        match &sizes {
            Ok(sizes) => {
                let bytes = sizes.get(&Resources::of(name).database).copied();
                keeper.gauges.measure(Part::Database, name, bytes, now);
            }
            Err(_) => keeper.gauges.missed(Part::Database, name, now),
        }
    }
    if let Err(error) = sizes {
        tracing::debug!(error = %chain(&error), "databases could not be measured");
    }
}

async fn measure_filestores(keeper: Arc<Keeper>) {
    loop {
        let due = keeper.gauges.due(Part::Filestore, FILESTORE_EVERY, 1, Instant::now());
        let subject = due.into_iter().next().and_then(|name| {
            let uid = keeper.register().entries.get(&name)?.facts.uid;
            Some((name, uid))
        });
        let Some((name, uid)) = subject else {
            tokio::time::sleep(FILESTORE_WAIT).await;
            continue;
        };
        let began = Instant::now();
        measure_filestore(&keeper, &name, uid).await;
        let rest = began.elapsed() * FILESTORE_REST_FACTOR;
        tokio::time::sleep(rest.clamp(FILESTORE_REST_MIN, FILESTORE_REST_MAX)).await;
    }
}

async fn measure_filestore(keeper: &Keeper, name: &InstanceName, uid: Uid) {
    let tag = Tag { instance: name.clone(), uid, component: Component::Volume, digest: String::new() };
    let measured = keeper.edges.engine.volume_bytes(&Resources::of(name).volume, &tag).await;
    let now = Instant::now();
    match measured {
        Ok(Some(bytes)) => keeper.gauges.measure(Part::Filestore, name, Some(bytes), now),
        // None is there yet, or none can be measured: both are asked again later, others first.
        Ok(None) => keeper.gauges.missed(Part::Filestore, name, now),
        Err(error) => {
            tracing::debug!(error = %chain(&error), "a filestore could not be measured");
            keeper.gauges.missed(Part::Filestore, name, now);
        }
    }
}

fn tell(keeper: &Keeper, name: &InstanceName, reading: &Reading) {
    for warning in &reading.begun {
        let level = if warning.reason == Reason::OutOfMemory { Level::Error } else { Level::Warning };
        let told = event(level, Some(name), warning.reason, warning.message.clone());
        keeper.tell(&told);
    }
    for warning in &reading.ended {
        let message = format!("{} is over", warning.reason.as_str());
        keeper.tell(&event(Level::Info, Some(name), Reason::StrainOver, message));
    }
}

fn alerts(name: &InstanceName, reading: &Reading) -> Vec<Alert> {
    let alert = |warning: &crate::health::Warning| Alert {
        instance: Some(name.clone()),
        reason: warning.reason.as_str().to_owned(),
        message: warning.message.clone(),
        since: warning.since,
        silence: None,
    };
    reading.warnings.iter().map(alert).collect()
}

/// Puts what was measured into the journal, in one write.
async fn keep(keeper: &Arc<Keeper>) {
    let points = keeper.gauges.take_unkept();
    if points.is_empty() {
        return;
    }
    let journal = keeper.journal.clone();
    match tokio::task::spawn_blocking(move || journal.keep_usage(&points)).await {
        Ok(kept) => keeper.report(kept, "could not keep the usage"),
        Err(error) => tracing::error!(%error, "could not keep the usage"),
    }
}
