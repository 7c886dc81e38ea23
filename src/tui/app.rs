//! The loop: messages in, effects out, a frame when something changed. It never waits for anything but messages.

use super::keymap::Keymap;
use super::look::Look;
use super::paint::Painter;
use super::state::{Options, State};
use super::terminal::{self, Keys};
use super::update::{Effect, Msg, update};
use super::view;
use crate::control::LogRequest;
use crate::model::name::InstanceName;
use crate::model::status::InstanceStatus;
use crate::model::time::Timestamp;
use crate::model::wanted::WantedState;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::process::{Signal, getpid, kill_process};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// After a key the next frame is due this long after the last one: whoever holds a key down gets them all in few frames,
/// and nobody waits long enough to notice.
const FRAME_AFTER_KEY: Duration = Duration::from_millis(5);
/// After anything else: whoever reads needs no more than ten pictures a second.
const FRAME_AFTER_NEWS: Duration = Duration::from_millis(100);
/// Ages and clocks go on.
const TICK: Duration = Duration::from_secs(1);
/// Keys that wait to be taken in.
const KEYS_MAX: usize = 1_024;
/// Other messages that wait; whoever sends more waits too.
const NEWS_MAX: usize = 64;

/// What the dashboard cannot do by itself: files and the editor are the command line's.
pub trait Hands: Send + Sync + 'static {
    /// Sets `state` in the instance's file, everything else kept, and returns the difference.
    ///
    /// # Errors
    /// Why it was not changed, as a sentence.
    fn set_state(&self, name: &InstanceName, state: WantedState) -> Result<String, String>;

    /// Reads the instance's file.
    ///
    /// # Errors
    /// Why it could not be read, as a sentence.
    fn file(&self, name: &InstanceName) -> Result<String, String>;

    /// Writes text into a new file of that name, in the directory from which the dashboard was opened.
    ///
    /// # Errors
    /// Why it was not written, as a sentence; a file that is there already is not touched.
    fn write(&self, file: &str, text: &str) -> Result<PathBuf, String>;

    /// The command that edits it.
    fn editor(&self, name: &InstanceName) -> std::process::Command;

    /// The command that is a shell in its container.
    fn shell(&self, name: &InstanceName) -> std::process::Command;

    /// What the last daemon wrote about the instances.
    fn documents(&self) -> Vec<InstanceStatus>;
}

/// What the dashboard is started with.
pub struct Setup {
    /// Where the control socket is.
    pub state_dir: PathBuf,
    /// Files and the editor.
    pub hands: Arc<dyn Hands>,
    /// Colours and characters.
    pub look: Look,
    /// How it was started.
    pub options: Options,
    /// Which keys do what.
    pub keymap: Keymap,
    /// What a reason means and what to do about it.
    pub explain: fn(&str) -> Option<String>,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Somebody left.
    Quit,
    /// SIGTERM or SIGINT.
    Terminated,
    /// The terminal is gone.
    HungUp,
}

/// Signals that concern the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Resized,
    Suspend,
    Continued,
    Terminate,
    HangUp,
}

struct App {
    setup: Setup,
    state: State,
    painter: Painter,
    keys: Keys,
    news: mpsc::Sender<Msg>,
    /// The task that reads an output.
    logs: Option<JoinHandle<()>>,
    /// The editor has the terminal.
    away: bool,
    /// A frame is due, and when.
    due: Option<Instant>,
    last_frame: Instant,
}

/// Runs until somebody leaves. The terminal is given back however it ends.
///
/// # Errors
/// There is no terminal.
pub async fn run(setup: Setup) -> io::Result<Ending> {
    let mut words = words()?;
    terminal::take()?;
    let ending = run_taken(setup, &mut words).await;
    // Also after a hang-up: whoever sends the signal by hand has the terminal still.
    terminal::give_back();
    ending
}

async fn run_taken(setup: Setup, words: &mut mpsc::Receiver<Word>) -> io::Result<Ending> {
    let (key_sender, mut keys) = mpsc::channel(KEYS_MAX);
    let (news, mut messages) = mpsc::channel(NEWS_MAX);
    let mut state = State::new(setup.options, terminal::size(), (setup.now)());
    (state.keymap, state.explain) = (setup.keymap.clone(), setup.explain);
    let (state_dir, hands, sender) = (setup.state_dir.clone(), Arc::clone(&setup.hands), news.clone());
    let mut app = App {
        state,
        painter: Painter::new()?,
        keys: Keys::read(key_sender)?,
        news,
        setup,
        logs: None,
        away: false,
        due: None,
        last_frame: Instant::now(),
    };
    // Something is on the screen before anything is asked.
    app.draw();
    let watching = tokio::spawn(async move { super::talk::watch(&state_dir, &hands, &sender).await });
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ending = loop {
        let due = app.due;
        let ended = tokio::select! {
            // Signals and keys first: whoever leaves does not wait for news.
            biased;
            Some(word) = words.recv() => app.hear(word),
            Some(key) = keys.recv() => {
                let mut ended = app.press(key);
                // All that was pressed meanwhile is one frame.
                while let (None, Ok(key)) = (ended, keys.try_recv()) {
                    ended = app.press(key);
                }
                ended
            }
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                app.draw();
                None
            }
            Some(msg) = messages.recv() => app.take(msg, FRAME_AFTER_NEWS),
            _ = ticks.tick() => {
                if !app.away && !terminal::is_taken() {
                    return Err(io::Error::other("a part of the dashboard panicked"));
                }
                app.take(Msg::Tick, FRAME_AFTER_NEWS)
            }
        };
        if let Some(ending) = ended {
            break ending;
        }
    };
    watching.abort();
    Ok(ending)
}

impl App {
    fn draw(&mut self) {
        self.due = None;
        self.last_frame = Instant::now();
        if self.away {
            return;
        }
        let (columns, rows) = self.state.size;
        let mut buffer = Buffer::empty(Rect::new(0, 0, columns, rows));
        view::draw(&self.state, self.setup.look, &mut buffer);
        self.painter.show(buffer);
    }

    fn press(&mut self, key: Option<Msg>) -> Option<Ending> {
        match key {
            Some(msg) => self.take(msg, FRAME_AFTER_KEY),
            None => Some(Ending::HungUp),
        }
    }

    /// Takes a message in and has a frame drawn soon.
    fn take(&mut self, msg: Msg, frame_after: Duration) -> Option<Ending> {
        let back = matches!(msg, Msg::EditorEnded { .. } | Msg::ShellEnded(_));
        if back && let Err(error) = self.come_back() {
            tracing::error!(%error, "the terminal could not be taken again");
            return Some(Ending::HungUp);
        }
        let effects = update(&mut self.state, msg, (self.setup.now)());
        let due = (self.last_frame + frame_after).max(Instant::now());
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
        effects.into_iter().find_map(|effect| self.carry_out(effect))
    }

    fn hear(&mut self, word: Word) -> Option<Ending> {
        match word {
            Word::Terminate if self.away => None,
            Word::Terminate => Some(Ending::Terminated),
            Word::HangUp => Some(Ending::HungUp),
            Word::Suspend => self.suspend(),
            Word::Continued | Word::Resized if self.away => None,
            Word::Continued => {
                let taken = terminal::take();
                self.painter.anew();
                let (columns, rows) = terminal::size();
                taken.map_or(Some(Ending::HungUp), |()| self.take(Msg::Resized(columns, rows), Duration::ZERO))
            }
            Word::Resized => {
                let (columns, rows) = terminal::size();
                self.take(Msg::Resized(columns, rows), FRAME_AFTER_KEY)
            }
        }
    }

    /// Stops until the shell continues it, the terminal as the shell knows it meanwhile.
    fn suspend(&mut self) -> Option<Ending> {
        if !self.away {
            terminal::give_back();
        }
        let _ = kill_process(getpid(), Signal::STOP);
        // Continued: taking the terminal again is the continuation's own word.
        self.hear(Word::Continued)
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Ending> {
        let (state_dir, news) = (self.setup.state_dir.clone(), self.news.clone());
        match effect {
            Effect::Quit => return Some(Ending::Quit),
            Effect::Suspend => return self.suspend(),
            Effect::Redraw => self.painter.anew(),
            Effect::Mouse(on) => self.painter.write(terminal::mouse(on)),
            Effect::Copy(text) => self.painter.write(clipboard(&text).as_bytes()),
            Effect::Edit(name) => {
                let editor = self.setup.hands.editor(&name);
                self.lend(editor, |result| Msg::EditorEnded {
                    name,
                    result: result.map_err(|why| format!("the editor {why}; set $EDITOR")),
                });
            }
            Effect::Shell(name) => {
                let shell = self.setup.hands.shell(&name);
                self.lend(shell, |result| Msg::ShellEnded(result.map_err(|why| format!("the shell {why}"))));
            }
            Effect::Errand(name, kind) => {
                tokio::spawn(async move { news.send(super::talk::errand(&state_dir, name, kind).await).await });
            }
            Effect::Wake(names) => {
                tokio::spawn(async move { news.send(Msg::Woken(super::talk::wake(&state_dir, &names).await)).await });
            }
            Effect::SetState(name, state) => self.set_state(name, state),
            Effect::ReadFile(name) => {
                let hands = Arc::clone(&self.setup.hands);
                tokio::task::spawn_blocking(move || {
                    let result = hands.file(&name);
                    news.blocking_send(Msg::File { name, result })
                });
            }
            Effect::Write { file, text } => {
                let hands = Arc::clone(&self.setup.hands);
                tokio::task::spawn_blocking(move || news.blocking_send(Msg::Written(hands.write(&file, &text))));
            }
            Effect::Silence(request) => {
                tokio::spawn(async move { news.send(super::talk::silence(&state_dir, request).await).await });
            }
            Effect::Unsilence(of) => {
                tokio::spawn(async move { news.send(super::talk::unsilence(&state_dir, of).await).await });
            }
            Effect::Logs(requests) => self.read_logs(requests),
        }
        None
    }

    fn read_logs(&mut self, mut requests: Vec<LogRequest>) {
        let (state_dir, news) = (self.setup.state_dir.clone(), self.news.clone());
        if let Some(before) = self.logs.take() {
            before.abort();
        }
        self.logs = match (requests.len(), requests.pop()) {
            (_, None) => None,
            (1, Some(one)) => Some(tokio::spawn(async move { super::talk::logs(&state_dir, one, &news).await })),
            (_, Some(last)) => {
                requests.push(last);
                Some(tokio::spawn(async move { super::talk::logs_together(&state_dir, requests, &news).await }))
            }
        };
    }

    /// The file first, then the daemon hears of it; without a daemon the next one reads it.
    fn set_state(&self, name: InstanceName, state: WantedState) {
        let (state_dir, news) = (self.setup.state_dir.clone(), self.news.clone());
        let hands = Arc::clone(&self.setup.hands);
        tokio::spawn(async move {
            let edited = name.clone();
            let result = tokio::task::spawn_blocking(move || hands.set_state(&edited, state)).await;
            let result = result.unwrap_or_else(|_| Err("the edit was cut short".to_owned()));
            if result.is_ok() {
                let _ = super::talk::wake(&state_dir, std::slice::from_ref(&name)).await;
            }
            news.send(Msg::Edited { name, state, result }).await
        });
    }

    /// Lends the terminal to another program; `ended` is what its end means.
    fn lend(&mut self, command: std::process::Command, ended: impl FnOnce(Result<(), String>) -> Msg + Send + 'static) {
        if self.away || self.keys.pause().is_err() {
            return;
        }
        self.away = true;
        terminal::give_back();
        let mut command = tokio::process::Command::from(command);
        let news = self.news.clone();
        tokio::spawn(async move {
            let result = match command.status().await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(format!("ended with {status}")),
                Err(error) => Err(format!("could not be started: {error}")),
            };
            news.send(ended(result)).await
        });
    }

    fn come_back(&mut self) -> io::Result<()> {
        self.away = false;
        terminal::take()?;
        self.painter.anew();
        self.state.size = terminal::size();
        self.keys.resume()
    }
}

/// The sequence that puts text into the terminal's clipboard (xterm, OSC 52).
fn clipboard(text: &str) -> String {
    format!("\x1b]52;c;{}\x07", openssl::base64::encode_block(text.as_bytes()))
}

/// Hears the signals that concern the screen.
fn words() -> io::Result<mpsc::Receiver<Word>> {
    let (sender, receiver) = mpsc::channel(16);
    let kinds = [
        (SignalKind::window_change(), Word::Resized),
        (SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()), Word::Suspend),
        (SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()), Word::Continued),
        (SignalKind::terminate(), Word::Terminate),
        (SignalKind::interrupt(), Word::Terminate),
        (SignalKind::hangup(), Word::HangUp),
    ];
    for (kind, word) in kinds {
        let mut signals = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if sender.send(word).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(receiver)
}
