//! What Odoo says in its output, picked out for people. Odoo's exit code alone tells little: a module that does not exist
//! is one warning and exit code 0.

/// A message is cut here: some of Odoo's errors carry whole views.
const MESSAGE_CHARS_MAX: usize = 500;
/// `loading.py` in every release from 14 to 19.
const IGNORED_MODULES: &str = "invalid module names, ignored: ";
/// How the set-up's script begins a line about a value that Odoo refuses (`setup.py`).
const REFUSED: &str = "innkeeper: refused: ";
const TRACEBACK: &str = "Traceback (most recent call last)";

/// The line of a job's output that says best what went wrong, in Odoo's own words; none when nothing did.
///
/// The warning about modules that do not exist comes first, for Odoo goes on after it as if all were well; then the last
/// line of the last traceback; then the last ERROR or CRITICAL line.
pub(super) fn odoo_message(log: &str) -> Option<String> {
    let lines: Vec<&str> = log.lines().collect();
    let ignored = lines.iter().rev().find_map(|line| Some(&line[line.find(IGNORED_MODULES)?..]));
    let said = ignored.or_else(|| exception(&lines)).or_else(|| error(&lines))?;
    Some(shorten(said.trim()))
}

/// What the set-up's script says that Odoo refuses, a sentence each.
pub(super) fn refusals(log: &str) -> Vec<String> {
    log.lines().filter_map(|line| line.strip_prefix(REFUSED)).map(|said| shorten(said.trim())).collect()
}

/// The last traceback's last line: the first line after it that is not indented.
fn exception<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let start = lines.iter().rposition(|line| line.contains(TRACEBACK))?;
    let ends = |line: &&&str| !line.is_empty() && !line.starts_with([' ', '\t']);
    lines[start + 1..].iter().find(ends).copied().filter(|line| level(line).is_none())
}

fn error<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let is_bad = |line: &&&str| matches!(level(line), Some("ERROR" | "CRITICAL"));
    lines.iter().rev().find(is_bad).map(|line| message(line))
}

/// The level of a line `2026-01-01 00:00:00,000 7 ERROR odoo_acme odoo.module: text`.
fn level(line: &str) -> Option<&str> {
    let mut words = line.split(' ');
    let is_date = words.next()?.split('-').count() == 3;
    let level = words.nth(2)?;
    (is_date && level.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(level)
}

/// The text of such a line, without time, process, level, database and logger.
fn message(line: &str) -> &str {
    line.splitn(7, ' ').nth(6).unwrap_or(line)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(log: &str, expected: Option<&str>) {
        assert_eq!(odoo_message(log).as_deref(), expected, "{log}");
    }

    const FINE: &str = "2026-11-23 06:29:03,311 7 INFO odoo_acme odoo.modules.loading: Modules loaded.\n";

    #[test]
    fn a_module_that_does_not_exist_is_named_although_odoo_goes_on() {
        let warned =
            "2026-11-23 06:29:03,311 7 WARNING odoo_acme odoo.modules.loading: invalid module names, ignored: crmm\n";
        check(&format!("{warned}{FINE}"), Some("invalid module names, ignored: crmm"));
    }

    #[test]
    fn a_traceback_is_told_by_its_last_line() {
        let log = "2026-11-23 06:29:03,311 7 CRITICAL odoo_acme odoo.service.server: Failed to initialize database `odoo_acme`.\n\
                   Traceback (most recent call last):\n  File \"/x.py\", line 3, in y\n    z()\n\n\
                   psycopg2.OperationalError: connection refused\n\tIs the server running?\n2026-11-23 06:29:04,000 7 INFO ? odoo: bye\n";
        check(log, Some("psycopg2.OperationalError: connection refused"));
    }

    #[test]
    fn without_a_traceback_the_last_error_is_told_without_its_head() {
        let log = "2026-11-23 06:29:03,311 7 ERROR odoo_acme odoo.sql_db: bad query: SELECT 1\n\
                   2026-11-23 06:29:03,312 7 ERROR odoo_acme odoo.modules.loading: Some modules are not loaded\n";
        check(&format!("{log}{FINE}"), Some("Some modules are not loaded"));
    }

    #[test]
    fn output_without_an_error_has_no_message() {
        check(FINE, None);
        check("", None);
        check("Traceback (most recent call last):\n  File", None);
    }

    #[test]
    fn what_the_set_up_was_refused_is_told_line_by_line() {
        let log = format!(
            "innkeeper: country set\ninnkeeper: refused: company.name = \"A\": another company\n{FINE}innkeeper: refused: admin.email = \"b\": taken\ninnkeeper: done\n"
        );
        assert_eq!(refusals(&log), ["company.name = \"A\": another company", "admin.email = \"b\": taken"]);
        assert_eq!(refusals(FINE), [""; 0]);
    }

    #[test]
    fn a_long_message_is_cut() {
        let log = format!("Traceback (most recent call last):\n  x\nValueError: {}\n", "é".repeat(1000));
        assert_eq!(odoo_message(&log).map(|text| text.chars().count()), Some(MESSAGE_CHARS_MAX + 1));
    }
}
