//! What a decision has people know: statuses, drift, templates that cannot be used.

use crate::daemon::known::alerts::alert_of;
use crate::daemon::known::keeper::{Keeper, event};
use crate::diff::conditions;
use crate::diff::facts::Facts;
use crate::model::changes::{Hold, HoldReason, InstanceChanges};
use crate::model::event::{Level, NewEvent, Reason};
use crate::model::name::{InstanceName, Resources};
use crate::model::status::{Alert, InstanceStatus};
use crate::model::step::{FieldChange, Origin};
use tokio::time::Instant;

/// Whose begin and end are told by events of their own.
const TOLD_OTHERWISE: [&str; 8] =
    ["BackOff", "Failed", "DriftFight", "FileMissing", "Guard", "InvalidFile", "Orphaned", "Unseen"];

impl Keeper {
    /// Puts the instance's status on the board, after a look that began at `began`.
    pub(crate) fn publish(&self, name: &InstanceName, facts: &Facts, changes: &InstanceChanges, began: Instant) {
        let previous = self.board.get(name);
        self.tell_fights(name, changes, previous.as_deref());
        self.tell_guard_of(name, changes, previous.as_deref());
        if let Some(mut status) = conditions::status(facts, name, changes, previous.as_deref()) {
            if !self.register().entries.get(name).is_some_and(|entry| entry.met) {
                status.uid = None;
            }
            self.put(status);
        }
        self.board.note(name, changes);
        self.note_look(name, began);
    }

    /// Puts a status on the board. What opens or closes an alert leaves a line among the events.
    pub(crate) fn put(&self, status: InstanceStatus) {
        let (name, before) = (status.name.clone(), self.board.get(&status.name));
        let (was, is) = (before.and_then(|before| alert_of(&before)), alert_of(&status));
        let reason = |alert: &Option<Alert>| alert.as_ref().map(|alert| alert.reason.clone());
        let is_news = reason(&was) != reason(&is);
        if is_news {
            self.board.note_alert(&name, reason(&is), self.now());
        }
        self.report_documents(self.board.put(status));
        if !is_news {
            return;
        }
        if let Some(over) = was.filter(has_no_event) {
            let message = format!("{}: this is over", over.reason);
            self.tell(&event(Level::Info, Some(&name), Reason::AlertClosed, message));
        }
        if let Some(open) = is.filter(has_no_event) {
            let message = format!("{}: {}", open.reason, open.message);
            self.tell(&event(Level::Error, Some(&name), Reason::AlertOpened, message));
        }
    }

    /// Notes when the look began of which an instance's status tells from now on.
    pub(crate) fn note_look(&self, name: &InstanceName, began: Instant) {
        if let Some(entry) = self.register().entries.get_mut(name) {
            entry.looked_at = entry.looked_at.max(Some(began));
        }
    }

    /// Tells once that the same drift comes back again and again.
    fn tell_fights(&self, name: &InstanceName, changes: &InstanceChanges, previous: Option<&InstanceStatus>) {
        let fights = |holds: &[Hold]| holds.iter().any(|hold| hold.reason == HoldReason::DriftFight);
        if previous.is_some_and(|status| fights(&status.holds)) {
            return;
        }
        for hold in changes.holds.iter().filter(|hold| hold.reason == HoldReason::DriftFight) {
            self.tell(&event(Level::Error, Some(name), Reason::DriftFight, hold.message.clone()));
        }
    }

    /// Tells that a container ended by itself and that the engine started it again: nothing is left to repair then, and
    /// still its users were thrown out.
    pub(crate) fn tell_crash(&self, name: &InstanceName, facts: &Facts) {
        let Some(engine) = facts.live.engine.known() else { return };
        // One that was only listed tells no such count.
        let seen = engine.services.get(&Resources::of(name).container).filter(|it| it.started_at.is_some());
        let Some(service) = seen else { return };
        let times = match self.register().entries.get_mut(name) {
            Some(entry) => entry.count_crashes(&service.id, service.restarts, facts.now),
            None => 0,
        };
        if times == 0 {
            return;
        }
        let why = match service.killed_for_memory {
            true => {
                self.gauges.note_kills(name, times);
                "was killed because its memory was used up"
            }
            false => "ended by itself",
        };
        let often = if times == 1 { String::new() } else { format!(" ({times} times)") };
        let message =
            format!("its container {why} and Docker started it again{often}: `innkeeper logs {name}` may say why");
        self.tell(&event(Level::Error, Some(name), Reason::ContainerDied, message));
    }

    /// Tells of templates that cannot be used, and of their mending.
    pub(super) fn tell_templates(&self, changes: &InstanceChanges) {
        match changes.holds.iter().find(|hold| hold.reason == HoldReason::TemplateBroken) {
            Some(hold) => {
                if self.board.raise("templates", Reason::TemplateBroken, &hold.message, self.now()) {
                    self.tell(&event(Level::Error, None, Reason::TemplateBroken, hold.message.clone()));
                }
            }
            None => {
                if self.board.lower("templates") {
                    self.tell(&event(Level::Info, None, Reason::TemplateMended, "the templates can be used again"));
                }
            }
        }
    }

    /// Says what was changed behind our back before it is repaired.
    pub(super) fn tell_drift(&self, name: Option<&InstanceName>, changes: &InstanceChanges) {
        for step in changes.steps.iter().filter(|step| step.origin == Origin::Drift) {
            let fields = step.fields.iter().map(FieldChange::differs).filter(|text| !text.is_empty());
            let fields: Vec<String> = fields.collect();
            let details = if fields.is_empty() { String::new() } else { format!(": {}", fields.join(", ")) };
            let message = format!("{}{details}", step.sentence());
            let told = event(Level::Warning, name, Reason::DriftFound, message);
            self.tell(&NewEvent { step: Some(step.id.to_string()), ..told });
        }
    }
}

fn has_no_event(alert: &Alert) -> bool {
    !TOLD_OTHERWISE.contains(&alert.reason.as_str())
}
