//! Alerts of which a person knows already. They stay open and are told everywhere; they only stop asking for attention.

use super::name::InstanceName;
use super::status::Alert;
use super::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Longer than this nobody remembers why: the cause is mended, or the silence said again. A quarter of a year, in days.
pub const SILENCE_D_MAX: i64 = 90;

/// Which alerts are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlertsOf {
    /// Whose; none is the host's.
    pub instance: Option<InstanceName>,
    /// Their CamelCase word; none is every one, those that come later too.
    #[serde(default)]
    pub reason: Option<String>,
}

/// That somebody knows of alerts, as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Which alerts.
    #[serde(flatten)]
    pub of: AlertsOf,
    /// Who and until when.
    #[serde(flatten)]
    pub quiet: Quiet,
}

/// Who knows of an alert, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// A user name or id from the socket's peer credentials.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// When it asks for attention again. None is an acknowledgement: it holds until the alert is over.
    pub until: Option<Timestamp>,
}

impl AlertsOf {
    /// True when that alert is one of them.
    pub fn holds(&self, alert: &Alert) -> bool {
        self.instance == alert.instance && self.reason.as_ref().is_none_or(|reason| *reason == alert.reason)
    }
}

impl Silence {
    /// True when that alert is quiet because of this. An alert that came back after it was acknowledged is a new one.
    pub fn covers(&self, alert: &Alert, now: Timestamp) -> bool {
        let lasts = match self.quiet.until {
            Some(until) => now < until,
            None => alert.since <= self.quiet.since,
        };
        lasts && self.of.holds(alert)
    }

    /// True when it will never again cover anything, given the alerts that are open.
    pub fn is_over(&self, open: &[Alert], now: Timestamp) -> bool {
        match self.quiet.until {
            Some(until) => until <= now,
            None => !open.iter().any(|alert| self.covers(alert, now)),
        }
    }
}

/// What is quiet about that alert: of several silences the one that lasts longest, an acknowledgement only without any.
pub fn quiet(silences: &[Silence], alert: &Alert, now: Timestamp) -> Option<Quiet> {
    let covering = silences.iter().filter(|silence| silence.covers(alert, now));
    covering.max_by_key(|silence| silence.quiet.until).map(|silence| silence.quiet.clone())
}
