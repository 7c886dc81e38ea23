//! One instance in full.

use super::style::{BAD, FAINT, GOOD, PLAIN, STRONG, WARN, of_state, paint};
use super::text::{harmless, local, relative, wrap, zone_name};
use crate::model::event::Event;
use crate::model::size::Bytes;
use crate::model::status::{Condition, ConditionStatus, ConditionType, InstanceStatus};
use crate::model::time::Timestamp;
use crate::model::usage::UsageHistory;
use jiff::tz::TimeZone;

/// Where values begin.
const LABEL_COLUMNS: usize = 14;

/// The instance, its conditions, what waits, and its last events.
pub(crate) fn render(
    status: &InstanceStatus,
    (history, disk): (&UsageHistory, Option<Bytes>),
    events: &[Event],
    now: Timestamp,
    zone: &TimeZone,
    columns_max: Option<usize>,
) -> String {
    let mut out =
        format!("{}  {}\n", paint(STRONG, status.name.as_str()), paint(of_state(status.state), status.state.as_str()));
    let disk = disk.and_then(|disk| growth(status, history, disk));
    let facts = facts(status, disk, now, zone);
    for (label, value) in facts {
        let room = columns_max.map(|max| max.saturating_sub(LABEL_COLUMNS + 2).max(20));
        let value = wrap(&harmless(&value), room).join(&format!("\n{}", " ".repeat(LABEL_COLUMNS + 2)));
        out.push_str(&format!("  {}{value}\n", paint(FAINT, &format!("{label:<LABEL_COLUMNS$}"))));
    }
    section(&mut out, "Last 24 hours", super::graph::of_a_day(status, history, now, zone).into_iter());
    section(&mut out, "Conditions", status.conditions.iter().map(|item| condition(status, item, now)));
    let holds = status
        .holds
        .iter()
        .map(|hold| format!("  {}: {}\n", paint(WARN, hold.reason.as_str()), harmless(&hold.message)));
    section(&mut out, "Waits", holds);
    section(&mut out, "Last events", events.iter().map(|event| format!("  {}", super::event::render(event, zone))));
    out
}

fn section(out: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let text: String = lines.collect();
    if !text.is_empty() {
        out.push_str(&format!("\n{}\n{text}", paint(STRONG, title)));
    }
}

fn facts(
    status: &InstanceStatus,
    disk: Option<String>,
    now: Timestamp,
    zone: &TimeZone,
) -> Vec<(&'static str, String)> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let list = |names: &std::collections::BTreeSet<crate::model::name::ModuleName>| {
        names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" ")
    };
    let missing: std::collections::BTreeSet<_> =
        status.modules.wanted.difference(&status.modules.installed).cloned().collect();
    let mut facts = Vec::new();
    facts.extend(status.doing(now).map(|doing| ("now", doing)));
    facts.extend([
        ("wanted", status.wanted.as_str().to_owned()),
        ("plan", or_dash(status.plan.as_ref().map(ToString::to_string))),
        ("Odoo", or_dash(status.odoo.as_ref().map(ToString::to_string))),
        ("address", if status.urls.is_empty() { "-".to_owned() } else { status.urls.join(" ") }),
        ("modules", if status.modules.wanted.is_empty() { "-".to_owned() } else { list(&status.modules.wanted) }),
    ]);
    // What could not be looked at is not missing.
    let looked = status
        .conditions
        .iter()
        .any(|condition| condition.kind == ConditionType::ModulesReady && condition.status != ConditionStatus::Unknown);
    if !missing.is_empty() && looked {
        facts.push(("not installed", list(&missing)));
    }
    facts.push((
        "container",
        format!("{}{}", status.container, status.port.map(|port| format!(" on 127.0.0.1:{port}")).unwrap_or_default()),
    ));
    facts.push(("database", status.database.clone()));
    if let Some(certificate) = &status.certificate {
        let names: Vec<&str> = certificate.names.iter().map(String::as_str).collect();
        facts.push((
            "certificate",
            format!(
                "{} by {}, ends {} ({})",
                names.join(" "),
                certificate.issuer,
                local(certificate.not_after, zone),
                relative(certificate.not_after, now)
            ),
        ));
    }
    facts.extend(usage(status, disk, now));
    if let Some(backup) = &status.last_backup {
        facts.push((
            "last backup",
            format!("{} ({}, {}, {})", backup.id, relative(backup.at, now), Bytes(backup.bytes), backup.word()),
        ));
    }
    facts.extend(status.next_try.map(|at| ("next try", format!("{} ({})", local(at, zone), relative(at, now)))));
    facts.extend(status.purge_after.map(|at| ("data kept to", local(at, zone))));
    let pending = if status.generation == status.observed_generation { "" } else { " (not applied yet)" };
    facts.push(("file version", format!("{}{pending}", status.generation)));
    facts.extend(status.uid.map(|uid| ("uid", uid.to_string())));
    facts.push(("times", format!("in {}", zone_name(zone))));
    facts
}

/// What it uses, and its disk with how that grows.
fn usage(status: &InstanceStatus, disk: Option<String>, now: Timestamp) -> Vec<(&'static str, String)> {
    let Some(usage) = &status.usage else { return Vec::new() };
    let (memory, limit) = (Bytes(usage.memory_bytes), Bytes(usage.memory_limit_bytes));
    let uses = match usage.is_of_a_container() {
        true => format!("{:.0} % of a core, {memory} of {limit} memory", usage.cpu_percent),
        false => "no processor and no memory: its container does not run".to_owned(),
    };
    let uses = format!("{uses} ({})", relative(usage.at, now));
    let parts = format!("{} database, {} files", Bytes(usage.database_bytes), Bytes(usage.filestore_bytes));
    vec![("uses", uses), ("disk", disk.map_or(parts.clone(), |disk| format!("{disk}: {parts}")))]
}

/// `9.1 GiB of 20 GiB, 200 MiB more a day, full in 54d`
fn growth(status: &InstanceStatus, history: &UsageHistory, disk: Bytes) -> Option<String> {
    let usage = status.usage.as_ref()?;
    let used = usage.database_bytes.saturating_add(usage.filestore_bytes);
    let mut text = format!("{} of {disk}", Bytes(used));
    if let Some(growth) = history.disk_growth_per_day().filter(|growth| *growth >= 1.0) {
        text.push_str(&format!(", {} more a day", Bytes(growth as u64)));
    }
    if let Some(days) = history.days_until_full(disk.0) {
        text.push_str(&format!(", full in {days}d"));
    }
    Some(text)
}

/// A condition, with the mark that says whether it is as it should be for what the file asks.
fn condition(status: &InstanceStatus, condition: &Condition, now: Timestamp) -> String {
    let (mark, style) = match (status.is_right(condition), condition.status) {
        (Some(true), _) => ("*", GOOD),
        (Some(false), _) => ("!", BAD),
        (None, ConditionStatus::Unknown) => ("?", WARN),
        // Neither is better than the other.
        (None, _) => ("-", PLAIN),
    };
    let was = condition
        .last_known
        .filter(|_| condition.is_unseen())
        .map(|was| format!(", was {was:?} when it was seen last"));
    let message =
        if condition.message.is_empty() { String::new() } else { format!(": {}", harmless(&condition.message)) };
    format!(
        "  {} {:<17} {:<8} {}{}{message} {}\n",
        paint(style, mark),
        format!("{:?}", condition.kind),
        format!("{:?}", condition.status),
        condition.reason,
        was.unwrap_or_default(),
        paint(FAINT, &format!("({})", relative(condition.since, now))),
    )
}
