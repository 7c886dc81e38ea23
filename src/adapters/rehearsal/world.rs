//! The rehearsed world as plain data: what stands in Docker, PostgreSQL, nginx and the store of certificates, and what
//! time does to it. It knows no edge, no fault and no clock: "now" is handed in.

use super::usage::{CpuTime, Load};
use crate::model::backup::{BackupId, Manifest, Part};
use crate::model::live::{CertificateLive, ImageLive, NetworkLive, OdooLive};
use crate::model::name::{Domain, InstanceName, ModuleName, TemplateName};
use crate::model::secret::SecretString;
use crate::model::service::{ImageUser, JobWork, Owner, Ports};
use crate::model::site::{CertificateName, SiteRow};
use crate::model::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What an object that is not ours is told to be.
pub const NO_LABEL: &str = "no Innkeeper label";
/// What a role or a database that is not ours is told to be.
pub const NO_COMMENT: &str = "no Innkeeper comment";
/// The role that Innkeeper logs in as.
pub const OWN_ROLE: &str = "innkeeper";
/// From the start of a container to its first healthy answer: 1.2 s were measured.
const BOOT_S: u64 = 2;
/// One that ends by itself is started again after so long: Docker waits a minute at most.
const CRASH_EVERY_S: u64 = 30;
/// How an engine's container ends that was killed (128 and SIGKILL).
pub const KILLED: i64 = 137;

/// Everything that the edges of one host stand for.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Images on this host, by reference.
    pub images: BTreeMap<String, ImageLive>,
    /// Ids of images whose Odoo starts and never answers.
    pub broken_images: BTreeSet<String>,
    /// Instances whose Odoo does not do what it should, until a person helps.
    pub ailments: BTreeMap<InstanceName, Ailment>,
    /// The installation's network.
    pub network: Option<NetworkLive>,
    /// Volumes, by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Containers of every kind, by name: services, jobs, and those of others.
    pub containers: BTreeMap<String, Container>,
    /// Files in the instances' configuration directories, by instance and file name.
    pub files: BTreeMap<(InstanceName, String), ConfFile>,
    /// Host ports that programs outside of Docker or foreign containers hold.
    pub foreign_ports: BTreeSet<u16>,
    /// Modules that the images do not have: Odoo ignores them and ends with 0.
    pub unknown_modules: BTreeSet<ModuleName>,
    /// Logins that another user has in every database: Odoo refuses them for the administrator.
    pub taken_logins: BTreeSet<String>,
    /// Roles, by name.
    pub roles: BTreeMap<String, Role>,
    /// Roles as which somebody besides Odoo is connected to the database of the same name.
    pub sessions: BTreeSet<String>,
    /// Databases, by name.
    pub databases: BTreeMap<String, Database>,
    /// nginx.
    pub proxy: ProxyWorld,
    /// Stored certificates, placeholders among them.
    pub certificates: BTreeMap<CertificateName, StoredCertificate>,
    /// Backups, begun and published, by id.
    pub archive: BTreeMap<BackupId, StoredBackup>,
    /// Bytes that are free where backups are written; none when nobody knows.
    pub archive_free_bytes: Option<u64>,
    /// Backups that were sound once and were put aside when they were found damaged.
    pub unsound: Vec<StoredBackup>,
    /// Names whose DNS points to another host.
    pub pointing_elsewhere: BTreeSet<Domain>,
    /// Certificate orders that the authority received, failed ones too.
    pub orders: u64,
    /// Jobs are done as soon as they begin.
    pub hurried: bool,
    /// How busy instances are; others are idle.
    pub loads: BTreeMap<InstanceName, Load>,
    /// Processor time of services, by container id.
    pub cpu_times: BTreeMap<String, CpuTime>,
    /// Objects made so far; each new one gets the next number, so that one made anew is told from the one before.
    pub serial: u64,
}

/// A volume.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Whose it is.
    pub owner: Owner,
    /// Its number among all objects ever made.
    pub serial: u64,
    /// What the customer stored in it, as a count.
    pub content: u64,
    /// Files that the database names and that are not in it, as a count.
    pub missing: u64,
}

/// A container of whatever kind.
#[derive(Debug, Clone)]
pub struct Container {
    /// Whose it is.
    pub owner: Owner,
    /// The engine's id.
    pub id: String,
    /// The image reference it was asked for with.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// How it stands.
    pub state: ContainerState,
    /// When its main process last started.
    pub started_at: Option<Timestamp>,
    /// Its main process has been up long enough to answer, whatever the clock says since.
    pub booted: bool,
    /// How often the engine restarted it.
    pub restarts: u64,
    /// Its main process was killed the last time because its memory was used up.
    pub killed_for_memory: bool,
    /// Processes that the kernel killed since its start because its memory was used up.
    pub memory_kills: u64,
    /// Thousandths of a core; 0 is no limit.
    pub cpu_millis: u32,
    /// Bytes; 0 is no limit.
    pub memory_bytes: u64,
    /// Published loopback ports.
    pub ports: Option<Ports>,
    /// All of our hardening is there.
    pub hardened: bool,
    /// The volume that it mounts.
    pub volume: Option<String>,
    /// odoo.conf as its main process read it at its start.
    pub conf: Option<ConfFile>,
    /// What it does, when it is a job.
    pub work: Option<Work>,
}

/// What is wrong with an Odoo that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ailment {
    /// It answers its login page with this status.
    Answers(u16),
    /// It sends visitors of its login page to another host.
    LeadsAway,
    /// Its gevent process is dead: pages come, and no websocket opens.
    NoWebsocket,
    /// It ends soon after each start, and the engine starts it again.
    Crashes,
}

/// How a container stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Made, never started.
    Created,
    /// Its main process runs.
    Running,
    /// Its main process ended with this code.
    Exited(i64),
}

/// A job's work.
#[derive(Debug, Clone)]
pub struct Work {
    /// What it does.
    pub work: JobWork,
    /// When it will be done; none before its start.
    pub ends_at: Option<Timestamp>,
    /// What it printed.
    pub log: String,
}

/// A file in an instance's configuration directory.
#[derive(Debug, Clone)]
pub struct ConfFile {
    /// Digest of the wish.
    pub digest: String,
    /// Its text; secret.
    pub text: SecretString,
    /// The user who may read it.
    pub owner: ImageUser,
    /// False once somebody edited it.
    pub intact: bool,
    /// When it was written.
    pub written_at: Timestamp,
}

/// A role.
#[derive(Debug, Clone)]
pub struct Role {
    /// Whose it is.
    pub owner: Owner,
    /// Its password.
    pub password: SecretString,
    /// The password's mark in its comment.
    pub mark: Option<String>,
    /// May log in.
    pub login: bool,
    /// What it should not have.
    pub excess: BTreeSet<String>,
    /// CONNECTION LIMIT
    pub connection_limit: i32,
}

/// A database.
#[derive(Debug, Clone)]
pub struct Database {
    /// Whose it is; a fresh one has no comment yet.
    pub owner: Owner,
    /// The role that owns it.
    pub owner_role: String,
    /// The role of its name may connect and make things in it, as an owner may.
    pub opened: bool,
    /// False after an interrupted DROP.
    pub valid: bool,
    /// The mark in its comment.
    pub provisioned: bool,
    /// Who else may CONNECT.
    pub others_may_connect: BTreeSet<String>,
    /// What Odoo keeps inside.
    pub odoo: OdooLive,
    /// Its number among all objects ever made.
    pub serial: u64,
    /// What the customer stored in it, as a count.
    pub content: u64,
}

/// nginx.
#[derive(Debug, Clone, Default)]
pub struct ProxyWorld {
    /// The master process answers to signals.
    pub running: bool,
    /// Generations made so far.
    pub generations: u64,
    /// What `current` points to.
    pub current: Option<Generation>,
    /// What the running nginx has loaded.
    pub loaded: Option<Generation>,
    /// Sites of the current generation whose lines were edited by hand.
    pub edited: BTreeSet<InstanceName>,
    /// Version of the templates on disk.
    pub templates: u64,
    /// Why the templates on disk cannot be used.
    pub template_problem: Option<String>,
    /// Templates that an instance may name.
    pub dedicated: BTreeSet<TemplateName>,
    /// Server names that others' files serve.
    pub foreign_hosts: BTreeSet<Domain>,
}

/// One rendered configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generation {
    /// `gen-7`
    pub name: String,
    /// What it was rendered from.
    pub rows: BTreeMap<InstanceName, SiteRow>,
    /// Version of the templates.
    pub templates: u64,
}

/// A backup in the archive.
#[derive(Debug, Clone, Default)]
pub struct StoredBackup {
    /// For whom it was begun.
    pub instance: Option<InstanceName>,
    /// What it says of itself; none before it was published.
    pub manifest: Option<Manifest>,
    /// The bytes of its parts.
    pub parts: BTreeMap<Part, Vec<u8>>,
    /// When it was read back whole.
    pub verified_at: Option<Timestamp>,
}

/// The last word of a backup's part: one without it was cut short.
const PART_END: &str = " end";
/// The word before the number of files that are missing in a volume.
const MISSING: &str = " missing=";

/// What a part of a backup holds: enough to tell of which very object it is, how much was in it, and that it is whole.
pub fn stored(part: Part, serial: u64, content: u64) -> Vec<u8> {
    format!("{} serial={serial} content={content}{PART_END}", part.file_name()).into_bytes()
}

/// The same of a volume, in which files may be missing that its database names.
pub fn stored_volume(volume: &Volume) -> Vec<u8> {
    let mut bytes = stored(Part::Filestore, volume.serial, volume.content);
    if volume.missing > 0 {
        let end = bytes.len() - PART_END.len();
        bytes.splice(end..end, format!("{MISSING}{}", volume.missing).into_bytes());
    }
    bytes
}

impl StoredBackup {
    /// So many files that its database names are not in its filestore.
    pub(super) fn missing_count(&self) -> u64 {
        let text = self.parts.get(&Part::Filestore).map(|bytes| String::from_utf8_lossy(bytes)).unwrap_or_default();
        let count = text.split_once(MISSING).and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        count.unwrap_or(0)
    }

    /// True when every part is there in its whole length: the rest is only known once it was read back.
    pub(super) fn is_whole(&self) -> bool {
        let sums = self.manifest.iter().flat_map(|manifest| &manifest.parts);
        sums.into_iter().all(|(part, sum)| self.parts.get(part).is_some_and(|bytes| bytes.len() as u64 == sum.bytes))
    }

    /// True when the part is one that can be restored from, whatever its sum.
    pub(super) fn is_restorable(&self, part: Part) -> bool {
        let bytes = self.parts.get(&part);
        bytes.is_some_and(|it| it.starts_with(part.file_name().as_bytes()) && it.ends_with(PART_END.as_bytes()))
    }
}

/// A certificate on disk.
#[derive(Debug, Clone)]
pub struct StoredCertificate {
    /// What it is.
    pub live: CertificateLive,
    /// Self-signed, until the real one comes.
    pub placeholder: bool,
}

impl Work {
    /// Work goes on at its own pace when somebody sets the clock back.
    fn set_back(&mut self, now: Timestamp) {
        let at_most = now.as_second().saturating_add(super::jobs::duration_s(&self.work));
        let at_most = Timestamp::from_second(at_most).unwrap_or(Timestamp::MAX);
        self.ends_at = self.ends_at.map(|ends_at| ends_at.min(at_most));
    }
}

impl World {
    /// A host on which everything answers and nothing of ours stands yet. It has these images.
    pub fn fresh<'a>(images: impl IntoIterator<Item = &'a str>) -> Self {
        let image = |reference: &str| ImageLive {
            id: format!("sha256:{}", crate::model::secret::digest(&reference).trim_start_matches("v1:")),
            user: ImageUser { uid: 101, gid: 101 },
        };
        Self {
            images: images.into_iter().map(|reference| (reference.to_owned(), image(reference))).collect(),
            proxy: ProxyWorld { running: true, ..ProxyWorld::default() },
            ..Self::default()
        }
    }

    /// Lets time do its work up to `now`: jobs whose time came are done, and what runs uses the processor.
    pub fn pass(&mut self, now: Timestamp) {
        self.burn(now);
        for container in self.containers.values_mut() {
            crash(&self.ailments, container, now);
            // A clock that was set back does not make it start again.
            let up_s = container.started_at.map(|at| now.as_second().abs_diff(at.as_second()));
            container.booted |= up_s.is_some_and(|up_s| up_s >= BOOT_S);
            container.work.iter_mut().for_each(|work| work.set_back(now));
        }
        let due = |container: &Container| {
            container.state == ContainerState::Running
                && container.work.as_ref().and_then(|work| work.ends_at).is_some_and(|ends_at| ends_at <= now)
        };
        let due: Vec<String> =
            self.containers.iter().filter(|(_, container)| due(container)).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.finish_job(&name);
        }
    }

    /// The next object's number.
    pub fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// True when the application behind this port would answer with its login page now.
    pub fn serves(&self, ports: Ports) -> bool {
        let mut running = self.containers.values().filter(|container| {
            container.work.is_none() && container.state == ContainerState::Running && container.ports == Some(ports)
        });
        let Some(container) = running.next() else { return false };
        let mounted = container.volume.as_ref().is_some_and(|volume| self.volumes.contains_key(volume));
        let odoo = container.conf.as_ref().and_then(|conf| self.log_in(conf));
        let crashes = self.ailment_of(container) == Some(Ailment::Crashes);
        let answers = !self.broken_images.contains(&container.image_id) && !crashes;
        container.booted && answers && mounted && odoo.is_some_and(|database| !database.odoo.modules.is_empty())
    }

    /// What is wrong with the Odoo in this container.
    pub(super) fn ailment_of(&self, container: &Container) -> Option<Ailment> {
        self.ailments.get(&container.owner.tag()?.instance).copied().filter(|_| container.is_service())
    }

    /// The database that odoo.conf leads to, when its role and its password let it in.
    pub(super) fn log_in(&self, conf: &ConfFile) -> Option<&Database> {
        use crate::model::secret::ExposeSecret;
        let text = conf.text.expose_secret();
        let option = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix("= "));
        let (user, password, database) = (option("db_user")?, option("db_password")?, option("db_name")?);
        let role = self.roles.get(user)?;
        let allowed = role.login && role.connection_limit != 0 && role.password.expose_secret() == password;
        self.databases
            .get(database)
            .filter(|database| allowed && database.valid && (database.opened || database.owner_role == user))
    }
}

/// Lets the engine start a container again whose Odoo ends soon after each start.
fn crash(ailments: &BTreeMap<InstanceName, Ailment>, container: &mut Container, now: Timestamp) {
    let tag = container.owner.tag().filter(|_| container.is_service());
    let crashes = tag.is_some_and(|tag| ailments.get(&tag.instance) == Some(&Ailment::Crashes));
    let up_s = container.started_at.map(|at| now.as_second().abs_diff(at.as_second()));
    if crashes && container.state == ContainerState::Running && up_s.is_some_and(|up_s| up_s >= CRASH_EVERY_S) {
        (container.restarts, container.started_at, container.booted) = (container.restarts + 1, Some(now), false);
        container.memory_kills = 0;
    }
}
