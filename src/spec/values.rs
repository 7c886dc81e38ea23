//! Takes the texts that stand in files, each kind by its own rule; what breaks the rule comes back with a hint.
//!
//! Nothing here corrects a value silently, and no hint is given that would not itself be taken.

use super::codes;
use super::limits::{FREE_TEXT_CHARS_MAX, REFERENCE_BYTES_MAX};
use super::lists::{CITIES, COUNTRIES, LANGUAGES, NO_TIMEZONES};
use super::problem::{Refusal, did_you_mean, nearest, quote};
use crate::model::name::{Country, Domain, Email, Language, NameError};
use crate::model::size::Bytes;
use crate::model::time::Seconds;
use std::str::FromStr;

/// A name type of the model. When the same text without blanks and capitals is such a name, the hint says so.
pub(super) fn name<T: FromStr<Err = NameError>>(text: &str) -> Result<T, Refusal> {
    T::from_str(text).map_err(|error| {
        let refusal = Refusal::new(&codes::BAD_NAME, error.to_string());
        let near = text.trim().to_lowercase();
        if T::from_str(&near).is_ok() {
            return refusal.hint(did_you_mean(&near));
        }
        match text.chars().enumerate().find(|(_, c)| !c.is_ascii()) {
            Some((index, c)) => refusal.hint(format!(
                "its character {} is U+{:04X}, not ASCII, whatever it looks like",
                index + 1,
                u32::from(c)
            )),
            None => refusal,
        }
    })
}

/// A domain. Names in other scripts are refused with their ASCII form as the hint, so that look-alikes show themselves.
pub(super) fn domain(text: &str) -> Result<Domain, Refusal> {
    name(text).map_err(|refusal: Refusal| match (ascii_form(text), plain_domain(text)) {
        (Some(ascii), _) => {
            refusal.hint(format!("in ASCII this name is {}; write that if it is what you mean", quote(&ascii)))
        }
        (None, Some(near)) => refusal.hint(did_you_mean(&near)),
        (None, None) if text.starts_with("*.") => refusal.hint("name each domain; wildcards cannot be given"),
        (None, None) => refusal,
    })
}

fn ascii_form(text: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii(text).ok().filter(|_| !text.is_ascii())?;
    Domain::parse(&ascii).is_ok().then_some(ascii)
}

/// What is left of a pasted address.
fn plain_domain(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let host = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default().trim_end_matches('.');
    Domain::parse(host).is_ok().then(|| host.to_owned())
}

/// An e-mail address.
pub(super) fn email(text: &str) -> Result<Email, Refusal> {
    let Some((local, domain)) = text.rsplit_once('@') else { return name(text) };
    name(text).map_err(|refusal: Refusal| match ascii_form(domain) {
        Some(ascii) if Email::parse(&format!("{local}@{ascii}")).is_ok() => {
            refusal.hint(format!("in ASCII its domain is {}; write that if it is what you mean", quote(&ascii)))
        }
        _ => refusal,
    })
}

/// Free text, byte for byte: anything that can be seen.
pub(super) fn free_text(text: &str) -> Result<String, Refusal> {
    let refused = |message: String| Refusal::of_key(&codes::BAD_TEXT, message);
    if text.trim().is_empty() {
        return Err(refused("is blank".to_owned()).hint("write a name, or remove the line where it may be missing"));
    }
    let chars = text.chars().count();
    if chars > FREE_TEXT_CHARS_MAX {
        return Err(refused(format!("has {chars} characters, and may have {FREE_TEXT_CHARS_MAX}")));
    }
    match text.chars().enumerate().find_map(|(index, c)| deceiving(c).map(|what| (index, c, what))) {
        Some((index, c, what)) => {
            let message = format!("holds {what} (U+{:04X}) as its character {}", u32::from(c), index + 1);
            Err(refused(message).hint("remove that character, or type the text anew"))
        }
        None => Ok(text.to_owned()),
    }
}

/// What kind of character `c` is, when it cannot be seen or changes how others are seen.
fn deceiving(c: char) -> Option<&'static str> {
    match c {
        c if c.is_control() => Some("a control character"),
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}' => {
            Some("a mark that turns the reading direction")
        }
        '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{00AD}' | '\u{180E}' => {
            Some("a character of no width")
        }
        '\u{2028}' | '\u{2029}' => Some("a line break"),
        '\u{206A}'..='\u{206F}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}' => Some("an invisible mark"),
        _ => None,
    }
}

/// A whole number from `min` to `max`; `text` as TOML has it.
pub(super) fn integer(text: &str, min: u32, max: u32) -> Result<u32, Refusal> {
    match text.parse() {
        Ok(number) if (min..=max).contains(&number) => Ok(number),
        _ => Err(Refusal::new(
            &codes::OUT_OF_RANGE,
            format!("{} is not a whole number from {min} to {max}", shown(text)),
        )),
    }
}

/// Processor cores in thousandths, from a decimal number; more than three decimals are rounded away.
pub(super) fn cores(text: &str, millis_min: u32, millis_max: u32) -> Result<u32, Refusal> {
    let (min, max) = (f64::from(millis_min) / 1000.0, f64::from(millis_max) / 1000.0);
    match text.parse::<f64>() {
        // The range holds after the comparison, so the conversion neither wraps nor loses more than the rounding.
        Ok(number) if (min..=max).contains(&number) => Ok((number * 1000.0).round() as u32),
        _ => Err(Refusal::new(&codes::OUT_OF_RANGE, format!("{} is not a number from {min} to {max}", shown(text)))),
    }
}

/// Digits need no quotes, but a million of them are not repeated.
fn shown(number: &str) -> String {
    crate::model::name::shorten(number)
}

/// A size from `bytes_min` to `bytes_max`.
pub(super) fn size(text: &str, bytes_min: u64, bytes_max: u64) -> Result<Bytes, Refusal> {
    let bytes: Bytes = text.parse().map_err(|error: crate::model::size::SizeError| {
        let refusal = Refusal::new(&codes::BAD_SIZE, error.to_string());
        match binary_unit(text) {
            Some(near) => refusal.hint(did_you_mean(&near)),
            None => refusal,
        }
    })?;
    if (bytes_min..=bytes_max).contains(&bytes.0) {
        return Ok(bytes);
    }
    let message = format!("{} is not from {} to {}", quote(text), Bytes(bytes_min), Bytes(bytes_max));
    Err(Refusal::new(&codes::OUT_OF_RANGE, message))
}

/// `2G`, `2 gb` and `2.0gib` were probably meant to be `2 GiB`; `1.5 GiB` is `1536 MiB`.
fn binary_unit(text: &str) -> Option<String> {
    const LETTERS: [(char, &str, &str); 4] =
        [('k', "KiB", "B"), ('m', "MiB", "KiB"), ('g', "GiB", "MiB"), ('t', "TiB", "GiB")];
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = (text[..end].parse::<f64>().ok()?, text[end..].trim());
    let letter = unit.chars().next()?;
    let rest = unit.strip_prefix(letter)?;
    let (_, large, small) = LETTERS.iter().find(|(known, ..)| *known == letter)?;
    if !["", "b", "ib"].contains(&rest) || !(0.0..1_000_000.0).contains(&number) {
        return None;
    }
    let near = if number.fract() == 0.0 {
        format!("{number} {large}")
    } else {
        format!("{} {small}", (number * 1024.0).round())
    };
    near.parse::<Bytes>().is_ok().then_some(near)
}

/// A duration.
pub(super) fn duration(text: &str) -> Result<Seconds, Refusal> {
    text.parse()
        .map_err(|error: crate::model::time::DurationError| Refusal::new(&codes::BAD_DURATION, error.to_string()))
}

/// A five-field cron schedule that comes at least once in four years.
pub(super) fn schedule(text: &str) -> Result<String, Refusal> {
    // Any moment does: a schedule that comes at all comes within four years of it.
    const ANY_MOMENT: &str = "2024-01-01T00:00:00Z";
    let refused = |why: &str| Refusal::new(&codes::BAD_SCHEDULE, format!("{} is not a schedule: {why}", quote(text)));
    let example = "minute, hour, day of month, month, day of week: \"0 2 * * *\" is each night at two";
    let plain = |c: char| c.is_ascii_alphanumeric() || " *,-/#".contains(c);
    if text.split(' ').filter(|field| !field.is_empty()).count() != 5 || !text.chars().all(plain) {
        return Err(refused("it needs five fields with blanks between them").hint(example));
    }
    let mut options = cronexpr::ParseOptions::default();
    options.fallback_timezone_option = cronexpr::FallbackTimezoneOption::UTC;
    let crontab = cronexpr::parse_crontab_with(text, options).map_err(|error| {
        let lines = error.to_string();
        let why = lines.lines().last().unwrap_or_default().trim_start_matches([' ', '^']);
        refused(&super::problem::visible(why)).hint(example)
    })?;
    match crontab.find_next(ANY_MOMENT) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(refused("there is no such day").hint(example)),
    }
}

/// The exact name of an IANA time zone.
pub(super) fn timezone(text: &str) -> Result<String, Refusal> {
    let found = jiff::tz::TimeZone::get(text).ok().and_then(|zone| zone.iana_name().map(str::to_owned));
    match found.filter(|name| !NO_TIMEZONES.contains(&name.as_str())) {
        Some(name) if name == text => Ok(name),
        Some(name) => Err(unknown_timezone(text).hint(did_you_mean(&name))),
        None => Err(unknown_timezone(text).hint(
            near_timezone(text)
                .map_or("such as \"Asia/Ho_Chi_Minh\" or \"UTC\"".to_owned(), |name| did_you_mean(&name)),
        )),
    }
}

/// The zone of a city after which none is called, or one that is spelled much like `text`. It is the city that must be alike:
/// Harbin is not Hanoi because both are in Asia.
fn near_timezone(text: &str) -> Option<String> {
    let city = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
    let given = city(text).to_lowercase().replace([' ', '-'], "_");
    if let Some((_, zone)) = CITIES.iter().find(|(city, _)| *city == given) {
        return Some((*zone).to_owned());
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.as_str().to_owned()).collect();
    let is_alike = |name: &&str| !NO_TIMEZONES.contains(name) && nearest(&given, [city(name).as_str()]).is_some();
    nearest(text, known.iter().map(String::as_str).filter(is_alike)).map(str::to_owned)
}

fn unknown_timezone(text: &str) -> Refusal {
    Refusal::new(&codes::BAD_TIMEZONE, format!("{} is not the name of an IANA time zone", quote(text)))
}

/// A country that ISO 3166-1 (or Odoo, for Kosovo) knows.
pub(super) fn country(text: &str) -> Result<Country, Refusal> {
    match Country::parse(text) {
        Ok(country) if COUNTRIES.binary_search(&text).is_ok() => Ok(country),
        _ => {
            let message = format!("{} is not a country code of ISO 3166-1, such as \"VN\"", quote(text));
            let upper = text.trim().to_ascii_uppercase();
            let upper = if upper == "UK" { "GB".to_owned() } else { upper };
            let refusal = Refusal::new(&codes::BAD_COUNTRY, message);
            Err(if COUNTRIES.contains(&upper.as_str()) { refusal.hint(did_you_mean(&upper)) } else { refusal })
        }
    }
}

/// A language of Odoo's list.
pub(super) fn language(text: &str) -> Result<Language, Refusal> {
    match Language::parse(text) {
        Ok(language) if LANGUAGES.binary_search(&text).is_ok() => Ok(language),
        _ => {
            let message = format!("{} is not a language code of Odoo, such as \"en_US\" or \"vi_VN\"", quote(text));
            let refusal = Refusal::new(&codes::BAD_LANGUAGE, message);
            Err(match near_language(&text.trim().replace('-', "_")) {
                Some(near) => refusal.hint(did_you_mean(near)),
                None => refusal,
            })
        }
    }
}

/// For `de` the German of Germany, for `sw_KE` any Swahili, for `vn_VN` what is spelled most like it.
fn near_language(text: &str) -> Option<&'static str> {
    let all = || LANGUAGES.iter().copied();
    let home = format!("{text}_{}", text.to_ascii_uppercase());
    let in_same_language = || all().find(|known| known.split(['_', '@']).next() == Some(text));
    all().find(|known| *known == home).or_else(in_same_language).or_else(|| nearest(text, all()))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Refusal> {
    if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
    let refusal = Refusal::new(&codes::BAD_CHOICE, format!("{} is not one of {}", quote(text), words.join(", ")));
    Err(match nearest(text, words.iter().copied()) {
        Some(near) => refusal.hint(did_you_mean(near)),
        None => refusal,
    })
}

/// True for a text of 1 to 1,024 plain characters: nothing that a shell, nginx or a URL would read as more than a letter.
pub(super) fn is_plain(text: &str, signs: &str) -> bool {
    (1..=REFERENCE_BYTES_MAX).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || signs.contains(c))
}
