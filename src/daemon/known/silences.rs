//! Alerts of which somebody knows: noted in the journal, shown on the board, over when their time is.

use super::keeper::{Keeper, event};
use crate::control::{Peer, SilenceRequest};
use crate::journal::JournalError;
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::silence::{AlertsOf, Quiet, SILENCE_D_MAX, Silence};
use crate::model::status::{Alert, chain};
use crate::model::time::{Timestamp, told};

/// Silences at once: more are a mistake of some script.
const SILENCES_MAX: usize = 1_000;
/// The longest reason has half of it.
const REASON_BYTES_MAX: usize = 64;

impl Keeper {
    /// Shows what the journal has.
    pub(crate) fn show_silences(&self) -> Result<(), JournalError> {
        self.board.set_silences(self.journal.silences()?);
        Ok(())
    }

    /// Notes that `by` knows of alerts: until a time, or, without one, until those that are open now are over.
    pub(crate) fn silence(&self, request: &SilenceRequest, by: &Peer) -> Result<Vec<Silence>, String> {
        let now = self.now();
        let open = self.board.alerts(now);
        let of = match request.until {
            Some(until) => vec![silenceable(&request.of, until, now)?],
            None => acknowledgeable(&request.of, &open)?,
        };
        let broken = |error: JournalError| chain(&error);
        if self.journal.silences().map_err(broken)?.len() + of.len() > SILENCES_MAX {
            return Err(format!("there are {SILENCES_MAX} silences already: end some of them first"));
        }
        let quiet = Quiet { by: by.user.clone(), since: as_kept(now), until: request.until.map(as_kept) };
        let noted: Vec<Silence> = of.into_iter().map(|of| Silence { of, quiet: quiet.clone() }).collect();
        for silence in &noted {
            self.journal.silence(silence).map_err(broken)?;
            let (reason, message) = match request.until {
                Some(until) => (
                    Reason::AlertSilenced,
                    format!("{} {} silenced until {}", words(&silence.of), be(&silence.of), told(until, &self.zone())),
                ),
                None => (Reason::AlertSeen, format!("somebody knows of {}, until it is over", words(&silence.of))),
            };
            self.tell_alerts(&silence.of, reason, message, Some(by));
        }
        self.show_silences().map_err(broken)?;
        Ok(noted)
    }

    /// Ends every silence over alerts that are among those. They ask for attention again.
    pub(crate) fn unsilence(&self, of: &AlertsOf, by: &Peer) -> Result<u64, String> {
        let broken = |error: JournalError| chain(&error);
        let within = |silence: &Silence| {
            silence.of.instance == of.instance && (of.reason.is_none() || silence.of.reason == of.reason)
        };
        let mut count = 0;
        for silence in self.journal.silences().map_err(broken)?.iter().filter(|silence| within(silence)) {
            self.journal.end_silence(&silence.of).map_err(broken)?;
            let message = format!("{}: back in sight, nobody silences it any more", words(&silence.of));
            self.tell_alerts(&silence.of, Reason::SilenceEnded, message, Some(by));
            count += 1;
        }
        match count {
            0 => Err(format!("{} {} not silenced", words(of), be(of))),
            count => {
                self.show_silences().map_err(broken)?;
                Ok(count)
            }
        }
    }

    /// Ends silences whose time is over, and acknowledgements whose alerts are.
    pub(crate) fn end_silences(&self) -> Result<(), JournalError> {
        let now = self.now();
        let (silences, open) = (self.journal.silences()?, self.board.alerts(now));
        for silence in silences.iter().filter(|silence| silence.is_over(&open, now)) {
            self.journal.end_silence(&silence.of)?;
            if silence.quiet.until.is_some() {
                let message = format!("{}: back in sight, the time of the silence is over", words(&silence.of));
                self.tell_alerts(&silence.of, Reason::SilenceEnded, message, None);
            }
        }
        self.show_silences()
    }

    fn tell_alerts(&self, of: &AlertsOf, reason: Reason, message: String, by: Option<&Peer>) {
        let told = event(Level::Info, of.instance.as_ref(), reason, message);
        self.tell(&NewEvent { cause: by.map(|by| format!("asked by {}", by.user)), ..told });
    }
}

/// The journal keeps microseconds. What is open now began before it, so nothing may become earlier by that.
fn as_kept(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond().saturating_add(1)).unwrap_or(at)
}

fn silenceable(of: &AlertsOf, until: Timestamp, now: Timestamp) -> Result<AlertsOf, String> {
    let longest = jiff::SignedDuration::from_hours(24 * SILENCE_D_MAX);
    if until <= now {
        return Err("that time is over already".to_owned());
    }
    if until.duration_since(now) > longest {
        return Err(format!("a silence lasts {SILENCE_D_MAX} days at most: after that nobody remembers why"));
    }
    let fits = |reason: &String| {
        reason.len() <= REASON_BYTES_MAX
            && !reason.is_empty()
            && reason.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    match of.reason.as_ref().is_none_or(fits) {
        true => Ok(of.clone()),
        false => Err("a reason is one CamelCase word, such as DiskNearlyFull".to_owned()),
    }
}

/// The open alerts among those that were asked for, one by one.
fn acknowledgeable(of: &AlertsOf, open: &[Alert]) -> Result<Vec<AlertsOf>, String> {
    let meant = open.iter().filter(|alert| of.holds(alert));
    let found: Vec<AlertsOf> =
        meant.map(|alert| AlertsOf { instance: alert.instance.clone(), reason: Some(alert.reason.clone()) }).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let whose = of.instance.as_ref().map_or("the host", |name| name.as_str());
    Err(match &of.reason {
        Some(reason) => format!("{whose} has no open alert {reason}"),
        None => format!("{whose} has no open alert"),
    })
}

fn be(of: &AlertsOf) -> &'static str {
    if of.reason.is_some() { "is" } else { "are" }
}

/// `the alert DiskNearlyFull of acme`, `all alerts of the host`
fn words(of: &AlertsOf) -> String {
    let whose = of.instance.as_ref().map_or("the host", |name| name.as_str());
    match &of.reason {
        Some(reason) => format!("the alert {reason} of {whose}"),
        None => format!("all alerts of {whose}"),
    }
}
