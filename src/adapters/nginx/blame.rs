//! What nginx said → who is to blame: one site, the templates, or the host's own configuration.

use super::draft::Draft;
use super::names::{SHARED_FILE, site_of_file};
use super::template::{FOLDER, TEMPLATE_ENDING, TemplateSet};
use crate::model::name::InstanceName;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Who is to blame for a configuration that nginx refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Blame {
    /// These sites, each with the reason.
    Sites(BTreeMap<InstanceName, String>),
    /// A template that all sites need: file, line and reason.
    Templates(String),
    /// A file that is not Innkeeper's.
    Host(String),
    /// Nobody can be told from the text alone.
    Unknown(String),
}

/// A place in a file as nginx names it at the end of a message: ` in /etc/nginx/x.conf:12`.
fn place(message: &str) -> Option<(PathBuf, usize, &str)> {
    let (text, place) = message.rsplit_once(" in ")?;
    let (path, line) = place.rsplit_once(':')?;
    Some((PathBuf::from(path), line.parse().ok()?, text))
}

/// Reads the first message that names a place. `dir` is the generation's directory, `files` its files without header
/// lines.
pub(super) fn read(messages: &[String], dir: &Path, files: &BTreeMap<String, String>, draft: &Draft<'_>) -> Blame {
    let Some((path, line, text)) = messages.iter().find_map(|message| place(message)) else {
        return Blame::Unknown(messages.join("; "));
    };
    let Some(file) = path.strip_prefix(dir).ok().and_then(Path::to_str) else {
        return Blame::Host(format!("{text} in {}:{line}", path.display()));
    };
    let words = files.get(file).and_then(|text| line_of(text, line)).unwrap_or_default();
    let source = locate(&draft.chosen.set, words);
    let told = match &source {
        Some((template, number)) => format!("{FOLDER}/{template}:{number}: {text}"),
        None => format!("{file}:{line}: {text} ({words:?})"),
    };
    if let Some(site) = site_of_file(file).and_then(|name| InstanceName::parse(name).ok()) {
        return Blame::Sites(BTreeMap::from([(site, told)]));
    }
    if file != SHARED_FILE {
        return Blame::Unknown(told);
    }
    let changed = draft.changed();
    let host = words.split_whitespace().next().unwrap_or_default();
    let site = changed.iter().find(|name| draft.rows[*name].hosts.keys().any(|own| own.as_str() == host));
    match site {
        Some(site) => Blame::Sites(BTreeMap::from([(site.clone(), told)])),
        None if draft.has_new_templates() => Blame::Templates(told),
        None => Blame::Unknown(told),
    }
}

/// The line that nginx counts: the header line is the first, and a directive ends on the line that is named. A block
/// that is never closed is told behind the last line: what stands last is meant.
fn line_of(text: &str, line: usize) -> Option<&str> {
    let lines: Vec<&str> = text.lines().take(line.checked_sub(1)?).map(str::trim).collect();
    lines.into_iter().rev().find(|line| !line.is_empty())
}

/// The one place in the templates where a rendered line can come from: the same text, or the same text before the first
/// `{{`.
fn locate(set: &TemplateSet, rendered: &str) -> Option<(String, usize)> {
    if rendered.is_empty() {
        return None;
    }
    let lines = || {
        let texts = set.files.iter().filter(|(path, _)| path.ends_with(TEMPLATE_ENDING));
        texts.flat_map(|(path, text)| text.lines().enumerate().map(move |(index, line)| (path, index + 1, line.trim())))
    };
    let only = |mut found: Vec<(&String, usize, &str)>| {
        let (path, number, _) = found.pop().filter(|_| found.is_empty())?;
        Some((path.clone(), number))
    };
    let same: Vec<_> = lines().filter(|(_, _, line)| *line == rendered).collect();
    if !same.is_empty() {
        return only(same);
    }
    let begins = |line: &str| {
        let literal = line.split("{{").next().unwrap_or_default();
        line.contains("{{") && !literal.trim().is_empty() && rendered.starts_with(literal)
    };
    only(lines().filter(|(_, _, line)| begins(line)).collect())
}

/// Names that nginx found in two server blocks: `conflicting server name "x" on 0.0.0.0:80, ignored`.
pub(super) fn conflicting_names(warnings: &[String]) -> impl Iterator<Item = &str> {
    warnings
        .iter()
        .filter_map(|warning| warning.strip_prefix("conflicting server name \""))
        .filter_map(|rest| Some(rest.split_once('"')?.0))
}

#[cfg(test)]
mod tests {
    use super::{conflicting_names, line_of, locate, place};
    use crate::adapters::nginx::template::TemplateSet;
    use std::path::PathBuf;

    #[test]
    fn a_place_is_read_from_the_end_of_a_message() {
        let (path, line, text) = place("unknown directive \"x in y\" in /etc/a b.conf:12").unwrap();
        assert_eq!((path, line, text), (PathBuf::from("/etc/a b.conf"), 12, "unknown directive \"x in y\""));
        assert_eq!(place("bind() to 0.0.0.0:80 failed (98: Address already in use)"), None);
    }

    #[test]
    fn a_line_is_counted_behind_the_header_and_the_end_of_a_file_means_its_last_line() {
        let text = "first;\n  second;\n\n";
        assert_eq!([2, 3, 4, 9].map(|line| line_of(text, line)), ["first;", "second;", "second;", "second;"].map(Some));
        assert_eq!([0, 1].map(|line| line_of(text, line)), [None, None]);
    }

    #[test]
    fn a_rendered_line_is_found_in_its_template() {
        let mut set = TemplateSet::default();
        set.files.insert("_a.conf.tera".into(), "one;\n  bad on;\n".into());
        set.files
            .insert("_b.conf.tera".into(), "server_name *.{{ base_domain }};\nlisten {{ a }};\nlisten {{ b }};".into());
        assert_eq!(locate(&set, "bad on;"), Some(("_a.conf.tera".to_owned(), 2)));
        assert_eq!(locate(&set, "server_name *.example.com;"), Some(("_b.conf.tera".to_owned(), 1)));
        assert_eq!(locate(&set, "listen 80;"), None);
    }

    #[test]
    fn names_served_twice_are_read_from_warnings() {
        let warnings = ["conflicting server name \"a.b\" on 0.0.0.0:80, ignored".to_owned(), "other".to_owned()];
        assert_eq!(conflicting_names(&warnings).collect::<Vec<_>>(), ["a.b"]);
    }
}
