//! A world as text, without what may differ between two courses that end alike: ids, times, numbers of generations.

use super::clock;
use super::run::Run;
use innkeeper::adapters::rehearsal::World;
use innkeeper::adapters::rehearsal::world::ContainerState;
use innkeeper::journal::Known;
use innkeeper::model::name::InstanceName;
use innkeeper::model::service::Owner;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The world and the journal of a run as text, a line an object.
pub(crate) fn canonical(run: &Run) -> String {
    let known = run.known();
    let mut text = run.rehearsal.with(|world| of_world(world, &known));
    for (name, known) in &known {
        let done = known.observed_generation == known.generation;
        let _ = writeln!(text, "journal {name} provisioned={} ports={:?} done={done}", known.provisioned, known.ports);
    }
    for (name, tombstone) in run.journal().tombstones().unwrap() {
        let _ = writeln!(text, "tombstone {name} {:?} purging={}", tombstone.hosts, tombstone.purging);
    }
    for (name, failures) in run.journal().all_failures().unwrap() {
        for (key, failure) in failures {
            let _ = writeln!(text, "failure {name} {key}: {}", failure.message);
        }
    }
    text
}

/// Fails with the lines that only one of two worlds has.
pub(crate) fn assert_same(found: &str, expected: &str, what: &str) {
    let only = |one: &str, other: &str| -> Vec<String> {
        one.lines().filter(|line| !other.lines().any(|it| it == *line)).map(str::to_owned).collect()
    };
    let (more, less) = (only(found, expected), only(expected, found));
    assert!(found == expected, "{what} ends differently:\nfound    {more:#?}\nexpected {less:#?}");
}

fn of_world(world: &World, known: &BTreeMap<InstanceName, Known>) -> String {
    let whose = |owner: &Owner| match owner {
        Owner::Foreign(whose) => format!("foreign({whose})"),
        Owner::Ours(tag) => {
            let uid =
                if known.get(&tag.instance).is_some_and(|known| known.uid == tag.uid) { "" } else { " other uid" };
            format!("{}/{:?}{uid} {}", tag.instance, tag.component, tag.digest)
        }
    };
    let mut text = format!("network {:?}\n", world.network);
    for (name, it) in &world.volumes {
        let _ = writeln!(text, "volume {name} {} content={}", whose(&it.owner), it.content);
    }
    for (name, it) in &world.containers {
        let state = match it.state {
            ContainerState::Running => "runs",
            ContainerState::Created | ContainerState::Exited(_) => "stands",
        };
        let conf = it.conf.as_ref().map(|conf| conf.digest.as_str());
        let _ = writeln!(
            text,
            "container {name} {} {state} {} {} cpu={} memory={} ports={:?} hardened={} volume={:?} job={} conf={:?}",
            whose(&it.owner),
            it.image,
            it.image_id,
            it.cpu_millis,
            it.memory_bytes,
            it.ports,
            it.hardened,
            it.volume,
            it.work.is_some(),
            conf.filter(|_| state == "runs"),
        );
    }
    for ((instance, file), it) in &world.files {
        let _ = writeln!(text, "file {instance}/{file} {} {:?} intact={}", it.digest, it.owner, it.intact);
    }
    for (name, it) in &world.roles {
        let (owner, mark) = (whose(&it.owner), it.mark.is_some());
        let _ = writeln!(
            text,
            "role {name} {owner} mark={mark} login={} excess={:?} limit={}",
            it.login, it.excess, it.connection_limit
        );
    }
    for (name, it) in &world.databases {
        let _ = writeln!(
            text,
            "database {name} {} of {} valid={} provisioned={} others={:?} content={} {:?}",
            whose(&it.owner),
            it.owner_role,
            it.valid,
            it.provisioned,
            it.others_may_connect,
            it.content,
            it.odoo,
        );
    }
    for it in world.archive.values() {
        let of = it.manifest.as_ref().map(|manifest| (&manifest.instance, manifest.parts.keys().collect::<Vec<_>>()));
        let parts: Vec<String> = it.parts.values().map(|bytes| content_of(bytes)).collect();
        let whose = of.as_ref().map_or("half-made", |(instance, _)| instance.as_str());
        let _ = writeln!(text, "backup {whose} {of:?} {parts:?} verified={}", it.verified_at.is_some());
    }
    of_sites(world, known, &mut text);
    text
}

/// Without the object's number, which may differ between two courses.
fn content_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split_whitespace().filter(|word| !word.starts_with("serial")).collect::<Vec<_>>().join(" ")
}

fn of_sites(world: &World, known: &BTreeMap<InstanceName, Known>, text: &mut String) {
    let proxy = &world.proxy;
    let loaded = proxy.current == proxy.loaded;
    let _ = writeln!(text, "nginx running={} loaded={loaded} edited={:?}", proxy.running, proxy.edited);
    for (name, row) in proxy.current.iter().flat_map(|generation| &generation.rows) {
        let uid = known.get(name).is_some_and(|known| known.uid == row.uid);
        let hosts = &row.hosts;
        let _ = writeln!(text, "site {name} own={uid} {hosts:?} {:?} gevent={} {:?}", row.ports, row.gevent, row.page);
    }
    let now = clock::now();
    for (name, it) in &world.certificates {
        let sound = it.live.fault.is_none() && it.live.not_before <= now && now < it.live.not_after;
        let fresh_d = (it.live.not_after.as_second() - now.as_second()) / 86_400;
        let fresh = fresh_d > 45;
        let _ = writeln!(
            text,
            "certificate {name} {:?} placeholder={} sound={sound} fresh={fresh}",
            it.live.names, it.placeholder
        );
    }
}
