//! What must hold at every moment, whatever goes wrong. Each check compares the world before and after one thing that
//! Innkeeper did, and says what is wrong.

use innkeeper::adapters::rehearsal::world::{
    Ailment, Container, ContainerState, NO_COMMENT, NO_LABEL, OWN_ROLE, StoredBackup, stored,
};
use innkeeper::adapters::rehearsal::{Call, Rehearsal, World};
use innkeeper::daemon::known::board::Board;
use innkeeper::edges::Edge;
use innkeeper::journal::Journal;
use innkeeper::model::backup::Part;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::name::{Domain, InstanceName, Resources, Uid};
use innkeeper::model::secret::ExposeSecret;
use innkeeper::model::service::{Owner, Ports};
use innkeeper::model::site::SitePage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What was found wrong so far.
pub(crate) type Violations = Arc<Mutex<Vec<String>>>;

/// Has every effect on this world checked.
pub(crate) fn watch(rehearsal: &Rehearsal) -> Violations {
    let violations = Violations::default();
    let found = Arc::clone(&violations);
    rehearsal.watch(move |before, after, call| check(before, after, call, &found));
    violations
}

/// The same, and that no effect comes without its intent in the journal.
pub(crate) fn watch_intents(rehearsal: &Rehearsal, violations: &Violations, journal: Journal) {
    let found = Arc::clone(violations);
    rehearsal.watch(move |before, after, call| {
        check(before, after, call, &found);
        let intents = journal.open_intents().unwrap_or_default();
        let meant = intents.iter().any(|intent| match &intent.instance {
            Some(_) if call.edge == Edge::Authority => intent.kind == "obtain-certificate" || intent.kind == "put-site",
            Some(name) => call.object.contains(name.as_str()) || call.method == "ensure_network",
            None => call.method == "publish",
        });
        if !meant {
            found.lock().unwrap().push(format!("{}: no intent of it is in the journal", describe(call)));
        }
    });
}

fn check(before: &World, after: &World, call: &Call, found: &Violations) {
    let checks: [fn(&World, &World) -> Vec<String>; 6] =
        [data_stay, backups_stay, foreign_objects_stay, nothing_is_shared, sites_load, releases_agree];
    let wrong = checks.iter().flat_map(|check| check(before, after));
    found.lock().unwrap().extend(wrong.map(|wrong| format!("{}: {wrong}", describe(call))));
}

/// What stands on objects for everybody to read.
pub(crate) fn labels(world: &World) -> Vec<String> {
    let owners = world.containers.values().map(|it| &it.owner);
    let owners = owners.chain(world.volumes.values().map(|it| &it.owner));
    let owners = owners.chain(world.roles.values().map(|it| &it.owner));
    let owners = owners.chain(world.databases.values().map(|it| &it.owner));
    let mut labels: Vec<String> = owners.map(|owner| format!("{owner:?}")).collect();
    labels.extend(world.containers.values().map(|it| format!("{} {:?}", it.image, it.work)));
    labels.extend(world.roles.values().map(|it| format!("{:?}", it.mark)));
    labels.extend(world.proxy.current.iter().map(|generation| format!("{generation:?}")));
    labels
}

/// What only a person takes out of the way.
pub(crate) fn remove_foreign(world: &mut World) {
    let foreign = |owner: &Owner| matches!(owner, Owner::Foreign(_));
    world.containers.retain(|_, it| !foreign(&it.owner));
    world.volumes.retain(|_, it| !foreign(&it.owner));
    let roles = world.roles.clone();
    world.roles.retain(|_, it| !foreign(&it.owner));
    // A database that was just made has no mark yet; its role tells whose it is.
    world.databases.retain(|name, it| {
        let made_for_it = it.owner_role == OWN_ROLE || it.owner_role == *name;
        let role_is_ours = roles.get(name).is_some_and(|role| role.owner.tag().is_some());
        !foreign(&it.owner) || made_for_it && role_is_ours
    });
    world.foreign_ports.clear();
    world.ailments.clear();
    world.proxy.foreign_hosts.clear();
}

/// Objects of ours that no instance of `names` needs, jobs that ended, and instances that lack something.
pub(crate) fn leftovers(world: &World, names: &[&str]) -> Vec<String> {
    let mut left = Vec::new();
    let known = |owner: &Owner| owner.tag().is_some_and(|tag| names.contains(&tag.instance.as_str()));
    let mut each = |kind: &str, name: &str, owner: &Owner, needed: bool| {
        if !known(owner) || !needed {
            left.push(format!("{kind} {name} is left over"));
        }
    };
    world.containers.iter().for_each(|(name, it)| each("container", name, &it.owner, it.is_service()));
    world.volumes.iter().for_each(|(name, it)| each("volume", name, &it.owner, true));
    world.roles.iter().for_each(|(name, it)| each("role", name, &it.owner, true));
    world.databases.iter().for_each(|(name, it)| each("database", name, &it.owner, it.valid));
    for name in world.proxy.current.iter().flat_map(|generation| generation.rows.keys()) {
        if !names.contains(&name.as_str()) {
            left.push(format!("the site of {name} is left over"));
        }
    }
    left
}

/// True when visitors of the instance see what they should.
pub(crate) fn is_served(world: &World, name: &InstanceName) -> bool {
    let loaded = world.proxy.loaded.as_ref().filter(|_| world.proxy.running);
    let Some(row) = loaded.and_then(|generation| generation.rows.get(name)) else { return false };
    let is_ill = match world.ailments.get(name) {
        Some(Ailment::NoWebsocket) => row.gevent,
        ailment => ailment.is_some(),
    };
    row.page == SitePage::Serve && world.serves(row.ports) && !is_ill
}

/// True when an open alert says of this instance, or of everybody, that it cannot be served.
pub(crate) fn is_told(board: &Board, name: &InstanceName) -> bool {
    let holds = board.get(name).map(|status| status.holds.clone()).unwrap_or_default();
    let waits_for = |reason| holds.iter().any(|hold| hold.reason == reason);
    board.alerts(super::clock::now()).iter().any(|alert| match (&alert.instance, alert.reason.as_str()) {
        (Some(of), _) => of == name,
        (None, "EdgeLost") => waits_for(HoldReason::Unseen),
        (None, "GuardClosed") => waits_for(HoldReason::Guard),
        (None, _) => false,
    })
}

/// A call in a line.
pub(crate) fn describe(call: &Call) -> String {
    format!("call {} {}.{}({}) {:?}", call.number, call.edge, call.method, call.object, call.fault)
}

/// Odoo of one release never runs on a database of another one.
fn releases_agree(_: &World, after: &World) -> Vec<String> {
    let running = after.containers.iter().filter(|(_, it)| it.state == ContainerState::Running);
    let strange = |(name, container): (&String, &Container)| {
        let database = Resources::of(&container.owner.tag()?.instance).database;
        let version = after.databases.get(&database)?.odoo.base_version.as_ref()?;
        let release = container.image.strip_prefix("odoo:")?;
        let agree = version.starts_with(release);
        (!agree).then(|| format!("{name} of Odoo {release} runs on a database of {version}"))
    };
    running.filter_map(strange).collect()
}

/// No database in which something stands and no volume goes away, is emptied or is made anew.
fn data_stay(before: &World, after: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, old) in &before.databases {
        let holds_data = old.provisioned || old.content > 0 || !old.odoo.is_empty();
        let stays = after.databases.get(name).is_some_and(|new| {
            new.serial == old.serial && new.content >= old.content && new.provisioned >= old.provisioned
        });
        let kept =
            owner_of(&old.owner).is_some_and(|uid| is_kept(before, uid, Part::Database, old.serial, old.content));
        if holds_data && old.valid && !stays && !kept {
            wrong.push(format!("database {name} lost its data"));
        }
    }
    for (name, old) in &before.volumes {
        let stays = after.volumes.get(name).is_some_and(|new| new.serial == old.serial && new.content >= old.content);
        let kept =
            owner_of(&old.owner).is_some_and(|uid| is_kept(before, uid, Part::Filestore, old.serial, old.content));
        if !stays && !kept {
            wrong.push(format!("volume {name} lost its data"));
        }
    }
    for (name, new) in after.volumes.iter().filter(|(name, _)| !before.volumes.contains_key(*name)) {
        let orphaned = new.owner.tag().is_some_and(|tag| {
            let database = Resources::of(&tag.instance).database;
            before.databases.get(&database).is_some_and(|database| database.provisioned || database.content > 0)
        });
        if orphaned {
            wrong.push(format!("an empty volume {name} was made beside a database with data"));
        }
    }
    wrong
}

fn owner_of(owner: &Owner) -> Option<Uid> {
    owner.tag().map(|tag| tag.uid)
}

/// True when the archive holds exactly this, read back, and neither a site nor a container stands before it any more.
fn is_kept(world: &World, uid: Uid, part: Part, serial: u64, content: u64) -> bool {
    let expected = stored(part, serial, content);
    let of_instance = |backup: &StoredBackup| backup.manifest.as_ref().is_some_and(|manifest| manifest.uid == uid);
    let mut backups = world.archive.values().filter(|backup| of_instance(backup) && backup.verified_at.is_some());
    let contained = world.containers.values().any(|container| owner_of(&container.owner) == Some(uid));
    let served = world.proxy.current.iter().flat_map(|it| it.rows.values()).any(|row| row.uid == uid);
    let database = world.databases.values().any(|database| owner_of(&database.owner) == Some(uid));
    let in_order = !contained && !served && (part == Part::Database || !database);
    in_order && backups.any(|backup| backup.parts.get(&part) == Some(&expected))
}

/// A verified backup stays as it is.
fn backups_stay(before: &World, after: &World) -> Vec<String> {
    let verified = before.archive.iter().filter(|(_, backup)| backup.verified_at.is_some());
    let lost = verified.filter(|(id, old)| {
        let same = |new: &StoredBackup| new.parts == old.parts && new.manifest == old.manifest;
        // One that was damaged is put aside, as it is.
        !after.archive.get(*id).is_some_and(same) && !after.unsound.iter().any(same)
    });
    lost.map(|(id, _)| format!("the verified backup {id} was touched")).collect()
}

/// What is not ours is as it was. A database without a comment that is empty and our role's is one that we just made.
fn foreign_objects_stay(before: &World, after: &World) -> Vec<String> {
    let foreign = |owner: &Owner| matches!(owner, Owner::Foreign(_));
    let mut wrong = Vec::new();
    let mut hold = |kind: &str, name: &str, same: bool| {
        if !same {
            wrong.push(format!("the foreign {kind} {name} was touched"));
        }
    };
    for (name, old) in before.containers.iter().filter(|(_, it)| foreign(&it.owner)) {
        let new = after.containers.get(name);
        hold(
            "container",
            name,
            new.is_some_and(|new| new.id == old.id && new.state == old.state && new.owner == old.owner),
        );
    }
    for (name, old) in before.volumes.iter().filter(|(_, it)| foreign(&it.owner)) {
        hold(
            "volume",
            name,
            after.volumes.get(name).is_some_and(|new| new.serial == old.serial && new.owner == old.owner),
        );
    }
    for (name, old) in before.roles.iter().filter(|(_, it)| foreign(&it.owner)) {
        let same = |new: &innkeeper::adapters::rehearsal::world::Role| {
            new.owner == old.owner
                && new.login == old.login
                && new.password.expose_secret() == old.password.expose_secret()
        };
        hold("role", name, after.roles.get(name).is_some_and(same));
    }
    for (name, old) in before.databases.iter().filter(|(_, it)| foreign(&it.owner)) {
        let half_made = old.content == 0 && before.roles.get(name).is_some_and(|role| role.owner.tag().is_some());
        let new = after.databases.get(name);
        hold("database", name, half_made || new.is_some_and(|new| new.owner == old.owner && new.serial == old.serial));
    }
    let words = [NO_LABEL, NO_COMMENT];
    if before.network.as_ref().is_some_and(|network| !network.ours) && before.network != after.network {
        wrong.push(format!("the foreign network was touched ({words:?})"));
    }
    wrong
}

/// One Odoo a database; no two instances share a volume, a port or a domain.
fn nothing_is_shared(_: &World, after: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let services = after.containers.iter().filter(|(_, it)| it.is_service());
    let mut databases: BTreeSet<String> = BTreeSet::new();
    let mut volumes: BTreeSet<&str> = BTreeSet::new();
    let mut ports: BTreeSet<u16> = BTreeSet::new();
    for (name, it) in services {
        // Whose odoo.conf was removed by others at that moment gets into no database.
        let text = it.conf.as_ref().map(|conf| conf.text.expose_secret()).unwrap_or_default();
        let database = text.lines().find_map(|line| line.strip_prefix("db_name = "));
        if it.state == ContainerState::Running
            && let Some(database) = database
            && !databases.insert(database.to_owned())
        {
            wrong.push(format!("{name} is a second Odoo on database {database}"));
        }
        if !volumes.insert(it.volume.as_deref().unwrap_or_default()) {
            wrong.push(format!("{name} shares its volume"));
        }
        let own = it.ports.map(|ports: Ports| [ports.http, ports.gevent()]);
        if own.is_some_and(|own| own.iter().any(|port| !ports.insert(*port))) {
            wrong.push(format!("{name} shares its port"));
        }
    }
    let mut hosts: BTreeMap<&Domain, &str> = BTreeMap::new();
    let mut ports: BTreeSet<u16> = BTreeSet::new();
    for (name, row) in after.proxy.current.iter().flat_map(|generation| &generation.rows) {
        for host in row.hosts.keys() {
            if let Some(other) = hosts.insert(host, name.as_str()) {
                wrong.push(format!("{other} and {name} share {host}"));
            }
        }
        if !ports.insert(row.ports.http) {
            wrong.push(format!("the site of {name} shares its port"));
        }
    }
    wrong
}

/// What `current` points to could be loaded: every row has a host, and every host a certificate's name that fits it.
fn sites_load(_: &World, after: &World) -> Vec<String> {
    let rows = after.proxy.current.iter().flat_map(|generation| &generation.rows);
    let unsound = rows.filter(|(name, row)| {
        let fits = |(host, certificate): (&Domain, &innkeeper::model::site::CertificateName)| {
            certificate.0 == host.as_str() || certificate.is_wildcard()
        };
        row.instance != **name || row.hosts.is_empty() || !row.hosts.iter().all(fits)
    });
    unsound.map(|(name, _)| format!("the row of {name} cannot be loaded")).collect()
}
