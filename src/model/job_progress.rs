//! How far a job of Odoo is, as Odoo's own output says it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What Odoo writes when it begins with a module (`odoo/modules/loading.py`, releases 14 to 19):
/// `Loading module mail (19/65)`.
const LOADING: &str = "Loading module ";

/// The module that a job is at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Its name.
    pub module: String,
    /// Its place, counted from 1; 0 where Odoo did not say it.
    pub step: u32,
    /// Of so many; 0 where Odoo did not say it.
    pub of: u32,
}

impl JobProgress {
    /// What the last line says that says anything.
    pub fn of<'a>(lines: impl DoubleEndedIterator<Item = &'a str>) -> Option<Self> {
        lines.rev().find_map(Self::of_line)
    }

    fn of_line(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(LOADING)?;
        let (module, rest) = rest.split_once(" (")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if module.is_empty() || !module.chars().all(is_name) {
            return None;
        }
        let (step, of) = rest.split_once(')')?.0.split_once('/')?;
        let (step, of) = (step.parse().ok()?, of.parse().ok()?);
        (1 <= step && step <= of).then(|| Self { module: module.to_owned(), step, of })
    }

    /// From 0 to 1: what was done before this module. None for `base` alone, which comes before Odoo knows how many follow.
    pub fn fraction(&self) -> Option<f64> {
        (self.of > 1).then(|| f64::from(self.step.saturating_sub(1)) / f64::from(self.of))
    }
}

impl fmt::Display for JobProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of {
            0 | 1 => write!(f, "module {}", self.module),
            of => write!(f, "module {} of {of} ({})", self.step, self.module),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &str, expected: Option<&str>) {
        assert_eq!(JobProgress::of(log.lines()).map(|it| it.to_string()).as_deref(), expected, "{log}");
    }

    #[test]
    fn the_last_module_that_odoo_began_with_is_told() {
        let line = |text: &str| format!("2026-11-23 06:29:03,311 7 INFO odoo_acme odoo.modules.loading: {text}\n");
        check(&line("Loading module mail (19/65)"), Some("module 19 of 65 (mail)"));
        let two = line("Loading module mail (19/65)") + &line("Loading module web_tour (20/65)");
        check(&(two + &line("creating or updating database tables")), Some("module 20 of 65 (web_tour)"));
        check(&line("Loading module base (1/1)"), Some("module base"));
        check(&line("65 modules loaded in 12.1s"), None);
        check("", None);
    }

    #[test]
    fn what_only_looks_like_it_is_not_taken_for_it() {
        check("Loading module mail (0/65)", None);
        check("Loading module mail (66/65)", None);
        check("Loading module \u{1b}[31mevil (1/65)", None);
        check("Loading module mail (x/65)", None);
    }

    #[test]
    fn a_module_that_is_being_loaded_is_not_done() {
        let far = |step, of| JobProgress { module: "mail".to_owned(), step, of }.fraction();
        assert_eq!((far(1, 65), far(65, 65)), (Some(0.0), Some(64.0 / 65.0)));
        assert_eq!(far(1, 1), None);
    }
}
