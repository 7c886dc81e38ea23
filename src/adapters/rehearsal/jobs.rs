//! What Odoo does inside a job container of the rehearsed world.

use super::world::{Container, ContainerState, World};
use crate::model::name::{InstanceName, ModuleName, OdooVersion};
use crate::model::secret::ExposeSecret;
use crate::model::service::{JobWork, Setup};
use crate::model::time::Timestamp;
use std::collections::BTreeSet;

/// `-i base` takes 18 s.
const BASE_S: i64 = 18;
/// Each further module; three of them took 52 s.
const MODULE_S: i64 = 17;
/// How a line of the set-up's output begins that says what Odoo refused.
pub(super) const REFUSED: &str = "refused: ";
/// `odoo shell` with the set-up's script takes 3 s.
const SET_UP_S: i64 = 3;

/// Some of the modules that come with Odoo.
const MODULES: [&str; 12] = [
    "account",
    "calendar",
    "contacts",
    "crm",
    "hr",
    "mail",
    "project",
    "purchase",
    "sale_management",
    "stock",
    "website",
    "website_sale",
];

/// How long the work takes, in seconds.
pub(super) fn duration_s(work: &JobWork) -> i64 {
    match work {
        JobWork::Install { modules, .. } => BASE_S + MODULE_S * i64::try_from(modules.len()).unwrap_or(0),
        JobWork::SetUp { .. } => SET_UP_S,
    }
}

/// What an install brings along whatever it is asked for, in the order in which Odoo loads it.
const DEPENDENCIES: [&str; 14] = [
    "base",
    "web",
    "bus",
    "base_setup",
    "web_tour",
    "html_editor",
    "phone_validation",
    "mail",
    "auth_signup",
    "resource",
    "contacts",
    "digest",
    "portal",
    "product",
];

/// What its container has written until `now`, as Odoo writes it: in UTC, with the database's name.
pub(super) fn said(container: &Container, database: &str, now: Timestamp) -> Vec<String> {
    let Some(began) = container.started_at else { return Vec::new() };
    let line = |after_s: i64, text: &str| {
        let at = Timestamp::from_second(began.as_second() + after_s).unwrap_or(now);
        format!("{} 1 INFO {database} {text}", at.strftime("%Y-%m-%d %H:%M:%S,000"))
    };
    let Some(work) = &container.work else {
        let mut lines = vec![line(0, "odoo: Odoo version 19.0, rehearsed")];
        if container.booted {
            lines.push(line(1, "odoo.service.server: HTTP service (werkzeug) running on 0.0.0.0:8069"));
            lines.push(line(2, "odoo.registry: Registry loaded in 1.2s"));
        }
        return lines;
    };
    let mut lines = Vec::new();
    if let JobWork::Install { modules, .. } = &work.work {
        let all: Vec<&str> = DEPENDENCIES.into_iter().chain(modules.iter().map(ModuleName::as_str)).collect();
        let (whole_s, spent_s) = (duration_s(&work.work), now.as_second() - began.as_second());
        for (nth, module) in (1_i64..).zip(&all) {
            let at_s = (nth - 1) * whole_s / all.len() as i64;
            if at_s <= spent_s || container.state != ContainerState::Running {
                let loading = format!("odoo.modules.loading: Loading module {module} ({nth}/{})", all.len());
                lines.push(line(at_s, &loading));
            }
        }
    }
    lines.extend(work.log.lines().map(str::to_owned));
    lines
}

impl World {
    /// The job `name` comes to its end: what it did stands in the database from now on.
    pub(super) fn finish_job(&mut self, name: &str) {
        let Some(container) = self.containers.get(name).cloned() else { return };
        let (Some(work), Some(tag)) = (container.work, container.owner.tag()) else { return };
        let let_in = container.conf.as_ref().is_some_and(|conf| self.log_in(conf).is_some());
        let (exit_code, log) = if let_in {
            self.odoo(&work.work, &tag.instance)
        } else {
            (1, "CRITICAL ? odoo.service.server: Failed to initialize database: FATAL: no entry".to_owned())
        };
        if matches!(work.work, JobWork::SetUp { .. }) {
            // The engine's adapter takes the first password away as soon as the job ended.
            self.files.remove(&(tag.instance.clone(), "setup.json".to_owned()));
        }
        if let Some(container) = self.containers.get_mut(name) {
            container.state = ContainerState::Exited(exit_code);
            if let Some(work) = &mut container.work {
                work.log = log;
            }
        }
    }

    fn odoo(&mut self, work: &JobWork, instance: &InstanceName) -> (i64, String) {
        match work {
            JobWork::Install { modules, database, version } => self.install(modules, database, version),
            JobWork::SetUp { database, .. } => self.set_up(database, instance),
        }
    }

    fn install(&mut self, modules: &BTreeSet<ModuleName>, database: &str, version: &OdooVersion) -> (i64, String) {
        let (unknown, known): (BTreeSet<_>, BTreeSet<_>) =
            modules.iter().cloned().partition(|module| self.unknown_modules.contains(module));
        let Some(database) = self.databases.get_mut(database) else { return (1, "no such database".to_owned()) };
        database.odoo.base_version.get_or_insert_with(|| format!("{version}.1.3"));
        database.odoo.modules.extend(known.into_iter().map(|module| (module, "installed".to_owned())));
        let names: Vec<&str> = unknown.iter().map(ModuleName::as_str).collect();
        let log = match names.is_empty() {
            true => "INFO ? odoo.modules.loading: Modules loaded.".to_owned(),
            false => format!("WARNING ? odoo.modules.graph: invalid module names, ignored: {}", names.join(", ")),
        };
        (0, log)
    }

    /// What Odoo's image brings, and what was installed: all that is not unknown.
    pub(super) fn known_modules(&self, database: &str) -> BTreeSet<ModuleName> {
        let Some(database) = self.databases.get(database).filter(|it| !it.odoo.modules.is_empty()) else {
            return BTreeSet::new();
        };
        let shipped = MODULES.iter().filter_map(|name| ModuleName::parse(name).ok());
        let all = database.odoo.modules.keys().cloned().chain(shipped);
        all.filter(|module| !self.unknown_modules.contains(module)).collect()
    }

    /// The script makes true what its file says, whatever the caller had in mind.
    fn set_up(&mut self, database: &str, instance: &InstanceName) -> (i64, String) {
        let file = self.files.get(&(instance.clone(), "setup.json".to_owned()));
        let read = |text: &str| {
            let file: serde_json::Value = serde_json::from_str(text).ok()?;
            serde_json::from_value::<Setup>(file.get("setup")?.clone()).ok()
        };
        let Some(setup) = file.and_then(|file| read(file.text.expose_secret())) else {
            return (1, "FileNotFoundError: /etc/odoo/setup.json".to_owned());
        };
        let taken = self.taken_logins.contains(&setup.admin_login);
        match self.databases.get_mut(database) {
            Some(database) if !database.odoo.modules.is_empty() => {
                let refused = format!("{REFUSED}admin.email = {:?}: another user logs in with it", setup.admin_login);
                // What is refused stays as it was, and the rest is as wanted; the first run begins anew.
                database.odoo.setup = match database.odoo.setup.take() {
                    former if taken => former.map(|former| Setup { admin_login: former.admin_login, ..setup }),
                    _ => Some(setup),
                };
                database.odoo.search.indexed.clone_from(&database.odoo.search.basis);
                (0, if taken { refused } else { String::new() })
            }
            _ => (1, "KeyError: 'ir.config_parameter'".to_owned()),
        }
    }
}
