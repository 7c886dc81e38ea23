//! Steps on what is Odoo's own: odoo.conf, modules, company and administrator.

use super::smtp_password::read_smtp_password;
use super::{Context, StepFault};
use crate::edges::engine::JobEnd;
use crate::edges::{Ask, ErrorKind};
use crate::model::live::{OdooLive, Seen};
use crate::model::name::{InstanceName, ModuleName, Resources, Uid};
use crate::model::secret::{ExposeSecret, PASSWORD_GENERATION, SecretPurpose, SecretString};
use crate::model::service::{ImageUser, JobSpec, JobWork, OdooConf, PasswordFile, SecretFile, Setup};
use crate::spec::nearest;
use openssl::hash::MessageDigest;
use std::collections::BTreeSet;
use std::fmt::Write;

/// Rounds of PBKDF2 for the master password: passlib's default, which Odoo verifies with. The password itself has 160
/// bits of entropy, so rounds add nothing.
const MASTER_PASSWORD_ROUNDS: usize = 25_000;
/// What holds where neither plan nor file chooses. Seconds for one request (Odoo deployment guide: raised from 60 and 120
/// for reports; the site's own timeout is 720), and one process for scheduled actions.
const UNLESS_CHOSEN: [(&str, &str); 3] =
    [("max_cron_threads", "1"), ("limit_time_cpu", "600"), ("limit_time_real", "1200")];
/// The first release that calls the database of places by its present name.
const GEOIP_RENAMED_MAJOR: u32 = 17;

/// Writes odoo.conf, the only place where the database's password stands.
pub(super) async fn write_conf(conf: &OdooConf, owner: ImageUser, context: &Context) -> Result<(), StepFault> {
    let instance = instance(context)?;
    let password = context.key.derive(SecretPurpose::RolePassword, conf.uid, conf.password_generation);
    let master = context.key.derive(SecretPurpose::MasterPassword, conf.uid, PASSWORD_GENERATION);
    let file = SecretFile {
        file_name: "odoo.conf",
        digest: conf.digest(),
        text: conf_text(conf, &password, &master_hash(&master, conf.uid)?, smtp_password(conf, context)?.as_ref()),
        owner,
    };
    Ok(context.edges.engine.put_file(instance, &file).await?)
}

/// The password for outgoing mail, read from its file. It must be the one that this was decided for: what odoo.conf is
/// known by afterwards has its mark.
fn smtp_password(conf: &OdooConf, context: &Context) -> Result<Option<SecretString>, StepFault> {
    let Some(PasswordFile { file, mark }) = &conf.smtp_password else { return Ok(None) };
    let failed = |message| StepFault { message, kind: ErrorKind::Failed };
    let password = read_smtp_password(file).map_err(failed)?;
    match context.key.mark(&password) == *mark {
        true => Ok(Some(password)),
        false => Err(failed(format!("{} changed meanwhile: the new password is taken next", file.display()))),
    }
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
        end = context.edges.engine.run_job(job) => end?,
    };
    let odoo = look_inside(instance, context).await?;
    match verify(&job.work, &end, &odoo) {
        Ok(()) => Ok(true),
        Err(fault) => Err(unknown_modules(&job.work, &odoo, context).await.unwrap_or(fault)),
    }
}

/// What is said of modules that Odoo does not have; none when that is not what is wrong, or cannot be found out.
async fn unknown_modules(work: &JobWork, odoo: &OdooLive, context: &Context) -> Option<StepFault> {
    let JobWork::Install { modules, database, version } = work else { return None };
    let known = context.edges.database.known_modules(database).await.ok().filter(|known| !known.is_empty())?;
    let sentence = |module: &ModuleName| {
        let near = nearest(module.as_str(), known.iter().map(ModuleName::as_str));
        let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        format!("Odoo {version} has no module {module}{hint}")
    };
    let unknown: Vec<String> = modules.iter().filter(|it| !odoo.has(it) && !known.contains(it)).map(sentence).collect();
    // Trying again helps only once the file or the image is another one.
    let kind = ErrorKind::Refused;
    (!unknown.is_empty()).then(|| StepFault { message: unknown.join(" "), kind })
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
        JobWork::SetUp { setup, .. } if odoo.setup.as_ref() == Some(setup) && odoo.search.is_indexed() => Ok(()),
        JobWork::SetUp { .. } if !end.refused.is_empty() => {
            let message = format!("Odoo refuses {}", end.refused.join("; "));
            Err(StepFault { message, kind: ErrorKind::Refused })
        }
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
/// name from an allow-list, hexadecimal digits or an [`OptionValue`](crate::model::odoo_options::OptionValue): none needs
/// quoting.
fn conf_text(
    conf: &OdooConf,
    password: &SecretString,
    master_hash: &str,
    smtp_password: Option<&SecretString>,
) -> SecretString {
    let major = conf.version.major();
    // Odoo 16 renamed the option; demo data are off by default from 19 on and the option takes no list any more.
    let gevent_port = if major >= 16 { "gevent_port" } else { "longpolling_port" };
    let without_demo = if major >= 19 { "True" } else { "all" };
    let OdooConf {
        database_host, database_port, database, workers, connections_per_process, connections_gevent, ..
    } = conf;
    let connections = match major {
        // The gevent process reads the same option as the workers, which never need as many.
        ..=16 if *workers > 0 => format!("db_maxconn = {}", connections_per_process.max(connections_gevent)),
        ..=16 => format!("db_maxconn = {connections_per_process}"),
        _ => format!("db_maxconn = {connections_per_process}\ndb_maxconn_gevent = {connections_gevent}"),
    };
    let mut text = String::from("[options]\n");
    let _ = write!(
        text,
        "db_host = {database_host}\n\
         db_port = {database_port}\n\
         db_user = {database}\n\
         db_password = {password}\n\
         db_name = {database}\n\
         {connections}\n\
         unaccent = True\n\
         list_db = False\n\
         admin_passwd = {master_hash}\n\
         proxy_mode = True\n\
         data_dir = /var/lib/odoo\n\
         http_port = 8069\n\
         {gevent_port} = 8072\n\
         workers = {workers}\n\
         limit_memory_soft = {soft}\n\
         limit_memory_hard = {hard}\n\
         without_demo = {without_demo}\n",
        password = password.expose_secret(),
        soft = conf.limit_memory_soft,
        hard = conf.limit_memory_hard,
    );
    for (key, value) in UNLESS_CHOSEN.iter().filter(|(key, _)| !conf.options.contains_key(*key)) {
        let _ = writeln!(text, "{key} = {value}");
    }
    for (key, value) in &conf.options {
        let _ = match key.as_str() {
            "server_wide_modules" => writeln!(text, "{key} = {},{value}", odoo_s_own_modules(major)),
            "geoip_city_db" if major < GEOIP_RENAMED_MAJOR => writeln!(text, "geoip_database = {value}"),
            _ => writeln!(text, "{key} = {value}"),
        };
    }
    if let Some(password) = smtp_password {
        let _ = writeln!(text, "smtp_password = {}", password.expose_secret());
    }
    SecretString::from(text)
}

/// What a release loads for every database unless told otherwise: naming others would replace them.
fn odoo_s_own_modules(major: u32) -> &'static str {
    if major >= 19 { "base,rpc,web" } else { "base,web" }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::OdooVersion;
    use crate::model::odoo_options::OptionValue;
    use std::collections::{BTreeMap, BTreeSet};

    /// The lines of odoo.conf for a release and what was chosen.
    fn lines(release: &str, chosen: &[(&str, &str)]) -> Vec<String> {
        let value = |(key, value): &(&str, &str)| ((*key).to_owned(), OptionValue::parse(value).unwrap());
        let conf = OdooConf {
            uid: Uid(uuid::Uuid::nil()),
            database_host: "10.0.0.1".to_owned(),
            database_port: 5432,
            database: "odoo_acme".to_owned(),
            password_generation: 1,
            workers: 2,
            connections_per_process: 8,
            connections_gevent: 16,
            limit_memory_hard: 1,
            limit_memory_soft: 1,
            version: OdooVersion::parse(release).unwrap(),
            options: chosen.iter().map(value).collect::<BTreeMap<_, _>>(),
            smtp_password: None,
        };
        let text = conf_text(&conf, &"password".into(), "hash", Some(&SecretString::from("canary")));
        text.expose_secret().lines().map(str::to_owned).collect()
    }

    #[test]
    fn each_option_stands_once_under_its_release_s_name() {
        let chosen = [
            ("geoip_city_db", "/city.mmdb"),
            ("limit_time_real", "3600"),
            ("max_cron_threads", "0"),
            ("server_wide_modules", "queue_job"),
        ];
        for (release, geoip, modules) in [
            ("14.0", "geoip_database", "base,web,queue_job"),
            ("16.0", "geoip_database", "base,web,queue_job"),
            ("17.0", "geoip_city_db", "base,web,queue_job"),
            ("19.0", "geoip_city_db", "base,rpc,web,queue_job"),
        ] {
            let lines = lines(release, &chosen);
            let keys: Vec<&str> = lines.iter().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
            assert_eq!(keys.len(), keys.iter().collect::<BTreeSet<_>>().len(), "{lines:#?}");
            assert_eq!(lines.len(), keys.len() + 1, "each line but [options] is an option: {lines:#?}");
            for expected in [
                format!("{geoip} = /city.mmdb"),
                format!("server_wide_modules = {modules}"),
                "limit_time_real = 3600".to_owned(),
                "limit_time_cpu = 600".to_owned(),
                "max_cron_threads = 0".to_owned(),
                "smtp_password = canary".to_owned(),
            ] {
                assert!(lines.contains(&expected), "{release}: {expected} is not among {lines:#?}");
            }
        }
    }
}
