//! How the work goes, on stderr: on a terminal one line that is drawn over itself, elsewhere a line a step, and one a minute
//! while nothing else is said, so that nobody takes long work for a program that hangs.
//!
//! Nothing is drawn in the first half second, and nothing more often than ten times a second (cargo's figures). stdout is
//! never touched, and without a terminal nothing is ever erased.

use super::context::{Context, is_set};
use super::render::style::{BAD, FAINT, GOOD, STRONG, paint};
use super::render::text::{clip, count, harmless};
use crate::control::{Progress, ProgressWord};
use crate::model::time::{Seconds, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Nothing is drawn before.
const DRAWN_AFTER_MS: i64 = 500;
/// Without a terminal something is said this often at least.
const BEAT_EVERY_S: i64 = 60;
/// Nor more often.
const DRAWN_EVERY: Duration = Duration::from_millis(100);
/// One turn takes 0.8 s.
const SPINNER: [&str; 8] = ["|", "/", "-", "\\", "|", "/", "-", "\\"];
/// A terminal of unknown width.
const COLUMNS_DEFAULT: usize = 80;
/// Makes every process show it or none: for terminals that are not recognized, and for tests.
const FORCE: &str = "INNKEEPER_PROGRESS";
const FORBID: &str = "INNKEEPER_NO_PROGRESS";

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Nothing,
    /// A line for each step that ended.
    Lines,
    /// One line that is drawn over itself.
    Drawn,
}

/// The work of one command.
pub(crate) struct Shown<'a> {
    cx: &'a Context,
    style: Style,
    inner: Mutex<Inner>,
}

struct Inner {
    begun: Timestamp,
    /// Steps that run, since when.
    running: BTreeMap<String, Timestamp>,
    done: usize,
    failed: usize,
    turns: usize,
    /// When something was said last.
    said: Timestamp,
}

impl<'a> Shown<'a> {
    /// Begins.
    pub(crate) fn new(cx: &'a Context) -> Self {
        let style = match () {
            () if cx.quiet || cx.no_progress || is_set(FORBID) => Style::Nothing,
            () if is_set(FORCE) || cx.draws() => Style::Drawn,
            () => Style::Lines,
        };
        let begun = (cx.now)();
        let inner = Inner { begun, running: BTreeMap::new(), done: 0, failed: 0, turns: 0, said: begun };
        Self { cx, style, inner: Mutex::new(inner) }
    }

    /// Takes in what became of a step; none says that some were missed.
    pub(crate) fn tell(&self, progress: Option<Progress>) {
        let mut inner = self.inner();
        let Some(progress) = progress else {
            self.line(&mut inner, &paint(FAINT, "(some steps were left out: this terminal was too slow)"));
            return;
        };
        let now = (self.cx.now)();
        let began = match progress.word {
            ProgressWord::Began => {
                inner.running.insert(progress.step, now);
                return;
            }
            ProgressWord::Done | ProgressWord::Failed => inner.running.remove(&progress.step),
        };
        let took = began.map(|began| format!(" {}", took(began, now))).unwrap_or_default();
        let step = harmless(&progress.step);
        if progress.word == ProgressWord::Failed {
            inner.failed += 1;
            // Told in full and left standing, whatever is drawn below.
            let message = harmless(&progress.message);
            self.line(&mut inner, &format!("{} {step}{}: {message}", paint(BAD, "FAILED"), paint(FAINT, &took)));
        } else {
            inner.done += 1;
            if self.style == Style::Lines {
                self.line(&mut inner, &format!("{} {step}{}", paint(GOOD, "ok    "), paint(FAINT, &took)));
            }
        }
    }

    /// Draws again and again; never completes.
    pub(crate) async fn draw(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(DRAWN_EVERY).await;
            match self.style {
                Style::Nothing => std::future::pending::<()>().await,
                Style::Lines => self.beat(),
                Style::Drawn => self.draw_once(),
            }
        }
    }

    /// One picture, for loops of their own; `what` stands in place of the steps.
    pub(crate) fn draw_word(&self, what: &str) {
        let mut inner = self.inner();
        let begun = inner.begun;
        inner.running = BTreeMap::from([(what.to_owned(), begun)]);
        drop(inner);
        match self.style {
            Style::Nothing => {}
            Style::Lines => self.beat(),
            Style::Drawn => self.draw_once(),
        }
    }

    /// Something else was said: the next beat is a minute away.
    pub(crate) fn said(&self) {
        self.inner().said = (self.cx.now)();
    }

    /// A line where nothing was said for a minute.
    fn beat(&self) {
        let mut inner = self.inner();
        if let Some(text) = inner.beat((self.cx.now)()) {
            self.line(&mut inner, &paint(FAINT, &text));
        }
    }

    fn draw_once(&self) {
        let mut inner = self.inner();
        let now = (self.cx.now)();
        if now.as_millisecond() - inner.begun.as_millisecond() < DRAWN_AFTER_MS {
            return;
        }
        inner.turns += 1;
        let columns =
            terminal_size::terminal_size_of(std::io::stderr()).map_or(COLUMNS_DEFAULT, |(width, _)| width.0.into());
        let text = clip(&inner.text(now), columns.saturating_sub(3));
        let spinner = SPINNER[inner.turns % SPINNER.len()];
        self.cx.redraw(&format!("{} {text}", paint(STRONG, spinner)));
    }

    /// A line that stays, above what is drawn.
    fn line(&self, inner: &mut Inner, text: &str) {
        if self.style != Style::Nothing {
            inner.said = (self.cx.now)();
            self.cx.complain(&format!("{text}\n"));
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.cx.erase();
    }
}

impl Inner {
    /// What is said at `now`, when it is time to say something.
    fn beat(&self, now: Timestamp) -> Option<String> {
        let silent_s = now.as_second().saturating_sub(self.said.as_second());
        (silent_s >= BEAT_EVERY_S).then(|| match self.running.is_empty() {
            true => format!("still at it, {}", took(self.begun, now)),
            false => self.text(now),
        })
    }

    fn text(&self, now: Timestamp) -> String {
        let mut parts = vec![count(self.done, "step done", "steps done")];
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        let mut running: Vec<(&String, &Timestamp)> = self.running.iter().collect();
        running.sort_by_key(|(_, since)| **since);
        parts.extend(running.iter().map(|(step, since)| format!("{} {}", harmless(step), took(**since, now))));
        if self.done + self.failed == 0 && !self.running.is_empty() {
            parts.remove(0);
        }
        parts.join(", ")
    }
}

fn took(began: Timestamp, now: Timestamp) -> Seconds {
    Seconds(u64::try_from(now.as_second() - began.as_second()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + second).unwrap()
    }

    #[test]
    fn something_is_said_once_a_minute_while_nothing_happens() {
        let step = ("acme: install-modules".to_owned(), at(10));
        let mut inner =
            Inner { begun: at(0), running: BTreeMap::from([step]), done: 2, failed: 0, turns: 0, said: at(10) };
        assert_eq!(inner.beat(at(69)), None, "a step was told less than a minute ago");
        let told = inner.beat(at(70));
        assert_eq!(told.as_deref(), Some("2 steps done, acme: install-modules 1m"));
        inner.said = at(70);
        assert_eq!(inner.beat(at(129)), None);
        inner.running.clear();
        assert_eq!(inner.beat(at(130)).as_deref(), Some("still at it, 2m10s"));
    }
}
