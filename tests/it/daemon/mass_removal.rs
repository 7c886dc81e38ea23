//! The files of a whole fleet go away, in six ways: nobody is stopped within the hold time, nothing is lost, somebody is
//! told. What the commands say to it stands in `tests/it/cli/rehearse.rs`.

use super::house::{Furnished, House};
use innkeeper::control::{ApplyRequest, Verdict};
use std::fs;
use std::time::Duration;

/// Within so long a vanished file ends nobody, whatever the settings say.
const HOLD_TIME: Duration = Duration::from_secs(59);
/// So long it is watched what comes of it; a file that is gone counts as taken away after a minute, and everything is
/// looked at each minute.
const AFTERWARDS: Duration = Duration::from_secs(240);

/// A way in which files go away: what it does to the fleet's directory.
type Loss = (&'static str, fn(&House, &[String]));

const LOSSES: [Loss; 6] = [
    ("all files deleted", |house, names| names.iter().for_each(|name| house.remove_file(name))),
    ("directory unreadable", |house, _| {
        fs::rename(house.path("fleet/instances.d"), house.path("fleet/moved")).unwrap();
        fs::write(house.path("fleet/instances.d"), "no directory").unwrap();
    }),
    ("unmounted", |house, _| fs::rename(house.path("fleet/instances.d"), house.path("fleet/moved")).unwrap()),
    ("replaced by an empty one", |house, _| {
        fs::rename(house.path("fleet/instances.d"), house.path("fleet/moved")).unwrap();
        fs::create_dir(house.path("fleet/instances.d")).unwrap();
    }),
    (OTHER_BRANCH, |house, names| {
        names.iter().for_each(|name| house.remove_file(name));
        house.drop_file("other-branch", "state = \"stopped\"");
    }),
    ("plans.toml gone", |house, _| fs::remove_file(house.path("fleet/plans.toml")).unwrap()),
];
const OTHER_BRANCH: &str = "other branch";

/// What came of one loss.
#[derive(Debug, Default)]
struct Toll {
    fleets: usize,
    alerts: usize,
    /// Ends of an `apply` that says so.
    held: usize,
}

/// Loses the files of a fleet of so many customers in that way, and lets time pass.
async fn lose(house: &House, names: &[String], (what, loss): Loss, on_missing_file: &str, toll: &mut Toll) {
    house.set(&format!("on_missing_file = {on_missing_file:?}"));
    let (count, told) = (names.len(), format!("{} instances, {what}, {on_missing_file}", names.len()));
    let daemon = house.daemon();
    daemon.until_told("DaemonStarted").await;
    tokio::time::sleep(Duration::from_secs(70)).await;
    let before = house.data();
    assert_eq!((house.running(), before.len()), (count, 2 * count), "{told}: the fleet runs before its files go");
    assert_eq!(house.effects(), [""; 0], "{told}: and is settled");
    loss(house, names);
    // Each effect ends with the name of what it is on.
    let touched = || house.effects().into_iter().filter(|effect| !effect.contains("other")).collect::<Vec<_>>();
    tokio::time::sleep(HOLD_TIME).await;
    assert_eq!(touched(), [""; 0], "{told}: within the hold time");
    assert_eq!(house.running(), count, "{told}: within the hold time");
    tokio::time::sleep(AFTERWARDS).await;
    let after = house.data();
    assert!(before.iter().all(|it| after.contains(it)), "{told}: data were lost: {before:?}, {after:?}");
    toll.fleets += 1;
    // One customer whose file is gone while another's is there is what the setting is for.
    if on_missing_file == "retire" && what == OTHER_BRANCH && count <= 2 {
        assert_eq!(house.running(), 0, "{told}: so few are retired, with their data kept");
        return daemon.stop().await;
    }
    assert_eq!(touched(), [""; 0], "{told}: at all; {:#?}", daemon.told());
    assert_eq!(house.running(), count, "{told}: at all");
    let alerts = daemon.asked(house).await.alerts;
    let of_files = ["FileMissing", "FileInvalid", "GuardClosed"];
    assert!(alerts.iter().any(|alert| of_files.contains(&alert.reason.as_str())), "{told}: nobody is told: {alerts:?}");
    toll.alerts += alerts.len();
    // The command itself refuses to begin where the list or the plans are gone; elsewhere this is its answer.
    if ["all files deleted", "replaced by an empty one"].contains(&what) {
        let verdict = daemon.ask(house, ApplyRequest { timeout_s: Some(600), ..ApplyRequest::default() }).await;
        assert_eq!(verdict, Verdict::Held, "{told}: exit code 8");
        toll.held += 1;
    }
    daemon.stop().await;
}

fn lose_in_every_way(count: usize) -> String {
    let names: Vec<String> = (0..count).map(|number| format!("c{number:03}")).collect();
    let furnished = Furnished::with(&names, "max_instances_per_plan = 1000\n");
    let mut toll = Toll::default();
    for loss in LOSSES {
        for on_missing_file in ["hold", "retire"] {
            furnished.enter(async |house| lose(house, &names, loss, on_missing_file, &mut toll).await);
        }
    }
    format!("{count} instances: {toll:?}")
}

#[test]
fn one_whose_files_go_away_in_whatever_way_is_not_stopped_and_loses_nothing() {
    println!("{}", lose_in_every_way(1));
}

#[test]
fn two_whose_files_go_away_in_whatever_way_are_not_stopped_and_lose_nothing() {
    println!("{}", lose_in_every_way(2));
}

#[test]
fn seven_whose_files_go_away_in_whatever_way_are_not_stopped_and_lose_nothing() {
    println!("{}", lose_in_every_way(7));
}

#[test]
fn fifty_whose_files_go_away_in_whatever_way_are_not_stopped_and_lose_nothing() {
    println!("{}", lose_in_every_way(50));
}

#[test]
fn two_hundred_whose_files_go_away_in_whatever_way_are_not_stopped_and_lose_nothing() {
    println!("{}", lose_in_every_way(200));
}
