//! Decisions over what is inside Odoo: modules, set-up, jobs, releases.

use super::{check, converge, holds, kinds, ready};
use crate::world::{World, facts, module, name, uid, wanted};
use expect_test::expect;
use innkeeper::diff::changes_of;
use innkeeper::diff::facts::Facts;
use innkeeper::model::changes::HoldReason;
use innkeeper::model::live::{JobLive, JobState, OdooLive, SearchLive, Seen};
use innkeeper::model::service::{Component, Owner, Tag};
use innkeeper::model::size::Bytes;
use innkeeper::model::step::Action;

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
            set-up [Intended None] the file asks for another set-up after install-modules
                website.language: - → en_US
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
fn another_release_is_not_reached_by_editing_the_file() {
    let mut facts = ready();
    let wanted = facts.wanted("acme");
    wanted.odoo = "18.0".parse().unwrap();
    wanted.image = "odoo:18.0".to_owned();
    assert!(holds(&facts).contains(&HoldReason::UpgradeNeeded));
    assert_eq!(kinds(&facts), Vec::<&str>::new());

    // Nothing of the other release comes near the database, whatever else is to be done.
    facts.wanted("acme").modules.insert(module("website"));
    facts.wanted("acme").company.name = "Another Ltd".to_owned();
    facts.wanted("acme").limits.workers += 1;
    assert_eq!(kinds(&facts), ["set-role"], "only the role's connections");
    facts.engine().services.get_mut("ik-acme").unwrap().running = false;
    assert_eq!(kinds(&facts), ["set-role", "start-container"], "it runs on as it is");
    facts.engine().services.get_mut("ik-acme").unwrap().image = "odoo:18.0".to_owned();
    assert_eq!(kinds(&facts), ["set-role"], "one of another release is not started");
    facts.engine().services.clear();
    assert_eq!((kinds(&facts), holds(&facts)), (vec!["set-role"], vec![HoldReason::UpgradeNeeded]));

    // Through one that was only made to read the volume nobody learns of the database: unseen, nothing begins to run on it.
    let mut facts = ready();
    let wanted = facts.wanted("acme");
    wanted.odoo = "18.0".parse().unwrap();
    wanted.image = "odoo:18.0".to_owned();
    let image_id = facts.engine().images["odoo:18.0"].id.clone();
    let service = facts.engine().services.get_mut("ik-acme").unwrap();
    (service.image, service.image_id) = ("odoo:18.0".to_owned(), image_id);
    (service.running, service.started_at) = (false, None);
    facts.instance("acme").provisioned = true;
    facts.live.database = Seen::Unseen("too many connections".to_owned());
    assert_eq!(kinds(&facts), ["write-conf"], "it is not started");
    facts.engine().services.get_mut("ik-acme").unwrap().image_id = "sha256:former".to_owned();
    assert_eq!(kinds(&facts), ["write-conf"], "nor is one made anew");

    // The way out that is told is one.
    let mut facts = ready();
    facts.engine().services.clear();
    let wanted = facts.wanted("acme");
    wanted.odoo = "19.0".parse().unwrap();
    wanted.image = "odoo:19.0".to_owned();
    assert!(kinds(&facts).contains(&"create-container"));
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
            set-up [Intended None] the file asks for another set-up after install-modules
                website.language: - → en_US
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
fn an_ended_job_is_cleared_away() {
    let mut facts = ready();
    let tag =
        Tag { instance: name("acme"), uid: uid(0), component: Component::InstallJob, digest: "v1:other".to_owned() };
    let job = JobLive { owner: Owner::Ours(tag), state: JobState::Ended(0), started_at: None };
    facts.engine().jobs.insert("ik-acme-job-install".to_owned(), job);
    assert_eq!(kinds(&facts), ["remove-job"]);
}

#[test]
fn an_empty_database_is_of_no_release_and_nothing_runs_on_it() {
    let mut facts = ready();
    let image = facts.settings.odoo.images[&"18.0".parse().unwrap()].clone();
    // A half-made one that was retired: its volume was read through a container, which never ran.
    facts.engine().services.get_mut("ik-acme").unwrap().image = image;
    facts.engine().services.get_mut("ik-acme").unwrap().running = false;
    facts.database().databases.get_mut("odoo_acme").unwrap().provisioned = false;
    facts.database().inside.insert("odoo_acme".to_owned(), Seen::Known(OdooLive::default()));
    assert!(!holds(&facts).contains(&HoldReason::UpgradeNeeded));
    assert!(kinds(&facts).contains(&"install-modules"));
    let tag =
        Tag { instance: name("acme"), uid: uid(0), component: Component::SetupJob, digest: "v1:other".to_owned() };
    let job = JobLive { owner: Owner::Ours(tag), state: JobState::Running, started_at: None };
    facts.engine().jobs.insert("ik-acme-job-setup".to_owned(), job);
    let starts = changes_of(&facts, &name("acme")).steps.into_iter().any(|step| match step.action {
        Action::StartService { .. } => true,
        Action::RecreateService { start, .. } => start,
        _ => false,
    });
    assert!(!starts, "it is not set up yet");
}

#[test]
fn what_an_earlier_version_set_up_gets_the_rest_once_and_keeps_running() {
    let mut facts = ready();
    let Seen::Known(odoo) = facts.database().inside.get_mut("odoo_acme").unwrap() else { panic!("it was looked at") };
    // As an earlier version wrote it down.
    let mut text = serde_json::to_value(odoo.setup.as_ref().unwrap()).unwrap();
    for key in ["report_url", "website"] {
        text.as_object_mut().unwrap().remove(key).unwrap();
    }
    odoo.setup = Some(serde_json::from_value(text).unwrap());
    check(
        &facts,
        &expect![[r#"
            set-up [ToolUpgrade None] earlier versions of Innkeeper set less up
                report.url: - → http://127.0.0.1:8069
        "#]],
    );
}

#[test]
fn a_website_that_comes_later_gets_the_company_s_language() {
    let mut facts = ready();
    facts.wanted("acme").modules.insert(module("website"));
    facts.wanted("acme").company.language = "vi_VN".parse().unwrap();
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
            install-modules [Intended None] modules are wanted that are not installed
                module: - → website
            set-up [Intended None] the file asks for another set-up after install-modules
                company.language: en_US → vi_VN
                website.language: - → vi_VN
            put-site [Intended None] it differed
                language of its pages: en_US → vi_VN
        "#]],
    );
}

#[test]
fn odoos_own_memory_limit_lies_below_the_containers() {
    let limits_of = |memory_mib: u64, workers: u32| {
        let mut wanted = wanted("acme");
        (wanted.limits.memory, wanted.limits.workers) = (Bytes(memory_mib << 20), workers);
        let steps = changes_of(&facts([wanted]), &name("acme")).steps;
        let conf = steps.into_iter().find_map(|step| match step.action {
            Action::WriteConf { conf, .. } => Some(conf),
            _ => None,
        });
        conf.map(|conf| (conf.limit_memory_soft >> 20, conf.limit_memory_hard >> 20)).unwrap()
    };
    assert_eq!(limits_of(1_024, 2), (672, 768));
    assert_eq!(limits_of(2_048, 2), (1_344, 1_536));
    assert_eq!(limits_of(16_384, 8), (2_240, 2_560), "never more than Odoo's own");
    assert_eq!(limits_of(512, 2), (560, 640), "a healthy worker has 315 MiB");
    assert_eq!(limits_of(1_024, 0), (2_048, 2_560), "threads reserve what they do not use");
}

fn search_of(facts: &mut Facts) -> &mut SearchLive {
    let Seen::Known(odoo) = facts.database().inside.get_mut("odoo_acme").unwrap() else { panic!("it was looked at") };
    &mut odoo.search
}

#[test]
fn a_database_of_an_earlier_version_gets_extensions_and_the_indexes_that_odoo_left_out() {
    let mut facts = ready();
    facts.database().databases.get_mut("odoo_acme").unwrap().owner_role = "odoo_acme".to_owned();
    *search_of(&mut facts) = SearchLive::default();
    check(
        &facts,
        &expect![[r#"
        set-privileges [ToolUpgrade None] its tenant could take its mark away
            owner: odoo_acme → innkeeper
        add-extensions [ToolUpgrade None] extensions that Odoo's search works with are missing after set-privileges
            extension: - → pg_trgm
            extension: - → unaccent
        set-up [ToolUpgrade None] indexes that Odoo's search works with may be missing after set-privileges, add-extensions
            trigram indexes: - → (those that are missing)
    "#]],
    );
    converge(&mut facts);
    assert!(search_of(&mut facts).is_indexed());
    assert_eq!(kinds(&facts), Vec::<&str>::new());
}

#[test]
fn an_extension_that_is_dropped_is_drift_and_so_are_its_indexes() {
    let mut facts = ready();
    let search = search_of(&mut facts);
    search.extensions.remove("pg_trgm");
    search.basis = None;
    check(
        &facts,
        &expect![[r#"
            add-extensions [Drift None] extensions that Odoo's search works with are missing
                extension: - → pg_trgm
            set-up [Drift None] indexes that Odoo's search works with may be missing after add-extensions
                trigram indexes: - → (those that are missing)
        "#]],
    );
    // Made anew by somebody else: its indexes went with it all the same.
    let search = search_of(&mut facts);
    search.extensions.insert("pg_trgm".to_owned());
    search.basis = Some("another one".to_owned());
    assert_eq!(kinds(&facts), ["set-up"]);
}

#[test]
fn what_the_server_does_not_have_is_not_waited_for() {
    let mut facts = facts([wanted("acme")]);
    facts.database().extensions.clear();
    assert!(!kinds(&facts).contains(&"add-extensions"));
    converge(&mut facts);
    assert_eq!(kinds(&facts), Vec::<&str>::new());
}

#[test]
fn a_database_is_taken_from_its_tenant_when_its_odoo_does_not_look_for_owned_ones_any_more() {
    let mut facts = ready();
    facts.database().databases.get_mut("odoo_acme").unwrap().owner_role = "odoo_acme".to_owned();
    let conf = facts.engine().configs.get_mut(&name("acme")).unwrap();
    let wanted = std::mem::replace(&mut conf.digest, "v1:of an earlier version".to_owned());
    assert_eq!(kinds(&facts), ["write-conf", "restart-container"], "it runs on an older odoo.conf");
    let conf = facts.engine().configs.get_mut(&name("acme")).unwrap();
    conf.digest = wanted;
    assert_eq!(kinds(&facts), ["set-privileges"]);
    converge(&mut facts);
    assert_eq!(kinds(&facts), Vec::<&str>::new());
}
