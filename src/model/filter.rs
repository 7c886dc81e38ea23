//! The filter that `status` and the dashboard take: `plan:gold state:!ready cert<14d | acme`.
//!
//! Words are joined by "and", `|` means "or" and binds loosest, `!` in front turns a word round. `word` is a part of
//! the name, of an address or of the company, `~word` has its letters in that order, `key:value` compares a text,
//! `key<value` and `key>value` a number with its unit.

use super::size::Bytes;
use super::status::InstanceStatus;
use super::time::{Seconds, Timestamp};

/// The keys whose values are text.
pub const TEXT_KEYS: [&str; 5] = ["plan", "state", "wanted", "odoo", "module"];
/// The keys whose values are numbers.
pub const NUMBER_KEYS: [&str; 5] = ["cpu", "mem", "disk", "cert", "backup"];

/// A filter that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    /// One of these must hold, each of which is all of its words.
    any: Vec<Vec<Word>>,
}

#[derive(Debug, Clone, PartialEq)]
struct Word {
    negated: bool,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Substring(String),
    Letters(String),
    Text { key: &'static str, value: String },
    Number { key: &'static str, compare: Compare, value: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Less,
    LessOrEqual,
    More,
    MoreOrEqual,
}

/// True when `text` can only be meant as a filter, never as an instance's name.
pub fn is_filter(text: &str) -> bool {
    text.contains([':', '<', '>', '|', '!', ' ', '~'])
}

impl Filter {
    /// Understands `text`.
    ///
    /// # Errors
    /// A sentence that says which word is not understood and what would be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let any = text
            .split('|')
            .map(|part| part.split_whitespace().map(word).collect::<Result<Vec<_>, _>>())
            .collect::<Result<Vec<_>, _>>()?;
        match any.iter().any(Vec::is_empty) {
            true => Err(format!("the filter {text:?} has nothing on one side of \"|\"")),
            false => Ok(Self { any }),
        }
    }

    /// The values that its words compare with the text behind `key`.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &str> {
        self.any.iter().flatten().filter_map(move |word| match &word.test {
            Test::Text { key: of, value } if *of == key => Some(value.as_str()),
            _ => None,
        })
    }

    /// Whether `status` passes; `company` is whose it is, where that is known.
    pub fn matches(&self, status: &InstanceStatus, company: Option<&str>, now: Timestamp) -> bool {
        self.any.iter().any(|all| all.iter().all(|word| word.test.holds(status, company, now) != word.negated))
    }
}

fn word(text: &str) -> Result<Word, String> {
    let (mut negated, rest) = match text.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    if let Some((key, value)) = rest.split_once(':') {
        let key = known(&TEXT_KEYS, key)?;
        let value = match value.strip_prefix('!') {
            Some(value) => {
                negated = !negated;
                value
            }
            None => value,
        };
        return Ok(Word { negated, test: Test::Text { key, value: value.to_lowercase() } });
    }
    if let Some(at) = rest.find(['<', '>']) {
        return Ok(Word { negated, test: comparison(&rest[..at], &rest[at..])? });
    }
    let test = match rest.strip_prefix('~') {
        Some(letters) => Test::Letters(letters.to_lowercase()),
        None => Test::Substring(rest.to_lowercase()),
    };
    Ok(Word { negated, test })
}

fn comparison(key: &str, rest: &str) -> Result<Test, String> {
    let key = known(&NUMBER_KEYS, key)?;
    let (compare, value) = match (rest.strip_prefix("<="), rest.strip_prefix(">="), rest.strip_prefix('<')) {
        (Some(value), _, _) => (Compare::LessOrEqual, value),
        (_, Some(value), _) => (Compare::MoreOrEqual, value),
        (_, _, Some(value)) => (Compare::Less, value),
        _ => (Compare::More, &rest[1..]),
    };
    let number = match key {
        "cpu" | "mem" => value.trim_end_matches('%').parse::<f64>().ok(),
        "disk" => size(value),
        _ => value.parse::<Seconds>().ok().map(|seconds| seconds.0 as f64),
    };
    let value = number.ok_or_else(|| {
        format!("the filter's {value:?} is not a value for {key:?}: write cpu>90, mem>=80%, disk>15G, cert<14d or backup>24h")
    })?;
    Ok(Test::Number { key, compare, value })
}

/// Bytes written short (`15G`, `512MiB`).
fn size(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "G" | "GB" => "GiB",
        "M" | "MB" => "MiB",
        "K" | "KB" => "KiB",
        "T" | "TB" => "TiB",
        other => other,
    };
    format!("{} {unit}", &text[..digits]).parse::<Bytes>().ok().map(|bytes| bytes.0 as f64)
}

fn known(keys: &[&'static str], key: &str) -> Result<&'static str, String> {
    keys.iter().find(|known| **known == key).copied().ok_or_else(|| {
        format!(
            "the filter's {key:?} is not a key: text is {} with \":\", numbers are {} with \"<\" or \">\"",
            TEXT_KEYS.join(", "),
            NUMBER_KEYS.join(", ")
        )
    })
}

impl Test {
    fn holds(&self, status: &InstanceStatus, company: Option<&str>, now: Timestamp) -> bool {
        match self {
            Self::Substring(part) => {
                status.name.as_str().contains(part)
                    || status.urls.iter().any(|url| url.to_lowercase().contains(part))
                    || company.is_some_and(|company| company.to_lowercase().contains(part))
            }
            Self::Letters(letters) => {
                in_order(letters, status.name.as_str())
                    || company.is_some_and(|company| in_order(letters, &company.to_lowercase()))
            }
            Self::Text { key, value } => text_holds(key, value, status),
            Self::Number { key, compare, value } => number(key, status, now).is_some_and(|found| match compare {
                Compare::Less => found < *value,
                Compare::LessOrEqual => found <= *value,
                Compare::More => found > *value,
                Compare::MoreOrEqual => found >= *value,
            }),
        }
    }
}

/// Whether the letters stand in `text` in their order, others between them or not.
pub fn in_order(letters: &str, text: &str) -> bool {
    let mut rest = text.chars();
    letters.chars().all(|letter| rest.any(|c| c == letter))
}

fn text_holds(key: &str, value: &str, status: &InstanceStatus) -> bool {
    match key {
        "plan" => status.plan.as_ref().is_some_and(|plan| plan.as_str() == value),
        "state" => status.state.as_str() == value,
        "wanted" => status.wanted.as_str() == value,
        "odoo" => status.odoo.as_ref().is_some_and(|odoo| odoo.as_str() == value),
        _ => status.modules.wanted.iter().any(|module| module.as_str() == value),
    }
}

/// The number behind a key; none when it is not known, which no comparison passes. Who has no backup has not had one for ever,
/// and without a certificate no time is left.
fn number(key: &str, status: &InstanceStatus, now: Timestamp) -> Option<f64> {
    let usage = status.usage.as_ref();
    let seconds = |from: Timestamp, to: Timestamp| (to.as_second() - from.as_second()) as f64;
    match key {
        "cpu" => usage.map(|usage| usage.cpu_percent),
        "mem" => usage.map(|usage| usage.memory_bytes as f64 * 100.0 / usage.memory_limit_bytes.max(1) as f64),
        "disk" => usage.map(|usage| usage.disk_bytes() as f64),
        "cert" => Some(status.certificate.as_ref().map_or(0.0, |certificate| seconds(now, certificate.not_after))),
        _ => Some(status.last_backup.as_ref().map_or(f64::INFINITY, |backup| seconds(backup.at, now))),
    }
}
