//! Whether an instance is proven to serve: by its own login page, through the proxy, over TLS.

use super::case::{Case, Draft};
use super::site;
use crate::model::changes::HoldReason;
use crate::model::live::{Answer, Seen};
use crate::model::name::Domain;
use crate::model::wanted::WantedState;

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
                if let Some(fault) = fault(host, answer, expected) {
                    draft.hold(HoldReason::NotHealthy, fault);
                }
            }
            None => {}
        }
    }
}

fn fault(host: &Domain, answer: &Answer, fingerprint: Option<&str>) -> Option<String> {
    if answer.status != 200 {
        Some(format!("{host}/web/login answers {}", answer.status))
    } else if !answer.login_page {
        Some(format!("{host}/web/login answers 200, but not with Odoo's login page"))
    } else if fingerprint.is_some_and(|expected| expected != answer.fingerprint) {
        Some(format!("{host} shows another certificate than the stored one"))
    } else {
        None
    }
}
