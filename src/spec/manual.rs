//! The keys of a kind of file as a manual tells them, folded from the field tables.

use super::fields::{Field, FileKind, Kind, Literal, Need, Word};

/// One table of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its dotted name; empty for the keys above all tables.
    pub table: String,
    /// What it is about.
    pub doc: &'static str,
    /// Its keys, in the order in which they are shown.
    pub keys: Vec<Key>,
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value must be, in a few words.
    pub value: String,
    /// What it means, as a sentence.
    pub doc: &'static str,
    /// What a missing key means, as a sentence.
    pub missing: String,
    /// A line as it may stand in the file.
    pub example: String,
}

/// What the file is, and its tables.
pub fn manual(kind: FileKind) -> (&'static str, Vec<Section>) {
    let spec = kind.spec();
    let tables = spec.tables.iter().filter(|table| !table.fields.is_empty());
    let section = |table: &super::fields::TableSpec| Section {
        table: table.path.to_owned(),
        doc: table.doc,
        keys: table.fields.iter().map(key).collect(),
    };
    (spec.intro, tables.map(section).collect())
}

fn key(field: &Field) -> Key {
    let missing = match field.need {
        Need::Required => "It must be given.".to_owned(),
        Need::Default(Literal::List(&[])) => "Default: none.".to_owned(),
        Need::Default(literal) => format!("Default: {literal}."),
        Need::Otherwise(otherwise) => format!("Default: {otherwise}."),
    };
    let example = format!("{} = {}", field.key, field.example);
    Key { name: field.key, value: value(field.kind), doc: field.doc, missing, example }
}

fn value(kind: Kind) -> String {
    match kind {
        Kind::Text(Word::Choice(words)) => words.join(", "),
        Kind::Text(word) => word_of(word).to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Integer { min, max } => format!("whole number from {min} to {max}"),
        Kind::Cores { millis_min, millis_max } => {
            format!("number from {} to {}", f64::from(millis_min) / 1000.0, f64::from(millis_max) / 1000.0)
        }
        Kind::Size { .. } => "size such as \"4 GiB\"".to_owned(),
        Kind::List(word) => format!("list: {}", word_of(word)),
        Kind::Images => "table of release = image".to_owned(),
    }
}

fn word_of(word: Word) -> &'static str {
    match word {
        Word::Free => "text",
        Word::Plan => "name of a plan",
        Word::Subdomain => "one label of a domain",
        Word::Domain => "domain",
        Word::Email => "e-mail address",
        Word::Module => "name of an Odoo module",
        Word::Release => "Odoo release",
        Word::Country => "two letters of ISO 3166-1",
        Word::Language => "code of Odoo's language list",
        Word::Timezone => "name of an IANA time zone",
        Word::Template => "name of a template",
        Word::Duration => "duration such as \"14d\" or \"1h30m\"",
        Word::Schedule => "five fields of cron",
        Word::Path => "path",
        Word::Url => "URL",
        Word::Host => "host or address",
        Word::Ports => "range of ports",
        Word::Contact => "mailto: address",
        Word::Help => "mailto:, tel: or https: address",
        Word::Argument => "argument of a program",
        Word::InContainer => "path inside the image",
        Word::Sender => "domain or e-mail address",
        Word::Logger => "logger:LEVEL",
        Word::Option => "text that odoo.conf can hold",
        Word::Choice(_) => "one of a few words",
    }
}
