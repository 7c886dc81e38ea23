//! The fleet as a table, what wants a person first.

use super::style::{BAD, FAINT, GOOD, PLAIN, STRONG, WARN, of_state, paint};
use super::table::{Cell, Column, number, render as table, text};
use super::text::{between, count, harmless, relative, short_size};
use crate::model::silence::Quiet;
use crate::model::status::{Alert, FleetStatus, InstanceStatus, State, UsageStatus};
use crate::model::time::Timestamp;
use anstyle::Style;

/// A certificate that ends sooner than this should have been renewed.
const CERTIFICATE_SOON_S: u64 = 7 * 86_400;

const COLUMNS: [Column; 11] = [
    text("", 0),
    text("NAME", 0),
    text("STATE", 0),
    text("PLAN", 3),
    text("ODOO", 8),
    number("CPU", 5),
    number("MEM", 6),
    number("DISK", 7),
    text("CERT", 4),
    text("URL", 2),
    text("NOTE", 1),
];
/// Those of them that say what is used: left out where nothing was measured yet.
const MEASURED: std::ops::Range<usize> = 5..8;

/// Table, alerts and totals.
pub fn render(fleet: &FleetStatus, columns_max: Option<usize>) -> String {
    let mut sorted: Vec<&InstanceStatus> = fleet.instances.iter().collect();
    sorted.sort_by(|a, b| (a.state.severity(), &a.name).cmp(&(b.state.severity(), &b.name)));
    let mut columns = COLUMNS.to_vec();
    let mut rows: Vec<Vec<Cell>> = sorted.iter().map(|status| row(status, fleet.at)).collect();
    if sorted.iter().all(|status| status.usage.is_none()) {
        columns.drain(MEASURED);
        rows.iter_mut().for_each(|row| drop(row.drain(MEASURED)));
    }
    let mut out = if rows.is_empty() { String::new() } else { table(&columns, &rows, columns_max) };
    // Where nothing is clipped, a row says all that its alert would say once more.
    let says = |status: &InstanceStatus, alert: &Alert| {
        alert.instance.as_ref() == Some(&status.name) && note(status, fleet.at).contains(&alert.message)
    };
    let is_told = |alert: &&Alert| {
        columns_max.is_none() && alert.silence.is_none() && sorted.iter().any(|status| says(status, alert))
    };
    for alert in fleet.alerts.iter().filter(|alert| !is_told(alert)) {
        let whose = alert.instance.as_ref().map_or("host", |name| name.as_str());
        let (style, known) = match &alert.silence {
            None => (BAD, String::new()),
            Some(quiet) => (FAINT, known(quiet, fleet.at)),
        };
        out.push_str(&format!(
            "{} {whose}: {}{}\n",
            paint(style, "alert:"),
            harmless(&alert.message),
            paint(FAINT, &known)
        ));
    }
    out.push_str(&totals(fleet));
    out
}

/// A line for each instance, a tab between fields; `-` is not known.
pub fn plain(fleet: &FleetStatus) -> String {
    let dash = || "-".to_owned();
    let line = |status: &InstanceStatus| {
        let used = |figure: fn(&UsageStatus) -> String| status.usage.as_ref().map_or_else(dash, figure);
        let fields = [
            status.name.to_string(),
            status.state.as_str().to_owned(),
            status.wanted.as_str().to_owned(),
            status.plan.as_ref().map_or_else(dash, ToString::to_string),
            status.odoo.as_ref().map_or_else(dash, ToString::to_string),
            used(|usage| of_container(usage, format!("{:.1}", usage.cpu_percent))),
            used(|usage| of_container(usage, usage.memory_bytes.to_string())),
            used(|usage| usage.disk_bytes().to_string()),
            status.certificate.as_ref().map_or_else(dash, |it| format!("{:.0}", it.not_after)),
            status.url.as_deref().map_or_else(dash, harmless),
            Some(harmless(&note(status, fleet.at))).filter(|note| !note.is_empty()).unwrap_or_else(dash),
        ];
        format!("{}\n", fields.map(|field| field.replace('\t', " ")).join("\t"))
    };
    fleet.instances.iter().map(line).collect()
}

/// One character that says the same as the colour.
pub(crate) fn glyph(state: State) -> &'static str {
    match state {
        State::Ready => "*",
        State::Provisioning | State::Updating => ">",
        State::Degraded | State::Failed | State::Invalid => "!",
        State::Held | State::Orphaned => "=",
        State::Stopped | State::Retired => "-",
    }
}

/// ` (silenced by ana, ends in 3h)`, ` (seen by ana)`
fn known(quiet: &Quiet, now: Timestamp) -> String {
    match quiet.until {
        Some(until) => format!(" (silenced by {}, ends {})", harmless(&quiet.by), relative(until, now)),
        None => format!(" (seen by {})", harmless(&quiet.by)),
    }
}

fn row(status: &InstanceStatus, now: Timestamp) -> Vec<Cell> {
    let style = of_state(status.state);
    let (certificate, certificate_style) = certificate(status, now);
    vec![
        Cell::new(glyph(status.state), style),
        Cell::new(status.name.as_str(), STRONG),
        Cell::new(status.state.as_str(), style),
        status.plan.as_ref().map_or("-", |plan| plan.as_str()).into(),
        status.odoo.as_ref().map_or("-", |odoo| odoo.as_str()).into(),
        used(status, |usage| of_container(usage, format!("{:.0}%", usage.cpu_percent))),
        used(status, |usage| of_container(usage, short_size(usage.memory_bytes))),
        used(status, |usage| short_size(usage.disk_bytes())),
        Cell::new(certificate, certificate_style),
        status.url.as_deref().map_or_else(|| "-".to_owned(), harmless).into(),
        harmless(&note(status, now)).into(),
    ]
}

/// What runs for it, else why it waits or what is wrong.
fn note(status: &InstanceStatus, now: Timestamp) -> String {
    status.doing(now).unwrap_or_else(|| status.note())
}

/// A figure of what it uses; a dash while that is not known.
fn used(status: &InstanceStatus, figure: impl Fn(&UsageStatus) -> String) -> Cell {
    status.usage.as_ref().map_or_else(|| "-".to_owned(), figure).into()
}

/// A figure of its container; a dash where none runs.
fn of_container(usage: &UsageStatus, figure: String) -> String {
    if usage.is_of_a_container() { figure } else { "-".to_owned() }
}

fn certificate(status: &InstanceStatus, now: Timestamp) -> (String, Style) {
    match &status.certificate {
        None => ("-".to_owned(), PLAIN),
        Some(certificate) => {
            let left = between(now, certificate.not_after);
            let style = if left.0 < CERTIFICATE_SOON_S { BAD } else { PLAIN };
            (format!("{}d", left.0 / 86_400), style)
        }
    }
}

fn totals(fleet: &FleetStatus) -> String {
    let mut states: Vec<State> = fleet.instances.iter().map(|status| status.state).collect();
    states.sort_by_key(|state| state.severity());
    let counts = states.chunk_by(|a, b| a == b).map(|same| {
        let text = format!("{} {}", same.len(), same[0].as_str());
        paint(of_state(same[0]), &text)
    });
    let mut parts: Vec<String> = counts.collect();
    parts.insert(0, count(fleet.instances.len(), "instance", "instances"));
    let daemon = match fleet.daemon.running {
        true => paint(GOOD, "daemon running"),
        false => paint(WARN, "daemon not running"),
    };
    format!("{}{} {daemon}\n", parts.join(", "), paint(FAINT, ";"))
}
