//! What the pages that stand in for Odoo say: one file for each language, read key by key.

use super::pages::PAGES;
use super::template::Mistake;
use crate::model::name::{Language, shorten};
use crate::spec::nearest;
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A page is a few sentences.
const TEXT_CHARS_MAX: usize = 500;
/// The table of what all pages share.
pub(super) const CONTACT: &str = "contact";
/// Its key.
pub(super) const QUESTIONS: &str = "questions";
/// The keys of a page's table.
pub(super) const TITLE: &str = "title";
pub(super) const TEXT: &str = "text";
pub(super) const ACTION: &str = "action";

/// The texts of one language, by table and key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Texts {
    texts: BTreeMap<(String, String), String>,
}

impl Texts {
    /// What stands under `key` of `table`; empty where nothing does.
    pub(super) fn get(&self, table: &str, key: &str) -> &str {
        self.texts.get(&(table.to_owned(), key.to_owned())).map_or("", String::as_str)
    }

    /// Puts what `other` says over what stands here.
    pub(super) fn put(&mut self, other: Self) {
        self.texts.extend(other.texts);
    }

    /// Reads `text`, the file `pages/<file>`: all that is sound of it, and all mistakes with their places.
    pub(super) fn read(file: &str, text: &str) -> (Self, Vec<Mistake>) {
        let mut reading = Reading { file, text, texts: Self::default(), mistakes: Vec::new(), broken: BTreeSet::new() };
        let stem = file.split('.').next().unwrap_or_default();
        if Language::parse(stem).is_err() {
            reading.tell(None, "the file is not named after a language, such as de.toml or pt_BR.toml".to_owned());
        }
        let (tree, errors) = DeTable::parse_recoverable(text);
        let broken = errors.iter().filter_map(|error| Some(place(text, error.span()?.start).0));
        reading.broken = broken.collect();
        for error in errors {
            reading.tell(error.span().map(|span| span.start), format!("this is not TOML: {}", error.message()));
        }
        for (name, node) in tree.get_ref() {
            reading.table(name, node);
        }
        reading.mistakes.sort();
        (reading.texts, reading.mistakes)
    }
}

struct Reading<'t> {
    file: &'t str,
    text: &'t str,
    texts: Texts,
    mistakes: Vec<Mistake>,
    /// Lines that are no TOML.
    broken: BTreeSet<u32>,
}

impl Reading<'_> {
    fn table<K: AsRef<str>>(&mut self, name: &Spanned<K>, node: &Spanned<DeValue<'_>>) {
        let known = tables();
        let (at, name) = (name.span().start, name.get_ref().as_ref());
        let Some(keys) = known.get(name) else {
            return self.unknown("table", at, name, known.keys().copied());
        };
        let DeValue::Table(entries) = node.get_ref() else {
            return self.tell(Some(at), format!("{name} must be a table: [{name}]"));
        };
        for (key, node) in entries {
            let (at, key) = (key.span().start, key.get_ref());
            // What the parser makes of a broken line is a guess.
            if self.broken.contains(&place(self.text, at).0) {
                continue;
            }
            match node.get_ref() {
                _ if !keys.contains(&&**key) => self.unknown("key", at, key, keys.iter().copied()),
                DeValue::String(text) if text.chars().count() > TEXT_CHARS_MAX => {
                    self.tell(Some(at), format!("{key} has more than {TEXT_CHARS_MAX} characters"));
                }
                DeValue::String(text) => {
                    self.texts.texts.insert((name.to_owned(), key.to_string()), text.to_string());
                }
                _ => self.tell(Some(at), format!("{key} must be a text in quotes")),
            }
        }
    }

    fn unknown<'k>(&mut self, what: &str, at: usize, name: &str, known: impl Iterator<Item = &'k str> + Clone) {
        let hint = match nearest(name, known.clone()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.tell(Some(at), format!("unknown {what} {:?}; {hint}", shorten(name)));
    }

    fn tell(&mut self, offset: Option<usize>, message: String) {
        let (line, column) = offset.map_or((0, 0), |offset| place(self.text, offset));
        self.mistakes.push(Mistake { line, column, ..Mistake::of_file(&format!("pages/{}", self.file), message) });
    }
}

fn tables() -> BTreeMap<&'static str, Vec<&'static str>> {
    let pages = PAGES.iter().map(|page| (page.name, vec![TITLE, TEXT, ACTION]));
    pages.chain([(CONTACT, vec![QUESTIONS])]).collect()
}

/// Line and column of the byte at `offset`, from 1.
fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
    (number(line), number(column))
}
