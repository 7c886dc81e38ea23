//! Fleets as a daemon would tell them, of any size, with every state and every length of name.

use crate::world::{module, name, now, wanted};
use innkeeper::control::view::{
    EdgeView, FleetView, HostView, InstanceView, PendingStep, PlanView, RunView, VIEW_INSTANCES_MAX, View,
};
use innkeeper::model::changes::{Hold, HoldReason};
use innkeeper::model::event::{Event, Level};
use innkeeper::model::name::{Domain, InstanceName, PlanName};
use innkeeper::model::status::{
    Alert, BackupStatus, CertificateStatus, Condition, ConditionStatus, ConditionType, DaemonStatus, InstanceStatus,
    ModulesStatus, SCHEMA, State, UsageStatus,
};
use innkeeper::model::step::{FieldChange, Origin, Risk, StepId};
use innkeeper::model::time::Timestamp;
use innkeeper::model::wanted::WantedState;
use jiff::SignedDuration;
use std::sync::Arc;

const NAMES: [&str; 24] = [
    "acme",
    "baker-sons",
    "brightside",
    "cafe-luna",
    "cobalt",
    "corvus",
    "dunes",
    "eastwind",
    "fjord",
    "granite",
    "harbor",
    "iris-studio",
    "juniper",
    "kestrel",
    "lumen",
    "mill-house",
    "northgate",
    "oakley",
    "pinewood",
    "quarry",
    "redwood",
    "saffron",
    "tidewater",
    "umber",
];
const CONDITIONS: [ConditionType; 9] = [
    ConditionType::Ready,
    ConditionType::SpecValid,
    ConditionType::DatabaseReady,
    ConditionType::ModulesReady,
    ConditionType::SetupDone,
    ConditionType::AppReady,
    ConditionType::SiteReady,
    ConditionType::CertificateReady,
    ConditionType::Drifted,
];

/// So many seconds before the tests' moment.
pub(crate) fn before(seconds: i64) -> Timestamp {
    now().checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

fn after(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// The name of the nth instance.
pub(crate) fn nth_name(nth: usize) -> InstanceName {
    match nth / NAMES.len() {
        0 => name(NAMES[nth]),
        round => name(&format!("{}-{round:03}", NAMES[nth % NAMES.len()])),
    }
}

const DISK_FULL: &str = "4% of the disk is free: make room";

/// One instance in that state, with figures that differ by `nth`.
pub(crate) fn instance(name: &InstanceName, state: State, nth: usize) -> InstanceView {
    let mut wanted = wanted(name.as_str());
    wanted.company.name = format!("{} Ltd", name.as_str().to_uppercase());
    wanted.state = if state == State::Stopped { WantedState::Stopped } else { WantedState::Running };
    let good = matches!(state, State::Ready | State::Stopped);
    let serves = good || state == State::Updating;
    let condition = |kind| {
        let bad = !serves && matches!(kind, ConditionType::Ready | ConditionType::AppReady);
        let is_drift = kind == ConditionType::Drifted;
        Condition {
            kind,
            status: if bad || is_drift { ConditionStatus::False } else { ConditionStatus::True },
            reason: if bad { "NotAnswering" } else { "AsWanted" }.to_owned(),
            message: if bad { "the login page does not answer" } else { "" }.to_owned(),
            since: before(40 + nth as i64 % 300),
            last_known: None,
        }
    };
    let busy = 1 + (nth * 37) as u64 % 97;
    let status = InstanceStatus {
        uid: None,
        plan: Some(PlanName::parse(["basic", "pro", "gold"][nth % 3]).unwrap()),
        wanted: wanted.state,
        state,
        url: Some(format!("https://{name}.example.com")),
        urls: vec![format!("https://{name}.example.com")],
        odoo: Some(wanted.odoo.clone()),
        port: Some(20_000 + (nth % 10_000) as u16),
        database: format!("odoo_{}", name.as_str().replace('-', "_")),
        container: format!("odoo-{name}"),
        modules: ModulesStatus {
            wanted: Arc::new(["crm", "sale_management"].map(module).into()),
            installed: Arc::new(["base", "crm", "sale_management"].map(module).into()),
        },
        certificate: serves.then(|| CertificateStatus {
            names: [format!("{name}.example.com")].into(),
            not_after: after((3 + nth as i64 * 7 % 88) * 86_400),
            issuer: "Let's Encrypt".to_owned(),
        }),
        conditions: CONDITIONS.map(condition).into(),
        holds: match state {
            State::Held => vec![Hold { reason: HoldReason::DiskFull, message: DISK_FULL.to_owned() }],
            State::Failed => vec![Hold {
                reason: HoldReason::BackOff,
                message: "install-modules failed: module sale_x is not in the addons path".to_owned(),
            }],
            _ => Vec::new(),
        },
        usage: serves.then(|| usage(busy, wanted.state == WantedState::Running)),
        last_backup: serves.then(|| BackupStatus {
            id: format!("b-{nth}"),
            at: before(3_600 * (1 + nth as i64 % 30)),
            bytes: (busy * 4) << 20,
            verified: nth % 11 != 3,
            missing_files: 0,
            lacks: None,
        }),
        operation: None,
        purge_after: None,
        next_try: (state == State::Failed).then(|| after(240)),
        generation: 2,
        observed_generation: if good { 2 } else { 1 },
        name: name.clone(),
    };
    let is_changed = matches!(state, State::Updating | State::Provisioning | State::Failed);
    let steps = if is_changed { steps(name) } else { Vec::new() };
    InstanceView { status: Arc::new(status), wanted: Some(Arc::new(wanted)), steps: steps.into() }
}

/// Who does not run uses its disk alone.
fn usage(busy: u64, runs: bool) -> UsageStatus {
    UsageStatus {
        at: now(),
        cpu_percent: if runs { busy as f64 } else { 0.0 },
        memory_bytes: if runs { (busy * 20) << 20 } else { 0 },
        memory_limit_bytes: 2 << 30,
        database_bytes: (busy * 90) << 20,
        filestore_bytes: (busy * 30) << 20,
    }
}

fn steps(name: &InstanceName) -> Vec<PendingStep> {
    let step = |kind: &str, resource: &str, reason: &str, risk, fields, after: &[&str]| PendingStep {
        id: StepId(format!("{name}/{kind}")),
        kind: kind.to_owned(),
        resource: resource.to_owned(),
        reason: reason.to_owned(),
        origin: Origin::Intended,
        risk,
        fields,
        after: after.iter().map(|key| StepId(format!("{name}/{key}"))).collect(),
    };
    let memory =
        FieldChange { field: "memory".to_owned(), from: Some("1 GiB".to_owned()), to: Some("2 GiB".to_owned()) };
    vec![
        step("install-modules", &format!("job odoo-{name}-install"), "crm is not installed", Risk::None, vec![], &[]),
        step("update-limits", &format!("container odoo-{name}"), "its limits differ", Risk::None, vec![memory], &[]),
        step(
            "restart-container",
            &format!("container odoo-{name}"),
            "modules were installed",
            Risk::Interruption,
            vec![],
            &["install-modules"],
        ),
    ]
}

/// The state of the nth: mostly ready, every other state among the first.
pub(crate) fn state_of(nth: usize) -> State {
    match nth {
        0 => State::Failed,
        1 => State::Degraded,
        2 => State::Updating,
        6 => State::Stopped,
        9 => State::Held,
        13 => State::Orphaned,
        17 => State::Provisioning,
        _ => State::Ready,
    }
}

pub(crate) fn facts(instances: &[InstanceView]) -> FleetView {
    let alert = |instance: &InstanceView, reason: &str, message: &str| Alert {
        instance: Some(instance.status.name.clone()),
        reason: reason.to_owned(),
        message: message.to_owned(),
        since: before(720),
        silence: None,
    };
    let bad = instances.iter().filter(|it| matches!(it.status.state, State::Failed | State::Degraded));
    FleetView {
        base_domain: Domain::parse("example.com").unwrap(),
        timezone: "Asia/Ho_Chi_Minh".to_owned(),
        daemon: DaemonStatus { running: true, pid: Some(4_127), since: Some(before(86_400 * 6)) },
        version: "0.1.0".to_owned(),
        alerts: bad.map(|it| alert(it, "NotAnswering", "the login page does not answer for 12 minutes")).collect(),
        plans: ["basic", "gold", "pro"]
            .map(|plan| PlanView {
                name: PlanName::parse(plan).unwrap(),
                title: plan.to_uppercase(),
                used: (instances.len() / 3) as u32,
                max_instances: 100,
            })
            .into(),
        host: HostView {
            name: "host-a".to_owned(),
            cpus: 16,
            load: Some(3.1),
            memory_bytes: Some(64 << 30),
            memory_available_bytes: Some(25 << 30),
            disk_bytes: Some(1_800 << 30),
            disk_free_bytes: Some(936 << 30),
            edges: ["docker", "postgresql", "nginx", "certificates"]
                .map(|edge| EdgeView { edge: edge.to_owned(), lost: None, since: None })
                .into(),
            turns_running: 2,
            turns_waiting: 1,
        },
    }
}

pub(crate) fn event(seq: u64, ago_s: i64, of: Option<&str>, level: Level, reason: &str, message: &str) -> Event {
    Event {
        schema: SCHEMA,
        seq,
        at: before(ago_s),
        level,
        instance: of.map(name),
        kind: "step".to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        step: None,
        cause: None,
        count: 1,
    }
}

fn events() -> Vec<Event> {
    vec![
        event(1, 90_000, None, Level::Info, "DaemonStarted", "the daemon started, version 0.1.0"),
        event(2, 720, Some("baker-sons"), Level::Error, "NotAnswering", "the login page does not answer"),
        event(3, 400, Some("corvus"), Level::Info, "StepDone", "certificate corvus: renewed"),
        event(
            4,
            150,
            Some("acme"),
            Level::Error,
            "StepFailed",
            "install-modules: module sale_x is not in the addons path",
        ),
        event(5, 64, Some("brightside"), Level::Info, "FileChanged", "its file asks for something new"),
        event(6, 30, Some("granite"), Level::Warning, "DriftFound", "site granite.example.com: edited by hand"),
    ]
}

fn runs() -> Vec<RunView> {
    let run = |id, of: &str, kind: &str, since_s: i64, expected_ms, ended: Option<i64>, error: Option<&str>| RunView {
        id,
        instance: Some(name(of)),
        step: StepId(format!("{of}/{kind}")),
        kind: kind.to_owned(),
        reason: "the file asks for it".to_owned(),
        since: before(since_s),
        expected_ms,
        progress: None,
        ended: ended.map(before),
        error: error.map(str::to_owned),
    };
    vec![
        run(
            1,
            "acme",
            "install-modules",
            301,
            Some(60_000),
            Some(150),
            Some("module sale_x is not in the addons path"),
        ),
        run(2, "corvus", "obtain-certificate", 409, None, Some(400), None),
        run(3, "brightside", "install-modules", 64, Some(104_000), None, None),
        run(4, "oakley", "create-database", 2, None, None, None),
    ]
}

/// A fleet of `count` instances, as a daemon tells it at first.
pub(crate) fn fleet(count: usize) -> Vec<View> {
    let instances: Vec<InstanceView> = (0..count).map(|nth| instance(&nth_name(nth), state_of(nth), nth)).collect();
    let mut last = View::nothing(now());
    last.fleet = Some(facts(&instances));
    if count > 20 {
        (last.events, last.runs) = (events(), runs());
    }
    lines(last, instances)
}

/// The same in lines, as the daemon sends it.
pub(crate) fn lines(last: View, instances: Vec<InstanceView>) -> Vec<View> {
    let mut views: Vec<View> = instances
        .chunks(VIEW_INSTANCES_MAX)
        .map(|some| View { instances: some.to_vec(), more: true, ..View::nothing(now()) })
        .collect();
    views.push(last);
    views[0].whole = true;
    views
}
