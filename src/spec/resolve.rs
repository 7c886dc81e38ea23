//! What an instance file means on this host: [`InstanceFile`] × plans × settings → [`Wanted`].

use super::codes;
use super::conf;
use super::instance::InstanceFile;
use super::lists::RESERVED_SUBDOMAINS;
use super::problem::{Refusal, did_you_mean, nearest, quote};
use super::tree::Placed;
use crate::model::name::{Domain, OdooVersion, PlanName, Subdomain};
use crate::model::problem::Problem;
use crate::model::service_plan::{Limits, ServicePlan};
use crate::model::settings::Settings;
use crate::model::wanted::{Company, Primary, Wanted};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What all instance files are read against.
pub(super) struct Ground {
    pub(super) settings: Arc<Settings>,
    pub(super) plans: BTreeMap<PlanName, ServicePlan>,
    /// Relative paths start there.
    pub(super) fleet_dir: PathBuf,
}

/// The instance that `read` asks for; on failure all that stands against it on this host: nothing, where only the file's own
/// faults do.
pub(super) fn resolve(file: &Path, read: &InstanceFile, ground: &Ground) -> Result<Wanted, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut tell = |refusal: Refusal, at| problems.push(refusal.at(file, at));
    let plan = read.plan.as_ref();
    let plan = plan.and_then(|it| find_plan(&it.value, &ground.plans).map_err(|refusal| tell(refusal, it.at)).ok());
    let release = read.odoo.as_ref().map_or(&ground.settings.odoo.default_version, |placed| &placed.value);
    let at = read.odoo.as_ref().map_or(super::problem::WHOLE_FILE, |placed| placed.at);
    let image = find_image(release, &ground.settings).map_err(|refusal| tell(refusal, at)).ok();
    let host = read.subdomain.as_ref();
    let host = host.and_then(|it| find_host(&it.value, &ground.settings).map_err(|refusal| tell(refusal, it.at)).ok());
    for domain in &read.domains {
        if let Err(refusal) = check_domain(domain, &ground.settings.fleet.base_domain) {
            tell(refusal, domain.at);
        }
    }
    read.conf.too_young(release).for_each(|(refusal, at)| tell(refusal, at));
    if let (Some(primary), Some(host)) = (&read.primary, &host)
        && let Err(refusal) = check_primary(primary, host, read)
    {
        tell(refusal, primary.at);
    }
    match (plan, image, host) {
        (Some(plan), Some(image), Some(host)) if problems.is_empty() => {
            wanted(read, plan, image, host, ground).ok_or(problems)
        }
        _ => Err(problems),
    }
}

fn find_plan<'a>(name: &PlanName, plans: &'a BTreeMap<PlanName, ServicePlan>) -> Result<&'a ServicePlan, Refusal> {
    plans.get(name).ok_or_else(|| {
        let refusal = Refusal::new(&codes::UNKNOWN_PLAN, format!("plan {} is not in plans.toml", quote(name.as_str())));
        match nearest(name.as_str(), plans.keys().map(PlanName::as_str)) {
            Some(near) => refusal.hint(did_you_mean(near)),
            None => {
                refusal.hint(format!("plans: {}", plans.keys().map(PlanName::as_str).collect::<Vec<_>>().join(", ")))
            }
        }
    })
}

fn find_image<'a>(release: &OdooVersion, settings: &'a Settings) -> Result<&'a str, Refusal> {
    settings.odoo.images.get(release).map(String::as_str).ok_or_else(|| {
        let known: Vec<&str> = settings.odoo.images.keys().map(OdooVersion::as_str).collect();
        Refusal::new(&codes::UNKNOWN_RELEASE, format!("no image is configured for Odoo {release}"))
            .hint(format!("odoo.images of the settings has: {}", known.join(", ")))
    })
}

fn find_host(subdomain: &Subdomain, settings: &Settings) -> Result<Domain, Refusal> {
    let subdomain = subdomain.as_str();
    if is_reserved(subdomain, settings) {
        let message = format!("subdomain {} is reserved", quote(subdomain));
        return Err(Refusal::new(&codes::RESERVED, message).hint("choose another: subdomain = \"…\""));
    }
    let host = format!("{subdomain}.{}", settings.fleet.base_domain);
    Domain::parse(&host)
        .map_err(|error| Refusal::new(&codes::HOST_TOO_LONG, error.to_string()).hint("choose a shorter subdomain"))
}

/// True for subdomains that no instance may have.
pub(super) fn is_reserved(subdomain: &str, settings: &Settings) -> bool {
    RESERVED_SUBDOMAINS.contains(&subdomain) || settings.fleet.reserved_subdomains.contains(subdomain)
}

fn check_domain(domain: &Placed<Domain>, base: &Domain) -> Result<(), Refusal> {
    let Some(above) = domain.value.as_str().strip_suffix(base.as_str()) else { return Ok(()) };
    let refusal = || {
        let message = format!("domain {} belongs to the base domain {base}", quote(domain.value.as_str()));
        Refusal::new(&codes::DOMAIN_BELOW_BASE, message)
    };
    match above.strip_suffix('.') {
        Some(label) if !label.contains('.') => {
            Err(refusal().hint(format!("write subdomain = {} instead", quote(label))))
        }
        Some(_) => Err(refusal().hint("only one label below the base domain is served, by subdomain = \"…\"")),
        None if above.is_empty() => {
            Err(refusal().hint("instances are served below the base domain, by subdomain = \"…\""))
        }
        None => Ok(()),
    }
}

/// The name that links carry must be one at which the site answers.
fn check_primary(primary: &Placed<Domain>, host: &Domain, read: &InstanceFile) -> Result<(), Refusal> {
    let names = || std::iter::once(host).chain(read.domains.iter().map(|placed| &placed.value));
    if names().any(|name| *name == primary.value) {
        return Ok(());
    }
    let given = primary.value.as_str();
    let message = format!("site.primary: {} is not a name of this instance", quote(given));
    let refusal = Refusal::new(&codes::FOREIGN_PRIMARY, message);
    Err(match nearest(given, names().map(Domain::as_str)) {
        Some(near) => refusal.hint(did_you_mean(near)),
        None => refusal.hint(format!("add it: domains = [{}], or choose one of {}", quote(given), list(names()))),
    })
}

fn list<'d>(names: impl Iterator<Item = &'d Domain>) -> String {
    names.map(Domain::as_str).collect::<Vec<_>>().join(", ")
}

/// None where the file does not say all that it must.
fn wanted(read: &InstanceFile, plan: &ServicePlan, image: &str, host: Domain, ground: &Ground) -> Option<Wanted> {
    let settings = &ground.settings;
    let redirect = read.redirect?;
    let odoo = read.odoo.as_ref().map_or(&settings.odoo.default_version, |placed| &placed.value).clone();
    Some(Wanted {
        name: read.name.clone(),
        plan: plan.name.clone(),
        state: read.state?,
        subdomain: read.subdomain.as_ref()?.value.clone(),
        host,
        domains: read.domains.iter().map(|placed| placed.value.clone()).collect(),
        conf: conf::of_release(plan.conf.overlaid_by(&read.conf.complete(&ground.fleet_dir)), &odoo),
        odoo,
        image: image.to_owned(),
        modules: plan.modules.iter().chain(read.modules.as_ref()?).cloned().collect(),
        protected: read.protected?,
        suspended: read.suspended?,
        customer: read.customer.clone(),
        company: Company {
            name: read.company_name.clone()?,
            country: read.country.clone(),
            language: read.language.clone()?,
            timezone: read.timezone.as_ref().unwrap_or(&settings.fleet.timezone).clone(),
        },
        admin_email: read.admin_email.clone()?,
        limits: Limits {
            cpu_millis: read.limits.cpu_millis.unwrap_or(plan.limits.cpu_millis),
            memory: read.limits.memory.unwrap_or(plan.limits.memory),
            disk: read.limits.disk.unwrap_or(plan.limits.disk),
            workers: read.limits.workers.unwrap_or(plan.limits.workers),
        },
        backup: plan.backup.clone(),
        template: read.template.clone(),
        primary: read.primary.as_ref().map(|it| Primary { host: it.value.clone(), redirect }),
    })
}
