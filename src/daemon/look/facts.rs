//! Edges → facts: looks, notes which systems answer, and puts what is known beside what is seen.

use crate::daemon::known::keeper::{Bell, Keeper, event};
use crate::daemon::known::register::{Entry, Register, failures};
use crate::diff::facts::{Facts, FileState, InstanceFacts, REPAIRS_WITHIN_S, RollOut};
use crate::disk;
use crate::edges::{Ask, Edge};
use crate::journal::{Journal, JournalError, RollOutRow};
use crate::model::event::{Level, Reason};
use crate::model::live::{EngineLive, Live};
use crate::model::name::{InstanceName, Resources, Uid};
use crate::model::service::{Owner, Tag};
use crate::model::settings::Settings;
use crate::model::time::Timestamp;
use crate::observe;
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Where Docker keeps its data, unless told otherwise.
const DOCKER_ROOT: &str = "/var/lib/docker";

impl Keeper {
    /// Looks at what `ask` names and notes which systems answered.
    pub(crate) async fn look(&self, ask: &Ask) -> Live {
        let live = observe::observe(&self.edges, ask).await;
        self.note_edges(&live);
        live
    }

    /// Tells of a system that stopped answering, and of one that answers again: then everything is looked at.
    fn note_edges(&self, live: &Live) {
        // It can be looked at, and serves nobody.
        let at_rest = live.proxy.known().is_some_and(|proxy| !proxy.running).then_some("it does not run");
        for (edge, why) in observe::unseen(live) {
            let why = why.or(at_rest.filter(|_| edge == Edge::Proxy));
            let about = about_edge(edge);
            match why {
                Some(why) => {
                    let message = format!("{edge} is unreachable: {why}");
                    let known = self.board.is_raised(&about);
                    self.board.raise(&about, Reason::EdgeLost, &message, self.now());
                    if !known {
                        let waits = "; nothing is concluded from that, it is tried again with back-off";
                        self.tell(&event(Level::Error, None, Reason::EdgeLost, message + waits));
                    }
                }
                None => {
                    if self.board.lower(&about) {
                        self.tell(&event(Level::Info, None, Reason::EdgeBack, format!("{edge} answers again")));
                        self.ring(Bell::Fleet);
                    }
                }
            }
        }
    }

    /// The settings in force: the files', except for the systems that were connected at the start. Deciding for another
    /// server than the one that is talked to would rewrite every odoo.conf before anybody started the daemon anew.
    fn settings(&self, files: &Settings) -> Arc<Settings> {
        let mut settings = files.clone();
        let Settings { docker, postgres, nginx, acme, fleet, backup, .. } = Settings::clone(&self.connected);
        settings.docker.host = docker.host;
        (settings.postgres, settings.nginx, settings.acme, settings.backup) = (postgres, nginx, acme, backup);
        (settings.fleet.base_domain, settings.fleet.state_dir) = (fleet.base_domain, fleet.state_dir);
        Arc::new(settings)
    }

    /// The zone in which people of the fleet read times; UTC where the system does not know it.
    pub(crate) fn zone(&self) -> TimeZone {
        zone(&self.fleet().settings)
    }

    /// Everything that a decision may know, with all instances as they are in the register.
    ///
    /// # Errors
    /// The journal's: without tombstones and the guard's counts nothing may be decided.
    pub(crate) fn facts(&self, register: &Register, live: Live) -> Result<Facts, JournalError> {
        let (guard, tombstones) = self.endings(register)?;
        let instance = |(name, entry): (&InstanceName, &Entry)| {
            let mut facts = entry.facts.clone();
            // One of a former life says nothing about this one.
            facts.ending.tombstone = tombstones.get(name).filter(|tombstone| tombstone.uid == facts.uid).cloned();
            if facts.ending.tombstone.is_some() && guard.files_unlisted && !entry.is_scanned() {
                // Whoever was retired does not come back because nobody can tell whether it has a file.
                facts.file = FileState::Missing;
            }
            facts.ending.filestore_bytes = self.gauges.filestore_bytes(name);
            let password_file = facts.wanted.as_ref().and_then(|wanted| wanted.conf.password_file());
            facts.work = self.work.of(name);
            facts.smtp_password = password_file.map(|file| self.passwords.mark(file, &self.key));
            (name.clone(), facts)
        };
        Ok(Facts {
            now: self.now(),
            zone: zone(&register.fleet.settings),
            settings: self.settings(&register.fleet.settings),
            instances: register.entries.iter().map(instance).collect(),
            live,
            host: register.host.clone(),
            disk_free_bytes: self.disk_free_bytes(),
            guard,
        })
    }

    /// The journal's rows of one instance, anew: steps write them too.
    pub(crate) fn refresh(&self, entry: &mut Entry, name: &InstanceName) -> Result<(), JournalError> {
        match self.journal.known_of(name)? {
            Some(known) => entry.refresh(&known),
            // Its data were deleted: whoever comes under this name is somebody else.
            None if entry.met => entry.begin_anew(&self.key),
            None => {}
        }
        entry.facts.failures = failures(self.journal.failures(name)?);
        entry.facts.errands = self.journal.errands(name)?;
        entry.facts.repairs = self.journal.repairs(Some(name), self.repairs_since())?;
        Ok(())
    }

    /// What only the world remembers, after the journal was lost or an old copy of it was put back, goes back into it.
    ///
    /// # Errors
    /// The journal's.
    pub(crate) fn learn_from_marks(
        &self,
        entry: &mut Entry,
        name: &InstanceName,
        live: &Live,
    ) -> Result<(), JournalError> {
        if let Some(uid) = later_identity(name, &entry.facts, live) {
            self.take_over(entry, name, uid)?;
        }
        let database = live.database.known().and_then(|it| it.databases.get(&Resources::of(name).database));
        let own = database.filter(|it| it.provisioned && it.owner.tag().is_some_and(|tag| tag.uid == entry.facts.uid));
        if own.is_some() && !entry.facts.provisioned {
            self.noted(|journal| journal.set_provisioned(name))?;
            entry.facts.provisioned = true;
        }
        if let (None, Some(ports)) = (entry.facts.ports, live_ports(live, &entry.facts, name)) {
            self.noted(|journal| journal.reserve_ports(name, ports))?;
            entry.facts.ports = Some(ports);
        }
        Ok(())
    }

    fn take_over(&self, entry: &mut Entry, name: &InstanceName, uid: Uid) -> Result<(), JournalError> {
        let former = entry.facts.uid;
        self.noted(|journal| journal.take_over(name, uid))?;
        entry.take_over(uid, &self.key);
        let message = format!(
            "the journal says {former}, but everything of {name} carries {uid}, which was given later: the journal is an older copy, and the later identity counts"
        );
        if self.acts() {
            self.tell(&event(Level::Warning, Some(name), Reason::LaterIdentity, message));
        }
        Ok(())
    }

    /// Whoever only looks learns the same and writes nothing.
    fn noted(&self, write: impl FnOnce(&Journal) -> Result<(), JournalError>) -> Result<(), JournalError> {
        if self.acts() { write(&self.journal) } else { Ok(()) }
    }

    /// Who is part of a change of many: of all, since each waits for others.
    pub(crate) fn refresh_roll_outs(&self, register: &mut Register) -> Result<(), JournalError> {
        let mut rows = self.journal.roll_outs()?;
        for (name, entry) in &mut register.entries {
            let row = rows.remove(name);
            entry.facts.roll_out = row.map(part);
        }
        Ok(())
    }

    /// The same for the host.
    pub(crate) fn refresh_host(&self, register: &mut Register) -> Result<(), JournalError> {
        register.host.failures = failures(self.journal.host_failures()?);
        register.host.repairs = self.journal.repairs(None, self.repairs_since())?;
        Ok(())
    }

    pub(crate) fn repairs_since(&self) -> Timestamp {
        let since = self.now().as_second().saturating_sub(REPAIRS_WITHIN_S);
        Timestamp::from_second(since).unwrap_or(Timestamp::MIN)
    }

    /// The least that is free where data are kept, as far as that is on this host.
    fn disk_free_bytes(&self) -> Option<u64> {
        [self.connected.fleet.state_dir.as_path(), Path::new(DOCKER_ROOT)]
            .into_iter()
            .filter_map(|path| disk::space(path).ok())
            .map(|space| space.free_bytes)
            .min()
    }
}

fn zone(settings: &Settings) -> TimeZone {
    TimeZone::get(&settings.fleet.timezone).unwrap_or(TimeZone::UTC)
}

/// The journal's row, as decisions know it.
pub(crate) fn part(row: RollOutRow) -> RollOut {
    RollOut { wave: row.wave, done: row.done, late: row.late }
}

/// What the alert of a system that does not answer is about.
pub(crate) fn about_edge(edge: Edge) -> String {
    format!("edge {edge}")
}

/// What the world shows about who is who.
pub(crate) enum Identity {
    /// Its objects carry this mark.
    Marked(Uid),
    /// Nothing of it exists.
    New,
    /// It cannot be told: a system that could hold its objects does not answer.
    Unknown,
}

/// Whose objects the world shows, by instance. A database counts before a container: it holds the data.
pub(crate) fn marks(live: &Live) -> BTreeMap<InstanceName, Uid> {
    let engine = live.engine.known().into_iter().flat_map(engine_owners);
    let database = live.database.known().into_iter().flat_map(|database| {
        let roles = database.roles.values().map(|role| &role.owner);
        roles.chain(database.databases.values().map(|it| &it.owner))
    });
    let tags = engine.chain(database).filter_map(Owner::tag);
    tags.map(|Tag { instance, uid, .. }| (instance.clone(), *uid)).collect()
}

/// Which identity an instance has that the journal does not know.
pub(crate) fn identity(name: &InstanceName, marks: &BTreeMap<InstanceName, Uid>, live: &Live) -> Identity {
    match marks.get(name) {
        // Without a look at the database the container's mark could be the wrong one.
        Some(uid) if live.database.known().is_some() => Identity::Marked(*uid),
        None if live.engine.known().is_some() && live.database.known().is_some() => Identity::New,
        _ => Identity::Unknown,
    }
}

/// The identity that all objects of an instance carry, when it was given later than `uid` (a UUIDv7 begins with its time):
/// then the journal that says `uid` is an old copy that was put back, and the instance was made anew since.
/// Where the journal says that there are data, only a later life with data counts: what was merely begun proves nothing.
pub(super) fn later_identity(name: &InstanceName, facts: &InstanceFacts, live: &Live) -> Option<Uid> {
    let (engine, database) = (live.engine.known()?, live.database.known()?);
    let its = Resources::of(name);
    let service = engine.services.get(&its.container).map(|service| &service.owner);
    let role = database.roles.get(&its.database).map(|role| &role.owner);
    let data = database.databases.get(&its.database).map(|database| &database.owner);
    let named = [service, engine.volumes.get(&its.volume), role, data].into_iter().flatten().map(Owner::tag);
    let jobs = engine.jobs.values().map(|job| job.owner.tag());
    let jobs = jobs.filter(|tag| tag.is_some_and(|tag| tag.instance == *name));
    let mut uids = named.chain(jobs).map(|tag| tag.filter(|tag| tag.instance == *name).map(|tag| tag.uid));
    let first = uids.next().flatten().filter(|first| *first > facts.uid)?;
    let has_data = database.databases.get(&its.database).is_some_and(|database| database.provisioned);
    (uids.all(|other| other == Some(first)) && (has_data || !facts.provisioned)).then_some(first)
}

/// True when nothing of `name` is left in a world that was seen whole.
pub(crate) fn is_gone(name: &InstanceName, marks: &BTreeMap<InstanceName, Uid>, live: &Live) -> bool {
    let seen = live.engine.known().is_some() && live.database.known().is_some();
    let no_site = live.proxy.known().is_some_and(|proxy| !proxy.sites.contains_key(name));
    seen && no_site && !marks.contains_key(name)
}

/// The ports that an instance's container has, when the container is its own.
pub(crate) fn live_ports(
    live: &Live,
    facts: &InstanceFacts,
    name: &InstanceName,
) -> Option<crate::model::service::Ports> {
    let container = Resources::of(name).container;
    let service = live.engine.known()?.services.get(&container)?;
    let own = service.owner.tag().is_some_and(|tag| tag.uid == facts.uid && tag.instance == *name);
    service.ports.filter(|_| own)
}

fn engine_owners(engine: &EngineLive) -> impl Iterator<Item = &Owner> {
    let services = engine.services.values().map(|service| &service.owner);
    services.chain(engine.jobs.values().map(|job| &job.owner)).chain(engine.volumes.values())
}
