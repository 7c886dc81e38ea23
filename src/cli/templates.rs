//! The proxy's templates as files of the fleet: mistakes in them, found without nginx.

use super::context::Context;
use crate::adapters::nginx::Nginx;
use crate::connect::TEMPLATES_DIR;
use crate::model::name::{Domain, InstallationId, InstanceName};
use crate::model::problem::Problem;
use crate::model::site::SiteRow;
use crate::model::wanted::Wanted;
use crate::spec::{self, Fleet};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Stands for what an installation has and a render only copies: the ACME account, the certificates' place.
const UNKNOWN: &str = "unknown";

/// What is wrong with the templates, for the instances that there are.
pub(crate) fn problems(cx: &Context, fleet: &Fleet) -> Vec<Problem> {
    let (settings, installation) = (&fleet.settings, InstallationId(UNKNOWN.to_owned()));
    let templates = cx.within(TEMPLATES_DIR);
    let certificates = PathBuf::from(format!("/{UNKNOWN}"));
    let base_domain = settings.fleet.base_domain.clone();
    let nginx = Nginx::new(&settings.nginx, templates, certificates, base_domain, UNKNOWN.to_owned(), installation);
    // What keeps nginx from being spoken for is no fault of a template; the daemon tells it.
    let Ok(nginx) = nginx else { return Vec::new() };
    let nginx = nginx.run_by(&settings.operator);
    let wanted = fleet.instances.iter().filter_map(|(name, it)| Some((name.clone(), it.wanted.as_deref()?)));
    let rows: BTreeMap<InstanceName, SiteRow> = wanted.map(|(name, wanted)| (name, row(wanted))).collect();
    let mistakes = nginx.mistakes(&rows);
    mistakes.iter().map(|it| spec::template_problem(&it.file, (it.line, it.column), &it.message)).collect()
}

fn row(wanted: &Wanted) -> SiteRow {
    let hosts: Vec<&Domain> = std::iter::once(&wanted.host).chain(&wanted.domains).collect();
    let sample = SiteRow::sample(wanted.name.clone(), &hosts, wanted.template.clone());
    SiteRow { gevent: wanted.limits.workers > 0, language: Some(wanted.company.language.clone()), ..sample }
}
