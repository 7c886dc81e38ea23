//! Keys, requests, placeholders, and what a stored certificate holds: pure functions over PEM. No file, no network, no
//! clock.

use crate::model::live::CertificateLive;
use crate::model::secret::hex;
use crate::model::time::Timestamp;
use openssl::asn1::{Asn1Integer, Asn1Time, Asn1TimeRef};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, PKeyRef, Private};
use openssl::stack::Stack;
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509NameBuilder, X509NameRef, X509Ref, X509Req, X509ReqBuilder};
use std::collections::BTreeSet;

/// The issuer's common name by which a placeholder is recognised.
pub const PLACEHOLDER_ISSUER: &str = "Innkeeper placeholder";
/// A placeholder is never trusted by anybody, so a long life costs nothing and spares its renewal.
const PLACEHOLDER_DAYS: u32 = 3_650;
/// The authority's clock may be ahead of ours by so much.
const CLOCK_SKEW_S_MAX: i64 = 300;
/// A certificate that has lived for less of its life is not renewed. It is due after half of it at the earliest.
const RENEWAL_AGE_PERCENT_MIN: i64 = 33;
/// A serial number has up to 20 octets, of which the first bit is 0 (RFC 5280, section 4.1.2.2).
const SERIAL_BITS: i32 = 159;

/// A new private key for a certificate: ECDSA P-256, which every browser and authority accepts.
pub(super) fn new_key() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_ec_key(EcKey::generate(EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?.as_ref())?)
}

/// A request for `names`, all of them as SANs. There is no common name: one over 64 characters could not be encoded.
pub(super) fn request(key: &PKeyRef<Private>, names: &BTreeSet<String>) -> Result<X509Req, ErrorStack> {
    let mut request = X509ReqBuilder::new()?;
    request.set_subject_name(X509NameBuilder::new()?.build().as_ref())?;
    let mut extensions = Stack::new()?;
    extensions.push(alternative_names(names).build(&request.x509v3_context(None))?)?;
    request.add_extensions(&extensions)?;
    request.set_pubkey(key)?;
    request.sign(key, MessageDigest::sha256())?;
    Ok(request.build())
}

/// Key and self-signed certificate for `names` in one PEM, valid from `now`.
pub(super) fn placeholder(names: &BTreeSet<String>, now: Timestamp) -> Result<Vec<u8>, ErrorStack> {
    let key = new_key()?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, PLACEHOLDER_ISSUER)?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(SERIAL_BITS, MsbOption::MAYBE_ZERO, false)?;
    let mut certificate = X509Builder::new()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(Asn1Integer::from_bn(&serial)?.as_ref())?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(Asn1Time::from_unix(now.as_second())?.as_ref())?;
    let end = now.as_second() + i64::from(PLACEHOLDER_DAYS) * 86_400;
    certificate.set_not_after(Asn1Time::from_unix(end)?.as_ref())?;
    certificate.set_pubkey(&key)?;
    certificate.append_extension(BasicConstraints::new().critical().build()?)?;
    let names = alternative_names(names).build(&certificate.x509v3_context(None, None))?;
    certificate.append_extension(names)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    to_pem(&key, &[certificate.build()])
}

/// Key and chain, leaf first, as one PEM file.
pub(super) fn to_pem(key: &PKeyRef<Private>, chain: &[X509]) -> Result<Vec<u8>, ErrorStack> {
    let mut pem = key.private_key_to_pem_pkcs8()?;
    for certificate in chain {
        pem.extend(certificate.to_pem()?);
    }
    Ok(pem)
}

/// What a stored file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// Our own stand-in, with the names it covers.
    Placeholder(BTreeSet<String>),
    /// A certificate, sound or with its fault.
    Certificate(CertificateLive),
}

/// Reads a stored file: key and chain, leaf first. What is wrong with it is told as its fault; its dates are not
/// judged, for that is a question of when.
pub(super) fn read(pem: &[u8]) -> Held {
    let chain = match X509::stack_from_pem(pem) {
        Ok(chain) if !chain.is_empty() => chain,
        _ => return Held::Certificate(unreadable("the file holds no certificate in PEM form")),
    };
    let leaf = &chain[0];
    let fault = fault_of(pem, &chain);
    if fault.is_none() && common_name(leaf.issuer_name()) == PLACEHOLDER_ISSUER {
        return Held::Placeholder(names_of(leaf));
    }
    let (Some(not_before), Some(not_after)) = (timestamp(leaf.not_before()), timestamp(leaf.not_after())) else {
        return Held::Certificate(unreadable("its dates cannot be read"));
    };
    let fingerprint = leaf.digest(MessageDigest::sha256()).map(|digest| hex(&digest)).unwrap_or_default();
    Held::Certificate(CertificateLive {
        names: names_of(leaf),
        not_before,
        not_after,
        issuer: common_name(leaf.issuer_name()),
        fault,
        fingerprint,
    })
}

/// A file of which nothing is known but that it is there.
pub(super) fn unreadable(fault: impl Into<String>) -> CertificateLive {
    CertificateLive {
        names: BTreeSet::new(),
        not_before: Timestamp::UNIX_EPOCH,
        not_after: Timestamp::UNIX_EPOCH,
        issuer: String::new(),
        fault: Some(fault.into()),
        fingerprint: String::new(),
    }
}

/// Why `certificate` must not be served for `names` at `now`; none when it may.
pub(super) fn objection(certificate: &CertificateLive, names: &BTreeSet<String>, now: Timestamp) -> Option<String> {
    if let Some(fault) = &certificate.fault {
        return Some(fault.clone());
    }
    if let Some(missing) = names.iter().find(|name| !covers(certificate, name)) {
        return Some(format!("it does not cover {missing}"));
    }
    if now.as_second() + CLOCK_SKEW_S_MAX < certificate.not_before.as_second() {
        return Some(format!("it is valid only from {} on", certificate.not_before));
    }
    (now >= certificate.not_after).then(|| format!("it ended on {}", certificate.not_after))
}

/// True once a part of the certificate's life is over. A younger one was renewed by another turn just before: no rule
/// renews it again already.
pub(super) fn is_aged(certificate: &CertificateLive, now: Timestamp) -> bool {
    let life_s = certificate.not_after.as_second() - certificate.not_before.as_second();
    let age_s = now.as_second() - certificate.not_before.as_second();
    age_s.saturating_mul(100) >= life_s.saturating_mul(RENEWAL_AGE_PERCENT_MIN)
}

/// A wildcard covers exactly one label (RFC 6125, section 6.4.3).
fn covers(certificate: &CertificateLive, name: &str) -> bool {
    let wildcard = || name.split_once('.').map(|(_, parent)| format!("*.{parent}"));
    certificate.names.contains(name) || wildcard().is_some_and(|wildcard| certificate.names.contains(&wildcard))
}

fn fault_of(pem: &[u8], chain: &[X509]) -> Option<String> {
    let Ok(key) = PKey::private_key_from_pem(pem) else {
        return Some("the file holds no private key in PEM form".to_owned());
    };
    if !chain[0].public_key().is_ok_and(|public| public.public_eq(&key)) {
        return Some("its private key belongs to another certificate".to_owned());
    }
    let broken = chain.windows(2).any(|pair| !signed_by(&pair[0], &pair[1]));
    broken.then(|| "its chain is broken: a certificate in it is not signed by the next one".to_owned())
}

fn signed_by(certificate: &X509Ref, issuer: &X509Ref) -> bool {
    issuer.public_key().is_ok_and(|key| certificate.verify(&key).unwrap_or(false))
}

fn alternative_names(names: &BTreeSet<String>) -> SubjectAlternativeName {
    let mut alternative = SubjectAlternativeName::new();
    for name in names {
        alternative.dns(name);
    }
    alternative
}

fn names_of(certificate: &X509Ref) -> BTreeSet<String> {
    let names = certificate.subject_alt_names();
    names.iter().flatten().filter_map(|name| name.dnsname()).map(str::to_ascii_lowercase).collect()
}

fn common_name(name: &X509NameRef) -> String {
    let entry = name.entries_by_nid(Nid::COMMONNAME).next();
    entry.and_then(|entry| entry.data().to_string().ok()).unwrap_or_default()
}

fn timestamp(time: &Asn1TimeRef) -> Option<Timestamp> {
    let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
    Timestamp::from_second(i64::from(since.days) * 86_400 + i64::from(since.secs)).ok()
}
