//! Names, each a type of its own that only `parse` makes: allow-lists, never escaping.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A DNS label may hold 63 octets (RFC 1035, section 2.3.4).
pub const DNS_LABEL_BYTES_MAX: usize = 63;
/// A DNS name in text form may hold 253 characters (RFC 1035, section 2.3.4).
pub const DNS_NAME_BYTES_MAX: usize = 253;
/// Leaves room for `odoo_` in PostgreSQL's 63 bytes and for suffixes in Docker's names.
pub const INSTANCE_NAME_BYTES_MAX: usize = 40;
/// An e-mail address may hold 254 characters (RFC 5321, section 4.5.3.1, less the brackets).
pub const EMAIL_BYTES_MAX: usize = 254;
/// How much of a refused text an error repeats.
const ECHO_CHARS_MAX: usize = 60;

/// Why a text is not such a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a valid {what}: {rule}")]
pub struct NameError {
    /// What was expected, for people: "instance name".
    pub what: &'static str,
    /// The text as given, shortened.
    pub given: String,
    /// The rule that it breaks, as half a sentence.
    pub rule: &'static str,
}

/// The first characters of `text`, so that a hostile value cannot flood a terminal.
pub fn shorten(text: &str) -> String {
    match text.char_indices().nth(ECHO_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

macro_rules! name_types {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $valid:path;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes `text` when it keeps the rule.
            ///
            /// # Errors
            /// [`NameError`] with the rule that `text` breaks.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                if $valid(text) {
                    Ok(Self(text.into()))
                } else {
                    Err(NameError { what: $what, given: shorten(text), rule: $rule })
                }
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }
    )*};
}

name_types! {
    /// The stem of an instance's file and its one identifier.
    InstanceName, "instance name",
        "1 to 40 lower-case letters, digits and hyphens, no hyphen at either end", is_instance_name;
    /// The name of a service plan in `plans.toml`.
    PlanName, "plan name",
        "1 to 40 lower-case letters, digits and hyphens, no hyphen at either end", is_instance_name;
    /// The one DNS label under the base domain at which an instance answers.
    Subdomain, "subdomain",
        "1 to 63 lower-case letters, digits and hyphens, no hyphen at either end, not starting with \"xn--\"", is_subdomain;
    /// A full DNS name in lower-case ASCII, without the final dot and without wildcards.
    Domain, "domain",
        "two or more labels of lower-case letters, digits and hyphens joined by dots, 253 characters at most, the last label not a number", is_domain;
    /// The technical name of an Odoo module (the name of its folder).
    ModuleName, "module name",
        "1 to 63 lower-case letters, digits and underscores, starting with a letter", is_module_name;
    /// An Odoo release such as `19.0`.
    OdooVersion, "Odoo version", "a major release from \"14.0\" on, such as \"19.0\"", is_odoo_version;
    /// An e-mail address that serves as an Odoo login.
    Email, "e-mail address",
        "letters, digits and .!#$%&'*+/=?^_`{|}~- before the @, a domain behind it, 254 characters at most", is_email;
    /// A country as two upper-case letters (ISO 3166-1 alpha-2), the `code` of Odoo's `res.country`.
    Country, "country code", "two upper-case letters (ISO 3166-1 alpha-2), such as \"VN\"", is_country;
    /// An Odoo language code, such as `vi_VN`, `en_US` or `sr@latin`.
    Language, "language code", "a code of Odoo's language list, such as \"en_US\", \"vi_VN\" or \"sr@latin\"", is_language;
    /// The name of a template file in `nginx-templates/` without its ending.
    TemplateName, "template name",
        "1 to 40 lower-case letters, digits and hyphens, no hyphen at either end", is_instance_name;
}

impl OdooVersion {
    /// The major number: 19 for `19.0`.
    pub fn major(&self) -> u32 {
        self.0.split('.').next().and_then(|digits| digits.parse().ok()).unwrap_or_default()
    }
}

/// An instance's identity for life: a UUIDv7 (RFC 9562, section 5.7) given at first sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub uuid::Uuid);

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Uid {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

/// Names this installation apart from others on the same Docker or PostgreSQL: 12 hexadecimal digits taken from the
/// installation key (see [`crate::model::secret::InstallationKey::id`]).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstallationId(pub String);

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The names of everything that belongs to one instance. They follow from the instance's name and never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// PostgreSQL database, and the role of the same name that owns it: `odoo_my_company`.
    pub database: String,
    /// Docker volume of the filestore and the sessions: `ik-my-company-data`.
    pub volume: String,
    /// Docker container of the application: `ik-my-company`.
    pub container: String,
    /// Prefix of the job containers: `ik-my-company-job-`, followed by the job's kind.
    pub job_prefix: String,
}

impl Resources {
    /// The names that belong to `instance`.
    pub fn of(instance: &InstanceName) -> Self {
        Self {
            database: format!("odoo_{}", instance.as_str().replace('-', "_")),
            volume: format!("ik-{instance}-data"),
            container: format!("ik-{instance}"),
            job_prefix: format!("ik-{instance}-job-"),
        }
    }
}

fn is_label(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_instance_name(text: &str) -> bool {
    is_label(text, INSTANCE_NAME_BYTES_MAX)
}

fn is_subdomain(text: &str) -> bool {
    is_label(text, DNS_LABEL_BYTES_MAX) && !text.starts_with("xn--")
}

fn is_domain(text: &str) -> bool {
    text.len() <= DNS_NAME_BYTES_MAX
        && text.contains('.')
        && text.split('.').all(|label| is_label(label, DNS_LABEL_BYTES_MAX))
        && !text.rsplit('.').next().unwrap_or_default().bytes().all(|b| b.is_ascii_digit())
}

fn is_module_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn is_odoo_version(text: &str) -> bool {
    let Some(major) = text.strip_suffix(".0") else {
        return false;
    };
    major.len() == 2 && major.parse::<u32>().is_ok_and(|major| (14..=99).contains(&major))
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let local_bytes = |b: u8| b.is_ascii_alphanumeric() || b".!#$%&'*+/=?^_`{|}~-".contains(&b);
    text.len() <= EMAIL_BYTES_MAX
        && (1..=64).contains(&local.len())
        && local.bytes().all(local_bytes)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && is_domain(&domain.to_ascii_lowercase())
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase())
}

fn is_language(text: &str) -> bool {
    let (language, variant) = match text.split_once('@') {
        Some((language, variant)) => (language, Some(variant)),
        None => (text, None),
    };
    let (language, territory) = match language.split_once('_') {
        Some((language, territory)) => (language, Some(territory)),
        None => (language, None),
    };
    (2..=3).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_lowercase())
        && territory.is_none_or(|t| {
            (2..=3).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        })
        && variant.is_none_or(|v| (2..=10).contains(&v.len()) && v.bytes().all(|b| b.is_ascii_alphabetic()))
}
