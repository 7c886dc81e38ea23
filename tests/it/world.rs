//! A pure world for tests of decisions: what each step does to what a look shows. No time passes and nothing fails.

use innkeeper::diff::facts::{EndingFacts, Facts, FileState, GuardFacts, HostFacts, InstanceFacts};
use innkeeper::model::backup::{ArchiveLive, BackupLive, FORMAT, Manifest, MissingFiles, Part, PartSum};
use innkeeper::model::database::Access;
use innkeeper::model::live::{
    Answer, AuthorityLive, CertificateLive, ConfigLive, DatabaseLive, DatabaseObjectLive, EXTENSIONS, EngineLive,
    ImageLive, JobState, Live, NetworkLive, OdooLive, ProxyLive, RoleLive, Seen, ServiceLive, SiteLive,
};
use innkeeper::model::name::{Domain, InstallationId, InstanceName, ModuleName, OdooVersion, Resources, Uid};
use innkeeper::model::odoo_options::OdooOptions;
use innkeeper::model::service::{Component, ImageUser, JobWork, Owner, Tag};
use innkeeper::model::service_plan::{BackupPolicy, Keep, Limits};
use innkeeper::model::settings::{
    AcmeSettings, BackupSettings, DockerSettings, FleetSettings, GuardSettings, NginxSettings, OdooSettings,
    OnMissingFile, OperatorSettings, PostgresSettings, Settings,
};
use innkeeper::model::site::SitePage;
use innkeeper::model::size::Bytes;
use innkeeper::model::step::{Action, Step};
use innkeeper::model::time::{Seconds, Timestamp};
use innkeeper::model::wanted::{Company, Wanted, WantedState};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The time at which every test's world stands.
pub(crate) const NOW: &str = "2026-03-01T12:00:00Z";

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(crate) fn name(text: &str) -> InstanceName {
    InstanceName::parse(text).unwrap()
}

pub(crate) fn module(text: &str) -> ModuleName {
    ModuleName::parse(text).unwrap()
}

pub(crate) fn settings() -> Settings {
    Settings {
        fleet: FleetSettings {
            base_domain: Domain::parse("example.com").unwrap(),
            reserved_subdomains: BTreeSet::new(),
            max_instances_per_plan: 100,
            on_missing_file: OnMissingFile::Hold,
            retire_grace: Seconds(14 * 86_400),
            state_dir: "/state".into(),
            timezone: "UTC".to_owned(),
        },
        odoo: OdooSettings {
            default_version: OdooVersion::parse("19.0").unwrap(),
            images: BTreeMap::from([
                (OdooVersion::parse("18.0").unwrap(), "odoo:18.0".to_owned()),
                (OdooVersion::parse("19.0").unwrap(), "odoo:19.0".to_owned()),
            ]),
        },
        docker: DockerSettings { host: "unix:///var/run/docker.sock".to_owned(), ports: 20_000..=20_009 },
        postgres: PostgresSettings {
            url: "postgres://innkeeper@127.0.0.1:5432/postgres".to_owned(),
            password_file: None,
            instance_host: "172.17.0.1".to_owned(),
        },
        nginx: NginxSettings {
            config_dir: "/nginx".into(),
            binary: "/usr/sbin/nginx".into(),
            arguments: Vec::new(),
            pid_file: "/run/nginx.pid".into(),
            http_port: 80,
            https_port: 443,
        },
        acme: AcmeSettings {
            directory: "https://acme.test/dir".to_owned(),
            contact: Vec::new(),
            ca_file: None,
            wildcard_hook: None,
            resolver: None,
        },
        backup: BackupSettings {
            directory: "/backups".into(),
            pg_dump: "pg_dump".into(),
            pg_restore: "pg_restore".into(),
        },
        guard: GuardSettings::default(),
        operator: OperatorSettings::default(),
    }
}

/// A running instance on Odoo 19 with one module.
pub(crate) fn wanted(text: &str) -> Wanted {
    Wanted {
        name: name(text),
        plan: "starter".parse().unwrap(),
        state: WantedState::Running,
        subdomain: text.parse().unwrap(),
        host: Domain::parse(&format!("{text}.example.com")).unwrap(),
        domains: BTreeSet::new(),
        odoo: OdooVersion::parse("19.0").unwrap(),
        image: "odoo:19.0".to_owned(),
        modules: BTreeSet::from([module("crm")]),
        protected: false,
        suspended: false,
        customer: None,
        company: Company {
            name: "Acme Ltd".to_owned(),
            country: None,
            language: "en_US".parse().unwrap(),
            timezone: "UTC".to_owned(),
        },
        admin_email: "admin@example.org".parse().unwrap(),
        limits: Limits { cpu_millis: 1_000, memory: Bytes(1 << 30), disk: Bytes(5 << 30), workers: 2 },
        backup: BackupPolicy { schedule: "0 2 * * *".to_owned(), keep: Keep { daily: 7, weekly: 4, monthly: 6 } },
        template: None,
        conf: OdooOptions::default(),
        primary: None,
    }
}

pub(crate) fn uid(number: u128) -> Uid {
    Uid(uuid::Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + number))
}

/// An instance that the journal met and that nothing was done for yet.
pub(crate) fn instance(wanted: Wanted, number: u128) -> InstanceFacts {
    InstanceFacts {
        wanted: Some(Arc::new(wanted)),
        file: FileState::Valid,
        uid: uid(number),
        password_mark: format!("mark-{number}"),
        backup_password_mark: format!("backup-mark-{number}"),
        provisioned: false,
        ports: None,
        generation: 1,
        observed_generation: 0,
        failures: BTreeMap::new(),
        errands: Vec::new(),
        smtp_password: None,
        repairs: BTreeMap::new(),
        ending: EndingFacts::default(),
        updating: false,
        roll_out: None,
        work: BTreeMap::new(),
        crashes: Vec::new(),
    }
}

/// Facts about these instances in a world where all systems answer and nothing is made yet.
pub(crate) fn facts(wanted: impl IntoIterator<Item = Wanted>) -> Facts {
    let instances =
        wanted.into_iter().enumerate().map(|(number, wanted)| (wanted.name.clone(), instance(wanted, number as u128)));
    let image = |id: &str| ImageLive { id: format!("sha256:{id}"), user: ImageUser { uid: 101, gid: 101 } };
    let images = BTreeMap::from([("odoo:18.0".to_owned(), image("18")), ("odoo:19.0".to_owned(), image("19"))]);
    Facts {
        now: now(),
        zone: jiff::tz::TimeZone::UTC,
        settings: Arc::new(settings()),
        instances: instances.collect(),
        live: Live {
            engine: Seen::Known(EngineLive { images, ..EngineLive::default() }),
            database: Seen::Known(DatabaseLive {
                major_version: 15,
                connections_max: 300,
                own_role: "innkeeper".to_owned(),
                extensions: EXTENSIONS.map(str::to_owned).into(),
                ..DatabaseLive::default()
            }),
            proxy: Seen::Known(ProxyLive { running: true, intact: true, ..ProxyLive::default() }),
            authority: Seen::Known(AuthorityLive::default()),
            archive: Seen::Known(ArchiveLive::default()),
            answers: BTreeMap::new(),
        },
        host: HostFacts::default(),
        disk_free_bytes: None,
        guard: GuardFacts::default(),
    }
}

/// Access to the parts of a world that all answer.
pub(crate) trait World {
    fn engine(&mut self) -> &mut EngineLive;
    fn database(&mut self) -> &mut DatabaseLive;
    fn proxy(&mut self) -> &mut ProxyLive;
    fn authority(&mut self) -> &mut AuthorityLive;
    fn archive(&mut self) -> &mut ArchiveLive;
    fn instance(&mut self, name: &str) -> &mut InstanceFacts;
    fn wanted(&mut self, name: &str) -> &mut Wanted;
}

fn known<T>(seen: &mut Seen<T>) -> &mut T {
    match seen {
        Seen::Known(value) => value,
        Seen::Unseen(why) => panic!("a test asked for what is not seen: {why}"),
    }
}

impl World for Facts {
    fn engine(&mut self) -> &mut EngineLive {
        known(&mut self.live.engine)
    }
    fn database(&mut self) -> &mut DatabaseLive {
        known(&mut self.live.database)
    }
    fn proxy(&mut self) -> &mut ProxyLive {
        known(&mut self.live.proxy)
    }
    fn authority(&mut self) -> &mut AuthorityLive {
        known(&mut self.live.authority)
    }
    fn archive(&mut self) -> &mut ArchiveLive {
        known(&mut self.live.archive)
    }
    fn instance(&mut self, text: &str) -> &mut InstanceFacts {
        self.instances.get_mut(&name(text)).unwrap()
    }
    fn wanted(&mut self, text: &str) -> &mut Wanted {
        Arc::make_mut(self.instance(text).wanted.as_mut().unwrap())
    }
}

/// Does what the step says, and has the bookkeeping of a turn follow.
pub(crate) fn carry_out(facts: &mut Facts, step: &Step) {
    match step.action.clone() {
        Action::CreateNetwork => facts.engine().network = Some(NetworkLive { ours: true, isolated: true }),
        Action::CreateVolume { volume, tag } => {
            facts.engine().volumes.insert(volume, Owner::Ours(tag));
        }
        Action::WriteConf { conf, .. } => {
            let (written_at, owner) = (facts.now, owner_of(step));
            facts.engine().configs.insert(owner, ConfigLive { digest: conf.digest(), intact: true, written_at });
        }
        Action::RunJob(job) => run_job(facts, job.work),
        Action::StopJob { container, .. } => {
            facts.engine().jobs.get_mut(&container).unwrap().state = JobState::Ended(143);
        }
        Action::RemoveJob { container, .. } => {
            facts.engine().jobs.remove(&container);
        }
        Action::SetRole(_)
        | Action::CreateDatabase(_)
        | Action::SetPrivileges(_)
        | Action::AddExtensions(_)
        | Action::MarkProvisioned(_) => on_database(facts, step),
        Action::CreateService { .. }
        | Action::RecreateService { .. }
        | Action::UpdateLimits { .. }
        | Action::StartService { .. }
        | Action::StopService { .. }
        | Action::RestartService { .. } => on_service(facts, step),
        Action::PutSite(row) => {
            facts.instances.get_mut(&row.instance).unwrap().ports = Some(row.ports);
            facts.proxy().sites.insert(row.instance.clone(), SiteLive { row, intact: true });
            facts.proxy().current = Some("gen-1".to_owned());
            facts.proxy().loaded = Some("gen-1".to_owned());
        }
        Action::RenderSites => {
            let proxy = facts.proxy();
            (proxy.intact, proxy.templates_changed) = (true, false);
            proxy.edits.clear();
            proxy.loaded = proxy.current.clone();
        }
        Action::ObtainCertificate(order) => {
            let certificate = certificate(&order.name.0, facts.now);
            facts.authority().certificates.insert(order.name, certificate);
        }
        other => end(facts, other),
    }
}

/// Does what a step of an instance's end says.
fn end(facts: &mut Facts, action: Action) {
    match action {
        Action::OpenTombstone(tombstone) => {
            let instance = facts.instances.get_mut(&tombstone.instance).unwrap();
            instance.ending.tombstone = Some(tombstone);
        }
        Action::CloseTombstone { instance, .. } | Action::EndPurge { instance } => {
            facts.instances.get_mut(&instance).unwrap().ending.tombstone = None;
        }
        Action::BeginPurge { instance } => {
            facts.instances.get_mut(&instance).unwrap().ending.tombstone.as_mut().unwrap().purging = true;
        }
        Action::BackUp(spec) => {
            let sum = PartSum { bytes: 1, sha256: "00".to_owned() };
            let parts =
                [spec.database.as_ref().map(|_| Part::Database), spec.filestore.as_ref().map(|_| Part::Filestore)];
            let manifest = Manifest {
                format: FORMAT,
                id: spec.id.clone(),
                installation: InstallationId("0123456789ab".to_owned()),
                instance: spec.instance.clone(),
                uid: spec.uid,
                cause: spec.cause,
                begun_at: facts.now,
                ended_at: facts.now,
                database: spec.database.map(|dump| dump.database),
                odoo: spec.odoo,
                modules: spec.modules,
                parts: parts.into_iter().flatten().map(|part| (part, sum.clone())).collect(),
                tool: "innkeeper test".to_owned(),
            };
            let (verified_at, missing) = (None, MissingFiles::default());
            let live = BackupLive { manifest, verified_at, missing, place: format!("/backups/{}", spec.id) };
            facts.archive().backups.entry(spec.instance).or_default().insert(spec.id, live);
        }
        Action::VerifyBackup { instance, backup } => {
            let now = facts.now;
            facts.archive().backups.get_mut(&instance).unwrap().get_mut(&backup).unwrap().verified_at = Some(now);
        }
        Action::RemoveSite { instance, .. } => drop(facts.proxy().sites.remove(&instance)),
        Action::RemoveService { container, .. } => drop(facts.engine().services.remove(&container)),
        Action::DropDatabase(spec) => {
            begin_deletion(facts, &spec.instance);
            facts.database().inside.remove(&spec.database);
            facts.database().databases.remove(&spec.database);
        }
        Action::DropRole { role, .. } => drop(facts.database().roles.remove(&role)),
        Action::RemoveVolume { volume, tag } => {
            begin_deletion(facts, &tag.instance);
            facts.engine().volumes.remove(&volume);
        }
        Action::RemoveConf { instance } => drop(facts.engine().configs.remove(&instance)),
        other => panic!("not a step of an end: {other:?}"),
    }
}

/// A fresh certificate of 90 days.
pub(crate) fn certificate(name: &str, now: Timestamp) -> CertificateLive {
    let days = |days: i64| Timestamp::from_second(now.as_second() + days * 86_400).unwrap();
    CertificateLive {
        names: BTreeSet::from([name.to_owned()]),
        not_before: now,
        not_after: days(90),
        issuer: "Test CA".to_owned(),
        fault: None,
        fingerprint: format!("fingerprint of {name}"),
    }
}

fn owner_of(step: &Step) -> InstanceName {
    name(step.id.0.split('/').next().unwrap())
}

fn run_job(facts: &mut Facts, work: JobWork) {
    match work {
        JobWork::Install { modules, database, .. } => {
            let odoo = inside(facts, &database);
            odoo.base_version = Some("19.0.1.3".to_owned());
            odoo.modules.extend(modules.into_iter().map(|module| (module, "installed".to_owned())));
        }
        JobWork::SetUp { setup, database } => {
            let odoo = inside(facts, &database);
            odoo.setup = Some(setup);
            odoo.search.indexed.clone_from(&odoo.search.basis);
        }
    }
}

fn inside<'a>(facts: &'a mut Facts, database: &str) -> &'a mut OdooLive {
    known(facts.database().inside.entry(database.to_owned()).or_insert(Seen::Known(OdooLive::default())))
}

fn on_database(facts: &mut Facts, step: &Step) {
    let instance = owner_of(step);
    let uid = facts.instances[&instance].uid;
    let tag = |component| Owner::Ours(Tag { instance: instance.clone(), uid, component, digest: String::new() });
    match step.action.clone() {
        Action::SetRole(spec) => {
            let marks = &facts.instances[&instance];
            let mark = if spec.access == Access::Instance { &marks.password_mark } else { &marks.backup_password_mark };
            let role = RoleLive {
                owner: tag(Component::Role),
                password_mark: Some(mark.clone()),
                login: spec.access.may_log_in(),
                excess: BTreeSet::new(),
                connection_limit: spec.connection_limit,
                password_refused: false,
            };
            facts.database().roles.insert(spec.role, role);
        }
        Action::CreateDatabase(spec) => {
            assert!(facts.database().roles.contains_key(&spec.database), "a database needs its role first");
            let database = DatabaseObjectLive {
                owner: tag(Component::Database),
                owner_role: "innkeeper".to_owned(),
                lacking: BTreeSet::new(),
                valid: true,
                provisioned: false,
                others_may_connect: BTreeSet::new(),
                size_bytes: 0,
            };
            facts.database().databases.insert(spec.database.clone(), database);
            inside(facts, &spec.database);
        }
        Action::SetPrivileges(spec) => {
            let database = facts.database().databases.get_mut(&spec.database).unwrap();
            database.owner_role = "innkeeper".to_owned();
            database.others_may_connect.clear();
            database.lacking.clear();
        }
        Action::AddExtensions(spec) => {
            let search = &mut inside(facts, &spec.database.database).search;
            search.extensions.extend(spec.extensions);
            search.basis = search.extensions.contains("pg_trgm").then(|| format!("{:?}", search.extensions));
        }
        Action::MarkProvisioned(spec) => facts.database().databases.get_mut(&spec.database).unwrap().provisioned = true,
        other => panic!("not a step on the database: {other:?}"),
    }
}

fn on_service(facts: &mut Facts, step: &Step) {
    let now = facts.now;
    let instance = owner_of(step);
    let container = Resources::of(&instance).container;
    match step.action.clone() {
        Action::CreateService { spec, start } | Action::RecreateService { spec, start } => {
            assert!(facts.engine().volumes.contains_key(&spec.volume), "a container needs its volume first");
            assert!(facts.engine().configs.contains_key(&instance), "a container needs its odoo.conf first");
            let service = ServiceLive {
                owner: Owner::Ours(spec.tag.clone()),
                id: "0123".to_owned(),
                image_id: spec.image_id,
                image: spec.image,
                running: start,
                restarting: false,
                killed_for_memory: false,
                restarts: 0,
                started_at: Some(now),
                cpu_millis: spec.limits.cpu_millis,
                memory_bytes: spec.limits.memory.0,
                ports: Some(spec.ports),
                hardened: true,
            };
            facts.engine().services.insert(container, service);
        }
        action => {
            let service = facts.engine().services.get_mut(&container).unwrap();
            match action {
                Action::UpdateLimits { limits, .. } => {
                    (service.cpu_millis, service.memory_bytes) = (limits.cpu_millis, limits.memory.0)
                }
                Action::StartService { .. } => (service.running, service.started_at) = (true, Some(now)),
                Action::StopService { .. } => service.running = false,
                Action::RestartService { .. } => {
                    service.started_at = Some(now);
                    facts.instances.get_mut(&instance).unwrap().errands.clear();
                }
                other => panic!("not a step on a container: {other:?}"),
            }
        }
    }
}

/// Lets every host answer as its container, database and site say it does.
pub(crate) fn ask_hosts(facts: &mut Facts) {
    let mut answers = BTreeMap::new();
    for (instance, site) in facts.proxy().sites.clone() {
        let running =
            facts.engine().services.get(&Resources::of(&instance).container).is_some_and(|service| service.running);
        let serves = running && site.row.page == SitePage::Serve;
        for (host, certificate) in site.row.hosts {
            let fingerprint = facts.authority().certificates.get(&certificate).map(|live| live.fingerprint.clone());
            let answer = Answer {
                status: if serves { 200 } else { 503 },
                login_page: serves,
                fingerprint: fingerprint.unwrap_or_default(),
                ..Answer::default()
            };
            answers.insert(host, Seen::Known(answer));
        }
    }
    facts.live.answers = answers;
}

/// As the journal notes it before data go.
fn begin_deletion(facts: &mut Facts, instance: &InstanceName) {
    facts.instances.get_mut(instance).unwrap().ending.tombstone.as_mut().unwrap().deleting = true;
}
