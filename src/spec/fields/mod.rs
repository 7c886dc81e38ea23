//! Every key of every file, listed once. The readers' checks, the JSON Schema, the commented files of `innkeeper init`
//! and the documentation are folded from these tables.

mod conf;
mod instance;
mod plans;
mod settings;

pub(super) use conf::{CONF_TABLE, PASSWORD_FILE, instead_of, since};
pub(super) use instance::INSTANCE;
pub(super) use plans::PLANS;
pub(super) use settings::SETTINGS;

use std::fmt;

/// The three kinds of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// `instances.d/<name>.toml`
    Instance,
    /// `plans.toml`
    Plans,
    /// `innkeeper.toml`
    Settings,
}

impl FileKind {
    /// The table of its keys.
    pub(super) fn spec(self) -> &'static FileSpec {
        match self {
            Self::Instance => &INSTANCE,
            Self::Plans => &PLANS,
            Self::Settings => &SETTINGS,
        }
    }
}

/// All that one kind of file may hold.
pub(super) struct FileSpec {
    /// The title of its schema.
    pub(super) title: &'static str,
    /// The comment at its top.
    pub(super) intro: &'static str,
    /// Its tables; the first one has the path "" and holds the keys that stand before any table.
    pub(super) tables: &'static [TableSpec],
}

/// One table of a file.
pub(super) struct TableSpec {
    /// Dotted, from the top of the file (in `plans.toml`: from the plan).
    pub(super) path: &'static str,
    /// What it is about, as a sentence.
    pub(super) doc: &'static str,
    /// True: its required keys are required only where the table stands at all.
    pub(super) optional: bool,
    /// Its keys, in the order in which they are shown.
    pub(super) fields: &'static [Field],
}

/// One key.
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) kind: Kind,
    pub(super) need: Need,
    /// What it means, as a sentence.
    pub(super) doc: &'static str,
    pub(super) example: Literal,
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Text(Word),
    Flag,
    Integer {
        min: u32,
        max: u32,
    },
    /// Processor cores, kept in thousandths.
    Cores {
        millis_min: u32,
        millis_max: u32,
    },
    Size {
        bytes_min: u64,
        bytes_max: u64,
    },
    /// Texts, in any order, each at most once when they are names.
    List(Word),
    /// Odoo release → image reference.
    Images,
}

/// What a text must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Free,
    Plan,
    Subdomain,
    Domain,
    Email,
    Module,
    Release,
    Country,
    Language,
    Timezone,
    Template,
    Duration,
    Schedule,
    Path,
    Url,
    Host,
    Ports,
    Contact,
    Help,
    Argument,
    /// A path inside the image.
    InContainer,
    /// A domain or an e-mail address.
    Sender,
    /// `logger:LEVEL`
    Logger,
    /// Free text that odoo.conf can hold.
    Option,
    Choice(&'static [&'static str]),
}

/// What a missing key means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Need {
    Required,
    /// The same as if this stood there.
    Default(Literal),
    /// Something that is not one fixed value; in words.
    Otherwise(&'static str),
}

/// A value as it is written in TOML.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Literal {
    Text(&'static str),
    Flag(bool),
    Integer(u32),
    Cores(f64),
    List(&'static [&'static str]),
    Images(&'static [(&'static str, &'static str)]),
}

impl FileSpec {
    /// The table at `path`.
    pub(super) fn table(&self, path: &str) -> Option<&'static TableSpec> {
        self.tables.iter().find(|table| table.path == path)
    }
}

impl TableSpec {
    /// The key named `key`.
    pub(super) fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.key == key)
    }

    /// `company.name`, or `plan` in the first table.
    pub(super) fn dotted(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The name under which the table stands in `parent`, when it stands there.
    pub(super) fn name_in(&self, parent: &str) -> Option<&'static str> {
        let (above, name) = self.path.rsplit_once('.').unwrap_or(("", self.path));
        (above == parent && !name.is_empty()).then_some(name)
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", quoted(text)),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Cores(number) => write!(f, "{number:?}"),
            Self::List(texts) => {
                write!(f, "[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "))
            }
            Self::Images(pairs) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value))).collect();
                write!(f, "{{ {} }}", pairs.join(", "))
            }
        }
    }
}

/// `text` as TOML's basic string.
pub(super) fn quoted(text: &str) -> String {
    toml_edit::value(text).to_string()
}
