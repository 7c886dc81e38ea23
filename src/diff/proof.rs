//! Whether an instance is proven to serve: by its own login page as a visitor sees it, through the proxy, over TLS.

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
    let is_busy = !draft.steps().is_empty() || !case.instance.work.is_empty();
    if case.wanted.state != WantedState::Running || is_busy {
        return;
    }
    faults(case).into_iter().for_each(|fault| draft.hold(HoldReason::NotHealthy, fault));
}

/// True when every host was asked.
pub(super) fn is_asked(case: &Case<'_>) -> bool {
    case.hosts.keys().all(|host| case.facts.live.answers.contains_key(host))
}

/// What a visitor meets instead of the login page, for each host that was asked and does not serve.
pub(super) fn faults(case: &Case<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    for (host, certificate) in &case.hosts {
        let stored = case.authority.and_then(|authority| authority.certificates.get(certificate));
        // Before a sound one comes, which has a condition of its own, any may be shown.
        let sound = stored.filter(|live| site::is_sound(live, case.facts.now));
        let expected = sound.map(|live| live.fingerprint.as_str());
        match case.facts.live.answers.get(host) {
            Some(Seen::Unseen(why)) => faults.push(format!("{host} does not answer yet: {why}")),
            Some(Seen::Known(answer)) => faults.extend(fault(case, host, answer, expected)),
            None => {}
        }
    }
    faults
}

fn fault(case: &Case<'_>, host: &Domain, answer: &Answer, fingerprint: Option<&str>) -> Option<String> {
    let live = case.proxy.and_then(|proxy| proxy.sites.get(case.name));
    let redirects = live.is_some_and(|live| live.row.redirect_of(host).is_some());
    let page = match &answer.leads_to {
        // A name that its site leads to the primary one, which is asked as well.
        _ if redirects && answer.status == MOVED => None,
        Some(place) => redirect_fault(case, host, place),
        None if answer.status != 200 => Some(format!("{host}/web/login answers {}", answer.status)),
        None if !answer.login_page => Some(format!("{host}/web/login answers 200, but not with Odoo's login page")),
        None => None,
    };
    let another = || format!("{host} shows another certificate than the stored one");
    let no_websocket = |why: &String| {
        format!("{host} shows its login page, but no websocket opens ({why}): chat and live updates do not work")
    };
    page.or_else(|| fingerprint.filter(|expected| *expected != answer.fingerprint).map(|_| another()))
        .or_else(|| answer.websocket_fault.as_ref().map(no_websocket))
}

/// Where it leads to another name of the same customer nothing is wrong: that one is asked for itself.
fn redirect_fault(case: &Case<'_>, host: &Domain, place: &str) -> Option<String> {
    if is_at(place, host) {
        return Some(format!(
            "{host}/web/login leads from one address to the next and never to a page; the last was {place}"
        ));
    }
    let is_own = case.hosts.keys().any(|own| is_at(place, own));
    (!is_own).then(|| format!("{host}/web/login leads to another site, {place}, which is not followed"))
}

/// True for an address over TLS at this host, whatever the port and the path.
fn is_at(place: &str, host: &Domain) -> bool {
    let rest = place.strip_prefix("https://").and_then(|rest| rest.strip_prefix(host.as_str()));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/', '?', '#']))
}
