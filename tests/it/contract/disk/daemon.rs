//! The daemon itself on a disk that is full from the start, or fills up at any moment: nothing is lost, and it goes on by
//! itself when there is room.

use super::{Disk, Room, files, is_full, on_a_small_disk, unfinished};
use crate::daemon::house::{Daemon, House, in_a_house};
use crate::world::name;
use innkeeper::adapters::rehearsal::Damage;
use innkeeper::daemon::Conduct;
use innkeeper::model::status::{State, chain};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// So often the disk fills up at random.
const ROUNDS: u32 = 24;

/// The state directory holds nothing half-written, and no journal was given up.
fn assert_sound(house: &House, told: &str) {
    let state = house.path("state");
    assert_eq!(unfinished(&state), Vec::<std::path::PathBuf>::new(), "{told}");
    let names = files(&state).into_iter().map(|(path, _)| path.display().to_string());
    assert_eq!(names.filter(|name| name.contains("broken")).collect::<Vec<_>>(), [""; 0], "{told}");
}

/// What became of a creation.
#[derive(Debug, Default)]
struct Tally {
    /// Nothing was in its way.
    free: u32,
    /// It came to its end all the same, before there was room again.
    squeezed_through: u32,
    /// It waited for room, and somebody was told.
    waited: u32,
    /// The daemon could not start or listen, and said why.
    refused: u32,
}

/// A creation for which the disk becomes full at its `moment`th effect; before the start for 0.
async fn create(house: &House, disk: &Arc<Disk>, moment: usize, room: Room, tally: &mut Tally) {
    let told = format!("{room:?} at effect {moment}");
    house.drop_file("acme", "");
    let (of_watcher, effects, full) = (Arc::clone(disk), AtomicUsize::new(0), Arc::new(AtomicBool::new(moment == 0)));
    let fill = Arc::clone(&full);
    if moment == 0 {
        disk.leave(room);
    } else {
        house.rehearsal.watch(move |_, _, _| {
            if effects.fetch_add(1, Ordering::SeqCst) + 1 == moment {
                fill.store(true, Ordering::SeqCst);
                of_watcher.leave(room);
            }
        });
    }
    let keeper = match house.open(Conduct::Keep) {
        Ok(keeper) => keeper,
        Err(error) => {
            assert!(is_full(&chain(&error)), "{told}: {}", chain(&error));
            tally.refused += 1;
            disk.free();
            return finish(house, house.daemon(), &told).await;
        }
    };
    let daemon = House::daemon_of(keeper);
    tokio::time::sleep(Duration::from_secs(300)).await;
    if daemon.is_over() {
        // It could not listen: whoever started it starts it again.
        let text = chain(&daemon.end_within(Duration::from_secs(1)).await.unwrap_err());
        assert!(is_full(&text), "{told}: {text}");
        tally.refused += 1;
        disk.free();
        return finish(house, house.daemon(), &told).await;
    }
    let ready = daemon.status("acme").is_some_and(|status| status.state == State::Ready);
    let alerts = daemon.asked(house).await.alerts;
    match (full.load(Ordering::SeqCst), ready) {
        (false, ready) => tally.free += u32::from(ready),
        (true, true) => tally.squeezed_through += 1,
        (true, false) => {
            assert!(!alerts.is_empty(), "{told}: nobody is told: {:#?}", daemon.told());
            tally.waited += 1;
        }
    }
    disk.free();
    finish(house, daemon, &told).await;
}

async fn finish(house: &House, daemon: Daemon, told: &str) {
    daemon.until_state("acme", State::Ready).await;
    let made = |method: &str| house.effects().iter().filter(|effect| effect.starts_with(method)).count();
    assert!(made("create_database") <= 2 && made("ensure_volume") <= 2, "{told}: {:#?}", house.effects());
    let quiet = |daemon: &Daemon| {
        let board = daemon.keeper.board();
        board.is_written() && !board.is_raised("journal") && !board.is_raised("documents")
    };
    daemon.until("the alert's end, with nothing else to do", quiet).await;
    daemon.stop().await;
    assert_sound(house, told);
}

#[test]
fn a_creation_on_a_full_disk_loses_nothing_and_goes_on_when_there_is_room() {
    on_a_small_disk(
        "contract::disk::daemon::a_creation_on_a_full_disk_loses_nothing_and_goes_on_when_there_is_room",
        |disk| {
            let disk = Arc::new(Disk { path: disk.path.clone() });
            let mut tally = Tally::default();
            // From the start, with ever more room.
            for room in (0..90).step_by(3).map(Room::Pages).chain((0..12).map(Room::Files)) {
                in_a_house(async |house| create(house, &disk, 0, room, &mut tally).await);
            }
            println!("full from the start: {tally:?}");
            assert!(tally.refused >= 5 && tally.waited >= 5, "{tally:?}");
            // And at each moment of a creation.
            for room in [Room::Pages(0), Room::Pages(3), Room::Files(0), Room::Files(1)] {
                let mut tally = Tally::default();
                for moment in 1.. {
                    in_a_house(async |house| create(house, &disk, moment, room, &mut tally).await);
                    if tally.free > 0 {
                        break;
                    }
                }
                println!("{room:?} from each moment on: {tally:?}");
                assert!(tally.waited + tally.squeezed_through >= 10, "{tally:?}");
            }
        },
    );
}

#[test]
fn a_disk_that_fills_up_and_empties_at_random_costs_nobody_anything() {
    on_a_small_disk(
        "contract::disk::daemon::a_disk_that_fills_up_and_empties_at_random_costs_nobody_anything",
        |disk| {
            in_a_house(async |house| {
                let mut rng = fastrand::Rng::with_seed(7);
                let mut daemon = house.settled_daemon(&["acme", "beta", "citrus"]).await;
                let before = house.data();
                let damages = [Damage::ContainerRemoved, Damage::LimitsChanged, Damage::ConfEdited, Damage::SiteEdited];
                let mut starts = 0;
                for round in 0..ROUNDS {
                    let name = name(["acme", "beta", "citrus"][rng.usize(0..3)]);
                    house.drop_file(name.as_str(), if rng.bool() { "modules = [\"website\"]" } else { "" });
                    disk.leave(if rng.bool() { Room::Pages(rng.u64(0..4)) } else { Room::Files(rng.u64(0..3)) });
                    house.rehearsal.damage(damages[rng.usize(0..4)], &name);
                    tokio::time::sleep(Duration::from_secs(rng.u64(1..200))).await;
                    if rng.u8(0..4) == 0 {
                        daemon.stop().await;
                        if house.open(Conduct::Keep).is_err() {
                            disk.free();
                        }
                        daemon = house.daemon();
                        starts += 1;
                        tokio::time::sleep(Duration::from_secs(20)).await;
                    }
                    disk.free();
                    if daemon.is_over() {
                        daemon = house.daemon();
                    }
                    assert_eq!(house.data().len(), before.len(), "round {round}");
                }
                for text in ["acme", "beta", "citrus"] {
                    daemon.until_state(text, State::Ready).await;
                }
                assert_eq!(house.data(), before, "the very same databases and volumes");
                tokio::time::sleep(Duration::from_secs(600)).await;
                assert!(daemon.asked(house).await.alerts.is_empty(), "{:?}", daemon.asked(house).await.alerts);
                daemon.stop().await;
                assert_sound(house, "in the end");
                println!("{ROUNDS} fillings, {starts} starts");
            });
        },
    );
}
