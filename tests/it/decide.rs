//! Decisions: one `check` a rule. Here: how a decision is written down, and the day of one instance as a whole.

mod any_world;
mod clock;
mod conf;
mod file;
mod odoo;
mod owner;
mod service;
mod serving;
mod site;
mod wait;
mod work;

use crate::world::{World, ask_hosts, carry_out, facts, name, wanted};
use expect_test::{Expect, expect};
use innkeeper::diff::facts::{Facts, Failure};
use innkeeper::diff::{changes, changes_of, conditions};
use innkeeper::model::changes::{HoldReason, InstanceChanges};
use innkeeper::model::status::{ConditionStatus, ConditionType, State};
use innkeeper::model::time::Timestamp;

/// A decision as text: a line a step, a line a hold.
fn text(changes: &InstanceChanges) -> String {
    let mut text = String::new();
    for step in &changes.steps {
        let after: Vec<&str> =
            step.after.iter().map(|id| id.0.split_once('/').map_or(id.0.as_str(), |(_, key)| key)).collect();
        let after = if after.is_empty() { String::new() } else { format!(" after {}", after.join(", ")) };
        let fields: Vec<String> = step
            .fields
            .iter()
            .map(|field| {
                format!(
                    "{}: {} → {}",
                    field.field,
                    field.from.as_deref().unwrap_or("-"),
                    field.to.as_deref().unwrap_or("-")
                )
            })
            .collect();
        text.push_str(&format!("{} [{:?} {:?}] {}{after}\n", step.key(), step.origin, step.risk, step.reason));
        for field in fields {
            text.push_str(&format!("    {field}\n"));
        }
    }
    for hold in &changes.holds {
        text.push_str(&format!("hold {}: {}\n", hold.reason.as_str(), hold.message));
    }
    changes.let_go.iter().for_each(|key| text.push_str(&format!("let go {key}\n")));
    text
}

/// What is decided over the instance `acme`.
fn check(facts: &Facts, expected: &Expect) {
    expected.assert_eq(&text(&changes_of(facts, &name("acme"))));
}

/// Turns until nothing is left to do; fails when that does not come to an end.
fn converge(facts: &mut Facts) {
    for _ in 0..10 {
        let decided = changes(facts);
        if decided.is_settled() {
            for instance in facts.instances.values_mut() {
                instance.observed_generation = instance.generation;
            }
            return ask_hosts(facts);
        }
        let all = std::iter::once(&decided.host).chain(decided.instances.values());
        for step in all.flat_map(|changes| &changes.steps) {
            carry_out(facts, step);
        }
    }
    panic!("no end: {:#?}", changes(facts));
}

/// A fleet of one instance `acme` that is ready.
fn ready() -> Facts {
    let mut facts = facts([wanted("acme")]);
    converge(&mut facts);
    facts
}

fn holds(facts: &Facts) -> Vec<HoldReason> {
    changes_of(facts, &name("acme")).holds.iter().map(|hold| hold.reason).collect()
}

fn kinds(facts: &Facts) -> Vec<&'static str> {
    changes_of(facts, &name("acme")).steps.iter().map(|step| step.action.kind().as_str()).collect()
}

fn failure(facts: &Facts, key: &str, permanent: bool, next_try: &str) -> Failure {
    let changes = changes_of(facts, &name("acme"));
    let step = changes.steps.iter().find(|step| step.key() == key).unwrap();
    Failure {
        input: step.input(),
        generation: 1,
        attempts: 1,
        permanent,
        next_try: (!permanent).then(|| next_try.parse::<Timestamp>().unwrap()),
        message: "invalid module names, ignored: crmm".to_owned(),
    }
}

#[test]
fn an_empty_machine_gets_everything_in_order() {
    check(
        &facts([wanted("acme")]),
        &expect![[r#"
            set-role [Intended None] new instance
                connection_limit: - → 48
            create-database [Intended None] new instance after set-role
                of: - → odoo_acme
            add-extensions [Intended None] Odoo's search works with them after set-role, create-database
                extension: - → pg_trgm
                extension: - → unaccent
            create-network [Intended None] no container of the fleet has a network yet
            create-volume [Intended None] new instance after create-database
            write-conf [Intended None] new instance
                workers: - → 2
            install-modules [Intended None] new instance after set-role, create-database, add-extensions, create-network, create-volume, write-conf
                module: - → base
                module: - → crm
            set-up [Intended None] new instance after set-role, create-database, add-extensions, create-network, create-volume, write-conf, install-modules
                company.name: - → Acme Ltd
                company.language: - → en_US
                company.timezone: - → UTC
                admin.email: - → admin@example.org
                url: - → https://acme.example.com
                report.url: - → http://127.0.0.1:8069
            mark-provisioned [Intended None] from now on its data is never made anew after create-database, install-modules, set-up
            put-site [Intended None] new instance
                host: - → acme.example.com
                page: - → being prepared
            create-container [Intended None] new instance after set-role, create-database, create-network, create-volume, write-conf, install-modules, set-up, mark-provisioned
                image: - → odoo:19.0
                port: - → 20000
                cpus: - → 1
                memory: - → 1 GiB
            obtain-certificate:acme.example.com [Intended None] none was stored after put-site
                name: - → acme.example.com
        "#]],
    );
}

#[test]
fn a_converged_instance_needs_nothing_and_is_ready() {
    let facts = ready();
    assert!(changes(&facts).instances.is_empty(), "{:#?}", changes(&facts));
    assert!(changes(&facts).host.is_empty());
    let decided = changes_of(&facts, &name("acme"));
    let status = conditions::status(&facts, &name("acme"), &decided, None).unwrap();
    assert_eq!(status.state, State::Ready, "{status:#?}");
    let not_true: Vec<_> =
        status.conditions.iter().filter(|c| c.status != ConditionStatus::True).map(|c| c.kind).collect();
    use ConditionType::{BackupsHealthy, Drifted, Orphaned, Protected, RetirePending, Stalled, Suspended};
    assert_eq!(not_true, [BackupsHealthy, Drifted, Orphaned, Suspended, Protected, RetirePending, Stalled]);
}

#[test]
fn damage_is_drift_and_is_repaired() {
    let mut facts = ready();
    facts.engine().services.clear();
    facts.proxy().sites.get_mut(&name("acme")).unwrap().intact = false;
    let role = facts.database().roles.get_mut("odoo_acme").unwrap();
    role.excess.insert("CREATEDB".to_owned());
    let database = facts.database().databases.get_mut("odoo_acme").unwrap();
    database.others_may_connect.insert("PUBLIC".to_owned());
    check(
        &facts,
        &expect![[r#"
            set-role [Drift None] it was not as it should be
                privilege: CREATEDB → -
            set-privileges [Drift None] its privileges were not as they should be after set-role
                connect: PUBLIC → -
            put-site [Drift None] it was edited by hand
                lines: edited by hand → as rendered
            create-container [Drift None] it was gone after set-role
                image: - → odoo:19.0
                port: - → 20000
                cpus: - → 1
                memory: - → 1 GiB
        "#]],
    );
    let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
    assert!(status.conditions.iter().any(|c| c.kind == ConditionType::Drifted && c.status == ConditionStatus::True));
    converge(&mut facts);
    assert!(changes(&facts).instances.is_empty());
}
