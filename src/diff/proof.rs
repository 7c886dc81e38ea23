//! Whether an instance is proven to serve: by its own login page, through the proxy, over TLS.

use super::case::{Case, Draft};
use super::site;
use crate::model::changes::HoldReason;
use crate::model::live::{Answer, Seen};
use crate::model::name::Domain;
use crate::model::wanted::WantedState;

/// How a name that leads to another one answers (RFC 9110, section 15.4.2).
const MOVED: u16 = 301;

/// Drafts a hold for each host that was asked and did not answer as it should, once nothing is left to do.
pub(super) fn proven(case: &Case<'_>, draft: &mut Draft) {
    if case.wanted.state != WantedState::Running || !draft.steps().is_empty() {
        return;
    }
    for (host, certificate) in &case.hosts {
        let stored = case.authority.and_then(|authority| authority.certificates.get(certificate));
        // Before a sound one comes, which has a condition of its own, any may be shown.
        let sound = stored.filter(|live| site::is_sound(live, case.facts.now));
        let expected = sound.map(|live| live.fingerprint.as_str());
        match case.facts.live.answers.get(host) {
            Some(Seen::Unseen(why)) => draft.hold(HoldReason::NotHealthy, format!("{host} does not answer yet: {why}")),
            Some(Seen::Known(answer)) => {
                let live = case.proxy.and_then(|proxy| proxy.sites.get(case.name));
                let redirects = live.is_some_and(|live| live.row.redirect_of(host).is_some());
                if let Some(fault) = fault(host, answer, redirects, expected) {
                    draft.hold(HoldReason::NotHealthy, fault);
                }
            }
            None => {}
        }
    }
}

/// A name that `redirects` leads to one that is asked as well.
fn fault(host: &Domain, answer: &Answer, redirects: bool, fingerprint: Option<&str>) -> Option<String> {
    if redirects && answer.status == MOVED {
        is_other(answer, fingerprint).then(|| other_certificate(host))
    } else if answer.status != 200 {
        Some(format!("{host}/web/login answers {}", answer.status))
    } else if !answer.login_page {
        Some(format!("{host}/web/login answers 200, but not with Odoo's login page"))
    } else {
        is_other(answer, fingerprint).then(|| other_certificate(host))
    }
}

fn is_other(answer: &Answer, fingerprint: Option<&str>) -> bool {
    fingerprint.is_some_and(|expected| expected != answer.fingerprint)
}

fn other_certificate(host: &Domain) -> String {
    format!("{host} shows another certificate than the stored one")
}
