//! What may be done to whom, how much it must be confirmed, and what it means.

use super::complain;
use crate::model::name::InstanceName;
use crate::model::status::{ConditionStatus, ConditionType, InstanceStatus, NO_CONTAINER, State as Stands};
use crate::model::step_kind::StepKind;
use crate::model::text::between;
use crate::model::wanted::WantedState;
use crate::tui::format::{milliseconds, taken};
use crate::tui::input::Input;
use crate::tui::keys::{self, Action, Tier};
use crate::tui::state::{Dialog, Link, Overlay, State};

/// An interruption of more than so many at once is an outage.
const MANY: usize = 5;

/// Why the action is not possible for that instance now; none when it is.
pub fn refusal(state: &State, action: Action, name: &InstanceName) -> Option<String> {
    let Some(item) = state.fleet.get(name) else { return Some(format!("{name} is gone")) };
    let status = item.status();
    let entry = keys::entry(action);
    let changes = entry.tier > Tier::Free || matches!(action, Action::Edit | Action::Retry | Action::Shell);
    if changes && state.options.read_only {
        return Some("this dashboard was opened with --read-only".to_owned());
    }
    let asks_daemon = matches!(action, Action::Restart | Action::Retry | Action::Look | Action::Logs);
    if asks_daemon && !state.is_live() {
        let why = if state.link == Link::Connecting { "has not answered yet" } else { "does not answer" };
        return Some(format!("the daemon {why}"));
    }
    let edits = matches!(action, Action::Start | Action::Stop | Action::Retire | Action::Edit);
    if edits && status.state == Stands::Orphaned {
        return Some(format!("the file of {name} is gone: put it back first"));
    }
    if action == Action::Shell && state.options.rehearsal {
        return Some("a rehearsal has no containers: they are played in its daemon's memory".to_owned());
    }
    let protected = item.view.wanted.as_ref().is_some_and(|wanted| wanted.protected);
    match (action, status.wanted) {
        (Action::Start, WantedState::Running) => Some(format!("{name} is wanted running already")),
        (Action::Stop, WantedState::Stopped) => Some(format!("{name} is wanted stopped already")),
        (Action::Stop | Action::Retire, WantedState::Absent) => Some(format!("{name} is being retired already")),
        (Action::Retire, _) if protected => {
            Some(format!("{name} is protected: take `protected = true` out of its file first"))
        }
        (Action::Shell, _) if !runs(status) => Some(format!("the container of {name} does not run")),
        (Action::Restart, _) if has_no_container(status) => Some(format!("{name} has no container")),
        (Action::Restart, WantedState::Stopped | WantedState::Absent) => Some(format!("{name} is not wanted running")),
        _ => None,
    }
}

/// As far as the daemon knows: one that was never made or is stopped has no shell.
fn runs(status: &InstanceStatus) -> bool {
    let app = status.conditions.iter().find(|condition| condition.kind == ConditionType::AppReady);
    status.state == Stands::Ready || app.is_some_and(|condition| condition.status == ConditionStatus::True)
}

/// It was never made. Whose data were being deleted gets one by a restart.
fn has_no_container(status: &InstanceStatus) -> bool {
    status.purge_after.is_none()
        && status.condition(ConditionType::AppReady).is_some_and(|condition| condition.reason == NO_CONTAINER)
}

/// How much the action must be confirmed for so many instances.
pub(super) fn tier(action: Action, count: usize) -> Tier {
    match keys::entry(action).tier {
        Tier::Interruption if count > MANY => Tier::Outage,
        tier => tier,
    }
}

/// Whoever cannot see what is marked must not act on it.
pub(super) fn hidden_marks(state: &State, tier: Tier, count: usize) -> Option<String> {
    let hidden = state.marks_hidden();
    let refused = tier > Tier::Free && hidden > 0 && state.detail.is_none();
    let (back, unmark) = (state.keymap.hint(Action::Back), state.keymap.hint(Action::Unmark));
    refused.then(|| {
        format!("{hidden} of {count} marked are hidden by the filter: {back} shows them, {unmark} takes the marks off")
    })
}

/// The dialog that asks for it.
pub(super) fn dialog(state: &State, action: Action, targets: Vec<InstanceName>, tier: Tier, key: &str) -> Dialog {
    let mut lines = meaning(state, action);
    if tier >= Tier::Outage {
        lines.extend(targets.iter().take(MANY).filter_map(|name| about(state, name)));
    }
    if targets.len() > MANY && tier >= Tier::Outage {
        lines.push(format!("… and {} more", targets.len() - MANY));
    }
    let opened_by = key.to_owned();
    Dialog { action, targets, tier, opened_by, lines, on_yes: false, typed: Input::default() }
}

fn meaning(state: &State, action: Action) -> Vec<String> {
    let mut lines: Vec<String> = match action {
        Action::Restart => vec!["Users wait until Odoo serves again; open forms may lose unsaved input.".to_owned()],
        Action::Start => {
            vec!["`state` in the file becomes \"running\"; the site is served once Odoo answers.".to_owned()]
        }
        Action::Stop => vec![
            "`state` in the file becomes \"stopped\": the site shows a page that says so, the container stops."
                .to_owned(),
            "Nothing is deleted. Start it again with the action start.".to_owned(),
        ],
        Action::Retire => vec![
            "`state` in the file becomes \"absent\": the site answers 410, the container stops, a final backup is taken."
                .to_owned(),
            "Data are deleted after the grace period. Until then the action start brings it back as it was.".to_owned(),
        ],
        _ => Vec::new(),
    };
    if action == Action::Restart {
        let last = state
            .fleet
            .runs
            .values()
            .rev()
            .find(|run| run.kind == StepKind::RestartContainer.as_str() && run.ended.is_some());
        lines.push(match last.and_then(|run| Some((run, run.ended?))) {
            Some((run, ended)) => {
                format!("The last restart of a container here took {}.", taken(milliseconds(run.since, ended)))
            }
            None => "No container was restarted since the daemon started: how long it takes is not known.".to_owned(),
        });
    }
    lines
}

/// What an outage means for one: whether it serves now, and how old its newest backup is.
fn about(state: &State, name: &InstanceName) -> Option<String> {
    let status: &InstanceStatus = state.fleet.get(name)?.status();
    let backup = match &status.last_backup {
        Some(backup) => format!("newest backup {} old, {}", between(backup.at, state.now), backup.word()),
        None => "no backup is known".to_owned(),
    };
    Some(format!("{name}: {} now, {backup}", status.state.as_str()))
}

/// A dialog whose target is gone, or for which it is no longer possible, closes by itself.
pub(super) fn drop_lost_dialog(state: &mut State) {
    let Some(Overlay::Dialog(dialog)) = &state.overlay else { return };
    let why = dialog.targets.iter().find_map(|name| refusal(state, dialog.action, name));
    if let Some(why) = why {
        let word = keys::entry(dialog.action).name;
        state.overlay = None;
        complain(state, format!("{word} was not done: {why}"));
    }
}
