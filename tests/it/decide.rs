//! Decisions: one `check` a rule, and properties over random worlds and wishes.

use crate::world::{World, ask_hosts, carry_out, facts, instance, module, name, uid, wanted};
use expect_test::{Expect, expect};
use innkeeper::diff::facts::{Facts, Failure, FileState};
use innkeeper::diff::{changes, changes_of, changes_of_host, conditions};
use innkeeper::model::changes::{HoldReason, InstanceChanges};
use innkeeper::model::errand::{Errand, ErrandKind};
use innkeeper::model::live::{JobLive, JobState, Seen};
use innkeeper::model::name::Domain;
use innkeeper::model::secret::digest;
use innkeeper::model::service::{Component, Owner, Tag};
use innkeeper::model::site::CertificateName;
use innkeeper::model::size::Bytes;
use innkeeper::model::status::{ConditionStatus, ConditionType, State};
use innkeeper::model::step::{Action, Origin, Risk};
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::WantedState;
use proptest::prelude::*;

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

fn foreign() -> Owner {
    Owner::Foreign("no Innkeeper label".to_owned())
}

fn holds(facts: &Facts) -> Vec<HoldReason> {
    changes_of(facts, &name("acme")).holds.iter().map(|hold| hold.reason).collect()
}

fn kinds(facts: &Facts) -> Vec<&'static str> {
    changes_of(facts, &name("acme")).steps.iter().map(|step| step.action.kind()).collect()
}

#[test]
fn an_empty_machine_gets_everything_in_order() {
    check(
        &facts([wanted("acme")]),
        &expect![[r#"
            set-role [Intended None] new instance
                connection_limit: - → 40
            create-database [Intended None] new instance after set-role
                owner: - → odoo_acme
            create-network [Intended None] no container of the fleet has a network yet
            create-volume [Intended None] new instance after create-database
            write-conf [Intended None] new instance
                workers: - → 2
            install-modules [Intended None] new instance after set-role, create-database, create-network, create-volume, write-conf
                module: - → base
                module: - → crm
            set-up [Intended None] new instance after set-role, create-database, create-network, create-volume, write-conf, install-modules
                company.name: - → Acme Ltd
                company.language: - → en_US
                company.timezone: - → UTC
                admin.email: - → admin@example.org
                url: - → https://acme.example.com
            mark-provisioned [Intended None] from now on its data are never made anew after create-database, install-modules, set-up
            put-site [Intended None] new instance
                host: - → acme.example.com
                page: - → being prepared
            create-container [Intended None] new instance after set-role, create-database, create-network, create-volume, write-conf, install-modules, set-up, mark-provisioned
                image: - → odoo:19.0
                port: - → 20000
                cpus: - → 1
                memory: - → 1 GiB
            obtain-certificate:acme.example.com [Intended None] no certificate is stored for it after put-site
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
fn limits_are_updated_without_a_restart() {
    let mut facts = ready();
    facts.wanted("acme").limits.memory = Bytes(2 << 30);
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
        update-limits [Intended None] limits differ
            memory: 1 GiB → 2 GiB
    "#]],
    );
}

#[test]
fn another_number_of_workers_needs_a_restart() {
    let mut facts = ready();
    facts.wanted("acme").limits.workers = 0;
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
            set-role [Intended None] the role is not as it should be
                connection_limit: 40 → 16
            write-conf [Intended None] the wish for odoo.conf changed
                odoo.conf: - → workers 0, db_maxconn 8
            put-site [Intended None] the site's row differs
                websocket worker: true → false
            restart-container [Intended Interruption] it runs on an older odoo.conf after set-role, write-conf
        "#]],
    );
}

#[test]
fn a_new_module_is_installed_beside_the_running_application() {
    let mut facts = ready();
    facts.wanted("acme").modules.insert(module("website"));
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
        install-modules [Intended None] modules are wanted that are not installed
            module: - → website
    "#]],
    );
}

#[test]
fn a_module_that_is_no_longer_wanted_stays() {
    let mut facts = ready();
    facts.wanted("acme").modules.clear();
    check(&facts, &expect![[r#""#]]);
}

#[test]
fn a_custom_domain_needs_a_row_and_a_certificate() {
    let mut facts = ready();
    facts.wanted("acme").domains.insert(Domain::parse("erp.acme.org").unwrap());
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
        put-site [Intended None] the site's row differs
            hosts: acme.example.com → acme.example.com erp.acme.org
            certificates: acme.example.com → acme.example.com erp.acme.org
        obtain-certificate:erp.acme.org [Intended None] no certificate is stored for it after put-site
            name: - → erp.acme.org
    "#]],
    );
}

#[test]
fn a_wildcard_serves_every_subdomain() {
    let mut facts = facts([wanted("acme")]);
    let settings = std::sync::Arc::make_mut(&mut facts.settings);
    settings.acme.wildcard_hook = Some(vec!["/hook".to_owned()]);
    converge(&mut facts);
    let names: Vec<String> = facts.authority().certificates.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["*.example.com"]);
}

#[test]
fn stopping_shows_the_page_before_the_container_stops() {
    let mut facts = ready();
    facts.wanted("acme").state = WantedState::Stopped;
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
            put-site [Intended None] the site's row differs
                page: Odoo → stopped
            stop-container [Intended Interruption] state = "stopped" after put-site
                state: running → stopped
        "#]],
    );
    converge(&mut facts);
    let decided = changes_of(&facts, &name("acme"));
    assert_eq!(conditions::status(&facts, &name("acme"), &decided, None).unwrap().state, State::Stopped);
    facts.wanted("acme").state = WantedState::Running;
    facts.instance("acme").generation = 3;
    check(
        &facts,
        &expect![[r#"
            put-site [Intended None] the site's row differs
                page: stopped → Odoo
            start-container [Intended None] the container does not run
                state: stopped → running
        "#]],
    );
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
            set-role [Drift None] the role is not as it should be
                privilege: CREATEDB → -
            set-privileges [Drift None] others than its role have privileges on it after set-role
                connect: PUBLIC → -
            put-site [Drift None] the site was edited by hand
                lines: edited by hand → as rendered
            create-container [Drift None] the container is gone after set-role
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

#[test]
fn lost_hardening_and_another_image_need_a_new_container() {
    let mut facts = ready();
    let service = facts.engine().services.get_mut("ik-acme").unwrap();
    service.hardened = false;
    service.image_id = "sha256:0123456789abcdef".to_owned();
    check(
        &facts,
        &expect![[r#"
        recreate-container [Drift Interruption] a new container is needed for this
            image: odoo:19.0 (0123456789ab) → odoo:19.0 (19)
            hardening: incomplete → complete
    "#]],
    );
}

#[test]
fn an_unseen_edge_is_never_an_absent_one() {
    for edge in 0..4 {
        let mut facts = ready();
        let why = "could not connect: connection refused".to_owned();
        match edge {
            0 => facts.live.engine = Seen::Unseen(why),
            1 => facts.live.database = Seen::Unseen(why),
            2 => facts.live.proxy = Seen::Unseen(why),
            _ => facts.live.authority = Seen::Unseen(why),
        }
        assert_eq!(kinds(&facts), Vec::<&str>::new(), "edge {edge}");
        assert!(holds(&facts).contains(&HoldReason::Unseen), "edge {edge}");
    }
}

#[test]
fn a_new_instance_waits_for_an_unseen_edge_and_does_the_rest() {
    let mut without_database = facts([wanted("acme")]);
    without_database.live.database = Seen::Unseen("PostgreSQL at 127.0.0.1:5432 refused".to_owned());
    assert_eq!(kinds(&without_database), ["create-network", "write-conf"]);
    let mut without_engine = facts([wanted("acme")]);
    without_engine.live.engine = Seen::Unseen("Docker refused".to_owned());
    assert_eq!(kinds(&without_engine), ["set-role", "create-database"]);
}

#[test]
fn a_lost_database_is_never_made_anew() {
    let mut by_mark = ready();
    by_mark.instance("acme").provisioned = true;
    by_mark.database().databases.clear();
    by_mark.database().inside.clear();
    check(
        &by_mark,
        &expect![[r#"
        hold DataMissing: database odoo_acme is gone although it was set up before; it is not made anew: restore it from a backup
    "#]],
    );

    let mut by_volume = ready();
    by_volume.engine().services.clear();
    by_volume.database().databases.clear();
    by_volume.database().inside.clear();
    assert!(holds(&by_volume).contains(&HoldReason::DataMissing), "the journal was lost too");
    assert!(!kinds(&by_volume).contains(&"create-database"));

    let mut volume_lost = ready();
    volume_lost.engine().volumes.clear();
    volume_lost.engine().services.clear();
    assert!(holds(&volume_lost).contains(&HoldReason::DataMissing));
    assert!(!kinds(&volume_lost).iter().any(|kind| ["create-volume", "create-container"].contains(kind)));
}

#[test]
fn a_foreign_object_on_a_needed_name_is_a_conflict_and_stays() {
    let damage: [fn(&mut Facts); 5] = [
        |facts| drop(facts.engine().volumes.insert("ik-acme-data".to_owned(), foreign())),
        |facts| facts.engine().services.get_mut("ik-acme").unwrap().owner = foreign(),
        |facts| facts.database().roles.get_mut("odoo_acme").unwrap().owner = foreign(),
        |facts| facts.database().databases.get_mut("odoo_acme").unwrap().owner = foreign(),
        |facts| {
            facts.proxy().foreign_hosts.insert(Domain::parse("acme.example.com").unwrap());
        },
    ];
    for (nth, damage) in damage.into_iter().enumerate() {
        let mut facts = ready();
        damage(&mut facts);
        assert_eq!(holds(&facts), [HoldReason::Conflict], "case {nth}");
        assert_eq!(kinds(&facts), Vec::<&str>::new(), "case {nth}");
    }
}

#[test]
fn an_object_of_an_earlier_instance_of_the_same_name_is_a_conflict() {
    let mut facts = facts([wanted("acme")]);
    let tag = Tag { instance: name("acme"), uid: uid(77), component: Component::Volume, digest: String::new() };
    facts.engine().volumes.insert("ik-acme-data".to_owned(), Owner::Ours(tag));
    assert!(holds(&facts).contains(&HoldReason::Conflict));
}

#[test]
fn a_missing_image_holds_what_needs_it() {
    let mut facts = facts([wanted("acme")]);
    facts.engine().images.clear();
    check(
        &facts,
        &expect![[r#"
        set-role [Intended None] new instance
            connection_limit: - → 40
        create-database [Intended None] new instance after set-role
            owner: - → odoo_acme
        create-network [Intended None] no container of the fleet has a network yet
        create-volume [Intended None] new instance after create-database
        put-site [Intended None] new instance
            host: - → acme.example.com
            page: - → being prepared
        obtain-certificate:acme.example.com [Intended None] no certificate is stored for it after put-site
            name: - → acme.example.com
        hold ImageMissing: image odoo:19.0 is not on this host: docker pull odoo:19.0
    "#]],
    );
}

#[test]
fn ports_are_given_once_and_a_full_range_is_a_hold() {
    let mut facts = facts((0..6).map(|number| wanted(&format!("customer-{number}"))));
    for number in 0..6 {
        let name = name(&format!("customer-{number}"));
        for step in changes_of(&facts, &name).steps {
            carry_out(&mut facts, &step);
        }
    }
    let mut ports: Vec<u16> = facts.engine().services.values().map(|service| service.ports.unwrap().http).collect();
    ports.sort_unstable();
    assert_eq!(ports, [20_000, 20_002, 20_004, 20_006, 20_008]);
    let last = changes_of(&facts, &name("customer-5"));
    assert!(last.holds.iter().any(|hold| hold.reason == HoldReason::PortsExhausted), "{last:#?}");
}

#[test]
fn a_port_in_use_by_somebody_else_is_left_alone() {
    let mut facts = facts([wanted("acme")]);
    facts.engine().ports_in_use.extend([20_000, 20_003]);
    converge(&mut facts);
    assert_eq!(facts.engine().services["ik-acme"].ports.unwrap().http, 20_004);
}

#[test]
fn another_release_is_not_reached_by_editing_the_file() {
    let mut facts = ready();
    let wanted = facts.wanted("acme");
    wanted.odoo = "18.0".parse().unwrap();
    wanted.image = "odoo:18.0".to_owned();
    assert!(holds(&facts).contains(&HoldReason::UpgradeNeeded));
    assert!(!kinds(&facts).iter().any(|kind| ["recreate-container", "install-modules", "set-up"].contains(kind)));
}

#[test]
fn a_nearly_full_disk_holds_what_would_fill_it() {
    let mut facts = facts([wanted("acme")]);
    facts.disk_free_bytes = Some(500 << 20);
    assert_eq!(holds(&facts), [HoldReason::DiskFull]);
    assert_eq!(kinds(&facts), ["set-role", "create-network", "write-conf", "put-site", "obtain-certificate"]);
}

fn failure(facts: &Facts, key: &str, permanent: bool, next_try: &str) -> Failure {
    let changes = changes_of(facts, &name("acme"));
    let step = changes.steps.iter().find(|step| step.key() == key).unwrap();
    Failure {
        input: digest(&step.action),
        generation: 1,
        attempts: 1,
        permanent,
        next_try: (!permanent).then(|| next_try.parse::<Timestamp>().unwrap()),
        message: "invalid module names, ignored: crmm".to_owned(),
    }
}

#[test]
fn a_failed_step_waits_its_time_with_all_that_comes_after_it() {
    let mut facts = facts([wanted("acme")]);
    let failed = failure(&facts, "create-database", false, "2026-03-01T12:00:10Z");
    facts.instance("acme").failures.insert("create-database".to_owned(), failed);
    check(
        &facts,
        &expect![[r#"
        set-role [Intended None] new instance
            connection_limit: - → 40
        create-network [Intended None] no container of the fleet has a network yet
        write-conf [Intended None] new instance
            workers: - → 2
        put-site [Intended None] new instance
            host: - → acme.example.com
            page: - → being prepared
        obtain-certificate:acme.example.com [Intended None] no certificate is stored for it after put-site
            name: - → acme.example.com
        hold BackOff: create-database: invalid module names, ignored: crmm; attempt 1 failed, the next is due at 2026-03-01T12:00:10Z
    "#]],
    );
    facts.now = "2026-03-01T12:00:11Z".parse().unwrap();
    assert!(kinds(&facts).contains(&"create-database"), "its time came");
}

#[test]
fn a_permanent_failure_waits_for_another_input() {
    let mut facts = ready();
    facts.wanted("acme").modules.insert(module("crmm"));
    let failed = failure(&facts, "install-modules", true, "");
    facts.instance("acme").failures.insert("install-modules".to_owned(), failed);
    facts.instance("acme").generation = 2;
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::Failed]));
    let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
    assert_eq!(status.state, State::Failed);
    facts.wanted("acme").modules.remove(&module("crmm"));
    facts.wanted("acme").modules.insert(module("website"));
    assert_eq!(kinds(&facts), ["install-modules"], "correcting the file heals it");
}

#[test]
fn drift_that_comes_back_again_and_again_is_repaired_less_and_less_often() {
    let mut facts = ready();
    facts.engine().services.get_mut("ik-acme").unwrap().cpu_millis = 0;
    let repaired = |minutes: &[i64]| {
        let at = |ago: &i64| Timestamp::from_second(crate::world::now().as_second() - ago * 60).unwrap();
        std::collections::BTreeMap::from([("update-limits".to_owned(), minutes.iter().map(at).collect())])
    };
    facts.instance("acme").repairs = repaired(&[40, 30, 20, 0]);
    assert_eq!(kinds(&facts), ["update-limits"], "four times may be somebody's mistakes");
    facts.instance("acme").repairs = repaired(&[50, 40, 30, 20, 0]);
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::DriftFight]));
    let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
    assert_eq!(status.state, State::Held);
    facts.instance("acme").repairs = repaired(&[50, 40, 30, 20, 1]);
    assert_eq!(kinds(&facts), ["update-limits"], "a minute later once more");
    facts.instance("acme").repairs = repaired(&[50, 40, 30, 20, 10, 5, 3]);
    assert_eq!(kinds(&facts), [""; 0], "the seventh waits four minutes");
    facts.instance("acme").generation += 1;
    assert_eq!(kinds(&facts), ["update-limits"], "what a file asks for is no fight");
}

#[test]
fn a_wait_that_was_noted_before_the_clock_was_set_back_is_over() {
    let mut facts = facts([wanted("acme")]);
    let mut failed = failure(&facts, "create-database", false, "2027-03-01T12:00:00Z");
    facts.instance("acme").failures.insert("create-database".to_owned(), failed.clone());
    assert!(kinds(&facts).contains(&"create-database"), "nothing waits for a year");
    failed.next_try = Some("2026-03-07T12:00:00Z".parse().unwrap());
    facts.instance("acme").failures.insert("create-database".to_owned(), failed);
    assert!(!kinds(&facts).contains(&"create-database"), "an authority may ask for a week");
}

#[test]
fn a_port_to_which_a_site_leads_is_given_to_nobody_else() {
    let mut facts = ready();
    let ports = facts.instances[&name("acme")].ports.or(facts.engine().services["ik-acme"].ports).unwrap();
    // The journal is lost, and the container is gone: only the site remembers.
    facts.engine().services.clear();
    facts.engine().ports_in_use.clear();
    facts.instance("acme").ports = None;
    facts.instances.insert(name("aardvark"), crate::world::instance(wanted("aardvark"), 7));
    let chosen = |facts: &Facts, of: &str| {
        changes_of(facts, &name(of)).steps.iter().find_map(|step| match &step.action {
            Action::PutSite(row) => Some(row.ports),
            Action::CreateService { spec, .. } => Some(spec.ports),
            _ => None,
        })
    };
    assert_eq!(chosen(&facts, "acme"), Some(ports));
    assert!(chosen(&facts, "aardvark").is_some_and(|other| other != ports));
    facts.live.proxy = Seen::Unseen("refused".to_owned());
    assert_eq!(chosen(&facts, "aardvark"), None, "nothing is chosen before the sites are seen");
}

#[test]
fn a_running_job_with_other_work_is_waited_for() {
    let mut facts = ready();
    facts.wanted("acme").modules.insert(module("website"));
    let tag =
        Tag { instance: name("acme"), uid: uid(0), component: Component::InstallJob, digest: "v1:other".to_owned() };
    let job = JobLive { owner: Owner::Ours(tag), state: JobState::Running, started_at: None };
    facts.engine().jobs.insert("ik-acme-job-install".to_owned(), job);
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::JobRunning]));
}

/// The installation that is decided for `acme`, running.
fn running_installation(facts: &mut Facts) {
    let changes = changes_of(facts, &name("acme"));
    let job = changes.steps.iter().find_map(|step| match &step.action {
        Action::RunJob(job) => Some(job),
        _ => None,
    });
    let job = job.unwrap();
    let live = JobLive { owner: Owner::Ours(job.tag.clone()), state: JobState::Running, started_at: None };
    facts.engine().jobs.insert(job.container.clone(), live);
}

#[test]
fn an_installation_that_is_half_done_is_still_the_one_that_was_begun() {
    let mut facts = ready();
    facts.wanted("acme").modules.extend([module("website"), module("stock")]);
    running_installation(&mut facts);
    let inside = facts.database().inside.get_mut("odoo_acme").unwrap();
    let Seen::Known(odoo) = inside else { panic!("it was looked at") };
    odoo.modules.insert(module("stock"), "installed".to_owned());
    check(
        &facts,
        &expect![[r#"
            install-modules [Drift None] modules are wanted that are not installed
                module: - → website
        "#]],
    );
}

#[test]
fn nothing_is_set_up_while_modules_are_being_installed() {
    let mut facts = ready();
    facts.wanted("acme").modules.insert(module("website"));
    running_installation(&mut facts);
    facts.wanted("acme").modules.remove(&module("website"));
    facts.wanted("acme").company.name = "Acme & Sons".to_owned();
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::JobRunning]));
}

#[test]
fn a_clock_that_was_set_back_costs_one_restart_and_no_more() {
    let mut facts = ready();
    let hour = std::time::Duration::from_secs(3_600);
    let (now, earlier) = (facts.now, facts.now.checked_sub(hour).unwrap());
    facts.engine().configs.get_mut(&name("acme")).unwrap().written_at = now;
    facts.engine().services.get_mut("ik-acme").unwrap().started_at = Some(earlier);
    facts.now = earlier;
    check(
        &facts,
        &expect![[r#"
            write-conf [Drift None] the clock was set back since odoo.conf was written
                odoo.conf: written at 2026-03-01T12:00:00Z → written now
            restart-container [Drift Interruption] it runs on an older odoo.conf after write-conf
            obtain-certificate:acme.example.com [Drift None] the stored certificate is not valid now
                not_after: 2026-05-30T12:00:00Z → -
        "#]],
    );
    converge(&mut facts);
    assert_eq!(kinds(&facts), [""; 0]);
}

#[test]
fn an_ended_job_is_cleared_away() {
    let mut facts = ready();
    let tag =
        Tag { instance: name("acme"), uid: uid(0), component: Component::InstallJob, digest: "v1:other".to_owned() };
    let job = JobLive { owner: Owner::Ours(tag), state: JobState::Ended(0), started_at: None };
    facts.engine().jobs.insert("ik-acme-job-install".to_owned(), job);
    assert_eq!(kinds(&facts), ["remove-job"]);
}

#[test]
fn a_restart_is_done_when_it_is_asked_for() {
    let mut facts = ready();
    let errand = Errand { id: 1, instance: name("acme"), kind: ErrandKind::Restart, by: "ana".to_owned() };
    facts.instance("acme").errands.push(errand);
    check(
        &facts,
        &expect![[r#"
        restart-container [Requested Interruption] ana asked for it
    "#]],
    );
}

#[test]
fn suspended_tells_what_it_does_not_do() {
    let mut facts = ready();
    facts.wanted("acme").suspended = true;
    facts.engine().services.clear();
    check(
        &facts,
        &expect![[r#"
        hold Suspended: suspended = true: not done are create-container
    "#]],
    );
}

#[test]
fn vanished_and_invalid_files_change_nothing() {
    let mut vanished = ready();
    vanished.instance("acme").file = FileState::Missing;
    check(
        &vanished,
        &expect![[r#"
        hold Orphaned: its file is gone; it runs on as it is: put the file back, or write state = "absent" to retire it
    "#]],
    );
    let mut invalid = facts([wanted("acme")]);
    invalid.instance("acme").file = FileState::Invalid(vec!["acme.toml:1:1: empty".to_owned()]);
    invalid.instance("acme").wanted = None;
    check(
        &invalid,
        &expect![[r#"
        hold InvalidFile: there is no good version of it yet: acme.toml:1:1: empty
    "#]],
    );
}

#[test]
fn the_last_good_version_of_an_invalid_file_stays_in_force() {
    let mut facts = ready();
    facts.instance("acme").file = FileState::Invalid(vec!["acme.toml:1:1: empty".to_owned()]);
    facts.engine().services.get_mut("ik-acme").unwrap().running = false;
    assert_eq!((kinds(&facts), holds(&facts)), (vec!["start-container"], vec![HoldReason::InvalidFile]));
}

#[test]
fn a_certificate_is_renewed_at_a_third_of_its_lifetime_left() {
    let mut facts = ready();
    let started = facts.now.as_second();
    let renewed_on = (0..90).find(|day| {
        facts.now = Timestamp::from_second(started + day * 86_400).unwrap();
        !kinds(&facts).is_empty()
    });
    let day = renewed_on.unwrap();
    assert!((60..=64).contains(&day), "renewed on day {day} of 90");
    let step = changes_of(&facts, &name("acme")).steps.remove(0);
    assert_eq!((step.origin, step.risk), (Origin::Schedule, Risk::None));
}

#[test]
fn a_faulty_or_expired_certificate_is_replaced() {
    let mut faulty = ready();
    let stored = CertificateName("acme.example.com".to_owned());
    faulty.authority().certificates.get_mut(&stored).unwrap().fault = Some("the key does not match".to_owned());
    assert_eq!(kinds(&faulty), ["obtain-certificate"]);
    let mut expired = ready();
    expired.now = "2027-03-01T12:00:00Z".parse().unwrap();
    assert_eq!(kinds(&expired), ["obtain-certificate"]);
}

#[test]
fn ready_is_proven_by_the_login_page_and_the_certificate() {
    let host = Domain::parse("acme.example.com").unwrap();
    let spoil: [fn(&mut innkeeper::model::live::Answer); 3] = [
        |answer| answer.status = 502,
        |answer| answer.login_page = false,
        |answer| answer.fingerprint = "other".to_owned(),
    ];
    for (nth, spoil) in spoil.into_iter().enumerate() {
        let mut facts = ready();
        match facts.live.answers.get_mut(&host).unwrap() {
            Seen::Known(answer) => spoil(answer),
            Seen::Unseen(_) => unreachable!(),
        }
        assert_eq!(holds(&facts), [HoldReason::NotHealthy], "case {nth}");
        let status = conditions::status(&facts, &name("acme"), &changes_of(&facts, &name("acme")), None).unwrap();
        assert_ne!(status.state, State::Ready, "case {nth}");
    }
}

#[test]
fn what_is_nobodys_alone_is_decided_for_the_host() {
    let mut changed = ready();
    changed.proxy().templates_changed = true;
    assert_eq!(text(&changes_of_host(&changed)), "render-sites [Intended None] templates changed\n");
    let mut broken = changed.clone();
    broken.proxy().template_problem = Some("shared.conf.tera:12: unexpected }".to_owned());
    assert!(changes_of_host(&broken).steps.is_empty());
    assert_eq!(changes_of_host(&broken).holds[0].reason, HoldReason::TemplateBroken);
    let mut stale = ready();
    stale.proxy().loaded = None;
    assert_eq!(changes_of_host(&stale).steps.len(), 1);
}

/// One thing that somebody does to the world behind our back.
fn damage(facts: &mut Facts, which: u8) {
    let Some(victim) = facts.instances.keys().next().cloned() else { return };
    let resources = innkeeper::model::name::Resources::of(&victim);
    match which % 9 {
        0 => drop(facts.engine().services.remove(&resources.container)),
        1 => drop(facts.engine().configs.remove(&victim)),
        2 => facts.engine().services.values_mut().for_each(|service| service.running = !service.running),
        3 => facts.engine().services.values_mut().for_each(|service| service.memory_bytes = 1),
        4 => facts.database().roles.values_mut().for_each(|role| role.connection_limit = -1),
        5 => drop(facts.database().roles.remove(&resources.database)),
        6 => drop(facts.proxy().sites.remove(&victim)),
        7 => facts.authority().certificates.clear(),
        _ => facts.database().databases.values_mut().for_each(|database| {
            database.others_may_connect.insert("PUBLIC".to_owned());
        }),
    }
}

/// One edit of a file.
fn edit(facts: &mut Facts, which: u8) {
    let names: Vec<String> = facts.instances.keys().map(ToString::to_string).collect();
    let Some(name) = names.get(usize::from(which) % names.len()) else { return };
    let wanted = facts.wanted(name);
    match which % 5 {
        0 => wanted.state = WantedState::Stopped,
        1 => wanted.limits.workers = u32::from(which % 3),
        2 => drop(wanted.modules.insert(module("website"))),
        3 => drop(wanted.domains.insert(Domain::parse(&format!("erp.{name}.org")).unwrap())),
        _ => wanted.company.name = format!("Company {which}"),
    }
    facts.instance(name).generation += 1;
}

proptest! {
    /// Any world converges to any wish, and then nothing is left to do; the same facts give the same changes.
    #[test]
    fn any_world_converges_to_any_wish(count in 1_usize..4, edits in prop::collection::vec(any::<(bool, u8)>(), 0..12)) {
        let mut facts = facts((0..count).map(|number| wanted(&format!("customer-{number}"))));
        for (is_damage, which) in edits {
            if is_damage { damage(&mut facts, which) } else { edit(&mut facts, which) }
            if which % 2 == 0 { converge(&mut facts) }
            prop_assert_eq!(changes(&facts), changes(&facts));
        }
        converge(&mut facts);
        prop_assert!(changes(&facts).is_settled());
        prop_assert!(changes(&facts).instances.values().all(|changes| changes.is_empty()), "{:#?}", changes(&facts));
    }
}

#[test]
fn two_instances_never_share_a_host() {
    let mut facts = ready();
    let mut thief = wanted("thief");
    thief.host = Domain::parse("acme.example.com").unwrap();
    facts.instances.insert(name("thief"), instance(thief, 9));
    let decided = changes_of(&facts, &name("thief"));
    assert!(
        decided.holds.iter().any(|hold| hold.reason == HoldReason::Conflict && hold.message.contains("acme")),
        "{decided:#?}"
    );
    assert!(!decided.steps.iter().any(|step| step.action.kind() == "put-site"));
}
