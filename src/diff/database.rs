//! Decisions over the role and the database.

use super::backup;
use super::case::{Case, Draft, Why, changed, new_field};
use super::odoo::{self, CONNECTIONS_GEVENT, CONNECTIONS_PER_PROCESS};
use super::service::{blocked, runs_on_an_older_conf};
use crate::model::changes::HoldReason;
use crate::model::database::{Access, DatabaseSpec, ExtensionsSpec, RoleSpec};
use crate::model::live::{DatabaseLive, DatabaseObjectLive, OdooLive, RoleLive};
use crate::model::secret::PASSWORD_GENERATION;
use crate::model::step::{Action, FieldChange, Origin, Risk};
use crate::model::step_kind::StepKind;
use crate::model::wanted::Wanted;
use std::collections::BTreeSet;

/// Connections that a role may hold besides the application's own: a job container and a person's `psql`.
const CONNECTIONS_SPARE: u32 = 8;

/// The role: LOGIN and nothing else, the derived password, a connection limit.
pub(super) fn role(case: &Case<'_>, draft: &mut Draft) {
    let why = Why {
        reason: "it was not as it should be",
        origin: case.origin(),
        risk: Risk::None,
        fields: Vec::new(),
        // As long as it counts as retired nobody logs in.
        after: &[StepKind::CloseTombstone],
    };
    role_for(case, Access::Instance, why, draft);
}

/// The role, with this access. One that is not there is made.
pub(super) fn role_for(case: &Case<'_>, access: Access, why: Why<'_>, draft: &mut Draft) {
    let Some(database) = case.database else { return };
    let role = &case.resources.database;
    let Some(live) = database.roles.get(role) else {
        let fields = vec![new_field("connection_limit", wanted_limit(case))];
        let reason = if case.is_provisioned() { "it was gone" } else { "new instance" };
        return draft.step(Action::SetRole(role_spec(case, access, true)), Why { reason, fields, ..why });
    };
    if !case.owns_data(&live.owner, &format!("role {role}"), draft) {
        return;
    }
    let mark = match access {
        Access::Instance => &case.instance.password_mark,
        Access::Backup | Access::Nobody => &case.instance.backup_password_mark,
    };
    let password_differs = live.password_mark.as_deref() != Some(mark) || live.password_refused;
    let fields = role_fields(case, live, access, password_differs);
    if !fields.is_empty() {
        draft.step(Action::SetRole(role_spec(case, access, password_differs)), Why { fields, ..why });
    }
}

/// The database: owned by Innkeeper's role, open to its own role and nobody else. One that was set up once is never made anew.
pub(super) fn database(case: &Case<'_>, draft: &mut Draft) {
    if case.database.is_none() || draft.has_hold(HoldReason::Conflict) {
        return;
    }
    let Some(live) = case.database_object() else {
        return match evidence_of_data(case) {
            Some(evidence) => data_missing(case, "is gone", evidence, draft),
            None => create(case, "new instance", draft),
        };
    };
    if !case.owns_data(&live.owner, &format!("database {}", case.resources.database), draft) {
        return;
    }
    if !live.valid {
        return match evidence_of_data(case) {
            Some(evidence) => data_missing(case, "is half made", evidence, draft),
            None => create(case, "its making was interrupted", draft),
        };
    }
    let is_empty = case.odoo().is_some_and(|odoo| odoo.modules.is_empty());
    if is_empty && case.is_provisioned() {
        // Made by a person, who is about to restore it.
        return data_missing(case, "holds no Odoo", "it was set up before", draft);
    }
    privileges(case, live, draft);
}

/// It belongs to Innkeeper's role, and nobody but its own role may connect.
pub(super) fn privileges(case: &Case<'_>, live: &DatabaseObjectLive, draft: &mut Draft) {
    let Some(server) = case.database else { return };
    // As earlier versions made it.
    let is_old = live.owner_role == case.resources.database;
    let owner = changed("owner", &live.owner_role, &server.own_role).filter(|_| !is_old || may_be_taken_over(case));
    let mut fields: Vec<FieldChange> = owner.into_iter().collect();
    fields.extend(live.others_may_connect.iter().map(|role| FieldChange {
        field: "connect".to_owned(),
        from: Some(role.clone()),
        to: None,
    }));
    fields.extend(live.lacking.iter().map(|word| new_field("privilege of its role", word)));
    if !fields.is_empty() {
        let (reason, origin) = match is_old && may_be_taken_over(case) {
            true => ("its tenant could take its mark away", Origin::ToolUpgrade),
            false => ("its privileges were not as they should be", case.origin()),
        };
        let why = Why { reason, origin, risk: Risk::None, fields, after: &[StepKind::SetRole] };
        draft.step(Action::SetPrivileges(spec(case)), why);
    }
}

/// True unless an Odoo runs on an odoo.conf of an earlier version, which lets it look for databases that its role owns: without
/// any it would serve nobody who is not logged in.
fn may_be_taken_over(case: &Case<'_>) -> bool {
    let Some(engine) = case.engine else { return false };
    let is_written = engine.configs.get(case.name).zip(odoo::wanted_conf(case).ok());
    let is_written = is_written.is_some_and(|(conf, wanted)| conf.digest == wanted.digest());
    let runs = case.service().is_some_and(|service| service.running);
    !runs || is_written && !runs_on_an_older_conf(case)
}

/// The extensions that Odoo's search works with, as far as the server has them: before anything is installed, because Odoo
/// leaves its trigram indexes out without a word where they are missing.
pub(super) fn extensions(case: &Case<'_>, draft: &mut Draft) {
    let Some(server) = case.database else { return };
    if blocked(draft) {
        return;
    }
    let is_new = draft.has_step(StepKind::CreateDatabase);
    let odoo = case.odoo().filter(|_| is_new || case.database_object().is_some_and(|live| live.valid));
    let Some(odoo) = odoo else { return };
    let missing = missing_extensions(server, &odoo, is_new);
    if missing.is_empty() {
        return;
    }
    let fields = missing.iter().map(|extension| new_field("extension", extension)).collect();
    let (reason, origin) = match is_new {
        true => ("Odoo's search works with them", Origin::Intended),
        false => ("extensions that Odoo's search works with are missing", search_origin(case, &odoo)),
    };
    let after = &[StepKind::SetRole, StepKind::CreateDatabase, StepKind::SetPrivileges];
    let why = Why { reason, origin, risk: Risk::None, fields, after };
    let spec = ExtensionsSpec { database: spec(case), extensions: missing, password_generation: PASSWORD_GENERATION };
    draft.step(Action::AddExtensions(spec), why);
}

fn missing_extensions(server: &DatabaseLive, odoo: &OdooLive, is_new: bool) -> BTreeSet<String> {
    let is_there = |extension: &String| !is_new && odoo.search.extensions.contains(extension);
    server.extensions.iter().filter(|extension| !is_there(extension)).cloned().collect()
}

/// What brings a difference in what the search works with up: earlier versions did not know of it.
pub(super) fn search_origin(case: &Case<'_>, odoo: &OdooLive) -> Origin {
    match case.origin() {
        Origin::Drift if odoo.search.indexed.is_none() => Origin::ToolUpgrade,
        origin => origin,
    }
}

/// The mark in the database's comment after which it is never created anew.
pub(super) fn provisioned(case: &Case<'_>, draft: &mut Draft) {
    let Some(live) = case.database_object() else {
        if draft.has_step(StepKind::SetUp) {
            mark(case, draft);
        }
        return;
    };
    let set_up = case.odoo().is_some_and(|odoo| odoo.setup.is_some());
    if !live.provisioned && (set_up || draft.has_step(StepKind::SetUp)) && !draft.has_hold(HoldReason::Conflict) {
        mark(case, draft);
    }
}

/// Connections that the role may hold: every process of its Odoo at its own limit, and a few to spare.
fn wanted_limit(case: &Case<'_>) -> i32 {
    i32::try_from(connections(case.wanted)).unwrap_or(i32::MAX)
}

/// Connections that an instance which asks for this may hold.
pub fn connections(wanted: &Wanted) -> u32 {
    let crons = wanted.conf.number("max_cron_threads").unwrap_or(1).max(1);
    // workers, those of scheduled actions and the gevent process; threaded Odoo is one process, whose threads it limits to
    // what its pool has (Odoo deployment guide, "Workers").
    let own = match wanted.limits.workers {
        0 => CONNECTIONS_PER_PROCESS,
        workers => (workers + crons) * CONNECTIONS_PER_PROCESS + CONNECTIONS_GEVENT,
    };
    own + CONNECTIONS_SPARE
}

fn role_spec(case: &Case<'_>, access: Access, set_password: bool) -> RoleSpec {
    RoleSpec {
        role: case.resources.database.clone(),
        instance: case.name.clone(),
        uid: case.instance.uid,
        access,
        password_generation: PASSWORD_GENERATION,
        connection_limit: wanted_limit(case),
        set_password,
    }
}

fn role_fields(case: &Case<'_>, live: &RoleLive, access: Access, password_differs: bool) -> Vec<FieldChange> {
    let mut fields: Vec<FieldChange> =
        changed("connection_limit", live.connection_limit, wanted_limit(case)).into_iter().collect();
    fields.extend(changed("login", live.login, access.may_log_in()));
    fields.extend(live.excess.iter().map(|excess| FieldChange {
        field: "privilege".to_owned(),
        from: Some(excess.clone()),
        to: None,
    }));
    if password_differs {
        fields.push(match access {
            _ if live.password_refused => FieldChange {
                field: "password".to_owned(),
                from: Some("(another one)".to_owned()),
                to: Some("(derived anew)".to_owned()),
            },
            Access::Instance => new_field("password", "(derived anew)"),
            Access::Backup | Access::Nobody => FieldChange {
                field: "password".to_owned(),
                from: Some("(the instance's)".to_owned()),
                to: Some("(its final backup's alone)".to_owned()),
            },
        });
    }
    fields
}

fn spec(case: &Case<'_>) -> DatabaseSpec {
    DatabaseSpec {
        database: case.resources.database.clone(),
        instance: case.name.clone(),
        uid: case.instance.uid,
        provisioned: case.is_provisioned(),
    }
}

fn create(case: &Case<'_>, reason: &str, draft: &mut Draft) {
    if case.engine.is_none() {
        // Whether there were data shows in volume and container too.
        return;
    }
    let fields = vec![new_field("of", &case.resources.database)];
    let why = Why { reason, origin: Origin::Intended, risk: Risk::None, fields, after: &[StepKind::SetRole] };
    draft.step(Action::CreateDatabase(spec(case)), why);
}

fn mark(case: &Case<'_>, draft: &mut Draft) {
    let why = Why {
        reason: "from now on its data is never made anew",
        origin: Origin::Intended,
        risk: Risk::None,
        fields: Vec::new(),
        after: &[StepKind::CreateDatabase, StepKind::SetPrivileges, StepKind::InstallModules, StepKind::SetUp],
    };
    draft.step(Action::MarkProvisioned(DatabaseSpec { provisioned: true, ..spec(case) }), why);
}

/// What shows that this instance had data once. The volume is made after the database, so a volume without a database
/// means that a database was lost.
fn evidence_of_data(case: &Case<'_>) -> Option<&'static str> {
    let ours = |owner: &crate::model::service::Owner| owner.tag().is_some_and(|tag| tag.uid == case.instance.uid);
    if case.is_provisioned() {
        Some("it was set up before")
    } else if case.service().is_some_and(|service| ours(&service.owner)) {
        Some("its container exists")
    } else if case.engine.and_then(|engine| engine.volumes.get(&case.resources.volume)).is_some_and(ours) {
        Some("its volume exists")
    } else {
        None
    }
}

fn data_missing(case: &Case<'_>, stands: &str, evidence: &str, draft: &mut Draft) {
    let way_out = backup::way_out(case);
    let database = &case.resources.database;
    let message = format!("database {database} {stands} although {evidence}; it is not made anew: {way_out}");
    draft.hold(HoldReason::DataMissing, message);
}
