//! What commands know of the world: the daemon over its socket, the status documents that it wrote, or a look of their
//! own when no daemon runs.

use super::context::Context;
use super::doctor::Finding;
use super::failure::{Failure, Trouble};
use crate::control::{Client, ControlError};
use crate::diff::facts::Facts;
use crate::edges::{Edge, EdgeError, ErrorKind};
use crate::model::changes::Changes;
use crate::model::live::Live;
use crate::model::name::InstanceName;
use crate::model::settings::Settings;
use crate::model::status::{InstanceStatus, chain};
use crate::spec::Fleet;
use std::path::PathBuf;

/// A look of one's own, and what it would have one do.
pub(crate) struct Look {
    pub(crate) fleet: Fleet,
    pub(crate) facts: Facts,
    pub(crate) changes: Changes,
}

/// Runs what waits for systems. The runtime is made only here, so that `--version` needs none.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Failure::new(Trouble::Failed, format!("could not start the runtime: {e}")))?;
    Ok(runtime.block_on(work))
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

/// Has the daemon look at an instance whose file was changed. Without one nothing is lost: the file says it all.
pub(crate) fn wake(cx: &Context, settings: &Settings, name: &InstanceName) {
    let woken = block_on(async {
        match daemon(settings).await {
            Ok(Some(mut client)) => client.wake(std::slice::from_ref(name)).await.is_ok(),
            _ => false,
        }
    });
    match woken {
        Ok(true) => cx.notice("the daemon is at it; `innkeeper wait` blocks until it is done"),
        _ => cx.notice(&format!(
            "no daemon answers here: it is done by the next `innkeeper run`, or by `innkeeper apply {name}`"
        )),
    }
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
    };
    Failure::new(trouble, format!("{edge} could not be looked at: {why}"))
        .hint("`innkeeper doctor` says what is wrong and how to mend it")
}

/// The failure of a look that did not see everything.
pub(crate) fn unseen(live: &Live) -> Option<Failure> {
    let edges = [
        (Edge::Engine, live.engine.why()),
        (Edge::Database, live.database.why()),
        (Edge::Proxy, live.proxy.why()),
        (Edge::Authority, live.authority.why()),
    ];
    edges.into_iter().find_map(|(edge, why)| why.map(|why| unreachable(edge, why)))
}

/// Where the daemon keeps its status documents.
fn documents(settings: &Settings) -> PathBuf {
    settings.fleet.state_dir.join("status")
}

/// The status document of one instance; none while the daemon has not written one, or one that is not understood.
pub(crate) fn document(settings: &Settings, name: &InstanceName) -> Result<Option<InstanceStatus>, Failure> {
    let file = documents(settings).join(format!("{name}.json"));
    match std::fs::read(&file) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::of_file(&file, "read", &error)),
    }
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
pub(crate) fn finding(settings: &Settings) -> Finding {
    match block_on(daemon(settings)) {
        Ok(Ok(Some(client))) => {
            let hello = client.hello();
            Finding::ok(
                "daemon",
                format!("runs as process {} since {}, version {}", hello.pid, hello.since, hello.version),
            )
        }
        Ok(Ok(None)) => Finding::warn("daemon", "does not run", "innkeeper run"),
        Ok(Err(failure)) | Err(failure) => {
            Finding::warn("daemon", failure.message, failure.hint.unwrap_or_else(|| "see the message".to_owned()))
        }
    }
}
// STUBS
pub(crate) fn look(_cx: &Context, _names: &[InstanceName]) -> Result<Look, Failure> {
    Err(Failure::new(Trouble::Failed, "this command is not in this build yet"))
}
pub(crate) async fn converge(
    _cx: &Context,
    _r: crate::control::ApplyRequest,
    _p: &dyn Fn(crate::control::Progress),
) -> Result<crate::control::Converged, Failure> {
    Err(Failure::new(Trouble::Failed, "this command is not in this build yet"))
}
pub(crate) fn key(_s: &Settings) -> Result<crate::model::secret::InstallationKey, Failure> {
    Err(Failure::new(Trouble::Failed, "this command is not in this build yet"))
}
pub(crate) fn status_of(_cx: &Context, _f: &Fleet, _n: &InstanceName) -> Result<Option<InstanceStatus>, Failure> {
    Err(Failure::new(Trouble::Failed, "this command is not in this build yet"))
}
pub(crate) fn status(_cx: &Context, _f: &Fleet) -> Result<crate::model::status::FleetStatus, Failure> {
    Err(Failure::new(Trouble::Failed, "this command is not in this build yet"))
}
pub(crate) fn edges(_cx: &Context, _s: &Settings) -> Result<crate::edges::Edges, Failure> {
    Err(Failure::new(Trouble::Failed, "this command is not in this build yet"))
}
pub(crate) fn run_daemon(_cx: &Context, _s: &Settings) -> Result<(), Failure> {
    Err(Failure::new(Trouble::Failed, "this command is not in this build yet"))
}
