//! Alerts: telling the daemon that somebody knows of them, for how long, and having them ask for attention again.

use super::{Effect, complain, remark};
use crate::control::SilenceRequest;
use crate::model::name::InstanceName;
use crate::model::silence::{AlertsOf, Silence};
use crate::model::status::Alert;
use crate::model::time::{Timestamp, tomorrow_morning};
use crate::tui::format::moment;
use crate::tui::state::{Id, Overlay, SilenceMenu, State};
use jiff::SignedDuration;
use jiff::tz::TimeZone;

/// For how long an alert can be silenced: what it is called, and when it is over.
pub fn spans(state: &State) -> [(&'static str, Timestamp); 4] {
    let after = |hours| state.now.checked_add(SignedDuration::from_hours(hours)).unwrap_or(state.now);
    let morning = tomorrow_morning(state.now, state.fleet.zone.as_ref().unwrap_or(&TimeZone::UTC));
    [
        ("for 1 hour", after(1)),
        ("for 4 hours", after(4)),
        ("until tomorrow, 08:00", morning),
        ("for a week", after(7 * 24)),
    ]
}

/// Why nothing can be said about alerts now.
fn refusal(state: &State) -> Option<String> {
    match () {
        () if state.options.read_only => Some("this dashboard was opened with --read-only".to_owned()),
        () if !state.is_live() => Some("the daemon does not answer".to_owned()),
        () => None,
    }
}

/// The alert of the selected row.
fn selected(state: &State) -> Option<(Option<InstanceName>, String)> {
    match state.row().and_then(|row| state.id(row))? {
        Id::Alert(instance, reason) => Some((instance, reason)),
        _ => None,
    }
}

fn open_alerts(state: &State) -> &[Alert] {
    state.fleet.facts.as_ref().map_or(&[], |facts| &facts.alerts)
}

/// Acknowledges the selected alert, or all of the instance that is selected or open.
pub(super) fn acknowledge(state: &mut State) -> Vec<Effect> {
    let of = match (&state.detail, selected(state)) {
        (None, Some((instance, reason))) => AlertsOf { instance, reason: Some(reason) },
        _ => AlertsOf { instance: state.current().cloned(), reason: None },
    };
    let why = refusal(state).or_else(|| {
        let any = open_alerts(state).iter().any(|alert| of.holds(alert));
        let whose = of.instance.as_ref().map_or("the host", |name| name.as_str());
        (!any).then(|| format!("no alert of {whose} is open"))
    });
    match why {
        Some(why) => {
            complain(state, format!("acknowledge: {why}"));
            Vec::new()
        }
        None => vec![Effect::Silence(SilenceRequest { of, until: None })],
    }
}

pub(super) fn ask_for_how_long(state: &mut State) -> Vec<Effect> {
    match (refusal(state), selected(state)) {
        (Some(why), _) => complain(state, format!("silence: {why}")),
        (None, None) => complain(state, "silence: no alert is selected".to_owned()),
        (None, Some(alert)) => state.overlay = Some(Overlay::Silence(SilenceMenu { alert, all: false, at: 0 })),
    }
    Vec::new()
}

pub(super) fn unsilence(state: &mut State) -> Vec<Effect> {
    let quiet = selected(state).and_then(|(instance, reason)| {
        let of = AlertsOf { instance, reason: Some(reason) };
        let alert = open_alerts(state).iter().find(|alert| of.holds(alert))?;
        Some((of, alert.silence.is_some()))
    });
    match (refusal(state), quiet) {
        (Some(why), _) => complain(state, format!("unsilence: {why}")),
        // What was silenced may be this one or all of the instance: both are over.
        (None, Some((of, true))) => return vec![Effect::Unsilence(AlertsOf { reason: None, ..of })],
        (None, _) => complain(state, "unsilence: it asks for attention already".to_owned()),
    }
    Vec::new()
}

pub(super) fn press(state: &mut State, mut menu: SilenceMenu, key: &str) -> Vec<Effect> {
    let spans = spans(state);
    let last = spans.len() - 1;
    match key {
        "esc" | "q" => return Vec::new(),
        "down" | "j" => menu.at = if menu.at == last { 0 } else { menu.at + 1 },
        "up" | "k" => menu.at = if menu.at == 0 { last } else { menu.at - 1 },
        "tab" | "space" => menu.all = !menu.all,
        "enter" => {
            let (instance, reason) = menu.alert;
            let of = AlertsOf { instance, reason: Some(reason).filter(|_| !menu.all) };
            return vec![Effect::Silence(SilenceRequest { of, until: Some(spans[menu.at.min(last)].1) })];
        }
        _ => {}
    }
    state.overlay = Some(Overlay::Silence(menu));
    Vec::new()
}

pub(super) fn silenced(state: &mut State, of: &AlertsOf, result: Result<Vec<Silence>, String>) {
    let until = result.as_ref().ok().and_then(|silences| silences.first()).and_then(|silence| silence.quiet.until);
    let told = match until {
        Some(until) => format!("silenced until {}", moment(until, state.now, state.fleet.zone.as_ref())),
        None => "acknowledged until it is over".to_owned(),
    };
    match result {
        Ok(_) => remark(state, format!("{}: {told}", words(of))),
        Err(why) => complain(state, why),
    }
}

pub(super) fn unsilenced(state: &mut State, of: &AlertsOf, result: Result<u64, String>) {
    match result {
        Ok(_) => remark(state, format!("{}: open again", words(of))),
        Err(why) => complain(state, why),
    }
}

fn words(of: &AlertsOf) -> String {
    let whose = of.instance.as_ref().map_or("host", |name| name.as_str());
    of.reason.as_ref().map_or_else(|| format!("alerts of {whose}"), |reason| format!("{whose} {reason}"))
}
