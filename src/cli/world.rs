//! What commands know of the world: the daemon over its socket, the status documents that it wrote, or a look of their
//! own when no daemon runs.

use super::context::Context;
use super::doctor::Finding;
use super::failure::{Failure, Trouble};
use super::{fleet, rehearse};
use crate::connect::{ConnectError, KEY_FILE, SECRETS_DIR, SecretsError, connect, connect_to_look};
use crate::control::{Client, ControlError};
use crate::daemon::known::board::{Board, STATUS_DIR};
use crate::daemon::known::lock::LockError;
use crate::daemon::{self, Conduct, Connection, Keeper, OpenError, Place, Plan, ScanError};
use crate::diff::facts::{Facts, GuardFacts, HostFacts};
use crate::edges::{Edge, EdgeError, Edges, ErrorKind};
use crate::model::changes::{Changes, HoldReason};
use crate::model::live::{Live, Seen};
use crate::model::name::InstanceName;
use crate::model::secret::InstallationKey;
use crate::model::settings::Settings;
use crate::model::status::{DaemonStatus, FleetStatus, InstanceStatus, chain};
use crate::model::time::told;
use crate::model::usage::UsageHistory;
use crate::observe;
use crate::spec::Fleet;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Threads that still wait for a disk may end within this time.
const RUNTIME_END_MAX: Duration = Duration::from_secs(2);

/// Runs what waits for systems. The runtime is made only here, so that `--version` needs none.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    run_on(tokio::runtime::Builder::new_multi_thread(), work)
}

/// The same on this thread alone: what it takes does not depend on how many cores the host has.
pub(crate) fn block_on_this_thread<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    run_on(tokio::runtime::Builder::new_current_thread(), work)
}

fn run_on<T>(mut runtime: tokio::runtime::Builder, work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|e| Failure::new(Trouble::Failed, format!("could not start the runtime: {e}")))?;
    let done = runtime.block_on(work);
    // A thread that waits for a disk which does not answer would be waited for until it does.
    runtime.shutdown_timeout(RUNTIME_END_MAX);
    Ok(done)
}

/// A conversation with the daemon; none when no daemon runs.
pub(crate) async fn daemon(settings: &Settings) -> Result<Option<Client>, Failure> {
    match Client::connect(&settings.fleet.state_dir).await {
        Ok(client) => Ok(Some(client)),
        Err(ControlError::NoDaemon(_)) => Ok(None),
        Err(error) => Err(of_control(&error)),
    }
}

/// True when a daemon answers.
pub(crate) fn daemon_runs(settings: &Settings) -> bool {
    matches!(block_on(daemon(settings)), Ok(Ok(Some(_))))
}

/// What went wrong in a conversation with the daemon.
pub(crate) fn of_control(error: &ControlError) -> Failure {
    let failure = Failure::new(Trouble::NoDaemon, chain(error));
    match error {
        ControlError::NoDaemon(_) => failure.hint("start it with `innkeeper run`"),
        ControlError::Refused(_) => Failure::new(Trouble::Failed, chain(error)),
        ControlError::Broken(_) | ControlError::Late => failure.hint("see whether it still runs: `innkeeper doctor`"),
        ControlError::Denied(_) | ControlError::Version { .. } => failure,
    }
}

/// What kept the keeper from being made.
fn of_open(error: &OpenError) -> Failure {
    match error {
        OpenError::Fleet(error) => Failure::of_problems(error.problems.clone(), "the fleet cannot be read"),
        OpenError::Lock(lock) => of_lock(lock),
        OpenError::Connect(error) => match error.downcast_ref::<ConnectError>() {
            Some(error) => of_connect(error),
            None => Failure::new(Trouble::KeyMissing, chain(error.as_ref())),
        },
        OpenError::Journal(error) => fleet::of_journal(error),
        OpenError::State { dir, source } => Failure::of_file(dir, "use the state directory", source),
    }
}

fn of_lock(error: &LockError) -> Failure {
    match error {
        LockError::Held { .. } => Failure::new(Trouble::Locked, chain(error))
            .hint("wait for it to end; while a daemon runs, `innkeeper apply` hands itself over to it"),
        LockError::File { file, source } => Failure::of_file(file, "lock", source),
    }
}

fn of_connect(error: &ConnectError) -> Failure {
    let failure = match error {
        ConnectError::Secrets(SecretsError::File { file, source, doing }) => Failure::of_file(file, doing, source),
        ConnectError::Secrets(_) => Failure::new(Trouble::KeyMissing, chain(error)),
        ConnectError::Journal(error) => fleet::of_journal(error),
        ConnectError::Edge(error) => of_edge(error),
    };
    match failure.trouble {
        Trouble::Forbidden => {
            failure.hint("only the user that the daemon runs as, usually root, may read the installation's secrets")
        }
        _ => failure,
    }
}

pub(crate) fn of_scan(error: &ScanError) -> Failure {
    match error {
        ScanError::Fleet(error) => Failure::of_problems(error.problems.clone(), "the fleet cannot be read"),
        ScanError::Journal(error) => fleet::of_journal(error),
        ScanError::Cut(_) => Failure::new(Trouble::Failed, chain(error)),
    }
}

/// What went wrong at an edge.
pub(crate) fn of_edge(error: &EdgeError) -> Failure {
    match error.kind {
        ErrorKind::Unreachable | ErrorKind::Timeout => unreachable(error.edge, &chain(error)),
        _ => Failure::new(Trouble::Failed, chain(error)),
    }
}

fn unreachable(edge: Edge, why: &str) -> Failure {
    let trouble = match edge {
        Edge::Engine => Trouble::NoDocker,
        Edge::Database => Trouble::NoPostgres,
        Edge::Proxy => Trouble::NoNginx,
        Edge::Authority => Trouble::NoAuthority,
        Edge::Archive => Trouble::NoArchive,
    };
    Failure::new(trouble, format!("{edge} could not be looked at: {why}"))
        .hint("`innkeeper doctor` says what is wrong and how to mend it")
}

/// The systems that a look did not see, and why. Without the archive all is seen but what waits for a backup.
pub(crate) fn unseen_edges<'l>(live: &'l Live, changes: &Changes) -> Vec<(Edge, &'l str)> {
    let waits_for = |why: &str| {
        let mut holds = changes.instances.values().flat_map(|it| &it.holds);
        holds.any(|hold| hold.reason == HoldReason::Unseen && hold.message == why)
    };
    let unseen = observe::unseen(live).into_iter().filter_map(|(edge, why)| Some((edge, why?)));
    unseen.filter(|(edge, why)| *edge != Edge::Archive || waits_for(why)).collect()
}

/// The failure of a look that did not see everything.
pub(crate) fn unseen(live: &Live, changes: &Changes) -> Option<Failure> {
    unseen_edges(live, changes).first().map(|(edge, why)| unreachable(*edge, why))
}

/// Reads, looks and decides, and changes nothing: for these instances, or for the whole fleet when there are none.
pub(crate) fn look(cx: &Context, names: &[InstanceName]) -> Result<Plan, Failure> {
    let settings = fleet::read(cx)?;
    if rehearse::is_rehearsal(&settings.settings) {
        return block_on(ask_for_plan(cx, settings, names))?;
    }
    let keeper = keeper(cx, Conduct::Look)?;
    block_on(async { keeper.plan(names).await.map_err(|e| of_scan(&e)) })?
}

/// The daemon's look, where the world is in its memory.
async fn ask_for_plan(cx: &Context, fleet: Fleet, names: &[InstanceName]) -> Result<Plan, Failure> {
    let mut client = Client::connect(&fleet.settings.fleet.state_dir).await.map_err(|e| of_control(&e))?;
    let planned = client.plan(names).await.map_err(|e| of_control(&e))?;
    let unseen = |edge: Edge| match planned.unseen.get(&edge.to_string()) {
        Some(why) => Err(why.clone()),
        None => Ok(()),
    };
    let live = Live {
        engine: seen(unseen(Edge::Engine)),
        database: seen(unseen(Edge::Database)),
        proxy: seen(unseen(Edge::Proxy)),
        authority: seen(unseen(Edge::Authority)),
        archive: seen(unseen(Edge::Archive)),
        answers: BTreeMap::new(),
    };
    let settings = Arc::clone(&fleet.settings);
    let facts = Facts {
        now: (cx.now)(),
        zone: cx.zone(&settings),
        settings,
        instances: BTreeMap::new(),
        live,
        host: HostFacts::default(),
        disk_free_bytes: None,
        guard: GuardFacts::default(),
    };
    Ok(Plan { fleet: Arc::new(fleet), facts, changes: planned.changes, statuses: BTreeMap::new() })
}

/// Nothing is known here of a system but whether the daemon could look at it.
fn seen<T: Default>(looked: Result<(), String>) -> Seen<T> {
    looked.map_or_else(Seen::Unseen, |()| Seen::Known(T::default()))
}

/// Everything that a turn needs, for looking or for acting once.
pub(crate) fn keeper(cx: &Context, conduct: Conduct) -> Result<Arc<Keeper>, Failure> {
    open(cx, conduct, |settings| match conduct {
        Conduct::Look => connect_to_look(settings, &cx.fleet_dir, cx.now),
        Conduct::ActOnce | Conduct::Keep => connect(settings, &cx.fleet_dir, cx.now),
    })
}

/// The same, on systems that are connected otherwise.
pub(crate) fn open(
    cx: &Context,
    conduct: Conduct,
    connect: impl FnOnce(&Settings) -> Result<Connection, ConnectError>,
) -> Result<Arc<Keeper>, Failure> {
    let place = Place {
        fleet_dir: cx.fleet_dir.clone(),
        settings_file: cx.settings_file.clone(),
        now: cx.now,
        chance: daemon::chance,
        uptime: daemon::uptime,
    };
    Keeper::open(place, conduct, connect).map_err(|e| of_open(&e))
}

/// How the fleet stands: the daemon's word; without a daemon, a look of one's own.
pub(crate) fn status(cx: &Context, fleet: &Fleet) -> Result<FleetStatus, Failure> {
    let told = block_on(async {
        match daemon(&fleet.settings).await? {
            Some(mut client) => client.status().await.map(Some).map_err(|e| of_control(&e)),
            None => Ok(None),
        }
    })??;
    match told {
        Some(status) => Ok(status),
        None => looked(cx, fleet, &[]),
    }
}

/// How one instance stands.
pub(crate) fn status_of(cx: &Context, fleet: &Fleet, name: &InstanceName) -> Result<Option<InstanceStatus>, Failure> {
    if daemon_runs(&fleet.settings)
        && let Some(status) = document(&fleet.settings, name)?
    {
        return Ok(Some(status));
    }
    let mut looked = looked(cx, fleet, std::slice::from_ref(name))?;
    looked.instances.retain(|status| status.name == *name);
    Ok(looked.instances.pop())
}

/// What an instance used: the daemon's word, or what the last one kept. Nothing where neither can be asked, which is no
/// reason to say nothing about the instance.
pub(crate) fn usage(cx: &Context, fleet: &Fleet, name: &InstanceName) -> UsageHistory {
    let told = block_on(async {
        match daemon(&fleet.settings).await {
            Ok(Some(mut client)) => client.usage(name).await.ok(),
            _ => None,
        }
    });
    let kept = || fleet::journal(cx, &fleet.settings).ok()?.usage(name).ok();
    told.ok().flatten().or_else(kept).unwrap_or_default()
}

/// How the instances stand by a look of one's own. A user who may not look is shown what the last daemon saw.
fn looked(cx: &Context, fleet: &Fleet, names: &[InstanceName]) -> Result<FleetStatus, Failure> {
    let settings = &fleet.settings;
    let board = Board::read_only(&settings.fleet.state_dir);
    match look(cx, names) {
        Ok(plan) => {
            for status in plan.statuses.into_values() {
                board.put(status).map_err(|e| Failure::new(Trouble::Files, e.to_string()))?;
            }
        }
        Err(failure) if failure.trouble == Trouble::Forbidden && !board.names().is_empty() => {
            cx.notice("this user may not look at the systems: this is what the last daemon saw");
        }
        Err(failure) => return Err(failure),
    }
    // Where the journal cannot be read, every alert asks for attention.
    board.set_silences(fleet::journal(cx, settings).ok().and_then(|it| it.silences().ok()).unwrap_or_default());
    let nobody = DaemonStatus { running: false, pid: None, since: None };
    Ok(FleetStatus::clone(&board.snapshot(&settings.fleet.base_domain, &nobody, (cx.now)())))
}

/// The status document of one instance; none while the daemon has not written one, or one that is not understood.
pub(crate) fn document(settings: &Settings, name: &InstanceName) -> Result<Option<InstanceStatus>, Failure> {
    let file = settings.fleet.state_dir.join(STATUS_DIR).join(format!("{name}.json"));
    match std::fs::read(&file) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::of_file(&file, "read", &error)),
    }
}

/// The systems, for looking.
pub(crate) fn edges(cx: &Context) -> Result<Edges, Failure> {
    // Whom to ask is known from sound settings only: another Docker or another archive would answer for this one.
    let settings = fleet::settings(cx)?;
    connect_to_look(&settings, &cx.fleet_dir, cx.now).map(|(edges, _, _)| edges).map_err(|e| of_connect(&e))
}

/// The installation key; none before the first start.
pub(crate) fn key(cx: &Context, settings: &Settings) -> Result<Option<InstallationKey>, Failure> {
    let file = settings.fleet.state_dir.join(SECRETS_DIR).join(KEY_FILE);
    let (_, key, _) = connect_to_look(settings, &cx.fleet_dir, cx.now).map_err(|e| of_connect(&e))?;
    // Before the first start the key that is handed out is a throw-away one.
    Ok(file.exists().then_some(key))
}

/// Who runs this command, for events: the user, and whom `sudo` says it was.
pub(crate) fn user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
    });
    let name = name.unwrap_or_else(|| format!("user {uid}"));
    match std::env::var("SUDO_USER") {
        Ok(real) if uid == 0 && real != name => format!("{name} (sudo by {})", super::render::text::harmless(&real)),
        _ => name,
    }
}

/// `doctor`: whether the daemon runs.
pub(crate) fn finding(settings: &Settings, zone: &TimeZone) -> Finding {
    match block_on(daemon(settings)) {
        Ok(Ok(Some(client))) => {
            let hello = client.hello();
            Finding::ok(
                "daemon",
                format!("runs as process {} since {}, version {}", hello.pid, told(hello.since, zone), hello.version),
            )
        }
        Ok(Ok(None)) => Finding::warn("daemon", "does not run", "innkeeper run"),
        Ok(Err(failure)) | Err(failure) => {
            Finding::warn("daemon", failure.message, failure.hint.unwrap_or_else(|| "see the message".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "real time is what this test measures")]
    fn a_thread_that_waits_for_a_disk_keeps_no_command_from_its_end() {
        let began = std::time::Instant::now();
        block_on(async {
            drop(tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(60))));
            tokio::time::sleep(Duration::from_millis(100)).await;
        })
        .unwrap();
        assert!(began.elapsed() < Duration::from_secs(20), "it waited for {:?}", began.elapsed());
    }
}
