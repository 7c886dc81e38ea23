//! Decisions over what is Odoo's own: odoo.conf, modules, company and administrator.

use super::case::{Case, Draft, Image, Why, changed, new_field};
use super::database;
use super::service::blocked;
use crate::model::changes::HoldReason;
use crate::model::live::{JobLive, JobState, OdooLive, Seen};
use crate::model::name::ModuleName;
use crate::model::secret::PASSWORD_GENERATION;
use crate::model::service::{Component, JobSpec, JobWork, OdooConf, PasswordFile, Setup};
use crate::model::service_plan::Limits;
use crate::model::step::{Action, FieldChange, Origin, Risk};
use crate::model::step_kind::StepKind;
use std::collections::BTreeSet;

/// `db_maxconn`: connections of each Odoo process. A worker serves one request at a time and needs two or three;
/// Odoo's own default of 64 would let a few customers use up the server.
pub(super) const CONNECTIONS_PER_PROCESS: u32 = 8;
/// `db_maxconn_gevent`: connections of the process that serves websockets. Each that is being opened needs one, and what finds
/// none gets an error at once; the site's template lets no more in than 20 a second, of which three or four are being opened
/// at the same moment.
pub(super) const CONNECTIONS_GEVENT: u32 = 16;
/// Odoo's own default (2560 MiB, command-line reference, `--limit-memory-hard`): no worker ever gets more.
const LIMIT_MEMORY_HARD_BYTES_MAX: u64 = 2560 << 20;
/// And never less. A healthy worker of Odoo 19 with 74 modules has 250 to 315 MiB of virtual memory, which is what Odoo counts.
const LIMIT_MEMORY_HARD_BYTES_MIN: u64 = 640 << 20;
/// Odoo's own default where one process serves everything: each thread reserves virtual memory that it does not use.
const LIMIT_MEMORY_SOFT_BYTES_THREADED: u64 = 2048 << 20;
/// Installing a dozen modules needs more memory than serving a small plan.
const JOB_MEMORY_BYTES_MIN: u64 = 1 << 30;
/// An installation of every standard module takes about ten minutes on two cores.
const INSTALL_DEADLINE_S: u64 = 3600;
/// The set-up script takes about three seconds; trigram indexes that it has to make on large tables take minutes.
const SET_UP_DEADLINE_S: u64 = 3600;

/// Odoo as it reaches itself: the public address may not be reachable from inside the container (no way back through NAT,
/// names that only the world knows, a login in front), and reports would be printed without style and logo.
const REPORT_URL: &str = "http://127.0.0.1:8069";
/// The module whose sites have languages of their own.
const WEBSITE: &str = "website";

/// Everything that must be there before a job works on the database.
const BEFORE_JOBS: [StepKind; 7] = [
    StepKind::CreateNetwork,
    StepKind::SetRole,
    StepKind::CreateDatabase,
    StepKind::SetPrivileges,
    StepKind::AddExtensions,
    StepKind::CreateVolume,
    StepKind::WriteConf,
];

/// odoo.conf.
pub(super) fn conf(case: &Case<'_>, draft: &mut Draft) {
    let Some(engine) = case.engine else { return };
    let Some(image) = case.image() else {
        return draft.hold(
            HoldReason::ImageMissing,
            format!("image {} is not on this host: docker pull {}", case.wanted.image, case.wanted.image),
        );
    };
    let conf = match wanted_conf(case) {
        Ok(conf) => conf,
        Err(why) => {
            let kept = "odoo.conf stays as it is until the file can be read";
            return draft.hold(HoldReason::PasswordMissing, format!("{why}; {kept}"));
        }
    };
    let live = engine.configs.get(case.name);
    let fields: Vec<FieldChange> = match live {
        None => vec![new_field("workers", conf.workers)].into_iter().chain(chosen(&conf)).collect(),
        Some(live) if !live.intact => vec![FieldChange {
            field: "odoo.conf".to_owned(),
            from: Some("edited by hand".to_owned()),
            to: Some("as written".to_owned()),
        }],
        Some(live) if live.digest == conf.digest() && !is_of_the_future(case) => return,
        Some(live) if live.digest == conf.digest() => vec![FieldChange {
            field: "odoo.conf".to_owned(),
            from: Some(format!("written at {}", live.written_at)),
            to: Some("written now".to_owned()),
        }],
        // Of another release than the application that reads it.
        Some(_) if draft.has_hold(HoldReason::UpgradeNeeded) => return,
        Some(_) => {
            let always = format!("workers {}, db_maxconn {}", conf.workers, conf.connections_per_process);
            vec![new_field("odoo.conf", always)].into_iter().chain(chosen(&conf)).collect()
        }
    };
    if blocked(draft) {
        return;
    }
    let (reason, origin) = match live {
        None if !case.is_provisioned() => ("new instance", Origin::Intended),
        None => ("it was gone", case.origin()),
        Some(live) if !live.intact => ("it was edited by hand", case.origin()),
        Some(live) if live.digest == conf.digest() => ("the clock was set back since it was written", case.origin()),
        Some(_) => ("another one is asked for", case.origin()),
    };
    let action = Action::WriteConf { conf, owner: image.user };
    draft.step(action, Why { reason, origin, risk: Risk::None, fields, after: &[] });
}

/// True when the file's time says that the container has not read it, and would say so after a restart too: somebody
/// set the clock back. Written anew it has a time that a restart comes after.
fn is_of_the_future(case: &Case<'_>) -> bool {
    let written_at = case.engine.and_then(|engine| engine.configs.get(case.name)).map(|conf| conf.written_at);
    written_at.is_some_and(|at| at > case.facts.now) && super::service::runs_on_an_older_conf(case)
}

/// Modules that are wanted and not installed. One that is no longer wanted stays: uninstalling deletes its data.
pub(super) fn modules(case: &Case<'_>, draft: &mut Draft) {
    let (Some(image), Some(odoo)) = (job_image(case, draft), case.odoo()) else { return };
    let missing = missing_modules(case, &odoo);
    if missing.is_empty() {
        return still_runs(case, &[], draft);
    }
    let fields = missing.iter().map(|module| new_field("module", module)).collect();
    let reason = if case.is_provisioned() { "modules are wanted that are not installed" } else { "new instance" };
    let work = JobWork::Install {
        modules: missing,
        database: case.resources.database.clone(),
        version: case.wanted.odoo.clone(),
    };
    let why = Why { reason, origin: case.origin(), risk: Risk::None, fields, after: &BEFORE_JOBS };
    job(case, image, (work, install_digest(case)), INSTALL_DEADLINE_S, why, draft);
}

/// Company, administrator and parameters; and trigram indexes, where some may be missing.
pub(super) fn set_up(case: &Case<'_>, draft: &mut Draft) {
    let (Some(image), Some(odoo)) = (job_image(case, draft), case.odoo()) else { return };
    let wanted = wanted_setup(case);
    let is_indexed = odoo.search.is_indexed() && !draft.has_step(StepKind::AddExtensions);
    if odoo.setup.as_ref() == Some(&wanted) && is_indexed {
        return;
    }
    let mut fields = setup_fields(odoo.setup.as_ref(), &wanted);
    let (reason, origin) = match &odoo.setup {
        None => ("new instance", Origin::Intended),
        Some(live) if *live == wanted => {
            fields.push(new_field("trigram indexes", "(those that are missing)"));
            ("indexes that Odoo's search works with may be missing", database::search_origin(case, &odoo))
        }
        Some(live) if live.report_url.is_empty() => ("earlier versions of Innkeeper set less up", Origin::ToolUpgrade),
        Some(_) => ("the file asks for another set-up", Origin::Intended),
    };
    let work = JobWork::SetUp { setup: wanted, database: case.resources.database.clone() };
    let after = [&BEFORE_JOBS[..], &[StepKind::InstallModules]].concat();
    let why = Why { reason, origin, risk: Risk::None, fields, after: &after };
    let digest = work.digest();
    job(case, image, (work, digest), SET_UP_DEADLINE_S, why, draft);
}

/// What an installation is known by: everything that is wanted. What is missing grows less while the job runs, and who
/// comes later shall find the job that was begun and not another one.
fn install_digest(case: &Case<'_>) -> String {
    let modules = case.wanted.modules.iter().cloned().chain(ModuleName::parse("base")).collect();
    let database = case.resources.database.clone();
    JobWork::Install { modules, database, version: case.wanted.odoo.clone() }.digest()
}

/// Drafts a hold for each job of this instance that runs, besides those in `adopted`: two at once would work on the same
/// database. One that hangs is stopped; whoever waits for a job that it began stops it by itself.
pub(super) fn still_runs(case: &Case<'_>, adopted: &[&str], draft: &mut Draft) {
    for (container, live) in case.engine.into_iter().flat_map(|engine| &engine.jobs) {
        let Some(tag) = live.owner.tag().filter(|tag| tag.instance == *case.name) else { continue };
        if live.state != JobState::Running || adopted.contains(&container.as_str()) {
            continue;
        }
        draft.hold(HoldReason::JobRunning, format!("job {container} still runs; it is waited for"));
        let id = format!("stop-job:{container}");
        if hangs(case, tag.component, live) && !draft.steps().iter().any(|step| step.key() == id) {
            let why = Why {
                reason: "it runs for longer than any job may",
                origin: Origin::Schedule,
                risk: Risk::None,
                fields: Vec::new(),
                after: &[],
            };
            draft.step(Action::StopJob { container: container.clone(), tag: tag.clone() }, why);
        }
    }
}

/// True for a job whose deadline passed while nobody waited for it.
fn hangs(case: &Case<'_>, component: Component, live: &JobLive) -> bool {
    let deadline_s = match component {
        Component::SetupJob => SET_UP_DEADLINE_S,
        _ => INSTALL_DEADLINE_S,
    };
    let runs_for_s = live.started_at.map(|at| case.facts.now.as_second() - at.as_second());
    runs_for_s.is_some_and(|seconds| seconds > i64::try_from(deadline_s).unwrap_or(i64::MAX))
}

/// Job containers that ended and that no step of this draft runs anew. Work that goes on still reads what its job said, and
/// removes it then.
pub(super) fn ended_jobs(case: &Case<'_>, draft: &mut Draft) {
    let Some(engine) = case.engine else { return };
    for (container, live) in &engine.jobs {
        let Some(tag) = live.owner.tag().filter(|tag| tag.instance == *case.name) else { continue };
        let is_reused =
            draft.steps().iter().any(|step| matches!(&step.action, Action::RunJob(job) if job.container == *container));
        let kind = if tag.component == Component::SetupJob { StepKind::SetUp } else { StepKind::InstallModules };
        let is_read = case.instance.work.contains_key(kind.as_str());
        if !is_reused && !is_read && live.state != JobState::Running {
            let why = Why {
                reason: "it ended and is not needed any more",
                origin: Origin::Intended,
                risk: Risk::None,
                fields: Vec::new(),
                after: &[],
            };
            draft.step(Action::RemoveJob { container: container.clone(), tag: tag.clone() }, why);
        }
    }
}

/// Modules that are wanted and not installed, `base` among them for a new database.
pub(super) fn missing_modules(case: &Case<'_>, odoo: &OdooLive) -> BTreeSet<ModuleName> {
    let base = ModuleName::parse("base");
    case.wanted.modules.iter().chain(&base).filter(|module| !odoo.has(module)).cloned().collect()
}

/// What the set-up makes true for this file.
pub(super) fn wanted_setup(case: &Case<'_>) -> Setup {
    Setup {
        company: case.wanted.company.clone(),
        admin_login: case.wanted.admin_email.to_string(),
        report_url: REPORT_URL.to_owned(),
        website: case.wanted.modules.iter().any(|module| module.as_str() == WEBSITE),
        base_url: url(case.wanted.main_host(), case.facts.settings.nginx.https_port),
    }
}

/// `https://acme.example.com`, with the port where it is not 443.
pub(super) fn url(host: &crate::model::name::Domain, https_port: u16) -> String {
    match https_port {
        443 => format!("https://{host}"),
        port => format!("https://{host}:{port}"),
    }
}

/// What the file or its plan chooses for odoo.conf, for people.
fn chosen(conf: &OdooConf) -> impl Iterator<Item = FieldChange> {
    let password = conf.smtp_password.as_ref().map(|password| format!("from {}", password.file.display()));
    let password = password.map(|place| new_field("smtp_password", place));
    conf.options.iter().map(|(key, value)| new_field(key, value)).chain(password)
}

/// What odoo.conf is to say; without the mark of a password that it needs, why that cannot be read.
pub(super) fn wanted_conf(case: &Case<'_>) -> Result<OdooConf, String> {
    let postgres = &case.facts.settings.postgres;
    let conf = &case.wanted.conf;
    let smtp_password = match (conf.password_file(), &case.instance.smtp_password) {
        (None, _) => None,
        (Some(file), Some(Seen::Known(mark))) => Some(PasswordFile { file: file.to_owned(), mark: mark.clone() }),
        (Some(_), Some(Seen::Unseen(why))) => return Err(why.clone()),
        (Some(file), None) => return Err(format!("{} was not looked at", file.display())),
    };
    let (limit_memory_soft, limit_memory_hard) = memory_limits(&case.wanted.limits);
    Ok(OdooConf {
        uid: case.instance.uid,
        database_host: postgres.instance_host.clone(),
        database_port: postgres.port(),
        database: case.resources.database.clone(),
        password_generation: PASSWORD_GENERATION,
        workers: case.wanted.limits.workers,
        connections_per_process: CONNECTIONS_PER_PROCESS,
        connections_gevent: CONNECTIONS_GEVENT,
        limit_memory_hard,
        limit_memory_soft,
        version: case.wanted.odoo.clone(),
        options: conf.values.clone(),
        smtp_password,
    })
}

/// `limit_memory_soft` and `limit_memory_hard`, bytes of virtual memory of one process (`memory_info` and `RLIMIT_AS` in
/// `odoo/service/server.py`, the same from 14 to 19). Three quarters of the container's memory let a worker that grows alone
/// meet Odoo's limit, which says so, before the kernel kills it; past seven eighths of that it is replaced after its request.
fn memory_limits(limits: &Limits) -> (u64, u64) {
    if limits.workers == 0 {
        return (LIMIT_MEMORY_SOFT_BYTES_THREADED, LIMIT_MEMORY_HARD_BYTES_MAX);
    }
    let hard = (limits.memory.0 / 4 * 3).clamp(LIMIT_MEMORY_HARD_BYTES_MIN, LIMIT_MEMORY_HARD_BYTES_MAX);
    (hard / 8 * 7, hard)
}

/// The image for a job; none while something stands in the way, or while the inside of the database is not known.
fn job_image<'a>(case: &Case<'a>, draft: &Draft) -> Option<Image<'a>> {
    let known = case.inside().is_none_or(|inside| matches!(inside, Seen::Known(_)));
    let in_the_way = blocked(draft) || draft.has_hold(HoldReason::UpgradeNeeded);
    if known && !in_the_way { case.image() } else { None }
}

fn job(
    case: &Case<'_>,
    image: Image<'_>,
    (work, digest): (JobWork, String),
    deadline_s: u64,
    why: Why<'_>,
    draft: &mut Draft,
) {
    let container = work.container(&case.resources);
    let mut adopted: Vec<String> = drafted_jobs(draft).map(str::to_owned).collect();
    if let Some(live) = case.engine.and_then(|engine| engine.jobs.get(&container)) {
        if !case.owns(&live.owner, &container, draft) {
            return;
        }
        if live.owner.tag().is_some_and(|tag| tag.digest == digest) {
            adopted.push(container.clone());
        }
    }
    still_runs(case, &adopted.iter().map(String::as_str).collect::<Vec<_>>(), draft);
    if draft.has_hold(HoldReason::JobRunning) {
        return;
    }
    let job = JobSpec {
        container,
        tag: case.tag(work.component().0, digest),
        image: case.wanted.image.clone(),
        image_id: image.id.to_owned(),
        image_user: image.user,
        volume: case.resources.volume.clone(),
        memory_bytes: case.wanted.limits.memory.0.max(JOB_MEMORY_BYTES_MIN),
        work,
        deadline_s,
    };
    draft.step(Action::RunJob(job), why);
}

fn drafted_jobs(draft: &Draft) -> impl Iterator<Item = &str> {
    draft.steps().iter().filter_map(|step| match &step.action {
        Action::RunJob(job) => Some(job.container.as_str()),
        _ => None,
    })
}

fn setup_fields(live: Option<&Setup>, wanted: &Setup) -> Vec<FieldChange> {
    let texts = |setup: &Setup| {
        let company = &setup.company;
        [
            ("company.name", company.name.clone()),
            ("company.country", company.country.as_ref().map(ToString::to_string).unwrap_or_default()),
            ("company.language", company.language.to_string()),
            ("company.timezone", company.timezone.clone()),
            ("admin.email", setup.admin_login.clone()),
            ("url", setup.base_url.clone()),
            ("report.url", setup.report_url.clone()),
            ("website.language", if setup.website { company.language.to_string() } else { String::new() }),
        ]
    };
    match live {
        None => texts(wanted)
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(field, text)| new_field(field, text))
            .collect(),
        Some(live) => texts(live)
            .into_iter()
            .zip(texts(wanted))
            .filter_map(|((field, from), (_, to))| changed(field, from, to))
            .map(|change| FieldChange {
                from: change.from.filter(|text| !text.is_empty()),
                to: change.to.filter(|text| !text.is_empty()),
                ..change
            })
            .collect(),
    }
}
