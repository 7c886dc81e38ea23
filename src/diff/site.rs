//! Decisions over the site's row, its certificates and the proxy's templates.

use super::case::{Case, Draft, Why, changed, new_field};
use super::facts::Facts;
use crate::model::changes::HoldReason;
use crate::model::live::{CertificateLive, SiteLive};
use crate::model::name::{Domain, InstanceName};
use crate::model::settings::Settings;
use crate::model::site::{CertificateName, SitePage, SiteRow};
use crate::model::step::{Action, CertificateOrder, FieldChange, Origin, Risk};
use crate::model::step_kind::StepKind;
use crate::model::time::{Timestamp, told};
use crate::model::wanted::{Wanted, WantedState};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Under this lifetime a certificate is renewed at half of it, otherwise at a third (DESIGN: 45-day certificates leave
/// fifteen days for trouble, six-day ones three).
const SHORT_LIFETIME_S: i64 = 10 * 86_400;
/// Renewals are spread over this part of a lifetime, so that a fleet made on one day is not renewed in one hour.
const SPREAD_PART: i64 = 24;

/// The proxy's templates and files, which belong to no single instance.
pub(super) fn host(facts: &Facts, draft: &mut Draft) {
    let Some(proxy) = facts.live.proxy.known() else { return };
    if let Some(problem) = &proxy.template_problem {
        draft.hold(HoldReason::TemplateBroken, format!("the last good templates stay in force: {problem}"));
    }
    if proxy.current.is_none() || !proxy.running {
        return;
    }
    let render = |reason: &str, origin: Origin, fields: Vec<FieldChange>, draft: &mut Draft| {
        draft.step(Action::RenderSites, Why { reason, origin, risk: Risk::None, fields, after: &[] });
    };
    if !proxy.edits.is_empty() {
        let fields = proxy
            .edits
            .iter()
            .map(|edit| FieldChange { field: "edited by hand".to_owned(), from: Some(edit.clone()), to: None })
            .collect();
        render("files of the proxy were edited by hand", Origin::Drift, fields, draft);
    } else if proxy.templates_changed && proxy.template_problem.is_none() {
        render("templates changed", Origin::Intended, Vec::new(), draft);
    } else if proxy.loaded != proxy.current {
        let fields = changed(
            "generation",
            proxy.loaded.as_deref().unwrap_or("none"),
            proxy.current.as_deref().unwrap_or("none"),
        );
        render("nginx has not loaded the newest ones", Origin::Drift, fields.into_iter().collect(), draft);
    }
}

/// The site's row.
pub(super) fn row(case: &Case<'_>, draft: &mut Draft) {
    let Some(proxy) = case.proxy else { return };
    if !proxy.running {
        return draft.hold(HoldReason::Unseen, "nginx is not running: start it; its sites are put in place then");
    }
    let taken: Vec<String> =
        case.hosts.keys().filter(|host| proxy.foreign_hosts.contains(*host)).map(ToString::to_string).collect();
    if !taken.is_empty() {
        return draft.hold(
            HoldReason::Conflict,
            format!("nginx already serves {} from a file that is not Innkeeper's; it is left untouched: remove that server block", taken.join(", ")),
        );
    }
    let Some(mut wanted) = wanted_row(case) else { return };
    let live = proxy.sites.get(case.name);
    if exchange(case, &mut wanted, live, draft) {
        return;
    }
    let (reason, origin, fields) = match live {
        None if case.is_provisioned() => ("it was gone", case.origin(), new_row_fields(&wanted)),
        None => ("new instance", Origin::Intended, new_row_fields(&wanted)),
        Some(live) if live.row != wanted => {
            ("it differed", row_origin(case, &live.row, &wanted), row_fields(&live.row, &wanted))
        }
        Some(live) if !live.intact => {
            let edited = FieldChange {
                field: "lines".to_owned(),
                from: Some("edited by hand".to_owned()),
                to: Some("as rendered".to_owned()),
            };
            ("it was edited by hand", Origin::Drift, vec![edited])
        }
        Some(_) => return,
    };
    draft.step(Action::PutSite(wanted), Why { reason, origin, risk: Risk::None, fields, after: &[] });
}

/// Names that others still have although their files gave them up follow when these others let go of them. Where some wait for
/// each other's in a circle, each lets go first: with the names that are its own by now, or for a moment with none. True when
/// nothing else is to be done about the row now.
fn exchange(case: &Case<'_>, wanted: &mut SiteRow, live: Option<&SiteLive>, draft: &mut Draft) -> bool {
    let Some(index) = case.index else { return false };
    let claimed_by_another = |host: &Domain| index.claimant(host).is_some_and(|claimant| claimant != case.name);
    let Some(live) = live.filter(|live| live.row.hosts.keys().any(claimed_by_another)) else { return false };
    let owners = &index.owners().of_hosts;
    let is_free = |host: &Domain| owners.get(host).is_none_or(|owner| *owner == case.name);
    if wanted.hosts.keys().all(is_free) || !waits_for_itself(case, owners) {
        return false;
    }
    wanted.hosts.retain(|host, _| is_free(host));
    if !wanted.hosts.is_empty() {
        return false;
    }
    let why = Why {
        reason: "its names are another's by now, and those of its file are not free yet",
        origin: Origin::Intended,
        risk: Risk::Interruption,
        fields: Vec::new(),
        after: &[],
    };
    draft.step(Action::RemoveSite { instance: case.name.clone(), uid: live.row.uid }, why);
    true
}

/// True when whoever has a name that this instance waits for waits in turn, over whatever others, for one of this instance's.
/// Whoever is left alone lets go of nothing, so nobody else does for its sake.
fn waits_for_itself(case: &Case<'_>, owners: &HashMap<&Domain, &InstanceName>) -> bool {
    let mut seen = BTreeSet::new();
    let mut name = case.name;
    while seen.insert(name) {
        let wanted = case.facts.instances.get(name).and_then(|instance| instance.wanted.as_deref());
        let acts = |wanted: &&Wanted| !wanted.suspended && wanted.state != WantedState::Absent;
        let Some(wanted) = wanted.filter(acts) else { return false };
        let Some(owner) = wanted.hosts().filter_map(|host| owners.get(host)).find(|owner| **owner != name) else {
            return false;
        };
        name = owner;
    }
    name == case.name
}

/// A certificate for each name that a host of the site needs.
pub(super) fn certificates(case: &Case<'_>, draft: &mut Draft) {
    let (Some(authority), Some(proxy)) = (case.authority, case.proxy) else { return };
    // A name is proven through the site: without the site there is nothing to prove it by.
    if !proxy.sites.contains_key(case.name) && !draft.has_step(StepKind::PutSite) {
        return;
    }
    let names: BTreeSet<&CertificateName> = case.hosts.values().collect();
    for name in names {
        let live = authority.certificates.get(name);
        let Some((reason, renewal)) = due(live, name, case.facts.now) else { continue };
        let fields = match live {
            Some(live) => {
                vec![FieldChange {
                    field: "not_after".to_owned(),
                    from: Some(told(live.not_after, &case.facts.zone)),
                    to: None,
                }]
            }
            None => vec![new_field("name", name)],
        };
        let origin = if renewal { Origin::Schedule } else { case.origin() };
        let order = CertificateOrder { name: name.clone(), names: BTreeSet::from([name.0.clone()]), renewal };
        draft.step(
            Action::ObtainCertificate(order),
            Why { reason: &reason, origin, risk: Risk::None, fields, after: &[StepKind::PutSite] },
        );
    }
}

/// Which certificate serves which host.
pub(super) fn hosts(settings: &Settings, wanted: &Wanted) -> BTreeMap<Domain, CertificateName> {
    let own = match settings.acme.wildcard_hook {
        Some(_) => CertificateName::wildcard(&settings.fleet.base_domain),
        None => CertificateName::host(&wanted.host),
    };
    let custom = wanted.domains.iter().map(|domain| (domain.clone(), CertificateName::host(domain)));
    custom.chain([(wanted.host.clone(), own)]).collect()
}

/// True when the certificate may be shown to customers now.
pub(super) fn is_sound(live: &CertificateLive, now: Timestamp) -> bool {
    live.fault.is_none() && live.not_before <= now && now < live.not_after
}

pub(super) fn wanted_row(case: &Case<'_>) -> Option<SiteRow> {
    Some(SiteRow {
        instance: case.name.clone(),
        uid: case.instance.uid,
        hosts: case.hosts.clone(),
        ports: case.ports()?,
        gevent: case.wanted.limits.workers > 0,
        page: page(case)?,
        template: case.wanted.template.clone(),
        language: Some(case.wanted.company.language.clone()),
        redirect: redirect(case),
    })
}

/// The name that all others lead to: the primary one, as soon as its certificate may be shown. While certificates cannot be
/// seen that stays as it is.
fn redirect(case: &Case<'_>) -> Option<Domain> {
    let primary = case.wanted.primary.as_ref().filter(|primary| primary.redirect)?;
    let is_ready = match case.authority {
        Some(authority) => {
            let certificate = case.hosts.get(&primary.host).and_then(|name| authority.certificates.get(name));
            certificate.is_some_and(|live| is_sound(live, case.facts.now))
        }
        None => {
            let live = case.proxy.and_then(|proxy| proxy.sites.get(case.name));
            live.is_some_and(|live| live.row.redirect.as_ref() == Some(&primary.host))
        }
    };
    is_ready.then(|| primary.host.clone())
}

/// What the site shows. While the database cannot be looked at it goes on showing what it shows.
fn page(case: &Case<'_>) -> Option<SitePage> {
    if case.wanted.state == WantedState::Stopped {
        return Some(SitePage::Stopped);
    }
    if case.is_provisioned() {
        return Some(SitePage::Serve);
    }
    match case.database {
        Some(_) => Some(SitePage::Preparing),
        None => case.proxy?.sites.get(case.name).map(|site| site.row.page),
    }
}

/// What follows the instance's own progress, its certificates or a new version of Innkeeper is no drift.
fn row_origin(case: &Case<'_>, live: &SiteRow, wanted: &SiteRow) -> Origin {
    let is_set_up = live.page == SitePage::Preparing && wanted.page != SitePage::Preparing;
    if is_set_up || live.redirect != wanted.redirect || live.language.is_none() {
        Origin::Intended
    } else {
        case.origin()
    }
}

fn new_row_fields(row: &SiteRow) -> Vec<FieldChange> {
    row.hosts.keys().map(|host| new_field("host", host)).chain([new_field("page", page_text(row.page))]).collect()
}

pub(super) fn row_fields(live: &SiteRow, wanted: &SiteRow) -> Vec<FieldChange> {
    let hosts = |row: &SiteRow| row.hosts.keys().map(Domain::as_str).collect::<Vec<_>>().join(" ");
    let certificates = |row: &SiteRow| row.hosts.values().map(|name| name.0.as_str()).collect::<Vec<_>>().join(" ");
    let template = |row: &SiteRow| row.template.as_ref().map_or_else(|| "shared".to_owned(), ToString::to_string);
    let language = |row: &SiteRow| row.language.as_ref().map_or_else(|| "English".to_owned(), ToString::to_string);
    let redirect = |row: &SiteRow| row.redirect.as_ref().map_or_else(|| "the site".to_owned(), ToString::to_string);
    [
        changed("hosts", hosts(live), hosts(wanted)),
        changed("certificates", certificates(live), certificates(wanted)),
        changed("port", live.ports.http, wanted.ports.http),
        changed("websocket worker", live.gevent, wanted.gevent),
        changed("page", page_text(live.page), page_text(wanted.page)),
        changed("template", template(live), template(wanted)),
        changed("language of its pages", language(live), language(wanted)),
        changed("other names lead to", redirect(live), redirect(wanted)),
        changed("uid", live.uid, wanted.uid),
    ]
    .into_iter()
    .flatten()
    .collect()
}

pub(super) fn page_text(page: SitePage) -> &'static str {
    match page {
        SitePage::Serve => "Odoo",
        SitePage::Preparing => "being prepared",
        SitePage::Stopped => "stopped",
        SitePage::Maintenance => "maintenance",
        SitePage::Retired => "retired",
    }
}

/// Why a certificate must be ordered, and whether that is a renewal; none while the stored one will do.
fn due(live: Option<&CertificateLive>, name: &CertificateName, now: Timestamp) -> Option<(String, bool)> {
    let Some(live) = live else { return Some(("none was stored".to_owned(), false)) };
    if let Some(fault) = &live.fault {
        return Some((format!("the stored certificate must not be used: {fault}"), false));
    }
    if !live.names.contains(&name.0) {
        return Some(("the stored certificate does not cover the name".to_owned(), false));
    }
    if !is_sound(live, now) {
        return Some(("the stored certificate is not valid now".to_owned(), false));
    }
    let lifetime_s = live.not_after.as_second() - live.not_before.as_second();
    let left_s = live.not_after.as_second() - now.as_second();
    let part = if lifetime_s < SHORT_LIFETIME_S { 2 } else { 3 };
    let earliest_s = lifetime_s / part;
    // The spread only moves it later, and it is a digest: not taken for the many that are far from their time.
    let is_due = left_s < earliest_s && left_s < earliest_s - lifetime_s / SPREAD_PART * i64::from(spread(name)) / 256;
    is_due.then(|| ("its renewal is due".to_owned(), true))
}

/// A number from 0 to 255 that differs between names and stays the same for one.
fn spread(name: &CertificateName) -> u8 {
    let digest = crate::model::secret::digest(name);
    digest.get(3..5).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0)
}
