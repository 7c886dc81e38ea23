//! Several outputs as one, in the order of their times. What comes within a moment is put in order; nobody waits longer
//! for a line that another output may still have. Pure, and holds no more than it is told to.

use std::mem::take;

/// `2026-03-01 12:00:00,001`: what Odoo's lines begin with. As text they sort as the times do.
const STAMP_BYTES: usize = 23;

/// Lines that were not handed on yet.
#[derive(Debug)]
pub struct Merge {
    sources: Vec<Source>,
    waiting: Vec<Waiting>,
}

#[derive(Debug, Default)]
struct Source {
    /// The time of its newest line: lines without one (tracebacks) have that of the line before.
    stamp: String,
    heard: bool,
}

#[derive(Debug)]
struct Waiting {
    stamp: String,
    source: u8,
    line: String,
}

impl Merge {
    /// For so many outputs.
    pub fn of(sources: usize) -> Self {
        Self { sources: (0..sources).map(|_| Source::default()).collect(), waiting: Vec::new() }
    }

    /// Takes lines of one output, oldest first.
    pub fn take(&mut self, source: usize, lines: impl IntoIterator<Item = String>) {
        let Some(own) = self.sources.get_mut(source) else { return };
        own.heard = true;
        for line in lines {
            if let Some(stamp) = stamp(&line) {
                stamp.clone_into(&mut own.stamp);
            }
            let source = u8::try_from(source).unwrap_or(u8::MAX);
            self.waiting.push(Waiting { stamp: own.stamp.clone(), source, line });
        }
    }

    /// True once every output has told something, or that it has nothing.
    pub fn all_heard(&self) -> bool {
        self.sources.iter().all(|source| source.heard)
    }

    /// Lines that wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True when no line waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands on all that waits, in the order of the times; of equal ones, and within one output, as they came.
    pub fn drain(&mut self) -> Vec<(u8, String)> {
        let mut waiting = take(&mut self.waiting);
        waiting.sort_by(|a, b| (a.stamp.as_str(), a.source).cmp(&(b.stamp.as_str(), b.source)));
        waiting.into_iter().map(|it| (it.source, it.line)).collect()
    }
}

fn stamp(line: &str) -> Option<&str> {
    let stamp = line.get(..STAMP_BYTES)?;
    let fits = stamp.bytes().zip("0000-00-00 00:00:00,000".bytes()).all(|(byte, form)| match form {
        b'0' => byte.is_ascii_digit(),
        form => byte == form,
    });
    fits.then_some(stamp)
}
