//! Which settings are in force and where each comes from: for people who wonder.

use super::fields::{FileKind, Need, TableSpec};
use super::tree;
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// `nginx.https_port`
    pub key: String,
    /// As it is written in TOML; what holds without it, in words, where that is not one fixed value.
    pub value: String,
    /// The line of the settings file where it stands; none when nobody set it.
    pub line: Option<u32>,
}

/// Every setting that there is, in the order of the file that `innkeeper init` writes. What is wrong in `text` is told by
/// reading it, and left out here.
pub fn settings_in_force(file: &Path, text: &str) -> Vec<InForce> {
    let (root, faults) = tree::parse(file, text);
    let mut all = Vec::new();
    for table in FileKind::Settings.spec().tables {
        let written = table_at(root.get_ref(), table);
        for field in table.fields {
            let given = written.and_then(|written| written.get_key_value(field.key));
            let (value, line) = match (given, field.need) {
                (Some((key, node)), _) => {
                    let raw = text.get(node.span()).unwrap_or_default();
                    (raw.split_whitespace().collect::<Vec<_>>().join(" "), Some(faults.place(key.span().start).line))
                }
                (None, Need::Default(literal)) => (literal.to_string(), None),
                (None, Need::Otherwise(words)) => (words.to_owned(), None),
                (None, Need::Required) => ("missing".to_owned(), None),
            };
            all.push(InForce { key: table.dotted(field.key), value, line });
        }
    }
    all
}

fn table_at<'a>(root: &'a DeTable<'a>, table: &TableSpec) -> Option<&'a DeTable<'a>> {
    table.path.split('.').filter(|name| !name.is_empty()).try_fold(root, |above, name| {
        match above.get(name)?.get_ref() {
            DeValue::Table(below) => Some(below),
            _ => None,
        }
    })
}
