//! What a message changes, and what is to be done because of it. No I/O, no clock: effects are handed out, and their
//! ends come back as messages.

mod actions;
mod alerts;
mod guard;
mod overlays;

use super::keys;
use super::logs::in_zone;
use super::rows;
use super::state::{Detail, Link, Overlay, Row, State, Tab, Text, Toast};
use crate::control::view::View;
use crate::control::{LogOf, LogRequest, SilenceRequest};
use crate::model::errand::ErrandKind;
use crate::model::name::InstanceName;
use crate::model::silence::{AlertsOf, Silence};
use crate::model::status::InstanceStatus;
use crate::model::time::Timestamp;
use crate::model::wanted::WantedState;
use jiff::SignedDuration;
use ratatui::crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use std::path::PathBuf;

pub use alerts::spans;
pub use guard::refusal;
pub use overlays::{Offer, palette_entries};

/// A remark stays so long.
const TOAST_S: i64 = 6;
/// Lines of an output that are asked for at first.
const LOG_TAIL: u64 = 1_000;
/// Outputs that are read together at most: each is a conversation with the daemon, which has room for 64.
const LOGS_TOGETHER_MAX: usize = 16;
/// Rows that a turn of the wheel scrolls.
const WHEEL_ROWS: isize = 3;

/// What happened.
#[derive(Debug, Clone)]
pub enum Msg {
    /// A key was pressed.
    Key(KeyEvent),
    /// Text was pasted.
    Paste(String),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resized(u16, u16),
    /// Time passed.
    Tick,
    /// The daemon told something.
    View(Box<View>),
    /// The daemon cannot be asked.
    Lost(String),
    /// What the last daemon wrote about the instances.
    Documents(Vec<InstanceStatus>),
    /// Lines of the output that is read.
    Log {
        /// Whose output, and which of it.
        of: (InstanceName, LogOf),
        /// Oldest first.
        lines: Vec<String>,
        /// Left out before them.
        dropped: u64,
    },
    /// Lines of outputs that are read together.
    Merged {
        /// Whose first.
        of: (InstanceName, LogOf),
        /// And whose besides.
        also: Vec<InstanceName>,
        /// Oldest first, each with the place of its instance among them.
        lines: Vec<(u8, String)>,
        /// Left out before them.
        dropped: u64,
    },
    /// The output ended.
    LogEnded {
        /// Whose output, and which of it.
        of: (InstanceName, LogOf),
        /// Why it ended.
        why: String,
    },
    /// An errand was taken, or refused.
    Errand {
        /// For whom.
        name: InstanceName,
        /// What is asked of the daemon.
        kind: ErrandKind,
        /// Its number.
        result: Result<u64, String>,
    },
    /// Alerts were silenced, or not.
    Silenced {
        /// The alerts that are meant.
        of: AlertsOf,
        /// What was noted.
        result: Result<Vec<Silence>, String>,
    },
    /// Silences ended, or not.
    Unsilenced {
        /// Over which alerts.
        of: AlertsOf,
        /// How many.
        result: Result<u64, String>,
    },
    /// Instances are looked at.
    Woken(Result<(), String>),
    /// A file was changed: the difference.
    Edited {
        /// The instance whose file is edited.
        name: InstanceName,
        /// To what.
        state: WantedState,
        /// The difference, or why it was not changed.
        result: Result<String, String>,
    },
    /// Text was written into a new file: where, or why not.
    Written(Result<PathBuf, String>),
    /// A file was read.
    File {
        /// The instance whose file it is.
        name: InstanceName,
        /// Its text.
        result: Result<String, String>,
    },
    /// A shell ended.
    ShellEnded(Result<(), String>),
    /// The editor ended.
    EditorEnded {
        /// Whose file.
        name: InstanceName,
        /// Why it could not be started, if it could not.
        result: Result<(), String>,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Ask the daemon for something to be done once.
    Errand(InstanceName, ErrandKind),
    /// Have the daemon look.
    Wake(Vec<InstanceName>),
    /// Set `state` in the instance's file and wake the daemon.
    SetState(InstanceName, WantedState),
    /// Read the instance's file.
    ReadFile(InstanceName),
    /// Edit it.
    Edit(InstanceName),
    /// Give the terminal to a shell in its container.
    Shell(InstanceName),
    /// Read these outputs as one, in place of those before; none reads nothing more.
    Logs(Vec<LogRequest>),
    /// Note that its user knows of alerts.
    Silence(SilenceRequest),
    /// Have alerts ask for attention again.
    Unsilence(AlertsOf),
    /// Write text into a new file of that name.
    Write {
        /// Its name.
        file: String,
        /// What is in it.
        text: String,
    },
    /// Copy to the terminal's clipboard.
    Copy(String),
    /// Take the mouse or leave it.
    Mouse(bool),
    /// Draw everything anew.
    Redraw,
    /// Stop until the shell continues it.
    Suspend,
    /// End.
    Quit,
}

impl Effect {
    /// True when it changes something in the world: never without its dialog when its action has a tier.
    pub fn acts(&self) -> bool {
        matches!(self, Self::Errand(..) | Self::SetState(..))
    }
}

/// Takes a message in.
pub fn update(state: &mut State, msg: Msg, now: Timestamp) -> Vec<Effect> {
    state.now = now;
    if state.toast.as_ref().is_some_and(|toast| toast.until <= now) {
        state.toast = None;
    }
    match msg {
        Msg::Key(key) => keys::name_of(key).map(|key| press(state, &key)).unwrap_or_default(),
        Msg::Paste(text) => overlays::paste(state, &text),
        Msg::Mouse(mouse) => use_mouse(state, mouse),
        Msg::Resized(columns, rows) => {
            state.size = (columns, rows);
            rows::select(state, state.list.at);
            Vec::new()
        }
        Msg::Tick => Vec::new(),
        Msg::View(view) => take_view(state, *view),
        Msg::Lost(why) => {
            let since = if let Link::Down { since, .. } = state.link { since } else { now };
            state.link = Link::Down { why, since };
            Vec::new()
        }
        Msg::Documents(documents) => {
            state.fleet.take_documents(documents);
            rows::refresh(state);
            guard::drop_lost_dialog(state);
            Vec::new()
        }
        Msg::Log { of, lines, dropped } => {
            if state.logs.of.as_ref() == Some(&of) {
                let zone = state.fleet.zone.as_ref();
                state.logs.take(lines.into_iter().map(|line| in_zone(line, zone)).collect(), dropped);
            }
            Vec::new()
        }
        Msg::Merged { of, also, lines, dropped } => {
            if state.logs.of.as_ref() == Some(&of) && state.logs.also == also {
                let zone = state.fleet.zone.as_ref();
                let lines = lines.into_iter().map(|(owner, line)| (owner, in_zone(line, zone)));
                state.logs.take_merged(lines.collect::<Vec<_>>(), dropped);
            }
            Vec::new()
        }
        Msg::LogEnded { of, why } => {
            if state.logs.of.as_ref() == Some(&of) {
                state.logs.ended = Some(why);
            }
            Vec::new()
        }
        other => end_of_effect(state, other),
    }
}

/// What an effect came to.
fn end_of_effect(state: &mut State, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Errand { name, kind, result } => {
            let word = match kind {
                ErrandKind::Restart => "restart",
                ErrandKind::Retry => "retry",
            };
            match result {
                Ok(_) => remark(state, format!("{word} of {name} is asked for: its events show how it goes")),
                Err(why) => complain(state, format!("{word} of {name}: {why}")),
            }
            Vec::new()
        }
        Msg::Edited { name, state: wanted, result } => {
            match result {
                Ok(difference) => {
                    remark(
                        state,
                        format!("{name} is wanted {}; commit the file when you are content", wanted.as_str()),
                    );
                    show_difference(state, &name, &difference);
                }
                Err(why) => complain(state, why),
            }
            read_file_again(state, &name)
        }
        Msg::File { name, result } => {
            if let Some(detail) = state.detail.as_mut().filter(|detail| detail.name == name) {
                detail.file = Some(result);
            }
            Vec::new()
        }
        Msg::EditorEnded { name, result } => {
            if let Err(why) = result {
                complain(state, why);
                return Vec::new();
            }
            let mut effects = vec![Effect::Wake(vec![name.clone()])];
            effects.extend(read_file_again(state, &name));
            effects
        }
        other => {
            tell_end(state, other);
            Vec::new()
        }
    }
}

/// Of what there is nothing more to do about than to say so.
fn tell_end(state: &mut State, msg: Msg) {
    match msg {
        Msg::Silenced { of, result } => alerts::silenced(state, &of, result),
        Msg::Unsilenced { of, result } => alerts::unsilenced(state, &of, result),
        Msg::Woken(Ok(())) => remark(state, "the daemon looks now".to_owned()),
        Msg::Written(Ok(file)) => remark(state, format!("written to {}", file.display())),
        Msg::Woken(Err(why)) | Msg::Written(Err(why)) | Msg::ShellEnded(Err(why)) => complain(state, why),
        _ => {}
    }
}

fn take_view(state: &mut State, view: View) -> Vec<Effect> {
    state.link = Link::Live;
    if !state.fleet.take(view) {
        return Vec::new();
    }
    let fleet = &state.fleet;
    state.marks.retain(|name| fleet.get(name).is_some());
    rows::refresh(state);
    guard::drop_lost_dialog(state);
    Vec::new()
}

/// A key goes to what lies above, else to the action that it has here.
fn press(state: &mut State, key: &str) -> Vec<Effect> {
    if key == "ctrl-c" {
        return vec![Effect::Quit];
    }
    if key == "ctrl-z" {
        return vec![Effect::Suspend];
    }
    if key == "ctrl-l" {
        return vec![Effect::Redraw];
    }
    if state.overlay.is_some() {
        return overlays::press(state, key);
    }
    match state.keymap.action(state.context(), key) {
        Some(action) => actions::begin(state, action, key),
        None => Vec::new(),
    }
}

fn use_mouse(state: &mut State, mouse: MouseEvent) -> Vec<Effect> {
    if !state.mouse || state.overlay.is_some() {
        return Vec::new();
    }
    match mouse.kind {
        MouseEventKind::ScrollDown => return actions::scroll(state, WHEEL_ROWS),
        MouseEventKind::ScrollUp => return actions::scroll(state, -WHEEL_ROWS),
        MouseEventKind::Down(MouseButton::Left) if state.detail.is_none() => {
            let (list, _) = super::layout::split(state);
            let frame = u16::from(super::layout::room(state.size) > super::layout::Room::Tiny);
            let first = list.y + frame + 1;
            let at = state.list.offset + usize::from(mouse.row.saturating_sub(first));
            if mouse.row >= first && mouse.column < list.right() && at < state.list.rows.len() {
                rows::choose(state, at);
            }
        }
        _ => {}
    }
    Vec::new()
}

/// Opens an instance on a tab, with what that tab needs.
fn open(state: &mut State, name: InstanceName, tab: Tab) -> Vec<Effect> {
    let same = state.detail.as_ref().filter(|detail| detail.name == name);
    let file = same.and_then(|detail| detail.file.clone());
    state.detail = Some(Detail { name: name.clone(), tab, scroll: 0, at: 0, event: None, file });
    let mut effects = Vec::new();
    if tab == Tab::Logs {
        effects.extend(read_logs(state, name, Vec::new(), LogOf::Odoo));
    } else if state.logs.of.take().is_some() {
        state.logs.also.clear();
        effects.push(Effect::Logs(Vec::new()));
    }
    if tab == Tab::File
        && let Some(detail) = &state.detail
    {
        effects.push(Effect::ReadFile(detail.name.clone()));
    }
    effects
}

/// Opens the outputs of all that are marked as one.
fn open_logs_together(state: &mut State, mut names: Vec<InstanceName>) -> Vec<Effect> {
    let count = names.len();
    if count > LOGS_TOGETHER_MAX {
        complain(state, format!("{count} are marked, and {LOGS_TOGETHER_MAX} outputs at most are read as one"));
        return Vec::new();
    }
    let first = names.remove(0);
    state.detail = Some(Detail { name: first.clone(), tab: Tab::Logs, scroll: 0, at: 0, event: None, file: None });
    read_logs(state, first, names, LogOf::Odoo)
}

fn read_logs(state: &mut State, name: InstanceName, also: Vec<InstanceName>, source: LogOf) -> Vec<Effect> {
    let same = state.logs.of.as_ref() == Some(&(name.clone(), source)) && state.logs.also == also;
    if same && state.logs.ended.is_none() {
        return Vec::new();
    }
    state.logs.open(name, also, source);
    let tail = Some(LOG_TAIL / (1 + state.logs.also.len() as u64));
    let request = |name: &InstanceName| LogRequest { instance: name.clone(), source, tail };
    vec![Effect::Logs(state.logs.owners().map(request).collect())]
}

fn close(state: &mut State) -> Vec<Effect> {
    state.detail = None;
    match state.logs.of.take() {
        Some(_) => {
            state.logs = super::logs::Logs { level: state.logs.level, wrap: state.logs.wrap, ..Default::default() };
            vec![Effect::Logs(Vec::new())]
        }
        None => Vec::new(),
    }
}

fn read_file_again(state: &State, name: &InstanceName) -> Vec<Effect> {
    let shown = state.detail.as_ref().is_some_and(|detail| detail.name == *name && detail.tab == Tab::File);
    if shown { vec![Effect::ReadFile(name.clone())] } else { Vec::new() }
}

fn show_difference(state: &mut State, name: &InstanceName, difference: &str) {
    let title = format!("{name}: what changed in its file");
    let more = difference.lines().map(str::to_owned);
    match &mut state.overlay {
        // Several were changed at once: one after the other in the same box.
        Some(Overlay::Text(text)) => {
            text.title = "what changed in the files".to_owned();
            text.lines.push(String::new());
            text.lines.extend(more);
        }
        _ => {
            let text = Text { title, lines: more.collect(), difference: true, about: None, scroll: 0 };
            state.overlay = Some(Overlay::Text(text));
        }
    }
}

fn remark(state: &mut State, text: String) {
    toast(state, text, false);
}

fn complain(state: &mut State, text: String) {
    toast(state, text, true);
}

fn toast(state: &mut State, text: String, bad: bool) {
    let until = state.now.checked_add(SignedDuration::from_secs(TOAST_S)).unwrap_or(state.now);
    state.toast = Some(Toast { text, bad, until });
}

/// The instance behind a row.
fn instance_of(state: &State, row: Row) -> Option<InstanceName> {
    match row {
        Row::Item(at) => state.fleet.items.get(at as usize).map(|item| item.name().clone()),
        Row::Run(id) => state.fleet.runs.get(&id)?.instance.clone(),
        Row::Alert(at) => state.fleet.facts.as_ref()?.alerts.get(at as usize)?.instance.clone(),
    }
}
