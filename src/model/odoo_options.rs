//! Lines of odoo.conf that plans and instances choose themselves.

use super::name::{NameError, shorten};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Longer values are none that Odoo has a use for.
const VALUE_BYTES_MAX: usize = 8_192;

/// What `[conf]` of a plan and of an instance chooses, the instance's word over the plan's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OdooOptions {
    /// Option → value as odoo.conf has it. The names are those of the newest release; [`super::service::OdooConf`]
    /// knows the others.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, OptionValue>,
    /// Where the password for outgoing mail stands: only its place is known here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_password_file: Option<PathBuf>,
}

impl OdooOptions {
    /// True when nothing is chosen.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These, with those of `other` in their place where it has any.
    #[must_use]
    pub fn overlaid_by(&self, other: &Self) -> Self {
        let both = self.values.iter().chain(&other.values);
        Self {
            values: both.map(|(key, value)| (key.clone(), value.clone())).collect(),
            smtp_password_file: other.smtp_password_file.as_ref().or(self.smtp_password_file.as_ref()).cloned(),
        }
    }

    /// The password's file, when there is one.
    pub fn password_file(&self) -> Option<&Path> {
        self.smtp_password_file.as_deref()
    }

    /// A whole number that was chosen.
    pub fn number(&self, key: &str) -> Option<u32> {
        self.values.get(key)?.as_str().parse().ok()
    }
}

/// A value as a line of odoo.conf holds it: one line, nothing around it that would be cut off, and no word that Odoo
/// reads as something else than text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OptionValue(Box<str>);

impl OptionValue {
    /// Takes `text` when it can stand in odoo.conf as it is.
    ///
    /// # Errors
    /// [`NameError`] with the rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let refused = |rule| NameError { what: "value of odoo.conf", given: shorten(text), rule };
        match () {
            () if text.is_empty() || text.len() > VALUE_BYTES_MAX => Err(refused("it has 1 to 8,192 bytes")),
            () if text.chars().any(char::is_control) => Err(refused("it is one line without control characters")),
            () if text.trim() != text => Err(refused("no blanks stand at either end")),
            () if text.eq_ignore_ascii_case("none") => Err(refused("Odoo reads None as no value")),
            () => Ok(Self(text.into())),
        }
    }

    /// `True` or `False`.
    pub fn flag(flag: bool) -> Self {
        Self(if flag { "True" } else { "False" }.into())
    }

    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OptionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for OptionValue {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::parse(&text)
    }
}

impl From<OptionValue> for String {
    fn from(value: OptionValue) -> Self {
        value.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_makes_a_second_line_or_means_something_else() {
        for text in ["", " a", "a ", "a\nlist_db = True", "a\rb", "a\u{85}b", "None", "none", "a\0b"] {
            assert!(OptionValue::parse(text).is_err(), "{text:?}");
            assert!(serde_json::from_value::<OptionValue>(text.into()).is_err(), "{text:?} from a document");
        }
        assert_eq!(OptionValue::parse("a b; # = [x] %(y)s ü").unwrap().as_str(), "a b; # = [x] %(y)s ü");
        assert!(OptionValue::parse(&"x".repeat(VALUE_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn the_instance_s_word_counts_more_than_the_plan_s() {
        let options = |values: &[(&str, &str)], file: Option<&str>| OdooOptions {
            values: values.iter().map(|(key, value)| ((*key).to_owned(), OptionValue::parse(value).unwrap())).collect(),
            smtp_password_file: file.map(PathBuf::from),
        };
        let plan = options(&[("limit_time_real", "900"), ("smtp_server", "mail.example")], Some("/plan"));
        let own = options(&[("limit_time_real", "3600")], None);
        let both = plan.overlaid_by(&own);
        assert_eq!(both, options(&[("limit_time_real", "3600"), ("smtp_server", "mail.example")], Some("/plan")));
        assert_eq!((both.number("limit_time_real"), both.number("smtp_server")), (Some(3600), None));
    }
}
