//! Reads values out of a parsed file, table by table, and collects what is wrong with them.
//!
//! A [`Cursor`] knows from the field table what each key must be: it refuses unknown keys, wrong types and missing
//! values, and puts in the defaults. It never stops at the first fault.

use super::codes;
use super::fields::{CONF_TABLE, Field, FileSpec, Kind, Literal, Need, TableSpec, instead_of};
use super::limits::LIST_ENTRIES_MAX;
use super::problem::{At, Faults, Refusal, WHOLE_FILE, did_you_mean, nearest, quote, syntax_refusal};
use super::values;
use crate::model::size::Bytes;
use std::fmt::Display;
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: At,
}

type Node<'a> = Spanned<DeValue<'a>>;

/// Parses `text`. The faults hold what the syntax has against it; the tree holds what could be saved.
pub(super) fn parse<'t>(file: &'t Path, text: &'t str) -> (Spanned<DeTable<'t>>, Faults<'t>) {
    let mut faults = Faults::new(file, text);
    let (tree, errors) = DeTable::parse_recoverable(text);
    if let Some(offset) = unresolved_merge(text) {
        faults.add_syntax(offset, merge_refusal());
        // Whatever else is wrong with a file that holds two versions at once follows from that.
        faults.ignore_what_follows();
        return (tree, faults);
    }
    for error in errors {
        let offset = error.span().map_or(0, |span| span.start);
        let refusal = match error.message() {
            "duplicate key" => {
                let key = error.span().and_then(|span| text.get(span)).unwrap_or_default();
                Refusal::new(&codes::DUPLICATE_KEY, format!("{} is given twice", quote(key))).hint("remove one of them")
            }
            message => syntax_refusal(message),
        };
        faults.add_syntax(offset, refusal);
    }
    (tree, faults)
}

/// Where git has left the two sides of a merge for somebody to choose from.
fn unresolved_merge(text: &str) -> Option<usize> {
    let mut offset = 0;
    let mut begun = None;
    for line in text.split_inclusive('\n') {
        if line.starts_with("<<<<<<< ") {
            begun.get_or_insert(offset);
        } else if line.starts_with(">>>>>>> ") || line.starts_with("=======") {
            return begun.or(Some(offset)).filter(|_| line.starts_with('>') || begun.is_some());
        }
        offset += line.len();
    }
    begun
}

fn merge_refusal() -> Refusal {
    Refusal::new(&codes::SYNTAX, "this is an unresolved merge: both versions stand in the file")
        .hint("choose one of the two, and remove the lines <<<<<<<, ======= and >>>>>>>")
}

/// Where the value of a key stands, whose tables come first; the whole file where it does not.
pub(super) fn place_of(file: &Path, text: &str, keys: &[&str]) -> At {
    let (tree, faults) = parse(file, text);
    let mut table = Some(tree.get_ref());
    let mut at = WHOLE_FILE;
    for key in keys {
        let Some(node) = table.and_then(|table| table.get(*key)) else { return WHOLE_FILE };
        at = faults.place(node.span().start);
        table = match node.get_ref() {
            DeValue::Table(below) => Some(below),
            _ => None,
        };
    }
    at
}

/// One table of a file that is being read; possibly one that is not there.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    file: &'static FileSpec,
    spec: &'static TableSpec,
    table: Option<&'a DeTable<'a>>,
    at: At,
}

impl<'a> Cursor<'a> {
    /// The top of a file (in `plans.toml`: of a plan, which begins at `at`), its unknown keys told.
    pub(super) fn top(file: &'static FileSpec, table: &'a DeTable<'a>, at: At, faults: &mut Faults<'_>) -> Self {
        let cursor = Self { file, spec: &file.tables[0], table: Some(table), at };
        cursor.refuse_unknown_keys(faults);
        cursor
    }

    /// The table `path` of the same file, below this one.
    pub(super) fn child(&self, path: &str, faults: &mut Faults<'_>) -> Self {
        let spec = self.file.table(path).unwrap_or_else(|| unreachable!("the field table has no table {path}"));
        let name = path.rsplit('.').next().unwrap_or(path);
        let absent = Self { file: self.file, spec, table: None, at: self.at };
        let Some((key, node)) = self.table.and_then(|table| table.get_key_value(name)) else {
            return absent;
        };
        let at = faults.place(key.span().start);
        match node.get_ref() {
            DeValue::Table(table) => {
                let cursor = Self { table: Some(table), at, ..absent };
                cursor.refuse_unknown_keys(faults);
                cursor
            }
            other => {
                let message = format!("{path} must be a table, not {}", type_name(other));
                faults.add(
                    at,
                    Refusal::new(&codes::WRONG_TYPE, message)
                        .hint(format!("write [{path}] on a line of its own, and its keys below")),
                );
                // Its keys are not missing: they were written in a way that cannot be read.
                Self { spec: &NOTHING, ..absent }
            }
        }
    }

    /// True when the table stands in the file.
    pub(super) fn is_present(&self) -> bool {
        self.table.is_some()
    }

    /// True when `key` stands in the table, whatever its value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Where the value of `key` stands.
    pub(super) fn place_of(&self, key: &str, faults: &Faults<'_>) -> Option<At> {
        self.node(key).map(|node| faults.place(node.span().start))
    }

    /// The table of keys that it is read by.
    pub(super) fn spec(&self) -> &'static TableSpec {
        self.spec
    }

    /// The line in which the value of `key` stands.
    pub(super) fn line_of(&self, key: &str, faults: &Faults<'_>) -> Option<u32> {
        self.place_of(key, faults).map(|at| at.line)
    }

    /// A text, as `parse` takes it.
    pub(super) fn text<T>(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Placed<T>> {
        self.value(key, faults, |node| match node {
            Given::Text(text) => parse(text),
            other => Err(other.refused("text in quotes")),
        })
    }

    /// A flag.
    pub(super) fn flag(&self, key: &str, faults: &mut Faults<'_>) -> Option<bool> {
        let read = |given: Given<'_>| match given {
            Given::Flag(flag) => Ok(flag),
            other => Err(other.refused("true or false, without quotes")),
        };
        self.value(key, faults, read).map(|placed| placed.value)
    }

    /// A whole number within the field's range.
    pub(super) fn integer(&self, key: &str, faults: &mut Faults<'_>) -> Option<u32> {
        let Some(Field { kind: Kind::Integer { min, max }, .. }) = self.spec.field(key) else { return None };
        let read = |given: Given<'_>| match given {
            Given::Number(text) => values::integer(text, *min, *max),
            other => Err(other.refused("a whole number, without quotes")),
        };
        self.value(key, faults, read).map(|placed| placed.value)
    }

    /// Processor cores in thousandths.
    pub(super) fn cores(&self, key: &str, faults: &mut Faults<'_>) -> Option<u32> {
        let Some(Field { kind: Kind::Cores { millis_min, millis_max }, .. }) = self.spec.field(key) else {
            return None;
        };
        let read = |given: Given<'_>| match given {
            Given::Number(text) => values::cores(text, *millis_min, *millis_max),
            other => Err(other.refused("a number, without quotes")),
        };
        self.value(key, faults, read).map(|placed| placed.value)
    }

    /// A size within the field's range.
    pub(super) fn size(&self, key: &str, faults: &mut Faults<'_>) -> Option<Bytes> {
        let Some(Field { kind: Kind::Size { bytes_min, bytes_max }, .. }) = self.spec.field(key) else { return None };
        self.text(key, faults, |text| values::size(text, *bytes_min, *bytes_max)).map(|placed| placed.value)
    }

    /// A list of texts, each as `parse` takes it; every faulty entry is told. Entries that are there twice are faults.
    pub(super) fn list<T: PartialEq + Display>(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Vec<Placed<T>>> {
        let entries = self.words(key, faults, parse)?;
        for (index, entry) in entries.iter().enumerate() {
            if entries[..index].iter().any(|earlier| earlier.value == entry.value) {
                let message = format!("{} names {} twice", self.spec.dotted(key), quote(&entry.value.to_string()));
                faults.add(entry.at, Refusal::new(&codes::REPEATED, message).hint("remove one of them"));
            }
        }
        Some(entries)
    }

    /// A list of texts in which the same may stand twice.
    pub(super) fn words<T>(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Vec<Placed<T>>> {
        let Some(node) = self.node(key) else {
            return self.list_when_missing(key, faults, parse);
        };
        let at = faults.place(node.span().start);
        let DeValue::Array(array) = node.get_ref() else {
            let refusal = Given::of(node.get_ref()).refused("a list such as [\"one\", \"two\"]");
            self.refuse(key, at, refusal, faults);
            return None;
        };
        if array.len() > LIST_ENTRIES_MAX {
            let message = format!("has {} entries, and may have {LIST_ENTRIES_MAX}", array.len());
            self.refuse(key, at, Refusal::of_key(&codes::OUT_OF_RANGE, message), faults);
            return None;
        }
        let mut entries = Vec::with_capacity(array.len());
        for node in array.iter() {
            let read = |given: Given<'_>| match given {
                Given::Text(text) => parse(text),
                other => Err(other.refused("a list of text in quotes")),
            };
            entries.extend(self.checked(key, node, faults, read));
        }
        Some(entries)
    }

    /// A table of names → texts.
    pub(super) fn pairs<K, V>(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
        parse_key: impl Fn(&str) -> Result<K, Refusal>,
        parse_value: impl Fn(&str) -> Result<V, Refusal>,
    ) -> Option<Vec<(K, V)>> {
        let Some(node) = self.node(key) else {
            self.missing(key, faults);
            return None;
        };
        let DeValue::Table(table) = node.get_ref() else {
            let refusal = Given::of(node.get_ref()).refused("a table such as { \"19.0\" = \"odoo:19.0\" }");
            self.refuse(key, faults.place(node.span().start), refusal, faults);
            return None;
        };
        let mut pairs = Vec::new();
        for (name, node) in table.iter() {
            let at = faults.place(name.span().start);
            let name = parse_key(name.get_ref()).map_err(|refusal| self.refuse(key, at, refusal, faults)).ok();
            let read = |given: Given<'_>| match given {
                Given::Text(text) => parse_value(text),
                other => Err(other.refused("text in quotes")),
            };
            pairs.extend(name.zip(self.checked(key, node, faults, read).map(|placed| placed.value)));
        }
        Some(pairs)
    }

    /// Tells a fault of `key`'s value, wherever it was found.
    pub(super) fn refuse(&self, key: &str, at: At, refusal: Refusal, faults: &mut Faults<'_>) {
        faults.add(at, refusal.under(&self.spec.dotted(key)));
    }

    fn node(&self, key: &str) -> Option<&'a Node<'a>> {
        self.table.and_then(|table| table.get(key))
    }

    /// The value of `key`, its default, or none, with the fault told where there is one: a text with a fault is never in
    /// force, so its defaults only serve to say more about it.
    fn value<T>(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
        read: impl Fn(Given<'_>) -> Result<T, Refusal>,
    ) -> Option<Placed<T>> {
        let node = self.node(key);
        if let Some(sound) = node.and_then(|node| self.checked(key, node, faults, &read)) {
            return Some(sound);
        }
        match self.spec.field(key).map(|field| field.need) {
            Some(Need::Default(literal)) => {
                let number;
                let given = match literal {
                    Literal::Text(text) => Given::Text(text),
                    Literal::Flag(flag) => Given::Flag(flag),
                    other => {
                        number = other.to_string();
                        Given::Number(&number)
                    }
                };
                read(given).ok().map(|value| Placed { value, at: WHOLE_FILE })
            }
            _ if node.is_none() => {
                self.missing(key, faults);
                None
            }
            _ => None,
        }
    }

    fn list_when_missing<T>(
        &self,
        key: &str,
        faults: &mut Faults<'_>,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Option<Vec<Placed<T>>> {
        match self.spec.field(key).map(|field| field.need) {
            Some(Need::Default(Literal::List(texts))) => {
                Some(texts.iter().flat_map(|text| parse(text)).map(|value| Placed { value, at: WHOLE_FILE }).collect())
            }
            _ => {
                self.missing(key, faults);
                None
            }
        }
    }

    fn checked<T>(
        &self,
        key: &str,
        node: &Node<'_>,
        faults: &mut Faults<'_>,
        read: impl Fn(Given<'_>) -> Result<T, Refusal>,
    ) -> Option<Placed<T>> {
        let at = faults.place(node.span().start);
        match read(Given::of(node.get_ref())) {
            Ok(value) => Some(Placed { value, at }),
            Err(refusal) => {
                self.refuse(key, at, refusal, faults);
                None
            }
        }
    }

    /// Tells that a required key is not there, unless its whole optional table is not, or a broken line may hold it.
    fn missing(&self, key: &str, faults: &mut Faults<'_>) {
        let Some(field) = self.spec.field(key) else { return };
        let is_asked_for = self.is_present() || !self.spec.optional;
        if field.need != Need::Required || !is_asked_for || !faults.syntax_is_sound() {
            return;
        }
        let line = format!("{} = {}", field.key, field.example);
        let hint = if self.spec.path.is_empty() {
            format!("add a line such as {line}")
        } else {
            format!("add a line such as {line} to [{}]", self.spec.path)
        };
        let message = format!("{} is missing", self.spec.dotted(key));
        faults.add(self.at, Refusal::new(&codes::MISSING, message).hint(hint));
    }

    fn refuse_unknown_keys(&self, faults: &mut Faults<'_>) {
        let Some(table) = self.table else { return };
        let below = || self.file.tables.iter().filter_map(|table| table.name_in(self.spec.path));
        for (key, _) in table.iter() {
            let name: &str = key.get_ref();
            if self.spec.field(name).is_some() || below().any(|known| known == name) {
                continue;
            }
            let known = self.spec.fields.iter().map(|field| field.key).chain(below());
            if let Some(refusal) = self.not_to_be_chosen(name) {
                faults.add(faults.place(key.span().start), refusal);
                continue;
            }
            let refusal = match self.spec.path {
                "" => Refusal::new(&codes::UNKNOWN_KEY, format!("unknown key {}", quote(name))),
                path => Refusal::new(&codes::UNKNOWN_KEY, format!("unknown key {} in [{path}]", quote(name))),
            };
            let hint = self.hint_for_unknown(name, known);
            faults.add(faults.place(key.span().start), refusal.hint(hint));
        }
    }

    /// The refusal of a line of odoo.conf that is Innkeeper's own.
    fn not_to_be_chosen(&self, name: &str) -> Option<Refusal> {
        let instead = instead_of(name).filter(|_| self.spec.path == CONF_TABLE)?;
        let code = if name == "smtp_password" { &codes::SECRET_IN_FILE } else { &codes::CONF_OWN };
        Some(Refusal::new(code, format!("{CONF_TABLE}.{name} is not to be chosen")).hint(instead))
    }

    /// A key of another table that is spelled like `name`.
    fn hint_from_afar(&self, name: &str) -> Option<String> {
        let tables = self.file.tables.iter().filter(|table| table.path != self.spec.path);
        let near =
            |table: &TableSpec| nearest(name, table.fields.iter().map(|field| field.key)).map(|key| table.dotted(key));
        tables.filter_map(near).next().map(|dotted| did_you_mean(&dotted))
    }

    fn hint_for_unknown(&self, name: &str, known: impl Iterator<Item = &'static str> + Clone) -> String {
        if let Some(near) = nearest(name, known.clone()) {
            return did_you_mean(near);
        }
        let elsewhere =
            self.file.tables.iter().find(|table| table.path != self.spec.path && table.field(name).is_some());
        match elsewhere {
            Some(table) if table.path.is_empty() => {
                format!("{name} belongs above the first [table] of the file")
            }
            Some(table) => format!("{name} belongs into [{}]", table.path),
            None => self
                .hint_from_afar(name)
                .unwrap_or_else(|| format!("known here: {}", known.collect::<Vec<_>>().join(", "))),
        }
    }
}

/// Stands for a table that could not be read: nothing is known of it and nothing is required.
static NOTHING: TableSpec = TableSpec { path: "", doc: "", optional: true, fields: &[] };

/// A value as a reader may take it.
enum Given<'a> {
    Text(&'a str),
    Flag(bool),
    /// Digits as Rust's own parsers take them.
    Number(&'a str),
    Other(&'static str),
}

impl<'a> Given<'a> {
    fn of(value: &'a DeValue<'a>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Integer(integer) if integer.radix() == 10 => Self::Number(integer.as_str()),
            DeValue::Float(float) => Self::Number(float.as_str()),
            other => Self::Other(type_name(other)),
        }
    }

    fn refused(&self, wanted: &str) -> Refusal {
        let given = match self {
            Self::Text(_) => "a text",
            Self::Flag(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Other(name) => name,
        };
        Refusal::of_key(&codes::WRONG_TYPE, format!("must be {wanted}, not {given}"))
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(integer) if integer.radix() != 10 => "a number in another base",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
