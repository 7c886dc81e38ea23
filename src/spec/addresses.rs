//! Takes paths, URLs, hosts, port ranges and image references: texts that reach other programs and their configuration.

use super::codes;
use super::problem::{Refusal, quote};
use super::values::{is_plain, name};
use crate::model::name::{Domain, Email, OdooVersion};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// Ports below are given to system services.
const PORT_MIN: u16 = 1024;
/// Arguments of a program are taken up to this length.
const ARGUMENT_CHARS_MAX: usize = 1_024;

fn refused(text: &str, rule: &str) -> Refusal {
    Refusal::new(&codes::BAD_ADDRESS, format!("{} is not {rule}", quote(text)))
}

/// A path without blanks, quotes or anything that nginx or a shell would read as more than a letter.
pub(super) fn path(text: &str) -> Result<String, Refusal> {
    if text.starts_with('~') {
        return Err(refused(text, "a path that Innkeeper follows").hint("write the home directory out"));
    }
    if is_plain(text, "/._-+@:=,") {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "a path of letters, digits and /._-+@:=, (1,024 at most)"))
    }
}

/// Where Docker's API listens.
pub(super) fn docker_host(text: &str) -> Result<String, Refusal> {
    let known = ["unix:///", "tcp://", "http://", "https://"];
    if known.iter().any(|scheme| text.strip_prefix(scheme).is_some_and(|rest| is_plain(rest, "/._-:[]"))) {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "Docker's address").hint("such as unix:///var/run/docker.sock or tcp://127.0.0.1:2375"))
    }
}

/// A PostgreSQL URL without a password.
pub(super) fn postgres_url(text: &str) -> Result<String, Refusal> {
    let example = "such as postgres://innkeeper@127.0.0.1:5432/postgres";
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let Some(rest) = rest else {
        return Err(refused(text, "a PostgreSQL URL").hint(example));
    };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let has_password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
    if has_password || rest.to_ascii_lowercase().contains("password=") {
        // The text itself is not repeated: it holds the password.
        return Err(Refusal::of_key(&codes::SECRET_IN_FILE, "holds a password")
            .hint("put it into a file of mode 0600 and name that with password_file"));
    }
    if is_plain(rest, "/._-:@[]%?=&") {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "a PostgreSQL URL").hint(example))
    }
}

/// The URL of an ACME directory.
pub(super) fn https_url(text: &str) -> Result<String, Refusal> {
    if text.strip_prefix("https://").is_some_and(|rest| is_plain(rest, "/._-:[]~%?=&")) {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "a URL that begins with https://"))
    }
}

/// An IP address or a host name.
pub(super) fn host(text: &str) -> Result<String, Refusal> {
    let is_host = text.parse::<IpAddr>().is_ok() || Domain::parse(&format!("{text}.local")).is_ok();
    if is_host { Ok(text.to_owned()) } else { Err(refused(text, "an IP address or a host name")) }
}

/// A DNS server: an IP address, or one with a port.
pub(super) fn dns_server(text: &str) -> Result<String, Refusal> {
    let is_server = text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    if is_server {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "the address of a DNS server").hint("such as 9.9.9.9 or 127.0.0.1:8053"))
    }
}

/// Two ports with a hyphen between them.
pub(super) fn ports(text: &str) -> Result<RangeInclusive<u16>, Refusal> {
    let bounds =
        text.split_once('-').and_then(|(first, last)| Some((first.trim().parse().ok()?, last.trim().parse().ok()?)));
    match bounds {
        Some((first, last)) if PORT_MIN <= first && first < last => Ok(first..=last),
        _ => Err(refused(text, "a range of ports from 1024 to 65535, such as \"20000-29999\"")),
    }
}

/// `mailto:` and an e-mail address.
pub(super) fn contact(text: &str) -> Result<String, Refusal> {
    match text.strip_prefix("mailto:") {
        Some(address) if Email::parse(address).is_ok() => Ok(text.to_owned()),
        None if Email::parse(text).is_ok() => {
            Err(refused(text, "a contact URL").hint(super::problem::did_you_mean(&format!("mailto:{text}"))))
        }
        _ => Err(refused(text, "a contact URL").hint("such as \"mailto:ops@example.com\"")),
    }
}

/// Where people find help: an e-mail address, a telephone number (RFC 3966) or a page.
pub(super) fn help(text: &str) -> Result<String, Refusal> {
    let is_number = |number: &str| {
        let digits = number.bytes().filter(u8::is_ascii_digit).count();
        (3..=20).contains(&digits)
            && number.trim_start_matches('+').bytes().all(|b| b.is_ascii_digit() || b"-.()".contains(&b))
    };
    let is_sound = match text.split_once(':') {
        Some(("mailto", address)) => Email::parse(address).is_ok(),
        Some(("tel", number)) => is_number(number),
        _ => https_url(text).is_ok(),
    };
    if is_sound {
        return Ok(text.to_owned());
    }
    let number = text.strip_prefix("tel:").unwrap_or(text).replace([' ', '/'], "-");
    let near = match () {
        () if Email::parse(text).is_ok() => Some(format!("mailto:{text}")),
        () if is_number(&number) => Some(format!("tel:{number}")),
        () => Some(format!("https://{text}")).filter(|url| Domain::parse(text).is_ok() && https_url(url).is_ok()),
    };
    let refusal = refused(text, "an address that people can follow");
    Err(match near {
        Some(near) => refusal.hint(super::problem::did_you_mean(&near)),
        None => refusal
            .hint("such as \"mailto:help@example.com\", \"tel:+84-24-1234-5678\" or \"https://help.example.com\""),
    })
}

/// One argument of a program: no control characters. It is handed over as it is, never through a shell.
pub(super) fn argument(text: &str) -> Result<String, Refusal> {
    if !text.is_empty() && text.chars().count() <= ARGUMENT_CHARS_MAX && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "an argument: 1 to 1,024 characters without control characters"))
    }
}

/// A Docker image reference.
pub(super) fn image(text: &str) -> Result<String, Refusal> {
    if is_plain(text, "/._-:@") && text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Ok(text.to_owned())
    } else {
        Err(refused(text, "an image reference, such as \"odoo:19.0\""))
    }
}

/// An Odoo release.
pub(super) fn release(text: &str) -> Result<OdooVersion, Refusal> {
    name(text).map_err(|refusal: Refusal| match OdooVersion::parse(&format!("{text}.0")) {
        Ok(near) => refusal.hint(super::problem::did_you_mean(near.as_str())),
        Err(_) => refusal,
    })
}
