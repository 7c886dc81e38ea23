//! Decisions over the container: limits, ports, image, hardening, stopping, restarting.

use super::{check, converge, holds, kinds, ready};
use crate::world::{World, carry_out, facts, name, wanted};
use expect_test::expect;
use innkeeper::diff::facts::Facts;
use innkeeper::diff::{changes_of, conditions};
use innkeeper::model::changes::HoldReason;
use innkeeper::model::errand::{Errand, ErrandKind};
use innkeeper::model::live::Seen;
use innkeeper::model::secret::digest;
use innkeeper::model::service::Owner;
use innkeeper::model::size::Bytes;
use innkeeper::model::status::State;
use innkeeper::model::step::Action;
use innkeeper::model::wanted::WantedState;

#[test]
fn limits_are_updated_without_a_restart_as_long_as_odoos_own_stay() {
    let mut facts = ready();
    facts.wanted("acme").limits.cpu_millis = 2_000;
    facts.instance("acme").generation = 2;
    assert_eq!(kinds(&facts), ["update-limits"]);
    // Odoo reads its own limit of memory at its start alone.
    facts.wanted("acme").limits.memory = Bytes(2 << 30);
    check(
        &facts,
        &expect![[r#"
            write-conf [Intended None] another one is asked for
                odoo.conf: - → workers 2, db_maxconn 8
            update-limits [Intended None] its limits differed
                cpus: 1 → 2
                memory: 1 GiB → 2 GiB
            restart-container [Intended Interruption] it runs on an older odoo.conf after write-conf
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
            set-role [Intended None] it was not as it should be
                connection_limit: 48 → 16
            write-conf [Intended None] another one is asked for
                odoo.conf: - → workers 0, db_maxconn 8
            put-site [Intended None] it differed
                websocket worker: true → false
            restart-container [Intended Interruption] it runs on an older odoo.conf after set-role, write-conf
        "#]],
    );
}

#[test]
fn nobody_is_stopped_while_nginx_cannot_say_so() {
    let mut facts = ready();
    facts.wanted("acme").state = WantedState::Stopped;
    facts.instance("acme").generation = 2;
    facts.proxy().running = false;
    assert_eq!((kinds(&facts), holds(&facts)), (vec![], vec![HoldReason::Unseen]));
    facts.proxy().running = true;
    assert_eq!(kinds(&facts), ["put-site", "stop-container"]);
}

#[test]
fn stopping_shows_the_page_before_the_container_stops() {
    let mut facts = ready();
    facts.wanted("acme").state = WantedState::Stopped;
    facts.instance("acme").generation = 2;
    check(
        &facts,
        &expect![[r#"
            put-site [Intended None] it differed
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
            put-site [Intended None] it differed
                page: stopped → Odoo
            start-container [Intended None] it did not run
                state: stopped → running
        "#]],
    );
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
fn a_container_from_before_there_was_an_environment_is_made_anew_once() {
    let mut facts = ready();
    let service = facts.engine().services.get_mut("ik-acme").unwrap();
    let former = digest(&("ik-acme", &service.image_id, "ik-acme-data", service.ports.unwrap()));
    let Owner::Ours(tag) = &mut service.owner else { panic!("{service:?}") };
    tag.digest = former;
    check(
        &facts,
        &expect![[r#"
        recreate-container [ToolUpgrade Interruption] a new container is needed for this
            environment: - → ODOO_HTTP_SOCKET_TIMEOUT=60
    "#]],
    );
    converge(&mut facts);
    check(&facts, &expect![""]);
}

#[test]
fn a_missing_image_holds_what_needs_it() {
    let mut facts = facts([wanted("acme")]);
    facts.engine().images.clear();
    check(
        &facts,
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
            put-site [Intended None] new instance
                host: - → acme.example.com
                page: - → being prepared
            obtain-certificate:acme.example.com [Intended None] none was stored after put-site
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
