//! The terminal: taken and given back byte for byte, whoever ends the program and however; keys are read on a thread of
//! their own. Nothing is ever asked of it.

use super::update::Msg;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcgetwinsize, tcsetattr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::time::Duration;
use tokio::sync::mpsc;

/// The other screen, no cursor, pasted text in brackets.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?2004h\x1b[0m\x1b[2J";
/// The same backwards; a frame that was cut ends, and the mouse is left.
const LEAVE: &[u8] = b"\x1b[?2026l\x1b[?1006l\x1b[?1000l\x1b[?2004l\x1b[0m\x1b[2J\x1b[?1049l\x1b[?25h";
const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &[u8] = b"\x1b[?1006l\x1b[?1000l";
/// Bytes are there and make no event yet: the rest of a sequence is waited for so long.
const PARTIAL_WAIT: Duration = Duration::from_millis(5);
/// A write that is not done after so many looks waits for a slow terminal.
const SLOW_LOOKS: u32 = 10;
const SLOW_LOOK_EVERY: Duration = Duration::from_millis(5);

/// What must be undone.
struct Taken {
    before: Termios,
    screen: File,
}

/// One for the process: the panic hook must find it.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);
static HOOK: Once = Once::new();

fn taken() -> MutexGuard<'static, Option<Taken>> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the terminal. A panic gives it back before it is told.
///
/// # Errors
/// Standard input or output is no terminal.
pub(super) fn take() -> io::Result<()> {
    HOOK.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            give_back();
            told(panic);
        }));
    });
    let mut place = taken();
    if place.is_none() {
        let before = tcgetattr(io::stdin())?;
        let screen = File::from(rustix::io::dup(io::stdout())?);
        *place = Some(Taken { before, screen });
    }
    let Some(it) = place.as_mut() else { return Ok(()) };
    let mut raw = it.before.clone();
    raw.make_raw();
    tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
    it.screen.write_all(ENTER)
}

/// It is taken. Otherwise a panic somewhere gave it back.
pub(super) fn is_taken() -> bool {
    taken().is_some()
}

/// Has nobody wait for a slow terminal: where a write waits, what the terminal did not take yet is dropped, pictures that
/// nobody looks at any more. Only for whoever leaves the screen, since a sequence may be cut.
pub(super) fn discard() {
    for _ in 0..SLOW_LOOKS {
        // Whoever writes holds it.
        if !matches!(TAKEN.try_lock(), Err(TryLockError::WouldBlock)) {
            return;
        }
        std::thread::sleep(SLOW_LOOK_EVERY);
    }
    let _ = tcflush(io::stdout(), QueueSelector::OFlush);
}

/// Gives it back as it was. Again and again does no harm, nor does it where the terminal is gone.
pub(super) fn give_back() {
    discard();
    let Some(mut it) = taken().take() else { return };
    let _ = it.screen.write_all(LEAVE);
    // Keys that were pressed for the dashboard are not for the shell.
    let _ = tcflush(io::stdin(), QueueSelector::IFlush);
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, &it.before);
}

/// Writes, in one piece where the terminal takes it.
///
/// # Errors
/// The terminal is gone, or is not taken now.
pub(super) fn write(bytes: &[u8]) -> io::Result<()> {
    match taken().as_mut() {
        Some(it) => it.screen.write_all(bytes),
        None => Err(io::ErrorKind::NotConnected.into()),
    }
}

/// What turns the mouse on or off.
pub(super) fn mouse(on: bool) -> &'static [u8] {
    if on { MOUSE_ON } else { MOUSE_OFF }
}

/// Columns and rows; a terminal that does not tell has 80 and 24.
pub(super) fn size() -> (u16, u16) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

/// The thread that reads keys.
pub(super) struct Keys {
    /// To the thread: `p` pauses, `r` resumes. It answers the first.
    line: UnixStream,
}

impl Keys {
    /// Begins to read.
    pub(super) fn read(messages: mpsc::Sender<Option<Msg>>) -> io::Result<Self> {
        let (line, other) = UnixStream::pair()?;
        std::thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&other, &messages))?;
        Ok(Self { line })
    }

    /// Reads nothing more from when this returns.
    pub(super) fn pause(&mut self) -> io::Result<()> {
        self.line.write_all(b"p")?;
        self.line.read_exact(&mut [0])
    }

    /// Goes on.
    pub(super) fn resume(&mut self) -> io::Result<()> {
        self.line.write_all(b"r")
    }
}

/// Sends what is pressed; `None` when the terminal is gone.
fn read_keys(line: &UnixStream, messages: &mpsc::Sender<Option<Msg>>) {
    let stdin = io::stdin();
    loop {
        let (keys, told) = {
            let mut ready = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(line, PollFlags::IN)];
            match poll(&mut ready, None) {
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => break,
                Ok(_) => (ready[0].revents(), ready[1].revents()),
            }
        };
        if !told.is_empty() {
            let mut word = [0];
            let mut line = line;
            // The dashboard is gone, or it pauses and lets go on later.
            if line.read_exact(&mut word).is_err()
                || line.write_all(b"a").is_err()
                || line.read_exact(&mut word).is_err()
            {
                return;
            }
            continue;
        }
        if keys.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            break;
        }
        match send_events(messages) {
            Ok(Heard::Something) => {}
            Ok(Heard::Nothing) => rouse(),
            Ok(Heard::NobodyListens) => return,
            Err(_) => break,
        }
    }
    let _ = messages.blocking_send(None);
}

/// Has a key told again that got lost: crossterm is told of a byte once (epoll's edges), and forgets it when a new size
/// comes at the same time, so that the key would wait for the next one. Setting modes, though they are the same, tells it
/// again (Linux, `n_tty_set_termios`).
fn rouse() {
    // Held, so that nobody gives the terminal back between the two.
    let place = taken();
    if place.is_some()
        && let Ok(modes) = tcgetattr(io::stdin())
    {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &modes);
    }
}

/// What became of what could be read.
enum Heard {
    Something,
    /// A part of a sequence, or less.
    Nothing,
    NobodyListens,
}

/// Sends what can be read now.
fn send_events(messages: &mpsc::Sender<Option<Msg>>) -> io::Result<Heard> {
    let mut any = false;
    while event::poll(if any { Duration::ZERO } else { PARTIAL_WAIT })? {
        any = true;
        let msg = match event::read()? {
            // Escape and a key in one piece look like Alt and that key; over a slow line they often come so.
            Event::Key(key) if key.modifiers.contains(KeyModifiers::ALT) => {
                let escape = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
                if messages.blocking_send(Some(Msg::Key(escape))).is_err() {
                    return Ok(Heard::NobodyListens);
                }
                Msg::Key(KeyEvent { modifiers: key.modifiers - KeyModifiers::ALT, ..key })
            }
            Event::Key(key) if key.kind != KeyEventKind::Release => Msg::Key(key),
            Event::Paste(text) => Msg::Paste(text),
            Event::Mouse(mouse) => Msg::Mouse(mouse),
            _ => continue,
        };
        if messages.blocking_send(Some(msg)).is_err() {
            return Ok(Heard::NobodyListens);
        }
    }
    Ok(if any { Heard::Something } else { Heard::Nothing })
}
