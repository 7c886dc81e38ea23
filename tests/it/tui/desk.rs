//! The program in a real terminal: what it shows, all that it writes, and what becomes of the terminal's modes. Nothing
//! here sleeps but a slow line: who waits, waits until the screen says what it should.

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use std::fmt::Debug;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tempfile::TempDir;

/// Nothing that is waited for takes longer, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);
/// What each frame begins and ends with (synchronized output).
pub(crate) const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";
/// A slow line carries some bytes this often.
const SLOW_STEP: Duration = Duration::from_millis(20);

/// What the terminal shows and all that was written to it. Of a frame nothing is shown before its end, or whoever looks
/// in between would see half of a picture.
pub(crate) struct Seen {
    pub(crate) parser: vt100::Parser,
    pub(crate) raw: Vec<u8>,
    /// So many bytes of it are shown.
    shown: usize,
    /// Where the frame begins that has not ended yet.
    frame_from: Option<usize>,
    closed: bool,
}

impl Seen {
    /// Takes in what the program wrote; no bytes mean that it closed the terminal.
    fn take_in(&mut self, bytes: &[u8]) {
        // A mark may come in two pieces; a whole one before that was seen already.
        let from = self.raw.len().saturating_sub(FRAME_BEGINS.len() - 1);
        self.raw.extend_from_slice(bytes);
        self.closed = bytes.is_empty();
        let mut marks = self.raw[from..].windows(FRAME_BEGINS.len());
        if let Some(last) = marks.rposition(|mark| mark == FRAME_BEGINS || mark == FRAME_ENDS) {
            let at = from + last;
            self.frame_from = self.raw[at..].starts_with(FRAME_BEGINS).then_some(at);
        }
        // Who is gone ends no frame any more: there will be no more of it. A mark's first piece may be shown already.
        let unfinished = self.frame_from.filter(|_| !self.closed);
        let end = unfinished.unwrap_or(self.raw.len()).max(self.shown);
        self.parser.process(&self.raw[self.shown..end]);
        self.shown = end;
    }
}

/// A fleet's directory, and the dashboard in a terminal of its own.
pub(crate) struct Desk {
    pub(crate) dir: TempDir,
    pub(crate) master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    pub(crate) child: Box<dyn Child + Send + Sync>,
    pub(crate) seen: Arc<(Mutex<Seen>, Condvar)>,
    pub(crate) before: String,
}

/// A figure of `/proc/<pid>/status`, in bytes.
pub(crate) fn memory_of(program: Pid, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_start_matches(':').trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
}

/// The row of the table that begins with that name.
pub(crate) fn row_of(seen: &Seen, name: &str) -> String {
    let rows: Vec<String> = seen.parser.screen().rows(0, 90).collect();
    rows.into_iter().find(|row| row.contains(&format!(" {name} "))).unwrap_or_default()
}

pub(crate) fn non_zero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

pub(crate) fn open(dir: TempDir, size: (u16, u16), arguments: &[&str], variables: &[(&str, &str)]) -> Desk {
    start(dir, size, None, arguments, variables)
}

/// The same over a line that carries so many bytes a second.
pub(crate) fn open_slow(dir: TempDir, size: (u16, u16), arguments: &[&str], bytes_per_s: usize) -> Desk {
    start(dir, size, Some(bytes_per_s), arguments, &[])
}

fn start(
    dir: TempDir,
    size: (u16, u16),
    bytes_per_s: Option<usize>,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Desk {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_innkeeper"));
    command.args(["--fleet", dir.path().to_str().unwrap(), "top"]);
    command.args(arguments);
    for (name, value) in
        [("LANG", "C.UTF-8"), ("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")].iter().chain(variables)
    {
        command.env(name, value);
    }
    if variables.iter().all(|(name, _)| *name != "NO_COLOR") {
        command.env_remove("NO_COLOR");
    }
    let size = PtySize { rows: size.1, cols: size.0, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let before = modes(pair.master.as_ref());
    let seen = Arc::new((
        Mutex::new(Seen {
            parser: vt100::Parser::new(non_zero(size.rows), non_zero(size.cols), 0),
            raw: Vec::new(),
            shown: 0,
            frame_from: None,
            closed: false,
        }),
        Condvar::new(),
    ));
    let mut reader = pair.master.try_clone_reader().unwrap();
    let own = Arc::clone(&seen);
    std::thread::spawn(move || {
        let step = bytes_per_s.map(|all| all * SLOW_STEP.as_millis() as usize / 1_000);
        let mut bytes = vec![0; step.unwrap_or(1 << 14)];
        loop {
            if step.is_some() {
                std::thread::sleep(SLOW_STEP);
            }
            let count = reader.read(&mut bytes).unwrap_or(0);
            let mut seen = own.0.lock().unwrap();
            seen.take_in(&bytes[..count]);
            own.1.notify_all();
            if count == 0 {
                return;
            }
        }
    });
    let child = pair.slave.spawn_command(command).unwrap();
    let writer = pair.master.take_writer().unwrap();
    Desk { dir, master: pair.master, writer, child, seen, before }
}

/// The modes of the terminal, every bit of them.
pub(crate) fn modes(master: &dyn MasterPty) -> String {
    let modes = master.get_termios().unwrap();
    let parts: [&dyn Debug; 5] =
        [&modes.input_flags, &modes.output_flags, &modes.control_flags, &modes.local_flags, &modes.control_chars];
    format!("{parts:?}")
}

impl Desk {
    /// Waits until the screen is as it should be.
    pub(crate) fn until(&self, what: &str, holds: impl Fn(&Seen) -> bool) {
        let seen = self.seen.0.lock().unwrap();
        let (seen, waited) =
            self.seen.1.wait_timeout_while(seen, PATIENCE, |seen| !holds(seen) && !seen.closed).unwrap();
        let fine = holds(&seen) && !waited.timed_out();
        let shown = seen.parser.screen().contents();
        drop(seen);
        assert!(fine, "waited in vain for {what}:\n{shown}");
    }

    pub(crate) fn until_shown(&self, text: &str) {
        self.until(text, |seen| seen.parser.screen().contents().contains(text));
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap()
    }

    /// What one thread of the program wrote so far: calls and bytes (proc(5), `/proc/<pid>/task/<tid>/io`).
    pub(crate) fn written(&self, thread: &str) -> (usize, usize) {
        let of = |task: &PathBuf| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.trim() == thread);
        let task = self.tasks().into_iter().find(of).unwrap();
        let io = std::fs::read_to_string(task.join("io")).unwrap();
        let figure = |key: &str| io.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().parse().unwrap();
        (figure("syscw:"), figure("wchar:"))
    }

    /// Processor time of all threads so far, and how often one of them went to sleep, and so was woken (proc(5)).
    pub(crate) fn effort(&self) -> (Duration, u64) {
        let mut sum = (Duration::ZERO, 0);
        for task in self.tasks() {
            let text = |file: &str| std::fs::read_to_string(task.join(file)).unwrap_or_default();
            let nanoseconds = text("schedstat").split(' ').next().unwrap_or_default().parse().unwrap_or_default();
            let status = text("status");
            let slept = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            sum.0 += Duration::from_nanos(nanoseconds);
            sum.1 += slept.map_or(0, |slept| slept.trim().parse::<u64>().unwrap());
        }
        sum
    }

    fn tasks(&self) -> Vec<PathBuf> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid().as_raw_nonzero())).unwrap();
        tasks.map(|task| task.unwrap().path()).collect()
    }

    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.seen.0.lock().unwrap().parser.screen_mut().set_size(non_zero(rows), non_zero(columns));
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Bytes that come until `holds`.
    pub(crate) fn bytes_until(&self, what: &str, doing: impl FnOnce(), holds: impl Fn(&Seen) -> bool) -> usize {
        let before = self.seen.0.lock().unwrap().raw.len();
        doing();
        self.until(what, holds);
        self.seen.0.lock().unwrap().raw.len() - before
    }

    /// The terminal is as it was before anything was started in it.
    pub(crate) fn assert_given_back(&self) {
        assert_eq!(modes(self.master.as_ref()), self.before, "the modes of the terminal");
        let seen = self.seen.0.lock().unwrap();
        let screen = seen.parser.screen();
        assert!(!screen.alternate_screen(), "the other screen is left");
        assert!(!screen.hide_cursor(), "the cursor is back");
        assert!(!screen.bracketed_paste(), "pasted text comes without brackets");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is the terminal's");
    }

    /// Waits for the end of the program; the terminal is as it was. All that it wrote is read first: a slow line may
    /// carry its last bytes after it is gone.
    pub(crate) fn ended(mut self) -> ExitStatus {
        self.until("the program to close the terminal", |seen| seen.closed);
        let status = self.child.wait().unwrap();
        self.assert_given_back();
        status
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
