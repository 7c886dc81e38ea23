//! How plans and tables look, from values of the model, at several widths, with and without colours.

use expect_test::{Expect, expect};
use innkeeper::cli::render::{plan_text, status_text};
use innkeeper::model::changes::{Changes, Hold, HoldReason, InstanceChanges};
use innkeeper::model::database::DatabaseSpec;
use innkeeper::model::name::{InstanceName, Uid};
use innkeeper::model::service::{Component, Tag};
use innkeeper::model::service_plan::Limits;
use innkeeper::model::size::Bytes;
use innkeeper::model::status::{DaemonStatus, FleetStatus, InstanceStatus, ModulesStatus, SCHEMA, State};
use innkeeper::model::step::{Action, CertificateOrder, FieldChange, Origin, Risk, Step, StepId};
use innkeeper::model::wanted::WantedState;

fn name(text: &str) -> InstanceName {
    InstanceName::parse(text).unwrap()
}

fn uid() -> Uid {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

fn tag(instance: &str) -> Tag {
    Tag { instance: name(instance), uid: uid(), component: Component::Service, digest: String::new() }
}

fn step(
    instance: &str,
    action: Action,
    reason: &str,
    origin: Origin,
    risk: Risk,
    fields: &[(&str, Option<&str>, Option<&str>)],
) -> Step {
    let text = |text: &Option<&str>| text.map(str::to_owned);
    Step {
        id: StepId(format!("{instance}/{}", action.kind().as_str())),
        action,
        reason: reason.to_owned(),
        origin,
        risk,
        fields: fields
            .iter()
            .map(|(field, from, to)| FieldChange { field: (*field).to_owned(), from: text(from), to: text(to) })
            .collect(),
        after: Vec::new(),
    }
}

fn database(instance: &str) -> DatabaseSpec {
    DatabaseSpec { database: format!("odoo_{instance}"), instance: name(instance), uid: uid(), provisioned: false }
}

fn limits() -> Limits {
    Limits { cpu_millis: 1_000, memory: Bytes(2 << 30), disk: Bytes(5 << 30), workers: 2 }
}

fn example() -> Changes {
    let acme = InstanceChanges {
        steps: vec![
            step(
                "acme",
                Action::CreateDatabase(database("acme")),
                "new instance",
                Origin::Intended,
                Risk::None,
                &[("owner", None, Some("odoo_acme"))],
            ),
            step(
                "acme",
                Action::ObtainCertificate(CertificateOrder {
                    name: innkeeper::model::site::CertificateName("acme.example.com".to_owned()),
                    names: ["acme.example.com".to_owned()].into(),
                    renewal: false,
                }),
                "no certificate covers acme.example.com",
                Origin::Intended,
                Risk::None,
                &[],
            ),
        ],
        ..InstanceChanges::default()
    };
    let luna = InstanceChanges {
        steps: vec![
            step(
                "luna",
                Action::UpdateLimits { container: "ik-luna".to_owned(), tag: tag("luna"), limits: limits() },
                "its limits were changed by hand",
                Origin::Drift,
                Risk::None,
                &[("memory", Some("1 GiB"), Some("2 GiB"))],
            ),
            step("luna", Action::RestartService { container: "ik-luna".to_owned(), tag: tag("luna") }, "asked for by root", Origin::Requested, Risk::Interruption, &[]),
        ],
        holds: vec![Hold {
            reason: HoldReason::Conflict,
            message: "a foreign volume stands on ik-luna-data (no Innkeeper label); it is left untouched: remove or rename it".to_owned(),
        }],
        ..InstanceChanges::default()
    };
    Changes { host: InstanceChanges::default(), instances: [(name("acme"), acme), (name("luna"), luna)].into() }
}

fn check(changes: &Changes, columns: Option<usize>, expected: Expect) {
    expected.assert_eq(&anstream::adapter::strip_str(&plan_text(changes, columns)).to_string());
}

#[test]
fn a_plan_puts_interruptions_first_and_tells_every_field() {
    check(
        &example(),
        None,
        expect![[r#"
        luna  interrupts the service
            ~ ! change the limits of container ik-luna: its limits were changed by hand [drift]
                  memory: 1 GiB → 2 GiB
            ^   restart container ik-luna: asked for by root [requested] (interrupts)
            =   waits (Conflict): a foreign volume stands on ik-luna-data (no Innkeeper label); it is left untouched: remove or rename it

        acme
            +   create database odoo_acme: new instance
                  owner: odoo_acme
            +   obtain certificate acme.example.com: no certificate covers acme.example.com

        + create   ~ change   ^ restart   ! changed behind our back   = waits
        4 steps: 2 to create, 1 to change, 1 to restart; 1 held.
    "#]],
    );
}

#[test]
fn a_plan_is_broken_between_words_to_fit_the_terminal() {
    check(
        &example(),
        Some(60),
        expect![[r#"
        luna  interrupts the service
            ~ ! change the limits of container ik-luna: its limits
                were changed by hand [drift]
                  memory: 1 GiB → 2 GiB
            ^   restart container ik-luna: asked for by root
                [requested] (interrupts)
            =   waits (Conflict): a foreign volume stands on
                ik-luna-data (no Innkeeper label); it is left
                untouched: remove or rename it

        acme
            +   create database odoo_acme: new instance
                  owner: odoo_acme
            +   obtain certificate acme.example.com: no certificate
                covers acme.example.com

        + create   ~ change   ^ restart   ! changed behind our back
        = waits
        4 steps: 2 to create, 1 to change, 1 to restart; 1 held.
    "#]],
    );
    let text = plan_text(&example(), Some(60));
    let widest = anstream::adapter::strip_str(&text).to_string().lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|columns| columns <= 60), "{widest:?}");
}

#[test]
fn a_plan_in_colours_says_nothing_that_is_not_said_in_words() {
    let expected = expect![[r#"
        ␛[1mluna␛[0m␛[33m  interrupts the service␛[0m
        ␛[33m    ~ !␛[0m change the limits of container ik-luna: its limits were changed by hand [drift]
                  memory: 1 GiB → 2 GiB
        ␛[33m    ^  ␛[0m restart container ik-luna: asked for by root [requested] (interrupts)
        ␛[33m    =  ␛[0m waits (Conflict): a foreign volume stands on ik-luna-data (no Innkeeper label); it is left untouched: remove or rename it

        ␛[1macme␛[0m
        ␛[32m    +  ␛[0m create database odoo_acme: new instance
                  owner: odoo_acme
        ␛[32m    +  ␛[0m obtain certificate acme.example.com: no certificate covers acme.example.com

        ␛[2m+ create   ~ change   ^ restart   ! changed behind our back   = waits␛[0m
        ␛[1m4 steps: 2 to create, 1 to change, 1 to restart; 1 held.␛[0m
    "#]];
    expected.assert_eq(&plan_text(&example(), None).replace('\u{1b}', "␛"));
}

#[test]
fn an_empty_plan_is_one_line() {
    check(
        &Changes::default(),
        Some(80),
        expect![[r#"
        No changes.
    "#]],
    );
}

#[test]
fn a_hostile_reason_cannot_steer_the_terminal() {
    let mut changes = example();
    changes.instances.remove(&name("acme"));
    let luna = changes.instances.get_mut(&name("luna")).unwrap();
    luna.holds.clear();
    luna.steps.truncate(1);
    luna.steps[0].reason = "\u{1b}[2Jgone\r\n\u{202e}evil".to_owned();
    check(
        &changes,
        None,
        expect![[r#"
        luna
            ~ ! change the limits of container ik-luna: \u{1b}[2Jgone\u{d}\n\u{202e}evil [drift]
                  memory: 1 GiB → 2 GiB

        ~ change   ! changed behind our back
        1 step: 1 to change.
    "#]],
    );
}

fn status(instance: &str, state: State, hold: Option<&str>) -> InstanceStatus {
    InstanceStatus {
        name: name(instance),
        uid: Some(uid()),
        plan: Some("starter".parse().unwrap()),
        wanted: WantedState::Running,
        state,
        url: Some(format!("https://{instance}.example.com")),
        urls: vec![format!("https://{instance}.example.com")],
        odoo: Some("19.0".parse().unwrap()),
        port: Some(20_000),
        database: format!("odoo_{instance}"),
        container: format!("ik-{instance}"),
        modules: ModulesStatus::default(),
        certificate: None,
        conditions: Vec::new(),
        holds: hold
            .map(|message| Hold { reason: HoldReason::ImageMissing, message: message.to_owned() })
            .into_iter()
            .collect(),
        usage: None,
        last_backup: None,
        operation: None,
        purge_after: None,
        next_try: None,
        generation: 1,
        observed_generation: 1,
    }
}

fn fleet() -> FleetStatus {
    FleetStatus {
        schema: SCHEMA,
        at: "2026-03-01T12:00:00Z".parse().unwrap(),
        base_domain: "example.com".parse().unwrap(),
        daemon: DaemonStatus { running: true, pid: Some(7), since: None },
        alerts: Vec::new(),
        instances: vec![
            status("acme", State::Ready, None),
            status("baker-sons", State::Held, Some("image odoo:19.0 is not on this host: docker pull odoo:19.0")),
            status("cafe", State::Failed, None),
        ],
    }
}

fn check_status(columns: Option<usize>, expected: Expect) {
    expected.assert_eq(&anstream::adapter::strip_str(&status_text(&fleet(), columns)).to_string());
}

#[test]
fn the_table_is_whole_when_it_is_piped_and_what_is_wrong_stands_first() {
    check_status(
        None,
        expect![[r#"
           NAME        STATE   PLAN     ODOO  CERT  URL                             NOTE
        !  cafe        failed  starter  19.0  -     https://cafe.example.com
        =  baker-sons  held    starter  19.0  -     https://baker-sons.example.com  ImageMissing: image odoo:19.0 is not on this host: docker pull odoo:19.0
        *  acme        ready   starter  19.0  -     https://acme.example.com
        3 instances, 1 failed, 1 held, 1 ready; daemon running
    "#]],
    );
}

#[test]
fn the_table_drops_columns_to_fit_the_terminal() {
    check_status(
        Some(100),
        expect![[r#"
           NAME        STATE   PLAN     ODOO  CERT  URL                             NOTE
        !  cafe        failed  starter  19.0  -     https://cafe.example.com
        =  baker-sons  held    starter  19.0  -     https://baker-sons.example.com  ImageMissing: image odo…
        *  acme        ready   starter  19.0  -     https://acme.example.com
        3 instances, 1 failed, 1 held, 1 ready; daemon running
    "#]],
    );
    check_status(
        Some(60),
        expect![[r#"
           NAME        STATE   NOTE
        !  cafe        failed
        =  baker-sons  held    ImageMissing: image odoo:19.0 is not…
        *  acme        ready
        3 instances, 1 failed, 1 held, 1 ready; daemon running
    "#]],
    );
    check_status(
        Some(30),
        expect![[r#"
           NAME        STATE
        !  cafe        failed
        =  baker-sons  held
        *  acme        ready
        3 instances, 1 failed, 1 held, 1 ready; daemon running
    "#]],
    );
}
