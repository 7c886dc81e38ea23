//! Generations of nginx's files: what nginx would load is whole at each moment.

use super::{Disk, Room, on_a_small_disk};
use crate::contract::proxy::bench::{BASE, Bench};
use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tokio::runtime::Runtime;

/// Which generation is in force, with how many sites.
fn seen(runtime: &Runtime, bench: &Bench) -> (PathBuf, usize) {
    (fs::read_link(bench.at("innkeeper/current")).unwrap(), runtime.block_on(bench.look()).sites.len())
}

/// nginx's own verdict on what stands on the disk.
fn loads(bench: &Bench) -> bool {
    let mut command = Command::new(&bench.settings.binary);
    command.args(&bench.settings.arguments).arg("-t").output().unwrap().status.success()
}

#[test]
fn a_generation_that_finds_no_room_leaves_the_one_in_force() {
    on_a_small_disk("contract::disk::generations::a_generation_that_finds_no_room_leaves_the_one_in_force", |disk| {
        let runtime = Runtime::new().unwrap();
        let bench = Bench::start();
        let acme = bench.row("acme");
        assert!(runtime.block_on(bench.put(&[acme])).is_empty());
        let mut round = 0;
        let in_force = RefCell::new(seen(&runtime, &bench));
        let attempt = |disk: &Disk, room: Room| {
            round += 1;
            disk.free();
            *in_force.borrow_mut() = seen(&runtime, &bench);
            let row = bench.row(&format!("customer-{round}"));
            disk.leave(room);
            runtime.block_on(bench.publish(&[row]))
        };
        let failed = disk.sweep(attempt, |room, told| {
            let live = runtime.block_on(bench.look());
            assert!(live.intact && live.running && live.loaded == live.current, "{room:?}: {told}: {live:?}");
            assert_eq!(seen(&runtime, &bench), *in_force.borrow(), "{room:?}: {told}");
            disk.free();
            assert!(loads(&bench), "{room:?}: {told}: nginx on disk always loads");
        });
        let live = runtime.block_on(bench.look());
        assert!(live.intact && live.sites.len() >= 2, "{live:?}");
        assert!(bench.generations().len() <= 8, "nothing piles up: {:?}", bench.generations());
        let reply = runtime.block_on(bench.get(&format!("acme.{BASE}"), "/"));
        assert_eq!(reply.status, 200);
        println!("a generation found no room at {failed} moments");
        assert!(failed >= 10, "{failed}");
    });
}
