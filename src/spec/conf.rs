//! `[conf]` of a plan or an instance → [`OdooOptions`]: lines of odoo.conf, each checked by its field.

use super::addresses;
use super::codes;
use super::fields::{CONF_TABLE, Kind, PASSWORD_FILE, Word, since};
use super::problem::{At, Faults, Refusal, quote};
use super::tree::Cursor;
use super::values;
use crate::model::name::{Domain, Email, ModuleName, NameError, OdooVersion};
use crate::model::odoo_options::{OdooOptions, OptionValue};
use std::path::{Path, PathBuf};

/// The levels of Python's loggers.
const LOGGER_LEVELS: &[&str] = &["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/// What the table says, with the place of each key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ConfInFile {
    options: OdooOptions,
    places: Vec<(&'static str, At)>,
}

impl ConfInFile {
    /// The options, the password's file found from `fleet_dir`.
    pub(super) fn complete(&self, fleet_dir: &Path) -> OdooOptions {
        let OdooOptions { values, smtp_password_file } = self.options.clone();
        OdooOptions { values, smtp_password_file: smtp_password_file.map(|file| fleet_dir.join(file)) }
    }

    /// Keys that `release` does not know yet.
    pub(super) fn too_young(&self, release: &OdooVersion) -> impl Iterator<Item = (Refusal, At)> {
        let young = self.places.iter().filter(|(key, _)| since(key) > release.major());
        young.map(move |(key, at)| {
            let message = format!("{CONF_TABLE}.{key} is known from Odoo {} on, and this is {release}", since(key));
            (Refusal::new(&codes::CONF_RELEASE, message).hint("remove the line"), *at)
        })
    }
}

/// Those of `options` that `release` knows: a plan may be of several releases.
pub(super) fn of_release(mut options: OdooOptions, release: &OdooVersion) -> OdooOptions {
    options.values.retain(|key, _| since(key) <= release.major());
    options
}

/// Reads the table.
pub(super) fn read(table: &Cursor<'_>, faults: &mut Faults<'_>) -> ConfInFile {
    let mut read = ConfInFile::default();
    for field in table.spec().fields {
        let Some(value) = value(table, field.key, field.kind, faults) else { continue };
        if field.key == PASSWORD_FILE {
            read.options.smtp_password_file = Some(PathBuf::from(value.as_str()));
        } else {
            read.options.values.insert(field.key.to_owned(), value);
        }
        if let Some(at) = table.place_of(field.key, faults) {
            read.places.push((field.key, at));
        }
    }
    read
}

fn value(table: &Cursor<'_>, key: &str, kind: Kind, faults: &mut Faults<'_>) -> Option<OptionValue> {
    let text = match kind {
        Kind::Flag => return table.flag(key, faults).map(OptionValue::flag),
        Kind::Integer { .. } => table.integer(key, faults)?.to_string(),
        Kind::Text(word) => return table.text(key, faults, |text| option(word, text)).map(|placed| placed.value),
        Kind::List(word) => {
            let entries = table.list(key, faults, |text| option(word, text))?;
            entries.iter().map(|placed| placed.value.as_str()).collect::<Vec<_>>().join(",")
        }
        Kind::Cores { .. } | Kind::Size { .. } | Kind::Images => return None,
    };
    // An empty list is the same as none.
    OptionValue::parse(&text).ok()
}

fn option(word: Word, text: &str) -> Result<OptionValue, Refusal> {
    let text = match word {
        Word::Host => addresses::host(text)?,
        Word::Path => addresses::path(text)?,
        Word::InContainer => in_container(text)?,
        Word::Email => values::email(text)?.to_string(),
        Word::Module => values::name::<ModuleName>(text)?.to_string(),
        Word::Sender => sender(text)?,
        Word::Logger => logger(text)?,
        Word::Choice(words) => {
            values::choice(text, &words.iter().map(|word| (*word, *word)).collect::<Vec<_>>())?.to_owned()
        }
        _ => values::free_text(text)?,
    };
    let refused =
        |error: NameError| Refusal::of_key(&codes::BAD_TEXT, format!("cannot be {}: {}", quote(&text), error.rule));
    let value = OptionValue::parse(&text).map_err(refused)?;
    match ["true", "false"].contains(&text.to_ascii_lowercase().as_str()) {
        true => Err(Refusal::of_key(&codes::BAD_TEXT, "cannot be that word: Odoo would not read it as text")),
        false => Ok(value),
    }
}

fn in_container(text: &str) -> Result<String, Refusal> {
    let path = addresses::path(text)?;
    if path.starts_with('/') {
        return Ok(path);
    }
    let message = format!("{} is not a path inside the image: it must begin with /", quote(text));
    Err(Refusal::new(&codes::BAD_ADDRESS, message))
}

/// A domain, or an address.
fn sender(text: &str) -> Result<String, Refusal> {
    match text.contains('@') {
        true => values::email(text).map(|address: Email| address.to_string()),
        false => values::domain(text).map(|domain: Domain| domain.to_string()),
    }
}

/// `odoo.addons.mail:DEBUG`; no logger's name is the root's.
fn logger(text: &str) -> Result<String, Refusal> {
    let refused = || {
        let message = format!("{} is not a logger and its level", quote(text));
        Refusal::new(&codes::BAD_TEXT, message)
            .hint(format!("such as \"odoo.addons.mail:DEBUG\"; levels: {}", LOGGER_LEVELS.join(", ")))
    };
    let (name, level) = text.split_once(':').ok_or_else(refused)?;
    let is_name = name.is_empty() || values::is_plain(name, "._");
    if is_name && LOGGER_LEVELS.contains(&level) { Ok(text.to_owned()) } else { Err(refused()) }
}
