//! `innkeeper.toml` → [`Settings`].

use super::addresses;
use super::codes;
use super::fields::SETTINGS;
use super::problem::{Faults, Faulty, Refusal, WHOLE_FILE, quote};
use super::tree::{Cursor, parse};
use super::values;
use crate::model::name::Subdomain;
use crate::model::settings::{
    AcmeSettings, BackupSettings, DockerSettings, FleetSettings, GuardSettings, NginxSettings, OdooSettings,
    OnMissingFile, OperatorSettings, PostgresSettings, Settings,
};
use std::path::{Path, PathBuf};

const ON_MISSING_FILE: &[(&str, OnMissingFile)] = &[("hold", OnMissingFile::Hold), ("retire", OnMissingFile::Retire)];

/// Reads the text of `innkeeper.toml`; relative paths start at `fleet_dir`. On failure all of its problems, and what it
/// says all the same where the state directory is sure: another one has the state of another installation.
pub(super) fn read(file: &Path, fleet_dir: &Path, text: &str) -> Result<Settings, Faulty<Settings>> {
    let (tree, mut faults) = parse(file, text);
    let f = &mut faults;
    let top = Cursor::top(&SETTINGS, tree.get_ref(), WHOLE_FILE, f);
    let table = top.child("fleet", f);
    let fleet = read_fleet(&table, fleet_dir, f);
    let odoo = read_odoo(&top.child("odoo", f), f);
    let docker = read_docker(&top.child("docker", f), f);
    let postgres = read_postgres(&top.child("postgres", f), fleet_dir, f);
    let nginx = read_nginx(&top.child("nginx", f), fleet_dir, f);
    let acme = read_acme(&top.child("acme", f), fleet_dir, f);
    let backup = read_backup(&top.child("backup", f), fleet_dir, f);
    let guard = read_guard(&top.child("guard", f), f);
    let operator = read_operator(&top.child("operator", f), fleet_dir, f);
    let build = || {
        Some(Settings {
            fleet: fleet?,
            odoo: odoo?,
            docker: docker?,
            postgres: postgres?,
            nginx: nginx?,
            acme: acme?,
            backup: backup?,
            guard: guard?,
            operator: operator?,
        })
    };
    let read = build().filter(|_| is_state_dir_sure(&table, &faults));
    faults.judge(read)
}

/// False when its line has a fault, or when a broken line or an unknown key may be the one that was meant to give it.
fn is_state_dir_sure(fleet: &Cursor<'_>, faults: &Faults<'_>) -> bool {
    let mut problems = faults.problems().iter();
    match fleet.line_of("state_dir", faults) {
        Some(line) => !problems.any(|problem| problem.line == line),
        None => faults.syntax_is_sound() && !problems.any(|problem| problem.code == codes::UNKNOWN_KEY.code),
    }
}

fn read_fleet(table: &Cursor<'_>, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<FleetSettings> {
    let base_domain = table.text("base_domain", f, values::domain);
    let reserved = table.list("reserved_subdomains", f, values::name::<Subdomain>);
    let max_instances_per_plan = table.integer("max_instances_per_plan", f);
    let on_missing_file = table.text("on_missing_file", f, |text| values::choice(text, ON_MISSING_FILE));
    let retire_grace = table.text("retire_grace", f, values::duration);
    let state_dir = path(table, "state_dir", fleet_dir, f);
    let timezone = table.text("timezone", f, values::timezone);
    Some(FleetSettings {
        base_domain: base_domain?.value,
        reserved_subdomains: reserved?.into_iter().map(|placed| placed.value.to_string()).collect(),
        max_instances_per_plan: max_instances_per_plan?,
        on_missing_file: on_missing_file?.value,
        retire_grace: retire_grace?.value,
        state_dir: state_dir?,
        timezone: timezone?.value,
    })
}

fn read_odoo(table: &Cursor<'_>, f: &mut Faults<'_>) -> Option<OdooSettings> {
    let default_version = table.text("default_version", f, addresses::release);
    let images = table.pairs("images", f, addresses::release, addresses::image);
    let (default_version, images) = (default_version?, images?);
    if !images.iter().any(|(release, _)| *release == default_version.value) {
        let message = format!("odoo.images names no image for {}", quote(default_version.value.as_str()));
        let refusal = Refusal::new(&codes::UNKNOWN_RELEASE, message);
        table.refuse("default_version", default_version.at, refusal, f);
        return None;
    }
    Some(OdooSettings { default_version: default_version.value, images: images.into_iter().collect() })
}

fn read_docker(table: &Cursor<'_>, f: &mut Faults<'_>) -> Option<DockerSettings> {
    let host = table.text("host", f, addresses::docker_host);
    let ports = table.text("ports", f, addresses::ports);
    Some(DockerSettings { host: host?.value, ports: ports?.value })
}

fn read_postgres(table: &Cursor<'_>, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<PostgresSettings> {
    let url = table.text("url", f, addresses::postgres_url);
    let password_file = path(table, "password_file", fleet_dir, f);
    let instance_host = table.text("instance_host", f, addresses::host);
    Some(PostgresSettings { url: url?.value, password_file, instance_host: instance_host?.value })
}

fn read_nginx(table: &Cursor<'_>, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<NginxSettings> {
    let config_dir = path(table, "config_dir", fleet_dir, f);
    let binary = path(table, "binary", fleet_dir, f);
    let arguments = table.words("arguments", f, addresses::argument);
    let pid_file = path(table, "pid_file", fleet_dir, f);
    let ports = (table.integer("http_port", f), table.integer("https_port", f));
    Some(NginxSettings {
        config_dir: config_dir?,
        binary: binary?,
        arguments: arguments?.into_iter().map(|placed| placed.value).collect(),
        pid_file: pid_file?,
        http_port: u16::try_from(ports.0?).ok()?,
        https_port: u16::try_from(ports.1?).ok()?,
    })
}

fn read_acme(table: &Cursor<'_>, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<AcmeSettings> {
    let directory = table.text("directory", f, addresses::https_url);
    let contact = table.list("contact", f, addresses::contact);
    let ca_file = path(table, "ca_file", fleet_dir, f);
    let hook = table.words("wildcard_hook", f, addresses::argument);
    let wildcard_hook = hook.map(|words| words.into_iter().map(|placed| placed.value).collect::<Vec<_>>());
    let resolver = table.text("resolver", f, addresses::dns_server);
    Some(AcmeSettings {
        directory: directory?.value,
        contact: contact?.into_iter().map(|placed| placed.value).collect(),
        ca_file,
        wildcard_hook: wildcard_hook.filter(|words| !words.is_empty()).map(|words| with_program(words, fleet_dir)),
        resolver: resolver.map(|placed| placed.value),
    })
}

fn read_backup(table: &Cursor<'_>, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<BackupSettings> {
    let directory = path(table, "directory", fleet_dir, f);
    let (pg_dump, pg_restore) = (program(table, "pg_dump", fleet_dir, f), program(table, "pg_restore", fleet_dir, f));
    Some(BackupSettings { directory: directory?, pg_dump: pg_dump?, pg_restore: pg_restore? })
}

fn read_guard(table: &Cursor<'_>, f: &mut Faults<'_>) -> Option<GuardSettings> {
    let disruptions_per_hour = table.integer("disruptions_per_hour", f);
    let disruptions_percent = table.integer("disruptions_percent", f);
    let updates_percent = table.integer("updates_percent", f);
    Some(GuardSettings {
        disruptions_per_hour: disruptions_per_hour?,
        disruptions_percent: disruptions_percent?,
        updates_percent: updates_percent?,
    })
}

fn read_operator(table: &Cursor<'_>, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<OperatorSettings> {
    let name = table.text("name", f, values::free_text);
    let logo = path(table, "logo", fleet_dir, f);
    let logo_dark = path(table, "logo_dark", fleet_dir, f);
    let contact = table.list("contact", f, addresses::help);
    Some(OperatorSettings {
        name: name.map(|placed| placed.value),
        logo,
        logo_dark,
        contact: contact?.into_iter().map(|placed| placed.value).collect(),
    })
}

fn path(table: &Cursor<'_>, key: &str, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<PathBuf> {
    table.text(key, f, addresses::path).map(|placed| fleet_dir.join(placed.value))
}

/// A program: with a directory it starts at the fleet's, a bare name is looked for as a shell would.
fn program(table: &Cursor<'_>, key: &str, fleet_dir: &Path, f: &mut Faults<'_>) -> Option<PathBuf> {
    let text = table.text(key, f, addresses::path)?.value;
    with_program(vec![text], fleet_dir).pop().map(PathBuf::from)
}

/// A program that is named with a directory starts at the fleet's; a bare name is looked for as a shell would.
fn with_program(mut words: Vec<String>, fleet_dir: &Path) -> Vec<String> {
    if let Some(program) = words.first_mut()
        && program.contains('/')
    {
        *program = fleet_dir.join(program.as_str()).to_string_lossy().into_owned();
    }
    words
}
