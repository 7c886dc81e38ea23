//! What happens by itself in a rehearsal, at a human pace: containers die, people edit what they should not, files
//! change, customers work, and now and then a system is away for a while.

use super::stage::Stage;
use crate::adapters::rehearsal::{Damage, Faults, Rehearsal};
use crate::cli::context::is_set;
use crate::edges::Edge;
use crate::model::name::InstanceName;
use crate::model::wanted::WantedState;
use crate::spec;
use std::convert::Infallible;
use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

/// See [`go_on`].
const CALM: &str = "INNKEEPER_REHEARSE_CALM";
/// The installations of the first moments are done at once; after that time they take as long as Odoo's.
const HURRY: Duration = Duration::from_secs(20);
/// Between two happenings.
const PAUSE_S: RangeInclusive<u64> = 4..=12;
/// A system that is away, or a file that is broken, is right again after this.
const SPELL: Duration = Duration::from_secs(25);
/// Sizes that somebody chooses in a file.
const MEMORIES: [&str; 3] = ["2 GiB", "3 GiB", "4 GiB"];
/// What happens behind Innkeeper's back; all of it is repaired alone.
const DAMAGES: [Damage; 10] = [
    Damage::ContainerKilled,
    Damage::ContainerRemoved,
    Damage::LimitsChanged,
    Damage::ConfEdited,
    Damage::RoleAltered,
    Damage::PrivilegesGranted,
    Damage::SiteEdited,
    Damage::ProxyForgot,
    Damage::TemplatesChanged,
    Damage::CertificateExpired,
];

/// Lets things happen until it is dropped. Files are left alone where they are somebody's own.
///
/// While `INNKEEPER_REHEARSE_CALM` is set, for tests and demonstrations, nothing happens by itself: no system goes away,
/// nobody edits a file, and jobs are done as soon as they begin, however long ago the rehearsal began.
pub(super) async fn go_on(rehearsal: &Rehearsal, stage: &Stage, names: Vec<InstanceName>) -> Infallible {
    if is_set(CALM) {
        return std::future::pending().await;
    }
    tokio::time::sleep(HURRY).await;
    rehearsal.with(|world| world.hurried = false);
    let mut rng = fastrand::Rng::new();
    loop {
        tokio::time::sleep(Duration::from_secs(rng.u64(PAUSE_S))).await;
        work(rehearsal, &mut rng);
        let Some(name) = rng.choice(&names) else { continue };
        match rng.u32(0..10) {
            0 => outage(rehearsal, &mut rng).await,
            1..=3 if stage.own => edit(stage, name, &mut rng).await,
            _ => {
                let damage = rng.choice(DAMAGES).unwrap_or(Damage::ContainerKilled);
                rehearsal.damage(damage, name);
            }
        }
    }
}

/// Customers store something.
fn work(rehearsal: &Rehearsal, rng: &mut fastrand::Rng) {
    rehearsal.with(|world| {
        for database in world.databases.values_mut().filter(|database| database.provisioned) {
            database.content += rng.u64(0..40);
        }
    });
}

/// One system does not answer for a while.
async fn outage(rehearsal: &Rehearsal, rng: &mut fastrand::Rng) {
    let edges = [Edge::Engine, Edge::Database, Edge::Proxy];
    let down = rng.choice(edges).into_iter().collect();
    rehearsal.set_faults(Faults { down, ..Faults::default() });
    tokio::time::sleep(SPELL).await;
    rehearsal.set_faults(Faults::default());
}

/// Somebody edits a customer's file, and mostly takes it back.
async fn edit(stage: &Stage, name: &InstanceName, rng: &mut fastrand::Rng) {
    let file = stage.file(name.as_str());
    // Whoever plays with the files may have removed it.
    let Ok(before) = fs::read_to_string(&file) else { return };
    let after = match rng.u32(0..4) {
        0 => format!("{before}\n[limits"),
        1 => spec::set_state(&before, WantedState::Stopped).unwrap_or_else(|_| before.clone()),
        _ if before.contains("\n[limits]") => return,
        _ => format!("{before}\n[limits]\nmemory = {:?}\n", rng.choice(MEMORIES).unwrap_or_default()),
    };
    let stays = after.contains("[limits]") && rng.bool();
    if fs::write(&file, &after).is_err() || stays {
        return;
    }
    tokio::time::sleep(SPELL).await;
    // What somebody wrote meanwhile is theirs.
    if fs::read_to_string(&file).is_ok_and(|text| text == after) {
        let _ = fs::write(&file, before);
    }
}
