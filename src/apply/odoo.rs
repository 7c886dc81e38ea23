//! Steps on what is Odoo's own: odoo.conf, modules, company and administrator.

use super::{Context, StepFault};
use crate::edges::engine::JobEnd;
use crate::edges::{Ask, ErrorKind};
use crate::model::live::{OdooLive, Seen};
use crate::model::name::{InstanceName, ModuleName, Resources, Uid};
use crate::model::secret::{ExposeSecret, PASSWORD_GENERATION, SecretPurpose, SecretString};
use crate::model::service::{ImageUser, JobSpec, JobWork, OdooConf, SecretFile, Setup};
use openssl::hash::MessageDigest;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Rounds of PBKDF2 for the master password: passlib's default, which Odoo verifies with. The password itself has 160
/// bits of entropy, so rounds add nothing.
const MASTER_PASSWORD_ROUNDS: usize = 25_000;
/// `limit_time_cpu`, seconds of processor time for one request (Odoo deployment guide: raised from 60 for reports).
const LIMIT_TIME_CPU_S: u32 = 600;
/// `limit_time_real`, seconds for one request; the site's own timeout is 720.
const LIMIT_TIME_REAL_S: u32 = 1200;

/// Writes odoo.conf, the only place where the database's password stands.
pub(super) async fn write_conf(conf: &OdooConf, owner: ImageUser, context: &Context) -> Result<(), StepFault> {
    let instance = instance(context)?;
    let password = context.key.derive(SecretPurpose::RolePassword, conf.uid, conf.password_generation);
    let master = context.key.derive(SecretPurpose::MasterPassword, conf.uid, PASSWORD_GENERATION);
    let file = SecretFile {
        file_name: "odoo.conf",
        digest: conf.digest(),
        text: conf_text(conf, &password, &master_hash(&master, conf.uid)?),
        owner,
    };
    Ok(context.edges.engine.put_file(instance, &file).await?)
}

/// Runs a job and proves by a look what its exit code alone does not: Odoo ends with 0 when a module does not exist.
/// `false`: a shutdown cut the waiting short; the job runs on and is found by its name.
pub(super) async fn run_job(job: &JobSpec, context: &Context) -> Result<bool, StepFault> {
    let instance = instance(context)?;
    if let JobWork::SetUp { setup, .. } = &job.work {
        let password = context.key.derive(SecretPurpose::AdminPassword, job.tag.uid, PASSWORD_GENERATION);
        let text = setup_text(setup, &password);
        let file = SecretFile { file_name: "setup.json", digest: job.work.digest(), text, owner: job.image_user };
        context.edges.engine.put_file(instance, &file).await?;
    }
    let end = tokio::select! {
        // Cut by a shutdown: the job container goes on without us.
        () = context.stopping.cancelled() => return Ok(false),
        end = run_in_lane(job, context) => end?,
    };
    let odoo = look_inside(instance, context).await?;
    verify(&job.work, &end, &odoo).map(|()| true)
}

async fn run_in_lane(job: &JobSpec, context: &Context) -> Result<JobEnd, StepFault> {
    let Ok(_place) = context.lanes.heavy.acquire().await else {
        return Err(StepFault { message: "the lane for jobs is closed".to_owned(), kind: ErrorKind::Failed });
    };
    Ok(context.edges.engine.run_job(job).await?)
}

async fn look_inside(instance: &InstanceName, context: &Context) -> Result<OdooLive, StepFault> {
    let resources = Resources::of(instance);
    let ask = Ask { instances: [(instance.clone(), resources.clone())].into(), ..Ask::default() };
    let live = context.edges.database.look(&ask).await?;
    match live.inside.get(&resources.database) {
        Some(Seen::Known(odoo)) => Ok(odoo.clone()),
        Some(Seen::Unseen(why)) => Err(StepFault { message: why.clone(), kind: ErrorKind::Unreachable }),
        None => Err(StepFault { message: format!("database {} is gone", resources.database), kind: ErrorKind::Failed }),
    }
}

/// Holds the job against what stands in the database now.
fn verify(work: &JobWork, end: &JobEnd, odoo: &OdooLive) -> Result<(), StepFault> {
    let told = end.message.clone().unwrap_or_else(|| format!("it ended with exit code {}", end.exit_code));
    match work {
        JobWork::Install { modules, .. } => {
            let missing: BTreeSet<&ModuleName> = modules.iter().filter(|module| !odoo.has(module)).collect();
            if missing.is_empty() {
                return Ok(());
            }
            let names = missing.iter().map(|module| module.as_str()).collect::<Vec<_>>().join(", ");
            // Exit code 0 without the module: Odoo does not know it, and will not know it next time.
            let kind = if end.exit_code == 0 { ErrorKind::Refused } else { ErrorKind::Failed };
            Err(StepFault { message: format!("not installed: {names}: {told}"), kind })
        }
        JobWork::SetUp { setup, .. } if odoo.setup.as_ref() == Some(setup) => Ok(()),
        JobWork::SetUp { .. } => {
            Err(StepFault { message: format!("the set-up did not take: {told}"), kind: ErrorKind::Failed })
        }
    }
}

fn instance(context: &Context) -> Result<&InstanceName, StepFault> {
    let missing = || StepFault {
        message: "a step of an instance was given to the host's turn".to_owned(),
        kind: ErrorKind::Refused,
    };
    context.instance.as_ref().ok_or_else(missing)
}

/// odoo.conf as the Odoo deployment guide ("System configuration", "Security") asks for it. Every value is a number, a
/// name from an allow-list or hexadecimal digits: none needs quoting.
fn conf_text(conf: &OdooConf, password: &SecretString, master_hash: &str) -> SecretString {
    let major = conf.version.major();
    // Odoo 16 renamed the option; demo data are off by default from 19 on and the option takes no list any more.
    let gevent_port = if major >= 16 { "gevent_port" } else { "longpolling_port" };
    let without_demo = if major >= 19 { "True" } else { "all" };
    let OdooConf { database_host, database_port, database, workers, connections_per_process, .. } = conf;
    let mut text = String::from("[options]\n");
    let _ = write!(
        text,
        "db_host = {database_host}\n\
         db_port = {database_port}\n\
         db_user = {database}\n\
         db_password = {password}\n\
         db_name = {database}\n\
         dbfilter = ^{database}$\n\
         db_maxconn = {connections_per_process}\n\
         list_db = False\n\
         admin_passwd = {master_hash}\n\
         proxy_mode = True\n\
         data_dir = /var/lib/odoo\n\
         http_port = 8069\n\
         {gevent_port} = 8072\n\
         workers = {workers}\n\
         max_cron_threads = 1\n\
         limit_memory_soft = {soft}\n\
         limit_memory_hard = {hard}\n\
         limit_time_cpu = {LIMIT_TIME_CPU_S}\n\
         limit_time_real = {LIMIT_TIME_REAL_S}\n\
         without_demo = {without_demo}\n",
        password = password.expose_secret(),
        soft = conf.limit_memory_soft,
        hard = conf.limit_memory_hard,
    );
    SecretString::from(text)
}

fn setup_text(setup: &Setup, password: &SecretString) -> SecretString {
    SecretString::from(serde_json::json!({ "setup": setup, "admin_password": password.expose_secret() }).to_string())
}

/// The master password as passlib's `pbkdf2_sha512` writes it, which is what Odoo stores and verifies.
fn master_hash(master: &SecretString, uid: Uid) -> Result<String, StepFault> {
    let salt = uid.0.as_bytes();
    let mut key = [0_u8; 64];
    openssl::pkcs5::pbkdf2_hmac(
        master.expose_secret().as_bytes(),
        salt,
        MASTER_PASSWORD_ROUNDS,
        MessageDigest::sha512(),
        &mut key,
    )
    .map_err(|error| StepFault {
        message: format!("could not hash the master password: {error}"),
        kind: ErrorKind::Failed,
    })?;
    Ok(format!("$pbkdf2-sha512${MASTER_PASSWORD_ROUNDS}${}${}", adapted_base64(salt), adapted_base64(&key)))
}

/// passlib's "adapted base64": no padding, `.` in place of `+`.
fn adapted_base64(bytes: &[u8]) -> String {
    openssl::base64::encode_block(bytes).trim_end_matches('=').replace('+', ".")
}
