//! Painting, on a thread of its own: a slow terminal blocks a write, and the dashboard must hear keys all the same. The
//! thread has one place for the next frame; a newer one takes the place of one that was not begun.

use super::terminal;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// The terminal shows nothing of a frame before its end (synchronized output; those that do not know it ignore it).
const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";

/// The thread and the place for its next frame.
pub(super) struct Painter {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    next: Mutex<Next>,
    filled: Condvar,
}

#[derive(Default)]
struct Next {
    frame: Option<Buffer>,
    /// What the terminal shows is not known: draw everything.
    anew: bool,
    /// Written before the frame: the clipboard.
    first: Vec<u8>,
    stop: bool,
}

impl Painter {
    /// Begins the thread.
    pub(super) fn new() -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("painter".to_owned()).spawn(move || paint(&own))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Paints this as soon as the terminal takes it.
    pub(super) fn show(&self, frame: Buffer) {
        self.shared.next().frame = Some(frame);
        self.shared.filled.notify_one();
    }

    /// Draws the next frame whole.
    pub(super) fn anew(&self) {
        self.shared.next().anew = true;
    }

    /// Writes this before the next frame.
    pub(super) fn write(&self, bytes: &[u8]) {
        self.shared.next().first.extend_from_slice(bytes);
        self.shared.filled.notify_one();
    }
}

impl Drop for Painter {
    fn drop(&mut self) {
        self.shared.next().stop = true;
        self.shared.filled.notify_one();
        // It may be in the midst of a write to a slow terminal.
        terminal::discard();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paint(shared: &Shared) {
    let mut shown = Buffer::default();
    let mut bytes = Vec::with_capacity(1 << 16);
    loop {
        let (frame, anew, first) = {
            let mut next = shared.next();
            loop {
                if next.stop {
                    return;
                }
                if next.frame.is_some() || !next.first.is_empty() {
                    break;
                }
                next = shared.filled.wait(next).unwrap_or_else(PoisonError::into_inner);
            }
            let anew = next.frame.is_some() && std::mem::take(&mut next.anew);
            (next.frame.take(), anew, std::mem::take(&mut next.first))
        };
        bytes.clear();
        bytes.extend_from_slice(&first);
        if let Some(frame) = frame {
            encode(&mut shown, frame, anew, &mut bytes);
        }
        if !bytes.is_empty() && terminal::write(&bytes).is_err() {
            // The terminal is gone or was given away: what it shows is not known any more.
            shared.next().anew = true;
        }
    }
}

/// Puts into `bytes` what makes `frame` of what is shown; nothing when it is the same.
pub(super) fn encode(shown: &mut Buffer, frame: Buffer, anew: bool, bytes: &mut Vec<u8>) {
    let anew = anew || shown.area != frame.area;
    if anew {
        *shown = Buffer::empty(frame.area);
    }
    let changed = shown.diff(&frame);
    if anew || !changed.is_empty() {
        bytes.extend_from_slice(FRAME_BEGINS);
        if anew {
            bytes.extend_from_slice(CLEAR);
        }
        // A vector takes everything.
        let _ = CrosstermBackend::new(&mut *bytes).draw(changed.into_iter());
        bytes.extend_from_slice(FRAME_ENDS);
    }
    *shown = frame;
}
